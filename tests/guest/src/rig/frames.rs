//! Frames that a host must refuse to read from or to write into.

use super::Rig;
use crate::give_up;
use crate::plain::rng::Rng;
use crate::verdict::CaseResult;
use crate::xen::caller::caller;
use crate::xen::memory::{highest_ram_frame, is_hole};
use crate::xen::platform::{FrameNumbers, platform};

/// Why a frame number is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// Frame 0: RAM of the machine, not a PV guest's.
    Zero,
    /// The screen's memory: no RAM, but a frame that domain 0 may map.
    Screen,
    /// The first frame behind the machine's RAM.
    BehindRam,
    /// The local APIC's registers: no RAM.
    Apic,
    /// Does not fit 32 bits; its low half is a good frame of the guest's.
    HighBits,
    /// The widest frame number that a page-table entry can hold, and one more.
    BehindPhysical,
    /// The sign bit of the number.
    SignBit,
    /// The widest number of a 32-bit caller.
    AllOnes32,
    /// `INVALID_MFN`.
    AllOnes,
}

impl BadFrame {
    /// All of them.
    const ALL: [Self; 9] = [
        Self::Zero,
        Self::Screen,
        Self::BehindRam,
        Self::Apic,
        Self::HighBits,
        Self::BehindPhysical,
        Self::SignBit,
        Self::AllOnes32,
        Self::AllOnes,
    ];

    /// The frame number.
    pub fn mfn(self, rig: &Rig) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Screen => 0xb8,
            Self::BehindRam => highest_ram_frame() + 1,
            Self::Apic => 0xfee00,
            Self::HighBits => 1 << 32 | rig.pages.target_mfn(),
            Self::BehindPhysical => 1 << 40,
            Self::SignBit => 1 << 63 | rig.pages.target_mfn(),
            Self::AllOnes32 => u64::from(u32::MAX),
            Self::AllOnes => u64::MAX,
        }
    }
}

impl Rig {
    /// The bad frames that this guest can name: frame 0 is a PVH guest's own, and a 32-bit caller
    /// can't say a wide number.
    pub fn bad_frames(&self) -> impl Iterator<Item = BadFrame> + Clone {
        BadFrame::ALL.into_iter().filter(|&frame| match frame {
            BadFrame::Zero => platform().frame_numbers() == FrameNumbers::Machine,
            frame => caller().can_say(frame.mfn(self)),
        })
    }

    /// A frame of the machine's RAM that is not the guest's: Xen's own, or free; or, if the guest
    /// has numbers of its own, one where it has nothing. Frames that Xen shares with the guest
    /// don't count.
    pub fn foreign_mfn(&self, rng: &mut Rng) -> Option<u64> {
        let frames = u32::try_from(highest_ram_frame()).ok()?;
        (0..64)
            .map(|_| u64::from(rng.below(frames)))
            .find(|&mfn| !self.balloon.owns(mfn) && !self.is_shared_with_us(mfn))
    }

    /// Writes `bytes` into the guest's last frame so that they end `behind` bytes behind its end,
    /// cutting off what does not fit; returns their first byte's guest-physical address. `None`
    /// unless this is a PVH guest that gave frames back.
    pub fn write_at_end_of_memory(&self, bytes: &[u8], behind: usize) -> Option<u64> {
        if platform().frame_numbers() == FrameNumbers::Machine || self.balloon.room() == 0 {
            return None;
        }
        let length = bytes.len().saturating_sub(behind);
        let start = ((self.balloon.last_page()? + 1) << 12) - length;
        let place: *mut u8 = core::ptr::with_exposed_provenance_mut(start);
        // SAFETY: a PVH guest's page is mapped at the address of the same number, and nobody uses
        // the last one; no caller's block is longer than a page.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), length) };
        Some(start as u64)
    }

    fn is_shared_with_us(&self, mfn: u64) -> bool {
        match platform().frame_numbers() {
            FrameNumbers::Machine => self.pages.can_map(mfn),
            FrameNumbers::Guest => self.may_be_ours(mfn),
        }
    }

    /// Whether there may be memory at a frame that is not in the guest's list: for a PVH guest Xen
    /// keeps some tables in frames of its own choice.
    pub fn may_be_ours(&self, mfn: u64) -> bool {
        match platform().frame_numbers() {
            FrameNumbers::Machine => false,
            FrameNumbers::Guest => !is_hole(mfn),
        }
    }

    /// How many frames of the machine's RAM the guest can map, its own included.
    ///
    /// # Errors
    /// Error, if the page that is used for trying can't be restored.
    pub fn mappable_frames(&self) -> CaseResult<usize> {
        let frames = 0..=highest_ram_frame();
        let count = frames.filter(|&mfn| self.pages.can_map(mfn)).count();
        if !self.pages.restore_edge() {
            give_up!("Xen did not map the page behind the edge again");
        }
        Ok(count)
    }
}
