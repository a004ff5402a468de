//! The numbers that guests know the answers by, written out a second time.

use hypercall_abi::{
    HYPERVISOR_TMEM_OP, OP_BYTES_32, OP_BYTES_64, POOLS_PER_DOMAIN_MAX, SHARED_POOLS_MAX, Status,
    command,
};

#[test]
fn every_status_has_the_number_that_guests_know() {
    let table = [
        (Status::Success, 1),
        (Status::Nothing, 0),
        (Status::NotPermitted, -1),
        (Status::NoMemory, -12),
        (Status::BadAddress, -14),
        (Status::NoDevice, -19),
        (Status::NoSpace, -28),
        (Status::NotImplemented, -38),
        (Status::NotSupported, -95),
        (Status::Frozen, -1000),
        (Status::Empty, -1001),
    ];
    for (status, number) in table {
        assert_eq!(status.encode(), number, "{status:?}");
    }
    for id in 0..16 {
        assert_eq!(Status::Pool(id).encode(), i64::from(id));
    }
}

#[test]
fn the_interfaces_numbers_are_those_of_the_public_headers() {
    assert_eq!(HYPERVISOR_TMEM_OP, 38);
    assert_eq!((OP_BYTES_64, OP_BYTES_32), (56, 52));
    assert_eq!((POOLS_PER_DOMAIN_MAX, SHARED_POOLS_MAX), (16, 16));
    let commands = [
        command::CONTROL,
        command::NEW_POOL,
        command::DESTROY_POOL,
        command::NEW_PAGE,
        command::PUT_PAGE,
        command::GET_PAGE,
        command::FLUSH_PAGE,
        command::FLUSH_OBJECT,
        command::READ,
        command::WRITE,
        command::XCHG,
    ];
    assert_eq!(commands, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!((command::AUTH, command::RESTORE_NEW), (101, 102));
}
