//! The bench program.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::Parser;
use tmem_bench::floor::{FloorMemory, Kind, run_plain};
use tmem_bench::workloads::{Row, host_frames, miss, w1, w2};
use tmem_host_sim::Memory;

/// Measures tmem's service against a page copy.
#[derive(Debug, Parser)]
struct Arguments {
    /// Workloads: W1, W2, MISS; all of them when none is named.
    workloads: Vec<String>,
    /// Pages, in place of 65536 and 1048576.
    #[arg(long, value_name = "N")]
    pages: Vec<usize>,
}

#[global_allocator]
static ALLOCATOR: tmem_host_sim::MetadataAllocator = tmem_host_sim::MetadataAllocator;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    assert!(tmem_host_sim::MetadataAllocator::reserve(50000));
    let sizes = if arguments.pages.is_empty() { vec![65_536, 1_048_576] } else { arguments.pages };
    let wanted = |name: &str| {
        arguments.workloads.is_empty() || arguments.workloads.iter().any(|it| it == name)
    };
    for pages in sizes {
        let memory = FloorMemory::new(host_frames(pages) + 2)?;
        let mut floor = memory.floor(host_frames(pages))?;
        print!("{pages} pages; floors in ns:");
        let copies = 20_000;
        let per = |time: std::time::Duration| time.as_nanos() as f64 / f64::from(copies);
        for kind in Kind::ALL {
            let times = (0..31).map(|_| per(floor.run(kind, 20_000))).collect();
            print!(" {} {:.0}", kind.name(), tmem_bench::stats::median(times));
        }
        let two = Memory::new(2);
        let times = (0..31).map(|_| per(run_plain(&two, 20_000))).collect();
        println!(" plain {:.0}", tmem_bench::stats::median(times));
        drop(floor);
        if wanted("W1") {
            print(&w1::run(&memory, pages)?);
        }
        if wanted("W2") {
            print(&w2::run(&memory, pages)?);
        }
        if wanted("MISS") {
            print(&miss::run(&memory, pages)?);
        }
    }
    Ok(())
}

fn print(rows: &[Row]) {
    for Row { workload, op, pages, cost } in rows {
        println!(
            "{workload:<5} {op:<24} {pages:>8} {:>7.0} ns  {} {:>5.0}  ratio {:.2} [{:.2} {:.2}] {}",
            cost.ns,
            cost.floor.name(),
            cost.floor_ns,
            cost.ratio.median,
            cost.ratio.q1,
            cost.ratio.q3,
            cost.nr_pairs
        );
    }
}
