//! The command line. The manual and the shells' completions are made from the same definitions.

use crate::failure::Kind;
use crate::units::{fs_uuid, parse_fs_uuid, parse_kib, parse_uuid};
use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use hypercall_abi::Uuid;
use hypercall_abi::control::ClientId;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where `metrics --listen` listens if nothing is said: this host alone.
const LISTEN_DEFAULT: &str = "127.0.0.1:9842";

/// Shows and controls transcendent memory (tmem) in Xen
#[derive(Debug, Parser)]
#[command(name = "tmemctl", version, after_help = exit_codes())]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the domains that use tmem, and their pools
    List {
        /// Only this domain (a number; `xl domid NAME` tells it)
        domain: Option<u16>,
        /// As JSON: amounts in bytes or pages of 4 KiB, as the names say, events since the start
        #[arg(long)]
        json: bool,
    },
    /// Shows them on the terminal, anew every few seconds, with rates; `q` ends it
    Top {
        /// Seconds between two looks
        #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval: u64,
    },
    /// Refuses a domain's puts of new pages, until `thaw`; nothing that is stored is lost
    Freeze {
        /// The domain, or `all` that use tmem now
        #[arg(value_parser = parse_who)]
        domain: ClientId,
    },
    /// Ends what `freeze` began
    Thaw {
        /// The domain, or `all` that use tmem now
        #[arg(value_parser = parse_who)]
        domain: ClientId,
    },
    /// Changes a domain's settings
    Set(Settings),
    /// Allows a domain to join a shared pool, or forbids it, or lists what it is allowed
    Auth(Authorisation),
    /// Tells how much memory `flush` could free now
    Freeable {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Frees memory by evicting the oldest pages of the host that may be evicted
    Flush {
        /// How much: 512M, 2G (units of 1024)
        #[arg(value_parser = parse_kib, value_name = "AMOUNT")]
        kib: u32,
    },
    /// Counts everything in the hypervisor anew and compares; takes a while, harms nobody
    Audit {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Begins to measure how long guests' calls take, or ends it; `list --json` and `metrics` tell
    Measure {
        /// Whether to
        state: Switch,
    },
    /// Writes a domain's pools and persistent pages to a file
    Save(Save),
    /// Ends a save whose program is gone, so that the domain can go on
    EndSave {
        /// The domain
        domain: u16,
    },
    /// Reads them back into a new, paused domain
    Restore(Restore),
    /// Has a domain that xl saves or migrates take its tmem along: called by libxl, and not by hand
    ///
    /// Set LIBXL_SAVE_HELPER to tmemctl's path in the environment of `xl save`, `xl restore`, `xl
    /// migrate` and, on the receiving host, `xl migrate-receive`; libxl then calls tmemctl in place of
    /// its own helper, which tmemctl finds beside xl, or where TMEMCTL_SAVE_HELPER says.
    MigrationHelper {
        /// What libxl says
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Tells all figures in Prometheus' text format, once or on a port
    Metrics {
        /// Answers HTTP requests on this address until it is ended
        #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = LISTEN_DEFAULT)]
        listen: Option<SocketAddr>,
    },
    /// Prints the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual (for `man -l -`), or writes a page for each command
    Man {
        /// The folder for the pages
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// What `set` sets.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("setting").required(true).multiple(true).args(["weight", "compress"]))]
pub struct Settings {
    /// The domain, or `all` that use tmem now
    #[arg(value_parser = parse_who)]
    pub domain: ClientId,
    /// Its part of the host's ephemeral memory, against the others' weights; 0 takes no part
    #[arg(long)]
    pub weight: Option<u32>,
    /// Whether its pages are compressed from now on
    #[arg(long)]
    pub compress: Option<Switch>,
}

/// What `auth` allows, forbids or lists.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("right").required(true).args(["allow", "revoke", "list"]))]
pub struct Authorisation {
    /// The domain
    pub domain: u16,
    /// Allows it to join the shared pool of this uuid
    #[arg(long, value_name = "UUID")]
    pub allow: Option<String>,
    /// Forbids it to join it from now on; it keeps what it has joined
    #[arg(long, value_name = "UUID")]
    pub revoke: Option<String>,
    /// Lists the uuids of the shared pools that it may join from now on
    #[arg(long)]
    pub list: bool,
    /// The uuid is a file system's, as `blkid` shows it, and not as `xl tmem-shared-auth` took it
    #[arg(long)]
    pub fs: bool,
}

impl Authorisation {
    /// The uuid, and whether it is allowed; `None`: they are to be listed.
    ///
    /// # Errors
    /// What is wrong with the uuid.
    pub fn right(&self) -> Result<Option<(Uuid, bool)>, String> {
        let Some(text) = self.allow.as_ref().or(self.revoke.as_ref()) else { return Ok(None) };
        let parse = if self.fs { parse_fs_uuid } else { parse_uuid };
        Ok(Some((parse(text)?, self.allow.is_some())))
    }

    /// A uuid in the form in which it is taken.
    pub(crate) fn written(&self, uuid: Uuid) -> String {
        if self.fs { fs_uuid(uuid) } else { crate::units::uuid(uuid) }
    }
}

/// How `save` saves.
#[derive(Args, Debug)]
pub struct Save {
    /// The domain; paused, or its memory saved with `xl save -p`, if not `--live`
    pub domain: u16,
    /// The file, or `-` for standard output
    pub file: PathBuf,
    /// While the domain runs: all pages are written; then it is to be suspended; then follows what
    /// it removed meanwhile
    #[arg(long)]
    pub live: bool,
    /// With `--live`: the command (of a shell) that suspends the domain, called when the pages are
    /// written. Without it tmemctl asks, and waits for a line on standard input
    #[arg(long, requires = "live", value_name = "COMMAND")]
    pub suspend: Option<String>,
}

/// How `restore` restores.
#[derive(Args, Debug)]
pub struct Restore {
    /// The new domain: its memory restored, paused, and without tmem so far
    pub domain: u16,
    /// The file, or `-` for standard input
    pub file: PathBuf,
    /// Reads the file and tells what is in it; touches no domain
    #[arg(long)]
    pub check: bool,
}

/// A domain's number, or all.
fn parse_who(text: &str) -> Result<ClientId, String> {
    if text == "all" {
        return Ok(ClientId::All);
    }
    let number = text.parse::<u16>().ok().filter(|&number| number != u16::MAX);
    number
        .map(ClientId::One)
        .ok_or_else(|| "neither a domain's number (`xl domid NAME` tells it) nor `all`".to_owned())
}

/// The exit codes, for help and manual.
fn exit_codes() -> String {
    let mut text = "Exit codes:\n  0  done\n".to_owned();
    for kind in Kind::ALL {
        text.push_str(&format!("  {}  {}\n", kind.exit_code(), kind.meaning()));
    }
    text
}

/// The definitions, for the manual and the completions.
pub(crate) fn definitions() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definitions_hold_together() {
        definitions().debug_assert();
    }

    #[test]
    fn p25_what_is_missing_is_said_and_nothing_is_guessed() {
        for wrong in [
            "tmemctl freeze",
            "tmemctl freeze -1",
            "tmemctl freeze 65535",
            "tmemctl set 3",
            "tmemctl set --weight 3",
            "tmemctl flush 512",
            "tmemctl auth 3",
            "tmemctl auth 3 --allow a --revoke b",
            "tmemctl auth 3 --allow a --list",
            "tmemctl auth --list",
            "tmemctl save 3 f --suspend x",
        ] {
            let refused = parsed(wrong).map(drop);
            let code = refused.expect_err(wrong).exit_code();
            assert_eq!(code, i32::from(Kind::Usage.exit_code()), "{wrong}");
        }
        for good in [
            "tmemctl freeze all",
            "tmemctl set 3 --weight 5 --compress off",
            "tmemctl flush 512M",
            "tmemctl metrics --listen",
            "tmemctl metrics --listen [::1]:9000",
            "tmemctl save 3 - --live --suspend true",
            "tmemctl auth 3 --list --fs",
        ] {
            assert!(parsed(good).is_ok(), "{good}");
        }
    }

    /// The original's "destroy" thawed. Pools are the guest's to destroy: no command says that it does.
    #[test]
    fn p80_no_command_destroys_or_says_so() {
        let tool = definitions();
        let mut commands = tool.get_subcommands();
        assert!(commands.all(|command| !command.get_name().contains("destroy")));
        for line in ["tmemctl destroy 3", "tmemctl destroy all", "tmemctl freeze 3 --destroy"] {
            let refused = parsed(line).map(drop).expect_err(line);
            assert_eq!(refused.exit_code(), i32::from(Kind::Usage.exit_code()), "{line}");
        }
    }

    #[test]
    fn nothing_listens_beyond_this_host_unasked() {
        let Ok(Cli { command: Command::Metrics { listen: Some(address) } }) =
            parsed("tmemctl metrics --listen")
        else {
            unreachable!("it is no such command")
        };
        assert!(address.ip().is_loopback());
    }

    #[test]
    fn p71_to_allow_allows() {
        let uuid = "00000000-0000-0000-0000-000000000001";
        let right = |line: &str| match parsed(line).map(|cli| cli.command) {
            Ok(Command::Auth(auth)) => auth.right(),
            other => unreachable!("{other:?}"),
        };
        assert_eq!(
            right(&format!("tmemctl auth 1 --allow {uuid}")),
            Ok(Some((Uuid([1, 0]), true)))
        );
        assert_eq!(
            right(&format!("tmemctl auth 1 --revoke {uuid}")),
            Ok(Some((Uuid([1, 0]), false)))
        );
        let fs = right(&format!("tmemctl auth 1 --fs --allow {uuid}"));
        assert_eq!(fs, Ok(Some((Uuid([0, 1 << 56]), true))));
        assert!(right("tmemctl auth 1 --allow 1").is_err());
        assert_eq!(right("tmemctl auth 1 --list"), Ok(None));
    }
}
