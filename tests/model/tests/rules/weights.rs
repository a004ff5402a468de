//! Weights: what clients hold follows them. R45, R46, P16. Who pays for a put: `payers.rs`.
//!
//! A share is a part of all ephemeral pages, the weight over the sum of all weights. Wherever calls
//! go by `World`, the model checks each eviction: the host's oldest page or, with weights, the oldest
//! of a client that has one.

use crate::threads::{self, on_all_cpus};
use tmem_engine::EvictedPage;
use tmem_host_sim::Content;
use tmem_model_tests::{World, at, flags};
use tmem_service::DomainId;

/// Frames of the host: what is put is many times as much.
pub(crate) const FRAMES: u32 = 2400;

/// Clients that put new pages into a pool each, on a host that is too small.
pub(crate) struct Pressure {
    pub(crate) world: World,
    /// Pages that each domain has put, from domain 1 on.
    nr_put: Vec<u32>,
}

impl Pressure {
    /// Domains 1, 2, ... with these weights.
    pub(crate) fn new(weights: &[u32]) -> Self {
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
    pub(crate) fn put(&mut self, domain: u16) {
        let number = self.next(domain);
        let handle = at(0, u64::from(number / 64), number % 64);
        assert_eq!(self.world.put(domain, handle, Content::Unique(number)), 1);
    }

    /// The same without the model, for the pages that it costs.
    pub(crate) fn put_watched(&mut self, domain: u16) -> Vec<EvictedPage> {
        let number = self.next(domain);
        let handle = at(0, u64::from(number / 64), number % 64);
        drop(self.world.host().take_evicted());
        assert_eq!(self.world.guest(domain).put(handle, Content::Unique(number)), 1);
        self.world.host().take_evicted()
    }

    /// The domains put in turn, domain n `rates[n - 1]` pages each time, until the busiest of them
    /// has put `nr_puts`.
    pub(crate) fn turns(&mut self, rates: &[u32], nr_puts: u32) {
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

    pub(crate) fn held(&self, domain: u16) -> u64 {
        let stats = self.world.service().client_stats(DomainId(domain));
        stats.expect("the domain is a client").pages
    }

    /// That each domain holds its share of the host, to a tenth of it.
    pub(crate) fn assert_shares(&self, weights: &[u32]) {
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
fn r45_nobody_has_to_leave_room_for_clients_that_want_none() {
    let mut pressure = Pressure::new(&[1, 1000]);
    (0..3 * FRAMES).for_each(|_| pressure.put(1));
    assert_eq!(pressure.held(1), u64::from(FRAMES));
}

#[test]
fn r46_shares_follow_a_weight_that_is_set_anew() {
    let mut pressure = Pressure::new(&[1, 3]);
    for weights in [[1, 3], [3, 1], [1, 1], [4, 1]] {
        for (domain, weight) in (1..).zip(weights) {
            // The audit compares the sum with the weights there are.
            assert!(pressure.world.set_weight(domain, 17) && pressure.world.set_weight(domain, 0));
            assert!(pressure.world.set_weight(domain, weight));
            assert!(pressure.world.service().audit().is_ok());
        }
        pressure.rush(&[1, 1], 2 * FRAMES);
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
    assert!(pressure.world.service().audit().is_ok());
    pressure.rush(&[4, 1, 1], 8 * FRAMES);
    pressure.assert_shares(&[1, 1, 1]);
    assert!(pressure.world.set_weight(1, 0));
    assert!(pressure.world.service().audit().is_ok());
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

/// Weights change while clients put on all CPUs: the sum, the counts and the books agree at the end
/// of each round, and then shares are what they should be.
#[test]
fn r46_weights_may_change_while_clients_put() {
    const NR_PUTS: u32 = 3000;
    let world = threads::world(600);
    for domain in [1, 2] {
        assert_eq!(world.guest(domain).new_pool(flags::EPHEMERAL, 0), 0);
    }
    for round in 0..4 {
        // The audit at the end compares the sum of weights, and the host's count with the pools'.
        on_all_cpus(&world, domain_of, |cpu, guest| {
            for number in 0..NR_PUTS {
                let handle = at(0, u64::from(round * NR_PUTS + number), 0);
                assert_eq!(guest.put(handle, Content::Unique(number)), 1);
                let weight = if number == NR_PUTS - 1 { 1 } else { number % 5 };
                assert!(world.service().set_weight(DomainId(domain_of(cpu)), weight).is_ok());
            }
        });
    }
    for domain in [1, 2] {
        assert_eq!(world.service().weight(DomainId(domain)), Some(1));
    }
    for object in 100_000..106_000 {
        let domain = if object % 3 == 0 { 2 } else { 1 };
        assert_eq!(world.guest(domain).put(at(0, object, 0), Content::ZERO), 1);
    }
    let held = [1, 2].map(|domain| world.service().client_stats(DomainId(domain)));
    let held = held.map(|stats| stats.map_or(0, |stats| stats.pages));
    assert!(held.iter().all(|&pages| (270..=330).contains(&pages)), "{held:?}");
}

fn domain_of(cpu: u32) -> u16 {
    1 + u16::try_from(cpu % 2).unwrap_or(0)
}
