//! `top`: the figures on a terminal, anew every few seconds, with rates.
//!
//! [`Top`] is what is shown and what keys change of it; [`Top::draw`] paints it onto whatever
//! terminal, a tested one too; `screen` has the real one, the keys and the clock.

mod draw;
mod rows;
mod screen;
mod state;

pub use rows::{Column, Row};
pub(crate) use screen::run;
pub use state::{Flow, Key, Top};
