//! Self-attention over packed sequences.

use crate::kernels::attention::{Heads, Inputs, backward, forward};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Attention {
    q: Var,
    k: Var,
    v: Var,
    offsets: Vec<usize>,
    n_heads: usize,
    dropout: Option<(u64, f32)>,
    sums: Vec<f32>,
}

impl Tape<'_> {
    /// Softmax attention of every token to its own sequence (Vaswani et al., 2017, equation 1).
    ///
    /// `q`, `k`, `v` are `[sum_len, hidden]`, `offsets` `[n + 1]`; `dropout` is that of the attention
    /// weights. Gives `[sum_len, hidden]`.
    pub fn attention(
        &mut self,
        [q, k, v]: [Var; 3],
        offsets: &[usize],
        n_heads: usize,
        dropout: f32,
    ) -> Var {
        let shape = self.value(q).shape.clone();
        let hidden = self.value(q).cols();
        assert!(
            n_heads > 0 && hidden.is_multiple_of(n_heads),
            "attention: {hidden} columns, {n_heads} heads"
        );
        assert_eq!(
            offsets.last(),
            Some(&self.value(q).rows()),
            "attention: offsets do not fit"
        );
        assert!(
            offsets.windows(2).all(|w| w[0] <= w[1]),
            "attention: offsets fall"
        );
        assert!(
            self.value(k).shape == shape && self.value(v).shape == shape,
            "attention: shapes differ"
        );
        let dropout = self.dropout_key(dropout);
        let heads = Heads {
            offsets,
            n_heads,
            hidden,
            dropout,
        };
        let mut out = self.fresh(&shape);
        let inputs = Inputs {
            q: &self.value(q).data,
            k: &self.value(k).data,
            v: &self.value(v).data,
        };
        let n_sums = if self.is_training() {
            out.rows() * n_heads
        } else {
            0
        };
        let mut sums = vec![0.0f32; n_sums];
        forward(heads, inputs, &mut out.data, &mut sums);
        let offsets = offsets.to_vec();
        self.push(out, &[q, k, v], || Attention {
            q,
            k,
            v,
            offsets,
            n_heads,
            dropout,
            sums,
        })
    }
}

impl Rule for Attention {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let hidden = grad.cols();
        let heads = Heads {
            offsets: &self.offsets,
            n_heads: self.n_heads,
            hidden,
            dropout: self.dropout,
        };
        let inputs = Inputs {
            q: &pass.value(self.q).data,
            k: &pass.value(self.k).data,
            v: &pass.value(self.v).data,
        };
        let mut grads = [(); 3].map(|()| pass.fresh(&grad.shape));
        let out = &pass.output().data;
        backward(
            heads,
            inputs,
            [out, &grad.data, &self.sums],
            grads.each_mut().map(|g| g.data.as_mut_slice()),
        );
        for (var, grad) in [self.q, self.k, self.v].into_iter().zip(grads) {
            pass.add(var, grad);
        }
        pass.recycle(grad);
    }
}
