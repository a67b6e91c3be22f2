//! Linear maps, with the weight in PyTorch's layout `[out, in]`.

use crate::kernels::elementwise;
use crate::kernels::prepared::{Activation, Finish};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Linear {
    x: Var,
    weight: Var,
    bias: Option<Var>,
    /// The value before GELU, if that is fused.
    before: Option<Tensor>,
    /// The narrow values and the wide weight of an adapter (see [`crate::lora`]), if there is one.
    low: Option<(Var, Var)>,
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
        let low = self.low_rank(x, weight);
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
        if let (Some(weight), None) = (self.prepared(weight), low) {
            let activation = if gelu {
                Activation::Gelu
            } else {
                Activation::None
            };
            let bias = b;
            weight.linear(&input.data, &mut out.data, Finish { bias, activation });
            return self.constant(out);
        }
        let (h, wide) = low.unzip();
        let inputs: Vec<Var> = [Some(x), Some(weight), bias, h, wide]
            .into_iter()
            .flatten()
            .collect();
        let keep_before = gelu && self.keeps(&inputs);
        let finish = |_: usize, block: &mut [f32]| {
            if let Some(b) = b {
                elementwise::bias_rows(block, b);
            }
            if gelu && !keep_before {
                elementwise::gelu_in(block);
            }
        };
        let (size, y, products) = ((rows, n, k), &mut out.data, self.products());
        if let Some((h, wide)) = low {
            let (h, wide) = (self.value(h), self.value(wide));
            products.nt_then(size, y, [&input.data, &w.data], false, |_, _| {});
            let size = (rows, n, wide.cols());
            products.nt_then(size, y, [&h.data, &wide.data], true, finish);
        } else {
            products.nt_then(size, y, [&input.data, &w.data], false, finish);
        }
        let before = keep_before.then(|| {
            let fresh = self.fresh(&out.shape);
            std::mem::replace(&mut out, fresh)
        });
        if let Some(before) = &before {
            elementwise::gelu_from(&mut out.data, &before.data);
        }
        self.push(out, &inputs, || Linear {
            x,
            weight,
            bias,
            before,
            low,
        })
    }
}

impl Rule for Linear {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (rows, n) = (grad.rows(), grad.cols());
        let k = pass.value(self.x).cols();
        let products = pass.products();
        let bias = self.bias.filter(|&b| pass.needs(b));
        let sum = match (&self.before, bias) {
            (Some(before), Some(_)) => elementwise::gelu_back_sum(&mut grad.data, &before.data, n),
            (Some(before), None) => {
                elementwise::gelu_back(&mut grad.data, &before.data);
                Vec::new()
            }
            (None, Some(_)) => elementwise::sum_rows(&grad.data, n),
            (None, None) => Vec::new(),
        };
        if let Some(bias) = bias {
            let shape = vec![n];
            pass.add(bias, Tensor { shape, data: sum });
        }
        pass.write(self.weight, |dw, add, tape| {
            let x = &tape.value(self.x).data;
            products.tn((n, k, rows), &mut dw.data, [&grad.data, x], add);
        });
        pass.write(self.x, |dx, add, tape| {
            let weight = &tape.value(self.weight).data;
            products.nn((rows, k, n), &mut dx.data, [&grad.data, weight], add);
        });
        if let Some((h, wide)) = self.low {
            let rank = pass.value(wide).cols();
            pass.write(wide, |dw, add, tape| {
                let h = &tape.value(h).data;
                products.tn((n, rank, rows), &mut dw.data, [&grad.data, h], add);
            });
            pass.write(h, |dh, add, tape| {
                let wide = &tape.value(wide).data;
                products.nn((rows, rank, n), &mut dh.data, [&grad.data, wide], add);
            });
        }
        pass.recycle(grad);
    }

    fn kept(&mut self) -> Option<Tensor> {
        self.before.take()
    }

    fn n_kept(&self) -> usize {
        self.before.as_ref().map_or(0, Tensor::len)
    }
}
