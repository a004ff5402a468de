//! One step of a script: four bytes, and the names in them.
//!
//! A fixed length keeps the steps that follow what they were when the fuzzer changes a byte.

use crate::bytes::pick;
use crate::host::DOMAINS;
use hypercall_abi::{Handle, ObjectId, PageIndex, Uuid};
use tmem_model_tests::{BAD_GFN, OBJECTS, READ_ONLY_GFN, flags};

/// What is done, by whom on which pool, to which object, and one byte more.
pub(crate) struct Step {
    pub(crate) what: u8,
    /// Two bits for the domain, four for the pool id, one that makes it one out of range.
    who: u8,
    pub(crate) object: u8,
    pub(crate) arg: u8,
}

impl From<[u8; 4]> for Step {
    fn from([what, who, object, arg]: [u8; 4]) -> Self {
        Self { what, who, object, arg }
    }
}

/// Pool ids that name no pool of anybody's.
const BAD_POOLS: [u32; 4] = [16, 17, 1 << 31, u32::MAX];

/// Indexes at which something might change.
const INDEXES: [u32; 16] = [
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    511,
    512,
    4095,
    4096,
    65535,
    65536,
    1 << 24,
    1 << 31,
    u32::MAX,
];

impl Step {
    pub(crate) fn domain(&self) -> u16 {
        1 + u16::from(self.who) % DOMAINS
    }

    pub(crate) fn pool_id(&self) -> u32 {
        let slot = self.who >> 2 & 15;
        if self.who & 0x40 != 0 { pick(slot, BAD_POOLS) } else { u32::from(slot) }
    }

    /// One of the special objects, or one of many with small numbers.
    pub(crate) fn object(&self) -> ObjectId {
        match OBJECTS.get(usize::from(self.object)) {
            Some(&object) => object,
            None => ObjectId([u64::from(self.object), 0, 0]),
        }
    }

    /// A small index, or one of the special ones; in a shared pool below `nr_shared`, if given.
    pub(crate) fn handle(&self, nr_shared: Option<u32>) -> Handle {
        let index = match (nr_shared, self.arg) {
            (Some(nr), arg) => u32::from(arg) % nr,
            (None, arg @ 240..) => pick(arg, INDEXES),
            (None, arg) => u32::from(arg),
        };
        Handle { pool_id: self.pool_id(), object: self.object(), index: PageIndex(index) }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        match self.arg % 8 {
            0..4 => Uuid([u64::from(self.arg), 0]),
            4..6 => Uuid([1, u64::from(self.arg)]),
            6 => Uuid([0, 0]),
            _ => Uuid::ALL_ONES,
        }
    }

    /// A flags word: one of the three good kinds, or one with a bit that should not be there.
    pub(crate) fn flags(&self) -> u32 {
        let good = pick(self.object, [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED]);
        let bit = u32::from(self.object >> 3);
        if self.object & 4 != 0 && self.object & 0x80 != 0 { good ^ 1 << bit } else { good }
    }

    /// A frame that cannot be used, or only read.
    pub(crate) fn odd_gfn(&self) -> u64 {
        pick(self.arg, [BAD_GFN, READ_ONLY_GFN, 16, 1 << 32, u64::MAX])
    }
}
