//! `qemu-run`: the demonstration. Builds what is needed, boots, shows Xen's banner and what the
//! guest says, and ends with the guest's table of pools.

use crate::cases::{DEMO, Plan, Round};
use crate::guest;
use crate::judge::{Line, PREFIX, parse_line};
use crate::machine::{boot_needs, ensure};
use crate::paths::Paths;
use crate::qemu;
use crate::qemu_test::judge;
use crate::results::Results;
use crate::xen::build::{Request, build};
use anyhow::{Result, bail};
use std::time::Duration;

/// Builds, boots and judges the demonstration.
///
/// # Errors
/// When a build fails, or the guest does not come to its end with the demonstration's verdict.
pub(crate) fn run(paths: &Paths, request: &Request, verbose: bool) -> Result<()> {
    let plan = Plan::read(paths)?;
    let rounds = plan.rounds(&[DEMO.to_owned()], false)?;
    // Asked before the long builds, not after them.
    ensure(&boot_needs(), &paths.log("install")?)?;
    let image = build(paths, request)?;
    println!("Xen: {}", image.origin);
    let guest = guest::build(paths)?;
    for round in &rounds {
        demonstrate(paths, round, &image.xen(), &guest, verbose)?;
    }
    Ok(())
}

fn demonstrate(
    paths: &Paths,
    round: &Round<'_>,
    xen: &std::path::Path,
    guest: &std::path::Path,
    verbose: bool,
) -> Result<()> {
    println!("==> boot: {}", qemu::command_line(round));
    println!("    serial log: {}\n", paths.log(&format!("qemu-{}", round.boot.name))?.display());
    let mut screen = Screen { verbose, is_over: false };
    let log = qemu::boot(paths, round, xen, guest, |line| screen.show(line))?;
    let mut results = Results::default();
    // The cases' own lines are not repeated: the table is to be the last thing on the screen.
    judge(round, &log, Duration::ZERO, false, &mut results);
    if results.failed() == 0 && results.skipped() == 0 {
        return Ok(());
    }
    bail!("the demonstration did not succeed\n{}", results.complaints().trim_end())
}

/// What of the serial line a person at the terminal sees.
#[derive(Debug)]
struct Screen {
    verbose: bool,
    /// The demonstration has its verdict; what follows is Xen's farewell.
    is_over: bool,
}

impl Screen {
    fn show(&mut self, line: &str) {
        if self.shows(line) {
            println!("{line}");
        }
    }

    fn shows(&mut self, line: &str) -> bool {
        if matches!(parse_line(line), Some(Line::Result(..))) {
            self.is_over = true;
        }
        if self.verbose {
            return true;
        }
        let is_told = !line.contains(PREFIX);
        let is_banner = line.contains("(XEN) Xen version") || line.contains("tmem");
        !self.is_over && is_told && (is_banner || !line.starts_with("(XEN)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_shows_the_banner_and_the_guest_and_ends_with_the_table() {
        let log = [
            ("(XEN) Xen version 4.17.5 (Debian)", true),
            ("(XEN) Scheduler: credit2", false),
            ("(XEN) tmem: initialised", true),
            ("tmem-guest: start 0.1.0 xen 4.17.5", false),
            ("tmem-guest: case demo begin", false),
            ("kind       pages put  hits", true),
            ("ephemeral  1000       900", true),
            ("tmem-guest: case demo result SUCCESS", false),
            ("tmem-guest: done 1 cases", false),
            ("(XEN) Hardware Dom0 shutdown: rebooting machine", false),
        ];
        let mut screen = Screen { verbose: false, is_over: false };
        for (line, shown) in log {
            assert_eq!(screen.shows(line), shown, "{line}");
        }
    }

    #[test]
    fn verbose_shows_everything() {
        let mut screen = Screen { verbose: true, is_over: false };
        assert!(screen.shows("(XEN) Scheduler: credit2"));
    }
}
