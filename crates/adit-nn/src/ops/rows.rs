//! Rows chosen and averaged.

use crate::kernels::elementwise::axpy;
use crate::kernels::embedding::scatter_add;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct SelectRows {
    x: Var,
    ids: Vec<u32>,
}

struct MeanPool {
    x: Var,
    offsets: Vec<usize>,
}

struct MaxPool {
    x: Var,
    from: Vec<u32>,
}

impl Tape<'_> {
    /// The rows `rows` of `x` `[n, cols]`, in that order; a row may be taken twice.
    pub fn select_rows(&mut self, x: Var, rows: &[usize]) -> Var {
        let input = self.value(x);
        let cols = input.cols();
        let mut out = self.fresh(&[rows.len(), cols]);
        for (to, &row) in out.data.chunks_exact_mut(cols.max(1)).zip(rows) {
            to.copy_from_slice(input.row(row));
        }
        let ids = rows.iter().map(|&r| r as u32).collect();
        self.push(out, &[x], || SelectRows { x, ids })
    }

    /// The mean over the tokens of every sequence: `x` is `[sum_len, cols]`; gives `[n, cols]`.
    pub fn mean_pool(&mut self, x: Var, offsets: &[usize]) -> Var {
        let input = self.value(x);
        let cols = input.cols();
        let mut out = Tensor::zeros(&[offsets.len().saturating_sub(1), cols]);
        for (out, range) in out
            .data
            .chunks_exact_mut(cols.max(1))
            .zip(offsets.windows(2))
        {
            for row in range[0]..range[1] {
                axpy(out, input.row(row), 1.0);
            }
            let factor = 1.0 / (range[1] - range[0]).max(1) as f32;
            for v in out {
                *v *= factor;
            }
        }
        let offsets = offsets.to_vec();
        self.push(out, &[x], || MeanPool { x, offsets })
    }

    /// The largest value of every column over the tokens of every sequence, `[n, cols]`.
    pub fn max_pool(&mut self, x: Var, offsets: &[usize]) -> Var {
        let input = self.value(x);
        let cols = input.cols();
        let n = offsets.len().saturating_sub(1);
        let mut out = Tensor::full(&[n, cols], f32::NEG_INFINITY);
        let mut from = vec![0u32; n * cols];
        for (at, range) in offsets.windows(2).enumerate() {
            let (out, from) = (
                &mut out.data[at * cols..][..cols],
                &mut from[at * cols..][..cols],
            );
            for row in range[0]..range[1] {
                for ((best, from), &v) in out.iter_mut().zip(from.iter_mut()).zip(input.row(row)) {
                    if v > *best {
                        (*best, *from) = (v, row as u32);
                    }
                }
            }
        }
        self.push(out, &[x], || MaxPool { x, from })
    }
}

impl Rule for SelectRows {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        pass.accumulate(self.x, |sum, _| {
            scatter_add(&mut sum.data, &grad.data, &self.ids, grad.cols())
        });
    }
}

impl Rule for MeanPool {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let cols = grad.cols();
        pass.accumulate(self.x, |sum, _| {
            for (at, range) in self.offsets.windows(2).enumerate() {
                let factor = 1.0 / (range[1] - range[0]).max(1) as f32;
                for row in range[0]..range[1] {
                    axpy(&mut sum.data[row * cols..][..cols], grad.row(at), factor);
                }
            }
        });
    }
}

impl Rule for MaxPool {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let cols = grad.cols();
        pass.accumulate(self.x, |sum, _| {
            for (at, (&g, &row)) in grad.data.iter().zip(&self.from).enumerate() {
                sum.data[row as usize * cols + at % cols] += g;
            }
        });
    }
}
