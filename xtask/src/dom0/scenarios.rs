//! What there is to be shown in a Linux dom0: a shell script each, in `tests/linux/scenarios`.
//!
//! A script's head, the comment at its top, says what it shows; after `# limit: N`, how many seconds it
//! may take; and after `# boot: `, which Xen it wants, if not the usual one ([`Boot`]).

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Where the scripts are, from the top of the repository.
pub(crate) const FOLDER: &str = "tests/linux/scenarios";

/// How long a scenario may take that does not say so.
const LIMIT_S: u64 = 120;

/// A boot of a dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boot {
    /// With tmem.
    Usual,
    /// `off`: with a Xen whose tmem was not asked for.
    Off,
    /// `shim`: with tmem, on a Xen that can be a PV shim, too; the same image is there for `xl`.
    Shim,
}

impl Boot {
    /// All of them, in the order in which they are made.
    pub(crate) const ALL: [Self; 3] = [Self::Usual, Self::Off, Self::Shim];

    /// Name of its log and of its suite.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usual => "dom0",
            Self::Off => "dom0-off",
            Self::Shim => "dom0-shim",
        }
    }

    /// What Xen's command line says of tmem.
    pub(crate) fn tmem(self) -> &'static str {
        match self {
            Self::Usual | Self::Shim => "tmem=1",
            Self::Off => "",
        }
    }
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// The script's name.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) head: String,
    /// Seconds that it may take.
    pub(crate) limit_s: u64,
    /// In which boot it is run.
    pub(crate) boot: Boot,
}

impl Scenario {
    fn read(name: &str, script: &str) -> Result<Self> {
        let head: Vec<&str> = script.lines().map_while(|line| line.strip_prefix('#')).collect();
        let value = |key: &str| head.iter().find_map(|line| line.trim().strip_prefix(key));
        let boot = match value("boot: ").map(str::trim) {
            None => Boot::Usual,
            Some("off") => Boot::Off,
            Some("shim") => Boot::Shim,
            Some(other) => bail!("{name}: no boot is named {other:?}"),
        };
        let limit = value("limit: ");
        let limit_s = match limit {
            None => LIMIT_S,
            Some(text) => text.trim().parse().with_context(|| format!("{name}: limit {text:?}"))?,
        };
        Ok(Self { name: name.to_owned(), head: head.join("\n"), limit_s, boot })
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
        let boot = |script| Scenario::read("a", script).expect("it is read").boot;
        assert_eq!(boot("# boot: off\n"), Boot::Off);
        assert_eq!(boot("# boot: shim\n"), Boot::Shim);
        assert_eq!(boot("# It is shown.\n"), Boot::Usual);
        assert_eq!(Scenario::read("a", "").expect("it is read").limit_s, LIMIT_S);
    }
}
