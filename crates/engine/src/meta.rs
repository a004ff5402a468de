//! Metadata: the one place where it is allocated, counted, charged and freed.
//!
//! Every block of metadata is at most one frame. Blocks are fetched before a lock is taken and
//! freed after it is released; in between they change hands through a [`Stock`] (what a call may
//! need) and a [`Garbage`] (what it leaves).

use crate::frame::Frame;
use crate::host::{DomainId, Host};
use crate::index::{Directory, Table, TableCell};
use crate::object::ObjectCell;
use crate::page::PageCell;
use crate::paged::{Leaf, Root};
use crate::slab::{ObjectChunk, PageChunk, SlabSupply};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes that no block of metadata exceeds.
pub(crate) const BLOCK_BYTES_MAX: usize = 4096;

/// Pages that one slice of a long call may visit or free.
pub(crate) const SLICE_PAGES_MAX: usize = 64;

/// Metadata blocks that one hold of a lock may leave behind.
const GARBAGE_BLOCKS_MAX: usize = 8;

/// Who pays for a pool's metadata: a domain (persistent pools), or nobody in particular.
pub(crate) type Payer = Option<DomainId>;

/// A boxed array of defaults, or `None` when there is no memory.
///
/// Built in place, element by element, so that no frame-sized value crosses the small stack.
pub(crate) fn boxed<T: Default, const N: usize>() -> Option<Box<[T; N]>> {
    const { assert!(size_of::<[T; N]>() <= BLOCK_BYTES_MAX) };
    let mut array = Vec::new();
    array.try_reserve_exact(N).ok()?;
    array.resize_with(N, T::default);
    array.into_boxed_slice().try_into().ok()
}

/// A block of metadata on its way back to the allocator.
#[derive(Debug)]
pub(crate) enum Block {
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    Pages(PageChunk),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    Objects(ObjectChunk),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    Table(Table),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    Directory(Directory),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    PageLeaf(Leaf<PageCell>),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    PageRoot(Root<PageCell>),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    ObjectLeaf(Leaf<ObjectCell>),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    ObjectRoot(Root<ObjectCell>),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    TableLeaf(Leaf<TableCell>),
    #[expect(dead_code, reason = "held only to be dropped outside the lock")]
    TableRoot(Root<TableCell>),
}

macro_rules! block_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Block {
            fn from(block: $from) -> Self {
                Self::$variant(block)
            }
        })*
    };
}
block_from! {
    PageChunk => Pages,
    ObjectChunk => Objects,
    Table => Table,
    Directory => Directory,
    Leaf<PageCell> => PageLeaf,
    Root<PageCell> => PageRoot,
    Leaf<ObjectCell> => ObjectLeaf,
    Root<ObjectCell> => ObjectRoot,
    Leaf<TableCell> => TableLeaf,
    Root<TableCell> => TableRoot,
}

/// The block that an insertion is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Pages(crate::slab::SlabNeed),
    Objects(crate::slab::SlabNeed),
    Table,
    Directory,
    Tables(crate::paged::PagedNeed),
    /// The index can't grow further: a limit, not a lack.
    Full,
}

/// Blocks that a call brings along when it takes a shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    pub(crate) pages: SlabSupply<crate::page::Page, { crate::page::PER_CHUNK }>,
    pub(crate) objects: SlabSupply<crate::object::Object, { crate::object::PER_CHUNK }>,
    pub(crate) table: Option<Table>,
    pub(crate) directory: Option<Directory>,
    pub(crate) tables: crate::paged::PagedSupply<TableCell>,
}

impl Stock {
    /// Allocates the block that `need` names, on `payer`'s account.
    pub(crate) fn fetch<H: Host>(
        &mut self,
        need: Need,
        host: &H,
        payer: Payer,
    ) -> Result<(), Unpaid> {
        pay(host, payer)?;
        let fetched = match need {
            Need::Pages(need) => self.pages.fetch(need),
            Need::Objects(need) => self.objects.fetch(need),
            Need::Table => {
                self.table = crate::index::new_table();
                self.table.is_some()
            }
            Need::Directory => {
                self.directory = boxed();
                self.directory.is_some()
            }
            Need::Tables(need) => self.tables.fetch(need),
            Need::Full => false,
        };
        if !fetched {
            refund(host, payer, 1);
            return Err(Unpaid::Memory);
        }
        Ok(())
    }

    /// Frees what was fetched and not used.
    pub(crate) fn discard<H: Host>(self, host: &H, payer: Payer) {
        let Self { pages, objects, table, directory, tables } = self;
        let mut unused = 0;
        let mut count = |is_there: bool| unused += u32::from(is_there);
        count(pages.chunk.is_some());
        count(pages.cells.leaf.is_some());
        count(pages.cells.root.is_some());
        count(objects.chunk.is_some());
        count(objects.cells.leaf.is_some());
        count(objects.cells.root.is_some());
        count(table.is_some());
        count(directory.is_some());
        count(tables.leaf.is_some());
        count(tables.root.is_some());
        if unused > 0 {
            drop((pages, objects, table, directory, tables));
            refund(host, payer, unused);
        }
    }
}

/// Why a block of metadata is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpaid {
    /// The host has no memory to spare; evicting a page may help.
    Memory,
    /// The payer is at its maximum; nothing helps.
    Charge,
}

/// Asks for leave to allocate one block and charges it.
///
/// # Errors
/// [`Unpaid`]; nothing is charged.
pub(crate) fn pay<H: Host>(host: &H, payer: Payer) -> Result<(), Unpaid> {
    if !host.metadata_wanted() {
        return Err(Unpaid::Memory);
    }
    match payer {
        Some(domain) if host.charge(domain, 1).is_err() => {
            host.metadata_freed();
            Err(Unpaid::Charge)
        }
        _ => Ok(()),
    }
}

/// Takes back the leave and the charge of `blocks` blocks that are freed.
fn refund<H: Host>(host: &H, payer: Payer, blocks: u32) {
    for _ in 0..blocks {
        host.metadata_freed();
    }
    if let Some(domain) = payer {
        host.uncharge(domain, blocks);
    }
}

/// What one hold of a shard's lock leaves to be freed: up to `FRAMES` frames, and metadata.
#[derive(Debug)]
pub(crate) struct Garbage<const FRAMES: usize> {
    frames: [Option<Frame>; FRAMES],
    nr_frames: usize,
    blocks: [Option<Block>; GARBAGE_BLOCKS_MAX],
    nr_blocks: usize,
}

impl<const FRAMES: usize> Garbage<FRAMES> {
    pub(crate) const fn new() -> Self {
        Self {
            frames: [const { None }; FRAMES],
            nr_frames: 0,
            blocks: [const { None }; GARBAGE_BLOCKS_MAX],
            nr_blocks: 0,
        }
    }

    /// Whether removing one more page might not fit: it leaves a frame and at most three blocks
    /// (its chunk, its object's chunk, its table; the object's entry may empty a table as well).
    pub(crate) const fn is_full(&self) -> bool {
        self.nr_frames >= FRAMES || self.nr_blocks + 4 > GARBAGE_BLOCKS_MAX
    }

    /// Takes a frame. There is room, by [`is_full`](Self::is_full).
    pub(crate) fn push_frame(&mut self, frame: Frame) {
        match self.frames.get_mut(self.nr_frames) {
            Some(place) => {
                *place = Some(frame);
                self.nr_frames += 1;
            }
            None => crate::broken("garbage: too many frames in one slice"),
        }
    }

    /// Takes a block of metadata. There is room, by [`is_full`](Self::is_full).
    pub(crate) fn push_block(&mut self, block: impl Into<Block>) {
        match self.blocks.get_mut(self.nr_blocks) {
            Some(place) => {
                *place = Some(block.into());
                self.nr_blocks += 1;
            }
            None => crate::broken("garbage: too many blocks in one slice"),
        }
    }

    /// Gives the last frame back to its maker, for reuse.
    pub(crate) fn pop_frame(&mut self) -> Option<Frame> {
        let frame = self.frames.get_mut(..self.nr_frames)?.last_mut()?.take();
        self.nr_frames -= 1;
        frame
    }

    /// Frees everything. No lock is held.
    ///
    /// Frames of a pool with a payer were charged to it, and so was its metadata.
    pub(crate) fn free<H: Host>(&mut self, host: &H, payer: Payer) {
        self.free_frames(host, payer);
        let mut freed_blocks = 0;
        for block in self.blocks.iter_mut().take(self.nr_blocks).filter_map(Option::take) {
            drop(block);
            freed_blocks += 1;
        }
        self.nr_blocks = 0;
        if freed_blocks > 0 {
            refund(host, payer, freed_blocks);
        }
    }

    /// Frees the frames and takes back their charge, if they had one.
    pub(crate) fn free_frames<H: Host>(&mut self, host: &H, payer: Payer) {
        let mut freed_frames = 0;
        for frame in self.frames.iter_mut().take(self.nr_frames).filter_map(Option::take) {
            host.give_frame(frame);
            freed_frames += 1;
        }
        self.nr_frames = 0;
        if let (Some(domain), 1..) = (payer, freed_frames) {
            host.uncharge(domain, freed_frames);
        }
    }
}
