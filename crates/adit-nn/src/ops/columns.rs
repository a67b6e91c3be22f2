//! Columns joined and gated.

use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Concat(Vec<Var>);
struct Reglu(Var);

impl Tape<'_> {
    /// The columns of all `parts` (each `[n, cols_i]`) side by side: `[n, sum of cols_i]`.
    pub fn concat_columns(&mut self, parts: &[Var]) -> Var {
        let n = parts.first().map_or(0, |&p| self.value(p).rows());
        let total = parts.iter().map(|&p| self.value(p).cols()).sum();
        let mut data = Vec::with_capacity(n * total);
        for row in 0..n {
            for &part in parts {
                data.extend_from_slice(self.value(part).row(row));
            }
        }
        self.push(
            Tensor {
                shape: vec![n, total],
                data,
            },
            parts,
            || Concat(parts.to_vec()),
        )
    }

    /// ReGLU: the first half of the columns times the ReLU of the second half (Shazeer, 2020).
    pub fn reglu(&mut self, x: Var) -> Var {
        let input = self.value(x);
        let half = input.cols() / 2;
        assert_eq!(input.cols(), 2 * half, "reglu: an odd number of columns");
        let mut out = Tensor::zeros(&[input.rows(), half]);
        for (out, row) in out
            .data
            .chunks_exact_mut(half)
            .zip(input.data.chunks_exact(2 * half))
        {
            let (a, b) = row.split_at(half);
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = a * b.max(0.0);
            }
        }
        self.push(out, &[x], || Reglu(x))
    }
}

impl Rule for Concat {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let mut from = 0;
        for &part in &self.0 {
            let cols = pass.value(part).cols();
            let mut data = Vec::with_capacity(grad.rows() * cols);
            for row in 0..grad.rows() {
                data.extend_from_slice(&grad.row(row)[from..from + cols]);
            }
            pass.add(
                part,
                Tensor {
                    shape: vec![grad.rows(), cols],
                    data,
                },
            );
            from += cols;
        }
    }
}

impl Rule for Reglu {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let x = pass.value(self.0);
        let half = grad.cols();
        let mut out = Tensor::zeros(&x.shape);
        let rows = out
            .data
            .chunks_exact_mut(2 * half)
            .zip(x.data.chunks_exact(2 * half));
        for ((out, x), g) in rows.zip(grad.data.chunks_exact(half)) {
            let ((da, db), (a, b)) = (out.split_at_mut(half), x.split_at(half));
            for at in 0..half {
                da[at] = g[at] * b[at].max(0.0);
                db[at] = if b[at] > 0.0 { g[at] * a[at] } else { 0.0 };
            }
        }
        pass.add(self.0, out);
    }
}
