//! Streams that were damaged, cut off or shuffled.

use super::*;

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
