//! The engine's panics: our own reasoning is wrong.
//!
//! Going on with a broken index could hand one guest's page to another, so the host stops. Each
//! reason is a function of its own, so that the list of panic entries of the object that is linked
//! into Xen names reasons, each with the argument why no guest can bring it about
//! (`crates/xen-shim/panics.toml`).
#![expect(clippy::panic, reason = "the engine's panics are gathered here")]

/// A slot's number names no slot.
#[cold]
#[inline(never)]
pub(crate) fn no_such_slot() -> ! {
    panic!("tmem: a slot's number names no slot")
}

/// A chunk's number names no chunk.
#[cold]
#[inline(never)]
pub(crate) fn no_such_chunk() -> ! {
    panic!("tmem: a chunk's number names no chunk")
}

/// A page that is to be removed is not in its block.
#[cold]
#[inline(never)]
pub(crate) fn no_such_page() -> ! {
    panic!("tmem: a page is not in its block")
}

/// A slot is filled that was not prepared under the same lock.
#[cold]
#[inline(never)]
pub(crate) fn unprepared_slot() -> ! {
    panic!("tmem: a slot was not prepared")
}

/// The index's directory names a table that does not exist.
#[cold]
#[inline(never)]
pub(crate) fn no_such_table() -> ! {
    panic!("tmem: the directory names no table")
}

/// An entry is made in a table that was not prepared under the same lock.
#[cold]
#[inline(never)]
pub(crate) fn unprepared_table() -> ! {
    panic!("tmem: a table was not prepared")
}

/// A hooked page or a live object is not in the index.
#[cold]
#[inline(never)]
pub(crate) fn not_indexed() -> ! {
    panic!("tmem: a hooked record is not indexed")
}

/// One hold of a lock leaves more to free than it checked for.
#[cold]
#[inline(never)]
pub(crate) fn too_much_garbage() -> ! {
    panic!("tmem: more garbage than there is room for")
}
