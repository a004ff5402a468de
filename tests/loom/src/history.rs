//! The judge: whether what the threads' calls on one page answered could have come about by the same
//! calls one after the other (R17, and with it R4 to R7 and R15).

/// What a call on a page did, as its caller was told; or what the host was told of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A put succeeded.
    Put(u64),
    /// A put failed.
    PutFailed,
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
    /// The pool was made.
    Created,
    /// The pool was destroyed.
    Destroyed,
    /// There was no pool.
    NoPool,
}

/// Whether a get leaves the page where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// A hit removes it (R8), and a bad frame may (R15).
    Exclusive,
    /// It stays (R9, R10).
    Kept,
}

/// The page's pool and what it holds under the page's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truth {
    has_pool: bool,
    page: Option<u64>,
}

/// Whether `after`, whose calls came after all others, and the calls of each of `threads` have an
/// order in which each answer is right. Before them the pool is there and holds `before`.
pub fn explains(
    keeping: Keeping,
    before: Option<u64>,
    threads: &[Vec<Event>],
    after: &[Event],
) -> bool {
    let threads: Vec<&[Event]> = threads.iter().map(Vec::as_slice).collect();
    search(keeping, Truth { has_pool: true, page: before }, &threads, after)
}

fn search(keeping: Keeping, truth: Truth, threads: &[&[Event]], after: &[Event]) -> bool {
    let mut is_last = true;
    for (at, thread) in threads.iter().enumerate() {
        let Some((&event, rest)) = thread.split_first() else { continue };
        is_last = false;
        let mut others = threads.to_vec();
        others[at] = rest;
        let nexts = truth.after(event, keeping);
        if nexts.into_iter().flatten().any(|next| search(keeping, next, &others, after)) {
            return true;
        }
    }
    match (is_last, after.is_empty()) {
        (true, true) => true,
        (true, false) => search(keeping, truth, &[after], &[]),
        (false, _) => false,
    }
}

impl Truth {
    /// What may be true after `event`; nothing, if it can't have happened.
    fn after(self, event: Event, keeping: Keeping) -> [Option<Self>; 2] {
        let one = |page| [Some(Self { page, ..self }), None];
        let none = [None, None];
        if !self.has_pool {
            return match event {
                Event::NoPool => one(None),
                Event::Created => [Some(Self { has_pool: true, page: None }), None],
                _ => none,
            };
        }
        match (event, self.page, keeping) {
            (Event::Put(value), ..) => one(Some(value)),
            (Event::PutFailed | Event::Flushed, ..) | (Event::Miss, None, _) => one(None),
            (Event::Hit(value), Some(page), _) if value != page => none,
            (Event::Hit(_), Some(_), Keeping::Exclusive) | (Event::Evicted, Some(_), _) => one(None),
            (Event::Hit(_) | Event::BadFrame, page @ Some(_), Keeping::Kept) => one(page),
            (Event::BadFrame, Some(_), Keeping::Exclusive) => {
                [Some(self), Some(Self { page: None, ..self })]
            }
            (Event::Destroyed, ..) => [Some(Self { has_pool: false, page: None }), None],
            _ => none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event::*;
    use super::*;

    #[test]
    fn what_breaks_a_rule_has_no_explanation() {
        let exclusive = |threads: &[Vec<Event>], after: &[Event]| {
            explains(Keeping::Exclusive, Some(1), threads, after)
        };
        assert!(exclusive(&[vec![Hit(1)], vec![Put(2)]], &[Hit(2), Miss]));
        assert!(exclusive(&[vec![Hit(2)], vec![Put(2)]], &[Miss]));
        assert!(!exclusive(&[vec![Hit(1)], vec![Hit(1)]], &[Miss]), "R8: delivered twice");
        assert!(!exclusive(&[vec![Put(2)]], &[Hit(1)]), "R4: stale");
        assert!(!exclusive(&[vec![PutFailed]], &[Hit(1)]), "R5: stale");
        assert!(!exclusive(&[vec![BadFrame], vec![Miss]], &[Hit(1)]), "R6: back again");
        assert!(exclusive(&[vec![BadFrame], vec![Miss]], &[Miss]));
        assert!(!exclusive(&[vec![Flushed]], &[Hit(1)]), "R7: flushed");
        assert!(!exclusive(&[vec![Miss]], &[]), "R11: lost");
        assert!(exclusive(&[vec![Miss], vec![Evicted]], &[]));
        assert!(!explains(Keeping::Kept, Some(1), &[vec![Hit(1), Hit(2)], vec![Put(2)]], &[Miss]));
        let again = [vec![Destroyed, Created], vec![Hit(1), NoPool]];
        assert!(exclusive(&again, &[Miss]));
        assert!(!exclusive(&again, &[Hit(1)]), "P2: an old page in a new pool");
    }
}
