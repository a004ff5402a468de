//! **Checks** a save that comes to nothing (R66, P13): cancelled by SAVE_END before the first
//! page, half-way, after the last page and in the middle of the log, at rest and while the child runs;
//! or forgotten by a toolstack that is gone, which another one finds (-16), ends, and begins anew with
//! every page (R62). The child has its pages with every byte, puts, gets, flushes, makes and destroys
//! pools as ever, is told and counted as before, an audit agrees (R74), and in the end all of its room
//! is there. A child that dies while it is saved leaves nothing (P14): the host has every frame back.
//!
//! **Why:** a migration fails when the other host does. That must cost the guest nothing.
//!
//! **A broken host** keeps the child frozen, or its pools closed, or the log's memory charged; or can't
//! save it any more.

use super::super::Case;
use super::swap::{PAGES, Seen, content, get_all, name, put_all};
use super::{available_pages, settled_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{FROZEN, NO_SPACE, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan, SavedPage};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::{ClientId, StatsFlags, StatsOf};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "save-cancelled",
    "a save that is cancelled anywhere, or forgotten, leaves the child unharmed",
    run,
);

/// Xen's answers: no more, the domain is not being saved, it is already.
const NO_MORE: i64 = -1;
const NOT_SAVED: i64 = -2;
const BUSY: i64 = -16;

/// The child's pools: a cache, two persistent ones, and the first id that is free.
const CACHE: u32 = 0;
const SWAP: u32 = 1;
const MORE_SWAP: u32 = 2;
const NEXT: u32 = 3;
/// Pages of the second persistent pool.
const MORE_PAGES: u32 = 20;
/// Frames that the child's maximum leaves for persistent pages, their metadata and the log.
const ROOM: u32 = 300;
/// Pages that a running child removes while it is saved: two by a flush, one by putting it anew.
const FLUSHED: [u32; 2] = [5, 41];
const REPLACED: u32 = 13;

/// How far the save comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Begin,
    Halfway,
    AllPages,
    Log,
}

/// How it ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The toolstack says so.
    Cancelled,
    /// The toolstack is gone, and another one comes.
    Forgotten,
}

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    for caller in Caller::USUAL {
        let child = furnished(caller)?;
        for live in [false, true] {
            for point in [Point::Begin, Point::Halfway, Point::AllPages, Point::Log] {
                for way in [Way::Cancelled, Way::Forgotten] {
                    come_to_nothing(control, &child, live, point, way)?;
                }
            }
        }
        keep_frozen(control, &child)?;
        leave(child)?;
        let before = settled_pages()?;
        for point in [Point::Begin, Point::Halfway, Point::Log] {
            die(control, caller, point)?;
            let after = settled_pages()?;
            if after != before {
                fail!("{point:?}: {before} frames were to be had, {after} after the death");
            }
        }
    }
    rig.get_hit(bystander, Content(1))
}

fn furnished(caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, ROOM.into()))?;
    let kinds = [(CACHE, Kind::Ephemeral), (SWAP, Kind::Persistent), (MORE_SWAP, Kind::Persistent)];
    for (id, kind) in kinds {
        expect("a pool's id", child.new_pool(kind)?.into(), id.into())?;
    }
    child.put(at(CACHE, 1, 1), Content(1))?;
    put_all(&child, SWAP, PAGES)?;
    put_all(&child, MORE_SWAP, MORE_PAGES)?;
    // Makes the records that are kept for the next pool.
    go_on(&child)?;
    Ok(child)
}

/// What is told of the child and of the host, and may not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    pools: u32,
    flags: StatsFlags,
    /// Ephemeral, persistent and unreachable ones.
    pages: [u64; 3],
    /// The host's, tmem's stock of free ones included.
    available: u64,
}

impl Told {
    fn now(control: Control, child: &Child) -> CaseResult<Self> {
        let of = StatsOf::Client { domain: child.domid(), or_next: false };
        let info = match control.figures(of) {
            Ok(figures) => figures.info(),
            Err(answer) => fail!("GET_STATS of the child: {answer}"),
        };
        let (answer, found) = control.audit();
        expect("AUDIT", answer, 0)?;
        // The first domain has one.
        let nr_persistent = info.counters.persistent_pages + 1;
        if found.persistent_pages != nr_persistent || found.busy_shards != 0 {
            fail!("the audit found {found:?}, of {nr_persistent} persistent pages");
        }
        let counters = info.counters;
        Ok(Self {
            pools: info.pools,
            flags: info.flags,
            pages: [
                counters.ephemeral_pages,
                counters.persistent_pages,
                counters.unreachable_pages,
            ],
            available: available_pages()?,
        })
    }
}

impl Told {
    fn in_short(self) -> [u64; 6] {
        let [ephemeral, persistent, unreachable] = self.pages;
        let flags = u64::from(self.flags.bits());
        [self.pools.into(), flags, ephemeral, persistent, unreachable, self.available]
    }
}

fn come_to_nothing(
    control: Control,
    child: &Child,
    live: bool,
    point: Point,
    way: Way,
) -> CaseResult {
    let domid = child.domid();
    let before = Told::now(control, child)?;
    expect("SAVE_BEGIN", control.begin_save(domid, live), 0)?;
    if live {
        disturb(child)?;
    }
    expect("a new put meanwhile", child.try_put(at(SWAP, 77, 7), Content(7))?, FROZEN)?;
    go_to(control, domid, live, point)?;
    child.get_hit(name(SWAP, 1), content(SWAP, 1))?;
    if way == Way::Forgotten {
        expect("SAVE_BEGIN by another", control.begin_save(domid, !live), BUSY)?;
        expect("SAVE_BEGIN by another", control.begin_save(domid, live), BUSY)?;
        expect("a new put meanwhile", child.try_put(at(SWAP, 77, 7), Content(7))?, FROZEN)?;
    }
    expect("SAVE_END", control.end_save(domid), 0)?;
    expect("SAVE_END again", control.end_save(domid), NOT_SAVED)?;
    let mut page = SavedPage::EMPTY;
    let answer = control.next_page(domid, SWAP, &mut 0, &mut page);
    expect("a page after the end", answer, NOT_SAVED)?;
    if live {
        put_back(child)?;
    }
    if way == Way::Forgotten {
        expect("SAVE_BEGIN", control.begin_save(domid, live), 0)?;
        go_to(control, domid, false, Point::AllPages)?;
        expect("SAVE_END", control.end_save(domid), 0)?;
    }
    go_on(child)?;
    let after = Told::now(control, child)?;
    if before != after {
        let (was, is) = (before.in_short(), after.in_short());
        fail!("live: {live}, {point:?}, {way:?}: {was:?}, then {is:?}");
    }
    Ok(())
}

/// What a child does that runs while it is saved.
fn disturb(child: &Child) -> CaseResult {
    for number in FLUSHED {
        expect("a flush meanwhile", child.flush_page(name(SWAP, number))?, FROZEN)?;
    }
    let answer = child.try_put(name(SWAP, REPLACED), Content(9))?;
    expect("a duplicate put meanwhile", answer, NO_SPACE)
}

/// What it removed meanwhile is gone when the save is; it puts it back.
fn put_back(child: &Child) -> CaseResult {
    for number in FLUSHED.into_iter().chain([REPLACED]) {
        child.get_none("get of what was removed", name(SWAP, number), NOTHING)?;
        child.put(name(SWAP, number), content(SWAP, number))?;
    }
    Ok(())
}

/// Reads as much as comes before `point`; of a child that removed three pages, `removed`.
fn go_to(control: Control, domid: u16, removed: bool, point: Point) -> CaseResult {
    let there = if removed { PAGES - 3 } else { PAGES };
    let pages = match point {
        Point::Begin => return Ok(()),
        Point::Halfway => there / 2,
        Point::AllPages | Point::Log => there,
    };
    read(control, domid, SWAP, pages, there)?;
    if point != Point::Halfway {
        read(control, domid, MORE_SWAP, MORE_PAGES, MORE_PAGES)?;
    }
    if point == Point::Log {
        let record = control.next_removed(domid, &mut 0);
        if record.is_ok() != removed {
            fail!("with pages removed: {removed}, the log begins with {record:?}");
        }
    }
    Ok(())
}

/// Reads `pages` pages of the `all` that a pool has.
fn read(control: Control, domid: u16, pool_id: u32, pages: u32, all: u32) -> CaseResult {
    let (mut cursor, mut seen, mut page) = (0, Seen::default(), SavedPage::EMPTY);
    for _ in 0..pages {
        let answer = control.next_page(domid, pool_id, &mut cursor, &mut page);
        expect("SAVE_GET_NEXT_PAGE", answer, 1)?;
        seen.take(pool_id, &page)?;
    }
    if pages == all {
        let answer = control.next_page(domid, pool_id, &mut cursor, &mut page);
        expect("the end of the pages", answer, NO_MORE)?;
    }
    expect("pages saved", seen.count().into(), pages.into())
}

/// The child does what it always did.
fn go_on(child: &Child) -> CaseResult {
    get_all(child, SWAP, PAGES)?;
    get_all(child, MORE_SWAP, MORE_PAGES)?;
    child.get_hit(at(CACHE, 1, 1), Content(1))?;
    child.put(at(CACHE, 1, 1), Content(1))?;
    child.put(at(SWAP, 77, 7), Content(7))?;
    child.put(at(SWAP, 77, 7), Content(8))?;
    child.get_hit(at(SWAP, 77, 7), Content(8))?;
    expect("flush", child.flush_page(at(SWAP, 77, 7))?, SUCCESS)?;
    child.get_none("get of a flushed page", at(SWAP, 77, 7), NOTHING)?;
    expect("flush of an object", child.flush_object(at(SWAP, 77, 7))?, SUCCESS)?;
    for kind in Kind::BOTH {
        expect("a new pool's id", child.new_pool(kind)?.into(), NEXT.into())?;
        child.put(at(NEXT, 1, 1), Content(3))?;
        child.get_hit(at(NEXT, 1, 1), Content(3))?;
        expect("destroy", child.destroy_pool(NEXT)?, SUCCESS)?;
    }
    Ok(())
}

/// An operator's word during a save that is cancelled holds afterwards.
fn keep_frozen(control: Control, child: &Child) -> CaseResult {
    let (domid, who) = (child.domid(), ClientId::One(child.domid()));
    for frozen in [true, false] {
        expect("FREEZE", control.set_frozen(who, !frozen), 0)?;
        expect("SAVE_BEGIN", control.begin_save(domid, true), 0)?;
        expect("FREEZE meanwhile", control.set_frozen(who, frozen), 0)?;
        expect("a new put meanwhile", child.try_put(at(CACHE, 7, 7), Content(7))?, FROZEN)?;
        expect("SAVE_END", control.end_save(domid), 0)?;
        let wanted = if frozen { FROZEN } else { SUCCESS };
        for pool in [SWAP, CACHE] {
            let answer = child.try_put(at(pool, 77, 7), Content(7))?;
            expect("a new put afterwards", answer, wanted)?;
        }
    }
    go_on(child)
}

/// A child dies while it is saved, and takes the save along.
fn die(control: Control, caller: Caller, point: Point) -> CaseResult {
    let mut child = furnished(caller)?;
    let domid = child.domid();
    expect("SAVE_BEGIN", control.begin_save(domid, true), 0)?;
    disturb(&child)?;
    go_to(control, domid, true, point)?;
    expect("killing the child", child.kill(), 0)?;
    let mut page = SavedPage::EMPTY;
    let answer = control.next_page(domid, SWAP, &mut 0, &mut page);
    expect("a page of the dead", answer, NOT_SAVED)?;
    let removed = control.next_removed(domid, &mut 0).err();
    expect("a removal of the dead", removed.unwrap_or_default(), NOT_SAVED)?;
    expect("SAVE_END of the dead", control.end_save(domid), NOT_SAVED)?;
    child.destroy()
}

/// All of its room is there when its pools are gone: the log is not charged to it any more.
fn leave(child: Child) -> CaseResult {
    for pool in [CACHE, SWAP, MORE_SWAP] {
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    if child.caller().is_wide() {
        child.start(0, &[child.populate_call(0, 0, 0x1_0000)?], ROOM + 10)?;
        child.wait(0)?;
        expect("frames of room in the end", child.counts(0, 0)?.0.into(), ROOM.into())?;
    }
    child.destroy()
}
