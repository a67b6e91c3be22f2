//! Columns joined and gated.

use crate::kernels::elementwise::{reglu_rows, reglu_rows_back};
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
        let mut out = self.fresh(&[input.rows(), half]);
        reglu_rows(&mut out.data, &input.data, half);
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
        let mut out = pass.fresh(&x.shape);
        reglu_rows_back(&mut out.data, &x.data, &grad.data, half);
        pass.add(self.0, out);
    }
}
