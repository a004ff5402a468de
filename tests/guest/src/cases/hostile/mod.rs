//! A hostile guest: calls whose every field is drawn at random, good values among bad ones, and what
//! must hold afterwards.
//!
//! Three bounds are kept, so that something can be said of the end: pools 0 and 1 are never named;
//! frames are those of the guest's spare pages or not the guest's at all; and all that is put is a
//! page of known content, so that whatever a get delivers must be one of those, whole.

mod draw;

use super::script::fill;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, SPARE_PAGES, at,
    statuses::{
        BAD_ADDRESS, EMPTY, NO_DEVICE, NO_MEMORY, NOT_IMPLEMENTED, NOT_PERMITTED, NOT_SUPPORTED,
        NOTHING, SUCCESS,
    },
};
use crate::verdict::CaseResult;
use crate::xen::tmem::{Block, send_address, send_block};
use crate::{fail, say};
use draw::{Draw, Place, word};
use hypercall_abi::{Status, command};

/// -28: a duplicate put failed for memory.
const NO_SPACE: i64 = Status::NoSpace.encode();

/// Pages in each of the two pools that are never named.
const KEPT: u32 = 300;
/// Frames that the guest has given back: so few that persistent puts are refused now and then.
const ROOM: usize = 800;
/// Calls between two looks at the spare pages.
const ROUND: u32 = 50_000;

/// Makes `calls` calls, then checks that everything still works and nothing is lost.
///
/// # Errors
/// Failure at the first answer that no rule allows, or the first thing that is not as it was.
pub(super) fn storm(rig: &mut Rig, calls: u32) -> CaseResult {
    rig.balloon.set_room(ROOM);
    let first = capacity(rig)?;
    let kept = [rig.new_pool(Kind::Persistent)?, rig.new_pool(Kind::Ephemeral)?];
    if kept != [0, 1] {
        fail!("the first pools have ids {kept:?}");
    }
    for pool in kept {
        for index in 0..KEPT {
            rig.put(at(pool, 1, index), kept_content(rig, pool, index))?;
        }
    }

    let mut storm = Storm { draw: Draw::new(rig), seen: [0; ANSWERS.len()] };
    for round in 0..calls.div_ceil(ROUND) {
        // Anew each time, since the gets make them more and more alike.
        for number in 0..SPARE_PAGES {
            rig.spare.fill(number, content(number));
        }
        for call in 0..ROUND {
            storm.call(rig).inspect_err(|_| {
                say!("call {} of seed {:#x}", round * ROUND + call, rig.seed);
            })?;
        }
        for number in 0..SPARE_PAGES {
            check_spare(rig, number)?;
        }
    }
    storm.check_that_it_blew()?;

    for index in 0..KEPT {
        rig.get_hit(at(0, 1, index), kept_content(rig, 0, index))?;
        // The host may have needed the room of an ephemeral one.
        rig.get_maybe(at(1, 1, index), kept_content(rig, 1, index))?;
    }
    for pool in 0..16 {
        rig.destroy_pool(pool);
    }
    let last = capacity(rig)?;
    // A few frames are held for pools and clients, whoever makes them first.
    if last + 8 < first {
        fail!("{first} persistent pages fitted before the storm, {last} after it");
    }
    let left = rig.balloon.set_room(0);
    if left != 0 {
        fail!("without a pool {left} frames stay out of the guest's reach");
    }
    Ok(())
}

/// How many persistent pages fit.
fn capacity(rig: &Rig) -> CaseResult<u32> {
    let pool = rig.new_pool(Kind::Persistent)?;
    let stored = fill(rig, pool, 0)?;
    rig.destroy_pool(pool);
    Ok(stored)
}

fn kept_content(rig: &Rig, pool: u32, index: u32) -> Content {
    Content::of(rig.seed ^ u64::from(pool), u64::from(index))
}

/// Content of spare page `number` before the storm.
fn content(number: usize) -> Content {
    Content::of(0x5707, number as u64)
}

/// A spare page must hold what one of them held at first, whole.
fn check_spare(rig: &Rig, number: usize) -> CaseResult {
    if !(0..SPARE_PAGES).any(|candidate| rig.spare.holds(number, content(candidate))) {
        let word = rig.spare.first_word(number);
        fail!("spare page {number} holds nothing that was ever put: {word:#x}...");
    }
    Ok(())
}

struct Storm {
    draw: Draw,
    /// How often each of [`ANSWERS`] came.
    seen: [u32; ANSWERS.len()],
}

/// The answers that a long storm must have seen.
const ANSWERS: [i64; 9] = [
    SUCCESS,
    NOTHING,
    NOT_PERMITTED,
    NO_MEMORY,
    BAD_ADDRESS,
    NO_DEVICE,
    NOT_IMPLEMENTED,
    NOT_SUPPORTED,
    EMPTY,
];

impl Storm {
    /// One call, and whether any rule allows its answer.
    fn call(&mut self, rig: &Rig) -> CaseResult {
        let block = self.draw.block(rig);
        let place = self.draw.place();
        let answer = match place {
            Place::Nowhere(address) => send_address(address),
            Place::AnyByte(start) => send_from(&block, start),
            Place::Aligned => send_block(&block),
        };
        for (_, count) in ANSWERS.iter().zip(&mut self.seen).filter(|(want, _)| **want == answer) {
            *count += 1;
        }
        let command = word(&block, 0);
        let is_allowed = match place {
            Place::Nowhere(_) => answer == BAD_ADDRESS,
            _ => is_allowed(command, answer),
        };
        if !is_allowed {
            fail!("command {command:#x} on pool {:#x}: answered {answer}", word(&block, 4));
        }
        Ok(())
    }

    /// A storm that saw no refusal, or no success, was none.
    fn check_that_it_blew(&self) -> CaseResult {
        for (answer, count) in ANSWERS.iter().zip(self.seen) {
            say!("answered {answer}: {count} times");
        }
        for (answer, count) in ANSWERS.iter().zip(self.seen) {
            if count == 0 {
                fail!("the storm never saw the answer {answer}");
            }
        }
        Ok(())
    }
}

/// Whether some state of the host allows this answer to this command, the block being readable.
fn is_allowed(command: u32, answer: i64) -> bool {
    match command {
        command::CONTROL | command::AUTH | command::RESTORE_NEW => answer == NOT_SUPPORTED,
        command::NEW_POOL => {
            (2..16).contains(&answer) || matches!(answer, NOT_PERMITTED | NO_MEMORY)
        }
        command::DESTROY_POOL => matches!(answer, SUCCESS | NOTHING),
        command::PUT_PAGE => {
            matches!(answer, SUCCESS | NO_MEMORY | NO_SPACE | BAD_ADDRESS | NO_DEVICE)
        }
        command::GET_PAGE => {
            matches!(answer, SUCCESS | NOTHING | EMPTY | BAD_ADDRESS | NO_DEVICE)
        }
        command::FLUSH_PAGE | command::FLUSH_OBJECT => matches!(answer, SUCCESS | NO_DEVICE),
        _ => matches!(answer, NOT_IMPLEMENTED | NO_DEVICE),
    }
}

/// Sends the block from an address that ends in these bits.
fn send_from(block: &Block, start: usize) -> i64 {
    #[repr(align(64))]
    struct Room([u8; 128]);

    let mut room = Room([0; 128]);
    let place = room.0.iter_mut().skip(start);
    place.zip(block).for_each(|(place, byte)| *place = *byte);
    send_address(room.0.as_ptr().expose_provenance() as u64 + start as u64)
}
