//! Flushing a page and an object: R7, R20, R21, R25.

use tmem_host_sim::Content;
use tmem_model_tests::{World, at, check, flags};

#[test]
fn r7_nothing_flushed_is_ever_got() {
    for kind in ["ephemeral", "persistent"] {
        check(&format!(
            "d1 new {kind}          -> 0
             d1 put 0 1 1 A         -> 1
             d1 put 0 1 2 B         -> 1
             d1 put 0 2 1 C         -> 1
             d1 flush 0 1 1         -> 1
             d1 get 0 1 1           -> 0
             d1 flush-object 0 1    -> 1
             d1 get 0 1 2           -> 0
             d1 destroy 0           -> 1
             d1 get 0 2 1           -> -19
             d1 new {kind}          -> 0
             d1 get 0 2 1           -> -1001"
        ));
    }
}

#[test]
fn r20_flushes_answer_1_whether_or_not_something_was_there() {
    check(
        "d1 new ephemeral       -> 0
         d1 flush 0 1 1         -> 1
         d1 flush-object 0 1    -> 1
         d1 put 0 1 1 A         -> 1
         d1 flush 0 1 1         -> 1
         d1 flush 0 1 1         -> 1
         d1 put 0 1 1 A         -> 1
         d1 flush-object 0 1    -> 1
         d1 flush-object 0 1    -> 1
         d1 get 0 1 1           -> -1001",
    );
}

#[test]
fn r21_flushes_of_a_frozen_client_act_and_say_frozen() {
    check(
        "d1 new ephemeral       -> 0
         d1 put 0 1 1 A         -> 1
         d1 put 0 2 1 B         -> 1
         d1 put 0 3 1 C         -> 1
         d1 freeze              -> ok
         d1 flush 0 1 1         -> -1000
         d1 flush-object 0 2    -> -1000
         d1 flush 0 9 9         -> -1000
         d1 flush-object 0 9    -> -1000
         d1 get 0 1 1           -> 0
         d1 get 0 2 1           -> 0
         d1 thaw                -> ok
         d1 flush 0 3 1         -> 1
         d1 get 0 3 1           -> -1001",
    );
}

#[test]
fn r25_flushes_and_data_calls_on_no_pool_answer_no_device() {
    let mut script = String::from("d1 new ephemeral -> 0\n");
    for pool in ["1", "15", "16", "17", "-1", "0x80000000", "0x7fffffff", "0x10000"] {
        script += &format!(
            "d1 put {pool} 1 1 A        -> -19
             d1 get {pool} 1 1          -> -19
             d1 flush {pool} 1 1        -> -19
             d1 flush-object {pool} 1   -> -19\n"
        );
    }
    check(&script);
}

#[test]
fn flushing_a_page_leaves_its_neighbours() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..40 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    for index in (0..40).step_by(2) {
        assert_eq!(world.flush(1, at(0, 1, index)), 1);
    }
    for index in 0..40 {
        let expected = if index % 2 == 0 { (0, None) } else { (1, Some(Content::Unique(index))) };
        assert_eq!(world.get(1, at(0, 1, index)), expected);
    }
    assert_eq!(world.audit().pages, 20);
}

#[test]
fn flushing_an_object_leaves_the_others() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    for object in 0..10 {
        for index in 0..10 {
            world.put(1, at(0, object, index), Content::Unique(index));
        }
    }
    assert_eq!(world.flush_object(1, 0, 4), 1);
    assert_eq!(world.audit().pages, 90);
    assert_eq!(world.get(1, at(0, 4, 3)), (0, None));
    assert_eq!(world.get(1, at(0, 5, 3)), (1, Some(Content::Unique(3))));
}
