//! Parameters that belong together: linear maps and layer norms.

use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// A linear map with a bias.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: ParamId,
    /// `[out]`.
    pub bias: ParamId,
}

impl Linear {
    /// Normal weights with deviation `std`, bias 0.
    pub fn normal(
        params: &mut Params,
        name: &str,
        (n_in, n_out): (usize, usize),
        init: &mut Init,
        std: f32,
    ) -> Self {
        let weight = params.add(format!("{name}.weight"), init.normal(&[n_out, n_in], std));
        Self {
            weight,
            bias: params.add(format!("{name}.bias"), Tensor::zeros(&[n_out])),
        }
    }

    /// Weights and bias uniform in `±1/sqrt(in)`, as PyTorch's `Linear` draws them.
    pub fn uniform(
        params: &mut Params,
        name: &str,
        (n_in, n_out): (usize, usize),
        init: &mut Init,
    ) -> Self {
        let limit = 1.0 / (n_in.max(1) as f32).sqrt();
        let weight = params.add(
            format!("{name}.weight"),
            init.uniform(&[n_out, n_in], limit),
        );
        Self {
            weight,
            bias: params.add(format!("{name}.bias"), init.uniform(&[n_out], limit)),
        }
    }

    /// `x · weightᵀ + bias`.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let (weight, bias) = (tape.param(self.weight), tape.param(self.bias));
        tape.linear(x, weight, Some(bias))
    }

    /// GELU of [`Linear::apply`].
    pub fn apply_gelu(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let (weight, bias) = (tape.param(self.weight), tape.param(self.bias));
        tape.linear_gelu(x, weight, Some(bias))
    }
}

/// A layer normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// Scales, `[hidden]`.
    pub weight: ParamId,
    /// Shifts, `[hidden]`.
    pub bias: ParamId,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    /// Scales 1, shifts 0.
    pub fn new(params: &mut Params, name: &str, hidden: usize, eps: f32) -> Self {
        let weight = params.add(format!("{name}.weight"), Tensor::full(&[hidden], 1.0));
        Self {
            weight,
            bias: params.add(format!("{name}.bias"), Tensor::zeros(&[hidden])),
            eps,
        }
    }

    /// Normalises `x`, plus `residual` if there is one.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var, residual: Option<Var>) -> Var {
        let (weight, bias) = (tape.param(self.weight), tape.param(self.bias));
        tape.layer_norm(x, residual, weight, bias, self.eps)
    }
}
