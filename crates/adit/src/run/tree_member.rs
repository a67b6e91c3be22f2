//! Trains boosted trees as a member of the scoreboard.

use super::RunError;
use super::arena::{Arena, OfFold, TrainedMember, mean, several};
use super::rates::by_round;
use super::saved::MemberKind;
use crate::explain::MemberRole;
use crate::mine::trees::{Column, TreeSettings, TreesModel};
use crate::mine::{MineError, Predictions};
use crate::prepare::{Dataset, Fold, Target};
use crate::represent::tree_columns::{TreeColumn, TreeFeatures};

/// Tables with fewer rows to learn from get smaller trees.
const SMALL_TABLE: usize = 2_000;
/// Tables with more rows than this try two settings instead of three, and keep one model.
const LARGE_TABLE: usize = 50_000;
/// Models that are averaged in the end; they differ by the rows and columns that each round draws.
const MODELS: usize = 3;

/// Trees of every fold with one setting.
struct Tried {
    settings: TreeSettings,
    by_fold: Vec<OfFold>,
    /// The mean over folds.
    loss: f64,
    rounds: Vec<usize>,
    history: crate::explain::TrainingHistory,
}

impl Arena<'_> {
    /// Boosted trees, or nothing where there are neither numbers nor categories.
    ///
    /// Settings are chosen by the loss on the rows held out, each fold stopped early by its own; then trees are
    /// grown anew on all rows that may be learned from, for as many rounds as the folds took.
    pub fn trees(&self) -> Result<Option<TrainedMember>, RunError> {
        self.trees_over(&self.loaded.dataset, ("boosted trees", MemberRole::Trees))
    }

    /// As [`Arena::trees`], over rows with further columns, under a name of its own.
    pub(super) fn trees_over(
        &self,
        dataset: &Dataset,
        (name, role): (&'static str, MemberRole),
    ) -> Result<Option<TrainedMember>, RunError> {
        let features = TreeFeatures::of(dataset, &self.loaded.fit_rows());
        if features.is_empty() {
            return Ok(None);
        }
        let owned = features.columns(dataset)?;
        let columns = views(&owned);
        let fit_rows = self.loaded.fit_rows();
        let candidates = candidates(fit_rows.len(), self.n_outputs(), self.job.seed);
        let n_steps = candidates.len() * self.plan.n_folds;
        let mut best: Option<Tried> = None;
        for (k, settings) in candidates.into_iter().enumerate() {
            let folds = &self.plan.folds[..self.plan.n_folds];
            let tried = self.tried(
                (&columns, name),
                settings,
                folds,
                (k * folds.len(), n_steps),
            )?;
            if best.as_ref().is_none_or(|b| tried.loss < b.loss) {
                best = Some(tried);
            }
        }
        let mut best = best.ok_or(MineError::NoFeatures)?;
        let further = &self.plan.folds[self.plan.n_folds..];
        if !further.is_empty() {
            let more = self.tried((&columns, name), best.settings, further, (0, further.len()))?;
            best.by_fold.extend(more.by_fold);
            best.rounds.extend(more.rounds);
        }
        let models = self.final_trees((&columns, name), &best, &fit_rows)?;
        let singles = models
            .iter()
            .map(|model| Ok(self.unweighted(model.predict(&columns, &self.loaded.split.test)?)))
            .collect::<Result<Vec<_>, MineError>>()?;
        let test = Predictions::mean(&singles).ok_or(MineError::NoFeatures)?;
        let folds = self.plan.folds.iter().zip(&best.by_fold);
        let scores = folds.filter_map(|(fold, found)| self.score(&fold.train, &found.train));
        let train_score = mean(&scores.collect::<Vec<_>>());
        let held: Vec<Predictions> = best.by_fold.into_iter().map(|f| f.validation).collect();
        let settings = described(&best.settings, &models, &features);
        Ok(Some(TrainedMember {
            trees: models,
            tree_settings: Some(best.settings),
            train_score,
            settings,
            singles: several(singles),
            histories: vec![best.history],
            ..self.member(
                (name.into(), role),
                MemberKind::Trees(features),
                self.held_out(&held)?,
                test,
            )
        }))
    }

    fn n_outputs(&self) -> usize {
        match self.target {
            Target::Classes { names, .. } if names.len() > 2 => names.len(),
            _ => 1,
        }
    }

    fn tried(
        &self,
        (columns, name): (&[Column], &str),
        settings: TreeSettings,
        folds: &[Fold],
        (begin, n_steps): (usize, usize),
    ) -> Result<Tried, RunError> {
        let mut by_fold = Vec::with_capacity(folds.len());
        let (mut losses, mut rounds) = (Vec::new(), Vec::new());
        let mut history = None;
        for (k, fold) in folds.iter().enumerate() {
            let at = (begin + k) as u64;
            let watching = |round: usize, _: usize, loss: f64| {
                if round.is_multiple_of(16) {
                    let detail = format!("round {round} loss {loss:.4}");
                    self.watch.progress(name, at, n_steps as u64, &detail);
                }
                !self.watch.cancelled()
            };
            let parts = (&fold.train[..], &fold.validation[..]);
            let goal = (self.target, self.class_weights.as_deref());
            let boosted = settings.fit_weighted(columns, goal, parts, &watching)?;
            let model = boosted.model;
            rounds.push(model.n_rounds());
            let least = boosted.rounds.iter().map(|r| r.validation_loss);
            losses.push(least.fold(f64::INFINITY, f64::min));
            by_fold.push(OfFold {
                train: self.unweighted(model.predict(columns, &fold.train)?),
                validation: self.unweighted(model.predict(columns, &fold.validation)?),
            });
            history.get_or_insert_with(|| {
                by_round(name, self.job.seed, &boosted.rounds, model.n_rounds())
            });
        }
        Ok(Tried {
            settings,
            by_fold,
            loss: mean(&losses).unwrap_or(f64::INFINITY),
            rounds,
            history: history.ok_or(MineError::NoTrainingRows)?,
        })
    }

    /// Trees on all rows that may be learned from, a little longer than in the folds: there are more rows.
    fn final_trees(
        &self,
        (columns, name): (&[Column], &str),
        best: &Tried,
        fit_rows: &[usize],
    ) -> Result<Vec<TreesModel>, RunError> {
        let rounds: usize = best.rounds.iter().sum::<usize>() / best.rounds.len().max(1);
        let learned: usize =
            self.plan.folds.iter().map(|f| f.train.len()).sum::<usize>() / self.plan.folds.len();
        let longer = fit_rows.len() as f64 / learned.max(1) as f64;
        let n_rounds = ((rounds as f64 * longer.min(1.25)).round() as usize).max(1);
        let drawn = best.settings.row_share < 1.0 || best.settings.column_share < 1.0;
        let n_models = if drawn && fit_rows.len() <= LARGE_TABLE && self.n_outputs() == 1 {
            MODELS
        } else {
            1
        };
        let mut models = Vec::with_capacity(n_models);
        for k in 0..n_models {
            let settings = TreeSettings {
                n_rounds,
                seed: best.settings.seed + k as u64,
                ..best.settings
            };
            let stage = format!("{name}, on all rows");
            let watching = |round: usize, of: usize, loss: f64| {
                if round.is_multiple_of(16) {
                    let at = (k * of + round) as u64;
                    let detail = format!("round {round} loss {loss:.4}");
                    self.watch
                        .progress(&stage, at, (n_models * of) as u64, &detail);
                }
                !self.watch.cancelled()
            };
            models.push(
                settings
                    .fit_weighted(
                        columns,
                        (self.target, self.class_weights.as_deref()),
                        (fit_rows, &[]),
                        &watching,
                    )?
                    .model,
            );
        }
        Ok(models)
    }
}

/// Columns as the trees take them.
pub(super) fn views(columns: &[TreeColumn]) -> Vec<Column<'_>> {
    columns.iter().map(view).collect()
}

fn view(column: &TreeColumn) -> Column<'_> {
    match column {
        TreeColumn::Numbers(values) => Column::Numbers(values),
        TreeColumn::Categories { codes, cardinality } => Column::Categories {
            codes,
            cardinality: *cardinality,
        },
    }
}

/// Settings that are tried: the fewer rows, the smaller the trees.
fn candidates(n_rows: usize, n_outputs: usize, seed: u64) -> Vec<TreeSettings> {
    let base = TreeSettings {
        learning_rate: 0.05,
        n_rounds: 2_000,
        patience: 50,
        column_share: 0.7,
        row_share: 0.8,
        l2: 1.0,
        seed,
        ..TreeSettings::default()
    };
    let base = if n_outputs > 4 {
        TreeSettings {
            learning_rate: 0.1,
            n_rounds: 500,
            patience: 20,
            ..base
        }
    } else {
        base
    };
    let of = |n_leaves: usize, min_rows_in_leaf: usize| TreeSettings {
        n_leaves,
        min_rows_in_leaf,
        ..base
    };
    // Drawing columns hides the few that matter among many that do not, so one candidate sees all of them.
    let whole = |settings: TreeSettings| TreeSettings {
        column_share: 1.0,
        ..settings
    };
    match n_rows {
        0..SMALL_TABLE => vec![of(4, 5), of(8, 8), whole(of(31, 20))],
        SMALL_TABLE..=LARGE_TABLE => vec![of(8, 20), whole(of(31, 20)), of(63, 30)],
        _ => {
            let faster = |settings: TreeSettings| TreeSettings {
                learning_rate: 0.1,
                n_rounds: 1_000,
                patience: 30,
                ..settings
            };
            vec![faster(whole(of(31, 20))), faster(of(63, 50))]
        }
    }
}

fn described(
    settings: &TreeSettings,
    models: &[TreesModel],
    features: &TreeFeatures,
) -> Vec<(String, String)> {
    let rounds = models.first().map_or(0, TreesModel::n_rounds);
    let mut told: Vec<(String, String)> = vec![
        ("leaves".into(), settings.n_leaves.to_string()),
        (
            "least rows in a leaf".into(),
            settings.min_rows_in_leaf.to_string(),
        ),
        ("rate".into(), settings.learning_rate.to_string()),
        ("rounds".into(), rounds.to_string()),
        ("columns".into(), features.len().to_string()),
    ];
    let names = features.names();
    let mut gains = vec![0.0; names.len()];
    for model in models {
        let shares = model.importance();
        gains
            .iter_mut()
            .zip(shares)
            .for_each(|(sum, share)| *sum += share);
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
    let n = models.len().max(1) as f64;
    let most: Vec<String> = order
        .iter()
        .take(5)
        .filter(|&&at| gains[at] > 0.0)
        .map(|&at| format!("{} {:.0}%", names[at], 100.0 * gains[at] / n))
        .collect();
    if !most.is_empty() {
        told.push(("most gain by".into(), most.join(", ")));
    }
    told
}
