//! Trains the members that read histories: linear and trees over the frozen vectors, and the encoder fine-tuned.

use adit_nn::Params;

use super::RunError;
use super::arena::{Arena, TrainedMember};
use super::event_encoder::EventVectors;
use super::rates::{best_of, describe};
use super::saved::MemberKind;
use crate::explain::{EpochRecord, MemberRole, TrainingHistory};
use crate::mine::event_transformer::{EventShape, EventTransformerModel};
use crate::mine::training::TrainingSettings;
use crate::prepare::Fold;
use crate::represent::event_vectors;

/// Linear over the vectors alone.
const EMBEDDING: &str = "event embedding";
/// Trees over the vectors and all other columns.
const TREES: &str = "trees over event embedding";
/// Fine-tuned.
const TRANSFORMER: &str = "event transformer";
/// Tokens that one fine-tuning may see, about, over all its epochs.
const TOKENS: usize = 3_000_000;

/// A network that is tried on the first fold.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Whether the rows' own columns, aggregates among them, are read too.
    with_columns: bool,
    rate: f64,
}

impl Arena<'_> {
    /// A linear model over the vectors of the pre-trained encoder, its weights left as they are.
    pub fn event_embedding(&self, events: &EventVectors) -> Result<TrainedMember, RunError> {
        let matrix = event_vectors::matrix(&events.dataset)?;
        let over = self.linear_over(&matrix, EMBEDDING)?;
        let kind = MemberKind::EventLinear(Box::new(over.model.clone()));
        let mut settings = described(&events.encoder.about.model.shape);
        let penalty = format!("{:.3e}", over.model.chosen_penalty());
        settings.push(("penalty".into(), penalty));
        Ok(TrainedMember {
            train_score: over.train_score,
            settings,
            histories: pretraining(events, self.job.seed).into_iter().collect(),
            ..self.member(
                (EMBEDDING.into(), MemberRole::Transformer),
                kind,
                over.held_out,
                over.test,
            )
        })
    }

    /// Boosted trees over the vectors and all other columns.
    pub fn event_trees(&self, events: &EventVectors) -> Result<Option<TrainedMember>, RunError> {
        self.trees_over(&events.dataset, (TREES, MemberRole::Transformer))
    }

    /// The encoder fine-tuned end to end, with the rows' own columns beside it where that is better.
    pub fn event_transformer(&self, events: &EventVectors) -> Result<TrainedMember, RunError> {
        let dataset = &self.loaded.dataset;
        let fit_rows = self.loaded.fit_rows();
        let model = |with_columns: bool| {
            let encoder = events.encoder.about.model.clone();
            EventTransformerModel::fit(dataset, &fit_rows, (encoder, with_columns))
        };
        let models = [model(false)?, model(true)?];
        let cells = dataset.histories.as_ref();
        let an_epoch = cells.map_or(1, |cells| models[0].n_tokens(cells, self.parts().train));
        let t = &self.job.transformer;
        let epochs = (TOKENS / an_epoch.max(1)).clamp(4, 40);
        let base = TrainingSettings {
            learning_rate: 0.0,
            epochs: t.epochs.unwrap_or(epochs),
            patience: t.patience.unwrap_or((epochs / 3).clamp(3, 10)),
            batch_size: t.batch_size.unwrap_or(32),
            warmup: 0.1,
            decay: true,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: self.job.seed,
            products: t.training_precision.unwrap_or_default(),
        };
        let rates = super::rates::candidates(&t.learning_rates, &[1e-3]);
        let of = |with_columns| move |&rate: &f64| Candidate { with_columns, rate };
        let mut candidates: Vec<Candidate> = rates.iter().map(of(false)).collect();
        if models[1].row.is_some() {
            candidates.extend(rates.iter().map(of(true)));
        }
        let train = |fold: &Fold, candidate: &Candidate, seed: u64, stage: &str| {
            let settings = TrainingSettings {
                learning_rate: candidate.rate as f32,
                seed,
                ..base
            };
            let model = &models[usize::from(candidate.with_columns)];
            self.on_fold((fold, &model.meaning), stage, &|parts, monitor| {
                let weighted = (parts, self.class_weights.as_deref());
                let begun = Some(&events.encoder.params);
                model.train(dataset, begun, weighted, &settings, monitor)
            })
        };
        let first = &self.plan.folds[0];
        let (chosen, best) = best_of(
            &candidates,
            (TRANSFORMER, base.seed),
            &|candidate, stage| train(first, candidate, base.seed, stage),
        )?;
        let more = |fold: &Fold, seed: u64, stage: &str| train(fold, &chosen, seed, stage);
        let trained = self.other_models(best, 1, TRANSFORMER, &more)?;
        let [alone, beside] = models;
        let model = if chosen.with_columns { beside } else { alone };
        let mut settings = describe(&base, chosen.rate);
        settings.extend(described(&model.events.shape));
        let read = if chosen.with_columns {
            "events, and the rows' other columns"
        } else {
            "events"
        };
        settings.push(("reads".into(), read.into()));
        let predict = |weights: &Params| model.predict(dataset, weights, self.watch);
        let kind = MemberKind::Events(Box::new(model.clone()));
        let named = (TRANSFORMER, MemberRole::Transformer);
        let member = self.of_models(named, kind, trained, &predict)?;
        Ok(TrainedMember { settings, ..member })
    }
}

fn described(shape: &EventShape) -> Vec<(String, String)> {
    vec![
        ("layers".into(), shape.n_layers.to_string()),
        ("heads".into(), shape.n_heads.to_string()),
        ("token width".into(), shape.width.to_string()),
        ("latest events".into(), format!("up to {}", shape.window)),
    ]
}

/// The losses of pre-training, where it was part of the run.
fn pretraining(events: &EventVectors, seed: u64) -> Option<TrainingHistory> {
    let epochs: Vec<EpochRecord> = (events.held_out.iter())
        .filter_map(|epoch| {
            Some(EpochRecord {
                epoch: epoch.epoch,
                train_loss: epoch.train_loss?,
                validation_loss: epoch.loss,
                validation_score: None,
            })
        })
        .collect();
    let best_epoch = epochs.last()?.epoch;
    Some(TrainingHistory {
        model: "event encoder, pre-training".into(),
        seed,
        epochs,
        best_epoch,
    })
}
