//! The control operations as calls with types.

use crate::failure::{Failure, Kind};
use crate::hypervisor::{Hypervisor, Refusal};
use crate::stream::{AUTHORISATIONS_MAX, Page};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, CLIENT_INFO_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    HANDLE_BYTES, POOL_INFO_BYTES, PoolInfo, Removed, SAVED_PAGE_BYTES, STATS_BYTES, SaveOp,
    StatsInfo, StatsOf, decode_handle,
};
use hypercall_abi::{Handle, PAGE_SIZE_BYTES, POOLS_PER_DOMAIN_MAX, Uuid};

/// Whom a command is about.
pub type Who = ClientId;

/// A hypervisor with tmem.
pub struct Host<H>(pub H);

impl<H: Hypervisor> Host<H> {
    /// Refuses puts of new pages, or no longer.
    ///
    /// # Errors
    /// When the domain does not use tmem.
    pub fn set_frozen(&mut self, who: Who, frozen: bool) -> Result<(), Failure> {
        self.call(ControlOp::SetFrozen { who, frozen }, &mut []).map(drop).map_err(Failure::from)
    }

    /// A domain's settings. Of one that does not use tmem they are what it would begin with.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn client(&mut self, domain: u16) -> Result<ClientInfo, Failure> {
        let mut record = [0; CLIENT_INFO_BYTES];
        let who = ClientId::One(domain);
        self.call(ControlOp::GetClientInfo { who, buffer: 0 }, &mut record)?;
        Ok(ClientInfo::decode(&record))
    }

    /// Changes a domain's weight and compression, leaving the other as it is (P25).
    ///
    /// # Errors
    /// When the domain does not use tmem, or Xen can't compress.
    pub fn set(
        &mut self,
        domain: u16,
        weight: Option<u32>,
        compress: Option<bool>,
    ) -> Result<(), Failure> {
        let mut info = self.client(domain)?;
        info.weight = weight.unwrap_or(info.weight);
        if let Some(compress) = compress {
            info.flags.set(ClientFlags::COMPRESS, compress);
        }
        let who = ClientId::One(domain);
        let set = self.call(ControlOp::SetClientInfo { who, buffer: 0 }, &mut info.encode());
        set.map(drop).map_err(|refusal| match refusal {
            Refusal::NO_ENTRY => Failure::new(Kind::Refused, "the domain does not use tmem"),
            Refusal::NOT_SUPPORTED => Failure::new(Kind::Refused, "this Xen does not compress"),
            other => other.into(),
        })
    }

    /// Allows a domain to join the shared pool of this name, or forbids it for later.
    ///
    /// # Errors
    /// When there is no such domain, or sixteen names are allowed already.
    pub fn authorise(&mut self, domain: u16, uuid: Uuid, allow: bool) -> Result<(), Failure> {
        let flags = if allow { PoolInfo::AUTHORISE } else { 0 };
        let mut record = PoolInfo { flags, uuid, ..PoolInfo::default() }.encode();
        let op = ControlOp::SetAuth { who: ClientId::One(domain), len: len(&record), buffer: 0 };
        self.call(op, &mut record).map(drop).map_err(|refusal| match refusal {
            Refusal::NO_MEMORY => Failure::new(
                Kind::Refused,
                "the domain may join sixteen shared pools already, or Xen has no memory",
            ),
            other => other.into(),
        })
    }

    /// The names of the shared pools that a domain may join; `None` if it does not use tmem, or does
    /// not exist.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn authorisations(&mut self, domain: u16) -> Result<Option<Vec<Uuid>>, Failure> {
        let mut records = [0; POOL_INFO_BYTES * AUTHORISATIONS_MAX];
        let op = ControlOp::GetAuth { who: ClientId::One(domain), len: len(&records), buffer: 0 };
        let count = match self.call(op, &mut records) {
            Ok(count) => count as usize,
            Err(Refusal::INVALID) => return Ok(None),
            Err(refusal) => return Err(refusal.into()),
        };
        let (records, _) = records.as_chunks();
        Ok(Some(records.iter().take(count).map(|record| PoolInfo::decode(record).uuid).collect()))
    }

    /// MiB that FLUSH could free.
    ///
    /// # Errors
    /// When it is not answered.
    pub fn freeable_mib(&mut self) -> Result<u32, Failure> {
        self.call(ControlOp::QueryFreeable, &mut []).map_err(Failure::from)
    }

    /// Frees so much, by evicting ephemeral pages; answers how much, in KiB.
    ///
    /// # Errors
    /// When it is refused.
    pub fn flush(&mut self, kib: u32) -> Result<u32, Failure> {
        self.call(ControlOp::Flush { kib, freed_pages: 0 }, &mut []).map_err(Failure::from)
    }

    /// Counts everything anew. The flag tells whether all agrees.
    ///
    /// # Errors
    /// When it is refused.
    pub fn audit(&mut self) -> Result<(AuditInfo, bool), Failure> {
        let mut record = [0; AUDIT_INFO_BYTES];
        let op = ControlOp::Audit { len: len(&record), buffer: 0 };
        let agrees = match self.call(op, &mut record) {
            Ok(_) => true,
            Err(Refusal::INCONSISTENT) => false,
            Err(refusal) => return Err(refusal.into()),
        };
        Ok((AuditInfo::decode(&record), agrees))
    }

    /// Begins to measure how long guests' calls take, or ends it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn set_measuring(&mut self, on: bool) -> Result<(), Failure> {
        self.call(ControlOp::SetMeasuring { on }, &mut []).map(drop).map_err(Failure::from)
    }

    /// A domain's pools, by id.
    ///
    /// # Errors
    /// When it has none and never had.
    pub fn pools(&mut self, domain: u16) -> Result<Vec<PoolInfo>, Failure> {
        let mut records = [0; POOL_INFO_BYTES * POOLS_PER_DOMAIN_MAX as usize];
        let op = ControlOp::GetPools { who: ClientId::One(domain), len: len(&records), buffer: 0 };
        let count = self.call(op, &mut records)? as usize;
        let (records, _) = records.as_chunks();
        Ok(records.iter().take(count).map(PoolInfo::decode).collect())
    }

    /// A record of figures, whole; `None` if there is no such client or pool.
    ///
    /// # Errors
    /// When they can't be read, or a newer Xen tells them in another form.
    pub(crate) fn stats(&mut self, of: StatsOf) -> Result<Option<Stats>, Failure> {
        let mut record = vec![0; STATS_BYTES];
        match self.call(ControlOp::GetStats { of, len: len(&record), buffer: 0 }, &mut record) {
            Ok(_) => {}
            Err(Refusal::NO_ENTRY) => return Ok(None),
            Err(refusal) => return Err(refusal.into()),
        }
        let info = StatsInfo::decode(&record);
        if info.version != StatsInfo::VERSION {
            return Err(Failure::new(
                Kind::Unavailable,
                format!(
                    "Xen tells figures in version {} of their form, this program reads version {}; \
                     build it from the same source as Xen",
                    info.version,
                    StatsInfo::VERSION
                ),
            ));
        }
        Ok(Some(Stats { record, info }))
    }

    /// Begins to save a domain.
    pub(crate) fn save_begin(&mut self, domain: u16, live: bool) -> Result<(), Refusal> {
        let op = SaveOp::Begin { who: ClientId::One(domain), live };
        self.call(ControlOp::Save(op), &mut []).map(drop)
    }

    /// The next page of a pool, from `cursor` on, which is 0 at first; `None` after the last.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn save_page(
        &mut self,
        domain: u16,
        pool_id: u32,
        cursor: &mut u64,
    ) -> Result<Option<(Handle, Box<Page>)>, Failure> {
        let mut record = [0; SAVED_PAGE_BYTES];
        let (who, len) = (ClientId::One(domain), len(&record));
        let op = SaveOp::NextPage { who, pool_id, cursor: *cursor, len, buffer: 0 };
        let mut bytes = ControlOp::Save(op).encode();
        match self.0.control(&mut bytes, &mut record) {
            Ok(1) => {}
            // The end; or the pool is gone meanwhile, which the removals tell.
            Err(Refusal::NOT_PERMITTED) => return Ok(None),
            Ok(_) => return Err(Refusal::INVALID.into()),
            Err(refusal) => return Err(refusal.into()),
        }
        let next = match ControlOp::decode(&bytes) {
            Ok(ControlOp::Save(SaveOp::NextPage { cursor, .. })) => cursor,
            _ => *cursor,
        };
        goes_on(cursor, next)?;
        let (name, content) = record.split_at(HANDLE_BYTES);
        let handle = name.first_chunk().map(decode_handle).unwrap_or_default();
        let mut page = Box::new([0; PAGE_SIZE_BYTES]);
        page.copy_from_slice(content);
        Ok(Some((handle, page)))
    }

    /// What was removed next since the save began, from `cursor` on; `None` after the last.
    ///
    /// # Errors
    /// When it can't be read, or Xen has not been able to note everything.
    pub(crate) fn save_removed(
        &mut self,
        domain: u16,
        cursor: &mut u64,
    ) -> Result<Option<Removed>, Failure> {
        let mut record = [0; HANDLE_BYTES];
        let (who, len) = (ClientId::One(domain), len(&record));
        let op = SaveOp::NextRemoved { who, cursor: *cursor, len, buffer: 0 };
        let mut bytes = ControlOp::Save(op).encode();
        match self.0.control(&mut bytes, &mut record) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Refusal::NO_MEMORY) => {
                return Err(Failure::new(
                    Kind::Refused,
                    "Xen had no memory to note what the domain removed, so this save is worth                      nothing; try again, or pause the domain and save without --live",
                ));
            }
            Err(refusal) => return Err(refusal.into()),
        }
        let next = match ControlOp::decode(&bytes) {
            Ok(ControlOp::Save(SaveOp::NextRemoved { cursor, .. })) => cursor,
            _ => *cursor,
        };
        goes_on(cursor, next)?;
        Ok(Some(Removed::decode(&record)))
    }

    /// Ends a save, completed or not.
    pub(crate) fn save_end(&mut self, domain: u16) -> Result<(), Refusal> {
        let op = SaveOp::End { who: ClientId::One(domain) };
        self.call(ControlOp::Save(op), &mut []).map(drop)
    }

    /// Makes a client of a domain that is none.
    pub(crate) fn restore_begin(&mut self, domain: u16) -> Result<(), Refusal> {
        let op = SaveOp::RestoreBegin { who: ClientId::One(domain) };
        self.call(ControlOp::Save(op), &mut []).map(drop)
    }

    /// Makes a pool of this number.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) fn make_pool(
        &mut self,
        domain: u16,
        id: u32,
        flags: u32,
        uuid: Uuid,
    ) -> Result<(), Failure> {
        let mut record = PoolInfo { flags, id, n_pages: 0, uuid }.encode();
        let op = ControlOp::SetPools { who: ClientId::One(domain), len: len(&record), buffer: 0 };
        self.call(op, &mut record)?;
        let made = PoolInfo::decode(&record).id;
        if made != id {
            return Err(Failure::new(Kind::Refused, format!("Xen made pool {made} instead")));
        }
        Ok(())
    }

    /// Puts a page into a pool of a domain that is restored.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) fn restore_page(
        &mut self,
        domain: u16,
        handle: &Handle,
        content: &Page,
    ) -> Result<(), Failure> {
        let mut content = *content;
        let (who, len) = (ClientId::One(domain), len(&content));
        let op = SaveOp::RestorePut { who, handle: *handle, len, buffer: 0 };
        match self.call(ControlOp::Save(op), &mut content) {
            Ok(1) => Ok(()),
            Ok(_) => Err(Refusal::INVALID.into()),
            Err(Refusal::NO_MEMORY | Refusal::NO_SPACE) => Err(Failure::new(
                Kind::Refused,
                "no room for a page: the domain is at its maximum (its memory and its persistent                  pages together; `xl mem-max` raises it), or the host is full",
            )),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Removes something from a domain that is restored.
    pub(crate) fn restore_remove(&mut self, domain: u16, removed: Removed) -> Result<(), Refusal> {
        let op = SaveOp::RestoreRemove { who: ClientId::One(domain), removed };
        self.call(ControlOp::Save(op), &mut []).map(drop)
    }

    pub(crate) fn call(&mut self, op: ControlOp, buffer: &mut [u8]) -> Result<u32, Refusal> {
        self.0.control(&mut op.encode(), buffer)
    }
}

/// A record of figures with its histograms.
pub(crate) struct Stats {
    pub(crate) record: Vec<u8>,
    pub(crate) info: StatsInfo,
}

/// Takes over where an iteration goes on; one that stays where it is would never end.
fn goes_on(cursor: &mut u64, next: u64) -> Result<(), Failure> {
    if next == *cursor {
        return Err(Failure::new(Kind::Refused, "Xen does not tell where to go on"));
    }
    *cursor = next;
    Ok(())
}

/// A buffer's length as an operation says it; none of ours is long.
pub(crate) fn len(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len()).unwrap_or(u32::MAX)
}
