//! The operation as a value: what a guest asks for, after decoding.

/// Command numbers, live and retired (`TMEM_*` in Xen's `public/tmem.h` and its history).
pub mod command {
    /// The toolstack's interface until 4.5; answers -95 since 4.6.
    pub const CONTROL: u32 = 0;
    /// Creates a pool.
    pub const NEW_POOL: u32 = 1;
    /// Destroys a pool, or leaves a shared one.
    pub const DESTROY_POOL: u32 = 2;
    /// Retired in 4.4: a put of zeroes.
    pub const NEW_PAGE: u32 = 3;
    /// Stores a page.
    pub const PUT_PAGE: u32 = 4;
    /// Reads a page back.
    pub const GET_PAGE: u32 = 5;
    /// Removes one page.
    pub const FLUSH_PAGE: u32 = 6;
    /// Removes every page of an object.
    pub const FLUSH_OBJECT: u32 = 7;
    /// Retired in 4.4: a get of a part of a page.
    pub const READ: u32 = 8;
    /// Retired in 4.4: a put of a part of a page.
    pub const WRITE: u32 = 9;
    /// Retired in 4.4; never implemented.
    pub const XCHG: u32 = 10;
    /// Guest-callable authorisation of 4.0 to 4.8; answers -95 since 4.9.
    pub const AUTH: u32 = 101;
    /// Guest-callable pool restore of 4.0 to 4.8; answers -95 since 4.9.
    pub const RESTORE_NEW: u32 = 102;
}

/// A 192-bit object id, as three 64-bit words in wire order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u64; 3]);

/// A page's number inside its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageIndex(pub u32);

/// The 128-bit name of a shared pool: low word, high word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u64; 2]);

impl Uuid {
    /// The uuid that asks for a private pool in spite of the SHARED flag.
    pub const ALL_ONES: Self = Self([u64::MAX; 2]);
}

/// A page's name as the guest gives it. The pool id is unchecked: any 32-bit number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The caller's pool id, as sent; 0 to 15 can name a pool.
    pub pool_id: u32,
    /// The object's id.
    pub object: ObjectId,
    /// The page's index in the object.
    pub index: PageIndex,
}

/// Arguments of NEW_POOL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewPool {
    /// The flags word as sent; [`crate::PoolFlags::check`] judges it.
    pub flags: u32,
    /// Name of the shared pool; ignored for private ones.
    pub uuid: Uuid,
}

/// One decoded operation, owned: nothing of the guest's memory is referred to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create or join a pool.
    NewPool(NewPool),
    /// Destroy or leave a pool.
    DestroyPool {
        /// The caller's pool id, as sent.
        pool_id: u32,
    },
    /// Store the page in the guest's frame `cmfn`.
    PutPage {
        /// The page's name.
        handle: Handle,
        /// Guest frame number: machine frame for PV, guest frame otherwise.
        cmfn: u64,
    },
    /// Read a page back into the guest's frame `cmfn`.
    GetPage {
        /// The page's name.
        handle: Handle,
        /// Guest frame number: machine frame for PV, guest frame otherwise.
        cmfn: u64,
    },
    /// Remove a page.
    FlushPage {
        /// The page's name.
        handle: Handle,
    },
    /// Remove every page of an object.
    FlushObject {
        /// The caller's pool id, as sent.
        pool_id: u32,
        /// The object's id.
        object: ObjectId,
    },
}
