//! The bench program; `cargo xtask bench` builds and runs it.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::{Parser, ValueEnum as _};
use std::path::PathBuf;
use tmem_bench::run::{Plan, Workload, run};
use tmem_bench::workloads::w5;

/// Measures tmem's service against a page copy.
#[derive(Debug, Parser)]
struct Arguments {
    /// Workloads; all of them when none is named.
    #[arg(value_name = "WORKLOAD", ignore_case = true)]
    workloads: Vec<Workload>,
    /// Pages of each workload, in place of 65536 and then 1048576.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..))]
    pages: Option<u32>,
    /// Write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut workloads = arguments.workloads;
    if workloads.is_empty() {
        workloads = Workload::value_variants().to_vec();
    }
    let sizes = arguments.pages.map_or_else(|| vec![65_536, 1_048_576], |n| vec![n as usize]);
    let report = run(&Plan { workloads, sizes, extent: w5::FULL })?;
    if let Some(file) = arguments.json {
        report.write(&file)?;
        println!("figures: {}", file.display());
    }
    Ok(())
}
