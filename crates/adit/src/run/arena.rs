//! What all members are trained on and compared by.

use adit_nn::Params;

use super::Job;
use super::RunError;
use super::data::Loaded;
use super::embedded::Embedded;
use super::event_encoder::EventVectors;
use super::limits;
use super::plan::{HeldOut, Plan};
use super::saved::MemberKind;
use crate::Watch;
use crate::explain::{self, MemberRole, MetricSettings, TrainingHistory};
use crate::mine::Predictions;
use crate::mine::decide::Decisions;
use crate::mine::training::{Goal, OutputMeaning, Parts};
use crate::mine::trees::{TreeSettings, TreesModel};
use crate::prepare::{Fold, Target};

/// A member after training, with its predictions of the test rows.
pub struct TrainedMember {
    pub name: String,
    pub role: MemberRole,
    pub kind: MemberKind,
    /// One a model; their predictions are averaged.
    pub weights: Vec<Params>,
    /// Likewise, of boosted trees.
    pub trees: Vec<TreesModel>,
    /// How they were grown.
    pub tree_settings: Option<TreeSettings>,
    /// Of the rows that it did not learn from.
    pub held_out: HeldOut,
    /// What the saved member predicts, calibrated once that is decided; rows as in the split's test part.
    pub test: Predictions,
    pub decisions: Decisions,
    /// Those of its single models, where there are several.
    pub singles: Vec<Predictions>,
    /// The mean over folds of the selection metric on the rows learned from.
    pub train_score: Option<f64>,
    pub settings: Vec<(String, String)>,
    pub seconds: f64,
    /// The most memory that the process held while the member was trained; 0 where the system does not say.
    pub peak_bytes: u64,
    pub histories: Vec<TrainingHistory>,
}

/// What members are trained on and compared by.
pub struct Arena<'a> {
    pub job: &'a Job,
    pub loaded: &'a Loaded,
    pub target: &'a Target,
    pub plan: Plan,
    /// Metric by which the recommended member is chosen, on held-out rows.
    pub metric: &'static str,
    pub positive: Option<usize>,
    /// How much a row counts in training, by its class.
    pub class_weights: Option<Vec<f32>>,
    /// Texts beside other columns, as vectors.
    pub embedded: Option<&'a Embedded>,
    /// Vectors of histories, where there are events.
    pub events: Option<&'a EventVectors>,
    pub watch: &'a dyn Watch,
}

/// A model's predictions of the rows of its fold.
pub struct OfFold {
    pub train: Predictions,
    pub validation: Predictions,
}

impl Arena<'_> {
    /// The rows of the first fold.
    pub(super) fn parts(&self) -> Parts<'_> {
        let fold = &self.plan.folds[0];
        Parts {
            train: &fold.train,
            validation: &fold.validation,
        }
    }

    /// The selection metric of predictions for `rows`, in its own direction.
    pub(super) fn score(&self, rows: &[usize], predictions: &Predictions) -> Option<f64> {
        let settings = MetricSettings {
            positive: self.positive,
            threshold: None,
        };
        let metrics = explain::evaluate(&self.target.select(rows), predictions, &settings);
        metrics.get(self.metric).copied()
    }

    /// The selection metric turned so that more is better.
    pub(super) fn oriented(&self, score: f64) -> f64 {
        if explain::more_is_better(self.metric) {
            score
        } else {
            -score
        }
    }

    /// Mean log loss or squared error of predictions for `rows`.
    pub(super) fn loss(
        &self,
        meaning: &OutputMeaning,
        predictions: &Predictions,
        rows: &[usize],
    ) -> f64 {
        self.goal(meaning, None).loss_of(predictions, rows)
    }

    /// The same, rows counting as they do in training.
    pub(super) fn weighted_loss(
        &self,
        meaning: &OutputMeaning,
        predictions: &Predictions,
        rows: &[usize],
    ) -> f64 {
        let weights = self.class_weights.as_deref();
        self.goal(meaning, weights).loss_of(predictions, rows)
    }

    fn goal<'a>(&'a self, meaning: &OutputMeaning, weights: Option<&'a [f32]>) -> Goal<'a> {
        Goal {
            meaning: *meaning,
            target: self.target,
            class_weights: weights,
        }
    }

    /// What a model that learned from weighted rows says of unweighted ones.
    pub(super) fn unweighted(&self, predictions: Predictions) -> Predictions {
        match &self.class_weights {
            Some(weights) => predictions.unweighted(weights),
            None => predictions,
        }
    }

    /// Lets `fit` learn from every fold and collects what it predicts of the rows held out, with the mean
    /// score on the rows learned from.
    ///
    /// # Errors
    /// Those of `fit`.
    pub(super) fn cross_fit(
        &self,
        fit: &mut dyn FnMut(&Fold) -> Result<OfFold, RunError>,
    ) -> Result<(HeldOut, Option<f64>), RunError> {
        let mut found = Vec::with_capacity(self.plan.folds.len());
        let mut on_train = Vec::new();
        for fold in &self.plan.folds {
            let of_fold = fit(fold)?;
            on_train.extend(self.score(&fold.train, &of_fold.train));
            found.push(of_fold.validation);
        }
        Ok((self.held_out(&found)?, mean(&on_train)))
    }

    /// Predictions of each fold's validation rows, put together and scored.
    pub(super) fn held_out(&self, by_fold: &[Predictions]) -> Result<HeldOut, RunError> {
        let predictions = self
            .plan
            .assemble(by_fold)
            .ok_or(crate::mine::MineError::WrongTarget)?;
        Ok(HeldOut {
            fold_scores: self.fold_scores(&predictions),
            predictions,
        })
    }

    /// The selection metric in each fold of the first repeat, where it is defined.
    pub(super) fn fold_scores(&self, held_out: &Predictions) -> Vec<f64> {
        let folds = self.plan.folds.iter().zip(self.plan.places());
        folds
            .filter_map(|(fold, places)| self.score(&fold.validation, &held_out.select(&places)))
            .filter(|score| score.is_finite())
            .collect()
    }

    /// Calibrates a member and fits decisions on the rows that it did not learn from.
    ///
    /// # Errors
    /// An aim that cannot be.
    pub fn decide(&self, member: &mut TrainedMember) -> Result<(), RunError> {
        let classes: &[String] = match self.target {
            Target::Classes { names, .. } => names,
            Target::Numbers(_) => &[],
        };
        let wanted = self.job.decision.wanted(classes)?;
        let target = self.held_out_target();
        let held = &member.held_out.predictions;
        let (decisions, calibrated) = Decisions::fit(
            held,
            &target,
            explain::positive_of(self.target, self.positive),
            &wanted,
        )?;
        member.held_out.predictions = calibrated;
        member.test = decisions.calibrator.apply(&member.test);
        if let Some(words) = decisions.calibration_words() {
            member.settings.push(("calibrated".into(), words));
        }
        member.decisions = decisions;
        Ok(())
    }

    /// The target of all rows that are held out in turn.
    pub fn held_out_target(&self) -> Target {
        self.target.select(&self.plan.held_out)
    }
}

/// Trains a member and notes the time it took and the most memory that the process held.
pub(super) fn metered<T>(
    train: impl FnOnce() -> Result<T, RunError>,
    member: impl FnOnce(&mut T) -> Option<&mut TrainedMember>,
) -> Result<T, RunError> {
    let started = std::time::Instant::now();
    let counts = crate::store::forget_peak_memory();
    let mut trained = train()?;
    if let Some(member) = member(&mut trained) {
        member.seconds = started.elapsed().as_secs_f64();
        member.peak_bytes = if counts { limits::peak_rss_bytes() } else { 0 };
    }
    Ok(trained)
}

/// Single models' predictions where there are several; of one they are the member's own.
pub(super) fn several(singles: Vec<Predictions>) -> Vec<Predictions> {
    if singles.len() > 1 {
        singles
    } else {
        Vec::new()
    }
}

/// The mean of values; `None` where there is none.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
}
