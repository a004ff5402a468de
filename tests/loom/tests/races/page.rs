//! Calls that meet on one page of a private pool.

use super::*;

/// The setting: what the pool is and how much memory the host has.
#[derive(Clone, Copy)]
struct Setting {
    kind: PoolKind,
    nr_frames: u32,
    keeps_spare: bool,
    /// Pages there are at first; each holds its place in this list, from 1 on.
    pages: &'static [Page],
}

/// Domain 1 with one pool and its pages; `calls` at once; then a get of each page, twice.
fn meet(
    name: &str,
    preemptions: usize,
    setting: Setting,
    calls: impl Fn(&Guest, u32) -> Vec<Call<Vec<Told>>> + Send + Sync + 'static,
) {
    explore(name, preemptions, move || {
        let Setting { kind, nr_frames, keeps_spare, pages } = setting;
        let engine = LoomHost::new(nr_frames, keeps_spare).start();
        let guest = Guest::new(&engine, 1);
        let (pool, _) = guest.new_pool(kind);
        let stored = || (1..).zip(pages);
        for (value, &page) in stored() {
            assert_eq!(guest.put(pool, page, value).event, Event::Put(value));
        }
        let mut threads = race(calls(&guest, pool));
        threads.extend(guest.evictions(pool));
        LoomHost::audit(&engine);
        let twice = pages.iter().chain(pages);
        let after: Vec<Told> = twice.map(|&page| guest.get(pool, page)).collect();
        let pages = stored().map(|(value, &page)| (page, value, 1)).collect();
        let before = Before { is_exclusive: kind == EPHEMERAL, members: vec![1], pages };
        judge(&before, &threads, &after);
        assert_eq!(guest.destroy(pool).event, Event::Destroyed);
        LoomHost::assert_all_given_back(&engine);
    });
}

const SCARCE: Setting =
    Setting { kind: EPHEMERAL, nr_frames: 2, keeps_spare: false, pages: &[PAGE] };
const PLENTY: Setting =
    Setting { kind: EPHEMERAL, nr_frames: 4, keeps_spare: false, pages: &[PAGE] };
const LASTING: Setting = Setting { kind: PERSISTENT, ..PLENTY };

#[test]
fn r4_r8_r17_r43_put_against_get_against_evict() {
    meet("put, get, evict", 3, SCARCE, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 2)]),
            cpu(guest, move |guest| vec![guest.put(pool, NEIGHBOUR, 3)]),
        ]
    });
}

#[test]
fn r6_r8_exclusive_page_is_delivered_once() {
    meet("three exclusive gets", 5, PLENTY, |guest, pool| {
        let get = move |guest: Guest| vec![guest.get(pool, PAGE), guest.get(pool, PAGE)];
        vec![cpu(guest, get), cpu(guest, get), cpu(guest, move |guest| vec![guest.get(pool, PAGE)])]
    });
}

#[test]
fn r7_r15_p1_exclusive_get_with_a_bad_frame_against_flush() {
    meet("bad frame, flush", 4, PLENTY, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get_into_bad_frame(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.flush(pool, PAGE), guest.get(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.flush_object(pool, PAGE)]),
        ]
    });
}

#[test]
fn r6_r15_p1_exclusive_get_with_a_bad_frame_against_gets() {
    meet("bad frame, gets", 5, PLENTY, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get_into_bad_frame(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.get(pool, PAGE), guest.get(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.get_into_bad_frame(pool, PAGE)]),
        ]
    });
}

#[test]
fn r4_r15_exclusive_get_with_a_bad_frame_against_put_and_evict() {
    meet("bad frame, put, evict", 3, SCARCE, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get_into_bad_frame(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 2)]),
            cpu(guest, move |guest| vec![guest.put(pool, NEIGHBOUR, 3)]),
        ]
    });
}

#[test]
fn r4_r7_r9_r17_duplicate_put_against_get_against_flush_of_a_persistent_page() {
    meet("persistent put, get, flush", 3, LASTING, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get(pool, PAGE), guest.get(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 2)]),
            cpu(guest, move |guest| vec![guest.flush(pool, PAGE)]),
        ]
    });
}

#[test]
fn r7_r17_pages_replaced_and_flushed_while_two_cpus_read() {
    meet("two readers, put and flush", 4, LASTING, |guest, pool| {
        let get = move |guest: Guest| vec![guest.get(pool, PAGE)];
        vec![
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 2), guest.flush(pool, PAGE)]),
            cpu(guest, get),
            cpu(guest, get),
        ]
    });
}

#[test]
fn r5_p35_duplicate_puts_out_of_the_spare_frame_against_get() {
    let full = Setting { kind: PERSISTENT, nr_frames: 1, keeps_spare: true, pages: &[PAGE] };
    meet("puts with no free memory, get", 3, full, |guest, pool| {
        vec![
            cpu(guest, move |guest| vec![guest.get(pool, PAGE), guest.get(pool, PAGE)]),
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 2)]),
            cpu(guest, move |guest| vec![guest.put(pool, PAGE, 3)]),
        ]
    });
}

#[test]
fn r13_p51_put_that_needs_metadata_against_flush_of_the_blocks_last_page() {
    for kind in [EPHEMERAL, PERSISTENT] {
        // A third page in a block needs a map, so its put looks twice.
        let pages = &[PAGE, NEIGHBOUR];
        let setting = Setting { kind, nr_frames: 4, keeps_spare: false, pages };
        meet("put with metadata, flushes", 2, setting, |guest, pool| {
            let third = Page::new(1, 3);
            vec![
                cpu(guest, move |guest| vec![guest.put(pool, third, 7), guest.get(pool, third)]),
                cpu(guest, move |guest| vec![guest.flush(pool, PAGE)]),
                cpu(guest, move |guest| vec![guest.flush(pool, NEIGHBOUR)]),
            ]
        });
    }
}

#[test]
fn r5_p51_puts_that_make_one_object() {
    for kind in [EPHEMERAL, PERSISTENT] {
        let setting = Setting { kind, nr_frames: 3, keeps_spare: false, pages: &[] };
        meet("puts make an object", 2, setting, |guest, pool| {
            vec![
                cpu(guest, move |guest| vec![guest.put(pool, PAGE, 7)]),
                cpu(guest, move |guest| vec![guest.put(pool, NEIGHBOUR, 8)]),
                cpu(guest, move |guest| vec![guest.flush_object(pool, PAGE)]),
            ]
        });
    }
}
