//! `save`: a domain's pools and persistent pages into a file or a pipe.

use crate::cli::Save;
use crate::failure::{Failure, Kind};
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use crate::interrupt;
use crate::stream::Totals;
use crate::transfer::{Way, save_to};
use crate::units::{BYTES_PER_PAGE, bytes};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Saves a domain to the file, which has its name only if it is whole; `-` is `out`. What is there and
/// is no file, a named pipe for instance, is written into.
///
/// # Errors
/// When the domain can't be saved, or not be written. Then it goes on as before.
pub(super) fn save<H: Hypervisor>(
    host: &mut Host<H>,
    save: &Save,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> Result<(), Failure> {
    let totals = if save.file == Path::new("-") {
        to_stream(host, save, out, say)?
    } else if fs::metadata(&save.file).is_ok_and(|there| !there.is_file()) {
        let name = |error: io::Error| Failure::from(error).context(save.file.display());
        let pipe = OpenOptions::new().write(true).open(&save.file).map_err(name)?;
        to_stream(host, save, &pipe, say)?
    } else {
        let part = part_of(&save.file);
        let name = |error: io::Error| Failure::from(error).context(part.display());
        let file = File::create(&part).map_err(name)?;
        let written = to_stream(host, save, &file, say)
            .and_then(|totals| file.sync_all().map(|()| totals).map_err(name))
            .and_then(|totals| fs::rename(&part, &save.file).map(|()| totals).map_err(name));
        if written.is_err() {
            // What is in it is of no use; that it can't be removed is of no interest.
            let _ = fs::remove_file(&part);
        }
        written?
    };
    let Totals { pools, pages, flushes, pools_gone, .. } = totals;
    let memory = bytes(pages.saturating_mul(BYTES_PER_PAGE));
    writeln!(say, "domain {}: {pools} pools, {pages} pages ({memory}) saved", save.domain)?;
    if pools == 0 {
        // Xen answers of both alike.
        let domain = save.domain;
        writeln!(say, "domain {domain} has no tmem, if there is such a domain (see `xl list`)")?;
    }
    if save.live {
        writeln!(say, "removed meanwhile: {flushes} pages or objects, {pools_gone} pools")?;
    }
    Ok(())
}

/// The name of a file that is not whole yet.
fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Saves it in the way that the command line says.
fn to_stream<H: Hypervisor>(
    host: &mut Host<H>,
    save: &Save,
    output: impl Write,
    say: &mut dyn Write,
) -> Result<Totals, Failure> {
    let mut suspend = || suspend(save, say);
    let way = if save.live { Way::Live(&mut suspend) } else { Way::AtRest };
    save_to(host, save.domain, way, output)
}

/// Has the domain suspended.
fn suspend(save: &Save, say: &mut dyn Write) -> Result<(), Failure> {
    let domain = save.domain;
    if let Some(command) = &save.suspend {
        // Not on our own standard output, where the stream may be.
        let status = Command::new("sh").arg("-c").arg(command).stdout(io::stderr()).status();
        let status = status.map_err(|error| Failure::from(error).context("sh"))?;
        if !status.success() {
            let said = format!("`{command}` failed ({status}); domain {domain} is not saved");
            return Err(Failure::new(Kind::Io, said));
        }
        return Ok(());
    }
    writeln!(say, "the pages are written. Suspend domain {domain} now, then press Enter")?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        let said = "nobody said that the domain is suspended; it is not saved";
        return Err(Failure::new(Kind::Io, said));
    }
    interrupt::check()
}
