//! What was tried and how it came out: the summary line and the JUnit report.

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::path::Path;
use std::time::Duration;

/// How one check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be; the reason and where to read more.
    Failed(String),
    /// Not tried; counts neither way.
    Skipped(String),
}

/// One check.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What it belongs to, for instance `qemu/default`.
    pub(crate) suite: String,
    /// Its name in the suite.
    pub(crate) name: String,
    /// How it came out.
    pub(crate) outcome: Outcome,
    /// How long it took, where that is known.
    pub(crate) time: Duration,
}

/// All checks of a run, in order.
#[derive(Debug, Default)]
pub(crate) struct Results {
    entries: Vec<Entry>,
}

impl Results {
    /// Adds a check.
    pub(crate) fn add(&mut self, suite: &str, name: &str, outcome: Outcome, time: Duration) {
        self.entries.push(Entry { suite: suite.to_owned(), name: name.to_owned(), outcome, time });
    }

    /// Whether a check of this name has passed in a suite of this kind (`qemu` for `qemu/default`);
    /// a test's name is what follows its program and modules.
    pub(crate) fn has_passed(&self, kind: &str, name: &str) -> bool {
        let is_it = |entry: &Entry| {
            let said = entry.name.trim_end_matches(" - should panic");
            entry.suite.split('/').next() == Some(kind)
                && said.rsplit([':', ' ']).next() == Some(name)
                && entry.outcome == Outcome::Passed
        };
        self.entries.iter().any(is_it)
    }

    /// Number of checks that failed.
    pub(crate) fn failed(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Failed(_))).count()
    }

    /// Number of checks that were not tried.
    pub(crate) fn skipped(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Skipped(_))).count()
    }

    /// The line that a CI system counts by.
    pub(crate) fn summary(&self) -> String {
        let (failed, skipped) = (self.failed(), self.skipped());
        let passed = self.entries.len() - failed - skipped;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// A paragraph for each reason not to pass, with the checks that give it.
    pub(crate) fn complaints(&self) -> String {
        let mut text = String::new();
        let is_same =
            |one: &Entry, next: &Entry| one.suite == next.suite && one.outcome == next.outcome;
        for group in self.entries.chunk_by(is_same) {
            let (word, why) = match &group[0].outcome {
                Outcome::Passed => continue,
                Outcome::Failed(why) => ("FAILED ", why),
                Outcome::Skipped(why) => ("skipped", why),
            };
            let names: Vec<&str> = group.iter().map(|entry| entry.name.as_str()).collect();
            text.push_str(&format!("{word} {} {}: {why}\n", group[0].suite, names.join(", ")));
        }
        text
    }

    /// Adds the checks of another run, each suite's name below `name`.
    pub(crate) fn append(&mut self, name: &str, other: Self) {
        self.entries.extend(
            other
                .entries
                .into_iter()
                .map(|entry| Entry { suite: format!("{name}/{}", entry.suite), ..entry }),
        );
    }

    /// Adds the checks of another run, from the report that it wrote.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn add_junit(&mut self, file: &Path) -> Result<()> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let report = Report::deserialize_from_str(&text)?;
        for suite in &report.test_suites {
            for case in &suite.test_cases {
                let outcome = outcome(&case.status);
                self.add(&suite.name, &case.name, outcome, case.time.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Writes the report that CI systems read.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn write_junit(&self, file: &Path) -> Result<()> {
        let mut report = Report::new("tmem");
        let mut suites: Vec<TestSuite> = Vec::new();
        for entry in &self.entries {
            if suites.last().is_none_or(|suite| suite.name.as_str() != entry.suite) {
                suites.push(TestSuite::new(entry.suite.clone()));
            }
            let mut case = TestCase::new(entry.name.clone(), status(&entry.outcome));
            case.set_classname(entry.suite.clone()).set_time(entry.time);
            if let Some(suite) = suites.last_mut() {
                suite.add_test_case(case);
            }
        }
        report.add_test_suites(suites);
        std::fs::write(file, report.to_string()?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    match outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed(why) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(why.clone());
            status
        }
        Outcome::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why.clone());
            status
        }
    }
}

fn outcome(status: &TestCaseStatus) -> Outcome {
    let said = |message: &Option<quick_junit::XmlString>| {
        message.as_ref().map_or(String::new(), |message| message.as_str().to_owned())
    };
    match status {
        TestCaseStatus::Success { .. } => Outcome::Passed,
        TestCaseStatus::NonSuccess { message, .. } => Outcome::Failed(said(message)),
        TestCaseStatus::Skipped { message, .. } => Outcome::Skipped(said(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Results {
        let mut results = Results::default();
        results.add("a", "one", Outcome::Passed, Duration::ZERO);
        results.add("a", "two", Outcome::Failed("a < b".into()), Duration::ZERO);
        results.add("b", "three", Outcome::Skipped("no tmem".into()), Duration::ZERO);
        results
    }

    #[test]
    fn what_was_skipped_does_not_count_as_passed() {
        assert_eq!(three().summary(), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_test_is_found_by_its_kind_and_its_last_name() {
        let mut results = three();
        results.add("host", "rules: data::tests::r1_x", Outcome::Passed, Duration::ZERO);
        results.add("host", "rules: data::r2_x", Outcome::Failed(String::new()), Duration::ZERO);
        results.add("qemu/small", "get-get", Outcome::Passed, Duration::ZERO);
        results.add("host", "lib: a::r3_x - should panic", Outcome::Passed, Duration::ZERO);
        assert!(results.has_passed("host", "r3_x"));
        assert!(results.has_passed("host", "r1_x") && results.has_passed("qemu", "get-get"));
        assert!(!results.has_passed("host", "r2_x"), "it failed");
        assert!(!results.has_passed("host", "x") && !results.has_passed("host", "get-get"));
    }

    #[test]
    fn the_checks_of_another_run_are_told_apart_and_counted() {
        let mut results = three();
        results.append("4.22", three());
        assert_eq!(results.summary(), "2 passed, 2 failed, 2 skipped");
        assert!(results.complaints().contains("FAILED  4.22/a two: a < b"));
    }

    #[test]
    fn one_reason_of_many_checks_is_told_once() {
        let mut results = Results::default();
        for name in ["one", "two", "three"] {
            results.add("boot", name, Outcome::Failed("it hangs".into()), Duration::ZERO);
        }
        assert_eq!(results.complaints(), "FAILED  boot one, two, three: it hangs\n");
    }

    #[test]
    fn the_report_holds_every_check_with_its_reason() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        three().write_junit(file.path()).expect("it is written");
        let text = std::fs::read_to_string(file.path()).expect("it is read");
        assert!(text.contains("tests=\"3\"") && text.contains("a &lt; b"), "{text}");
        let mut again = Results::default();
        again.add_junit(file.path()).expect("it is read back");
        assert_eq!(
            (again.summary(), again.complaints()),
            (three().summary(), three().complaints())
        );
    }
}
