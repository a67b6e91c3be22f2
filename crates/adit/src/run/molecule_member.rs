//! Trains the member that reads molecules as atoms and bonds.

use adit_nn::{Params, Products};

use super::RunError;
use super::arena::{Arena, TrainedMember};
use super::rates::{best_rate, describe};
use super::saved::MemberKind;
use crate::explain::MemberRole;
use crate::mine::MineError;
use crate::mine::molecule_transformer::MoleculeTransformerModel;
use crate::mine::training::TrainingSettings;
use crate::prepare::Fold;

const NAME: &str = "molecule transformer";
/// Tokens that one training may see, over all its epochs; where there is one a fold, half of them.
const TOKENS: usize = 3_000_000;

impl Arena<'_> {
    /// A transformer over SMILES, or nothing without a column of molecules.
    pub fn molecule_transformer(&self) -> Result<Option<TrainedMember>, RunError> {
        let dataset = &self.loaded.dataset;
        let fit_rows = self.loaded.fit_rows();
        let model = match MoleculeTransformerModel::fit(dataset, &fit_rows) {
            Err(MineError::NoFeatures) => return Ok(None),
            other => other?,
        };
        let t = &self.job.transformer;
        let an_epoch = model.n_tokens(dataset, self.parts().train)?.max(1);
        let tokens = if self.plan.is_crossed() {
            TOKENS / 2
        } else {
            TOKENS
        };
        let base = TrainingSettings {
            learning_rate: 0.0,
            epochs: t.epochs.unwrap_or((tokens / an_epoch).clamp(10, 60)),
            patience: t.patience.unwrap_or(12),
            batch_size: t.batch_size.unwrap_or(32),
            warmup: 0.1,
            decay: true,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: self.job.seed,
            products: t.training_precision.unwrap_or(Products::Bf16),
        };
        let rates = super::rates::candidates(&t.learning_rates, &[5e-4]);
        let train = |fold: &Fold, settings: &TrainingSettings, stage: &str| {
            self.on_fold((fold, &model.meaning), stage, &|parts, monitor| {
                let weighted = (parts, self.class_weights.as_deref());
                model.train(dataset, weighted, settings, monitor)
            })
        };
        let first = &self.plan.folds[0];
        let (rate, best) = best_rate(&base, &rates, NAME, &|s, stage| train(first, s, stage))?;
        let more = |fold: &Fold, seed: u64, stage: &str| {
            let learning_rate = rate as f32;
            let settings = TrainingSettings {
                learning_rate,
                seed,
                ..base
            };
            train(fold, &settings, stage)
        };
        let trained = self.other_models(best, 1, NAME, &more)?;
        let mut settings = describe(&base, rate);
        settings.push(("layers".into(), model.n_layers.to_string()));
        settings.push(("token width".into(), model.width.to_string()));
        settings.push(("different tokens".into(), model.n_ids().to_string()));
        let predict = |weights: &Params| model.predict(dataset, weights, self.watch);
        let kind = MemberKind::Molecule(Box::new(model.clone()));
        let named = (NAME, MemberRole::Transformer);
        let member = self.of_models(named, kind, trained, &predict)?;
        Ok(Some(TrainedMember { settings, ..member }))
    }
}
