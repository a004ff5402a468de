//! Finds the tests: `#[test]` functions in the source, the guest's cases, and a dom0's scenarios.
//!
//! The source is read as tokens, so that comments and strings are none of its business, and a test
//! inside a macro such as `proptest!` is found like any other. An ignored test proves nothing and
//! is left out.

use super::number::Number;
use crate::cases::Plan;
use crate::dom0::scenarios::{self, Scenario};
use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};

/// Where tests run that are functions in the source.
const FOLDERS: [&str; 4] = ["hypercall-abi", "crates", "tests", "xtask"];
/// The guest's room: what is in there runs in a booted Xen.
const GUEST: &str = "tests/guest";

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// On the machine itself.
    Host,
    /// In a guest of a booted Xen, or in its Linux dom0.
    Guest,
}

/// A test that names what it proves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// Where it runs.
    pub(super) place: Place,
    /// Its file, from the top of the repository.
    pub(super) file: String,
    /// The function's or the case's name.
    pub(super) name: String,
    /// What it proves.
    pub(super) numbers: Vec<Number>,
}

/// All tests that name a rule or a defect, by place, file and name.
///
/// # Errors
/// With the file that can't be read, or is no Rust.
pub(super) fn all(root: &Path) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for folder in FOLDERS {
        for file in sources(&root.join(folder))? {
            let name = shown(root, &file);
            if !name.starts_with(GUEST) {
                tests.extend(host_tests(&name, &text_of(&file)?)?);
            }
        }
    }
    tests.extend(guest_tests(root)?);
    tests.extend(dom0_tests(root)?);
    tests.retain(|test| !test.numbers.is_empty());
    tests.sort();
    Ok(tests)
}

/// The tests in one source file.
fn host_tests(file: &str, text: &str) -> Result<Vec<Test>> {
    let stream: TokenStream = text.parse().ok().with_context(|| format!("{file} is no Rust"))?;
    let mut names = Vec::new();
    gather(stream, &mut names);
    let test = |name: String| {
        let numbers = Number::of_name(&name);
        Test { place: Place::Host, file: file.to_owned(), name, numbers }
    };
    Ok(names.into_iter().map(test).collect())
}

/// Gathers the names of functions that are tests and run: a test that is marked as ignored proves
/// nothing.
fn gather(stream: TokenStream, names: &mut Vec<String>) {
    let mut attributes: Vec<String> = Vec::new();
    let mut is_name_next = false;
    let mut is_attribute_next = false;
    for token in stream {
        match token {
            TokenTree::Group(group) if is_attribute_next => {
                if group.delimiter() == Delimiter::Bracket
                    && let Some(TokenTree::Ident(word)) = group.stream().into_iter().next()
                {
                    attributes.push(word.to_string());
                }
                is_attribute_next = false;
            }
            TokenTree::Group(group) => {
                // What was said of an item ends with its body; `pub(crate)` is no body.
                if group.delimiter() == Delimiter::Brace {
                    attributes.clear();
                }
                is_name_next = false;
                gather(group.stream(), names);
            }
            TokenTree::Punct(punct) => {
                is_attribute_next = punct.as_char() == '#';
                if punct.as_char() == ';' {
                    attributes.clear();
                }
            }
            TokenTree::Ident(word) if is_name_next => {
                let has = |name: &str| attributes.iter().any(|attribute| attribute == name);
                if has("test") && !has("ignore") {
                    names.push(word.to_string());
                }
                is_name_next = false;
            }
            TokenTree::Ident(word) => is_name_next = word == "fn",
            TokenTree::Literal(_) => {}
        }
    }
}

/// The guest's cases; each says in the head of its file what it proves.
fn guest_tests(root: &Path) -> Result<Vec<Test>> {
    let plan = Plan::read_from(root)?;
    // Cases that belong together have a folder of their own.
    let files = sources(&root.join(GUEST).join("src/cases"))?;
    let mut tests = Vec::new();
    for case in plan.cases {
        let wanted = format!("{}.rs", case.name.replace('-', "_"));
        let file = files.iter().find(|file| file.ends_with(&wanted));
        let file = file.with_context(|| format!("{GUEST}/src/cases has no {wanted}"))?;
        let numbers = Number::in_prose(&head_of(&text_of(file)?));
        let file = shown(root, file);
        tests.push(Test { place: Place::Guest, file, name: case.name, numbers });
    }
    Ok(tests)
}

/// The scenarios in a Linux dom0; each says in its head what it proves.
fn dom0_tests(root: &Path) -> Result<Vec<Test>> {
    let test = |scenario: Scenario| Test {
        place: Place::Guest,
        file: format!("{}/{}", scenarios::FOLDER, scenario.name),
        numbers: Number::in_prose(&scenario.head),
        name: scenario.name,
    };
    Ok(scenarios::all(root)?.into_iter().map(test).collect())
}

/// The `//!` lines at the top of a file.
fn head_of(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                files.extend(sources(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn text_of(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// A file's name from the top of the repository.
fn shown(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let tests = host_tests("a.rs", text).expect("it is Rust");
        tests.into_iter().map(|test| test.name).collect()
    }

    #[test]
    fn tests_are_found_wherever_they_stand() {
        let text = "
            #[test]
            fn r1_plain() {}
            mod tests {
                #[test]
                #[should_panic(expected = \"fn r9_no\")]
                pub(crate) fn r2_in_a_module() { fn r9_helper() {} }
            }
            proptest! {
                #[test]
                fn r3_in_a_macro(word in any::<u32>()) {}
            }";
        assert_eq!(names(text), ["r1_plain", "r2_in_a_module", "r3_in_a_macro"]);
    }

    #[test]
    fn what_is_no_test_is_not_taken_for_one() {
        let text = include_str!("samples/no_tests.txt");
        assert_eq!(names(text), [""; 0]);
    }

    #[test]
    fn a_test_proves_what_its_name_says() {
        let tests = host_tests("a.rs", "#[test] fn r5_p3_x() {}").expect("it is Rust");
        assert_eq!(tests[0].numbers, Number::in_prose("R5 P3"));
        assert!(host_tests("a.rs", "fn (").is_err());
    }

    #[test]
    fn a_case_proves_what_the_head_of_its_file_says() {
        let text = "//! Checks (R7).\n//!\n//! Why: P29.\n\nuse x; // R9\n//! R8\n";
        assert_eq!(Number::in_prose(&head_of(text)), Number::in_prose("R7 P29"));
    }
}
