//! A run: which workloads at which sizes, with what it says on the way.

use crate::floor::{self, FloorMemory, Kind};

use crate::original::Original;
use crate::report::{FloorRow, Memory as MemoryRow, Report, Row};
use crate::stats::median;
use crate::system;
use crate::workloads::w5::Extent;
use crate::workloads::{Bench, NR_CPUS, host_frames, mem, miss, save, w1, w2, w3, w4, w5, w7};
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use tmem_host_sim::{Memory, MetadataAllocator};

/// A workload, as it can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Workload {
    /// Private persistent, one object: a swap area.
    W1,
    /// Private ephemeral, files: a clean page cache.
    W2,
    /// More pages than host frames.
    W3,
    /// Files in a pool that two domains share.
    W4,
    /// Two threads against one.
    W5,
    /// Compression.
    W6,
    /// The longest stretch of a call.
    W7,
    /// Gets and flushes of what is not there.
    Miss,
    /// A domain saved and restored.
    Save,
    /// Metadata for a page.
    Mem,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// The sizes, in pages.
    pub sizes: Vec<usize>,
    /// The windows of W5.
    pub extent: Extent,
}

/// Pages of W5, whatever the sizes of the others: enough for no cache to hold them.
const SPEEDUP_PAGES: usize = 65_536;
/// Bytes of metadata that are fetched from the system beforehand for each page.
const METADATA_BYTES_PER_PAGE: usize = 300;
/// Windows and copies of each floor.
const FLOOR_WINDOWS: usize = 31;
const FLOOR_COPIES: usize = 2048;

/// Runs the plan and prints each figure as it comes.
///
/// # Errors
/// When there is no memory, or an answer or a page's content is wrong.
pub fn run(plan: &Plan) -> Result<Report> {
    let original = Original::load()?;
    let mut report = Report::default();
    let largest = plan.sizes.iter().copied().max().context("no size is given")?;
    let is_once = |workload: &Workload| matches!(workload, Workload::W5 | Workload::W6);
    if !plan.workloads.iter().all(is_once) {
        run_sizes(plan, largest, &original, &mut report)?;
    }
    if plan.workloads.contains(&Workload::W5) {
        let nr_pages = SPEEDUP_PAGES.min(largest);
        step(Workload::W5, nr_pages);
        report.speedup = w5::run(nr_pages, plan.extent)?;
        for figure in &report.speedup {
            println!("{}", figure.line(&original));
            if figure.lost > w5::LOST_MAX {
                println!(
                    "!!! other programs had a CPU for up to {:.0} % of a window: not to be trusted",
                    100.0 * figure.lost
                );
            }
        }
    }
    if plan.workloads.contains(&Workload::W6) {
        println!("W6   not built");
    }
    Ok(report)
}

/// Runs the workloads that have a size, at each size.
fn run_sizes(plan: &Plan, largest: usize, original: &Original, report: &mut Report) -> Result<()> {
    let nr_frames = host_frames(largest) + NR_CPUS;
    let room = largest * METADATA_BYTES_PER_PAGE / 4096;
    // The floor's arena is as large as the host's.
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = system::available_bytes(&meminfo);
    if let Some(advice) = too_little_memory(2 * nr_frames + room, available) {
        bail!(advice);
    }
    ensure!(MetadataAllocator::reserve(room), "no memory for metadata");
    let floors = FloorMemory::new(nr_frames)?;
    let mut memory = Vec::new();
    for &nr_pages in &plan.sizes {
        let bench = Bench { floors: &floors, original, nr_pages };
        report.floors.extend(measure_floors(&bench)?);
        for &workload in &plan.workloads {
            run_one(workload, &bench, report, &mut memory)?;
        }
    }
    report.memory = mem::worst(&memory);
    Ok(())
}

fn run_one(
    workload: Workload,
    bench: &Bench<'_>,
    report: &mut Report,
    memory: &mut Vec<Vec<MemoryRow>>,
) -> Result<()> {
    let mut rows = |work: fn(&Bench<'_>) -> Result<Vec<Row>>| {
        step(workload, bench.nr_pages);
        let rows = work(bench).with_context(|| format!("{workload:?} is void"))?;
        rows.iter().for_each(|row| println!("{}", row.line()));
        report.rows.extend(rows);
        anyhow::Ok(())
    };
    match workload {
        Workload::W1 => rows(w1::run)?,
        Workload::W2 => rows(w2::run)?,
        Workload::W3 => rows(w3::run)?,
        Workload::W4 => rows(w4::run)?,
        Workload::Miss => rows(miss::run)?,
        Workload::Save => rows(save::run)?,
        Workload::W7 => {
            step(workload, bench.nr_pages);
            let figures = w7::run(bench).context("W7 is void")?;
            figures.iter().for_each(|figure| println!("{}", figure.line()));
            report.stretch.extend(figures);
        }
        Workload::Mem => {
            step(workload, bench.nr_pages);
            let figures = mem::run(bench.original, bench.nr_pages).context("MEM is void")?;
            figures.iter().for_each(|figure| println!("{}", figure.line(bench.nr_pages)));
            memory.push(figures);
        }
        // Once for all sizes.
        Workload::W5 | Workload::W6 => {}
    }
    Ok(())
}

/// What to say when `nr_pages` pages are more than the machine has.
fn too_little_memory(nr_pages: usize, available: Option<u64>) -> Option<String> {
    let wanted = nr_pages as u64 * 4096;
    let available = available.filter(|&available| available < wanted)?;
    Some(format!(
        "this needs {} MiB of memory, of which {} MiB are available: ask for fewer pages with --pages",
        wanted >> 20,
        available >> 20
    ))
}

fn step(workload: Workload, nr_pages: usize) {
    let name = format!("{workload:?}").to_uppercase();
    println!("==> {name}, {nr_pages} pages");
}

/// Measures what a page copy costs over an arena of this size.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn measure_floors(bench: &Bench<'_>) -> Result<Vec<FloorRow>> {
    let pages = bench.nr_pages;
    let mut floor = bench.floors.floor(host_frames(pages))?;
    let plain_pages = Memory::new(2);
    let mut times = vec![Vec::new(); Kind::ALL.len() + 1];
    for _ in 0..FLOOR_WINDOWS {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut times) {
            times.push(floor.run(kind, FLOOR_COPIES));
        }
        if let Some(times) = times.last_mut() {
            times.push(floor::run_plain(&plain_pages, FLOOR_COPIES));
        }
    }
    let names = Kind::ALL.into_iter().map(Kind::name).chain(["plain"]);
    let rows: Vec<FloorRow> = names
        .zip(times)
        .map(|(floor, times)| {
            let ns = times.iter().map(|time| time.as_nanos() as f64 / FLOOR_COPIES as f64);
            FloorRow { floor, pages, ns: median(ns.collect()) }
        })
        .collect();
    print_floors(&rows, pages);
    if let Some(warning) = system::warning() {
        println!("!!! {warning}");
    }
    Ok(rows)
}

fn print_floors(rows: &[FloorRow], pages: usize) {
    let of = |name| rows.iter().find(|row| row.floor == name).map_or(0.0, |row| row.ns);
    let list: Vec<String> = rows.iter().map(FloorRow::word).collect();
    println!(
        "page copy over {pages} pages, ns: {}; plain over hot {:.2}",
        list.join(", "),
        of("plain") / of("hot")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_noticed_before_it_is_taken() {
        let advice = too_little_memory(1024, Some(2 << 20)).expect("advice");
        assert!(advice.contains("needs 4 MiB") && advice.contains("2 MiB are"), "{advice}");
        assert_eq!(too_little_memory(1024, Some(4 << 20)), None);
        assert_eq!(too_little_memory(1024, None), None);
    }
}
