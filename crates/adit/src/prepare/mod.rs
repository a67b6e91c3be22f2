//! Turns a table into a dataset: roles, cleaning, encoding, splits.
mod dataset;
mod role;
pub use dataset::*;
pub use role::*;
