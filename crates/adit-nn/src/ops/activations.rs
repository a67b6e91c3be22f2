//! Activations and dropout.

use crate::kernels::elementwise;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Gelu(Var);
struct GeluTanh(Var);
struct Relu(Var);
struct Tanh(Var);
struct Dropout {
    x: Var,
    key: u64,
    keep: f32,
}

impl Tape<'_> {
    /// GELU in its exact form (BERT's `gelu`).
    pub fn gelu(&mut self, x: Var) -> Var {
        let mut out = self.fresh(&self.value(x).shape);
        elementwise::gelu_from(&mut out.data, &self.value(x).data);
        self.push(out, &[x], || Gelu(x))
    }

    /// GELU with a hyperbolic tangent in place of the normal distribution (`gelu_new`,
    /// `gelu_pytorch_tanh`).
    pub fn gelu_tanh(&mut self, x: Var) -> Var {
        let mut out = self.copy_of(x);
        elementwise::gelu_tanh(&mut out.data);
        self.push(out, &[x], || GeluTanh(x))
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: Var) -> Var {
        let mut out = self.copy_of(x);
        for v in &mut out.data {
            *v = v.max(0.0);
        }
        self.push(out, &[x], || Relu(x))
    }

    /// The hyperbolic tangent.
    pub fn tanh(&mut self, x: Var) -> Var {
        let mut out = self.copy_of(x);
        elementwise::tanh(&mut out.data);
        self.push(out, &[x], || Tanh(x))
    }

    /// Sets each value to zero with probability `p` and scales the others by `1/(1-p)`; only in training.
    ///
    /// The mask depends on the tape's seed, on how many masks were drawn before, and on the position.
    pub fn dropout(&mut self, x: Var, p: f32) -> Var {
        let Some((key, keep)) = self.dropout_key(p) else {
            return x;
        };
        let mut out = self.fresh(&self.value(x).shape);
        elementwise::dropout_from(&mut out.data, &self.value(x).data, key, keep);
        self.push(out, &[x], || Dropout { x, key, keep })
    }

    /// The key of the next mask and the share kept; none where nothing is dropped.
    pub(crate) fn dropout_key(&mut self, p: f32) -> Option<(u64, f32)> {
        let key = self.next_draw()?;
        (p > 0.0).then(|| (key, (1.0 - p).max(1e-6)))
    }
}

impl Rule for Gelu {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        elementwise::gelu_back(&mut grad.data, &pass.value(self.0).data);
        pass.add(self.0, grad);
    }
}

impl Rule for GeluTanh {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        elementwise::gelu_tanh_back(&mut grad.data, &pass.value(self.0).data);
        pass.add(self.0, grad);
    }
}

impl Rule for Relu {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        for (g, &y) in grad.data.iter_mut().zip(&pass.output().data) {
            *g = if y > 0.0 { *g } else { 0.0 };
        }
        pass.add(self.0, grad);
    }
}

impl Rule for Tanh {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        for (g, &y) in grad.data.iter_mut().zip(&pass.output().data) {
            *g *= 1.0 - y * y;
        }
        pass.add(self.0, grad);
    }
}

impl Rule for Dropout {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        elementwise::dropout(&mut grad.data, self.key, self.keep);
        pass.add(self.x, grad);
    }
}
