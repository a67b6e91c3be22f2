//! Trains the members that read a row's cells as tokens: the row transformer and the perceptron ensemble.

use adit_nn::{NumberEmbedding, Params};

use super::RunError;
use super::arena::{Arena, TrainedMember, mean, several};
use super::plan::HeldOut;
use super::rates::{RowBudget, best_of, describe, describe_shape, histories};
use super::saved::MemberKind;
use crate::explain::MemberRole;
use crate::mine::row_transformer::RowTransformerModel;
use crate::mine::training::{Monitor, OutputMeaning, Parts, Trained, TrainingSettings};
use crate::mine::{MineError, Predictions};
use crate::prepare::Fold;
use crate::represent::rows::RowTransformerShape;

/// Name of the network of attention.
const TRANSFORMER: &str = "row transformer";
/// Name of the networks without.
const PERCEPTRONS: &str = "perceptron ensemble";

/// A network that is tried on the first fold.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    shape: RowTransformerShape,
    rate: f64,
}

impl Arena<'_> {
    /// Attention over column tokens, or nothing where there are neither numbers nor categories.
    pub fn row_transformer(&self) -> Result<Option<TrainedMember>, RunError> {
        let (n_train, n_columns) = self.cells();
        let budget = RowBudget::of_attention(n_train, n_columns);
        let plain = RowTransformerShape::attention(n_columns, n_train);
        let of = |shape| move |&rate: &f64| Candidate { shape, rate };
        let mut candidates: Vec<Candidate> =
            self.rates(budget.rates).iter().map(of(plain)).collect();
        // On large tables one training takes long enough.
        if budget.rates.len() > 1 {
            let last = self.rates(budget.rates).last().copied();
            candidates.extend(last.iter().map(of(plain.with_members())));
        }
        self.network((TRANSFORMER, MemberRole::Transformer), &budget, &candidates)
    }

    /// Perceptrons over the same tokens: what attention has to beat, and a part of the blend.
    pub fn perceptrons(&self) -> Result<Option<TrainedMember>, RunError> {
        let (n_train, n_columns) = self.cells();
        let budget = RowBudget::of_perceptrons(n_train, n_columns);
        let waves = NumberEmbedding::Both {
            frequencies: 16,
            spread: 0.3,
        };
        let numbers: &[NumberEmbedding] = if budget.rates.len() > 1 {
            &[NumberEmbedding::Residual, waves]
        } else {
            &[NumberEmbedding::Residual]
        };
        let rates = self.rates(budget.rates);
        let mut candidates = Vec::new();
        for &numbers in numbers {
            let shape = RowTransformerShape::perceptrons(numbers);
            candidates.extend(rates.iter().map(|&rate| Candidate { shape, rate }));
        }
        self.network((PERCEPTRONS, MemberRole::Perceptrons), &budget, &candidates)
    }

    /// Rows to learn from, and columns that become tokens.
    fn cells(&self) -> (usize, usize) {
        let dataset = &self.loaded.dataset;
        let n_columns = dataset.numbers.len() + dataset.categories.len();
        (self.parts().train.len(), n_columns)
    }

    fn rates(&self, usual: &[f64]) -> Vec<f64> {
        super::rates::candidates(&self.job.transformer.learning_rates, usual)
    }

    /// A network over column tokens.
    ///
    /// With one fold it is trained for several seeds; where rows are held out in turn, once a fold. Either way
    /// all its models are kept, and what it predicts is their mean.
    fn network(
        &self,
        (name, role): (&str, MemberRole),
        budget: &RowBudget,
        candidates: &[Candidate],
    ) -> Result<Option<TrainedMember>, RunError> {
        let dataset = &self.loaded.dataset;
        let crossed = self.plan.is_crossed();
        let fit_rows = self.loaded.fit_rows();
        let looked_at = if crossed {
            &fit_rows
        } else {
            self.parts().train
        };
        let Some(first) = candidates.first() else {
            return Ok(None);
        };
        // Statistics of the target of rows that are held out in turn would tell it.
        let groups = self.loaded.row_groups()?;
        let looked_at = (looked_at, groups.as_deref());
        let fitted = RowTransformerModel::fit(dataset, first.shape, looked_at, !crossed);
        let (model, learned) = match fitted {
            Err(MineError::NoFeatures) => return Ok(None),
            other => other?,
        };
        let base = self.row_settings(budget);
        let train = |fold: &Fold, candidate: &Candidate, seed: u64, stage: &str| {
            let settings = TrainingSettings {
                learning_rate: candidate.rate as f32,
                seed,
                ..base
            };
            let model = RowTransformerModel {
                shape: candidate.shape,
                ..model.clone()
            };
            self.on_fold((fold, &model.meaning), stage, &|parts, monitor| {
                let weighted = (parts, self.class_weights.as_deref());
                model.train(&learned, weighted, &settings, monitor)
            })
        };
        let fold = &self.plan.folds[0];
        let (chosen, best) = best_of(candidates, (name, base.seed), &|candidate, stage| {
            train(fold, candidate, base.seed, stage)
        })?;
        let more = |fold: &Fold, seed: u64, stage: &str| train(fold, &chosen, seed, stage);
        let trained = self.other_models(best, budget.seeds, name, &more)?;
        let model = RowTransformerModel {
            shape: chosen.shape,
            ..model.clone()
        };
        let mut settings = describe(&base, chosen.rate);
        settings.extend(describe_shape(&model.shape));
        let predict = |weights: &Params| model.predict_learned(&learned, weights, self.watch);
        let kind = MemberKind::Row(Box::new(model.clone()));
        let member = self.of_models((name, role), kind, trained, &predict)?;
        Ok(Some(TrainedMember { settings, ..member }))
    }

    /// Trains a network on a fold, stopped by its weighted loss: that is smoother than a score on few rows.
    pub(super) fn on_fold(
        &self,
        (fold, meaning): (&Fold, &OutputMeaning),
        stage: &str,
        train: &dyn Fn(Parts, &Monitor) -> Result<Trained, MineError>,
    ) -> Result<Trained, MineError> {
        let criterion = |p: &Predictions| -self.weighted_loss(meaning, p, &fold.validation);
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
        train(parts, &monitor)
    }

    /// A member of networks that each predict all rows: one a fold, or several of one fold.
    pub(super) fn of_models(
        &self,
        (name, role): (&str, MemberRole),
        kind: MemberKind,
        trained: Vec<Trained>,
        predict: &dyn Fn(&Params) -> Result<Predictions, MineError>,
    ) -> Result<TrainedMember, RunError> {
        let histories = histories(name, self.job.seed, &trained);
        let weights: Vec<Params> = trained.into_iter().map(|t| t.params).collect();
        let by_model = weights
            .iter()
            .map(|weights| Ok(self.unweighted(predict(weights)?)))
            .collect::<Result<Vec<_>, MineError>>()?;
        let (held_out, train_score) = self.scores_of_models(&by_model)?;
        let singles: Vec<Predictions> = by_model
            .iter()
            .map(|p| p.select(&self.loaded.split.test))
            .collect();
        let test = Predictions::mean(&singles).ok_or(MineError::NoFeatures)?;
        Ok(TrainedMember {
            weights,
            histories,
            train_score,
            singles: several(singles),
            ..self.member((name.into(), role), kind, held_out, test)
        })
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
    pub(super) fn other_models(
        &self,
        first: Trained,
        seeds: usize,
        name: &str,
        train: &dyn Fn(&Fold, u64, &str) -> Result<Trained, MineError>,
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
            let seed = self.job.seed + k as u64;
            let (fold, what) = if crossed {
                (&folds[k], "fold")
            } else {
                (&folds[0], "seed")
            };
            let stage = format!("{name}: {what} {} of {n_models}", k + 1);
            all.push(train(fold, seed, &stage)?);
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
