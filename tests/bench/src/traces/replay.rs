//! A guest with a page cache of its own in front of tmem.

use crate::guest::{Guest, Page};
use crate::workloads::service;
use anyhow::Result;
use hypercall_abi::PoolFlags;
use lru::LruCache;
use std::collections::HashSet;
use std::num::NonZeroUsize;

/// The distinct keys are this many times as many as either cache holds: 5 %.
const KEYS_PER_PLACE: usize = 20;
/// Keys of an object.
const OBJECT_KEYS: u64 = 64;

/// What a replay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misses {
    /// References.
    pub references: usize,
    /// Distinct keys.
    pub distinct: usize,
    /// Pages that each of the two levels holds.
    pub capacity: usize,
    /// References that the guest's own cache missed.
    pub first: usize,
    /// Of these, the ones that tmem missed too.
    pub both: usize,
}

impl Misses {
    /// Misses of the guest's own cache per reference, to four decimals.
    pub fn first_ratio(&self) -> String {
        self.ratio(self.first)
    }

    /// Misses of both levels per reference, to four decimals.
    pub fn both_ratio(&self) -> String {
        self.ratio(self.both)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn ratio(&self, misses: usize) -> String {
        format!("{:.4}", misses as f64 / self.references.max(1) as f64)
    }
}

/// Replays `references`: the guest's cache holds the least recently used pages up to 5 % of the
/// distinct keys, and the host has exactly as many frames for pages. What falls out of the guest's
/// cache is put into a private ephemeral pool, what the cache misses is got, which takes it out.
///
/// # Errors
/// When the service refuses a call or answers with wrong data.
pub fn replay(references: &[u64]) -> Result<Misses> {
    let distinct = references.iter().collect::<HashSet<_>>().len();
    let places = NonZeroUsize::new(distinct / KEYS_PER_PLACE).unwrap_or(NonZeroUsize::MIN);
    let service = service(places.get())?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let page = |key: u64| {
        let index = u32::try_from(key % OBJECT_KEYS).unwrap_or(u32::MAX);
        Page { pool, object: key / OBJECT_KEYS, index }
    };
    let capacity = places.get();
    let mut misses = Misses { references: references.len(), distinct, capacity, first: 0, both: 0 };
    let mut cache = LruCache::new(places);
    for (nth, &key) in references.iter().enumerate() {
        if cache.get(&key).is_some() {
            continue;
        }
        misses.first += 1;
        if !guest.try_get(nth, page(key), [key, 1])? {
            misses.both += 1;
        }
        if let Some((evicted, ())) = cache.push(key, ()) {
            guest.put(nth, page(evicted), [evicted, 1])?;
        }
    }
    Ok(misses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_levels_miss_what_one_of_both_sizes_would_miss() {
        let mut rng = crate::rng::Rng::new(1);
        let law = crate::zipf::Zipf::new(4000, 0.7);
        let references: Vec<u64> = (0..60_000).map(|_| law.draw(&mut rng) as u64).collect();
        let misses = replay(&references).expect("right answers");
        let size = |places| NonZeroUsize::new(places).expect("not 0");
        let count = |places| {
            let mut cache = LruCache::new(size(places));
            references
                .iter()
                .filter(|&&key| {
                    let is_hit = cache.get(&key).is_some();
                    cache.push(key, ());
                    !is_hit
                })
                .count()
        };
        assert_eq!(misses.capacity, misses.distinct / 20);
        assert_eq!(misses.first, count(misses.capacity));
        assert_eq!(misses.both, count(2 * misses.capacity));
    }
}
