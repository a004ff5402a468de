//! Making and destroying pools, the flags word, ids out of range, retired commands: R22 to R25.

use hypercall_abi::{NewPool, OP_BYTES_64, Op, Uuid};
use tmem_host_sim::Content;
use tmem_model_tests::{World, answer, at, check, flags};
use tmem_service::{DomainId, Outcome};

#[test]
fn r22_destroy_frees_the_id_and_a_pool_made_there_is_empty() {
    check(
        "d1 destroy 0         -> 0
         d1 new ephemeral     -> 0
         d1 put 0 1 1 A       -> 1
         d1 destroy 0         -> 1
         d1 destroy 0         -> 0
         d1 get 0 1 1         -> -19
         d1 new ephemeral     -> 0
         d1 get 0 1 1         -> -1001
         d1 destroy 16        -> 0",
    );
}

#[test]
fn r23_a_new_pool_gets_the_lowest_free_id_and_the_17th_is_refused() {
    let mut world = World::roomy();
    for id in 0..16 {
        assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), id);
    }
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), answer::NOT_PERMITTED);
    assert_eq!(world.destroy(1, 5), 1);
    assert_eq!(world.destroy(1, 3), 1);
    assert_eq!(world.new_pool(1, flags::PERSISTENT, 0), 3);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 5);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), answer::NOT_PERMITTED);
    assert_eq!(world.new_pool(2, flags::EPHEMERAL, 0), 0, "another domain has ids of its own");
}

#[test]
fn r24_each_bad_flags_word_is_refused_and_bit_3_is_ignored() {
    let mut world = World::roomy();
    let one_bit = (0..32).map(|bit| flags::EPHEMERAL ^ (1 << bit));
    let versions = (0..=255).map(|version| version << 24);
    let mixed = [flags::PERSISTENT | 2, flags::PERSISTENT | 8, flags::SHARED | 8, 0, u32::MAX];
    for word in one_bit.chain(versions).chain(mixed) {
        // The model knows which words are good.
        let id = world.new_pool(1, word, 0);
        let is_good = matches!(word, 0x0100_0000..=0x0100_0002 | 0x0100_0008..=0x0100_000a);
        assert_eq!(id, if is_good { 0 } else { answer::NOT_PERMITTED }, "flags {word:#x}");
        if id >= 0 {
            assert_eq!(world.destroy(1, 0), 1);
        }
    }
}

#[test]
fn r33_shared_and_persistent_is_refused() {
    check(
        "d1 allow 7                  -> ok
         d1 new flags 0x01000003     -> -1
         d1 new flags 0x0100000b     -> -1
         d1 new persistent           -> 0",
    );
}

#[test]
fn p74_the_old_interface_version_is_refused() {
    check(
        "d1 new flags 0x00000000     -> -1
         d1 new flags 0x00000001     -> -1
         d1 new flags 0x02000000     -> -1
         d1 new flags 0xff000000     -> -1",
    );
}

#[test]
fn p43_destroy_of_ids_out_of_range_finds_no_pool() {
    check(
        "d1 new ephemeral            -> 0
         d1 put 0 1 1 A              -> 1
         d1 destroy 16               -> 0
         d1 destroy 32               -> 0
         d1 destroy 0x80000000       -> 0
         d1 destroy 0xffffffff       -> 0
         d1 destroy 0x10000          -> 0
         d1 get 0 1 1                -> 1 A",
    );
}

#[test]
fn p44_negative_pool_ids_are_out_of_range_everywhere() {
    check(
        "d1 new ephemeral            -> 0
         d1 put -1 1 1 A             -> -19
         d1 get -2147483648 1 1      -> -19
         d1 flush -16 1 1            -> -19
         d1 flush-object -1 1        -> -19
         d1 destroy -1               -> 0
         d1 destroy -2147483648      -> 0
         d1 command 99 -1            -> -19",
    );
}

#[test]
fn p28_retired_commands_are_not_implemented_if_the_pool_exists() {
    let mut script = String::from("d1 new persistent -> 0\n d1 put 0 1 1 A -> 1\n");
    for command in [3, 8, 9, 10, 11, 77, 99, 100, 103, u32::MAX] {
        script += &format!("d1 command {command} 0 -> -38\n d1 command {command} 1 -> -19\n");
    }
    script += "d1 get 0 1 1 -> 1 A";
    check(&script);
}

#[test]
fn p41_p67_p68_control_commands_are_refused_and_change_nothing() {
    check(
        "d1 command 0 0              -> -95
         d1 command 101 0            -> -95
         d1 command 102 0            -> -95
         d1 freeze                   -> refused   # no client came of it
         d1 new ephemeral            -> 0
         d1 command 0 0              -> -95
         d1 command 101 0            -> -95
         d1 command 102 5            -> -95
         d1 new shared 7             -> 1
         d1 put 1 1 1 A              -> 1
         d2 new shared 7             -> 0
         d2 get 0 1 1                -> -1001     # no authorisation came of it
         d1 put 5 1 1 A              -> -19",
    );
}

#[test]
fn p81_what_a_command_ignores_may_hold_anything() {
    let mut world = World::roomy();
    let args = NewPool { flags: flags::EPHEMERAL, uuid: Uuid::ALL_ONES };
    let mut block = [0xff; OP_BYTES_64];
    let clean = Op::NewPool(args).encode();
    // Command, and the uuid and the flags; not the pool id and not arg1.
    for range in [0..4, 8..28] {
        block[range.clone()].copy_from_slice(&clean[range]);
    }
    let outcome = world.service().op(DomainId(1), &block);
    assert!(matches!(outcome, Outcome::Done(status) if status.encode() == 0), "{outcome:?}");
    assert_eq!(world.guest(1).destroy(0), 1);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 0);
}

#[test]
fn p40_offsets_and_lengths_of_all_ones_are_ignored() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    let domain = world.host().domain(DomainId(1));
    domain.fill(0, Content::Unique(1));
    for op in [
        Op::PutPage { handle: at(0, 1, 1), cmfn: 0 },
        Op::GetPage { handle: at(0, 1, 1), cmfn: 1 },
        Op::FlushPage { handle: at(0, 1, 1) },
    ] {
        let mut block = op.encode();
        block[36..48].fill(0xff);
        let outcome = world.service().op(DomainId(1), &block);
        assert!(matches!(outcome, Outcome::Done(status) if status.encode() == 1), "{op:?}");
    }
    assert_eq!(domain.content(1), Some(Content::Unique(1)));
}
