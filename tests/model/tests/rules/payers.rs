//! Whose page goes when a client puts, with weights: R45, R37.

use crate::weights::{FRAMES, Pressure};
use hypercall_abi::Uuid;
use tmem_host_sim::Content;
use tmem_model_tests::{answer, at, flags};
use tmem_service::DomainId;

#[test]
fn r45_a_client_without_a_weight_takes_the_hosts_oldest_page() {
    let mut pressure = Pressure::new(&[1, 1, 0]);
    pressure.turns(&[1, 1, 0], 2 * FRAMES);
    for _ in 0..FRAMES / 2 {
        let evicted = pressure.put_watched(3);
        assert_eq!(evicted.len(), 1);
    }
    // It took from both alike, what each had put first.
    let half = u64::from(FRAMES) / 4;
    assert!(pressure.held(1).abs_diff(half) <= 1 && pressure.held(2).abs_diff(half) <= 1);
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

/// What an idle client holds counts in all ephemeral memory, so its pages are not what the others'
/// shares are short of.
#[test]
fn r45_the_pages_of_idle_clients_count_in_all() {
    let mut pressure = Pressure::new(&[0, 0, 0, 0]);
    // Three quarters are in pools that ask for no more metadata after their first few pages; that
    // is when their pages are counted.
    let nr_pages = FRAMES * 3 / 4 / 32;
    assert!(nr_pages < 64, "a block's pages");
    for domain in [3, 4] {
        for pool_id in 1..16 {
            assert_eq!(pressure.world.new_pool(domain, flags::EPHEMERAL, 0), pool_id);
        }
        for index in 0..nr_pages {
            for pool_id in 0..16 {
                let handle = at(pool_id, 1, index);
                assert_eq!(pressure.world.put(domain, handle, Content::Unique(index)), 1);
            }
        }
    }
    (0..FRAMES - 32 * nr_pages).for_each(|_| pressure.put(1));
    // Domain 2 has a weight and no page: domain 1's share is half of the host.
    assert!(pressure.world.set_weight(1, 1) && pressure.world.set_weight(2, 1));
    (0..2 * FRAMES).for_each(|_| pressure.put(1));
    let (held, share) = (pressure.held(1), u64::from(FRAMES) / 2);
    assert!(held.abs_diff(share) * 10 <= share, "domain 1 holds {held} of {FRAMES}");
    assert_eq!(held + pressure.held(3) + pressure.held(4), u64::from(FRAMES));
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
