//! Races of a few calls on the engine's own code, each through every interleaving; named after the
//! rules and the defects that they are about.
//!
//! Each ends in the same way: the judge looks for an order of the calls that explains what they
//! answered, the engine's books are audited, everything is destroyed, and nothing may be left.
#![cfg(loom)]

mod clients;
mod page;
mod pool;
mod saves;
mod shared;

use tmem_engine::{Lifetime, PoolKind};
use tmem_loom::{Before, Call, Event, Guest, LoomHost, Page, Told, explore, judge, race};

/// The page that calls meet on. It holds 1 at first.
const PAGE: Page = Page::new(1, 1);
/// Another one of the same object.
const NEIGHBOUR: Page = Page::new(1, 2);
/// One of another object.
const STRANGER: Page = Page::new(2, 1);
const EPHEMERAL: PoolKind = PoolKind::Private(Lifetime::Ephemeral);
const PERSISTENT: PoolKind = PoolKind::Private(Lifetime::Persistent);

/// Calls of one CPU of `guest`.
fn cpu(guest: &Guest, calls: impl FnOnce(Guest) -> Vec<Told> + Send + 'static) -> Call<Vec<Told>> {
    let guest = guest.clone();
    Box::new(move || calls(guest))
}

/// Calls of a domain's other CPU that are told to nobody.
fn silently(calls: impl FnOnce() + Send + 'static) -> Call<Vec<Told>> {
    Box::new(move || {
        calls();
        vec![]
    })
}
