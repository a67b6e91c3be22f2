//! ModernBERT (Warner et al., 2024), as Hugging Face writes it.
//!
//! Enters: a configuration, weights, packed tokens. Leaves: hidden states, pooled vectors. Not
//! here: tokenisers, the head that predicts masked words.

mod config;
mod encoder;

pub use config::{ClassifierPooling, ModernBertConfig};
pub use encoder::ModernBert;
