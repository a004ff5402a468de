//! What the tool tells of itself, and of what is not there.

use super::fake::Fake;
use super::{failed, printed, tool, two_clients};
use crate::cli::definitions;
use crate::failure::Kind;
use clap::Command;
use clap::error::ErrorKind;
use std::fs;

/// All commands, by name.
fn commands() -> Vec<Command> {
    definitions().get_subcommands().cloned().collect()
}

#[test]
fn every_command_is_there_and_explains_itself_and_its_arguments() {
    let names: Vec<String> = commands().iter().map(|one| one.get_name().to_owned()).collect();
    for wanted in [
        "list", "top", "freeze", "thaw", "set", "auth", "freeable", "flush", "audit", "save",
        "restore", "metrics",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}");
    }
    for command in commands() {
        let name = command.get_name();
        let about = command.get_about().unwrap_or_else(|| unreachable!("{name}")).to_string();
        let shown = definitions()
            .try_get_matches_from(["tmemctl", name, "--help"])
            .expect_err("help is no command");
        assert_eq!((shown.kind(), shown.exit_code()), (ErrorKind::DisplayHelp, 0), "{name}");
        let text = shown.to_string();
        assert!(text.contains(&about), "{name}: {text}");
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{name}: {}", argument.get_id());
        }
    }
}

#[test]
fn a_page_of_the_manual_is_written_for_each_command() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().to_str().expect("a plain name");
    assert_eq!(printed(&Fake::default(), &format!("man --dir {path}")), "");
    for command in commands() {
        let name = command.get_name();
        let page = fs::read_to_string(folder.path().join(format!("tmemctl-{name}.1")));
        let page = page.unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert!(page.starts_with(".ie") && page.contains(".TH"), "{name}: {page}");
        let first = command.get_about().expect("it has one").to_string();
        let first = first.split(['-', '\'', '`']).next().unwrap_or_default().to_owned();
        assert!(page.contains(first.trim()), "{name}: {page}");
    }
    assert!(folder.path().join("tmemctl.1").exists());
    assert_eq!(failed(&Fake::default(), "man --dir /no/such/folder").kind, Kind::Io);
}

/// A number that no domain has, or one that does not use tmem: each command says so, and changes
/// nothing. (A domain without tmem can be saved and allowed something.)
#[test]
fn p25_no_such_domain_is_said_by_each_command() {
    let xen = two_clients();
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("one");
    let file = file.to_str().expect("a plain name");
    tool(&xen, &format!("save 1 {file}")).expect("it is there");
    let uuid = "00000000-0000-0000-0000-000000000001";
    for (line, words) in [
        ("list 44".to_owned(), "domain 44 does not use tmem"),
        ("freeze 44".to_owned(), "the domain does not use tmem"),
        ("thaw 44".to_owned(), "the domain does not use tmem"),
        ("set 44 --weight 1".to_owned(), "the domain does not use tmem"),
        (format!("auth 44 --allow {uuid}"), "no such domain"),
        (format!("auth 44 --revoke {uuid}"), "no such domain"),
        ("auth 44 --list".to_owned(), "domain 44 does not use tmem"),
        ("end-save 44".to_owned(), "no such client"),
        (format!("restore 44 {file}"), "no such domain"),
    ] {
        let failure = failed(&xen, &line);
        assert_eq!(failure.kind, Kind::Refused, "{line}: {failure}");
        assert!(failure.message.contains(words), "{line}: {failure}");
    }
    assert!(!xen.model.borrow().domains.contains_key(&44));
    // What can't be told from a domain without tmem is at least said to be nothing.
    let (_, said) = tool(&xen, &format!("save 44 {file}")).expect("it may be without tmem");
    assert!(said.contains("domain 44 has no tmem, if there is such a domain"), "{said}");
    let (_, said) = tool(&xen, &format!("save 1 {file}")).expect("it is there");
    assert!(!said.contains("has no tmem"), "{said}");
}
