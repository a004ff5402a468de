//! A growing array made of frames: a few elements in place, the others in leaves under one root.
//!
//! No block is bigger than a frame, growing moves nothing, and a short array costs no frame. An array
//! that is read by each operation has its first leaf beside the root: it is enough for most pools, and
//! a step nearer.
//! Blocks are brought by the caller ([`PagedSupply`]), who allocates them without a lock.

use crate::garbage::Boxed;
use crate::meta::boxed;
use alloc::boxed::Box;

/// Leaves below the root.
const ROOT_LEN: usize = 512;

/// Elements that one slice of a count looks at.
pub(crate) const COUNTED_PER_SLICE: usize = 256;

/// A frame of elements.
pub(crate) type Leaf<C, const LEAF_LEN: usize> = Box<[C; LEAF_LEN]>;
/// A frame of leaves.
pub(crate) type Root<C, const LEAF_LEN: usize> = Box<[Option<Leaf<C, LEAF_LEN>>; ROOT_LEN]>;

/// The array, with `INLINE` elements in place and `NEAR` leaves (0 or 1) beside the root. Elements
/// spring into being as `C::default()`.
///
/// The places in the leaves that belong to the elements in place stay unused, and so does that of a
/// near leaf in the root, so that finding an element takes no subtraction.
#[derive(Debug)]
pub(crate) struct Paged<C, const INLINE: usize, const NEAR: usize, const LEAF_LEN: usize> {
    inline: [C; INLINE],
    near: [Option<Leaf<C, LEAF_LEN>>; NEAR],
    root: Option<Root<C, LEAF_LEN>>,
}

/// The block that an element's existence wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PagedNeed {
    Root,
    Leaf,
}

/// Blocks for growing, allocated beforehand.
#[derive(Debug)]
pub(crate) struct PagedSupply<C, const LEAF_LEN: usize> {
    pub(crate) root: Option<Root<C, LEAF_LEN>>,
    pub(crate) leaf: Option<Leaf<C, LEAF_LEN>>,
}

impl<C, const LEAF_LEN: usize> Default for PagedSupply<C, LEAF_LEN> {
    fn default() -> Self {
        Self { root: None, leaf: None }
    }
}

impl<C: Default, const LEAF_LEN: usize> PagedSupply<C, LEAF_LEN> {
    /// Allocates what `need` names. `false`: no memory.
    pub(crate) fn fetch(&mut self, need: PagedNeed) -> bool {
        match need {
            PagedNeed::Root => self.root = boxed(),
            PagedNeed::Leaf => self.leaf = boxed(),
        }
        match need {
            PagedNeed::Root => self.root.is_some(),
            PagedNeed::Leaf => self.leaf.is_some(),
        }
    }

    /// Blocks that are here.
    pub(crate) fn nr_blocks(&self) -> u32 {
        u32::from(self.root.is_some()) + u32::from(self.leaf.is_some())
    }

    /// Frees them.
    pub(crate) fn clear(&mut self) {
        drop((self.root.take(), self.leaf.take()));
    }
}

impl<C: Default, const INLINE: usize, const NEAR: usize, const LEAF_LEN: usize>
    Paged<C, INLINE, NEAR, LEAF_LEN>
{
    /// Elements that the array can grow to.
    pub(crate) const LEN_MAX: usize = ROOT_LEN * LEAF_LEN;

    pub(crate) fn new() -> Self {
        Self {
            inline: core::array::from_fn(|_| C::default()),
            near: [const { None }; NEAR],
            root: None,
        }
    }

    /// Element `at`, if it exists.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> Option<&C> {
        if at < INLINE {
            return self.inline.get(at);
        }
        match &self.near[..] {
            [near, ..] if at < LEAF_LEN => near.as_ref()?.get(at),
            _ => self.root.as_ref()?.get(at / LEAF_LEN)?.as_ref()?.get(at % LEAF_LEN),
        }
    }

    /// Element `at`, if it exists.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut C> {
        if at < INLINE {
            return self.inline.get_mut(at);
        }
        match &mut self.near[..] {
            [near, ..] if at < LEAF_LEN => near.as_mut()?.get_mut(at),
            _ => self.root.as_mut()?.get_mut(at / LEAF_LEN)?.as_mut()?.get_mut(at % LEAF_LEN),
        }
    }

    /// Makes element `at` exist, out of `supply`.
    ///
    /// # Errors
    /// The block that is missing. An `at` of [`LEN_MAX`](Self::LEN_MAX) or more must not be asked
    /// for.
    pub(crate) fn ensure(
        &mut self,
        at: usize,
        supply: &mut PagedSupply<C, LEAF_LEN>,
    ) -> Result<(), PagedNeed> {
        if at < INLINE {
            return Ok(());
        }
        if at < LEAF_LEN * NEAR {
            if let [near @ None, ..] = &mut self.near[..] {
                *near = Some(supply.leaf.take().ok_or(PagedNeed::Leaf)?);
            }
            return Ok(());
        }
        if self.root.is_none() {
            self.root = Some(supply.root.take().ok_or(PagedNeed::Root)?);
        }
        let slot = self.root.as_mut().and_then(|root| root.get_mut(at / LEAF_LEN));
        if let Some(slot @ None) = slot {
            *slot = Some(supply.leaf.take().ok_or(PagedNeed::Leaf)?);
        }
        Ok(())
    }

    /// Frames that the array takes, counted anew.
    pub(crate) fn nr_blocks(&self) -> u32 {
        let leaves = self.root.iter().flat_map(|root| root.iter().flatten());
        let leaves = leaves.chain(self.near.iter().flatten());
        u32::from(self.root.is_some()) + leaves.map(|_| 1).sum::<u32>()
    }

    /// Hands back a leaf, or the root after the last one under it, for the dismantling of an array that
    /// nobody uses any more. `None` when nothing is left.
    pub(crate) fn dismantle(&mut self) -> Option<Boxed>
    where
        Boxed: From<Leaf<C, LEAF_LEN>> + From<Root<C, LEAF_LEN>>,
    {
        if let Some(near) = self.near.iter_mut().find_map(Option::take) {
            return Some(near.into());
        }
        let root = self.root.as_mut()?;
        if let Some(leaf) = root.iter_mut().find_map(Option::take) {
            return Some(leaf.into());
        }
        self.root.take().map(Boxed::from)
    }
}

impl<T, const INLINE: usize, const NEAR: usize, const LEAF_LEN: usize>
    Paged<Option<Box<T>>, INLINE, NEAR, LEAF_LEN>
{
    /// What element `at` owns, if it exists and owns anything. Each way ends in a read of its own, so
    /// that it is asked once whether there is anything.
    #[inline(always)]
    pub(crate) fn owned(&self, at: usize) -> Option<&T> {
        if at < INLINE {
            return self.inline.get(at)?.as_deref();
        }
        match &self.near[..] {
            [near, ..] if at < LEAF_LEN => near.as_ref()?.get(at)?.as_deref(),
            _ => self.owned_far(at),
        }
    }

    #[cold]
    #[inline(never)]
    fn owned_far(&self, at: usize) -> Option<&T> {
        self.root.as_ref()?.get(at / LEAF_LEN)?.as_ref()?.get(at % LEAF_LEN)?.as_deref()
    }

    /// How many of a few elements from number `from` on, below `end`, own something. Where to go on; `None`
    /// at the end.
    pub(crate) fn count_owned(&self, from: usize, end: usize) -> (u32, Option<usize>) {
        let next = from.saturating_add(COUNTED_PER_SLICE).min(end);
        let is_there = |&at: &usize| self.owned(at).is_some();
        let count = (from..next).filter(is_there).fold(0, |count, _| count + 1);
        (count, (next < end).then_some(next))
    }

    /// The same as [`owned`](Self::owned), to be changed.
    #[inline(always)]
    pub(crate) fn owned_mut(&mut self, at: usize) -> Option<&mut T> {
        if at < INLINE {
            return self.inline.get_mut(at)?.as_deref_mut();
        }
        if at >= LEAF_LEN || NEAR == 0 {
            return self.owned_mut_far(at);
        }
        self.near.first_mut()?.as_mut()?.get_mut(at)?.as_deref_mut()
    }

    #[cold]
    #[inline(never)]
    fn owned_mut_far(&mut self, at: usize) -> Option<&mut T> {
        self.root.as_mut()?.get_mut(at / LEAF_LEN)?.as_mut()?.get_mut(at % LEAF_LEN)?.as_deref_mut()
    }
}
