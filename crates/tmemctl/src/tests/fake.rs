//! A hypervisor of a few maps, which answers control operations as `docs/hypercall.md` says.

use crate::hypervisor::{Hypervisor, Refusal};
use crate::stream::Page;
use hypercall_abi::control::{
    AuditInfo, CLIENT_INFO_BYTES, CONTROL_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    HANDLE_BYTES, Histogram, POOL_INFO_BYTES, PoolInfo, Removed, SaveOp, StatsCounters, StatsFlags,
    StatsInfo, StatsKind, StatsOf, Timed, encode_handle,
};
use hypercall_abi::{Handle, ObjectId, PAGE_SIZE_BYTES, PageIndex, PoolFlags, Uuid};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

/// A pool.
#[derive(Clone, Default)]
pub(super) struct Pool {
    pub(super) flags: u32,
    pub(super) uuid: Uuid,
    pub(super) pages: BTreeMap<(ObjectId, PageIndex), Page>,
    pub(super) counters: StatsCounters,
}

impl Pool {
    pub(super) fn new(flags: PoolFlags) -> Self {
        Self { flags: flags.to_word(), ..Self::default() }
    }

    fn is_persistent(&self) -> bool {
        PoolFlags::from_bits_truncate(self.flags).contains(PoolFlags::PERSIST)
    }

    /// With the pages counted.
    fn counted(&self) -> StatsCounters {
        let pages = self.pages.len() as u64;
        let mut counters = self.counters;
        if self.is_persistent() {
            counters.persistent_pages = pages;
        } else {
            counters.ephemeral_pages = pages;
        }
        counters.stored_bytes = pages * 4096;
        counters.taken_bytes = pages * 4096;
        counters
    }
}

/// A domain that uses tmem.
#[derive(Clone, Default)]
pub(super) struct Client {
    pub(super) weight: u32,
    pub(super) is_frozen: bool,
    pub(super) is_compressing: bool,
    pub(super) authorisations: Vec<Uuid>,
    pub(super) pools: BTreeMap<u32, Pool>,
    /// How it is being saved: live, and whether it was frozen.
    pub(super) saving: Option<(bool, bool)>,
    pub(super) log: Vec<Removed>,
}

impl Client {
    /// A guest's put of a new page, as far as it matters here.
    pub(super) fn put(&mut self, pool: u32, object: u64, index: u32, page: Page) {
        let pool = self.pools.get_mut(&pool).expect("it has the pool");
        pool.pages.insert((ObjectId([object, 0, 0]), PageIndex(index)), page);
        pool.counters.puts_stored += 1;
    }

    /// A guest's flush of a page.
    pub(super) fn flush(&mut self, pool_id: u32, object: u64, index: u32) {
        let pool = self.pools.get_mut(&pool_id).expect("it has the pool");
        let (object, index) = (ObjectId([object, 0, 0]), PageIndex(index));
        pool.counters.removed += u64::from(pool.pages.remove(&(object, index)).is_some());
        self.log.push(Removed::Page(Handle { pool_id, object, index }));
    }
}

/// Called before an operation, with the operation.
type Hook = Box<dyn FnMut(&mut Model, &ControlOp)>;

/// What the hypervisor has.
#[derive(Default)]
pub(super) struct Model {
    /// The domains that there are; `None` uses no tmem.
    pub(super) domains: BTreeMap<u16, Option<Client>>,
    pub(super) freeable_kib: u32,
    pub(super) can_compress: bool,
    pub(super) is_measuring: bool,
    pub(super) fault: u32,
    /// Frames of metadata that an audit counts, and that the pools say that they have.
    pub(super) metadata: (u64, u64),
    /// It is a Xen whose audit does not tell what the pools say.
    pub(super) is_old: bool,
    /// The operations that were made.
    pub(super) made: Vec<ControlOp>,
    /// Pages that a restore may put before there is no more memory.
    pub(super) room: Option<u32>,
}

impl Model {
    pub(super) fn client(&mut self, domain: u16) -> &mut Client {
        self.domains.entry(domain).or_default().get_or_insert_default()
    }

    fn known(&mut self, who: ClientId, or: Refusal) -> Result<&mut Client, Refusal> {
        let ClientId::One(domain) = who else { return Err(or) };
        self.domains.get_mut(&domain).and_then(Option::as_mut).ok_or(or)
    }

    /// The client of a domain that exists, made if it is none.
    fn made(&mut self, who: ClientId) -> Result<&mut Client, Refusal> {
        let ClientId::One(domain) = who else { return Err(Refusal::INVALID) };
        let domain = self.domains.get_mut(&domain).ok_or(Refusal::INVALID)?;
        Ok(domain.get_or_insert_default())
    }

    fn whom(&mut self, who: ClientId, or: Refusal) -> Result<Vec<&mut Client>, Refusal> {
        if who == ClientId::All {
            return Ok(self.domains.values_mut().flatten().collect());
        }
        Ok(vec![self.known(who, or)?])
    }

    fn answer(&mut self, op: &mut ControlOp, buffer: &mut [u8]) -> Result<u32, Refusal> {
        match op {
            ControlOp::SetFrozen { who, frozen } => {
                for client in self.whom(*who, Refusal::NOT_PERMITTED)? {
                    client.is_frozen = *frozen;
                }
                Ok(0)
            }
            ControlOp::Flush { kib, .. } => {
                let freed = self.freeable_kib.min(*kib);
                self.freeable_kib -= freed;
                Ok(freed)
            }
            ControlOp::QueryFreeable => Ok(self.freeable_kib >> 10),
            ControlOp::GetClientInfo { who, .. } => {
                let info = match self.known(*who, Refusal::NOT_PERMITTED) {
                    Ok(client) => client_info(client),
                    Err(_) => client_info(&Client::default()),
                };
                buffer.copy_from_slice(&info.encode());
                Ok(0)
            }
            ControlOp::SetClientInfo { who, .. } => {
                let record: [u8; CLIENT_INFO_BYTES] = buffer.try_into().expect("a record");
                let info = ClientInfo::decode(&record);
                let compress = info.flags.contains(ClientFlags::COMPRESS);
                if compress && !self.can_compress {
                    return Err(Refusal::NOT_SUPPORTED);
                }
                for client in self.whom(*who, Refusal::NO_ENTRY)? {
                    client.weight = info.weight;
                    client.is_compressing = compress;
                }
                Ok(0)
            }
            ControlOp::SetAuth { who, .. } => {
                let (records, _) = buffer.as_chunks::<POOL_INFO_BYTES>();
                let client = self.made(*who)?;
                for record in records {
                    let PoolInfo { flags, uuid, .. } = PoolInfo::decode(record);
                    client.authorisations.retain(|&other| other != uuid);
                    if flags & PoolInfo::AUTHORISE != 0 {
                        if client.authorisations.len() == 16 {
                            return Err(Refusal::NO_MEMORY);
                        }
                        client.authorisations.push(uuid);
                    }
                }
                Ok(u32::try_from(records.len()).expect("a few"))
            }
            ControlOp::GetAuth { who, .. } => {
                let client = self.known(*who, Refusal::INVALID)?;
                let (records, _) = buffer.as_chunks_mut::<POOL_INFO_BYTES>();
                for (record, &uuid) in records.iter_mut().zip(&client.authorisations) {
                    let flags = PoolInfo::AUTHORISE;
                    *record = PoolInfo { flags, uuid, ..PoolInfo::default() }.encode();
                }
                Ok(u32::try_from(client.authorisations.len()).expect("a few"))
            }
            ControlOp::GetPools { who, .. } => {
                let client = self.known(*who, Refusal::INVALID)?;
                let (records, _) = buffer.as_chunks_mut::<POOL_INFO_BYTES>();
                for (record, (&id, pool)) in records.iter_mut().zip(&client.pools) {
                    let n_pages = pool.pages.len() as u64;
                    *record = PoolInfo { flags: pool.flags, id, n_pages, uuid: pool.uuid }.encode();
                }
                Ok(u32::try_from(client.pools.len()).expect("a few"))
            }
            ControlOp::SetPools { who, .. } => {
                let record: [u8; POOL_INFO_BYTES] = (&*buffer).try_into().expect("one record");
                let mut info = PoolInfo::decode(&record);
                let flags = PoolFlags::check(info.flags).map_err(|_| Refusal::NOT_PERMITTED)?;
                let client = self.made(*who)?;
                if client.pools.contains_key(&info.id) {
                    return Err(Refusal::NOT_PERMITTED);
                }
                // Without authorisation a shared pool becomes a private one (R32).
                let is_denied = flags.contains(PoolFlags::SHARED)
                    && !client.authorisations.contains(&info.uuid);
                if is_denied {
                    info.flags = (flags - PoolFlags::SHARED).to_word();
                }
                let PoolInfo { flags, id, uuid, .. } = info;
                client.pools.insert(id, Pool { flags, uuid, ..Pool::default() });
                buffer.copy_from_slice(&info.encode());
                Ok(1)
            }
            ControlOp::GetStats { of, .. } => self.stats(*of, buffer),
            ControlOp::Audit { .. } => {
                let info = AuditInfo {
                    version: AuditInfo::VERSION,
                    size: AuditInfo::SIZE,
                    fault: self.fault,
                    pools: self.domains.values().flatten().map(|it| it.pools.len() as u64).sum(),
                    metadata_frames: self.metadata.0,
                    metadata_told: self.metadata.1,
                    ..AuditInfo::default()
                };
                buffer.copy_from_slice(&info.encode());
                if self.is_old {
                    // A Xen of before the last word: a shorter record, which says so.
                    let size = AuditInfo::SIZE - 8;
                    buffer[4..8].copy_from_slice(&size.to_le_bytes());
                    buffer[size as usize..].fill(0);
                }
                if self.fault == 0 { Ok(0) } else { Err(Refusal::INCONSISTENT) }
            }
            ControlOp::SetMeasuring { on } => {
                self.is_measuring = *on;
                Ok(0)
            }
            ControlOp::Save(op) => self.save(op, buffer),
            ControlOp::List { .. } => Err(Refusal::NOT_PERMITTED),
        }
    }

    fn save(&mut self, op: &mut SaveOp, buffer: &mut [u8]) -> Result<u32, Refusal> {
        match op {
            SaveOp::Begin { who, live } => {
                let client = self.known(*who, Refusal::NO_ENTRY)?;
                if client.pools.is_empty() {
                    return Err(Refusal::NO_ENTRY);
                }
                if client.saving.is_some() {
                    return Err(Refusal::BUSY);
                }
                client.saving = Some((*live, client.is_frozen));
                client.is_frozen = true;
                client.log.clear();
                Ok(0)
            }
            SaveOp::NextPage { who, pool_id, cursor, .. } => {
                let client = self.known(*who, Refusal::NO_ENTRY)?;
                client.saving.ok_or(Refusal::NO_ENTRY)?;
                let pool = client.pools.get(pool_id).filter(|pool| pool.is_persistent());
                let pool = pool.ok_or(Refusal::NOT_PERMITTED)?;
                let low = u32::try_from(*cursor & 0xffff_ffff).expect("32 bits");
                // The cursor is the last page's name, of which these tests use two small numbers.
                let last = (ObjectId([*cursor >> 32, 0, 0]), PageIndex(low.wrapping_sub(1)));
                let from = if *cursor == 0 { Bound::Unbounded } else { Bound::Excluded(last) };
                let next = pool.pages.range((from, Bound::Unbounded)).next();
                let (&(object, index), page) = next.ok_or(Refusal::NOT_PERMITTED)?;
                *cursor = object.0[0] << 32 | (u64::from(index.0) + 1);
                let name = encode_handle(&Handle { pool_id: *pool_id, object, index });
                buffer[..HANDLE_BYTES].copy_from_slice(&name);
                buffer[HANDLE_BYTES..].copy_from_slice(page);
                Ok(1)
            }
            SaveOp::NextRemoved { who, cursor, .. } => {
                let client = self.known(*who, Refusal::NO_ENTRY)?;
                let at = usize::try_from(*cursor).expect("it is small");
                let Some(removed) = client.log.get(at) else { return Ok(0) };
                buffer.copy_from_slice(&removed.encode());
                *cursor += 1;
                Ok(1)
            }
            SaveOp::End { who } => {
                let client = self.known(*who, Refusal::NO_ENTRY)?;
                let (_, was_frozen) = client.saving.take().ok_or(Refusal::NO_ENTRY)?;
                client.is_frozen = was_frozen;
                Ok(0)
            }
            SaveOp::RestoreBegin { who } => {
                let ClientId::One(domain) = *who else { return Err(Refusal::INVALID) };
                match self.domains.get_mut(&domain).ok_or(Refusal::INVALID)? {
                    Some(_) => Err(Refusal::EXISTS),
                    none => {
                        *none = Some(Client::default());
                        Ok(0)
                    }
                }
            }
            SaveOp::RestorePut { who, handle, .. } => {
                let room = self.room;
                let client = self.known(*who, Refusal::NOT_PERMITTED)?;
                let frozen = client.is_frozen;
                let pool = client.pools.get_mut(&handle.pool_id).ok_or(Refusal::NOT_PERMITTED)?;
                if frozen {
                    return Err(Refusal(1000));
                }
                if room == Some(0) {
                    return Err(Refusal::NO_MEMORY);
                }
                let page: Page = (&*buffer).try_into().expect("a page");
                assert_eq!(buffer.len(), PAGE_SIZE_BYTES);
                pool.pages.insert((handle.object, handle.index), page);
                self.room = room.map(|room| room - 1);
                Ok(1)
            }
            SaveOp::RestoreRemove { who, removed } => {
                let client = self.known(*who, Refusal::NOT_PERMITTED)?;
                let pools = &mut client.pools;
                match *removed {
                    Removed::Page(Handle { pool_id, object, index }) => {
                        named(pools, pool_id)?.pages.remove(&(object, index));
                    }
                    Removed::Object { pool_id, object } => {
                        named(pools, pool_id)?.pages.retain(|&(of, _), _| of != object);
                    }
                    Removed::Pool { pool_id } => {
                        pools.remove(&pool_id).ok_or(Refusal::NOT_PERMITTED)?;
                    }
                }
                Ok(1)
            }
        }
    }

    fn stats(&mut self, of: StatsOf, buffer: &mut [u8]) -> Result<u32, Refusal> {
        let clients = || self.domains.iter().filter_map(|(&id, it)| Some((id, it.as_ref()?)));
        let sum = |client: &Client| {
            client
                .pools
                .values()
                .fold(StatsCounters::default(), |sum, pool| sum.wrapping_add(pool.counted()))
        };
        let mut info = match of {
            StatsOf::Host => StatsInfo {
                kind: StatsKind::Host,
                domain: 0xffff,
                pool_id: StatsInfo::NO_POOL,
                weight: clients().map(|(_, client)| client.weight).sum(),
                members: u32::try_from(clients().count()).expect("a few"),
                pools: clients()
                    .map(|(_, client)| u32::try_from(client.pools.len()).expect("a few"))
                    .sum(),
                flags: if self.is_measuring { StatsFlags::MEASURING } else { StatsFlags::empty() },
                counters: clients().fold(StatsCounters::default(), |all, (_, client)| {
                    all.wrapping_add(sum(client))
                }),
                ..StatsInfo::default()
            },
            StatsOf::Client { domain, or_next } => {
                let is_meant = |id: u16| if or_next { id >= domain } else { id == domain };
                let found = clients().find(|&(id, _)| is_meant(id));
                let (id, client) = found.ok_or(Refusal::NO_ENTRY)?;
                StatsInfo {
                    kind: StatsKind::Client,
                    domain: id.into(),
                    pool_id: StatsInfo::NO_POOL,
                    weight: client.weight,
                    flags: if client.is_frozen { StatsFlags::FROZEN } else { StatsFlags::empty() },
                    members: 1,
                    pools: u32::try_from(client.pools.len()).expect("a few"),
                    counters: sum(client),
                    ..StatsInfo::default()
                }
            }
            StatsOf::Pool { domain, pool_id, or_next } => {
                let at = (domain, pool_id);
                let is_meant = |found| if or_next { found >= at } else { found == at };
                let mut pools = clients()
                    .flat_map(|(id, it)| it.pools.iter().map(move |(&pool, of)| ((id, pool), of)));
                let found = pools.find(|&(found, _)| is_meant(found));
                let ((id, pool_id), pool) = found.ok_or(Refusal::NO_ENTRY)?;
                let flags = PoolFlags::from_bits_truncate(pool.flags);
                // A shared pool is the first one's that has it.
                let has_it = |client: &Client| {
                    client.pools.values().filter(|it| it.uuid == pool.uuid).count()
                };
                let is_shared = flags.contains(PoolFlags::SHARED);
                let owner = clients().find(|(_, it)| has_it(it) > 0).filter(|_| is_shared);
                let owner = owner.map_or(id, |(owner, _)| owner);
                let members = clients().map(|(_, it)| has_it(it)).sum();
                let members = if is_shared { members } else { 1 };
                let mut is = StatsFlags::empty();
                is.set(StatsFlags::OWNER, owner == id);
                is.set(StatsFlags::PERSISTENT, flags.contains(PoolFlags::PERSIST));
                is.set(StatsFlags::SHARED, flags.contains(PoolFlags::SHARED));
                StatsInfo {
                    kind: StatsKind::Pool,
                    domain: id.into(),
                    pool_id,
                    flags: is,
                    members: u32::try_from(members).expect("a few"),
                    pools: 1,
                    owner: owner.into(),
                    uuid: pool.uuid,
                    counters: pool.counted(),
                    ..StatsInfo::default()
                }
            }
        };
        info.version = StatsInfo::VERSION;
        info.size = StatsInfo::SIZE;
        info.latency_offset = StatsInfo::LATENCY_OFFSET;
        let head = info.encode();
        if self.is_measuring {
            info.nr_histograms = 4;
            info.nr_buckets = 32;
            info.latency_unit = StatsInfo::NANOSECONDS;
            for (timed, place) in Timed::ALL.iter().zip(0..) {
                let mut calls = [0; 32];
                match info.kind {
                    StatsKind::Host => (calls[10], calls[31]) = (5 + place, 1),
                    // Puts and gets, as many as the numbers say that it is of.
                    StatsKind::Client if place < 2 => calls[10] = 100 + u64::from(info.domain),
                    StatsKind::Pool if place < 2 => calls[10] = 10 + u64::from(info.pool_id),
                    _ => {}
                }
                let at = head.len() + *timed as usize * 256;
                buffer[at..at + 256].copy_from_slice(&Histogram(calls).encode());
            }
        }
        buffer[..head.len()].copy_from_slice(&info.encode());
        Ok(0)
    }
}

fn named(pools: &mut BTreeMap<u32, Pool>, id: u32) -> Result<&mut Pool, Refusal> {
    pools.get_mut(&id).ok_or(Refusal::NOT_PERMITTED)
}

fn client_info(client: &Client) -> ClientInfo {
    let mut flags = ClientFlags::empty();
    flags.set(ClientFlags::FROZEN, client.is_frozen);
    flags.set(ClientFlags::COMPRESS, client.is_compressing);
    let nr_pools = u32::try_from(client.pools.len()).expect("a few");
    ClientInfo { version: 1, maxpools: 16, nr_pools, flags, weight: client.weight }
}

/// The hypervisor, of which the test keeps one end.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) model: Rc<RefCell<Model>>,
    hook: Rc<RefCell<Option<Hook>>>,
}

impl Fake {
    /// Has `hook` called before each operation.
    pub(super) fn before_each(&self, hook: impl FnMut(&mut Model, &ControlOp) + 'static) {
        *self.hook.borrow_mut() = Some(Box::new(hook));
    }
}

impl Hypervisor for Fake {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        let mut decoded = ControlOp::decode(op).expect("the tool sends operations");
        let mut model = self.model.borrow_mut();
        if let Some(hook) = self.hook.borrow_mut().as_mut() {
            hook(&mut model, &decoded);
        }
        model.made.push(decoded);
        let answer = model.answer(&mut decoded, buffer);
        *op = decoded.encode();
        answer
    }
}
