//! The contract's rules R1 to R54 and R69 to R74 and the original's defects P1 to P82, as far as engine
//! and service answer for them: one test or more each, in a file for each theme.
//!
//! Every test runs against the model as well, and ends by destroying all domains and looking for
//! leaks; see `World`.

mod accounting;
mod ages;
mod bad_frames;
mod control;
mod data;
mod eviction;
mod fault_points;
mod faults;
mod flush;
mod hostile_ids;
mod isolation;
mod large_objects;
mod leaving;
mod lifecycle;
mod metadata;
mod nobody;
mod operator;
mod owners;
mod payers;
mod policy;
mod pools;
mod pools_at_once;
mod put_bounds;
mod races;
mod reclaim;
mod restoring;
mod saving;
mod saving_live;
mod shared;
mod sharers;
mod slices;
mod statistics;
mod threads;
mod turns;
mod weights;
