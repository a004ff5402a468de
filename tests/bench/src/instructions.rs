//! Instructions of an operation, counted by valgrind's callgrind: the same to the digit in each run,
//! on any machine.
//!
//! This program runs itself under callgrind, which counts from where a call enters
//! [`crate::guest::hypercall`] to where it leaves it, but not inside the page copy. An operation is
//! made N times and 2 N times after the same preparation; the difference is that of N operations,
//! and neither the preparation nor the loop around the calls is in it.

use crate::guest::{Guest, Page, shared_pool};
use crate::original::Original;
use crate::report::Instructions;
use crate::workloads::{host_frames, service};
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use hypercall_abi::PoolFlags;
use std::process::Command;

/// Calls of the smaller of the two runs. The larger one visits as many pages again.
const NR_CALLS: usize = 4000;
/// Pages that are there to be visited.
const NR_PAGES: usize = 2 * NR_CALLS;
/// The factor of the permuted order: `(i * 1237) mod 4000` visits each of 4000 pages once.
const STRIDE: usize = 1237;
/// Pages of an object where there are many.
const OBJECT_PAGES: usize = 8;
/// The program that counts.
const VALGRIND: &str = "valgrind";

/// An operation whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Counted {
    /// A put of a new page, persistent, one object, in order.
    Put,
    /// A get of one of these, permuted.
    Get,
    /// Another put of one of these, permuted.
    DuplicatePut,
    /// A put of a new page, ephemeral, objects of 8 pages, in order.
    PutEphemeral,
    /// A get that removes one of these, permuted.
    ExclusiveGet,
    /// A get in a shared pool, which makes one of these the youngest, permuted.
    SharedGet,
    /// A flush of one of the first, permuted.
    Flush,
    /// A get from an object that is not there.
    MissNoObject,
    /// A get of a page that its object lacks.
    MissNoIndex,
}

impl Counted {
    const ALL: [Self; 9] = [
        Self::Put,
        Self::Get,
        Self::DuplicatePut,
        Self::PutEphemeral,
        Self::ExclusiveGet,
        Self::SharedGet,
        Self::Flush,
        Self::MissNoObject,
        Self::MissNoIndex,
    ];

    /// The name in the JSON and on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::DuplicatePut => "duplicate_put",
            Self::PutEphemeral => "put_ephemeral",
            Self::ExclusiveGet => "exclusive_get",
            Self::SharedGet => "shared_get",
            Self::Flush => "flush",
            Self::MissNoObject => "miss_no_object",
            Self::MissNoIndex => "miss_no_index",
        }
    }
}

/// Prepares what `op` needs and makes `nr_calls` of it: a program to be counted.
///
/// # Errors
/// When an answer or a page's content is wrong.
pub fn calls(op: Counted, nr_calls: usize) -> Result<()> {
    ensure!(nr_calls <= NR_PAGES, "there are {NR_PAGES} pages to be visited once each");
    let service = service(host_frames(NR_PAGES))?;
    let guests = [Guest::new(&service, 1)?, Guest::new(&service, 2)?];
    let guest = &guests[0];
    let is_shared = op == Counted::SharedGet;
    let is_ephemeral = is_shared || matches!(op, Counted::PutEphemeral | Counted::ExclusiveGet);
    let flags = if is_ephemeral { PoolFlags::empty() } else { PoolFlags::PERSIST };
    let pool = if is_shared { shared_pool(&guests)? } else { guest.new_pool(flags, [0; 2])? };
    let page = |nth: usize| {
        let (object, index) =
            if is_ephemeral { (1000 + nth / OBJECT_PAGES, nth % OBJECT_PAGES) } else { (1, nth) };
        Page { pool, object: object as u64, index: u32::try_from(index).unwrap_or(u32::MAX) }
    };
    if !matches!(op, Counted::Put | Counted::PutEphemeral) {
        for nth in 0..NR_PAGES {
            guest.put(nth, page(nth), [nth as u64, 1])?;
        }
    }
    for nth in 0..nr_calls {
        let number = permuted(nth);
        let (page, in_order, stamp) = (page(number), page(nth), [number as u64, 1]);
        match op {
            Counted::Put | Counted::PutEphemeral => {
                guest.put(nth, in_order, [nth as u64, 1])?;
            }
            Counted::Get | Counted::ExclusiveGet | Counted::SharedGet => {
                guest.get(nth, page, stamp)?;
            }
            Counted::DuplicatePut => guest.put(nth, page, [number as u64, 2])?,
            Counted::Flush => guest.flush(page)?,
            Counted::MissNoObject => guest.miss(Page { object: page.object + 1, ..page })?,
            Counted::MissNoIndex => {
                guest.miss(Page { index: page.index + u32::try_from(NR_PAGES)?, ..page })?;
            }
        }
    }
    Ok(())
}

/// The page to visit as number `nth`: the first 4000 in the permuted order, then the others.
const fn permuted(nth: usize) -> usize {
    nth / NR_CALLS * NR_CALLS + (nth % NR_CALLS * STRIDE) % NR_CALLS
}

/// Whether this machine can count.
pub fn can_count() -> bool {
    Command::new(VALGRIND).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts every operation and prints the figures.
///
/// # Errors
/// When valgrind is missing or fails.
pub fn count_all(original: &Original) -> Result<Vec<Instructions>> {
    println!("==> instructions, without the page copy");
    let mut figures = Vec::new();
    for op in Counted::ALL {
        let (once, twice) = (count(op, NR_CALLS)?, count(op, 2 * NR_CALLS)?);
        let figure = Instructions {
            op: op.name(),
            value: per_call(once, twice)?,
            original: original.instructions(op.name()),
        };
        println!("{}", figure.line());
        figures.push(figure);
    }
    Ok(figures)
}

/// Instructions of a call, from those of N and of 2 N calls with the same preparation.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn per_call(once: u64, twice: u64) -> Result<f64> {
    let difference = twice.checked_sub(once).context("more calls took fewer instructions")?;
    Ok(difference as f64 / NR_CALLS as f64)
}

/// Instructions inside the calls of this program's run with these arguments.
fn count(op: Counted, nr_calls: usize) -> Result<u64> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let output = Command::new(VALGRIND)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Collecting is switched when a call enters or leaves one of these: on by the call, off by
        // the copy in it, on again after the copy, off at the call's end.
        .args([
            "--toggle-collect=tmem_bench::guest::hypercall",
            "--toggle-collect=*::copy_page_words",
        ])
        .arg(program)
        .args(["calls", op.name(), &nr_calls.to_string()])
        .output()
        .context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed ({})\n{said}", output.status);
    collected(&said).with_context(|| format!("valgrind tells no count\n{said}"))
}

/// The number in callgrind's last words, `==PID== Collected : NUMBER`; none and 0 are no count.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok().filter(|&count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_count_is_found() {
        let said = "==12== Events    : Ir\n==12== Collected : 1234567\n==12== \n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==12== Collected : 0\n"), None);
        assert_eq!(collected("nothing\n"), None);
        assert!(per_call(3, 2).is_err());
    }

    #[test]
    fn each_page_is_visited_once() {
        let mut visits: Vec<usize> = (0..NR_PAGES).map(permuted).collect();
        assert_eq!(visits[1], STRIDE);
        visits.sort_unstable();
        assert!(visits.into_iter().eq(0..NR_PAGES));
    }

    #[test]
    fn every_counted_operation_is_answered_as_expected() {
        for op in Counted::ALL {
            assert_eq!(Counted::from_str(op.name(), false), Ok(op));
            calls(op, NR_CALLS).expect("right answers and right data");
        }
    }
}
