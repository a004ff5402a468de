//! Any bytes a guest may send: an operation or a typed error, never a panic; and what is sent is
//! what is received, for both widths of caller.
//!
//! The offsets are written out here a second time, from Xen's `public/tmem.h`, so that a wrong one
//! in the crate is noticed.

use hypercall_abi::{
    DecodeError, Handle, NewPool, OP_BYTES_32, OP_BYTES_64, ObjectId, Op, PageIndex, Uuid, decode,
    decode_compat,
};
use proptest::prelude::*;

const LIVE_COMMANDS: [u32; 6] = [1, 2, 4, 5, 6, 7];

fn u32_at(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(block[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(block: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(block[at..at + 8].try_into().expect("eight bytes"))
}

/// What the public header says that the bytes mean; `cmfn` is the part that the widths differ in.
fn expected(block: &[u8], cmfn: u64) -> Result<Op, DecodeError> {
    let (command, pool_id) = (u32_at(block, 0), u32_at(block, 4));
    let object = ObjectId([u64_at(block, 8), u64_at(block, 16), u64_at(block, 24)]);
    let handle = Handle { pool_id, object, index: PageIndex(u32_at(block, 32)) };
    match command {
        1 => {
            let uuid = Uuid([u64_at(block, 8), u64_at(block, 16)]);
            Ok(Op::NewPool(NewPool { flags: u32_at(block, 24), uuid }))
        }
        2 => Ok(Op::DestroyPool { pool_id }),
        4 => Ok(Op::PutPage { handle, cmfn }),
        5 => Ok(Op::GetPage { handle, cmfn }),
        6 => Ok(Op::FlushPage { handle }),
        7 => Ok(Op::FlushObject { pool_id, object }),
        0 | 101 | 102 => Err(DecodeError::Control(command)),
        _ => Err(DecodeError::Unknown { command, pool_id }),
    }
}

fn assert_decodes(block: &[u8; OP_BYTES_64]) {
    assert_eq!(decode(block), expected(block, u64_at(block, 48)), "{block:x?}");
    let compat: &[u8; OP_BYTES_32] = block.first_chunk().expect("the smaller block");
    let cmfn = u64::from(u32_at(block, 48));
    assert_eq!(decode_compat(compat), expected(compat, cmfn), "{compat:x?}");
}

#[test]
fn every_value_of_every_byte_means_what_the_header_says() {
    for command in LIVE_COMMANDS.into_iter().chain([0, 3, 8, 9, 10, 101, 102, u32::MAX]) {
        for background in [0x00, 0xff, 0x5a] {
            let mut base = [background; OP_BYTES_64];
            base[..4].copy_from_slice(&command.to_le_bytes());
            for at in 0..OP_BYTES_64 {
                for value in 0..=u8::MAX {
                    let mut block = base;
                    block[at] = value;
                    assert_decodes(&block);
                }
            }
        }
    }
}

#[test]
fn every_small_command_number_is_live_control_or_unknown() {
    for command in (0..=0xffff_u32).chain((0..16).map(|shift| 0x1_0000 << shift)) {
        let mut block = [0x11; OP_BYTES_64];
        block[..4].copy_from_slice(&command.to_le_bytes());
        let is_live = LIVE_COMMANDS.contains(&command);
        let is_control = [0, 101, 102].contains(&command);
        match decode(&block) {
            Ok(_) => assert!(is_live, "{command}"),
            Err(DecodeError::Control(number)) => assert!(is_control && number == command),
            Err(DecodeError::Unknown { command: number, pool_id }) => {
                assert!(!is_live && !is_control && number == command);
                assert_eq!(pool_id, 0x1111_1111);
            }
        }
    }
}

#[test]
fn p73_a_32_bit_callers_frame_number_is_zero_extended() {
    let handle = Handle::default();
    let block = Op::PutPage { handle, cmfn: 0xffff_ffff }.encode_compat().expect("it fits");
    assert_eq!(decode_compat(&block), Ok(Op::PutPage { handle, cmfn: 0xffff_ffff }));
    assert_eq!(Op::GetPage { handle, cmfn: 1 << 32 }.encode_compat(), Err(1 << 32));
}

#[test]
fn fields_that_a_command_ignores_are_sent_as_zero() {
    let ones =
        Handle { pool_id: u32::MAX, object: ObjectId([u64::MAX; 3]), index: PageIndex(u32::MAX) };
    let is_zero = |op: Op, from: usize, to: usize| {
        assert!(op.encode()[from..to].iter().all(|&byte| byte == 0), "{op:?}, {from} to {to}");
    };
    // tmem_offset, pfn_offset and len.
    is_zero(Op::PutPage { handle: ones, cmfn: u64::MAX }, 36, 48);
    is_zero(Op::GetPage { handle: ones, cmfn: u64::MAX }, 36, 48);
    is_zero(Op::FlushPage { handle: ones }, 36, 56);
    is_zero(Op::FlushObject { pool_id: u32::MAX, object: ones.object }, 32, 56);
    is_zero(Op::DestroyPool { pool_id: u32::MAX }, 8, 56);
    // pool_id and arg1.
    let new = Op::NewPool(NewPool { flags: u32::MAX, uuid: Uuid::ALL_ONES });
    is_zero(new, 4, 8);
    is_zero(new, 28, 56);
}

fn any_handle() -> impl Strategy<Value = Handle> {
    (any::<u32>(), any::<[u64; 3]>(), any::<u32>()).prop_map(|(pool_id, object, index)| Handle {
        pool_id,
        object: ObjectId(object),
        index: PageIndex(index),
    })
}

fn any_op(cmfn: impl Strategy<Value = u64> + Clone) -> impl Strategy<Value = Op> {
    let new_pool = (any::<u32>(), any::<[u64; 2]>());
    prop_oneof![
        new_pool.prop_map(|(flags, uuid)| Op::NewPool(NewPool { flags, uuid: Uuid(uuid) })),
        any::<u32>().prop_map(|pool_id| Op::DestroyPool { pool_id }),
        (any_handle(), cmfn.clone()).prop_map(|(handle, cmfn)| Op::PutPage { handle, cmfn }),
        (any_handle(), cmfn).prop_map(|(handle, cmfn)| Op::GetPage { handle, cmfn }),
        any_handle().prop_map(|handle| Op::FlushPage { handle }),
        any_handle().prop_map(|Handle { pool_id, object, .. }| Op::FlushObject { pool_id, object }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_decode_to_what_the_header_says(
        head in any::<[u8; 28]>(),
        tail in any::<[u8; 28]>(),
        command in prop_oneof![proptest::sample::select(&LIVE_COMMANDS[..]), any::<u32>()],
    ) {
        let mut block = [0; OP_BYTES_64];
        block[..28].copy_from_slice(&head);
        block[28..].copy_from_slice(&tail);
        assert_decodes(&block);
        block[..4].copy_from_slice(&command.to_le_bytes());
        assert_decodes(&block);
    }

    #[test]
    fn what_a_64_bit_guest_sends_is_received(op in any_op(any::<u64>())) {
        prop_assert_eq!(decode(&op.encode()), Ok(op));
    }

    #[test]
    fn what_a_32_bit_guest_sends_is_received(op in any_op(any::<u32>().prop_map(u64::from))) {
        let block = op.encode_compat().expect("the frame number fits");
        prop_assert_eq!(decode_compat(&block), Ok(op));
        // All but the frame number lies in the same place for both.
        prop_assert_eq!(&op.encode()[..48], &block[..48]);
    }
}
