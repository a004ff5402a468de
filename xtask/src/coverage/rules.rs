//! `rules.toml`: what each rule and defect is about, and where it is proved or why not.

use super::number::Number;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file, from the top of the repository.
pub(super) const FILE: &str = "xtask/src/coverage/rules.toml";

/// What is stated of one rule or defect.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    /// A short title.
    pub(super) title: String,
    /// Where it stands.
    pub(super) place: Stated,
    /// For `open`: which work will prove it; for `not-applicable`: the reason. With tests: what
    /// they leave for later, if anything.
    #[serde(default)]
    pub(super) why: Option<String>,
}

/// Where a rule or defect stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stated {
    /// A test on the machine itself proves it.
    Host,
    /// A guest's case proves it.
    Guest,
    /// Both do.
    HostAndGuest,
    /// There is nothing to prove.
    NotApplicable,
    /// Later work proves it.
    Open,
}

impl Stated {
    /// As the page writes it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
            Self::HostAndGuest => "host, guest",
            Self::NotApplicable => "not applicable",
            Self::Open => "open",
        }
    }

    /// Whether no test proves it, so that a reason is owed.
    pub(super) fn is_without_test(self) -> bool {
        matches!(self, Self::NotApplicable | Self::Open)
    }
}

/// The statements by number.
pub(super) type Statements = BTreeMap<Number, Statement>;

/// Reads the committed file.
///
/// # Errors
/// With what is wrong in it.
pub(super) fn read(root: &Path) -> Result<Statements> {
    let file = root.join(FILE);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| FILE)
}

/// Reads the statements from `text`.
///
/// # Errors
/// A word that is no number of ours, or a number without the reason that it owes.
pub(super) fn parse(text: &str) -> Result<Statements> {
    let entries: BTreeMap<String, Statement> = toml::from_str(text)?;
    let mut statements = Statements::new();
    for (word, statement) in entries {
        let number = word.parse::<Number>().ok().filter(|number| number.is_known());
        let number = number.ok_or_else(|| anyhow!("{word} is no rule and no defect"))?;
        if statement.place.is_without_test() && statement.why.is_none() {
            bail!("{word} is {} without saying why", statement.place.shown());
        }
        statements.insert(number, statement);
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_test_owes_its_reason() {
        let good = "R1 = { title = \"t\", place = \"open\", why = \"w\" }";
        assert_eq!(parse(good).expect("it is right").len(), 1);
        for bad in [
            "R1 = { title = \"t\", place = \"open\" }",
            "R1 = { title = \"t\", place = \"not-applicable\" }",
            "R1 = { title = \"t\", place = \"somewhere\" }",
            "R1 = { title = \"t\", place = \"host\", tests = [] }",
            "R75 = { title = \"t\", place = \"host\" }",
            "X1 = { title = \"t\", place = \"host\" }",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
