//! The demonstration: a guest's life with tmem, and a table of what its pools did.
//!
//! **Checks** every page that comes back, byte for byte; a wrong byte is a failure, and so is a
//! persistent page that does not come back.
//!
//! The guest plays Linux: one persistent pool for swap, as frontswap uses it (sixteen objects a swap
//! area, read back in another order, freed at last), and two ephemeral pools for file systems, as
//! cleancache does (an object a file; a page is put when it leaves the page cache and asked for when
//! a read misses there). Its files are larger than the host's memory, so that some are evicted.

use super::{Boot, Case, Needs};
use super::script::more_than_fits;
use crate::plain::content::Content;
use crate::plain::table::Table;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::verdict::{CaseResult, expect};
use crate::{fail, say};
use hypercall_abi::Handle;

pub(super) const CASE: Case = Case {
    name: "demo",
    boots: &[Boot::Demo],
    about: "a guest's life with swap and file caches in tmem, ending with a table of pools",
    needs: Needs::Tmem,
    run,
};

/// Pages swapped out.
const SWAPPED: u32 = 4000;
/// Pages in a file.
const FILE: u32 = 128;
/// Files in a file system, at most: bounds the bookkeeping below.
const FILES_MAX: u32 = 512;

/// What the guest counts of one pool.
#[derive(Clone, Copy, Default)]
struct Counts {
    put: u64,
    hits: u64,
    misses: u64,
    /// Of the misses, those of pages that were put and neither flushed nor taken.
    evicted: u64,
}

fn run(rig: &mut Rig) -> CaseResult {
    let mut rng = rig.rng(0xde);
    say!("demo: a guest with 64 MiB gives half back, and uses tmem in its place");
    let mut swap = Swap { pool: rig.new_pool(Kind::Persistent)?, counts: Counts::default() };
    let mut root = FileSystem::mount(rig.new_pool(Kind::Ephemeral)?);
    let mut data = FileSystem::mount(rig.new_pool(Kind::Ephemeral)?);

    say!("demo: {SWAPPED} pages are swapped out");
    for slot in 0..SWAPPED {
        swap.store(rig, slot)?;
    }
    let files = (more_than_fits() / 2 / FILE).min(FILES_MAX);
    say!("demo: two file systems of {files} files are read, {} pages", 2 * files * FILE);
    for file in 0..files {
        root.read(rig, file)?;
        data.read(rig, file)?;
    }
    say!("demo: files are read again, the last ones mostly; some are deleted");
    for _ in 0..files / 2 {
        let reach = 1 + rng.below(files);
        let recent = files - 1 - rng.below(reach);
        root.read(rig, recent)?;
        data.read(rig, rng.below(files))?;
        if rng.below(8) == 0 {
            data.delete(rig, rng.below(files))?;
        }
    }
    say!("demo: everything that was swapped out comes back");
    for step in 0..SWAPPED {
        swap.load(rig, step * 1667 % SWAPPED)?;
    }
    swap.off(rig)?;
    summary(&[("persistent (swap)", swap.counts), ("ephemeral (root)", root.counts), ("ephemeral (data)", data.counts)]);
    for pool in [swap.pool, root.pool, data.pool] {
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(())
}

fn summary(pools: &[(&str, Counts); 3]) {
    let mut table = Table::<5, 4>::new(["pool", "pages put", "hits", "misses", "evicted"]);
    for (name, counts) in pools {
        let Counts { put, hits, misses, evicted } = *counts;
        table.push_numbers(format_args!("{name}"), [put, hits, misses, evicted]);
    }
    say!("");
    table.lines(|line| say!("  {line}"));
    say!("");
}

/// A swap area over a persistent pool.
struct Swap {
    pool: u32,
    counts: Counts,
}

impl Swap {
    /// Linux's layout: sixteen objects, the slot's low four bits choose.
    fn handle(&self, slot: u32) -> Handle {
        at(self.pool, u64::from(slot % 16), slot / 16)
    }

    fn store(&mut self, rig: &Rig, slot: u32) -> CaseResult {
        rig.put(self.handle(slot), Content::of(0x5a, u64::from(slot)))?;
        self.counts.put += 1;
        Ok(())
    }

    fn load(&mut self, rig: &Rig, slot: u32) -> CaseResult {
        rig.get_hit(self.handle(slot), Content::of(0x5a, u64::from(slot)))?;
        self.counts.hits += 1;
        Ok(())
    }

    /// Swapoff: every object is flushed.
    fn off(&mut self, rig: &Rig) -> CaseResult {
        for object in 0..16 {
            expect("flush of a swap area", rig.flush_object(self.handle(object)), SUCCESS)?;
        }
        if rig.try_get(self.handle(0))? == SUCCESS {
            fail!("a page was read after its swap area was flushed");
        }
        Ok(())
    }
}

/// A file system over an ephemeral pool; a bit a page says whether tmem may hold it.
struct FileSystem {
    pool: u32,
    counts: Counts,
    put: [u128; FILES_MAX as usize],
}

impl FileSystem {
    const fn mount(pool: u32) -> Self {
        Self {
            pool,
            counts: Counts { put: 0, hits: 0, misses: 0, evicted: 0 },
            put: [0; FILES_MAX as usize],
        }
    }

    /// Reads a file: each page from tmem, else from disk; then it leaves the page cache again.
    fn read(&mut self, rig: &Rig, file: u32) -> CaseResult {
        let Some(put) = self.put.get_mut(file as usize) else {
            fail!("file {file} is not on this file system");
        };
        for page in 0..FILE {
            let handle = at(self.pool, u64::from(file), page);
            let content = Content::of(u64::from(self.pool), u64::from(file * FILE + page));
            if rig.get_maybe(handle, content)? {
                self.counts.hits += 1;
            } else {
                self.counts.misses += 1;
                self.counts.evicted += u64::from(*put >> page & 1 == 1);
            }
            rig.put(handle, content)?;
            self.counts.put += 1;
            *put |= 1 << page;
        }
        Ok(())
    }

    /// Deletes a file: none of its pages may be read again.
    fn delete(&mut self, rig: &Rig, file: u32) -> CaseResult {
        let handle = at(self.pool, u64::from(file), 0);
        expect("flush of a deleted file", rig.flush_object(handle), SUCCESS)?;
        if rig.try_get(handle)? == SUCCESS {
            fail!("a page was read after its file was deleted");
        }
        if let Some(put) = self.put.get_mut(file as usize) {
            *put = 0;
        }
        Ok(())
    }
}
