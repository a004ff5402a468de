//! The judge: whether what calls that ran at once were answered could have come about by the same
//! calls one after the other (R17, and with it R4 to R9, R15, R22, R35 and R36), page by page.

use crate::guest::Page;

/// What a call did, as its caller was told; or what the host was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A put succeeded.
    Put(u64),
    /// A put failed.
    PutFailed,
    /// A put found a page, which is gone, and put nothing there (R64).
    Replaced,
    /// A put found nothing and put nothing there (R64).
    Refused,
    /// A get delivered this.
    Hit(u64),
    /// A get found nothing.
    Miss,
    /// A get found the page, but the guest's frame was bad.
    BadFrame,
    /// A flush of the page or of its object was done.
    Flushed,
    /// The page was evicted.
    Evicted,
    /// The domain made the pool or joined it.
    Created {
        /// Whether a hit removes the page (R8), and a bad frame may (R15). Else it stays (R9, R10).
        is_exclusive: bool,
    },
    /// The domain destroyed the pool, or left it to others.
    Destroyed,
    /// The domain has no such pool.
    NoPool,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// One page.
    Page(Page),
    /// An object, by its number.
    Object(u64),
    /// The pool.
    Pool,
}

impl About {
    fn concerns(self, page: Page) -> bool {
        match self {
            Self::Page(own) => own == page,
            Self::Object(own) => own == page.object,
            Self::Pool => true,
        }
    }
}

/// An event, what it is about, and the domain whose call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The domain.
    pub by: u16,
    /// The page, the object or the pool.
    pub about: About,
    /// What happened.
    pub event: Event,
}

/// What a pool is and holds before the race.
#[derive(Clone, Debug)]
pub struct Before {
    /// As in [`Event::Created`].
    pub is_exclusive: bool,
    /// The domains that are in the pool.
    pub members: Vec<u16>,
    /// The pages: name, value, and who used it last.
    pub pages: Vec<(Page, u64, u16)>,
}

/// A pool's members, and what it holds under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truth {
    is_exclusive: bool,
    /// A bit for each domain.
    members: u64,
    /// Value and last user.
    page: Option<(u64, u16)>,
}

/// Checks that `threads`, each a sequence of calls, and `after`, which came after all of them, have
/// for each page an order in which every answer is right.
///
/// # Panics
/// If there is none.
pub fn judge(before: &Before, threads: &[Vec<Told>], after: &[Told]) {
    let all = || threads.iter().flatten().chain(after);
    let mut pages: Vec<Page> = before.pages.iter().map(|&(page, ..)| page).collect();
    pages.extend(all().filter_map(|told| match told.about {
        About::Page(page) => Some(page),
        _ => None,
    }));
    for page in pages {
        let of_page = |told: &&Told| told.about.concerns(page);
        let only = |told: &[Told]| told.iter().filter(of_page).copied().collect::<Vec<_>>();
        let threads: Vec<_> = threads.iter().map(|thread| only(thread)).collect();
        let found = before.pages.iter().find(|&&(name, ..)| name == page);
        let truth = Truth {
            is_exclusive: before.is_exclusive,
            members: before.members.iter().fold(0, |all, &domain| all | 1 << domain),
            page: found.map(|&(_, value, user)| (value, user)),
        };
        let slices: Vec<_> = threads.iter().map(Vec::as_slice).collect();
        assert!(
            is_explained(truth, &slices, &only(after)),
            "no order of these calls explains their answers on {page:?}, where {truth:?}: \
             {threads:#?} and after them {:#?}",
            only(after)
        );
    }
}

fn is_explained(truth: Truth, threads: &[&[Told]], after: &[Told]) -> bool {
    let mut is_over = true;
    for (at, thread) in threads.iter().enumerate() {
        let Some((&told, rest)) = thread.split_first() else { continue };
        is_over = false;
        let mut others = threads.to_vec();
        others[at] = rest;
        if truth.after(told).into_iter().any(|next| is_explained(next, &others, after)) {
            return true;
        }
    }
    is_over && (after.is_empty() || is_explained(truth, &[after], &[]))
}

impl Truth {
    /// What may be true after this; nothing, if it can't have happened.
    fn after(self, Told { by, event, .. }: Told) -> Vec<Self> {
        let holds = |page| Self { page, ..self };
        let is_member = self.members & 1 << by != 0;
        if let Event::Created { is_exclusive } = event {
            return vec![Self { members: self.members | 1 << by, is_exclusive, ..self }];
        }
        if !is_member {
            // Two CPUs that destroy one pool are both told that it is destroyed.
            return if matches!(event, Event::NoPool | Event::Destroyed) {
                vec![self]
            } else {
                vec![]
            };
        }
        match (event, self.page) {
            (Event::Put(value), _) => vec![holds(Some((value, by)))],
            (Event::PutFailed | Event::Flushed, _) => vec![holds(None)],
            (Event::Miss | Event::Refused, None) => vec![self],
            (Event::Evicted | Event::Replaced, Some(_)) => vec![holds(None)],
            (Event::Hit(value), Some((stored, user))) if value == stored => {
                if self.is_exclusive {
                    vec![holds(None)]
                } else {
                    // A hit that overlaps another's leaving may count for R36 or not.
                    vec![holds(Some((stored, by))), holds(Some((stored, user)))]
                }
            }
            (Event::BadFrame, Some(_)) if self.is_exclusive => vec![self, holds(None)],
            (Event::BadFrame, Some(_)) => vec![self],
            (Event::Destroyed, page) => {
                let members = self.members & !(1 << by);
                let stays = page.filter(|&(_, user)| members != 0 && user != by);
                vec![Self { members, ..holds(stays) }]
            }
            _ => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event::*;
    use super::*;

    const PAGE: Page = Page::new(1, 1);
    const ANEW: Event = Created { is_exclusive: true };

    fn told(by: u16, events: &[Event]) -> Vec<Told> {
        let about = |event| match event {
            Created { .. } | Destroyed => About::Pool,
            _ => About::Page(PAGE),
        };
        events.iter().map(|&event| Told { by, about: about(event), event }).collect()
    }

    /// Whether the calls of domain 1's CPUs have an explanation in a private pool.
    fn has(is_exclusive: bool, threads: &[&[Event]], after: &[Event]) -> bool {
        let threads: Vec<_> = threads.iter().map(|events| told(1, events)).collect();
        let before = Before { is_exclusive, members: vec![1], pages: vec![(PAGE, 1, 1)] };
        std::panic::catch_unwind(|| judge(&before, &threads, &told(1, after))).is_ok()
    }

    #[test]
    fn what_breaks_a_rule_has_no_explanation() {
        assert!(has(true, &[&[Hit(1)], &[Put(2)]], &[Hit(2), Miss]));
        assert!(has(true, &[&[Hit(2)], &[Put(2)]], &[Miss]));
        assert!(!has(true, &[&[Hit(1)], &[Hit(1)]], &[Miss]), "R8: delivered twice");
        assert!(!has(true, &[&[Put(2)]], &[Hit(1)]), "R4: stale");
        assert!(!has(true, &[&[PutFailed]], &[Hit(1)]), "R5: stale");
        assert!(!has(true, &[&[BadFrame], &[Miss]], &[Hit(1)]), "R6: back again");
        assert!(has(true, &[&[BadFrame], &[Miss]], &[Miss]));
        assert!(!has(true, &[&[Flushed]], &[Hit(1)]), "R7: flushed");
        assert!(!has(false, &[&[Hit(1)]], &[Miss]), "R9: gone");
        assert!(!has(true, &[&[Miss]], &[]), "R12: lost and not evicted");
        assert!(has(true, &[&[Miss], &[Evicted]], &[]));
        assert!(!has(false, &[&[Hit(1), Hit(2), Hit(1)], &[Put(2)]], &[]), "R17: back in time");
        assert!(has(true, &[&[Destroyed, ANEW], &[Hit(1), NoPool]], &[Miss]));
        assert!(!has(true, &[&[Destroyed, ANEW]], &[Hit(1)]), "P2: a page of the old pool");
        assert!(has(false, &[&[Replaced, Refused]], &[Miss]));
        assert!(!has(false, &[&[Refused]], &[Hit(1)]), "R64: there was a page");
        assert!(!has(false, &[&[Replaced]], &[Hit(1)]), "R64: stale");
        assert!(!has(false, &[&[Replaced], &[Replaced]], &[Miss]), "R64: there was one page");
    }

    #[test]
    fn who_leaves_takes_along_what_it_used_last() {
        let before = Before { is_exclusive: false, members: vec![1, 2], pages: vec![(PAGE, 1, 1)] };
        let has = |threads: &[Vec<Told>], after: &[Event]| {
            std::panic::catch_unwind(|| judge(&before, threads, &told(2, after))).is_ok()
        };
        assert!(has(&[told(1, &[Destroyed])], &[Miss]));
        assert!(!has(&[told(1, &[Destroyed])], &[Hit(1)]), "R36: the leaver's");
        assert!(
            !has(&[told(1, &[Destroyed]), told(2, &[Put(2)])], &[Miss]),
            "R37: not the leaver's"
        );
        assert!(has(&[told(1, &[Destroyed]), told(2, &[Put(2)])], &[Hit(2)]));
    }
}
