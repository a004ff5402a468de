//! A person's wish to stop, seen at a place where stopping leaves nothing half done.

use crate::failure::{Failure, Kind};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

static IS_WANTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From here on signals that ask to stop are noted and do not end the program.
///
/// # Errors
/// When that can't be arranged.
pub(crate) fn note() -> Result<(), Failure> {
    let noted = ctrlc::set_handler(|| IS_WANTED.store(true, Ordering::Relaxed));
    noted.map_err(|error| Failure::new(Kind::Io, error.to_string()))
}

/// The same, but that the terminal's going away ends the program as ever: nothing is to be put right
/// there any more, and crossterm reads a terminal that is gone for ever.
///
/// # Errors
/// When that can't be arranged.
pub(crate) fn note_beside_hang_up() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&IS_WANTED))?;
    }
    Ok(())
}

/// Whether to go on.
///
/// # Errors
/// When it was asked to stop.
pub(crate) fn check() -> Result<(), Failure> {
    if IS_WANTED.load(Ordering::Relaxed) {
        return Err(Failure::new(Kind::Io, "interrupted"));
    }
    Ok(())
}
