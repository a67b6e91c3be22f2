//! Linear maps and norms whose biases may be absent.

use crate::params::ParamId;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// A linear map, with or without a bias.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// `[out, in]`.
    pub weight: ParamId,
    /// `[out]`.
    pub bias: Option<ParamId>,
}

impl Projection {
    /// `x · weightᵀ`, plus the bias if there is one.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        let bias = self.bias.map(|bias| tape.param(bias));
        tape.linear(x, weight, bias)
    }
}

/// A layer normalisation, with or without shifts.
#[derive(Clone, Copy, Debug)]
pub struct CentredNorm {
    /// Scales, `[hidden]`.
    pub weight: ParamId,
    /// Shifts, `[hidden]`.
    pub bias: Option<ParamId>,
    /// Added to the variance.
    pub eps: f32,
}

impl CentredNorm {
    /// Normalises `x` over its last dimension.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        let bias = match self.bias {
            Some(bias) => tape.param(bias),
            None => tape.constant(Tensor::zeros(&[tape.value(weight).len()])),
        };
        tape.layer_norm(x, None, weight, bias, self.eps)
    }
}

/// A root-mean-square normalisation.
#[derive(Clone, Copy, Debug)]
pub struct ScaleNorm {
    /// Scales, `[hidden]`.
    pub weight: ParamId,
    /// Added to the mean square.
    pub eps: f32,
}

impl ScaleNorm {
    /// Normalises `x` over its last dimension.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        tape.rms_norm(x, weight, self.eps)
    }
}
