//! **Checks** every type that a PVH domain's frame can have and that is neither plain memory nor
//! log-dirty: a put from it and a get into it answer -14, the put stores nothing, the get loses nothing
//! (R14, R15, P49). A frame that is promised and not there yet is populated, and taken.
//!
//! **Why:** a frame number of such a guest means what Xen's table says. Behind a type that looks like
//! memory there may be a device, another domain's page, or a page whose writes somebody must see.
//!
//! **A broken host** reads a device's registers, writes to a page that its guest may only read, or
//! misses a write that a device model waits for.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY, SUCCESS},
};
use crate::toolstack::{Call, Caller, Child, DATA_PAGES, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::frame_types::{
    MemoryType, claim_writes, populate_on_demand, set_memory_type, set_pod_target,
};
use crate::{fail, give_up};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "frame-types",
    "of a PVH domain's frames only plain memory is taken: no other type, no hole",
    run,
);

/// Frames behind the child's memory.
const HOLE: u64 = 80;
const DEVICE: u64 = 81;
const PROMISED: u64 = 82;
/// The screen's memory, in the machine's numbers.
const SCREEN: u64 = 0xb8;
/// The child's page whose type is changed.
const PAGE: usize = 8;
/// Frames that the child has or may have: its memory, and some in stock.
const TARGET: u64 = 80;

/// `memory_op` and `XENMEM_decrease_reservation`.
const MEMORY_OP: u32 = xen_sys::__HYPERVISOR_memory_op;
/// See above.
const DECREASE_RESERVATION: u64 = 1;
/// `DOMID_SELF`.
const DOMID_SELF: u64 = 0x7ff0;

fn run(_rig: &mut Rig) -> CaseResult {
    [Caller::Pvh64, Caller::Pvh32].into_iter().try_for_each(all_types)
}

fn all_types(caller: Caller) -> CaseResult {
    let child = Child::build(Plan::new(caller, 100))?;
    let domid = child.domid();
    let frame = child.frame(PAGE);

    on_demand(&child)?;
    refused(&child, "a hole", HOLE)?;
    done("mapping a device", child.release().map_device(domid, DEVICE, SCREEN))?;
    refused(&child, "a device's memory", DEVICE)?;

    taken(&child, "plain memory", frame)?;
    done("claiming writes", claim_writes(domid))?;
    for (memory_type, what) in [
        (MemoryType::ReadOnly, "read-only memory"),
        (MemoryType::IoreqServer, "an I/O request server's memory"),
    ] {
        done("changing a frame's type", set_memory_type(domid, frame, memory_type))?;
        refused(&child, what, frame)?;
        done("changing it back", set_memory_type(domid, frame, MemoryType::Ram))?;
        taken(&child, "plain memory again", frame)?;
    }
    // From this one there is no way back.
    done("changing a frame's type", set_memory_type(domid, frame, MemoryType::DeviceModel))?;
    refused(&child, "the device model's memory", frame)?;

    let given_back = child.frame(PAGE + 1);
    give_back(&child, given_back)?;
    refused(&child, "a frame given back", given_back)?;
    child.destroy()
}

/// Frames that are promised, and come when a call names them. Only a domain without devices has them.
fn on_demand(child: &Child) -> CaseResult {
    let domid = child.domid();
    let promised = [PROMISED, PROMISED + 1].map(|frame| populate_on_demand(domid, frame));
    if promised != [1, 1] {
        give_up!("Xen does not promise memory: {promised:?}");
    }
    done("giving a stock", set_pod_target(domid, TARGET))?;
    let (pool, page) = (child.new_pool(Kind::Persistent)?, at(0, 7, 7));
    let put = Op::PutPage { handle: page, cmfn: PROMISED };
    expect("put from promised memory", child.op(&put)?, SUCCESS)?;
    expect("get of it", child.try_get(page)?, SUCCESS)?;
    child.check_zeroes(page)?;
    taken(child, "promised memory", PROMISED + 1)?;
    expect("destroy", child.destroy_pool(pool)?, SUCCESS)
}

fn done(what: &str, answer: i64) -> CaseResult {
    if answer != 0 {
        give_up!("{what}: Xen answered {answer}");
    }
    Ok(())
}

/// The child gives a frame back itself.
fn give_back(child: &Child, frame: u64) -> CaseResult {
    // The list of one frame and, behind it, `struct xen_memory_reservation` of the child's width.
    let list = child.address(DATA_PAGES - 1);
    let window = child.open(DATA_PAGES - 1)?;
    window.write(0, &frame.to_le_bytes());
    let request: [u8; 32] = if child.caller().is_wide() {
        bytes([list, 1, 0, DOMID_SELF])
    } else {
        bytes([list | 1 << 32, 0, DOMID_SELF, 0])
    };
    window.write(64, &request);
    let call = Call::raw(MEMORY_OP, [DECREASE_RESERVATION, list + 64, 0, 0, 0]);
    child.run(0, &[call])?;
    match child.answer(0, 0)? {
        1 => Ok(()),
        answer => give_up!("the child's frame was not taken back: {answer}"),
    }
}

fn bytes(words: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    bytes
}

/// Neither a put from the frame nor a get into it, and nothing is lost by either.
pub(super) fn refused(child: &Child, what: &str, frame: u64) -> CaseResult {
    let caller = child.caller();
    for kind in Kind::BOTH {
        let pool = child.new_pool(kind)?;
        let page = at(pool, 1, 1);
        let answer = child.op(&Op::PutPage { handle: page, cmfn: frame })?;
        if answer != BAD_ADDRESS {
            fail!("{caller:?}: put from {what}: answered {answer}, not {BAD_ADDRESS}");
        }
        child.get_none("get after that", page, EMPTY)?;
        child.put(page, Content(1))?;
        let answer = child.op(&Op::GetPage { handle: page, cmfn: frame })?;
        if answer != BAD_ADDRESS {
            fail!("{caller:?}: get into {what}: answered {answer}, not {BAD_ADDRESS}");
        }
        match kind {
            Kind::Persistent => child.get_hit(page, Content(1))?,
            // It may stay or go.
            Kind::Ephemeral => match child.try_get(page)? {
                SUCCESS => child.check_target(page, Content(1))?,
                other => expect("get of a page that a get could not deliver", other, EMPTY)?,
            },
        }
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    Ok(())
}

/// Both a put from the frame and a get into it.
pub(super) fn taken(child: &Child, what: &str, frame: u64) -> CaseResult {
    let caller = child.caller();
    for kind in Kind::BOTH {
        let pool = child.new_pool(kind)?;
        let page = at(pool, 1, 1);
        let put = child.op(&Op::PutPage { handle: page, cmfn: frame })?;
        let get = child.op(&Op::GetPage { handle: page, cmfn: frame })?;
        if (put, get) != (SUCCESS, SUCCESS) {
            fail!("{caller:?}: put from and get into {what}: answered {put} and {get}");
        }
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    Ok(())
}
