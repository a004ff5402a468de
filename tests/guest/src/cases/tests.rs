//! The table of cases and `cases.toml`, which xtask reads, must say the same.

use super::CASES;
use std::collections::HashSet;
use std::fmt::Write;

const CASES_TOML: &str = include_str!("../../cases.toml");

#[test]
fn cases_toml_lists_exactly_the_cases() {
    let mut want = String::new();
    for case in CASES {
        let (name, about) = (case.name, case.about);
        let boots: Vec<_> = case.boots.iter().map(|boot| format!("\"{}\"", boot.name())).collect();
        let boots = match boots.as_slice() {
            [boot] => format!("boot = {boot}"),
            boots => format!("boots = [{}]", boots.join(", ")),
        };
        writeln!(want, "\n[[case]]\nname = \"{name}\"\n{boots}\nabout = \"{about}\"")
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
