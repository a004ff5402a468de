//! A guest's calls, each answered with the event that it was.

use crate::history::{About, Event, Told};
use crate::host::LoomHost;
use std::sync::Arc;
use tmem_engine::{
    Caller, Destroyed, DomainId, Engine, EvictedPage, Flushed, GetError, GetOutcome, Lifetime,
    PoolKind, PutError, PutSaving,
};

/// A page's name in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The object's number; its other two words are 0.
    pub object: u64,
    /// The page in the object.
    pub index: u32,
}

impl Page {
    /// Page `index` of object `object`.
    pub const fn new(object: u64, index: u32) -> Self {
        Self { object, index }
    }

    pub(crate) const fn oid(self) -> [u64; 3] {
        [self.object, 0, 0]
    }
}

/// A domain that is a client. Its clones are its CPUs.
#[derive(Clone)]
pub struct Guest {
    engine: Arc<Engine<LoomHost>>,
    domain: u16,
    client: Caller,
}

/// Slices that the pools of these tests take at most, if nothing holds them up.
const SLICES_MAX: u32 = 12;

/// The guest's frame is bad.
struct Bad;

impl Guest {
    /// Makes `domain` a client, if it is none yet.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new(engine: &Arc<Engine<LoomHost>>, domain: u16) -> Self {
        let client = engine.create_client(DomainId(domain)).expect("there is room");
        Self { engine: Arc::clone(engine), domain, client }
    }

    /// The client's number.
    pub fn client(&self) -> Caller {
        self.client
    }

    /// Makes a pool, or joins one. The pool's id, and what to tell.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new_pool(&self, kind: PoolKind) -> (u32, Told) {
        let id = self.engine.new_pool(self.client, kind).expect("there is room");
        let is_exclusive = kind == PoolKind::Private(Lifetime::Ephemeral);
        (id.into(), self.told(About::Pool, Event::Created { is_exclusive }))
    }

    /// Stores `value` under a name.
    pub fn put(&self, pool: u32, page: Page, value: u64) -> Told {
        let host = self.engine.host();
        let event = loop {
            let put = self.engine.put(self.client, pool, page.oid(), page.index, |frame| {
                host.copy_in(frame, value);
                Ok::<(), Bad>(())
            });
            match put {
                Ok(_) => break Event::Put(value),
                Err(PutError::NoPool) => {}
                Err(_) => break Event::PutFailed,
            }
            // As the service does: the domain may be being saved.
            match self.engine.put_saving(self.client, pool, page.oid(), page.index) {
                PutSaving::NoSpace => break Event::Replaced,
                PutSaving::Frozen => break Event::Refused,
                PutSaving::NoPool => break Event::NoPool,
                PutSaving::Again => {}
            }
        };
        self.told(About::Page(page), event)
    }

    /// Reads a page back.
    pub fn get(&self, pool: u32, page: Page) -> Told {
        let host = self.engine.host();
        let mut value = None;
        let mut drain = |frame| {
            value = Some(host.copy_out(frame));
            Ok::<(), Bad>(())
        };
        let mut got = self.engine.get(self.client, pool, page.oid(), page.index, &mut drain);
        if matches!(got, Err(GetError::NoPool)) {
            got = self.engine.get_saving(self.client, pool, page.oid(), page.index, &mut drain);
        }
        let event = match (got, value) {
            (Ok(GetOutcome::Hit), Some(value)) => Event::Hit(value),
            (Ok(GetOutcome::Miss) | Err(GetError::Empty), None) => Event::Miss,
            (Err(GetError::NoPool), None) => Event::NoPool,
            (_, value) => unreachable!("a get that delivers {value:?} and does not say so"),
        };
        self.told(About::Page(page), event)
    }

    /// Reads a page back into a frame that is bad.
    pub fn get_into_bad_frame(&self, pool: u32, page: Page) -> Told {
        let got = self.engine.get(self.client, pool, page.oid(), page.index, |_| Err(Bad));
        let event = match got {
            Ok(GetOutcome::Miss) | Err(GetError::Empty) => Event::Miss,
            Ok(GetOutcome::Hit) => unreachable!("a hit in a bad frame"),
            Err(GetError::Drain(Bad)) => Event::BadFrame,
            Err(GetError::NoPool) => Event::NoPool,
        };
        self.told(About::Page(page), event)
    }

    /// Removes a page.
    pub fn flush(&self, pool: u32, page: Page) -> Told {
        let event = loop {
            match self.engine.flush_page(self.client, pool, page.oid(), page.index) {
                Ok(Flushed::More) => {}
                Ok(Flushed::Done { .. }) => break Event::Flushed,
                Err(_) => break Event::NoPool,
            }
        };
        self.told(About::Page(page), event)
    }

    /// Removes the page's whole object, in as many slices as it takes.
    pub fn flush_object(&self, pool: u32, page: Page) -> Told {
        let event = loop {
            match self.engine.flush_object(self.client, pool, page.oid()) {
                Ok(Flushed::More) => {}
                Ok(Flushed::Done { .. }) => break Event::Flushed,
                Err(_) => break Event::NoPool,
            }
        };
        self.told(About::Object(page.object), event)
    }

    /// Destroys a pool or leaves it, in as many slices as it takes.
    pub fn destroy(&self, pool: u32) -> Told {
        let mut nr_slices = 0;
        let event = loop {
            if nr_slices > SLICES_MAX {
                // It waits for a call that is reading one of the pages.
                loom::thread::yield_now();
            }
            match self.engine.destroy_pool(self.client, pool) {
                Destroyed::More => nr_slices += 1,
                Destroyed::Done => break Event::Destroyed,
                Destroyed::Nothing => break Event::NoPool,
            }
        };
        self.told(About::Pool, event)
    }

    /// The evictions of pages of the domain's pool, each as the only event of a thread of its own.
    pub fn evictions(&self, pool: u32) -> Vec<Vec<Told>> {
        let evicted = self.engine.host().evicted().into_iter();
        let is_own = |page: &EvictedPage| {
            page.owner == DomainId(self.domain) && u32::from(page.pool_id) == pool
        };
        let about = |page: EvictedPage| About::Page(Page::new(page.object[0], page.index));
        let own = evicted.filter(is_own);
        own.map(|page| vec![self.told(about(page), Event::Evicted)]).collect()
    }

    fn told(&self, about: About, event: Event) -> Told {
        Told { by: self.domain, about, event }
    }
}
