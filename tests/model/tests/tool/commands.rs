//! A domain's way through a file, and what the figures are, of the service that Xen runs.

use crate::xen::{Xen, json, tool};
use clap::Parser;
use hypercall_abi::control::{CONTROL_BYTES, ClientId, ControlOp, SaveOp};
use std::path::Path;
use tempfile::TempDir;
use tmem_host_sim::Content;
use tmem_model_tests::{World, at, flags};
use tmemctl::cli::Cli;
use tmemctl::hypervisor::{Hypervisor, Refusal};

fn file(folder: &TempDir) -> String {
    folder.path().join("domain.tmem").to_str().expect("a plain name").to_owned()
}

/// Name and content of a domain's `nr`th persistent page.
fn persistent(nr: u32) -> (hypercall_abi::Handle, Content) {
    let content = if nr.is_multiple_of(5) { Content::ZERO } else { Content::Unique(nr) };
    (at(1, u64::from(nr % 7), nr / 7 * 13), content)
}

fn fill(world: &World, nr_pages: u32) {
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::EPHEMERAL, 0), 0);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 1);
    for nr in 0..nr_pages {
        let (handle, content) = persistent(nr);
        assert_eq!(guest.put(handle, content), 1);
    }
    assert_eq!(guest.put(at(0, 1, 1), Content::Unique(7777)), 1);
}

#[test]
fn r65_p84_a_domain_is_carried_by_a_file() {
    for nr_pages in [0, 1, 2, 700] {
        let world = World::with_frames(3000);
        fill(&world, nr_pages);
        tool(&world, &["set", "1", "--weight", "70"]).expect("it is a client");
        let folder = tempfile::tempdir().expect("there is room");
        let file = file(&folder);
        tool(&world, &["save", "1", &file]).expect("it is at rest");
        assert!(Path::new(&file).exists());
        tool(&world, &["restore", "2", &file]).expect("it is whole");
        for nr in 0..nr_pages {
            let (handle, content) = persistent(nr);
            assert_eq!(world.guest(2).get(handle), (1, Some(content)), "page {nr}");
            // The source goes on as before.
            assert_eq!(world.guest(1).get(handle), (1, Some(content)), "page {nr}");
        }
        // The ephemeral pool is there, and empty.
        assert_eq!(world.guest(2).get(at(0, 1, 1)).0, -1001);
        assert_eq!(world.guest(1).put(at(1, 99, 9), Content::Unique(1)), 1, "it is frozen");
        let all = json(&world, &["list", "--json"]);
        assert_eq!(all["clients"][1]["weight"], 70);
        assert_eq!(all["clients"][1]["persistent_pages"], nr_pages);
    }
}

#[test]
fn r64_what_a_running_domain_removes_is_gone_after_the_move() {
    // The guest runs in the middle of the copy of a page to the toolstack.
    for removed_after in [0, 3, 150] {
        let world = World::with_frames(3000);
        fill(&world, 300);
        let folder = tempfile::tempdir().expect("there is room");
        let file = file(&folder);
        let guest = world.guest(1);
        let runs = Runs { xen: Xen(world.service().clone()), left: removed_after, guest };
        let words = ["tmemctl", "save", "1", &file, "--live", "--suspend", "true"];
        let cli = Cli::try_parse_from(words).expect("it is a command");
        tmemctl::run(&cli, || Ok(runs), &mut Vec::new(), &mut Vec::new()).expect("it is saved");
        tool(&world, &["restore", "2", &file]).expect("it is whole");
        for nr in 0..300 {
            let (handle, _) = persistent(nr);
            assert_eq!(world.guest(2).get(handle), world.guest(1).get(handle), "page {nr}");
        }
        let kept = (0..300).filter(|&nr| world.guest(2).get(persistent(nr).0).0 == 1).count();
        // An object of 43 pages, 20 pages, and page 250.
        assert_eq!(kept, 300 - 43 - 20 - 1);
    }
}

/// A hypervisor in which a guest runs once, after so many pages.
struct Runs {
    xen: Xen,
    left: u32,
    guest: tmem_model_tests::Guest,
}

impl Hypervisor for Runs {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        let is_page = op[0] == 19;
        if is_page && self.left == 0 {
            // An object, single pages before and after where the save stands, and one replaced,
            // which is removed instead.
            assert!(self.guest.flush_object(1, 3) != 0);
            let others = (0..300).filter(|nr| nr % 7 != 3 && nr % 7 != 5).step_by(11).take(20);
            others.for_each(|nr| assert_ne!(self.guest.flush(persistent(nr).0), 0));
            assert_eq!(self.guest.put(persistent(250).0, Content::Unique(1)), -28);
            assert_eq!(self.guest.put(at(1, 99, 9), Content::Unique(1)), -1000);
        }
        self.left = if is_page { self.left.wrapping_sub(1) } else { self.left };
        self.xen.control(op, buffer)
    }
}

#[test]
fn a_domain_that_is_being_saved_is_listed_as_ever() {
    let world = World::with_frames(3000);
    fill(&world, 10);
    let before = json(&world, &["list", "1", "--json"]);
    for live in [false, true] {
        let op = SaveOp::Begin { who: ClientId::One(1), live };
        let begun =
            Xen(world.service().clone()).control(&mut ControlOp::Save(op).encode(), &mut []);
        assert_eq!(begun, Ok(0));
        let mut during = json(&world, &["list", "1", "--json"]);
        assert_eq!(during["clients"][0]["is_frozen"], true);
        during["clients"][0]["is_frozen"] = false.into();
        assert_eq!(during, before);
        assert_eq!(tool(&world, &["audit"]).expect("it agrees").lines().last(), Some("all agrees"));
        tool(&world, &["end-save", "1"]).expect("it is being saved");
        assert_eq!(json(&world, &["list", "1", "--json"]), before);
    }
}

#[test]
fn r68_a_shared_pool_is_joined_again() {
    let world = World::with_frames(3000);
    let uuid = "00000000-0000-0000-0000-000000000005";
    for domain in ["1", "3"] {
        tool(&world, &["auth", domain, "--allow", uuid]).expect("there is room");
    }
    let more = "00000000-0000-0000-0000-000000000006";
    tool(&world, &["auth", "1", "--allow", more]).expect("there is room");
    assert_eq!(world.guest(1).new_pool(flags::SHARED, 5), 0);
    assert_eq!(world.guest(3).new_pool(flags::SHARED, 5), 0);
    let folder = tempfile::tempdir().expect("there is room");
    let file = file(&folder);
    tool(&world, &["save", "1", &file]).expect("it is at rest");
    tool(&world, &["restore", "2", &file]).expect("it is whole");
    assert_eq!(world.guest(3).put(at(0, 1, 1), Content::Unique(5)), 1);
    assert_eq!(world.guest(2).get(at(0, 1, 1)), (1, Some(Content::Unique(5))));
    // What it may join and has not joined yet comes along by itself.
    let listed = tool(&world, &["auth", "2", "--list"]).expect("it is a client");
    assert_eq!(listed, format!("{uuid}\n{more}\n"));
    tool(&world, &["auth", "3", "--allow", more]).expect("there is room");
    assert_eq!(world.guest(3).new_pool(flags::SHARED, 6), 1);
    assert_eq!(world.guest(2).new_pool(flags::SHARED, 6), 1);
    assert_eq!(world.guest(2).put(at(1, 1, 1), Content::Unique(6)), 1);
    assert_eq!(world.guest(3).get(at(1, 1, 1)), (1, Some(Content::Unique(6))));
}

#[test]
fn r68_r39_a_pool_that_may_not_be_joined_again_is_kept_and_not_allowed_anew() {
    let world = World::with_frames(3000);
    let uuid = "00000000-0000-0000-0000-000000000005";
    for domain in ["1", "3"] {
        tool(&world, &["auth", domain, "--allow", uuid]).expect("there is room");
        let domain = domain.parse().expect("a number");
        assert_eq!(world.guest(domain).new_pool(flags::SHARED, 5), 0);
    }
    tool(&world, &["auth", "1", "--revoke", uuid]).expect("it is a client");
    for at in 0x10..0x20 {
        let uuid = format!("00000000-0000-0000-0000-0000000000{at}");
        tool(&world, &["auth", "1", "--allow", &uuid]).expect("there is room");
    }
    let folder = tempfile::tempdir().expect("there is room");
    let file = file(&folder);
    tool(&world, &["save", "1", &file]).expect("it is at rest");
    tool(&world, &["restore", "2", &file]).expect("it is whole");
    assert_eq!(world.guest(3).put(at(0, 1, 1), Content::Unique(5)), 1);
    assert_eq!(world.guest(2).get(at(0, 1, 1)), (1, Some(Content::Unique(5))));
    let listed = |domain| tool(&world, &["auth", domain, "--list"]).expect("it is a client");
    assert_eq!(listed("2"), listed("1"));
    assert!(!listed("2").contains(uuid));
    assert_eq!(world.guest(2).new_pool(flags::SHARED, 5), 1);
    assert_eq!(world.guest(2).get(at(1, 1, 1)).0, -1001, "it is private");
}

#[test]
fn p84_a_restore_that_fails_leaves_the_guest_nothing_and_no_frame_is_lost() {
    let world = World::with_frames(600);
    fill(&world, 400);
    let folder = tempfile::tempdir().expect("there is room");
    let file = file(&folder);
    tool(&world, &["save", "1", &file]).expect("it is at rest");
    let failure = tool(&world, &["restore", "2", &file]).expect_err("there are not so many frames");
    assert!(failure.message.contains("destroy it"), "{failure}");
    assert_eq!(world.guest(2).get(persistent(0).0).0, -19);
    let all = json(&world, &["list", "--json"]);
    assert_eq!(all["host"]["persistent_pages"], 400);
    assert_eq!(tool(&world, &["audit"]).expect("all agrees").lines().last(), Some("all agrees"));
}

#[test]
fn p25_what_list_and_freeable_tell_is_what_guests_did() {
    let world = World::with_frames(3000);
    fill(&world, 10);
    let guest = world.guest(3);
    assert_eq!(guest.new_pool(flags::EPHEMERAL, 0), 0);
    for nr in 0..600 {
        assert_eq!(guest.put(at(0, 1, nr), Content::Unique(nr)), 1);
    }
    for nr in 0..9 {
        assert_eq!(guest.get(at(0, 1, nr)).0, 1);
    }
    assert_eq!(guest.get(at(0, 2, 0)).0, 0);
    tool(&world, &["freeze", "3"]).expect("it is a client");
    assert_eq!(guest.put(at(0, 3, 0), Content::Unique(1)), -1000);
    let all = json(&world, &["list", "--json"]);
    let three = &all["clients"][1];
    let told = |name: &str| three["pools"][0][name].as_u64();
    assert_eq!(three["domain"], 3);
    assert_eq!(three["is_frozen"], true);
    assert_eq!(told("ephemeral_pages"), Some(591));
    assert_eq!(told("puts_stored"), Some(600));
    assert_eq!((told("gets"), told("hits"), told("misses")), (Some(10), Some(9), Some(1)));
    assert_eq!(told("puts_frozen"), Some(1));
    assert_eq!(all["host"]["persistent_pages"], 10);
    let freeable = |world: &World| json(world, &["freeable", "--json"])["freeable_mib"].as_u64();
    assert_eq!(freeable(&world), Some(592 * 4 / 1024));
    assert_eq!(tool(&world, &["flush", "1M"]).expect("it frees"), "1024 KiB freed\n");
    let after = json(&world, &["list", "--json"]);
    assert_eq!(after["host"]["evictions_suffered"], 256);
    tool(&world, &["thaw", "all"]).expect("there are clients");
    assert_eq!(guest.put(at(0, 3, 0), Content::Unique(1)), 1);
    let metrics = tool(&world, &["metrics"]).expect("it answers");
    assert!(metrics.contains("tmem_host_persistent_pages 10\n"), "{metrics}");
}
