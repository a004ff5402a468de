//! Prints every size, offset and number of the wire, one `name value` a line, for
//! `cargo xtask check-abi`, which compares them with Xen's own header.
//!
//! What the decoder reads where is measured from the decoder itself, not repeated here: each byte
//! of a block is changed in turn, and the field that changes with it lies there.

use core::fmt::Display;
use core::mem::{offset_of, size_of};
use core::ops::Range;
use hypercall_abi::{
    CreatArm, GenArm32, GenArm64, HYPERVISOR_TMEM_OP, NewPool, OP_BYTES_32, OP_BYTES_64, Op,
    PoolFlagError, PoolFlags, Status, command, decode, decode_compat,
};

/// Bytes of the command word, which stands first.
const COMMAND_BYTES: usize = 4;

/// A word of a block, as the decoder gives it back.
type Field = fn(&Op) -> Option<u64>;

fn main() {
    numbers();
    flags();
    statuses();
    sizes("64", OP_BYTES_64, size_of::<GenArm64>());
    sizes("32", OP_BYTES_32, size_of::<GenArm32>());
    fields("64", |bytes| decode(bytes.first_chunk()?).ok(), OP_BYTES_64);
    fields("32", |bytes| decode_compat(bytes.first_chunk()?).ok(), OP_BYTES_32);
    ignored_fields();
}

fn show(name: &str, value: impl Display) {
    println!("{name} {value}");
}

fn numbers() {
    show("__HYPERVISOR_tmem_op", HYPERVISOR_TMEM_OP);
    show("TMEM_NEW_POOL", command::NEW_POOL);
    show("TMEM_DESTROY_POOL", command::DESTROY_POOL);
    show("TMEM_NEW_PAGE", command::NEW_PAGE);
    show("TMEM_PUT_PAGE", command::PUT_PAGE);
    show("TMEM_GET_PAGE", command::GET_PAGE);
    show("TMEM_FLUSH_PAGE", command::FLUSH_PAGE);
    show("TMEM_FLUSH_OBJECT", command::FLUSH_OBJECT);
    show("TMEM_READ", command::READ);
    show("TMEM_WRITE", command::WRITE);
    show("TMEM_XCHG", command::XCHG);
    show("TMEM_AUTH", command::AUTH);
    show("TMEM_RESTORE_NEW", command::RESTORE_NEW);
}

/// The bits of the flags word, each found by the objection that it raises.
fn flags() {
    let good = PoolFlags::empty().to_word();
    let bits = |raises: fn(PoolFlagError) -> bool| {
        (0..u32::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| PoolFlags::check(good ^ bit).is_err_and(raises))
            .fold(0_u32, |all, bit| all | bit)
    };
    let version = bits(|error| matches!(error, PoolFlagError::Version(_)));
    let page_size = bits(|error| matches!(error, PoolFlagError::PageSize(_)));
    show("TMEM_SPEC_VERSION", good >> version.trailing_zeros());
    show("TMEM_POOL_PERSIST", PoolFlags::PERSIST.bits());
    show("TMEM_POOL_SHARED", PoolFlags::SHARED.bits());
    show("TMEM_POOL_PRECOMPRESSED", bits(|error| error == PoolFlagError::Precompressed));
    show("TMEM_POOL_PAGESIZE_SHIFT", page_size.trailing_zeros());
    show("TMEM_POOL_PAGESIZE_MASK", page_size >> page_size.trailing_zeros());
    show("TMEM_POOL_VERSION_SHIFT", version.trailing_zeros());
    show("TMEM_POOL_VERSION_MASK", version >> version.trailing_zeros());
    show("TMEM_POOL_RESERVED_BITS", bits(|error| matches!(error, PoolFlagError::Reserved(_))));
}

/// The errno behind each negative status.
fn statuses() {
    for (name, status) in [
        ("XEN_EPERM", Status::NotPermitted),
        ("XEN_ENOMEM", Status::NoMemory),
        ("XEN_EFAULT", Status::BadAddress),
        ("XEN_ENODEV", Status::NoDevice),
        ("XEN_ENOSPC", Status::NoSpace),
        ("XEN_ENOSYS", Status::NotImplemented),
        ("XEN_EOPNOTSUPP", Status::NotSupported),
        ("EFROZEN", Status::Frozen),
        ("EEMPTY", Status::Empty),
    ] {
        show(name, -status.encode());
    }
}

fn sizes(width: &str, op: usize, generic: usize) {
    show(&format!("{width}.sizeof.tmem_op"), op);
    show(&format!("{width}.sizeof.gen"), generic);
    show(&format!("{width}.sizeof.creat"), size_of::<CreatArm>());
}

/// Offset and width of each field that the decoder reads.
fn fields(width: &str, decode: impl Fn(&[u8]) -> Option<Op>, len: usize) {
    let put: [(&str, Field); 6] = [
        ("pool_id", |op| put_of(op).map(|(handle, _)| handle.pool_id.into())),
        ("gen.oid0", |op| put_of(op).map(|(handle, _)| handle.object.0[0])),
        ("gen.oid1", |op| put_of(op).map(|(handle, _)| handle.object.0[1])),
        ("gen.oid2", |op| put_of(op).map(|(handle, _)| handle.object.0[2])),
        ("gen.index", |op| put_of(op).map(|(handle, _)| handle.index.0.into())),
        ("gen.cmfn", |op| put_of(op).map(|(_, cmfn)| cmfn)),
    ];
    let creat: [(&str, Field); 3] = [
        ("creat.uuid0", |op| new_pool_of(op).map(|new| new.uuid.0[0])),
        ("creat.uuid1", |op| new_pool_of(op).map(|new| new.uuid.0[1])),
        ("creat.flags", |op| new_pool_of(op).map(|new| new.flags.into())),
    ];
    let named = put.iter().map(|field| (command::PUT_PAGE, field));
    for (command, (name, field)) in
        named.chain(creat.iter().map(|field| (command::NEW_POOL, field)))
    {
        show_place(width, name, place(&decode, COMMAND_BYTES..len, command, *field));
    }
    // Another command is another operation: here every byte that matters is the command's.
    let is_put: Field = |op| put_of(op).map(|_| 1);
    show_place(width, "cmd", place(&decode, 0..len, command::PUT_PAGE, is_put));
}

fn show_place(width: &str, name: &str, (offset, size): (usize, usize)) {
    show(&format!("{width}.offsetof.{name}"), offset);
    show(&format!("{width}.sizeof.{name}"), size);
}

/// The first byte that a field depends on, and how many bytes it depends on.
fn place(
    decode: impl Fn(&[u8]) -> Option<Op>,
    block: Range<usize>,
    command: u32,
    field: Field,
) -> (usize, usize) {
    let value_with = |changed: Option<usize>| {
        let mut bytes = [0_u8; OP_BYTES_64];
        bytes[..COMMAND_BYTES].copy_from_slice(&command.to_le_bytes());
        if let Some(byte) = changed {
            bytes[byte] ^= 0xff;
        }
        decode(&bytes[..block.end]).as_ref().and_then(field)
    };
    let plain = value_with(None);
    let bytes: Vec<usize> = block.clone().filter(|byte| value_with(Some(*byte)) != plain).collect();
    (bytes.first().copied().unwrap_or(usize::MAX), bytes.len())
}

fn put_of(op: &Op) -> Option<(hypercall_abi::Handle, u64)> {
    match op {
        Op::PutPage { handle, cmfn } => Some((*handle, *cmfn)),
        _ => None,
    }
}

fn new_pool_of(op: &Op) -> Option<NewPool> {
    match op {
        Op::NewPool(new) => Some(*new),
        _ => None,
    }
}

/// Fields that the decoder skips: the structures alone tell where they are.
fn ignored_fields() {
    for (name, offset) in [
        (
            "64.offsetof.creat.arg1",
            OP_BYTES_64 - size_of::<GenArm64>() + offset_of!(CreatArm, arg1),
        ),
        ("64.offsetof.gen.tmem_offset", in_64(offset_of!(GenArm64, tmem_offset))),
        ("64.offsetof.gen.pfn_offset", in_64(offset_of!(GenArm64, pfn_offset))),
        ("64.offsetof.gen.len", in_64(offset_of!(GenArm64, len))),
        (
            "32.offsetof.creat.arg1",
            OP_BYTES_32 - size_of::<GenArm32>() + offset_of!(CreatArm, arg1),
        ),
        ("32.offsetof.gen.tmem_offset", in_32(offset_of!(GenArm32, tmem_offset))),
        ("32.offsetof.gen.pfn_offset", in_32(offset_of!(GenArm32, pfn_offset))),
        ("32.offsetof.gen.len", in_32(offset_of!(GenArm32, len))),
    ] {
        show(name, offset);
    }
}

/// An offset in the 64-bit block, from one in its generic arm.
const fn in_64(offset: usize) -> usize {
    OP_BYTES_64 - size_of::<GenArm64>() + offset
}

/// An offset in the 32-bit block, from one in its generic arm.
const fn in_32(offset: usize) -> usize {
    OP_BYTES_32 - size_of::<GenArm32>() + offset
}
