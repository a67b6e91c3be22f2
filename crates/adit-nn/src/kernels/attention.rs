//! Softmax attention over packed sequences, one head of one sequence at a time.
//!
//! Scores live only in a scratch of `len · len` values per thread; the way back computes them again
//! from the logarithm of each row's sum (Dao et al., 2022, FlashAttention, section 3.1).

use super::elementwise;
use super::maths;
use super::matmul::{View, product};
use super::parallel::{Shared, each};
use super::scratch::with_scratch;
use super::simd::vectorised;

/// Sizes of one attention.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Where each sequence starts, and the end.
    pub offsets: &'a [usize],
    /// The number of heads.
    pub n_heads: usize,
    /// Columns of queries, keys, values and outputs: `n_heads · head`.
    pub hidden: usize,
    /// The key of the dropout masks and the share kept, if there is dropout.
    pub dropout: Option<(u64, f32)>,
}

/// Queries, keys and values, each `[sum_len, hidden]`.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
}

vectorised! {
    /// Softmax of scaled scores in place; leaves the logarithm of each row's sum in `lse`.
    fn softmax_block(scores: &mut [f32], lse: &mut [f32], scale: f32) {
        let cols = lse.len();
        for (row, lse) in scores.chunks_exact_mut(cols).zip(lse) {
            let mut tops = [f32::NEG_INFINITY; 8];
            let mut chunks = row.chunks_exact(8);
            for chunk in &mut chunks {
                for (top, &v) in tops.iter_mut().zip(chunk) {
                    *top = if v > *top { v } else { *top };
                }
            }
            let top = chunks.remainder().iter().chain(&tops).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
            let shift = -top * scale;
            for v in row.iter_mut() {
                *v = maths::exp(v.mul_add(scale, shift));
            }
            let mut lanes = [0.0f32; 8];
            let chunks = row.chunks_exact(8);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, v) in lanes.iter_mut().zip(chunk) {
                    *lane += *v;
                }
            }
            let sum = rest.iter().fold(lanes.iter().sum::<f32>(), |sum, v| sum + v);
            let factor = 1.0 / sum;
            for v in row.iter_mut() {
                *v *= factor;
            }
            *lse = sum.ln() - shift;
        }
    }
}

vectorised! {
    fn again_block(scores: &mut [f32], lse: &[f32], scale: f32) {
        for (row, &lse) in scores.chunks_exact_mut(lse.len()).zip(lse) {
            for v in row {
                *v = maths::exp(v.mul_add(scale, -lse));
            }
        }
    }
}

vectorised! {
    /// `ds = p · (dp - d) · scale`, into `dp`.
    fn scores_back_block(dp: &mut [f32], p: &[f32], d: &[f32], scale: f32) {
        let cols = d.len();
        for ((dp, p), &d) in dp.chunks_exact_mut(cols).zip(p.chunks_exact(cols)).zip(d) {
            for (dp, &p) in dp.iter_mut().zip(p) {
                *dp = p * (*dp - d) * scale;
            }
        }
    }
}

struct Task {
    sequence: usize,
    head: usize,
    start: usize,
    len: usize,
}

impl Heads<'_> {
    fn head(&self) -> usize {
        self.hidden / self.n_heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head() as f32).sqrt()
    }

    fn n_tasks(&self) -> usize {
        (self.offsets.len() - 1) * self.n_heads
    }

    fn task(&self, at: usize) -> Task {
        let (sequence, head) = (at / self.n_heads, at % self.n_heads);
        let start = self.offsets[sequence];
        Task {
            sequence,
            head,
            start,
            len: self.offsets[sequence + 1] - start,
        }
    }

    fn drop_scores(&self, scores: &mut [f32], task: &Task) {
        if let Some((key, keep)) = self.dropout {
            let stream = (task.sequence * self.n_heads + task.head) as u64;
            elementwise::dropout_at(scores, 0, crate::random::mix(key, stream), keep);
        }
    }
}

/// Attention of every token to its own sequence: fills `out` `[sum_len, hidden]`.
///
/// Fills `sums` with the logarithm of each row's sum, `[sum_len, n_heads]` grouped by sequence and
/// head, which the way back needs; an empty `sums` stays empty.
pub fn forward(heads: Heads<'_>, inputs: Inputs<'_>, out: &mut [f32], sums: &mut [f32]) {
    let keep = !sums.is_empty();
    let (out, sums) = (Shared::new(out), Shared::new(sums));
    let (hidden, head) = (heads.hidden, heads.head());
    each(heads.n_tasks(), |at| {
        let task = heads.task(at);
        let (start, len) = (task.start, task.len);
        let base = start * hidden + task.head * head;
        with_scratch(len * (len + head + 1), |scratch| {
            let (scores, rest) = scratch.split_at_mut(len * len);
            let (mine, lse) = rest.split_at_mut(len * head);
            let (q, k) = (
                View::new(&inputs.q[base..], hidden, 1),
                View::new(&inputs.k[base..], 1, hidden),
            );
            product((len, len, head), scores, len, q, k, false);
            softmax_block(scores, lse, heads.scale());
            heads.drop_scores(scores, &task);
            product(
                (len, head, len),
                mine,
                head,
                View::new(scores, len, 1),
                View::new(&inputs.v[base..], hidden, 1),
                false,
            );
            // SAFETY: a task owns the rows of its sequence in the columns of its head.
            unsafe { out.put(mine, (start, task.head * head), head, hidden) };
            if keep {
                let own = (0, start * heads.n_heads + task.head * len);
                // SAFETY: a task owns its own sums.
                unsafe { sums.put(lse, own, len, 0) };
            }
        });
    });
}

/// Writes the gradients of queries, keys and values, given the output, its gradient and the sums of
/// [`forward`].
pub fn backward(
    heads: Heads<'_>,
    inputs: Inputs<'_>,
    [out, grad, sums]: [&[f32]; 3],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let (hidden, head) = (heads.hidden, heads.head());
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    each(heads.n_tasks(), |at| {
        let task = heads.task(at);
        let (start, len) = (task.start, task.len);
        let base = start * hidden + task.head * head;
        with_scratch(len * (3 * len + head + 1), |scratch| {
            let (p, rest) = scratch.split_at_mut(len * len);
            let (dropped, rest) = rest.split_at_mut(len * len);
            let (dp, rest) = rest.split_at_mut(len * len);
            let (mine, d) = rest.split_at_mut(len * head);
            let lse = &sums[start * heads.n_heads + task.head * len..][..len];
            product(
                (len, len, head),
                p,
                len,
                View::new(&inputs.q[base..], hidden, 1),
                View::new(&inputs.k[base..], 1, hidden),
                false,
            );
            again_block(p, lse, heads.scale());
            dropped.copy_from_slice(p);
            heads.drop_scores(dropped, &task);
            product(
                (len, head, len),
                mine,
                head,
                View::new(dropped, 1, len),
                View::new(&grad[base..], hidden, 1),
                false,
            );
            let at = (start, task.head * head);
            // SAFETY: a task owns the rows of its sequence in the columns of its head.
            unsafe { dv.put(mine, at, head, hidden) };
            for (row, d) in d.iter_mut().enumerate() {
                let from = base + row * hidden;
                *d = elementwise::dot(&grad[from..from + head], &out[from..from + head]);
            }
            product(
                (len, len, head),
                dp,
                len,
                View::new(&grad[base..], hidden, 1),
                View::new(&inputs.v[base..], 1, hidden),
                false,
            );
            heads.drop_scores(dp, &task);
            scores_back_block(dp, p, d, heads.scale());
            product(
                (len, head, len),
                mine,
                head,
                View::new(dp, len, 1),
                View::new(&inputs.k[base..], hidden, 1),
                false,
            );
            // SAFETY: as above.
            unsafe { dq.put(mine, at, head, hidden) };
            product(
                (len, head, len),
                mine,
                head,
                View::new(dp, 1, len),
                View::new(&inputs.q[base..], hidden, 1),
                false,
            );
            // SAFETY: as above.
            unsafe { dk.put(mine, at, head, hidden) };
        });
    });
}
