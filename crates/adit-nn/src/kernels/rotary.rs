//! Rotary positions (Su et al., 2021, equation 34), in the layout of Hugging Face: column `i` of a
//! head turns with column `i + head/2`.

use super::parallel::{block_rows, rows_mut};
use super::simd::vectorised;

/// Where the columns that turn lie in the rows of the input.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The first of them.
    pub from: usize,
    /// How many: a multiple of the width of a head.
    pub count: usize,
    /// The columns of a row of the input.
    pub width: usize,
}

/// The cosine and sine of every position and frequency.
#[derive(Clone, Copy, Debug)]
pub struct Turns<'a> {
    /// `[positions, head / 2]`.
    pub cos: &'a [f32],
    /// As `cos`.
    pub sin: &'a [f32],
    /// Half the width of a head.
    pub half: usize,
    /// The position of every row.
    pub positions: &'a [u32],
}

impl<'a> Turns<'a> {
    fn at(&self, row: usize) -> (&'a [f32], &'a [f32]) {
        let start = self.positions[row] as usize * self.half;
        let range = start..start + self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

vectorised! {
    fn turn_head(out: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        let ((low, high), (a, b)) = (out.split_at_mut(half), x.split_at(half));
        for ((((low, high), (&a, &b)), &c), &s) in
            low.iter_mut().zip(high).zip(a.iter().zip(b)).zip(cos).zip(sin)
        {
            *low = a.mul_add(c, -(b * s));
            *high = b.mul_add(c, a * s);
        }
    }
}

vectorised! {
    fn add_back_head(dx: &mut [f32], grad: &[f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        let ((da, db), (low, high)) = (dx.split_at_mut(half), grad.split_at(half));
        for ((((da, db), (&l, &h)), &c), &s) in
            da.iter_mut().zip(db).zip(low.iter().zip(high)).zip(cos).zip(sin)
        {
            *da += l.mul_add(c, h * s);
            *db += h.mul_add(c, -(l * s));
        }
    }
}

/// Turns the `columns` of `x` by each row's position, into `out` `[n, columns.count]`.
pub fn turn(out: &mut [f32], x: &[f32], columns: Columns, turns: Turns<'_>) {
    let Columns { from, count, width } = columns;
    rows_mut(out, count, block_rows(count), |first, block| {
        for (at, out) in block.chunks_exact_mut(count).enumerate() {
            let start = (first + at) * width + from;
            let (cos, sin) = turns.at(first + at);
            let heads = x[start..start + count].chunks_exact(2 * turns.half);
            for (out, x) in out.chunks_exact_mut(2 * turns.half).zip(heads) {
                turn_head(out, x, cos, sin);
            }
        }
    });
}

/// Adds the gradient of [`turn`] to `dx` `[n, columns.width]`.
pub fn turn_back(dx: &mut [f32], grad: &[f32], columns: Columns, turns: Turns<'_>) {
    let Columns { from, count, width } = columns;
    rows_mut(dx, width, block_rows(width), |first, block| {
        for (at, dx) in block.chunks_exact_mut(width).enumerate() {
            let row = first + at;
            let (cos, sin) = turns.at(row);
            let heads = grad[row * count..(row + 1) * count].chunks_exact(2 * turns.half);
            let mine = dx[from..from + count].chunks_exact_mut(2 * turns.half);
            for (dx, grad) in mine.zip(heads) {
                add_back_head(dx, grad, cos, sin);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_keeps_lengths_and_back_undoes_it() {
        let (half, n) = (3, 5);
        let angle = |at: usize| (at / half) as f32 * 0.7 * (1 + at % half) as f32;
        let cos: Vec<f32> = (0..n * half).map(|at| angle(at).cos()).collect();
        let sin: Vec<f32> = (0..n * half).map(|at| angle(at).sin()).collect();
        let positions: Vec<u32> = (0..n as u32).rev().collect();
        let turns = Turns {
            cos: &cos,
            sin: &sin,
            half,
            positions: &positions,
        };
        let columns = Columns {
            from: 1,
            count: 12,
            width: 14,
        };
        let x: Vec<f32> = (0..n * 14).map(|i| ((i * 31) % 17) as f32 - 8.0).collect();
        let mut out = vec![0.0; n * 12];
        turn(&mut out, &x, columns, turns);
        let mut back = vec![0.0; n * 14];
        turn_back(&mut back, &out, columns, turns);
        for row in 0..n {
            let before = &x[row * 14 + 1..row * 14 + 13];
            let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>();
            let after = &out[row * 12..row * 12 + 12];
            assert!((length(before) / length(after) - 1.0).abs() < 1e-5);
            for (a, b) in before.iter().zip(&back[row * 14 + 1..]) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
        assert_eq!(&out[n * 12 - 12..], &x[n * 14 - 13..n * 14 - 1]);
    }
}
