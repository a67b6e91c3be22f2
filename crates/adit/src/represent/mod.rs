//! Turns a dataset into features: sparse matrices, row tokens, text tokens.
pub mod embedding;
pub mod encoder;
mod error;
pub mod from_scratch;
pub mod generation;
pub mod linear_features;
pub mod masking;
pub mod molecule_tokens;
mod pair_features;
pub mod prompt;
pub mod rows;
pub mod sparse;
pub mod target_statistics;
pub mod text;
pub mod tfidf;
pub mod tree_columns;
pub use error::RepresentError;
pub use linear_features::{FeatureName, LinearFeatures, LinearFeaturesSettings};
