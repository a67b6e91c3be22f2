//! What follows a product while its values are still in the cache.

use super::maths;
use super::matmul::tile::{NR, PANELS};
use super::simd::vectorised;

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The value as it is.
    None,
    /// GELU in its exact form.
    Gelu,
}

/// Adds `bias` and applies `activation`.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// One value a column.
    pub bias: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// How GELU is computed, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gelu {
    Not,
    Exact,
    /// For values whose inputs were rounded.
    Near,
}

impl Gelu {
    /// Of every value of a line.
    #[inline(always)]
    pub(super) fn of(self, mut line: [f32; NR]) -> [f32; NR] {
        match self {
            Self::Not => {}
            Self::Exact => {
                for v in &mut line {
                    *v = maths::gelu(*v);
                }
            }
            Self::Near => {
                for v in &mut line {
                    *v = maths::gelu_near(*v);
                }
            }
        }
        line
    }
}

vectorised! {
    /// GELU of every value.
    pub(super) fn gelu_lines(values: &mut [f32], gelu: Gelu) {
        // Each has a loop of its own.
        if gelu == Gelu::Exact {
            for v in values {
                *v = maths::gelu(*v);
            }
        } else if gelu == Gelu::Near {
            for v in values {
                *v = maths::gelu_near(*v);
            }
        }
    }
}

/// What a tile does to its columns before it leaves them.
pub(super) struct Lines {
    pub bias: [f32; PANELS * NR],
    pub gelu: Gelu,
}

impl Lines {
    /// Finishes `cols` columns of rows that lie `step` apart.
    pub(super) fn apply(&self, c: &mut [f32], step: usize, cols: usize) {
        for row in c.chunks_mut(step.max(cols)) {
            let row = &mut row[..cols];
            for (v, b) in row.iter_mut().zip(&self.bias) {
                *v += b;
            }
            gelu_lines(row, self.gelu);
        }
    }
}

impl Finish<'_> {
    /// Panics where the bias does not have `n` values.
    pub(super) fn check(&self, n: usize) {
        assert!(
            self.bias.is_none_or(|b| b.len() == n),
            "linear: the bias does not fit the weight"
        );
    }

    /// The bias of the `width` columns from `col` on, and zeros.
    pub(super) fn bias_of<const N: usize>(&self, col: usize, width: usize) -> [f32; N] {
        let mut own = [0.0f32; N];
        if let Some(bias) = self.bias {
            own[..width].copy_from_slice(&bias[col..col + width]);
        }
        own
    }

    /// The way of the activation, for inputs as they are or rounded.
    pub(super) fn gelu(&self, rounded: bool) -> Gelu {
        match (self.activation, rounded) {
            (Activation::None, _) => Gelu::Not,
            (Activation::Gelu, false) => Gelu::Exact,
            (Activation::Gelu, true) => Gelu::Near,
        }
    }

    /// What is done to the `width` columns from `col` on, if anything.
    pub(super) fn lines(&self, col: usize, width: usize, rounded: bool) -> Option<Lines> {
        let any = self.bias.is_some() || self.activation != Activation::None;
        any.then(|| Lines {
            bias: self.bias_of(col, width),
            gelu: self.gelu(rounded),
        })
    }
}
