//! Calls that meet on one page.

use tmem_engine::Lifetime;
use tmem_loom::{Event, Guest, Keeping, LoomHost, Page, explains, explore, race};

const PAGE: Page = Page::new(1, 1);
const OTHER: Page = Page::new(1, 2);

#[test]
fn r4_r8_r17_r43_put_against_get_against_evict() {
    explore("put against get against evict", 2, || {
        let engine = Guest::engine(LoomHost::new(2, false));
        let guest = Guest::new(&engine, 1);
        let pool = guest.new_pool(Lifetime::Ephemeral);
        assert_eq!(guest.put(pool, PAGE, 1), Event::Put(1));
        let [putter, evicter] = [guest.clone(), guest.clone()];
        let getter = guest.clone();
        let mut events = race(vec![
            Box::new(move || vec![getter.get(pool, PAGE)]),
            Box::new(move || vec![putter.put(pool, PAGE, 2)]),
            Box::new(move || {
                let _ = evicter.put(pool, OTHER, 3);
                vec![]
            }),
        ]);
        events.extend(guest.evictions(PAGE));
        LoomHost::audit(&engine);
        let after = [guest.get(pool, PAGE), guest.get(pool, PAGE)];
        assert!(explains(Keeping::Exclusive, Some(1), &events, &after), "{events:?} {after:?}");
        assert_eq!(guest.destroy(pool), Event::Destroyed);
        LoomHost::assert_all_given_back(&engine);
    });
}
