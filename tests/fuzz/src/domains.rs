//! The lives of the domains: alive, dying in slices, gone, made anew.

use crate::host::{DOMAINS, spec};
use tmem_model_tests::World;
use tmem_service::{DomainId, Progress};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Alive,
    Dying,
    Gone,
}

/// How far each domain is.
pub(crate) struct Domains([Life; DOMAINS as usize]);

impl Domains {
    pub(crate) const fn new() -> Self {
        Self([Life::Alive; DOMAINS as usize])
    }

    /// The next step of `domain`'s life; true if it was made anew by it.
    ///
    /// What a dying sharer's pools show to others between two slices is not laid down, so one that
    /// shares a pool dies at once.
    pub(crate) fn advance(&mut self, world: &mut World, domain: u16, arg: u8) -> bool {
        let life = &mut self.0[usize::from(domain - 1)];
        match *life {
            Life::Alive if world.model().is_sharer(DomainId(domain)) => {
                world.destroy_domain(domain);
                *life = Life::Gone;
            }
            Life::Alive => {
                world.kill(domain);
                *life = Life::Dying;
            }
            Life::Dying => {
                if world.destroy_domain_slice(domain) == Progress::Done {
                    *life = Life::Gone;
                }
            }
            Life::Gone => {
                world.create_domain(spec(domain, arg));
                *life = Life::Alive;
                return true;
            }
        }
        false
    }
}
