//! Reading what libFuzzer says.

use std::fmt;

/// Lines of a panic's message that are repeated: the calls that led to it are among them.
const MESSAGE_LINES: usize = 60;
/// How far a fuzzer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// Inputs tried.
    runs: u64,
    /// Edges of the code that were reached.
    edges: u64,
    /// Edges, told apart by how often one input passes them.
    features: u64,
}

impl Pulse {
    /// Of several fuzzers that share a corpus.
    pub(crate) fn sum(pulses: impl Iterator<Item = Self>) -> Option<Self> {
        pulses.reduce(|one, other| Self {
            runs: one.runs + other.runs,
            edges: one.edges.max(other.edges),
            features: one.features.max(other.features),
        })
    }

    /// Whether inputs were tried, and the code told where they led.
    pub(crate) const fn is_guided(&self) -> bool {
        self.runs > 0 && self.edges > 0
    }
}

impl fmt::Display for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, edges, features } = self;
        write!(f, "{runs} inputs, cov: {edges}, features: {features}")
    }
}

/// The last line of the form `#123 NEW cov: 45 ft: 67 corp: ...`.
pub(crate) fn last_pulse(text: &str) -> Option<Pulse> {
    text.lines().rev().find_map(parse_pulse)
}

fn parse_pulse(line: &str) -> Option<Pulse> {
    let words: Vec<&str> = line.strip_prefix('#')?.split_whitespace().collect();
    let after = |name| {
        let at = words.iter().position(|&word| word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    let runs = words.first()?.parse().ok()?;
    Some(Pulse { runs, edges: after("cov:")?, features: after("ft:")? })
}

/// The file that a finding was written to.
pub(crate) fn written(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, file)| file)
}

/// What the failed target itself said: its panic and the calls before it, without the way there
/// through libFuzzer.
pub(crate) fn message(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    // libFuzzer's side of the call can't unwind, and says so by a panic of its own.
    let mut nr_panics = 0;
    let lines = lines.take_while(|line| {
        nr_panics += u32::from(line.contains("panicked at"));
        nr_panics < 2 && !line.contains("libFuzzer: ")
    });
    let mut in_backtrace = false;
    let said = lines.filter(|line| {
        in_backtrace = line.starts_with("stack backtrace:") || in_backtrace && is_frame(line);
        !in_backtrace && !line.starts_with("note: ")
    });
    let said: Vec<&str> = said.take(MESSAGE_LINES).collect();
    if said.is_empty() {
        let own = text.lines().find(|line| line.contains("ERROR: "));
        return own.unwrap_or("it said nothing").to_owned();
    }
    said.join("\n").trim_end().to_owned()
}

/// Whether a line is one of a backtrace: a frame's number, or its place in the source.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("at ") || line.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "INFO: Seed: 1
#7\tINITED cov: 1612 ft: 2533 corp: 6/3034b exec/s: 0 rss: 30Mb
#4242\tNEW    cov: 1700 ft: 2600 corp: 7/3100b lim: 2048 exec/s: 10 rss: 31Mb L: 9/9 MS: 1 X-

thread '<unnamed>' (1) panicked at crates/host-sim/src/frames.rs:1:9:
frame 1 is freed twice
stack backtrace:
   0: f
             at ./a.rs:1:2
  10: g
after
  d1 put

thread '<unnamed>' (1) panicked at core/src/panicking.rs:1:5:
panic in a function that cannot unwind
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
==5== ERROR: libFuzzer: deadly signal
NOTE: libFuzzer has rudimentary signal handlers.
SUMMARY: libFuzzer: deadly signal
artifact_prefix='f/service-'; Test unit written to f/service-crash-01ab
Base64: AAAA
";

    #[test]
    fn the_last_pulse_counts() {
        let pulse = last_pulse(TEXT);
        assert_eq!(pulse, Some(Pulse { runs: 4242, edges: 1700, features: 2600 }));
        assert_eq!(last_pulse("#x cov: 1\nINFO: # cov: 3"), None);
    }

    #[test]
    fn a_finding_is_told_with_its_message_and_its_place() {
        assert_eq!(written(TEXT), Some("f/service-crash-01ab"));
        let said = message(TEXT);
        assert!(said.ends_with("frame 1 is freed twice\nafter\n  d1 put"), "{said}");
        assert!(!said.contains("libFuzzer"), "{said}");
    }

    #[test]
    fn what_libfuzzer_finds_by_itself_is_told_too() {
        let text =
            "==5== ERROR: libFuzzer: timeout after 20 seconds\nSUMMARY: libFuzzer: timeout\n";
        assert_eq!(message(text), "==5== ERROR: libFuzzer: timeout after 20 seconds");
    }
}
