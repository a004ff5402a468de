//! What goes through a stream, from a domain ([`save_to`]) and into one ([`Restorer`]). Where the stream is,
//! a file, a pipe or a migration's, is nothing to it.

mod restorer;
mod saver;

pub(crate) use restorer::Restorer;
pub(crate) use saver::{Way, save_to};
