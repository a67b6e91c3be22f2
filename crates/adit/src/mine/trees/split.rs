//! The best way to part a leaf's rows by one column.

use super::TreeSettings;
use super::bins::{Binned, Cut};
use super::histogram::Sums;

/// Columns of at most as many categories are tried category by category.
const ONE_BY_ONE: usize = 4;
/// Added to a category's hessian when categories are put in order.
const CATEGORY_SMOOTHING: f64 = 10.0;
/// Added to the penalty where several categories go to one side.
const CATEGORY_L2: f64 = 10.0;
/// Most categories that are told by name to go left.
const MOST_CATEGORIES: usize = 32;

/// Where rows go.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Route {
    /// Bins up to this one go left.
    UpTo { bin: u8, missing_left: bool },
    /// These bins go left.
    Among([u64; 4]),
}

/// A way to part rows, and what it gains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub column: usize,
    pub route: Route,
    pub gain: f64,
    pub left: Sums,
    /// Penalty on the values of both leaves.
    pub l2: f64,
}

impl Route {
    /// Whether rows of this bin go left.
    pub fn goes_left(&self, bin: u8, missing_bin: Option<usize>) -> bool {
        match self {
            Route::UpTo { missing_left, .. } if missing_bin == Some(usize::from(bin)) => {
                *missing_left
            }
            Route::UpTo { bin: last, .. } => bin <= *last,
            Route::Among(set) => set[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1,
        }
    }
}

/// Twice the fall of the loss that a leaf of these sums brings.
fn worth(sums: Sums, l2: f64) -> f64 {
    let curvature = sums.hessian + l2;
    if curvature > 0.0 {
        sums.gradient * sums.gradient / curvature
    } else {
        0.0
    }
}

/// Looks for the best split of rows with the sums `all` by one column; `None` where none gains.
pub(super) fn best_split(
    (at, column): (usize, &Binned),
    sums: &[Sums],
    all: Sums,
    settings: &TreeSettings,
) -> Option<Split> {
    let search = Search {
        at,
        all,
        settings,
        base: worth(all, settings.l2),
    };
    match &column.cut {
        Cut::Numbers { .. } => search.numbers(sums),
        Cut::Categories { .. } => {
            let present = sums.iter().filter(|sum| sum.n > 0).count();
            if present <= ONE_BY_ONE {
                search.one_by_one(sums)
            } else {
                search.in_order(sums)
            }
        }
    }
}

struct Search<'a> {
    at: usize,
    all: Sums,
    settings: &'a TreeSettings,
    base: f64,
}

impl Search<'_> {
    /// The gain of parting off `left`, if both sides are large enough.
    fn gain(&self, left: Sums, l2: f64) -> Option<f64> {
        let right = self.all.minus(left);
        let large = |side: Sums| {
            side.n as usize >= self.settings.min_rows_in_leaf
                && side.hessian >= self.settings.min_hessian
        };
        if !large(left) || !large(right) {
            return None;
        }
        let gain = worth(left, l2) + worth(right, l2) - self.base;
        (gain > self.settings.min_gain).then_some(gain)
    }

    fn keep(&self, best: &mut Option<Split>, route: Route, left: Sums, l2: f64) {
        let Some(gain) = self.gain(left, l2) else {
            return;
        };
        if best.as_ref().is_none_or(|split| gain > split.gain) {
            *best = Some(Split {
                column: self.at,
                route,
                gain,
                left,
                l2,
            });
        }
    }

    fn numbers(&self, sums: &[Sums]) -> Option<Split> {
        let (values, missing) = sums.split_at(sums.len() - 1);
        let missing = missing[0];
        let mut best = None;
        let mut left = Sums::default();
        for (bin, sum) in values.iter().enumerate() {
            left = left.plus(*sum);
            if sum.n == 0 {
                continue;
            }
            let to = |missing_left| Route::UpTo {
                bin: bin as u8,
                missing_left,
            };
            if missing.n == 0 {
                // What is missing later goes the way of the most rows.
                let most = 2 * left.n >= self.all.n;
                self.keep(&mut best, to(most), left, self.settings.l2);
            } else {
                self.keep(&mut best, to(false), left, self.settings.l2);
                self.keep(&mut best, to(true), left.plus(missing), self.settings.l2);
            }
        }
        best
    }

    /// One category to the left, all others to the right.
    fn one_by_one(&self, sums: &[Sums]) -> Option<Split> {
        let mut best = None;
        for (bin, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.n > 0) {
            let mut set = [0u64; 4];
            set[bin >> 6] |= 1 << (bin & 63);
            self.keep(&mut best, Route::Among(set), *sum, self.settings.l2);
        }
        best
    }

    /// Categories in the order of their mean gradient, from either end (Fisher 1958: the best partition of
    /// categories lies along this order).
    fn in_order(&self, sums: &[Sums]) -> Option<Split> {
        // Unknown categories stay on the right; rare ones say too little to be placed.
        let mut order: Vec<usize> = (1..sums.len())
            .filter(|&bin| f64::from(sums[bin].n) >= CATEGORY_SMOOTHING)
            .collect();
        let mean = |bin: usize| sums[bin].gradient / (sums[bin].hessian + CATEGORY_SMOOTHING);
        order.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(a.cmp(&b)));
        let most = MOST_CATEGORIES.min(order.len().div_ceil(2));
        let l2 = self.settings.l2 + CATEGORY_L2;
        let mut best = None;
        for backwards in [false, true] {
            let mut left = Sums::default();
            let mut set = [0u64; 4];
            for k in 0..most {
                let bin = order[if backwards { order.len() - 1 - k } else { k }];
                left = left.plus(sums[bin]);
                set[bin >> 6] |= 1 << (bin & 63);
                self.keep(&mut best, Route::Among(set), left, l2);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::super::bins::bin_columns;
    use super::super::histogram::histograms;
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn settings(min_rows: usize) -> TreeSettings {
        TreeSettings {
            min_rows_in_leaf: min_rows,
            min_hessian: 1e-9,
            l2: 0.5,
            ..TreeSettings::default()
        }
    }

    /// Parts the rows themselves in every way that the bins allow.
    fn by_hand(values: &[f32], gradients: &[[f32; 2]], min_rows: usize, l2: f64) -> f64 {
        let mut cuts: Vec<f32> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        cuts.sort_unstable_by(f32::total_cmp);
        cuts.dedup();
        let worth = |g: f64, h: f64| g * g / (h + l2);
        let sum = |keep: &dyn Fn(usize) -> bool| {
            let rows = (0..values.len()).filter(|&i| keep(i));
            rows.fold((0.0, 0.0, 0), |(g, h, n), i| {
                (
                    g + f64::from(gradients[i][0]),
                    h + f64::from(gradients[i][1]),
                    n + 1,
                )
            })
        };
        let (g, h, _) = sum(&|_| true);
        let mut best = 0.0f64;
        for &cut in &cuts {
            for missing_left in [false, true] {
                let goes = |i: usize| {
                    if values[i].is_nan() {
                        missing_left
                    } else {
                        values[i] <= cut
                    }
                };
                let (gl, hl, nl) = sum(&goes);
                let (gr, hr, nr) = sum(&|i| !goes(i));
                if nl >= min_rows && nr >= min_rows {
                    best = best.max(worth(gl, hl) + worth(gr, hr) - worth(g, h));
                }
            }
        }
        best
    }

    #[test]
    fn the_best_split_of_numbers_is_that_of_an_exhaustive_search() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for round in 0..200 {
            let n = rng.random_range(4..60);
            let value = |rng: &mut ChaCha8Rng| match rng.random_range(0..6) {
                0 if round % 2 == 0 => f32::NAN,
                _ => rng.random_range(0..9) as f32,
            };
            let values: Vec<f32> = (0..n).map(|_| value(&mut rng)).collect();
            let gradients: Vec<[f32; 2]> = (0..n)
                .map(|_| [rng.random_range(-1.0..1.0), rng.random_range(0.1..1.0)])
                .collect();
            let columns = bin_columns(
                &[Column::Numbers(&values)],
                &(0..n).collect::<Vec<_>>(),
                255,
            );
            let rows: Vec<u32> = (0..n as u32).collect();
            let sums = histograms(&columns, &[true], &rows, &gradients).remove(0);
            let all = sums.iter().fold(Sums::default(), |a, b| a.plus(*b));
            let min_rows = rng.random_range(1..4);
            let found = best_split((0, &columns[0]), &sums, all, &settings(min_rows));
            // Bins of fewer than three rows may be merged, so small tables are searched by their bins.
            let Cut::Numbers { upper } = &columns[0].cut else {
                panic!()
            };
            let merged: Vec<f32> = values
                .iter()
                .map(|v| {
                    if v.is_nan() {
                        *v
                    } else {
                        upper.partition_point(|u| u < v) as f32
                    }
                })
                .collect();
            let expected = by_hand(&merged, &gradients, min_rows, 0.5);
            let gain = found.as_ref().map_or(0.0, |split| split.gain);
            assert!((gain - expected).abs() < 1e-9, "{gain} {expected}");
            if let Some(split) = found {
                let goes = |i: usize| {
                    split
                        .route
                        .goes_left(columns[0].bins[i], columns[0].cut.missing_bin())
                };
                let left = (0..n).filter(|&i| goes(i)).count();
                assert_eq!(left as u32, split.left.n);
            }
        }
    }

    #[test]
    fn categories_are_parted_by_what_they_mean_and_not_by_their_names() {
        let codes: Vec<u32> = (0..1_200).map(|i| 2 + (i * 7) % 12).collect();
        let good = [3, 5, 8, 11];
        let gradients: Vec<[f32; 2]> = codes
            .iter()
            .map(|code| [if good.contains(code) { -1.0 } else { 1.0 }, 1.0])
            .collect();
        let column = Column::Categories {
            codes: &codes,
            cardinality: 14,
        };
        let rows: Vec<usize> = (0..codes.len()).collect();
        let columns = bin_columns(&[column], &rows, 255);
        let rows: Vec<u32> = (0..codes.len() as u32).collect();
        let sums = histograms(&columns, &[true], &rows, &gradients).remove(0);
        let all = sums.iter().fold(Sums::default(), |a, b| a.plus(*b));
        let split = best_split((0, &columns[0]), &sums, all, &settings(20)).unwrap();
        let left: Vec<u32> = (2..14)
            .filter(|&code| {
                let at = codes.iter().position(|&c| c == code).unwrap();
                split.route.goes_left(columns[0].bins[at], None)
            })
            .collect();
        assert_eq!(left, good);
    }
}
