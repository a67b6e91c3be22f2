//! The line of BERT: BERT, RoBERTa and XLM-R, DistilBERT, ALBERT, ELECTRA, MPNet, as Hugging Face
//! writes them.
//!
//! Enters: a configuration, weights, packed tokens. Leaves: hidden states, pooled vectors. One model
//! computes them all; what differs between the families is data ([`Family`]). Not here: tokenisers,
//! decoders.

mod config;
mod family;
mod layer;
mod masked;
mod model;
mod positions;

pub use config::BertLikeConfig;
pub use family::Family;
pub use masked::MaskedLm;
pub use model::BertLike;
