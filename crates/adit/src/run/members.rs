//! Trains the members of the scoreboard that read rows, the simplest first.

use adit_nn::Params;

use super::RunError;
use super::arena::{Arena, OfFold, TrainedMember, mean};
use super::plan::HeldOut;
use super::rates::{RowBudget, best_rate, candidates, describe, describe_shape, histories};
use super::saved::{MemberKind, SavedLinear};
use crate::explain::MemberRole;
use crate::mine::decide::Decisions;
use crate::mine::linear::{LinearModel, LinearSettings};
use crate::mine::row_transformer::RowTransformerModel;
use crate::mine::training::{Monitor, Parts, Trained, TrainingSettings};
use crate::mine::trivial::TrivialModel;
use crate::mine::{MineError, Predictions};
use crate::prepare::{Fold, Task};
use crate::represent::sparse::SparseMatrix;
use crate::represent::{LinearFeatures, LinearFeaturesSettings};

/// What a linear model over some features leaves.
pub(super) struct OverFeatures {
    pub model: LinearModel,
    pub held_out: HeldOut,
    pub train_score: Option<f64>,
    pub test: Predictions,
}

impl Arena<'_> {
    /// Majority or mean.
    pub fn trivial(&self) -> Result<TrainedMember, RunError> {
        let split = &self.loaded.split;
        let (held_out, train_score) = self.cross_fit(&mut |fold| {
            let model = TrivialModel::fit(self.target, &fold.train)?;
            Ok(OfFold {
                train: model.predict(fold.train.len()),
                validation: model.predict(fold.validation.len()),
            })
        })?;
        let model = TrivialModel::fit(self.target, &self.loaded.fit_rows())?;
        let name = match self.job.task {
            Task::Classify => "majority",
            Task::Regress => "mean",
        };
        let test = model.predict(split.test.len());
        Ok(TrainedMember {
            train_score,
            ..self.member(
                (name.into(), MemberRole::Baseline),
                MemberKind::Trivial(model),
                held_out,
                test,
            )
        })
    }

    /// A member of one model, before time and memory are noted.
    pub(super) fn member(
        &self,
        (name, role): (String, MemberRole),
        kind: MemberKind,
        held_out: HeldOut,
        test: Predictions,
    ) -> TrainedMember {
        TrainedMember {
            name,
            role,
            kind,
            weights: Vec::new(),
            trees: Vec::new(),
            tree_settings: None,
            held_out,
            test,
            decisions: Decisions::default(),
            singles: Vec::new(),
            train_score: None,
            settings: Vec::new(),
            seconds: 0.0,
            peak_bytes: 0,
            histories: Vec::new(),
        }
    }

    /// The linear model: compared on the folds, then fitted on all rows that may be learned from.
    pub fn linear(&self) -> Result<(TrainedMember, SavedLinear), RunError> {
        let dataset = &self.loaded.dataset;
        let features = LinearFeatures::fit(
            dataset,
            &self.loaded.fit_rows(),
            LinearFeaturesSettings::default(),
        )?;
        let matrix = features.transform(dataset)?;
        let over = self.linear_over(&matrix, "linear")?;
        let member = TrainedMember {
            train_score: over.train_score,
            settings: vec![
                ("features".into(), matrix.n_cols.to_string()),
                (
                    "penalty".into(),
                    format!("{:.3e}", over.model.chosen_penalty()),
                ),
            ],
            ..self.member(
                ("linear".into(), MemberRole::Linear),
                MemberKind::Linear,
                over.held_out,
                over.test,
            )
        };
        let model = over.model;
        Ok((member, SavedLinear { features, model }))
    }

    /// A linear model over `matrix`, its penalty chosen by cross-validation within the rows that it learns from.
    pub(super) fn linear_over(
        &self,
        matrix: &SparseMatrix,
        name: &str,
    ) -> Result<OverFeatures, RunError> {
        let settings = LinearSettings {
            seed: self.job.seed,
            ..LinearSettings::default()
        };
        let n_fits = self.plan.folds.len() as u64 + 1;
        let mut done = 0;
        let (held_out, train_score) = self.cross_fit(&mut |fold| {
            let model = settings.fit(matrix, self.target, &fold.train, self.watch)?;
            done += 1;
            self.watch.progress(name, done, n_fits, "");
            let of = |rows: &[usize]| -> Result<Predictions, RunError> {
                Ok(model.predict(&matrix.select(rows)?)?)
            };
            Ok(OfFold {
                train: of(&fold.train)?,
                validation: of(&fold.validation)?,
            })
        })?;
        // More rows may bear a weaker penalty, so it is chosen anew.
        let model = settings.fit(matrix, self.target, &self.loaded.fit_rows(), self.watch)?;
        self.watch.progress(name, n_fits, n_fits, "");
        let test = model.predict(&matrix.select(&self.loaded.split.test)?)?;
        Ok(OverFeatures {
            model,
            held_out,
            train_score,
            test,
        })
    }

    /// The row transformer, or nothing where there are neither numbers nor categories.
    ///
    /// With one fold it is trained for several seeds; where rows are held out in turn, once a fold. Either way
    /// all its models are kept, and what it predicts is their mean.
    pub fn row_transformer(&self) -> Result<Option<TrainedMember>, RunError> {
        let dataset = &self.loaded.dataset;
        let fit_rows = self.loaded.fit_rows();
        let of_fit = Parts {
            train: if self.plan.is_crossed() {
                &fit_rows
            } else {
                self.parts().train
            },
            validation: &[],
        };
        let model = match RowTransformerModel::fit(dataset, None, of_fit) {
            Err(MineError::NoFeatures) => return Ok(None),
            other => other?,
        };
        let name = "row transformer";
        let budget = RowBudget::of(self.parts().train.len(), model.features.n_columns());
        let base = self.row_settings(&budget);
        let rates = candidates(&self.job.transformer.learning_rates, budget.rates);
        let train = |fold: &Fold, settings: &TrainingSettings, stage: &str| {
            // The loss is smoother than a score on few rows.
            let criterion = |p: &Predictions| -self.loss(&model.meaning, p, &fold.validation);
            let monitor = Monitor {
                name: stage,
                watch: self.watch,
                criterion: &criterion,
                score: &|p| self.score(&fold.validation, p).unwrap_or(f64::NAN),
            };
            let parts = Parts {
                train: &fold.train,
                validation: &fold.validation,
            };
            model.train(dataset, parts, settings, &monitor)
        };
        let first = &self.plan.folds[0];
        let (rate, best) = best_rate(&base, &rates, name, &|s, stage| train(first, s, stage))?;
        let chosen = TrainingSettings {
            learning_rate: rate as f32,
            ..base
        };
        let trained = self.other_models(best, (&chosen, budget.seeds), name, &train)?;
        let histories = histories(name, self.job.seed, &trained);
        let weights: Vec<Params> = trained.into_iter().map(|t| t.params).collect();
        let by_model = weights
            .iter()
            .map(|w| model.predict(dataset, w, self.watch))
            .collect::<Result<Vec<_>, _>>()?;
        let mut settings = describe(&base, rate);
        settings.extend(describe_shape(&model.shape));
        let (held_out, train_score) = self.scores_of_models(&by_model)?;
        let singles: Vec<Predictions> = by_model
            .iter()
            .map(|p| p.select(&self.loaded.split.test))
            .collect();
        let test = Predictions::mean(&singles).ok_or(MineError::NoFeatures)?;
        Ok(Some(TrainedMember {
            weights,
            train_score,
            settings,
            histories,
            singles: if singles.len() > 1 {
                singles
            } else {
                Vec::new()
            },
            ..self.member(
                (name.into(), MemberRole::Transformer),
                MemberKind::Row(Box::new(model)),
                held_out,
                test,
            )
        }))
    }

    fn row_settings(&self, budget: &RowBudget) -> TrainingSettings {
        let n_train = self.parts().train.len();
        let t = &self.job.transformer;
        TrainingSettings {
            learning_rate: 0.0,
            epochs: t.epochs.unwrap_or(budget.epochs),
            patience: t.patience.unwrap_or(budget.patience),
            batch_size: t.batch_size.unwrap_or((n_train / 16).clamp(16, 256)),
            warmup: 0.02,
            decay: false,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: self.job.seed,
            products: t.training_precision.unwrap_or_default(),
        }
    }

    /// The models after the first: one a further fold, or one a further seed where there is one fold.
    fn other_models(
        &self,
        first: Trained,
        (chosen, seeds): (&TrainingSettings, usize),
        name: &str,
        train: &dyn Fn(&Fold, &TrainingSettings, &str) -> Result<Trained, MineError>,
    ) -> Result<Vec<Trained>, MineError> {
        let folds = &self.plan.folds;
        let crossed = self.plan.is_crossed();
        let n_models = if crossed {
            // One repeat: each fold costs as much as a seed.
            self.plan.n_folds
        } else {
            self.job.transformer.seeds.unwrap_or(seeds)
        };
        let mut all = vec![first];
        for k in 1..n_models {
            let seed = chosen.seed + k as u64;
            let settings = TrainingSettings { seed, ..*chosen };
            let (fold, what) = if crossed {
                (&folds[k], "fold")
            } else {
                (&folds[0], "seed")
            };
            let stage = format!("{name}: {what} {} of {n_models}", k + 1);
            all.push(train(fold, &settings, &stage)?);
        }
        Ok(all)
    }

    /// Scores of models of all rows, one a fold, or several of one fold.
    fn scores_of_models(
        &self,
        by_model: &[Predictions],
    ) -> Result<(HeldOut, Option<f64>), RunError> {
        let folds = &self.plan.folds;
        if self.plan.is_crossed() {
            let pairs = || folds.iter().zip(by_model);
            let held: Vec<Predictions> = pairs().map(|(f, p)| p.select(&f.validation)).collect();
            let scores = pairs().filter_map(|(f, p)| self.score(&f.train, &p.select(&f.train)));
            return Ok((self.held_out(&held)?, mean(&scores.collect::<Vec<_>>())));
        }
        let all = Predictions::mean(by_model).ok_or(MineError::NoFeatures)?;
        let held_out = self.held_out(&[all.select(&folds[0].validation)])?;
        let train = &folds[0].train;
        Ok((held_out, self.score(train, &all.select(train))))
    }
}
