//! The figures as they go to the terminal and to the JSON file, whose names are stable.

use crate::meter::Cost;
use crate::original::Original;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;

/// All that a run measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What a page copy costs.
    pub floors: Vec<FloorRow>,
    /// What operations cost.
    pub rows: Vec<Row>,
    /// What a second thread brings.
    pub speedup: Vec<Speedup>,
    /// What one call does at most before it asks whether it should stop.
    pub stretch: Vec<Stretch>,
    /// What a page costs in metadata.
    pub memory: Vec<Memory>,
    /// What an operation costs in instructions, without the page copy.
    pub instructions: Vec<Instructions>,
}

/// The cost of one operation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The workload.
    pub workload: &'static str,
    /// The operation.
    pub op: &'static str,
    /// Pages of the workload.
    pub pages: usize,
    /// Nanoseconds an operation, the median of the windows.
    pub ns: f64,
    /// The floor that it is compared with: `wrS` or `rdS`.
    pub floor: &'static str,
    /// Nanoseconds a copy, the median of the floor's windows.
    pub floor_ns: f64,
    /// Median of the quotients of paired windows.
    pub ratio: f64,
    /// Their first quartile.
    pub ratio_q1: f64,
    /// Their third quartile.
    pub ratio_q3: f64,
    /// Pairs of windows.
    pub pairs: usize,
    /// The original engine's ratio, where it is known.
    pub original_ratio: Option<f64>,
    /// The part of the gets that hit, where gets may miss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_rate: Option<f64>,
    /// The original engine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_hit_rate: Option<f64>,
}

/// The cost of one page copy.
#[derive(Clone, Debug, Serialize)]
pub struct FloorRow {
    /// Which floor: `hot`, `wr`, `rd`, `wrS`, `rdS`, or `plain` for a slice copy as `hot`.
    pub floor: &'static str,
    /// Pages of the workload that the arena is for.
    pub pages: usize,
    /// Nanoseconds a copy.
    pub ns: f64,
}

/// Throughput of two threads over that of one.
#[derive(Clone, Debug, Serialize)]
pub struct Speedup {
    /// The case.
    pub case: &'static str,
    /// Threads.
    pub threads: usize,
    /// The worse of the case's variants.
    pub value: f64,
    /// That of a copy loop in the same windows.
    pub control: f64,
    /// The largest part of a window in which other programs had one of the two CPUs.
    pub lost: f64,
}

/// The longest stretch between two chances to stop.
#[derive(Clone, Debug, Serialize)]
pub struct Stretch {
    /// The operation.
    pub op: &'static str,
    /// Pages that there were.
    pub pages: usize,
    /// The most pages that one call freed.
    pub most_pages: u64,
    /// The longest call in microseconds: the smallest of the runs' longest.
    pub longest_us: f64,
    /// Milliseconds for the whole of it: the median of the runs. For a put, all the puts of a run.
    pub total_ms: f64,
}

/// Metadata for a page.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// How the pages are named.
    pub case: &'static str,
    /// Whole frames of metadata, in bytes, over pages.
    pub bytes_per_page: f64,
    /// The original engine's.
    pub original: Option<f64>,
}

/// Instructions of an operation.
#[derive(Clone, Debug, Serialize)]
pub struct Instructions {
    /// The operation.
    pub op: &'static str,
    /// Instructions, without the page copy.
    pub value: f64,
    /// The original engine's.
    pub original: Option<f64>,
}

impl Row {
    /// A row out of a measured cost; the original's figures are looked up.
    pub fn new(
        original: &Original,
        workload: &'static str,
        op: &'static str,
        pages: usize,
        cost: Cost,
    ) -> Self {
        Self {
            workload,
            op,
            pages,
            ns: cost.ns,
            floor: cost.floor.name(),
            floor_ns: cost.floor_ns,
            ratio: cost.ratio.median,
            ratio_q1: cost.ratio.q1,
            ratio_q3: cost.ratio.q3,
            pairs: cost.nr_pairs,
            original_ratio: original.ratio(workload, op, pages),
            hit_rate: None,
            original_hit_rate: None,
        }
    }

    /// The same with the part of the gets that hit.
    #[must_use]
    pub fn hits(self, original: &Original, hit_rate: f64) -> Self {
        let original_hit_rate = original.hit_rate(self.workload, self.op, self.pages);
        Self { hit_rate: Some(hit_rate), original_hit_rate, ..self }
    }

    /// A line for the terminal.
    pub fn line(&self) -> String {
        let Self { workload, op, pages, ns, floor, floor_ns, .. } = self;
        let (ratio, q1, q3) = (self.ratio, self.ratio_q1, self.ratio_q3);
        let mut line = format!(
            "{workload:<4} {op:<23} {pages:>8} {ns:>7.0} ns  {floor} {floor_ns:>4.0} ns  \
             ratio {ratio:>5.2} [{q1:.2} {q3:.2}]"
        );
        if let Some(original) = self.original_ratio {
            line.push_str(&format!("  original {original:.2}"));
        }
        if let Some(rate) = self.hit_rate {
            line.push_str(&format!("  hits {rate:.3}"));
        }
        if let Some(original) = self.original_hit_rate {
            line.push_str(&format!(" (original {original:.3})"));
        }
        line
    }
}

impl FloorRow {
    /// A word for the terminal.
    pub fn word(&self) -> String {
        format!("{} {:.0}", self.floor, self.ns)
    }
}

impl Speedup {
    /// A line for the terminal.
    pub fn line(&self, original: &Original) -> String {
        let Self { case, value, control, .. } = self;
        let quotient = value / control;
        let beside = beside(original.speedup(case));
        format!(
            "W5   {case:<23} value {value:.2}  control {control:.2}  quotient {quotient:.2}{beside}"
        )
    }
}

impl Stretch {
    /// A line for the terminal.
    pub fn line(&self) -> String {
        let Self { op, pages, most_pages, longest_us, total_ms } = self;
        format!(
            "W7   {op:<23} {pages:>8} most pages {most_pages:>4}  longest {longest_us:>7.1} us  \
             total {total_ms:>7.1} ms"
        )
    }
}

impl Memory {
    /// A line for the terminal.
    pub fn line(&self, pages: usize) -> String {
        let Self { case, bytes_per_page, original } = self;
        let beside = beside(*original);
        format!("MEM  {case:<23} {pages:>8} {bytes_per_page:>7.1} bytes a page{beside}")
    }
}

impl Instructions {
    /// A line for the terminal.
    pub fn line(&self) -> String {
        let Self { op, value, original } = self;
        let beside = beside(*original);
        format!("INS  {op:<23} {value:>7.1} instructions{beside}")
    }
}

impl Report {
    /// Writes the JSON file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("the figures have no JSON")?;
        text.push('\n');
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The original's figure beside ours, where it is known.
fn beside(original: Option<f64>) -> String {
    original.map_or_else(String::new, |figure| format!("  original {figure}"))
}
