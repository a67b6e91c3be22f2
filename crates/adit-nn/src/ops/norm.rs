//! Normalisation of rows.

use crate::kernels::{elementwise, norm};
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
        let cols = self.value(x).cols();
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
        assert!(
            residual.is_none_or(|r| self.value(r).len() == self.value(x).len()),
            "layer_norm: residual does not fit"
        );
        let (mut out, mut sum) = (self.fresh(&self.value(x).shape), None);
        let of = |var: Var| self.value(var).data.as_slice();
        let [x_data, gamma_data, beta_data] = [x, gamma, beta].map(of);
        if let (Some(residual), false) = (residual, self.is_training()) {
            let inputs = [x_data, of(residual)];
            norm::layer_norm_sum(&mut out.data, inputs, [gamma_data, beta_data], eps);
        } else {
            elementwise::copy(&mut out.data, x_data);
            if let Some(residual) = residual {
                elementwise::add_assign(&mut out.data, of(residual));
                sum = Some(self.copy_tensor(&out));
            }
            norm::layer_norm(&mut out.data, gamma_data, beta_data, eps);
        }
        let inputs: Vec<Var> = [Some(x), residual, Some(gamma), Some(beta)]
            .into_iter()
            .flatten()
            .collect();
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
        let (d_gamma, d_beta) = norm::layer_norm_params_back(&grad.data, &x.data, cols, self.eps);
        norm::layer_norm_back(
            &mut grad.data,
            &x.data,
            &pass.value(self.gamma).data,
            self.eps,
        );
        pass.add(
            self.gamma,
            Tensor {
                shape: vec![cols],
                data: d_gamma,
            },
        );
        pass.add(
            self.beta,
            Tensor {
                shape: vec![cols],
                data: d_beta,
            },
        );
        if let Some(residual) = self.residual.filter(|&r| pass.needs(r)) {
            pass.add(residual, pass.copy(&grad));
        }
        pass.add(self.x, grad);
    }

    fn kept(&mut self) -> Option<Tensor> {
        self.sum.take()
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
