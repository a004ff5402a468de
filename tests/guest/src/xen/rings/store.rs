//! Xenstore, as little of it as it takes to be suspended: the toolstack asks a PVH domain to suspend
//! itself by a word there.

use super::super::foreign::give_way;
use super::super::hvm_param::Param;
use super::{Place, consume, notify, produce};
use core::sync::atomic::{AtomicU8, AtomicU32};

/// `struct xenstore_domain_interface` (`xen/include/public/io/xs_wire.h`).
#[repr(C)]
struct Ring {
    requests: [AtomicU8; 1024],
    replies: [AtomicU8; 1024],
    request_consumer: AtomicU32,
    request_producer: AtomicU32,
    reply_consumer: AtomicU32,
    reply_producer: AtomicU32,
}

/// `XS_READ` (`enum xsd_sockmsg_type`).
const READ: u32 = 2;
/// `XS_WRITE`.
const WRITE: u32 = 11;

/// Where the toolstack writes what it wants of the domain; below the domain's own folder.
const WISH: &[u8] = b"control/shutdown\0";
/// Its word for a suspension.
const SUSPEND: &[u8] = b"suspend";

/// Longest reply that is looked at; of longer ones the beginning is.
const REPLY_BYTES: usize = 16;

static PLACE: Place = Place::new();

/// Xenstore's ring, mapped.
pub(crate) struct Store(&'static Ring);

impl Store {
    /// Maps the ring; `None` if there is none.
    pub(crate) fn open() -> Option<Self> {
        // SAFETY: it is mapped, and xenstore's.
        PLACE.map(Param::StoreFrame).then(|| Self(unsafe { PLACE.get() }))
    }

    /// Whether the toolstack wants the domain to suspend itself. The wish is taken back with that,
    /// which tells the toolstack that it is heard.
    pub(crate) fn is_to_suspend(&self) -> bool {
        let mut reply = [0; REPLY_BYTES];
        let length = self.ask(READ, &[WISH], &mut reply);
        if reply.get(..length) != Some(SUSPEND) {
            return false;
        }
        self.ask(WRITE, &[WISH], &mut reply);
        true
    }

    /// Sends a request and waits for its reply, whose kind is not looked at; length of its beginning.
    fn ask(&self, kind: u32, payload: &[&[u8]], reply: &mut [u8; REPLY_BYTES]) -> usize {
        let ring = self.0;
        let length: usize = payload.iter().map(|part| part.len()).sum();
        // Kind, number of the request, of the transaction, length.
        let header = [kind, 0, 0, u32::try_from(length).unwrap_or_default()].map(u32::to_le_bytes);
        let parts = header.iter().map(<[u8; 4]>::as_slice).chain(payload.iter().copied());
        for &byte in parts.flatten() {
            while !produce(&ring.requests, &ring.request_consumer, &ring.request_producer, byte) {
                give_way();
            }
        }
        notify(Param::StorePort);
        let mut header = [0; 16];
        header.iter_mut().for_each(|byte| *byte = self.next());
        let length = header.last_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        for at in 0..length {
            let byte = self.next();
            if let Some(place) = reply.get_mut(at) {
                *place = byte;
            }
        }
        notify(Param::StorePort);
        length.min(REPLY_BYTES)
    }

    /// The next byte of a reply.
    fn next(&self) -> u8 {
        let ring = self.0;
        loop {
            match consume(&ring.replies, &ring.reply_consumer, &ring.reply_producer) {
                Some(byte) => break byte,
                None => give_way(),
            }
        }
    }
}
