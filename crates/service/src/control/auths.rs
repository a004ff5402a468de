//! SET_AUTH and GET_AUTH: which shared pools a domain may join.

use super::slices::{Window, nr_records};
use crate::control::Clients;
use crate::dispatch::Service;
use crate::platform::{Platform, ToolstackMemory};
use hypercall_abi::Uuid;
use hypercall_abi::control::{ControlStatus, POOL_INFO_BYTES, PoolInfo};
use tmem_engine::{AUTHS_PER_CLIENT, AuthError, NotAClient};

impl<P: Platform> Service<P> {
    /// Carries out one record after the other; those before one that fails stay carried out.
    #[inline(never)]
    pub(crate) fn set_auths(
        &self,
        who: Clients,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<u32, ControlStatus> {
        let nr_records = nr_records(len, AUTHS_PER_CLIENT)?;
        // There is no switch for all at once (P68).
        let Clients::One(domain) = who else { return Err(ControlStatus::Invalid) };
        let window = Window { len, buffer };
        for at in 0..nr_records {
            let mut bytes = [0; POOL_INFO_BYTES];
            window.read(at as usize * POOL_INFO_BYTES, &mut bytes, memory)?;
            let PoolInfo { flags, uuid, .. } = PoolInfo::decode(&bytes);
            self.set_auth(domain, uuid, flags & PoolInfo::AUTHORISE != 0).map_err(|error| {
                match error {
                    AuthError::TableFull | AuthError::NoMemory => ControlStatus::NoMemory,
                    AuthError::Dying => ControlStatus::Invalid,
                }
            })?;
        }
        Ok(nr_records)
    }

    /// Writes a record for each uuid that the domain is authorised for, as many as there is room for:
    /// such as SET_AUTH takes, so that what was read can be given to another domain. Returns how many.
    #[inline(never)]
    pub(crate) fn get_auths(
        &self,
        who: Clients,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<u32, ControlStatus> {
        let nr_max = nr_records(len, AUTHS_PER_CLIENT)?;
        let Clients::One(domain) = who else { return Err(ControlStatus::Invalid) };
        let window = Window { len, buffer };
        let mut nr_written = 0;
        for place in 0..AUTHS_PER_CLIENT {
            // Also with room for none: whether the domain is a client is told in any case.
            let uuid =
                self.engine.auth_at(domain, place).map_err(|NotAClient| ControlStatus::Invalid)?;
            let Some(uuid) = uuid.filter(|_| nr_written < nr_max) else { continue };
            let record =
                PoolInfo { flags: PoolInfo::AUTHORISE, uuid: Uuid(uuid), ..PoolInfo::default() };
            window.write(nr_written as usize * POOL_INFO_BYTES, &record.encode(), memory)?;
            nr_written += 1;
        }
        Ok(nr_written)
    }
}
