//! A growing array made of frames: a few elements in place, then leaves of 64 under one root.
//!
//! No block is bigger than a frame, growing moves nothing, and a short array costs no frame.
//! Blocks are brought by the caller ([`PagedSupply`]), who allocates them without a lock.

use crate::garbage::Boxed;
use crate::meta::boxed;

/// Elements in a leaf.
pub(crate) const LEAF_LEN: usize = 64;
/// Leaves below the root.
const ROOT_LEN: usize = 512;
/// Elements that the array can grow to, those in place apart.
pub(crate) const PAGED_MAX: usize = ROOT_LEN * LEAF_LEN;

/// A frame of elements.
pub(crate) type Leaf<C> = alloc::boxed::Box<[C; LEAF_LEN]>;
/// A frame of leaves.
pub(crate) type Root<C> = alloc::boxed::Box<[Option<Leaf<C>>; ROOT_LEN]>;

/// The array, with `INLINE` elements in place. Elements spring into being as `C::default()`.
#[derive(Debug)]
pub(crate) struct Paged<C, const INLINE: usize> {
    inline: [C; INLINE],
    root: Option<Root<C>>,
}

/// The block that an element's existence wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PagedNeed {
    Root,
    Leaf,
}

/// Blocks for growing, allocated beforehand.
#[derive(Debug)]
pub(crate) struct PagedSupply<C> {
    pub(crate) root: Option<Root<C>>,
    pub(crate) leaf: Option<Leaf<C>>,
}

impl<C> Default for PagedSupply<C> {
    fn default() -> Self {
        Self { root: None, leaf: None }
    }
}

impl<C: Default> PagedSupply<C> {
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
}

impl<C: Default, const INLINE: usize> Paged<C, INLINE> {
    pub(crate) fn new() -> Self {
        Self { inline: core::array::from_fn(|_| C::default()), root: None }
    }

    /// Where element `at` lies below the root.
    const fn place(at: usize) -> (usize, usize) {
        let below = at.wrapping_sub(INLINE);
        (below / LEAF_LEN, below % LEAF_LEN)
    }

    /// Element `at`, if it exists.
    pub(crate) fn get(&self, at: usize) -> Option<&C> {
        if at < INLINE {
            return self.inline.get(at);
        }
        let (leaf, element) = Self::place(at);
        self.root.as_ref()?.get(leaf)?.as_ref()?.get(element)
    }

    /// Element `at`, if it exists.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut C> {
        if at < INLINE {
            return self.inline.get_mut(at);
        }
        let (leaf, element) = Self::place(at);
        self.root.as_mut()?.get_mut(leaf)?.as_mut()?.get_mut(element)
    }

    /// Makes element `at` exist, out of `supply`.
    ///
    /// # Errors
    /// The block that is missing. An `at` of [`PAGED_MAX`] or more must not be asked for.
    pub(crate) fn ensure(
        &mut self,
        at: usize,
        supply: &mut PagedSupply<C>,
    ) -> Result<(), PagedNeed> {
        if at < INLINE {
            return Ok(());
        }
        if self.root.is_none() {
            self.root = Some(supply.root.take().ok_or(PagedNeed::Root)?);
        }
        let (leaf, _) = Self::place(at);
        let slot = self.root.as_mut().and_then(|root| root.get_mut(leaf));
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

    /// Hands back the leaf that holds element `at` and whatever else only served it, for the
    /// dismantling of an array that nobody uses any more. `None` when nothing is left.
    pub(crate) fn dismantle(&mut self) -> Option<Boxed>
    where
        Boxed: From<Leaf<C>> + From<Root<C>>,
    {
        let root = self.root.as_mut()?;
        if let Some(leaf) = root.iter_mut().find_map(Option::take) {
            return Some(leaf.into());
        }
        self.root.take().map(Boxed::from)
    }
}
