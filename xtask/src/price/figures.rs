//! The figures: instructions of a call over the null call, beside the original's; as a table for
//! people and as JSON for programs.

use super::log::Measured;
use super::original;
use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// Operations that a run must have measured.
const OPS: [&str; 8] = [
    "put",
    "get",
    "duplicate_put",
    "put_ephemeral",
    "exclusive_get",
    "flush_page",
    "miss_no_object",
    "miss_no_index",
];

/// Others, for comparison: puts of a pool's first pages (memory comes from Xen), of its next ones,
/// and again after the gets took everything out.
const MORE: [&str; 5] =
    ["empty_get", "first_put", "next_put", "put_ephemeral_again", "flush_object"];

/// Stretches without a preemption check, and why a run may lack one.
const STRETCHES: [(&str, Option<&str>); 4] = [
    ("destroy_pool", None),
    ("flush_object", None),
    ("domain_death", Some("this Xen lets the guest build no domain")),
    ("put", None),
];

/// The row that all others are compared with.
const NULL: &str = "null";

/// Everything that a run measured.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    xen: String,
    null_call: u64,
    rows: Vec<Row>,
    more: Vec<Row>,
    stretch: Vec<Stretch>,
}

/// What a call of one operation takes.
#[derive(Debug, Serialize)]
struct Row {
    op: &'static str,
    instructions: u64,
    over_null: i64,
    original_over_null: Option<i64>,
}

/// The longest time for which an operation lets nobody else in.
#[derive(Debug, Serialize)]
struct Stretch {
    op: &'static str,
    instructions: Option<u64>,
    original: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Figures {
    /// The figures of a run.
    ///
    /// # Errors
    /// When one is missing or makes no sense.
    pub(super) fn new(measured: &Measured) -> Result<Self> {
        let null_call = per_call(measured, NULL)?;
        let row = |op: &'static str| {
            let instructions = per_call(measured, op)?;
            let over_null = instructions.cast_signed() - null_call.cast_signed();
            ensure!(over_null > 0, "{op} took no more than the null call: nothing was counted");
            Ok(Row { op, instructions, over_null, original_over_null: original::over_null(op) })
        };
        let stretch = |(op, lack): (&'static str, Option<&'static str>)| {
            let instructions = measured.stretches.get(op).copied();
            ensure!(instructions.is_some() || lack.is_some(), "no stretch of {op} was measured");
            ensure!(instructions != Some(0), "the stretch of {op} is empty: nothing was counted");
            let reason = lack.filter(|_| instructions.is_none());
            Ok(Stretch { op, instructions, original: original::stretch(op), reason })
        };
        Ok(Self {
            xen: measured.xen.clone(),
            null_call,
            rows: OPS.into_iter().map(row).collect::<Result<_>>()?,
            more: MORE.into_iter().map(row).collect::<Result<_>>()?,
            stretch: STRETCHES.into_iter().map(stretch).collect::<Result<_>>()?,
        })
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "null call: {} instructions\n\n{:<20} {:>12} {:>10} {:>9}\n",
            self.null_call, "operation", "instructions", "over null", "original"
        );
        for Row { op, instructions, over_null, original_over_null } in
            self.rows.iter().chain(&self.more)
        {
            let original = shown(*original_over_null);
            text += &format!("{op:<20} {instructions:>12} {over_null:>10} {original:>9}\n");
        }
        text += &format!("\n{:<20} {:>12} {:>20}\n", "longest stretch", "instructions", "original");
        for Stretch { op, instructions, original, reason } in &self.stretch {
            let (count, original) = (shown(*instructions), shown(*original));
            let why = reason.map(|why| format!("  {why}")).unwrap_or_default();
            text += &format!("{op:<20} {count:>12} {original:>20}{why}\n");
        }
        text
    }

    /// For programs.
    ///
    /// # Errors
    /// None that is expected.
    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// Instructions of one call, rounded to the nearest.
fn per_call(measured: &Measured, op: &str) -> Result<u64> {
    let (ticks, calls) =
        *measured.prices.get(op).with_context(|| format!("{op} was not measured"))?;
    ensure!(calls > 0 && ticks > 0, "{op}: {ticks} ticks in {calls} calls");
    Ok((ticks + calls / 2) / calls)
}

fn shown(count: Option<impl ToString>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn measured() -> Measured {
        let ops = OPS.iter().chain(&MORE).map(|op| (*op).to_owned());
        let mut prices: BTreeMap<_, _> = ops.map(|op| (op, (4_006_001, 4000))).collect();
        prices.insert(NULL.to_owned(), (1_344_007, 4000));
        let marks = BTreeMap::new();
        let stretches =
            ["destroy_pool", "flush_object", "put"].map(|op| (op.to_owned(), 17_000)).into();
        Measured { xen: "4.17.5".to_owned(), prices, stretches, marks }
    }

    #[test]
    fn a_row_is_counted_over_the_null_call_and_rounded() {
        let figures = Figures::new(&measured()).expect("they are complete");
        assert_eq!(figures.null_call, 336);
        let put = &figures.rows[0];
        assert_eq!((put.op, put.instructions, put.over_null), ("put", 1002, 666));
        assert_eq!(put.original_over_null, Some(1521));
        assert!(figures.table().contains("put                          1002        666      1521"));
    }

    #[test]
    fn the_json_has_what_is_promised() {
        let text = Figures::new(&measured()).and_then(|figures| figures.json()).expect("json");
        let json: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(json["xen"], "4.17.5");
        let ops = |list: &str| -> Vec<String> {
            let rows = json[list].as_array().expect("a list");
            rows.iter().map(|row| row["op"].as_str().expect("a name").to_owned()).collect()
        };
        assert_eq!(ops("rows"), OPS);
        assert_eq!(ops("stretch"), STRETCHES.map(|(op, _)| op));
        assert_eq!(json["stretch"][0]["instructions"], 17_000);
        assert!(json["stretch"][2]["instructions"].is_null());
        assert!(json["stretch"][2]["reason"].is_string());
        assert!(json["stretch"][0].get("reason").is_none());
    }

    #[test]
    fn a_figure_that_is_missing_or_senseless_is_an_error() {
        for op in OPS.iter().chain(&MORE).chain([&NULL]) {
            let mut lacking = measured();
            lacking.prices.remove(*op);
            assert!(Figures::new(&lacking).is_err(), "{op}");
        }
        for stretch in ["destroy_pool", "flush_object", "put"] {
            let mut lacking = measured();
            lacking.stretches.remove(stretch);
            assert!(Figures::new(&lacking).is_err(), "{stretch}");
        }
        for senseless in [(4000, 4000), (9_000_000, 0)] {
            let mut wrong = measured();
            wrong.prices.insert("get".to_owned(), senseless);
            assert!(Figures::new(&wrong).is_err(), "{senseless:?}");
        }
    }
}
