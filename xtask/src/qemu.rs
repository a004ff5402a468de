//! One boot of Xen and the guest under QEMU: its command line, its serial log, its time limit.
//!
//! Must not know what the log means; [`crate::judge`] reads it.

use crate::cases::{Boot, Round};
use crate::machine::{QEMU_NEED, ensure};
use crate::paths::{Paths, make_folder};
use crate::running::Running;
use crate::xen::policy;
use crate::xen::tree::copy_if_different;
use anyhow::{Context, Result, anyhow};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What Xen is always told: the serial console and every message.
const XEN_CONSOLE: &str = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all";
/// What a Xen with FLASK is told besides.
const XEN_FLASK: &str = "flask=enforcing";
/// The emulator.
const QEMU: &str = "qemu-system-x86_64";

/// A clock that goes on by a nanosecond an instruction, whatever time it is outside: then the guest
/// counts instructions by the cycle counter, and every run is like the last.
const COUNTING: &[&str] =
    &["-icount", "shift=0,align=off,sleep=off", "-rtc", "base=2026-01-01,clock=vm"];

/// What a boot left.
#[derive(Debug)]
pub(crate) struct BootLog {
    /// Everything that the machine wrote to its serial line.
    pub(crate) text: String,
    /// Where that is kept.
    pub(crate) file: PathBuf,
    /// Whether the machine had to be ended because its time was up.
    pub(crate) timed_out: bool,
    /// The command as one could type it in the run's folder.
    pub(crate) command: String,
}

/// Boots once and waits for the end, handing each line of the serial log to `listener`.
///
/// # Errors
/// When QEMU is missing or can't be started. A machine that crashes or hangs is no error here.
pub(crate) fn boot(
    paths: &Paths,
    round: &Round<'_>,
    xen: &Path,
    guest: &Path,
    listener: impl FnMut(&str) + Send,
) -> Result<BootLog> {
    ensure(&[QEMU_NEED], &paths.log("install")?)?;
    // QEMU and Xen both split command lines at blanks, so both files go by short relative names.
    let folder = paths.target.join("tmem-run").join(&round.boot.name);
    make_folder(&folder)?;
    copy_if_different(xen, &folder.join("xen"))?;
    copy_if_different(guest, &folder.join("tmem-guest"))?;
    let policy = policy::beside(xen, round.boot.policy.as_deref())?;
    if let Some(policy) = &policy {
        copy_if_different(policy, &folder.join("policy"))?;
    }

    let line = arguments(round, policy.is_some());
    let limit = Duration::from_secs(round.boot.limit_s);
    run(paths, &round.boot.name, &folder, &line, limit, Knock::Never, listener)
}

/// Whether something comes in on the machine's serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knock {
    /// Nothing.
    Never,
    /// A blank ten times a second. An emulated processor that runs PVH domains may miss its timer's
    /// interrupt, which then waits in the local APIC (seen there with QEMU 7.2), and whichever domain
    /// runs goes on for ever, until another interrupt comes.
    Often,
}

/// Runs QEMU with these arguments in `folder` until it ends or its time is up, and keeps its serial
/// line in the log `qemu-NAME`.
///
/// # Errors
/// When QEMU can't be started, or the log not be written.
pub(crate) fn run(
    paths: &Paths,
    name: &str,
    folder: &Path,
    line: &[String],
    limit: Duration,
    knock: Knock,
    listener: impl FnMut(&str) + Send,
) -> Result<BootLog> {
    let file = paths.log(&format!("qemu-{name}"))?;
    let mut log = File::create(&file)
        .with_context(|| format!("cannot write the serial log {}", file.display()))?;
    let typed = format!("{QEMU} {}", line.join(" "));
    let (serial_in, knocker) = std::io::pipe()?;
    let mut command = Command::new(QEMU);
    command
        .args(line.iter().map(OsString::from))
        .current_dir(folder)
        .process_group(0)
        .stdin(match knock {
            Knock::Never => Stdio::null(),
            Knock::Often => Stdio::from(serial_in),
        })
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?);
    let (mut running, output) = Running::start_piped(&mut command, &typed)?;
    // The machine's end of the pipe is now its alone, so that the last knock fails.
    drop(command);
    if knock == Knock::Often {
        std::thread::spawn(move || knock_until_it_ends(knocker));
    }
    let (ended, copied) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| copy_lines(output, &mut log, listener));
        let ended = running.wait(Some(limit));
        // Ends the machine if it is still there, so that the reader sees the end of its output.
        drop(running);
        (ended, reader.join())
    });
    copied
        .map_err(|_| anyhow!("the reader of the serial line died"))?
        .with_context(|| format!("cannot write the serial log {}", file.display()))?;
    let timed_out = ended?.is_none();
    let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
    Ok(BootLog { text, file, timed_out, command: quoted(line) })
}

/// What a missed interrupt costs at most.
const KNOCK_EVERY: Duration = Duration::from_millis(100);

fn knock_until_it_ends(mut line: impl Write) {
    while line.write_all(b" ").is_ok() {
        std::thread::sleep(KNOCK_EVERY);
    }
}

fn copy_lines(
    output: impl std::io::Read,
    log: &mut File,
    mut listener: impl FnMut(&str),
) -> std::io::Result<()> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        log.write_all(&line)?;
        listener(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// QEMU's arguments. Plain emulation always: nested virtualisation does not run Xen everywhere.
fn arguments(round: &Round<'_>, with_policy: bool) -> Vec<String> {
    let boot = round.boot;
    // A comma would begin another module.
    let mut modules = format!("tmem-guest {}", round.guest_args()).replace(',', ",,");
    let (memory, cpus) = (boot.mem_mib.to_string(), boot.smp.to_string());
    let mut xen = format!("{XEN_CONSOLE} {}", boot.xen_args);
    if with_policy {
        // Xen tells the policy from other modules by its first bytes.
        modules.push_str(",policy");
        xen.push_str(&format!(" {XEN_FLASK}"));
    }
    machine(&boot.cpu, &memory, &cpus, &xen, &modules)
        .into_iter()
        .chain(node_arguments(boot))
        .chain(if boot.icount { COUNTING } else { &[] }.iter().map(|&word| word.to_owned()))
        .collect()
}

/// What every machine has: nothing but processors, memory in MiB, a serial line, Xen with its words,
/// and Xen's modules.
pub(crate) fn machine(
    cpu: &str,
    memory: &str,
    cpus: &str,
    xen: &str,
    modules: &str,
) -> Vec<String> {
    [
        ["-machine", "pc"],
        ["-accel", "tcg"],
        ["-cpu", cpu],
        ["-m", memory],
        ["-smp", cpus],
        ["-display", "none"],
        ["-serial", "stdio"],
        ["-monitor", "none"],
        ["-kernel", "xen"],
        ["-append", xen],
        ["-initrd", modules],
    ]
    .into_iter()
    .flatten()
    .chain(["-nodefaults", "-no-user-config", "-no-reboot"])
    .map(str::to_owned)
    .collect()
}

/// A machine of several nodes: each has its part of the memory and of the CPUs.
fn node_arguments(boot: &Boot) -> Vec<String> {
    if boot.nodes < 2 {
        return Vec::new();
    }
    let memory = boot.mem_mib / boot.nodes;
    let cpus = (boot.smp / boot.nodes).max(1);
    let node = |node: u32| {
        let first = node * cpus;
        let place = match boot.smp.checked_sub(first) {
            None | Some(0) => String::new(),
            Some(_) => format!(",cpus={first}-{}", first + cpus - 1),
        };
        [
            "-object".to_owned(),
            format!("memory-backend-ram,id=node{node},size={memory}M"),
            "-numa".to_owned(),
            format!("node,memdev=node{node}{place}"),
        ]
    };
    (0..boot.nodes).flat_map(node).collect()
}

/// The command of a boot without a policy, as one could type it in the run's folder.
pub(crate) fn command_line(round: &Round<'_>) -> String {
    quoted(&arguments(round, false))
}

fn quoted(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { word.clone() });
    format!("{QEMU} {}", quoted.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::node_arguments;
    use crate::cases::Plan;
    use std::path::Path;

    fn arguments_of(boot: &str) -> String {
        let file = format!("case = []\n[[boot]]\nname = \"a\"\nmem_mib = 224\n{boot}");
        let plan = Plan::parse(&file, Path::new("cases.toml")).expect("it is read");
        node_arguments(&plan.boots[0]).join(" ")
    }

    #[test]
    fn nodes_share_memory_and_processors() {
        assert_eq!(arguments_of("smp = 4"), "");
        assert_eq!(
            arguments_of("smp = 4\nnodes = 2"),
            "-object memory-backend-ram,id=node0,size=112M -numa node,memdev=node0,cpus=0-1 \
             -object memory-backend-ram,id=node1,size=112M -numa node,memdev=node1,cpus=2-3"
        );
        // One has none.
        assert!(arguments_of("smp = 1\nnodes = 2").ends_with("-numa node,memdev=node1"));
    }
}
