//! Rows as column tokens: bin edges for numbers, codes for categories.
//!
//! Numbers are split at training quantiles for the piecewise-linear encoding of Gorishniy et al.
//! 2022, "On Embeddings for Numerical Features in Tabular Deep Learning", section 3.2.1.

use adit_nn::{MemberConfig, NumberEmbedding, RowBatch, RowBody, RowTransformerConfig};
use serde::{Deserialize, Serialize};

use crate::prepare::Dataset;

/// Most bins that a number is split into.
const MAX_BINS: usize = 24;
/// A bin holds at least this many training rows, so that small tables get coarse bins.
const MIN_ROWS_PER_BIN: usize = 8;

/// What the row transformer needs to know of the columns, fitted on training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowFeatures {
    /// Increasing edges of each number's bins, at least two. `[n_numbers][n_bins + 1]`
    edges: Vec<Vec<f32>>,
    /// Number of codes of each category. `[n_categories]`
    cardinalities: Vec<u32>,
}

/// Sizes of a row transformer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTransformerShape {
    pub d_token: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub ffn_hidden: usize,
    pub attention_dropout: f32,
    pub ffn_dropout: f32,
    /// What a number's token is made of.
    #[serde(default)]
    pub numbers: NumberEmbedding,
    /// What reads the tokens.
    #[serde(default)]
    pub body: RowBody,
    /// Members that share most weights and whose answers are averaged.
    #[serde(default)]
    pub members: Option<MemberConfig>,
}

impl RowFeatures {
    /// Finds bin edges on the given training rows.
    pub fn fit(dataset: &Dataset, train: &[usize]) -> RowFeatures {
        RowFeatures {
            edges: dataset
                .numbers
                .iter()
                .map(|column| {
                    let mut values: Vec<f32> = train
                        .iter()
                        .filter(|&&i| !column.missing[i])
                        .map(|&i| column.values[i])
                        .collect();
                    values.sort_unstable_by(f32::total_cmp);
                    bin_edges(&values, MAX_BINS)
                })
                .collect(),
            cardinalities: dataset.categories.iter().map(|c| c.cardinality).collect(),
        }
    }

    /// Columns that become tokens.
    pub fn n_columns(&self) -> usize {
        self.edges.len() + self.cardinalities.len()
    }

    /// The network's settings for `n_outputs` outputs.
    pub fn config(&self, shape: &RowTransformerShape, n_outputs: usize) -> RowTransformerConfig {
        RowTransformerConfig {
            n_numbers: self.edges.len(),
            bins: self.edges.clone(),
            cardinalities: self.cardinalities.clone(),
            d_token: shape.d_token,
            n_layers: shape.n_layers,
            n_heads: shape.n_heads,
            ffn_hidden: shape.ffn_hidden,
            attention_dropout: shape.attention_dropout,
            ffn_dropout: shape.ffn_dropout,
            residual_dropout: 0.0,
            // What begins linear must be able to fall below zero.
            number_relu: !shape.numbers.has_itself(),
            n_outputs,
            numbers: shape.numbers,
            body: shape.body,
            members: shape.members,
        }
    }

    /// The given rows, row-major.
    pub fn batch(&self, dataset: &Dataset, rows: &[usize]) -> RowBatch {
        let mut batch = RowBatch {
            numbers: Vec::with_capacity(rows.len() * dataset.numbers.len()),
            missing: Vec::with_capacity(rows.len() * dataset.numbers.len()),
            codes: Vec::with_capacity(rows.len() * dataset.categories.len()),
        };
        for &i in rows {
            for column in &dataset.numbers {
                batch.numbers.push(column.values[i]);
                batch.missing.push(column.missing[i]);
            }
            for column in &dataset.categories {
                batch.codes.push(column.codes[i]);
            }
        }
        batch
    }
}

/// Distinct quantiles of sorted values; two made-up edges where there are fewer than two values.
pub(super) fn bin_edges(sorted: &[f32], most: usize) -> Vec<f32> {
    let n = sorted.len();
    let bins = (n / MIN_ROWS_PER_BIN).clamp(1, most);
    let mut edges: Vec<f32> = Vec::with_capacity(bins + 1);
    if n > 0 {
        for k in 0..=bins {
            let at = (k * (n - 1) + bins / 2) / bins;
            let value = sorted[at.min(n - 1)];
            if edges.last().is_none_or(|last| value > *last) {
                edges.push(value);
            }
        }
    }
    match edges.len() {
        0 => vec![0.0, 1.0],
        1 => vec![edges[0], edges[0] + 1.0],
        _ => edges,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_rise_and_span_the_values() {
        let sorted: Vec<f32> = (0..1000).map(|i| (i / 10) as f32).collect();
        let edges = bin_edges(&sorted, MAX_BINS);
        assert!(edges.windows(2).all(|w| w[0] < w[1]), "{edges:?}");
        assert_eq!((edges[0], *edges.last().unwrap()), (0.0, 99.0));
        assert_eq!(edges.len(), MAX_BINS + 1);
    }

    #[test]
    fn constant_and_empty_columns_get_one_bin() {
        assert_eq!(bin_edges(&[], MAX_BINS), [0.0, 1.0]);
        assert_eq!(bin_edges(&[3.0; 40], MAX_BINS), [3.0, 4.0]);
    }

    #[test]
    fn a_two_valued_column_has_its_two_values_as_edges() {
        let mut values = vec![0.0; 70];
        values.extend([1.0; 30]);
        assert_eq!(bin_edges(&values, MAX_BINS), [0.0, 1.0]);
    }
}
