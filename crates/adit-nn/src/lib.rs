//! Transformers on CPU: tensors in, tensors out.
//!
//! Kernels, an explicit tape, layers, architectures, optimisers, weights. Knows no table, no file
//! format but weights, no command line.

pub mod watch;
