//! The cross-check of the stretches: what Xen's glue itself saw between two preemption checks.
//!
//! A Xen that is built with `TMEM_STRETCH` tells of each new high-water mark; the other figures of
//! such a run have that in them.

use super::log::Measured;
use anyhow::{Context, Result};

/// The glue's number of each operation with slices: the command's, or `STRETCH_DEATH`
/// (`crates/xen-shim/xen/include/xen/tmem-stretch.h`).
const KINDS: [(&str, u32); 4] =
    [("destroy_pool", 2), ("flush_object", 7), ("domain_death", 15), ("put", 4)];

/// For people.
///
/// # Errors
/// When an operation has no mark: this Xen was not built for it.
pub(super) fn table(measured: &Measured) -> Result<String> {
    let mut text = format!("\n{:<20} {:>12}\n", "between two checks", "instructions");
    for (op, kind) in KINDS {
        let mark = measured.marks.get(&kind).with_context(|| format!("no mark of {op}"))?;
        text += &format!("{op:<20} {mark:>12}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_must_have_a_mark() {
        let marks = KINDS.map(|(_, kind)| (kind, 10_000 + u64::from(kind)));
        let mut measured = Measured { marks: marks.into(), ..Measured::default() };
        let text = table(&measured).expect("they are all there");
        assert!(text.contains("domain_death                10015\n"), "{text}");
        measured.marks.remove(&4);
        assert!(table(&measured).is_err());
    }
}
