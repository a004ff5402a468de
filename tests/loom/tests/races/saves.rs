//! Saves of a running domain: their beginning, their search for pages and their end, each against
//! calls that are under way.
//!
//! After each the toolstack's copy, with the log replayed on it, must be what the guest still has.

use super::*;
use std::sync::{Arc, Mutex, PoisonError};
use tmem_engine::Engine;
use tmem_loom::{Copied, Toolstack};

/// When the save of a race begins and ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    /// It begins in the race and is ended after it.
    Begins,
    /// It begins before, and pages are read in the race.
    Reads,
    /// Pages are read before the race, and it ends in the race.
    Ends,
    /// It begins before; in the race it ends, and another one begins and is read.
    Again,
}

/// Domain 1 with persistent pool 0, which holds `pages`, each its place in the list from 1 on; a
/// save and `calls` at once.
fn meet(
    name: &str,
    preemptions: usize,
    span: Span,
    pages: &'static [Page],
    calls: impl Fn(&Guest) -> Vec<Call<Vec<Told>>> + Send + Sync + 'static,
) {
    explore(name, preemptions, move || {
        let engine = LoomHost::new(4, false).start();
        let guest = Guest::new(&engine, 1);
        assert_eq!(guest.new_pool(PERSISTENT).0, 0);
        let stored: Vec<_> = (1..).zip(pages).map(|(value, &page)| (page, value, 1)).collect();
        for &(page, value, _) in &stored {
            assert_eq!(guest.put(0, page, value).event, Event::Put(value));
        }
        let toolstack = Toolstack::new(&engine, 1);
        assert!(span == Span::Begins || toolstack.begin());
        let copied = Arc::new(Mutex::new(Copied::new()));
        let copy = {
            let (toolstack, copied) = (toolstack.clone(), Arc::clone(&copied));
            move || {
                *copied.lock().unwrap_or_else(PoisonError::into_inner) = toolstack.pages(0);
            }
        };
        let saving = {
            let (toolstack, copy) = (toolstack.clone(), copy.clone());
            silently(move || match span {
                Span::Begins => {
                    assert!(toolstack.begin());
                    copy();
                }
                Span::Reads => copy(),
                Span::Ends => toolstack.end(),
                Span::Again => {
                    toolstack.end();
                    assert!(toolstack.begin());
                    copy();
                }
            })
        };
        if span == Span::Ends {
            copy();
        }
        let mut threads = vec![saving];
        threads.extend(calls(&guest));
        let threads = race(threads);
        LoomHost::audit(&engine);
        let after: Vec<Told> = names(pages).map(|page| guest.get(0, page)).collect();
        if span != Span::Ends {
            let copied = copied.lock().unwrap_or_else(PoisonError::into_inner).clone();
            is_a_copy(&toolstack, copied, &after, pages);
            toolstack.end();
        }
        judge(&Before { is_exclusive: false, members: vec![1], pages: stored }, &threads, &after);
        clean(&engine, &guest);
    });
}

/// The pages that a race may be about.
fn names(pages: &'static [Page]) -> impl Iterator<Item = Page> {
    let others = [PAGE, NEIGHBOUR, STRANGER].into_iter().filter(|page| !pages.contains(page));
    pages.iter().copied().chain(others)
}

/// That the copy, with the log replayed, is what the guest still has.
fn is_a_copy(toolstack: &Toolstack, copied: Copied, after: &[Told], pages: &'static [Page]) {
    let copy = toolstack.replay(0, copied.clone());
    for (page, told) in names(pages).zip(after) {
        let value =
            copy.iter().flatten().find(|&&(other, _)| other == page).map(|&(_, value)| value);
        let wanted = match told.event {
            Event::Hit(value) => Some(value),
            Event::Miss => None,
            Event::NoPool => {
                assert_eq!(copy, None, "R64: the pool is gone");
                None
            }
            other => unreachable!("a get that answers {other:?}"),
        };
        assert_eq!(value, wanted, "R64: {page:?} of {copied:?} after the replay");
    }
}

fn clean(engine: &Engine<LoomHost>, guest: &Guest) {
    for pool in [0, 1] {
        let _ = guest.destroy(pool);
    }
    LoomHost::assert_all_given_back(engine);
}

#[test]
fn r64_p36_a_save_begins_against_puts() {
    meet("a save begins, duplicate put", 5, Span::Begins, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.put(0, PAGE, 8)])]
    });
    meet("a save begins, new put", 5, Span::Begins, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.put(0, NEIGHBOUR, 8)])]
    });
    meet("a save begins, two puts", 2, Span::Begins, &[PAGE], |guest| {
        vec![
            cpu(guest, |guest| vec![guest.put(0, PAGE, 8)]),
            cpu(guest, |guest| vec![guest.put(0, STRANGER, 9)]),
        ]
    });
}

#[test]
fn r64_p14_a_save_begins_against_flushes() {
    meet("a save begins, flush", 5, Span::Begins, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush(0, PAGE)])]
    });
    meet("a save begins, flush of an object", 4, Span::Begins, &[PAGE, NEIGHBOUR], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush_object(0, PAGE)])]
    });
    meet("a save begins, flush, get", 2, Span::Begins, &[PAGE], |guest| {
        vec![
            cpu(guest, |guest| vec![guest.flush(0, PAGE)]),
            cpu(guest, |guest| vec![guest.get(0, PAGE), guest.get(0, PAGE)]),
        ]
    });
}

#[test]
fn r64_p14_a_save_begins_against_the_end_of_its_pool() {
    explore("a save begins, destroy and renew", 4, || {
        let engine = LoomHost::new(4, false).start();
        let guest = Guest::new(&engine, 1);
        assert_eq!(guest.new_pool(PERSISTENT).0, 0);
        assert_eq!(guest.put(0, PAGE, 1).event, Event::Put(1));
        let toolstack = Toolstack::new(&engine, 1);
        let got = Arc::new(Mutex::new(None));
        let saving = {
            let (toolstack, got) = (toolstack.clone(), Arc::clone(&got));
            silently(move || {
                let copied = toolstack.begin().then(|| toolstack.pages(0));
                *got.lock().unwrap_or_else(PoisonError::into_inner) = copied;
            })
        };
        let renewing = cpu(&guest, |guest| {
            let destroyed = guest.destroy(0);
            vec![destroyed, guest.new_pool(PERSISTENT).1, guest.put(0, PAGE, 9)]
        });
        let threads = race(vec![saving, renewing]);
        LoomHost::audit(&engine);
        let after = vec![guest.get(0, PAGE)];
        let copied = got.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let put = threads[1][2].event;
        if let Some(copied) = copied {
            // The pool that it found may be the old one, which is gone, or the new one, with or
            // without the new page. That the new pool was made meanwhile GET_POOLS tells.
            let copy = toolstack.replay(0, copied).unwrap_or_default();
            let is_right = match after[0].event {
                Event::Hit(9) => copy == [(PAGE, 9)],
                Event::Miss => copy.is_empty(),
                _ => false,
            };
            assert!(is_right, "{copy:?}, put {put:?}, {after:?}");
            toolstack.end();
        }
        let pages = vec![(PAGE, 1, 1)];
        judge(&Before { is_exclusive: false, members: vec![1], pages }, &threads, &after);
        clean(&engine, &guest);
    });
}

#[test]
fn r8_r62_a_save_begins_against_exclusive_gets_and_puts_of_an_ephemeral_pool() {
    explore("a save begins, exclusive get, put", 3, || {
        let engine = LoomHost::new(4, false).start();
        let guest = Guest::new(&engine, 1);
        assert_eq!((guest.new_pool(PERSISTENT).0, guest.new_pool(EPHEMERAL).0), (0, 1));
        assert_eq!(guest.put(0, STRANGER, 5).event, Event::Put(5));
        assert_eq!(guest.put(1, PAGE, 1).event, Event::Put(1));
        let toolstack = Toolstack::new(&engine, 1);
        let begins = toolstack.clone();
        let threads = race(vec![
            silently(move || assert!(begins.begin())),
            cpu(&guest, |guest| vec![guest.get(1, PAGE), guest.get(1, PAGE)]),
            cpu(&guest, |guest| vec![guest.put(1, PAGE, 2)]),
        ]);
        LoomHost::audit(&engine);
        assert_eq!(guest.put(1, STRANGER, 3).event, Event::PutFailed, "R62: it is frozen");
        let copied = toolstack.pages(0);
        assert_eq!(toolstack.replay(0, copied), Some(vec![(STRANGER, 5)]));
        let after = vec![guest.get(1, PAGE), guest.get(1, PAGE)];
        toolstack.end();
        let pages = vec![(PAGE, 1, 1)];
        judge(&Before { is_exclusive: true, members: vec![1], pages }, &threads, &after);
        clean(&engine, &guest);
    });
}

#[test]
fn r63_r64_pages_are_read_for_a_save_while_they_are_flushed_and_replaced() {
    meet("pages of a save, flush, flush", 3, Span::Reads, &[PAGE, STRANGER], |guest| {
        vec![
            cpu(guest, |guest| vec![guest.flush(0, PAGE)]),
            cpu(guest, |guest| vec![guest.flush(0, STRANGER)]),
        ]
    });
    meet("pages of a save, put, get", 3, Span::Reads, &[PAGE, NEIGHBOUR], |guest| {
        vec![
            cpu(guest, |guest| vec![guest.put(0, PAGE, 8), guest.put(0, PAGE, 9)]),
            cpu(guest, |guest| vec![guest.get(0, PAGE)]),
        ]
    });
    meet("pages of a save, flush of an object", 5, Span::Reads, &[PAGE, NEIGHBOUR], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush_object(0, PAGE)])]
    });
}

#[test]
fn r64_r66_a_save_ends_against_flushes_and_puts() {
    meet("a save ends, flush", 4, Span::Ends, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush(0, PAGE)])]
    });
    meet("a save ends, put", 5, Span::Ends, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.put(0, PAGE, 8)])]
    });
    meet("a save ends, flush, put", 2, Span::Ends, &[PAGE], |guest| {
        vec![
            cpu(guest, |guest| vec![guest.flush(0, PAGE)]),
            cpu(guest, |guest| vec![guest.put(0, NEIGHBOUR, 8)]),
        ]
    });
}

#[test]
fn r64_r66_a_save_ends_and_another_begins_against_flushes_and_puts() {
    meet("another save, flush", 4, Span::Again, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush(0, PAGE)])]
    });
    meet("another save, put", 4, Span::Again, &[PAGE], |guest| {
        vec![cpu(guest, |guest| vec![guest.put(0, PAGE, 8)])]
    });
    meet("another save, flush of an object", 3, Span::Again, &[PAGE, NEIGHBOUR], |guest| {
        vec![cpu(guest, |guest| vec![guest.flush_object(0, PAGE)])]
    });
}
