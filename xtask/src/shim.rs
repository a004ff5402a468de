//! The Rust object that Xen links: compile the static library, make one object of it, and hide
//! every name but the exported ones.
//!
//! Must not know what is in the library; `crates/xen-shim/exports.txt` names its border.

use crate::hash::ContentHash;
use crate::paths::{Paths, make_folder};
use crate::process::Program;
use crate::progress::step;
use crate::toolchain::{self, CoreOrigin, TARGET, Toolchain};
use crate::xen::config::Config;
use crate::xen::tree::copy_if_different;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Code generation for an image that is linked below the top 2 GiB, with empty `.got` and `.plt`,
/// applied to `core` and `alloc` as well.
const CODE_FLAGS: &[&str] = &[
    "-Crelocation-model=pie",
    "-Ccode-model=small",
    "-Cjump-tables=no",
    "-Zdefault-visibility=hidden",
    "-Zdirect-access-external-data=yes",
    "-Zplt=yes",
    "-Zrelax-elf-relocations=yes",
];

/// Flags that follow an option of Xen's configuration.
const OPTION_FLAGS: &[(&str, &str)] = &[
    ("CONFIG_XEN_IBT", "-Zcf-protection=branch"),
    ("CONFIG_RETURN_THUNK", "-Zfunction-return=thunk-extern"),
    ("CONFIG_INDIRECT_THUNK", "-Zretpoline-external-thunk"),
];

/// Functions that compilers call by themselves: weak in our object, so that Xen's own win. Not
/// `memset`: Xen's goes byte by byte, and metadata is cleared a page at a time.
pub(crate) const WEAK: &[&str] = &["memcpy", "memmove", "memcmp", "bcmp", "strlen"];

/// Longest name that the object may hold; Xen expands names into 128 bytes without a bound.
pub(crate) const NAME_MAX: usize = 120;

/// The object, before and after its names were hidden.
#[derive(Clone, Debug)]
pub(crate) struct ShimObject {
    /// With every symbol, as `check-object` reads it.
    pub(crate) symbolic: PathBuf,
    /// As Xen links it.
    pub(crate) linked: PathBuf,
    /// The exported names.
    pub(crate) exports: Vec<String>,
}

/// Builds the object for a configuration of Xen's.
///
/// # Errors
/// When the library does not compile or does not link into one object.
pub(crate) fn build(paths: &Paths, config: &Config) -> Result<ShimObject> {
    let toolchain = toolchain::find()?;
    let flags = flags(paths, &toolchain, config);
    let profile = if config.is_on("CONFIG_DEBUG") { "xen-debug" } else { "xen" };
    let mut key = ContentHash::default();
    key.add("flags", flags.join(" ").as_bytes());
    key.add("rustc", toolchain.version()?.as_bytes());
    let target = paths.target.join("tmem-xen").join(key.short());
    let log = paths.log(&format!("shim-{profile}"))?;
    let archive = step(&format!("compile the Rust library ({})", toolchain.origin), || {
        compile(paths, &toolchain, &flags, profile, &target, &log)
    })?;
    let folder = target.join("object").join(profile);
    make_folder(&folder)?;
    link(&archive, &exports(paths)?, &folder, &log)
}

/// The names that C may call, from the committed list.
///
/// # Errors
/// When the list can't be read or is empty.
pub(crate) fn exports(paths: &Paths) -> Result<Vec<String>> {
    let file = paths.root.join("crates/xen-shim/exports.txt");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        bail!("{} names no function", file.display());
    }
    Ok(names)
}

fn flags(paths: &Paths, toolchain: &Toolchain, config: &Config) -> Vec<String> {
    let mut flags: Vec<String> = CODE_FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    for (option, flag) in OPTION_FLAGS {
        if config.is_on(option) {
            flags.push((*flag).to_owned());
        }
    }
    if toolchain.core == CoreOrigin::Installed {
        // Flags that must be the same in every crate; the installed `core` has none of them.
        flags.push("-Cunsafe-allow-abi-mismatch=retpoline-external-thunk".to_owned());
    }
    // Places in panic messages do not tell whose machine built the image.
    flags.push(format!("--remap-path-prefix={}=.", paths.root.display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags
}

/// Where cargo keeps packages: named by a variable only when cargo itself runs us.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))
}

fn compile(
    paths: &Paths,
    toolchain: &Toolchain,
    flags: &[String],
    profile: &str,
    target: &Path,
    log: &Path,
) -> Result<PathBuf> {
    toolchain.fetch(&paths.root, log)?;
    toolchain
        .cargo("rustc")
        .args(["--offline", "--package", "tmem-xen-shim", "--lib", "--crate-type", "staticlib"])
        .args(["--profile", profile])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", target)
        .folder(&paths.root)
        .log(log.into())
        .run()
        .context("the Rust library for Xen does not compile")?;
    Ok(target.join(TARGET).join(profile).join("libtmem_xen_shim.a"))
}

/// Makes one object of the archive: what the exports reach, names hidden and short.
fn link(archive: &Path, exports: &[String], folder: &Path, log: &Path) -> Result<ShimObject> {
    let symbolic = folder.join("tmem_rs.symbolic.o");
    let stripped = folder.join("tmem_rs.stripped.o");
    let mut ld = Program::new("ld").args(["-r", "--gc-sections", "-z", "noexecstack"]);
    for name in exports {
        ld = ld.args(["-u", name]);
    }
    ld.args(["-e", &exports[0], "-o"]).arg(&symbolic).arg(archive).log_more(log.into()).run()?;
    let sections = [".llvmbc", ".llvmcmd", ".comment", ".eh_frame", ".rela.eh_frame"];
    let mut clean = Program::new("objcopy");
    for section in sections {
        clean = clean.args(["-R", section]);
    }
    clean.arg(&symbolic).log_more(log.into()).run()?;

    let names = folder.join("names.txt");
    fs::write(&names, short_names(&local_functions(&symbolic, exports)?))?;
    let mut hide = Program::new("objcopy").arg("--strip-unneeded");
    for name in exports.iter().map(String::as_str).chain(WEAK.iter().copied()) {
        hide = hide.arg(format!("--keep-global-symbol={name}"));
    }
    hide.arg("--redefine-syms")
        .arg(&names)
        .arg(&symbolic)
        .arg(&stripped)
        .log_more(log.into())
        .run()?;
    let linked = folder.join("tmem_rs.o");
    // Written only if it differs, so that make does not link Xen again for nothing.
    copy_if_different(&stripped, &linked)?;
    Ok(ShimObject { symbolic, linked, exports: exports.to_vec() })
}

/// The defined symbols that C does not know.
fn local_functions(object: &Path, exports: &[String]) -> Result<Vec<String>> {
    let text = Program::new("nm").args(["--defined-only", "--format=posix"]).arg(object).text()?;
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let ours = names.filter(|name| {
        !exports.iter().any(|export| export == name)
            && !WEAK.contains(name)
            && !name.starts_with('.')
    });
    Ok(ours.map(str::to_owned).collect())
}

/// A line for each symbol: the name as it is, and a short one that a backtrace can print.
fn short_names(symbols: &[String]) -> String {
    let mut lines = String::new();
    for (number, symbol) in symbols.iter().enumerate() {
        lines.push_str(&format!("{symbol} {}\n", short_name(symbol, number)));
    }
    lines
}

/// A name such as `rs.tmem_engine.pool.Pool.put.17`: unique by its number.
fn short_name(symbol: &str, number: usize) -> String {
    let path = format!("{:#}", rustc_demangle::demangle(symbol));
    let mut name = String::from("rs.");
    for c in path.chars().take(NAME_MAX - 20) {
        let c = if c.is_ascii_alphanumeric() || c == '_' { c } else { '.' };
        if !(c == '.' && name.ends_with('.')) {
            name.push(c);
        }
    }
    let end = name.trim_end_matches('.').len();
    name.truncate(end);
    format!("{name}.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mangled_name_becomes_a_short_one_that_can_be_read() {
        let symbol = "_ZN4core9panicking5panic17h0123456789abcdefE";
        assert_eq!(short_name(symbol, 7), "rs.core.panicking.panic.7");
    }

    #[test]
    fn no_name_is_longer_than_xen_bears() {
        let symbol = format!("_ZN{}{}17h0123456789abcdefE", 300, "a".repeat(300));
        assert!(short_name(&symbol, 99_999).len() <= NAME_MAX);
    }

    #[test]
    fn names_that_differ_only_in_signs_stay_apart() {
        let symbols = ["a$b".to_owned(), "a@b".to_owned()];
        assert_eq!(short_names(&symbols), "a$b rs.a.b.0\na@b rs.a.b.1\n");
    }
}
