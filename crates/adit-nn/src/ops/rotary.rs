//! Rotary positions, and columns taken out of rows.

use std::ops::Range;
use std::sync::Arc;

use crate::kernels::rotary::{Columns, Turns, turn, turn_back};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

/// The angles of a packed batch: computed once, used by all layers with the same base.
#[derive(Clone, Debug)]
pub struct RotaryAngles(Arc<Angles>);

#[derive(Debug)]
struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
    positions: Vec<u32>,
}

impl RotaryAngles {
    /// Angles for heads of `head` columns and the given base, for tokens that count from 0 in every
    /// sequence of `offsets`: position · base^(-2i/head) (Su et al., 2021, section 3.2.2).
    ///
    /// The products are rounded to f32 as PyTorch rounds them, so that long texts agree with it.
    pub fn new(offsets: &[usize], head: usize, base: f64) -> Self {
        assert!(head.is_multiple_of(2), "rotary: heads of {head} columns");
        let half = head / 2;
        let frequencies: Vec<f32> = (0..half)
            .map(|i| 1.0 / (base.powf(f64::from((2 * i) as f32 / head as f32)) as f32))
            .collect();
        let longest = offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..longest {
            for frequency in &frequencies {
                let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                cos.push(c as f32);
                sin.push(s as f32);
            }
        }
        let positions = offsets
            .windows(2)
            .flat_map(|w| 0..(w[1] - w[0]) as u32)
            .collect();
        Self(Arc::new(Angles {
            cos,
            sin,
            half,
            positions,
        }))
    }

    fn turns(&self) -> Turns<'_> {
        Turns {
            cos: &self.0.cos,
            sin: &self.0.sin,
            half: self.0.half,
            positions: &self.0.positions,
        }
    }
}

struct Rotary {
    x: Var,
    columns: Columns,
    angles: RotaryAngles,
}

struct TakeColumns(Var, Range<usize>);

impl Tape<'_> {
    /// The `columns` of `x` `[sum_len, cols]`, head by head, turned by each token's position.
    ///
    /// Gives `[sum_len, columns.len()]`. `columns` holds whole heads, `angles` fits the packed batch.
    pub fn rotary(&mut self, x: Var, columns: Range<usize>, angles: &RotaryAngles) -> Var {
        let input = self.value(x);
        let (rows, width, count) = (input.rows(), input.cols(), columns.len());
        assert!(
            columns.end <= width && count.is_multiple_of(2 * angles.0.half.max(1)),
            "rotary: columns {columns:?} of {width}, heads of {}",
            2 * angles.0.half
        );
        assert_eq!(
            rows,
            angles.0.positions.len(),
            "rotary: angles of another batch"
        );
        let columns = Columns {
            from: columns.start,
            count,
            width,
        };
        let mut out = self.fresh(&[rows, count]);
        turn(&mut out.data, &input.data, columns, angles.turns());
        let angles = angles.clone();
        self.push(out, &[x], || Rotary { x, columns, angles })
    }

    /// The `columns` of `x` `[n, cols]`: `[n, columns.len()]`.
    pub fn columns(&mut self, x: Var, columns: Range<usize>) -> Var {
        let input = self.value(x);
        assert!(
            columns.end <= input.cols(),
            "columns: {columns:?} of {}",
            input.cols()
        );
        let mut out = self.fresh(&[input.rows(), columns.len()]);
        let rows = input.data.chunks_exact(input.cols().max(1));
        for (out, row) in out.data.chunks_exact_mut(columns.len().max(1)).zip(rows) {
            out.copy_from_slice(&row[columns.clone()]);
        }
        self.push(out, &[x], || TakeColumns(x, columns))
    }
}

impl Rule for Rotary {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        pass.accumulate(self.x, |sum, _| {
            turn_back(&mut sum.data, &grad.data, self.columns, self.angles.turns());
        });
        pass.recycle(grad);
    }
}

impl Rule for TakeColumns {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        pass.accumulate(self.0, |sum, _| {
            let cols = sum.cols().max(1);
            let rows = grad.data.chunks_exact(self.1.len().max(1));
            for (sum, row) in sum.data.chunks_exact_mut(cols).zip(rows) {
                for (sum, &g) in sum[self.1.clone()].iter_mut().zip(row) {
                    *sum += g;
                }
            }
        });
        pass.recycle(grad);
    }
}
