//! The control operations that tell what pools a domain has and may join, and that give another one the
//! same. An answer below 0 is an errno, negated.

use super::control::Control;
use super::figures::buffer;
use hypercall_abi::control::{ClientId, ControlOp, POOL_INFO_BYTES, PoolInfo};

/// Records that a domain has of each kind, at most.
const MAX: usize = 16;

/// Records of pools, or of authorisations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    records: [PoolInfo; MAX],
    count: usize,
}

impl Records {
    /// Of these; what is more than sixteen is left out.
    pub fn of(records: &[PoolInfo]) -> Self {
        let mut all = [PoolInfo::default(); MAX];
        all.iter_mut().zip(records).for_each(|(place, record)| *place = *record);
        Self { records: all, count: records.len().min(MAX) }
    }

    /// Them.
    pub fn as_slice(&self) -> &[PoolInfo] {
        self.records.get(..self.count).unwrap_or_default()
    }

    /// The same of pools without pages, as SET_POOLS wants them.
    pub fn without_pages(mut self) -> Self {
        self.records.iter_mut().for_each(|record| record.n_pages = 0);
        self
    }

    fn encode(&self) -> [u8; MAX * POOL_INFO_BYTES] {
        let mut bytes = [0; MAX * POOL_INFO_BYTES];
        let (places, _) = bytes.as_chunks_mut();
        places.iter_mut().zip(&self.records).for_each(|(place, record)| *place = record.encode());
        bytes
    }

    /// Reads what Xen wrote, if it did.
    fn read(answer: i64, bytes: &[u8; MAX * POOL_INFO_BYTES]) -> Result<Self, i64> {
        let count = usize::try_from(answer).map_err(|_| answer)?;
        let mut all = Self::of(&[]);
        let (records, _) = bytes.as_chunks();
        for (place, record) in all.records.iter_mut().zip(records).take(count) {
            *place = PoolInfo::decode(record);
        }
        all.count = count.min(MAX);
        Ok(all)
    }
}

impl Control {
    /// GET_POOLS.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn pools(self, domid: u16) -> Result<Records, i64> {
        self.read(|who, len, buffer| ControlOp::GetPools { who, len, buffer }, domid)
    }

    /// SET_POOLS; the answer.
    pub fn set_pools(self, domid: u16, records: &Records) -> i64 {
        self.write(|who, len, buffer| ControlOp::SetPools { who, len, buffer }, domid, records)
    }

    /// GET_AUTH.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn authorisations(self, domid: u16) -> Result<Records, i64> {
        self.read(|who, len, buffer| ControlOp::GetAuth { who, len, buffer }, domid)
    }

    /// SET_AUTH of records as they were read; the answer.
    pub fn set_authorisations(self, domid: u16, records: &Records) -> i64 {
        self.write(|who, len, buffer| ControlOp::SetAuth { who, len, buffer }, domid, records)
    }

    fn read(
        self,
        op: impl Fn(ClientId, u32, u64) -> ControlOp,
        domid: u16,
    ) -> Result<Records, i64> {
        let mut bytes = [0xaa; MAX * POOL_INFO_BYTES];
        let (place, len) = buffer(&mut bytes);
        let answer = self.send(&op(ClientId::One(domid), len, place));
        Records::read(answer, &bytes)
    }

    fn write(
        self,
        op: impl Fn(ClientId, u32, u64) -> ControlOp,
        domid: u16,
        records: &Records,
    ) -> i64 {
        let mut bytes = records.encode();
        let (place, _) = buffer(&mut bytes);
        let len = u32::try_from(records.count * POOL_INFO_BYTES).unwrap_or_default();
        self.send(&op(ClientId::One(domid), len, place))
    }
}
