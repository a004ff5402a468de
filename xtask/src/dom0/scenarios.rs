//! What there is to be shown in a Linux dom0: a shell script each, in `tests/linux/scenarios`.
//!
//! A script's head, the comment at its top, says what it shows; after `# limit: N`, how many seconds it
//! may take; and with `# boot: off`, that it wants a Xen whose tmem was not asked for.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Where the scripts are, from the top of the repository.
pub(crate) const FOLDER: &str = "tests/linux/scenarios";

/// How long a scenario may take that does not say so.
const LIMIT_S: u64 = 120;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// The script's name.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) head: String,
    /// Seconds that it may take.
    pub(crate) limit_s: u64,
    /// Whether Xen is to be booted with tmem on.
    pub(crate) wants_tmem: bool,
}

impl Scenario {
    fn read(name: &str, script: &str) -> Result<Self> {
        let head: Vec<&str> = script.lines().map_while(|line| line.strip_prefix('#')).collect();
        let value = |key: &str| head.iter().find_map(|line| line.trim().strip_prefix(key));
        let wants_tmem = match value("boot: ").map(str::trim) {
            None => true,
            Some("off") => false,
            Some(other) => bail!("{name}: no boot is named {other:?}"),
        };
        let limit = value("limit: ");
        let limit_s = match limit {
            None => LIMIT_S,
            Some(text) => text.trim().parse().with_context(|| format!("{name}: limit {text:?}"))?,
        };
        Ok(Self { name: name.to_owned(), head: head.join("\n"), limit_s, wants_tmem })
    }

    /// The first line of what it shows.
    fn about(&self) -> &str {
        self.head.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
    }
}

/// All of them, by name.
///
/// # Errors
/// When a script can't be read.
pub(crate) fn all(root: &Path) -> Result<Vec<Scenario>> {
    let folder = root.join(FOLDER);
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut scenarios = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        scenarios.push(Scenario::read(&name, &fs::read_to_string(entry.path())?)?);
    }
    scenarios.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(scenarios)
}

/// Those of these names, or all.
///
/// # Errors
/// With all names, when one is unknown.
pub(crate) fn wanted(root: &Path, names: &[String]) -> Result<Vec<Scenario>> {
    let mut scenarios = all(root)?;
    if let Some(unknown) = names.iter().find(|name| scenarios.iter().all(|one| one.name != **name))
    {
        let line = |one: &Scenario| format!("    {:<20} {}", one.name, one.about());
        let list: Vec<String> = scenarios.iter().map(line).collect();
        bail!("no scenario is named {unknown}; there are:\n{}", list.join("\n"));
    }
    scenarios.retain(|one| names.is_empty() || names.contains(&one.name));
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_what_is_shown_and_how_long_it_may_take() {
        let script = "# It is shown (R62).\n# limit: 7\nset -e\n# limit: 8\n";
        let scenario = Scenario::read("a", script).expect("it is read");
        assert_eq!((scenario.limit_s, scenario.about()), (7, "It is shown (R62)."));
        assert!(Scenario::read("a", "# limit: soon\n").is_err());
        assert!(Scenario::read("a", "# boot: of\n").is_err());
        assert!(!Scenario::read("a", "# boot: off\n").expect("it is read").wants_tmem);
        assert_eq!(Scenario::read("a", "").expect("it is read").limit_s, LIMIT_S);
    }
}
