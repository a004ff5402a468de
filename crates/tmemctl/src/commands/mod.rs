//! What the commands do.

mod restore;
mod save;

use crate::cli::{Authorisation, Cli, Command, Settings, Switch, definitions};
use crate::failure::{Failure, Kind};
use crate::figures::Snapshot;
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use crate::interrupt;
use crate::output::Output;
use crate::privcmd::Privcmd;
use crate::probe::Probed;
use crate::units::{BYTES_PER_PAGE, bytes};
use crate::{metrics, migration, table, top};
use clap::Parser;
use hypercall_abi::control::{AuditInfo, ClientId};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The program, on the Xen that it runs on.
pub fn main() -> ExitCode {
    let open = || Ok(Box::new(Probed::new(Privcmd::open()?)?) as Box<dyn Hypervisor>);
    let words: Vec<OsString> = std::env::args_os().collect();
    match migration::arguments_in(&words) {
        Some(arguments) => migration::main(arguments, open),
        None => main_on(words, open),
    }
}

/// The program: reads the command line, does it on the hypervisor that `open` finds, says what
/// failed.
pub fn main_on<H: Hypervisor>(
    words: impl IntoIterator<Item = OsString>,
    open: impl FnOnce() -> Result<H, Failure>,
) -> ExitCode {
    let cli = Cli::parse_from(words);
    let mut stdout = io::stdout();
    let mut told = Output::new(io::stdout());
    // A save's stream is to arrive whole; what is only told may find its reader gone.
    let out: &mut dyn Write =
        if matches!(cli.command, Command::Save(_)) { &mut stdout } else { &mut told };
    let noted = match cli.command {
        Command::Save(_) | Command::Restore(_) => interrupt::note(),
        Command::Top { .. } => interrupt::note_beside_hang_up().map_err(Failure::from),
        _ => Ok(()),
    };
    if let Err(failure) = noted {
        eprintln!("tmemctl: {failure}");
        return ExitCode::from(failure.kind.exit_code());
    }
    match run(&cli, open, out, &mut io::stderr()).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tmemctl: {failure}");
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Carries out a command; `open` finds the hypervisor if it needs one, what was asked for goes to
/// `out`, and what is to be said beside it to `say`.
///
/// # Errors
/// Why it could not be done.
pub fn run<H: Hypervisor>(
    cli: &Cli,
    open: impl FnOnce() -> Result<H, Failure>,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> Result<(), Failure> {
    match &cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut definitions(), "tmemctl", out);
            return Ok(());
        }
        Command::Man { dir } => return man(dir.as_deref(), out),
        Command::MigrationHelper { .. } => return Err(migration::usage("too few arguments")),
        Command::Restore(restore) => return restore::restore(open, restore, say),
        _ => {}
    }
    let host = &mut Host(open()?);
    match &cli.command {
        Command::List { domain, json } => list(host, *domain, *json, out),
        Command::Top { interval } => top::run(host, Duration::from_secs(*interval)),
        Command::Freeze { domain } => host.set_frozen(*domain, true),
        Command::Thaw { domain } => host.set_frozen(*domain, false),
        Command::Set(settings) => set(host, settings),
        Command::Auth(auth) => {
            match auth.right().map_err(|wrong| Failure::new(Kind::Usage, wrong))? {
                Some((uuid, allow)) => host.authorise(auth.domain, uuid, allow),
                None => list_authorisations(host, auth, out),
            }
        }
        Command::Freeable { json } => {
            let mib = host.freeable_mib()?;
            if *json {
                return write_json(&Freeable { freeable_mib: mib }, out);
            }
            Ok(writeln!(out, "{mib} MiB")?)
        }
        Command::Flush { kib } => {
            let freed = host.flush(*kib)?;
            Ok(writeln!(out, "{freed} KiB freed")?)
        }
        Command::Audit { json } => audit(host, *json, out),
        Command::Measure { state } => host.set_measuring(*state == Switch::On),
        Command::Metrics { listen: None } => {
            let snapshot = Snapshot::read(host)?;
            Ok(out.write_all(metrics::text(&snapshot).as_bytes())?)
        }
        Command::Metrics { listen: Some(address) } => {
            let listener = TcpListener::bind(address)
                .map_err(|error| Failure::from(error).context(format!("listening on {address}")))?;
            writeln!(out, "metrics on http://{}/metrics", listener.local_addr()?)?;
            out.flush()?;
            metrics::serve(&listener, host, None)
        }
        Command::Save(save) => save::save(host, save, out, say),
        Command::EndSave { domain } => Ok(host.save_end(*domain)?),
        Command::Restore(_)
        | Command::MigrationHelper { .. }
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
    }
}

/// A uuid a line, in the form in which `auth` takes it.
fn list_authorisations<H: Hypervisor>(
    host: &mut Host<H>,
    auth: &Authorisation,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let said = || format!("domain {} does not use tmem, so nothing is allowed it", auth.domain);
    let uuids = host.authorisations(auth.domain)?;
    for uuid in uuids.ok_or_else(|| Failure::new(Kind::Refused, said()))? {
        writeln!(out, "{}", auth.written(uuid))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Freeable {
    freeable_mib: u32,
}

fn list<H: Hypervisor>(
    host: &mut Host<H>,
    domain: Option<u16>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut snapshot = Snapshot::read(host)?;
    if let Some(domain) = domain {
        snapshot.clients.retain(|client| client.domain == u32::from(domain));
        if snapshot.clients.is_empty() {
            let said = format!("domain {domain} does not use tmem");
            return Err(Failure::new(Kind::Refused, said));
        }
    }
    if json {
        return write_json(&snapshot, out);
    }
    Ok(out.write_all(table::list(&snapshot).as_bytes())?)
}

/// Sets of each client what was asked, and nothing else.
fn set<H: Hypervisor>(host: &mut Host<H>, settings: &Settings) -> Result<(), Failure> {
    let compress = settings.compress.map(|switch| switch == Switch::On);
    let one = match settings.domain {
        ClientId::One(domain) => Some(domain),
        ClientId::All => None,
    };
    if let Some(domain) = one {
        return host.set(domain, settings.weight, compress);
    }
    let clients = Snapshot::read(host)?.clients;
    if clients.is_empty() {
        return Err(Failure::new(Kind::Refused, "no domain uses tmem"));
    }
    for client in clients.iter().filter(|client| !client.is_dying) {
        let Ok(domain) = u16::try_from(client.domain) else { continue };
        let set = host.set(domain, settings.weight, compress);
        set.map_err(|failure| failure.context(format!("domain {domain}")))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Audit {
    agrees: bool,
    fault: u32,
    pool: u32,
    shard: u32,
    owner: u32,
    pools: u64,
    objects: u64,
    ephemeral_pages: u64,
    persistent_pages: u64,
    frames_bytes: u64,
    metadata_bytes: u64,
    /// A Xen that is older than this program does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_told_bytes: Option<u64>,
    busy_shards: u64,
    slices: u64,
}

fn audit<H: Hypervisor>(
    host: &mut Host<H>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (info, agrees) = host.audit()?;
    let AuditInfo { fault, pool, shard, owner, .. } = info;
    let (frames, metadata) = (info.frames, info.metadata_frames);
    let audit = Audit {
        agrees,
        fault,
        pool,
        shard,
        owner,
        pools: info.pools,
        objects: info.objects,
        ephemeral_pages: info.ephemeral_pages,
        persistent_pages: info.persistent_pages,
        frames_bytes: frames.saturating_mul(BYTES_PER_PAGE),
        metadata_bytes: metadata.saturating_mul(BYTES_PER_PAGE),
        metadata_told_bytes: (info.size >= AuditInfo::SIZE)
            .then(|| info.metadata_told.saturating_mul(BYTES_PER_PAGE)),
        busy_shards: info.busy_shards,
        slices: info.slices,
    };
    if json {
        write_json(&audit, out)?;
    } else {
        writeln!(
            out,
            "{} pools, {} objects, {} ephemeral and {} persistent pages of 4 KiB; {} of frames, {} \
             of metadata; in {} slices",
            audit.pools,
            audit.objects,
            audit.ephemeral_pages,
            audit.persistent_pages,
            bytes(audit.frames_bytes),
            bytes(audit.metadata_bytes),
            audit.slices,
        )?;
        if let Some(told) = audit.metadata_told_bytes
            && told != audit.metadata_bytes
        {
            let told = bytes(told);
            writeln!(
                out,
                "the pools say that they have {told} of metadata: calls under way may have some in \
                 hand, but on a host at rest this is a defect"
            )?;
        }
        if audit.busy_shards > 0 {
            let busy = audit.busy_shards;
            writeln!(
                out,
                "{busy} shards were counted but not compared: they changed all the time"
            )?;
        }
        if agrees {
            writeln!(out, "all agrees")?;
        }
    }
    if agrees {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Inconsistent,
        format!(
            "fault {fault} in shard {shard} of pool record {pool}, owned by domain {owner}: this is \
             a defect of tmem. Keep the output of `xl dmesg` and `tmemctl list --json`, and report \
             it. Nothing has been changed."
        ),
    ))
}

fn write_json(what: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(what)
        .map_err(|error| Failure::new(Kind::Io, error.to_string()))?;
    Ok(writeln!(out, "{text}")?)
}

/// One page with all commands, or a page for each.
fn man(dir: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    match dir {
        Some(dir) => {
            let written = clap_mangen::generate_to(definitions(), dir);
            Ok(written.map_err(|error| Failure::from(error).context(dir.display()))?)
        }
        None => Ok(clap_mangen::Man::new(definitions()).render(&mut &mut *out)?),
    }
}
