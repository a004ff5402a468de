//! `memory_op`: giving frames back and taking them again, where memory is; and (un)mapping a page.

use super::hypercall::hypercall;
use super::platform::platform;
use core::ops::Range;
use xen_sys::__HYPERVISOR_memory_op;

/// `XENMEM_decrease_reservation` (`xen/include/public/memory.h`, as the next two).
const DECREASE_RESERVATION: u64 = 1;
/// `XENMEM_maximum_ram_page`.
const MAXIMUM_RAM_PAGE: u64 = 2;
/// `XENMEM_populate_physmap`.
const POPULATE_PHYSMAP: u64 = 6;
/// `XENMEM_machphys_mfn_list`.
const MACHPHYS_MFN_LIST: u64 = 5;
/// `XENMEM_add_to_physmap`.
const ADD_TO_PHYSMAP: u64 = 7;
/// `XENMEM_memory_map`.
const MEMORY_MAP: u64 = 9;
/// `XENMEM_remove_from_physmap`.
const REMOVE_FROM_PHYSMAP: u64 = 15;
/// `XENMEM_set_pod_target`.
const SET_POD_TARGET: u64 = 16;
/// `XENMEM_add_to_physmap_batch`.
const ADD_TO_PHYSMAP_BATCH: u64 = 23;

/// `XENMAPSPACE_shared_info`.
const SPACE_SHARED_INFO: u32 = 0;
/// `XENMAPSPACE_gmfn_foreign`.
const SPACE_FOREIGN: u64 = 4;

/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u16 = 0x7ff0;

/// `XENMEM_claim_pages`.
const CLAIM_PAGES: u64 = 24;

/// The first domain's number.
pub const DOMAIN_0: u16 = 0;

/// Where the memory of [`populate_blocks`] must lie; the flags of `struct xen_memory_reservation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Where(u32);

impl Where {
    /// Anywhere.
    pub const ANYWHERE: Self = Self(0);

    /// Below 2^`bits` bytes (`XENMEMF_address_bits`).
    pub const fn below(bits: u32) -> Self {
        Self(bits & 0xff)
    }

    /// Nowhere yet: a frame is to be found when the page is touched (`XENMEMF_populate_on_demand`).
    pub const ON_DEMAND: Self = Self(1 << 16);

    /// On that node and no other (`XENMEMF_exact_node`).
    pub const fn on_node(node: u32) -> Self {
        Self(((node + 1) & 0xff) << 8 | 1 << 17)
    }
}

/// `struct xen_memory_reservation`.
#[repr(C)]
struct Reservation {
    extents: u64,
    nr_extents: u64,
    order: u32,
    memory_flags: u32,
    domain: u16,
    pad: [u16; 3],
}

const _: () = assert!(size_of::<Reservation>() == 32);

impl Reservation {
    /// Of domain `domid`: a list of single frames, or a number of them if `extents` is 0.
    const fn new(domain: u16, extents: u64, nr_extents: u64) -> Self {
        Self { extents, nr_extents, order: 0, memory_flags: 0, domain, pad: [0; 3] }
    }

    /// Sends it; the raw answer.
    fn send(&self, command: u64) -> i64 {
        let place = core::ptr::from_ref(self).expose_provenance() as u64;
        // SAFETY: Xen only reads the request. The list that it names, if any, is one that our callers
        // hold for writing; frames of our own that are given back are theirs to give: not mapped
        // anywhere.
        unsafe { hypercall(__HYPERVISOR_memory_op, [command, place, 0, 0]) }
    }
}

/// A request with a list of frames; how many of them, from the first, were done.
fn frames_op(command: u64, domid: u16, frames: &mut [u64]) -> usize {
    let list = frames.as_mut_ptr().expose_provenance() as u64;
    let request = Reservation::new(domid, list, frames.len() as u64);
    usize::try_from(request.send(command)).unwrap_or(0)
}

/// Has Xen keep memory for domain `domid` until it holds `pages` in all; 0 ends that. The raw answer.
pub fn claim(domid: u16, pages: u64) -> i64 {
    Reservation::new(domid, 0, pages).send(CLAIM_PAGES)
}

/// What Xen keeps for pages of a domain that were not touched yet (`struct xen_pod_target`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OnDemand {
    target: u64,
    /// Frames that the domain has, those in the cache included.
    pub total: u64,
    /// Frames that wait for being used.
    pub cached: u64,
    /// Pages without a frame.
    pub entries: u64,
    domain: u64,
}

/// Has Xen give a PVH domain frames for pages that are touched, until it has `pages` in all.
///
/// # Errors
/// Xen's answer.
pub fn set_on_demand(domid: u16, pages: u64) -> Result<OnDemand, i64> {
    let domain = u64::from(domid);
    let mut request = OnDemand { target: pages, total: 0, cached: 0, entries: 0, domain };
    let place = (&raw mut request).expose_provenance() as u64;
    // SAFETY: reads and writes the request, which is ours.
    match unsafe { hypercall(__HYPERVISOR_memory_op, [SET_POD_TARGET, place, 0, 0]) } {
        0 => Ok(core::hint::black_box(request)),
        answer => Err(answer),
    }
}

/// Gives domain `domid` a frame at each of the guest frames in `frames`; returns how many, from the
/// first, it got. For a PV domain the machine frames replace the guest frames.
pub fn populate_domain(domid: u16, frames: &mut [u64]) -> usize {
    frames_op(POPULATE_PHYSMAP, domid, frames)
}

/// The same with blocks of 2^`order` frames, each beginning at one of `frames`.
pub fn populate_blocks(domid: u16, frames: &mut [u64], order: u32, place: Where) -> usize {
    let list = frames.as_mut_ptr().expose_provenance() as u64;
    let request = Reservation {
        order,
        memory_flags: place.0,
        ..Reservation::new(domid, list, frames.len() as u64)
    };
    usize::try_from(request.send(POPULATE_PHYSMAP)).unwrap_or(0)
}

/// Takes the frames at `frames` from domain `domid`; returns how many, from the first, it lost.
pub fn take_from_domain(domid: u16, frames: &mut [u64]) -> usize {
    frames_op(DECREASE_RESERVATION, domid, frames)
}

/// Gives the frames back to Xen; returns how many, from the first, it took.
pub(super) fn give_back(frames: &mut [u64]) -> usize {
    frames_op(DECREASE_RESERVATION, DOMID_SELF, frames)
}

/// Asks for memory at each of the guest frames in `frames`; returns how many, from the first, got
/// some. A PV guest finds their machine frames in the list then; a PVH guest the same numbers.
pub(super) fn populate(frames: &mut [u64]) -> usize {
    frames_op(POPULATE_PHYSMAP, DOMID_SELF, frames)
}

/// The highest frame number of the machine's RAM.
pub fn highest_ram_frame() -> u64 {
    // SAFETY: takes no pointer.
    let frame = unsafe { hypercall(__HYPERVISOR_memory_op, [MAXIMUM_RAM_PAGE, 0, 0, 0]) };
    u64::try_from(frame).unwrap_or(0)
}

/// Maps frame `frame` at `address`, or unmaps the page there. Returns Xen's answer, 0 if done.
///
/// # Safety
/// Nothing that is unmapped may be in use, and nothing that is mapped may alias memory in use.
pub unsafe fn set_mapping(address: usize, frame: Option<u64>) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { platform().set_mapping(address, frame) }
}

/// One entry of a PVH guest's memory map (`struct e820entry`).
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct Region {
    start: u64,
    bytes: u64,
    kind: u32,
}

/// Memory that the guest may use.
const RAM: u32 = 1;
/// Neither memory nor device.
const UNUSABLE: u32 = 5;

impl Region {
    /// No memory.
    pub(super) const EMPTY: Self = Self { start: 0, bytes: 0, kind: UNUSABLE };

    /// Whether it is the guest's to use.
    pub(super) fn is_ram(&self) -> bool {
        self.kind == RAM
    }

    /// Its whole frames.
    pub(super) fn frames(&self) -> Range<u64> {
        self.start.div_ceil(4096)..(self.start + self.bytes) / 4096
    }

    /// Whether any of its bytes is in this frame: of ACPI's tables a PVH guest has some in the frame in
    /// which its memory ends.
    fn touches(&self, frame: u64) -> bool {
        (self.start / 4096..(self.start + self.bytes).div_ceil(4096)).contains(&frame)
    }
}

/// `struct xen_memory_map`.
#[repr(C)]
struct MemoryMap {
    entries: u32,
    buffer: u64,
}

/// The guest's memory map, in `buffer`; `None` if Xen has none for this kind of guest.
pub(super) fn memory_map(buffer: &mut [Region]) -> Option<&[Region]> {
    let mut request = MemoryMap {
        entries: u32::try_from(buffer.len()).ok()?,
        buffer: buffer.as_mut_ptr().expose_provenance() as u64,
    };
    let place = (&raw mut request).expose_provenance() as u64;
    // SAFETY: the request describes a slice that we hold for writing, and its room.
    let answer = unsafe { hypercall(__HYPERVISOR_memory_op, [MEMORY_MAP, place, 0, 0]) };
    // Xen wrote the number of entries there.
    let entries = usize::try_from(request.entries).ok()?;
    buffer.get(..entries).filter(|_| answer == 0)
}

/// Whether nothing at all is at this frame of a PVH guest, by its memory map.
pub fn is_hole(frame: u64) -> bool {
    let mut buffer = [Region::EMPTY; 32];
    let Some(regions) = memory_map(&mut buffer) else { return false };
    regions.iter().all(|region| region.kind == UNUSABLE || !region.touches(frame))
}

/// `struct xen_add_to_physmap`.
#[repr(C)]
struct AddToPhysmap {
    domain: u16,
    size: u16,
    space: u32,
    index: u64,
    frame: u64,
}

/// Puts the page that Xen shares with a PVH guest at `frame`. Returns Xen's answer, 0 if done.
///
/// # Safety
/// A frame that is there already is lost, so nothing may be in it.
pub(super) unsafe fn place_shared_info(frame: u64) -> i64 {
    let request =
        AddToPhysmap { domain: DOMID_SELF, size: 0, space: SPACE_SHARED_INFO, index: 0, frame };
    let place = (&raw const request).expose_provenance() as u64;
    // SAFETY: Xen only reads the request; what it does to the frame is the caller's promise.
    unsafe { hypercall(__HYPERVISOR_memory_op, [ADD_TO_PHYSMAP, place, 0, 0]) }
}

/// Puts frame `from` of domain `domid` at this PVH guest's frame `frame`. Returns 0 if done.
///
/// # Safety
/// A frame that is there already is lost, so nothing may be in it.
pub unsafe fn place_foreign(domid: u16, from: u64, frame: u64) -> i64 {
    let (from, to) = ([from], [frame]);
    let mut error = [0_i32];
    // `struct xen_add_to_physmap_batch`: domain, space, count and the other domain; three lists.
    let request = [
        u64::from(DOMID_SELF) | SPACE_FOREIGN << 16 | 1 << 32 | u64::from(domid) << 48,
        from.as_ptr().expose_provenance() as u64,
        to.as_ptr().expose_provenance() as u64,
        error.as_mut_ptr().expose_provenance() as u64,
    ];
    let place = request.as_ptr().expose_provenance() as u64;
    // SAFETY: two lists of one number to read, one to write; the rest is the caller's promise.
    let answer = unsafe { hypercall(__HYPERVISOR_memory_op, [ADD_TO_PHYSMAP_BATCH, place, 0, 0]) };
    let [error] = core::hint::black_box(error);
    if answer == 0 { i64::from(error) } else { answer }
}

/// Makes this PVH guest's frame an empty one. Returns Xen's answer, 0 if done.
pub fn remove_frame(frame: u64) -> i64 {
    // `struct xen_remove_from_physmap`.
    let request = [u64::from(DOMID_SELF), frame];
    let place = request.as_ptr().expose_provenance() as u64;
    // SAFETY: Xen only reads the request; what is at the frame stays its owner's.
    unsafe { hypercall(__HYPERVISOR_memory_op, [REMOVE_FROM_PHYSMAP, place, 0, 0]) }
}

/// The first frame of Xen's table from machine frames to guest frames, which every PV guest may read.
pub fn machine_to_phys_frame() -> Option<u64> {
    let mut frame = [0_u64];
    // `struct xen_machphys_mfn_list`: room, list, number written.
    let mut request = [1, frame.as_mut_ptr().expose_provenance() as u64, 0];
    let place = request.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: writes one number to a list of one.
    let answer = unsafe { hypercall(__HYPERVISOR_memory_op, [MACHPHYS_MFN_LIST, place, 0, 0]) };
    let [frame] = core::hint::black_box(frame);
    (answer == 0 && frame != 0).then_some(frame)
}
