//! Put: store a page.
//!
//! The frame is filled before any lock is taken and never changed after it is published, so a
//! reader sees one put or another, never a mixture (R17).

use crate::client::ClientId;
use crate::engine::{Access, Engine};
use crate::flush::Cause;
use crate::frame::{Frame, FrameId};
use crate::host::Host;
use crate::meta::Unpaid;
use crate::policy::{Age, Event, Policy};
use crate::shard::{PageName, Put, PutStep};
use crate::stock::{Need, Stock};
use crate::sync::atomic::Ordering::Relaxed;

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
    /// No such pool.
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
    /// [`PutError`].
    pub fn put<E>(
        &self,
        client: ClientId,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        fill: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<PutOutcome, PutError<E>> {
        let access = self.open(client, pool_id).map_err(|_| PutError::NoPool)?;
        let name = PageName::new(&self.key, oid, index);
        if self.is_frozen(&access) && !self.holds(&access, &name)? {
            return Err(PutError::Frozen);
        }
        let payer = access.charged();
        let charged = payer.is_none_or(|domain| self.host.charge(domain, 1).is_ok());
        let result = self.put_charged(&access, &name, charged, fill);
        let keeps_charge = matches!(result, Ok((_, true)));
        if charged
            && !keeps_charge
            && let Some(domain) = payer
        {
            self.host.uncharge(domain, 1);
        }
        result.map(|(outcome, _)| outcome)
    }

    /// The put, once the question of the charge is settled. Beside the outcome: whether the charge
    /// is used up.
    fn put_charged<E>(
        &self,
        access: &Access<'_>,
        name: &PageName,
        charged: bool,
        fill: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<(PutOutcome, bool), PutError<E>> {
        let mut evictions_left = EVICTIONS_PER_PUT_MAX;
        let Some(Supply { frame, may_add }) =
            self.frame_for_put(access.client(), charged, &mut evictions_left)
        else {
            return Err(match self.remove_named(access, name, Cause::FailedPut) {
                Some(true) => PutError::NoSpace,
                Some(false) => PutError::NoMemory,
                None => PutError::NoPool,
            });
        };
        if let Err(error) = fill(frame.id()) {
            self.host.give_frame(frame);
            // R14: the old page goes even though there is no new one.
            return match self.remove_named(access, name, Cause::FailedPut) {
                Some(_) => Err(PutError::Fill(error)),
                None => Err(PutError::NoPool),
            };
        }
        let mut frame = Some(frame);
        let mut step = self.publish(access, name, &mut frame, may_add, None);
        if step == Some(PutStep::Unprepared) {
            step = self.publish_with_stock(access, name, &mut frame, may_add, &mut evictions_left);
        }
        if let Some(unused) = frame {
            self.host.give_frame(unused);
        }
        match step {
            Some(PutStep::Stored) => Ok((PutOutcome::Stored, true)),
            // The new frame takes over the charge of the one that it replaces.
            Some(PutStep::Replaced(old)) => {
                self.host.give_frame(old);
                Ok((PutOutcome::Replaced, false))
            }
            // The old frame's charge falls when its last reader frees it.
            Some(PutStep::ReplacedInUse) => Ok((PutOutcome::Replaced, true)),
            Some(PutStep::Removed) => Err(PutError::NoSpace),
            Some(PutStep::Absent | PutStep::Unprepared | PutStep::Need(_)) => {
                Err(PutError::NoMemory)
            }
            None => Err(PutError::NoPool),
        }
    }

    /// Puts the filled frame under its name, if that needs no metadata that `stock` has not.
    /// `None`: the pool went away.
    #[inline(never)]
    fn publish(
        &self,
        access: &Access<'_>,
        name: &PageName,
        frame: &mut Option<Frame>,
        may_add: bool,
        stock: Option<&mut Stock>,
    ) -> Option<PutStep> {
        let shard = access.shard(name);
        let mut state = shard.state.lock(&self.host);
        if !access.is_current() {
            return None;
        }
        let members = self.members(access);
        let put = Put {
            key: &self.key,
            name,
            members: members.as_ref(),
            aging: access.aging(),
            refreshes: H::Policy::age(Event::Replaced) == Age::Youngest,
            may_add,
        };
        let step = state.put(&put, frame, || self.tick(), stock);
        self.release(shard, state, || access.payer());
        Some(step)
    }

    /// The same, fetching metadata as it is asked for.
    #[cold]
    #[inline(never)]
    fn publish_with_stock(
        &self,
        access: &Access<'_>,
        name: &PageName,
        frame: &mut Option<Frame>,
        mut may_add: bool,
        evictions_left: &mut u32,
    ) -> Option<PutStep> {
        let mut stock = Stock::default();
        let mut step = None;
        for round in 0..NEEDS_PER_PUT_MAX {
            step = self.publish(access, name, frame, may_add, Some(&mut stock));
            let need = match step {
                Some(PutStep::Need(need)) => need,
                _ => break,
            };
            // The last round must come to an end, and a put that can't add can always end.
            let is_last = round + 2 >= NEEDS_PER_PUT_MAX;
            if is_last || !self.fetch(need, &mut stock, access, evictions_left) {
                may_add = false;
            }
        }
        stock.discard(&self.host, access.payer());
        step
    }

    /// Fetches one block of metadata, evicting pages if the host has no memory.
    #[inline(never)]
    fn fetch(
        &self,
        need: Need,
        stock: &mut Stock,
        access: &Access<'_>,
        evictions_left: &mut u32,
    ) -> bool {
        let client = access.client();
        if access.charged().is_none() && !self.has_metadata_room(access, evictions_left) {
            return false;
        }
        loop {
            match stock.fetch(need, &self.host, access.payer()) {
                Ok(()) => return true,
                Err(Unpaid::Charge) => return false,
                Err(Unpaid::Memory) => match self.evict(client, evictions_left) {
                    Some(frame) => self.host.give_room(frame),
                    None => return false,
                },
            }
        }
    }

    /// Whether the owner of an ephemeral pool may have more metadata. If it has too much for the
    /// pages that it holds, it pays with these, and if that does not help its put is refused: what
    /// one guest scatters takes nothing from others.
    fn has_metadata_room(&self, access: &Access<'_>, evictions_left: &mut u32) -> bool {
        let owner = ClientId(access.pool.owner.load(Relaxed));
        while self.holdings(owner).is_metadata_exhausted() {
            match self.evict_own(owner, evictions_left) {
                Some(frame) => self.host.give_room(frame),
                None => return false,
            }
        }
        true
    }

    /// A frame to fill: a free one, else one that eviction yields, else the spare.
    fn frame_for_put(
        &self,
        client: ClientId,
        charged: bool,
        evictions_left: &mut u32,
    ) -> Option<Supply> {
        if let Some(frame) = self.host.take_frame() {
            return Some(Supply { frame, may_add: charged });
        }
        // A put that may not add a page may not cost another its page either.
        if charged && let Some(frame) = self.evict(client, evictions_left) {
            return Some(Supply { frame, may_add: true });
        }
        self.host.take_spare().map(|frame| Supply { frame, may_add: false })
    }

    /// Whether the handle holds a page.
    fn holds<E>(&self, access: &Access<'_>, name: &PageName) -> Result<bool, PutError<E>> {
        let mut state = access.shard(name).state.lock(&self.host);
        if !access.is_current() {
            return Err(PutError::NoPool);
        }
        Ok(state.holds(name, self.members(access).as_ref()))
    }
}
