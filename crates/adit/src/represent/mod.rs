//! Turns a dataset into features: sparse matrices, row tokens, text tokens.
pub mod sparse;
