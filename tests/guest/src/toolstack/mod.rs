//! A toolstack of few lines inside the first domain: builds child domains and makes them call.
//!
//! - [`child`](Child): builds a domain of any kind, has its vCPUs make hypercalls, destroys it.
//! - `puppet`: the program that runs in it, and the mailbox by which it is told what to call.
//! - `calls`: tmem operations of a child, with the checks that [`crate::rig`] has for this guest's.
//! - `acts`: what a child does itself between its calls, so that each answer and page is judged.
//! - `memory`: calls by which a child gets more memory.
//! - `control`, `figures`, `pools`, `save`: the control operations of tmem, as an operator's tool makes
//!   them.
//! - `window`: a child's pages, mapped here. `pvh`, `pv`, `layout`: how a child begins.
//!
//! A child is destroyed when its [`Child`] is dropped, so a case that fails leaves nothing behind.
//! Works in a 64-bit PV first domain. Must not know: what a case is about.

mod acts;
mod calls;
mod child;
mod control;
mod figures;
mod layout;
mod memory;
mod pools;
mod puppet;
mod pv;
mod pvh;
mod save;
mod window;

pub use acts::Words;
pub use child::{Call, Caller, Child, Plan};
pub use control::Control;
pub use figures::{Figures, LIST_BYTES};
pub use layout::DATA_PAGES;
pub use pools::Records;
pub use puppet::{CALLS, Mailbox, Slot};
pub use save::{SavedPage, Shelf};
pub use window::Window;
