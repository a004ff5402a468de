//! The control operation as a value, and its 56 bytes.

use super::{CONTROL_BYTES, ControlStatus, SaveOp, put, u32_at, u64_at};
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;

/// Numbers of the operations that are answered (`XEN_SYSCTL_TMEM_OP_*`).
pub mod subcommand {
    pub use super::super::save::numbers::*;

    /// Ends what FREEZE began.
    pub const THAW: u32 = 0;
    /// Refuses a client's puts of new pages.
    pub const FREEZE: u32 = 1;
    /// Evicts ephemeral pages, so that Xen has their memory.
    pub const FLUSH: u32 = 2;
    /// Writes figures as text.
    pub const LIST: u32 = 4;
    /// Reads a client's settings.
    pub const GET_CLIENT_INFO: u32 = 5;
    /// Changes a client's settings.
    pub const SET_CLIENT_INFO: u32 = 6;
    /// Reads what pools a client has.
    pub const GET_POOLS: u32 = 7;
    /// Asks how much memory FLUSH could give back.
    pub const QUERY_FREEABLE_MB: u32 = 8;
    /// Creates pools with certain ids.
    pub const SET_POOLS: u32 = 9;
    /// Allows a domain to join shared pools, or forbids it.
    pub const SET_AUTH: u32 = 11;

    // From here on ours; no release of Xen had such numbers.

    /// Reads figures.
    pub const GET_STATS: u32 = 40;
    /// Counts everything anew and compares.
    pub const AUDIT: u32 = 41;
    /// Begins to measure latencies, or ends it.
    pub const SET_MEASURING: u32 = 42;
    /// Reads which shared pools a domain may join.
    pub const GET_AUTH: u32 = 43;
}

/// `struct xen_sysctl_tmem_op`, for its offsets.
#[repr(C)]
pub(super) struct Layout {
    pub(super) cmd: u32,
    pub(super) pool_id: i32,
    pub(super) cli_id: u32,
    pub(super) len: u32,
    pub(super) arg: u32,
    pad: u32,
    pub(super) oid: [u64; 3],
    pub(super) buf: u64,
}
const_assert_eq!(size_of::<Layout>(), CONTROL_BYTES);
const_assert_eq!(offset_of!(Layout, oid), 24);
const_assert_eq!(offset_of!(Layout, buf), 48);

/// Whom an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// The domain of this number.
    One(u16),
    /// All clients that there are.
    All,
}

impl ClientId {
    /// What "all" is called; toolstacks also send it widened to 32 bits with ones.
    const ALL: u16 = u16::MAX;

    /// The word's meaning. `None`: too large for a domain's number. (The original cut such numbers
    /// to 16 bits, and then meant another domain: P23.)
    pub(super) fn decode(word: u32) -> Option<Self> {
        match u16::try_from(word) {
            Ok(Self::ALL) => Some(Self::All),
            Ok(domain) => Some(Self::One(domain)),
            Err(_) => (word == u32::MAX).then_some(Self::All),
        }
    }

    pub(super) fn encode(self) -> u32 {
        match self {
            Self::One(domain) => u32::from(domain),
            Self::All => u32::from(Self::ALL),
        }
    }
}

/// What GET_STATS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsOf {
    /// The host.
    Host,
    /// A domain as a client.
    Client {
        /// Its number.
        domain: u16,
        /// Or else the next client, by number.
        or_next: bool,
    },
    /// A pool of a domain.
    Pool {
        /// The domain's number.
        domain: u16,
        /// The pool's id; there is none from 16 on, but there may be a next one.
        pool_id: u32,
        /// Or else the next pool, by number of the domain and id.
        or_next: bool,
    },
}

impl StatsOf {
    /// In `arg`: or else the next one.
    const OR_NEXT: u32 = 1;
    /// In `pool_id`: not a pool.
    const NO_POOL: u32 = u32::MAX;

    fn decode(who: ClientId, pool_id: u32, arg: u32) -> Option<Self> {
        if arg & !Self::OR_NEXT != 0 {
            return None;
        }
        let or_next = arg & Self::OR_NEXT != 0;
        match (who, pool_id) {
            (ClientId::All, Self::NO_POOL) => (!or_next).then_some(Self::Host),
            (ClientId::All, _) => None,
            (ClientId::One(domain), Self::NO_POOL) => Some(Self::Client { domain, or_next }),
            (ClientId::One(domain), _) => Some(Self::Pool { domain, pool_id, or_next }),
        }
    }

    const fn encode(self) -> (ClientId, u32, u32) {
        match self {
            Self::Host => (ClientId::All, Self::NO_POOL, 0),
            Self::Client { domain, or_next } => {
                (ClientId::One(domain), Self::NO_POOL, or_next as u32)
            }
            Self::Pool { domain, pool_id, or_next } => {
                (ClientId::One(domain), pool_id, or_next as u32)
            }
        }
    }
}

/// How far an operation came that is interrupted between two slices: words that stand where the
/// object id would be, and that toolstacks clear. Only FLUSH has its own in [`ControlOp`].
pub type Progress = [u64; 3];

/// Reads how far an operation came.
pub fn progress(bytes: &[u8; CONTROL_BYTES]) -> Progress {
    core::array::from_fn(|at| u64_at(bytes, offset_of!(Layout, oid) + at * 8))
}

/// Writes how far it came.
pub fn set_progress(bytes: &mut [u8; CONTROL_BYTES], progress: Progress) {
    put(bytes, offset_of!(Layout, oid), progress.map(u64::to_le_bytes).as_flattened());
}

/// One decoded operation. `buffer` is an address in the caller's memory, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlOp {
    /// FREEZE, or THAW.
    SetFrozen {
        /// Whose puts.
        who: ClientId,
        /// Refuse them, or no longer.
        frozen: bool,
    },
    /// Evict ephemeral pages.
    Flush {
        /// How much, in KiB.
        kib: u32,
        /// Pages evicted so far, when an interrupted operation goes on; 0 at first. It stands where
        /// the object id would be, which toolstacks clear.
        freed_pages: u64,
    },
    /// Write a [`ClientInfo`](super::ClientInfo) into the buffer.
    GetClientInfo {
        /// Whose.
        who: ClientId,
        /// Where to.
        buffer: u64,
    },
    /// Take weight and compression from the [`ClientInfo`](super::ClientInfo) in the buffer.
    SetClientInfo {
        /// Whose.
        who: ClientId,
        /// Where from.
        buffer: u64,
    },
    /// Ask how many MiB FLUSH could give back.
    QueryFreeable,
    /// Write the client's figures, or everybody's, into the buffer as text that ends with a NUL.
    List {
        /// Whose.
        who: ClientId,
        /// With all keys.
        long: bool,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// Write a [`PoolInfo`](super::PoolInfo) into the buffer for each of the client's pools.
    GetPools {
        /// Whose.
        who: ClientId,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// Create the pools that the [`PoolInfo`](super::PoolInfo)s in the buffer describe.
    SetPools {
        /// Whose.
        who: ClientId,
        /// Bytes in the buffer.
        len: u32,
        /// Where they are.
        buffer: u64,
    },
    /// Write the record of [`StatsInfo`](super::StatsInfo) into the buffer.
    GetStats {
        /// Of what.
        of: StatsOf,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// Count everything anew, compare, and write an [`AuditInfo`](super::AuditInfo) into the buffer.
    Audit {
        /// Bytes in the buffer; none is enough for the answer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// Begin to measure latencies, from 0 on, or end it.
    SetMeasuring {
        /// Begin.
        on: bool,
    },
    /// Save or restore a domain.
    Save(SaveOp),
    /// Allow or forbid the shared pools that [`PoolInfo`](super::PoolInfo)s name.
    SetAuth {
        /// To whom.
        who: ClientId,
        /// Bytes in the buffer.
        len: u32,
        /// Where they are.
        buffer: u64,
    },
    /// Write a [`PoolInfo`](super::PoolInfo) into the buffer for each uuid that SET_AUTH allowed, as
    /// SET_AUTH takes it.
    GetAuth {
        /// Whose.
        who: ClientId,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
}

impl ControlOp {
    /// Reads an operation's bytes.
    ///
    /// # Errors
    /// The status that answers bytes which are no operation.
    pub fn decode(bytes: &[u8; CONTROL_BYTES]) -> Result<Self, ControlStatus> {
        let word = |at| u32_at(bytes, at);
        let buffer = u64_at(bytes, offset_of!(Layout, buf));
        let who = ClientId::decode(word(offset_of!(Layout, cli_id)));
        if word(offset_of!(Layout, pad)) != 0 {
            return Err(ControlStatus::Invalid);
        }
        if let Some(op) = SaveOp::decode(bytes)? {
            return Ok(Self::Save(op));
        }
        Ok(match word(offset_of!(Layout, cmd)) {
            command @ (subcommand::THAW | subcommand::FREEZE) => Self::SetFrozen {
                who: who.ok_or(ControlStatus::NotPermitted)?,
                frozen: command == subcommand::FREEZE,
            },
            subcommand::FLUSH if who == Some(ClientId::All) => Self::Flush {
                kib: word(offset_of!(Layout, arg)),
                freed_pages: u64_at(bytes, offset_of!(Layout, oid)),
            },
            subcommand::GET_CLIENT_INFO => {
                Self::GetClientInfo { who: who.ok_or(ControlStatus::Invalid)?, buffer }
            }
            subcommand::SET_CLIENT_INFO => {
                Self::SetClientInfo { who: who.ok_or(ControlStatus::NoEntry)?, buffer }
            }
            subcommand::QUERY_FREEABLE_MB => Self::QueryFreeable,
            subcommand::SET_AUTH => Self::SetAuth {
                who: who.ok_or(ControlStatus::Invalid)?,
                len: word(offset_of!(Layout, len)),
                buffer,
            },
            subcommand::LIST => Self::List {
                who: who.ok_or(ControlStatus::NotPermitted)?,
                long: word(offset_of!(Layout, arg)) != 0,
                len: word(offset_of!(Layout, len)),
                buffer,
            },
            subcommand::GET_POOLS => Self::GetPools {
                who: who.ok_or(ControlStatus::Invalid)?,
                len: word(offset_of!(Layout, len)),
                buffer,
            },
            subcommand::SET_POOLS => Self::SetPools {
                who: who.ok_or(ControlStatus::Invalid)?,
                len: word(offset_of!(Layout, len)),
                buffer,
            },
            subcommand::GET_STATS => {
                let pool_id = word(offset_of!(Layout, pool_id));
                let of = StatsOf::decode(
                    who.ok_or(ControlStatus::Invalid)?,
                    pool_id,
                    word(offset_of!(Layout, arg)),
                );
                Self::GetStats {
                    of: of.ok_or(ControlStatus::Invalid)?,
                    len: word(offset_of!(Layout, len)),
                    buffer,
                }
            }
            subcommand::AUDIT => Self::Audit { len: word(offset_of!(Layout, len)), buffer },
            subcommand::SET_MEASURING => match word(offset_of!(Layout, arg)) {
                on @ (0 | 1) => Self::SetMeasuring { on: on == 1 },
                _ => return Err(ControlStatus::Invalid),
            },
            subcommand::GET_AUTH => Self::GetAuth {
                who: who.ok_or(ControlStatus::Invalid)?,
                len: word(offset_of!(Layout, len)),
                buffer,
            },
            // FLUSH of one client alone, and all other numbers.
            _ => return Err(ControlStatus::NotPermitted),
        })
    }

    /// The operation's bytes, as a toolstack sends them.
    pub fn encode(&self) -> [u8; CONTROL_BYTES] {
        let (command, who, len, arg, oid, buffer) = match *self {
            Self::Save(op) => return op.encode(),
            Self::SetFrozen { who, frozen: true } => (subcommand::FREEZE, who, 0, 0, 0, 0),
            Self::SetFrozen { who, frozen: false } => (subcommand::THAW, who, 0, 0, 0, 0),
            Self::Flush { kib, freed_pages } => {
                (subcommand::FLUSH, ClientId::All, 0, kib, freed_pages, 0)
            }
            Self::GetClientInfo { who, buffer } => {
                (subcommand::GET_CLIENT_INFO, who, 0, 0, 0, buffer)
            }
            Self::SetClientInfo { who, buffer } => {
                (subcommand::SET_CLIENT_INFO, who, 0, 0, 0, buffer)
            }
            Self::QueryFreeable => (subcommand::QUERY_FREEABLE_MB, ClientId::All, 0, 0, 0, 0),
            Self::SetAuth { who, len, buffer } => (subcommand::SET_AUTH, who, len, 0, 0, buffer),
            Self::GetAuth { who, len, buffer } => (subcommand::GET_AUTH, who, len, 0, 0, buffer),
            Self::List { who, long, len, buffer } => {
                (subcommand::LIST, who, len, u32::from(long), 0, buffer)
            }
            Self::GetPools { who, len, buffer } => (subcommand::GET_POOLS, who, len, 0, 0, buffer),
            Self::SetPools { who, len, buffer } => (subcommand::SET_POOLS, who, len, 0, 0, buffer),
            Self::GetStats { of, len, buffer } => {
                let (who, _, arg) = of.encode();
                (subcommand::GET_STATS, who, len, arg, 0, buffer)
            }
            Self::Audit { len, buffer } => (subcommand::AUDIT, ClientId::All, len, 0, 0, buffer),
            Self::SetMeasuring { on } => {
                (subcommand::SET_MEASURING, ClientId::All, 0, u32::from(on), 0, 0)
            }
        };
        let pool_id = if let Self::GetStats { of, .. } = *self { of.encode().1 } else { 0 };
        let mut bytes = [0; CONTROL_BYTES];
        put(&mut bytes, offset_of!(Layout, pool_id), &pool_id.to_le_bytes());
        put(&mut bytes, offset_of!(Layout, cmd), &command.to_le_bytes());
        put(&mut bytes, offset_of!(Layout, cli_id), &who.encode().to_le_bytes());
        put(&mut bytes, offset_of!(Layout, len), &len.to_le_bytes());
        put(&mut bytes, offset_of!(Layout, arg), &arg.to_le_bytes());
        put(&mut bytes, offset_of!(Layout, oid), &oid.to_le_bytes());
        put(&mut bytes, offset_of!(Layout, buf), &buffer.to_le_bytes());
        bytes
    }
}
