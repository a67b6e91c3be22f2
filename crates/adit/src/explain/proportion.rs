//! Intervals of shares: accuracy, precision, recall, observed rates.
//!
//! Wilson's interval (1927), which neither collapses at 0 and 1 nor leaves them. Where rows come in groups or the
//! share is a mean over seeds, it is taken at the effective number of rows: the number of independent rows whose share
//! would vary as much (the design effect of survey sampling).

use super::Estimate;
use super::resampling::Resampling;

/// 97.5% of the standard normal distribution lies below.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// The 95% interval of a share `value` seen in `n` independent rows; 0 to 1 where `n` is 0.
pub(crate) fn wilson(value: f64, n: f64) -> Estimate {
    if n <= 0.0 {
        return Estimate {
            value,
            low: 0.0,
            high: 1.0,
        };
    }
    let z2 = Z * Z / n;
    let centre = (value + z2 / 2.0) / (1.0 + z2);
    let half = (value * (1.0 - value) * z2 + z2 * z2 / 4.0).sqrt() / (1.0 + z2);
    Estimate {
        value,
        low: (centre - half).clamp(0.0, value),
        high: (centre + half).clamp(value, 1.0),
    }
}

/// The mean over seeds of a share with its interval over rows (or groups) and seeds.
///
/// `hit(seed, row)` says whether a row that belongs to the share's whole is a hit; `None` where it does not belong.
pub(crate) fn share(
    resampling: &Resampling,
    n_seeds: usize,
    hit: impl Fn(usize, usize) -> Option<bool>,
) -> Estimate {
    let n_rows = resampling.n_rows();
    let seeds = n_seeds.max(1) as f64;
    let mut shares = vec![0.0f64; n_seeds];
    let mut wholes = vec![0u64; n_seeds];
    for seed in 0..n_seeds {
        let mut hits = 0u64;
        for is_hit in (0..n_rows).filter_map(|row| hit(seed, row)) {
            wholes[seed] += 1;
            hits += u64::from(is_hit);
        }
        shares[seed] = if wholes[seed] == 0 {
            0.0
        } else {
            hits as f64 / wholes[seed] as f64
        };
    }
    let value = shares.iter().sum::<f64>() / seeds;
    // How far each row pulls the mean share.
    let pull = |row: usize| -> f64 {
        let of_seed = |seed: usize| match hit(seed, row) {
            Some(is_hit) => (f64::from(u8::from(is_hit)) - shares[seed]) / wholes[seed] as f64,
            None => 0.0,
        };
        (0..n_seeds).map(of_seed).sum::<f64>() / seeds
    };
    let variance_of_rows = match resampling.groups() {
        None => (0..n_rows).map(|row| pull(row).powi(2)).sum::<f64>(),
        Some(groups) => {
            let of_group = |rows: &Vec<u32>| {
                rows.iter()
                    .map(|&row| pull(row as usize))
                    .sum::<f64>()
                    .powi(2)
            };
            let n = groups.len() as f64;
            groups.iter().map(of_group).sum::<f64>() * if n > 1.0 { n / (n - 1.0) } else { 1.0 }
        }
    };
    let variance = variance_of_rows + variance_of_mean(&shares);
    let whole = wholes.iter().sum::<u64>() as f64;
    let n = if variance > 0.0 {
        // Rows of several seeds can at the very best be independent of each other.
        (value * (1.0 - value) / variance).min(whole)
    } else {
        let belongs = |row: usize| (0..n_seeds).any(|seed| hit(seed, row).is_some());
        match resampling.groups() {
            None => whole / seeds,
            Some(groups) => groups
                .iter()
                .filter(|rows| rows.iter().any(|&row| belongs(row as usize)))
                .count() as f64,
        }
    };
    wilson(value, n)
}

/// The variance of the mean of the values; 0 for one value.
fn variance_of_mean(values: &[f64]) -> f64 {
    super::intervals::deviation(values)
        .map_or(0.0, |deviation| deviation * deviation / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(estimate: Estimate, value: f64, low: f64, high: f64) {
        let same = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(
            same(estimate.value, value) && same(estimate.low, low) && same(estimate.high, high),
            "{estimate:?}"
        );
    }

    #[test]
    fn wilson_agrees_with_recorded_values() {
        // scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
        close(wilson(0.8, 10.0), 0.8, 0.490162471536, 0.943317848545);
        close(wilson(1.0, 20.0), 1.0, 0.838874841947, 1.0);
        close(wilson(0.0, 5.0), 0.0, 0.0, 0.434482464783);
    }

    #[test]
    fn one_seed_of_single_rows_is_plain_wilson() {
        let rows = Resampling::new(40, None, 1);
        let estimate = share(&rows, 1, |_, row| Some(row % 4 == 0));
        close(
            estimate,
            0.25,
            wilson(0.25, 40.0).low,
            wilson(0.25, 40.0).high,
        );
        assert_eq!(share(&rows, 1, |_, _| Some(true)), wilson(1.0, 40.0));
        assert_eq!(
            share(&rows, 1, |_, _| None),
            Estimate {
                value: 0.0,
                low: 0.0,
                high: 1.0
            }
        );
    }

    #[test]
    fn copies_of_rows_within_groups_add_no_certainty() {
        let ids: Vec<u64> = (0..200).map(|row| row / 10).collect();
        let hit = |_: usize, row: usize| Some((row / 10).is_multiple_of(2));
        let grouped = share(&Resampling::new(200, Some(&ids), 1), 1, hit);
        let (single, twenty) = (wilson(0.5, 200.0), wilson(0.5, 20.0));
        let width = |estimate: Estimate| estimate.high - estimate.low;
        assert!(width(grouped) > 2.0 * width(single));
        assert!((width(grouped) - width(twenty)).abs() < 0.03);
    }

    #[test]
    fn seeds_that_disagree_widen_the_interval() {
        let rows = Resampling::new(100, None, 1);
        let agreeing = share(&rows, 3, |_, row| Some(row < 80));
        let disagreeing = share(&rows, 3, |seed, row| Some(row < 60 + 20 * seed));
        assert!((agreeing.value - 0.8).abs() < 1e-12);
        assert!((disagreeing.value - 0.8).abs() < 1e-12);
        assert!(disagreeing.high - disagreeing.low > 1.5 * (agreeing.high - agreeing.low));
    }
}
