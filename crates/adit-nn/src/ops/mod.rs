//! The operations of the tape: each computes a value and knows the way back.
//!
//! All are methods of [`crate::tape::Tape`]. Shapes that do not fit are faults of the caller and
//! panic; batches that come from outside are checked before they reach an operation.

mod activations;
mod arithmetic;
mod attention;
mod columns;
mod embedding;
mod gated;
mod linear;
mod losses;
mod members;
mod norm;
mod rms_norm;
mod rotary;
mod row_tokens;
mod rows;

pub use crate::kernels::gated::Gelu;
pub use attention::{AttentionMask, AttentionSettings};
pub use rotary::RotaryAngles;
pub use row_tokens::{RowTokenVars, RowTokens};
