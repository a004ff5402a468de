//! Weights: who holds more than its share pays first. R45, R46, P16, and R37 as far as shares go.
//!
//! A share is a part of all ephemeral pages, the weight over the sum of all weights. Wherever calls
//! go by `World`, the model checks each eviction: the host's oldest page or, with weights, the oldest
//! of a client that has one.

use hypercall_abi::Uuid;
use tmem_engine::EvictedPage;
use tmem_host_sim::Content;
use tmem_model_tests::{World, answer, at, flags};
use tmem_service::DomainId;

/// Frames of the host: what is put is many times as much.
const FRAMES: u32 = 2400;

/// Clients that put new pages into a pool each, on a host that is too small.
struct Pressure {
    world: World,
    /// Pages that each domain has put, from domain 1 on.
    nr_put: Vec<u32>,
}

impl Pressure {
    /// Domains 1, 2, ... with these weights.
    fn new(weights: &[u32]) -> Self {
        let mut world = World::with_frames(FRAMES as usize);
        for (domain, &weight) in (1..).zip(weights) {
            assert_eq!(world.new_pool(domain, flags::EPHEMERAL, 0), 0);
            assert!(world.set_weight(domain, weight));
        }
        Self { world, nr_put: vec![0; weights.len()] }
    }

    /// The next new page of a domain: handle and content follow from its number.
    fn next(&mut self, domain: u16) -> u32 {
        let nr_put = &mut self.nr_put[usize::from(domain) - 1];
        *nr_put += 1;
        *nr_put - 1
    }

    /// A domain puts a new page.
    fn put(&mut self, domain: u16) {
        let number = self.next(domain);
        let handle = at(0, u64::from(number / 64), number % 64);
        assert_eq!(self.world.put(domain, handle, Content::Unique(number)), 1);
    }

    /// The same without the model, for the pages that it costs.
    fn put_watched(&mut self, domain: u16) -> Vec<EvictedPage> {
        let number = self.next(domain);
        let handle = at(0, u64::from(number / 64), number % 64);
        drop(self.world.host().take_evicted());
        assert_eq!(self.world.guest(domain).put(handle, Content::Unique(number)), 1);
        self.world.host().take_evicted()
    }

    /// The domains put in turn, domain n `rates[n - 1]` pages each time, until the busiest of them
    /// has put `nr_puts`.
    fn turns(&mut self, rates: &[u32], nr_puts: u32) {
        let busiest = rates.iter().max().copied().unwrap_or(1);
        for _ in 0..nr_puts / busiest {
            for (domain, &rate) in (1..).zip(rates) {
                (0..rate).for_each(|_| self.put(domain));
            }
        }
    }

    /// The same without the model, for very many puts.
    fn rush(&mut self, rates: &[u32], nr_puts: u32) {
        let busiest = rates.iter().max().copied().unwrap_or(1);
        for _ in 0..nr_puts / busiest {
            for (domain, &rate) in (1..).zip(rates) {
                (0..rate).for_each(|_| assert!(self.put_watched(domain).len() <= 8));
            }
        }
    }

    fn held(&self, domain: u16) -> u64 {
        let stats = self.world.service().client_stats(DomainId(domain));
        stats.expect("the domain is a client").pages
    }

    /// That each domain holds its share of the host, to a tenth of it.
    fn assert_shares(&self, weights: &[u32]) {
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        for (domain, &weight) in (1..).zip(weights) {
            let (held, share) = (self.held(domain), u64::from(FRAMES * weight) / sum);
            let is_near = held.abs_diff(share) * 10 <= share;
            assert!(is_near, "domain {domain} of {weights:?} holds {held}, its share is {share}");
        }
    }
}

#[test]
fn r45_p16_under_equal_pressure_residency_follows_the_weights() {
    for weights in [&[1, 3][..], &[3, 1], &[1, 1], &[1, 1, 2], &[4, 3, 2, 1]] {
        let mut pressure = Pressure::new(weights);
        pressure.turns(&vec![1; weights.len()], 2 * FRAMES);
        for _round in 0..3 {
            pressure.turns(&vec![1; weights.len()], FRAMES / 2);
            pressure.assert_shares(weights);
        }
        pressure.world.audit();
    }
}

#[test]
fn r45_p16_residency_follows_the_weights_whatever_the_rates() {
    for weights in [[1, 1], [1, 3], [3, 1]] {
        for rates in [[5, 1], [1, 5]] {
            let mut pressure = Pressure::new(&weights);
            pressure.rush(&rates, 8 * FRAMES);
            for _round in 0..3 {
                pressure.rush(&rates, FRAMES);
                pressure.assert_shares(&weights);
            }
        }
    }
}

#[test]
fn r45_it_does_not_matter_who_was_there_first() {
    for first in [1, 2] {
        let mut pressure = Pressure::new(&[1, 3]);
        (0..FRAMES).for_each(|_| pressure.put(first));
        assert_eq!(pressure.held(first), u64::from(FRAMES), "alone it may have the whole host");
        pressure.turns(&[1, 1], 2 * FRAMES);
        pressure.assert_shares(&[1, 3]);
    }
}

/// Weights of zero, and a weight beside which there is no other: the host's oldest page goes, which
/// the model insists on and which shows in what each holds.
#[test]
fn r45_without_two_weights_the_order_is_that_of_the_whole_host() {
    for weights in [[0, 0], [0, 7], [7, 0]] {
        let mut pressure = Pressure::new(&weights);
        pressure.turns(&[3, 1], 3 * FRAMES);
        let held = [pressure.held(1), pressure.held(2)];
        assert_eq!(held, [u64::from(FRAMES) * 3 / 4, u64::from(FRAMES) / 4], "{weights:?}");
    }
    // A weight that was taken back counts no more.
    let mut pressure = Pressure::new(&[1, 9]);
    assert!(pressure.world.set_weight(2, 0));
    pressure.turns(&[1, 1], 2 * FRAMES);
    assert_eq!([pressure.held(1), pressure.held(2)], [u64::from(FRAMES) / 2; 2]);
}

#[test]
fn r45_a_client_without_a_weight_takes_the_hosts_oldest_page() {
    let mut pressure = Pressure::new(&[1, 1, 0]);
    pressure.turns(&[1, 1, 0], 2 * FRAMES);
    let (first, second) = (pressure.nr_put[0], pressure.nr_put[1]);
    for _ in 0..FRAMES / 2 {
        let evicted = pressure.put_watched(3);
        assert_eq!(evicted.len(), 1);
    }
    // It took from both alike, what each had put first.
    let half = u64::from(FRAMES) / 4;
    assert!(pressure.held(1).abs_diff(half) <= 1 && pressure.held(2).abs_diff(half) <= 1);
    assert_eq!((first, second), (pressure.nr_put[0], pressure.nr_put[1]));
}

#[test]
fn r45_a_client_above_its_share_pays_with_its_own_oldest_page() {
    // Domain 2's pages are older, but domain 1 has more than its half.
    let mut pressure = Pressure::new(&[1, 1]);
    (0..FRAMES / 4).for_each(|_| pressure.put(2));
    (0..FRAMES * 3 / 4).for_each(|_| pressure.put(1));
    for nth in 0..FRAMES {
        let evicted = pressure.put_watched(1);
        let names: Vec<_> = evicted.iter().map(|p| (p.owner, p.object[0], p.index)).collect();
        assert_eq!(names, [(DomainId(1), u64::from(nth / 64), nth % 64)]);
    }
    assert_eq!(pressure.held(2), u64::from(FRAMES) / 4);
}

#[test]
fn r45_a_client_below_its_share_never_pays_while_another_exceeds_its_own() {
    let mut pressure = Pressure::new(&[1, 3]);
    (0..FRAMES / 2).for_each(|_| pressure.put(2));
    (0..FRAMES / 2).for_each(|_| pressure.put(1));
    // All of domain 2's pages are older than those of domain 1, which pays all the same.
    for nr_puts in 1..=FRAMES / 4 {
        if nr_puts == 1 {
            let evicted = pressure.put_watched(1);
            assert!(evicted.iter().all(|page| page.owner == DomainId(1)) && evicted.len() == 1);
        }
        let evicted = pressure.put_watched(2);
        let payers: Vec<_> = evicted.iter().map(|page| page.owner).collect();
        assert_eq!(payers, [DomainId(1)], "put {nr_puts} of a client below its share");
    }
    pressure.assert_shares(&[1, 3]);
}

/// While nobody is known to exceed its share, a client below its own pays with its page only when
/// no other has an older one.
#[test]
fn r45_a_client_below_its_share_takes_the_hosts_oldest_from_idle_ones() {
    let mut pressure = Pressure::new(&[1, 3]);
    pressure.turns(&[1, 1], FRAMES / 2);
    for nth in 0..FRAMES / 2 {
        let evicted = pressure.put_watched(2);
        let names: Vec<_> = evicted.iter().map(|p| (p.owner.0, p.object[0], p.index)).collect();
        // The pages went in by turns, domain 1 first.
        let (domain, number) = (1 + u16::from(nth % 2 == 1), nth / 2);
        assert_eq!(names, [(domain, u64::from(number / 64), number % 64)]);
    }
}

#[test]
fn r45_a_client_that_stops_putting_keeps_its_share() {
    let mut pressure = Pressure::new(&[3, 1]);
    (0..FRAMES).for_each(|_| pressure.put(1));
    (0..5 * FRAMES).for_each(|_| pressure.put(2));
    pressure.assert_shares(&[3, 1]);
    // It lost its oldest pages.
    for number in [0, FRAMES / 5, FRAMES / 3, FRAMES / 2, FRAMES - 1] {
        let (answer, _) = pressure.world.get(1, at(0, u64::from(number / 64), number % 64));
        assert_eq!(answer == answer::SUCCESS, number > FRAMES / 4, "page {number}");
    }
}

#[test]
fn r45_nobody_has_to_leave_room_for_clients_that_want_none() {
    let mut pressure = Pressure::new(&[1, 1000]);
    (0..3 * FRAMES).for_each(|_| pressure.put(1));
    assert_eq!(pressure.held(1), u64::from(FRAMES));
}

/// What an idle client holds counts in all ephemeral memory, so its pages are not what the others'
/// shares are short of.
#[test]
fn r45_the_pages_of_idle_clients_count_in_all() {
    let mut pressure = Pressure::new(&[0, 0, 0]);
    (0..FRAMES * 3 / 4).for_each(|_| pressure.put(3));
    (0..FRAMES / 4).for_each(|_| pressure.put(1));
    // Domain 2 has a weight and no page: domain 1's share is half of the host.
    assert!(pressure.world.set_weight(1, 1) && pressure.world.set_weight(2, 1));
    (0..2 * FRAMES).for_each(|_| pressure.put(1));
    let (held, share) = (pressure.held(1), u64::from(FRAMES) / 2);
    assert!(held.abs_diff(share) * 10 <= share, "domain 1 holds {held} of {FRAMES}");
    assert_eq!(held + pressure.held(3), u64::from(FRAMES));
}

#[test]
fn r46_shares_follow_a_weight_that_is_set_anew() {
    let mut pressure = Pressure::new(&[1, 3]);
    for weights in [[1, 3], [3, 1], [1, 1], [4, 1]] {
        for (domain, weight) in (1..).zip(weights) {
            // The audit compares the sum with the weights there are.
            assert!(pressure.world.set_weight(domain, 17) && pressure.world.set_weight(domain, 0));
            assert!(pressure.world.set_weight(domain, weight));
            pressure.world.audit();
        }
        pressure.turns(&[1, 1], 2 * FRAMES);
        pressure.assert_shares(&weights);
    }
}

#[test]
fn r46_p16_after_a_clients_death_shares_are_those_of_the_rest() {
    let mut pressure = Pressure::new(&[1, 1, 2]);
    pressure.turns(&[1, 1, 1], 2 * FRAMES);
    pressure.assert_shares(&[1, 1, 2]);
    pressure.world.destroy_domain(3);
    pressure.world.audit();
    assert_eq!(pressure.world.service().weight(DomainId(3)), None);
    pressure.turns(&[1, 5], 6 * FRAMES);
    pressure.assert_shares(&[1, 1]);
    // Its number comes back without its weight, and the last weight but one goes too.
    pressure.world.create_domain(tmem_host_sim::DomainSpec::new(3));
    assert_eq!(pressure.world.new_pool(3, flags::EPHEMERAL, 0), 0);
    assert_eq!(pressure.world.service().weight(DomainId(3)), Some(0));
    pressure.world.destroy_domain(1);
    pressure.world.audit();
    pressure.turns(&[0, 3, 1], 3 * FRAMES);
    assert_eq!(pressure.held(2), u64::from(FRAMES) * 3 / 4, "alone with a weight");
}

/// The original's sum had 32 bits.
#[test]
fn r46_p16_the_largest_weights_add_up() {
    let mut pressure = Pressure::new(&[u32::MAX, u32::MAX, u32::MAX]);
    pressure.world.audit();
    pressure.turns(&[4, 1, 1], 8 * FRAMES);
    pressure.assert_shares(&[1, 1, 1]);
    assert!(pressure.world.set_weight(1, 0));
    pressure.world.audit();
}

#[test]
fn r46_a_weight_is_that_of_a_client() {
    let mut world = World::roomy();
    assert!(!world.set_weight(1, 5), "a domain that never called");
    assert_eq!(world.service().weight(DomainId(1)), None);
    world.new_pool(1, flags::EPHEMERAL, 0);
    assert_eq!(world.service().weight(DomainId(1)), Some(0));
    assert!(world.set_weight(1, 5));
    world.destroy_domain(1);
    assert!(!world.set_weight(1, 6), "a domain that is gone");
}

/// A shared pool's pages are the owner's, and after the owner has left the next one's.
#[test]
fn r45_r37_a_shared_pool_counts_for_its_owner() {
    let mut pressure = Pressure::new(&[1, 1, 1]);
    for domain in [1, 2] {
        assert!(pressure.world.set_auth(domain, Uuid([7, 0]), true));
        assert_eq!(pressure.world.new_pool(domain, flags::SHARED, 7), 1);
    }
    // Domain 2 fills the pool that domain 1 owns; domain 3 has the rest.
    let share = FRAMES / 3;
    for number in 0..2 * share {
        let handle = at(1, u64::from(number / 64), number % 64);
        assert_eq!(pressure.world.put(2, handle, Content::Unique(number)), 1);
    }
    (0..share).for_each(|_| pressure.put(3));
    assert_eq!((pressure.held(1), pressure.held(2)), (u64::from(2 * share), 0));
    // So domain 1 pays, by its name for the pool.
    let evicted = pressure.put_watched(1);
    let names: Vec<_> = evicted.iter().map(|p| (p.owner.0, p.pool_id, p.index)).collect();
    assert_eq!(names, [(1, 1, 0)]);
    // It leaves; nothing goes with it, for domain 2 used all of it last.
    assert_eq!(pressure.world.guest(1).destroy(1), 1);
    assert_eq!((pressure.held(1), pressure.held(2)), (1, u64::from(2 * share) - 1));
    for nth in 1..=share / 2 {
        let evicted = pressure.put_watched(2);
        let names: Vec<_> = evicted.iter().map(|p| (p.owner.0, p.pool_id, p.index)).collect();
        assert_eq!(names, [(2, 1, nth % 64)], "now domain 2 pays");
    }
    // And for those that are below their shares.
    for _ in 0..share / 2 {
        assert!(pressure.put_watched(1).iter().all(|page| page.owner == DomainId(2)));
    }
    assert_eq!(pressure.held(3), u64::from(share));
}
