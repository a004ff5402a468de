//! What is written is read.

use super::*;

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
