//! Hypercalls from user space: the Linux kernel's device for them, and memory that Xen can reach.
//!
//! Xen reads and writes a hypercall's buffers at addresses of this process, while it runs: a page
//! that is swapped out or migrated just then is an error to it. So all buffers are one block of
//! memory that stays where it is: from `/dev/xen/hypercall` if the kernel has it (4.18 and newer),
//! else locked. Nothing of Rust's own is handed to Xen; data are copied in and out.
//!
//! The only file with `unsafe`: a mapping, copies to and from it, and the call.
//!
//! Source of the facts: Linux, `include/uapi/xen/privcmd.h` and `drivers/xen/privcmd-buf.c`.
#![expect(unsafe_code, reason = "memory that the hypervisor accesses, and the call itself")]

use crate::failure::{Failure, Kind};
use crate::hypervisor::{BUFFER_OFFSET, Refusal};
use crate::probe::Sysctl;
use hypercall_abi::PAGE_SIZE_BYTES;
use hypercall_abi::control::{CONTROL_BYTES, HYPERVISOR_SYSCTL, SYSCTL_BYTES, sysctl_block};
use rustix::ioctl::{Direction, Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::ptr::NonNull;

/// The device for hypercalls.
const DEVICE: &str = "/dev/xen/privcmd";
/// The same in old kernels.
const OLD_DEVICE: &str = "/proc/xen/privcmd";
/// The device for memory that hypercalls may use.
const MEMORY_DEVICE: &str = "/dev/xen/hypercall";

/// Where the operation begins in the sysctl.
const OPERATION_OFFSET: usize = 8;
/// Where the operation's buffer begins in our block; the operation itself stands before it.
const DATA_OFFSET: usize = PAGE_SIZE_BYTES;
/// Bytes of the longest buffer: far more than any operation has.
const DATA_BYTES: usize = 8 * PAGE_SIZE_BYTES;
/// Bytes of the block.
const BLOCK_BYTES: usize = DATA_OFFSET + DATA_BYTES;

/// The way to the hypervisor.
pub(crate) struct Privcmd {
    device: File,
    block: Block,
}

impl Privcmd {
    /// Opens the devices.
    ///
    /// # Errors
    /// With what to do about it: when this is no Xen, when the module is not loaded, when the caller
    /// may not.
    pub(crate) fn open() -> Result<Self, Failure> {
        let open = |path| OpenOptions::new().read(true).write(true).open(path);
        let device = open(DEVICE).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => open(OLD_DEVICE),
            _ => Err(error),
        });
        let device = device.map_err(|error| explain(&error))?;
        let block = Block::new()
            .map_err(|error| Failure::from(error).context("no memory that hypercalls may use"))?;
        Ok(Self { device, block })
    }
}

fn explain(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::new(
            Kind::NotPermitted,
            format!("{DEVICE} can't be opened: run tmemctl as root, in dom0."),
        ),
        io::ErrorKind::NotFound => Failure::new(
            Kind::Unavailable,
            format!(
                "there is no {DEVICE}. Is this dom0 of a Xen host? Then load the kernel's module: \
                 `modprobe xen-privcmd`."
            ),
        ),
        _ => Failure::new(
            Kind::Unavailable,
            format!("{DEVICE} can't be opened: {error}. Is this dom0 of a Xen host?"),
        ),
    }
}

impl Sysctl for Privcmd {
    fn sysctl(
        &mut self,
        interface_version: u32,
        op: &mut [u8; CONTROL_BYTES],
        buffer: &mut [u8],
    ) -> Result<u32, Refusal> {
        if !buffer.is_empty() {
            if buffer.len() > DATA_BYTES {
                return Err(Refusal::TOO_BIG);
            }
            let address = self.block.address(DATA_OFFSET);
            op[BUFFER_OFFSET..BUFFER_OFFSET + 8].copy_from_slice(&address.to_le_bytes());
            self.block.write(DATA_OFFSET, buffer);
        }
        self.block.write(0, &sysctl_block(interface_version, op));
        let call = Call {
            number: u64::from(HYPERVISOR_SYSCTL),
            arguments: [self.block.address(0), 0, 0, 0, 0],
        };
        // SAFETY: the device is the kernel's for hypercalls, which reads the call's 48 bytes. Xen
        // reads the sysctl at the block's beginning and accesses the buffer that it names: `len`
        // bytes as the operation says, and no operation of ours names more than `buffer` has, of
        // which there is room for DATA_BYTES. Nothing else refers to the block meanwhile.
        let answer = unsafe { ioctl(&self.device, call) };
        self.block.read(OPERATION_OFFSET, op);
        self.block.read(DATA_OFFSET, buffer);
        answer.map_err(|error| Refusal(error.raw_os_error()))
    }
}

/// `struct privcmd_hypercall`.
#[repr(C)]
struct Call {
    number: u64,
    arguments: [u64; 5],
}

impl Call {
    /// `IOCTL_PRIVCMD_HYPERCALL`, which has the structure's size in it, but neither direction.
    const OPCODE: Opcode = opcode::from_components(Direction::None, b'P', 0, size_of::<Self>());
}

// SAFETY: the opcode is that of the structure which the pointer refers to; the kernel only reads it.
unsafe impl Ioctl for Call {
    type Output = u32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        Self::OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    unsafe fn output_from_ptr(answer: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        Ok(u32::try_from(answer).unwrap_or(0))
    }
}

/// Memory that Xen can access whenever it wants.
struct Block(NonNull<u8>);

impl Block {
    fn new() -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let none = std::ptr::null_mut();
        let device = OpenOptions::new().read(true).write(true).open(MEMORY_DEVICE).ok();
        let start = match &device {
            // SAFETY: a new mapping at a place that the kernel chooses. It outlives the device's
            // descriptor.
            Some(device) => unsafe {
                mmap(none, BLOCK_BYTES, access, MapFlags::SHARED, device, 0)?
            },
            // SAFETY: as above, of no device.
            None => unsafe { mmap_anonymous(none, BLOCK_BYTES, access, MapFlags::PRIVATE)? },
        };
        let Some(start) = NonNull::new(start.cast()) else {
            return Err(io::Error::other("a mapping at address 0"));
        };
        // From here on it is given back when something fails.
        let mut block = Self(start);
        let pages = block.0.as_ptr().cast();
        if device.is_none() {
            // SAFETY: the mapping is ours, and so it stays.
            unsafe { mlock(pages, BLOCK_BYTES)? };
        }
        // SAFETY: as above; a child process that accesses it ends, and there is none.
        unsafe { madvise(pages, BLOCK_BYTES, Advice::LinuxDontFork)? };
        // Every page is there before Xen looks for it.
        block.write(0, &[0; BLOCK_BYTES]);
        Ok(block)
    }

    /// The address of the byte at `offset`.
    fn address(&self, offset: usize) -> u64 {
        self.0.addr().get() as u64 + offset as u64
    }

    /// Copies `bytes` in.
    ///
    /// # Panics
    /// When they do not fit.
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let place = self.place(offset, bytes.len());
        // SAFETY: `place` says that there is room behind it; the block and a slice of Rust's do not
        // overlap.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies bytes out.
    ///
    /// # Panics
    /// When there are not so many.
    fn read(&self, offset: usize, bytes: &mut [u8]) {
        let place = self.place(offset, bytes.len());
        // SAFETY: as for `write`.
        unsafe { place.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
    }

    /// Where `len` bytes at `offset` are.
    fn place(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= BLOCK_BYTES && len <= BLOCK_BYTES - offset, "not in the block");
        // SAFETY: the offset is within the mapping.
        unsafe { self.0.as_ptr().add(offset) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), BLOCK_BYTES) };
        debug_assert!(unmapped.is_ok());
    }
}

const _: () = assert!(SYSCTL_BYTES <= DATA_OFFSET);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_the_kernel_s() {
        // _IOC(_IOC_NONE, 'P', 0, 48)
        assert_eq!(Call::OPCODE, 0x0030_5000);
    }

    #[test]
    fn what_is_written_into_the_block_is_read_and_nothing_beside_it() {
        let mut block = Block::new().expect("there is memory");
        assert_eq!(block.address(0) % PAGE_SIZE_BYTES as u64, 0);
        assert_eq!(block.address(5), block.address(0) + 5);
        block.write(DATA_OFFSET, &[7; DATA_BYTES]);
        block.write(DATA_OFFSET + 1, &[1, 2, 3]);
        let mut bytes = [0; 6];
        block.read(DATA_OFFSET - 1, &mut bytes);
        assert_eq!(bytes, [0, 7, 1, 2, 3, 7]);
    }

    #[test]
    fn a_missing_device_and_a_forbidden_one_are_told_apart() {
        let say = |kind| explain(&io::Error::from(kind));
        let missing = say(io::ErrorKind::NotFound);
        assert_eq!(missing.kind, Kind::Unavailable);
        assert!(missing.message.contains("modprobe xen-privcmd"));
        let forbidden = say(io::ErrorKind::PermissionDenied);
        assert_eq!(forbidden.kind, Kind::NotPermitted);
        assert!(forbidden.message.contains("root"));
        // A kernel that has the device, but no Xen below it.
        assert_eq!(say(io::ErrorKind::Other).kind, Kind::Unavailable);
    }
}
