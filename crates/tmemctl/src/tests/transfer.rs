//! Saving and restoring: what comes out is what went in, or nothing.

use super::fake::{Client, Fake, Model, Pool};
use super::{failed, page, printed, tool_args};
use crate::failure::{Failure, Kind};
use crate::stream::{Record, Writer};
use hypercall_abi::control::{ControlOp, Removed, SaveOp};
use hypercall_abi::{Handle, ObjectId, PageIndex, PoolFlags, Uuid};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SHARED: Uuid = Uuid([3, 4]);

struct World {
    xen: Fake,
    folder: TempDir,
}

impl World {
    /// Domain 1 with `pages` persistent pages; domain 2 has not begun.
    fn new(pages: u32) -> Self {
        let xen = Fake::default();
        {
            let mut model = xen.model.borrow_mut();
            let one = model.client(1);
            one.weight = 70;
            one.authorisations.push(SHARED);
            one.pools.insert(1, Pool::new(PoolFlags::PERSIST));
            one.pools.insert(4, Pool::new(PoolFlags::empty()));
            one.pools.insert(5, Pool { uuid: SHARED, ..Pool::new(PoolFlags::SHARED) });
            one.pools.insert(15, Pool::new(PoolFlags::PERSIST));
            for at in 0..pages {
                let [seed, ..] = at.to_le_bytes();
                one.put(if at % 3 == 0 { 15 } else { 1 }, u64::from(at % 7), at, page(seed));
            }
            one.put(4, 1, 1, page(9));
            model.domains.insert(2, None);
        }
        let folder = tempfile::tempdir().expect("there is room for files");
        Self { xen, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("domain.tmem")
    }

    fn run(&self, words: &[&str], file: &Path) -> Result<String, Failure> {
        let mut words = words.to_vec();
        words.insert(2, file.to_str().expect("a plain name"));
        tool_args(&self.xen, words).map(|(_, said)| said)
    }

    #[track_caller]
    fn save(&self, more: &[&str]) -> String {
        let words = [&["save", "1"], more].concat();
        self.run(&words, &self.file()).unwrap_or_else(|failure| unreachable!("{failure}"))
    }

    fn restore(&self, file: &Path) -> Result<String, Failure> {
        self.run(&["restore", "2"], file)
    }

    fn client(&self, domain: u16) -> Client {
        self.xen.model.borrow_mut().client(domain).clone()
    }

    /// That domain 2 has what domain 1 has.
    fn assert_same(&self) {
        let (one, two) = (self.client(1), self.client(2));
        assert_eq!(one.weight, two.weight);
        assert_eq!(one.is_frozen, two.is_frozen);
        assert_eq!(one.is_compressing, two.is_compressing);
        assert_eq!(one.authorisations, two.authorisations);
        let ids = |client: &Client| client.pools.keys().copied().collect::<Vec<u32>>();
        assert_eq!(ids(&one), ids(&two));
        for (id, pool) in &one.pools {
            let other = &two.pools[id];
            assert_eq!((pool.flags, pool.uuid), (other.flags, other.uuid), "pool {id}");
            let is_persistent =
                PoolFlags::from_bits_truncate(pool.flags).contains(PoolFlags::PERSIST);
            if is_persistent {
                assert!(pool.pages == other.pages, "pool {id}");
            } else {
                assert!(other.pages.is_empty(), "pool {id}");
            }
        }
    }

    fn forget_two(&self) {
        self.xen.model.borrow_mut().domains.insert(2, None);
    }
}

#[test]
fn r65_r68_p11_p12_p83_p87_any_number_of_pages_comes_through_twice() {
    for pages in [0, 1, 2, 1000] {
        let world = World::new(pages);
        for _ in 0..2 {
            let said = world.save(&[]);
            assert!(said.contains(&format!("{pages} pages")), "{said}");
            let said = world.restore(&world.file()).expect("it is whole");
            assert!(said.contains(&format!("{pages} pages")), "{said}");
            world.assert_same();
            world.forget_two();
        }
    }
}

#[test]
fn r66_p13_p87_the_domain_is_as_before_and_frozen_comes_through() {
    for is_frozen in [false, true] {
        let world = World::new(5);
        world.xen.model.borrow_mut().can_compress = true;
        let one = |set: &dyn Fn(&mut Client)| set(world.xen.model.borrow_mut().client(1));
        one(&|one| {
            one.is_frozen = is_frozen;
            one.is_compressing = is_frozen;
        });
        world.save(&[]);
        let client = world.client(1);
        assert_eq!((client.is_frozen, client.saving), (is_frozen, None));
        world.restore(&world.file()).expect("it is whole");
        world.assert_same();
    }
}

#[test]
fn r62_a_domain_without_pools_or_tmem_has_a_stream_too() {
    let world = World::new(0);
    world.xen.model.borrow_mut().client(1).pools.clear();
    world.xen.model.borrow_mut().client(1).authorisations.clear();
    world.save(&[]);
    world.restore(&world.file()).expect("it is whole");
    world.assert_same();
}

#[test]
fn r67_a_save_during_a_save_is_refused_and_can_be_ended() {
    let world = World::new(3);
    world.xen.model.borrow_mut().client(1).saving = Some((true, false));
    let failure = world.run(&["save", "1"], &world.file()).expect_err("it is being saved");
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains("end-save 1"), "{failure}");
    assert!(world.client(1).saving.is_some(), "that of the other program goes on");
    printed(&world.xen, "end-save 1");
    assert!(world.client(1).saving.is_none());
    world.save(&[]);
}

/// Has `guest` run once, when `pages` pages have been asked for.
fn guest_runs_after(world: &World, pages: u32, guest: impl Fn(&mut Model) + 'static) {
    let mut left = pages;
    world.xen.before_each(move |model, op| {
        if matches!(op, ControlOp::Save(SaveOp::NextPage { .. })) {
            if left == 0 {
                guest(model);
            }
            left = left.wrapping_sub(1);
        }
    });
}

#[test]
fn p84_a_domain_that_runs_is_not_saved_as_if_it_did_not() {
    let world = World::new(20);
    let before = "what was there before".to_owned();
    fs::write(world.file(), &before).expect("there is room");
    guest_runs_after(&world, 4, |model| model.client(1).flush(1, 1, 1));
    let failure = world.run(&["save", "1"], &world.file()).expect_err("it ran");
    assert!(failure.message.contains("--live"), "{failure}");
    assert!(world.client(1).saving.is_none(), "it goes on as before");
    // The file that was there is there, and no half one beside it.
    assert_eq!(fs::read_to_string(world.file()).expect("it is there"), before);
    assert_eq!(fs::read_dir(world.folder.path()).expect("it is there").count(), 1);
}

#[test]
fn r64_what_a_running_domain_removes_is_removed_after_the_move() {
    // Pages before and after where the save stands, an object, and pages that were never there.
    let world = World::new(40);
    guest_runs_after(&world, 17, |model| {
        let one = model.client(1);
        for at in [1, 2, 4, 38, 37, 1] {
            one.flush(1, u64::from(at % 7_u32), at);
        }
        let pool = one.pools.get_mut(&15).expect("it has it");
        let object = ObjectId([3, 0, 0]);
        pool.pages.retain(|&(of, _), _| of != object);
        one.log.push(Removed::Object { pool_id: 15, object });
    });
    let said = world.save(&["--live", "--suspend", "true"]);
    assert!(said.contains("removed meanwhile: 7"), "{said}");
    world.restore(&world.file()).expect("it is whole");
    world.assert_same();
    assert!(world.client(2).pools[&1].pages.len() > 10);
}

#[test]
fn r64_pools_that_come_and_go_meanwhile_are_right_after_the_move() {
    let world = World::new(30);
    guest_runs_after(&world, 2, |model| {
        let one = model.client(1);
        // One goes, and another takes its number; one goes without being told; one comes.
        one.pools.remove(&15);
        one.log.push(Removed::Pool { pool_id: 15 });
        one.pools.insert(15, Pool::new(PoolFlags::PERSIST));
        one.log.push(Removed::Page(Handle {
            pool_id: 15,
            object: ObjectId([1, 0, 0]),
            index: PageIndex(1),
        }));
        one.pools.remove(&4);
        one.pools.insert(0, Pool::new(PoolFlags::PERSIST));
        one.pools.insert(4, Pool::new(PoolFlags::PERSIST));
    });
    world.save(&["--live", "--suspend", "true"]);
    world.restore(&world.file()).expect("it is whole");
    world.assert_same();
}

#[test]
fn r62_a_domain_that_begins_to_use_tmem_meanwhile_is_moved_with_it() {
    let world = World::new(0);
    world.xen.model.borrow_mut().domains.insert(1, None);
    world.xen.before_each(|model, op| {
        // As it stands when it is suspended.
        if matches!(op, ControlOp::Save(SaveOp::Begin { live: false, .. })) {
            let one = model.client(1);
            one.pools.insert(3, Pool::new(PoolFlags::PERSIST));
            one.put(3, 5, 6, page(7));
        }
    });
    let said = world.save(&["--live", "--suspend", "true"]);
    assert!(said.contains("1 pools, 1 pages"), "{said}");
    world.restore(&world.file()).expect("it is whole");
    world.assert_same();
}

#[test]
fn a_live_save_that_can_t_be_finished_leaves_nothing() {
    let world = World::new(3);
    let words = ["save", "1", "--live", "--suspend", "exit 3"];
    let failure = world.run(&words, &world.file()).expect_err("it is not suspended");
    assert!(failure.message.contains("exit 3"), "{failure}");
    assert!(world.client(1).saving.is_none());
    assert_eq!(fs::read_dir(world.folder.path()).expect("it is there").count(), 0);
}

#[test]
fn p87_a_damaged_file_touches_no_domain() {
    let world = World::new(8);
    world.save(&[]);
    let good = fs::read(world.file()).expect("it was written");
    let bad = world.folder.path().join("bad");
    world.xen.model.borrow_mut().made.clear();
    for at in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x10;
        fs::write(&bad, &damaged).expect("there is room");
        assert_eq!(world.restore(&bad).expect_err("it is damaged").kind, Kind::BadStream);
        fs::write(&bad, &good[..at]).expect("there is room");
        assert_eq!(world.restore(&bad).expect_err("it is cut off").kind, Kind::BadStream);
    }
    let longer = [good, vec![0]].concat();
    fs::write(&bad, longer).expect("there is room");
    assert_eq!(world.restore(&bad).expect_err("it is too long").kind, Kind::BadStream);
    assert!(world.xen.model.borrow().made.is_empty(), "the domain was touched");
    assert_eq!(
        world.restore(&world.folder.path().join("none")).expect_err("no file").kind,
        Kind::Io
    );
}

#[test]
fn check_reads_and_touches_nothing() {
    let world = World::new(8);
    world.save(&[]);
    world.xen.model.borrow_mut().made.clear();
    let said = world.run(&["restore", "2", "--check"], &world.file()).expect("it is whole");
    assert!(said.contains("a whole stream: 4 pools, 8 pages"), "{said}");
    assert!(world.xen.model.borrow().made.is_empty());
}

/// Restores from a pipe, which can be read only once.
fn restore_from_pipe(world: &World, bytes: Vec<u8>) -> Result<String, Failure> {
    let pipe = world.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("coreutils are there").success());
    let name = pipe.clone();
    // A reader that stops early breaks the pipe; that is not this thread's concern.
    let writing = std::thread::spawn(move || fs::write(name, bytes).is_ok());
    let result = world.restore(&pipe);
    writing.join().expect("it does not panic");
    fs::remove_file(pipe).expect("it is there");
    result
}

#[test]
fn a_pipe_is_written_into_and_stays_a_pipe() {
    let world = World::new(30);
    world.save(&[]);
    let good = fs::read(world.file()).expect("it was written");
    let pipe = world.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("coreutils are there").success());
    // Both ends, so that neither waits for the other to be opened.
    let kept = fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("a pipe");
    let length = good.len();
    let reading = std::thread::spawn(move || {
        let mut read = vec![0; length];
        (&kept).read_exact(&mut read).map(|()| read)
    });
    world.run(&["save", "1"], &pipe).expect("it is saved");
    assert!(reading.join().expect("it does not panic").expect("all is there") == good);
    let kind = fs::metadata(&pipe).expect("it is there").file_type();
    assert!(!kind.is_file());
}

#[test]
fn a_pipe_that_turns_out_bad_leaves_no_pool() {
    let world = World::new(30);
    world.save(&[]);
    let good = fs::read(world.file()).expect("it was written");
    restore_from_pipe(&world, good.clone()).expect("it is whole");
    world.assert_same();
    for cut in [good.len() - 1, good.len() / 2] {
        world.forget_two();
        let failure = restore_from_pipe(&world, good[..cut].to_vec()).expect_err("it is cut off");
        assert_eq!(failure.kind, Kind::BadStream);
        assert!(failure.message.contains("destroy it"), "{failure}");
        assert!(world.client(2).pools.is_empty(), "pools are left");
    }
    // Before the first record is whole, the domain is not touched.
    world.forget_two();
    assert!(restore_from_pipe(&world, good[..40].to_vec()).is_err());
    assert!(world.xen.model.borrow().domains[&2].is_none());
}

#[test]
fn a_restore_that_finds_no_room_is_undone_and_says_why() {
    let world = World::new(30);
    world.save(&[]);
    world.xen.model.borrow_mut().room = Some(12);
    let failure = world.restore(&world.file()).expect_err("there is no room");
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains("mem-max") && failure.message.contains("destroy it"));
    assert!(world.client(2).pools.is_empty());
}

#[test]
fn a_domain_that_uses_tmem_is_not_restored_into() {
    let world = World::new(3);
    world.save(&[]);
    let before = world.client(1).pools[&1].pages.len();
    let failure = world.run(&["restore", "1"], &world.file()).expect_err("it uses tmem");
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains("uses tmem already"), "{failure}");
    assert_eq!(world.client(1).pools[&1].pages.len(), before);
    assert_eq!(failed(&world.xen, "save 44 /no/such/folder/f").kind, Kind::Io);
}

#[test]
fn p87_a_setting_that_this_xen_has_not_is_said() {
    let world = World::new(1);
    world.xen.model.borrow_mut().client(1).is_compressing = true;
    world.save(&[]);
    let said = world.restore(&world.file()).expect("it is whole");
    assert!(said.contains("does not compress"), "{said}");
}

#[test]
fn r68_r39_what_a_domain_may_join_comes_through_and_what_it_may_not_any_more_does_not() {
    for live in [false, true] {
        let world = World::new(3);
        {
            // One that it has joined and may not join again, and sixteen that it may.
            let mut model = world.xen.model.borrow_mut();
            let one = model.client(1);
            one.authorisations = (0..16).map(|at| Uuid([at, 100 + at])).collect();
            let joined = Uuid([7, 107]);
            one.pools.insert(0, Pool { uuid: joined, ..Pool::new(PoolFlags::SHARED) });
        }
        world.save(if live { &["--live", "--suspend", "true"] } else { &[] });
        world.restore(&world.file()).expect("it is whole");
        world.assert_same();
        let two = world.client(2);
        assert_eq!(two.authorisations.len(), 16);
        assert!(!two.authorisations.contains(&two.pools[&5].uuid));
        for id in [0, 5] {
            let flags = PoolFlags::from_bits_truncate(two.pools[&id].flags);
            assert!(flags.contains(PoolFlags::SHARED), "pool {id}");
        }
    }
}

#[test]
fn r68_what_a_domain_without_pools_may_join_comes_through() {
    let world = World::new(0);
    world.xen.model.borrow_mut().client(1).pools.clear();
    world.save(&[]);
    world.restore(&world.file()).expect("it is whole");
    assert_eq!(world.client(2).authorisations, [SHARED]);
}

#[test]
fn a_stream_of_nothing_restores_nothing() {
    let world = World::new(0);
    let mut writer = Writer::new(Vec::new(), false).expect("memory takes it");
    writer.write(&Record::Client(Default::default())).expect("it may stand there");
    let (bytes, _) = writer.finish().expect("memory takes it");
    fs::write(world.file(), bytes).expect("there is room");
    world.restore(&world.file()).expect("it is whole");
    assert!(world.client(2).pools.is_empty());
}
