//! A pretrained T5, fine-tuned to write the class, as a member of the scoreboard (Raffel et al. 2020).
//!
//! It learns to write a text for each class and predicts by how probable each of these texts is, so
//! that what it predicts is a class, whatever else it might write.

use adit_nn::watch::Watch;
use adit_nn::{EncoderConfig, NnError, PackedTokens, Params, T5, T5Config, Tape, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::fine_tuned::FineTuned;
use super::method::TrainingMethod;
use super::text_transformer::TextRows;
use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::{Target, TextColumn};
use crate::represent::RepresentError;
use crate::represent::encoder::EncoderDirectory;
use crate::represent::prompt::Prompt;
use crate::represent::text::{TextTokenizer, Tokens, batches_by_length, pack};

/// Tokens computed together in inference, on one thread: those of the sources and of all classes.
const INFERENCE_TOKENS: usize = 1024;

/// The most tokens of a class's text.
const MOST_CLASS_TOKENS: usize = 512;

/// The text that is written for a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassText {
    pub text: String,
    /// The token that ends texts included.
    pub tokens: Vec<u32>,
}

/// What is needed to rebuild a fine-tuned T5, weights and tokenizer aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextToTextModel {
    pub encoder: String,
    pub prompt: Prompt,
    /// By the code of the class.
    pub classes: Vec<ClassText>,
    /// The most tokens of a source.
    pub max_tokens: usize,
    pub method: TrainingMethod,
}

struct TextToTextNetwork<'a> {
    sources: &'a [Tokens],
    /// The text of every class.
    classes: Vec<Tokens>,
    model: &'a T5,
}

impl TextToTextNetwork<'_> {
    fn all_classes(&self) -> PackedTokens {
        let all: Vec<usize> = (0..self.classes.len()).collect();
        pack(&self.classes, &all)
    }
}

impl Network for TextToTextNetwork<'_> {
    /// The log-probability of every class's text; a constant, as [`Network::loss`] is of the right text
    /// alone. `[rows.len(), n_classes]`
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        let sources = pack(self.sources, rows);
        let found = self
            .model
            .log_probabilities(tape, &sources, &self.all_classes())?;
        Ok(tape.constant(Tensor {
            shape: vec![rows.len(), self.classes.len()],
            data: found.into_iter().map(|v| v as f32).collect(),
        }))
    }

    /// The mean over the tokens of the right texts of `-log p(token)`.
    fn loss(&self, tape: &mut Tape, goal: Goal, rows: &[usize]) -> Result<Var, MineError> {
        let Target::Classes { codes, .. } = goal.target else {
            return Err(MineError::WrongTarget);
        };
        let right: Vec<usize> = rows.iter().map(|&row| codes[row] as usize).collect();
        let (source, target) = (pack(self.sources, rows), pack(&self.classes, &right));
        Ok(self.model.loss(tape, &source, &target)?)
    }

    fn n_rows(&self) -> usize {
        self.sources.len()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let of_classes: usize = self.classes.iter().map(|class| class.ids.len()).sum();
        let length = |&row: &usize| self.sources[row].ids.len() + of_classes;
        let lengths: Vec<usize> = rows.iter().map(length).collect();
        batches_by_length(&lengths, INFERENCE_TOKENS)
            .into_iter()
            .map(|batch| batch.into_iter().map(|k| rows[k]).collect())
            .collect()
    }
}

impl ClassText {
    /// The texts of classes, with the tokens that a decoder writes for them.
    ///
    /// # Errors
    /// `ClassText` for a text without tokens, with tokens that the tokenizer does not know, or with those
    /// of another class.
    pub fn tokenised(
        encoder: &EncoderDirectory,
        classes: &[(String, String)],
    ) -> Result<Vec<ClassText>, MineError> {
        let config = encoder.t5_config()?;
        let Some(&end) = config.eos_token_id.first() else {
            return Err(MineError::Represent(RepresentError::Encoder {
                path: encoder.path().join("config.json"),
                reason: "names no token that ends a text (`eos_token_id`)".to_owned(),
            }));
        };
        let tokenizer = encoder.tokenizer(MOST_CLASS_TOKENS)?;
        let unknown = tokenizer.unknown_token();
        let texts: Vec<&str> = classes.iter().map(|(_, text)| text.as_str()).collect();
        let mut done: Vec<ClassText> = Vec::with_capacity(classes.len());
        for ((class, text), tokens) in classes.iter().zip(tokenizer.encode(&texts)?) {
            let wrong = |reason: String| MineError::ClassText {
                class: class.clone(),
                text: text.clone(),
                reason,
            };
            let mut tokens = tokens.ids;
            while tokens
                .last()
                .is_some_and(|t| config.eos_token_id.contains(t))
            {
                tokens.pop();
            }
            if tokens.is_empty() {
                return Err(wrong("has no tokens".to_owned()));
            }
            if unknown.is_some_and(|unknown| tokens.contains(&unknown)) {
                let reason = "has a part that the tokenizer does not know";
                return Err(wrong(reason.to_owned()));
            }
            tokens.push(end);
            if let Some(other) = done.iter().position(|other| other.tokens == tokens) {
                let other = &classes[other].0;
                return Err(wrong(format!("has the tokens of that of class `{other}`")));
            }
            done.push(ClassText {
                text: text.clone(),
                tokens,
            });
        }
        Ok(done)
    }
}

impl TextToTextModel {
    /// The pretrained weights, of which the method says what is trained.
    fn pretrained(&self, encoder: &EncoderDirectory, seed: u64) -> Result<(T5, Params), MineError> {
        let mut params = Params::new();
        let model = encoder.load_t5(&mut params)?;
        self.method.apply_to_decoder(&mut params, seed)?;
        Ok((model, params))
    }

    /// Parameters with the names and shapes of a trained model, to be overwritten by stored ones; their
    /// last map is its own where the stored ones have one.
    ///
    /// # Errors
    /// A configuration that is not that of a T5.
    pub fn blank_params(
        &self,
        config: &EncoderConfig,
        has_last_map: bool,
    ) -> Result<Params, MineError> {
        Ok(built(config, has_last_map)?.1)
    }

    fn network<'a>(&self, rows: &'a TextRows, model: &'a T5) -> TextToTextNetwork<'a> {
        let tokens = |class: &ClassText| Tokens {
            type_ids: vec![0; class.tokens.len()],
            ids: class.tokens.clone(),
        };
        TextToTextNetwork {
            sources: &rows.first,
            classes: self.classes.iter().map(tokens).collect(),
            model,
        }
    }

    fn goal<'a>(&self, target: &'a Target) -> Goal<'a> {
        Goal {
            meaning: self.meaning(),
            target,
            class_weights: None,
        }
    }
}

fn built(config: &EncoderConfig, has_last_map: bool) -> Result<(T5, Params), MineError> {
    let EncoderConfig::T5(config) = config else {
        return Err(MineError::DamagedModel {
            reason: format!("`{}` is not a T5", config.model_type()),
        });
    };
    let config = T5Config {
        tie_word_embeddings: !has_last_map,
        ..config.clone()
    };
    let mut params = Params::new();
    Ok((T5::new(&config, &mut params, 0), params))
}

impl FineTuned for TextToTextModel {
    fn rows(
        &self,
        tokenizer: &TextTokenizer,
        columns: &[TextColumn],
    ) -> Result<TextRows, MineError> {
        let sources = self.prompt.fill(columns)?;
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let mut first = tokenizer.encode(&sources)?;
        let end = self.classes.iter().filter_map(|class| class.tokens.last());
        let end: Vec<u32> = end.copied().take(1).collect();
        first.iter_mut().for_each(|text| text.end_if_empty(&end));
        Ok(TextRows {
            first,
            second: None,
        })
    }

    fn train(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        (target, parts): (&Target, Parts),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let (model, params) = self.pretrained(encoder, settings.seed)?;
        let network = self.network(rows, &model);
        let goal = self.goal(target);
        let mut trained = training::train(&network, params, goal, parts, settings, monitor)?;
        self.method.finish(&mut trained.params)?;
        Ok(trained)
    }

    fn refit(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        (target, chosen, n_epochs): (&Target, &[usize], usize),
        settings: &TrainingSettings,
        seen: (&str, &dyn Watch),
    ) -> Result<Params, MineError> {
        let (model, params) = self.pretrained(encoder, settings.seed)?;
        let network = self.network(rows, &model);
        let goal = self.goal(target);
        let epochs = (chosen, n_epochs);
        let mut params = training::refit(&network, params, goal, epochs, settings, seen)?;
        self.method.finish(&mut params)?;
        Ok(params)
    }

    fn predict(
        &self,
        config: &EncoderConfig,
        weights: &Params,
        rows: &TextRows,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let model = built(config, weights.by_name(T5::LAST_MAP).is_some())?.0;
        let network = self.network(rows, &model);
        let all: Vec<usize> = (0..rows.first.len()).collect();
        training::predict(&network, weights, &self.meaning(), &all, watch)
    }

    fn meaning(&self) -> OutputMeaning {
        OutputMeaning::Classes {
            n_classes: self.classes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use adit_nn::Mode;

    use super::*;

    fn config() -> EncoderConfig {
        let text = r#"{"model_type": "t5", "vocab_size": 30, "d_model": 16, "d_kv": 4, "d_ff": 24,
            "num_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 20, "dropout_rate": 0.0}"#;
        EncoderConfig::from_json(text).expect("a configuration")
    }

    fn model() -> TextToTextModel {
        let class = |text: &str, tokens: &[u32]| ClassText {
            text: text.to_owned(),
            tokens: tokens.to_vec(),
        };
        TextToTextModel {
            encoder: "tiny".into(),
            prompt: Prompt::usual(&["text".into()]),
            classes: vec![class("same", &[5, 1]), class("not same", &[6, 5, 1])],
            max_tokens: 12,
            method: TrainingMethod::Full,
        }
    }

    fn rows() -> TextRows {
        let tokens = |n: u32| Tokens {
            ids: (0..n).map(|i| (3 + 5 * i) % 30).collect(),
            type_ids: vec![0; n as usize],
        };
        TextRows {
            first: [3, 1, 7, 40, 5].map(tokens).to_vec(),
            second: None,
        }
    }

    #[test]
    fn a_class_is_as_probable_as_the_tokens_of_its_text() {
        let (model, rows) = (model(), rows());
        let (t5, params) = built(&config(), false).expect("a model");
        let found = model
            .predict(&config(), &params, &rows, &crate::Silent)
            .expect("predictions");
        found.check(5, Some(2)).expect("probabilities");
        let Predictions::Probabilities { values, .. } = &found else {
            panic!("{found:?}");
        };
        for (row, found) in values.chunks_exact(2).enumerate() {
            // Plainly: each text on its own, from the logits of every token.
            let chance = |class: &ClassText| -> f64 {
                let n = class.tokens.len();
                let inputs = [&[0], &class.tokens[..n - 1]].concat();
                let zeros = vec![0; n];
                let inputs = PackedTokens::pack([(&inputs[..], &zeros[..])]).expect("tokens");
                let mut tape = Tape::new(&params, Mode::Inference);
                let source = pack(&rows.first, &[row]);
                let logits = t5.logits(&mut tape, &source, &inputs).expect("logits");
                let of = |at: usize, token: usize| f64::from(tape.value(logits).row(at)[token]);
                let tokens = class.tokens.iter().enumerate();
                tokens
                    .map(|(at, &token)| {
                        let sum: f64 = (0..30).map(|other| of(at, other).exp()).sum();
                        of(at, token as usize).exp() / sum
                    })
                    .product()
            };
            let chances: Vec<f64> = model.classes.iter().map(chance).collect();
            let want = chances[1] / (chances[0] + chances[1]);
            let difference = (f64::from(found[1]) - want).abs();
            assert!(difference < 1e-5, "row {row}: {found:?} {want}");
        }
    }

    #[test]
    fn a_row_alone_has_the_bits_that_it_has_among_others() {
        let (model, rows) = (model(), rows());
        let params = model.blank_params(&config(), true).expect("a model");
        let predict = |rows: &TextRows| {
            model
                .predict(&config(), &params, rows, &crate::Silent)
                .expect("predictions")
        };
        let alone: Vec<Predictions> = (rows.first.iter())
            .map(|tokens| {
                predict(&TextRows {
                    first: vec![tokens.clone()],
                    second: None,
                })
            })
            .collect();
        assert_eq!(Predictions::concat(&alone), Some(predict(&rows)));
    }

    #[test]
    fn encoder_and_decoder_learn_from_the_text_of_the_right_class() {
        let (model, rows) = (model(), rows());
        let target = Target::Classes {
            codes: vec![0, 1, 1, 0, 1],
            names: vec!["0".into(), "1".into()],
        };
        for (method, trained) in [
            (TrainingMethod::Full, ""),
            (TrainingMethod::LowRank { rank: 2 }, ".lora_B"),
        ] {
            let (t5, mut params) = built(&config(), false).expect("a model");
            method.apply_to_decoder(&mut params, 1).expect("a method");
            let network = model.network(&rows, &t5);
            let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
            let loss = network.loss(&mut tape, model.goal(&target), &[4, 0, 2]);
            let gradients = tape.backward(loss.expect("a loss"));
            let mut parts = Vec::new();
            for (id, name, _) in params.iter().filter(|(_, name, _)| name.ends_with(trained)) {
                let gradient = gradients.get(id).unwrap_or_else(|| panic!("{name}"));
                assert!(gradient.data.iter().any(|&v| v != 0.0), "{name}");
                parts.push(name.split('.').next().unwrap_or_default().to_string());
            }
            for part in ["encoder", "decoder"] {
                assert!(parts.iter().any(|found| found == part), "{method:?} {part}");
            }
        }
        for method in [TrainingMethod::Head, TrainingMethod::Last { layers: 1 }] {
            let error = method.apply_to_decoder(&mut Params::new(), 1).unwrap_err();
            assert!(error.to_string().contains("`full` or `lora-N`"), "{error}");
        }
    }
}
