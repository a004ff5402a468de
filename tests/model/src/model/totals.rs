//! The service's totals against the model's and the host's.

use super::Verdict;
use super::state::Model;
use tmem_host_sim::SimHost;
use tmem_service::{DomainId, Totals};

impl Model {
    /// Judges the totals of an audit.
    ///
    /// While a call is unfinished the service may still count what the call has made unreachable.
    ///
    /// # Errors
    /// A number that is wrong.
    pub fn compare(&self, totals: &Totals, host: &SimHost) -> Verdict {
        let counts = self.counts();
        let slack = if self.is_settled() { 0 } else { usize::MAX };
        within("clients", totals.clients, self.clients.len(), slack)?;
        within("pools", totals.pools, counts.pools, slack)?;
        within("shared pools", totals.shared_pools, counts.shared_pools, slack)?;
        // An object whose pages lie in several shards may count in each.
        let nr_pages = counts.ephemeral_pages + counts.persistent_pages;
        within("objects", totals.objects, counts.objects, slack.max(nr_pages - counts.objects))?;
        let nr_dead = self.graves.len();
        let (ephemeral, persistent) = (counts.ephemeral_pages, counts.persistent_pages);
        within("ephemeral pages", totals.ephemeral_pages, ephemeral, nr_dead)?;
        within("persistent pages", totals.persistent_pages, persistent, nr_dead)?;
        within("pages", totals.pages, ephemeral + persistent, nr_dead)?;
        within("frames", totals.frames, host.nr_frames_out(), 0)?;
        let nr_metadata = usize::try_from(host.nr_metadata()).unwrap_or(usize::MAX);
        within("metadata frames", totals.metadata_frames + totals.kept_frames, nr_metadata, 0)?;
        self.clients.keys().try_for_each(|&domain| self.compare_charge(domain, host))
    }

    /// A domain pays for each persistent page, and for little more.
    fn compare_charge(&self, domain: DomainId, host: &SimHost) -> Verdict {
        let nr_charged = usize::try_from(host.domain(domain).nr_charged()).unwrap_or(usize::MAX);
        let nr_pages = self.nr_persistent_of(domain);
        if nr_charged < nr_pages {
            return Err(format!("{domain:?} is charged {nr_charged} for {nr_pages} pages"));
        }
        Ok(())
    }
}

/// Judges a number that may exceed what is expected by `slack`.
fn within(what: &str, seen: impl TryInto<usize>, expected: usize, slack: usize) -> Verdict {
    let seen = seen.try_into().unwrap_or(usize::MAX);
    if (expected..=expected.saturating_add(slack)).contains(&seen) {
        return Ok(());
    }
    Err(format!("{what}: {seen}, expected {expected} (and at most {slack} more)"))
}
