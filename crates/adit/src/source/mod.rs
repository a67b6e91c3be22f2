//! Reads tables: paths in, a [`Table`] out.
//!
//! Enters: files, globs, folders or standard input. Leaves: a [`Table`] whose rows can be
//! streamed as Arrow batches, and its [`Profile`]. Not here: roles, cleaning, targets.
mod table;
pub use table::*;
