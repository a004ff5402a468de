//! The policy of eviction is a choice of the host's: R42 and R45 are what `Lru` makes of events and
//! shares, and another policy makes something else of the same engine.

use core::marker::PhantomData;
use tmem_engine::{
    Age, Caller, ChargeRefused, DomainId, Engine, Event, EvictedPage, Fifo, Frame, GetOutcome,
    Host, Lifetime, Lru, Policy, PoolKind, Share, Victim,
};
use tmem_host_sim::SimHost;

/// A simulated host with a policy of the test's.
struct With<P> {
    host: SimHost,
    policy: PhantomData<fn() -> P>,
}

impl<P: Policy> Host for With<P> {
    type Policy = P;

    fn take_frame(&self) -> Option<Frame> {
        self.host.take_frame()
    }

    fn take_spare(&self) -> Option<Frame> {
        self.host.take_spare()
    }

    fn give_frame(&self, frame: Frame) {
        self.host.give_frame(frame);
    }

    fn give_room(&self, frame: Frame) {
        self.host.give_room(frame);
    }

    fn metadata_wanted(&self) -> bool {
        self.host.metadata_wanted()
    }

    fn metadata_freed(&self) {
        self.host.metadata_freed();
    }

    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused> {
        self.host.charge(domain, frames)
    }

    fn uncharge(&self, domain: DomainId, frames: u32) {
        self.host.uncharge(domain, frames);
    }

    fn page_evicted(&self, page: EvictedPage) {
        self.host.page_evicted(page);
    }

    fn lock_held(&self, taken: bool) {
        self.host.lock_held(taken);
    }
}

/// As `Lru`, but a duplicate put makes a page the youngest.
struct Refreshing;

impl Policy for Refreshing {
    fn age(_: Event) -> Age {
        Age::Youngest
    }

    fn victim(share: Share) -> Victim {
        Lru::victim(share)
    }
}

const OBJECT: [u64; 3] = [1, 2, 3];

/// An engine under a policy, with the clients 1 and 2.
struct Bed<P: Policy> {
    engine: Engine<With<P>>,
    clients: [Caller; 2],
}

impl<P: Policy> Bed<P> {
    /// On so many frames; both clients have the pool 0, as `kind` says.
    fn new(nr_frames: usize, kind: PoolKind) -> Self {
        let host = SimHost::builder().frames(nr_frames).domains(2).build();
        let host = With { host, policy: PhantomData };
        let engine = Engine::new(host, [1, 2, 3, 4]).expect("the engine starts");
        let clients = [1, 2].map(|domain| {
            let client = engine.create_client(DomainId(domain)).expect("a client's record");
            assert_eq!(engine.set_auth(DomainId(domain), [7, u64::from(domain)], true), Ok(()));
            let kind = match kind {
                PoolKind::Shared(_) => PoolKind::Shared([7, u64::from(domain)]),
                PoolKind::Private(_) => kind,
            };
            assert_eq!(engine.new_pool(client, kind), Ok(0));
            client
        });
        Self { engine, clients }
    }

    fn put(&self, client: usize, index: u32) {
        let put = self.engine.put(self.clients[client], 0, OBJECT, index, |_| Ok::<_, ()>(()));
        assert!(put.is_ok(), "{put:?}");
    }

    fn is_there(&self, client: usize, index: u32) -> bool {
        let got = self.engine.get(self.clients[client], 0, OBJECT, index, |_| Ok::<_, ()>(()));
        got == Ok(GetOutcome::Hit)
    }

    /// The pages of `indexes` that client 1 still has in a shared pool.
    fn present(&self, indexes: core::ops::Range<u32>) -> Vec<u32> {
        indexes.filter(|&index| self.is_there(0, index)).collect()
    }
}

impl<P: Policy> Drop for Bed<P> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert!(self.engine.audit().is_ok());
        for domain in [1, 2].map(DomainId) {
            while !self.engine.destroy_client(domain) {}
        }
        let totals = self.engine.audit().expect("the books are right");
        self.engine.host().host.assert_nothing_leaked(totals.kept_frames);
    }
}

/// Client 1 fills three frames in a shared pool and hits its first page; client 2 then puts two.
fn after_a_hit<P: Policy>() -> Vec<u32> {
    let bed = Bed::<P>::new(3, PoolKind::Shared([7, 0]));
    (0..3).for_each(|index| bed.put(0, index));
    assert!(bed.is_there(0, 0));
    (0..2).for_each(|index| bed.put(1, index));
    bed.present(0..3)
}

#[test]
fn r42_whether_a_shared_hit_refreshes_is_the_policys_choice() {
    assert_eq!(after_a_hit::<Lru>(), [0]);
    assert_eq!(after_a_hit::<Refreshing>(), [0]);
    assert_eq!(after_a_hit::<Fifo>(), [2]);
}

/// The same with a duplicate put in place of the hit, for which a frame is free.
fn after_a_duplicate<P: Policy>() -> Vec<u32> {
    let bed = Bed::<P>::new(4, PoolKind::Shared([7, 0]));
    (0..3).for_each(|index| bed.put(0, index));
    bed.put(0, 0);
    (0..3).for_each(|index| bed.put(1, index));
    bed.present(0..3)
}

#[test]
fn r42_whether_a_duplicate_put_refreshes_is_the_policys_choice() {
    assert_eq!(after_a_duplicate::<Lru>(), [2]);
    assert_eq!(after_a_duplicate::<Fifo>(), [2]);
    assert_eq!(after_a_duplicate::<Refreshing>(), [0]);
}

/// Each put that refreshes adds to the log of ages, whose first chunk has room for 448.
#[test]
fn r42_a_put_that_refreshes_finds_a_place_for_its_age_wherever_the_log_ends() {
    for nr_puts in (430..530).step_by(5) {
        let bed = Bed::<Refreshing>::new(65, PoolKind::Shared([7, 0]));
        // All of one block, so of one shard; one frame stays free for the duplicates.
        (0..nr_puts).for_each(|number| bed.put(0, number % 64));
        (0..2).for_each(|index| bed.put(1, index));
        let missing: Vec<_> = (0..64).filter(|&index| !bed.is_there(0, index)).collect();
        assert_eq!(
            missing,
            [nr_puts % 64],
            "after {nr_puts} puts the next one's page is the oldest"
        );
    }
}

/// Two clients with the weights 1 and 3 put new pages by turns; the pages that each holds.
fn under_pressure<P: Policy>() -> [u64; 2] {
    const FRAMES: u32 = 400;
    let bed = Bed::<P>::new(FRAMES as usize, PoolKind::Private(Lifetime::Ephemeral));
    for (domain, weight) in [(1, 1), (2, 3)] {
        assert!(bed.engine.set_weight(DomainId(domain), weight));
    }
    for index in 0..3 * FRAMES {
        bed.put(0, index);
        bed.put(1, index);
    }
    bed.clients.map(|client| bed.engine.client_stats(client).pages)
}

#[test]
fn r45_what_weights_do_is_the_policys_choice() {
    let [light, heavy] = under_pressure::<Lru>();
    assert_eq!(light + heavy, 400);
    assert!((90..=110).contains(&light), "{light} and {heavy}");
    assert_eq!(under_pressure::<Fifo>(), [200, 200]);
}

#[test]
fn r45_p16_who_holds_more_than_its_share_pays_and_not_who_holds_less() {
    let share = |held_pages, weight| Share { held_pages, all_pages: 1000, weight, weight_sum: 4 };
    for (held_pages, weight, victim) in [
        (0, 1, Victim::Exceeding),
        (249, 1, Victim::Exceeding),
        (250, 1, Victim::Exceeding),
        (251, 1, Victim::Requester),
        (750, 3, Victim::Exceeding),
        (751, 3, Victim::Requester),
        (1000, 3, Victim::Requester),
    ] {
        let share = share(held_pages, weight);
        assert_eq!(Lru::victim(share), victim, "{share:?}");
        assert_eq!(Fifo::victim(share), Victim::Host);
    }
    // No product overflows.
    let (all_pages, weight_sum) = (u64::MAX, u64::MAX);
    let huge = Share { held_pages: u64::MAX, all_pages, weight: u32::MAX, weight_sum };
    assert_eq!(Lru::victim(huge), Victim::Requester);
}
