//! The bench program; `cargo xtask bench` builds and runs it.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum as _};
use std::path::PathBuf;
use std::process::ExitCode;
use tmem_bench::instructions::{self, Counted};
use tmem_bench::original::Original;
use tmem_bench::report::Report;
use tmem_bench::run::{Plan, Workload, run};
use tmem_bench::traces;
use tmem_bench::workloads::w5;

/// Measures tmem's service against a page copy.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Workloads; all of them, and the instructions where valgrind is there, when none is named.
    #[arg(value_name = "WORKLOAD", ignore_case = true)]
    workloads: Vec<Workload>,
    /// Pages of each workload, in place of 65536 and then 1048576.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..))]
    pages: Option<u32>,
    /// Write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only count instructions.
    #[arg(long, conflicts_with_all = ["workloads", "pages"])]
    instructions: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay cache traces and compare the misses with their published check values.
    Traces {
        /// The folder that holds the traces.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Make some calls and nothing else; what counts instructions runs this.
    #[command(hide = true)]
    Calls {
        /// What to call.
        op: Counted,
        /// How often.
        nr_calls: usize,
    },
}

fn main() -> ExitCode {
    match run_as_told(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_as_told(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Some(Command::Traces { dir }) => return traces::run(dir),
        Some(Command::Calls { op, nr_calls }) => return instructions::calls(*op, *nr_calls),
        None => {}
    }
    let report = measure(arguments)?;
    if let Some(file) = &arguments.json {
        report.write(file)?;
        println!("figures: {}", file.display());
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Report> {
    if arguments.instructions {
        let instructions = instructions::count_all(&Original::load()?)?;
        return Ok(Report { instructions, ..Report::default() });
    }
    let is_whole = arguments.workloads.is_empty();
    let workloads = match is_whole {
        true => Workload::value_variants().to_vec(),
        false => arguments.workloads.clone(),
    };
    let sizes = arguments.pages.map_or_else(|| vec![65_536, 1_048_576], |n| vec![n as usize]);
    let mut report = run(&Plan { workloads, sizes, extent: w5::FULL })?;
    if is_whole && instructions::can_count() {
        report.instructions = instructions::count_all(&Original::load()?)?;
    } else if is_whole {
        println!("no valgrind here: instructions are not counted");
    }
    Ok(report)
}
