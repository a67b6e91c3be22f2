//! The configuration of a row transformer.

use serde::{Deserialize, Serialize};

use crate::error::NnError;

/// The columns and sizes of a row transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTransformerConfig {
    /// How many numbers a row has.
    pub n_numbers: usize,
    /// The edges of the bins of each number, rising; `n_numbers` lists of at least two.
    pub bins: Vec<Vec<f32>>,
    /// How many codes each category column has (the unknown bucket counted).
    pub cardinalities: Vec<u32>,
    /// The width of a token.
    pub d_token: usize,
    /// How many blocks.
    pub n_layers: usize,
    /// How many heads per block.
    pub n_heads: usize,
    /// The width of the feed-forward part.
    pub ffn_hidden: usize,
    /// The dropout of attention weights.
    pub attention_dropout: f32,
    /// The dropout inside the feed-forward part.
    pub ffn_dropout: f32,
    /// The dropout of what a block adds.
    #[serde(default)]
    pub residual_dropout: f32,
    /// Whether a ReLU follows the linear map of the numbers.
    #[serde(default)]
    pub number_relu: bool,
    /// How many outputs per row.
    pub n_outputs: usize,
}

impl RowTransformerConfig {
    /// How many bins all numbers have together.
    pub fn n_bins(&self) -> usize {
        self.bins
            .iter()
            .map(|edges| edges.len().saturating_sub(1))
            .sum()
    }

    /// Tokens per row.
    pub fn n_tokens(&self) -> usize {
        1 + self.n_numbers + self.cardinalities.len()
    }

    /// Checks that the columns and sizes fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field or the column.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        if self.bins.len() != self.n_numbers {
            return refuse(format!(
                "bins has {} lists for {} numbers",
                self.bins.len(),
                self.n_numbers
            ));
        }
        for (number, edges) in self.bins.iter().enumerate() {
            if edges.len() < 2
                || edges.iter().any(|e| !e.is_finite())
                || edges.windows(2).any(|w| w[0] >= w[1])
            {
                return refuse(format!(
                    "bins of number {number} are not at least two finite, rising edges"
                ));
            }
        }
        if let Some(column) = self.cardinalities.iter().position(|&n| n == 0) {
            return refuse(format!("category {column} has no codes"));
        }
        for (field, value) in [
            ("d_token", self.d_token),
            ("n_heads", self.n_heads),
            ("ffn_hidden", self.ffn_hidden),
            ("n_outputs", self.n_outputs),
        ] {
            if value == 0 || value > 1 << 16 {
                return refuse(format!("{field} is {value}, not between 1 and 65536"));
            }
        }
        if !self.d_token.is_multiple_of(self.n_heads) {
            return refuse(format!(
                "d_token {} is not a multiple of n_heads {}",
                self.d_token, self.n_heads
            ));
        }
        for (field, rate) in [
            ("attention_dropout", self.attention_dropout),
            ("ffn_dropout", self.ffn_dropout),
            ("residual_dropout", self.residual_dropout),
        ] {
            if !(0.0..1.0).contains(&rate) {
                return refuse(format!("{field} is {rate}, not in [0, 1)"));
            }
        }
        Ok(())
    }
}
