//! Checks what was found: metrics with intervals, paired tests, calibration, verdict.
mod findings;
pub use findings::*;
