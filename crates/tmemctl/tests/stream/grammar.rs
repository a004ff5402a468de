//! Records that are known or not, and where each may stand.

use super::*;

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
