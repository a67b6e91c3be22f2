//! Transformers on CPU: tensors in, tensors out.
//!
//! Enters: token ids or rows of numbers and codes, weight files. Leaves: tensors, gradients, weight
//! bytes. Not here: tables, text, tokenisers, file formats but weights, printing, clocks.
//!
//! Given the same input and seed, every result has the same bits for any number of threads.

#![deny(unsafe_code)]

pub mod bert;
pub mod error;
#[allow(unsafe_code)]
pub mod kernels;
pub mod layers;
pub mod ops;
pub mod optim;
pub mod params;
pub mod pool;
pub mod precision;
pub mod random;
pub mod row;
pub mod session;
pub mod tape;
pub mod tensor;
pub mod tokens;
pub mod watch;
pub mod weights;
pub mod workspace;

pub use bert::{Bert, BertClassifier, BertConfig};
pub use error::NnError;
pub use params::{Gradients, ParamId, Params};
pub use pool::Pooling;
pub use precision::Precision;
pub use row::{RowBatch, RowTransformer, RowTransformerConfig};
pub use session::Session;
pub use tape::{Mode, Tape, Var};
pub use tensor::Tensor;
pub use tokens::PackedTokens;
pub use weights::WeightFile;
pub use workspace::Workspace;
