//! **Checks** that an operation block at an address that the guest can't read answers -14: unmapped,
//! in Xen's own range, not canonical, or running over the end of the address space (P42).
//!
//! **Why:** the address comes from the guest; Xen must find out by trying, and survive.
//!
//! **A broken host** crashes, or reads Xen's memory as an operation.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::BAD_ADDRESS};
use crate::verdict::CaseResult;
use crate::xen::caller::caller;
use crate::xen::platform::{FrameNumbers, platform};
use crate::xen::tmem::send_address;

pub(super) const CASE: Case =
    Case::new("op-pointer", "an operation block at an unreadable address answers -14", run);

/// In a PV guest's address space: a table of Xen's that the guest may read.
const MACHINE_TO_PHYS: u64 = 0xffff_8000_0000_0000;

const ADDRESSES: [u64; 13] = [
    // Page 0, which the guest unmapped when it started.
    0,
    8,
    4096 - 56,
    // Nothing was ever mapped here.
    0x0000_7000_0000_0000,
    // The last bytes that a 32-bit caller can name; a PVH guest maps nothing there.
    0xffff_fff8,
    // The last bytes below the hole, running into it; the hole; its end.
    0x0000_7fff_ffff_fff0,
    0x0000_8000_0000_0000,
    0xffff_7fff_ffff_fff0,
    // Xen's range: the machine-to-phys table, its own image.
    MACHINE_TO_PHYS,
    0xffff_82d0_4020_0000,
    0xffff_87ff_ffff_fff0,
    // The last bytes of the address space, and beyond.
    0xffff_ffff_ffff_ffc8,
    0xffff_ffff_ffff_ffff,
];

fn run(rig: &mut Rig) -> CaseResult {
    let page = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    for address in ADDRESSES.into_iter().filter(|&address| caller().can_say(address)) {
        let answer = send_address(address);
        // Xen's range holds the machine-to-phys table, which a PV guest may read: what is there is
        // no operation, and an answer that says so is as good.
        if answer >= 0 {
            fail!("operation at address {address:#x}: answered {answer}");
        }
        let readable_by_guest = address == MACHINE_TO_PHYS && platform().frame_numbers() == FrameNumbers::Machine;
        if answer != BAD_ADDRESS && !readable_by_guest {
            fail!("operation at address {address:#x}: answered {answer}, not {BAD_ADDRESS}");
        }
    }
    rig.put(page, Content(1))?;
    rig.get_hit(page, Content(1))
}
