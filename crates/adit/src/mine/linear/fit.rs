//! Training: the path of penalties, the choice among them, the last fit.

use adit_nn::watch::Watch;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

use super::model::{Kind, VERSION, check_finite};
use super::objective::{Loss, Problem, score, sigmoid, softmax};
use super::{LinearModel, LinearSettings, PenaltyScore};
use crate::mine::MineError;
use crate::mine::cross_validation::{Folds, grouped_folds, plain_folds, stratified_folds};
use crate::mine::lbfgs::{Lbfgs, Minimum};
use crate::prepare::Target;
use crate::represent::sparse::SparseMatrix;

/// The path ends when so many penalties in a row were not better than the best.
const PATIENCE: usize = 3;
/// With more training rows than this, three folds tell penalties apart as well as more do.
const MANY_ROWS: usize = 4000;
/// Taken from the penalties, the nearest by ratio, where there are no rows to hold out.
const UNCHOSEN_PENALTY: f64 = 1.0;
/// Share of the loss by which a penalty must be better to count as better.
const LEAST_GAIN: f64 = 1e-4;
/// Standard errors above the lowest loss that do not matter.
const EVEN: f64 = 0.02;
/// Probabilities of held-out rows are kept this far from 0.
const SMALLEST_PROBABILITY: f64 = 1e-15;

/// Training rows as they enter the optimiser.
struct Rows<'a> {
    features: &'a SparseMatrix,
    train: &'a [usize],
    kind: Kind,
    /// Standardised numbers, or positions in the present classes. `[train]`
    targets: Vec<f64>,
    /// `[train]`
    weights: Vec<f64>,
    /// `[train]`
    groups: Option<Vec<u64>>,
}

/// One part of the cross-validation on its way along the path.
struct Fold {
    problem: Problem,
    point: Vec<f64>,
    /// Positions in `train`.
    held: Vec<usize>,
}

impl LinearSettings {
    /// Trains on the rows `train` of `features` and `target`, both with one entry per row.
    ///
    /// The penalty is the strongest one whose mean loss on rows held out from training is even with the
    /// lowest: within a fiftieth of its standard error.
    ///
    /// # Errors
    /// [`MineError::Setting`], [`MineError::NoTrainingRows`], [`MineError::RowsDiffer`],
    /// [`MineError::RowOutOfRange`], [`MineError::OneClass`], [`MineError::UnknownClass`],
    /// [`MineError::TargetNotFinite`], [`MineError::FeatureNotFinite`], [`MineError::Cancelled`].
    pub fn fit(
        &self,
        features: &SparseMatrix,
        target: &Target,
        train: &[usize],
        watch: &dyn Watch,
    ) -> Result<LinearModel, MineError> {
        let rows = self.read(features, target, train)?;
        let mut penalties = self.penalties.clone();
        penalties.sort_by(|a, b| b.total_cmp(a));
        penalties.dedup();
        let path = self.score_penalties(&rows, &penalties, watch)?;
        let near = |p: &f64| (p / UNCHOSEN_PENALTY).ln().abs();
        let chosen_penalty = choose(&path).unwrap_or_else(|| {
            penalties
                .iter()
                .copied()
                .min_by(|a, b| near(a).total_cmp(&near(b)))
                .unwrap_or(1.0)
        });
        let everyone: Vec<usize> = (0..train.len()).collect();
        let mut problem = rows.problem(&everyone)?;
        let start = problem.start();
        let mut found = self
            .last_search()
            .run(&mut problem, chosen_penalty, start, watch)?;
        problem.centre_intercepts(&mut found.point);
        watch.progress("linear", 1, 1, &format!("penalty {chosen_penalty:.3}"));
        Ok(LinearModel {
            version: VERSION,
            n_features: features.n_cols,
            kind: rows.kind,
            weights: found.point,
            chosen_penalty,
            path,
            iterations: found.iterations,
            converged: found.converged,
        })
    }

    fn last_search(&self) -> Lbfgs {
        Lbfgs {
            max_iterations: self.max_iterations,
            gradient_tolerance: self.tolerance,
            value_tolerance: self.tolerance.powf(1.5),
        }
    }

    /// Choosing needs fewer digits than the weights that are kept.
    fn path_search(&self) -> Lbfgs {
        Lbfgs {
            max_iterations: self.max_iterations.div_ceil(2),
            gradient_tolerance: self.tolerance,
            value_tolerance: self.tolerance * 10.0,
        }
    }

    fn read<'a>(
        &self,
        features: &'a SparseMatrix,
        target: &Target,
        train: &'a [usize],
    ) -> Result<Rows<'a>, MineError> {
        let (n_target, n_classes) = match target {
            Target::Classes { codes, names } => (codes.len(), names.len()),
            Target::Numbers(values) => (values.len(), 0),
        };
        self.check(n_classes)?;
        if train.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        let n_rows = features.n_rows();
        if n_target != n_rows {
            return Err(MineError::RowsDiffer {
                features: n_rows,
                target: n_target,
            });
        }
        if let Some(&row) = train.iter().find(|&&row| row >= n_rows) {
            return Err(MineError::RowOutOfRange { row, n_rows });
        }
        check_finite(features)?;
        let (kind, targets, weights) = match target {
            Target::Numbers(values) => {
                let (kind, targets) = standardise(values, train)?;
                (kind, targets, vec![1.0; train.len()])
            }
            Target::Classes { codes, names } => self.read_classes(codes, names, train)?,
        };
        let groups = self.groups.as_ref().filter(|groups| groups.len() == n_rows);
        Ok(Rows {
            features,
            train,
            kind,
            targets,
            weights,
            groups: groups.map(|groups| train.iter().map(|&row| groups[row]).collect()),
        })
    }

    fn read_classes(
        &self,
        codes: &[u32],
        names: &[String],
        train: &[usize],
    ) -> Result<(Kind, Vec<f64>, Vec<f64>), MineError> {
        let n_classes = names.len();
        let mut counts = vec![0usize; n_classes];
        for &row in train {
            let code = codes[row];
            *counts
                .get_mut(code as usize)
                .ok_or(MineError::UnknownClass {
                    row,
                    code,
                    n_classes,
                })? += 1;
        }
        let present: Vec<u32> = (0..n_classes as u32)
            .filter(|&class| counts[class as usize] > 0)
            .collect();
        if let [only] = present[..] {
            return Err(MineError::OneClass {
                class: names[only as usize].clone(),
            });
        }
        let by_class = self.class_weights.by_class(&counts);
        let weights = train
            .iter()
            .map(|&row| by_class[codes[row] as usize])
            .collect();
        let position = |class| present.partition_point(|&p| p < class) as f64;
        let targets = train.iter().map(|&row| position(codes[row])).collect();
        Ok((Kind::Classes { n_classes, present }, targets, weights))
    }

    /// Loss of every penalty on held-out rows, from the strongest on; empty without a choice.
    fn score_penalties(
        &self,
        rows: &Rows<'_>,
        penalties: &[f64],
        watch: &dyn Watch,
    ) -> Result<Vec<PenaltyScore>, MineError> {
        let mut folds = match penalties.len() {
            1 => Vec::new(),
            _ => rows.folds(self.folds, self.seed)?,
        };
        let total = (penalties.len() * folds.len()) as u64;
        let done = AtomicU64::new(0);
        let search = self.path_search();
        let mut path: Vec<PenaltyScore> = Vec::new();
        let (mut best, mut waited) = (f64::INFINITY, 0);
        for &penalty in penalties {
            if folds.is_empty() || waited == PATIENCE {
                break;
            }
            let losses = folds
                .par_iter_mut()
                .map(|fold| {
                    let start = std::mem::take(&mut fold.point);
                    fold.point = search.run(&mut fold.problem, penalty, start, watch)?.point;
                    let done = 1 + done.fetch_add(1, Ordering::Relaxed);
                    watch.progress("linear", done, total, &format!("penalty {penalty:.3}"));
                    Ok(rows.held_out_loss(fold))
                })
                .collect::<Result<Vec<_>, MineError>>()?;
            let score = summarise(penalty, &losses);
            waited = if score.loss < best * (1.0 - LEAST_GAIN) {
                0
            } else {
                waited + 1
            };
            best = best.min(score.loss);
            path.push(score);
        }
        Ok(path)
    }
}

impl Lbfgs {
    fn run(
        &self,
        problem: &mut Problem,
        penalty: f64,
        start: Vec<f64>,
        watch: &dyn Watch,
    ) -> Result<Minimum, MineError> {
        let curvature = problem.curvature(penalty);
        let mut function =
            |point: &[f64], slope: &mut [f64]| problem.evaluate(penalty, point, slope);
        self.minimise(&mut function, start, &curvature, watch)
    }
}

impl Rows<'_> {
    /// The problem of some of the training rows, given as positions in `train`.
    fn problem(&self, positions: &[usize]) -> Result<Problem, MineError> {
        let pick = |values: &[f64]| positions.iter().map(|&p| values[p]).collect::<Vec<_>>();
        let keep: Vec<usize> = positions.iter().map(|&p| self.train[p]).collect();
        let outputs = self.kind.outputs();
        let loss = match self.kind {
            Kind::Ridge { .. } => Loss::Squares,
            Kind::Classes { .. } if outputs == 1 => Loss::Logistic,
            Kind::Classes { .. } => Loss::Softmax,
        };
        let (targets, weights) = (pick(&self.targets), pick(&self.weights));
        Problem::new(self.features, &keep, (loss, outputs), targets, weights)
    }

    fn folds(&self, folds: usize, seed: u64) -> Result<Vec<Fold>, MineError> {
        let folds = if self.train.len() > MANY_ROWS {
            folds.min(3)
        } else {
            folds
        };
        let assigned: Folds = match (&self.groups, &self.kind) {
            (Some(groups), _) => grouped_folds(groups, folds, seed),
            (None, Kind::Ridge { .. }) => plain_folds(self.train.len(), folds, seed),
            (None, Kind::Classes { .. }) => {
                let classes: Vec<u32> = self.targets.iter().map(|&t| t as u32).collect();
                stratified_folds(&classes, folds, seed)
            }
        };
        let mut out = Vec::new();
        for fold in 0..folds {
            let (held, kept): (Vec<usize>, Vec<usize>) =
                (0..self.train.len()).partition(|&p| assigned[p] == Some(fold));
            if !held.is_empty() && !kept.is_empty() {
                let problem = self.problem(&kept)?;
                let point = problem.start();
                out.push(Fold {
                    problem,
                    point,
                    held,
                });
            }
        }
        // One part alone does not tell how well a penalty does.
        if out.len() < 2 {
            out.clear();
        }
        Ok(out)
    }

    /// Weighted sum of losses of the held-out rows, and the sum of their weights.
    fn held_out_loss(&self, fold: &Fold) -> (f64, f64) {
        let outputs = self.kind.outputs();
        let mut scores = vec![0.0; outputs];
        let (mut sum, mut total) = (0.0, 0.0);
        for &p in &fold.held {
            score(self.features, self.train[p], &fold.point, &mut scores);
            let target = self.targets[p];
            let loss = match self.kind {
                Kind::Ridge { scale, .. } => (scale * (scores[0] - target)).powi(2),
                Kind::Classes { .. } => {
                    let probability = if outputs == 1 {
                        sigmoid(if target == 1.0 { scores[0] } else { -scores[0] })
                    } else {
                        softmax(&mut scores);
                        scores[target as usize]
                    };
                    -probability.max(SMALLEST_PROBABILITY).ln()
                }
            };
            sum += self.weights[p] * loss;
            total += self.weights[p];
        }
        (sum, total)
    }
}

/// The strongest penalty that is as good as the best one: where losses are even, small weights are
/// the safer ones. A whole standard error cost accuracy on the shared data sets.
fn choose(path: &[PenaltyScore]) -> Option<f64> {
    let best = path.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))?;
    let bound = best.loss + EVEN * best.standard_error;
    path.iter()
        .find(|score| score.loss <= bound)
        .map(|score| score.penalty)
}

/// Mean over all held-out rows and its standard error over the folds.
fn summarise(penalty: f64, losses: &[(f64, f64)]) -> PenaltyScore {
    let n = losses.len() as f64;
    let total = losses
        .iter()
        .fold((0.0, 0.0), |t, l| (t.0 + l.0, t.1 + l.1));
    let means: Vec<f64> = losses.iter().map(|(sum, weight)| sum / weight).collect();
    let centre = means.iter().sum::<f64>() / n;
    let spread = means
        .iter()
        .map(|m| (m - centre) * (m - centre))
        .sum::<f64>()
        / (n - 1.0);
    PenaltyScore {
        penalty,
        loss: total.0 / total.1,
        standard_error: (spread / n).sqrt(),
    }
}

/// Centres and scales the target; a constant one keeps its unit.
fn standardise(values: &[f64], train: &[usize]) -> Result<(Kind, Vec<f64>), MineError> {
    if let Some(&row) = train.iter().find(|&&row| !values[row].is_finite()) {
        return Err(MineError::TargetNotFinite { row });
    }
    let n = train.len() as f64;
    let shift = values[train[0]];
    let centre = shift + train.iter().map(|&row| values[row] - shift).sum::<f64>() / n;
    let variance = train
        .iter()
        .map(|&row| (values[row] - centre).powi(2))
        .sum::<f64>()
        / n;
    let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    let targets = train
        .iter()
        .map(|&row| (values[row] - centre) / scale)
        .collect();
    Ok((Kind::Ridge { centre, scale }, targets))
}
