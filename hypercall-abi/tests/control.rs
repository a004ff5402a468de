//! The control interface's bytes: layouts, boundaries of each field, and the way there and back.

use hypercall_abi::Uuid;
use hypercall_abi::control::{
    CONTROL_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp, ControlStatus, PoolInfo,
    SYSCTL_BYTES, subcommand, sysctl,
};

fn block(command: u32, cli_id: u32) -> [u8; CONTROL_BYTES] {
    let mut bytes = [0; CONTROL_BYTES];
    bytes[..4].copy_from_slice(&command.to_le_bytes());
    bytes[8..12].copy_from_slice(&cli_id.to_le_bytes());
    bytes
}

#[test]
fn p75_every_operation_survives_the_way_there_and_back() {
    let who = ClientId::One(7);
    for op in [
        ControlOp::SetFrozen { who, frozen: true },
        ControlOp::SetFrozen { who: ClientId::All, frozen: false },
        ControlOp::Flush { kib: 4096, freed_pages: 12 },
        ControlOp::GetClientInfo { who, buffer: 0x1234_5678_9abc },
        ControlOp::SetClientInfo { who: ClientId::All, buffer: u64::MAX },
        ControlOp::QueryFreeable,
        ControlOp::SetAuth { who, len: 32, buffer: 0x1000 },
    ] {
        assert_eq!(ControlOp::decode(&op.encode()), Ok(op));
    }
}

#[test]
fn fields_lie_where_sysctl_h_has_them() {
    let op = ControlOp::SetAuth { who: ClientId::One(0x0102), len: 0x20, buffer: 0x1122_3344 };
    let bytes = op.encode();
    assert_eq!(bytes[0..4], 11_u32.to_le_bytes());
    assert_eq!(bytes[8..12], 0x0102_u32.to_le_bytes());
    assert_eq!(bytes[12..16], 0x20_u32.to_le_bytes());
    assert_eq!(bytes[48..56], 0x1122_3344_u64.to_le_bytes());
    let flush = ControlOp::Flush { kib: 77, freed_pages: 5 }.encode();
    assert_eq!(flush[16..20], 77_u32.to_le_bytes());
    assert_eq!(flush[24..32], 5_u64.to_le_bytes());

    let whole = sysctl(0x15, &op);
    assert_eq!(whole.len(), SYSCTL_BYTES);
    assert_eq!(whole[0..8], [24, 0, 0, 0, 0x15, 0, 0, 0]);
    assert_eq!(whole[8..64], bytes);
    assert!(whole[64..].iter().all(|&byte| byte == 0));
}

#[test]
fn p23_a_client_number_is_never_cut_to_16_bits() {
    let frozen = |cli_id| ControlOp::decode(&block(subcommand::FREEZE, cli_id));
    let whom = |who| Ok(ControlOp::SetFrozen { who, frozen: true });
    assert_eq!(frozen(1), whom(ClientId::One(1)));
    assert_eq!(frozen(0xfffe), whom(ClientId::One(0xfffe)));
    assert_eq!(frozen(0xffff), whom(ClientId::All));
    assert_eq!(frozen(u32::MAX), whom(ClientId::All));
    for other in [0x1_0001, 0x1_ffff, u32::MAX - 1] {
        assert_eq!(frozen(other), Err(ControlStatus::NotPermitted), "{other:#x}");
    }
    let status = |command| ControlOp::decode(&block(command, 0x1_0001));
    assert_eq!(status(subcommand::SET_CLIENT_INFO), Err(ControlStatus::NoEntry));
    assert_eq!(status(subcommand::GET_CLIENT_INFO), Err(ControlStatus::Invalid));
    assert_eq!(status(subcommand::SET_AUTH), Err(ControlStatus::Invalid));
}

#[test]
fn r58_padding_and_unknown_operations_are_refused() {
    let mut padded = block(subcommand::QUERY_FREEABLE_MB, 0);
    padded[20] = 1;
    assert_eq!(ControlOp::decode(&padded), Err(ControlStatus::Invalid));
    for command in [4, 7, 12, 18, 22, 29, 31, 34, u32::MAX] {
        let answer = ControlOp::decode(&block(command, 0xffff));
        assert_eq!(answer, Err(ControlStatus::NotPermitted), "{command}");
    }
    // FLUSH is for all clients together.
    let one = ControlOp::decode(&block(subcommand::FLUSH, 1));
    assert_eq!(one, Err(ControlStatus::NotPermitted));
}

#[test]
fn p80_destroy_which_never_destroyed_anything_is_refused() {
    assert_eq!(ControlOp::decode(&block(3, 1)), Err(ControlStatus::NotPermitted));
}

#[test]
fn records_survive_the_way_there_and_back() {
    let client = ClientInfo {
        version: ClientInfo::VERSION,
        maxpools: 16,
        nr_pools: 3,
        flags: ClientFlags::FROZEN | ClientFlags::MIGRATING,
        weight: 0x8000_0001,
    };
    let bytes = client.encode();
    assert_eq!(ClientInfo::decode(&bytes), client);
    assert_eq!(bytes[12..20], [5, 0, 0, 0, 1, 0, 0, 0x80]);

    let pool = PoolInfo { flags: PoolInfo::AUTHORISE, id: 9, n_pages: 1 << 40, uuid: Uuid([1, 2]) };
    let bytes = pool.encode();
    assert_eq!(PoolInfo::decode(&bytes), pool);
    assert_eq!(bytes[0..8], [4, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(bytes[16..24], 1_u64.to_le_bytes());
    assert_eq!(bytes[24..32], 2_u64.to_le_bytes());
}

#[test]
fn statuses_have_xen_s_numbers() {
    let numbers = [
        (ControlStatus::Done(0), 0),
        (ControlStatus::Done(u32::MAX), 0xffff_ffff),
        (ControlStatus::NotPermitted, -1),
        (ControlStatus::NoEntry, -2),
        (ControlStatus::TooBig, -7),
        (ControlStatus::NoMemory, -12),
        (ControlStatus::BadAddress, -14),
        (ControlStatus::NoDevice, -19),
        (ControlStatus::Invalid, -22),
        (ControlStatus::OutOfRange, -34),
        (ControlStatus::NotSupported, -95),
    ];
    for (status, number) in numbers {
        assert_eq!(status.encode(), number);
    }
}
