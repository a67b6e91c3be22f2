//! Normalisation of rows.

use crate::kernels::elementwise;
use crate::kernels::norm::{self, Affine};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct LayerNorm {
    x: Var,
    residual: Option<Var>,
    /// `x + residual`, where there is a residual.
    sum: Option<Tensor>,
    gamma: Var,
    beta: Var,
    eps: f32,
}

struct L2Normalise(Var);

impl Tape<'_> {
    /// Layer normalisation of `x + residual` over the last dimension, times `gamma`, plus `beta`.
    pub fn layer_norm(
        &mut self,
        x: Var,
        residual: Option<Var>,
        gamma: Var,
        beta: Var,
        eps: f32,
    ) -> Var {
        let mut out = self.fresh(&self.value(x).shape);
        let cols = out.cols();
        assert_eq!(
            self.value(gamma).len(),
            cols,
            "layer_norm: gamma does not fit"
        );
        assert_eq!(
            self.value(beta).len(),
            cols,
            "layer_norm: beta does not fit"
        );
        if let Some(residual) = residual {
            assert_eq!(
                self.value(residual).len(),
                out.len(),
                "layer_norm: residual does not fit"
            );
        }
        let inputs: Vec<Var> = [Some(x), residual, Some(gamma), Some(beta)]
            .into_iter()
            .flatten()
            .collect();
        let keep = residual.is_some() && self.keeps(&inputs);
        let mut sum = keep.then(|| self.fresh(&out.shape));
        let affine = Affine {
            gamma: &self.value(gamma).data,
            beta: &self.value(beta).data,
            eps,
        };
        norm::layer_norm(
            &mut out.data,
            sum.as_mut().map_or(&mut [], |sum| &mut sum.data),
            &self.value(x).data,
            residual.map_or(&[], |residual| &self.value(residual).data),
            affine,
        );
        self.push(out, &inputs, || LayerNorm {
            x,
            residual,
            sum,
            gamma,
            beta,
            eps,
        })
    }

    /// Scales every row to the Euclidean length 1; a row of zeros stays (PyTorch's `normalize`, eps 1e-12).
    pub fn l2_normalise(&mut self, x: Var) -> Var {
        let mut out = self.copy_of(x);
        let cols = out.cols().max(1);
        for row in out.data.chunks_exact_mut(cols) {
            let factor = 1.0 / length(row);
            for v in row {
                *v *= factor;
            }
        }
        self.push(out, &[x], || L2Normalise(x))
    }
}

fn length(row: &[f32]) -> f32 {
    (elementwise::sum_of_squares(row).sqrt() as f32).max(1e-12)
}

impl Rule for LayerNorm {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let cols = grad.cols();
        let x = self.sum.as_ref().unwrap_or_else(|| pass.value(self.x));
        let inputs = pass.needs(self.x) || self.residual.is_some_and(|r| pass.needs(r));
        let params = pass.needs(self.gamma) || pass.needs(self.beta);
        let affine = (pass.value(self.gamma).data.as_slice(), self.eps);
        let both = norm::layer_norm_back(&mut grad.data, &x.data, affine, inputs, params);
        if let Some((gamma, beta)) = both {
            for (var, data) in [(self.gamma, gamma), (self.beta, beta)] {
                let shape = vec![cols];
                pass.add(var, Tensor { shape, data });
            }
        }
        if !inputs {
            return pass.recycle(grad);
        }
        if let Some(residual) = self.residual.filter(|&r| pass.needs(r)) {
            pass.add(residual, pass.copy(&grad));
        }
        pass.add(self.x, grad);
    }

    fn kept(&mut self) -> Option<Tensor> {
        self.sum.take()
    }

    fn n_kept(&self) -> usize {
        self.sum.as_ref().map_or(0, Tensor::len)
    }
}

impl Rule for L2Normalise {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let cols = grad.cols().max(1);
        let (x, y) = (pass.value(self.0), pass.output());
        for ((g, x), y) in grad
            .data
            .chunks_exact_mut(cols)
            .zip(x.data.chunks_exact(cols))
            .zip(y.data.chunks_exact(cols))
        {
            let factor = 1.0 / length(x);
            let along = elementwise::dot(g, y);
            for (g, &y) in g.iter_mut().zip(y) {
                *g = (*g - along * y) * factor;
            }
        }
        pass.add(self.0, grad);
    }
}
