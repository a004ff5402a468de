//! Every workload once, small: each checks its pages' stamps and the answers that it gets, so that
//! a run that ends has read right data. No time is judged.

use serde_json::Value;
use std::time::Duration;
use tmem_bench::run::{Plan, Workload, run};
use tmem_bench::workloads::w5::Extent;

const NR_PAGES: usize = 4096;

/// The rows of the JSON file that others rely on.
const ROWS: [(&str, &[&str]); 6] = [
    (
        "W1",
        &[
            "put_in_order",
            "get_permuted",
            "get_in_order",
            "duplicate_put_in_order",
            "duplicate_put_permuted",
            "flush_in_order",
            "flush_permuted",
        ],
    ),
    ("W2", &["put_in_order", "put_permuted", "exclusive_get_permuted", "flush_object"]),
    ("W3", &["scan_put_evict", "zipf08_get_put", "zipf10_get_put"]),
    ("W4", &["put", "get", "duplicate_put"]),
    ("MISS", &["get_no_object", "get_no_index", "flush_no_object"]),
    ("SAVE", &["next_page", "restore_page"]),
];

/// The entry of `list` in which each of these keys has this value.
fn entry<'a>(list: &'a Value, wanted: &[(&str, Value)]) -> &'a Value {
    let list = list.as_array().expect("a list");
    let is_wanted = |entry: &&Value| wanted.iter().all(|(key, value)| entry[*key] == *value);
    let found = list.iter().find(is_wanted);
    assert!(found.is_some(), "there is no {wanted:?}");
    found.unwrap_or(&Value::Null)
}

fn number(entry: &Value, key: &str) -> f64 {
    let number = entry[key].as_f64();
    assert!(number.is_some(), "{key} of {entry} is no number");
    number.unwrap_or(f64::NAN)
}

#[test]
fn every_workload_reads_right_data_and_every_named_figure_is_there() {
    let plan = Plan {
        workloads: vec![
            Workload::W1,
            Workload::W2,
            Workload::W3,
            Workload::W4,
            Workload::W5,
            Workload::W6,
            Workload::W7,
            Workload::Miss,
            Workload::Save,
            Workload::Mem,
        ],
        sizes: vec![NR_PAGES],
        extent: Extent { window: Duration::from_micros(200), nr_pairs: 2 },
    };
    let report = run(&plan).expect("a run without a wrong answer or wrong data");
    let json = serde_json::to_value(&report).expect("a report has JSON");

    for (workload, ops) in ROWS {
        for op in ops {
            let wanted =
                [("workload", workload.into()), ("op", (*op).into()), ("pages", NR_PAGES.into())];
            let row = entry(&json["rows"], &wanted);
            let [q1, ratio, q3] = ["ratio_q1", "ratio", "ratio_q3"].map(|key| number(row, key));
            assert!(0.0 < q1 && q1 <= ratio && ratio <= q3, "{row}");
            assert!(number(row, "ns") > 0.0 && number(row, "floor_ns") > 0.0, "{row}");
            assert!(row["floor"] == "wrS" || row["floor"] == "rdS", "{row}");
            assert!(row.get("original_ratio").is_some(), "{row}");
            if op.starts_with("zipf") {
                assert!((0.3..1.0).contains(&number(row, "hit_rate")), "{row}");
            }
        }
    }
    let cases = [
        "private_persistent",
        "private_ephemeral",
        "misses",
        "misses_shared",
        "shared_64_page_objects",
        "shared_one_object",
    ];
    for case in cases {
        let speedup = entry(&json["speedup"], &[("case", case.into()), ("threads", 2.into())]);
        assert!(number(speedup, "value") > 0.0 && number(speedup, "control") > 0.0);
    }
    for (op, bound) in
        [("destroy_pool", 64), ("flush_object", 64), ("client_death", 64), ("put", 8)]
    {
        let stretch = entry(&json["stretch"], &[("op", op.into()), ("pages", NR_PAGES.into())]);
        let most = stretch["most_pages"].as_u64().expect("a count");
        assert!((1..=bound).contains(&most), "{stretch}");
        assert!(number(stretch, "longest_us") > 0.0, "{stretch}");
    }
    let cases = ["dense", "64_page_objects", "w2_mix", "one_page_per_object", "random_indices"];
    for case in cases {
        let memory = entry(&json["memory"], &[("case", case.into())]);
        assert!(number(memory, "bytes_per_page") > 0.0 && number(memory, "original") > 100.0);
    }
}
