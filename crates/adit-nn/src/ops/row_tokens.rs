//! The tokens of rows of a table: one per number, one per category, one for the row.

use rayon::prelude::*;

use crate::kernels::elementwise::{axpy, dot};
use crate::kernels::embedding::scatter_add;
use crate::kernels::maths::sin_cos_turns;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

/// A batch of rows, encoded; token order is the row's own token if it has one, numbers, categories.
#[derive(Clone, Debug)]
pub struct RowTokens {
    /// Where the components of each number start, and the end: `[n_numbers + 1]`.
    pub starts: Vec<usize>,
    /// Components of all numbers, `[n, starts.last()]`; waves are filled in by the operation.
    pub components: Vec<f32>,
    /// Which numbers are missing, `[n, n_numbers]`.
    pub missing: Vec<bool>,
    /// Rows of the category table, `[n, n_categories]`.
    pub codes: Vec<u32>,
    /// The number of rows.
    pub n: usize,
    /// Whether a ReLU follows the linear map of the numbers.
    pub relu: bool,
    /// Whether each row begins with a token of its own.
    pub own_token: bool,
    /// The numbers `[n, n_numbers]`, if the last components of each are sines, then cosines, of it.
    pub waves: Option<Vec<f32>>,
}

/// The parameters of row tokens; `d` is the width of a token.
#[derive(Clone, Copy, Debug)]
pub struct RowTokenVars {
    /// The row's own token, `[d]`; read where rows have one.
    pub cls: Var,
    /// Turns per unit of each number, `[n_numbers, n_frequencies]`; read where there are waves.
    pub frequencies: Option<Var>,
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

/// What the way back reads beside the gradient.
#[derive(Clone, Copy)]
struct Seen<'a> {
    output: &'a Tensor,
    weight: &'a Tensor,
    /// Frequencies of each number.
    count: usize,
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
        self.first() + self.n_numbers() + self.n_categories()
    }

    /// The place of the first number's token.
    fn first(&self) -> usize {
        usize::from(self.own_token)
    }

    /// Writes the sines and cosines of all numbers that are there.
    fn fill_waves(&mut self, frequencies: &Tensor) {
        let Some(values) = &self.waves else { return };
        let (n_numbers, count) = (self.n_numbers(), frequencies.cols());
        let width = self.starts[n_numbers];
        let (starts, missing) = (&self.starts, &self.missing);
        let rows = self.components.par_chunks_mut(width.max(1)).enumerate();
        rows.for_each(|(row, out)| {
            for number in 0..n_numbers {
                let at = row * n_numbers + number;
                if missing[at] {
                    continue;
                }
                let end = starts[number + 1];
                let (sines, cosines) = out[end - 2 * count..end].split_at_mut(count);
                let own = frequencies.row(number);
                for ((sine, cosine), frequency) in sines.iter_mut().zip(cosines).zip(own) {
                    (*sine, *cosine) = sin_cos_turns(values[at] * frequency);
                }
            }
        });
    }
}

impl Tape<'_> {
    /// The tokens of a batch of rows, `[n · n_tokens, d]`, or side by side, `[n, n_tokens · d]`, where
    /// rows have no token of their own.
    ///
    /// A number's token is the sum of its components times their weights, plus a bias, with a ReLU if
    /// asked for; a missing number has a learned token of its own. A category's token is its row of
    /// the table plus a bias.
    pub fn row_tokens(&mut self, mut batch: RowTokens, vars: RowTokenVars) -> Var {
        if let Some(frequencies) = vars.frequencies {
            batch.fill_waves(self.value(frequencies));
        }
        let d = self.value(vars.bias).cols();
        let (n_numbers, n_tokens) = (batch.n_numbers(), batch.n_tokens());
        let n_components = batch.starts[n_numbers];
        let n_categories = batch.n_categories();
        let mut out = if batch.own_token {
            self.zeros(&[batch.n * n_tokens, d])
        } else {
            self.zeros(&[batch.n, n_tokens * d])
        };
        let value = |var| self.value(var);
        let (weight, bias, missing) = (value(vars.weight), value(vars.bias), value(vars.missing));
        let (table, table_bias, cls) = (value(vars.table), value(vars.table_bias), value(vars.cls));
        out.data
            .par_chunks_mut((n_tokens * d).max(1))
            .enumerate()
            .for_each(|(row, out)| {
                let (own, rest) = out.split_at_mut(batch.first() * d);
                if batch.own_token {
                    own.copy_from_slice(&cls.data);
                }
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
        let inputs: Vec<Var> = [
            vars.cls,
            vars.weight,
            vars.bias,
            vars.missing,
            vars.table,
            vars.table_bias,
        ]
        .into_iter()
        .chain(vars.frequencies)
        .collect();
        self.push(out, &inputs, || Rows { batch, vars })
    }
}

impl Rows {
    /// The gradient of number `number`: of its weights, its bias, its missing token and its
    /// frequencies, in that order.
    fn number_back(&self, number: usize, grad: &Tensor, seen: Seen<'_>) -> Vec<f32> {
        let batch = &self.batch;
        let (d, n_tokens, n_numbers) = (grad.cols(), batch.n_tokens(), batch.n_numbers());
        let (from, to) = (batch.starts[number], batch.starts[number + 1]);
        let Seen {
            output,
            weight,
            count,
        } = seen;
        let mut sums = vec![0.0; (to - from + 2) * d + count];
        let mut own = vec![0.0; d];
        for row in 0..batch.n {
            let token = row * n_tokens + batch.first() + number;
            if batch.missing[row * n_numbers + number] {
                axpy(&mut sums[(to - from + 1) * d..][..d], grad.row(token), 1.0);
                continue;
            }
            own.copy_from_slice(grad.row(token));
            if batch.relu {
                for (g, &y) in own.iter_mut().zip(&output.data[token * d..][..d]) {
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
            let Some(values) = &batch.waves else { continue };
            let turn = values[row * n_numbers + number] * std::f32::consts::TAU;
            let (sines, cosines) = components[to - from - 2 * count..].split_at(count);
            for (at, sum) in sums[(to - from + 2) * d..].iter_mut().enumerate() {
                let by_sine = dot(&own, weight.row(to - 2 * count + at));
                let by_cosine = dot(&own, weight.row(to - count + at));
                *sum += turn * (by_sine * cosines[at] - by_cosine * sines[at]);
            }
        }
        sums
    }
}

impl Rule for Rows {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let batch = &self.batch;
        let (n_tokens, n_numbers) = (batch.n_tokens(), batch.n_numbers());
        let d = pass.value(self.vars.bias).cols();
        grad.shape = vec![batch.n * n_tokens, d];
        let vars = &self.vars;
        let mut learned = [vars.weight, vars.bias, vars.missing]
            .into_iter()
            .chain(vars.frequencies);
        let wanted = learned.any(|var| pass.needs(var));
        let seen = Seen {
            output: pass.output(),
            weight: pass.value(vars.weight),
            count: vars.frequencies.map_or(0, |var| pass.value(var).cols()),
        };
        let parts: Vec<Vec<f32>> = (0..if wanted { n_numbers } else { 0 })
            .into_par_iter()
            .map(|number| self.number_back(number, &grad, seen))
            .collect();
        if batch.own_token {
            pass.accumulate(self.vars.cls, |sum, _| {
                (0..batch.n).for_each(|row| axpy(&mut sum.data, grad.row(row * n_tokens), 1.0));
            });
        }
        for (number, part) in parts.iter().enumerate() {
            let (from, to) = (batch.starts[number], batch.starts[number + 1]);
            let (weights, rest) = part.split_at((to - from) * d);
            let (bias, rest) = rest.split_at(d);
            let (missing, frequencies) = rest.split_at(d);
            pass.accumulate(self.vars.weight, |sum, _| {
                axpy(&mut sum.data[from * d..to * d], weights, 1.0)
            });
            pass.accumulate(self.vars.bias, |sum, _| {
                axpy(&mut sum.data[number * d..][..d], bias, 1.0)
            });
            pass.accumulate(self.vars.missing, |sum, _| {
                axpy(&mut sum.data[number * d..][..d], missing, 1.0)
            });
            let count = frequencies.len();
            if let Some(var) = self.vars.frequencies {
                pass.accumulate(var, |sum, _| {
                    axpy(&mut sum.data[number * count..][..count], frequencies, 1.0)
                });
            }
        }
        let n_categories = batch.n_categories();
        for row in 0..batch.n {
            let from = (row * n_tokens + batch.first() + n_numbers) * d;
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
