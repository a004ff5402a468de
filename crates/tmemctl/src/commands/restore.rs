//! `restore`: a stream into a new domain.
//!
//! A file is read to its end before the domain is touched. A pipe can be read only once: what was
//! restored from it is undone when it turns out bad.

use crate::cli::Restore;
use crate::failure::Failure;
use crate::hypervisor::Hypervisor;
use crate::interrupt;
use crate::stream::{Reader, Totals};
use crate::transfer::Restorer;
use crate::units::{BYTES_PER_PAGE, bytes};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Restores the file into the domain, or only tells what is in it; `-` is standard input.
///
/// # Errors
/// When the stream is not whole, or Xen refuses a part. Then the domain has no pools.
pub(super) fn restore<H: Hypervisor>(
    open: impl FnOnce() -> Result<H, Failure>,
    restore: &Restore,
    say: &mut dyn Write,
) -> Result<(), Failure> {
    let totals = if restore.file == Path::new("-") {
        let input = io::stdin().lock();
        if restore.check {
            check(input)?
        } else {
            Restorer::new(open()?, restore.domain).restore(input, say)?
        }
    } else {
        let name = |error: io::Error| Failure::from(error).context(restore.file.display());
        let mut file = File::open(&restore.file).map_err(name)?;
        let is_file = file.metadata().map_err(name)?.is_file();
        let mut totals = Totals::default();
        // A named pipe can be read only once, too.
        if is_file || restore.check {
            totals = check(&file).map_err(|failure| failure.context(restore.file.display()))?;
        }
        if !restore.check {
            if is_file {
                file.seek(SeekFrom::Start(0)).map_err(name)?;
            }
            totals = Restorer::new(open()?, restore.domain).restore(&file, say)?;
        }
        totals
    };
    let Totals { pools, pages, flushes, pools_gone, .. } = totals;
    let what = if restore.check { "a whole stream" } else { "restored" };
    let memory = bytes(pages.saturating_mul(BYTES_PER_PAGE));
    writeln!(
        say,
        "{what}: {pools} pools, {pages} pages ({memory}), {flushes} pages or objects and \
         {pools_gone} pools removed again"
    )?;
    Ok(())
}

/// Reads a stream to its end, which is the input's too, and does nothing with it.
fn check(input: impl Read) -> Result<Totals, Failure> {
    let mut reader = Reader::new(BufReader::new(input))?;
    while reader.next()?.is_some() {
        interrupt::check()?;
    }
    let totals = reader.totals();
    reader.expect_end_of_input()?;
    Ok(totals)
}
