//! How the weights of linear maps are held and multiplied in inference.

use serde::{Deserialize, Serialize};

use crate::error::NnError;
use crate::kernels::prepared;
use crate::params::Params;
use crate::session::Session;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// How the weights of linear maps are held and multiplied in inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats; the bits of training's forward pass.
    #[default]
    F32,
    /// Weights rounded to bfloat16: half the memory.
    Bf16,
    /// Weights of 8 bits with a scale a row, inputs of 8 bits with a scale a token.
    Int8,
    /// To be chosen by measurement.
    Auto,
}

/// The mean cosine to [`Precision::F32`] that [`choose`] asks for.
pub const MEAN_COSINE: f64 = 0.997;
/// The smallest cosine to [`Precision::F32`] that [`choose`] allows.
pub const MIN_COSINE: f64 = 0.98;

/// Outputs of a map that is too small for integers to pay.
const SMALL: usize = 64;

impl Precision {
    /// In which precision the weight `name` `[n_out, ..]` is held when this one is asked for.
    ///
    /// With [`Precision::Int8`] heads and poolers stay f32: they work on one token a text.
    pub fn of_weight(self, name: &str, n_out: usize) -> Self {
        let mut parts = name.split('.');
        let exact = |part: &str| matches!(part, "pooler" | "classifier" | "pre_classifier");
        match self {
            Self::Auto => Self::F32,
            Self::Int8 if n_out < SMALL || parts.any(exact) => Self::F32,
            other => other,
        }
    }

    /// Whether products round their inputs on this machine.
    pub(crate) fn rounds_inputs(self) -> bool {
        match self {
            Self::Int8 => true,
            Self::Bf16 => prepared::bf16_rounds_inputs(),
            Self::F32 | Self::Auto => false,
        }
    }

    /// From the fastest on, those that are faster than f32 on this machine, and f32.
    fn candidates() -> Vec<Self> {
        if prepared::bf16_rounds_inputs() {
            vec![Self::Int8, Self::Bf16, Self::F32]
        } else {
            // Without products of bfloat16 only the memory is smaller.
            vec![Self::Int8, Self::F32]
        }
    }
}

/// The cosines of a precision's vectors to those of f32.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub precision: Precision,
    /// Over all vectors.
    pub cosine_mean: f64,
    /// Of the worst vector.
    pub cosine_min: f64,
}

impl Measured {
    /// True where both cosines are as near to 1 as is promised.
    pub fn holds(&self) -> bool {
        self.cosine_mean >= MEAN_COSINE && self.cosine_min >= MIN_COSINE
    }
}

/// What [`choose`] found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The fastest precision that holds.
    pub precision: Precision,
    /// All that were measured, the fastest first; those behind the chosen one were not.
    pub measured: Vec<Measured>,
}

/// Prepares `params` for the fastest precision whose vectors are near those of f32.
///
/// `vectors` gives the vectors of one batch of `samples`, `[n, hidden]`. Near is a mean cosine of
/// [`MEAN_COSINE`] and no cosine below [`MIN_COSINE`].
///
/// Errors: those of `vectors`, and [`NnError::Tokens`] without samples.
pub fn choose<B: Sync>(
    params: &mut Params,
    samples: &[B],
    vectors: impl Fn(&mut Tape<'_>, &B) -> Result<Tensor, NnError> + Sync,
) -> Result<Choice, NnError> {
    if samples.is_empty() {
        let reason = "no samples to choose a precision by".into();
        return Err(NnError::Tokens { reason });
    }
    let mut of = |precision| {
        params.prepare(precision);
        Session::new(params).run_all(samples, &vectors)
    };
    let exact = of(Precision::F32)?;
    let width = exact.first().map_or(1, Tensor::cols).max(1);
    let flat = |parts: &[Tensor]| -> Vec<f32> {
        parts.iter().flat_map(|t| t.data.iter().copied()).collect()
    };
    let mut measured = Vec::new();
    for precision in Precision::candidates() {
        let found = of(precision)?;
        let (cosine_mean, cosine_min) = cosines(&flat(&exact), &flat(&found), width);
        measured.push(Measured {
            precision,
            cosine_mean,
            cosine_min,
        });
        if measured.iter().any(Measured::holds) {
            break;
        }
    }
    let precision = params.precision();
    Ok(Choice {
        precision,
        measured,
    })
}

/// The mean and the smallest cosine of rows of `width` values that belong together; NaN where a row is
/// not finite.
pub fn cosines(exact: &[f32], found: &[f32], width: usize) -> (f64, f64) {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let (mut sum, mut min, mut n) = (0.0, 1.0f64, 0usize);
    let rows = exact.chunks_exact(width).zip(found.chunks_exact(width));
    for (a, b) in rows {
        let cosine = if a == b {
            1.0
        } else {
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        sum += cosine;
        n += 1;
        min = if cosine >= min { min } else { cosine };
    }
    (sum / n as f64, min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_poolers_stay_exact() {
        for (name, n_out, want) in [
            ("bert.pooler.dense.weight", 384, Precision::F32),
            ("classifier.weight", 2, Precision::F32),
            (
                "bert.encoder.layer.0.attention.self.query.weight",
                384,
                Precision::Int8,
            ),
            (
                "bert.encoder.layer.0.output.dense.weight",
                384,
                Precision::Int8,
            ),
        ] {
            assert_eq!(Precision::Int8.of_weight(name, n_out), want, "{name}");
        }
        assert_eq!(Precision::Auto.of_weight("w", 384), Precision::F32);
        assert_eq!(
            Precision::Bf16.of_weight("pooler.weight", 384),
            Precision::Bf16
        );
    }

    #[test]
    fn a_vector_that_is_not_a_number_never_holds() {
        let (mean, min) = cosines(&[1.0, 0.0], &[f32::NAN, 0.0], 2);
        let measured = Measured {
            precision: Precision::Int8,
            cosine_mean: mean,
            cosine_min: min,
        };
        assert!(!measured.holds());
    }
}
