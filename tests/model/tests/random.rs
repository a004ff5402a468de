//! Random scripts against the model; see `run_random` for running one seed again.
//!
//! `TMEM_SEED`: that seed only. `TMEM_SEEDS`: so many seeds. `TMEM_STEPS`: calls a script.

use tmem_model_tests::{Plan, run_random};

const SEEDS: u64 = 40;
const STEPS: u64 = 800;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("the variable holds a number"))
}

#[test]
fn random_scripts_of_several_clients_agree_with_the_model() {
    let nr_steps = from_environment("TMEM_STEPS").unwrap_or(STEPS);
    let seeds = match from_environment("TMEM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=from_environment("TMEM_SEEDS").unwrap_or(SEEDS),
    };
    seeds.for_each(|seed| run_random(Plan { seed, nr_steps }));
}
