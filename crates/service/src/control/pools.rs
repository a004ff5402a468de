//! GET_POOLS and SET_POOLS: what pools a client has, and the same again for another.

use super::slices::{Window, nr_records};
use crate::control::Clients;
use crate::dispatch::{Service, pool_kind};
use crate::platform::{Platform, ToolstackMemory};
use hypercall_abi::control::{ControlStatus, POOL_INFO_BYTES, PoolInfo};
use hypercall_abi::{POOLS_PER_DOMAIN_MAX, PoolFlags, Status, Uuid};
use tmem_engine::{DomainId, Lifetime, NewPoolError};

impl<P: Platform> Service<P> {
    /// Writes a record for each of a client's pools, in the order of their ids, as many as there is
    /// room for. Returns how many.
    #[inline(never)]
    pub(crate) fn get_pools(
        &self,
        who: Clients,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<u32, ControlStatus> {
        let nr_max = nr_records(len, POOLS_PER_DOMAIN_MAX as usize)?;
        let Clients::One(domain) = who else { return Err(ControlStatus::Invalid) };
        self.engine.client_of(domain).ok_or(ControlStatus::Invalid)?;
        let window = Window { len, buffer };
        let mut nr_written = 0;
        for id in 0..POOLS_PER_DOMAIN_MAX {
            if nr_written == nr_max {
                break;
            }
            let Some((view, figures)) = self.engine.pool_view(domain, id) else { continue };
            if view.is_dying {
                continue;
            }
            let mut flags = PoolFlags::empty();
            flags.set(PoolFlags::PERSIST, view.lifetime == Lifetime::Persistent);
            flags.set(PoolFlags::SHARED, view.uuid.is_some());
            let record = PoolInfo {
                flags: flags.to_word(),
                id,
                n_pages: figures.stats.pages,
                uuid: Uuid(view.uuid.unwrap_or_default()),
            };
            window.write(nr_written as usize * POOL_INFO_BYTES, &record.encode(), memory)?;
            nr_written += 1;
        }
        Ok(nr_written)
    }

    /// Creates the pools that the records describe, one after the other, with the ids that they
    /// name; those before one that fails stay. The domain becomes a client if it is none.
    #[inline(never)]
    pub(crate) fn set_pools(
        &self,
        who: Clients,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<u32, ControlStatus> {
        let nr_records = nr_records(len, POOLS_PER_DOMAIN_MAX as usize)?;
        let Clients::One(domain) = who else { return Err(ControlStatus::Invalid) };
        let window = Window { len, buffer };
        for at in 0..nr_records {
            let mut bytes = [0; POOL_INFO_BYTES];
            window.read(at as usize * POOL_INFO_BYTES, &mut bytes, memory)?;
            self.set_pool(domain, &PoolInfo::decode(&bytes))?;
        }
        Ok(nr_records)
    }

    /// Creates one pool, by the rules of the guest's own NEW_POOL.
    #[inline(never)]
    fn set_pool(&self, domain: DomainId, wanted: &PoolInfo) -> Result<(), ControlStatus> {
        // Pages come with RESTORE_PUT_PAGE.
        if wanted.n_pages != 0 {
            return Err(ControlStatus::Invalid);
        }
        let flags = PoolFlags::check(wanted.flags).map_err(|_| ControlStatus::NotPermitted)?;
        if self.platform().is_dying(domain) {
            return Err(ControlStatus::Invalid);
        }
        let caller = self.client_for(domain).map_err(|status| match status {
            Status::NoMemory => ControlStatus::NoMemory,
            _ => ControlStatus::Invalid,
        })?;
        let kind = pool_kind(flags, wanted.uuid);
        match self.engine.new_pool_at(caller, Some(wanted.id), kind) {
            Ok(_) => Ok(()),
            Err(NewPoolError::NoPoolId | NewPoolError::NoSharedPool) => {
                Err(ControlStatus::NotPermitted)
            }
            Err(NewPoolError::NoMemory) => Err(ControlStatus::NoMemory),
            Err(NewPoolError::Dying) => Err(ControlStatus::Invalid),
        }
    }
}
