//! The operations and records of saving and restoring: there and back, and where their fields lie.

use hypercall_abi::control::{
    CONTROL_BYTES, ClientId, ControlOp, ControlStatus, HANDLE_BYTES, Removed, SAVED_PAGE_BYTES,
    SYSCTL_BYTES, SaveOp, decode_handle, encode_handle, subcommand, sysctl, sysctl_op,
};
use hypercall_abi::{Handle, ObjectId, PageIndex};

const WHO: ClientId = ClientId::One(7);
const HANDLE: Handle = Handle {
    pool_id: 15,
    object: ObjectId([0x0102_0304_0506_0708, u64::MAX, 1 << 63]),
    index: PageIndex(0xfffe_0001),
};

fn ops() -> [SaveOp; 10] {
    let (object, pool_id) = (HANDLE.object, 15);
    [
        SaveOp::Begin { who: WHO, live: false },
        SaveOp::Begin { who: ClientId::All, live: true },
        SaveOp::NextPage { who: WHO, pool_id: 3, cursor: u64::MAX, len: 4128, buffer: 0x7000 },
        SaveOp::NextRemoved { who: WHO, cursor: 1 << 32, len: 32, buffer: u64::MAX },
        SaveOp::End { who: WHO },
        SaveOp::RestoreBegin { who: WHO },
        SaveOp::RestorePut { who: WHO, handle: HANDLE, len: 4096, buffer: 1 },
        SaveOp::RestoreRemove { who: WHO, removed: Removed::Page(HANDLE) },
        SaveOp::RestoreRemove { who: WHO, removed: Removed::Object { pool_id, object } },
        SaveOp::RestoreRemove { who: WHO, removed: Removed::Pool { pool_id } },
    ]
}

#[test]
fn p75_p46_every_operation_survives_the_way_there_and_back() {
    for op in ops() {
        assert_eq!(ControlOp::decode(&op.encode()), Ok(ControlOp::Save(op)));
        assert_eq!(ControlOp::Save(op).encode(), op.encode());
        let whole = sysctl(0x15, &ControlOp::Save(op));
        assert_eq!(whole.len(), SYSCTL_BYTES);
        assert_eq!(sysctl_op(&whole), op.encode());
    }
}

#[test]
fn r58_fields_lie_where_sysctl_h_has_them() {
    let numbers = ops().map(|op| u32::from_le_bytes(op.encode()[..4].try_into().expect("4 bytes")));
    assert_eq!(numbers, [10, 10, 19, 20, 21, 30, 32, 33, 33, 33]);
    let put = ops()[6].encode();
    assert_eq!(put[4..8], 15_u32.to_le_bytes());
    assert_eq!(put[8..12], 7_u32.to_le_bytes());
    assert_eq!(put[12..16], 4096_u32.to_le_bytes());
    assert_eq!(put[16..20], 0xfffe_0001_u32.to_le_bytes());
    assert_eq!(put[24..32], 0x0102_0304_0506_0708_u64.to_le_bytes());
    assert_eq!(put[48..56], 1_u64.to_le_bytes());
    assert_eq!(ops()[1].encode()[16..20], 1_u32.to_le_bytes(), "live");
    assert_eq!(ops()[2].encode()[24..32], u64::MAX.to_le_bytes(), "the cursor");
}

#[test]
fn p44_records_of_names_lie_as_tmem_handle_and_marks_are_no_pool_ids() {
    assert_eq!((HANDLE_BYTES, SAVED_PAGE_BYTES), (32, 4128));
    let bytes = encode_handle(&HANDLE);
    assert_eq!(bytes[..4], 15_u32.to_le_bytes());
    assert_eq!(bytes[4..8], 0xfffe_0001_u32.to_le_bytes());
    assert_eq!(bytes[8..16], 0x0102_0304_0506_0708_u64.to_le_bytes());
    assert_eq!(bytes[24..], (1_u64 << 63).to_le_bytes());
    assert_eq!(decode_handle(&bytes), HANDLE);
    let (pool_id, object) = (2, HANDLE.object);
    for removed in
        [Removed::Page(HANDLE), Removed::Object { pool_id, object }, Removed::Pool { pool_id }]
    {
        assert_eq!(Removed::decode(&removed.encode()), removed);
    }
    // Numbers that are no pool's stay what they are.
    for pool_id in [16, 0xffff, 1 << 31, u32::MAX] {
        let handle = Handle { pool_id, ..HANDLE };
        assert_eq!(Removed::decode(&encode_handle(&handle)), Removed::Page(handle));
    }
}

#[test]
fn p23_a_client_number_that_is_none_is_nobody() {
    let answer = |command: u32| {
        let mut bytes = [0; CONTROL_BYTES];
        bytes[..4].copy_from_slice(&command.to_le_bytes());
        bytes[8..12].copy_from_slice(&0x1_0007_u32.to_le_bytes());
        ControlOp::decode(&bytes)
    };
    for command in [
        subcommand::SAVE_BEGIN,
        subcommand::SAVE_GET_NEXT_PAGE,
        subcommand::SAVE_GET_NEXT_INV,
        subcommand::SAVE_END,
    ] {
        assert_eq!(answer(command), Err(ControlStatus::NoEntry));
    }
    assert_eq!(answer(subcommand::RESTORE_BEGIN), Err(ControlStatus::Invalid));
    for command in [subcommand::RESTORE_PUT_PAGE, subcommand::RESTORE_FLUSH_PAGE] {
        assert_eq!(answer(command), Err(ControlStatus::NotPermitted));
    }
}

#[test]
fn r58_statuses_have_xen_s_numbers() {
    let numbers = [
        (ControlStatus::Busy, -16),
        (ControlStatus::Exists, -17),
        (ControlStatus::NoSpace, -28),
        (ControlStatus::Frozen, -1000),
    ];
    for (status, number) in numbers {
        assert_eq!(status.encode(), number);
    }
}
