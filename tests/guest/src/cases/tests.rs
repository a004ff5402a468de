//! The table of cases and `cases.toml`, which xtask reads, must say the same.

use super::CASES;
use std::collections::HashSet;
use std::fmt::Write;

const CASES_TOML: &str = include_str!("../../cases.toml");

#[test]
fn cases_toml_lists_exactly_the_cases() {
    let mut want = String::new();
    for case in CASES {
        let (name, boot, about) = (case.name, case.boot.name(), case.about);
        writeln!(want, "\n[[case]]\nname = \"{name}\"\nboot = \"{boot}\"\nabout = \"{about}\"")
            .expect("a String takes any text");
    }
    let start = CASES_TOML.find("\n[[case]]").expect("cases.toml lists cases");
    assert!(
        CASES_TOML[start..] == want,
        "the part of cases.toml from [[case]] on should be:{want}"
    );
}

#[test]
fn names_are_unique_and_fit_a_command_line() {
    let mut seen = HashSet::new();
    for case in CASES {
        assert!(seen.insert(case.name), "{} twice", case.name);
        assert!(
            case.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            case.name
        );
        assert!(case.name.len() <= 24 && case.about.len() <= 90, "{}", case.name);
    }
}
