//! Whether probabilities mean what they say.

use super::metrics::ScoredClasses;
use super::proportion::share;
use super::resampling::{Resampling, percentile_interval};
use super::{Calibration, CalibrationBin, Estimate};
use crate::mine::Predictions;

/// Most bins of a reliability diagram.
const MOST_BINS: usize = 10;
/// Fewest rows that a bin should have.
const ROWS_PER_BIN: usize = 10;

/// Reliability of the positive class's probability, or, for many classes, of the probability of the decided class.
///
/// Up to ten bins of equally many rows by rising probability; rows of equal probability share a bin. The expected
/// calibration error is the mean over rows of the distance between their bin's mean probability and its observed rate;
/// its interval resamples rows within these bins. Resampling noise adds to a distance, so the interval reaches further
/// up than down.
pub(crate) fn calibration(
    scored: &ScoredClasses,
    predictions: &Predictions,
    names: &[String],
    resampling: &Resampling,
) -> Option<Calibration> {
    let Predictions::Probabilities { n_classes, values } = predictions else {
        return None;
    };
    let (what, chances, happened): (String, Vec<f32>, Vec<bool>) = match scored.positive {
        Some(class) => (
            format!("probability of '{}'", names.get(class)?),
            predictions.class(class)?,
            scored
                .truth
                .iter()
                .map(|&truth| truth as usize == class)
                .collect(),
        ),
        None => (
            "probability of the predicted class".to_string(),
            scored
                .decisions
                .iter()
                .zip(values.chunks_exact(*n_classes))
                .map(|(&at, row)| row[at as usize])
                .collect(),
            (0..scored.truth.len())
                .map(|row| scored.is_hit(row))
                .collect(),
        ),
    };
    let bin_of = bins(&chances);
    let n_bins = bin_of.iter().max()? + 1;
    let all_rows = vec![1; chances.len()];
    let sums = bin_sums(&chances, &happened, &bin_of, n_bins, &all_rows);
    let bin = |(at, sum): (usize, &BinSum)| CalibrationBin {
        predicted: sum.chance / sum.rows,
        observed: share(resampling, 1, |_, row| {
            (bin_of[row] == at).then(|| happened[row])
        }),
        count: sum.rows as u64,
    };
    let value = calibration_error(&sums);
    let resampled = resampling.map(|weights, _| {
        calibration_error(&bin_sums(&chances, &happened, &bin_of, n_bins, weights))
    });
    let (low, high) = percentile_interval(resampled.into_iter(), resampling.n_units())?;
    Some(Calibration {
        what,
        bins: sums.iter().enumerate().map(bin).collect(),
        expected_calibration_error: Estimate {
            value,
            low: low.min(value),
            high: high.max(value),
        },
    })
}

/// The bin of each row.
fn bins(chances: &[f32]) -> Vec<usize> {
    let n = chances.len();
    let wanted = (n / ROWS_PER_BIN).clamp(1, MOST_BINS);
    let mut rows: Vec<usize> = (0..n).collect();
    rows.sort_unstable_by(|&a, &b| chances[a].total_cmp(&chances[b]).then(a.cmp(&b)));
    let mut bin_of = vec![0; n];
    let (mut bin, mut filled) = (0, 0);
    for (place, &row) in rows.iter().enumerate() {
        let is_tied = place != 0 && chances[rows[place - 1]] == chances[row];
        // A bin is full once it reaches its share of the rows, and ends where the probability changes.
        if !is_tied && filled != 0 && place * wanted >= (bin + 1) * n {
            bin += 1;
            filled = 0;
            // A long tie may have filled several shares: the next bin ends at the next share after it.
            while place * wanted >= (bin + 1) * n {
                bin += 1;
            }
        }
        bin_of[row] = bin;
        filled += 1;
    }
    close_gaps(&mut bin_of);
    bin_of
}

/// Renumbers bins so that none is empty.
fn close_gaps(bin_of: &mut [usize]) {
    let mut used: Vec<usize> = bin_of.to_vec();
    used.sort_unstable();
    used.dedup();
    for bin in bin_of {
        *bin = used.partition_point(|&other| other < *bin);
    }
}

#[derive(Clone, Copy, Default)]
struct BinSum {
    rows: f64,
    chance: f64,
    happened: f64,
}

fn bin_sums(
    chances: &[f32],
    happened: &[bool],
    bin_of: &[usize],
    n_bins: usize,
    weights: &[u32],
) -> Vec<BinSum> {
    let mut sums = vec![BinSum::default(); n_bins];
    for (row, &weight) in weights.iter().enumerate() {
        let (weight, sum) = (f64::from(weight), &mut sums[bin_of[row]]);
        sum.rows += weight;
        sum.chance += weight * f64::from(chances[row]);
        sum.happened += weight * f64::from(u8::from(happened[row]));
    }
    sums
}

fn calibration_error(sums: &[BinSum]) -> f64 {
    let rows: f64 = sums.iter().map(|sum| sum.rows).sum();
    sums.iter()
        .map(|sum| (sum.chance - sum.happened).abs())
        .sum::<f64>()
        / rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::metrics::MetricSettings;

    fn judge(chances: &[f32], truth: &[u32]) -> Calibration {
        let values = chances
            .iter()
            .flat_map(|&chance| [1.0 - chance, chance])
            .collect();
        let predictions = Predictions::Probabilities {
            n_classes: 2,
            values,
        };
        let scored =
            ScoredClasses::new(truth, 2, &predictions, &MetricSettings::default()).expect("fits");
        let names = ["no".to_string(), "yes".to_string()];
        calibration(
            &scored,
            &predictions,
            &names,
            &Resampling::new(truth.len(), None, 1),
        )
        .expect("probabilities")
    }

    #[test]
    fn bins_hold_equally_many_rows_and_every_row_once() {
        let chances: Vec<f32> = (0..200)
            .map(|row| (row * 37 % 200) as f32 / 200.0)
            .collect();
        let truth: Vec<u32> = chances
            .iter()
            .map(|&chance| u32::from(chance > 0.4))
            .collect();
        let found = judge(&chances, &truth);
        assert_eq!(
            found.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(),
            [20; 10]
        );
        assert!(found.bins.is_sorted_by(|a, b| a.predicted < b.predicted));
        assert_eq!(found.what, "probability of 'yes'");
    }

    #[test]
    fn equal_probabilities_share_a_bin() {
        let found = judge(&[0.3; 100], &[[1; 30].as_slice(), &[0; 70]].concat());
        assert_eq!(found.bins.len(), 1);
        assert!((found.bins[0].observed.value - 0.3).abs() < 1e-12);
        assert!(found.expected_calibration_error.value < 1e-6);
        let mixed: Vec<f32> = (0..100)
            .map(|row| {
                if row < 75 {
                    0.1
                } else {
                    0.5 + row as f32 / 1000.0
                }
            })
            .collect();
        let counts: Vec<u64> = judge(&mixed, &[0; 100])
            .bins
            .iter()
            .map(|bin| bin.count)
            .collect();
        assert_eq!((counts[0], counts.iter().sum::<u64>()), (75, 100));
    }

    #[test]
    fn the_error_is_the_mean_distance_of_the_bins() {
        // All are said to happen at .9; half of them do.
        let found = judge(&[0.9; 60], &[[1; 30].as_slice(), &[0; 30]].concat());
        let error = found.expected_calibration_error;
        assert!(
            (error.value - 0.4).abs() < 1e-6 && error.low < error.value && error.value < error.high
        );
    }
}
