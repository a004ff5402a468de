//! **Checks** the numbers in control operations (R58, P23, P37, P47, P80): each operation about a domain
//! that is not there, is dying, is no client, about a number that is wider than a domain's and names a
//! client when it is cut, and about all; pool ids that no pool has, among them such as would be right if
//! a bit was dropped; places to go on from that nobody was told; numbers of no operation; padding. Each
//! has its answer, none makes a client, and none reaches the client whose number is part of it.
//!
//! **Why:** the original cut numbers to 16 bits, and then meant another domain; it had an operation that
//! destroyed nothing and thawed.
//!
//! **A broken host** cuts, indexes a table by what it was told, or goes on from there for ever.

use super::super::Case;
use super::swap::{PAGES, Seen, get_all, put_all};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Control, Plan, Records, SavedPage};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::{
    CONTROL_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp, POOL_INFO_BYTES, PoolInfo,
    Removed, SaveOp, StatsOf, set_progress,
};
use hypercall_abi::{Handle, PAGE_SIZE_BYTES, PoolFlags};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "control-ids",
    "control operations about domains, pools and places that there are not",
    run,
);

/// A client's persistent pool, behind an ephemeral one.
const SWAP: u32 = 1;
/// Where the words of an operation are.
const NUMBER_AT: usize = 0;
const POOL_AT: usize = 4;
const DOMAIN_AT: usize = 8;
const PAD_AT: usize = 20;

/// `DOMID_SELF` and its kin, the last numbers, and one that no domain of this machine comes to.
const ABSENT: [u32; 9] = [0x5ff0, 0x7fef, 0x7ff0, 0x7ff1, 0x7ff2, 0x7ff4, 0x7fff, 0x8000, 0xfffe];
/// What is added to a client's number.
const WIDE: [u32; 4] = [1 << 16, 1 << 31, 0xfffe_0000, 0xffff_0000];
const EVERYBODY: [u32; 2] = [0xffff, u32::MAX];

/// Answers.
const NOT_PERMITTED: i64 = -1;
const NO_ENTRY: i64 = -2;
const INVALID: i64 = -22;

/// An operation, and what it answers about a domain that is not there or dying, is no client, a number
/// that is too wide, and about all.
struct Row {
    name: &'static str,
    op: fn(ClientId, &Buffers) -> ControlOp,
    answers: [i64; 4],
}

/// Where operations may read and write.
struct Buffers {
    /// 4 KiB, and 4 KiB behind them.
    room: u64,
    settings: u64,
    record: u64,
}

/// In place of an answer: it would make a client.
const NOT_TRIED: i64 = 1;
/// Bytes of the buffer for those that write.
const LEN: u32 = 4096;

const ROWS: [Row; 19] = [
    row("FREEZE", |who, _| ControlOp::SetFrozen { who, frozen: true }, [-1, -1, -1, 0]),
    row("THAW", |who, _| ControlOp::SetFrozen { who, frozen: false }, [-1, -1, -1, 0]),
    // Of everybody's, whoever is named.
    row("FLUSH", |_, _| ControlOp::Flush { kib: 0, freed_pages: 0 }, [-1, -1, -1, 0]),
    row(
        "LIST",
        |who, at| ControlOp::List { who, long: true, len: LEN, buffer: at.room },
        [-1, -1, -1, 0],
    ),
    row(
        "GET_CLIENT_INFO",
        |who, at| ControlOp::GetClientInfo { who, buffer: at.room },
        [0, 0, INVALID, 0],
    ),
    row(
        "SET_CLIENT_INFO",
        |who, at| ControlOp::SetClientInfo { who, buffer: at.settings },
        [NO_ENTRY, NO_ENTRY, NO_ENTRY, 0],
    ),
    row(
        "GET_POOLS",
        |who, at| ControlOp::GetPools { who, len: 512, buffer: at.room },
        [INVALID; 4],
    ),
    row(
        "SET_POOLS",
        |who, at| ControlOp::SetPools { who, len: 32, buffer: at.record },
        [INVALID, NOT_TRIED, INVALID, INVALID],
    ),
    row(
        "SET_AUTH",
        |who, at| ControlOp::SetAuth { who, len: 32, buffer: at.record },
        [INVALID, NOT_TRIED, INVALID, INVALID],
    ),
    row("GET_AUTH", |who, at| ControlOp::GetAuth { who, len: 512, buffer: at.room }, [INVALID; 4]),
    row("GET_STATS", |who, at| stats(who, u32::MAX, at), [NO_ENTRY, NO_ENTRY, INVALID, 0]),
    row(
        "GET_STATS of a pool",
        |who, at| stats(who, SWAP, at),
        [NO_ENTRY, NO_ENTRY, INVALID, INVALID],
    ),
    row("SAVE_BEGIN", |who, _| ControlOp::Save(SaveOp::Begin { who, live: true }), [NO_ENTRY; 4]),
    row("SAVE_GET_NEXT_PAGE", |who, at| next_page(who, SWAP, 0, at), [NO_ENTRY; 4]),
    row("SAVE_GET_NEXT_INV", |who, at| next_removed(who, 0, at), [NO_ENTRY; 4]),
    row("SAVE_END", |who, _| ControlOp::Save(SaveOp::End { who }), [NO_ENTRY; 4]),
    row(
        "RESTORE_BEGIN",
        |who, _| ControlOp::Save(SaveOp::RestoreBegin { who }),
        [INVALID, NOT_TRIED, INVALID, INVALID],
    ),
    row("RESTORE_PUT_PAGE", |who, at| restore(who, SWAP, at), [NOT_PERMITTED; 4]),
    row("RESTORE_FLUSH_PAGE", |who, _| remove(who, SWAP), [NOT_PERMITTED; 4]),
];

const fn row(
    name: &'static str,
    op: fn(ClientId, &Buffers) -> ControlOp,
    answers: [i64; 4],
) -> Row {
    Row { name, op, answers }
}

fn stats(who: ClientId, pool_id: u32, at: &Buffers) -> ControlOp {
    // Whoever is meant is written over the encoded operation.
    let domain = if let ClientId::One(domain) = who { domain } else { 0 };
    let of = if pool_id == u32::MAX {
        StatsOf::Client { domain, or_next: false }
    } else {
        StatsOf::Pool { domain, pool_id, or_next: false }
    };
    ControlOp::GetStats { of, len: LEN, buffer: at.room }
}

fn next_page(who: ClientId, pool_id: u32, cursor: u64, at: &Buffers) -> ControlOp {
    ControlOp::Save(SaveOp::NextPage { who, pool_id, cursor, len: 2 * LEN, buffer: at.room })
}

fn next_removed(who: ClientId, cursor: u64, at: &Buffers) -> ControlOp {
    ControlOp::Save(SaveOp::NextRemoved { who, cursor, len: LEN, buffer: at.room })
}

fn restore(who: ClientId, pool_id: u32, at: &Buffers) -> ControlOp {
    let handle = Handle { pool_id, ..at_1() };
    ControlOp::Save(SaveOp::RestorePut { who, handle, len: 4096, buffer: at.room })
}

fn remove(who: ClientId, pool_id: u32) -> ControlOp {
    let removed = Removed::Page(Handle { pool_id, ..at_1() });
    ControlOp::Save(SaveOp::RestoreRemove { who, removed })
}

/// A page that nobody put.
const fn at_1() -> Handle {
    at(SWAP, 1, 1)
}

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let client = furnished(Caller::Pv64)?;
    let nobody = Child::build(Plan::new(Caller::Pvh64, 10))?;
    let mut dying = furnished(Caller::Pvh32)?;
    expect("killing a domain", dying.kill(), 0)?;
    if !dying.is_zombie() {
        fail!("a domain that is still mapped went away");
    }
    for _ in 0..2 {
        for row in &ROWS {
            let [absent, no_client, wide, all] = row.answers;
            for id in ABSENT.into_iter().chain([dying.domid().into()]) {
                ask(control, row, id, absent, &Buffers::make(rig))?;
            }
            ask(control, row, nobody.domid().into(), no_client, &Buffers::make(rig))?;
            for more in WIDE {
                // The last one: all ones above the number.
                ask(control, row, u32::from(client.domid()) | more, wide, &Buffers::make(rig))?;
            }
            for id in EVERYBODY {
                ask(control, row, id, all, &Buffers::make(rig))?;
            }
        }
    }
    expect("THAW of all", control.set_frozen(ClientId::All, false), 0)?;
    unharmed(&client)?;
    pools_that_there_are_not(control, &client, &Buffers::make(rig))?;
    places_that_nobody_was_told(control, &client, &Buffers::make(rig))?;
    numbers_of_nothing(control, client.domid())?;
    unharmed(&client)?;
    let (answer, _) = control.audit();
    expect("AUDIT", answer, 0)?;
    dying.destroy()?;
    nobody.destroy()?;
    client.destroy()
}

impl Buffers {
    /// With the records that are read, at the end of the room: an operation that writes all of it comes
    /// after them.
    fn make(rig: &Rig) -> Self {
        let settings = ClientInfo {
            version: ClientInfo::VERSION,
            maxpools: 16,
            nr_pools: 0,
            flags: ClientFlags::empty(),
            weight: 0,
        };
        let flags = Kind::Ephemeral.flags();
        let record = PoolInfo { flags, id: 9, ..PoolInfo::default() };
        let mut both = [0; 2 * POOL_INFO_BYTES];
        let (first, second) = both.split_at_mut(POOL_INFO_BYTES);
        first.iter_mut().zip(settings.encode()).for_each(|(place, byte)| *place = byte);
        second.copy_from_slice(&record.encode());
        let settings = rig.pages.write_at_edge(&both, 0);
        Self {
            room: rig.pages.edge(PAGE_SIZE_BYTES),
            settings,
            record: settings + POOL_INFO_BYTES as u64,
        }
    }
}

fn furnished(caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 300))?;
    child.new_pool(Kind::Ephemeral)?;
    expect("the swap's id", child.new_pool(Kind::Persistent)?.into(), SWAP.into())?;
    put_all(&child, SWAP, PAGES)?;
    Ok(child)
}

/// A client that was not meant has what it had.
fn unharmed(client: &Child) -> CaseResult {
    get_all(client, SWAP, PAGES)?;
    client.put(at(SWAP, 77, 7), Content(7))?;
    expect("flush", client.flush_page(at(SWAP, 77, 7))?, 1)?;
    expect("an id that is free", client.new_pool(Kind::Ephemeral)?.into(), 2)?;
    expect("destroy", client.destroy_pool(2)?, 1)
}

fn ask(control: Control, row: &Row, id: u32, want: i64, buffers: &Buffers) -> CaseResult {
    if want == NOT_TRIED {
        return Ok(());
    }
    let mut block = (row.op)(ClientId::One(0), buffers).encode();
    put_word(&mut block, DOMAIN_AT, id);
    let answer = control.send_block(&mut block);
    if answer != want {
        fail!("{} of {id:#x}: answered {answer}, not {want}", row.name);
    }
    Ok(())
}

fn put_word(block: &mut [u8; CONTROL_BYTES], at: usize, word: u32) {
    block.iter_mut().skip(at).zip(word.to_le_bytes()).for_each(|(place, byte)| *place = byte);
}

/// Pool ids of a client, while it is being saved.
fn pools_that_there_are_not(control: Control, client: &Child, buffers: &Buffers) -> CaseResult {
    let domid = client.domid();
    let who = ClientId::One(domid);
    expect("SAVE_BEGIN", control.begin_save(domid, false), 0)?;
    // None, out of range, and such as are right if a bit is dropped.
    let none = [2, 15, 16, 17, 0x11, 0x101, 0x4_0001, 0x8000_0001, u32::MAX];
    let more = [0x1_0001, 0x2_0001, 0x3_0001];
    for pool_id in none.into_iter().chain(more) {
        for op in [next_page(who, pool_id, 0, buffers), restore(who, pool_id, buffers)] {
            let answer = control.send_block(&mut op.encode());
            if answer != NOT_PERMITTED {
                fail!("pool {pool_id:#x}: {op:?}: answered {answer}");
            }
        }
    }
    // The marks of a whole object and a whole pool alone have a meaning for this one.
    for pool_id in none.into_iter().chain([0x3_0001, 0x1_0002, 0x1_0010, 0x2_0002, 0x2_0010]) {
        let mut block = remove(who, SWAP).encode();
        put_word(&mut block, POOL_AT, pool_id);
        expect("a removal in no pool", control.send_block(&mut block), NOT_PERMITTED)?;
    }
    let answer = control.send_block(&mut next_page(who, 0, 0, buffers).encode());
    expect("a page of an ephemeral pool", answer, NOT_PERMITTED)?;
    for pool_id in [2, 15, 16, 0x1_0001, u32::MAX - 1] {
        let answer = control.send_block(&mut stats(who, pool_id, buffers).encode());
        expect("figures of no pool", answer, NO_ENTRY)?;
    }
    expect("SAVE_END", control.end_save(domid), 0)?;

    let wanted = |id, flags| {
        control.set_pools(domid, &Records::of(&[PoolInfo { flags, id, ..PoolInfo::default() }]))
    };
    for id in [0, SWAP, 16, 17, 0x1_0003, u32::MAX] {
        let answer = wanted(id, Kind::Persistent.flags());
        expect("SET_POOLS with an id that is not free", answer, NOT_PERMITTED)?;
    }
    let both = (PoolFlags::SHARED | PoolFlags::PERSIST).to_word();
    for flags in [0, both, Kind::Persistent.flags() | 2 << 24, u32::MAX] {
        expect("SET_POOLS with bad flags", wanted(3, flags), NOT_PERMITTED)?;
    }
    Ok(())
}

/// Words that say where to go on.
fn places_that_nobody_was_told(control: Control, client: &Child, buffers: &Buffers) -> CaseResult {
    let domid = client.domid();
    let who = ClientId::One(domid);
    expect("SAVE_BEGIN", control.begin_save(domid, false), 0)?;
    let mut page = SavedPage::EMPTY;
    for place in [1, 0xff, 0x100, 1 << 32, 1 << 40, 7 << 40, 8 << 40, 1 << 63, u64::MAX] {
        let mut cursor = place;
        match control.next_page(domid, SWAP, &mut cursor, &mut page) {
            1 => Seen::default().take(SWAP, &page).map(drop)?,
            answer => expect("a page from there on", answer, NOT_PERMITTED)?,
        }
        let answer = control.send_block(&mut next_removed(who, place, buffers).encode());
        expect("a removal from there on", answer, 0)?;
    }
    expect("SAVE_END", control.end_save(domid), 0)?;

    let everybody = ClientId::All;
    for words in [[1, 2, 3], [1 << 63; 3], [u64::MAX; 3], [0, u64::MAX, 1]] {
        for (op, others) in [
            (
                ControlOp::List { who: everybody, long: true, len: LEN, buffer: buffers.room },
                INVALID,
            ),
            (ControlOp::GetStats { of: StatsOf::Host, len: LEN, buffer: buffers.room }, INVALID),
            (ControlOp::Audit { len: LEN, buffer: buffers.room }, -5),
            (ControlOp::SetFrozen { who: everybody, frozen: false }, 0),
            (ControlOp::GetPools { who, len: 512, buffer: buffers.room }, 2),
        ] {
            let mut block = op.encode();
            set_progress(&mut block, words);
            let answer = control.send_block(&mut block);
            if answer != 0 && answer != others {
                fail!("{op:?} from {words:?} on: answered {answer}");
            }
        }
    }
    Ok(())
}

/// Operations that there are not, and padding.
fn numbers_of_nothing(control: Control, domid: u16) -> CaseResult {
    expect("FREEZE", control.set_frozen(ClientId::One(domid), true), 0)?;
    for number in [3, 12, 18, 22, 29, 31, 34, 39, 44, 101, 1 << 16, 1 << 31, u32::MAX] {
        for who in [u32::from(domid), 0xffff] {
            let mut block = [0; CONTROL_BYTES];
            put_word(&mut block, NUMBER_AT, number);
            put_word(&mut block, DOMAIN_AT, who);
            expect("no operation", control.send_block(&mut block), NOT_PERMITTED)?;
        }
    }
    for number in 0..48 {
        let mut block = [0; CONTROL_BYTES];
        put_word(&mut block, NUMBER_AT, number);
        put_word(&mut block, DOMAIN_AT, domid.into());
        put_word(&mut block, PAD_AT, 1 << 31);
        expect("an operation with padding", control.send_block(&mut block), INVALID)?;
    }
    // None of them thawed it.
    match control.client_info(domid) {
        Ok(info) if info.flags == ClientFlags::FROZEN => {}
        other => fail!("no operation changed a client: {other:?}"),
    }
    expect("THAW", control.set_frozen(ClientId::One(domid), false), 0)
}
