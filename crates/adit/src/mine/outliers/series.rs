//! Outliers of a series: values that its own past did not foretell.
//!
//! Enters: values with a regular step, where NaN is missing. Leaves: a forecast of every value from the values before
//! it, how far the value is off in units of what was usual until then, and [`Window`]s of values that are off. The
//! forecast is the level (a median of the last values) and how the same phase of past seasons lay above its level then
//! (a median, too), so that neither a spike nor a lost season moves it far. Not here: the season's length, see
//! [`super::season`].

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::mine::MineError;

/// Fewest values that a level is taken of.
const LEAST_LEVEL: usize = 3;
/// Where seasons are missing, earlier ones are looked for among so many times as many as are wanted.
const SEASONS_BACK: usize = 4;
/// Fewest errors that tell what is usual.
const LEAST_ERRORS: usize = 10;
/// No score is higher: an error after a past without any would have none.
const MOST_SCORE: f64 = 1e6;
/// Ratio of the standard deviation of normal numbers to the median of their sizes, and to the 95th hundredth.
const PER_MEDIAN: f64 = 1.4826;
const PER_TOP: f64 = 0.5102;

/// How a series is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesForecast {
    /// Steps after which the series repeats itself; 0 where it does not.
    pub season: usize,
    /// Past seasons of which the median is taken.
    pub n_seasons: usize,
    /// Last values of which the median is the level.
    pub level_window: usize,
    /// Last errors that tell what is usual.
    pub error_window: usize,
}

impl SeriesForecast {
    /// Settings for a series that repeats itself after `season` steps, or does not where that is 0.
    pub fn of_season(season: usize) -> SeriesForecast {
        SeriesForecast {
            season,
            n_seasons: 5,
            level_window: season.clamp(12, 96),
            error_window: (4 * season).clamp(200, 2000),
        }
    }

    fn check(&self) -> Result<(), MineError> {
        let checks = [
            ("n_seasons", self.n_seasons, 1),
            ("level_window", self.level_window, LEAST_LEVEL),
            ("error_window", self.error_window, LEAST_ERRORS),
        ];
        match checks.into_iter().find(|(_, value, least)| value < least) {
            Some((setting, value, _)) => Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it is too small",
            }),
            None => Ok(()),
        }
    }

    /// Judges every value by those before it.
    ///
    /// # Errors
    /// Settings out of range; infinite values.
    pub fn judge(&self, values: &[f64]) -> Result<JudgedSeries, MineError> {
        self.check()?;
        if let Some(row) = values.iter().position(|v| v.is_infinite()) {
            return Err(MineError::FeatureNotFinite { row, column: 0 });
        }
        let mut judged = JudgedSeries::default();
        let mut recent = Recent::new(self.level_window);
        let mut errors = Recent::new(self.error_window);
        // How each value lay above the level before it.
        let mut above: Vec<f64> = Vec::with_capacity(values.len());
        for (at, &value) in values.iter().enumerate() {
            let level = recent.quantile(LEAST_LEVEL, 0.5);
            let forecast = level + self.offset(&above, at);
            // The second where more than half of the errors are nothing.
            let usual = (PER_MEDIAN * errors.quantile(LEAST_ERRORS, 0.5))
                .max(PER_TOP / 2.0 * errors.quantile(LEAST_ERRORS, 0.95));
            let error = value - forecast;
            judged.forecasts.push(forecast);
            judged.scales.push(usual);
            judged.scores.push(score(error, usual, forecast));
            above.push(value - level);
            recent.push(value);
            errors.push(error.abs());
        }
        Ok(judged)
    }

    /// How the phase of the value `at` lay above its level in past seasons; NaN where that is not known.
    fn offset(&self, above: &[f64], at: usize) -> f64 {
        if self.season == 0 {
            return 0.0;
        }
        let most = (at / self.season).min(SEASONS_BACK.saturating_mul(self.n_seasons));
        let past = (1..=most).map(|seasons| above[at - seasons * self.season]);
        let mut past: Vec<f64> = past.filter(|v| !v.is_nan()).take(self.n_seasons).collect();
        past.sort_unstable_by(f64::total_cmp);
        median(&past)
    }
}

/// An error in units of what is usual; NaN where either is not known.
fn score(error: f64, usual: f64, forecast: f64) -> f64 {
    if error.is_nan() || usual.is_nan() {
        return f64::NAN;
    }
    // Rounding alone is no error.
    let floor = (1e-9 * forecast.abs()).max(f64::MIN_POSITIVE);
    (error.abs() / usual.max(floor)).min(MOST_SCORE)
}

/// A series judged value by value; NaN where the past is too short or the value is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JudgedSeries {
    /// What the past foretold. `[n]`
    pub forecasts: Vec<f64>,
    /// The usual error until then, as a standard deviation. `[n]`
    pub scales: Vec<f64>,
    /// The size of the error in units of the usual one. `[n]`
    pub scores: Vec<f64>,
}

/// The last values that are there, in their order and sorted.
struct Recent {
    size: usize,
    queue: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Recent {
    fn new(size: usize) -> Recent {
        Recent {
            size,
            queue: VecDeque::new(),
            sorted: Vec::new(),
        }
    }

    fn push(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        if self.queue.len() == self.size
            && let Some(oldest) = self.queue.pop_front()
        {
            let at = self
                .sorted
                .partition_point(|v| v.total_cmp(&oldest).is_lt());
            self.sorted.remove(at);
        }
        self.queue.push_back(value);
        let at = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(at, value);
    }

    /// The value below which this share of them lies; NaN where they are fewer than `least`.
    fn quantile(&self, least: usize, share: f64) -> f64 {
        if self.sorted.len() < least {
            f64::NAN
        } else if share == 0.5 {
            median(&self.sorted)
        } else {
            self.sorted[((self.sorted.len() - 1) as f64 * share) as usize]
        }
    }
}

/// NaN where there is no value.
fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => sorted[n / 2 - 1] / 2.0 + sorted[n / 2] / 2.0,
    }
}

/// A stretch of a series in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub start: usize,
    /// The place after the last value.
    pub end: usize,
    /// The place of the highest score, the first of them.
    pub peak: usize,
    /// The highest score.
    pub score: f64,
}

/// Stretches of scores above `threshold`; those with at most `gap` other values between them are one.
pub fn windows(scores: &[f64], threshold: f64, gap: usize) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for (at, &score) in scores.iter().enumerate() {
        if score.is_nan() || score <= threshold {
            continue;
        }
        match windows.last_mut() {
            Some(last) if at - last.end <= gap => {
                last.end = at + 1;
                if score > last.score {
                    (last.peak, last.score) = (at, score);
                }
            }
            _ => windows.push(Window {
                start: at,
                end: at + 1,
                peak: at,
                score,
            }),
        }
    }
    windows
}

#[cfg(test)]
mod tests;
