//! What the records of a stream say, and their bodies.

use super::error::Objection;
use super::format::{u32_at, u64_at};
use super::grammar::Totals;
use hypercall_abi::{Handle, ObjectId, PAGE_SIZE_BYTES, PageIndex, Uuid};

/// Shared pools that a domain can be authorised for (Xen stable-4.11, `MAX_GLOBAL_SHARED_POOLS`).
pub const AUTHORISATIONS_MAX: usize = hypercall_abi::SHARED_POOLS_MAX;

/// A page's content.
pub type Page = [u8; PAGE_SIZE_BYTES];

/// The page that is sent without its content.
static ZERO_PAGE: Page = [0; PAGE_SIZE_BYTES];

/// Bytes of a client's record before its uuids.
const CLIENT_BYTES: usize = 16;
/// Bytes of a uuid.
const UUID_BYTES: usize = 16;
/// Bytes of a pool's record.
const POOL_BYTES: usize = 24;
/// Bytes of a page's name.
const HANDLE_BYTES: usize = 32;
/// Bytes of the record of a pool that is gone.
const POOL_GONE_BYTES: usize = 8;
/// Bytes of the end record.
const END_BYTES: usize = 40;

/// The longest body of a record that is known here.
pub(super) const BODY_BYTES_MAX: usize = HANDLE_BYTES + PAGE_SIZE_BYTES;

/// In a client's flags: frozen.
const CLIENT_FROZEN: u32 = 1 << 0;
/// In a client's flags: its pages are compressed.
const CLIENT_COMPRESS: u32 = 1 << 1;

/// The types of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// The client's settings.
    Client = 1,
    /// A pool.
    Pool = 2,
    /// A page with its content.
    Page = 3,
    /// A page of zeroes.
    ZeroPage = 4,
    /// A page is no longer there.
    FlushPage = 5,
    /// An object is no longer there.
    FlushObject = 6,
    /// A pool is no longer there.
    PoolGone = 7,
    /// The end.
    End = 8,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Pool,
        Self::Page,
        Self::ZeroPage,
        Self::FlushPage,
        Self::FlushObject,
        Self::PoolGone,
        Self::End,
    ];

    /// The type of this number.
    pub(super) fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its number in the stream.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Whether a record of this type can have so long a body.
    pub(super) fn can_have(self, len: usize) -> bool {
        match self {
            Self::Client => {
                (CLIENT_BYTES..=CLIENT_BYTES + AUTHORISATIONS_MAX * UUID_BYTES).contains(&len)
            }
            Self::Pool => len == POOL_BYTES,
            Self::Page => len == HANDLE_BYTES + PAGE_SIZE_BYTES,
            Self::ZeroPage | Self::FlushPage | Self::FlushObject => len == HANDLE_BYTES,
            Self::PoolGone => len == POOL_GONE_BYTES,
            Self::End => len == END_BYTES,
        }
    }
}

/// A domain's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its part of the host's ephemeral memory against other clients' weights.
    pub weight: u32,
    /// Whether its puts of new pages are refused.
    pub is_frozen: bool,
    /// Whether its pages are compressed.
    pub is_compressing: bool,
    /// The shared pools that it may join; at most [`AUTHORISATIONS_MAX`].
    pub authorisations: Vec<Uuid>,
}

/// A pool. The pages of an ephemeral one are not carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The domain's number for it, 0 to 15; it stays the same.
    pub id: u32,
    /// The flags word of NEW_POOL.
    pub flags: u32,
    /// Name of a shared pool.
    pub uuid: Uuid,
}

/// One record's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The domain's settings.
    Client(Client),
    /// The domain has this pool.
    Pool(Pool),
    /// This page is in its pool, in place of an older one.
    Page {
        /// The page's name.
        handle: Handle,
        /// Its content.
        content: &'a Page,
    },
    /// This page is no longer in its pool.
    FlushPage(Handle),
    /// No page of this object is in its pool any more.
    FlushObject {
        /// The pool.
        pool_id: u32,
        /// The object's id.
        object: ObjectId,
    },
    /// The domain no longer has this pool.
    PoolGone(u32),
    /// Everything was said.
    End(Totals),
}

impl<'a> Record<'a> {
    /// The type that it is written as.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Client(_) => Kind::Client,
            Self::Pool(_) => Kind::Pool,
            Self::Page { content, .. } if **content == ZERO_PAGE => Kind::ZeroPage,
            Self::Page { .. } => Kind::Page,
            Self::FlushPage(_) => Kind::FlushPage,
            Self::FlushObject { .. } => Kind::FlushObject,
            Self::PoolGone(_) => Kind::PoolGone,
            Self::End(_) => Kind::End,
        }
    }

    /// Appends the body.
    pub(super) fn encode(&self, body: &mut Vec<u8>) {
        match self {
            Self::Client(client) => {
                let frozen = if client.is_frozen { CLIENT_FROZEN } else { 0 };
                let compress = if client.is_compressing { CLIENT_COMPRESS } else { 0 };
                // More than there can be have been refused.
                let count = u32::try_from(client.authorisations.len()).unwrap_or(u32::MAX);
                for word in [client.weight, frozen | compress, count, 0] {
                    body.extend(word.to_le_bytes());
                }
                for uuid in &client.authorisations {
                    encode_uuid(*uuid, body);
                }
            }
            Self::Pool(pool) => {
                body.extend(pool.id.to_le_bytes());
                body.extend(pool.flags.to_le_bytes());
                encode_uuid(pool.uuid, body);
            }
            Self::Page { handle, content } => {
                encode_handle(handle, body);
                if self.kind() == Kind::Page {
                    body.extend(*content);
                }
            }
            Self::FlushPage(handle) => encode_handle(handle, body),
            Self::FlushObject { pool_id, object } => {
                let index = PageIndex(0);
                encode_handle(&Handle { pool_id: *pool_id, object: *object, index }, body);
            }
            Self::PoolGone(id) => {
                body.extend(id.to_le_bytes());
                body.extend(0_u32.to_le_bytes());
            }
            Self::End(totals) => {
                let Totals { records, pools, pages, flushes, pools_gone } = *totals;
                for count in [records, pools, pages, flushes, pools_gone] {
                    body.extend(count.to_le_bytes());
                }
            }
        }
    }

    /// Reads a body whose length its type can have.
    ///
    /// # Errors
    /// When a count does not fit the length, or something is set that has no meaning.
    pub(super) fn decode(kind: Kind, body: &'a [u8]) -> Result<Self, Objection> {
        Ok(match kind {
            Kind::Client => Self::Client(decode_client(body)?),
            Kind::Pool => Self::Pool(Pool {
                id: u32_at(body, 0),
                flags: u32_at(body, 4),
                uuid: decode_uuid(body, 8),
            }),
            Kind::Page => {
                let content = body.get(HANDLE_BYTES..).and_then(<[u8]>::first_chunk);
                let content = content.ok_or(Objection::Length)?;
                Self::Page { handle: decode_handle(body), content }
            }
            Kind::ZeroPage => Self::Page { handle: decode_handle(body), content: &ZERO_PAGE },
            Kind::FlushPage => Self::FlushPage(decode_handle(body)),
            Kind::FlushObject => match decode_handle(body) {
                Handle { pool_id, object, index: PageIndex(0) } => {
                    Self::FlushObject { pool_id, object }
                }
                _ => return Err(Objection::Reserved),
            },
            Kind::PoolGone if u32_at(body, 4) == 0 => Self::PoolGone(u32_at(body, 0)),
            Kind::PoolGone => return Err(Objection::Reserved),
            Kind::End => Self::End(Totals {
                records: u64_at(body, 0),
                pools: u64_at(body, 8),
                pages: u64_at(body, 16),
                flushes: u64_at(body, 24),
                pools_gone: u64_at(body, 32),
            }),
        })
    }
}

fn decode_client(body: &[u8]) -> Result<Client, Objection> {
    let (flags, count) = (u32_at(body, 4), u32_at(body, 8));
    if flags & !(CLIENT_FROZEN | CLIENT_COMPRESS) != 0 || u32_at(body, 12) != 0 {
        return Err(Objection::Reserved);
    }
    let uuids = body.get(CLIENT_BYTES..).unwrap_or_default();
    // The length has been judged: at most sixteen.
    if uuids.len() as u64 != u64::from(count) * UUID_BYTES as u64 {
        return Err(Objection::Length);
    }
    let authorisations = uuids.chunks_exact(UUID_BYTES).map(|uuid| decode_uuid(uuid, 0)).collect();
    Ok(Client {
        weight: u32_at(body, 0),
        is_frozen: flags & CLIENT_FROZEN != 0,
        is_compressing: flags & CLIENT_COMPRESS != 0,
        authorisations,
    })
}

fn encode_uuid(uuid: Uuid, body: &mut Vec<u8>) {
    for word in uuid.0 {
        body.extend(word.to_le_bytes());
    }
}

fn decode_uuid(body: &[u8], at: usize) -> Uuid {
    Uuid([u64_at(body, at), u64_at(body, at + 8)])
}

/// A page's name, as the hypervisor's own save has it: pool, index, object.
fn encode_handle(handle: &Handle, body: &mut Vec<u8>) {
    body.extend(handle.pool_id.to_le_bytes());
    body.extend(handle.index.0.to_le_bytes());
    for word in handle.object.0 {
        body.extend(word.to_le_bytes());
    }
}

fn decode_handle(body: &[u8]) -> Handle {
    Handle {
        pool_id: u32_at(body, 0),
        index: PageIndex(u32_at(body, 4)),
        object: ObjectId([u64_at(body, 8), u64_at(body, 16), u64_at(body, 24)]),
    }
}
