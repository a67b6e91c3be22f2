//! The doorway to all text encoders: a configuration, a model, a classifier, whatever the family.
//!
//! Enters: a directory's `config.json`, weights, packed tokens. Leaves: hidden states, pooled vectors,
//! logits. Not here: how a family computes (see [`crate::bert_like`],
//! [`crate::modern_bert`], [`crate::t5`]).

mod activation;
mod classifier;
mod config;
mod fields;
mod model;

pub use activation::Activation;
pub use classifier::EncoderClassifier;
pub use config::EncoderConfig;
pub use model::Encoder;

pub(crate) use fields::{Fields, unsupported};
