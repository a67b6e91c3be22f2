//! What follows a product while its values are still in the cache.

use super::NR;
use crate::kernels::maths;
use crate::kernels::simd::vectorised;

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

vectorised! {
    /// Adds the bias, then GELU, on rows of at most `NR` values that lie `step` apart.
    fn finish_block(c: &mut [f32], step: usize, bias: &[f32; NR], width: usize, gelu: bool) {
        for row in c.chunks_mut(step) {
            let mut line = [0.0f32; NR];
            // A length that the compiler knows is copied without a call.
            if width == NR {
                line.copy_from_slice(&row[..NR]);
            } else {
                line[..width].copy_from_slice(&row[..width]);
            }
            for (v, b) in line.iter_mut().zip(bias) {
                *v += b;
            }
            if gelu {
                for v in &mut line {
                    *v = maths::gelu(*v);
                }
            }
            if width == NR {
                row[..NR].copy_from_slice(&line);
            } else {
                row[..width].copy_from_slice(&line[..width]);
            }
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
    pub(super) fn bias_of(&self, col: usize, width: usize) -> [f32; NR] {
        let mut own = [0.0f32; NR];
        if let Some(bias) = self.bias {
            own[..width].copy_from_slice(&bias[col..col + width]);
        }
        own
    }

    /// Finishes `rows` rows, `step` apart, of the `width` columns from `col` on.
    pub(super) fn apply(
        &self,
        c: &mut [f32],
        (rows, step): (usize, usize),
        (col, width): (usize, usize),
    ) {
        if self.bias.is_none() && self.activation == Activation::None {
            return;
        }
        let c = &mut c[..(rows - 1) * step + width];
        let own = self.bias_of(col, width);
        let gelu = self.activation == Activation::Gelu;
        finish_block(c, step, &own, width, gelu);
    }
}
