//! Trains the members of the scoreboard, the simplest first.

use std::time::Instant;

use adit_nn::{Params, Products};

use crate::Watch;

use super::data::Loaded;
use super::saved::{MemberKind, SavedLinear};
use super::{Job, RunError};
use crate::explain::{self, EpochRecord, MemberRole, MetricSettings, TrainingHistory};
use crate::mine::linear::{LinearModel, LinearSettings};
use crate::mine::row_transformer::RowTransformerModel;
use crate::mine::training::{Monitor, OutputMeaning, Parts, Trained, TrainingSettings};
use crate::mine::trivial::TrivialModel;
use crate::mine::{MineError, Predictions};
use crate::prepare::{Target, Task};
use crate::represent::rows::RowTransformerShape;
use crate::represent::sparse::SparseMatrix;
use crate::represent::{LinearFeatures, LinearFeaturesSettings};

/// A member after training, with its predictions of the test rows.
pub struct TrainedMember {
    pub name: String,
    pub role: MemberRole,
    pub kind: MemberKind,
    /// One a seed.
    pub weights: Vec<Params>,
    /// One a seed, rows as in the split's test part.
    pub test: Vec<Predictions>,
    pub validation_score: Option<f64>,
    pub train_score: Option<f64>,
    pub settings: Vec<(String, String)>,
    pub seconds: f64,
    pub histories: Vec<TrainingHistory>,
}

/// What members are trained on and compared by.
pub struct Arena<'a> {
    pub job: &'a Job,
    pub loaded: &'a Loaded,
    pub target: &'a Target,
    /// Metric by which the recommended member is chosen, on validation rows.
    pub metric: &'static str,
    pub positive: Option<usize>,
    pub watch: &'a dyn Watch,
}

impl Arena<'_> {
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            train: &self.loaded.split.train,
            validation: &self.loaded.split.validation,
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

    /// The selection metric of predictions for the validation rows; NaN where it is not defined.
    pub(super) fn validation_score(&self, predictions: &Predictions) -> f64 {
        self.score(&self.loaded.split.validation, predictions)
            .unwrap_or(f64::NAN)
    }

    /// The selection metric turned so that more is better.
    pub(super) fn oriented(&self, score: f64) -> f64 {
        if explain::more_is_better(self.metric) {
            score
        } else {
            -score
        }
    }

    /// Majority or mean.
    pub fn trivial(&self) -> Result<TrainedMember, RunError> {
        let started = Instant::now();
        let split = &self.loaded.split;
        let on_train = TrivialModel::fit(self.target, &split.train)?;
        let model = TrivialModel::fit(self.target, &self.loaded.fit_rows())?;
        let name = match self.job.task {
            Task::Classify => "majority",
            Task::Regress => "mean",
        };
        Ok(TrainedMember {
            name: name.into(),
            role: MemberRole::Baseline,
            test: vec![model.predict(split.test.len())],
            validation_score: self
                .score(&split.validation, &on_train.predict(split.validation.len())),
            train_score: self.score(&split.train, &on_train.predict(split.train.len())),
            kind: MemberKind::Trivial(model),
            weights: Vec::new(),
            settings: Vec::new(),
            seconds: started.elapsed().as_secs_f64(),
            histories: Vec::new(),
        })
    }

    /// The linear model: chosen on the training part, then fitted on training and validation rows.
    pub fn linear(&self) -> Result<(TrainedMember, SavedLinear), RunError> {
        let started = Instant::now();
        let dataset = &self.loaded.dataset;
        let features = LinearFeatures::fit(
            dataset,
            &self.loaded.fit_rows(),
            LinearFeaturesSettings::default(),
        )?;
        let matrix = features.transform(dataset)?;
        let (model, scores, test) = self.linear_over(&matrix)?;
        let member = TrainedMember {
            name: "linear".into(),
            role: MemberRole::Linear,
            kind: MemberKind::Linear,
            weights: Vec::new(),
            test: vec![test],
            validation_score: scores.1,
            train_score: scores.0,
            settings: vec![
                ("features".into(), matrix.n_cols.to_string()),
                ("penalty".into(), format!("{:.3e}", model.chosen_penalty())),
            ],
            seconds: started.elapsed().as_secs_f64(),
            histories: Vec::new(),
        };
        Ok((member, SavedLinear { features, model }))
    }

    /// The row transformer, or nothing where there are neither numbers nor categories.
    pub fn row_transformer(&self) -> Result<Option<TrainedMember>, RunError> {
        let started = Instant::now();
        let dataset = &self.loaded.dataset;
        let model = match RowTransformerModel::fit(dataset, None, self.parts()) {
            Err(MineError::NoFeatures) => return Ok(None),
            other => other?,
        };
        let n_train = self.loaded.split.train.len();
        let t = &self.job.transformer;
        let base = TrainingSettings {
            learning_rate: 0.0,
            epochs: t.epochs.unwrap_or(row_epochs(n_train)),
            patience: t.patience.unwrap_or(if n_train < 2_000 { 16 } else { 8 }),
            batch_size: t.batch_size.unwrap_or((n_train / 16).clamp(16, 256)),
            warmup: 0.02,
            decay: false,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: self.job.seed,
            products: t.training_precision.unwrap_or_default(),
        };
        let rates = candidates(&t.learning_rates, &[3e-4, 1e-3]);
        let name = "row transformer";
        let train = |settings: &TrainingSettings, stage: &str| {
            // The loss is smoother than a score on few rows.
            let criterion = |p: &Predictions| -self.validation_loss(&model.meaning, p);
            let monitor = Monitor {
                name: stage,
                watch: self.watch,
                criterion: &criterion,
                score: &|p| self.validation_score(p),
            };
            model.train(dataset, self.parts(), settings, &monitor)
        };
        let (rate, trained) = seeds(&base, &rates, t.seeds.unwrap_or(3), name, &train)?;
        let histories = histories(name, self.job.seed, &trained);
        let weights: Vec<Params> = trained.into_iter().map(|t| t.params).collect();
        let by_seed = weights
            .iter()
            .map(|w| model.predict(dataset, w, self.watch))
            .collect::<Result<Vec<_>, _>>()?;
        let mut settings = describe(&base, rate);
        settings.extend(describe_shape(&model.shape));
        Ok(Some(TrainedMember {
            validation_score: self.mean_score(&by_seed, &self.loaded.split.validation),
            settings,
            histories,
            ..self.finish(
                (name.into(), MemberKind::Row(Box::new(model))),
                weights,
                &by_seed,
                started,
            )
        }))
    }

    /// A linear model fitted on training and validation rows, its penalty chosen by
    /// cross-validation among them; one fitted on the training part is scored. Gives scores on training and validation rows, and test predictions.
    #[allow(clippy::type_complexity)]
    pub(super) fn linear_over(
        &self,
        matrix: &SparseMatrix,
    ) -> Result<(LinearModel, (Option<f64>, Option<f64>), Predictions), RunError> {
        let split = &self.loaded.split;
        let settings = LinearSettings {
            seed: self.job.seed,
            ..LinearSettings::default()
        };
        let on_train = settings.fit(matrix, self.target, &split.train, self.watch)?;
        let scored = |rows: &[usize]| -> Result<Option<f64>, RunError> {
            Ok(self.score(rows, &on_train.predict(&matrix.select(rows)?)?))
        };
        let scores = (scored(&split.train)?, scored(&split.validation)?);
        // More rows may bear a weaker penalty, so it is chosen anew.
        let model = settings.fit(matrix, self.target, &self.loaded.fit_rows(), self.watch)?;
        let test = model.predict(&matrix.select(&split.test)?)?;
        Ok((model, scores, test))
    }

    /// Mean log loss or squared error of predictions for the validation rows.
    pub(super) fn validation_loss(
        &self,
        meaning: &OutputMeaning,
        predictions: &Predictions,
    ) -> f64 {
        meaning.loss_of(predictions, self.target, &self.loaded.split.validation)
    }

    /// Mean over the seeds of the selection metric on `rows`.
    fn mean_score(&self, by_seed: &[Predictions], rows: &[usize]) -> Option<f64> {
        let scores: Vec<f64> = by_seed
            .iter()
            .filter_map(|p| self.score(rows, &p.select(rows)))
            .collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// A trained transformer with its predictions of all rows; settings, histories and the score on
    /// validation rows are the caller's.
    fn finish(
        &self,
        (name, kind): (String, MemberKind),
        weights: Vec<Params>,
        by_seed: &[Predictions],
        started: Instant,
    ) -> TrainedMember {
        let split = &self.loaded.split;
        TrainedMember {
            role: MemberRole::Transformer,
            test: by_seed.iter().map(|p| p.select(&split.test)).collect(),
            validation_score: None,
            train_score: self.mean_score(by_seed, &split.train),
            weights,
            name,
            kind,
            settings: Vec::new(),
            seconds: started.elapsed().as_secs_f64(),
            histories: Vec::new(),
        }
    }
}

type Train<'a> = dyn Fn(&TrainingSettings, &str) -> Result<Trained, MineError> + 'a;

/// Trains the first seed with every learning rate; gives the one that was best on validation rows.
pub(super) fn best_rate(
    base: &TrainingSettings,
    rates: &[f64],
    name: &str,
    train: &Train,
) -> Result<(f64, Trained), MineError> {
    let mut best: Option<(f64, Trained)> = None;
    for (k, &rate) in rates.iter().enumerate() {
        let settings = TrainingSettings {
            learning_rate: rate as f32,
            ..*base
        };
        let stage = if rates.len() > 1 {
            format!(
                "{name}: learning rate {rate:e} ({} of {})",
                k + 1,
                rates.len()
            )
        } else {
            format!("{name}: seed {}", base.seed)
        };
        let trained = match train(&settings, &stage) {
            // A rate that diverges is not a candidate, unless it is the last one.
            Err(MineError::Diverged { .. }) if best.is_some() || k + 1 < rates.len() => continue,
            other => other?,
        };
        if best
            .as_ref()
            .is_none_or(|(_, b)| trained.best_criterion > b.best_criterion)
        {
            best = Some((rate, trained));
        }
    }
    best.ok_or(MineError::NoFeatures)
}

/// Trains the first seed with every learning rate, and the other seeds with the best of them.
fn seeds(
    base: &TrainingSettings,
    rates: &[f64],
    n_seeds: usize,
    name: &str,
    train: &Train,
) -> Result<(f64, Vec<Trained>), MineError> {
    let (rate, first) = best_rate(base, rates, name, train)?;
    let mut all = vec![first];
    for k in 1..n_seeds as u64 {
        let settings = TrainingSettings {
            learning_rate: rate as f32,
            seed: base.seed + k,
            ..*base
        };
        let stage = format!("{name}: seed {} ({} of {n_seeds})", base.seed + k, k + 1);
        all.push(train(&settings, &stage)?);
    }
    Ok((rate, all))
}

pub(super) fn candidates(given: &[f64], default: &[f64]) -> Vec<f64> {
    if given.is_empty() { default } else { given }.to_vec()
}

/// Fewer passes over more rows, so that the number of steps stays useful and bounded.
fn row_epochs(n_train: usize) -> usize {
    (400_000 / n_train.max(1)).clamp(10, 200)
}

pub(super) fn describe(base: &TrainingSettings, rate: f64) -> Vec<(String, String)> {
    let mut settings = vec![
        ("learning rate".into(), format!("{rate:e}")),
        ("epochs".into(), format!("up to {}", base.epochs)),
        ("patience".into(), format!("{} epochs", base.patience)),
        ("batch".into(), format!("{} rows", base.batch_size)),
        ("weight decay".into(), base.weight_decay.to_string()),
    ];
    if base.products == Products::Bf16 {
        let words = "bf16, weights and sums in f32";
        settings.push(("products".into(), words.into()));
    }
    settings
}

fn describe_shape(shape: &RowTransformerShape) -> Vec<(String, String)> {
    vec![
        ("layers".into(), shape.n_layers.to_string()),
        ("token width".into(), shape.d_token.to_string()),
        ("heads".into(), shape.n_heads.to_string()),
    ]
}

pub(super) fn histories(model: &str, seed: u64, trained: &[Trained]) -> Vec<TrainingHistory> {
    trained
        .iter()
        .enumerate()
        .map(|(k, t)| history(model, seed + k as u64, t))
        .collect()
}

fn history(model: &str, seed: u64, trained: &Trained) -> TrainingHistory {
    TrainingHistory {
        model: model.to_string(),
        seed,
        epochs: trained
            .epochs
            .iter()
            .map(|e| EpochRecord {
                epoch: e.epoch,
                train_loss: e.train_loss,
                validation_loss: e.validation_loss,
                validation_score: e.validation_score,
            })
            .collect(),
        best_epoch: trained.best_epoch,
    }
}
