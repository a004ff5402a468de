//! MEM: what a stored page costs in metadata, by how pages are named.

use super::{host_frames, narrow, service};
use crate::files::Files;
use crate::guest::{Guest, Page};
use crate::original::Original;
use crate::report::Memory;
use crate::rng::Rng;
use anyhow::{Context as _, Result};
use hypercall_abi::{PAGE_SIZE_BYTES, PoolFlags};

/// The seed of random indices.
const INDICES_SEED: u64 = 5005;

/// A way to name pages.
struct Case {
    name: &'static str,
    flags: PoolFlags,
    /// The object and the index of the page with this number.
    name_page: Box<dyn FnMut(usize) -> (u64, u32)>,
}

fn cases(nr_pages: usize) -> Vec<Case> {
    let files = Files::new(nr_pages);
    let mut rng = Rng::new(INDICES_SEED);
    let ephemeral = PoolFlags::empty();
    let case = |name, flags, name_page| Case { name, flags, name_page };
    vec![
        case("dense", PoolFlags::PERSIST, Box::new(|nth| (1, narrow(nth)))),
        case("dense_ephemeral", ephemeral, Box::new(|nth| (1, narrow(nth)))),
        case(
            "64_page_objects",
            ephemeral,
            Box::new(|nth| (1000 + nth as u64 / 64, narrow(nth % 64))),
        ),
        case(
            "w2_mix",
            ephemeral,
            Box::new(move |nth| {
                let Page { object, index, .. } = files.page(0, nth);
                (object, index)
            }),
        ),
        case("one_page_per_object", ephemeral, Box::new(|nth| (1000 + nth as u64, 0))),
        case(
            "random_indices",
            ephemeral,
            Box::new(move |_| (1, narrow((rng.bits() >> 32).try_into().unwrap_or(0)))),
        ),
    ]
}

/// Stores `nr_pages` pages in each way.
///
/// All metadata that the engine has asked the host for counts, its records of the client and of the
/// pool too; only the tables that are made at start-up, whatever is stored, do not.
///
/// # Errors
/// When a put is refused.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn run(original: &Original, nr_pages: usize) -> Result<Vec<Memory>> {
    let mut figures = Vec::new();
    for Case { name, flags, mut name_page } in cases(nr_pages) {
        let service = service(host_frames(nr_pages))?;
        let guest = Guest::new(&service, 1)?;
        let pool = guest.new_pool(flags, [0; 2])?;
        for nth in 0..nr_pages {
            let (object, index) = name_page(nth);
            guest.put(nth, Page { pool, object, index }, [nth as u64, 1])?;
        }
        // A random index may come twice.
        let stats = service.pool_stats(guest.domain(), pool).context("the pool has gone")?;
        let bytes = service.platform().nr_metadata() * PAGE_SIZE_BYTES as u64;
        figures.push(Memory {
            case: name,
            bytes_per_page: bytes as f64 / stats.pages as f64,
            original: original.memory(name),
        });
    }
    Ok(figures)
}

/// The worse of the figures at several sizes, case by case.
pub fn worst(sizes: &[Vec<Memory>]) -> Vec<Memory> {
    let mut worst: Vec<Memory> = sizes.first().cloned().unwrap_or_default();
    for figures in sizes {
        for (worst, figure) in worst.iter_mut().zip(figures) {
            worst.bytes_per_page = worst.bytes_per_page.max(figure.bytes_per_page);
        }
    }
    worst
}
