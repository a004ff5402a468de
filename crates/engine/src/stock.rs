//! The blocks of metadata that a call brings along when it takes a shard's lock, and how an insertion
//! says which one it is short of.

use crate::age_log::AgeSupply;
use crate::block::{self, Block};
use crate::host::Host;
use crate::index::{CELLS_PER_LEAF, Directory, TableCell};
use crate::meta::{Payer, Unpaid, boxed, pay, refund};
use crate::page_set::{MAPS_PER_CHUNK, PageMap};
use crate::paged::{PagedNeed, PagedSupply};
use crate::slab::{SlabNeed, SlabSupply};
use crate::table::Table;

/// The block that an insertion is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Ages(SlabNeed),
    Blocks(SlabNeed),
    Maps(SlabNeed),
    Table,
    Directory,
    Tables(PagedNeed),
    /// The index can't grow further: a limit, not a lack.
    Full,
}

/// Blocks that a call brings along when it takes a shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    pub(crate) ages: AgeSupply,
    pub(crate) blocks: SlabSupply<Block, { block::PER_CHUNK }>,
    pub(crate) maps: SlabSupply<PageMap, MAPS_PER_CHUNK>,
    pub(crate) table: Option<Table>,
    pub(crate) directory: Option<Directory>,
    pub(crate) tables: PagedSupply<TableCell, CELLS_PER_LEAF>,
}

impl Stock {
    /// Allocates the block that `need` names, on `payer`'s account.
    pub(crate) fn fetch<H: Host>(
        &mut self,
        need: Need,
        host: &H,
        payer: Payer<'_>,
    ) -> Result<(), Unpaid> {
        pay(host, payer)?;
        let fetched = match need {
            Need::Ages(need) => self.ages.fetch(need),
            Need::Blocks(need) => self.blocks.fetch(need),
            Need::Maps(need) => self.maps.fetch(need),
            Need::Table => {
                self.table = boxed();
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
    pub(crate) fn discard<H: Host>(&mut self, host: &H, payer: Payer<'_>) {
        let Self { ages, blocks, maps, table, directory, tables } = self;
        let unused = ages.nr_blocks()
            + blocks.nr_blocks()
            + maps.nr_blocks()
            + u32::from(table.is_some())
            + u32::from(directory.is_some())
            + tables.nr_blocks();
        if unused == 0 {
            return;
        }
        ages.clear();
        blocks.clear();
        maps.clear();
        drop((table.take(), directory.take()));
        tables.clear();
        refund(host, payer, unused);
    }
}
