//! Members that share a linear map: factors and biases of each member's own around it
//! (BatchEnsemble: Wen et al., 2020), and an output layer of each.
//!
//! Rows come first, then members: row `i` of member `m` is row `i · n_members + m` of a matrix.

use crate::kernels::elementwise::{axpy, dot, sum_rows};
use crate::kernels::parallel::{block_rows, rows_mut};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Inputs {
    x: Var,
    factors: Var,
}

struct Relu {
    x: Var,
    factors: Var,
    biases: Var,
}

struct Outputs {
    x: Var,
    weight: Var,
    bias: Var,
}

impl Tape<'_> {
    /// Each row of `x` `[n, cols]` once a member, times that member's `factors` `[n_members, cols]`:
    /// `[n · n_members, cols]`.
    pub fn member_inputs(&mut self, x: Var, factors: Var) -> Var {
        let (input, by) = (self.value(x), self.value(factors));
        let (n, cols, count) = (input.rows(), input.cols(), by.rows());
        assert_eq!(cols, by.cols(), "member_inputs: columns differ");
        let mut out = self.fresh(&[n * count, cols]);
        let width = count * cols;
        rows_mut(&mut out.data, width, block_rows(width), |first, block| {
            for (at, row) in block.chunks_exact_mut(width).enumerate() {
                let members = row.chunks_exact_mut(cols).zip(by.data.chunks_exact(cols));
                for (out, by) in members {
                    multiply(out, input.row(first + at), by);
                }
            }
        });
        self.push(out, &[x, factors], || Inputs { x, factors })
    }

    /// ReLU of `x · factors + biases`, of each member its own: `x` is `[n · n_members, cols]`, the
    /// others `[n_members, cols]`.
    pub fn member_relu(&mut self, x: Var, factors: Var, biases: Var) -> Var {
        let (input, by, plus) = (self.value(x), self.value(factors), self.value(biases));
        assert_eq!(input.cols(), by.cols(), "member_relu: columns differ");
        assert_eq!(by.shape, plus.shape, "member_relu: shapes differ");
        let width = by.len();
        assert!(
            input.len().is_multiple_of(width.max(1)),
            "member_relu: members"
        );
        let mut out = self.fresh(&input.shape);
        rows_mut(&mut out.data, width, block_rows(width), |first, block| {
            let x = input.data[first * width..].chunks_exact(width);
            for (row, x) in block.chunks_exact_mut(width).zip(x) {
                let own = x.iter().zip(&by.data).zip(&plus.data);
                for (out, ((x, by), plus)) in row.iter_mut().zip(own) {
                    *out = x.mul_add(*by, *plus).max(0.0);
                }
            }
        });
        self.push(out, &[x, factors, biases], || Relu { x, factors, biases })
    }

    /// A linear map of each member's own: `x` is `[n · n_members, cols]`, `weight`
    /// `[n_members, out, cols]`, `bias` `[n_members, out]`; gives `[n · n_members, out]`.
    pub fn member_outputs(&mut self, x: Var, weight: Var, bias: Var) -> Var {
        let (input, maps, plus) = (self.value(x), self.value(weight), self.value(bias));
        let (cols, n_out) = (input.cols(), plus.cols());
        let width = plus.len();
        assert_eq!(
            maps.len(),
            width * cols,
            "member_outputs: weight does not fit"
        );
        let count = plus.rows().max(1);
        assert!(
            input.rows().is_multiple_of(count),
            "member_outputs: members"
        );
        let mut out = self.fresh(&[input.rows(), n_out]);
        rows_mut(
            &mut out.data,
            width,
            block_rows(count * cols),
            |first, block| {
                for (at, row) in block.chunks_exact_mut(width).enumerate() {
                    for (place, out) in row.iter_mut().enumerate() {
                        let own = input.row((first + at) * count + place / n_out);
                        let map = &maps.data[place * cols..][..cols];
                        *out = dot(own, map) + plus.data[place];
                    }
                }
            },
        );
        self.push(out, &[x, weight, bias], || Outputs { x, weight, bias })
    }
}

/// `out = a · b`, on this thread.
fn multiply(out: &mut [f32], a: &[f32], b: &[f32]) {
    for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
        *out = a * b;
    }
}

/// Adds the sum over rows of `values` to the gradient of `var`.
fn add_sums(pass: &mut Pass<'_, '_>, var: Var, values: &[f32]) {
    if pass.needs(var) {
        let shape = pass.value(var).shape.clone();
        let data = sum_rows(values, shape.iter().product());
        pass.add(var, Tensor { shape, data });
    }
}

impl Rule for Inputs {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let by = pass.value(self.factors);
        let (cols, width) = (by.cols(), by.len());
        if pass.needs(self.x) {
            let mut dx = pass.fresh(&pass.value(self.x).shape);
            rows_mut(&mut dx.data, cols, block_rows(width), |first, block| {
                for (at, out) in block.chunks_exact_mut(cols).enumerate() {
                    out.fill(0.0);
                    let own = grad.data[(first + at) * width..][..width].chunks_exact(cols);
                    for (g, by) in own.zip(by.data.chunks_exact(cols)) {
                        for (out, (g, by)) in out.iter_mut().zip(g.iter().zip(by)) {
                            *out = g.mul_add(*by, *out);
                        }
                    }
                }
            });
            pass.add(self.x, dx);
        }
        if pass.needs(self.factors) {
            let x = pass.value(self.x);
            rows_mut(&mut grad.data, width, block_rows(width), |first, block| {
                for (at, row) in block.chunks_exact_mut(width).enumerate() {
                    for g in row.chunks_exact_mut(cols) {
                        for (g, x) in g.iter_mut().zip(x.row(first + at)) {
                            *g *= x;
                        }
                    }
                }
            });
            add_sums(pass, self.factors, &grad.data);
        }
        pass.recycle(grad);
    }
}

impl Rule for Relu {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (by, output) = (pass.value(self.factors), pass.output());
        let width = by.len();
        rows_mut(&mut grad.data, width, block_rows(width), |first, block| {
            let own = &output.data[first * width..];
            for (g, y) in block.iter_mut().zip(own) {
                *g = if *y > 0.0 { *g } else { 0.0 };
            }
        });
        add_sums(pass, self.biases, &grad.data);
        if pass.needs(self.factors) {
            let x = pass.value(self.x);
            let mut by_x = pass.fresh(&x.shape);
            rows_mut(&mut by_x.data, width, block_rows(width), |first, block| {
                let own = first * width..first * width + block.len();
                multiply(block, &grad.data[own.clone()], &x.data[own]);
            });
            add_sums(pass, self.factors, &by_x.data);
            pass.recycle(by_x);
        }
        let by = pass.value(self.factors);
        rows_mut(&mut grad.data, width, block_rows(width), |_, block| {
            for row in block.chunks_exact_mut(width) {
                for (g, by) in row.iter_mut().zip(&by.data) {
                    *g *= by;
                }
            }
        });
        pass.add(self.x, grad);
    }
}

impl Rule for Outputs {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (x, maps) = (pass.value(self.x), pass.value(self.weight));
        let (cols, n_out) = (x.cols(), grad.cols());
        let (count, width) = (maps.len() / (n_out * cols).max(1), maps.len() / cols.max(1));
        if pass.needs(self.weight) {
            let mut dw = pass.fresh(&maps.shape);
            // One row of a map at a time, over all rows of the batch in their order.
            rows_mut(&mut dw.data, cols, 1, |place, out| {
                out.fill(0.0);
                for row in 0..grad.rows() / count.max(1) {
                    let own = x.row(row * count + place / n_out);
                    axpy(out, own, grad.data[row * width + place]);
                }
            });
            pass.add(self.weight, dw);
        }
        if pass.needs(self.x) {
            let (x, maps) = (pass.value(self.x), pass.value(self.weight));
            let mut dx = pass.fresh(&x.shape);
            rows_mut(&mut dx.data, cols, block_rows(cols), |first, block| {
                for (at, out) in block.chunks_exact_mut(cols).enumerate() {
                    out.fill(0.0);
                    let member = (first + at) % count;
                    let map = &maps.data[member * n_out * cols..][..n_out * cols];
                    for (map, &g) in map.chunks_exact(cols).zip(grad.row(first + at)) {
                        axpy(out, map, g);
                    }
                }
            });
            pass.add(self.x, dx);
        }
        add_sums(pass, self.bias, &grad.data);
        pass.recycle(grad);
    }
}
