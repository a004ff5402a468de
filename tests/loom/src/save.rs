//! A toolstack that saves a domain, and what it has got.

use crate::guest::Page;
use crate::host::LoomHost;
use std::sync::Arc;
use tmem_engine::{BeginSaveError, DomainId, Engine, Removal, SaveEnded, SaveError, Saved};

/// Searches of one iteration, and records of one log: more means that it does not end.
const STEPS_MAX: u32 = 20;

/// What a toolstack has got of a pool: each page with its value.
pub type Copied = Vec<(Page, u64)>;

/// A toolstack; its clones are its threads.
#[derive(Clone)]
pub struct Toolstack {
    engine: Arc<Engine<LoomHost>>,
    domain: DomainId,
}

impl Toolstack {
    /// One that saves `domain`.
    pub fn new(engine: &Arc<Engine<LoomHost>>, domain: u16) -> Self {
        Self { engine: Arc::clone(engine), domain: DomainId(domain) }
    }

    /// Begins a save of the running domain. `false`: there is nothing to save.
    ///
    /// # Panics
    /// If it is being saved already.
    pub fn begin(&self) -> bool {
        let begun = self.engine.begin_save(self.domain, true);
        assert_ne!(begun, Err(BeginSaveError::Busy));
        begun.is_ok()
    }

    /// The pages of a pool, from the first to the last.
    ///
    /// # Panics
    /// If one comes twice, or there is no end.
    pub fn pages(&self, pool: u32) -> Copied {
        let host = self.engine.host();
        let (mut pages, mut from) = (Copied::new(), 0);
        for _ in 0..STEPS_MAX {
            let mut got = None;
            let saved = self.engine.save_next(self.domain, pool, from, |object, index, frame| {
                got = Some((Page::new(object[0], index), host.copy_out(frame)));
                Ok::<(), ()>(())
            });
            from = match saved {
                Ok(Saved::Page { next } | Saved::More { next }) => next,
                Ok(Saved::End) | Err(SaveError::NoPool) => return pages,
                Err(error) => unreachable!("the save is {error:?}"),
            };
            if let Some((page, _)) = got {
                assert!(pages.iter().all(|&(other, _)| other != page), "{page:?} comes twice");
            }
            pages.extend(got);
        }
        unreachable!("a save of {pages:?} does not end");
    }

    /// What is left of `pages` of a pool after the replay of what was removed; `None`: the pool is
    /// gone.
    ///
    /// # Panics
    /// If the log is lost, or has no end.
    pub fn replay(&self, pool: u32, mut pages: Copied) -> Option<Copied> {
        let mut at = 0;
        for _ in 0..STEPS_MAX {
            let next = self.engine.next_removal(self.domain, at).expect("there was memory");
            let Some((removal, next)) = next else { return Some(pages) };
            at = next;
            match removal {
                Removal::Page { pool_id, oid, index } if pool_id == pool => {
                    pages.retain(|&(page, _)| (page.oid(), page.index) != (oid, index));
                }
                Removal::Object { pool_id, oid } if pool_id == pool => {
                    pages.retain(|&(page, _)| page.oid() != oid);
                }
                Removal::Pool { pool_id } if pool_id == pool => return None,
                _ => {}
            }
        }
        unreachable!("a log of so few calls does not end");
    }

    /// Ends the save.
    ///
    /// # Panics
    /// If there is none.
    pub fn end(&self) {
        while self.engine.end_save(self.domain) == Ok(SaveEnded::More) {}
        assert!(self.engine.end_save(self.domain).is_err(), "it is over");
    }
}
