//! The commands that change something or ask for one number.

use super::{failed, printed, tool, two_clients};
use crate::failure::Kind;
use crate::units::parse_uuid;

#[test]
fn p25_freeze_and_thaw_reach_who_is_meant() {
    let xen = two_clients();
    let frozen = |domain: u16| xen.model.borrow_mut().client(domain).is_frozen;
    assert_eq!((frozen(1), frozen(7)), (false, true));
    printed(&xen, "freeze 1");
    assert_eq!((frozen(1), frozen(7)), (true, true));
    printed(&xen, "thaw all");
    assert_eq!((frozen(1), frozen(7)), (false, false));
    printed(&xen, "freeze all");
    assert_eq!((frozen(1), frozen(7)), (true, true));
    let failure = failed(&xen, "freeze 9");
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains("does not use tmem"), "{failure}");
}

#[test]
fn p25_set_changes_what_is_named_and_nothing_else_also_of_all() {
    let xen = two_clients();
    {
        let mut model = xen.model.borrow_mut();
        model.can_compress = true;
        model.client(7).is_compressing = true;
    }
    let state = |domain: u16| {
        let mut model = xen.model.borrow_mut();
        let client = model.client(domain);
        (client.weight, client.is_compressing)
    };
    printed(&xen, "set all --weight 5");
    assert_eq!((state(1), state(7)), ((5, false), (5, true)));
    printed(&xen, "set 1 --compress on");
    assert_eq!((state(1), state(7)), ((5, true), (5, true)));
    printed(&xen, "set 7 --compress off --weight 1");
    assert_eq!(state(7), (1, false));
    assert_eq!(failed(&xen, "set 9 --weight 1").kind, Kind::Refused);
    xen.model.borrow_mut().can_compress = false;
    let failure = failed(&xen, "set 7 --compress on");
    assert!(failure.message.contains("does not compress"), "{failure}");
}

#[test]
fn p25_freeable_is_what_xen_says_with_its_unit() {
    let xen = two_clients();
    assert_eq!(printed(&xen, "freeable"), "10 MiB\n");
    assert_eq!(printed(&xen, "freeable --json"), "{\n  \"freeable_mib\": 10\n}\n");
}

#[test]
fn flush_tells_how_much_was_freed() {
    let xen = two_clients();
    assert_eq!(printed(&xen, "flush 4M"), "4096 KiB freed\n");
    assert_eq!(printed(&xen, "freeable"), "6 MiB\n");
    // No more than there is.
    assert_eq!(printed(&xen, "flush 1G"), "6144 KiB freed\n");
    assert_eq!(printed(&xen, "freeable"), "0 MiB\n");
}

#[test]
fn p71_p70_auth_allows_and_revokes_the_uuid_that_is_written() {
    let xen = two_clients();
    let uuid = "abcdef01-2345-6789-abcd-ef0123456789";
    let allowed = || xen.model.borrow_mut().client(9).authorisations.clone();
    printed(&xen, &format!("auth 9 --allow {uuid}"));
    assert_eq!(allowed(), [parse_uuid(uuid).expect("it is one")]);
    printed(&xen, &format!("auth 9 --revoke {uuid}"));
    assert_eq!(allowed(), []);
    assert_eq!(failed(&xen, "auth 9 --allow 12").kind, Kind::Usage);
    assert_eq!(failed(&xen, &format!("auth 44 --allow {uuid}")).kind, Kind::Refused);
}

#[test]
fn p25_auth_lists_what_is_allowed_in_the_form_in_which_it_is_taken() {
    let xen = two_clients();
    let (one, other) =
        ("abcdef01-2345-6789-abcd-ef0123456789", "00000000-0000-0000-0000-0000000000ff");
    assert_eq!(printed(&xen, "auth 1 --list"), "");
    printed(&xen, &format!("auth 1 --allow {one}"));
    printed(&xen, &format!("auth 1 --allow {other} --fs"));
    let lines = |line: &str| {
        let text = printed(&xen, line);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("auth 1 --list")[0], one);
    assert_eq!(lines("auth 1 --list --fs")[1], other);
    assert_eq!(lines("auth 1 --list").len(), 2);
    assert_eq!(lines("auth 7 --list"), [""; 0]);
    for domain in [9, 44] {
        let failure = failed(&xen, &format!("auth {domain} --list"));
        assert_eq!(failure.kind, Kind::Refused);
    }
}

#[test]
fn audit_tells_what_does_not_agree_and_fails() {
    let xen = two_clients();
    assert!(
        printed(&xen, "audit").contains("3 pools") && printed(&xen, "audit").contains("all agrees")
    );
    xen.model.borrow_mut().fault = 12;
    let failure = failed(&xen, "audit");
    assert_eq!(failure.kind, Kind::Inconsistent);
    assert!(failure.message.contains("fault 12"), "{failure}");
    assert_eq!(failed(&xen, "audit --json").kind, Kind::Inconsistent);
}

#[test]
fn audit_tells_of_metadata_that_is_told_and_not_there() {
    let xen = two_clients();
    for (metadata, is_said) in [((7, 7), false), ((7, 8), true), ((8, 7), true)] {
        xen.model.borrow_mut().metadata = metadata;
        let text = printed(&xen, "audit");
        assert_eq!(text.contains("the pools say that they have"), is_said, "{text}");
        // A call under way may have some in hand, so this alone is no fault.
        assert!(text.contains("all agrees"), "{text}");
    }
    assert!(printed(&xen, "audit --json").contains("\"metadata_told_bytes\": 28672"));
    xen.model.borrow_mut().is_old = true;
    assert!(!printed(&xen, "audit").contains("the pools say"));
    assert!(!printed(&xen, "audit --json").contains("told"));
}

#[test]
fn measuring_is_switched() {
    let xen = two_clients();
    printed(&xen, "measure on");
    assert!(xen.model.borrow().is_measuring);
    printed(&xen, "measure off");
    assert!(!xen.model.borrow().is_measuring);
}

#[test]
fn manual_and_completions_need_no_hypervisor_and_name_every_command() {
    let xen = two_clients();
    let commands = crate::cli::definitions();
    let manual = printed(&xen, "man");
    assert!(manual.contains("Exit codes"), "{manual}");
    for shell in ["bash", "zsh", "fish"] {
        let text = printed(&xen, &format!("completions {shell}"));
        for command in commands.get_subcommands() {
            let name = command.get_name();
            assert!(text.contains(name), "{shell}: {name}");
            assert!(manual.contains(&name.replace('-', "\\-")), "{name}");
        }
    }
    assert!(xen.model.borrow().made.is_empty());
    assert!(tool(&xen, "no-such-command").is_err());
}
