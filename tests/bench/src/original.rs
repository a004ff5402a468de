//! The figures of the original engine, from `original.toml`.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A figure for each number of pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    workload: String,
    op: String,
    /// By the number of pages, which is a string as a key.
    pages: BTreeMap<String, f64>,
}

/// What the original engine reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    ratio: Vec<Figure>,
    hit_rate: Vec<Figure>,
    instructions: BTreeMap<String, f64>,
    memory: BTreeMap<String, f64>,
    speedup: BTreeMap<String, f64>,
}

impl Original {
    /// Reads the table that is compiled in.
    ///
    /// # Errors
    /// When it has a fault.
    pub fn load() -> Result<Self> {
        toml::from_str(include_str!("../original.toml")).context("original.toml has a fault")
    }

    /// The ratio of an operation to its copy floor, where it is known.
    pub fn ratio(&self, workload: &str, op: &str, pages: usize) -> Option<f64> {
        find(&self.ratio, workload, op, pages)
    }

    /// The part of the gets that hit, where it is known.
    pub fn hit_rate(&self, workload: &str, op: &str, pages: usize) -> Option<f64> {
        find(&self.hit_rate, workload, op, pages)
    }

    /// Instructions of an operation, without the page copy.
    pub fn instructions(&self, op: &str) -> Option<f64> {
        self.instructions.get(op).copied()
    }

    /// Bytes of metadata a page.
    pub fn memory(&self, case: &str) -> Option<f64> {
        self.memory.get(case).copied()
    }

    /// The speed-up with two threads.
    pub fn speedup(&self, case: &str) -> Option<f64> {
        self.speedup.get(case).copied()
    }
}

fn find(figures: &[Figure], workload: &str, op: &str, pages: usize) -> Option<f64> {
    let figure = figures.iter().find(|figure| figure.workload == workload && figure.op == op)?;
    figure.pages.get(&pages.to_string()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_knows_what_it_does_not_know() {
        let original = Original::load().expect("a table without faults");
        assert_eq!(original.ratio("W1", "get_permuted", 1_048_576), Some(1.90));
        assert_eq!(original.ratio("W1", "get_in_order", 65_536), None);
        assert_eq!(original.ratio("W4", "get", 1_048_576), None);
        assert_eq!(original.hit_rate("W3", "zipf10_get_put", 65_536), Some(0.844));
        assert_eq!(original.instructions("miss_no_index"), Some(213.0));
        assert_eq!(original.memory("random_indices"), Some(1332.0));
        assert_eq!(original.speedup("misses_shared"), None);
    }
}
