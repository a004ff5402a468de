//! Entry functions for fuzzing: bytes in, a panic if the service does what the contract forbids.
//!
//! Any bytes are a valid script, so nothing is thrown away. [`stream`] drives the reader of a saved
//! domain's tmem; each other entry drives the whole service on a simulated host through [`tmem_model_tests::World`], which judges every answer by the reference
//! model, and checks the books at the end. The same bytes always make the same calls.
//!
//! Must not know: libFuzzer (the binaries in `targets/` do), how the engine does it.
#![forbid(unsafe_code)]

mod bytes;
mod control;
mod decode;
mod domains;
mod host;
mod meetings;
mod names;
mod service;
mod step;
mod stream;

pub use control::control;
pub use decode::decode;
pub use meetings::meetings;
pub use service::service;
pub use stream::stream;

/// An entry function.
pub type Entry = fn(&[u8]);

/// Every target: its name, which is also its corpus folder's, and its entry function.
pub const TARGETS: [(&str, Entry); 5] = [
    ("control", control),
    ("decode", decode),
    ("meetings", meetings),
    ("service", service),
    ("stream", stream),
];
