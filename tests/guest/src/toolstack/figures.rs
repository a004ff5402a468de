//! The control operations that read figures and text.

use super::Control;
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, ClientId, ControlOp, Histogram, STATS_BYTES, StatsInfo, StatsOf,
    Timed,
};

/// Bytes of a buffer for LIST.
pub const LIST_BYTES: usize = 2048;

/// A whole record of GET_STATS.
pub struct Figures([u8; STATS_BYTES]);

impl Figures {
    /// The record, without its histograms.
    pub fn info(&self) -> StatsInfo {
        StatsInfo::decode(&self.0)
    }

    /// Calls of an operation that were measured.
    pub fn measured(&self, of: Timed) -> u64 {
        Histogram::decode(&self.0, &self.info(), of).count()
    }
}

/// An address and a length for Xen; the buffer is expected to change.
pub(super) fn buffer<const N: usize>(bytes: &mut [u8; N]) -> (u64, u32) {
    (bytes.as_mut_ptr().expose_provenance() as u64, u32::try_from(N).unwrap_or_default())
}

impl Control {
    /// GET_STATS.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn figures(self, of: StatsOf) -> Result<Figures, i64> {
        let mut record = [0xaa; STATS_BYTES];
        let (buffer, len) = buffer(&mut record);
        match self.send(&ControlOp::GetStats { of, len, buffer }) {
            0 => Ok(Figures(record)),
            answer => Err(answer),
        }
    }

    /// SET_MEASURING.
    pub fn set_measuring(self, on: bool) -> i64 {
        self.send(&ControlOp::SetMeasuring { on })
    }

    /// AUDIT.
    pub fn audit(self) -> (i64, AuditInfo) {
        let mut record = [0xaa; AUDIT_INFO_BYTES];
        let (buffer, len) = buffer(&mut record);
        let answer = self.send(&ControlOp::Audit { len, buffer });
        (answer, AuditInfo::decode(&record))
    }

    /// LIST: the answer. The text ends before the first NUL.
    pub fn list(self, who: ClientId, text: &mut [u8; LIST_BYTES]) -> i64 {
        let (buffer, len) = buffer(text);
        self.send(&ControlOp::List { who, long: true, len, buffer })
    }
}
