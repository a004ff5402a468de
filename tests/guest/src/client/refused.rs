//! A domain in a PV shim: a Xen that is itself a guest, and has no tmem for the one domain in it,
//! whatever its command line says.

use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses};
use crate::say;
use crate::toolstack::Control;
use crate::verdict::{CaseResult, expect};
use crate::xen::foreign;
use crate::xen::multicall::multicall;
use crate::xen::tmem::{Block, send_address, send_block};
use hypercall_abi::control::CONTROL_BYTES;
use hypercall_abi::{NewPool, Op, PoolFlags, Uuid};

/// What a control operation answers: no domain in a shim is a toolstack's.
const NO_TOOLSTACK: i64 = -1;

/// Calls that Xen must refuse, round after round.
pub(super) fn run(rig: &Rig) -> CaseResult {
    say!("client: stored 0 pages");
    for round in 1_u32.. {
        let good = good_calls(rig)?;
        let others = commands(rig)?;
        let listed = in_a_list(rig)?;
        expect("an operation at an unmapped address", send_address(0), statuses::NOT_IMPLEMENTED)?;
        let controls = controls()?;
        say!(
            "client: round {round}: 0 pages right; {good} good calls, {others} of any command, \
             {listed} in a list and one without a block answered -38, {controls} control operations -1"
        );
        (0..1000).for_each(|_| foreign::rest());
    }
    Ok(())
}

/// One call; it must not be carried out.
fn refused(rig: &Rig, what: &str, block: &Block) -> CaseResult {
    rig.pages.poison_target();
    expect(what, send_block(block), statuses::NOT_IMPLEMENTED)?;
    if rig.pages.target_touched().is_some() {
        fail!("{what}: refused, and wrote into the guest's page all the same");
    }
    Ok(())
}

/// What a Xen with tmem would do, in an order in which it would do it; how many.
fn good_calls(rig: &Rig) -> CaseResult<usize> {
    let new = |flags| Op::NewPool(NewPool { flags, uuid: Uuid::default() });
    let shared = Op::NewPool(NewPool { flags: PoolFlags::SHARED.to_word(), uuid: Uuid([7, 7]) });
    let handle = at(0, 1, 1);
    rig.pages.fill_source(Content(1));
    let ops = [
        ("a new ephemeral pool", new(Kind::Ephemeral.flags())),
        ("a new persistent pool", new(Kind::Persistent.flags())),
        ("a new shared pool", shared),
        ("put", Op::PutPage { handle, cmfn: rig.pages.source_mfn() }),
        ("get", Op::GetPage { handle, cmfn: rig.pages.target_mfn() }),
        ("flush of a page", Op::FlushPage { handle }),
        ("flush of an object", Op::FlushObject { pool_id: 0, object: handle.object }),
        ("destroy", Op::DestroyPool { pool_id: 0 }),
    ];
    ops.iter().try_for_each(|(what, op)| refused(rig, what, &op.encode()))?;
    Ok(ops.len())
}

/// Every command, live, retired, control or unknown; how many.
fn commands(rig: &Rig) -> CaseResult<usize> {
    let mut count = 0;
    for command in (0_u32..=12).chain(99..=103).chain([255, u32::MAX]) {
        for pool in [0, 16, u32::MAX] {
            let get = Op::GetPage { handle: at(pool, 1, 1), cmfn: rig.pages.target_mfn() };
            let mut block = get.encode();
            let number = command.to_le_bytes();
            block.iter_mut().zip(number).for_each(|(place, byte)| *place = byte);
            refused(rig, "a command", &block)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Calls in a multicall; how many.
fn in_a_list(rig: &Rig) -> CaseResult<usize> {
    let new = Op::NewPool(NewPool { flags: Kind::Ephemeral.flags(), uuid: Uuid::default() });
    let get = Op::GetPage { handle: at(0, 1, 1), cmfn: rig.pages.target_mfn() };
    let calls = [new.encode(), get.encode()];
    let (answer, results) = multicall(&calls);
    expect("a multicall", answer, 0)?;
    for result in results.iter().take(calls.len()) {
        match result {
            Some(answer) => expect("a call in a list", *answer, statuses::NOT_IMPLEMENTED)?,
            None => fail!("a call in a list got no answer"),
        }
    }
    Ok(calls.len())
}

/// Every control operation; how many.
fn controls() -> CaseResult<usize> {
    let control = Control::new()?;
    let mut count = 0;
    for command in (0_u32..=48).chain([u32::MAX]) {
        for client in [0_u32, 1, 0xffff] {
            let mut block = [0; CONTROL_BYTES];
            let words = [command, 0, client].map(u32::to_le_bytes);
            block.iter_mut().zip(words.as_flattened()).for_each(|(place, byte)| *place = *byte);
            expect("a control operation", control.send_block(&mut block), NO_TOOLSTACK)?;
            count += 1;
        }
    }
    Ok(count)
}
