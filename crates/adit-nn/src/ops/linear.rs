//! Linear maps, with the weight in PyTorch's layout `[out, in]`.

use crate::kernels::prepared::{Activation, Finish};
use crate::kernels::{elementwise, matmul};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Linear {
    x: Var,
    weight: Var,
    bias: Option<Var>,
    /// The value before GELU, if that is fused.
    before: Option<Tensor>,
}

impl Tape<'_> {
    /// `x · weightᵀ + bias`: `x` is `[.., in]`, `weight` `[out, in]`, `bias` `[out]`; gives `[.., out]`.
    pub fn linear(&mut self, x: Var, weight: Var, bias: Option<Var>) -> Var {
        self.affine(x, weight, bias, false)
    }

    /// GELU of [`Tape::linear`], in one pass over memory.
    pub fn linear_gelu(&mut self, x: Var, weight: Var, bias: Option<Var>) -> Var {
        self.affine(x, weight, bias, true)
    }

    fn affine(&mut self, x: Var, weight: Var, bias: Option<Var>, gelu: bool) -> Var {
        let (input, w) = (self.value(x), self.value(weight));
        let (rows, k, n) = (input.rows(), input.cols(), w.rows());
        assert_eq!(
            k,
            w.cols(),
            "linear: input {:?}, weight {:?}",
            input.shape,
            w.shape
        );
        let b = bias.map(|b| self.value(b).data.as_slice());
        assert!(
            b.is_none_or(|b| b.len() == n),
            "linear: bias does not fit {:?}",
            w.shape
        );
        let mut shape = input.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = n;
        }
        let mut out = self.fresh(&shape);
        let keep_before = gelu && self.is_training();
        if let Some(weight) = self.prepared(weight) {
            let activation = if gelu {
                Activation::Gelu
            } else {
                Activation::None
            };
            let bias = b;
            weight.linear(&input.data, &mut out.data, Finish { bias, activation });
            return self.constant(out);
        }
        matmul::nt_then(
            (rows, n, k),
            &mut out.data,
            &input.data,
            &w.data,
            false,
            |_, block| {
                if let Some(b) = b {
                    elementwise::bias_rows(block, b);
                }
                if gelu && !keep_before {
                    elementwise::gelu_in(block);
                }
            },
        );
        let before = keep_before.then(|| self.copy_tensor(&out));
        if keep_before {
            elementwise::gelu(&mut out.data);
        }
        let inputs: Vec<Var> = [Some(x), Some(weight), bias]
            .into_iter()
            .flatten()
            .collect();
        self.push(out, &inputs, || Linear {
            x,
            weight,
            bias,
            before,
        })
    }
}

impl Rule for Linear {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        if let Some(before) = &self.before {
            elementwise::gelu_back(&mut grad.data, &before.data);
        }
        let (rows, n) = (grad.rows(), grad.cols());
        let k = pass.value(self.x).cols();
        if let Some(bias) = self.bias.filter(|&b| pass.needs(b)) {
            let sum = elementwise::sum_rows(&grad.data, n);
            pass.add(
                bias,
                Tensor {
                    shape: vec![n],
                    data: sum,
                },
            );
        }
        pass.write(self.weight, |dw, add, tape| {
            matmul::tn(
                (n, k, rows),
                &mut dw.data,
                &grad.data,
                &tape.value(self.x).data,
                add,
            );
        });
        pass.write(self.x, |dx, add, tape| {
            matmul::nn(
                (rows, k, n),
                &mut dx.data,
                &grad.data,
                &tape.value(self.weight).data,
                add,
            );
        });
        pass.recycle(grad);
    }

    fn kept(&mut self) -> Option<Tensor> {
        self.before.take()
    }
}
