//! A pretrained text encoder, fine-tuned, as a member of the scoreboard.

use adit_nn::random::{mix, normal_at};
use adit_nn::watch::Watch;
use adit_nn::{Encoder, EncoderConfig, NnError, ParamId, Params, Session, Tape, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::fine_tuned::FineTuned;
use super::method::TrainingMethod;
use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::{Target, TextColumn};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::text::{TextTokenizer, Tokens, batches_by_length, pack};

/// Tokens computed together in inference, on one thread; few enough to stay near the processor.
const INFERENCE_TOKENS: usize = 1024;

/// Values that are kept of layers that are not trained, at most (2 GiB).
const MOST_KNOWN: usize = 1 << 29;

/// Standard deviation of a fresh head's weights, as in BERT.
const HEAD_SPREAD: f64 = 0.02;

/// Keeps the head's stream apart from the others of a seed.
const HEAD: u64 = 0x6865_6164;

/// How sequence vectors become outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextHead {
    /// First token through the map that the encoder's family has for it (Devlin et al. 2019).
    Cls,
    /// Mean of the token vectors.
    Mean,
    /// The two texts encoded apart, means u and v: `[u, v, |u − v|, u·v]` (Conneau et al. 2017).
    Match,
}

/// A row's texts as tokens: one sequence, or two for [`TextHead::Match`].
#[derive(Clone, Debug)]
pub struct TextRows {
    pub first: Vec<Tokens>,
    pub second: Option<Vec<Tokens>>,
}

/// What is needed to rebuild a fine-tuned encoder, weights and tokenizer aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextTransformerModel {
    pub encoder: String,
    pub head: TextHead,
    pub max_tokens: usize,
    pub head_dropout: f32,
    pub meaning: OutputMeaning,
    #[serde(default)]
    pub method: TrainingMethod,
}

/// States before the first layer that is trained, of the rows that are learned from.
struct Known {
    first_layer: usize,
    /// Row-major `[tokens, hidden]`; empty for other rows. One list a sequence of a row.
    states: Vec<Vec<Vec<f32>>>,
}

struct TextNetwork<'a> {
    rows: &'a TextRows,
    known: Option<Known>,
    encoder: &'a Encoder,
    head: Head,
    kind: TextHead,
    dropout: f32,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    weight: ParamId,
    bias: ParamId,
}

impl TextNetwork<'_> {
    /// The vectors of the `part`-th sequence of the rows.
    fn sequences(&self, tape: &mut Tape, part: usize, rows: &[usize]) -> Result<Var, NnError> {
        let tokens = match (part, &self.rows.second) {
            (1, Some(second)) => second,
            _ => &self.rows.first,
        };
        let packed = &pack(tokens, rows);
        let known = self
            .known
            .as_ref()
            .and_then(|k| Some((k, k.of(part, rows)?)));
        let hidden = match known {
            Some((known, data)) => {
                let shape = vec![packed.ids.len(), self.encoder.hidden_size()];
                let states = tape.constant(Tensor { shape, data });
                let range = known.first_layer..self.encoder.n_layers();
                self.encoder.layers(tape, states, packed, range)
            }
            None => self.encoder.hidden(tape, packed)?,
        };
        Ok(match self.kind {
            TextHead::Cls => self.encoder.pooled(tape, hidden, packed),
            TextHead::Mean | TextHead::Match => tape.mean_pool(hidden, &packed.offsets),
        })
    }
}

impl Network for TextNetwork<'_> {
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        let u = self.sequences(tape, 0, rows)?;
        let mut features = match &self.rows.second {
            None => u,
            Some(_) => {
                let v = self.sequences(tape, 1, rows)?;
                let difference = tape.abs_diff(u, v);
                let product = tape.product(u, v);
                tape.concat_columns(&[u, v, difference, product])
            }
        };
        features = tape.dropout(features, self.dropout);
        let weight = tape.param(self.head.weight);
        let bias = tape.param(self.head.bias);
        Ok(tape.linear(features, weight, Some(bias)))
    }

    fn n_rows(&self) -> usize {
        self.rows.first.len()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let length = |i: usize| {
            let second = self.rows.second.as_ref().map_or(0, |s| s[i].ids.len());
            self.rows.first[i].ids.len() + second
        };
        let lengths: Vec<usize> = rows.iter().map(|&i| length(i)).collect();
        batches_by_length(&lengths, INFERENCE_TOKENS)
            .into_iter()
            .map(|batch| batch.into_iter().map(|k| rows[k]).collect())
            .collect()
    }
}

impl Known {
    /// The states of the rows one after another; none where one of them is not known.
    fn of(&self, part: usize, rows: &[usize]) -> Option<Vec<f32>> {
        let chosen: Vec<&[f32]> = rows
            .iter()
            .map(|&row| self.states[part][row].as_slice())
            .collect();
        let all = chosen.iter().all(|states| !states.is_empty());
        all.then(|| chosen.concat())
    }
}

impl TextRows {
    /// The tokens of some rows, in that order.
    pub fn of(&self, rows: &[usize]) -> TextRows {
        let of = |part: &Vec<Tokens>| rows.iter().map(|&row| part[row].clone()).collect();
        TextRows {
            first: of(&self.first),
            second: self.second.as_ref().map(of),
        }
    }

    /// The sequences of all rows, part by part.
    fn parts(&self) -> impl Iterator<Item = &Vec<Tokens>> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Tokenises text columns for a head.
    ///
    /// # Errors
    /// `NeedsPair` when [`TextHead::Match`] is not given exactly two columns.
    fn new(
        tokenizer: &TextTokenizer,
        columns: &[TextColumn],
        head: TextHead,
    ) -> Result<TextRows, MineError> {
        if head != TextHead::Match {
            return Ok(TextRows {
                first: tokenizer.encode_columns(columns)?,
                second: None,
            });
        }
        let [first, second] = columns else {
            return Err(MineError::NeedsPair {
                columns: columns.len(),
            });
        };
        Ok(TextRows {
            first: tokenizer.encode_columns(std::slice::from_ref(first))?,
            second: Some(tokenizer.encode_columns(std::slice::from_ref(second))?),
        })
    }
}

/// Parameters of an encoder with a head over it.
struct Built {
    encoder: Encoder,
    head: Head,
}

impl TextTransformerModel {
    /// Computes once what no step changes, where that is worth the memory.
    fn known(
        &self,
        encoder: &Encoder,
        params: &Params,
        rows: &TextRows,
        learned: &[usize],
    ) -> Result<Option<Known>, MineError> {
        let first_layer = self.method.first_trained(encoder.n_layers());
        let width = encoder.hidden_size();
        let tokens = |part: &Vec<Tokens>| learned.iter().map(|&i| part[i].ids.len()).sum::<usize>();
        let n_values = rows.parts().map(tokens).sum::<usize>() * width;
        if first_layer == 0 || n_values > MOST_KNOWN {
            return Ok(None);
        }
        let mut states = Vec::new();
        for part in rows.parts() {
            let lengths: Vec<usize> = learned.iter().map(|&i| part[i].ids.len()).collect();
            let batches: Vec<Vec<usize>> = batches_by_length(&lengths, INFERENCE_TOKENS)
                .into_iter()
                .map(|batch| batch.into_iter().map(|k| learned[k]).collect())
                .collect();
            let done = Session::new(params).run_all(&batches, |tape, batch| {
                let packed = pack(part, batch);
                let embedded = encoder.embed_tokens(tape, &packed)?;
                let below = encoder.layers(tape, embedded, &packed, 0..first_layer);
                Ok(tape.take(below).data)
            })?;
            let mut of_rows = vec![Vec::new(); part.len()];
            for (batch, values) in batches.iter().zip(&done) {
                let mut rest = values.as_slice();
                for &row in batch {
                    let (own, others) = rest.split_at(part[row].ids.len() * width);
                    of_rows[row] = own.to_vec();
                    rest = others;
                }
            }
            states.push(of_rows);
        }
        Ok(Some(Known {
            first_layer,
            states,
        }))
    }

    fn goal<'a>(&self, target: &'a Target) -> Goal<'a> {
        Goal {
            meaning: self.meaning,
            target,
            class_weights: None,
        }
    }

    fn pretrained(
        &self,
        encoder: &EncoderDirectory,
        seed: u64,
    ) -> Result<(Built, Params), MineError> {
        let mut params = Params::new();
        let model = encoder.load(&mut params)?;
        let head = self.add_head(encoder.config(), &mut params, seed);
        self.method.apply(&model, &mut params, seed)?;
        let built = Built {
            encoder: model,
            head,
        };
        Ok((built, params))
    }

    /// Parameters with the names and shapes of a trained model, to be overwritten by stored ones.
    pub fn blank_params(&self, config: &EncoderConfig) -> Result<Params, MineError> {
        Ok(self.built(config)?.1)
    }

    fn built(&self, config: &EncoderConfig) -> Result<(Built, Params), MineError> {
        let mut params = Params::new();
        let encoder = Encoder::new(config, &mut params, 0);
        let head = self.add_head(config, &mut params, 0);
        Ok((Built { encoder, head }, params))
    }

    fn add_head(&self, config: &EncoderConfig, params: &mut Params, seed: u64) -> Head {
        let width = match self.head {
            TextHead::Cls | TextHead::Mean => config.hidden_size(),
            TextHead::Match => 4 * config.hidden_size(),
        };
        let n = self.meaning.n_outputs();
        let key = mix(seed, HEAD);
        let weight: Vec<f32> = (0..(n * width) as u64)
            .map(|at| normal_at(key, at, HEAD_SPREAD))
            .collect();
        Head {
            weight: params.add(
                "head.weight",
                Tensor {
                    shape: vec![n, width],
                    data: weight,
                },
            ),
            bias: params.add("head.bias", Tensor::zeros(&[n])),
        }
    }

    fn network<'a>(&self, rows: &'a TextRows, encoder: &'a Encoder, head: Head) -> TextNetwork<'a> {
        TextNetwork {
            rows,
            known: None,
            encoder,
            head,
            kind: self.head,
            dropout: self.head_dropout,
        }
    }
}

impl FineTuned for TextTransformerModel {
    fn rows(
        &self,
        tokenizer: &TextTokenizer,
        columns: &[TextColumn],
    ) -> Result<TextRows, MineError> {
        TextRows::new(tokenizer, columns, self.head)
    }

    fn train(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        (target, parts): (&Target, Parts),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let (built, params) = self.pretrained(encoder, settings.seed)?;
        let mut network = self.network(rows, &built.encoder, built.head);
        let learned: Vec<usize> = [parts.train, parts.validation].concat();
        network.known = self.known(&built.encoder, &params, rows, &learned)?;
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
        let (built, params) = self.pretrained(encoder, settings.seed)?;
        let mut network = self.network(rows, &built.encoder, built.head);
        network.known = self.known(&built.encoder, &params, rows, chosen)?;
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
        let Built { encoder, head } = self.built(config)?.0;
        let network = self.network(rows, &encoder, head);
        let all: Vec<usize> = (0..rows.first.len()).collect();
        training::predict(&network, weights, &self.meaning, &all, watch)
    }

    fn meaning(&self) -> OutputMeaning {
        self.meaning
    }
}

#[cfg(test)]
mod tests {
    use adit_nn::{Gradients, Mode};

    use super::*;

    /// Rows 0 to 3 are learned from, row 4 is not.
    const LEARNED: [usize; 4] = [0, 1, 2, 3];

    fn tiny() -> EncoderConfig {
        let text = r#"{"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 3,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 12,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}"#;
        EncoderConfig::from_json(text).expect("a configuration")
    }

    fn rows(pairs: bool) -> TextRows {
        let tokens = |first: u32| -> Vec<Tokens> {
            [3, 1, 7, 4, 5]
                .iter()
                .map(|&n| Tokens {
                    ids: (0..n).map(|i| (first + 3 * i) % 20).collect(),
                    type_ids: vec![0; n as usize],
                })
                .collect()
        };
        TextRows {
            first: tokens(2),
            second: pairs.then(|| tokens(5)),
        }
    }

    /// Outputs and gradients of a step on `batch`.
    fn step(network: &TextNetwork, params: &Params, batch: &[usize]) -> (Vec<f32>, Gradients) {
        let mut tape = Tape::new(params, Mode::Train { seed: 1 });
        let outputs = network.outputs(&mut tape, batch).expect("outputs");
        let values = tape.value(outputs).data.clone();
        let classes: Vec<u32> = batch.iter().map(|&row| row as u32 % 2).collect();
        let loss = tape.cross_entropy(outputs, &classes, None);
        (values, tape.backward(loss))
    }

    #[test]
    fn states_that_are_kept_give_the_bits_of_the_whole_encoder() {
        let config = tiny();
        for (head, method) in [
            (TextHead::Cls, TrainingMethod::Last { layers: 1 }),
            (TextHead::Cls, TrainingMethod::Head),
            (TextHead::Match, TrainingMethod::Last { layers: 2 }),
            (TextHead::Mean, TrainingMethod::Head),
        ] {
            let model = TextTransformerModel {
                encoder: "tiny".into(),
                head,
                max_tokens: 12,
                head_dropout: 0.0,
                meaning: OutputMeaning::Classes { n_classes: 2 },
                method,
            };
            let (Built { encoder, head }, mut params) = model.built(&config).expect("a model");
            method.apply(&encoder, &mut params, 1).expect("frozen");
            let rows = rows(model.head == TextHead::Match);
            let whole = model.network(&rows, &encoder, head);
            let mut short = model.network(&rows, &encoder, head);
            short.known = model
                .known(&encoder, &params, &rows, &LEARNED)
                .expect("states");
            let known = short.known.as_ref().expect("states are kept");
            assert!(known.of(0, &[2, 0]).is_some() && known.of(0, &[2, 4]).is_none());
            // The last batch has a row without states and goes through the whole encoder.
            for batch in [&[2, 0, 3][..], &[1], &[0, 4]] {
                let (expected, by_whole) = step(&whole, &params, batch);
                let (found, by_short) = step(&short, &params, batch);
                assert_eq!(found, expected, "{head:?} {method:?} {batch:?}");
                for (id, name, _) in params.iter() {
                    let of = |g: &Gradients| g.get(id).map(|tensor| tensor.data.clone());
                    assert_eq!(of(&by_short), of(&by_whole), "{name} {method:?} {batch:?}");
                    if params.is_frozen(id) {
                        assert!(of(&by_short).is_none(), "{name} is frozen");
                    }
                }
            }
        }
    }
}
