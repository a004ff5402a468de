//! What ephemeral metadata one guest may have: R51, P21.
//!
//! Nobody is charged for an ephemeral page or its metadata, so what bounds it is what the guest
//! holds: a floor, and a frame of metadata for every eight pages. Who scatters its pages and then
//! flushes all but a few has more than that, and gets no more until it has less.

use hypercall_abi::Handle;
use tmem_host_sim::{Content, Fault, SimHost};
use tmem_model_tests::{EVICTED_PER_PUT_MAX, Guest, World, answer, at, flags};
use tmem_service::DomainId;

/// Frames of metadata that a client's ephemeral pools may always have.
const FLOOR: u64 = 2560;
/// Pages that entitle a client to one frame more.
const PAGES_PER_FRAME: u64 = 8;

const POOLS: u32 = 16;
/// Pages that go into a pool before most of them are flushed.
const PAGES_PER_WAVE: u32 = 6000;
/// Of so many pages one stays: a record or two in every frame of records.
const KEPT_OF: u32 = 24;

/// A guest that scatters pages over its pools, one a block, in an order without order.
struct Scatterer {
    world: World,
    guest: Guest,
    /// Frames of metadata of everybody else.
    nr_others: u64,
    kept: Vec<Handle>,
    nr_refused: u32,
    nr_evicted: usize,
}

impl Scatterer {
    /// Domain 1, with its pools, beside domain 2 with one.
    fn new(nr_frames: usize) -> Self {
        let builder = SimHost::builder().frames(nr_frames).metadata_in_frames().domains(2);
        let world = World::new(builder);
        let guest = world.guest(1);
        for pool_id in 0..POOLS {
            assert_eq!(guest.new_pool(flags::EPHEMERAL, 0), i64::from(pool_id));
        }
        assert_eq!(world.guest(2).new_pool(flags::EPHEMERAL, 0), 0);
        let nr_others = world.host().nr_metadata();
        Self { world, guest, nr_others, kept: Vec::new(), nr_refused: 0, nr_evicted: 0 }
    }

    /// Handle `number` of a pool: an object of its own or a block of its own.
    fn handle(pool_id: u32, number: u32) -> Handle {
        // 4099 is prime to the number of pages of a wave, so each comes once.
        let place = number * 4099 % PAGES_PER_WAVE;
        if place.is_multiple_of(2) {
            at(pool_id, u64::from(place), 0)
        } else {
            at(pool_id, 1, place << 6)
        }
    }

    fn nr_pages(&self) -> u64 {
        self.world.service().client_stats(DomainId(1)).map_or(0, |stats| stats.pages)
    }

    fn nr_metadata(&self) -> u64 {
        self.world.host().nr_metadata() - self.nr_others
    }

    /// Puts a page, and checks what it cost: nothing of others', and no metadata beyond the bound.
    fn put(&mut self, handle: Handle) -> bool {
        let host = self.world.host();
        drop(host.take_evicted());
        let (before, refused) = (self.nr_metadata(), host.refusals());
        let answer = self.guest.put(handle, Content::Unique(handle.index.0));
        let evicted = host.take_evicted();
        assert!(evicted.len() <= EVICTED_PER_PUT_MAX);
        assert!(evicted.iter().all(|page| page.owner == DomainId(1)), "another's page went");
        assert_eq!(host.refusals().since(&refused).of(Fault::Frame), 0, "the host has frames");
        if self.nr_metadata() > before {
            // What was evicted counted until it was.
            let bound = FLOOR + (self.nr_pages() + evicted.len() as u64) / PAGES_PER_FRAME;
            assert!(self.nr_metadata() <= bound, "{} frames, {bound} allowed", self.nr_metadata());
        }
        self.nr_evicted += evicted.len();
        if answer == answer::NO_MEMORY {
            assert_eq!(evicted.len(), EVICTED_PER_PUT_MAX, "it gave what it could");
            self.nr_refused += 1;
        } else {
            assert_eq!(answer, answer::SUCCESS);
        }
        answer == answer::SUCCESS
    }

    /// Fills a pool, and flushes all but a few pages of it.
    fn wave(&mut self, pool_id: u32) {
        let stored: Vec<_> =
            (0..PAGES_PER_WAVE).filter(|&number| self.put(Self::handle(pool_id, number))).collect();
        for number in stored {
            let handle = Self::handle(pool_id, number);
            if number % KEPT_OF == 0 {
                self.kept.push(handle);
            } else {
                assert_eq!(self.guest.flush(handle), 1);
            }
        }
    }
}

/// Waves over all pools: in the end the guest holds frames of metadata by the thousand for a few
/// hundred pages. Then another guest comes, and has memory all the same.
#[test]
fn r51_p21_a_guest_that_scatters_its_pages_has_bounded_metadata_and_harms_nobody() {
    let mut scatterer = Scatterer::new(15_000);
    for pool_id in 0..POOLS {
        scatterer.wave(pool_id);
    }
    assert!(scatterer.nr_refused > 50, "the bound was met: {} refusals", scatterer.nr_refused);
    assert!(scatterer.nr_evicted > 500, "{} pages of its own paid", scatterer.nr_evicted);
    let other = scatterer.world.guest(2);
    for number in 0..25_000 {
        assert_eq!(other.put(at(0, 1, number), Content::Unique(number)), 1, "page {number}");
        if number % 50 == 0 {
            // It goes on trying meanwhile, in blocks that it never used.
            let answer = scatterer.guest.put(at(15, 2, number << 6), Content::ZERO);
            assert!([answer::SUCCESS, answer::NO_MEMORY].contains(&answer));
        }
    }
    for number in 24_000..25_000 {
        let (answer, content) = other.get(at(0, 1, number));
        assert_eq!((answer, content), (1, Some(Content::Unique(number))));
    }
    assert!(scatterer.world.service().audit().is_ok());
}

#[test]
fn r51_who_flushes_everything_may_put_again() {
    let mut scatterer = Scatterer::new(15_000);
    for pool_id in 0..POOLS {
        scatterer.wave(pool_id);
    }
    assert!(scatterer.nr_refused > 50, "the bound was met: {} refusals", scatterer.nr_refused);
    for handle in core::mem::take(&mut scatterer.kept) {
        assert_eq!(scatterer.guest.flush(handle), 1);
    }
    assert_eq!(scatterer.nr_pages(), 0);
    // What empty pools keep is below the floor.
    assert!(scatterer.nr_metadata() < FLOOR, "{} frames", scatterer.nr_metadata());
    scatterer.nr_refused = 0;
    for pool_id in 0..POOLS {
        for number in 0..200 {
            assert!(scatterer.put(at(pool_id, u64::from(number), number << 6)));
        }
    }
    assert_eq!(scatterer.nr_refused, 0);
}

/// A domain pays for its persistent pages and, in whole frames, for all their metadata, and for
/// nothing else.
#[test]
fn r51_p21_persistent_metadata_is_charged_to_its_domain_frame_by_frame() {
    let mut world = World::with_frames(4000);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    let charged = |world: &World| u64::from(world.host().domain(DomainId(1)).nr_charged());
    for number in 0..2000 {
        assert_eq!(world.put(1, at(0, 1, number * 65), Content::Unique(number)), 1);
        if number % 400 == 399 {
            let totals = world.audit();
            assert!(totals.metadata_frames >= u64::from(number) / 100);
            assert_eq!(charged(&world), totals.persistent_pages + totals.metadata_frames);
        }
    }
    let before = charged(&world);
    for number in 0..1000 {
        assert_eq!(world.put(2, at(0, u64::from(number), number), Content::Unique(number)), 1);
    }
    assert_eq!((charged(&world), world.host().domain(DomainId(2)).nr_charged()), (before, 0));
    assert_eq!(world.destroy(2, 0), 1);
    for number in 0..2000 {
        assert_eq!(world.flush(1, at(0, 1, number * 65)), 1);
    }
    assert_eq!(charged(&world), world.audit().metadata_frames);
}
