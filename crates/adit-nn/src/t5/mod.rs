//! T5 (Raffel et al., 2020), version 1.1 and Flan-T5, as Hugging Face writes them.
//!
//! Enters: a configuration, weights, packed tokens. Leaves: hidden states of the encoder, logits and
//! loss of the decoder, log-probabilities of given texts, generated tokens. Not here: tokenisers, sampling.

mod attention;
mod beams;
mod blocks;
mod bucket;
mod cache;
mod choices;
mod config;
mod decoder;
mod encoder;
mod generate;
mod seq2seq;

pub use config::{FeedForwardKind, T5Config};
pub use encoder::T5Encoder;
pub use generate::{EarlyStopping, Generated, GenerationSettings};
pub use seq2seq::T5;
