//! Tests of what `memory.rs` promises; none needs `unsafe`.

use super::*;
use core::sync::atomic::Ordering::Relaxed;

#[test]
fn pages_start_at_page_boundaries_and_hold_zeroes() {
    let memory = Memory::new(3);
    for index in 0..memory.nr_pages() {
        let page = memory.read(index);
        assert_eq!(page.as_ptr().addr() % PAGE_SIZE_BYTES, 0);
        assert!(page.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn many_may_read_a_page_at_once_and_write_it_afterwards() {
    let memory = Memory::new(1);
    let (first, second) = (memory.read(0), memory.read(0));
    assert_eq!(*first, *second);
    drop((first, second));
    memory.write(0)[7] = 9;
    assert_eq!(memory.read(0)[7], 9);
}

#[test]
#[should_panic(expected = "written while it is being read")]
fn writing_a_page_that_is_read_fails_the_test() {
    let memory = Memory::new(1);
    let _reading = memory.read(0);
    let _writing = memory.write(0);
}

#[test]
#[should_panic(expected = "read while it is being written")]
fn reading_a_page_that_is_written_fails_the_test() {
    let memory = Memory::new(1);
    let _writing = memory.write(0);
    let _reading = memory.read(0);
}

#[test]
fn an_arena_is_aligned_to_a_huge_page_and_ends_where_it_says() {
    let arena = Arena::new(3).expect("three pages");
    let first = arena.words(0).expect("the first page");
    assert_eq!(first.as_ptr().addr() % HUGE_BYTES, 0);
    assert!(arena.words(2).is_some() && arena.words(3).is_none());
    assert!(arena.words(usize::MAX).is_none());
    assert!(Arena::new(usize::MAX).is_err());
}

#[test]
fn a_copied_page_is_the_same_to_the_last_word_and_touches_no_other() {
    let arena = Arena::new(3).expect("three pages");
    let page = |index| arena.words(index).expect("a page");
    for (number, word) in (1..).zip(page(0)) {
        word.store(number, Relaxed);
    }
    copy_page_words(page(1), page(0));
    for (a, b) in page(0).iter().zip(page(1)) {
        assert_eq!(a.load(Relaxed), b.load(Relaxed));
    }
    assert_eq!(page(1)[PAGE_WORDS - 1].load(Relaxed), PAGE_WORDS as u64);
    assert!(page(2).iter().all(|word| word.load(Relaxed) == 0));
}
