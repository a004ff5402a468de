//! Policies for Xen's security module FLASK: the default one with what the test guest does besides,
//! and one that denies tmem to domain 0, as a guest and as a toolstack.
//!
//! Both are compiled from the build tree, whose policy our patches extend. They lie beside the Xen
//! that they belong to. Must not know how a machine is booted with one.

use super::tree::copy_if_different;
use crate::process::Program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the policy's source is, below a tree's top.
pub(super) const SOURCE: &str = "tools/flask/policy";
/// A second source beside it, at the same depth: its makefile reaches for the tree's top.
const DENYING_SOURCE: &str = "tools/flask/policy-denying";
/// The module that grants what every domain may do.
const GUEST_MODULE: &str = "modules/guest_features.te";

/// The line that grants the hypercall to every domain.
const GRANT: &str = "allow domain_type xen_t:xen tmem_op;";
/// The same but for domain 0.
const DENIAL: &str = "allow { domain_type -dom0_t } xen_t:xen tmem_op;";

/// The module that grants what the toolstack's domain may do.
const TOOLSTACK_MODULE: &str = "modules/dom0.te";
/// The toolstack's permission, in a list of others.
const CONTROL: &str = "tmem_control";

/// What the denying policy denies, for who asks whether it is still the same.
pub(super) const DENIALS: [&str; 2] = [DENIAL, CONTROL];

/// What the cases do as domain 0 that the default policy grants nobody: a claim for itself, taking
/// processors away and bringing them back, and a guest that sees a device's memory without an IOMMU.
/// Nothing of it is tmem's, so that every question that tmem asks is answered by the default policy.
pub(super) const GRANTS_TO_CASES: &str = "
allow dom0_t dom0_t:domain2 setclaim;
allow dom0_t domxen_t:resource { plug unplug };
allow domU_t iomem_t:resource use_noiommu;
";
/// A copy of the source, with these.
const GRANTING_SOURCE: &str = "tools/flask/policy-granting";

/// Name of the default policy, beside the Xen.
const DEFAULT: &str = "policy";

/// Compiles both policies of the patched `tree` into `folder`.
///
/// # Errors
/// When a policy does not compile, or no longer grants the hypercall in the way that is known here.
pub(super) fn compile(tree: &Path, folder: &Path, log: &Path) -> Result<()> {
    copy_folder(&tree.join(SOURCE), &tree.join(GRANTING_SOURCE))?;
    let module = tree.join(GRANTING_SOURCE).join(TOOLSTACK_MODULE);
    fs::write(&module, fs::read_to_string(&module)? + GRANTS_TO_CASES)?;
    make(tree, GRANTING_SOURCE, &folder.join(DEFAULT), log)?;
    copy_folder(&tree.join(SOURCE), &tree.join(DENYING_SOURCE))?;
    for (module, denying) in
        [(GUEST_MODULE, without_domain_0 as fn(&str) -> _), (TOOLSTACK_MODULE, without_control)]
    {
        let module = tree.join(DENYING_SOURCE).join(module);
        fs::write(&module, denying(&fs::read_to_string(&module)?)?)?;
    }
    make(tree, DENYING_SOURCE, &named(folder, "denied"), log)
}

/// The policy of a boot, beside the Xen: the one with that name, else the default one if that Xen
/// has policies at all.
///
/// # Errors
/// When the boot names one and there is none, for the Xen has no FLASK.
pub(crate) fn beside(xen: &Path, name: Option<&str>) -> Result<Option<PathBuf>> {
    let folder = xen.parent().context("a Xen lies in a folder")?;
    match name {
        None => Ok(Some(folder.join(DEFAULT)).filter(|file| file.is_file())),
        Some(name) => {
            let file = named(folder, name);
            if !file.is_file() {
                bail!("this Xen has no policy named {name}: build it with --flask");
            }
            Ok(Some(file))
        }
    }
}

fn named(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{DEFAULT}-{name}"))
}

/// A module of the policy's source that grants the hypercall to every domain but domain 0.
fn without_domain_0(module: &str) -> Result<String> {
    if module.lines().filter(|line| line.trim() == GRANT).count() != 1 {
        bail!("the policy's {GUEST_MODULE} does not hold the one line `{GRANT}`");
    }
    Ok(module.replace(GRANT, DENIAL))
}

/// A module of the policy's source that grants its domain no control of tmem.
fn without_control(module: &str) -> Result<String> {
    if module.matches(CONTROL).count() != 1 {
        bail!("the policy's {TOOLSTACK_MODULE} does not hold `{CONTROL}` once");
    }
    Ok(module.replace(CONTROL, ""))
}

/// Runs the source's own makefile, the part that the hypervisor's build uses too.
fn make(tree: &Path, source: &str, policy: &Path, log: &Path) -> Result<()> {
    // The makefile splits names at blanks, so it writes beside its source, which it is called from.
    let built = tree.join(source).join("tmem-policy");
    for stale in [&built, &tree.join(source).join("policy.conf")] {
        if stale.exists() {
            fs::remove_file(stale)?;
        }
    }
    Program::new("make")
        .args(["-f", "Makefile.common", "FLASK_BUILD_DIR=.", "POLICY_FILENAME=tmem-policy"])
        .arg("-C")
        .arg(tree.join(source))
        .env("LC_ALL", "C")
        .env_remove("MAKEFLAGS")
        .log_more(log.into())
        .run()
        .context("FLASK's policy does not compile")?;
    fs::copy(&built, policy).context("make did not leave a policy")?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy_if_different(&from, &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_denying_policy_differs_in_the_two_grants() {
        let module = format!("# Allow\n{GRANT}\nallow domain_type xen_t:xen2 pmu_use;\n");
        let denying = without_domain_0(&module).expect("it holds the grant");
        assert_eq!(denying, format!("# Allow\n{DENIAL}\nallow domain_type xen_t:xen2 pmu_use;\n"));
        let module = "allow dom0_t xen_t:xen2 {\n\tcoverage_op tmem_control\n};\n";
        let denying = without_control(module).expect("it holds the permission");
        assert_eq!(denying, "allow dom0_t xen_t:xen2 {\n\tcoverage_op \n};\n");
    }

    #[test]
    fn a_module_without_the_grant_is_refused() {
        assert!(without_domain_0("allow domain_type xen_t:xen2 pmu_use;\n").is_err());
        assert!(without_domain_0(&format!("{GRANT}\n{GRANT}\n")).is_err());
        assert!(without_control("allow dom0_t xen_t:xen2 { coverage_op };\n").is_err());
    }

    #[test]
    fn a_boot_gets_the_policy_that_it_names_and_a_xen_without_flask_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let xen = folder.path().join("xen");
        assert_eq!(beside(&xen, None).expect("needs none"), None);
        assert!(beside(&xen, Some("denied")).is_err());
        for name in ["policy", "policy-denied"] {
            fs::write(folder.path().join(name), "").expect("it is written");
        }
        let default = beside(&xen, None).expect("it is there");
        assert_eq!(default, Some(folder.path().join("policy")));
        let denied = beside(&xen, Some("denied")).expect("it is there");
        assert_eq!(denied, Some(folder.path().join("policy-denied")));
    }
}
