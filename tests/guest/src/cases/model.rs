//! A small model of what a host must remember, and random scripts run against both.
//!
//! The model knows which pages are stored, by the number that their content is computed from. It
//! allows a miss of an ephemeral page, and the refusal of a put, only where the script runs on a
//! host without free memory.

use crate::fail;
use crate::plain::content::Content;
use crate::plain::rng::Rng;
use crate::rig::{BadFrame, Kind, Rig, at, statuses};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Handle;

/// Pool slots that a script uses, of the domain's 16.
const POOLS: usize = 5;
/// Objects in a pool.
const OBJECTS: u32 = 6;
/// Indexes in an object; they are spread over the field by [`spread`].
const INDEXES: u32 = 40;
/// Pages that a pool may hold.
const PAGES: usize = (OBJECTS * INDEXES) as usize;

/// How much memory the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Plenty: nothing may be lost or refused.
    Roomy,
    /// None free: ephemeral pages may be lost, and puts refused.
    Full,
}

/// One pool as it should be.
#[derive(Clone, Copy)]
struct Pool {
    kind: Kind,
    /// Content numbers; 0 for a page that is not stored.
    pages: [u32; PAGES],
}

/// The pools as they should be.
pub(super) struct Model {
    host: Host,
    /// The slot number is the id of the pool.
    pools: [Option<Pool>; POOLS],
    /// Contents given out so far.
    contents: u32,
    /// Hits so far.
    hits: u32,
}

/// A page of the script: where the model keeps it.
#[derive(Clone, Copy)]
struct Spot {
    slot: usize,
    page: usize,
    handle: Handle,
}

impl Model {
    /// No pools yet.
    pub(super) const fn new(host: Host) -> Self {
        Self { host, pools: [None; POOLS], contents: 0, hits: 0 }
    }

    /// Hits of all scripts so far.
    pub(super) const fn hits(&self) -> u32 {
        self.hits
    }

    /// Does `steps` random things, each checked at once.
    ///
    /// # Errors
    /// Failure at the first answer, or byte, that the model does not allow.
    pub(super) fn script(&mut self, rig: &Rig, rng: &mut Rng, steps: u32) -> CaseResult {
        for _ in 0..steps {
            let spot = Spot::random(rng);
            match rng.below(200) {
                0..80 => self.put(rig, spot)?,
                80..140 => self.get(rig, spot)?,
                140..160 => self.flush_page(rig, spot)?,
                160..164 => self.flush_object(rig, spot)?,
                164..174 => self.put_bad_frame(rig, spot, bad_frame(rig, rng))?,
                174..184 => self.get_bad_frame(rig, spot, bad_frame(rig, rng))?,
                184..185 => self.destroy(rig, spot)?,
                _ => self.new_pool(rig, rng)?,
            }
        }
        Ok(())
    }

    /// Gets every page of every pool.
    ///
    /// # Errors
    /// As [`Model::script`].
    pub(super) fn check_all(&mut self, rig: &Rig) -> CaseResult {
        for slot in 0..POOLS {
            for page in 0..PAGES {
                self.get(rig, Spot::new(slot, page))?;
            }
        }
        Ok(())
    }

    fn put(&mut self, rig: &Rig, spot: Spot) -> CaseResult {
        self.contents += 1;
        let number = self.contents;
        let answer = rig.try_put(spot.handle, content(rig, number));
        let full = self.host == Host::Full;
        let Some(stored) = self.page(spot) else {
            return expect("put without a pool", answer, statuses::NO_DEVICE);
        };
        *stored = if answer == statuses::SUCCESS { number } else { 0 };
        let refused = matches!(answer, statuses::NO_MEMORY | NO_SPACE);
        if answer != statuses::SUCCESS && !(full && refused) {
            fail!("put: answered {answer}");
        }
        Ok(())
    }

    fn get(&mut self, rig: &Rig, spot: Spot) -> CaseResult {
        let answer = rig.try_get(spot.handle)?;
        let Some(want) = self.wanted(spot) else {
            return expect("get without a pool", answer, statuses::NO_DEVICE);
        };
        let kind = want.kind;
        if answer == statuses::SUCCESS {
            if want.number == 0 {
                fail!("get of a page that is not stored: hit");
            }
            rig.check_target(spot.handle, content(rig, want.number))?;
            self.hits += 1;
        } else {
            self.check_miss("get", want, answer)?;
        }
        if kind == Kind::Ephemeral {
            self.forget(spot);
        }
        Ok(())
    }

    fn put_bad_frame(&mut self, rig: &Rig, spot: Spot, mfn: u64) -> CaseResult {
        let answer = rig.put_frame(spot.handle, mfn);
        let full = self.host == Host::Full;
        let Some(stored) = self.page(spot) else {
            return expect("put without a pool", answer, statuses::NO_DEVICE);
        };
        *stored = 0;
        if full && answer == statuses::NO_MEMORY {
            return Ok(());
        }
        expect("put from a bad frame", answer, statuses::BAD_ADDRESS)
    }

    fn get_bad_frame(&mut self, rig: &Rig, spot: Spot, mfn: u64) -> CaseResult {
        let answer = rig.get_frame(spot.handle, mfn);
        let Some(want) = self.wanted(spot) else {
            return expect("get without a pool", answer, statuses::NO_DEVICE);
        };
        if answer != statuses::BAD_ADDRESS {
            self.check_miss("get into a bad frame", want, answer)?;
            self.forget(spot);
        } else if want.number == 0 {
            fail!("get of a page that is not stored, into a bad frame: answered {answer}");
        } else if want.kind == Kind::Ephemeral {
            // The page may stay or go (R15); find out, and take it.
            rig.get_maybe(spot.handle, content(rig, want.number))?;
            self.forget(spot);
        }
        Ok(())
    }

    fn flush_page(&mut self, rig: &Rig, spot: Spot) -> CaseResult {
        let answer = rig.flush_page(spot.handle);
        self.check_flush(spot, answer)?;
        self.forget(spot);
        Ok(())
    }

    fn flush_object(&mut self, rig: &Rig, spot: Spot) -> CaseResult {
        let answer = rig.flush_object(spot.handle);
        self.check_flush(spot, answer)?;
        let first = spot.page - spot.page % INDEXES as usize;
        for page in first..first + INDEXES as usize {
            self.forget(Spot::new(spot.slot, page));
        }
        Ok(())
    }

    fn check_flush(&self, spot: Spot, answer: i64) -> CaseResult {
        let there = self.wanted(spot).is_some();
        expect("flush", answer, if there { statuses::SUCCESS } else { statuses::NO_DEVICE })
    }

    fn destroy(&mut self, rig: &Rig, spot: Spot) -> CaseResult {
        let answer = rig.destroy_pool(spot.handle.pool_id);
        let there = self.pools.get_mut(spot.slot).and_then(Option::take).is_some();
        expect("destroy", answer, if there { statuses::SUCCESS } else { statuses::NOTHING })
    }

    fn new_pool(&mut self, rig: &Rig, rng: &mut Rng) -> CaseResult {
        let kind = if rng.below(2) == 0 { Kind::Ephemeral } else { Kind::Persistent };
        let free = self.pools.iter_mut().zip(0..).find(|(pool, _)| pool.is_none());
        if let Some((place, id)) = free {
            expect("NEW_POOL", i64::from(rig.new_pool(kind)?), id)?;
            *place = Some(Pool { kind, pages: [0; PAGES] });
        }
        Ok(())
    }

    /// Whether the model allows this answer, which is not a hit.
    fn check_miss(&self, what: &str, want: Want, answer: i64) -> CaseResult {
        let full = self.host == Host::Full;
        let may_be_lost = full && want.kind == Kind::Ephemeral;
        if want.number != 0 && !may_be_lost {
            fail!("{what} of a stored page: answered {answer}");
        }
        let allowed = match answer {
            statuses::NOTHING => !want.pool_empty || may_be_lost,
            statuses::EMPTY => want.pool_empty || may_be_lost,
            _ => false,
        };
        if !allowed {
            fail!("{what} of an absent page (pool empty: {}): answered {answer}", want.pool_empty);
        }
        Ok(())
    }

    fn page(&mut self, spot: Spot) -> Option<&mut u32> {
        self.pools.get_mut(spot.slot)?.as_mut()?.pages.get_mut(spot.page)
    }

    fn forget(&mut self, spot: Spot) {
        if let Some(number) = self.page(spot) {
            *number = 0;
        }
    }

    fn wanted(&self, spot: Spot) -> Option<Want> {
        let pool = self.pools.get(spot.slot)?.as_ref()?;
        let number = *pool.pages.get(spot.page)?;
        let pool_empty = pool.pages.iter().all(|&number| number == 0);
        Some(Want { kind: pool.kind, number, pool_empty })
    }
}

/// What the model knows of a page in a live pool.
#[derive(Clone, Copy)]
struct Want {
    kind: Kind,
    number: u32,
    pool_empty: bool,
}

/// -28: a duplicate put failed for memory.
const NO_SPACE: i64 = hypercall_abi::Status::NoSpace.encode();

impl Spot {
    fn new(slot: usize, page: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both are small constants' remainders")]
        let (pool, page_number) = (slot as u32, page as u32);
        let object = u64::from(page_number / INDEXES);
        Self { slot, page, handle: at(pool, object, spread(page_number % INDEXES)) }
    }

    fn random(rng: &mut Rng) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "small constants")]
        let (pools, pages) = (POOLS as u32, PAGES as u32);
        Self::new(rng.below(pools) as usize, rng.below(pages) as usize)
    }
}

/// Half of the indexes side by side, half all over the field.
const fn spread(index: u32) -> u32 {
    if index.is_multiple_of(2) { index / 2 } else { index.wrapping_mul(0x9e37_79b1) }
}

fn content(rig: &Rig, number: u32) -> Content {
    Content::of(rig.seed, u64::from(number))
}

fn bad_frame(rig: &Rig, rng: &mut Rng) -> u64 {
    // Nine kinds at most, and each guest has some of them.
    let nth = rng.below(9) as usize;
    rig.bad_frames().cycle().nth(nth).unwrap_or(BadFrame::BehindRam).mfn(rig)
}

#[cfg(test)]
mod tests {
    use super::{PAGES, Spot};

    #[test]
    fn no_two_pages_of_a_script_have_the_same_handle() {
        let mut seen = std::collections::HashSet::new();
        assert!((0..PAGES).all(|page| seen.insert(Spot::new(0, page).handle)));
    }
}
