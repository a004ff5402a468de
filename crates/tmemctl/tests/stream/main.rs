//! The stream: what is written is read, and what is not what was written is refused before anybody
//! sees it.

mod damage;
mod grammar;
mod input;
mod round_trips;

use hypercall_abi::{Handle, ObjectId, PAGE_SIZE_BYTES, PageIndex, PoolFlags, Uuid};
use proptest::prelude::*;
use tmemctl::stream::{
    AUTHORISATIONS_MAX, CHECKSUM_BYTES, Client, HEADER_BYTES, Kind, Objection, Page, Pool,
    RECORD_HEAD_BYTES, Reader, Record, StreamError, Totals, VERSION, Writer, reseal,
};

/// A record that owns its page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Client(Client),
    Pool(Pool),
    Page(Handle, Box<Page>),
    Flush(Handle),
    FlushObject(u32, ObjectId),
    Gone(u32),
}

impl Said {
    fn record(&self) -> Record<'_> {
        match self {
            Self::Client(client) => Record::Client(client.clone()),
            Self::Pool(pool) => Record::Pool(*pool),
            Self::Page(handle, content) => Record::Page { handle: *handle, content },
            Self::Flush(handle) => Record::FlushPage(*handle),
            Self::FlushObject(pool_id, object) => {
                Record::FlushObject { pool_id: *pool_id, object: *object }
            }
            Self::Gone(id) => Record::PoolGone(*id),
        }
    }

    fn of(record: &Record<'_>) -> Self {
        match record {
            Record::Client(client) => Self::Client(client.clone()),
            Record::Pool(pool) => Self::Pool(*pool),
            Record::Page { handle, content } => Self::Page(*handle, Box::new(**content)),
            Record::FlushPage(handle) => Self::Flush(*handle),
            Record::FlushObject { pool_id, object } => Self::FlushObject(*pool_id, *object),
            Record::PoolGone(id) => Self::Gone(*id),
            Record::End(_) => unreachable!("the reader keeps it"),
        }
    }
}

fn written(is_live: bool, all: &[Said]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), is_live).expect("memory takes it");
    for said in all {
        writer.write(&said.record()).expect("it may stand there");
    }
    writer.finish().expect("memory takes it").0
}

fn header(is_live: bool) -> Vec<u8> {
    let mut bytes = written(is_live, &[Said::Client(Client::default())]);
    bytes.truncate(HEADER_BYTES);
    bytes
}

/// What a reader gives out, and how it ends.
fn read(bytes: &[u8]) -> (Vec<Said>, Result<Totals, StreamError>) {
    let mut all = Vec::new();
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (all, Err(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(record)) => all.push(Said::of(&record)),
            Ok(None) => break,
            Err(error) => {
                // Nothing comes after an error.
                assert!(reader.next().is_err());
                return (all, Err(error));
            }
        }
    }
    let totals = reader.totals();
    (all, reader.expect_end_of_input().map(|()| totals))
}

fn handle(pool_id: u32, object: u64, index: u32) -> Handle {
    Handle { pool_id, object: ObjectId([object, 2, 3]), index: PageIndex(index) }
}

fn pool(id: u32, flags: PoolFlags) -> Said {
    Said::Pool(Pool { id, flags: flags.to_word(), uuid: Uuid([u64::from(id), 9]) })
}

/// A page whose bytes all depend on `seed`; 0 gives zeroes.
fn page(seed: u64) -> Box<Page> {
    let mut state = seed;
    let mut page = Box::new([0; PAGE_SIZE_BYTES]);
    for byte in page.iter_mut() {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed);
        *byte = (state >> 56) as u8;
    }
    page
}

/// A stream with every type of record.
fn small() -> Vec<Said> {
    vec![
        Said::Client(Client {
            weight: 70,
            is_frozen: true,
            is_compressing: false,
            authorisations: vec![Uuid([5, 6])],
        }),
        pool(0, PoolFlags::PERSIST),
        pool(3, PoolFlags::SHARED),
        Said::Page(handle(0, 1, u32::MAX), page(1)),
        Said::Page(handle(0, 1, 7), page(0)),
        Said::Flush(handle(0, 1, u32::MAX)),
        Said::Gone(3),
        pool(3, PoolFlags::empty()),
        Said::FlushObject(0, ObjectId([1, 2, 3])),
    ]
}

/// A deterministic row of numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).expect("it is smaller than the bound")
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}

/// Where each record of a stream lies.
fn pieces(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut at = HEADER_BYTES;
    let mut pieces = Vec::new();
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four bytes"));
        let end = at + RECORD_HEAD_BYTES + len as usize + CHECKSUM_BYTES;
        pieces.push(at..end);
        at = end;
    }
    pieces
}

/// That a damaged stream is refused, and that what was given out before is how the good one begins.
fn assert_refused(damaged: &[u8], good: &[Said], what: &str) -> StreamError {
    let (given, end) = read(damaged);
    assert!(good.starts_with(&given), "{what}: gives out what was not written");
    match end {
        Err(error) => error,
        Ok(_) => panic_with(what),
    }
}

fn panic_with(what: &str) -> StreamError {
    unreachable!("{what}: taken for a whole stream")
}
