//! Whether tmem can tell where each frame is that Xen has ever given to it.

use crate::fail;
use crate::toolstack::Control;
use crate::verdict::CaseResult;
use hypercall_abi::control::{StatsCounters, StatsOf};

/// Bytes of a frame.
const FRAME: u64 = 4096;

/// Compares what Xen's heap has given to tmem, which the glue counts where it asks the heap, with
/// what tmem says that it does with it, and that with what an audit finds. To the frame: a frame that
/// was lost anywhere is in the first and in none of the others. To be called while no call is under
/// way.
///
/// # Errors
/// Failure, if they differ.
pub(in super::super) fn check(control: Control) -> CaseResult<StatsCounters> {
    let told = told(control)?;
    let (answer, found) = control.audit();
    if answer != 0 {
        fail!("AUDIT: {answer}");
    }
    let pages = told.taken_bytes / FRAME;
    let known = pages + told.metadata_frames + told.record_frames + told.ready_frames;
    if told.held_frames != known {
        fail!(
            "tmem has {} frames and knows of {known}: {pages} hold pages, {} metadata, {} records, \
             {} are ready",
            told.held_frames,
            told.metadata_frames,
            told.record_frames,
            told.ready_frames
        );
    }
    if (found.frames, found.metadata_frames) != (pages, told.metadata_frames) {
        fail!(
            "the audit finds {} frames with pages and {} of metadata, {pages} and {} are told",
            found.frames,
            found.metadata_frames,
            told.metadata_frames
        );
    }
    Ok(told)
}

/// The host's counters.
///
/// # Errors
/// Failure, if tmem does not tell them.
pub(in super::super) fn told(control: Control) -> CaseResult<StatsCounters> {
    match control.figures(StatsOf::Host) {
        Ok(figures) => Ok(figures.info().counters),
        Err(answer) => fail!("GET_STATS of the host: {answer}"),
    }
}
