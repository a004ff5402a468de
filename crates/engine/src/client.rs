//! A client's record: a domain as tmem sees it.

use crate::directory::Directory;
use crate::host::DomainId;
pub(crate) use crate::limits::CLIENTS_PER_SEGMENT;
pub use crate::limits::POOLS_PER_CLIENT;
use crate::limits::{CLIENTS_MAX, POOLS_MAX};
use crate::pool::Kind;
use crate::save::Saving;
use crate::save_log::SaveLog;
use crate::sync::Lock;
use crate::sync::atomic::Ordering::{Acquire, Relaxed};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

/// Uuids that a client may be authorised for.
pub const AUTHS_PER_CLIENT: usize = 16;

/// All clients' records.
pub(crate) type Clients = Directory<
    Client,
    { CLIENTS_PER_SEGMENT as usize },
    { CLIENTS_MAX.div_ceil(CLIENTS_PER_SEGMENT) as usize },
>;

/// A client's record number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(pub(crate) u16);

/// A domain that calls, and the client that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub(crate) domain: DomainId,
    pub(crate) client: ClientId,
}

impl Caller {
    /// The domain.
    #[inline(always)]
    pub const fn domain(self) -> DomainId {
        self.domain
    }
}

/// Values of [`Client::state`].
pub(crate) const FREE: u8 = 0;
pub(crate) const LIVE: u8 = 1;
pub(crate) const DYING: u8 = 2;

/// The record.
///
/// `state`, the slots' words, epochs and links change under the registry's lock only; the data path
/// reads them without it.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) state: AtomicU8,
    /// Whether puts of new pages are refused: because the toolstack asked for it, or for a save.
    pub(crate) frozen: AtomicBool,
    /// Whether the toolstack asked for it; changes under the registry's lock.
    pub(crate) is_asked_frozen: AtomicBool,
    /// [`Saving`](crate::save::Saving); changes under the registry's lock.
    pub(crate) saving: AtomicU8,
    /// Of the pools that there were when a live save began, those that are left, as bits by their ids.
    pub(crate) pools_saved: AtomicU16,
    /// The same, of those that are destroyed.
    pub(crate) pools_gone: AtomicU16,
    /// Its part of ephemeral memory against others' (R45); 0 takes no part.
    pub(crate) weight: AtomicU32,
    pub(crate) domain: AtomicU16,
    /// Next in the list of free records.
    pub(crate) next_free: AtomicU32,
    pub(crate) slots: [Slot; POOLS_PER_CLIENT as usize],
    pub(crate) auth: Lock<Auth>,
    pub(crate) save_log: Lock<SaveLog>,
}

impl Client {
    /// How a save of the client stands.
    pub(crate) fn saving(&self) -> Saving {
        Saving::from_bits(self.saving.load(Acquire))
    }

    /// The lowest free pool id, or `wanted` if it is free.
    pub(crate) fn free_slot(&self, wanted: Option<u32>) -> Option<(u8, &Slot)> {
        let is_free = |slot: &Slot| slot.word.load(Relaxed) == SlotWord::EMPTY.0;
        let mut slots = (0..).zip(&self.slots);
        slots.find(|&(id, slot)| {
            wanted.is_none_or(|wanted| wanted == u32::from(id)) && is_free(slot)
        })
    }
}

/// Which shared pools the client may join.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    pub(crate) uuids: [Option<[u64; 2]>; AUTHS_PER_CLIENT],
}

/// A pool id of a client.
#[derive(Debug)]
pub(crate) struct Slot {
    /// [`SlotWord`]: which pool, and whether it may be used.
    pub(crate) word: AtomicU64,
    /// The stay's epoch ([`crate::block::Membership`]).
    pub(crate) epoch: AtomicU32,
    /// Neighbours among the members of a shared pool, in the order of joining.
    pub(crate) earlier: AtomicU32,
    pub(crate) later: AtomicU32,
    /// While leaving a shared pool: how far its objects are swept, `shard << 32 | slot`.
    pub(crate) swept: AtomicU64,
}

/// No member, in [`Slot::earlier`] and [`Slot::later`].
pub(crate) const NO_MEMBER: u32 = u32::MAX;

impl Default for Slot {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(SlotWord::EMPTY.0),
            epoch: AtomicU32::new(0),
            earlier: AtomicU32::new(NO_MEMBER),
            later: AtomicU32::new(NO_MEMBER),
            swept: AtomicU64::new(0),
        }
    }
}

/// What a slot stands for, in one word: pool number (16 bits), 16 bits free, the pool's generation
/// (24), state and kind (8). The data path asks for single bits of the uppermost byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotWord(pub(crate) u64);

/// The state in a [`SlotWord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// No pool.
    Empty = 0,
    /// A pool that is being destroyed: operations find nothing, the id is not free yet.
    Dying = 1,
    /// A shared pool that the client is leaving while others stay: as `Dying` to the client.
    Leaving = 2,
    /// A persistent pool to work with whose domain is being saved while it runs (`save.rs`). An
    /// operation takes it for a live one until it finds, under the shard's lock, that it is not.
    Saving = 3,
    /// A pool to work with.
    Live = 0x80,
}

const STATE_SHIFT: u32 = 56;
const STATE_MASK: u64 = 0x83 << STATE_SHIFT;
const PERSISTENT: u64 = 0x40 << STATE_SHIFT;
const SHARED: u64 = 0x20 << STATE_SHIFT;
const GENERATION_MASK: u32 = 0x00ff_ffff;

impl SlotWord {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn new(pool: u32, kind: Kind, generation: u32, state: SlotState) -> Self {
        const { assert!(POOLS_MAX <= 1 << 16) };
        let generation = (generation & GENERATION_MASK) as u64;
        let kind = match kind {
            Kind::Private => 0,
            Kind::Persistent => PERSISTENT,
            Kind::Shared => SHARED,
        };
        Self((state as u64) << STATE_SHIFT | kind | generation << 32 | pool as u64 & 0xffff)
    }

    pub(crate) const fn state(self) -> SlotState {
        match (self.0 & STATE_MASK) >> STATE_SHIFT {
            0x80 => SlotState::Live,
            1 => SlotState::Dying,
            2 => SlotState::Leaving,
            3 => SlotState::Saving,
            _ => SlotState::Empty,
        }
    }

    /// The pool's number.
    #[expect(clippy::cast_possible_truncation, reason = "takes the low bits")]
    pub(crate) const fn pool(self) -> u32 {
        self.0 as u32 & 0xffff
    }

    /// Whether the state is [`SlotState::Live`].
    #[inline(always)]
    pub(crate) const fn is_live(self) -> bool {
        self.0 >> 63 != 0
    }

    /// Whether there is a pool to work with.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self.state(), SlotState::Live | SlotState::Saving)
    }

    /// Whether the pool is of this kind.
    #[inline(always)]
    pub(crate) const fn is_kind(self, kind: Kind) -> bool {
        match kind {
            Kind::Persistent => self.0 & PERSISTENT != 0,
            Kind::Shared => self.0 & SHARED != 0,
            Kind::Private => self.0 & (PERSISTENT | SHARED) == 0,
        }
    }

    /// Whether the word was made for generation `generation` of its pool.
    pub(crate) const fn is_of(self, generation: u32) -> bool {
        (self.0 >> 32) as u32 & GENERATION_MASK == generation & GENERATION_MASK
    }

    pub(crate) const fn with_state(self, state: SlotState) -> Self {
        Self(self.0 & !STATE_MASK | (state as u64) << STATE_SHIFT)
    }
}
