//! Sums of gradients over the rows of a leaf, bin by bin.

use rayon::prelude::*;

use super::bins::Binned;

/// Fewer row-columns than this are not worth a second thread.
const ENOUGH_WORK: usize = 1 << 15;

/// What is known of the rows in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub gradient: f64,
    pub hessian: f64,
    pub n: u32,
}

impl Sums {
    pub fn plus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient + other.gradient,
            hessian: self.hessian + other.hessian,
            n: self.n + other.n,
        }
    }

    pub fn minus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            n: self.n - other.n,
        }
    }
}

/// One list of sums a column; empty for columns that are left out of the tree.
pub(super) type Histograms = Vec<Vec<Sums>>;

/// Sums over `rows`, whose gradients and hessians are `of_rows`, in their order.
pub(super) fn histograms(
    columns: &[Binned],
    used: &[bool],
    rows: &[u32],
    of_rows: &[[f32; 2]],
) -> Histograms {
    let of_column = |(column, used): (&Binned, &bool)| {
        if !*used {
            return Vec::new();
        }
        let mut sums = vec![Sums::default(); column.n_bins];
        for (&row, &[gradient, hessian]) in rows.iter().zip(of_rows) {
            let sum = &mut sums[usize::from(column.bins[row as usize])];
            sum.gradient += f64::from(gradient);
            sum.hessian += f64::from(hessian);
            sum.n += 1;
        }
        sums
    };
    if rows.len() * columns.len() < ENOUGH_WORK {
        return columns.iter().zip(used).map(of_column).collect();
    }
    columns.par_iter().zip(used).map(of_column).collect()
}

/// What is left of `whole` without `part`.
pub(super) fn subtract(whole: &mut Histograms, part: &Histograms) {
    for (whole, part) in whole.iter_mut().zip(part) {
        for (sum, less) in whole.iter_mut().zip(part) {
            *sum = sum.minus(*less);
        }
    }
}
