//! The arithmetic, and the only place for `unsafe`.
//!
//! Every reduction has a fixed order and every partition a fixed size, so results do not depend on
//! the number of threads. Not here: gradients (see [`crate::ops`]), shapes beyond plain lengths.

pub mod ahead;
pub mod attention;
pub mod bits;
pub mod bytes;
pub mod elementwise;
pub mod embedding;
#[cfg(test)]
mod extremes;
pub mod finish;
pub mod gated;
pub mod loss;
pub mod maths;
pub mod matmul;
pub mod memory;
pub mod norm;
pub mod parallel;
pub mod peak;
pub mod prepared;
pub mod rms_norm;
pub mod rotary;
pub mod scratch;
pub mod simd;
