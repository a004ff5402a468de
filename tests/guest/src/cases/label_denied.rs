//! **Checks** P33: where the security policy denies tmem to the domain's label, every command
//! answers -1, whatever its arguments, even at a bad address; and it has no effect: no pool comes
//! or goes, no page is stored, read, replaced or flushed. So do the toolstack's operations, by the
//! policy's own -13, although the domain is otherwise privileged: none freezes it, or is carried out.
//!
//! **Why:** a refusal is a right that was not granted, so nothing may be done before it is asked
//! for. What was not done shows once the policy is no longer enforced.
//!
//! **A broken host** reads the operation first and answers -14, passes the security module's own
//! error on, makes a client or a pool on the way, or asks for some commands only.

use super::{Boot, Case, Needs};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::NOT_PERMITTED, statuses::SUCCESS};
use crate::toolstack::Control;
use crate::verdict::{CaseResult, expect};
use crate::xen::flask::set_enforcing;
use crate::xen::tmem::{send_address, send_block};
use hypercall_abi::control::CONTROL_BYTES;
use hypercall_abi::{NewPool, Op, POOLS_PER_DOMAIN_MAX, Uuid};

pub(super) const CASE: Case = Case {
    name: "label-denied",
    boots: &[Boot::Denied],
    about: "a domain whose label is denied tmem gets -1, and nothing happens",
    needs: Needs::Denied,
    run,
};

/// The first domain, this one.
const OWN: u16 = 0;
/// The policy's answer to a toolstack.
const ACCESS: i64 = -13;

fn run(rig: &mut Rig) -> CaseResult {
    let kept = Content::of(rig.seed, 1);
    let page = at(0, 7, 3);

    every_command_is_refused(rig)?;
    for kind in Kind::BOTH {
        // More than a domain may have, had one of them been made.
        for _ in 0..=POOLS_PER_DOMAIN_MAX {
            let answer = rig.try_new_pool(kind.flags(), Uuid::default());
            expect("NEW_POOL under denial", answer, NOT_PERMITTED)?;
        }
    }

    expect("leaving enforcement", set_enforcing(false), 0)?;
    let pool = rig.new_pool(Kind::Persistent)?;
    if pool != page.pool_id {
        fail!("the first pool has the id {pool}: a refused NEW_POOL took one");
    }
    rig.put(page, kept)?;

    expect("enforcing again", set_enforcing(true), 0)?;
    every_command_is_refused(rig)?;
    let control = Control::new()?;
    every_operation_is_refused(control)?;
    let replacement = rig.try_put(page, Content::of(rig.seed, 2));
    expect("put under denial", replacement, NOT_PERMITTED)?;
    let other = rig.try_put(at(pool, 8, 4), Content::of(rig.seed, 3));
    expect("put of a new page under denial", other, NOT_PERMITTED)?;
    rig.get_none("get under denial", page, NOT_PERMITTED)?;
    expect("FLUSH_PAGE under denial", rig.flush_page(page), NOT_PERMITTED)?;
    expect("FLUSH_OBJECT under denial", rig.flush_object(page), NOT_PERMITTED)?;
    expect("DESTROY_POOL under denial", rig.destroy_pool(pool), NOT_PERMITTED)?;

    // It stays off: the runner cleans up by calls of its own.
    expect("leaving enforcement", set_enforcing(false), 0)?;
    rig.get_hit(page, kept)?;
    match control.client_info(OWN) {
        Ok(info) if info.flags.is_empty() && info.nr_pools == 1 => {}
        other => fail!("refused operations changed the domain: {other:?}"),
    }
    expect("get of a page whose put was refused", rig.try_get(at(pool, 8, 4))?, 0)?;
    expect("DESTROY_POOL", rig.destroy_pool(pool), SUCCESS)
}

/// The toolstack's operations, by all numbers, on this domain, on all, and on nobody.
fn every_operation_is_refused(control: Control) -> CaseResult {
    for number in (0..=48).chain([255, u32::MAX]) {
        for who in [u32::from(OWN), 0xffff, 0x7fef] {
            let mut block = [0; CONTROL_BYTES];
            let words = [number, 0, who].map(u32::to_le_bytes);
            block.iter_mut().zip(words.as_flattened()).for_each(|(place, byte)| *place = *byte);
            let answer = control.send_block(&mut block);
            if answer != ACCESS {
                fail!("operation {number} on {who:#x}: answered {answer}, not -13");
            }
        }
    }
    Ok(())
}

/// Good, retired, control and unknown commands, on pools that may be and that can't, and at an
/// address where there is no operation.
fn every_command_is_refused(rig: &Rig) -> CaseResult {
    rig.pages.poison_target();
    for command in (0..=12).chain(99..=103).chain([255, u32::MAX]) {
        for pool in [0, 16, u32::MAX] {
            let get = Op::GetPage { handle: at(pool, 7, 3), cmfn: rig.pages.target_mfn() };
            let new = Op::NewPool(NewPool { flags: Kind::Persistent.flags(), uuid: Uuid::default() });
            for op in [get, new] {
                let mut block = op.encode();
                let number = command.to_le_bytes();
                block.iter_mut().zip(number).for_each(|(place, byte)| *place = byte);
                let answer = send_block(&block);
                if answer != NOT_PERMITTED {
                    fail!("command {command} on pool {pool:#x}: answered {answer}, not -1");
                }
            }
        }
    }
    if rig.pages.target_touched().is_some() {
        fail!("a refused operation wrote into the guest's page");
    }
    expect("operation at an unmapped address", send_address(0), NOT_PERMITTED)
}
