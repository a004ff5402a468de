//! Random scripts against the model; see `run_random` for running one seed again.
//!
//! `TMEM_SEED`: that seed only. `TMEM_SEEDS`: so many seeds. `TMEM_STEPS`: calls a script.

use tmem_model_tests::{Plan, run_random};

const SEEDS: u64 = 40;
const STEPS: u64 = 800;
const STEPS_PER_AUDIT: u64 = 53;
/// The same for the test that looks at the books after every call, which takes most of its time.
const AUDITED_SEEDS: u64 = 30;
const AUDITED_STEPS: u64 = 120;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("the variable holds a number"))
}

/// Runs so many seeds of so many calls each, or what the environment says.
fn run(nr_seeds: u64, nr_steps: u64, steps_per_audit: u64) {
    let nr_steps = from_environment("TMEM_STEPS").unwrap_or(nr_steps);
    let seeds = match from_environment("TMEM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=from_environment("TMEM_SEEDS").unwrap_or(nr_seeds),
    };
    seeds.for_each(|seed| run_random(Plan { seed, nr_steps, steps_per_audit }));
}

#[test]
fn r12_p82_random_scripts_of_several_clients_agree_with_the_model() {
    run(SEEDS, STEPS, STEPS_PER_AUDIT);
}

/// Index, lists and counts are compared with each other, and the totals with the model and the host.
#[test]
fn r74_p60_the_books_are_right_after_every_call_of_random_scripts() {
    run(AUDITED_SEEDS, AUDITED_STEPS, 1);
}
