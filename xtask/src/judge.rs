//! The judge of a serial log: which cases began, which verdict each got, whether the guest came to
//! its end.
//!
//! A verdict needs the case's own line *and* the completion marker. QEMU's exit code proves
//! nothing: a crash's reset looks like success. Must not know how the machine was booted.

use crate::results::Outcome;
use std::collections::BTreeMap;

/// What the guest's lines begin with.
pub(crate) const PREFIX: &str = "tmem-guest: ";

/// What the lines of a Linux in its place begin with, which have the same form.
pub(crate) const DOM0_PREFIX: &str = "tmem-dom0: ";

/// What a serial log says.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// Version of the guest and of Xen, from the first line.
    pub(crate) start: Option<String>,
    began: Vec<String>,
    verdicts: BTreeMap<String, Verdict>,
    /// Lines of Xen's while each case ran.
    xen_lines: BTreeMap<String, usize>,
    done: Option<usize>,
    last_words: Option<String>,
    undefined: Option<String>,
}

/// A verdict line's content: one of XTF's words, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    word: String,
    reason: String,
}

/// A line of the guest's, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// The guest runs.
    Start(&'a str),
    /// A case begins.
    Begin(&'a str),
    /// A case has its verdict: name, word, reason.
    Result(&'a str, &'a str, &'a str),
    /// The completion marker.
    Done(usize),
}

/// Reads one line of the log; `None` for everything that is for people.
pub(crate) fn parse_line(line: &str) -> Option<Line<'_>> {
    // Xen may have put a prefix of its own before it.
    let after = |prefix: &str| line.find(prefix).and_then(|at| line.get(at + prefix.len()..));
    let said = after(PREFIX).or_else(|| after(DOM0_PREFIX))?.trim_end();
    if let Some(versions) = said.strip_prefix("start ") {
        return Some(Line::Start(versions));
    }
    if let Some(count) = said.strip_prefix("done ") {
        return Some(Line::Done(count.strip_suffix(" cases")?.parse().ok()?));
    }
    let (name, rest) = said.strip_prefix("case ")?.split_once(' ')?;
    if rest == "begin" {
        return Some(Line::Begin(name));
    }
    let (word, reason) = match rest.strip_prefix("result ")?.split_once(':') {
        Some((word, reason)) => (word.trim(), reason.trim()),
        None => (rest.strip_prefix("result ")?.trim(), ""),
    };
    Some(Line::Result(name, word, reason))
}

/// What Xen's own lines begin with.
const XEN_PREFIX: &str = "(XEN)";

/// What is said of a case that the boot did not come to.
pub(crate) const NOT_BEGUN: &str = "no verdict: it did not begin";

/// Lines with which Xen tells of its own end.
const LAST_WORDS: &[&str] =
    &["Panic on CPU", "Assertion '", "Xen BUG at", "FATAL TRAP", "Watchdog"];

/// What a Xen with UBSAN says of C code whose behaviour is undefined, and then goes on.
const UNDEFINED: &str = "UBSAN: Undefined behaviour";

impl Transcript {
    /// Reads a whole log.
    pub(crate) fn read(log: &str) -> Self {
        let mut transcript = Self::default();
        let mut running = None;
        for line in log.lines() {
            if let Some(case) = running
                && line.contains(XEN_PREFIX)
            {
                *transcript.xen_lines.entry(String::from(case)).or_default() += 1;
            }
            match parse_line(line) {
                Some(Line::Start(versions)) => transcript.start = Some(versions.to_owned()),
                Some(Line::Begin(name)) => {
                    running = Some(name);
                    transcript.began.push(name.to_owned());
                }
                Some(Line::Result(name, word, reason)) => {
                    running = None;
                    transcript.add_verdict(name, word, reason);
                }
                Some(Line::Done(count)) => transcript.done = Some(count),
                None if LAST_WORDS.iter().any(|words| line.contains(words)) => {
                    transcript.last_words.get_or_insert_with(|| line.trim().to_owned());
                }
                None if line.contains(UNDEFINED) => {
                    transcript.undefined.get_or_insert_with(|| line.trim().to_owned());
                }
                None => {}
            }
        }
        transcript
    }

    fn add_verdict(&mut self, name: &str, word: &str, reason: &str) {
        let verdict = Verdict { word: word.to_owned(), reason: reason.to_owned() };
        let first = self.verdicts.insert(name.to_owned(), verdict);
        if first.is_some() {
            let twice = Verdict { word: "ERROR".into(), reason: "it got two verdicts".into() };
            self.verdicts.insert(name.to_owned(), twice);
        }
    }

    /// Why the boot as a whole can't be believed; `None` when it can.
    pub(crate) fn boot_failure(&self) -> Option<String> {
        if let Some(words) = &self.last_words {
            return Some(format!("Xen crashed: {words}"));
        }
        if let Some(words) = &self.undefined {
            return Some(format!("Xen went wrong: {words}"));
        }
        if self.start.is_none() {
            return Some("the guest did not start".to_owned());
        }
        match self.done {
            None => Some("the guest did not come to its end: no completion marker".to_owned()),
            Some(count) if count != self.verdicts.len() => Some(format!(
                "the completion marker counts {count} cases, the log holds {} verdicts",
                self.verdicts.len()
            )),
            Some(_) => None,
        }
    }

    /// The outcome of a case that this boot owed, and during which Xen was to write no more than
    /// `xen_lines_max` lines.
    pub(crate) fn outcome(&self, case: &str, xen_lines_max: Option<usize>) -> Outcome {
        let lines = self.xen_lines.get(case).copied().unwrap_or_default();
        match (self.verdict(case), xen_lines_max) {
            (Outcome::Passed, Some(max)) if lines > max => Outcome::Failed(format!(
                "Xen wrote {lines} lines to the console meanwhile, more than {max}"
            )),
            (outcome, _) => outcome,
        }
    }

    fn verdict(&self, case: &str) -> Outcome {
        match self.verdicts.get(case) {
            None if self.began.iter().any(|began| began == case) => {
                Outcome::Failed("CRASH: it began and no verdict came".to_owned())
            }
            None => Outcome::Failed(NOT_BEGUN.to_owned()),
            Some(Verdict { word, reason }) => match word.as_str() {
                "SUCCESS" => Outcome::Passed,
                "SKIP" => Outcome::Skipped(reason.clone()),
                _ => Outcome::Failed(format!("{word}: {reason}")),
            },
        }
    }

    /// Cases with a verdict that nobody asked for.
    pub(crate) fn unexpected(&self, expected: &[&str]) -> Vec<&str> {
        let names = self.verdicts.keys().map(String::as_str);
        names.filter(|name| !expected.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "(XEN) Xen version 4.17.5\r\ntmem-guest: start 0.1.0 xen 4.17.5\r\n\
        tmem-guest: case put begin\r\nanything\r\ntmem-guest: case put result SUCCESS\r\n\
        tmem-guest: case off begin\r\ntmem-guest: case off result SKIP: tmem is on\r\n\
        tmem-guest: case get begin\r\ntmem-guest: case get result FAILURE: page differs: 3\r\n\
        tmem-guest: done 3 cases\r\n";

    #[test]
    fn each_word_is_told_from_the_others() {
        let transcript = Transcript::read(GOOD);
        assert_eq!(transcript.boot_failure(), None);
        assert_eq!(transcript.start.as_deref(), Some("0.1.0 xen 4.17.5"));
        assert_eq!(transcript.outcome("put", None), Outcome::Passed);
        assert_eq!(transcript.outcome("off", None), Outcome::Skipped("tmem is on".into()));
        assert_eq!(
            transcript.outcome("get", None),
            Outcome::Failed("FAILURE: page differs: 3".into())
        );
        assert_eq!(transcript.unexpected(&["put", "off"]), ["get"]);
    }

    #[test]
    fn a_case_that_began_and_got_no_verdict_crashed() {
        let transcript = Transcript::read(
            "tmem-guest: start 0.1.0 xen 4.17.5\ntmem-guest: case put begin\n(XEN) Xen BUG at x\n",
        );
        assert!(
            matches!(transcript.outcome("put", None), Outcome::Failed(why) if why.contains("CRASH"))
        );
        assert!(transcript.boot_failure().is_some_and(|why| why.contains("Xen BUG at x")));
    }

    #[test]
    fn verdicts_without_the_completion_marker_are_not_believed() {
        let log = GOOD.replace("tmem-guest: done 3 cases", "");
        assert!(Transcript::read(&log).boot_failure().is_some());
    }

    #[test]
    fn a_marker_that_counts_wrong_is_not_believed() {
        let log = GOOD.replace("done 3 cases", "done 4 cases");
        assert!(Transcript::read(&log).boot_failure().is_some_and(|why| why.contains('4')));
    }

    #[test]
    fn undefined_behaviour_fails_the_boot_although_the_guest_came_to_its_end() {
        let line = "(XEN) UBSAN: Undefined behaviour in common/tmem.c:1:2\r\n";
        let transcript = Transcript::read(&format!("{line}{GOOD}"));
        assert!(transcript.boot_failure().is_some_and(|why| why.contains("common/tmem.c:1:2")));
        assert_eq!(transcript.outcome("put", None), Outcome::Passed);
    }

    #[test]
    fn a_case_that_never_began_has_no_verdict() {
        let outcome = Transcript::read(GOOD).outcome("flush", None);
        assert_eq!(outcome, Outcome::Failed(NOT_BEGUN.into()));
    }

    #[test]
    fn two_verdicts_for_one_case_are_an_error() {
        let log = GOOD.replace("case off result SKIP", "case put result SKIP");
        let outcome = Transcript::read(&log).outcome("put", None);
        assert!(matches!(outcome, Outcome::Failed(why) if why.contains("two verdicts")));
    }

    #[test]
    fn what_xen_writes_during_a_case_is_bounded_where_that_is_asked() {
        let log = GOOD.replace("anything", "(XEN) one\r\n(XEN) two");
        let transcript = Transcript::read(&log);
        assert_eq!(transcript.outcome("put", Some(2)), Outcome::Passed);
        let outcome = transcript.outcome("put", Some(1));
        assert!(matches!(outcome, Outcome::Failed(why) if why.contains("wrote 2 lines")));
        assert_eq!(transcript.outcome("off", Some(0)), Outcome::Skipped("tmem is on".into()));
    }

    #[test]
    fn an_empty_log_passes_nothing() {
        let transcript = Transcript::read("");
        assert!(transcript.boot_failure().is_some());
        assert!(matches!(transcript.outcome("put", None), Outcome::Failed(_)));
    }

    #[test]
    fn a_word_that_is_none_of_the_five_fails() {
        let line = parse_line("tmem-guest: case put result FINE");
        assert_eq!(line, Some(Line::Result("put", "FINE", "")));
        let log = GOOD.replace("SUCCESS", "FINE");
        assert!(matches!(Transcript::read(&log).outcome("put", None), Outcome::Failed(_)));
    }
}
