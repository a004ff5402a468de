//! What the original took: Xen 4.11 with `tmem=1`, the same calls in the same order, under the same
//! instruction count (QEMU, `-cpu qemu64`, one CPU, a bare-metal PV guest as first domain).

/// Instructions of the null call there.
const NULL_CALL: u64 = 301;

/// Instructions of a call there, the null call's in them.
const CALLS: &[(&str, u64)] = &[
    ("empty_get", 428),
    ("first_put", 2527),
    ("put", 1822),
    ("get", 1454),
    ("duplicate_put", 1753),
    ("miss_no_object", 467),
    ("miss_no_index", 536),
    ("flush_page", 1043),
    ("put_ephemeral", 1807),
    ("exclusive_get", 1825),
    ("put_ephemeral_again", 1789),
];

/// Instructions of the longest stretch: a pool of 4000 pages destroyed in one call, without a moment
/// for anybody else.
const STRETCHES: &[(&str, u64)] = &[("destroy_pool", 1_903_638)];

/// Instructions of `op` over the null call; `None` if nobody measured it.
pub(super) fn over_null(op: &str) -> Option<i64> {
    let call = find(CALLS, op)?;
    Some(call.cast_signed() - NULL_CALL.cast_signed())
}

/// Instructions of the longest stretch without a preemption check.
pub(super) fn stretch(op: &str) -> Option<u64> {
    find(STRETCHES, op)
}

fn find(table: &[(&str, u64)], op: &str) -> Option<u64> {
    table.iter().find(|(name, _)| *name == op).map(|&(_, count)| count)
}
