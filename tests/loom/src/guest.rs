//! A guest's calls, each answered with the event that it was.

use crate::history::Event;
use crate::host::LoomHost;
use std::sync::Arc;
use tmem_engine::{
    ClientId, Destroyed, DomainId, Engine, Flushed, GetError, GetOutcome, Lifetime, PoolKind,
    PutError,
};

/// A page's name in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The object.
    pub object: [u64; 3],
    /// The page in the object.
    pub index: u32,
}

impl Page {
    /// Page `index` of object `object`.
    pub const fn new(object: u64, index: u32) -> Self {
        Self { object: [object, 0, 0], index }
    }
}

/// A domain that is a client. Its clones are its CPUs.
#[derive(Clone)]
pub struct Guest {
    engine: Arc<Engine<LoomHost>>,
    client: ClientId,
}

/// The guest's frame is bad.
struct Bad;

impl Guest {
    /// An engine on `host`.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn engine(host: LoomHost) -> Arc<Engine<LoomHost>> {
        Arc::new(Engine::new(host, [1, 2, 3, 4]).expect("there is memory"))
    }

    /// Makes `domain` a client.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new(engine: &Arc<Engine<LoomHost>>, domain: u16) -> Self {
        let client = engine.create_client(DomainId(domain)).expect("there is room");
        Self { engine: Arc::clone(engine), client }
    }

    /// The client's number.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// Makes a private pool.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new_pool(&self, lifetime: Lifetime) -> u32 {
        self.engine.new_pool(self.client, PoolKind::Private(lifetime)).expect("there is room").into()
    }

    /// Stores `value` under a name.
    pub fn put(&self, pool: u32, page: Page, value: u64) -> Event {
        let host = self.engine.host();
        let put = self.engine.put(self.client, pool, page.object, page.index, |frame| {
            host.copy_in(frame, value);
            Ok::<(), Bad>(())
        });
        match put {
            Ok(_) => Event::Put(value),
            Err(PutError::NoPool) => Event::NoPool,
            Err(_) => Event::PutFailed,
        }
    }

    /// Reads a page back.
    pub fn get(&self, pool: u32, page: Page) -> Event {
        let host = self.engine.host();
        let mut value = None;
        let got = self.engine.get(self.client, pool, page.object, page.index, |frame| {
            value = Some(host.copy_out(frame));
            Ok::<(), Bad>(())
        });
        match (got, value) {
            (Ok(GetOutcome::Hit), Some(value)) => Event::Hit(value),
            (Ok(GetOutcome::Miss | GetOutcome::Empty), None) => Event::Miss,
            (Err(GetError::NoPool), None) => Event::NoPool,
            (_, value) => unreachable!("a get that delivers {value:?} and does not say so"),
        }
    }

    /// Reads a page back into a frame that is bad.
    pub fn get_into_bad_frame(&self, pool: u32, page: Page) -> Event {
        match self.engine.get(self.client, pool, page.object, page.index, |_| Err(Bad)) {
            Ok(GetOutcome::Miss | GetOutcome::Empty) => Event::Miss,
            Ok(GetOutcome::Hit) => unreachable!("a hit in a bad frame"),
            Err(GetError::Drain(Bad)) => Event::BadFrame,
            Err(GetError::NoPool) => Event::NoPool,
        }
    }

    /// Removes a page.
    pub fn flush(&self, pool: u32, page: Page) -> Event {
        match self.engine.flush_page(self.client, pool, page.object, page.index) {
            Ok(_) => Event::Flushed,
            Err(_) => Event::NoPool,
        }
    }

    /// Removes the page's whole object, in as many slices as it takes.
    pub fn flush_object(&self, pool: u32, page: Page) -> Event {
        loop {
            match self.engine.flush_object(self.client, pool, page.object) {
                Ok(Flushed::More) => {}
                Ok(Flushed::Done { .. }) => return Event::Flushed,
                Err(_) => return Event::NoPool,
            }
        }
    }

    /// Destroys a pool, in as many slices as it takes.
    pub fn destroy(&self, pool: u32) -> Event {
        loop {
            match self.engine.destroy_pool(self.client, pool) {
                Destroyed::More => {}
                Destroyed::Done => return Event::Destroyed,
                Destroyed::Nothing => return Event::NoPool,
            }
        }
    }

    /// How often a page was evicted, each time as the only event of a thread of its own.
    pub fn evictions(&self, page: Page) -> Vec<Vec<Event>> {
        let is_it = |object, index| (object, index) == (page.object, page.index);
        let evicted = self.engine.host().evicted().into_iter();
        let evicted = evicted.filter(|evicted| is_it(evicted.object, evicted.index));
        evicted.map(|_| vec![Event::Evicted]).collect()
    }
}
