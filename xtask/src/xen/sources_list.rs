//! Apt's list of sources, read to learn where this system gets Debian from.
//!
//! Both forms: one line an entry (`sources.list`) and fields (`*.sources`, deb822). The result is
//! a list of our own, so that the system's is never changed. Must not know
//! any host: only what the machine itself is set up for.

use std::collections::BTreeSet;

/// An archive that the system uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Archive {
    /// Its address.
    pub(crate) uri: String,
    /// Its suite, for instance `bookworm-updates`.
    pub(crate) suite: String,
    /// Options in apt's bracket form, without the brackets; empty when there are none.
    pub(crate) options: String,
    components: Vec<String>,
}

/// Suites of Debian's releases; a third party's archive has others.
const RELEASES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "stable",
    "testing",
    "unstable",
    "oldstable",
    "oldoldstable",
];

impl Archive {
    /// The suite of `release` that this archive stands for, if it is one of Debian's.
    ///
    /// The main archive holds every release beside each other, so a machine of a newer release
    /// can fetch an older release's source from its own mirror.
    fn suite_of(&self, release: &str) -> Option<String> {
        if !self.components.iter().any(|component| component == "main") {
            return None;
        }
        let (base, tail) = match self.suite.split_once('-') {
            Some((base, tail)) => (base, Some(tail)),
            None => (self.suite.as_str(), None),
        };
        if !RELEASES.contains(&base) {
            return None;
        }
        match tail {
            None => Some(release.to_owned()),
            Some(tail @ ("updates" | "security")) => Some(format!("{release}-{tail}")),
            Some(_) => None,
        }
    }
}

/// What is wanted of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Packages of source.
    Source,
    /// Packages to install.
    Binary,
}

/// Writes a list of the archives of `release`, from the archives that the system uses.
pub(crate) fn list_of(archives: &[Archive], release: &str, what: What) -> String {
    let kind = match what {
        What::Source => "deb-src",
        What::Binary => "deb",
    };
    let lines: BTreeSet<String> = archives
        .iter()
        .filter_map(|archive| {
            let suite = archive.suite_of(release)?;
            let options = match archive.options.as_str() {
                "" => String::new(),
                options => format!(" [{options}]"),
            };
            Some(format!("{kind}{options} {} {suite} main\n", archive.uri))
        })
        .collect();
    lines.into_iter().collect()
}

/// Reads entries of one line each.
pub(crate) fn parse_lines(text: &str) -> Vec<Archive> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Archive> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb-src ").or_else(|| line.strip_prefix("deb "))?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?.to_owned();
    let suite = words.next()?.to_owned();
    let components = words.map(str::to_owned).collect();
    // What is binary-only by an option must not hinder a source entry.
    let options = options.split_whitespace().filter(|option| !option.starts_with("arch="));
    Some(Archive { uri, suite, options: options.collect::<Vec<_>>().join(" "), components })
}

/// Reads entries in deb822 form: stanzas of fields, with lines that go on.
pub(crate) fn parse_fields(text: &str) -> Vec<Archive> {
    let mut archives = Vec::new();
    let mut stanza: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            archives.extend(stanza_archives(&stanza));
            stanza.clear();
        } else if line.starts_with('#') {
            // A comment, also in the middle of a field.
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanza.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    archives
}

fn stanza_archives(stanza: &[(String, String)]) -> Vec<Archive> {
    let field = |name: &str| {
        stanza.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    };
    if field("enabled").eq_ignore_ascii_case("no") {
        return Vec::new();
    }
    // A key inside the stanza can't be written on one line; apt then uses its own trusted keys.
    let options = match field("signed-by") {
        key if key.starts_with('/') => format!("signed-by={key}"),
        _ => String::new(),
    };
    let components: Vec<String> =
        field("components").split_whitespace().map(str::to_owned).collect();
    let mut archives = Vec::new();
    for uri in field("uris").split_whitespace() {
        for suite in field("suites").split_whitespace() {
            archives.push(Archive {
                uri: uri.to_owned(),
                suite: suite.to_owned(),
                options: options.clone(),
                components: components.clone(),
            });
        }
    }
    archives
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_list(archives: &[Archive], release: &str) -> String {
        list_of(archives, release, What::Source)
    }

    #[test]
    fn packages_to_install_come_from_the_same_archives() {
        let archives = parse_lines("deb [arch=amd64] http://mirror/debian bookworm main\n");
        let list = list_of(&archives, "bookworm", What::Binary);
        assert_eq!(list, "deb http://mirror/debian bookworm main\n");
    }

    #[test]
    fn a_one_line_entry_gives_its_source_archive() {
        let archives = parse_lines(
            "# comment\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main # x\n",
        );
        assert_eq!(
            source_list(&archives, "bookworm"),
            "deb-src [signed-by=/k.gpg] http://mirror/debian bookworm main\n"
        );
    }

    #[test]
    fn a_stanza_gives_one_archive_for_each_suite() {
        let archives = parse_fields(
            "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm\n bookworm-updates\n\
             Components: main\nSigned-By: /k.gpg\n",
        );
        assert_eq!(
            source_list(&archives, "bookworm"),
            "deb-src [signed-by=/k.gpg] http://mirror/debian bookworm main\n\
             deb-src [signed-by=/k.gpg] http://mirror/debian bookworm-updates main\n"
        );
    }

    #[test]
    fn a_newer_release_still_finds_the_older_source() {
        let archives = parse_lines("deb http://mirror/debian trixie main\n");
        assert_eq!(
            source_list(&archives, "bookworm"),
            "deb-src http://mirror/debian bookworm main\n"
        );
    }

    #[test]
    fn archives_of_third_parties_are_left_out() {
        let archives = parse_lines(
            "deb http://other/apt cloud-sdk-bookworm main\ndeb http://other/apt nodistro main\n\
             deb http://mirror/debian bookworm-backports main\n",
        );
        assert_eq!(source_list(&archives, "bookworm"), "");
    }

    #[test]
    fn a_disabled_stanza_gives_nothing() {
        let text = "Enabled: no\nTypes: deb\nURIs: http://m\nSuites: bookworm\nComponents: main\n";
        assert_eq!(parse_fields(text), []);
    }

    #[test]
    fn a_key_inside_the_stanza_is_left_to_apt() {
        let text = "Types: deb\nURIs: http://m\nSuites: bookworm\nComponents: main\nSigned-By:\n \
                    -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n";
        let archives = parse_fields(text);
        assert_eq!(archives.len(), 1);
        assert_eq!(archives[0].options, "");
    }
}
