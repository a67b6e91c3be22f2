//! The bootstrap: which rows count how often, reproducibly.
//!
//! Every resample has its own ChaCha stream and its own place in the result, so the bits do not depend on the number
//! of threads. Rows are drawn as they are, without strata: the class shares of a test part are luck as well. With
//! groups, whole groups are drawn, because rows of one group tell the same story several times.

use std::collections::BTreeMap;

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::metrics::Scored;

/// Resamples behind every interval, unless the rows are very many.
const RESAMPLES: usize = 2_000;
/// Fewest resamples, however many rows there are.
const FEWEST_RESAMPLES: usize = 200;
/// Row visits per model beyond which resamples are saved; the intervals of so many rows are narrow anyway.
const ROW_VISITS: usize = 1_000_000_000;

/// Most blocks of units that are left out in turn.
const MOST_BLOCKS: usize = 200;

/// A reproducible set of resamples of some rows.
pub(crate) struct Resampling {
    n_rows: usize,
    /// Rows by group, in the order of the group ids; absent where every row stands for itself.
    groups: Option<Vec<Vec<u32>>>,
    resamples: usize,
    seed: u64,
}

impl Resampling {
    /// `groups` holds one id per row; another length is taken as no groups.
    pub fn new(n_rows: usize, groups: Option<&[u64]>, seed: u64) -> Self {
        let by_group = |ids: &[u64]| {
            let mut rows: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            ids.iter()
                .enumerate()
                .for_each(|(row, &id)| rows.entry(id).or_default().push(row as u32));
            rows.into_values().collect()
        };
        let groups = groups.filter(|ids| ids.len() == n_rows).map(by_group);
        Self {
            n_rows,
            groups,
            resamples: RESAMPLES,
            seed,
        }
    }

    /// The same with fewer resamples where the model's measurement walks over very many rows.
    pub fn for_model(mut self, scored: &Scored) -> Self {
        let visits = self.n_rows.max(1) * scored.n_rankings().max(1);
        self.resamples = (ROW_VISITS / visits).clamp(FEWEST_RESAMPLES, RESAMPLES);
        self
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn resamples(&self) -> usize {
        self.resamples
    }

    /// What is drawn: the number of rows, or of groups.
    pub fn n_units(&self) -> usize {
        self.groups.as_ref().map_or(self.n_rows, Vec::len)
    }

    /// Rows by group; absent where every row stands for itself.
    pub fn groups(&self) -> Option<&[Vec<u32>]> {
        self.groups.as_deref()
    }

    /// Calls `measure` with the row weights of each resample and its generator; results in resample order.
    pub fn map<T: Send>(&self, measure: impl Fn(&[u32], &mut ChaCha8Rng) -> T + Sync) -> Vec<T> {
        let one = |weights: &mut Vec<u32>, resample: usize| {
            let mut rng = self.draw(resample, weights);
            measure(weights, &mut rng)
        };
        (0..self.resamples)
            .into_par_iter()
            .map_init(|| vec![0; self.n_rows], one)
            .collect()
    }

    /// Calls `measure` with the row weights that leave out each of up to 200 blocks of units.
    pub fn without_each_block<T: Send>(&self, measure: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
        let n_blocks = self.n_units().min(MOST_BLOCKS);
        let one = |weights: &mut Vec<u32>, block: usize| {
            weights.fill(1);
            for unit in (block..self.n_units()).step_by(n_blocks) {
                match &self.groups {
                    None => weights[unit] = 0,
                    Some(groups) => groups[unit]
                        .iter()
                        .for_each(|&row| weights[row as usize] = 0),
                }
            }
            measure(weights)
        };
        (0..n_blocks)
            .into_par_iter()
            .map_init(|| vec![1; self.n_rows], one)
            .collect()
    }

    fn draw(&self, resample: usize, weights: &mut [u32]) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(resample as u64 + 1);
        weights.fill(0);
        match &self.groups {
            None => (0..weights.len()).for_each(|_| weights[below(&mut rng, self.n_rows)] += 1),
            Some(groups) => {
                for _ in 0..groups.len() {
                    groups[below(&mut rng, groups.len())]
                        .iter()
                        .for_each(|&row| weights[row as usize] += 1);
                }
            }
        }
        rng
    }
}

/// A number below `n`, even up to `n / 2³²`.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// How often each of `n` seeds counts in one resample: `n - 1` draws with replacement.
///
/// One draw less than there are seeds makes the variance of the drawn mean that of the mean over seeds without bias
/// (Rao and Wu 1988); one seed counts once.
pub(crate) fn draw_seeds(rng: &mut ChaCha8Rng, n: usize) -> Vec<u32> {
    let mut counts = vec![0u32; n];
    if n == 1 {
        counts[0] = 1;
    }
    (1..n).for_each(|_| counts[below(rng, n)] += 1);
    counts
}

/// The 95% percentile interval of resampled values, absent ones left out; `None` where all are absent.
///
/// The percentiles are pushed outward to what Student's t needs for `n_units` units, because plain percentiles are
/// too narrow in small samples (Hesterberg 2015, section 4.4).
pub(crate) fn percentile_interval(
    values: impl Iterator<Item = f64>,
    n_units: usize,
) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = tail_share(n_units);
    Some((quantile(&sorted, tail), quantile(&sorted, 1.0 - tail)))
}

/// The 95% BCa interval of resampled values around `value` (Efron 1987): percentiles corrected for the bias of the
/// resampled values and for skewness, which `without` tells: the value without each block of units.
pub(crate) fn accelerated_interval(
    values: impl Iterator<Item = f64>,
    value: f64,
    without: impl Iterator<Item = f64>,
    n_units: usize,
) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = tail_share(n_units);
    let (Ok(normal), true) = (Normal::new(0.0, 1.0), tail > 0.0) else {
        return Some((quantile(&sorted, tail), quantile(&sorted, 1.0 - tail)));
    };
    let below = sorted.partition_point(|&other| other < value);
    let at = sorted.partition_point(|&other| other <= value) - below;
    let share = (below as f64 + 0.5 * at as f64) / sorted.len() as f64;
    let least = 0.5 / sorted.len() as f64;
    let bias = normal.inverse_cdf(share.clamp(least, 1.0 - least));
    let skewness = acceleration(without);
    let corrected = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        let stretched = (1.0 - skewness * z).max(0.1);
        quantile(&sorted, normal.cdf(bias + z / stretched))
    };
    Some((corrected(tail), corrected(1.0 - tail)))
}

/// A sixth of the skewness of the values' pulls; 0 where they do not differ.
fn acceleration(without: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = without.filter(|value| !value.is_nan()).collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let sum = |power: i32| {
        values
            .iter()
            .map(|value| (mean - value).powi(power))
            .sum::<f64>()
    };
    let squares = sum(2);
    if squares > 0.0 {
        sum(3) / (6.0 * squares.powf(1.5))
    } else {
        0.0
    }
}

/// The share of resampled values below the lower end of a 95% interval.
fn tail_share(n_units: usize) -> f64 {
    const PLAIN: f64 = 0.025;
    if n_units < 2 {
        return 0.0;
    }
    let n = n_units as f64;
    let (Ok(student), Ok(normal)) = (StudentsT::new(0.0, 1.0, n - 1.0), Normal::new(0.0, 1.0))
    else {
        return PLAIN;
    };
    normal.cdf((n / (n - 1.0)).sqrt() * student.inverse_cdf(PLAIN))
}

/// Linear interpolation between order statistics (Hyndman and Fan 1996, type 7).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resamples_are_the_same_for_any_number_of_threads() {
        let draw = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            pool.install(|| {
                Resampling::new(50, None, 7).map(|weights, rng| (weights.to_vec(), rng.next_u64()))
            })
        };
        let one = draw(1);
        assert_eq!(one, draw(3));
        assert_ne!(one[0], one[1]);
        assert!(
            one.iter()
                .all(|(weights, _)| weights.iter().sum::<u32>() == 50)
        );
    }

    #[test]
    fn groups_are_drawn_whole() {
        let ids = [5, 5, 9, 2, 9, 5];
        for weights in Resampling::new(6, Some(&ids), 1).map(|weights, _| weights.to_vec()) {
            assert_eq!((weights[0], weights[2]), (weights[1], weights[4]));
            assert_eq!(weights[0], weights[5]);
            assert_eq!(weights[0] + weights[2] + weights[3], 3);
        }
    }

    #[test]
    fn small_samples_get_wider_intervals() {
        assert!(tail_share(5) < tail_share(30));
        assert!(tail_share(30) < 0.025);
        assert!((tail_share(100_000) - 0.025).abs() < 1e-5);
    }

    #[test]
    fn one_seed_less_than_there_are_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        assert_eq!(draw_seeds(&mut rng, 1), [1]);
        assert!((0..20).all(|_| draw_seeds(&mut rng, 5).iter().sum::<u32>() == 4));
    }
}
