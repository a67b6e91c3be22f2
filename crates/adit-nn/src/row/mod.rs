//! A transformer over the columns of a table: FT-Transformer (Gorishniy et al., 2021) with
//! piecewise-linear numbers (Gorishniy et al., 2022).
//!
//! Enters: numbers with bins, codes of categories. Leaves: outputs per row. Not here: how bins are
//! chosen, how categories get codes, what the outputs mean.

mod config;
mod encoding;
mod transformer;

pub use config::RowTransformerConfig;
pub use encoding::RowBatch;
pub use transformer::RowTransformer;
