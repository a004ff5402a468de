//! `list`, `top` and `metrics` tell the same of the same.

use super::fake::{Fake, Pool};
use super::{failed, page, printed, two_clients};
use crate::failure::Kind;
use crate::figures::Snapshot;
use crate::host::Host;
use crate::metrics;
use crate::top::{Column, Flow, Key, Top};
use hypercall_abi::control::StatsCounters;
use hypercall_abi::{PoolFlags, Uuid};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn json(xen: &Fake, line: &str) -> Value {
    serde_json::from_str(&printed(xen, line)).expect("it is JSON")
}

#[test]
fn list_tells_what_the_hypervisor_has() {
    let xen = two_clients();
    let all = json(&xen, "list --json");
    assert_eq!(all["host"]["clients"], 2);
    assert_eq!(all["host"]["freeable_mib"], 10);
    assert_eq!(all["host"]["stored_bytes"], 306 * 4096);
    let clients = all["clients"].as_array().expect("there are");
    assert_eq!(clients.len(), 2);
    let (one, seven) = (&clients[0], &clients[1]);
    assert_eq!(
        (&one["domain"], &one["weight"], &one["is_frozen"]),
        (&1.into(), &70.into(), &false.into())
    );
    assert_eq!((&seven["domain"], &seven["is_frozen"]), (&7.into(), &true.into()));
    assert_eq!(one["pools"].as_array().map(Vec::len), Some(2));
    assert_eq!(one["pools"][0]["persistent_pages"], 5);
    assert_eq!(one["pools"][1]["id"], 2);
    assert_eq!(one["pools"][1]["hits"], 6);
    assert_eq!(seven["evictions_suffered"], 11);
    let only = json(&xen, "list 7 --json");
    assert_eq!(only["clients"].as_array().map(Vec::len), Some(1));
    assert_eq!(failed(&xen, "list 9").kind, Kind::Refused);
}

#[test]
fn a_host_without_clients_is_listed_too() {
    let xen = Fake::default();
    assert_eq!(json(&xen, "list --json")["clients"], Value::Array(Vec::new()));
    assert!(printed(&xen, "list").starts_with("0 clients, 0 pools"));
}

#[test]
fn every_domain_and_pool_is_found_also_the_last_ones() {
    let xen = Fake::default();
    for domain in [0, 1, 0x7fef, 0xfffe] {
        let mut model = xen.model.borrow_mut();
        for id in [0, 15] {
            model.client(domain).pools.insert(id, super::fake::Pool::new(PoolFlags::PERSIST));
        }
    }
    let all = json(&xen, "list --json");
    let clients = all["clients"].as_array().expect("there are");
    assert_eq!(clients.len(), 4);
    assert!(clients.iter().all(|client| client["pools"].as_array().map(Vec::len) == Some(2)));
}

#[test]
fn the_table_has_the_same_figures_with_their_units() {
    let xen = two_clients();
    let table = printed(&xen, "list");
    let words = |row: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(row)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        words("DOMAIN"),
        [
            "DOMAIN",
            "POOL",
            "KIND",
            "STATE",
            "WEIGHT",
            "PAGES",
            "MEMORY",
            "PUTS",
            "REFUSED",
            "HITS/GETS",
            "EVICTED"
        ]
    );
    assert_eq!(
        words("7 "),
        ["7", "1", "pools", "frozen", "0", "300", "1.1", "MiB", "300", "4", "-", "11"]
    );
    assert_eq!(words("1 "), ["1", "2", "pools", "70", "6", "24.0", "KiB", "6", "0", "75.0", "0"]);
    assert!(table.contains("Pages of 4 KiB"), "{table}");
}

#[test]
fn metrics_tell_each_figure_once_with_type_and_help() {
    let xen = two_clients();
    let text = printed(&xen, "metrics");
    for line in [
        "tmem_host_clients 2",
        "tmem_host_freeable_bytes 10485760",
        "tmem_host_ephemeral_pages 301",
        "tmem_client_weight{domain=\"1\"} 70",
        "tmem_client_frozen{domain=\"7\"} 1",
        "tmem_client_puts_frozen_total{domain=\"7\"} 4",
        "tmem_pool_persistent_pages{domain=\"1\",pool=\"0\",kind=\"persistent\"} 5",
        "tmem_pool_hits_total{domain=\"1\",pool=\"2\",kind=\"ephemeral\"} 6",
        "# TYPE tmem_pool_hits_total counter",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    // The format asks that a sample follows its type, and comes once.
    let mut named = "";
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            named = rest.split(' ').next().unwrap_or_default();
            assert!(seen.insert(format!("type {named}")), "{named} twice");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(sample.starts_with(named), "{line} under {named}");
            assert!(value.parse::<u64>().is_ok(), "{line}");
            assert!(seen.insert(sample.to_owned()), "{line} twice");
        }
    }
    assert!(!text.contains("duration"), "not measured");
}

/// The names that scripts and dashboards know, written out here once more on purpose.
const SHOWN: [&str; 19] = [
    "ephemeral_pages",
    "persistent_pages",
    "unreachable_pages",
    "puts_stored_total",
    "puts_replaced_total",
    "puts_no_memory_total",
    "puts_no_space_total",
    "puts_frozen_total",
    "puts_bad_frame_total",
    "gets_total",
    "hits_total",
    "misses_total",
    "flushes_total",
    "removed_total",
    "evictions_suffered_total",
    "evictions_caused_total",
    "stored_bytes",
    "taken_bytes",
    "metadata_bytes",
];

#[test]
fn every_counter_is_told_alike_by_list_and_metrics() {
    let xen = two_clients();
    {
        let mut model = xen.model.borrow_mut();
        let counters = &mut model.client(1).pools.get_mut(&0).expect("it is there").counters;
        // Each another number, but for those that the pages make.
        *counters = StatsCounters {
            unreachable_pages: 101,
            puts_stored: 102,
            puts_replaced: 103,
            puts_no_memory: 104,
            puts_no_space: 105,
            puts_frozen: 106,
            puts_bad_frame: 107,
            gets: 108,
            hits: 109,
            misses: 110,
            flushes: 111,
            removed: 112,
            evictions_suffered: 113,
            evictions_caused: 114,
            metadata_frames: 115,
            ..StatsCounters::default()
        };
    }
    let (all, text) = (json(&xen, "list 1 --json"), printed(&xen, "metrics"));
    let host = json(&xen, "list --json")["host"].clone();
    let (client, pool) = (&all["clients"][0], &all["clients"][0]["pools"][0]);
    let labels = ["", "{domain=\"1\"}", "{domain=\"1\",pool=\"0\",kind=\"persistent\"}"];
    for name in SHOWN {
        let told = name.strip_suffix("_total").unwrap_or(name);
        for ((of, json), labels) in
            [("host", &host), ("client", client), ("pool", pool)].into_iter().zip(labels)
        {
            let value = json[told].as_u64().unwrap_or_else(|| unreachable!("{told} of {of}"));
            let line = format!("tmem_{of}_{name}{labels} {value}");
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
    assert_eq!(pool["metadata_bytes"], 115 * 4096);
    assert_eq!(pool["evictions_caused"], 114);
    // And nothing beside: what only the host has is told once, by another name.
    let nr_metrics = text.lines().filter(|line| line.starts_with("# TYPE tmem_pool_")).count();
    assert_eq!(nr_metrics, SHOWN.len());
    assert!(pool.get("record_bytes").is_none() && host.get("record_bytes").is_some());
    for own in ["record_bytes", "held_bytes", "ready_bytes"] {
        assert!(pool.get(own).is_none() && host.get(own).is_some(), "{own}");
        assert!(text.contains(&format!("\ntmem_host_{own} ")) && !text.contains("tmem_pool_held"));
    }
}

#[test]
fn a_shared_pool_is_listed_with_each_sharer_and_counted_with_its_owner() {
    let xen = two_clients();
    for domain in [1, 7] {
        let pool = Pool { uuid: Uuid([5, 6]), ..Pool::new(PoolFlags::SHARED) };
        xen.model.borrow_mut().client(domain).pools.insert(3, pool);
    }
    let table = printed(&xen, "list");
    assert!(table.contains("shared by 2") && table.contains("shared, of 1"), "{table}");
    let pool = &json(&xen, "list 7 --json")["clients"][0]["pools"][1];
    assert_eq!((&pool["owner"], &pool["members"]), (&1.into(), &2.into()));
    assert_eq!(pool["uuid"], "00000000-0000-0006-0000-000000000005");
    let text = printed(&xen, "metrics");
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("tmem_pool_hits") && line.contains("shared"))
        .collect();
    assert_eq!(told, ["tmem_pool_hits_total{domain=\"1\",pool=\"3\",kind=\"shared\"} 0"]);
}

#[test]
fn latencies_are_cumulative_and_in_seconds() {
    let xen = two_clients();
    printed(&xen, "measure on");
    let text = printed(&xen, "metrics");
    for line in [
        "tmem_call_duration_seconds_bucket{operation=\"put\",le=\"0.000001024\"} 0",
        "tmem_call_duration_seconds_bucket{operation=\"put\",le=\"0.000002048\"} 5",
        "tmem_call_duration_seconds_bucket{operation=\"put\",le=\"2.147483648\"} 5",
        "tmem_call_duration_seconds_bucket{operation=\"put\",le=\"+Inf\"} 6",
        "tmem_call_duration_seconds_count{operation=\"flush_page\"} 8",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    assert_eq!(json(&xen, "list --json")["host"]["latencies"][1]["calls"][10], 6);
}

#[test]
fn clients_and_pools_have_latencies_of_their_own_while_the_host_measures() {
    let xen = two_clients();
    assert!(!printed(&xen, "metrics").contains("duration"));
    assert!(json(&xen, "list --json")["clients"][0].get("latencies").is_none());
    printed(&xen, "measure on");
    let text = printed(&xen, "metrics");
    let pool = "domain=\"1\",pool=\"2\",kind=\"ephemeral\",operation=\"get\"";
    for line in [
        "tmem_client_call_duration_seconds_bucket{domain=\"7\",operation=\"put\",\
         le=\"0.000001024\"} 0",
        "tmem_client_call_duration_seconds_bucket{domain=\"7\",operation=\"put\",le=\"+Inf\"} 107",
        "tmem_client_call_duration_seconds_count{domain=\"1\",operation=\"get\"} 101",
        &format!("tmem_pool_call_duration_seconds_count{{{pool}}} 12"),
        &format!("tmem_pool_call_duration_seconds_bucket{{{pool},le=\"0.000002048\"}} 12"),
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    // Of those without calls there is nothing, of the host's there is.
    let others = text.lines().filter(|line| line.contains("operation=\"other\""));
    assert!(
        others.clone().all(|line| line.starts_with("tmem_call_duration")) && others.count() > 0
    );
    for kind in ["", "client_", "pool_"] {
        let head = format!("# TYPE tmem_{kind}call_duration_seconds histogram");
        assert_eq!(text.lines().filter(|line| *line == head).count(), 1);
    }
    let clients = &json(&xen, "list --json")["clients"];
    assert_eq!(clients[1]["latencies"][1]["calls"][10], 107);
    assert_eq!(clients[1]["latencies"][1]["operation"], "get");
    assert_eq!(clients[0]["pools"][1]["latencies"][0]["calls"][10], 12);
}

#[test]
fn metrics_are_answered_on_a_port() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    let asking = std::thread::spawn(move || {
        ["GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "GET /else HTTP/1.1\r\n\r\n"].map(|request| {
            let mut stream = TcpStream::connect(address).expect("it listens");
            stream.write_all(request.as_bytes()).expect("it takes it");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        })
    });
    let xen = two_clients();
    metrics::serve(&listener, &mut Host(xen.clone()), Some(2)).expect("it serves");
    let [answer, other] = asking.join().expect("it asked");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert_eq!(body, printed(&xen, "metrics"));
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
}

/// What is on the screen, a string a line.
fn screen(top: &Top) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(130, 20)).expect("it is memory");
    terminal.draw(|frame| top.draw(frame)).expect("it is memory");
    let buffer = terminal.backend().buffer();
    let line = |y| (0..130).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..20).map(line).collect()
}

fn look(xen: &Fake, top: &mut Top, second: u64) {
    let snapshot = Snapshot::read(&mut Host(xen.clone())).expect("it answers");
    top.observe(Duration::from_secs(second), snapshot);
}

/// The words of the rows of the table.
fn rows(top: &Top) -> Vec<Vec<String>> {
    let lines = screen(top);
    let rows = lines.iter().skip(5).take_while(|line| !line.trim().is_empty());
    rows.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Of two moments' JSON, the difference of a figure in a row of it, each second.
fn rate(before: &Value, after: &Value, names: &[&str], seconds: f64) -> String {
    let sum = |of: &Value| names.iter().filter_map(|name| of[name].as_u64()).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let more = (sum(after) - sum(before)) as f64;
    format!("{:.1}", more / seconds)
}

#[test]
fn top_draws_what_list_says() {
    let xen = two_clients();
    let mut top = Top::new(Duration::from_secs(2));
    look(&xen, &mut top, 1);
    let before = json(&xen, "list --json");
    {
        let mut model = xen.model.borrow_mut();
        for index in 300..331 {
            model.client(7).put(0, 4, index, page(1));
        }
        let counters = &mut model.client(7).pools.get_mut(&0).expect("it is there").counters;
        counters.evictions_suffered += 9;
        counters.gets += 4;
        counters.hits += 3;
        counters.puts_frozen += 1;
    }
    look(&xen, &mut top, 3);
    let after = json(&xen, "list --json");

    let lines = screen(&top);
    assert!(lines[0].contains("2 clients, 3 pools"), "{lines:?}");
    assert!(lines[0].contains("10.0 MiB can be freed"), "{lines:?}");
    for key in ["q quit", "p pools", "sort", "reverse", "hold", "interval", "scroll"] {
        assert!(lines[19].contains(key), "{key}: {lines:?}");
    }
    // Sorted by memory at first, the most above.
    let shown = rows(&top);
    assert_eq!(shown.len(), 2);
    for (row, at) in shown.iter().zip([1, 0]) {
        let (was, is) = (&before["clients"][at], &after["clients"][at]);
        let pages = is["ephemeral_pages"].as_u64().unwrap_or(0)
            + is["persistent_pages"].as_u64().unwrap_or(0);
        let per_second = |names: &[&str]| rate(was, is, names, 2.0);
        let more = |name: &str| is[name].as_u64().unwrap_or(0) - was[name].as_u64().unwrap_or(0);
        let hits = (more("gets") > 0).then(|| {
            format!(
                "{}.{}",
                more("hits") * 100 / more("gets"),
                more("hits") * 1000 / more("gets") % 10
            )
        });
        let memory = crate::units::bytes(is["taken_bytes"].as_u64().unwrap_or(0));
        let state = if is["is_frozen"] == true { "frozen " } else { "" };
        let wanted = format!(
            "{} {} in all {state}{} {pages} {memory} {} {} {} {} {}",
            is["domain"],
            is["pools"].as_array().map_or(0, Vec::len),
            is["weight"],
            per_second(&["puts_stored", "puts_replaced"]),
            per_second(&["puts_no_memory", "puts_no_space", "puts_frozen", "puts_bad_frame"]),
            per_second(&["gets"]),
            hits.unwrap_or_else(|| "-".to_owned()),
            per_second(&["evictions_suffered"]),
        );
        assert_eq!(row.join(" "), wanted);
    }
}

#[test]
fn keys_sort_turn_scroll_and_end() {
    let xen = two_clients();
    let mut top = Top::new(Duration::from_secs(2));
    look(&xen, &mut top, 1);
    let domains = |top: &Top| -> Vec<u32> { top.rows().iter().map(|row| row.domain).collect() };
    assert_eq!(domains(&top), [7, 1]);
    let press = |top: &mut Top, key| assert_eq!(top.key(key), Flow::On);
    press(&mut top, Key::Char('r'));
    assert_eq!(domains(&top), [1, 7]);
    // To the weight, two to the left.
    press(&mut top, Key::Left);
    press(&mut top, Key::Char('<'));
    assert!(screen(&top)[4].contains("WEIGHT^"));
    assert_eq!(domains(&top), [7, 1]);
    press(&mut top, Key::Char('r'));
    assert!(screen(&top)[4].contains("WEIGHTv"));
    assert_eq!(domains(&top), [1, 7]);
    // Every column can be sorted by, and all around is where it began.
    let was = domains(&top);
    for _ in Column::ALL {
        press(&mut top, Key::Right);
        assert_eq!(top.rows().len(), 2);
    }
    assert_eq!(domains(&top), was);
    // Pools, each a row of its own.
    press(&mut top, Key::Char('p'));
    let shown: Vec<_> = top.rows().iter().map(|row| (row.domain, row.pool)).collect();
    assert_eq!(shown, [(1, Some(0)), (1, Some(2)), (7, Some(0))]);
    assert_eq!(rows(&top)[0][..3], ["1", "0", "persistent"]);
    press(&mut top, Key::Down);
    assert_eq!(rows(&top)[0][..3], ["1", "2", "ephemeral"]);
    press(&mut top, Key::Down);
    press(&mut top, Key::Down);
    assert_eq!(rows(&top).len(), 1);
    press(&mut top, Key::Up);
    assert_eq!(rows(&top).len(), 2);
    // Held, and not; slower, and never faster than a second.
    press(&mut top, Key::Char(' '));
    assert_eq!(top.wait(), None);
    assert!(screen(&top)[2].contains("held"));
    press(&mut top, Key::Char(' '));
    press(&mut top, Key::Char('+'));
    assert_eq!(top.wait(), Some(Duration::from_secs(3)));
    (0..5).for_each(|_| press(&mut top, Key::Char('-')));
    assert_eq!(top.wait(), Some(Duration::from_secs(1)));
    press(&mut top, Key::Char('x'));
    assert_eq!(top.key(Key::Char('q')), Flow::Quit);
    assert_eq!(top.key(Key::Escape), Flow::Quit);
}

#[test]
fn a_domain_s_number_used_again_shows_no_rate_below_nothing() {
    let xen = two_clients();
    let mut top = Top::new(Duration::from_secs(2));
    look(&xen, &mut top, 1);
    xen.model.borrow_mut().domains.insert(7, Some(super::fake::Client::default()));
    look(&xen, &mut top, 3);
    let seven = top.rows().into_iter().find(|row| row.domain == 7).expect("it is there");
    assert_eq!(seven.cell(Column::Puts, top.seconds()), "0.0");
    // And one that is new has none yet.
    xen.model.borrow_mut().client(8);
    look(&xen, &mut top, 5);
    let eight = top.rows().into_iter().find(|row| row.domain == 8).expect("it is there");
    assert_eq!(eight.cell(Column::Puts, top.seconds()), "-");
}
