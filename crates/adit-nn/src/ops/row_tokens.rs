//! The tokens of rows of a table: one per number, one per category, one for the row.

use rayon::prelude::*;

use crate::kernels::elementwise::axpy;
use crate::kernels::embedding::scatter_add;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

/// A batch of rows, encoded; token order is the row's own token, numbers, categories.
#[derive(Clone, Debug)]
pub struct RowTokens {
    /// Where the components of each number start, and the end: `[n_numbers + 1]`.
    pub starts: Vec<usize>,
    /// Components of all numbers, `[n, starts.last()]`.
    pub components: Vec<f32>,
    /// Which numbers are missing, `[n, n_numbers]`.
    pub missing: Vec<bool>,
    /// Rows of the category table, `[n, n_categories]`.
    pub codes: Vec<u32>,
    /// The number of rows.
    pub n: usize,
    /// Whether a ReLU follows the linear map of the numbers.
    pub relu: bool,
}

/// The parameters of row tokens; `d` is the width of a token.
#[derive(Clone, Copy, Debug)]
pub struct RowTokenVars {
    /// The row's own token, `[d]`.
    pub cls: Var,
    /// Weights of the components of all numbers, `[starts.last(), d]`.
    pub weight: Var,
    /// One bias per number, `[n_numbers, d]`.
    pub bias: Var,
    /// The token of a missing number, `[n_numbers, d]`.
    pub missing: Var,
    /// One row per category of each column, `[sum of cardinalities, d]`.
    pub table: Var,
    /// One bias per category column, `[n_categories, d]`.
    pub table_bias: Var,
}

struct Rows {
    batch: RowTokens,
    vars: RowTokenVars,
}

impl RowTokens {
    fn n_numbers(&self) -> usize {
        self.starts.len() - 1
    }

    fn n_categories(&self) -> usize {
        self.codes.len().checked_div(self.n).unwrap_or(0)
    }

    /// Tokens per row.
    pub fn n_tokens(&self) -> usize {
        1 + self.n_numbers() + self.n_categories()
    }
}

impl Tape<'_> {
    /// The tokens of a batch of rows, `[n · n_tokens, d]`.
    ///
    /// A number's token is the sum of its components times their weights, plus a bias, with a ReLU if
    /// asked for; a missing number has a learned token of its own. A category's token is its row of
    /// the table plus a bias.
    pub fn row_tokens(&mut self, batch: RowTokens, vars: RowTokenVars) -> Var {
        let d = self.value(vars.cls).len();
        let (n_numbers, n_tokens) = (batch.n_numbers(), batch.n_tokens());
        let n_components = batch.starts[n_numbers];
        let n_categories = batch.n_categories();
        let mut out = Tensor::zeros(&[batch.n * n_tokens, d]);
        let value = |var| self.value(var);
        let (weight, bias, missing) = (value(vars.weight), value(vars.bias), value(vars.missing));
        let (table, table_bias, cls) = (value(vars.table), value(vars.table_bias), value(vars.cls));
        out.data
            .par_chunks_mut((n_tokens * d).max(1))
            .enumerate()
            .for_each(|(row, out)| {
                let (own, rest) = out.split_at_mut(d);
                own.copy_from_slice(&cls.data);
                let (numbers, categories) = rest.split_at_mut(n_numbers * d);
                let components = &batch.components[row * n_components..][..n_components];
                for (number, token) in numbers.chunks_exact_mut(d).enumerate() {
                    if batch.missing[row * n_numbers + number] {
                        token.copy_from_slice(missing.row(number));
                        continue;
                    }
                    token.copy_from_slice(bias.row(number));
                    let from = batch.starts[number];
                    let own = &components[from..batch.starts[number + 1]];
                    for (at, &component) in own.iter().enumerate() {
                        if component != 0.0 {
                            axpy(token, weight.row(from + at), component);
                        }
                    }
                    if batch.relu {
                        token.iter_mut().for_each(|v| *v = v.max(0.0));
                    }
                }
                for (column, token) in categories.chunks_exact_mut(d).enumerate() {
                    let code = batch.codes[row * n_categories + column] as usize;
                    token.copy_from_slice(table.row(code));
                    axpy(token, table_bias.row(column), 1.0);
                }
            });
        let inputs = [
            vars.cls,
            vars.weight,
            vars.bias,
            vars.missing,
            vars.table,
            vars.table_bias,
        ];
        self.push(out, &inputs, || Rows { batch, vars })
    }
}

impl Rows {
    /// The gradient of number `number`: of its weights, its bias and its missing token, in that order.
    fn number_back(&self, number: usize, grad: &Tensor, output: &Tensor) -> Vec<f32> {
        let batch = &self.batch;
        let (d, n_tokens, n_numbers) = (grad.cols(), batch.n_tokens(), batch.n_numbers());
        let (from, to) = (batch.starts[number], batch.starts[number + 1]);
        let mut sums = vec![0.0; (to - from + 2) * d];
        let mut own = vec![0.0; d];
        for row in 0..batch.n {
            let token = row * n_tokens + 1 + number;
            if batch.missing[row * n_numbers + number] {
                axpy(&mut sums[(to - from + 1) * d..], grad.row(token), 1.0);
                continue;
            }
            own.copy_from_slice(grad.row(token));
            if batch.relu {
                for (g, &y) in own.iter_mut().zip(output.row(token)) {
                    *g = if y > 0.0 { *g } else { 0.0 };
                }
            }
            axpy(&mut sums[(to - from) * d..][..d], &own, 1.0);
            let components = &batch.components[row * batch.starts[n_numbers]..][from..to];
            for (at, &component) in components.iter().enumerate() {
                if component != 0.0 {
                    axpy(&mut sums[at * d..][..d], &own, component);
                }
            }
        }
        sums
    }
}

impl Rule for Rows {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let batch = &self.batch;
        let (d, n_tokens, n_numbers) = (grad.cols(), batch.n_tokens(), batch.n_numbers());
        let output = pass.output();
        let vars = [self.vars.weight, self.vars.bias, self.vars.missing];
        let wanted = vars.into_iter().any(|var| pass.needs(var));
        let parts: Vec<Vec<f32>> = (0..if wanted { n_numbers } else { 0 })
            .into_par_iter()
            .map(|number| self.number_back(number, &grad, output))
            .collect();
        pass.accumulate(self.vars.cls, |sum, _| {
            (0..batch.n).for_each(|row| axpy(&mut sum.data, grad.row(row * n_tokens), 1.0));
        });
        for (number, part) in parts.iter().enumerate() {
            let (from, to) = (batch.starts[number], batch.starts[number + 1]);
            let (weights, rest) = part.split_at((to - from) * d);
            let (bias, missing) = rest.split_at(d);
            pass.accumulate(self.vars.weight, |sum, _| {
                axpy(&mut sum.data[from * d..to * d], weights, 1.0)
            });
            pass.accumulate(self.vars.bias, |sum, _| {
                axpy(&mut sum.data[number * d..][..d], bias, 1.0)
            });
            pass.accumulate(self.vars.missing, |sum, _| {
                axpy(&mut sum.data[number * d..][..d], missing, 1.0)
            });
        }
        let n_categories = batch.n_categories();
        for row in 0..batch.n {
            let from = (row * n_tokens + 1 + n_numbers) * d;
            let tokens = &grad.data[from..from + n_categories * d];
            let codes = &batch.codes[row * n_categories..][..n_categories];
            pass.accumulate(self.vars.table, |sum, _| {
                scatter_add(&mut sum.data, tokens, codes, d)
            });
            pass.accumulate(self.vars.table_bias, |sum, _| {
                axpy(&mut sum.data, tokens, 1.0)
            });
        }
    }
}
