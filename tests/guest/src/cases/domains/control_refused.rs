//! **Checks** that a domain without privilege gets none of the control operations (P41, P67, P68): as a
//! sysctl they answer -1 (-13 with FLASK), as commands of its own hypercall -95, and nothing changes.
//!
//! **Why:** the original let any guest freeze, authorise and read others.
//!
//! **A broken host** looks at the operation before it looks at the caller.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::NOT_SUPPORTED,
};
use crate::toolstack::{Call, Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::flask::sysctl_refusal;
use crate::{fail, give_up};
use hypercall_abi::control::{
    self, CONTROL_BYTES, ClientFlags, ClientId, ControlOp, HYPERVISOR_SYSCTL, POOL_INFO_BYTES,
    PoolInfo, Removed, SaveOp, StatsOf,
};
use hypercall_abi::{Op, PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "control-refused",
    "a domain without privilege is refused every control operation",
    run,
);

const UUID: Uuid = Uuid([3, 5]);
/// Xen's answer: the domain is not being saved.
const NOT_SAVED: i64 = -2;

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in [Caller::Pvh64, Caller::Pv64] {
        let child = Child::build(Plan::new(caller, 100))?;
        let victim = Child::build(Plan::new(Caller::Pvh32, 100))?;
        let pool = victim.new_pool(Kind::Ephemeral)?;
        victim.put(at(pool, 1, 1), Content(1))?;
        by_sysctl(&child, &victim)?;
        by_hypercall(&child, &victim)?;

        let Ok(info) = control.client_info(victim.domid()) else {
            give_up!("the victim's settings can't be read");
        };
        if info.flags.contains(ClientFlags::FROZEN) || info.weight != 0 || info.nr_pools != 1 {
            fail!("refused operations changed another domain: {info:?}");
        }
        expect("SAVE_END", control.end_save(victim.domid()), NOT_SAVED)?;
        expect("NEW_POOL", victim.try_new_pool(PoolFlags::SHARED.to_word(), UUID)?, 1)?;
        expect("NEW_POOL", child.try_new_pool(PoolFlags::SHARED.to_word(), UUID)?, 0)?;
        victim.put(at(1, 1, 1), Content(2))?;
        expect("get from a pool that is not shared", child.try_get(at(0, 1, 1))?, -1001)?;
        victim.get_hit(at(pool, 1, 1), Content(1))?;
        child.destroy()?;
        victim.destroy()?;
    }
    Ok(())
}

fn by_sysctl(child: &Child, victim: &Child) -> CaseResult {
    let refusal = sysctl_refusal();
    let (list, records) = (5, 6);
    let record = PoolInfo { flags: PoolInfo::AUTHORISE, uuid: UUID, ..PoolInfo::default() };
    let record = record.encode();
    child.open(records)?.write(0, &record);
    let (who, buffer) = (ClientId::One(victim.domid()), child.address(records));
    let len = u32::try_from(POOL_INFO_BYTES).unwrap_or_default();
    let handle = at(0, 1, 1);
    let ops = [
        ControlOp::SetFrozen { who, frozen: true },
        ControlOp::SetFrozen { who: ClientId::All, frozen: true },
        ControlOp::Flush { kib: 4, freed_pages: 0 },
        ControlOp::GetClientInfo { who, buffer },
        ControlOp::SetClientInfo { who, buffer },
        ControlOp::QueryFreeable,
        ControlOp::SetAuth { who, len, buffer },
        ControlOp::SetAuth { who: ClientId::One(child.domid()), len, buffer },
        ControlOp::List { who: ClientId::All, long: true, len, buffer },
        ControlOp::GetPools { who, len, buffer },
        ControlOp::SetPools { who, len, buffer },
        ControlOp::GetStats { of: StatsOf::Host, len, buffer },
        ControlOp::Audit { len, buffer },
        ControlOp::SetMeasuring { on: true },
        ControlOp::GetAuth { who, len, buffer },
        ControlOp::Save(SaveOp::Begin { who, live: false }),
        ControlOp::Save(SaveOp::Begin { who, live: true }),
        ControlOp::Save(SaveOp::NextPage { who, pool_id: 0, cursor: 0, len: 8192, buffer }),
        ControlOp::Save(SaveOp::NextRemoved { who, cursor: 0, len, buffer }),
        ControlOp::Save(SaveOp::End { who }),
        ControlOp::Save(SaveOp::RestoreBegin { who: ClientId::One(child.domid()) }),
        ControlOp::Save(SaveOp::RestorePut { who, handle, len: 4096, buffer }),
        ControlOp::Save(SaveOp::RestoreRemove { who, removed: Removed::Page(handle) }),
        ControlOp::Save(SaveOp::RestoreRemove { who, removed: Removed::Pool { pool_id: 0 } }),
    ];
    for op in ops {
        let request = control::sysctl(child.release().sysctl, &op);
        child.open(list)?.write(0, &request);
        child.run(0, &[Call::raw(HYPERVISOR_SYSCTL, [child.address(list), 0, 0, 0, 0])])?;
        let answer = child.answer(0, 0)?;
        if answer != refusal {
            fail!("a domain's {op:?}: answered {answer}, not {refusal}");
        }
        // Nothing was written.
        if !child.open(list)?.begins_with(&request) || !child.open(records)?.begins_with(&record) {
            fail!("a domain's {op:?} was refused and wrote all the same");
        }
    }
    // Whatever the number.
    for number in (0..=u32::from(u8::MAX)).chain([1 << 16, u32::MAX]) {
        let mut op = [0; CONTROL_BYTES];
        put_word(&mut op, 0, number);
        put_word(&mut op, 8, victim.domid().into());
        let request = control::sysctl_block(child.release().sysctl, &op);
        child.open(list)?.write(0, &request);
        child.run(0, &[Call::raw(HYPERVISOR_SYSCTL, [child.address(list), 0, 0, 0, 0])])?;
        expect("an operation of any number", child.answer(0, 0)?, refusal)?;
    }
    Ok(())
}

/// CONTROL, AUTH and RESTORE_NEW, as guests could send them once, with the victim's id in `arg1`.
fn by_hypercall(child: &Child, victim: &Child) -> CaseResult {
    let flags = PoolFlags::SHARED.to_word();
    for command in [0, 101, 102] {
        let op = Op::NewPool(hypercall_abi::NewPool { flags, uuid: UUID });
        let mut call = child.tmem_call(&op)?;
        if let Some(block) = &mut call.block {
            put_word(block, 0, command);
            put_word(block, 28, u32::from(victim.domid()));
        }
        child.run(0, &[call])?;
        expect("a control command of a domain", child.answer(0, 0)?, NOT_SUPPORTED)?;
    }
    Ok(())
}

fn put_word(block: &mut [u8], offset: usize, word: u32) {
    for (place, byte) in block.iter_mut().skip(offset).zip(word.to_le_bytes()) {
        *place = byte;
    }
}
