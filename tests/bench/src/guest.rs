//! A guest that calls the service as a hypercall would: with the 56 bytes of an operation.
//!
//! It puts from and gets into a ring of frames. Each put stamps its page, each get checks the
//! stamp, so a benchmark that reads wrong data ends with an error.

use crate::rng::Rng;
use anyhow::{Result, anyhow, bail, ensure};
use core::hint::black_box;
use core::sync::atomic::Ordering::Relaxed;
use hypercall_abi::{
    Handle, NewPool, OP_BYTES_64, ObjectId, Op, PageIndex, PoolFlags, Status, Uuid,
};
use tmem_host_sim::{GFNS_PER_DOMAIN, LeanHost};
use tmem_service::{DomainId, Outcome, Service};

/// The service that is measured.
pub type LeanService = Service<LeanHost>;

/// The seed of what guests' frames hold.
const CONTENT_SEED: u64 = 99;

/// A page's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The caller's pool id.
    pub pool: u32,
    /// The first word of the object id; the others are 0.
    pub object: u64,
    /// The index in the object.
    pub index: u32,
}

/// What a put writes into its page and a get expects: 16 bytes.
pub type Stamp = [u64; 2];

/// A domain with its ring of frames.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    service: &'a LeanService,
    domain: DomainId,
}

impl<'a> Guest<'a> {
    /// Domain `domain`, whose frames are filled.
    ///
    /// # Errors
    /// When the host has no such domain.
    pub fn new(service: &'a LeanService, domain: u16) -> Result<Self> {
        let domain = DomainId(domain);
        let mut rng = Rng::new(CONTENT_SEED);
        for gfn in 0..GFNS_PER_DOMAIN as u64 {
            let page = service.platform().guest_page(domain, gfn);
            let page = page.ok_or_else(|| anyhow!("the host has no domain {}", domain.0))?;
            page.iter().for_each(|word| word.store(rng.bits(), Relaxed));
        }
        Ok(Self { service, domain })
    }

    /// The service that it calls.
    pub const fn service(&self) -> &'a LeanService {
        self.service
    }

    /// The domain's number.
    pub const fn domain(&self) -> DomainId {
        self.domain
    }

    /// Makes a pool, or joins the shared one of `uuid`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn new_pool(&self, flags: PoolFlags, uuid: [u64; 2]) -> Result<u32> {
        let op = Op::NewPool(NewPool { flags: flags.to_word(), uuid: Uuid(uuid) });
        match self.call(&op) {
            Outcome::Done(Status::Pool(id)) => Ok(u32::from(id)),
            other => bail!("a new pool is refused: {other:?}"),
        }
    }

    /// Puts `page` with `stamp` from the ring's frame number `nth`, and answers what the call does.
    #[inline]
    pub fn try_put(&self, nth: usize, page: Page, stamp: Stamp) -> Status {
        let cmfn = (nth % GFNS_PER_DOMAIN) as u64;
        if let Some(words) = self.service.platform().guest_page(self.domain, cmfn) {
            words[0].store(stamp[0], Relaxed);
            words[1].store(stamp[1], Relaxed);
        }
        self.status(&Op::PutPage { handle: page.handle(), cmfn })
    }

    /// Puts `page`.
    ///
    /// # Errors
    /// When it is refused.
    #[inline]
    pub fn put(&self, nth: usize, page: Page, stamp: Stamp) -> Result<()> {
        match self.try_put(nth, page, stamp) {
            Status::Success => Ok(()),
            other => Err(unexpected("put", page, other)),
        }
    }

    /// Gets `page` into the ring's frame number `nth`, if it is there, and checks its stamp.
    /// Whether it was a hit.
    ///
    /// # Errors
    /// When the content is another.
    #[inline]
    pub fn try_get(&self, nth: usize, page: Page, stamp: Stamp) -> Result<bool> {
        let cmfn = (nth % GFNS_PER_DOMAIN) as u64;
        match self.status(&Op::GetPage { handle: page.handle(), cmfn }) {
            Status::Success => {}
            Status::Nothing | Status::Empty => return Ok(false),
            other => return Err(unexpected("get", page, other)),
        }
        let words = self.service.platform().guest_page(self.domain, cmfn);
        match words.map(|words| [words[0].load(Relaxed), words[1].load(Relaxed)]) {
            Some(found) if found == stamp => Ok(true),
            found => Err(wrong_content(page, stamp, found)),
        }
    }

    /// Gets `page`, which must be there.
    ///
    /// # Errors
    /// When it is not, or holds something else.
    #[inline]
    pub fn get(&self, nth: usize, page: Page, stamp: Stamp) -> Result<()> {
        if self.try_get(nth, page, stamp)? { Ok(()) } else { Err(missing(page)) }
    }

    /// Gets `page`, which must not be there although its pool has pages.
    ///
    /// # Errors
    /// When it is there, or the answer is not a miss.
    #[inline]
    pub fn miss(&self, page: Page) -> Result<()> {
        match self.status(&Op::GetPage { handle: page.handle(), cmfn: 0 }) {
            Status::Nothing => Ok(()),
            other => Err(unexpected("get", page, other)),
        }
    }

    /// Flushes `page`, there or not.
    ///
    /// # Errors
    /// When the call is refused.
    #[inline]
    pub fn flush(&self, page: Page) -> Result<()> {
        match self.status(&Op::FlushPage { handle: page.handle() }) {
            Status::Success => Ok(()),
            other => Err(unexpected("flush", page, other)),
        }
    }

    /// Flushes an object, in as many slices as it takes; answers their number.
    ///
    /// # Errors
    /// When a call is refused.
    pub fn flush_object(&self, pool: u32, object: u64) -> Result<usize> {
        self.run_slices(&Op::FlushObject { pool_id: pool, object: ObjectId([object, 0, 0]) })
    }

    /// Destroys a pool, in as many slices as it takes; answers their number.
    ///
    /// # Errors
    /// When a call is refused.
    pub fn destroy_pool(&self, pool: u32) -> Result<usize> {
        self.run_slices(&Op::DestroyPool { pool_id: pool })
    }

    fn run_slices(&self, op: &Op) -> Result<usize> {
        let mut nr_slices = 1;
        loop {
            match self.call(op) {
                Outcome::Again => nr_slices += 1,
                Outcome::Done(status) => {
                    ensure!(status == Status::Success, "{op:?} is answered by {status:?}");
                    return Ok(nr_slices);
                }
            }
        }
    }

    #[inline]
    fn status(&self, op: &Op) -> Status {
        match self.call(op) {
            Outcome::Done(status) => status,
            // The data path is done in one step; nobody expects this answer.
            Outcome::Again => Status::NotImplemented,
        }
    }

    /// One call, from the bytes that a guest writes.
    #[inline]
    pub fn call(&self, op: &Op) -> Outcome {
        hypercall(self.service, self.domain, black_box(&op.encode()))
    }
}

/// Gives every guest the right to the same shared pool and lets each join it. They have no pool yet,
/// so it has one pool id for all.
///
/// # Errors
/// When it is refused.
pub fn shared_pool(guests: &[Guest<'_>]) -> Result<u32> {
    let uuid = [0x7465_6d74, 0x6863_6e65];
    let mut pools = Vec::new();
    for guest in guests {
        let allowed = guest.service.set_auth(guest.domain, Uuid(uuid), true);
        allowed.map_err(|error| anyhow!("a domain is not authorised: {error:?}"))?;
        pools.push(guest.new_pool(PoolFlags::SHARED, uuid)?);
    }
    let first = pools.first().copied();
    first.filter(|id| pools.iter().all(|pool| pool == id)).ok_or_else(|| {
        anyhow!("guests without pools have different ids for their first one: {pools:?}")
    })
}

/// The border that the compiler must not look across: a real caller's operation is known to nobody
/// beforehand.
#[inline(never)]
pub fn hypercall(service: &LeanService, domain: DomainId, block: &[u8; OP_BYTES_64]) -> Outcome {
    service.op(domain, block)
}

impl Page {
    const fn handle(self) -> Handle {
        Handle {
            pool_id: self.pool,
            object: ObjectId([self.object, 0, 0]),
            index: PageIndex(self.index),
        }
    }
}

#[cold]
fn unexpected(what: &str, page: Page, status: Status) -> anyhow::Error {
    anyhow!("a {what} of {page:?} is answered by {status:?}")
}

#[cold]
fn missing(page: Page) -> anyhow::Error {
    anyhow!("{page:?} was put and is missed")
}

#[cold]
fn wrong_content(page: Page, expected: Stamp, found: Option<Stamp>) -> anyhow::Error {
    anyhow!("wrong data: {page:?} holds {found:?} and should hold {expected:?}")
}
