//! Boosting: round by round, trees that follow the slope of the loss.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::bins::bin_columns;
use super::grow::Grower;
use super::model::{Meaning, TreesModel};
use super::tree::Tree;
use super::{Column, TreeSettings};
use crate::mine::MineError;
use crate::mine::training::Epoch;
use crate::prepare::Target;

/// Probabilities below this count as this in the loss.
const LEAST: f64 = 1e-15;
/// Rows whose slopes one thread computes at once.
const CHUNK_ROWS: usize = 4096;

/// Who looks on: the round, the rounds there may be, and the loss on validation (or training) rows; false stops.
pub type Watching<'a> = dyn Fn(usize, usize, f64) -> bool + 'a;

/// A trained model and how it got there.
pub struct Boosted {
    pub model: TreesModel,
    /// Losses by round; the score is left empty (NaN).
    pub rounds: Vec<Epoch>,
}

impl TreeSettings {
    /// Grows trees on `train` and keeps those up to the round with the least loss on `validation`; all of them
    /// where that is empty.
    ///
    /// # Errors
    /// Settings out of range; no rows, no columns, or columns of different lengths; a target that does not fit;
    /// `Cancelled`.
    pub fn fit(
        &self,
        columns: &[Column],
        target: &Target,
        parts: (&[usize], &[usize]),
        watching: &Watching,
    ) -> Result<Boosted, MineError> {
        self.fit_weighted(columns, (target, None), parts, watching)
    }

    /// As [`TreeSettings::fit`], rows counting as much as their class says.
    ///
    /// # Errors
    /// As [`TreeSettings::fit`].
    pub fn fit_weighted(
        &self,
        columns: &[Column],
        (target, class_weights): (&Target, Option<&[f32]>),
        (train, validation): (&[usize], &[usize]),
        watching: &Watching,
    ) -> Result<Boosted, MineError> {
        self.check()?;
        check_rows(columns, target, train, validation)?;
        let goal = (target, class_weights);
        let mut course = Course::new(self, columns, goal, train, validation)?;
        let mut rounds: Vec<Epoch> = Vec::new();
        let mut best = (f64::INFINITY, 0);
        for round in 1..=self.n_rounds {
            let grew = course.round();
            let record = course.record(round);
            let loss = if validation.is_empty() {
                record.train_loss
            } else {
                record.validation_loss
            };
            rounds.push(record);
            if !watching(round, self.n_rounds, loss) {
                return Err(MineError::Cancelled);
            }
            if loss < best.0 {
                best = (loss, round);
            }
            if !grew || round - best.1 >= self.patience.max(1) {
                break;
            }
        }
        let keep = if validation.is_empty() {
            rounds.len()
        } else {
            best.1
        };
        let mut model = course.model;
        model.trees.truncate(keep * model.begin.len());
        Ok(Boosted { model, rounds })
    }
}

fn check_rows(
    columns: &[Column],
    target: &Target,
    train: &[usize],
    validation: &[usize],
) -> Result<(), MineError> {
    if train.is_empty() {
        return Err(MineError::NoTrainingRows);
    }
    let n_rows = match target {
        Target::Classes { codes, names } => {
            let n_classes = names.len();
            if let Some((row, &code)) =
                (codes.iter().enumerate()).find(|(_, code)| **code as usize >= n_classes)
            {
                return Err(MineError::UnknownClass {
                    row,
                    code,
                    n_classes,
                });
            }
            codes.len()
        }
        Target::Numbers(values) => values.len(),
    };
    if columns.is_empty() {
        return Err(MineError::NoFeatures);
    }
    if let Some(column) = columns.iter().find(|column| column.len() != n_rows) {
        return Err(MineError::RowsDiffer {
            features: column.len(),
            target: n_rows,
        });
    }
    let outside = |rows: &[usize]| rows.iter().copied().find(|row| *row >= n_rows);
    if let Some(row) = outside(train).or_else(|| outside(validation)) {
        return Err(MineError::RowOutOfRange { row, n_rows });
    }
    if let Target::Numbers(values) = target {
        let bad = train
            .iter()
            .chain(validation)
            .find(|row| !values[**row].is_finite());
        if let Some(&row) = bad {
            return Err(MineError::TargetNotFinite { row });
        }
    }
    Ok(())
}

/// The target as the losses need it.
enum Truth {
    Two(Vec<bool>),
    Many(Vec<u32>),
    /// In units of the scale, around the centre.
    Numbers(Vec<f32>),
}

struct Course<'a> {
    settings: &'a TreeSettings,
    columns: &'a [Column<'a>],
    truth: Truth,
    /// Of every row of the table; all 1 where there are none.
    weights: Option<Vec<f32>>,
    train: Vec<u32>,
    validation: &'a [usize],
    binned: Vec<super::bins::Binned>,
    model: TreesModel,
    /// Sums so far of every row of the table, output by output. `[n_outputs][n_rows]`
    sums: Vec<Vec<f64>>,
    rng: ChaCha8Rng,
}

impl<'a> Course<'a> {
    fn new(
        settings: &'a TreeSettings,
        columns: &'a [Column<'a>],
        (target, class_weights): (&Target, Option<&[f32]>),
        train: &'a [usize],
        validation: &'a [usize],
    ) -> Result<Course<'a>, MineError> {
        let (meaning, begin, truth) = begin(target, class_weights, train);
        let weights = match (class_weights, target) {
            (Some(weights), Target::Classes { codes, .. }) => {
                Some(codes.iter().map(|&code| weights[code as usize]).collect())
            }
            _ => None,
        };
        let n_rows = columns.first().map_or(0, Column::len);
        Ok(Course {
            settings,
            columns,
            truth,
            weights,
            train: train.iter().map(|&row| row as u32).collect(),
            validation,
            binned: bin_columns(columns, train, settings.max_bins),
            sums: begin.iter().map(|&b| vec![b; n_rows]).collect(),
            model: TreesModel {
                meaning,
                n_columns: columns.len(),
                begin,
                trees: Vec::new(),
            },
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
        })
    }

    /// Grows a tree an output; false where none of them parts any rows.
    fn round(&mut self) -> bool {
        let used = self.used_columns();
        let rows = self.rows_of_round();
        let n_outputs = self.sums.len();
        let slopes: Vec<Vec<[f32; 2]>> = (0..n_outputs).map(|k| self.slopes(k)).collect();
        let mut grower = Grower::new(&self.binned, self.settings);
        let mut grew = false;
        for (sums, slopes) in self.sums.iter_mut().zip(&slopes) {
            let grown = grower.grow(&rows, slopes, &used);
            grew |= grown.leaves.len() > 1;
            let whole = rows.len() == self.train.len();
            if whole {
                for (value, rows) in &grown.leaves {
                    let value = f64::from(*value);
                    rows.iter().for_each(|&row| sums[row as usize] += value);
                }
                add(
                    &grown.tree,
                    self.columns,
                    sums,
                    self.validation.iter().copied(),
                );
            } else {
                let train = self.train.iter().map(|&row| row as usize);
                add(
                    &grown.tree,
                    self.columns,
                    sums,
                    train.chain(self.validation.iter().copied()),
                );
            }
            self.model.trees.push(grown.tree);
        }
        grew
    }

    fn used_columns(&mut self) -> Vec<bool> {
        let n = self.columns.len();
        let wanted = ((n as f64 * self.settings.column_share).ceil() as usize).clamp(1, n);
        let mut used = vec![wanted == n; n];
        if wanted < n {
            let mut order: Vec<usize> = (0..n).collect();
            order.shuffle(&mut self.rng);
            order[..wanted].iter().for_each(|&at| used[at] = true);
        }
        used
    }

    fn rows_of_round(&mut self) -> Vec<u32> {
        let share = self.settings.row_share;
        if share >= 1.0 {
            return self.train.clone();
        }
        let rng = &mut self.rng;
        let mut rows = self.train.clone();
        rows.retain(|_| rng.random::<f64>() < share);
        if rows.is_empty() {
            self.train.clone()
        } else {
            rows
        }
    }

    /// First and second derivative of the loss by output `k`, for every row of the table.
    fn slopes(&self, k: usize) -> Vec<[f32; 2]> {
        let n_rows = self.sums[k].len();
        let mut out = vec![[0f32; 2]; n_rows];
        let n_classes = self.sums.len() as f64;
        out.par_chunks_mut(CHUNK_ROWS)
            .enumerate()
            .for_each(|(chunk, out)| {
                for (at, slope) in out.iter_mut().enumerate() {
                    let row = chunk * CHUNK_ROWS + at;
                    *slope = match &self.truth {
                        Truth::Numbers(truth) => {
                            [(self.sums[0][row] - f64::from(truth[row])) as f32, 1.0]
                        }
                        Truth::Two(truth) => {
                            let p = 1.0 / (1.0 + (-self.sums[0][row]).exp());
                            [
                                (p - f64::from(u8::from(truth[row]))) as f32,
                                (p * (1.0 - p)) as f32,
                            ]
                        }
                        Truth::Many(truth) => {
                            let p = self.chance(row, k);
                            let hit = f64::from(u8::from(truth[row] as usize == k));
                            // Friedman 2001, section 4.6: the outputs of a row move together.
                            let factor = n_classes / (n_classes - 1.0).max(1.0);
                            [(p - hit) as f32, (factor * p * (1.0 - p)) as f32]
                        }
                    };
                    if let Some(weights) = &self.weights {
                        slope.iter_mut().for_each(|part| *part *= weights[row]);
                    }
                }
            });
        out
    }

    /// The probability of class `k` for a row.
    fn chance(&self, row: usize, k: usize) -> f64 {
        let top = self
            .sums
            .iter()
            .map(|sums| sums[row])
            .fold(f64::NEG_INFINITY, f64::max);
        let all: f64 = self.sums.iter().map(|sums| (sums[row] - top).exp()).sum();
        (self.sums[k][row] - top).exp() / all
    }

    fn loss(&self, row: usize) -> f64 {
        match &self.truth {
            Truth::Numbers(truth) => (self.sums[0][row] - f64::from(truth[row])).powi(2),
            Truth::Two(truth) => {
                let p = 1.0 / (1.0 + (-self.sums[0][row]).exp());
                -(if truth[row] { p } else { 1.0 - p }).max(LEAST).ln()
            }
            Truth::Many(truth) => -self.chance(row, truth[row] as usize).max(LEAST).ln(),
        }
    }

    fn record(&self, round: usize) -> Epoch {
        let mean = |rows: &mut dyn Iterator<Item = usize>| {
            let weight = |row: usize| (self.weights.as_ref()).map_or(1.0, |w| f64::from(w[row]));
            let (sum, n) = rows.fold((0.0, 0.0), |(sum, n), row| {
                let weight = weight(row);
                (sum + weight * self.loss(row), n + weight)
            });
            if n == 0.0 { f64::NAN } else { sum / n }
        };
        Epoch {
            epoch: round,
            train_loss: mean(&mut self.train.iter().map(|&row| row as usize)),
            validation_loss: mean(&mut self.validation.iter().copied()),
            validation_score: f64::NAN,
        }
    }
}

fn add(tree: &Tree, columns: &[Column], sums: &mut [f64], rows: impl Iterator<Item = usize>) {
    for row in rows {
        sums[row] += f64::from(tree.value(columns, row));
    }
}

/// Shares of the classes as logits, or the mean; and the target as the losses need it.
fn begin(
    target: &Target,
    class_weights: Option<&[f32]>,
    train: &[usize],
) -> (Meaning, Vec<f64>, Truth) {
    match target {
        Target::Numbers(values) => {
            let n = train.len() as f64;
            let center = train.iter().map(|&row| values[row]).sum::<f64>() / n;
            let squares = train.iter().map(|&row| (values[row] - center).powi(2));
            let scale = (squares.sum::<f64>() / n).sqrt();
            let scale = if scale > 0.0 && scale.is_finite() {
                scale
            } else {
                1.0
            };
            let scaled = values.iter().map(|v| ((v - center) / scale) as f32);
            let truth = Truth::Numbers(scaled.collect());
            (Meaning::Numbers { center, scale }, vec![0.0], truth)
        }
        Target::Classes { codes, names } => {
            let mut counts = vec![0.0f64; names.len()];
            train
                .iter()
                .for_each(|&row| counts[codes[row] as usize] += 1.0);
            // A class that is absent is improbable rather than impossible.
            let weight = |class: usize| class_weights.map_or(1.0, |w| f64::from(w[class]));
            let shares = counts.iter().enumerate();
            let shares: Vec<f64> = shares
                .map(|(class, n)| n.max(0.5) * weight(class) / train.len() as f64)
                .collect();
            let meaning = Meaning::Classes {
                n_classes: names.len(),
            };
            if names.len() == 2 {
                let begin = (shares[1] / shares[0]).ln();
                let truth = codes.iter().map(|&code| code == 1).collect();
                return (meaning, vec![begin], Truth::Two(truth));
            }
            let begin = shares.iter().map(|share| share.ln()).collect();
            (meaning, begin, Truth::Many(codes.clone()))
        }
    }
}
