//! `domctl`: what a toolstack does with a domain. Structures after `xen/include/public/domctl.h`.
//!
//! Must not know what a domain is made for. An answer below 0 is Xen's errno, negated.

use super::hypercall::hypercall;
use super::release::Release;
use xen_sys::__HYPERVISOR_domctl;

/// `XEN_DOMCTL_CDF_hvm`: a PVH or HVM domain.
pub const CREATE_HVM: u32 = 1 << 0;
/// `XEN_DOMCTL_CDF_hap`: with the hardware's nested paging.
pub const CREATE_HAP: u32 = 1 << 1;
/// `XEN_X86_EMU_LAPIC` (`xen/include/public/arch-x86/xen.h`): all that a PVH domain is given.
pub const EMULATE_LAPIC: u32 = 1 << 0;

/// `XEN_DOMINF_dying`: the domain is being destroyed.
pub const DYING: u32 = 1 << 0;
/// `XEN_DOMINF_shutdown`: the domain has ended itself, or has crashed.
pub const SHUTDOWN: u32 = 1 << 2;

/// `SECINITSID_DOMU`, the label that Xen's own tools give a domain whose configuration names none. The
/// policy lets domain 0 create such ones; a Xen without FLASK does not look at it.
const LABEL_OF_GUESTS: u32 = 12;

/// What to create. Zero in what is not named here.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// Wanted domain id; 0 lets Xen choose.
    pub domid: u16,
    /// `CREATE_...` bits.
    pub flags: u32,
    /// `XEN_X86_EMU_...` bits.
    pub emulation: u32,
    /// vCPUs that the domain may have.
    pub max_vcpus: u32,
}

/// `struct xen_domctl_createdomain`. Its last words differ between releases: see [`create`].
#[repr(C)]
#[derive(Clone, Copy)]
struct CreateDomain {
    ssidref: u32,
    handle: [u8; 16],
    flags: u32,
    iommu_opts: u32,
    max_vcpus: u32,
    max_evtchn_port: u32,
    max_grant_frames: i32,
    max_maptrack_frames: i32,
    grant_opts: u32,
    /// `vmtrace_size`, `cpupool_id`, `emulation_flags`, `misc_flags`; `altp2m` before them or not.
    tail: [u32; 5],
}

/// `struct xen_domctl_getdomaininfo`, as far as it is the same in all releases.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DomainInfo {
    /// Whose information this is: the next domain's, if the one asked for does not exist.
    pub domain: u16,
    pad: u16,
    /// [`DYING`], [`SHUTDOWN`] with the reason in bits 16 to 23, and others.
    pub flags: u32,
    /// Frames that the domain has.
    pub tot_pages: u64,
    /// Frames that it may have.
    pub max_pages: u64,
}

impl DomainInfo {
    /// Why the domain shut down, a `SHUTDOWN_...` code; `None` while it runs.
    pub const fn shutdown_reason(&self) -> Option<u32> {
        if self.flags & SHUTDOWN == 0 { None } else { Some(self.flags >> 16 & 0xff) }
    }
}

/// `struct xen_domctl_vcpucontext`: vCPU, and the address of its context.
#[repr(C)]
#[derive(Clone, Copy)]
struct VcpuContext {
    vcpu: u32,
    pad: u32,
    context: u64,
}

/// `struct xen_domctl_hvmcontext`: bytes of the buffer, and its address.
#[repr(C)]
#[derive(Clone, Copy)]
struct HvmContext {
    bytes: u32,
    pad: u32,
    buffer: u64,
}

/// The union `u`: 128 bytes in every release.
#[repr(C)]
#[derive(Clone, Copy)]
union Body {
    create: CreateDomain,
    info: DomainInfo,
    vcpu_context: VcpuContext,
    hvm_context: HvmContext,
    /// The one number of `max_mem`, `paging_mempool` and `hypercall_init`.
    number: u64,
    /// The one number of `max_vcpus` and `address_size`.
    word: u32,
    all: [u64; 16],
}

/// `struct xen_domctl`.
#[repr(C)]
struct Request {
    command: u32,
    interface_version: u32,
    domain: u16,
    pad: [u16; 3],
    body: Body,
}

const _: () = {
    assert!(size_of::<CreateDomain>() == 68 && size_of::<Body>() == 128);
    assert!(size_of::<Request>() == 144 && core::mem::offset_of!(Request, body) == 16);
    assert!(core::mem::offset_of!(CreateDomain, tail) == 48);
    assert!(core::mem::offset_of!(DomainInfo, tot_pages) == 8);
    assert!(size_of::<VcpuContext>() == 16 && size_of::<HvmContext>() == 16);
};

/// Numbers of the commands, `XEN_DOMCTL_...`.
mod command {
    pub(super) const CREATE_DOMAIN: u32 = 1;
    pub(super) const DESTROY_DOMAIN: u32 = 2;
    pub(super) const PAUSE_DOMAIN: u32 = 3;
    pub(super) const UNPAUSE_DOMAIN: u32 = 4;
    pub(super) const GET_DOMAIN_INFO: u32 = 5;
    pub(super) const SET_VCPU_AFFINITY: u32 = 9;
    pub(super) const MAX_MEM: u32 = 11;
    pub(super) const SET_VCPU_CONTEXT: u32 = 12;
    pub(super) const MAX_VCPUS: u32 = 15;
    pub(super) const HYPERCALL_INIT: u32 = 22;
    pub(super) const GET_HVM_CONTEXT: u32 = 33;
    pub(super) const SET_HVM_CONTEXT: u32 = 34;
    pub(super) const SET_ADDRESS_SIZE: u32 = 35;
    pub(super) const SOFT_RESET: u32 = 79;
    pub(super) const SET_PAGING_MEMPOOL_SIZE: u32 = 86;
}

/// `XEN_VCPUAFFINITY_HARD`.
const HARD_AFFINITY: u64 = 1;
/// `XEN_DOMCTL_GRANT_version(1)`: 0 is refused.
const GRANT_VERSION: u32 = 1;
/// Event channels of a domain: as many as fit the oldest way of delivery.
const EVENT_CHANNELS: u32 = 1023;

impl Release {
    fn request(self, command: u32, domain: u16, body: Body) -> Request {
        Request { command, interface_version: self.domctl, domain, pad: [0; 3], body }
    }

    fn simple(self, command: u32, domain: u16) -> i64 {
        send(&mut self.request(command, domain, NOTHING))
    }

    fn with_number(self, command: u32, domain: u16, number: u64) -> i64 {
        let mut body = NOTHING;
        body.number = number;
        send(&mut self.request(command, domain, body))
    }

    /// Sends a command whose structure begins with these words and has zeroes behind them.
    pub(super) fn with_words<const N: usize>(
        self,
        command: u32,
        domain: u16,
        words: [u64; N],
    ) -> i64 {
        let mut all = [0; 16];
        all.iter_mut().zip(words).for_each(|(place, word)| *place = word);
        send(&mut self.request(command, domain, Body { all }))
    }

    fn with_word(self, command: u32, domain: u16, word: u32) -> i64 {
        let mut body = NOTHING;
        body.word = word;
        send(&mut self.request(command, domain, body))
    }

    /// Creates a domain, paused and empty; its id.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn create(self, what: &Creation) -> Result<u16, i64> {
        let common = [0, 0, what.emulation, 0];
        let mut tail = [0; 5];
        let place = usize::from(self.has_altp2m_word);
        for (word, value) in tail.iter_mut().skip(place).zip(common) {
            *word = value;
        }
        let mut body = NOTHING;
        body.create = CreateDomain {
            ssidref: LABEL_OF_GUESTS,
            handle: [0; 16],
            flags: what.flags,
            iommu_opts: 0,
            max_vcpus: what.max_vcpus,
            max_evtchn_port: EVENT_CHANNELS,
            max_grant_frames: -1,
            max_maptrack_frames: -1,
            grant_opts: GRANT_VERSION,
            tail,
        };
        let domid = if what.domid == 0 { self.any_domid } else { what.domid };
        let mut request = self.request(command::CREATE_DOMAIN, domid, body);
        match send(&mut request) {
            0 => Ok(request.domain),
            answer => Err(answer),
        }
    }

    /// Destroys a domain: back when it is dead and all its memory that nobody maps is free.
    pub fn destroy(self, domid: u16) -> i64 {
        self.simple(command::DESTROY_DOMAIN, domid)
    }

    /// Stops a domain's vCPUs; back when none runs.
    pub fn pause(self, domid: u16) -> i64 {
        self.simple(command::PAUSE_DOMAIN, domid)
    }

    /// Lets a domain run.
    pub fn unpause(self, domid: u16) -> i64 {
        self.simple(command::UNPAUSE_DOMAIN, domid)
    }

    /// Makes a shut-down PVH domain what it was when created, its memory kept.
    pub fn soft_reset(self, domid: u16) -> i64 {
        self.simple(command::SOFT_RESET, domid)
    }

    /// What Xen knows of a domain; `None` if there is none of that id.
    pub fn info(self, domid: u16) -> Option<DomainInfo> {
        let mut request = self.request(command::GET_DOMAIN_INFO, domid, NOTHING);
        if send(&mut request) != 0 {
            return None;
        }
        // SAFETY: plain numbers, which every bit pattern makes.
        let info = unsafe { request.body.info };
        (info.domain == domid).then_some(info)
    }

    /// Sets the maximum of a domain's memory, in KiB.
    pub fn max_mem(self, domid: u16, kib: u64) -> i64 {
        self.with_number(command::MAX_MEM, domid, kib)
    }

    /// Makes a domain's vCPUs.
    pub fn max_vcpus(self, domid: u16, vcpus: u32) -> i64 {
        self.with_word(command::MAX_VCPUS, domid, vcpus)
    }

    /// Has a vCPU run on the processors in `processors` only, a bit for each.
    pub fn pin(self, domid: u16, vcpu: u32, processors: u64) -> i64 {
        let mut map = [processors];
        let place = map.as_mut_ptr().expose_provenance() as u64;
        // `struct xen_domctl_vcpuaffinity`: vCPU, and that the hard map is meant; where that map is and
        // how many bits it has. Xen writes into it which of them are there.
        let words = [u64::from(vcpu) | HARD_AFFINITY << 32, place, u64::from(u64::BITS)];
        let answer = self.with_words(command::SET_VCPU_AFFINITY, domid, words);
        core::hint::black_box(map);
        answer
    }

    /// Sets the size of the pool that a PVH domain's nested page tables come from, in bytes.
    pub fn paging_pool(self, domid: u16, bytes: u64) -> i64 {
        self.with_number(command::SET_PAGING_MEMPOOL_SIZE, domid, bytes)
    }

    /// Makes a PV domain without memory one of `bits` bits.
    pub fn address_size(self, domid: u16, bits: u32) -> i64 {
        self.with_word(command::SET_ADDRESS_SIZE, domid, bits)
    }

    /// Fills a PV domain's frame with the code of a hypercall page.
    pub fn fill_hypercall_page(self, domid: u16, frame: u64) -> i64 {
        self.with_number(command::HYPERCALL_INIT, domid, frame)
    }

    /// Gives a PV domain's vCPU its registers: a `struct vcpu_guest_context` of the domain's width.
    /// Xen reads as many bytes of `context` as that has.
    pub fn set_vcpu_context(self, domid: u16, vcpu: u32, context: &[u8; CONTEXT_BYTES]) -> i64 {
        let context = context.as_ptr().expose_provenance() as u64;
        let mut body = NOTHING;
        body.vcpu_context = VcpuContext { vcpu, pad: 0, context };
        send(&mut self.request(command::SET_VCPU_CONTEXT, domid, body))
    }

    /// Fills `buffer` with a PVH domain's state; the bytes used.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn hvm_context(self, domid: u16, buffer: &mut [u8]) -> Result<usize, i64> {
        let bytes = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let place = buffer.as_mut_ptr().expose_provenance() as u64;
        let mut body = NOTHING;
        body.hvm_context = HvmContext { bytes, pad: 0, buffer: place };
        let mut request = self.request(command::GET_HVM_CONTEXT, domid, body);
        match send(&mut request) {
            // SAFETY: plain numbers, which every bit pattern makes.
            0 => Ok(unsafe { request.body.hvm_context }.bytes as usize),
            answer => Err(answer),
        }
    }

    /// Gives a PVH domain the state in `stream`, whose records Xen's `public/hvm/save.h` describes.
    pub fn set_hvm_context(self, domid: u16, stream: &[u8]) -> i64 {
        let bytes = u32::try_from(stream.len()).unwrap_or(u32::MAX);
        let buffer = stream.as_ptr().expose_provenance() as u64;
        let mut body = NOTHING;
        body.hvm_context = HvmContext { bytes, pad: 0, buffer };
        send(&mut self.request(command::SET_HVM_CONTEXT, domid, body))
    }
}

/// Bytes of the larger of the two `struct vcpu_guest_context`, that of 64-bit domains.
pub const CONTEXT_BYTES: usize = 5168;

/// A body of zeroes.
const NOTHING: Body = Body { all: [0; 16] };

fn send(request: &mut Request) -> i64 {
    let place = core::ptr::from_mut(request).expose_provenance() as u64;
    // SAFETY: reads and writes the request, which we hold for writing, and the buffer that it names,
    // which the callers above hold for reading or writing as the command needs.
    unsafe { hypercall(__HYPERVISOR_domctl, [place, 0, 0, 0]) }
}
