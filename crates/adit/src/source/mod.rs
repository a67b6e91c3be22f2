//! Reads tables: paths in, a [`Table`] out.
//!
//! Enters: files, globs, folders or standard input. Leaves: a [`Table`] whose rows can be
//! streamed as Arrow batches, and its [`Profile`]. Not here: roles, cleaning, targets.
//!
//! Text files are read twice. The first pass finds the encoding, the dialect and the type of
//! every column from all of its cells, and keeps bad rows aside; the second streams typed batches
//! through the engine. Parquet and Arrow files bring their types along.

mod baskets;
mod build;
mod cell;
mod columnar;
mod convert;
mod dialect;
mod encoding;
mod error;
mod infer;
mod input;
mod inputs;
mod json;
mod profile;
mod profiler;
mod record;
mod rows;
mod sequences;
mod settings;
mod sketch;
mod table;
mod text;

pub use baskets::{BasketLines, looks_like_baskets, read_basket_bytes, read_baskets};
pub use cell::MISSING_TOKENS;
pub use error::SourceError;
pub use profile::{ColumnProfile, Profile};
pub use sequences::{
    EachSequence, SequenceForm, looks_like_spmf, read_sequence_bytes, read_sequences,
};
pub use settings::{BadRowLimit, Format, SourceSettings};
pub use table::*;

#[cfg(test)]
mod tests;
