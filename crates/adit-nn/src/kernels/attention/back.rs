//! The way back through attention.

use super::{BLOCK, Bias, Block, Heads, Inputs, Task, rows};
use crate::kernels::elementwise;
use crate::kernels::matmul::{View, product};
use crate::kernels::parallel::{Shared, each};
use crate::kernels::scratch::with_scratch;

/// The memory of one task.
struct Scratch<'s> {
    p: &'s mut [f32],
    dropped: &'s mut [f32],
    dp: &'s mut [f32],
    /// One block of the gradient of the queries.
    dq: &'s mut [f32],
    /// The product of output and gradient, a number a query.
    d: &'s mut [f32],
}

/// What the way back reads.
#[derive(Clone, Copy)]
struct Given<'a> {
    heads: Heads<'a>,
    inputs: Inputs<'a>,
    out: &'a [f32],
    grad: &'a [f32],
    sums: &'a [f32],
}

/// Writes the gradients of queries, keys and values, given the output, its gradient and the sums of
/// [`super::forward`]; returns that of the bias, `[n_heads, 2 · reach - 1]`, or nothing without one.
pub fn backward(
    heads: Heads<'_>,
    inputs: Inputs<'_>,
    [out, grad, sums]: [&[f32]; 3],
    [dq, dk, dv]: [&mut [f32]; 3],
) -> Vec<f32> {
    heads.check(inputs);
    let given = Given {
        heads,
        inputs,
        out,
        grad,
        sums,
    };
    let (hidden, head) = (heads.hidden, heads.head());
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    let width = heads.bias.map_or(0, |bias| Bias::width(bias.reach));
    let mut by_task = vec![0.0f32; heads.n_tasks() * width];
    let bias_at = Shared::new(&mut by_task);
    each(heads.n_tasks(), |at| {
        let task = heads.task(at);
        let n_keys = task.keys.len();
        let (most, n) = (BLOCK.min(task.queries.len()), n_keys * head);
        let need = 2 * n + width + most * (3 * heads.step(n_keys) + head + 1);
        with_scratch(need, |memory| {
            let (sums, rest) = memory.split_at_mut(2 * n + width);
            sums.fill(0.0);
            let (dk_sum, sums) = sums.split_at_mut(n);
            let (dv_sum, bias_sum) = sums.split_at_mut(n);
            for block in heads.blocks(&task) {
                if block.cols() == 0 {
                    continue;
                }
                let size = block.rows() * heads.step(block.cols());
                let (p, rest) = rest.split_at_mut(size);
                let (dropped, rest) = rest.split_at_mut(size);
                let (dp, rest) = rest.split_at_mut(size);
                let (dq_block, rest) = rest.split_at_mut(block.rows() * head);
                let d = &mut rest[..block.rows()];
                let mut scratch = Scratch {
                    p,
                    dropped,
                    dp,
                    dq: dq_block,
                    d,
                };
                let from = block.keys.start * head..;
                let [dk_part, dv_part] = [&mut dk_sum[from.clone()], &mut dv_sum[from]];
                given.block(&task, &block, &mut scratch, [dk_part, dv_part, bias_sum]);
                let row = task.queries.start + block.queries.start;
                // SAFETY: a task owns the rows of its sequence in the columns of its head.
                unsafe { dq.put(scratch.dq, (row, task.head * head), head, hidden) };
            }
            let place = (task.keys.start, task.head * head);
            // SAFETY: as above, and each task has a part of its own of the bias' gradient.
            unsafe {
                dk.put(dk_sum, place, head, hidden);
                dv.put(dv_sum, place, head, hidden);
                if width > 0 {
                    bias_at.put(bias_sum, (at, 0), width, width);
                }
            }
        });
    });
    over_sequences(&by_task, heads.n_heads * width)
}

/// Sums `[n_sequences, len]` over the sequences, in their order.
fn over_sequences(parts: &[f32], len: usize) -> Vec<f32> {
    if len == 0 {
        return Vec::new();
    }
    let mut total = vec![0.0f64; len];
    for part in parts.chunks_exact(len) {
        for (sum, &v) in total.iter_mut().zip(part) {
            *sum += f64::from(v);
        }
    }
    total.into_iter().map(|v| v as f32).collect()
}

impl Given<'_> {
    /// Adds the part of one block to the gradients of keys, values and bias, and leaves that of its queries.
    fn block(
        &self,
        task: &Task,
        block: &Block,
        scratch: &mut Scratch<'_>,
        [dk, dv, dbias]: [&mut [f32]; 3],
    ) {
        let heads = self.heads;
        let (hidden, head) = (heads.hidden, heads.head());
        let (n, cols) = (block.rows(), block.cols());
        let step = heads.step(cols);
        let column = task.head * head;
        let first = (task.queries.start + block.queries.start) * hidden + column;
        let key = (task.keys.start + block.keys.start) * hidden + column;
        let lse = &self.sums[heads.sums_at(task) + block.queries.start..][..n];

        heads.scores(self.inputs, (task, block), scratch.p);
        heads.weights_again(task, block, scratch.p, lse);
        scratch.dropped.copy_from_slice(scratch.p);
        heads.drop_weights(task, block, scratch.dropped);
        let grad = View::new(&self.grad[first..], hidden, 1);
        let dropped = View::new(scratch.dropped, 1, step);
        product((cols, head, n), dv, head, dropped, grad, true);

        for (row, d) in scratch.d.iter_mut().enumerate() {
            let from = first + row * hidden;
            *d = elementwise::dot(&self.grad[from..from + head], &self.out[from..from + head]);
        }
        let values = View::new(&self.inputs.v[key..], 1, hidden);
        product((n, cols, head), scratch.dp, step, grad, values, false);
        heads.drop_weights(task, block, scratch.dp);
        if heads.bias.is_some() {
            rows::softmax_back(scratch.dp, scratch.p, step, scratch.d, 1.0);
            heads.add_bias_gradient(block, task.keys.len(), scratch.dp, dbias);
            scratch.dp.iter_mut().for_each(|v| *v *= heads.scale);
        } else {
            rows::softmax_back(scratch.dp, scratch.p, step, scratch.d, heads.scale);
        }

        let keys = View::new(&self.inputs.k[key..], hidden, 1);
        let scores = View::new(scratch.dp, step, 1);
        product((n, head, cols), scratch.dq, head, scores, keys, false);
        let queries = View::new(&self.inputs.q[first..], hidden, 1);
        let scores = View::new(scratch.dp, 1, step);
        product((cols, head, n), dk, head, scores, queries, true);
    }
}

impl Heads<'_> {
    fn add_bias_gradient(&self, block: &Block, n_keys: usize, scores: &[f32], out: &mut [f32]) {
        let Some(bias) = self.bias else { return };
        for (at, row) in scores.chunks_exact(block.cols()).enumerate() {
            let query = block.queries.start + at;
            let seen = self.seen(query, n_keys);
            let start = Bias::at(bias.reach, self.first_query + query, seen.start);
            let from = seen.start - block.keys.start;
            rows::add_to(
                &mut out[start..start + seen.len()],
                &row[from..from + seen.len()],
            );
        }
    }
}
