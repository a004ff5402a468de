//! What a hold of a shard's lock leaves to be freed once the lock is released.

use crate::age_log::{AgeChunk, LINKS_PER_LEAF, Link};
use crate::block::{self, Block};
use crate::broken;
use crate::chunk_info::ChunkInfo;
use crate::frame::Frame;
use crate::host::{DomainId, Host};
use crate::index::{CELLS_PER_LEAF, Directory, TableCell};
use crate::meta::{Payer, refund};
use crate::page_set::{MAPS_PER_CHUNK, PageMap};
use crate::paged::{Leaf, Root};
use crate::save_log::{BLOCKS_PER_LEAF, LogBlock};
use crate::slab::{CHUNKS_PER_LEAF, Chunk, INFOS_PER_LEAF};
use crate::table::Table;

/// Boxes, and tables, that one hold of a lock may leave. Small, for they lie on the stack; a slice
/// that fills them ends early.
const BOXES_MAX: usize = 5;
const TABLES_MAX: usize = 2;

/// Boxes that the removal of one page may leave: a chunk of ages, one of maps, two of blocks.
const BOXES_PER_REMOVAL: usize = 4;
/// Tables that the removal of one page may leave: its block's and its head's.
const TABLES_PER_REMOVAL: usize = 2;

/// A frame of slots of each kind.
type BlockChunk = Chunk<Block, { block::PER_CHUNK }>;
type MapChunk = Chunk<PageMap, MAPS_PER_CHUNK>;

/// Makes [`Boxed`], with a way from each type of block to it.
macro_rules! boxed_kinds {
    ($($variant:ident($from:ty)),* $(,)?) => {
        /// A boxed block of metadata on its way back to the allocator.
        #[derive(Debug)]
        #[expect(dead_code, reason = "held only to be dropped outside the lock")]
        pub(crate) enum Boxed {
            $($variant($from)),*
        }

        $(impl From<$from> for Boxed {
            fn from(block: $from) -> Self {
                Self::$variant(block)
            }
        })*
    };
}
boxed_kinds! {
    Ages(AgeChunk),
    Blocks(BlockChunk),
    Maps(MapChunk),
    Directory(Directory),
    AgeLeaf(Leaf<Option<AgeChunk>, CHUNKS_PER_LEAF>),
    AgeRoot(Root<Option<AgeChunk>, CHUNKS_PER_LEAF>),
    BlockLeaf(Leaf<Option<BlockChunk>, CHUNKS_PER_LEAF>),
    BlockRoot(Root<Option<BlockChunk>, CHUNKS_PER_LEAF>),
    MapLeaf(Leaf<Option<MapChunk>, CHUNKS_PER_LEAF>),
    MapRoot(Root<Option<MapChunk>, CHUNKS_PER_LEAF>),
    InfoLeaf(Leaf<ChunkInfo, INFOS_PER_LEAF>),
    InfoRoot(Root<ChunkInfo, INFOS_PER_LEAF>),
    LinkLeaf(Leaf<Link, LINKS_PER_LEAF>),
    LinkRoot(Root<Link, LINKS_PER_LEAF>),
    LogBlock(LogBlock),
    LogLeaf(Leaf<Option<LogBlock>, BLOCKS_PER_LEAF>),
    LogRoot(Root<Option<LogBlock>, BLOCKS_PER_LEAF>),
    TableLeaf(Leaf<TableCell, CELLS_PER_LEAF>),
    TableRoot(Root<TableCell, CELLS_PER_LEAF>),
}

/// Frames, up to `FRAMES`, and metadata.
#[derive(Debug)]
pub(crate) struct Garbage<const FRAMES: usize> {
    frames: Shelf<Frame, FRAMES>,
    boxes: Shelf<Boxed, BOXES_MAX>,
    tables: Shelf<Table, TABLES_MAX>,
}

/// A few things of a kind, in place.
#[derive(Debug)]
struct Shelf<T, const N: usize> {
    things: [Option<T>; N],
    len: usize,
}

impl<T, const N: usize> Shelf<T, N> {
    const fn new() -> Self {
        Self { things: [const { None }; N], len: 0 }
    }

    /// Whether `more` things fit.
    const fn has_room(&self, more: usize) -> bool {
        self.len + more <= N
    }

    fn push(&mut self, thing: T) {
        match self.things.get_mut(self.len) {
            Some(place) => {
                *place = Some(thing);
                self.len += 1;
            }
            None => broken::too_much_garbage(),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.things.get_mut(last)?.take()
    }
}

impl<const FRAMES: usize> Garbage<FRAMES> {
    pub(crate) const fn new() -> Self {
        Self { frames: Shelf::new(), boxes: Shelf::new(), tables: Shelf::new() }
    }

    /// Whether what the removal of one more page leaves might not fit.
    pub(crate) const fn is_full(&self) -> bool {
        !(self.frames.has_room(1)
            && self.boxes.has_room(BOXES_PER_REMOVAL)
            && self.tables.has_room(TABLES_PER_REMOVAL))
    }

    /// Takes a frame. There is room, by [`is_full`](Self::is_full).
    pub(crate) fn push_frame(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    /// Takes a box. There is room, by [`is_full`](Self::is_full).
    pub(crate) fn push_box(&mut self, block: impl Into<Boxed>) {
        self.boxes.push(block.into());
    }

    /// Takes a table. There is room, by [`is_full`](Self::is_full).
    pub(crate) fn push_table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Blocks of metadata in it.
    #[cfg(test)]
    pub(crate) fn nr_blocks(&self) -> u32 {
        u32::try_from(self.boxes.len + self.tables.len).unwrap_or(u32::MAX)
    }

    /// Frees everything. No lock is held.
    ///
    /// Frames of a pool with a payer were charged to it, and so was its metadata.
    pub(crate) fn free<H: Host>(&mut self, host: &H, payer: Payer<'_>) {
        self.free_frames(host, payer.domain);
        let mut nr_freed = 0;
        while let Some(block) = self.boxes.pop() {
            drop(block);
            nr_freed += 1;
        }
        while let Some(table) = self.tables.pop() {
            drop(table);
            nr_freed += 1;
        }
        refund(host, payer, nr_freed);
    }

    /// Frees the frames and takes back their charge, if they had one.
    pub(crate) fn free_frames<H: Host>(&mut self, host: &H, charged: Option<DomainId>) {
        let mut nr_freed = 0;
        while let Some(frame) = self.frames.pop() {
            host.give_frame(frame);
            nr_freed += 1;
        }
        if let (Some(domain), 1..) = (charged, nr_freed) {
            host.uncharge(domain, nr_freed);
        }
    }
}
