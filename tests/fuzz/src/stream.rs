//! The target `stream`: what may be in the file that a domain's tmem is restored from.
//!
//! Random bytes never have the right checksum, so the input is a script that makes a stream: most
//! records with right sequence numbers and checksums, so that what is behind these is reached.

use crate::bytes::{Bytes, pick};
use hypercall_abi::PAGE_SIZE_BYTES;
use tmemctl::stream::{
    CHECKSUM_BYTES, Client, HEADER_BYTES, Kind, Page, Pool, Reader, Record, StreamError, Writer,
    reseal,
};

/// Bytes of an unknown record's body at most: more than a reader takes at a time.
const UNKNOWN_BYTES_MAX: usize = 5000;
/// In the type of a record that may be skipped.
const OPTIONAL: u32 = 1 << 31;
/// Records for [`Writer::write`] again.
type Again = Vec<Owned>;

/// A record that owns its page.
enum Owned {
    Short(Record<'static>),
    Page(hypercall_abi::Handle, Box<Page>),
}

/// Makes a stream from `data` and reads it. A reader never panics, gives out nothing after an error,
/// and what it takes for whole is what [`Writer`] would have made of the same records.
pub fn stream(data: &[u8]) {
    let mut bytes = Bytes(data);
    let [mode] = bytes.take_or_zero();
    let raw = match mode % 4 {
        // As they come.
        0 => bytes.0.to_vec(),
        // As they come, but sealed.
        1 => {
            let mut raw = bytes.0.to_vec();
            reseal(&mut raw);
            raw
        }
        _ => made(&mut bytes),
    };
    let Ok(again) = read(&raw) else { return };
    assert!(mode % 4 != 0 || raw.len() >= HEADER_BYTES, "nothing is no stream");
    let is_live = Reader::new(&*raw).expect("it was read").is_live();
    let mut writer = Writer::new(Vec::new(), is_live).expect("memory takes it");
    for owned in &again {
        let written = match owned {
            Owned::Short(record) => writer.write(record),
            Owned::Page(handle, content) => {
                writer.write(&Record::Page { handle: *handle, content })
            }
        };
        written.expect("what a reader gives out, a writer takes");
    }
    let (rewritten, _) = writer.finish().expect("so it does at the end");
    let reread = read(&rewritten).unwrap_or_else(|error| broken(&error));
    assert!(reread.len() == again.len() && reread.iter().zip(&again).all(is_same), "not the same");
    // One bit of it changed, and it is refused.
    if let Some(at) = usize::try_from(u64::from_le_bytes(bytes.take_or_zero()))
        .ok()
        .and_then(|at| at.checked_rem(raw.len()))
    {
        let mut damaged = raw;
        damaged[at] ^= 1 << (mode >> 5);
        assert!(read(&damaged).is_err(), "damage at {at} is not seen");
    }
}

#[expect(clippy::panic, reason = "a fuzz target's verdict")]
fn broken(error: &StreamError) -> Again {
    panic!("what was read can't be written and read again: {error}")
}

fn is_same((one, other): (&Owned, &Owned)) -> bool {
    match (one, other) {
        (Owned::Short(one), Owned::Short(other)) => one == other,
        (Owned::Page(one, content), Owned::Page(other, same)) => one == other && content == same,
        _ => false,
    }
}

/// Everything that a reader gives out, if the stream is whole.
fn read(raw: &[u8]) -> Result<Again, StreamError> {
    let mut reader = Reader::new(raw)?;
    let mut all = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(Record::Page { handle, content })) => {
                all.push(Owned::Page(handle, Box::new(*content)));
            }
            Ok(Some(Record::Client(client))) => {
                all.push(Owned::Short(Record::Client(Client { ..client })));
            }
            Ok(Some(Record::Pool(pool))) => {
                all.push(Owned::Short(Record::Pool(Pool { ..pool })));
            }
            Ok(Some(Record::FlushPage(handle))) => {
                all.push(Owned::Short(Record::FlushPage(handle)));
            }
            Ok(Some(Record::FlushObject { pool_id, object })) => {
                all.push(Owned::Short(Record::FlushObject { pool_id, object }));
            }
            Ok(Some(Record::PoolGone(id))) => all.push(Owned::Short(Record::PoolGone(id))),
            Ok(Some(Record::End(_))) => unreachable!("a reader keeps it"),
            Ok(None) => break,
            Err(error) => {
                assert!(reader.next().is_err(), "something is given out after an error");
                return Err(error);
            }
        }
    }
    reader.expect_end_of_input()?;
    Ok(all)
}

/// A stream of records whose bodies are mostly of the right length, sealed, with right totals.
fn made(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let [flags] = bytes.take_or_zero();
    let mut raw = vec![0; 8];
    raw.extend([1, 0, 0, 0, flags & 1, 0, 0, 0]);
    raw.extend([0; CHECKSUM_BYTES]);
    // records, pools, pages, flushed, gone
    let mut totals = [0_u64; 5];
    // Without a script there are settings and the end.
    let mut said: Vec<(u32, Vec<u8>)> = vec![client(flags, bytes)];
    while let Some([what]) = bytes.take() {
        let (kind, body) = record(what, bytes);
        let place = match kind {
            2 => 1,
            3 | 4 => 2,
            5 | 6 => 3,
            7 => 4,
            _ => 0,
        };
        if place > 0 {
            totals[place] += 1;
        }
        said.push((kind, body));
    }
    totals[0] = said.len() as u64;
    let end = totals.iter().flat_map(|count| count.to_le_bytes()).collect();
    said.push((Kind::End.number(), end));
    for (kind, body) in said {
        raw.extend(kind.to_le_bytes());
        raw.extend(u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
        raw.extend([0; 8]);
        raw.extend(&body);
        raw.extend([0; CHECKSUM_BYTES]);
    }
    reseal(&mut raw);
    raw
}

/// The client's settings; one in eight with too many uuids, or with unknown flags.
fn client(flags: u8, bytes: &mut Bytes<'_>) -> (u32, Vec<u8>) {
    let [count, weight, known] = bytes.take_or_zero();
    let count = u32::from(count) % 18;
    let mut body = Vec::new();
    let known = if flags & 0xe0 == 0xe0 { known } else { known & 3 };
    for word in [u32::from(weight), u32::from(known), count, 0] {
        body.extend(word.to_le_bytes());
    }
    body.extend((0..count * 16).map(|at| at.to_le_bytes()[0] ^ weight));
    (Kind::Client.number(), body)
}

/// A record of the script.
fn record(what: u8, bytes: &mut Bytes<'_>) -> (u32, Vec<u8>) {
    let [pool, more] = bytes.take_or_zero();
    let pool_id = u32::from(pool) % 18;
    let mut body = Vec::from(pool_id.to_le_bytes());
    match what % 8 {
        0 => {
            // Flags words that a pool can have, and one that it can't.
            let flags = pick(more, [1 << 24, 1 | 1 << 24, 2 | 1 << 24, 3 | 1 << 24]);
            body.extend::<[u8; 4]>(u32::to_le_bytes(flags));
            body.extend([more; 16]);
            (Kind::Pool.number(), body)
        }
        kind @ 1..=3 => {
            body.extend([more, 0, 0, pool]);
            body.extend([more; 24]);
            if kind == 1 {
                let [fill] = bytes.take_or_zero();
                body.extend([fill; PAGE_SIZE_BYTES]);
            }
            let kind = pick(kind - 1, [Kind::Page, Kind::ZeroPage, Kind::FlushPage]);
            (kind.number(), body)
        }
        4 => {
            body.extend([0; 4]);
            (Kind::PoolGone.number(), body)
        }
        5 => (OPTIONAL | u32::from(more), vec![pool; usize::from(more) * 20 % UNKNOWN_BYTES_MAX]),
        // Any type, with a body of any short length.
        6 => (u32::from(more) % 10, vec![pool; usize::from(what >> 3)]),
        // An object; one in four with something where the index of a page would be.
        _ => {
            body.extend([0, 0, 0, u8::from(what >> 6 == 3)]);
            body.extend([more; 24]);
            (Kind::FlushObject.number(), body)
        }
    }
}
