//! The toolstack's calls and the host's deeds: freezing, authorisation, the life of domains.

use super::judge::agree;
use super::{Step, World};
use crate::model::FREED_PER_SLICE_MAX;
use hypercall_abi::Uuid;
use tmem_host_sim::{DomainSpec, Fault, SimHost};
use tmem_service::{Clients, DomainId, Progress};

impl World {
    /// Freezes or thaws one domain; false: it is no client.
    pub fn set_frozen(&mut self, domain: u16, is_frozen: bool) -> bool {
        let known = self.service.set_frozen(Clients::One(DomainId(domain)), is_frozen).is_ok();
        self.trace.note(Step::Other(format!("d{domain} frozen: {is_frozen} -> {known}")));
        let verdict = self.model.set_frozen(DomainId(domain), is_frozen, known);
        self.require(verdict);
        known
    }

    /// Freezes or thaws all clients.
    pub fn set_all_frozen(&mut self, is_frozen: bool) {
        let done = self.service.set_frozen(Clients::All, is_frozen).is_ok();
        self.trace.note(Step::Other(format!("all frozen: {is_frozen} -> {done}")));
        self.model.set_all_frozen(is_frozen);
        self.require(agree("set_frozen of all", done, true));
    }

    /// Sets a domain's weight; false: it is no client.
    pub fn set_weight(&mut self, domain: u16, weight: u32) -> bool {
        let id = DomainId(domain);
        let known = self.service.set_weight(id, weight).is_ok();
        self.trace.note(Step::Other(format!("d{domain} weight: {weight} -> {known}")));
        let verdict = self.model.set_weight(id, weight, known);
        self.require(verdict);
        let told = self.service.weight(id);
        self.require(agree("the weight that was set", told == known.then_some(weight), true));
        known
    }

    /// Allows or forbids a domain the sharing of a pool; false: refused.
    pub fn set_auth(&mut self, domain: u16, uuid: Uuid, is_allowed: bool) -> bool {
        let refused_before = self.host().refusals();
        let done = self.service.set_auth(DomainId(domain), uuid, is_allowed).is_ok();
        self.trace.note(Step::Other(format!("d{domain} auth {uuid:?}: {is_allowed} -> {done}")));
        let refused = self.host().refusals().since(&refused_before);
        if !done && refused.of(Fault::Metadata) > 0 {
            return false;
        }
        let expected = self.model.set_auth(DomainId(domain), uuid, is_allowed);
        self.require(agree("set_auth", done, expected));
        done
    }

    /// The host wants `pages` frames back; returns how many it got.
    pub fn reclaim(&mut self, pages: u32) -> u32 {
        drop(self.host().take_evicted());
        let frames_before = self.host().nr_frames_out();
        let freed = self.service.reclaim(pages);
        let nr_given = frames_before - self.host().nr_frames_out();
        self.trace.note(Step::Other(format!("reclaim of {pages} -> {freed}")));
        assert_eq!(SimHost::nr_locks_held(), 0, "a call ended with a lock held");
        assert_eq!(nr_given, usize::try_from(freed).unwrap_or(usize::MAX), "frames given back");
        let verdict = self.model.reclaim(pages, freed, &self.service.platform().take_evicted());
        self.require(verdict);
        freed
    }

    /// A domain starts anew, to the end; returns the slices that it took.
    pub fn reset_domain(&mut self, domain: u16) -> usize {
        let mut nr_slices = 0;
        loop {
            let frames_before = self.host().nr_frames_out();
            let progress = self.service.reset_domain(DomainId(domain));
            nr_slices += 1;
            let nr_freed = frames_before.saturating_sub(self.host().nr_frames_out());
            assert!(nr_freed <= FREED_PER_SLICE_MAX, "one slice freed {nr_freed} frames");
            if progress == Progress::Done {
                break;
            }
        }
        self.trace.note(Step::Other(format!("d{domain} starts anew, in {nr_slices} slices")));
        self.model.reset_domain(DomainId(domain));
        nr_slices
    }

    /// The host begins to destroy a domain.
    pub fn kill(&mut self, domain: u16) {
        self.trace.note(Step::Other(format!("d{domain} dies")));
        self.host().kill_domain(DomainId(domain));
        self.model.kill(DomainId(domain));
    }

    /// One slice of a dying domain's destruction.
    pub fn destroy_domain_slice(&mut self, domain: u16) -> Progress {
        let frames_before = self.host().nr_frames_out();
        let progress = self.service.destroy_domain(DomainId(domain));
        self.trace.note(Step::Other(format!("d{domain} destroyed: {progress:?}")));
        let nr_freed = frames_before.saturating_sub(self.host().nr_frames_out());
        assert!(nr_freed <= FREED_PER_SLICE_MAX, "one slice freed {nr_freed} frames");
        self.model.destroy_domain(DomainId(domain), progress);
        progress
    }

    /// A domain dies and is destroyed to the end; returns the slices that it took.
    pub fn destroy_domain(&mut self, domain: u16) -> usize {
        self.kill(domain);
        let mut nr_slices = 1;
        while self.destroy_domain_slice(domain) == Progress::More {
            nr_slices += 1;
        }
        let known = self.service.set_frozen(Clients::One(DomainId(domain)), false).is_ok();
        self.require(agree("a destroyed domain's being a client", known, false));
        nr_slices
    }

    /// A new domain gets the number of one that was destroyed.
    pub fn create_domain(&mut self, spec: DomainSpec) {
        self.trace.note(Step::Other(format!("d{} is made anew", spec.id)));
        self.host().create_domain(spec);
        Self::prepare(self.host(), DomainId(spec.id));
        self.model.create_domain(DomainId(spec.id));
    }
}
