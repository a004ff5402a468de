//! The control operations as calls with types.

use crate::failure::{Failure, Kind};
use crate::hypervisor::{Hypervisor, Refusal};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, CLIENT_INFO_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    POOL_INFO_BYTES, PoolInfo, STATS_BYTES, StatsInfo, StatsOf,
};
use hypercall_abi::{POOLS_PER_DOMAIN_MAX, Uuid};

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

    pub(crate) fn call(&mut self, op: ControlOp, buffer: &mut [u8]) -> Result<u32, Refusal> {
        self.0.control(&mut op.encode(), buffer)
    }
}

/// A record of figures with its histograms.
pub(crate) struct Stats {
    pub(crate) record: Vec<u8>,
    pub(crate) info: StatsInfo,
}

/// A buffer's length as an operation says it; none of ours is long.
pub(crate) fn len(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len()).unwrap_or(u32::MAX)
}
