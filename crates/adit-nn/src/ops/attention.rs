//! Attention over packed sequences: own, causal, windowed, biased, or to other sequences.

use crate::kernels::attention::{Bias, Heads, Inputs, Mask, backward, forward};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

pub use crate::kernels::attention::Mask as AttentionMask;

/// How queries attend to keys.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSettings {
    /// The number of heads.
    pub n_heads: usize,
    /// What scores are multiplied by; one over the root of the head's width where absent.
    pub scale: Option<f32>,
    /// The dropout of attention weights.
    pub dropout: f32,
    /// Which keys a query sees.
    pub mask: AttentionMask,
    /// `[n_heads, 2 · reach - 1]`: column `reach - 1 + key - query` is added to the scaled score.
    pub bias: Option<Var>,
    /// The position of each sequence's first query among its keys.
    pub first_query: usize,
}

impl AttentionSettings {
    /// Every query sees all keys of its sequence.
    pub fn new(n_heads: usize) -> Self {
        Self {
            n_heads,
            scale: None,
            dropout: 0.0,
            mask: Mask::Full,
            bias: None,
            first_query: 0,
        }
    }
}

struct Attention {
    q: Var,
    k: Var,
    v: Var,
    queries: Vec<usize>,
    keys: Vec<usize>,
    settings: AttentionSettings,
    dropout: Option<(u64, f32)>,
    sums: Vec<f32>,
}

struct RelativeBias {
    table: Var,
    buckets: Vec<usize>,
}

impl Tape<'_> {
    /// Softmax attention of every token to its own sequence (Vaswani et al., 2017, equation 1).
    ///
    /// `q`, `k`, `v` are `[sum_len, hidden]`, `offsets` `[n + 1]`; `dropout` is that of the attention
    /// weights. Gives `[sum_len, hidden]`.
    pub fn attention(
        &mut self,
        qkv: [Var; 3],
        offsets: &[usize],
        n_heads: usize,
        dropout: f32,
    ) -> Var {
        let settings = AttentionSettings {
            dropout,
            ..AttentionSettings::new(n_heads)
        };
        self.attend(qkv, offsets, offsets, &settings)
    }

    /// Softmax attention of every query to the keys of the sequence of the same number.
    ///
    /// `q` is `[sum_queries, hidden]`, `k` and `v` `[sum_keys, hidden]`, both offsets `[n + 1]`. Gives
    /// `[sum_queries, hidden]`; a query that sees no key gets zeros.
    pub fn attend(
        &mut self,
        [q, k, v]: [Var; 3],
        queries: &[usize],
        keys: &[usize],
        settings: &AttentionSettings,
    ) -> Var {
        let shape = self.value(q).shape.clone();
        let (hidden, n_heads) = (self.value(q).cols(), settings.n_heads);
        assert!(
            n_heads > 0 && hidden.is_multiple_of(n_heads),
            "attention: {hidden} columns, {n_heads} heads"
        );
        assert_eq!(
            (queries.last(), keys.last()),
            (Some(&self.value(q).rows()), Some(&self.value(k).rows())),
            "attention: offsets do not fit"
        );
        assert!(
            self.value(k).shape == self.value(v).shape && self.value(k).cols() == hidden,
            "attention: shapes differ"
        );
        let dropout = self.dropout_key(settings.dropout);
        let mut out = self.fresh(&shape);
        let inputs = Inputs {
            q: &self.value(q).data,
            k: &self.value(k).data,
            v: &self.value(v).data,
        };
        let heads = settings.heads(hidden, [queries, keys], dropout, |var| self.value(var));
        let heads = Heads {
            near: self.rounds(),
            ..heads
        };
        let n_sums = if self.is_training() {
            out.rows() * n_heads
        } else {
            0
        };
        let mut sums = vec![0.0f32; n_sums];
        forward(heads, inputs, &mut out.data, &mut sums);
        let (queries, keys) = (queries.to_vec(), keys.to_vec());
        let settings = *settings;
        let inputs: Vec<Var> = [Some(q), Some(k), Some(v), settings.bias]
            .into_iter()
            .flatten()
            .collect();
        self.push(out, &inputs, || Attention {
            q,
            k,
            v,
            queries,
            keys,
            settings,
            dropout,
            sums,
        })
    }

    /// The bias of [`AttentionSettings::bias`] for distances below `reach`, from a table of buckets.
    ///
    /// `table` is `[n_buckets, n_heads]`; `bucket` gives the row for `key - query`. Gives `[n_heads, 2 ·
    /// reach - 1]` (Raffel et al., 2020, section 2.1).
    pub fn relative_bias(
        &mut self,
        table: Var,
        reach: usize,
        bucket: impl Fn(isize) -> usize,
    ) -> Var {
        let values = self.value(table);
        let (n_buckets, n_heads) = (values.rows(), values.cols());
        let nearest = reach as isize - 1;
        let buckets: Vec<usize> = (-nearest..=nearest).map(bucket).collect();
        assert!(
            buckets.iter().all(|&b| b < n_buckets),
            "relative bias: a bucket beyond {n_buckets}"
        );
        let data = (0..n_heads)
            .flat_map(|head| {
                buckets
                    .iter()
                    .map(move |&b| values.data[b * n_heads + head])
            })
            .collect();
        let out = Tensor {
            shape: vec![n_heads, buckets.len()],
            data,
        };
        self.push(out, &[table], || RelativeBias { table, buckets })
    }
}

impl AttentionSettings {
    fn heads<'a>(
        &self,
        hidden: usize,
        [queries, keys]: [&'a [usize]; 2],
        dropout: Option<(u64, f32)>,
        value: impl Fn(Var) -> &'a Tensor,
    ) -> Heads<'a> {
        let plain = Heads::own(queries, self.n_heads, hidden);
        Heads {
            keys,
            scale: self.scale.unwrap_or(plain.scale),
            first_query: self.first_query,
            mask: self.mask,
            bias: self.bias.map(|bias| Bias {
                values: &value(bias).data,
                reach: value(bias).cols().div_ceil(2),
            }),
            dropout,
            ..plain
        }
    }
}

impl Rule for Attention {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let mut grads = [self.q, self.k, self.v].map(|var| pass.fresh(&pass.value(var).shape));
        let bias = {
            let offsets = [&self.queries[..], &self.keys[..]];
            let heads = self
                .settings
                .heads(grad.cols(), offsets, self.dropout, |var| pass.value(var));
            let inputs = Inputs {
                q: &pass.value(self.q).data,
                k: &pass.value(self.k).data,
                v: &pass.value(self.v).data,
            };
            backward(
                heads,
                inputs,
                [&pass.output().data, &grad.data, &self.sums],
                grads.each_mut().map(|g| g.data.as_mut_slice()),
            )
        };
        for (var, grad) in [self.q, self.k, self.v].into_iter().zip(grads) {
            pass.add(var, grad);
        }
        if let Some(var) = self.settings.bias {
            let shape = pass.value(var).shape.clone();
            pass.add(var, Tensor { shape, data: bias });
        }
        pass.recycle(grad);
    }
}

impl Rule for RelativeBias {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (n_heads, width) = (grad.rows(), grad.cols());
        pass.accumulate(self.table, |table, _| {
            for head in 0..n_heads {
                for (at, &bucket) in self.buckets.iter().enumerate() {
                    table.data[bucket * n_heads + head] += grad.data[head * width + at];
                }
            }
        });
        pass.recycle(grad);
    }
}
