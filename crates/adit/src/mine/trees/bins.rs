//! Columns cut into at most 255 bins, so that a histogram stands for the rows.

use rayon::prelude::*;

use super::Column;

/// Most bins of a column, its bin of missing values included; a bin's number fits a byte.
const MOST_BINS: usize = 255;
/// A number's bin holds at least as many training rows, where there are enough.
const MIN_ROWS_PER_BIN: usize = 3;

/// How one column is cut, fitted on training rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cut {
    /// Values up to `upper[k]` and above `upper[k - 1]` lie in bin `k`; those above all in the last; missing ones in
    /// the bin after it.
    Numbers { upper: Vec<f32> },
    /// `bin_of[code]`; bin 0 holds what is rare, unknown, or beyond the list.
    Categories { bin_of: Vec<u8>, n_bins: usize },
}

/// A column's cut with the bin of every row.
pub(super) struct Binned {
    pub cut: Cut,
    /// `[n_rows]`
    pub bins: Vec<u8>,
    /// Bins that can occur, that of missing values included.
    pub n_bins: usize,
}

impl Cut {
    /// The bin of missing numbers.
    pub fn missing_bin(&self) -> Option<usize> {
        match self {
            Cut::Numbers { upper } => Some(upper.len() + 1),
            Cut::Categories { .. } => None,
        }
    }

    /// Category codes that lie in `bin`.
    pub fn codes(&self, bin: u8) -> impl Iterator<Item = u32> + '_ {
        let bin_of: &[u8] = match self {
            Cut::Numbers { .. } => &[],
            Cut::Categories { bin_of, .. } => bin_of,
        };
        (0u32..)
            .zip(bin_of)
            .filter(move |(_, b)| **b == bin)
            .map(|(code, _)| code)
    }

    fn n_bins(&self) -> usize {
        match self {
            Cut::Numbers { upper } => upper.len() + 2,
            Cut::Categories { n_bins, .. } => *n_bins,
        }
    }
}

/// Cuts every column by its values in `train` and finds the bin of every row.
pub(super) fn bin_columns(columns: &[Column], train: &[usize], max_bins: usize) -> Vec<Binned> {
    columns
        .par_iter()
        .map(|column| {
            let cut = cut(column, train, max_bins.clamp(2, MOST_BINS));
            let bins = match (column, &cut) {
                (Column::Numbers(values), Cut::Numbers { upper }) => {
                    values.iter().map(|&v| number_bin(upper, v)).collect()
                }
                (Column::Categories { codes, .. }, Cut::Categories { bin_of, .. }) => {
                    let bin = |&code: &u32| bin_of.get(code as usize).copied().unwrap_or(0);
                    codes.iter().map(bin).collect()
                }
                _ => Vec::new(),
            };
            Binned {
                n_bins: cut.n_bins(),
                cut,
                bins,
            }
        })
        .collect()
}

fn number_bin(upper: &[f32], value: f32) -> u8 {
    if value.is_nan() {
        return (upper.len() + 1) as u8;
    }
    upper.partition_point(|&u| u < value) as u8
}

fn cut(column: &Column, train: &[usize], max_bins: usize) -> Cut {
    match column {
        Column::Numbers(values) => {
            let mut seen: Vec<f32> = train.iter().map(|&row| values[row]).collect();
            seen.retain(|v| !v.is_nan());
            seen.sort_unstable_by(f32::total_cmp);
            Cut::Numbers {
                upper: upper_ends(&seen, max_bins - 1),
            }
        }
        Column::Categories { codes, cardinality } => {
            let mut counts = vec![0u64; *cardinality as usize];
            for &row in train {
                if let Some(count) = counts.get_mut(codes[row] as usize) {
                    *count += 1;
                }
            }
            let mut by_count: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] > 0).collect();
            by_count.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
            by_count.truncate(max_bins - 1);
            let mut bin_of = vec![0u8; counts.len()];
            for (at, &code) in by_count.iter().enumerate() {
                bin_of[code] = (at + 1) as u8;
            }
            Cut::Categories {
                n_bins: by_count.len() + 1,
                bin_of,
            }
        }
    }
}

/// Ends of at most `max_bins` bins of sorted values: between neighbours where the distinct values are few, else so
/// that bins hold about equally many rows; a value that fills a bin by itself gets its own.
fn upper_ends(sorted: &[f32], max_bins: usize) -> Vec<f32> {
    let mut distinct: Vec<(f32, usize)> = Vec::new();
    for &value in sorted {
        match distinct.last_mut() {
            Some((last, n)) if *last == value => *n += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let min_rows = if distinct.len() <= max_bins {
        MIN_ROWS_PER_BIN
            .min(sorted.len() / distinct.len().max(1))
            .max(1)
    } else {
        MIN_ROWS_PER_BIN
    };
    let mut ends = Vec::new();
    let mut rows_left = sorted.len();
    let mut bins_left = max_bins;
    let mut in_bin = 0usize;
    for pair in distinct.windows(2) {
        let ((value, n), (next, n_next)) = (pair[0], pair[1]);
        in_bin += n;
        let fair = if distinct.len() <= max_bins {
            1
        } else {
            (rows_left / bins_left.max(1)).max(min_rows)
        };
        // The next value alone would overfill this bin.
        let full =
            in_bin >= fair.max(min_rows) || (in_bin >= min_rows && n_next >= fair && fair > 1);
        if full && bins_left > 1 {
            ends.push(between(value, next));
            rows_left -= in_bin;
            bins_left -= 1;
            in_bin = 0;
        }
    }
    ends
}

/// A number at or above `low` and below `high`.
fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    let end = if middle >= low && middle < high {
        middle
    } else {
        low
    };
    // Finite, so that it can be written as JSON.
    end.max(f32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_distinct_values_get_bins_of_their_own() {
        let sorted = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0];
        assert_eq!(upper_ends(&sorted, 254), [0.5, 2.0]);
        assert_eq!(upper_ends(&[], 254), Vec::<f32>::new());
        assert_eq!(upper_ends(&[2.0; 9], 254), Vec::<f32>::new());
    }

    #[test]
    fn many_values_are_shared_out_evenly_and_a_heavy_one_stands_alone() {
        let sorted: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
        let ends = upper_ends(&sorted, 100);
        assert_eq!(ends.len(), 99);
        let widths: Vec<f32> = ends.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(
            widths.iter().all(|w| (90.0..=110.0).contains(w)),
            "{widths:?}"
        );
        let mut heavy: Vec<f32> = (0..5_000).map(|i| i as f32).collect();
        heavy.extend([2_500.5; 5_000]);
        heavy.sort_unstable_by(f32::total_cmp);
        let ends = upper_ends(&heavy, 20);
        let bin = |v: f32| ends.partition_point(|&u| u < v);
        assert_ne!(bin(2_490.0), bin(2_500.5));
        assert_ne!(bin(2_501.0), bin(2_500.5));
    }

    #[test]
    fn infinities_neighbours_and_missing_values_find_a_bin() {
        let values = [f32::NEG_INFINITY, 1.0, f32::INFINITY, f32::NAN, 1.0, 1.0];
        let columns = [Column::Numbers(&values)];
        let binned = bin_columns(&columns, &[0, 1, 2, 3, 4, 5], 255);
        assert_eq!(binned[0].bins, [0, 1, 2, 3, 1, 1]);
        assert_eq!(binned[0].n_bins, 4);
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(between(1.0, next), 1.0);
    }

    #[test]
    fn rare_and_unknown_categories_share_the_first_bin() {
        let codes: Vec<u32> = (0..3_000).map(|i| 2 + i % 500).chain([7; 9]).collect();
        let columns = [Column::Categories {
            codes: &codes,
            cardinality: 502,
        }];
        let rows: Vec<usize> = (0..codes.len()).collect();
        let binned = bin_columns(&columns, &rows, 255);
        assert_eq!(binned[0].n_bins, 255);
        assert_eq!(binned[0].cut.codes(1).collect::<Vec<_>>(), [7]);
        assert!(binned[0].cut.codes(0).count() >= 248);
    }
}
