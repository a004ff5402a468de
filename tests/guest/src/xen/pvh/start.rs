//! What Xen's domain builder hands over to a PVH guest: little more than a command line. Where the
//! memory is, the guest asks.

use super::hypercall_page;
use crate::xen::memory::{self, Region};
use crate::xen::platform::set_pvh;
use crate::xen::start::Start;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};

/// `struct hvm_start_info`, as far as it is read
/// (`xen/include/public/arch-x86/hvm/start_info.h`).
#[derive(Debug)]
#[repr(C)]
pub struct HvmStartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modules: u64,
    command_line: u64,
}

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;

/// Frames below this one hold the image and what the domain builder put behind it: never given
/// back. The page tables map only half of that page by page.
const KEPT_FRAMES: u64 = 8 << 20 >> 12;

/// The most frames that the guest's memory can reach to: 80 MiB.
const FRAMES: usize = 80 << 20 >> 12;

/// Where the page that Xen shares with the guest is put: in the hole below 4 GiB where a small
/// machine has neither memory nor devices.
const SHARED_INFO_FRAME: u64 = 0xe_0000;

/// In the frame list: no frame of the guest's.
const NO_FRAME: u64 = u64::MAX;

struct FrameList(UnsafeCell<[u64; FRAMES]>);

// SAFETY: handed out once, by `read`.
unsafe impl Sync for FrameList {}

static FRAME_LIST: FrameList = FrameList(UnsafeCell::new([0; FRAMES]));

/// Asks Xen for the hypercall page and the memory map, and puts the shared page somewhere. `None`
/// if Xen does not do as it should, and then nothing can be said, for want of a console.
///
/// # Safety
/// `info` is the pointer that Xen gave at entry; call it once.
pub(in crate::xen) unsafe fn read(info: *const HvmStartInfo) -> Option<Start> {
    set_pvh();
    if !hypercall_page::fill() {
        return None;
    }
    // SAFETY: Xen's domain builder filled it; the entry code mapped it.
    let info = unsafe { &*info };
    if info.magic != MAGIC {
        return None;
    }
    let line: *const c_char =
        core::ptr::with_exposed_provenance(usize::try_from(info.command_line).ok()?);
    // SAFETY: a string that ends with a zero, which the domain builder put there.
    let line = unsafe { CStr::from_ptr(line) };

    let mut map = [Region::EMPTY; 32];
    let regions = memory::memory_map(&mut map)?;
    let end = regions.iter().filter(|region| region.is_ram()).map(|ram| ram.frames().end).max()?;
    // SAFETY: nobody else has it, since this function is called once.
    let list: &'static mut [u64; FRAMES] = unsafe { &mut *FRAME_LIST.0.get() };
    list.fill(NO_FRAME);
    for region in regions.iter().filter(|region| region.is_ram()) {
        for frame in region.frames() {
            if let Some(place) = list.get_mut(usize::try_from(frame).ok()?) {
                *place = frame;
            }
        }
    }
    let frames = list.get_mut(..usize::try_from(end).ok()?)?;
    // SAFETY: no frame is there, so none is lost.
    let placed = unsafe { memory::place_shared_info(SHARED_INFO_FRAME) };
    (placed == 0).then_some(Start {
        command_line: line.to_str().unwrap_or_default(),
        frames,
        page_tables: 0..0,
        shared_info_frame: SHARED_INFO_FRAME,
        unmapped_from_pfn: KEPT_FRAMES,
    })
}
