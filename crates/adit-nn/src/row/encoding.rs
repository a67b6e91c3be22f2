//! Batches of rows, and the piecewise-linear encoding of their numbers.

use crate::error::NnError;
use crate::ops::RowTokens;
use crate::row::config::RowTransformerConfig;

/// A batch of `n` rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RowBatch {
    /// Numbers, `[n, n_numbers]`; what stands at a missing number is not read.
    pub numbers: Vec<f32>,
    /// Which numbers are missing, `[n, n_numbers]`.
    pub missing: Vec<bool>,
    /// Codes of categories, `[n, n_categories]`.
    pub codes: Vec<u32>,
}

impl RowBatch {
    /// The number of rows.
    ///
    /// Errors: [`NnError::Rows`] when lengths disagree, a code is out of range, a number is not
    /// finite but not marked missing either, or there is no row.
    pub fn n_rows(&self, config: &RowTransformerConfig) -> Result<usize, NnError> {
        let refuse = |reason: String| Err(NnError::Rows { reason });
        let (n_numbers, n_categories) = (config.n_numbers, config.cardinalities.len());
        let n = match (n_numbers, n_categories) {
            (0, 0) => return refuse("the model has no columns".into()),
            (0, _) => self.codes.len() / n_categories,
            _ => self.numbers.len() / n_numbers,
        };
        if n == 0 || self.numbers.len() != n * n_numbers || self.codes.len() != n * n_categories {
            return refuse(format!(
                "{} numbers and {} codes do not make rows of {n_numbers} numbers and {n_categories} categories",
                self.numbers.len(),
                self.codes.len()
            ));
        }
        if self.missing.len() != self.numbers.len() {
            return refuse(format!(
                "{} numbers but {} marks of missing ones",
                self.numbers.len(),
                self.missing.len()
            ));
        }
        for (at, (&value, &missing)) in self.numbers.iter().zip(&self.missing).enumerate() {
            if !missing && !value.is_finite() {
                return refuse(format!(
                    "row {}, number {} is {value}",
                    at / n_numbers,
                    at % n_numbers
                ));
            }
        }
        for (at, &code) in self.codes.iter().enumerate() {
            let column = at % n_categories;
            if code >= config.cardinalities[column] {
                let (row, most) = (at / n_categories, config.cardinalities[column]);
                return refuse(format!(
                    "row {row}, category {column} has code {code}, not below {most}"
                ));
            }
        }
        Ok(n)
    }

    /// The batch as the operation on row tokens wants it.
    pub(super) fn encode(&self, config: &RowTransformerConfig) -> Result<RowTokens, NnError> {
        let n = self.n_rows(config)?;
        let mut starts = vec![0];
        for number in 0..config.n_numbers {
            starts.push(starts[number] + config.n_components(number));
        }
        let n_waves = 2 * config.numbers.frequencies();
        let n_components = starts[config.n_numbers];
        let mut components = vec![0.0; n * n_components];
        for row in 0..n {
            let out = &mut components[row * n_components..][..n_components];
            for number in 0..config.n_numbers {
                let at = row * config.n_numbers + number;
                if self.missing[at] {
                    continue;
                }
                let (value, own) = (self.numbers[at], &mut out[starts[number]..]);
                let (shares, rest) = own.split_at_mut(config.n_shares(number));
                if config.numbers.has_bins() {
                    piecewise_linear(value, &config.bins[number], shares);
                }
                if config.numbers.has_itself() {
                    rest[0] = value;
                }
            }
        }
        let mut firsts = Vec::with_capacity(config.cardinalities.len());
        let mut total = 0u32;
        for &cardinality in &config.cardinalities {
            firsts.push(total);
            total += cardinality;
        }
        let codes = self.codes.chunks(firsts.len().max(1));
        let codes = codes
            .flat_map(|row| row.iter().zip(&firsts).map(|(code, first)| code + first))
            .collect();
        Ok(RowTokens {
            starts,
            components,
            missing: self.missing.clone(),
            codes,
            n,
            relu: config.number_relu,
            own_token: config.has_own_token(),
            waves: (n_waves > 0).then(|| self.numbers.clone()),
        })
    }
}

/// The piecewise-linear encoding of `x` over `edges` (Gorishniy et al., 2022, equation 1), into `out`.
///
/// Component `t` is 0 below its bin, 1 above it, and the share of the bin that `x` covers inside; the
/// first goes below 0 and the last above 1 for values outside all bins.
fn piecewise_linear(x: f32, edges: &[f32], out: &mut [f32]) {
    let last = out.len() - 1;
    for (t, out) in out.iter_mut().enumerate() {
        let (low, high) = (edges[t], edges[t + 1]);
        *out = if x < low && t > 0 {
            0.0
        } else if x >= high && t < last {
            1.0
        } else {
            (x - low) / (high - low)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::config::{MemberConfig, NumberEmbedding, RowBody};

    #[test]
    fn numbers_become_shares_of_bins() {
        let edges = [0.0, 1.0, 3.0, 4.0];
        for (x, want) in [
            (0.5, [0.5, 0.0, 0.0]),
            (1.0, [1.0, 0.0, 0.0]),
            (2.0, [1.0, 0.5, 0.0]),
            (3.5, [1.0, 1.0, 0.5]),
            (6.0, [1.0, 1.0, 3.0]),
            (-2.0, [-2.0, 0.0, 0.0]),
        ] {
            let mut got = [9.0; 3];
            piecewise_linear(x, &edges, &mut got);
            assert_eq!(got, want, "{x}");
        }
    }

    #[test]
    fn batches_that_do_not_fit_are_refused() {
        let config = RowTransformerConfig {
            n_numbers: 1,
            bins: vec![vec![0.0, 1.0]],
            cardinalities: vec![2],
            d_token: 4,
            n_layers: 1,
            n_heads: 1,
            ffn_hidden: 4,
            attention_dropout: 0.0,
            ffn_dropout: 0.0,
            residual_dropout: 0.0,
            number_relu: false,
            n_outputs: 1,
            numbers: NumberEmbedding::default(),
            body: RowBody::default(),
            members: None,
        };
        config.check().unwrap();
        let good = RowBatch {
            numbers: vec![0.5],
            missing: vec![false],
            codes: vec![1],
        };
        assert_eq!(good.n_rows(&config).unwrap(), 1);
        for bad in [
            RowBatch::default(),
            RowBatch {
                codes: vec![2],
                ..good.clone()
            },
            RowBatch {
                codes: vec![],
                ..good.clone()
            },
            RowBatch {
                numbers: vec![f32::NAN],
                ..good.clone()
            },
            RowBatch {
                missing: vec![],
                ..good.clone()
            },
            RowBatch {
                numbers: vec![0.1, 0.2],
                missing: vec![false; 2],
                ..good.clone()
            },
        ] {
            assert!(
                matches!(bad.n_rows(&config), Err(NnError::Rows { .. })),
                "{bad:?}"
            );
        }
        let missing = RowBatch {
            numbers: vec![f32::NAN],
            missing: vec![true],
            ..good
        };
        assert!(missing.n_rows(&config).is_ok());
        for bad in [
            RowTransformerConfig {
                bins: vec![vec![1.0, 1.0]],
                ..config.clone()
            },
            RowTransformerConfig {
                bins: vec![],
                ..config.clone()
            },
            RowTransformerConfig {
                n_heads: 3,
                ..config.clone()
            },
            RowTransformerConfig {
                cardinalities: vec![0],
                ..config.clone()
            },
            RowTransformerConfig {
                ffn_dropout: 1.0,
                ..config.clone()
            },
            RowTransformerConfig {
                numbers: NumberEmbedding::Periodic {
                    frequencies: 0,
                    spread: 1.0,
                },
                ..config.clone()
            },
            RowTransformerConfig {
                numbers: NumberEmbedding::Both {
                    frequencies: 2,
                    spread: f32::NAN,
                },
                ..config.clone()
            },
            RowTransformerConfig {
                body: RowBody::Columns,
                ..config.clone()
            },
            RowTransformerConfig {
                members: Some(MemberConfig {
                    count: 0,
                    width: 4,
                    n_layers: 1,
                    dropout: 0.0,
                }),
                ..config.clone()
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
