//! `multicall`: several hypercalls by one. The list's entries are as wide as the caller.

use super::caller::caller;
use super::tmem::Block;
use core::cell::UnsafeCell;
use hypercall_abi::HYPERVISOR_TMEM_OP;
use xen_sys::__HYPERVISOR_multicall;

/// Calls in a list, at most.
pub const CALLS: usize = 8;

/// Words of an entry (`struct multicall_entry`, `xen/include/public/xen.h`): operation, result, six
/// arguments. Of 64 bits each for a caller in 64-bit mode, of 32 for any other.
const WORDS: usize = 8;

/// What an entry's result is before Xen writes there: no answer of tmem's in either width.
const NO_RESULT: u64 = 0x5a5a_5a5a_5a5a_5a5a;

/// Makes tmem calls of the `blocks`, of which the first 8 count, by one multicall. Returns its answer
/// and those of the calls; `None` where Xen wrote none.
pub fn multicall(blocks: &[Block]) -> (i64, [Option<i64>; CALLS]) {
    let is_wide = caller().block_bytes() == size_of::<Block>();
    let mut list = [0_u64; CALLS * WORDS];
    let words = if is_wide { WORDS } else { WORDS / 2 };
    for (entry, block) in list.chunks_exact_mut(words).zip(blocks) {
        let address = block.as_ptr().expose_provenance() as u64;
        let (call, first) = (u64::from(HYPERVISOR_TMEM_OP), address);
        let values = [call, NO_RESULT, first, 0];
        if is_wide {
            entry.iter_mut().zip(values).for_each(|(word, value)| *word = value);
        } else {
            let pairs = values.as_chunks::<2>().0.iter();
            for (word, [low, high]) in entry.iter_mut().zip(pairs) {
                *word = low & u64::from(u32::MAX) | high << 32;
            }
        }
    }
    let list = UnsafeCell::new(list);
    let count = blocks.len().min(CALLS) as u64;
    let place = list.get().expose_provenance() as u64;
    // SAFETY: a list of that many entries, which Xen may write to. What each call does is as in
    // `tmem::send_address`.
    let answer = unsafe { caller().call(__HYPERVISOR_multicall, place, count) };
    let list = list.into_inner();
    let mut results = [None; CALLS];
    for (result, entry) in results.iter_mut().zip(list.chunks_exact(words)).take(blocks.len()) {
        let word = match *entry {
            [_, word, ..] if is_wide => word,
            [pair, ..] => pair >> 32,
            [] => NO_RESULT,
        };
        *result = if is_wide {
            (word != NO_RESULT).then_some(word.cast_signed())
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "the upper half was shifted away")]
            let narrow = word as u32;
            (u64::from(narrow) != NO_RESULT >> 32).then_some(i64::from(narrow.cast_signed()))
        };
    }
    (answer, results)
}
