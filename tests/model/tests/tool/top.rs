//! `top` on a terminal, keys and all, against what `list --json` says at the same moment.

use crate::far::{Far, Go};
use crate::terminal::{Terminal, lines};
use crate::wanted::{HEADS, sorted, wanted};
use crate::xen::{json, tool};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::{Duration, Instant};
use tmem_host_sim::Content;
use tmem_model_tests::{World, at, flags};
use tmemctl::hypervisor::Refusal;
use vt100::Screen;

const ROWS: u16 = 24;
/// Seconds between two looks.
const INTERVAL: u64 = 1;
/// Where the table begins on the screen.
const TABLE_LINE: usize = 4;

fn top(far: &Far) -> Terminal {
    let (program, socket) = (env!("CARGO_BIN_EXE_far-tmemctl"), far.path());
    let interval = INTERVAL.to_string();
    let words = ["top", "--interval", &interval].map(OsStr::new);
    Terminal::run(ROWS, [OsStr::new(program), socket.as_os_str()].into_iter().chain(words))
}

/// Four domains; two share a pool, one is frozen, each has another weight.
fn furnished() -> World {
    let world = World::with_frames(3000);
    let uuid = "00000000-0000-0000-0000-000000000005";
    for domain in [1, 3] {
        tool(&world, &["auth", &domain.to_string(), "--allow", uuid]).expect("there is room");
        assert_eq!(world.guest(domain).new_pool(flags::SHARED, 5), 0);
    }
    for (domain, weight, nr_persistent, nr_ephemeral) in
        [(1, "40", 12, 0), (2, "10", 0, 60), (3, "30", 90, 7), (4, "20", 2, 1)]
    {
        let guest = world.guest(domain);
        let persistent = u32::try_from(guest.new_pool(flags::PERSISTENT, 0)).expect("a pool");
        let ephemeral = u32::try_from(guest.new_pool(flags::EPHEMERAL, 0)).expect("a pool");
        for (pool, nr_pages) in [(persistent, nr_persistent), (ephemeral, nr_ephemeral)] {
            for index in 0..nr_pages {
                assert_eq!(guest.put(at(pool, 1, index), Content::Unique(index)), 1);
            }
        }
        tool(&world, &["set", &domain.to_string(), "--weight", weight]).expect("it is a client");
    }
    tool(&world, &["freeze", "4"]).expect("it is a client");
    world
}

/// Everything that has a rate, by each domain another number of times; the oldest pages go.
fn work(world: &World) {
    for (domain, nr_puts, nr_hits, nr_misses) in [(1, 9, 4, 4), (2, 31, 0, 3), (3, 15, 7, 2)] {
        let guest = world.guest(domain);
        let pool = if domain == 2 { 0 } else { 1 };
        for index in 0..nr_puts {
            assert_eq!(guest.put(at(pool, 2, index), Content::Unique(index)), 1);
        }
        for index in 0..nr_hits {
            assert_eq!(guest.get(at(pool, 2, index)).0, 1);
        }
        for index in 0..nr_misses {
            assert_eq!(guest.get(at(pool, 3, index)).0, 0);
        }
    }
    assert_eq!(world.guest(1).put(at(0, 1, 1), Content::Unique(1)), 1);
    for index in 0..6 {
        assert_eq!(world.guest(4).put(at(0, 2, index), Content::Unique(1)), -1000);
    }
    tool(world, &["flush", "256K"]).expect("it frees");
}

/// The lines of the table on the screen: the words but for the rates, and these.
fn table(screen: &Screen) -> Vec<(String, [String; 4])> {
    let row = |line: &String| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        // The last five words: three rates, the hits, a rate.
        let evicted = words.pop().unwrap_or_default();
        let hits = words.pop().unwrap_or_default();
        let mut rates = words.split_off(words.len().saturating_sub(3)).into_iter();
        let mut rate = || rates.next().unwrap_or_default();
        let rates = [rate(), rate(), rate(), evicted];
        words.push(hits);
        (words.join(" "), rates)
    };
    let lines = lines(screen);
    let rows = lines.iter().skip(TABLE_LINE + 1).take_while(|line| !line.trim().is_empty());
    rows.map(row).collect()
}

fn words(screen: &Screen) -> Vec<String> {
    table(screen).into_iter().map(|(words, _)| words).collect()
}

fn line(screen: &Screen, at: usize) -> String {
    lines(screen).get(at).cloned().unwrap_or_default()
}

/// `top` on a terminal that has looked twice, with work in between, and holds what it saw; the
/// seconds between the looks are at least the interval and at most what comes back.
fn held(world: &World) -> (Far, Terminal, Value, Value, Duration) {
    let far = Far::of(world);
    let mut terminal = top(&far);
    far.asked();
    let before = json(world, &["list", "--json"]);
    let start = Instant::now();
    far.go(Go::On);
    far.asked();
    work(world);
    let after = json(world, &["list", "--json"]);
    // It is read after the look.
    terminal.keys(" ");
    far.go(Go::On);
    terminal.shows(&"held".to_owned(), |screen| line(screen, 2));
    (far, terminal, before, after, start.elapsed())
}

#[test]
fn top_shows_on_a_terminal_what_list_says() {
    let world = furnished();
    let far = Far::of(&world);
    let terminal = top(&far);
    far.asked();
    let first = json(&world, &["list", "--json"]);
    far.go(Go::On);
    let rows = || wanted(&first, &first, false);
    terminal.shows(&sorted(rows(), "MEMORY", true), words);
    terminal.look(|screen| {
        assert!(screen.alternate_screen() && screen.hide_cursor());
        assert!(terminal.is_raw());
        let (host, freeable) = (&first["host"], &first["host"]["freeable_mib"]);
        let head = line(screen, 0);
        for told in [
            format!("{} clients, {} pools", host["clients"], host["pools"]),
            format!("{freeable}.0 MiB can be freed").replace("0.0 MiB", "0 B"),
        ] {
            assert!(head.contains(&told), "{told}: {head}");
        }
        let heads: Vec<String> =
            line(screen, TABLE_LINE).split_whitespace().map(str::to_owned).collect();
        assert_eq!(heads.join(" "), HEADS.join(" ").replace("MEMORY", "MEMORYv"));
        for key in ["q quit", "p pools", "sort", "reverse", "hold", "interval", "scroll"] {
            assert!(line(screen, usize::from(ROWS) - 1).contains(key), "{key}");
        }
        // There are no rates yet.
        let rates = table(screen).into_iter().flat_map(|(_, rates)| rates);
        assert!(rates.into_iter().all(|rate| rate == "-"));
    });
}

#[test]
fn top_shows_on_a_terminal_how_much_happens_each_second() {
    let world = furnished();
    let (_far, mut terminal, before, after, longest) = held(&world);
    for by_pool in [false, true] {
        let rows = || wanted(&before, &after, by_pool);
        terminal.shows(&sorted(rows(), "MEMORY", true), words);
        // All rates are of the same seconds: so many that each figure is right with its one digit.
        let (mut shortest, mut longest) = (INTERVAL as f64, longest.as_secs_f64());
        let mut nr_rates = 0;
        for (words, rates) in terminal.look(table) {
            let row = rows().into_iter().find(|row| row.words() == words);
            let events = row.unwrap_or_else(|| unreachable!("{words}")).events;
            for (rate, nr) in rates.iter().zip(events) {
                let rate: f64 = rate.parse().unwrap_or_else(|_| unreachable!("{words}: {rate}"));
                if nr == 0 {
                    assert_eq!(rate, 0.0, "{words}");
                    continue;
                }
                nr_rates += 1;
                let nr = f64::from(u32::try_from(nr).expect("a few"));
                shortest = shortest.max(nr / (rate + 0.0501));
                longest = longest.min(nr / (rate - 0.0501).max(0.0));
                assert!(shortest <= longest, "{words}: {rates:?} of {events:?}");
            }
        }
        assert!(nr_rates > 7, "{nr_rates}");
        terminal.keys("p");
    }
}

#[test]
fn keys_sort_by_any_column_either_way() {
    let world = furnished();
    let (_far, mut terminal, before, after, _) = held(&world);
    let mut is_descending = true;
    for by_pool in [false, true] {
        let rows = || wanted(&before, &after, by_pool);
        let start = HEADS.iter().position(|head| *head == "MEMORY").unwrap_or(0);
        let mut orders = Vec::new();
        for turn in 0..=HEADS.len() {
            let head = HEADS[(start + turn) % HEADS.len()];
            for _ in 0..2 {
                let mark = if is_descending { "v" } else { "^" };
                let marked = format!("{head}{mark}");
                terminal.shows(&true, |screen| line(screen, TABLE_LINE).contains(&marked));
                let wanted = sorted(rows(), head, is_descending);
                terminal.shows(&wanted, words);
                orders.push(wanted);
                terminal.keys("r");
                is_descending = !is_descending;
            }
            // The arrow and the sign, by turns.
            terminal.keys(if turn % 2 == 0 { "\x1b[C" } else { ">" });
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 5, "the columns are all in the same order");
        // One too far, back by the other arrow and the other sign, and there once more.
        terminal.keys("\x1b[D<>");
        terminal.shows(&true, |screen| line(screen, TABLE_LINE).contains("MEMORYv"));
        terminal.keys("p");
    }
}

#[test]
fn keys_scroll_hold_and_change_the_interval() {
    let world = furnished();
    let (far, mut terminal, before, after, _) = held(&world);
    let all = sorted(wanted(&before, &after, false), "MEMORY", true);
    terminal.keys("\x1b[B");
    terminal.shows(&all[1..].to_vec(), words);
    terminal.keys("\x1b[B\x1b[B\x1b[B\x1b[B");
    terminal.shows(&all[3..].to_vec(), words);
    terminal.keys("\x1b[A\x1b[A\x1b[A\x1b[A");
    terminal.shows(&all, words);
    // Held: nobody looks, however long it is. Then somebody does.
    std::thread::sleep(Duration::from_secs(INTERVAL) + Duration::from_millis(300));
    assert!(!far.is_asked());
    terminal.keys(" ");
    far.asked();
    terminal.keys("++-");
    far.go(Go::On);
    terminal.shows(&format!("every {} s", INTERVAL + 1), |screen| line(screen, 2));
    // All else is as it was, and nothing happens.
    terminal.shows(&sorted(wanted(&after, &after, false), "MEMORY", true), words);
}

#[test]
fn top_follows_the_size_of_its_terminal() {
    let world = furnished();
    let (_far, mut terminal, before, after, _) = held(&world);
    let all = sorted(wanted(&before, &after, false), "MEMORY", true);
    for rows in [8, 40, 6, ROWS] {
        terminal.resize(rows);
        let foot = usize::from(rows) - 1;
        terminal.shows(&true, |screen| line(screen, foot).starts_with("q quit"));
        // Between the heads and the keys.
        let room = all.len().min(foot - TABLE_LINE - 1);
        let shown = |screen: &Screen| {
            let words = words(screen);
            words.into_iter().take_while(|line| !line.starts_with("q quit")).collect()
        };
        terminal.shows(&all[..room].to_vec(), shown);
    }
}

#[test]
fn figures_that_can_t_be_read_are_said_and_the_next_look_may_succeed() {
    let world = furnished();
    let far = Far::of(&world);
    let terminal = top(&far);
    far.asked();
    far.go(Go::On);
    far.asked();
    far.go(Go::Refuse(Refusal::ACCESS));
    terminal.shows(&Refusal::ACCESS.to_string(), |screen| line(screen, 2));
    assert_eq!(terminal.look(words).len(), 4, "what was there is shown on");
    far.asked();
    far.go(Go::On);
    terminal.shows(&format!("every {INTERVAL} s"), |screen| line(screen, 2));
}

#[test]
fn the_terminal_is_as_it_was_after_each_way_out() {
    let world = furnished();
    // Keys: q, Escape and Ctrl-C; signals; a panic.
    for (keys, status) in [("q", 0), ("\x1b", 0), ("\x03", 0)] {
        let far = Far::of(&world);
        let mut terminal = top(&far);
        far.asked();
        far.go(Go::On);
        terminal.shows(&4, |screen| words(screen).len());
        terminal.keys(keys);
        // It may have begun to look.
        far.go(Go::On);
        terminal.is_left(status);
        far.ended();
    }
    for signal in [Signal::INT, Signal::TERM] {
        let far = Far::of(&world);
        let terminal = top(&far);
        let pid = far.asked();
        far.go(Go::On);
        terminal.shows(&4, |screen| words(screen).len());
        kill_process(pid, signal).expect("it is there");
        far.go(Go::On);
        terminal.is_left(6);
        assert!(terminal.look(Screen::contents).contains("tmemctl: interrupted"));
    }
    let far = Far::of(&world);
    let terminal = top(&far);
    far.asked();
    far.go(Go::On);
    far.asked();
    assert!(terminal.is_raw());
    far.go(Go::Cut);
    terminal.is_left(101);
    assert!(terminal.look(Screen::contents).contains("the test answers"));
}

#[test]
fn a_top_that_can_t_begin_leaves_the_terminal_alone() {
    let world = furnished();
    let far = Far::of(&world);
    let terminal = top(&far);
    far.asked();
    assert!(!terminal.is_raw());
    far.go(Go::Refuse(Refusal::NO_DEVICE));
    terminal.is_left(3);
    assert!(terminal.look(Screen::contents).contains("tmem is not enabled"));
}

#[test]
fn top_ends_with_its_terminal() {
    let world = furnished();
    let far = Far::of(&world);
    let mut terminal = top(&far);
    far.asked();
    far.go(Go::On);
    terminal.shows(&4, |screen| words(screen).len());
    // It may have begun to look, and is to read the key.
    far.go(Go::On);
    terminal.hang_up("r");
    far.go(Go::On);
    far.ended();
}
