//! What the target was for the training rows of each category, as numbers.
//!
//! A column of many categories says little by one-hot codes: most have a handful of rows. The mean of the target,
//! drawn towards the mean of all rows where a category has few (Micci-Barreca 2001, "A Preprocessing Scheme for
//! High-Cardinality Categorical Attributes"), says the same in one number. A training row must not see its own
//! target in it, so training rows get the means of the folds that they are not in; other rows those of all folds.
//!
//! Enters: category columns and the target of training rows. Leaves: a dataset with more number columns. Not here: which
//! models read them.

use std::collections::BTreeMap;

use adit_nn::random::mix;
use serde::{Deserialize, Serialize};

use super::RepresentError;
use crate::prepare::{CategoryColumn, Dataset, NumberColumn, Target};

#[cfg(test)]
mod tests;

/// Targets of more classes than this have no statistics: there would be a number a class and column.
const MOST_CLASSES: usize = 16;

/// How statistics are made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatisticsSettings {
    /// Parts that the training rows are cut into, at least two.
    pub folds: usize,
    /// Which rows fall into one part.
    pub seed: u64,
    /// Rows of a category that count as much as the mean of all rows.
    pub smoothing: f64,
    /// Columns with fewer codes than this have none.
    pub least_codes: u32,
}

impl Default for TargetStatisticsSettings {
    fn default() -> Self {
        Self {
            folds: 5,
            seed: 0,
            smoothing: 10.0,
            least_codes: 34,
        }
    }
}

/// Smoothed means of the target by category, fitted on training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatistics {
    /// Numbers a column: one for a number or two classes, else one a class.
    width: usize,
    columns: Vec<ColumnStatistics>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ColumnStatistics {
    name: String,
    cardinality: u32,
    /// `[cardinality][width]`, one after another.
    means: Vec<f32>,
}

/// Statistics as number columns, in units of their spread over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatisticColumns {
    statistics: TargetStatistics,
    /// `(center, scale)` of each number column.
    scalings: Vec<(f32, f32)>,
}

/// Statistics of the training rows, each without the targets of its own fold.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// `[n_columns * width][n_train]`, rows in the order in which they were given.
    pub columns: Vec<Vec<f32>>,
}

/// What is averaged, of which rows.
struct Learned {
    /// The number, or 1 at the class, of each training row. `[n_train][width]`
    targets: Vec<f64>,
    width: usize,
    /// The fold of each training row.
    folds: Vec<usize>,
    n_folds: usize,
}

/// Sums of the target by category.
#[derive(Clone)]
struct Sums {
    width: usize,
    /// Rows of each code. `[cardinality]`
    counts: Vec<f64>,
    /// `[cardinality][width]`
    sums: Vec<f64>,
}

impl Sums {
    fn new(cardinality: u32, width: usize) -> Self {
        Self {
            width,
            counts: vec![0.0; cardinality as usize],
            sums: vec![0.0; cardinality as usize * width],
        }
    }

    fn add(&mut self, code: u32, target: &[f64]) {
        let code = code as usize;
        self.counts[code] += 1.0;
        let own = &mut self.sums[code * self.width..][..self.width];
        own.iter_mut().zip(target).for_each(|(sum, y)| *sum += y);
    }

    /// The sum of all folds but one.
    fn joined(by_fold: &[Self], without: Option<usize>) -> Self {
        let cardinality = by_fold[0].counts.len() as u32;
        let mut all = Self::new(cardinality, by_fold[0].width);
        let add = |into: &mut [f64], from: &[f64]| {
            into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        };
        for (fold, part) in by_fold.iter().enumerate() {
            if Some(fold) != without {
                add(&mut all.counts, &part.counts);
                add(&mut all.sums, &part.sums);
            }
        }
        all
    }

    /// Smoothed means of all codes, `[cardinality][width]`.
    fn means(&self, smoothing: f64) -> Vec<f32> {
        let n: f64 = self.counts.iter().sum::<f64>().max(1.0);
        let mut prior = vec![0.0; self.width];
        for own in self.sums.chunks_exact(self.width) {
            prior.iter_mut().zip(own).for_each(|(p, sum)| *p += sum / n);
        }
        let mut means = Vec::with_capacity(self.sums.len());
        for (own, count) in self.sums.chunks_exact(self.width).zip(&self.counts) {
            let weight = (count + smoothing).max(f64::MIN_POSITIVE);
            let codes = own.iter().zip(&prior);
            means.extend(codes.map(|(sum, p)| ((sum + smoothing * p) / weight) as f32));
        }
        means
    }
}

impl Learned {
    fn new(
        target: &Target,
        (train, groups): (&[usize], Option<&[u64]>),
        settings: &TargetStatisticsSettings,
    ) -> Self {
        let width = width(target);
        let n_folds = settings.folds.clamp(2, 1_000);
        Self {
            targets: indicators(target, train, width),
            width,
            folds: folds((train, groups), settings.seed, n_folds),
            n_folds,
        }
    }

    fn sums(&self, codes: &[u32], cardinality: u32) -> Vec<Sums> {
        let mut by_fold = vec![Sums::new(cardinality, self.width); self.n_folds];
        let targets = self.targets.chunks_exact(self.width);
        for ((&code, target), &fold) in codes.iter().zip(targets).zip(&self.folds) {
            by_fold[fold].add(code, target);
        }
        by_fold
    }
}

impl TargetStatistics {
    /// Statistics of the columns with at least [`TargetStatisticsSettings::least_codes`] codes, and those of
    /// the training rows out of fold; no columns where the target has more than 16 classes.
    ///
    /// # Errors
    /// `NoTrainingRows`, `RowOutOfRange`, `ColumnLength`, `CodeOutOfRange`.
    pub fn fit(
        dataset: &Dataset,
        target: &Target,
        train: &[usize],
        settings: &TargetStatisticsSettings,
    ) -> Result<(Self, OutOfFold), RepresentError> {
        Self::fit_grouped(dataset, target, (train, None), settings)
    }

    /// As [`TargetStatistics::fit`], with whole groups out of fold: rows of one entity tell each other's target.
    /// `groups`: `[n_rows]`
    fn fit_grouped(
        dataset: &Dataset,
        target: &Target,
        (train, groups): (&[usize], Option<&[u64]>),
        settings: &TargetStatisticsSettings,
    ) -> Result<(Self, OutOfFold), RepresentError> {
        if train.is_empty() {
            return Err(RepresentError::NoTrainingRows);
        }
        let n_rows = match target {
            Target::Classes { codes, .. } => codes.len(),
            Target::Numbers(values) => values.len(),
        };
        if let Some(&row) = train.iter().find(|&&row| row >= n_rows) {
            return Err(RepresentError::RowOutOfRange { row, n_rows });
        }
        let learned = Learned::new(target, (train, groups), settings);
        let mut fitted = Self {
            width: learned.width,
            columns: Vec::new(),
        };
        let mut out = OutOfFold {
            columns: Vec::new(),
        };
        for column in &dataset.categories {
            if learned.width == 0 || column.cardinality < settings.least_codes {
                continue;
            }
            check(column, n_rows)?;
            let codes: Vec<u32> = train.iter().map(|&row| column.codes[row]).collect();
            let by_fold = learned.sums(&codes, column.cardinality);
            out.add(&codes, &learned, &by_fold, settings.smoothing);
            fitted.columns.push(ColumnStatistics {
                name: column.name.clone(),
                cardinality: column.cardinality,
                means: Sums::joined(&by_fold, None).means(settings.smoothing),
            });
        }
        Ok((fitted, out))
    }

    /// Number columns that the statistics become.
    pub fn n_columns(&self) -> usize {
        self.columns.len() * self.width
    }

    /// Statistics of all rows of a dataset, by all training rows; for rows that were not learned from.
    ///
    /// # Errors
    /// `MissingColumn`, `CodeOutOfRange` where the dataset was prepared otherwise.
    pub fn transform(&self, dataset: &Dataset) -> Result<Vec<NumberColumn>, RepresentError> {
        let mut out = Vec::with_capacity(self.n_columns());
        for fitted in &self.columns {
            let found = dataset.categories.iter().find(|c| c.name == fitted.name);
            let column = found.ok_or_else(|| RepresentError::MissingColumn {
                column: fitted.name.clone(),
            })?;
            check_codes(column, fitted.cardinality)?;
            for k in 0..self.width {
                let mean = |&code: &u32| fitted.means[code as usize * self.width + k];
                out.push(NumberColumn {
                    name: self.name(fitted, k),
                    values: column.codes.iter().map(mean).collect(),
                    missing: vec![false; column.codes.len()],
                });
            }
        }
        Ok(out)
    }

    fn name(&self, column: &ColumnStatistics, k: usize) -> String {
        if self.width == 1 {
            format!("{}: mean of the target", column.name)
        } else {
            format!("{}: share of class {k}", column.name)
        }
    }
}

impl StatisticColumns {
    /// The statistics of a dataset, and its numbers and categories with them to learn from: training rows have those
    /// out of fold, with whole `groups` (`[n_rows]`) where there are such, others those of all training rows. `None` where
    /// no column has categories enough.
    ///
    /// # Errors
    /// As [`TargetStatistics::fit`].
    pub fn fit(
        dataset: &Dataset,
        target: &Target,
        (train, groups): (&[usize], Option<&[u64]>),
    ) -> Result<Option<(Self, Dataset)>, RepresentError> {
        let settings = TargetStatisticsSettings::default();
        let of = (train, groups);
        let (statistics, out) = TargetStatistics::fit_grouped(dataset, target, of, &settings)?;
        if statistics.n_columns() == 0 {
            return Ok(None);
        }
        let fitted = Self {
            scalings: out.columns.iter().map(|column| scaling(column)).collect(),
            statistics,
        };
        let mut with = fitted.add(dataset)?;
        let first = with.numbers.len() - out.columns.len();
        let own = with.numbers[first..].iter_mut().zip(&fitted.scalings);
        for ((column, (center, scale)), values) in own.zip(&out.columns) {
            for (&row, value) in train.iter().zip(values) {
                column.values[row] = (value - center) / scale;
            }
        }
        Ok(Some((fitted, with)))
    }

    /// The numbers and categories of a dataset, with statistics of all training rows as further numbers.
    ///
    /// # Errors
    /// As [`TargetStatistics::transform`].
    pub fn add(&self, dataset: &Dataset) -> Result<Dataset, RepresentError> {
        let mut numbers = dataset.numbers.clone();
        for (mut column, (center, scale)) in
            (self.statistics.transform(dataset)?.into_iter()).zip(&self.scalings)
        {
            for value in &mut column.values {
                *value = (*value - center) / scale;
            }
            numbers.push(column);
        }
        Ok(Dataset {
            row_ids: dataset.row_ids.clone(),
            numbers,
            categories: dataset.categories.clone(),
            texts: Vec::new(),
            molecules: Vec::new(),
            histories: None,
            target: dataset.target.clone(),
        })
    }
}

/// Mean and standard deviation, or 1 where all values are one.
fn scaling(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / n).sqrt() as f32;
    let usable = deviation.is_finite() && deviation > 0.0;
    (mean as f32, if usable { deviation } else { 1.0 })
}

impl OutOfFold {
    /// Adds the statistics of one more category column.
    fn add(&mut self, codes: &[u32], learned: &Learned, by_fold: &[Sums], smoothing: f64) {
        let (first, width) = (self.columns.len(), learned.width);
        self.columns.resize(first + width, vec![0.0; codes.len()]);
        for held in 0..by_fold.len() {
            // The others are added up, and nothing is taken away from the sum of all: a difference
            // would keep a trace of the row's own target in its last bits.
            let means = Sums::joined(by_fold, Some(held)).means(smoothing);
            for (at, &code) in codes.iter().enumerate() {
                if learned.folds[at] == held {
                    let own = &means[code as usize * width..][..width];
                    let columns = self.columns[first..].iter_mut().zip(own);
                    columns.for_each(|(column, &mean)| column[at] = mean);
                }
            }
        }
    }
}

/// Numbers a column.
fn width(target: &Target) -> usize {
    match target {
        Target::Numbers(_) => 1,
        Target::Classes { names, .. } if names.len() <= 2 => 1,
        Target::Classes { names, .. } if names.len() <= MOST_CLASSES => names.len(),
        Target::Classes { .. } => 0,
    }
}

/// What is averaged, of each training row: its number, or 1 at its class. `[n_train][width]`
fn indicators(target: &Target, train: &[usize], width: usize) -> Vec<f64> {
    match target {
        Target::Numbers(values) => train.iter().map(|&row| values[row]).collect(),
        Target::Classes { codes, .. } if width == 1 => train
            .iter()
            .map(|&row| f64::from(codes[row].min(1)))
            .collect(),
        Target::Classes { codes, .. } => train
            .iter()
            .flat_map(|&row| {
                (0..width).map(move |class| f64::from(u8::from(codes[row] as usize == class)))
            })
            .collect(),
    }
}

/// The fold of each training row: rows, or whole groups, in the order of a hash, dealt out in turn; the target plays no
/// part.
fn folds((train, groups): (&[usize], Option<&[u64]>), seed: u64, n_folds: usize) -> Vec<usize> {
    let unit = |row: &usize| groups.map_or(*row as u64, |groups| groups[*row]);
    let mut order: Vec<(u64, u64)> = (train.iter().map(unit))
        .map(|unit| (mix(seed, unit), unit))
        .collect();
    order.sort_unstable();
    order.dedup();
    let places = order.into_iter().enumerate();
    let fold_of: BTreeMap<u64, usize> = places
        .map(|(place, (_, unit))| (unit, place % n_folds))
        .collect();
    train.iter().map(|row| fold_of[&unit(row)]).collect()
}

fn check(column: &CategoryColumn, n_rows: usize) -> Result<(), RepresentError> {
    if column.codes.len() != n_rows {
        return Err(RepresentError::ColumnLength {
            column: column.name.clone(),
            expected: n_rows,
            found: column.codes.len(),
        });
    }
    check_codes(column, column.cardinality)
}

fn check_codes(column: &CategoryColumn, cardinality: u32) -> Result<(), RepresentError> {
    let outside = column.codes.iter().position(|&code| code >= cardinality);
    outside.map_or(Ok(()), |row| {
        Err(RepresentError::CodeOutOfRange {
            column: column.name.clone(),
            row: row as u64,
            code: column.codes[row],
            cardinality,
        })
    })
}
