//! **Checks** what an operator reads of two domains (R58, R74, P75): GET_STATS of their pools tells
//! exactly what they did, a client's figures are the sums of its pools', the host's those of all
//! clients; weights and freezing are seen where they were set; latencies count each call while they
//! are measured and none else, for the host, the client and the pool, and from 0 on when measuring is
//! begun anew; LIST names both; GET_POOLS of one makes the same pools for a third by SET_POOLS; an
//! audit agrees, and so do the frames that Xen has given to tmem.
//!
//! **Why:** an operator acts by these figures, through buffers in its own memory.
//!
//! **A broken host** counts for the wrong domain, loses a slice's sums, or writes nowhere.

use super::super::Case;
use super::holdings;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::plain::text::Text;
use crate::rig::{
    Kind, Rig, at,
    statuses::{FROZEN, NO_DEVICE, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, LIST_BYTES, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::{ClientId, StatsCounters, StatsFlags, StatsInfo, StatsOf, Timed};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "control-figures",
    "figures of two domains, by pool, client and host, add up",
    run,
);

/// No such domain or pool.
const NO_ENTRY: i64 = -2;
/// Pages that each domain puts into its persistent pool.
const SWAPPED: u32 = 20;
/// Pages that the first domain puts into its cache, and that it gets back.
const CACHED: u32 = 10;
const HITS: u32 = 4;

fn run(_: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let children =
        [Child::build(Plan::new(Caller::Pvh32, 100))?, Child::build(Plan::new(Caller::Pv64, 100))?];
    for child in &children {
        expect("the cache's id", child.new_pool(Kind::Ephemeral)?.into(), 0)?;
        expect("the swap's id", child.new_pool(Kind::Persistent)?.into(), 1)?;
    }
    expect("SET_MEASURING on", control.set_measuring(true), 0)?;
    let work_done = work(&children);
    let measured = figures(control, StatsOf::Host);
    expect("SET_MEASURING off", control.set_measuring(false), 0)?;
    work_done?;
    check_latencies(control, &children, &measured?)?;

    let [first, second] = &children;
    expect("weight", control.set_weight(first.domid(), 7), 0)?;
    expect("FREEZE", control.set_frozen(ClientId::One(second.domid()), true), 0)?;
    expect("a put", second.try_put(at(0, 1, 1), Content(1))?, FROZEN)?;
    check_figures(control, first, second)?;
    check_sums(control)?;
    check_list(control, first)?;
    check_list(control, second)?;
    check_pools(control, first)?;
    let (answer, found) = control.audit();
    expect("AUDIT", answer, 0)?;
    let stored = info(control, StatsOf::Host)?.counters;
    expect_count("pages that the audit found", found.persistent_pages, stored.persistent_pages)?;
    expect_count("cached pages that it found", found.ephemeral_pages, stored.ephemeral_pages)?;

    holdings::check(control)?;

    let domid = first.domid();
    children.into_iter().try_for_each(Child::destroy)?;
    let gone = control.figures(StatsOf::Client { domain: domid, or_next: false });
    expect("figures of nobody", gone.err().unwrap_or_default(), NO_ENTRY)?;
    let after = info(control, StatsOf::Host)?.counters;
    expect_count("puts that the host remembers", after.puts_stored, stored.puts_stored)
}

/// The same swapping in both domains; the first also uses its cache.
fn work([first, second]: &[Child; 2]) -> CaseResult {
    for index in 0..SWAPPED {
        for child in [first, second] {
            child.put(at(1, 1, index), Content(index.into()))?;
        }
    }
    for index in 0..CACHED {
        first.put(at(0, 2, index), Content(index.into()))?;
    }
    for index in 0..HITS {
        expect("get", first.try_get(at(0, 2, index))?, SUCCESS)?;
    }
    first.get_none("get of what was taken", at(0, 2, 0), NOTHING)?;
    expect("flush", first.flush_page(at(0, 2, CACHED - 1))?, SUCCESS)
}

fn expect_count(what: &str, got: impl Into<u64>, want: impl Into<u64>) -> CaseResult {
    let [got, want] =
        [got.into(), want.into()].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    expect(what, got, want)
}

fn figures(control: Control, of: StatsOf) -> CaseResult<crate::toolstack::Figures> {
    match control.figures(of) {
        Ok(figures) => Ok(figures),
        Err(answer) => fail!("GET_STATS of {of:?}: {answer}"),
    }
}

fn info(control: Control, of: StatsOf) -> CaseResult<StatsInfo> {
    Ok(figures(control, of)?.info())
}

fn pool(control: Control, child: &Child, pool_id: u32) -> CaseResult<StatsInfo> {
    info(control, StatsOf::Pool { domain: child.domid(), pool_id, or_next: false })
}

fn client(control: Control, child: &Child) -> CaseResult<StatsInfo> {
    info(control, StatsOf::Client { domain: child.domid(), or_next: false })
}

/// That each call was measured while that was asked for, and none after.
fn check_latencies(
    control: Control,
    children: &[Child; 2],
    measured: &crate::toolstack::Figures,
) -> CaseResult {
    let counts = |figures: &crate::toolstack::Figures| Timed::ALL.map(|of| figures.measured(of));
    let expected = [2 * SWAPPED + CACHED, HITS + 1, 1, 0].map(u64::from);
    if counts(measured) != expected {
        fail!("measured {:?}, not {expected:?}", counts(measured));
    }
    if !measured.info().flags.contains(StatsFlags::MEASURING) {
        fail!("the host does not say that it measures");
    }
    children[0].put(at(1, 1, 0), Content(0))?;
    let later = figures(control, StatsOf::Host)?;
    if counts(&later) != expected || later.info().flags.contains(StatsFlags::MEASURING) {
        fail!("it goes on measuring: {:?}", counts(&later));
    }
    let [first, second] = children.each_ref().map(Child::domid);
    expect_calls(control, first, None, [SWAPPED + CACHED, HITS + 1, 1, 0])?;
    expect_calls(control, first, Some(0), [CACHED, HITS + 1, 1, 0])?;
    expect_calls(control, first, Some(1), [SWAPPED, 0, 0, 0])?;
    expect_calls(control, second, None, [SWAPPED, 0, 0, 0])?;
    expect_calls(control, second, Some(0), [0; 4])?;
    expect_calls(control, second, Some(1), [SWAPPED, 0, 0, 0])?;

    expect("SET_MEASURING on again", control.set_measuring(true), 0)?;
    let put = children[1].put(at(1, 1, 0), Content(0));
    let flushed = children[1].flush_page(at(0, 7, 7));
    expect("SET_MEASURING off again", control.set_measuring(false), 0)?;
    put?;
    expect("flush of nothing", flushed?, SUCCESS)?;
    for pool_id in [None, Some(0), Some(1)] {
        expect_calls(control, first, pool_id, [0; 4])?;
    }
    expect_calls(control, second, None, [1, 0, 1, 0])?;
    expect_calls(control, second, Some(0), [0, 0, 1, 0])?;
    expect_calls(control, second, Some(1), [1, 0, 0, 0])
}

/// That so many calls of a domain, or on a pool of its, were measured.
fn expect_calls(
    control: Control,
    domain: u16,
    pool_id: Option<u32>,
    wanted: [u32; Timed::ALL.len()],
) -> CaseResult {
    let of = match pool_id {
        Some(pool_id) => StatsOf::Pool { domain, pool_id, or_next: false },
        None => StatsOf::Client { domain, or_next: false },
    };
    let found = figures(control, of)?;
    let counts = Timed::ALL.map(|of| found.measured(of));
    if counts != wanted.map(u64::from) {
        fail!("measured of {of:?}: {counts:?}, not {wanted:?}");
    }
    Ok(())
}

fn check_figures(control: Control, first: &Child, second: &Child) -> CaseResult {
    let cache = pool(control, first, 0)?;
    let told = cache.counters;
    expect_count("pages put into the cache", told.puts_stored, CACHED)?;
    expect_count("hits", told.hits, HITS)?;
    expect_count("misses", told.misses, 1_u32)?;
    expect_count("gets", told.gets, HITS + 1)?;
    expect_count("flushes", told.flushes, 1_u32)?;
    expect_count("cached pages", told.ephemeral_pages, CACHED - HITS - 1)?;
    let swap = pool(control, first, 1)?;
    expect_count("swapped pages", swap.counters.persistent_pages, SWAPPED)?;
    expect_count("pages put again", swap.counters.puts_replaced, 1_u32)?;
    let flags = StatsFlags::OWNER | StatsFlags::PERSISTENT;
    expect_count("flags of the swap", swap.flags.bits(), flags.bits())?;
    let whole = client(control, first)?;
    expect_count("the first one's weight", whole.weight, 7_u32)?;
    let sum = cache.counters.wrapping_add(swap.counters);
    if whole.counters != sum {
        fail!("a client's figures are not its pools' in sum");
    }
    let other = client(control, second)?;
    expect_count("the second one's state", other.flags.bits(), StatsFlags::FROZEN.bits())?;
    expect_count("puts refused", other.counters.puts_frozen, 1_u32)?;
    expect_count("its swapped pages", other.counters.persistent_pages, SWAPPED)?;
    let none = StatsOf::Pool { domain: first.domid(), pool_id: 2, or_next: false };
    expect("no such pool", control.figures(none).err().unwrap_or_default(), NO_ENTRY)
}

/// That the host has what all clients have, each found behind the one before.
fn check_sums(control: Control) -> CaseResult {
    let (mut sum, mut nr_clients, mut from) = (StatsCounters::default(), 0_u32, 0);
    loop {
        match control.figures(StatsOf::Client { domain: from, or_next: true }) {
            Ok(found) => {
                let found = found.info();
                sum = sum.wrapping_add(found.counters);
                nr_clients += 1;
                from = u16::try_from(found.domain + 1).unwrap_or(u16::MAX - 1);
            }
            Err(NO_ENTRY) => break,
            Err(answer) => fail!("GET_STATS of the next client: {answer}"),
        }
    }
    let host = info(control, StatsOf::Host)?;
    expect_count("clients", host.members, nr_clients)?;
    let told = host.counters;
    expect_count("ephemeral pages", told.ephemeral_pages, sum.ephemeral_pages)?;
    expect_count("persistent pages", told.persistent_pages, sum.persistent_pages)?;
    expect_count("bytes stored", told.stored_bytes, sum.stored_bytes)?;
    expect_count("bytes taken", told.taken_bytes, sum.taken_bytes)?;
    if told.puts_stored < sum.puts_stored || told.gets < sum.gets {
        fail!("the host has seen less than its clients");
    }
    Ok(())
}

/// That the text has a line for the domain's swap with its pages.
fn check_list(control: Control, child: &Child) -> CaseResult {
    let mut text = [0xaa; LIST_BYTES];
    expect("LIST", control.list(ClientId::All, &mut text), 0)?;
    let whole = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let domid = child.domid();
    let wanted = Text::<64>::of(format_args!("P=CI:{domid},PI:1,PT:PP,U0:0,U1:0,Pc:{SWAPPED},"));
    let is_it = |line: &[u8]| line.starts_with(wanted.as_str().as_bytes());
    if !whole.split(|&byte| byte == b'\n').any(is_it) {
        fail!("LIST has no line {wanted}");
    }
    expect("LIST of nobody", control.list(ClientId::One(0x7fef), &mut text), -1)
}

/// That pools can be read, and made for a domain that has none.
fn check_pools(control: Control, first: &Child) -> CaseResult {
    let third = Child::build(Plan::new(Caller::Pvh64, 100))?;
    let pools = match control.pools(first.domid()) {
        Ok(pools) => pools.without_pages(),
        Err(answer) => fail!("GET_POOLS: {answer}"),
    };
    expect_count("pools", pools.as_slice().len() as u64, 2_u32)?;
    expect("SET_POOLS", control.set_pools(third.domid(), &pools), 2)?;
    expect("SET_POOLS again", control.set_pools(third.domid(), &pools), -1)?;
    third.put(at(1, 1, 1), Content(5))?;
    third.get_hit(at(1, 1, 1), Content(5))?;
    third.get_hit(at(1, 1, 1), Content(5))?;
    third.put(at(0, 1, 1), Content(6))?;
    expect("a get that takes", third.try_get(at(0, 1, 1))?, SUCCESS)?;
    expect("a put to no pool", third.try_put(at(2, 1, 1), Content(7))?, NO_DEVICE)?;
    third.destroy()
}
