//! What Xen's domain builder hands over: command line, frame list, where the page tables are. Here for
//! a PV guest; for a PVH guest see [`super::pvh`].

use super::pvh::{self, HvmStartInfo};
use super::rings;
use core::ffi::CStr;
use core::ops::Range;
use core::slice;

/// `struct start_info` (`xen/include/public/xen.h`).
pub type StartInfo = xen_sys::start_info;

/// What the guest starts with, of whichever kind it is. A frame is what the guest names in a call: a
/// machine frame if it is PV, one of its own if it is PVH.
pub struct Start {
    /// The guest's command line; empty if it is no UTF-8.
    pub command_line: &'static str,
    /// Frame of each of the guest's 4096-byte pages, writable: the guest keeps it current. All ones
    /// where there is none.
    pub frames: &'static mut [u64],
    /// Pages that are page tables which Xen watches, the top-level one first.
    pub page_tables: Range<u64>,
    /// Frame of the page that Xen shares with the guest.
    pub shared_info_frame: u64,
    /// First page behind everything that the domain builder put there.
    pub unmapped_from_pfn: u64,
}

/// Bytes of a page, as a shift.
const PAGE_SHIFT: u32 = 12;

impl Start {
    /// What a PVH guest starts with; `None` if Xen does not do as it should, and then nothing can be
    /// said, for want of a console.
    ///
    /// # Safety
    /// `info` is the pointer that Xen gave at entry; call it once.
    pub unsafe fn read_pvh(info: *const HvmStartInfo) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { pvh::read(info) }
    }

    /// What a PV guest starts with. Virtual address = guest frame * 4096, since the image's notes say
    /// VIRT_BASE 0.
    ///
    /// # Safety
    /// `info` is the pointer that Xen gave at entry; call it once, since it hands out the frame
    /// list for writing.
    pub unsafe fn read(info: *const StartInfo) -> Self {
        // SAFETY: Xen's domain builder mapped the page and filled it.
        let info: &'static StartInfo = unsafe { &*info };
        rings::take_told(info);
        // Both are below 2^47 on this machine.
        let count = usize::try_from(info.nr_pages).unwrap_or_default();
        let list = core::ptr::with_exposed_provenance_mut(
            usize::try_from(info.mfn_list).unwrap_or_default(),
        );
        // SAFETY: Xen's domain builder mapped a list of `nr_pages` frame numbers there, for the
        // guest to own; nobody else here makes a reference to it.
        let frames = unsafe { slice::from_raw_parts_mut(list, count) };
        // SAFETY: `i8` and `u8` have the same layout.
        let line: &'static [u8] =
            unsafe { slice::from_raw_parts(info.cmd_line.as_ptr().cast(), info.cmd_line.len()) };
        // `xen/include/public/xen.h`: the boot stack follows the page tables, then at least
        // 512 KiB of padding, and the whole is rounded up to 4 MiB.
        let page_table_pfn = info.pt_base >> PAGE_SHIFT;
        let used = page_table_pfn + info.nr_pt_frames + 1 + (512 << 10 >> PAGE_SHIFT);
        Self {
            command_line: CStr::from_bytes_until_nul(line)
                .ok()
                .and_then(|line| line.to_str().ok())
                .unwrap_or_default(),
            frames,
            page_tables: page_table_pfn..page_table_pfn + info.nr_pt_frames,
            shared_info_frame: info.shared_info >> PAGE_SHIFT,
            unmapped_from_pfn: used.next_multiple_of(4 << 20 >> PAGE_SHIFT),
        }
    }
}
