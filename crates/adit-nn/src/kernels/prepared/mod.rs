//! Weights of linear maps in the order in which tiles read them, made once and shared by threads.
//!
//! Every value of a result is the same chain of operations over the inputs of a map, whatever the
//! number of threads, the other rows, and (but for bf16 on machines with products of it) the machine.

mod bf16;
pub(super) mod bf16_tile;
mod int8;
pub(super) mod int8_tile;
mod panels;

pub use super::finish::{Activation, Finish};
use super::parallel::{Shared, is_by_itself};
use super::scratch::with_scratch;
use crate::precision::Precision;
use bf16::Halves;
pub use bf16::rounds_inputs as bf16_rounds_inputs;
use int8::Bytes;
use panels::Panels;

/// Columns of a panel.
pub(super) const NR: usize = super::matmul::tile::NR;
/// Rows of a tile at most.
const MR: usize = super::matmul::tile::MR;
/// Rows of the result that one task computes, at most.
const ROWS: usize = super::matmul::ROWS;
/// Multiplications that are worth more than one thread.
const TASK: usize = 1 << if cfg!(miri) { 12 } else { 20 };
/// Fewer rows than this are not cut.
const FEW: usize = 48;

/// A weight `[n_out, n_in]` ready for products.
#[derive(Debug)]
pub struct Weight {
    n: usize,
    k: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    F32(Panels),
    Bf16(Halves),
    Int8(Bytes),
}

impl Weight {
    /// Packs `values` `[n, k]`; on this thread.
    pub fn new(precision: Precision, (n, k): (usize, usize), values: &[f32]) -> Self {
        assert_eq!(values.len(), n * k, "the weight does not fit its size");
        let form = match precision {
            Precision::Bf16 => Form::Bf16(Halves::new((n, k), values)),
            Precision::Int8 if (1..=int8::LONGEST).contains(&k) => {
                Form::Int8(Bytes::new(int8_tile::Path::best(), (n, k), values))
            }
            _ => Form::F32(Panels::new((n, k), values)),
        };
        Self { n, k, form }
    }

    /// Columns of the result.
    pub fn n_out(&self) -> usize {
        self.n
    }

    /// Columns of the input.
    pub fn n_in(&self) -> usize {
        self.k
    }

    /// `finish(x · weightᵀ)`: `x` is `[m, n_in]`, `out` `[m, n_out]`.
    pub fn linear(&self, x: &[f32], out: &mut [f32], finish: Finish<'_>) {
        let (n, k) = (self.n, self.k);
        if n == 0 {
            return;
        }
        let m = out.len() / n;
        assert!(
            out.len() == m * n && x.len() == m * k,
            "linear: the input does not fit the weight"
        );
        finish.check(n);
        if m == 0 {
            return;
        }
        if k == 0 {
            out.fill(0.0);
            for col in (0..n).step_by(NR) {
                let width = NR.min(n - col);
                if let Some(lines) = finish.lines(col, width, false) {
                    lines.apply(&mut out[col..], n, width);
                }
            }
            return;
        }
        self.in_blocks(out, |rows, cols, place| {
            let x = &x[rows.start * k..rows.end * k];
            match &self.form {
                Form::F32(panels) => panels.run(x, cols, place, finish),
                Form::Bf16(halves) => halves.run(x, cols, place, finish),
                Form::Int8(bytes) => bytes.run(x, cols, place, finish),
            }
        });
    }

    /// Cuts the result into blocks of rows, and of columns where there are few rows.
    ///
    /// No value depends on the cut, so it may depend on the number of threads: a block turns its rows
    /// into the form that its kernel reads, which should happen once.
    fn in_blocks(
        &self,
        out: &mut [f32],
        work: impl Fn(std::ops::Range<usize>, std::ops::Range<usize>, Place<'_>) + Sync,
    ) {
        use rayon::prelude::*;
        let (n, k) = (self.n, self.k);
        let m = out.len() / n;
        let panels = n.div_ceil(NR);
        if is_by_itself() || m * n * k < TASK {
            return work(0..m, 0..panels, Place { c: out, step: n });
        }
        let threads = rayon::current_num_threads();
        let blocks = if m >= 8 * ROWS {
            m.div_ceil(ROWS)
        } else {
            (m / FEW).clamp(1, threads)
        };
        let rows = m.div_ceil(blocks).next_multiple_of(MR);
        let (first, blocks) = (|at: usize| at * rows, m.div_ceil(rows));
        if blocks >= threads {
            let work = |(at, c): (usize, &mut [f32])| {
                let range = first(at)..first(at) + c.len() / n;
                work(range, 0..panels, Place { c, step: n });
            };
            out.par_chunks_mut(rows * n).enumerate().for_each(work);
            return;
        }
        // Pairs of panels stay together, for tiles that are two panels wide.
        let groups = (2 * threads).div_ceil(blocks);
        let width = panels.div_ceil(groups).next_multiple_of(2);
        let groups = panels.div_ceil(width);
        let out = Shared::new(out);
        (0..groups * blocks).into_par_iter().for_each(|task| {
            let (at, group) = (task / groups, task % groups);
            let range = first(at)..m.min(first(at + 1));
            let cols = group * width..((group + 1) * width).min(panels);
            let n_cols = (cols.end * NR).min(n) - cols.start * NR;
            let start = (range.start, cols.start * NR);
            with_scratch(range.len() * n_cols, |own| {
                let place = Place {
                    c: &mut *own,
                    step: n_cols,
                };
                work(range, cols, place);
                // SAFETY: a task owns these rows of these columns.
                unsafe { out.put(own, start, n_cols, n) };
            });
        });
    }
}

/// Runs `work(part, panel)` on every part of every panel: panel after panel where the rows fill one tile
/// alone, so that each is read once from its start to its end, else part after part.
fn each_part(
    parts: impl Iterator<Item = usize> + Clone,
    panels: impl Iterator<Item = usize> + Clone,
    one_tile: bool,
    mut work: impl FnMut(usize, usize),
) {
    if one_tile {
        panels.for_each(|panel| parts.clone().for_each(|part| work(part, panel)));
    } else {
        parts.for_each(|part| panels.clone().for_each(|panel| work(part, panel)));
    }
}

/// Where a block of the result goes: its first row and column are the first of `c`.
pub(super) struct Place<'a> {
    c: &'a mut [f32],
    step: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_nothing_gives_its_bias() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let weight = Weight::new(precision, (19, 0), &[]);
            let bias: Vec<f32> = (0..19).map(|i| i as f32).collect();
            let finish = Finish {
                bias: Some(&bias),
                activation: Activation::None,
            };
            let mut out = vec![9.0f32; 3 * 19];
            weight.linear(&[], &mut out, finish);
            assert!(out.chunks(19).all(|row| row == bias), "{precision:?}");
        }
    }

    #[test]
    fn few_rows_shared_out_by_columns_give_the_bits_of_one_thread() {
        let (m, n, k) = if cfg!(miri) {
            (14, 93, 11)
        } else {
            (14, 1501, 131)
        };
        let values = |n: usize, seed: usize| -> Vec<f32> {
            let one = |i| ((i * 7919 + seed * 31) % 1009) as f32 * 0.004 - 2.0;
            (0..n).map(one).collect()
        };
        let (x, w, bias) = (values(m * k, 1), values(n * k, 2), values(n, 3));
        let finish = Finish {
            bias: Some(&bias),
            activation: Activation::Gelu,
        };
        assert!(m * n * k >= TASK, "too few to be shared out");
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let weight = Weight::new(precision, (n, k), &w);
            let run = |threads| {
                let mut out = vec![0.0f32; m * n];
                let pool = pool(threads).expect("a pool");
                pool.install(|| weight.linear(&x, &mut out, finish));
                out
            };
            let alone = run(1);
            assert_eq!(run(3), alone, "{precision:?}");
            assert!(alone.iter().any(|&v| v > 1.0));
        }
    }
}
