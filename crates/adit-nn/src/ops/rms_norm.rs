//! Root-mean-square normalisation of rows.

use crate::kernels::rms_norm;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct RmsNorm {
    x: Var,
    gamma: Var,
    eps: f32,
}

impl Tape<'_> {
    /// `x / sqrt(mean(x²) + eps) · gamma` over the last dimension (Zhang and Sennrich, 2019).
    ///
    /// `x` is `[.., cols]`, `gamma` `[cols]`; gives the shape of `x`. T5 calls it `T5LayerNorm`.
    pub fn rms_norm(&mut self, x: Var, gamma: Var, eps: f32) -> Var {
        let mut out = self.copy_of(x);
        assert_eq!(
            self.value(gamma).len(),
            out.cols(),
            "rms_norm: gamma does not fit"
        );
        rms_norm::rms_norm(&mut out.data, &self.value(gamma).data, eps);
        self.push(out, &[x, gamma], || RmsNorm { x, gamma, eps })
    }
}

impl Rule for RmsNorm {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let cols = grad.cols();
        let x = pass.value(self.x);
        let data = rms_norm::rms_norm_gamma_back(&grad.data, &x.data, cols, self.eps);
        let gamma = &pass.value(self.gamma).data;
        rms_norm::rms_norm_back(&mut grad.data, &x.data, gamma, self.eps);
        let shape = vec![cols];
        pass.add(self.gamma, Tensor { shape, data });
        pass.add(self.x, grad);
    }
}
