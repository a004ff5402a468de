//! `tests/guest/cases.toml`: which cases the guest knows, and which boot of Xen each one needs.

use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Ways to boot.
    #[serde(rename = "boot")]
    pub(crate) boots: Vec<Boot>,
    /// Cases.
    #[serde(rename = "case")]
    pub(crate) cases: Vec<Case>,
}

/// A way to boot Xen and the guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Boot {
    /// Its name.
    pub(crate) name: String,
    /// What Xen's command line holds besides the console.
    #[serde(default = "default_xen_args")]
    pub(crate) xen_args: String,
    /// Words that tell the guest to run every case of this boot; `boot=NAME` if absent.
    #[serde(default)]
    pub(crate) guest_args: Option<String>,
    /// Words that the guest gets in addition, whichever cases it runs.
    #[serde(default)]
    pub(crate) guest_always: Option<String>,
    /// Memory of the machine, in MiB.
    #[serde(default = "default_mem_mib")]
    pub(crate) mem_mib: u32,
    /// QEMU's model of the CPU.
    #[serde(default = "default_cpu")]
    pub(crate) cpu: String,
    /// Number of CPUs.
    #[serde(default = "default_smp")]
    pub(crate) smp: u32,
    /// Nodes that share the machine's memory and CPUs evenly.
    #[serde(default = "default_nodes")]
    pub(crate) nodes: u32,
    /// After this many seconds the machine is ended.
    #[serde(default = "default_limit_s")]
    pub(crate) limit_s: u64,
    /// How many lines Xen may write to the console while a case runs; any number if absent.
    #[serde(default)]
    pub(crate) xen_lines_max: Option<usize>,
    /// The policy that a Xen with FLASK enforces, in place of the default one.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    /// Only with `--long` or when one of its cases is asked for by name.
    #[serde(default)]
    pub(crate) long: bool,
    /// The machine's clock counts instructions. For measuring: made only when one of its cases is
    /// asked for by name.
    #[serde(default)]
    pub(crate) icount: bool,
}

/// A case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// The boot that it needs, when there is one only.
    #[serde(default)]
    boot: Option<String>,
    /// The boots that it needs, when there are several: each owes its verdict.
    #[serde(default)]
    boots: Vec<String>,
    /// What it is about, for people.
    #[serde(default)]
    pub(crate) about: String,
}

fn default_xen_args() -> String {
    "dom0_mem=64M,max:64M tmem=1".to_owned()
}

fn default_mem_mib() -> u32 {
    512
}

fn default_cpu() -> String {
    "qemu64".to_owned()
}

fn default_smp() -> u32 {
    1
}

fn default_nodes() -> u32 {
    1
}

fn default_limit_s() -> u64 {
    180
}

/// One boot and the cases whose verdicts it owes.
#[derive(Clone, Debug)]
pub(crate) struct Round<'a> {
    /// The boot.
    pub(crate) boot: &'a Boot,
    /// Names of its cases, in the file's order.
    pub(crate) cases: Vec<&'a str>,
    /// Whether these are all cases of the boot.
    pub(crate) is_whole: bool,
}

impl Plan {
    /// Reads the committed file.
    ///
    /// # Errors
    /// With the line that is wrong.
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        Self::read_from(&paths.root)
    }

    /// Reads the file of the repository whose top is `root`.
    ///
    /// # Errors
    /// With the line that is wrong.
    pub(crate) fn read_from(root: &Path) -> Result<Self> {
        let file = root.join("tests/guest/cases.toml");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text, &file)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// With what is wrong.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self> {
        let plan: Self = toml::from_str(text).with_context(|| file.display().to_string())?;
        for case in &plan.cases {
            if case.boots.is_empty() == case.boot.is_none() {
                bail!("{}: case {} needs either `boot` or `boots`", file.display(), case.name);
            }
            if let Some(name) = case.boots().find(|name| plan.boot(name).is_none()) {
                bail!("{}: case {} needs the unknown boot {name}", file.display(), case.name);
            }
            if plan.cases.iter().filter(|other| other.name == case.name).count() > 1 {
                bail!("{}: two cases are named {}", file.display(), case.name);
            }
        }
        Ok(plan)
    }

    /// Gives every boot `factor` times its time.
    pub(crate) fn stretch_limits(&mut self, factor: u64) {
        for boot in &mut self.boots {
            boot.limit_s = boot.limit_s.saturating_mul(factor);
        }
    }

    /// Lets Xen write as many lines as it likes in every boot.
    pub(crate) fn lift_line_limits(&mut self) {
        for boot in &mut self.boots {
            boot.xen_lines_max = None;
        }
    }

    /// Takes out the boots that need a policy, which only a Xen with FLASK enforces; answers their
    /// cases.
    ///
    /// # Errors
    /// When one of those cases is wanted by name.
    pub(crate) fn without_policies(&mut self, wanted: &[String]) -> Result<Vec<String>> {
        self.boots.retain(|boot| boot.policy.is_none());
        // A case that another boot needs as well stays, without the boot that is gone.
        let is_here = |case: &Case| self.boots.iter().any(|boot| case.needs(boot));
        let gone: Vec<String> =
            self.cases.iter().filter(|case| !is_here(case)).map(|case| case.name.clone()).collect();
        if let Some(name) = gone.iter().find(|name| wanted.contains(name)) {
            bail!("the case {name} needs a Xen that enforces a policy: add --flask");
        }
        self.cases.retain(|case| !gone.contains(&case.name));
        Ok(gone)
    }

    fn boot(&self, name: &str) -> Option<&Boot> {
        self.boots.iter().find(|boot| boot.name == name)
    }

    /// The boots that the wanted cases need, each once; with no name: every case that is not
    /// kept for long runs.
    ///
    /// # Errors
    /// With all names, when one is unknown.
    pub(crate) fn rounds(&self, wanted: &[String], long: bool) -> Result<Vec<Round<'_>>> {
        let unknown: Vec<&str> = wanted
            .iter()
            .map(String::as_str)
            .filter(|name| !self.cases.iter().any(|case| case.name == *name))
            .collect();
        if !unknown.is_empty() {
            bail!("no case is named {}; there are:\n{}", unknown.join(", "), self.list());
        }
        let is_wanted = |case: &&Case, boot: &Boot| {
            if wanted.is_empty() {
                (long || !boot.long) && !boot.icount
            } else {
                wanted.contains(&case.name)
            }
        };
        let mut rounds = Vec::new();
        for boot in &self.boots {
            let all = self.cases.iter().filter(|case| case.needs(boot));
            let cases: Vec<&str> = all
                .clone()
                .filter(|case| is_wanted(case, boot))
                .map(|case| case.name.as_str())
                .collect();
            if !cases.is_empty() {
                let is_whole = cases.len() == all.count();
                rounds.push(Round { boot, cases, is_whole });
            }
        }
        Ok(rounds)
    }

    /// The boot of that name with all its cases.
    ///
    /// # Errors
    /// When there is none, or it has no cases.
    pub(crate) fn whole(&self, name: &str) -> Result<Round<'_>> {
        let boot = self.boot(name).with_context(|| format!("no boot is named {name}"))?;
        let cases: Vec<&str> = self
            .cases
            .iter()
            .filter(|case| case.needs(boot))
            .map(|case| case.name.as_str())
            .collect();
        if cases.is_empty() {
            bail!("boot {name} has no cases");
        }
        Ok(Round { boot, cases, is_whole: true })
    }

    /// The cases by boot, for people.
    pub(crate) fn list(&self) -> String {
        let line = |case: &Case| {
            let boots = case.boots().collect::<Vec<_>>().join(",");
            format!("    {:<28} {boots:<9} {}", case.name, case.about).trim_end().to_owned()
        };
        self.cases.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Case {
    /// Names of the boots that it needs.
    fn boots(&self) -> impl Iterator<Item = &str> {
        self.boot.iter().chain(&self.boots).map(String::as_str)
    }

    fn needs(&self, boot: &Boot) -> bool {
        self.boots().any(|name| name == boot.name)
    }
}

impl Round<'_> {
    /// The words that tell the guest what to do, and how.
    pub(crate) fn guest_args(&self) -> String {
        let words = self.selection();
        match &self.boot.guest_always {
            Some(always) => format!("{words} {always}"),
            None => words,
        }
    }

    /// The words that tell the guest which cases to run.
    fn selection(&self) -> String {
        match (self.is_whole, &self.boot.guest_args) {
            (true, Some(words)) => words.clone(),
            (true, None) => format!("boot={}", self.boot.name),
            // One word each: all names in one could be longer than the guest's console line.
            (false, _) => {
                let words: Vec<String> =
                    self.cases.iter().map(|case| format!("run={case}")).collect();
                words.join(" ")
            }
        }
    }
}

/// Name of the case that shows what tmem does.
pub(crate) const DEMO: &str = "demo";

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
        [[boot]]
        name = \"default\"
        [[boot]]
        name = \"small\"
        mem_mib = 128
        guest_always = \"caller=32\"
        [[boot]]
        name = \"denied\"
        policy = \"denied\"
        [[boot]]
        name = \"storm\"
        long = true
        [[boot]]
        name = \"price\"
        icount = true
        [[case]]
        name = \"put-get\"
        boot = \"default\"
        [[case]]
        name = \"flush\"
        boots = [\"default\", \"small\"]
        [[case]]
        name = \"evict\"
        boot = \"small\"
        [[case]]
        name = \"label-denied\"
        boot = \"denied\"
        [[case]]
        name = \"puts-for-hours\"
        boot = \"storm\"
        [[case]]
        name = \"price-of-a-put\"
        boot = \"price\"
    ";

    fn plan() -> Plan {
        Plan::parse(FILE, Path::new("cases.toml")).expect("it is read")
    }

    fn cases_of(wanted: &[&str], long: bool) -> Vec<String> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let plan = plan();
        let rounds = plan.rounds(&wanted, long).expect("they are known");
        rounds.iter().map(Round::guest_args).collect()
    }

    #[test]
    fn without_names_every_boot_is_made_once_and_long_ones_wait() {
        assert_eq!(cases_of(&[], false), ["boot=default", "boot=small caller=32", "boot=denied"]);
        let every = ["boot=default", "boot=small caller=32", "boot=denied", "boot=storm"];
        assert_eq!(cases_of(&[], true), every);
    }

    #[test]
    fn a_case_of_several_boots_is_owed_by_each() {
        let plan = plan();
        let rounds = plan.rounds(&[], false).expect("nothing is unknown");
        let owed: Vec<_> = rounds.iter().map(|round| round.cases.clone()).collect();
        assert_eq!(owed, [vec!["put-get", "flush"], vec!["flush", "evict"], vec!["label-denied"]]);
    }

    #[test]
    fn a_xen_without_flask_is_not_given_the_boots_with_a_policy() {
        let mut plan = plan();
        assert_eq!(plan.without_policies(&[]).expect("none is wanted"), ["label-denied"]);
        let names = plan.rounds(&[], true).expect("they are known");
        assert!(names.iter().all(|round| round.boot.policy.is_none()));
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn a_case_with_a_policy_is_not_silently_left_out_when_it_is_asked_for() {
        let wanted = ["label-denied".to_owned()];
        let error = plan().without_policies(&wanted).expect_err("it needs FLASK").to_string();
        assert!(error.contains("--flask"), "{error}");
    }

    #[test]
    fn a_case_by_name_is_run_alone_even_a_long_one() {
        assert_eq!(cases_of(&["put-get"], false), ["run=put-get"]);
        assert_eq!(cases_of(&["flush"], false), ["run=flush", "run=flush caller=32"]);
        assert_eq!(cases_of(&["puts-for-hours"], false), ["boot=storm"]);
    }

    #[test]
    fn what_measures_is_run_by_name_only() {
        assert_eq!(cases_of(&["price-of-a-put"], false), ["boot=price"]);
        let plan = plan();
        assert_eq!(plan.whole("price").expect("it is there").cases, ["price-of-a-put"]);
        assert!(plan.whole("prices").is_err());
    }

    #[test]
    fn an_unknown_case_is_answered_with_the_names() {
        let plan = plan();
        let error = plan.rounds(&["put".to_owned()], false).expect_err("unknown").to_string();
        assert!(error.contains("named put;") && error.contains("put-get"), "{error}");
    }

    #[test]
    fn a_case_of_an_unknown_boot_is_refused() {
        let text = "boot = []\n[[case]]\nname = \"a\"\nboot = \"b\"\n";
        assert!(Plan::parse(text, Path::new("cases.toml")).is_err());
        assert!(Plan::parse(&FILE.replace(", \"small", ", \"large"), Path::new("x")).is_err());
    }

    #[test]
    fn what_a_boot_does_not_say_has_the_documented_default() {
        let plan = plan();
        assert_eq!(plan.boots[0].xen_args, "dom0_mem=64M,max:64M tmem=1");
        assert_eq!((plan.boots[0].mem_mib, plan.boots[1].mem_mib), (512, 128));
        assert_eq!((plan.boots[0].cpu.as_str(), plan.boots[0].smp), ("qemu64", 1));
    }
}
