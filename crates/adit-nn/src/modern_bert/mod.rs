//! ModernBERT (Warner et al., 2024), as Hugging Face writes it.
//!
//! Enters: a configuration, weights, packed tokens. Leaves: hidden states, logits. Not here:
//! tokenisers, the head that predicts masked words.

mod classifier;
mod config;
mod encoder;

pub use classifier::{ModernBertClassifier, ModernBertHead};
pub use config::{ClassifierPooling, ModernBertConfig};
pub use encoder::ModernBert;
