//! The cases: one file each, with a header that says what it checks, why, and what a broken host
//! would do.
//!
//! Rule numbers (R...) and defect numbers (P...) are those of the project's list of tmem's rules
//! and of the original's defects. A case begins without pools and with [`crate::rig::ROOM`] frames
//! of room, and need not clean up: the runner destroys every pool after it.

use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::verdict::CaseResult;

/// What must be there, or the case is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the case is about what is there.
    Nothing,
    /// A Xen that answers tmem operations.
    Tmem,
    /// That, on a machine small enough to fill.
    SmallMachine,
    /// A Xen with tmem built in and switched off.
    Off,
    /// A Xen whose security policy denies tmem to the guest.
    Denied,
}

/// One case.
pub struct Case {
    /// Its name in verdict lines, `cases.toml` and `run=`.
    pub name: &'static str,
    /// The boots in which it says something: its verdict is owed in each.
    pub boots: &'static [Boot],
    /// What it checks, in a line.
    pub about: &'static str,
    /// Its prerequisite.
    pub needs: Needs,
    /// The case itself.
    pub run: fn(&mut Rig) -> CaseResult,
}

impl Case {
    /// A case of the boots with memory to spare, for every kind of guest and of caller.
    const fn new(name: &'static str, about: &'static str, run: fn(&mut Rig) -> CaseResult) -> Self {
        let boots = &[Boot::Default, Boot::Pvh64, Boot::Pvh32];
        Self { name, boots, about, needs: Needs::Tmem, run }
    }

    /// A case of the boots with memory to spare that makes very many calls, of which none depends on
    /// the width of the caller.
    const fn bulk(
        name: &'static str,
        about: &'static str,
        run: fn(&mut Rig) -> CaseResult,
    ) -> Self {
        Self::of(&[Boot::Default, Boot::Pvh64], name, about, run)
    }

    /// A case of the boot with memory to spare that is about what only a PV guest has.
    const fn pv(name: &'static str, about: &'static str, run: fn(&mut Rig) -> CaseResult) -> Self {
        Self { name, boots: &[Boot::Default], about, needs: Needs::Tmem, run }
    }

    /// A case of these boots, all with tmem.
    const fn of(
        boots: &'static [Boot],
        name: &'static str,
        about: &'static str,
        run: fn(&mut Rig) -> CaseResult,
    ) -> Self {
        Self { name, boots, about, needs: Needs::Tmem, run }
    }

    /// A case of the boot on a small machine.
    const fn small(
        name: &'static str,
        about: &'static str,
        run: fn(&mut Rig) -> CaseResult,
    ) -> Self {
        Self { name, boots: &[Boot::Small], about, needs: Needs::SmallMachine, run }
    }

    /// A case of small machines that are full when other domains are built.
    const fn full(
        boots: &'static [Boot],
        name: &'static str,
        about: &'static str,
        run: fn(&mut Rig) -> CaseResult,
    ) -> Self {
        Self { name, boots, about, needs: Needs::SmallMachine, run }
    }

    /// A case with other domains, of some of the boots that are for them.
    const fn with_domains(
        boots: &'static [Boot],
        name: &'static str,
        about: &'static str,
        run: fn(&mut Rig) -> CaseResult,
    ) -> Self {
        Self::of(boots, name, about, run)
    }
}

/// Declares the modules and lists their `CASE`s in the same order; then those of modules in folders,
/// which declare their modules themselves.
macro_rules! cases {
    ($($module:ident),* $(,)? $(; $folder:ident: $($inner:ident),* $(,)?)*) => {
        $(mod $module;)*
        $(mod $folder;)*

        /// Every case, in the order in which they run.
        pub const CASES: &[Case] = &[$($module::CASE,)* $($($folder::$inner::CASE,)*)*];
    };
}

cases![
    tmem_present,
    new_pool_flags,
    new_pool_junk,
    pool_ids,
    destroy_pool,
    shared_unauthorised,
    put_get_data,
    put_copies,
    addressing,
    sparse_indexes,
    empty_pool,
    get_get,
    exclusive_get,
    persistent_get,
    ephemeral_kept,
    duplicate_put,
    duplicate_put_bad_frame,
    put_bad_frame,
    get_bad_frame,
    page_table_frame,
    descriptor_frame,
    readable_frame,
    foreign_frame,
    frames_hidden,
    released_frame,
    flush_page,
    flush_object,
    bad_pool_ids,
    retired_commands,
    control_commands,
    control_block,
    control_interrupted,
    ignored_fields,
    op_pointer,
    op_at_page_end,
    limit_no_room,
    limit_fill,
    limit_balloon,
    limit_duplicate,
    limit_no_leak,
    big_destroy,
    big_flush_object,
    interrupted_destroy,
    interrupted_flush,
    abandoned_calls,
    multicall,
    protected_mode,
    storm,
    hostile_calls,
    hostile_storm,
    hostile_storm_pvh,
    evict_oldest_first,
    evict_across_pools,
    evict_put_age,
    evict_shared_hit,
    evict_one_object,
    evict_not_persistent,
    evict_for_persistent,
    evict_duplicate,
    reclaim_balloon,
    reclaim_claim,
    storm_full,
    off_commands,
    off_control,
    label_denied,
    demo,
    price,
    stretch;
    domains:
    every_caller,
    caller_pv32,
    isolation,
    domid_reuse,
    birth_and_death,
    killed_in_destroy,
    zombie,
    multicall_domains,
    multicall_pv32,
    save_restore,
    save_cancelled,
    restore_pools,
    restore_rights,
    scrub,
    soft_reset,
    shared_join,
    shared_leave,
    shared_twice,
    shared_limit,
    frozen,
    weights,
    flush_freeable,
    control_refused,
    control_dying,
    control_figures,
    control_buffers,
    control_ids,
    frame_types,
    granted_frame,
    log_dirty,
    log_dirty_pv,
    death_anywhen,
    death_anywhen_long,
    limit_race,
    limit_race_32,
    vcpu_races,
    vcpu_races_32,
    restart_elsewhere,
    restart_elsewhere_32,
    races_pv32,
    claim_refused;
    memory:
    full_build,
    full_claim,
    full_orders,
    full_vcpus,
    full_low,
    full_nodes,
    processors,
    full_deaths,
    full_deaths_long,
    full_high,
    full_on_demand,
];

mod hostile;
mod model;
mod script;

#[cfg(test)]
mod tests;
