//! The length of the season of a series, or none.
//!
//! Enters: values with a regular step. Leaves: after how many steps the series repeats itself. Lags are proposed by the
//! autocorrelation of the values and of their differences, where it lies above what white noise would show at any lag.
//! That is little proof where neighbouring values resemble each other, as those of a random walk do; so a lag must also
//! foretell each cycle from the others, better than it does for any of many sets of cycles that were turned at random.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Later values than the last of these are not looked at.
const MOST_VALUES: usize = 1 << 16;
/// Fewest cycles from which a season is told.
const LEAST_CYCLES: usize = 3;
/// The chance that white noise shows an autocorrelation above its bound at any lag.
const CHANCE: f64 = 0.01;
/// Highest peaks, and first ones, that each of both autocorrelations may propose.
const MOST_PROPOSED: usize = 5;
/// How far from a peak of the autocorrelation a better lag is looked for, at most.
const MOST_STEPS: usize = 25;
/// Sets of cycles that are turned.
const N_TURNED: u64 = 199;
/// Ways to turn the cycles against each other that there must be, for the best of them to mean something.
const LEAST_WAYS: f64 = 100.0;
/// A season that foretells less of the variance does not pay for the noise that it adds to a forecast.
const LEAST_FORETOLD: f64 = 0.15;
/// A longer season must foretell so much more than a shorter one.
const BETTER: f64 = 0.05;

/// A season and how well it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Season {
    /// Steps until the series repeats itself.
    pub length: usize,
    /// The peak of the autocorrelation at or beside this lag, of the values or of their differences.
    pub autocorrelation: f64,
    /// What white noise stays below at all lags in 99 of 100 series as long.
    pub bound: f64,
    /// The share of the variance around a moving mean that other cycles foretell.
    pub foretold: f64,
}

/// The season of `values`, where NaN is missing; none where there is none or fewer than three cycles of it.
pub fn season(values: &[f64]) -> Option<Season> {
    let values = &values[values.len().saturating_sub(MOST_VALUES)..];
    let most_lag = values.len() / LEAST_CYCLES;
    if most_lag < 2 {
        return None;
    }
    let values = clipped(values);
    let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut proposed = proposals(&without_line(&values), most_lag);
    proposed.extend(proposals(&clipped(&differences), most_lag));
    proposed.sort_by_key(|season| season.length);
    proposed.dedup_by_key(|season| season.length);
    let mut found: Vec<Season> = Vec::new();
    for season in proposed {
        let (season, residuals) = refined(season, &values, most_lag);
        let shorter = found
            .iter()
            .map(|s| foretold(&residuals, s.length, &|_| 0) + BETTER);
        let needed = shorter.fold(LEAST_FORETOLD, f64::max);
        if season.foretold > needed && beats_turned_cycles(&residuals, &season) {
            found.push(season);
        }
    }
    found.pop()
}

/// Values beyond the 1st and 99th hundredth are brought back to them, so that spikes do not hide a season.
fn clipped(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return values.to_vec();
    };
    let cut = last / 100;
    let (low, high) = (sorted[cut], sorted[last - cut]);
    // `clamp` leaves NaN as it is.
    values.iter().map(|v| v.clamp(low, high)).collect()
}

/// The values less their straight line of least squares.
fn without_line(values: &[f64]) -> Vec<f64> {
    let center = (values.len() as f64 - 1.0) / 2.0;
    let present = || (values.iter().enumerate()).filter(|(_, v)| !v.is_nan());
    let n = present().count().max(1) as f64;
    let mean = present().map(|(_, v)| v / n).sum::<f64>();
    let mean_at = present()
        .map(|(at, _)| (at as f64 - center) / n)
        .sum::<f64>();
    let (mut with, mut own) = (0.0, 0.0);
    for (at, v) in present() {
        let from = at as f64 - center - mean_at;
        with += from * (v - mean);
        own += from * from;
    }
    let slope = if own > 0.0 { with / own } else { 0.0 };
    let line = |at: usize| mean + slope * (at as f64 - center - mean_at);
    let values = values.iter().enumerate();
    values.map(|(at, v)| v - line(at)).collect()
}

/// Lags at which the autocorrelation has a peak above the bound, after it was below; the highest peaks and the first
/// high ones, apart from each other.
fn proposals(values: &[f64], most_lag: usize) -> Vec<Season> {
    let (correlations, pairs) = autocorrelation(values, most_lag + 1);
    // The tail of a normal number beyond z is below exp(-z²/2) / 2.
    let z = (2.0 * (most_lag as f64 / (2.0 * CHANCE)).ln()).sqrt();
    let bound = |lag: usize| z / pairs[lag].max(1.0).sqrt();
    let Some(start) = (1..=most_lag).find(|&lag| correlations[lag] <= bound(lag)) else {
        return Vec::new();
    };
    let mut peaks: Vec<usize> = (start.max(2)..=most_lag)
        .filter(|&lag| {
            let here = correlations[lag];
            let after = correlations.get(lag + 1).copied().unwrap_or(here);
            here > bound(lag) && here > correlations[lag - 1] && here >= after
        })
        .collect();
    peaks.sort_by(|a, b| correlations[*b].total_cmp(&correlations[*a]).then(a.cmp(b)));
    let mut apart: Vec<usize> = Vec::new();
    for lag in peaks {
        let is_apart = |other: &usize| lag.abs_diff(*other) * 10 > lag.min(*other);
        if apart.iter().all(is_apart) {
            apart.push(lag);
        }
    }
    // The highest peaks may all be multiples of the season, so the first of those half as high are proposed, too.
    let most = apart.first().map_or(0.0, |&lag| correlations[lag]);
    let mut first: Vec<usize> = apart.clone();
    first.retain(|&lag| correlations[lag] >= most / 2.0);
    first.sort_unstable();
    first.truncate(MOST_PROPOSED);
    apart.truncate(MOST_PROPOSED);
    let season = |length: usize| Season {
        length,
        // Fewer pairs at longer lags let the ratio pass 1.
        autocorrelation: correlations[length].min(1.0),
        bound: bound(length),
        foretold: 0.0,
    };
    apart.into_iter().chain(first).map(season).collect()
}

/// Autocorrelations at the lags 0 to `most_lag` over the pairs of which both values are there, and how many they are.
fn autocorrelation(values: &[f64], most_lag: usize) -> (Vec<f64>, Vec<f64>) {
    let present: Vec<f64> = values
        .iter()
        .map(|v| f64::from(u8::from(!v.is_nan())))
        .collect();
    let n = present.iter().sum::<f64>().max(1.0);
    let filled = |from: f64| {
        values
            .iter()
            .map(move |v| if v.is_nan() { 0.0 } else { v - from })
    };
    let mean = filled(0.0).map(|v| v / n).sum::<f64>();
    let centered: Vec<f64> = filled(mean).collect();
    let centered = scaled(centered);
    let products = lagged_products(&centered, most_lag);
    let pairs: Vec<f64> = (lagged_products(&present, most_lag).iter())
        .map(|p| p.round())
        .collect();
    let variance = products[0] / pairs[0].max(1.0);
    let correlation = |(product, pairs): (&f64, &f64)| {
        // What rounding leaves of a constant series is no variance.
        if variance > 1e-20 && *pairs > 0.0 {
            product / pairs / variance
        } else {
            0.0
        }
    };
    let correlations = products.iter().zip(&pairs).map(correlation).collect();
    (correlations, pairs)
}

/// Brought to at most 1, so that squares are numbers.
fn scaled(mut values: Vec<f64>) -> Vec<f64> {
    let most = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    if most > 0.0 {
        values.iter_mut().for_each(|v| *v /= most);
    }
    values
}

/// Sums over t of x[t] x[t + lag], by the Fourier transform of the values with zeros behind them.
fn lagged_products(values: &[f64], most_lag: usize) -> Vec<f64> {
    let size = (values.len() + most_lag + 1).next_power_of_two();
    let mut parts: Vec<[f64; 2]> = values.iter().map(|&v| [v, 0.0]).collect();
    parts.resize(size, [0.0; 2]);
    fourier(&mut parts);
    (parts.iter_mut()).for_each(|[re, im]| [*re, *im] = [*re * *re + *im * *im, 0.0]);
    // A power spectrum is even, so that the way back is the way there.
    fourier(&mut parts);
    let product = |lag: usize| parts[lag][0] / size as f64;
    (0..=most_lag).map(product).collect()
}

/// The discrete Fourier transform in place (Cooley and Tukey 1965); as many values as a power of two.
fn fourier(values: &mut [[f64; 2]]) {
    let n = values.len();
    let bits = n.trailing_zeros();
    if bits == 0 {
        return;
    }
    for at in 0..n {
        let mirrored = at.reverse_bits() >> (usize::BITS - bits);
        if at < mirrored {
            values.swap(at, mirrored);
        }
    }
    let turns: Vec<[f64; 2]> = (0..n / 2)
        .map(|at| {
            let angle = -std::f64::consts::TAU * at as f64 / n as f64;
            [angle.cos(), angle.sin()]
        })
        .collect();
    let mut half = 1;
    while half < n {
        for block in values.chunks_exact_mut(2 * half) {
            let (left, right) = block.split_at_mut(half);
            for (at, (a, b)) in left.iter_mut().zip(right).enumerate() {
                let [cos, sin] = turns[at * (n / (2 * half))];
                let turned = [b[0] * cos - b[1] * sin, b[0] * sin + b[1] * cos];
                *b = [a[0] - turned[0], a[1] - turned[1]];
                *a = [a[0] + turned[0], a[1] + turned[1]];
            }
        }
        half *= 2;
    }
}

/// Values less the mean of the `length` values around them, of those that are there; NaN near the ends.
fn around_moving_mean(values: &[f64], length: usize) -> Vec<f64> {
    let filled = |v: &f64| if v.is_nan() { 0.0 } else { *v };
    // From a middle value on, so that sums lose little.
    let start = values.iter().copied().find(|v| !v.is_nan()).unwrap_or(0.0);
    let mut sums = vec![(0.0, 0usize)];
    for v in values {
        let (sum, n) = sums[sums.len() - 1];
        let there = usize::from(!v.is_nan());
        sums.push((sum + filled(v) - start * there as f64, n + there));
    }
    let before = length / 2;
    let residual = |at: usize| {
        let first = at.checked_sub(before)?;
        let (to, n_to) = *sums.get(first + length)?;
        let (from, n_from) = sums[first];
        let n = n_to - n_from;
        (2 * n >= length).then(|| values[at] - start - (to - from) / n as f64)
    };
    let all = (0..values.len()).map(|at| residual(at).unwrap_or(f64::NAN));
    all.collect()
}

/// The share of the squares of `residuals` that the mean of the same phase in the other cycles foretells, where cycle
/// `c` is turned by `turn(c)` steps. Not above 1; below 0 where it foretells nothing.
fn foretold(residuals: &[f64], length: usize, turn: &dyn Fn(usize) -> usize) -> f64 {
    let turned = |cycle: usize| {
        let (last, first) = residuals[cycle * length..][..length].split_at(turn(cycle));
        first.iter().chain(last).copied()
    };
    let n_cycles = residuals.len() / length;
    let mut phases = vec![(0.0, 0.0); length];
    for cycle in 0..n_cycles {
        for ((sum, n), value) in phases.iter_mut().zip(turned(cycle)) {
            if !value.is_nan() {
                *sum += value;
                *n += 1.0;
            }
        }
    }
    let (mut squares, mut left) = (0.0, 0.0);
    for cycle in 0..n_cycles {
        for ((sum, n), value) in phases.iter().zip(turned(cycle)) {
            if !value.is_nan() && *n > 1.0 {
                let error = value - (sum - value) / (n - 1.0);
                squares += value * value;
                left += error * error;
            }
        }
    }
    if squares > 0.0 {
        1.0 - left / squares
    } else {
        0.0
    }
}

/// The season of which the cycles foretell each other best, near the one proposed: noise moves the peaks of an
/// autocorrelation. With it, the values around its moving mean.
fn refined(proposed: Season, values: &[f64], most_lag: usize) -> (Season, Vec<f64>) {
    let tried = |length: usize| {
        let residuals = around_moving_mean(values, length);
        let foretold = foretold(&residuals, length, &|_| 0);
        let season = Season {
            length,
            foretold,
            ..proposed
        };
        (season, residuals)
    };
    let most = (proposed.length / 25).clamp(2, MOST_STEPS);
    let lengths =
        proposed.length.saturating_sub(most).max(2)..=(proposed.length + most).min(most_lag);
    let mut best = tried(proposed.length);
    for other in lengths.map(tried) {
        if other.0.foretold > best.0.foretold {
            best = other;
        }
    }
    best
}

fn beats_turned_cycles(residuals: &[f64], season: &Season) -> bool {
    let n_cycles = residuals.len() / season.length;
    if (season.length as f64).powf(n_cycles as f64 - 1.0) < LEAST_WAYS {
        return false;
    }
    (0..N_TURNED).all(|set| {
        let seed = adit_nn::random::mix(season.length as u64, set);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let turns: Vec<usize> = (0..n_cycles)
            .map(|_| rng.random_range(0..season.length))
            .collect();
        // All cycles turned alike foretell as much as they did, but for rounding.
        foretold(residuals, season.length, &|cycle| turns[cycle]) < season.foretold + 1e-9
    })
}

#[cfg(test)]
mod tests;
