//! A transformer over the columns of a table: FT-Transformer (Gorishniy et al., 2021) with
//! piecewise-linear or periodic numbers (Gorishniy et al., 2022), and a perceptron of many members
//! that share most weights (Gorishniy et al., 2025) over it or in its place.
//!
//! Enters: numbers with bins, codes of categories. Leaves: outputs per row and member, or what stands in hidden
//! cells. Not here: how bins are chosen, how categories get codes, what the outputs mean.

mod cells;
mod config;
mod encoder;
mod encoding;
mod members;
mod transformer;

pub use cells::{AskedCells, CellTransformer};
pub use config::{MemberConfig, NumberEmbedding, RowBody, RowTransformerConfig};
pub use encoding::RowBatch;
pub use transformer::RowTransformer;
