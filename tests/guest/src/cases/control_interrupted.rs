//! **Checks** that a guest which is interrupted in the middle of a long control operation, and makes
//! other calls there, control operations among them, finds everything in order (R55, R56, R64, R66,
//! R69): FLUSH, LIST, GET_STATS of the host, AUDIT, RESTORE_FLUSH_PAGE of an object and of a pool, and
//! SAVE_END with a long log go on where they were, each with the result that it has at one stretch.
//!
//! **Why:** how far such an operation came is in its caller's memory, and what it does is decided anew
//! after each interruption.
//!
//! **A broken host** stops the machine for as long as the operation takes, begins it anew, or has one
//! operation go on where another one stands.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::fail;
use crate::plain::content::Content;
use crate::plain::text::Text;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, FROZEN, NO_DEVICE, NOTHING, SUCCESS},
};
use crate::toolstack::{Control, LIST_BYTES};
use crate::verdict::{CaseResult, expect};
use crate::xen::events::Interrupted;
use core::cell::Cell;
use hypercall_abi::Op;
use hypercall_abi::control::{ClientId, Removed, StatsOf};

pub(super) const CASE: Case = Case::pv(
    "control-interrupted",
    "calls made in the middle of a long control operation find all in order, and it goes on",
    run,
);

/// The first domain, this one.
const OWN: u16 = 0;
/// Pages of the pool that an operation is about: more than a slice of anything, and a log of more
/// frames than a slice frees.
const PAGES: u32 = 5000;
/// The domain is being saved; and nothing is.
const BUSY: i64 = -16;
const NOT_SAVED: i64 = -2;

/// A long operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    Flush,
    List,
    GetStats,
    Audit,
    RemoveObject,
    RemovePool,
    SaveEnd,
}

impl Long {
    const ALL: [Self; 7] = [
        Self::Flush,
        Self::List,
        Self::GetStats,
        Self::Audit,
        Self::RemoveObject,
        Self::RemovePool,
        Self::SaveEnd,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Flush => "FLUSH",
            Self::List => "LIST",
            Self::GetStats => "GET_STATS of the host",
            Self::Audit => "AUDIT",
            Self::RemoveObject => "RESTORE_FLUSH_PAGE of an object",
            Self::RemovePool => "RESTORE_FLUSH_PAGE of a pool",
            Self::SaveEnd => "SAVE_END",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::RemoveObject | Self::RemovePool | Self::SaveEnd => Kind::Persistent,
            _ => Kind::Ephemeral,
        }
    }
}

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for long in Long::ALL {
        in_the_middle(long.name(), || attempt(rig, control, long))?;
    }
    Ok(())
}

/// Whether the operation was interrupted in the middle; then all was as it should be.
fn attempt(rig: &Rig, control: Control, long: Long) -> CaseResult<bool> {
    let bystander = rig.new_pool(Kind::Persistent)?;
    rig.put(at(bystander, 1, 1), Content(1))?;
    let pool = rig.new_pool(long.kind())?;
    put_many(rig, pool, PAGES)?;
    if long == Long::SaveEnd {
        log_all(rig, control, pool)?;
    }
    let result = interrupt(rig, control, long, pool, bystander);
    if long == Long::SaveEnd {
        // If it was not ended it is now.
        let _either = control.end_save(OWN);
    }
    for id in [bystander, pool] {
        let gone = long == Long::RemovePool && id == pool;
        let answer = rig.destroy_pool(id);
        if result.is_ok() {
            expect("destroy", answer, if gone { NOTHING } else { SUCCESS })?;
        }
    }
    result
}

/// Has all pages but the last one removed while the domain is saved live, so that its log is long.
fn log_all(rig: &Rig, control: Control, pool: u32) -> CaseResult {
    expect("SAVE_BEGIN", control.begin_save(OWN, true), 0)?;
    for index in 0..PAGES - 1 {
        expect("a flush meanwhile", rig.flush_page(at(pool, 0, index)), FROZEN)?;
    }
    match control.next_removed(OWN, &mut u64::from(PAGES - 2)) {
        Ok(_) => Ok(()),
        Err(answer) => fail!("the last removal's record: {answer}"),
    }
}

fn interrupt(
    rig: &Rig,
    control: Control,
    long: Long,
    pool: u32,
    bystander: u32,
) -> CaseResult<bool> {
    rig.pages.fill_source(Content(2));
    rig.pages.poison_target();
    let (source, target) = (rig.pages.source_mfn(), rig.pages.target_mfn());
    let calls = [
        Op::GetPage { handle: at(pool, 0, 0), cmfn: target },
        Op::PutPage { handle: at(bystander, 1, 2), cmfn: source },
        Op::GetPage { handle: at(bystander, 1, 1), cmfn: target },
    ];
    let calls = calls.map(|op| op.encode());
    // Others of the toolstack's meanwhile: with progress of their own.
    let (listed, audited, begun) = (Cell::new(1), Cell::new(1), Cell::new(1));
    let meanwhile = || {
        listed.set(control.list(ClientId::All, &mut [0; LIST_BYTES]));
        audited.set(control.audit().0);
        if long == Long::SaveEnd {
            begun.set(control.begin_save(OWN, true));
        }
    };
    let during = |call: &dyn Fn() -> i64| rig.events.interrupt_call(call, &calls, &meanwhile);
    let object = at(pool, 0, 0).object;
    let found = match long {
        Long::Flush => during(&|| control.flush(PAGES * 4)),
        Long::List => {
            let told = Cell::new(false);
            let found = during(&|| {
                let mut text = [0xaa; LIST_BYTES];
                let answer = control.list(ClientId::All, &mut text);
                told.set(is_listed(&text, pool));
                answer
            });
            expect("the text is whole", told.get().into(), 1)?;
            found
        }
        Long::GetStats => during(&|| match control.figures(StatsOf::Host) {
            Ok(figures) => figures.info().counters.ephemeral_pages.cast_signed(),
            Err(answer) => answer,
        }),
        Long::Audit => during(&|| match control.audit() {
            (0, found) => found.ephemeral_pages.cast_signed(),
            (answer, _) => answer,
        }),
        Long::RemoveObject => {
            let removed = Removed::Object { pool_id: pool, object };
            during(&|| control.restore_removal(OWN, removed))
        }
        Long::RemovePool => {
            during(&|| control.restore_removal(OWN, Removed::Pool { pool_id: pool }))
        }
        Long::SaveEnd => during(&|| control.end_save(OWN)),
    };
    if !found.in_the_middle {
        return Ok(false);
    }
    judge(long, &found)?;
    expect("LIST meanwhile", listed.get(), 0)?;
    expect("AUDIT meanwhile", audited.get(), 0)?;
    rig.get_hit(at(bystander, 1, 1), Content(1))?;
    rig.get_hit(at(bystander, 1, 2), Content(2))?;
    let (first, last) = (at(pool, 0, 0), at(pool, 0, PAGES - 1));
    match long {
        Long::Flush => rig.get_none("get when all is flushed", last, EMPTY)?,
        Long::RemoveObject => rig.get_none("get from the object", last, EMPTY)?,
        Long::RemovePool => rig.get_none("get from the pool", last, NO_DEVICE)?,
        Long::SaveEnd => {
            expect("SAVE_BEGIN before the log is freed", begun.get(), BUSY)?;
            expect("SAVE_END again", control.end_save(OWN), NOT_SAVED)?;
            rig.get_hit(last, content(PAGES - 1))?;
            rig.put(first, Content(3))?;
        }
        Long::List | Long::GetStats | Long::Audit => rig.get_hit(last, content(PAGES - 1))?,
    }
    Ok(true)
}

/// The results of the operation and of the calls in its middle.
fn judge(long: Long, found: &Interrupted) -> CaseResult {
    let [get, put, other_get, ..] = found.answers;
    expect("a put into another pool meanwhile", put, SUCCESS)?;
    expect("a get from another pool meanwhile", other_get, SUCCESS)?;
    // The get takes a page away, of a cache.
    let (wanted_get, wanted) = match long {
        Long::Flush => (NOTHING, i64::from(PAGES) * 4),
        Long::List => (SUCCESS, 0),
        Long::GetStats | Long::Audit => (SUCCESS, i64::from(PAGES)),
        Long::RemoveObject => (EMPTY, 1),
        Long::RemovePool => (NO_DEVICE, 1),
        Long::SaveEnd => (NOTHING, 0),
    };
    expect("a get of the first page meanwhile", get, wanted_get)?;
    if let Long::GetStats | Long::Audit = long {
        // With that page or without: the pool was read before the interruption or after.
        if ![wanted, wanted - 1].contains(&found.answer) {
            fail!("{}: found {} pages of {PAGES}", long.name(), found.answer);
        }
        return Ok(());
    }
    expect(long.name(), found.answer, wanted)
}

fn content(index: u32) -> Content {
    Content::of(3, u64::from(index))
}

/// Whether the text has the pool's line and its end.
fn is_listed(text: &[u8; LIST_BYTES], pool: u32) -> bool {
    let whole = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let wanted = Text::<64>::of(format_args!("P=CI:{OWN},PI:{pool},PT:EP,U0:0,U1:0,"));
    let is_it = |line: &[u8]| line.starts_with(wanted.as_str().as_bytes());
    whole.split(|&byte| byte == b'\n').any(is_it) && whole.ends_with(b"\nT=\n")
}
