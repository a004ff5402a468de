//! What Xen's domain builder hands over: command line, frame list, where the page tables are.

use core::ffi::CStr;
use core::slice;

/// `struct start_info` (`xen/include/public/xen.h`).
pub type StartInfo = xen_sys::start_info;

/// The parts of [`StartInfo`] that are used.
pub struct Start {
    /// The guest's command line; empty if it is no UTF-8.
    pub command_line: &'static str,
    /// Machine frame of each of the guest's frames, writable: the guest keeps it current.
    pub frames: &'static mut [u64],
    /// Guest frame of the top-level page table.
    pub page_table_pfn: u64,
    /// Machine frame of the page that Xen shares with the guest.
    pub shared_info_mfn: u64,
    /// First guest frame behind everything that the domain builder mapped.
    pub unmapped_from_pfn: u64,
}

/// Bytes of a page, as a shift.
const PAGE_SHIFT: u32 = 12;

impl Start {
    /// Reads `start_info`. Virtual address = guest frame * 4096, since the image's notes say
    /// VIRT_BASE 0.
    ///
    /// # Safety
    /// `info` is the pointer that Xen gave at entry; call it once, since it hands out the frame
    /// list for writing.
    pub unsafe fn read(info: *const StartInfo) -> Self {
        // SAFETY: Xen's domain builder mapped the page and filled it.
        let info: &'static StartInfo = unsafe { &*info };
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
            page_table_pfn,
            shared_info_mfn: info.shared_info >> PAGE_SHIFT,
            unmapped_from_pfn: used.next_multiple_of(4 << 20 >> PAGE_SHIFT),
        }
    }
}
