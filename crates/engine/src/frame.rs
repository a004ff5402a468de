//! Frames: 4 KiB of host memory that hold one page of content.

use core::num::NonZeroU32;

/// The number of a frame, as the host counts them; never 0.
///
/// 32 bits name 16 TiB of frames; a host keeps frames above that for itself. A number is only a
/// name: who may use the frame is decided by the owner of the [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(NonZeroU32);

impl FrameId {
    /// The frame number `number`, or `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A frame that is ours to fill and that we owe back to the host.
///
/// # Invariants
/// There is one `Frame` for each frame taken from the host and not yet given back: neither `Copy`
/// nor `Clone`. Only [`crate::Host::give_frame`] consumes one; dropping one leaks host memory,
/// which the host's own count shows (host-sim checks it at the end of every test).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is dropped is lost to the host"]
pub struct Frame(FrameId);

impl Frame {
    /// Takes charge of frame `id`. For hosts: once for each frame that they hand out.
    pub const fn from_id(id: FrameId) -> Self {
        Self(id)
    }

    /// The frame's number, for copying to and from it.
    pub const fn id(&self) -> FrameId {
        self.0
    }

    /// Ends our charge of the frame. For hosts: once for each frame that they take back.
    pub const fn into_id(self) -> FrameId {
        self.0
    }
}
