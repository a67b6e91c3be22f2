//! BERT (Devlin et al., 2019), as Hugging Face writes it.
//!
//! Enters: a configuration, weights, packed tokens. Leaves: hidden states, pooled vectors, logits.
//! Not here: tokenisers, other architectures (they are refused by name).

mod classifier;
mod config;
mod encoder;

pub use classifier::BertClassifier;
pub use config::BertConfig;
pub use encoder::Bert;
