//! Xen's console: one hypercall a line, so that lines of Xen's own never land inside ours. In a domain
//! that is not the first one: the console of the toolstack.

use super::hypercall::hypercall;
use super::rings::console as ring_console;
use crate::plain::text::Text;
use core::fmt;
use xen_sys::{__HYPERVISOR_console_io, CONSOLEIO_write};

/// Prints a line; what exceeds 250 bytes is cut off.
pub fn print_line(line: fmt::Arguments<'_>) {
    let text = Text::<250>::of(line);
    let with_end = Text::<252>::of(format_args!("{text}\n"));
    let bytes = with_end.as_str().as_bytes();
    if ring_console::is_in_use() {
        return ring_console::write(bytes);
    }
    let arguments = [
        u64::from(CONSOLEIO_write),
        bytes.len() as u64,
        bytes.as_ptr().expose_provenance() as u64,
        0,
    ];
    // SAFETY: `write` takes a length and the address of so many bytes, which it only reads.
    let _nobody_to_tell = unsafe { hypercall(__HYPERVISOR_console_io, arguments) };
}

/// Prints a formatted line on Xen's console.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => { $crate::xen::console::print_line(format_args!($($arguments)*)) };
}
