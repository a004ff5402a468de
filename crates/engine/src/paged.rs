//! A growing array made of frames: a few elements in place, the others in leaves under one root.
//!
//! No block is bigger than a frame, growing moves nothing, and a short array costs no frame.
//! Blocks are brought by the caller ([`PagedSupply`]), who allocates them without a lock.

use crate::garbage::Boxed;
use crate::meta::boxed;

/// Leaves below the root.
const ROOT_LEN: usize = 512;

/// A frame of elements.
pub(crate) type Leaf<C, const LEAF_LEN: usize> = alloc::boxed::Box<[C; LEAF_LEN]>;
/// A frame of leaves.
pub(crate) type Root<C, const LEAF_LEN: usize> =
    alloc::boxed::Box<[Option<Leaf<C, LEAF_LEN>>; ROOT_LEN]>;

/// The array, with `INLINE` elements in place. Elements spring into being as `C::default()`.
///
/// The places in the leaves that belong to the elements in place stay unused, so that finding an
/// element takes no subtraction.
#[derive(Debug)]
pub(crate) struct Paged<C, const INLINE: usize, const LEAF_LEN: usize> {
    inline: [C; INLINE],
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
}

impl<C: Default, const INLINE: usize, const LEAF_LEN: usize> Paged<C, INLINE, LEAF_LEN> {
    /// Elements that the array can grow to.
    pub(crate) const LEN_MAX: usize = ROOT_LEN * LEAF_LEN;

    pub(crate) fn new() -> Self {
        Self { inline: core::array::from_fn(|_| C::default()), root: None }
    }

    /// Element `at`, if it exists.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> Option<&C> {
        if at < INLINE {
            return self.inline.get(at);
        }
        self.root.as_ref()?.get(at / LEAF_LEN)?.as_ref()?.get(at % LEAF_LEN)
    }

    /// Element `at`, if it exists.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut C> {
        if at < INLINE {
            return self.inline.get_mut(at);
        }
        self.root.as_mut()?.get_mut(at / LEAF_LEN)?.as_mut()?.get_mut(at % LEAF_LEN)
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
        u32::from(self.root.is_some()) + leaves.map(|_| 1).sum::<u32>()
    }

    /// Hands back a leaf, or the root after the last one, for the dismantling of an array that
    /// nobody uses any more. `None` when nothing is left.
    pub(crate) fn dismantle(&mut self) -> Option<Boxed>
    where
        Boxed: From<Leaf<C, LEAF_LEN>> + From<Root<C, LEAF_LEN>>,
    {
        let root = self.root.as_mut()?;
        if let Some(leaf) = root.iter_mut().find_map(Option::take) {
            return Some(leaf.into());
        }
        self.root.take().map(Boxed::from)
    }
}
