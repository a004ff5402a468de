//! Put: store a page.
//!
//! The frame is filled before any lock is taken and never changed after it is published, so a
//! reader sees one put or another, never a mixture (R17).

use crate::client::{Caller, ClientId, SlotWord};
use crate::engine::{Access, Engine};
use crate::evict::Effort;
use crate::flush::Cause;
use crate::frame::{Frame, FrameId};
use crate::host::{DomainId, Host};
use crate::meta::Unpaid;
use crate::policy::{Age, Event, Policy};
use crate::pool::Kind;
use crate::rare::Rare;
use crate::shard::{PageName, Put, PutStep, Unput};
use crate::stock::{Need, Stock};

/// Pages that one put may evict, whatever was stored.
pub(crate) const EVICTIONS_PER_PUT_MAX: u32 = 8;

/// Blocks of metadata that one put may ask for, one after the other. A put needs at most eleven
/// (three each for a page's and an object's slot, five for two splits of the index).
const NEEDS_PER_PUT_MAX: u32 = 24;

/// What became of a put that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The handle held nothing and now holds the page.
    Stored,
    /// The handle held another page, which is gone.
    Replaced,
}

/// Why a put failed. In each case the handle holds nothing afterwards (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutError<E> {
    /// No such pool, or its domain is being saved.
    NoPool,
    /// The owner is frozen and the handle held nothing.
    Frozen,
    /// No frame, no metadata, or the domain is at its maximum; the handle held nothing.
    NoMemory,
    /// As `NoMemory`, but the handle held a page, which is gone.
    NoSpace,
    /// `fill` failed, with its error.
    Fill(E),
}

/// A frame for a put, and what may be done with it.
struct Supply {
    frame: Frame,
    /// Whether a page may be added: not with the spare, and not uncharged.
    may_add: bool,
}

impl<H: Host> Engine<H> {
    /// Stores a page under (`pool_id`, `oid`, `index`).
    ///
    /// `fill` writes the content into the frame it is given; it is called at most once.
    ///
    /// # Errors
    /// [`PutError`]. `NoPool` may mean that the domain is being saved, and must not be told before
    /// [`put_saving`](Self::put_saving) was asked.
    #[inline(always)]
    pub fn put<E>(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        fill: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<PutOutcome, PutError<E>> {
        let access = self.open(caller, pool_id).map_err(|_| PutError::NoPool)?;
        let name = PageName::new(&self.key, oid, index);
        // What is known of a pool of each kind is known to the compiler.
        if access.is_kind(Kind::Persistent) {
            self.put_as(Kind::Persistent, &access, pool_id, &name, fill, false)
        } else if access.is_kind(Kind::Private) {
            self.put_as(Kind::Private, &access, pool_id, &name, fill, false)
        } else {
            self.put_as(Kind::Shared, &access, pool_id, &name, fill, false)
        }
    }

    /// A put into a pool of this kind. `is_rare`: it may be published out of line.
    ///
    /// The rare ways out of it take words only, and open the pool again: a reference to `access` or
    /// `name` would have them in memory on the common way too.
    #[inline(always)]
    pub(crate) fn put_as<E>(
        &self,
        kind: Kind,
        access: &Access<'_>,
        pool_id: u32,
        name: &PageName,
        fill: impl FnOnce(FrameId) -> Result<(), E>,
        is_rare: bool,
    ) -> Result<PutOutcome, PutError<E>> {
        let (caller, word) = (access.caller(), access.word());
        let ([o0, o1, o2], index) = (name.oid, name.index());
        if self.is_frozen(access) && !self.holds(caller, pool_id, word, o0, o1, o2, index)? {
            return Err(PutError::Frozen);
        }
        let charged = match kind {
            Kind::Persistent => self.host.charge(access.domain(), 1).is_ok(),
            Kind::Private | Kind::Shared => true,
        };
        let mut effort = Effort::of(EVICTIONS_PER_PUT_MAX);
        let supply = self.frame_for_put(access.client(), word, charged, &mut effort);
        let Some(Supply { frame, may_add }) = supply else {
            let charged = access.charged().filter(|_| charged);
            return Err(self.fail_put(caller, pool_id, word, o0, o1, o2, index, charged, None));
        };
        if let Err(error) = fill(frame.id()) {
            let (charged, unfilled) = (access.charged().filter(|_| charged), Some(frame));
            // R14: the old page goes even though there is no new one.
            return Err(
                match self
                    .fail_put::<E>(caller, pool_id, word, o0, o1, o2, index, charged, unfilled)
                {
                    PutError::NoPool => PutError::NoPool,
                    _ => PutError::Fill(error),
                },
            );
        }
        let mut step = if is_rare {
            self.publish_elsewhere(access, name, frame, may_add, None)
        } else {
            self.publish(kind, access, name, frame, may_add, None)
        };
        if let PutStep::Unput(Unput::Need(need), frame) = step {
            step = self.publish_with_stock(
                caller, pool_id, word, o0, o1, o2, index, need, frame, may_add, effort,
            );
        }
        match step {
            PutStep::Stored => Ok(PutOutcome::Stored),
            // The new frame takes over the charge of the one that it replaces.
            PutStep::Replaced(old) => {
                self.free_frame(old, access.charged().filter(|_| charged));
                Ok(PutOutcome::Replaced)
            }
            // The old frame's charge falls when its last reader frees it.
            PutStep::ReplacedInUse => Ok(PutOutcome::Replaced),
            PutStep::Unput(why, frame) => {
                Err(self.end_put(word, access.charged().filter(|_| charged), why, frame))
            }
        }
    }

    /// Ends a put whose frame was not taken.
    #[cold]
    #[inline(never)]
    fn end_put<E>(
        &self,
        word: SlotWord,
        charged: Option<DomainId>,
        why: Unput,
        frame: Frame,
    ) -> PutError<E> {
        self.free_frame(frame, charged);
        match why {
            Unput::Removed => {
                self.count_rare(word, Rare::NoSpace);
                PutError::NoSpace
            }
            Unput::NoPool => PutError::NoPool,
            Unput::Absent | Unput::Need(_) => {
                self.count_rare(word, Rare::NoMemory);
                PutError::NoMemory
            }
        }
    }

    /// Ends a put for which there is no frame, or whose frame could not be filled: what was there
    /// goes (R5), and so does the charge.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
    fn fail_put<E>(
        &self,
        caller: Caller,
        pool_id: u32,
        word: SlotWord,
        o0: u64,
        o1: u64,
        o2: u64,
        index: u32,
        charged: Option<DomainId>,
        unfilled: Option<Frame>,
    ) -> PutError<E> {
        let is_unfilled = unfilled.is_some();
        if let Some(unfilled) = unfilled {
            self.host.give_frame(unfilled);
        }
        let name = PageName::new(&self.key, [o0, o1, o2], index);
        let removed = self
            .reopen(caller, pool_id, word)
            .and_then(|access| self.remove_named(&access, &name, Cause::FailedPut));
        // The charge of a put that added nothing.
        if let Some(domain) = charged {
            self.host.uncharge(domain, 1);
        }
        let (error, event) = match removed {
            Some(true) => (PutError::NoSpace, Rare::NoSpace),
            Some(false) => (PutError::NoMemory, Rare::NoMemory),
            None => return PutError::NoPool,
        };
        self.count_rare(word, if is_unfilled { Rare::BadFrame } else { event });
        error
    }

    /// Puts the filled frame under its name, if that needs no metadata that `stock` has not.
    #[inline(always)]
    fn publish(
        &self,
        kind: Kind,
        access: &Access<'_>,
        name: &PageName,
        frame: Frame,
        may_add: bool,
        stock: Option<&mut Stock>,
    ) -> PutStep {
        let shard = access.shard(name);
        let mut state = shard.state.lock(&self.host);
        if !access.is_current() {
            return PutStep::Unput(Unput::NoPool, frame);
        }
        let members = if kind == Kind::Shared { self.members(access) } else { None };
        let put = Put {
            key: &self.key,
            name: *name,
            members: members.as_ref(),
            aging: kind.aging(),
            refreshes: H::Policy::age(Event::Replaced) == Age::Youngest,
            may_add,
        };
        let step = state.put(&put, frame, || self.tick(), stock);
        self.release(shard, state, access);
        step
    }

    /// The same out of line: while more is fetched its frame is not on the stack.
    #[inline(never)]
    pub(crate) fn publish_elsewhere(
        &self,
        access: &Access<'_>,
        name: &PageName,
        frame: Frame,
        may_add: bool,
        stock: Option<&mut Stock>,
    ) -> PutStep {
        self.publish(access.kind(), access, name, frame, may_add, stock)
    }

    /// The same after `need` was asked for, fetching metadata as it is asked for.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
    fn publish_with_stock(
        &self,
        caller: Caller,
        pool_id: u32,
        word: SlotWord,
        o0: u64,
        o1: u64,
        o2: u64,
        index: u32,
        mut need: Need,
        mut frame: Frame,
        mut may_add: bool,
        mut effort: Effort,
    ) -> PutStep {
        let Some(access) = self.reopen(caller, pool_id, word) else {
            return PutStep::Unput(Unput::NoPool, frame);
        };
        let name = PageName::new(&self.key, [o0, o1, o2], index);
        let mut stock = Stock::default();
        let mut round = 0;
        let step = loop {
            round += 1;
            // A put that can't add always ends.
            if round >= NEEDS_PER_PUT_MAX || !self.fetch(need, &mut stock, &access, &mut effort) {
                may_add = false;
            }
            let step = self.publish_elsewhere(&access, &name, frame, may_add, Some(&mut stock));
            let PutStep::Unput(Unput::Need(next), unused) = step else { break step };
            (need, frame) = (next, unused);
        };
        stock.discard(&self.host, access.payer());
        step
    }

    /// Fetches one block of metadata, evicting pages if the host has no memory.
    #[inline(never)]
    pub(crate) fn fetch(
        &self,
        need: Need,
        stock: &mut Stock,
        access: &Access<'_>,
        effort: &mut Effort,
    ) -> bool {
        let client = access.client();
        if access.charged().is_none() && !self.has_metadata_room(access, effort) {
            return false;
        }
        loop {
            match stock.fetch(need, &self.host, access.payer()) {
                Ok(()) => return true,
                Err(Unpaid::Charge) => return false,
                Err(Unpaid::Memory) => match self.evict(client, effort) {
                    Some(frame) => {
                        self.count_rare(access.word(), Rare::EvictionCaused);
                        self.host.give_room(frame);
                    }
                    None => return false,
                },
            }
        }
    }

    /// Whether the owner of an ephemeral pool may have more metadata. If it has too much for the
    /// pages that it holds, it pays with these, and if that does not help its put is refused: what
    /// one guest scatters takes nothing from others.
    fn has_metadata_room(&self, access: &Access<'_>, effort: &mut Effort) -> bool {
        let owner = access.owner();
        while self.holdings(owner).is_metadata_exhausted() {
            match self.evict_own(owner, effort) {
                Some(frame) => {
                    self.count_rare(access.word(), Rare::EvictionCaused);
                    self.host.give_room(frame);
                }
                None => return false,
            }
        }
        true
    }

    /// A frame to fill: a free one, else one that eviction yields, else the spare.
    #[inline(always)]
    fn frame_for_put(
        &self,
        client: ClientId,
        word: SlotWord,
        charged: bool,
        effort: &mut Effort,
    ) -> Option<Supply> {
        match self.host.take_frame() {
            Some(frame) => Some(Supply { frame, may_add: charged }),
            None => self.frame_by_eviction(client, word, charged, effort),
        }
    }

    #[cold]
    #[inline(never)]
    fn frame_by_eviction(
        &self,
        client: ClientId,
        word: SlotWord,
        charged: bool,
        effort: &mut Effort,
    ) -> Option<Supply> {
        // A put that may not add a page may not cost another its page either.
        if charged && let Some(frame) = self.evict(client, effort) {
            self.count_rare(word, Rare::EvictionCaused);
            return Some(Supply { frame, may_add: true });
        }
        self.host.take_spare().map(|frame| Supply { frame, may_add: false })
    }

    /// Whether the handle holds a page; if not, the put that asks is refused.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
    fn holds<E>(
        &self,
        caller: Caller,
        pool_id: u32,
        word: SlotWord,
        o0: u64,
        o1: u64,
        o2: u64,
        index: u32,
    ) -> Result<bool, PutError<E>> {
        let access = self.reopen(caller, pool_id, word).ok_or(PutError::NoPool)?;
        let name = PageName::new(&self.key, [o0, o1, o2], index);
        let mut state = access.shard(&name).state.lock(&self.host);
        if !access.is_current() {
            return Err(PutError::NoPool);
        }
        let holds = state.holds(&name, self.members(&access).as_ref());
        drop(state);
        if !holds {
            self.count_rare(word, Rare::Frozen);
        }
        Ok(holds)
    }
}
