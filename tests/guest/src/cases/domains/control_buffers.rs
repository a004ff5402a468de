//! **Checks** each control operation that has a buffer with one that can't be used (P64, P23, P72, P42): not
//! mapped at all, mapped half-way, in Xen's own part of the address space, at an address that there is
//! not, at the end of all addresses. Each answers -14 and takes, gives and loses nothing but the records
//! before. With a buffer that ends where memory ends, it neither reads nor writes beyond, or before; and
//! each length that there can't be, 0 and 4 GiB among them, has its answer (R58).
//!
//! **Why:** the toolstack's addresses and lengths are numbers from another program. Xen must not go by
//! them further than it can see.
//!
//! **A broken host** writes into itself, beside the buffer, or believes a length.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::{Content, Page};
use crate::rig::{
    Kind, Rig, at,
    statuses::{FROZEN, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use crate::{fail, give_up};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, CLIENT_INFO_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    HANDLE_BYTES, POOL_INFO_BYTES, PoolInfo, SAVED_PAGE_BYTES, STATS_BYTES, SaveOp, StatsOf,
};
use hypercall_abi::{Handle, PAGE_SIZE_BYTES, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "control-buffers",
    "control operations with bad buffers and lengths are refused and harm nothing",
    run,
);

/// What is in the buffer's page before Xen writes.
const GUARD: u8 = 0xa5;
const BAD_ADDRESS: i64 = -14;
const TOO_BIG: i64 = -7;
const NO_MEMORY: i64 = -12;
const INVALID: i64 = -22;

/// Addresses that this guest has not: Xen's direct map, one that is not canonical, the last ones.
const NOWHERE: [u64; 3] = [0xffff_8300_0010_0000, 1 << 63, u64::MAX - 7];

/// Bytes of a LIST, which is longer.
const LIST_BYTES: usize = 256;

/// An operation with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    GetClientInfo,
    SetClientInfo,
    List,
    GetPools,
    SetPools,
    SetAuth,
    GetAuth,
    GetStats,
    Audit,
    NextPage,
    NextRemoved,
    RestorePut,
}

impl Probe {
    const ALL: [Self; 12] = [
        Self::GetClientInfo,
        Self::SetClientInfo,
        Self::List,
        Self::GetPools,
        Self::SetPools,
        Self::SetAuth,
        Self::GetAuth,
        Self::GetStats,
        Self::Audit,
        Self::NextPage,
        Self::NextRemoved,
        Self::RestorePut,
    ];

    /// Bytes of its buffer.
    const fn bytes(self) -> usize {
        match self {
            Self::GetClientInfo | Self::SetClientInfo => CLIENT_INFO_BYTES,
            Self::List => LIST_BYTES,
            Self::GetPools | Self::SetPools | Self::SetAuth | Self::GetAuth => 2 * POOL_INFO_BYTES,
            Self::GetStats => STATS_BYTES,
            Self::Audit => AUDIT_INFO_BYTES,
            Self::NextPage => SAVED_PAGE_BYTES,
            Self::NextRemoved => HANDLE_BYTES,
            Self::RestorePut => PAGE_SIZE_BYTES,
        }
    }

    /// The answer to a good buffer.
    const fn success(self) -> i64 {
        match self {
            Self::GetPools | Self::SetPools | Self::SetAuth | Self::GetAuth => 2,
            Self::NextPage | Self::NextRemoved | Self::RestorePut => 1,
            _ => 0,
        }
    }

    /// Whether the buffer is Xen's to read.
    const fn is_read(self) -> bool {
        matches!(self, Self::SetClientInfo | Self::SetPools | Self::SetAuth | Self::RestorePut)
    }

    /// Lengths, and what they are answered with the buffer of another length.
    const fn lengths(self) -> &'static [(u32, i64)] {
        match self {
            // These know no length.
            Self::GetClientInfo | Self::SetClientInfo => &[(0, 0), (1, 0), (u32::MAX, 0)],
            Self::List | Self::GetStats | Self::Audit => &[(0, 0), (1, 0), (8, 0), (u32::MAX, 0)],
            Self::GetPools | Self::GetAuth => &[
                (0, 0),
                (1, INVALID),
                (31, INVALID),
                (32, 1),
                (33, INVALID),
                (96, 2),
                (512, 2),
                (544, TOO_BIG),
                (u32::MAX - 31, TOO_BIG),
                (u32::MAX, INVALID),
            ],
            Self::SetPools | Self::SetAuth => &[
                (0, 0),
                (1, INVALID),
                (31, INVALID),
                (33, INVALID),
                (544, TOO_BIG),
                (u32::MAX - 31, TOO_BIG),
                (u32::MAX, INVALID),
            ],
            Self::NextPage => {
                &[(0, NO_MEMORY), (32, NO_MEMORY), (4127, NO_MEMORY), (4129, 1), (u32::MAX, 1)]
            }
            Self::NextRemoved => &[(0, INVALID), (31, INVALID), (33, 1), (u32::MAX, 1)],
            Self::RestorePut => {
                &[(0, INVALID), (1, INVALID), (4095, INVALID), (4097, INVALID), (u32::MAX, INVALID)]
            }
        }
    }

    fn op(self, targets: &Targets, len: u32, buffer: u64) -> ControlOp {
        let who = ClientId::One(targets.plain.domid());
        let saved = ClientId::One(targets.saved.domid());
        let (pool_id, cursor) = (SWAP, 0);
        match self {
            Self::GetClientInfo => ControlOp::GetClientInfo { who, buffer },
            Self::SetClientInfo => ControlOp::SetClientInfo { who, buffer },
            Self::List => ControlOp::List { who, long: true, len, buffer },
            Self::GetPools => ControlOp::GetPools { who, len, buffer },
            Self::SetPools => ControlOp::SetPools { who, len, buffer },
            Self::SetAuth => ControlOp::SetAuth { who, len, buffer },
            Self::GetAuth => ControlOp::GetAuth { who, len, buffer },
            Self::GetStats => {
                let of = StatsOf::Client { domain: targets.plain.domid(), or_next: false };
                ControlOp::GetStats { of, len, buffer }
            }
            Self::Audit => ControlOp::Audit { len, buffer },
            Self::NextPage => {
                ControlOp::Save(SaveOp::NextPage { who: saved, pool_id, cursor, len, buffer })
            }
            Self::NextRemoved => {
                ControlOp::Save(SaveOp::NextRemoved { who: saved, cursor, len, buffer })
            }
            Self::RestorePut => {
                ControlOp::Save(SaveOp::RestorePut { who, handle: RESTORED, len, buffer })
            }
        }
    }
}

/// The domains' persistent pool, beside pool 0, and the ids of two more by SET_POOLS.
const SWAP: u32 = 1;
const MORE: [u32; 2] = [5, 6];
/// A page that is there, and the one that RESTORE_PUT_PAGE puts.
const KEPT: Handle = at(SWAP, 1, 1);
const RESTORED: Handle = at(SWAP, 50, 0);
const CONTENT: Content = Content(0x00c0_ffee);
/// The weight that SET_CLIENT_INFO sets.
const WEIGHT: u32 = 77;

/// A domain, and one that is being saved while it runs, of which something was removed.
struct Targets {
    plain: Child,
    saved: Child,
}

impl Targets {
    fn build(control: Control) -> CaseResult<Self> {
        let build = |caller| {
            let child = Child::build(Plan::new(caller, 100))?;
            child.new_pool(Kind::Ephemeral)?;
            expect("the swap's id", child.new_pool(Kind::Persistent)?.into(), SWAP.into())?;
            (0..3).try_for_each(|index| child.put(at(SWAP, 1, index), Content(index.into())))?;
            Ok(child)
        };
        let (plain, saved) = (build(Caller::Pvh64)?, build(Caller::Pv64)?);
        expect("SAVE_BEGIN", control.begin_save(saved.domid(), true), 0)?;
        expect("flush", saved.flush_page(at(SWAP, 1, 0))?, FROZEN)?;
        Ok(Self { plain, saved })
    }

    /// As at first, and both go on.
    fn check(self, control: Control) -> CaseResult {
        expect("SAVE_END", control.end_save(self.saved.domid()), 0)?;
        for child in [self.plain, self.saved] {
            for index in 1..3 {
                child.get_hit(at(SWAP, 1, index), Content(index.into()))?;
            }
            child.put(at(SWAP, 1, 0), Content(9))?;
            child.get_hit(at(SWAP, 1, 0), Content(9))?;
            child.put(at(0, 1, 0), Content(9))?;
            child.get_hit(at(0, 1, 0), Content(9))?;
            child.destroy()?;
        }
        let (answer, _) = control.audit();
        expect("AUDIT", answer, 0)
    }
}

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let targets = Targets::build(control)?;
    if !rig.pages.unmap_edge() {
        give_up!("Xen did not unmap the page behind the edge");
    }
    let result =
        Probe::ALL.into_iter().try_for_each(|probe| try_one(rig, control, &targets, probe));
    if !rig.pages.restore_edge() {
        give_up!("Xen did not map the page behind the edge again");
    }
    result?;
    targets.check(control)
}

fn try_one(rig: &Rig, control: Control, targets: &Targets, probe: Probe) -> CaseResult {
    let bytes = probe.bytes();
    let len = u32::try_from(bytes).unwrap_or_default();
    let send = |len, buffer| control.send_block(&mut probe.op(targets, len, buffer).encode());

    for address in NOWHERE.into_iter().chain([rig.pages.edge(0)]) {
        let answer = send(len, address);
        if answer != BAD_ADDRESS {
            fail!("{probe:?} with a buffer at {address:#x}: answered {answer}");
        }
        // Without a length no address is looked at.
        if let Some(&(0, 0)) = probe.lengths().first()
            && !matches!(probe, Probe::GetClientInfo | Probe::SetClientInfo)
        {
            let answer = send(0, address);
            if answer != 0 {
                fail!("{probe:?} with no buffer at {address:#x}: answered {answer}");
            }
        }
    }
    nothing_done(control, targets, probe, false)?;
    // Its text may be so short that it fits.
    if probe != Probe::List {
        let answer = send(len, prepare(rig, probe, bytes / 2));
        if answer != BAD_ADDRESS || !is_beside_untouched(rig, probe, bytes / 2) {
            fail!("{probe:?} with half a buffer: answered {answer}, or wrote beside it");
        }
        nothing_done(control, targets, probe, true)?;
    }

    let answer = send(len, prepare(rig, probe, 0));
    if answer != probe.success() || !is_beside_untouched(rig, probe, bytes) {
        fail!("{probe:?} with a buffer at the edge: answered {answer}, or wrote beside it");
    }
    all_done(control, targets, probe)?;
    for &(len, wanted) in probe.lengths() {
        let answer = send(len, prepare(rig, probe, 0));
        if answer != wanted || !is_beside_untouched(rig, probe, bytes) {
            fail!("{probe:?} with {len} bytes: answered {answer}, not {wanted}, or wrote beside");
        }
    }
    Ok(())
}

/// Makes the buffer ready so that its last `behind` bytes lie where there is no memory; its address.
fn prepare(rig: &Rig, probe: Probe, behind: usize) -> u64 {
    rig.pages.fill_edge(GUARD);
    let mut page = Page::ZERO;
    page.fill(CONTENT);
    let content = page.0.map(u64::to_le_bytes);
    let settings = ClientInfo {
        version: ClientInfo::VERSION,
        maxpools: 16,
        nr_pools: 0,
        flags: ClientFlags::empty(),
        weight: WEIGHT,
    };
    let pools = MORE.map(|id| {
        let flags = Kind::Ephemeral.flags();
        PoolInfo { flags, id, ..PoolInfo::default() }.encode()
    });
    let rights = [1, 2].map(|word| {
        let flags = PoolInfo::AUTHORISE;
        PoolInfo { flags, uuid: Uuid([word, 9]), ..PoolInfo::default() }.encode()
    });
    match probe {
        Probe::SetClientInfo => rig.pages.write_at_edge(&settings.encode(), behind),
        Probe::SetPools => rig.pages.write_at_edge(pools.as_flattened(), behind),
        Probe::SetAuth => rig.pages.write_at_edge(rights.as_flattened(), behind),
        Probe::RestorePut => rig.pages.write_at_edge(content.as_flattened(), behind),
        _ => rig.pages.edge(probe.bytes() - behind),
    }
}

/// Whether nothing but the buffer, the last `bytes` of the page, was written.
fn is_beside_untouched(rig: &Rig, probe: Probe, bytes: usize) -> bool {
    // What Xen reads was put there by us.
    let but = if probe.is_read() { probe.bytes() } else { bytes };
    rig.pages.edge_holds(GUARD, but)
}

/// That an operation which could not use its buffer did nothing, or `halfway` its first record.
fn nothing_done(control: Control, targets: &Targets, probe: Probe, halfway: bool) -> CaseResult {
    let (child, domid) = (&targets.plain, targets.plain.domid());
    match probe {
        Probe::SetClientInfo => match control.client_info(domid) {
            Ok(info) if info.weight == 0 => Ok(()),
            other => fail!("settings were taken from nowhere: {other:?}"),
        },
        Probe::SetPools => {
            expect("the first pool", child.destroy_pool(MORE[0])?, i64::from(halfway))?;
            expect("the second pool", child.destroy_pool(MORE[1])?, NOTHING)
        }
        Probe::SetAuth => match control.authorisations(domid) {
            Ok(rights) if rights.as_slice().len() == usize::from(halfway) => Ok(()),
            other => {
                fail!("rights were taken from nowhere: {:?}", other.map(|all| all.as_slice().len()))
            }
        },
        Probe::RestorePut => child.get_none("get of what could not be read", RESTORED, NOTHING),
        _ => Ok(()),
    }
}

/// That an operation did what it was asked for; pools that it made go again.
fn all_done(control: Control, targets: &Targets, probe: Probe) -> CaseResult {
    let (child, domid) = (&targets.plain, targets.plain.domid());
    match probe {
        Probe::SetClientInfo => match control.client_info(domid) {
            Ok(info) if info.weight == WEIGHT => Ok(()),
            other => fail!("a weight was not set: {other:?}"),
        },
        Probe::SetPools => {
            MORE.into_iter().try_for_each(|id| expect("a pool", child.destroy_pool(id)?, SUCCESS))
        }
        Probe::RestorePut => child.get_hit(RESTORED, CONTENT),
        _ => child.get_hit(KEPT, Content(1)),
    }
}
