//! Generation: the decoder writes a text for every source, token by token.

use std::num::NonZeroUsize;

use crate::error::NnError;
use crate::t5::beams::Beams;
use crate::t5::cache::Cache;
use crate::t5::decoder::Rows;
use crate::t5::seq2seq::T5;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;

/// When beam search stops although texts are still open; only where as many texts are finished as
/// there are beams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EarlyStopping {
    /// When the best open text, ended now, would be no better than the worst finished one
    /// (Hugging Face's `early_stopping=False`).
    #[default]
    Guess,
    /// At once (`early_stopping=True`).
    WhenFull,
    /// When the best open text could not become better by any length (`early_stopping="never"`).
    Never,
}

/// How texts are generated; without sampling, so that the same source gives the same text.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationSettings {
    /// The most tokens of a text, the one that ends it included.
    pub max_new_tokens: NonZeroUsize,
    /// How many texts are followed for each source; 1 is greedy search.
    pub n_beams: NonZeroUsize,
    /// Scores are divided by the length to this power; above 0 long texts gain.
    pub length_penalty: f64,
    /// When to stop.
    pub early_stopping: EarlyStopping,
}

impl Default for GenerationSettings {
    /// Greedy search for at most 64 tokens.
    fn default() -> Self {
        Self {
            max_new_tokens: NonZeroUsize::MIN.saturating_add(63),
            n_beams: NonZeroUsize::MIN,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Guess,
        }
    }
}

impl GenerationSettings {
    /// Checks what the types leave open.
    ///
    /// Errors: [`NnError::Config`] when the length penalty is not a finite number.
    pub fn check(&self) -> Result<(), NnError> {
        if self.length_penalty.is_finite() {
            return Ok(());
        }
        Err(NnError::Config {
            reason: format!(
                "the length penalty is {}, not a finite number",
                self.length_penalty
            ),
        })
    }
}

/// A text that was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its tokens, without the start; the last one ends it, unless it has the most tokens.
    pub ids: Vec<u32>,
    /// The sum of the log-probabilities of its tokens over its length to the power of the penalty.
    pub score: f64,
}

/// How far the biases reach at first.
const FIRST_REACH: usize = 32;

/// The search of all sources, side by side.
struct Search<'a> {
    model: &'a T5,
    source: &'a PackedTokens,
    beams: Vec<Beams<'a>>,
    cache: Cache,
    /// The biases of distances below `reach`, which grows with the texts.
    bias: Var,
    reach: usize,
    /// Of every open row, which row it continues and its last token; and the rows of every source.
    parents: Vec<usize>,
    tokens: Vec<u32>,
    of_source: Vec<usize>,
}

impl T5 {
    /// The best text for every sequence of `source`.
    ///
    /// The same tokens as Hugging Face's `generate(do_sample=False)` with these settings. Sources are
    /// decoded side by side, and each gives what it gives alone.
    ///
    /// The tape must be one of inference: what was decoded is kept on it, and no gradient goes through.
    ///
    /// Errors: [`NnError::Tokens`] when tokens do not fit the model; [`NnError::Config`] as
    /// [`GenerationSettings::check`].
    pub fn generate(
        &self,
        tape: &mut Tape<'_>,
        source: &PackedTokens,
        settings: &GenerationSettings,
    ) -> Result<Vec<Generated>, NnError> {
        settings.check()?;
        let before = tape.mark();
        let memory = self.encoder().hidden(tape, source)?;
        let mut search = Search::new(self, tape, (memory, source), settings);
        while !search.tokens.is_empty() {
            let mark = tape.mark();
            let logits = search.step(tape);
            search.choose(&tape.value(logits).data);
            tape.release(mark, &search.held());
        }
        tape.release(before, &[]);
        Ok(search.beams.into_iter().map(Beams::into_best).collect())
    }
}

impl<'a> Search<'a> {
    fn new(
        model: &'a T5,
        tape: &mut Tape<'_>,
        (memory, source): (Var, &'a PackedTokens),
        settings: &'a GenerationSettings,
    ) -> Self {
        let (n, config) = (source.n_sequences(), model.config());
        let ends = &config.eos_token_id;
        let cross = model.decoder.cross(tape, memory);
        Self {
            model,
            source,
            beams: (0..n).map(|_| Beams::new(settings, ends)).collect(),
            cache: Cache::new(cross),
            bias: model.decoder.biases(tape, FIRST_REACH),
            reach: FIRST_REACH,
            parents: (0..n).collect(),
            tokens: vec![config.decoder_start_token_id; n],
            of_source: (0..=n).collect(),
        }
    }

    /// The logits of all open rows, `[rows, vocab]`.
    fn step(&mut self, tape: &mut Tape<'_>) -> Var {
        if self.cache.length() >= self.reach {
            self.reach *= 2;
            tape.take(self.bias);
            self.bias = self.model.decoder.biases(tape, self.reach);
        }
        let x = self.model.embed(tape, &self.tokens);
        let rows = Rows {
            parents: &self.parents,
            of_source: &self.of_source,
            sources: &self.source.offsets,
            bias: self.bias,
        };
        let (decoder, config) = (&self.model.decoder, self.model.config());
        let states = decoder.step(tape, x, &rows, &mut self.cache, config);
        self.model.last_map(tape, states)
    }

    /// The values that further steps need.
    fn held(&self) -> Vec<Var> {
        let mut held = self.cache.held();
        held.push(self.bias);
        held
    }

    /// Lets every source choose how its rows go on.
    fn choose(&mut self, logits: &[f32]) {
        let vocab = self.model.config().vocab_size;
        let before = std::mem::replace(&mut self.of_source, vec![0]);
        (self.parents, self.tokens) = (Vec::new(), Vec::new());
        for (beams, range) in self.beams.iter_mut().zip(before.windows(2)) {
            let (from, to) = (range[0], range[1]);
            if to > from {
                for (parent, token) in beams.advance(&logits[from * vocab..to * vocab], vocab) {
                    self.parents.push(from + parent);
                    self.tokens.push(token);
                }
            }
            self.of_source.push(self.tokens.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::t5::T5Config;
    use crate::tape::Mode;

    fn model() -> (Params, T5) {
        model_that_ends(vec![1])
    }

    fn model_that_ends(ends: Vec<u32>) -> (Params, T5) {
        let mut config = T5Config::from_json(
            r#"{"model_type": "t5", "vocab_size": 40, "d_model": 24, "d_kv": 5, "d_ff": 30,
            "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4, "eos_token_id": 1,
            "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20,
            "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}"#,
        )
        .unwrap();
        config.eos_token_id = ends;
        let mut params = Params::new();
        let model = T5::new(&config, &mut params, 11);
        (params, model)
    }

    /// What the model writes for every source.
    fn written(
        (params, model): (&Params, &T5),
        source: &PackedTokens,
        settings: &GenerationSettings,
    ) -> Result<Vec<Generated>, NnError> {
        model.generate(&mut Tape::new(params, Mode::Inference), source, settings)
    }

    fn pack(texts: &[&[u32]]) -> PackedTokens {
        let zeros = [0; 64];
        PackedTokens::pack(texts.iter().map(|t| (*t, &zeros[..t.len()]))).unwrap()
    }

    /// Rows that go on, split and end, against a pass over each whole text.
    #[test]
    fn decoding_with_a_cache_gives_the_bits_of_decoding_without() {
        let (params, model) = model();
        let source = pack(&[&[3, 9, 27, 4], &[8], &[5, 6, 7, 8, 9, 10, 11]]);
        let settings = GenerationSettings::default();
        let mut tape = Tape::new(&params, Mode::Inference);
        let memory = model.encoder().hidden(&mut tape, &source).unwrap();
        let mut search = Search::new(&model, &mut tape, (memory, &source), &settings);
        let mut texts: Vec<Vec<u32>> = vec![vec![0]; 3];
        // For every step: which rows go on, with which token, and the rows of every source.
        let steps: [(&[usize], &[u32], &[usize]); 4] = [
            (&[0, 0, 1, 2, 2], &[4, 5, 6, 7, 8], &[0, 2, 3, 5]),
            (&[1, 1, 0, 2, 4], &[9, 8, 7, 6, 5], &[0, 3, 4, 5]),
            (&[2, 0, 4], &[20, 21, 22], &[0, 2, 2, 3]),
            (&[0, 1], &[30, 31], &[0, 2, 2, 2]),
        ];
        let mut of_row = vec![0, 1, 2];
        for step in 0..=steps.len() {
            let mark = tape.mark();
            let logits = search.step(&mut tape);
            for (row, text) in texts.iter().enumerate() {
                let range = source.offsets[of_row[row]]..source.offsets[of_row[row] + 1];
                let alone = pack(&[&source.ids[range]]);
                let mut whole = Tape::new(&params, Mode::Inference);
                let all = model.logits(&mut whole, &alone, &pack(&[text])).unwrap();
                let want = whole.value(all).row(text.len() - 1);
                assert_eq!(tape.value(logits).row(row), want, "step {step}, row {row}");
            }
            tape.release(mark, &search.held());
            let Some((parents, tokens, of_source)) = steps.get(step) else {
                break;
            };
            texts = parents
                .iter()
                .zip(*tokens)
                .map(|(&parent, &token)| [&texts[parent][..], &[token]].concat())
                .collect();
            of_row = of_source
                .windows(2)
                .enumerate()
                .flat_map(|(at, w)| vec![at; w[1] - w[0]])
                .collect();
            search.parents = parents.to_vec();
            search.tokens = tokens.to_vec();
            search.of_source = of_source.to_vec();
        }
    }

    #[test]
    fn a_source_among_others_gives_the_text_that_it_gives_alone() {
        let (params, model) = model();
        let texts: [&[u32]; 4] = [&[3, 9, 27, 4], &[8], &[5, 6, 7, 8, 9, 10, 11], &[2, 2]];
        for n_beams in [1, 4] {
            let settings = GenerationSettings {
                n_beams: NonZeroUsize::new(n_beams).unwrap(),
                ..GenerationSettings::default()
            };
            let all = written((&params, &model), &pack(&texts), &settings).unwrap();
            for (text, found) in texts.iter().zip(&all) {
                let alone = written((&params, &model), &pack(&[text]), &settings).unwrap();
                assert_eq!(found, &alone[0], "{n_beams} beams, {text:?}");
            }
        }
    }

    /// Longer than the biases reach at first, twice over.
    #[test]
    fn a_long_text_is_the_text_that_is_decoded_without_a_cache() {
        let (params, model) = model_that_ends(Vec::new());
        let settings = GenerationSettings {
            max_new_tokens: NonZeroUsize::new(3 * FIRST_REACH).unwrap(),
            ..GenerationSettings::default()
        };
        let source = pack(&[&[3, 9, 27, 4]]);
        let found = written((&params, &model), &source, &settings).unwrap();
        let ids = &found[0].ids;
        assert_eq!(ids.len(), 3 * FIRST_REACH);
        let inputs: Vec<u32> = std::iter::once(0).chain(ids.iter().copied()).collect();
        let zeros = vec![0; inputs.len()];
        let inputs = PackedTokens::pack([(inputs.as_slice(), zeros.as_slice())]).unwrap();
        let mut tape = Tape::new(&params, Mode::Inference);
        let logits = model.logits(&mut tape, &source, &inputs).unwrap();
        for (at, &id) in ids.iter().enumerate() {
            let row = tape.value(logits).row(at);
            assert!(row.iter().all(|&v| v <= row[id as usize]), "token {at}");
        }
    }

    #[test]
    fn a_length_penalty_that_is_no_number_is_refused() {
        let (params, model) = model();
        let settings = GenerationSettings {
            length_penalty: f64::NAN,
            ..GenerationSettings::default()
        };
        let of = (&params, &model);
        assert!(written(of, &pack(&[&[3]]), &settings).is_err());
        let wrong = pack(&[&[40]]);
        assert!(written(of, &wrong, &GenerationSettings::default()).is_err());
    }
}
