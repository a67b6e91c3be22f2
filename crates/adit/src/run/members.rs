//! Trains the simplest members of the scoreboard: majority or mean, and the linear model.

use super::RunError;
use super::arena::{Arena, OfFold, TrainedMember};
use super::plan::HeldOut;
use super::saved::{MemberKind, SavedLinear};
use crate::explain::MemberRole;
use crate::mine::decide::Decisions;
use crate::mine::linear::{ClassWeights, LinearModel, LinearSettings};
use crate::mine::trivial::TrivialModel;
use crate::mine::{MineError, Predictions};
use crate::prepare::Task;
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

    fn linear_weights(&self) -> ClassWeights {
        match &self.class_weights {
            Some(weights) => ClassWeights::Given(weights.iter().map(|&w| f64::from(w)).collect()),
            None => ClassWeights::Equal,
        }
    }

    /// A linear model over `matrix`, its penalty chosen by cross-validation within the rows that it learns from.
    pub(super) fn linear_over(
        &self,
        matrix: &SparseMatrix,
        name: &str,
    ) -> Result<OverFeatures, RunError> {
        let settings = LinearSettings {
            seed: self.job.seed,
            groups: self.loaded.row_groups()?,
            class_weights: self.linear_weights(),
            ..LinearSettings::default()
        };
        let n_fits = self.plan.folds.len() as u64 + 1;
        let mut done = 0;
        let (held_out, train_score) = self.cross_fit(&mut |fold| {
            let model = match settings.fit(matrix, self.target, &fold.train, self.watch) {
                Ok(model) => Some(model),
                // The rows of a rare class may all be held out at once: then all that can be said is the other one.
                Err(MineError::OneClass { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            done += 1;
            self.watch.progress(name, done, n_fits, "");
            let of = |rows: &[usize]| -> Result<Predictions, RunError> {
                match &model {
                    Some(model) => Ok(self.unweighted(model.predict(&matrix.select(rows)?)?)),
                    None => Ok(TrivialModel::fit(self.target, &fold.train)?.predict(rows.len())),
                }
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
        let test = self.unweighted(test);
        Ok(OverFeatures {
            model,
            held_out,
            train_score,
            test,
        })
    }
}
