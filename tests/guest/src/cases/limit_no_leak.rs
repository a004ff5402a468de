//! **Checks** that the room is the same after each way in which pages can leave: flushed one by one,
//! by object, replaced from a bad frame, with their pool; and after puts that failed (R49, R13, R71).
//!
//! **Why:** a charge that is not given back is memory lost until the domain dies.
//!
//! **A broken host** stores fewer pages in each round.

use super::{Case, script::fill};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{BadFrame, Kind, Rig, at, statuses::{BAD_ADDRESS, EMPTY, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::bulk("limit-no-leak", "the room is as large after pages left in every way", run);

fn run(rig: &mut Rig) -> CaseResult {
    rig.balloon.set_room(600);
    let bad = BadFrame::AllOnes.mfn(rig);
    let mut first = 0;
    for round in 0..12 {
        let pool = rig.new_pool(Kind::Persistent)?;
        let stored = fill(rig, pool, 0)?;
        if round == 0 {
            first = stored;
        } else if stored != first {
            fail!("round {round}: {stored} pages fitted, in the first round {first}");
        }
        for index in 0..stored {
            let page = at(pool, 0, index);
            match round % 4 {
                0 => expect("flush", rig.flush_page(page), SUCCESS)?,
                1 => expect("duplicate put", rig.put_frame(page, bad), BAD_ADDRESS)?,
                _ => expect("put", rig.put_frame(at(pool, 1, index), bad), BAD_ADDRESS)?,
            }
        }
        if round % 4 == 2 {
            expect("flush of the object", rig.flush_object(at(pool, 0, 0)), SUCCESS)?;
        }
        if round % 4 == 3 {
            rig.get_hit(at(pool, 0, 0), Content::of(0, 0))?;
        } else {
            rig.get_none("get after all pages left", at(pool, 0, 0), EMPTY)?;
        }
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(())
}
