//! What a hostile guest sends: every field good or bad by chance.

use crate::plain::rng::Rng;
use crate::rig::{BadFrame, Kind, Rig, at};
use crate::xen::caller::caller;
use crate::xen::memory::highest_ram_frame;
use crate::xen::tmem::Block;
use core::cell::UnsafeCell;
use hypercall_abi::{NewPool, Op, Uuid, command};

/// Commands, the live ones more often.
const COMMANDS: [u32; 32] = {
    use command::*;
    [
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        PUT_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        GET_PAGE,
        FLUSH_PAGE,
        FLUSH_PAGE,
        FLUSH_PAGE,
        FLUSH_PAGE,
        NEW_POOL,
        NEW_POOL,
        CONTROL,
        NEW_PAGE,
        READ,
        WRITE,
        XCHG,
        AUTH,
        RESTORE_NEW,
        u32::MAX,
    ]
};

/// Addresses at which no block can be read.
const NOWHERE: [u64; 6] =
    [0, 4096 - 8, 0xffff_fff8, 0x0000_7fff_ffff_fff0, 0x0000_8000_0000_0000, u64::MAX];

/// A bit for each of the machine's first 2^18 frames (1 GiB): whether it is the guest's.
struct OwnFrames(UnsafeCell<[u64; OWN_WORDS]>);

const OWN_WORDS: usize = 1 << 12;

// SAFETY: one storm at a time, on one vCPU.
unsafe impl Sync for OwnFrames {}

static OWN_FRAMES: OwnFrames = OwnFrames(UnsafeCell::new([0; OWN_WORDS]));

/// Where a block is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Nowhere: this address has none.
    Nowhere(u64),
    /// That many bytes behind an address that is a multiple of 64.
    AnyByte(usize),
    /// Where the compiler puts it.
    Aligned,
}

/// The source of calls.
pub(super) struct Draw {
    rng: Rng,
    own: &'static mut [u64; OWN_WORDS],
    bad: [u64; 8],
    ram: u32,
}

impl Draw {
    /// A source that follows from the rig's seed.
    pub(super) fn new(rig: &Rig) -> Self {
        // SAFETY: the runner runs one case at a time, and the storm before is over.
        let own = unsafe { &mut *OWN_FRAMES.0.get() };
        own.fill(0);
        for frame in rig.balloon.frames() {
            if let Some(word) = usize::try_from(frame >> 6).ok().and_then(|nth| own.get_mut(nth)) {
                *word |= 1 << (frame % 64);
            }
        }
        let mut frames = rig.bad_frames().filter(|&bad| bad != BadFrame::Zero).cycle();
        let bad = core::array::from_fn(|_| frames.next().map_or(u64::MAX, |bad| bad.mfn(rig)));
        let ram = u32::try_from(highest_ram_frame()).unwrap_or_default();
        Self { rng: rig.rng(0x4057), own, bad, ram }
    }

    /// Where to put a block.
    pub(super) fn place(&mut self) -> Place {
        match self.rng.below(64) {
            0 => {
                let address = self.rng.pick(&NOWHERE);
                Place::Nowhere(if caller().can_say(address) { address } else { 0 })
            }
            1..32 => Place::AnyByte(self.rng.below(64) as usize),
            _ => Place::Aligned,
        }
    }

    /// An operation. Never names the pools 0 and 1.
    pub(super) fn block(&mut self, rig: &Rig) -> Block {
        let pool_id = match self.rng.below(16) {
            0 => 16,
            1 => self.rng.next_32() | 16,
            _ => 2 + self.rng.below(14),
        };
        let command = match self.rng.below(512) {
            0 => command::DESTROY_POOL,
            // Rare as well, for there to be pages.
            1..5 => command::FLUSH_OBJECT,
            5..20 => self.rng.next_32() >> self.rng.below(32),
            _ => self.rng.pick(&COMMANDS),
        };
        let mut block = match command {
            command::NEW_POOL => self.new_pool().encode(),
            _ => self.page_operation(rig, pool_id).encode(),
        };
        set_word(&mut block, 0, command);
        set_word(&mut block, 4, pool_id);
        if self.rng.one_in(4) && command != command::NEW_POOL {
            // The fields that nobody reads.
            for offset in [36, 40, 44] {
                set_word(&mut block, offset, self.rng.next_32());
            }
        }
        block
    }

    fn new_pool(&mut self) -> Op {
        let flags = match self.rng.below(8) {
            0 => self.rng.next_32(),
            1 => Kind::Ephemeral.flags() | 1 << self.rng.below(32),
            2..5 => Kind::Persistent.flags(),
            _ => Kind::Ephemeral.flags(),
        };
        Op::NewPool(NewPool { flags, uuid: Uuid([self.rng.next(), self.rng.next()]) })
    }

    fn page_operation(&mut self, rig: &Rig, pool_id: u32) -> Op {
        let handle = if self.rng.one_in(64) {
            at(pool_id, self.rng.next(), self.rng.next_32())
        } else {
            at(pool_id, u64::from(self.rng.below(8)), self.rng.below(64))
        };
        Op::GetPage { handle, cmfn: self.frame(rig) }
    }

    /// A spare page's frame most of the time; else one that is not the guest's.
    fn frame(&mut self, rig: &Rig) -> u64 {
        let frame = match self.rng.below(16) {
            0 => self.rng.pick(&self.bad),
            1 => self.rng.next() >> self.rng.below(64),
            2 => u64::from(self.rng.below(self.ram)),
            _ => return self.rng.pick(rig.spare.frames()),
        };
        // What is left of it in a 32-bit caller's block.
        let said = if caller().can_say(u64::MAX) { frame } else { frame & u64::from(u32::MAX) };
        let word = usize::try_from(said >> 6).ok().and_then(|nth| self.own.get(nth));
        let is_own = word.is_some_and(|word| word >> (said % 64) & 1 != 0);
        if is_own || said == rig.shared_info_mfn || rig.may_be_ours(said) {
            return self.rng.pick(rig.spare.frames());
        }
        said
    }
}

/// The 32-bit field at `offset`.
pub(super) fn word(block: &Block, offset: usize) -> u32 {
    let bytes = block.get(offset..).and_then(<[u8]>::first_chunk);
    bytes.copied().map_or(0, u32::from_le_bytes)
}

fn set_word(block: &mut Block, offset: usize, value: u32) {
    let bytes = value.to_le_bytes();
    block.iter_mut().skip(offset).zip(bytes).for_each(|(place, byte)| *place = byte);
}
