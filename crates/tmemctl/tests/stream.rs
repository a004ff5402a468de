//! The stream: what is written is read, and what is not what was written is refused before anybody
//! sees it.

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

#[test]
fn r65_p11_p12_what_is_written_is_read() {
    for count in [0, 1, 2, 1000] {
        let mut all = vec![Said::Client(Client::default()), pool(4, PoolFlags::PERSIST)];
        all.extend((0..count).map(|at| Said::Page(handle(4, 1, at), page(u64::from(at)))));
        let (given, end) = read(&written(false, &all));
        assert_eq!(given, all);
        let pages = u64::from(count);
        let totals = Totals { records: 2 + pages, pools: 1, pages, ..Totals::default() };
        assert_eq!(end.expect("it is whole"), totals);
    }
    let (given, end) = read(&written(true, &small()));
    assert_eq!(given, small());
    assert_eq!(end.expect("it is whole").flushes, 2);
}

#[test]
fn a_page_of_zeroes_is_short() {
    let mut all = vec![Said::Client(Client::default()), pool(0, PoolFlags::PERSIST)];
    let before = written(false, &all).len();
    all.push(Said::Page(handle(0, 1, 1), page(0)));
    assert_eq!(written(false, &all).len() - before, RECORD_HEAD_BYTES + 32 + CHECKSUM_BYTES);
}

#[test]
fn p87_damage_at_any_byte_is_refused() {
    let good = written(true, &small());
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = good.clone();
            damaged[at] ^= flip;
            assert_refused(&damaged, &small(), &format!("byte {at} ^ {flip:#x}"));
        }
    }
}

#[test]
fn p87_a_stream_cut_off_anywhere_is_refused() {
    let good = written(true, &small());
    for end in 0..good.len() {
        let error = assert_refused(&good[..end], &small(), &format!("cut at {end}"));
        if end >= 8 {
            assert!(matches!(error, StreamError::Truncated(_)), "cut at {end}: {error}");
        } else {
            assert!(matches!(error, StreamError::Foreign), "cut at {end}: {error}");
        }
    }
    let mut longer = good;
    longer.push(0);
    let error = assert_refused(&longer, &small(), "a byte more");
    assert!(matches!(error, StreamError::TrailingBytes), "{error}");
}

#[test]
fn a_larger_stream_damaged_at_a_thousand_places_is_refused() {
    let mut all = vec![Said::Client(Client::default())];
    all.extend((0..16).map(|id| pool(id, PoolFlags::PERSIST)));
    let mut dice = Dice(0x7465_6d6d);
    for at in 0..200 {
        let name = handle(dice.below(16), dice.below(5).into(), at);
        let said = match dice.below(4) {
            0 => Said::Flush(name),
            kind => Said::Page(name, page(u64::from(kind) - 1)),
        };
        all.push(said);
    }
    let good = written(true, &all);
    for _ in 0..1000 {
        let mut damaged = good.clone();
        let at = dice.below(u32::try_from(good.len()).expect("it is small")) as usize;
        // One bit, or a stretch of noise, as a lost block leaves it.
        if dice.below(2) == 0 {
            damaged[at] ^= 1 << dice.below(8);
        } else {
            let end = (at + 1 + dice.below(600) as usize).min(good.len());
            damaged[at..end].iter_mut().for_each(|byte| *byte = dice.byte());
        }
        if damaged != good {
            assert_refused(&damaged, &all, &format!("damage at {at}"));
        }
    }
}

#[test]
fn records_moved_repeated_left_out_or_brought_in_are_refused() {
    let all = small();
    let good = written(true, &all);
    let pieces = pieces(&good);
    assert_eq!(pieces.len(), all.len() + 1);
    let joined = |order: &[usize], from: &[u8]| {
        let mut bytes = good[..HEADER_BYTES].to_vec();
        for &at in order {
            bytes.extend(&from[pieces[at].clone()]);
        }
        bytes
    };
    let order: Vec<usize> = (0..pieces.len()).collect();
    assert_eq!(joined(&order, &good), good);
    for at in 0..order.len() {
        let mut left_out = order.clone();
        left_out.remove(at);
        assert_refused(&joined(&left_out, &good), &all, &format!("without record {at}"));
        let mut repeated = order.clone();
        repeated.insert(at, at);
        let repeated = joined(&repeated, &good);
        if at + 1 == order.len() {
            // Behind the end nothing is looked at but that it is there.
            assert_refused(&repeated, &all, "a second end");
        } else {
            let error = assert_refused(&repeated, &all, &format!("record {at} twice"));
            assert!(matches!(error, StreamError::Damaged(_)), "{error}");
        }
        if at > 0 {
            let mut moved = order.clone();
            moved.swap(at - 1, at);
            assert_refused(&joined(&moved, &good), &all, &format!("record {at} one earlier"));
        }
    }
    // A record of another domain's stream: right by itself, at the same place, of the same pool.
    let mut other = all.clone();
    other[0] = Said::Client(Client::default());
    other[3] = Said::Page(handle(0, 1, 99), page(5));
    let mut other = written(true, &other);
    // The settings are shorter by one uuid there; what follows is moved to where it is here.
    other.splice(HEADER_BYTES..HEADER_BYTES, [0; 16]);
    let mut spliced = good.clone();
    spliced[pieces[3].clone()].copy_from_slice(&other[pieces[3].clone()]);
    let error = assert_refused(&spliced, &all, "another stream's record");
    assert!(matches!(error, StreamError::Damaged(3)), "{error}");
}

#[test]
fn a_foreign_and_a_newer_stream_are_refused_by_name() {
    for foreign in [&b""[..], b"Xen", b"LibxlFmt\0\0\0\x02", &[0; 4096]] {
        let error = assert_refused(foreign, &[], "foreign");
        assert!(matches!(error, StreamError::Foreign), "{error}");
    }
    let mut newer = written(false, &[Said::Client(Client::default())]);
    newer[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let damaged = assert_refused(&newer, &[], "a damaged version");
    assert!(matches!(damaged, StreamError::BadHeader), "{damaged}");
    reseal(&mut newer);
    let error = assert_refused(&newer, &[], "newer");
    assert!(matches!(error, StreamError::NewerVersion(2)), "{error}");
    assert!(error.to_string().contains("version 2") && error.to_string().contains("up to 1"));
    // What this version does not know in the header, it can't obey.
    newer[8..12].copy_from_slice(&VERSION.to_le_bytes());
    newer[12] = 2;
    reseal(&mut newer);
    assert!(matches!(assert_refused(&newer, &[], "flags"), StreamError::BadHeader));
}

/// The stream with another record put in at its place `at`, numbers and checksums right.
fn with_record(good: &[u8], at: usize, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::from(kind.to_le_bytes());
    record.extend(u32::try_from(body.len()).expect("it is small").to_le_bytes());
    record.extend([0; 8]);
    record.extend(body);
    record.extend([0; CHECKSUM_BYTES]);
    let place = pieces(good).get(at).map_or(good.len(), |piece| piece.start);
    let mut bytes = good.to_vec();
    bytes.splice(place..place, record);
    reseal(&mut bytes);
    bytes
}

#[test]
fn unknown_records_are_skipped_if_they_may_be() {
    let good = written(true, &small());
    let last = pieces(&good).len() - 1;
    for (at, len) in [(0, 0), (1, 1), (4, 4096), (last, 100_000)] {
        let mut more = with_record(&good, at, 0x8000_0001, &vec![7; len]);
        // The end record counts it.
        let end = more.len() - CHECKSUM_BYTES - 40;
        more[end..end + 8].copy_from_slice(&(small().len() as u64 + 1).to_le_bytes());
        reseal(&mut more);
        let (given, end) = read(&more);
        assert_eq!(given, small());
        assert_eq!(end.expect("it is whole").records, small().len() as u64 + 1);

        let unknown = with_record(&good, at, 9, &vec![7; len]);
        let error = assert_refused(&unknown, &small(), "an unknown record");
        let is_named = matches!(error, StreamError::UnknownRecord { sequence, kind: 9 } if sequence == at as u64);
        assert!(is_named, "{error}");
        assert!(error.to_string().contains("type 9"), "{error}");
    }
}

#[test]
fn what_may_not_stand_there_is_refused_by_reader_and_writer() {
    let client = || Said::Client(Client::default());
    let too_many = vec![Uuid([1, 1]); AUTHORISATIONS_MAX + 1];
    let bad_flags = Pool { id: 0, flags: 3 | 1 << 24, uuid: Uuid::default() };
    let cases: Vec<(bool, Vec<Said>, Objection)> = vec![
        (false, vec![pool(0, PoolFlags::PERSIST)], Objection::ClientNotFirst),
        (false, vec![client(), client()], Objection::ClientNotFirst),
        (
            false,
            vec![Said::Client(Client { authorisations: too_many, ..Client::default() })],
            Objection::TooManyAuthorisations,
        ),
        (false, vec![client(), pool(16, PoolFlags::PERSIST)], Objection::NotAPool),
        (false, vec![client(), Said::Pool(bad_flags)], Objection::NotAPool),
        (
            false,
            vec![client(), pool(2, PoolFlags::PERSIST), pool(2, PoolFlags::empty())],
            Objection::PoolExists(2),
        ),
        (false, vec![client(), Said::Page(handle(0, 1, 1), page(1))], Objection::NoPool(0)),
        (
            false,
            vec![client(), pool(0, PoolFlags::SHARED), Said::Page(handle(0, 1, 1), page(0))],
            Objection::PoolIsEphemeral(0),
        ),
        (
            false,
            vec![client(), pool(0, PoolFlags::PERSIST), Said::Flush(handle(0, 1, 1))],
            Objection::NotLive,
        ),
        (false, vec![client(), pool(0, PoolFlags::PERSIST), Said::Gone(0)], Objection::NotLive),
        (true, vec![client(), Said::Flush(handle(1, 1, 1))], Objection::NoPool(1)),
        (true, vec![client(), Said::FlushObject(2, ObjectId([0; 3]))], Objection::NoPool(2)),
        (
            false,
            vec![client(), pool(0, PoolFlags::PERSIST), Said::FlushObject(0, ObjectId([1, 2, 3]))],
            Objection::NotLive,
        ),
        (true, vec![client(), Said::Gone(1)], Objection::NoPool(1)),
        (true, vec![client(), Said::Gone(u32::MAX)], Objection::NoPool(u32::MAX)),
        (
            true,
            vec![client(), pool(1, PoolFlags::PERSIST), Said::Gone(1), Said::Gone(1)],
            Objection::NoPool(1),
        ),
    ];
    for (is_live, mut all, wanted) in cases {
        let last = all.pop().expect("there is one");
        let mut writer = Writer::new(Vec::new(), is_live).expect("memory takes it");
        for said in &all {
            writer.write(&said.record()).expect("it may stand there");
        }
        match writer.write(&last.record()) {
            Err(StreamError::Refused { objection, .. }) => assert_eq!(objection, wanted),
            other => unreachable!("{last:?} is written: {other:?}"),
        }
        // The refused record left no trace.
        let good = if all.is_empty() {
            header(is_live)
        } else {
            writer.finish().expect("memory takes it").0
        };
        assert_eq!(read(&good).0, all);
        if wanted == Objection::TooManyAuthorisations {
            continue; // such a length is no client's
        }
        // The same record, by one who does not ask the grammar.
        let mut body = Vec::new();
        let kind = encoded(&last, &mut body);
        let bad = with_record(&good, all.len(), kind, &body);
        match assert_refused(&bad, &all, "a record out of place") {
            StreamError::Refused { objection, sequence } => {
                assert_eq!((objection, sequence), (wanted, all.len() as u64));
            }
            other => unreachable!("{last:?}: {other}"),
        }
    }
}

/// A record's type and body, taken from a stream in which it may stand.
fn encoded(said: &Said, body: &mut Vec<u8>) -> u32 {
    let name = |name: &Handle, body: &mut Vec<u8>| {
        body.extend(name.pool_id.to_le_bytes());
        body.extend(name.index.0.to_le_bytes());
        body.extend(name.object.0.iter().flat_map(|word| word.to_le_bytes()));
    };
    match said {
        Said::Client(_) => {
            body.extend([0; 16]);
            1
        }
        Said::Pool(pool) => {
            body.extend(pool.id.to_le_bytes());
            body.extend(pool.flags.to_le_bytes());
            body.extend(pool.uuid.0.iter().flat_map(|word| word.to_le_bytes()));
            2
        }
        Said::Page(handle, content) if content.iter().all(|&byte| byte == 0) => {
            name(handle, body);
            4
        }
        Said::Page(handle, content) => {
            name(handle, body);
            body.extend(content.iter());
            3
        }
        Said::Flush(handle) => {
            name(handle, body);
            5
        }
        Said::FlushObject(pool_id, object) => {
            name(&Handle { pool_id: *pool_id, object: *object, index: PageIndex(0) }, body);
            6
        }
        Said::Gone(id) => {
            body.extend(id.to_le_bytes());
            body.extend([0; 4]);
            7
        }
    }
}

#[test]
fn each_type_s_bytes_are_those_of_the_document() {
    let good = written(true, &small());
    assert_eq!(good[..16], *b"\x89TMEM\r\n\x1a\x01\0\0\0\x01\0\0\0");
    for (at, said) in small().iter().enumerate() {
        let piece = &good[pieces(&good)[at].clone()];
        let mut body = Vec::new();
        let kind = encoded(said, &mut body);
        assert_eq!(piece[..4], kind.to_le_bytes());
        assert_eq!(piece[8..16], (at as u64).to_le_bytes());
        let piece = &piece[RECORD_HEAD_BYTES..piece.len() - CHECKSUM_BYTES];
        if kind == Kind::Client.number() {
            // weight, flags, number of uuids, 0, a uuid
            body = [70, 1, 1, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
            body.extend([5_u64, 6].iter().flat_map(|word| word.to_le_bytes()));
        }
        assert_eq!(piece, body, "record {at}");
    }
}

#[test]
fn a_body_that_says_more_than_this_version_knows_is_refused() {
    let good = written(false, &[Said::Client(Client::default())]);
    let body = HEADER_BYTES + RECORD_HEAD_BYTES;
    for (at, wanted) in
        [(4, Objection::Reserved), (8, Objection::Length), (12, Objection::Reserved)]
    {
        let mut bad = good.clone();
        bad[body + at] = 4;
        reseal(&mut bad);
        match assert_refused(&bad, &[], "a client's record") {
            StreamError::Refused { objection, sequence: 0 } => assert_eq!(objection, wanted),
            other => unreachable!("{other}"),
        }
    }
    let live = written(true, &small());
    // What fills up a pool that is gone, and the index of an object.
    for record in [6, 8] {
        let piece = pieces(&live)[record].clone();
        let mut bad = live.clone();
        bad[piece.start + RECORD_HEAD_BYTES + 4] = 1;
        reseal(&mut bad);
        match assert_refused(&bad, &small(), "padding") {
            StreamError::Refused { objection: Objection::Reserved, sequence } => {
                assert_eq!(sequence, record as u64);
            }
            other => unreachable!("{other}"),
        }
    }
}

#[test]
fn totals_that_do_not_add_up_are_refused() {
    let good = written(true, &small());
    for count in 0..5 {
        let mut bad = good.clone();
        let at = bad.len() - CHECKSUM_BYTES - 40 + 8 * count;
        bad[at] ^= 1;
        reseal(&mut bad);
        assert!(matches!(
            assert_refused(&bad, &small(), "totals"),
            StreamError::Refused { objection: Objection::Totals, .. }
        ));
    }
}

/// Bytes of a stream of any length, made as they are asked for.
struct Endless {
    at: usize,
    head: Vec<u8>,
}

impl std::io::Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if let Some(rest) = self.head.get(self.at..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            return Ok(count);
        }
        assert!(bytes.len() <= 8192, "{} bytes are asked for at once", bytes.len());
        bytes.fill(0);
        self.at += bytes.len();
        Ok(bytes.len())
    }
}

#[test]
fn a_length_is_not_believed() {
    for kind in [1_u32, 2, 3, 4, 5, 6, 7, 8, 9, 0x8000_0001] {
        let mut head = header(false);
        head.extend(kind.to_le_bytes());
        head.extend(0x0100_0000_u32.to_le_bytes());
        head.extend([0; 8]);
        let mut reader = Reader::new(Endless { at: 0, head }).expect("the header is good");
        assert!(reader.next().is_err());
    }
}

/// A good stream whose input fails once, between two records.
struct FailsOnce<'a> {
    good: &'a [u8],
    at: usize,
    fails_at: usize,
}

impl std::io::Read for FailsOnce<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.fails_at {
            self.fails_at = usize::MAX;
            return Err(std::io::Error::other("a cable"));
        }
        let count = (&self.good[self.at..]).read(bytes)?;
        self.at += count;
        Ok(count)
    }
}

#[test]
fn nothing_is_given_out_after_an_error() {
    let good = written(true, &small());
    let fails_at = pieces(&good)[1].start;
    let mut reader = Reader::new(FailsOnce { good: &good, at: 0, fails_at }).expect("it is good");
    assert!(matches!(reader.next(), Ok(Some(Record::Client(_)))));
    assert!(matches!(reader.next(), Err(StreamError::Io(_))));
    for _ in 0..3 {
        assert!(reader.next().is_err());
    }
}

prop_compose! {
    fn any_client()(
        weight in any::<u32>(),
        is_frozen in any::<bool>(),
        is_compressing in any::<bool>(),
        uuids in prop::collection::vec(any::<[u64; 2]>(), 0..=AUTHORISATIONS_MAX),
    ) -> Client {
        let authorisations = uuids.into_iter().map(Uuid).collect();
        Client { weight, is_frozen, is_compressing, authorisations }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r65_p87_every_setting_pool_and_page_comes_through(
        client in any_client(),
        is_live in any::<bool>(),
        flags in prop::collection::vec(0_u32..3, 0..16),
        names in prop::collection::vec((any::<[u64; 3]>(), any::<u32>(), 0_u64..3, any::<bool>()), 0..20),
    ) {
        let mut all = vec![Said::Client(client)];
        let mut persistent = Vec::new();
        for (id, bits) in (0..).zip(flags) {
            let flags = PoolFlags::from_bits_truncate(bits);
            if flags.contains(PoolFlags::PERSIST) {
                persistent.push(id);
            }
            all.push(pool(id, flags));
        }
        for (at, (object, index, seed, is_removed)) in names.into_iter().enumerate() {
            let Some(&pool_id) = persistent.get(at % persistent.len().max(1)) else { continue };
            let name = Handle { pool_id, object: ObjectId(object), index: PageIndex(index) };
            let is_removed = is_removed && is_live;
            all.push(if is_removed { Said::Flush(name) } else { Said::Page(name, page(seed)) });
        }
        let (given, end) = read(&written(is_live, &all));
        prop_assert_eq!(&given, &all);
        prop_assert_eq!(end.expect("it is whole").records, all.len() as u64);
    }

    #[test]
    fn no_bytes_make_the_reader_fail_or_believe(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(read(&bytes).1.is_err());
        // Behind right numbers and checksums.
        let mut bytes = bytes;
        reseal(&mut bytes);
        let (given, end) = read(&bytes);
        prop_assert!(end.is_err() || given.len() <= 1);
    }
}
