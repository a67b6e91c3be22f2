//! Trains the members that read texts through a pretrained encoder.

use adit_nn::Params;

use super::arena::{Arena, TrainedMember, several};
use super::embedded::Embedded;
use super::rates::{best_rate, candidates, describe, histories};
use super::saved::{MemberKind, TextModel};
use super::{RunError, TransformerSection};
use crate::explain::MemberRole;
use crate::mine::method::TrainingMethod;
use crate::mine::text_to_text::{ClassText, TextToTextModel};
use crate::mine::text_transformer::{TextHead, TextRows, TextTransformerModel};
use crate::mine::training::{Monitor, OutputMeaning, TrainingSettings};
use crate::mine::{MineError, Predictions};
use crate::prepare::Target;
use crate::represent::encoder::EncoderDirectory;
use crate::represent::prompt::Prompt;

impl Arena<'_> {
    /// A linear model over the encoder's vectors, its weights left as they are: little compute, and
    /// what fine-tuning has to beat.
    pub fn frozen_encoder(&self, encoder: &EncoderDirectory) -> Result<TrainedMember, RunError> {
        let made;
        let embedded = match self.embedded {
            Some(embedded) => embedded,
            None => {
                made = Embedded::of(self.loaded, encoder, self.watch)?;
                &made
            }
        };
        let features = embedded.vectors.features();
        let name = format!("{}, frozen", encoder.name());
        let over = self.linear_over(&features, &name)?;
        let kind = MemberKind::Frozen {
            encoder: encoder.name().to_string(),
            model: Box::new(over.model.clone()),
        };
        Ok(TrainedMember {
            train_score: over.train_score,
            settings: vec![
                ("features".into(), features.n_cols.to_string()),
                (
                    "penalty".into(),
                    format!("{:.3e}", over.model.chosen_penalty()),
                ),
            ],
            ..self.member(
                (name, MemberRole::Transformer),
                kind,
                over.held_out,
                over.test,
            )
        })
    }

    /// The model that is to be fine-tuned, checked against the columns and classes.
    ///
    /// # Errors
    /// A prompt or texts of classes that do not fit; an encoder that cannot do what the head needs.
    pub fn text_model(&self, encoder: &EncoderDirectory) -> Result<TextModel, RunError> {
        let t = &self.job.transformer;
        let longest = encoder.config().max_tokens();
        let max_tokens = t.max_tokens.unwrap_or(128).min(longest);
        if t.writes_text() {
            return self.text_to_text(encoder, max_tokens);
        }
        Ok(TextModel::Classifier(TextTransformerModel {
            encoder: encoder.name().to_string(),
            head: match t.head.as_deref() {
                Some("mean") => TextHead::Mean,
                Some("match") => TextHead::Match,
                _ => TextHead::Cls,
            },
            max_tokens,
            head_dropout: 0.1,
            meaning: OutputMeaning::of(self.target, &self.loaded.split.train),
            method: t.method().unwrap_or_default(),
        }))
    }

    fn text_to_text(
        &self,
        encoder: &EncoderDirectory,
        max_tokens: usize,
    ) -> Result<TextModel, RunError> {
        let t = &self.job.transformer;
        let Target::Classes { names, .. } = self.target else {
            return Err(MineError::WrongTarget.into());
        };
        let texts = &self.loaded.dataset.texts;
        let columns: Vec<String> = texts.iter().map(|column| column.name.clone()).collect();
        Ok(TextModel::Writer(TextToTextModel {
            encoder: encoder.name().to_string(),
            prompt: match &t.prompt {
                Some(template) => Prompt::parse(template, &columns)?,
                None => Prompt::usual(&columns),
            },
            classes: ClassText::tokenised(encoder, &texts_of_classes(t, names)?)?,
            max_tokens,
            method: t.method().unwrap_or_default(),
        }))
    }

    /// The text encoder, fine-tuned by the method that the job names.
    pub fn text_transformer(
        &self,
        encoder: &EncoderDirectory,
        model: TextModel,
    ) -> Result<TrainedMember, RunError> {
        let t = &self.job.transformer;
        let fine_tuned = model.fine_tuned();
        let meaning = fine_tuned.meaning();
        self.watch.progress("tokenise", 0, 1, "");
        let tokenizer = encoder.tokenizer(model.max_tokens())?;
        let rows = fine_tuned.rows(&tokenizer, &self.loaded.dataset.texts)?;
        self.watch.progress("tokenise", 1, 1, "");
        let base = TrainingSettings {
            learning_rate: 0.0,
            epochs: t.epochs.unwrap_or(4),
            patience: t.patience.unwrap_or(2),
            batch_size: t.batch_size.unwrap_or(16),
            warmup: 0.1,
            decay: true,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: self.job.seed,
            products: t.training_precision.unwrap_or_default(),
        };
        let rates = candidates(&t.learning_rates, model.usual_rates());
        let train = |settings: &TrainingSettings, stage: &str| {
            let held = self.parts().validation;
            let score = |p: &Predictions| self.score(held, p).unwrap_or(f64::NAN);
            let criterion = |p: &Predictions| match self.oriented(score(p)) {
                score if score.is_finite() => score,
                _ => -self.loss(&meaning, p, held),
            };
            let monitor = Monitor {
                name: stage,
                watch: self.watch,
                criterion: &criterion,
                score: &score,
            };
            let of = (self.target, self.parts());
            fine_tuned.train(encoder, &rows, of, settings, &monitor)
        };
        let name = encoder.name();
        let (rate, mut chosen) = best_rate(&base, &rates, name, &train)?;
        let split = &self.loaded.split;
        let predict = |weights: &Params, asked: &[usize]| {
            fine_tuned.predict(encoder.config(), weights, &rows.of(asked), self.watch)
        };
        // Both scores by weights that never learned from validation rows.
        let by_chosen = predict(
            &chosen.params,
            &[&split.train[..], &split.validation].concat(),
        )?;
        let (of_train, of_validation) = by_chosen.split_at(split.train.len());
        let base = TrainingSettings {
            learning_rate: rate as f32,
            ..base
        };
        let refits = t.refit.unwrap_or(true);
        let by_validation = std::mem::take(&mut chosen.params);
        let weights = if refits {
            drop(by_validation);
            self.refit_text((&model, encoder, &rows), &base, chosen.best_epoch)?
        } else {
            let mut weights = vec![by_validation];
            for k in 1..self.n_seeds() {
                let seed = base.seed + k;
                let stage = self.seed_stage(encoder, seed, k);
                weights.push(train(&TrainingSettings { seed, ..base }, &stage)?.params);
            }
            weights
        };
        let singles = weights
            .iter()
            .map(|weights| predict(weights, &split.test))
            .collect::<Result<Vec<_>, _>>()?;
        let mut settings = describe(&base, rate);
        settings.extend(describe_model(&model));
        settings.push((
            "fitted again".into(),
            if refits {
                let n = chosen.best_epoch;
                format!("on training and validation rows, {n} epochs")
            } else {
                "no: the weights that validation rows chose".into()
            },
        ));
        let test = Predictions::mean(&singles).ok_or(MineError::NoFeatures)?;
        let held_out = self.held_out(&[of_validation])?;
        let named = (name.to_string(), MemberRole::Transformer);
        Ok(TrainedMember {
            weights,
            singles: several(singles),
            train_score: self.score(&split.train, &of_train),
            settings,
            histories: histories(name, self.job.seed, &[chosen]),
            ..self.member(named, model.kind(), held_out, test)
        })
    }

    /// Once rate and epochs are chosen, validation rows are for learning too, as they are for the
    /// linear model: one fit a seed on training and validation rows.
    fn refit_text(
        &self,
        (model, encoder, rows): (&TextModel, &EncoderDirectory, &TextRows),
        base: &TrainingSettings,
        n_epochs: usize,
    ) -> Result<Vec<Params>, RunError> {
        let fit_rows = self.loaded.fit_rows();
        let mut weights = Vec::new();
        for k in 0..self.n_seeds() {
            let settings = TrainingSettings {
                seed: base.seed + k,
                ..*base
            };
            let stage = self.seed_stage(encoder, settings.seed, k);
            weights.push(model.fine_tuned().refit(
                encoder,
                rows,
                (self.target, &fit_rows, n_epochs),
                &settings,
                (&stage, self.watch),
            )?);
        }
        Ok(weights)
    }

    fn n_seeds(&self) -> u64 {
        self.job.transformer.seeds.unwrap_or(1) as u64
    }

    fn seed_stage(&self, encoder: &EncoderDirectory, seed: u64, k: u64) -> String {
        let (name, n) = (encoder.name(), self.n_seeds());
        format!("{name}: seed {seed} ({} of {n})", k + 1)
    }
}

/// The text of every class: its name, unless the job gives another.
fn texts_of_classes(
    section: &TransformerSection,
    names: &[String],
) -> Result<Vec<(String, String)>, MineError> {
    let given = &section.label_texts;
    if let Some(class) = given.keys().find(|class| !names.contains(class)) {
        return Err(MineError::NoSuchClass {
            class: class.clone(),
            classes: names.to_vec(),
        });
    }
    let text = |name: &String| given.get(name).unwrap_or(name).clone();
    Ok(names
        .iter()
        .map(|name| (name.clone(), text(name)))
        .collect())
}

fn describe_model(model: &TextModel) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut tell = |name: &str, value: String| settings.push((name.into(), value));
    match model {
        TextModel::Classifier(model) => {
            tell("trained", model.method.words());
            tell("head", format!("{:?}", model.head).to_lowercase());
        }
        TextModel::Writer(model) => {
            tell(
                "trained",
                match model.method {
                    TrainingMethod::LowRank { rank } => format!("additions of rank {rank}"),
                    other => other.words(),
                },
            );
            tell("head", "text-to-text".into());
            tell("prompt", model.prompt.to_string());
            let texts: Vec<&str> = model.classes.iter().map(|c| c.text.as_str()).collect();
            tell("texts of the classes", texts.join(", "));
        }
    }
    tell("longest sequence", format!("{} tokens", model.max_tokens()));
    settings
}
