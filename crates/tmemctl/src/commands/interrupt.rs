//! A person's wish to stop, seen at a place where stopping leaves nothing half done.

use crate::failure::{Failure, Kind};
use std::sync::atomic::{AtomicBool, Ordering};

static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// From here on signals that ask to stop are noted and do not end the program.
///
/// # Errors
/// When that can't be arranged.
pub(super) fn note() -> Result<(), Failure> {
    let noted = ctrlc::set_handler(|| IS_WANTED.store(true, Ordering::Relaxed));
    noted.map_err(|error| Failure::new(Kind::Io, error.to_string()))
}

/// Whether to go on.
///
/// # Errors
/// When it was asked to stop.
pub(super) fn check() -> Result<(), Failure> {
    if IS_WANTED.load(Ordering::Relaxed) {
        return Err(Failure::new(Kind::Io, "interrupted"));
    }
    Ok(())
}
