//! Grants of a PV guest's own frames to other domains (`xen/include/public/grant_table.h`), version 1.

use super::hypercall::hypercall;
use super::memory::set_mapping;
use core::sync::atomic::{AtomicU64, Ordering};
use xen_sys::__HYPERVISOR_grant_table_op;

/// `GNTTABOP_map_grant_ref` and `GNTTABOP_unmap_grant_ref`, for the domain that is granted to.
pub const MAP_GRANT_REF: u64 = 0;
/// See above.
pub const UNMAP_GRANT_REF: u64 = 1;
/// `GNTTABOP_setup_table`.
const SETUP_TABLE: u64 = 2;

/// `GNTMAP_host_map`: for the CPU's use. `GNTMAP_readonly`: only to read.
pub const HOST_MAP: u32 = 1 << 1;
/// See above.
pub const READ_ONLY: u32 = 1 << 2;

/// `GTF_permit_access`.
const PERMIT_ACCESS: u64 = 1;
/// `GTF_reading` and `GTF_writing`: the grant is in use.
const IN_USE: u64 = 0x18;
/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u64 = 0x7ff0;

/// The first page of the table that Xen keeps for this guest: 512 grants of 8 bytes, the first 8 of
/// which Xen reserves.
#[derive(Clone, Copy, Debug)]
pub struct GrantTable(*const AtomicU64);

impl GrantTable {
    /// Maps the table at `page`. `None` if Xen refuses.
    ///
    /// # Safety
    /// Nobody uses what was at `page`, as long as the table is in use.
    pub unsafe fn map_at(page: *mut u8) -> Option<Self> {
        let mut frame = 0_u64;
        let list = (&raw mut frame).expose_provenance() as u64;
        // `struct gnttab_setup_table`: domain and number of frames, status, list.
        let mut request = [DOMID_SELF | 1 << 32, 0, list];
        let place = request.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: one request, which is ours, and a list of one frame number.
        let answer = unsafe { hypercall(__HYPERVISOR_grant_table_op, [SETUP_TABLE, place, 1, 0]) };
        let [_, status, _] = core::hint::black_box(request);
        let frame = core::hint::black_box(frame);
        if answer != 0 || status & 0xffff != 0 || frame == 0 {
            return None;
        }
        // SAFETY: the caller's promise; the frame is Xen's, for us to write grants to.
        let mapped = unsafe { set_mapping(page.addr(), Some(frame)) };
        (mapped == 0).then_some(Self(page.cast()))
    }

    /// Grant `number` (8 to 511): lets domain `domid` map frame `frame`, whose number fits 32 bits.
    pub fn grant(&self, number: u32, domid: u16, frame: u64) {
        let entry = PERMIT_ACCESS | u64::from(domid) << 16 | frame << 32;
        self.entry(number).store(entry, Ordering::SeqCst);
    }

    /// Ends grant `number`; whether nobody uses it any more.
    #[must_use]
    pub fn end(&self, number: u32) -> bool {
        let entry = self.entry(number);
        let is_free = entry.load(Ordering::SeqCst) & IN_USE == 0;
        entry.store(0, Ordering::SeqCst);
        is_free
    }

    fn entry(&self, number: u32) -> &AtomicU64 {
        let place = self.0.wrapping_add(number as usize % 512);
        // SAFETY: inside the page, which stays mapped; Xen accesses entries as we do, atomically.
        unsafe { &*place }
    }
}
