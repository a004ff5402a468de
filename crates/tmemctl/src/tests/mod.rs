//! The commands from the command line to the hypervisor, which is a fake one.

mod fake;
mod help;
mod listing;
mod settings;
mod transfer;

use crate::cli::Cli;
use crate::failure::{Failure, Kind};
use crate::stream::Page;
use clap::Parser;
use fake::{Fake, Model};
use hypercall_abi::{PAGE_SIZE_BYTES, PoolFlags};

/// What a command line printed, and said beside it.
fn tool(xen: &Fake, line: &str) -> Result<(String, String), Failure> {
    tool_args(xen, line.split_whitespace())
}

fn tool_args<'a>(
    xen: &Fake,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<(String, String), Failure> {
    let words = std::iter::once("tmemctl").chain(words);
    let cli =
        Cli::try_parse_from(words).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let (mut out, mut say) = (Vec::new(), Vec::new());
    crate::run(&cli, || Ok(xen.clone()), &mut out, &mut say)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(out), text(say)))
}

/// What it printed, if it succeeded.
#[track_caller]
fn printed(xen: &Fake, line: &str) -> String {
    tool(xen, line).unwrap_or_else(|failure| unreachable!("{line}: {failure}")).0
}

/// How it failed.
#[track_caller]
fn failed(xen: &Fake, line: &str) -> Failure {
    tool(xen, line).expect_err(line)
}

/// A page whose bytes are `seed`, but for the first.
fn page(seed: u8) -> Page {
    let mut page = [seed; PAGE_SIZE_BYTES];
    page[0] = seed.wrapping_mul(3);
    page
}

/// Two domains: one swaps and caches, one caches; a third does not use tmem.
fn two_clients() -> Fake {
    let xen = Fake::default();
    let mut model = xen.model.borrow_mut();
    fill(&mut model);
    drop(model);
    xen
}

fn fill(model: &mut Model) {
    model.freeable_kib = 10_240;
    let one = model.client(1);
    one.weight = 70;
    one.pools.insert(0, fake::Pool::new(PoolFlags::PERSIST));
    one.pools.insert(2, fake::Pool::new(PoolFlags::empty()));
    for index in 0..5 {
        one.put(0, 9, index, page(1));
    }
    one.put(2, 9, 0, page(2));
    let counters = &mut one.pools.get_mut(&2).expect("it is there").counters;
    counters.gets = 8;
    counters.hits = 6;
    counters.misses = 2;
    let seven = model.client(7);
    seven.is_frozen = true;
    seven.pools.insert(0, fake::Pool::new(PoolFlags::empty()));
    for index in 0..300 {
        seven.put(0, 4, index, page(3));
    }
    let counters = &mut seven.pools.get_mut(&0).expect("it is there").counters;
    counters.evictions_suffered = 11;
    counters.puts_frozen = 4;
    model.domains.insert(9, None);
}
