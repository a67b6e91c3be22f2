//! Transformers on CPU: tensors in, tensors out.
//!
//! Enters: token ids, rows of numbers and codes or events of such, weight files. Leaves: tensors, gradients, weight
//! bytes. Not here: tables, text, tokenisers, file formats but weights, printing, clocks.
//!
//! Given the same input and seed, every result has the same bits for any number of threads.

#![deny(unsafe_code)]

pub mod bert_like;
pub mod encoder;
pub mod error;
pub mod events;
pub mod gradients;
#[allow(unsafe_code)]
pub mod kernels;
pub mod layers;
pub mod lora;
pub mod modern_bert;
pub mod ops;
pub mod optim;
mod parameter_source;
pub mod params;
pub mod pool;
pub mod precision;
pub mod projections;
pub mod random;
pub mod row;
pub mod session;
pub mod t5;
pub mod tape;
pub mod tensor;
pub mod tokens;
mod unique_keys;
pub mod watch;
pub mod weight_files;
pub mod weights;
pub mod workspace;

pub use bert_like::{BertLike, BertLikeConfig, Family, MaskedLm};
pub use encoder::{Encoder, EncoderClassifier, EncoderConfig};
pub use error::NnError;
pub use events::{EventBatch, EventEncoder, EventEncoderConfig, EventStates};
pub use gradients::Gradients;
pub use modern_bert::{ModernBert, ModernBertConfig};
pub use params::{ParamId, Params};
pub use pool::Pooling;
pub use precision::Precision;
pub use row::{
    AskedCells, CellTransformer, MemberConfig, NumberEmbedding, RowBatch, RowBody, RowTransformer,
    RowTransformerConfig,
};
pub use session::Session;
pub use t5::{T5, T5Config, T5Encoder};
pub use tape::{Mode, Products, Tape, Var};
pub use tensor::Tensor;
pub use tokens::PackedTokens;
pub use weight_files::WeightFiles;
pub use weights::WeightFile;
pub use workspace::Workspace;
