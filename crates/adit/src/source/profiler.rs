//! One pass over the batches of a table, column by column.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};
use chrono::DateTime;

use super::infer::{EXAMPLE_CHARS, shortened};
use super::sketch::{DistinctSet, Hash128, hash_bytes, hash_number};
use super::{ColumnProfile, ColumnSchema, ColumnType, Profile};

/// Distinct values that all columns together may keep.
const ALL_DISTINCT: usize = 4_000_000;
/// Distinct values that one column may keep: at most, and at least.
const MOST_DISTINCT: usize = 100_000;
const LEAST_DISTINCT: usize = 256;
/// Row hashes that are kept before duplicates are estimated.
const ROW_HASHES: usize = 4_000_000;
/// Rows of the sample from which quantiles are taken once a column is full.
const SAMPLE: usize = 20_000;
const BINS: usize = 20;
const TOP_VALUES: usize = 20;
const EXAMPLES: usize = 5;
const TOP_CHARS: usize = 200;
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Collects what a [`Profile`] says.
pub(super) struct Profiler {
    schema: Vec<ColumnSchema>,
    columns: Vec<ColumnSketch>,
    rows: DistinctSet,
    n_rows: u64,
}

impl Profiler {
    pub fn new(schema: &[ColumnSchema]) -> Profiler {
        let limit = (ALL_DISTINCT / schema.len().max(1)).clamp(LEAST_DISTINCT, MOST_DISTINCT);
        let columns = schema
            .iter()
            .map(|column| ColumnSketch::new(column.column_type, limit))
            .collect();
        let rows = DistinctSet::new(ROW_HASHES);
        Profiler {
            schema: schema.to_vec(),
            columns,
            rows,
            n_rows: 0,
        }
    }

    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Adds the rows of a batch that has all columns.
    pub fn add(&mut self, batch: &RecordBatch) {
        let mut hashes = vec![Hash128::default(); batch.num_rows()];
        for (sketch, array) in self.columns.iter_mut().zip(batch.columns()) {
            sketch.add(array, self.n_rows, &mut hashes);
        }
        for hash in hashes {
            self.rows.add(hash.finish());
        }
        self.n_rows += batch.num_rows() as u64;
    }

    /// The profile of all rows added.
    pub fn finish(self) -> Profile {
        let n_rows = self.n_rows;
        Profile {
            n_rows,
            duplicate_rows: self.rows.repeats(),
            duplicate_rows_is_exact: self.rows.is_exact(),
            columns: self
                .schema
                .into_iter()
                .zip(self.columns)
                .map(|(column, sketch)| sketch.finish(column, n_rows))
                .collect(),
        }
    }
}

/// What is kept of one column.
struct ColumnSketch {
    column_type: ColumnType,
    limit: usize,
    missing: u64,
    blanks: u64,
    numbers: HashMap<u64, u64>,
    words: HashMap<String, u64>,
    /// Used once more distinct values came than are kept.
    overflow: Option<DistinctSet>,
    moments: Moments,
    sample: Sample,
    examples: Vec<String>,
    n_chars: u64,
    max_chars: u64,
    n_words: u64,
    whole: bool,
    increasing: bool,
    last: Option<f64>,
}

impl ColumnSketch {
    fn new(column_type: ColumnType, limit: usize) -> ColumnSketch {
        ColumnSketch {
            column_type,
            limit,
            missing: 0,
            blanks: 0,
            numbers: HashMap::new(),
            words: HashMap::new(),
            overflow: None,
            moments: Moments::default(),
            sample: Sample::new(SAMPLE.min(limit)),
            examples: Vec::new(),
            n_chars: 0,
            max_chars: 0,
            n_words: 0,
            whole: true,
            increasing: true,
            last: None,
        }
    }

    /// Adds a column of a batch, and its values to the hashes of their rows.
    fn add(&mut self, array: &ArrayRef, first_row: u64, hashes: &mut [Hash128]) {
        for (at, hash) in hashes.iter_mut().enumerate() {
            hash.number(u64::from(array.is_valid(at)));
            if array.is_null(at) {
                self.missing += 1;
                self.increasing = false;
                continue;
            }
            let row = first_row + at as u64;
            match self.column_type {
                ColumnType::Text => {
                    let text = array.as_string::<i32>().value(at);
                    hash.bytes(text.as_bytes());
                    self.text(text);
                }
                ColumnType::Boolean => {
                    let value = array.as_boolean().value(at);
                    hash.number(u64::from(value));
                    self.word(if value { "true" } else { "false" });
                }
                ColumnType::Integer => {
                    let value = array.as_primitive::<Int64Type>().value(at);
                    hash.number(value as u64);
                    self.number(value as u64, value as f64, row);
                }
                ColumnType::Time => {
                    let value = array.as_primitive::<TimestampMillisecondType>().value(at);
                    hash.number(value as u64);
                    self.number(value as u64, value as f64, row);
                }
                ColumnType::Float => {
                    // Both zeros are one number.
                    let value = array.as_primitive::<Float64Type>().value(at) + 0.0;
                    hash.number(value.to_bits());
                    self.number(value.to_bits(), value, row);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        let chars = text.chars().count() as u64;
        self.n_chars += chars;
        self.max_chars = self.max_chars.max(chars);
        let words = text.split_whitespace().count() as u64;
        self.n_words += words;
        self.blanks += u64::from(words == 0);
        self.word(text);
    }

    fn word(&mut self, text: &str) {
        if let Some(count) = self.words.get_mut(text) {
            *count += 1;
        } else if self.words.len() < self.limit {
            self.words.insert(text.to_string(), 1);
            if self.examples.len() < EXAMPLES {
                self.examples.push(shortened(text, EXAMPLE_CHARS));
            }
        } else {
            self.overflow(hash_bytes(text.as_bytes()));
        }
    }

    fn number(&mut self, key: u64, value: f64, row: u64) {
        self.whole &= value.fract() == 0.0;
        self.increasing &= self.last.is_none_or(|last| last < value);
        self.last = Some(value);
        if value.is_finite() {
            self.moments.add(value);
            self.sample.add(row, value);
        }
        if let Some(count) = self.numbers.get_mut(&key) {
            *count += 1;
        } else if self.numbers.len() < self.limit {
            self.numbers.insert(key, 1);
            if self.examples.len() < EXAMPLES {
                self.examples.push(shown(self.column_type, key));
            }
        } else {
            self.overflow(hash_number(key));
        }
    }

    /// Counts a value that is not among the kept ones.
    fn overflow(&mut self, hash: u64) {
        let limit = self.limit;
        let set = self.overflow.get_or_insert_with(|| DistinctSet::new(limit));
        // The same bits decide on sampling and on the place; both come from a good hash.
        set.add((u128::from(hash) << 64) | u128::from(hash.rotate_left(32)));
    }

    fn finish(self, column: ColumnSchema, n_rows: u64) -> ColumnProfile {
        let present = n_rows - self.missing;
        let is_numeric = !matches!(self.column_type, ColumnType::Text | ColumnType::Boolean);
        let kept = (self.numbers.len() + self.words.len()) as u64;
        let beyond = self.overflow.as_ref().map_or(0, DistinctSet::distinct);
        let (sorted, weights) = self.sorted_numbers();
        let has_numbers = is_numeric && self.moments.n > 0;
        let per_value = |sum: u64| {
            if present == 0 {
                0.0
            } else {
                sum as f64 / present as f64
            }
        };
        let is_text = self.column_type == ColumnType::Text;
        ColumnProfile {
            missing: self.missing,
            blanks: self.blanks,
            non_numeric: Vec::new(),
            distinct: kept + beyond,
            distinct_is_exact: self.overflow.as_ref().is_none_or(DistinctSet::is_exact),
            min: has_numbers.then_some(self.moments.min),
            max: has_numbers.then_some(self.moments.max),
            mean: has_numbers.then_some(self.moments.mean),
            standard_deviation: self.moments.standard_deviation(),
            quantiles: quantiles(&sorted, &weights),
            histogram: if has_numbers {
                histogram(&sorted, &weights, &self.moments)
            } else {
                Vec::new()
            },
            mean_chars: if is_text {
                per_value(self.n_chars)
            } else {
                0.0
            },
            max_chars: self.max_chars,
            mean_words: per_value(self.n_words),
            whole_numbers: has_numbers && self.whole,
            increasing: is_numeric && self.increasing && present > 1,
            top_values: self.top_values(),
            examples: self.examples,
            name: column.name,
            column_type: column.column_type,
        }
    }

    /// Finite values in order with their rows: all of them, or the sample.
    fn sorted_numbers(&self) -> (Vec<f64>, Vec<u64>) {
        let mut pairs: Vec<(f64, u64)> = if self.overflow.is_some() {
            self.sample.values().map(|value| (value, 1)).collect()
        } else {
            let pairs = self
                .numbers
                .iter()
                .map(|(key, n)| (as_number(self.column_type, *key), *n));
            pairs.filter(|(value, _)| value.is_finite()).collect()
        };
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.into_iter().unzip()
    }

    fn top_values(&self) -> Vec<(String, u64)> {
        if self.words.is_empty() {
            let mut top: Vec<(u64, u64)> = self.numbers.iter().map(|(key, n)| (*key, *n)).collect();
            let value = |key| as_number(self.column_type, key);
            top.sort_by(|a, b| b.1.cmp(&a.1).then(value(a.0).total_cmp(&value(b.0))));
            top.truncate(TOP_VALUES);
            return top
                .into_iter()
                .map(|(key, n)| (shown(self.column_type, key), n))
                .collect();
        }
        let mut top: Vec<(&String, u64)> = self.words.iter().map(|(word, n)| (word, *n)).collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        top.truncate(TOP_VALUES);
        top.into_iter()
            .map(|(word, n)| (shortened(word, TOP_CHARS), n))
            .collect()
    }
}

fn as_number(column_type: ColumnType, key: u64) -> f64 {
    match column_type {
        ColumnType::Float => f64::from_bits(key),
        _ => key as i64 as f64,
    }
}

/// A number or a time as a person reads it.
fn shown(column_type: ColumnType, key: u64) -> String {
    match column_type {
        ColumnType::Float => f64::from_bits(key).to_string(),
        ColumnType::Time => match DateTime::from_timestamp_millis(key as i64) {
            None => (key as i64).to_string(),
            Some(time) if (key as i64) % 86_400_000 == 0 => time.format("%Y-%m-%d").to_string(),
            Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
        },
        _ => (key as i64).to_string(),
    }
}

/// Mean and spread in one pass.
///
/// Reference: B. P. Welford, Technometrics 4 (1962) 419.
#[derive(Default)]
struct Moments {
    n: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        if self.n == 0 {
            (self.min, self.max) = (value, value);
        }
        self.n += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let step = value - self.mean;
        self.mean += step / self.n as f64;
        self.squares += step * (value - self.mean);
    }

    fn standard_deviation(&self) -> Option<f64> {
        let deviation = (self.squares / (self.n.max(2) - 1) as f64).sqrt();
        (self.n > 1 && deviation.is_finite()).then_some(deviation)
    }
}

/// A uniform sample of rows: those whose row numbers have the smallest hashes.
struct Sample {
    limit: usize,
    /// `(hash, value)`; at most twice the limit between two cuts.
    kept: Vec<(u64, f64)>,
    bound: u64,
}

impl Sample {
    fn new(limit: usize) -> Sample {
        Sample {
            limit,
            kept: Vec::new(),
            bound: u64::MAX,
        }
    }

    fn add(&mut self, row: u64, value: f64) {
        let hash = hash_number(row);
        if hash > self.bound {
            return;
        }
        self.kept.push((hash, value));
        if self.kept.len() >= self.limit * 2 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.kept.sort_unstable_by_key(|(hash, _)| *hash);
        self.kept.truncate(self.limit);
        self.bound = self.kept.last().map_or(u64::MAX, |(hash, _)| *hash);
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.kept.iter().map(|(_, value)| *value)
    }
}

/// Quantiles of weighted sorted values, linear between neighbours.
fn quantiles(sorted: &[f64], weights: &[u64]) -> Vec<(f64, f64)> {
    let n: u64 = weights.iter().sum();
    if n == 0 {
        return Vec::new();
    }
    let mut upto = Vec::with_capacity(weights.len());
    let mut sum = 0;
    for weight in weights {
        sum += weight;
        upto.push(sum);
    }
    let at = |rank: u64| {
        sorted[upto
            .partition_point(|upto| *upto <= rank)
            .min(sorted.len() - 1)]
    };
    QUANTILES
        .iter()
        .map(|p| {
            let position = p * (n - 1) as f64;
            let low = position.floor();
            let (a, b) = (at(low as u64), at((position.ceil() as u64).min(n - 1)));
            (*p, a + (b - a) * (position - low))
        })
        .collect()
}

/// Values in equal bins from the least to the greatest, scaled to all values.
fn histogram(sorted: &[f64], weights: &[u64], moments: &Moments) -> Vec<u64> {
    let mut bins = vec![0u64; BINS];
    // Halves, so that the range of the largest doubles is still a number.
    let width = moments.max / 2.0 - moments.min / 2.0;
    for (value, weight) in sorted.iter().zip(weights) {
        let share = if width > 0.0 {
            (value / 2.0 - moments.min / 2.0) / width
        } else {
            0.0
        };
        bins[((share * BINS as f64) as usize).min(BINS - 1)] += weight;
    }
    let n: u64 = bins.iter().sum();
    if n == moments.n || n == 0 {
        return bins;
    }
    // Shares of the rounded running sum, so that the bins add up to all values.
    let mut scaled = Vec::with_capacity(BINS);
    let (mut sum, mut given) = (0u64, 0u64);
    for bin in bins {
        sum += bin;
        let upto = (u128::from(sum) * u128::from(moments.n) / u128::from(n)) as u64;
        scaled.push(upto - given);
        given = upto;
    }
    scaled
}
