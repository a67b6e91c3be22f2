//! Prediction of masked words (Devlin et al., 2019, section 3.1), as Hugging Face's classes `…ForMaskedLM`.

use crate::bert_like::{BertLike, BertLikeConfig, Family};
use crate::encoder::unsupported;
use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::parameter_source::ParameterSource;
use crate::params::{ParamId, Params};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// An encoder with a head that predicts words from their surroundings; the last map is the table of
/// the words' vectors.
#[derive(Clone, Debug)]
pub struct MaskedLm {
    encoder: BertLike,
    dense: Linear,
    norm: LayerNorm,
    bias: ParamId,
}

/// What a family calls the parts of the head.
struct HeadNames {
    dense: &'static str,
    norm: &'static str,
    bias: &'static str,
}

impl HeadNames {
    fn of(family: Family) -> Result<Self, NnError> {
        let names = |dense, norm, bias| Ok(Self { dense, norm, bias });
        match family {
            Family::Bert => names(
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions",
            ),
            Family::Roberta | Family::XlmRoberta | Family::MpNet => {
                names("lm_head.dense", "lm_head.layer_norm", "lm_head")
            }
            Family::DistilBert => names("vocab_transform", "vocab_layer_norm", "vocab_projector"),
            Family::Albert => names("predictions.dense", "predictions.LayerNorm", "predictions"),
            Family::Electra => Err(unsupported(
                "model_type",
                "electra",
                "for masked words: albert, bert, distilbert, mpnet, roberta, xlm-roberta",
            )),
        }
    }
}

impl MaskedLm {
    /// A model with weights drawn from `seed`.
    ///
    /// Errors: a family whose head for masked words is not built.
    pub fn new(config: &BertLikeConfig, params: &mut Params, seed: u64) -> Result<Self, NnError> {
        let names = HeadNames::of(config.family)?;
        let encoder = BertLike::new(config, params, seed);
        let mut source = ParameterSource::drawn(params, crate::random::mix(seed, 3));
        let (dense, norm, bias) = head(config, &names, &mut source);
        Ok(Self {
            encoder,
            dense,
            norm,
            bias,
        })
    }

    /// The model of `files`; a head that they have not is drawn from `seed`.
    ///
    /// Errors: as [`crate::Encoder::load`], and a family whose head is not built.
    pub fn load(
        config: &BertLikeConfig,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let names = HeadNames::of(config.family)?;
        let encoder = BertLike::load(config, files, params, seed)?;
        let prefixes = std::slice::from_ref(&config.family.traits().prefix);
        let seed = crate::random::mix(seed, 3);
        let there = files.shape(&format!("{}.weight", names.dense)).is_some();
        let mut source = if there {
            ParameterSource::read(params, files, prefixes, seed)
        } else {
            ParameterSource::drawn(params, seed)
        };
        let (dense, norm, bias) = head(config, &names, &mut source);
        source.finish()?;
        Ok(Self {
            encoder,
            dense,
            norm,
            bias,
        })
    }

    /// The logits of the words at `places`, positions among all tokens: `[places.len(), vocab_size]`.
    ///
    /// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
    pub fn logits(
        &self,
        tape: &mut Tape<'_>,
        tokens: &PackedTokens,
        places: &[usize],
    ) -> Result<Var, NnError> {
        if let Some(place) = places.iter().find(|&&place| place >= tokens.ids.len()) {
            let reason = format!("there is no token {place}");
            return Err(NnError::Tokens { reason });
        }
        let config = self.encoder.config();
        let x = self.encoder.embed_tokens(tape, tokens)?;
        let hidden = self.encoder.layers(tape, x, tokens, 0..config.n_layers());
        let asked = tape.select_rows(hidden, places);
        let bent = config.hidden_act.of_linear(tape, &self.dense, asked);
        let normal = self.norm.apply(tape, bent, None);
        let (words, bias) = (tape.param(self.encoder.words()), tape.param(self.bias));
        Ok(tape.linear(normal, words, Some(bias)))
    }

    /// The mean loss over `places`, whose words were `words`.
    ///
    /// Errors: as [`MaskedLm::logits`].
    pub fn loss(
        &self,
        tape: &mut Tape<'_>,
        tokens: &PackedTokens,
        (places, words): (&[usize], &[u32]),
    ) -> Result<Var, NnError> {
        let logits = self.logits(tape, tokens, places)?;
        Ok(tape.cross_entropy(logits, words, None))
    }
}

fn head(
    config: &BertLikeConfig,
    names: &HeadNames,
    source: &mut ParameterSource<'_>,
) -> (Linear, LayerNorm, ParamId) {
    let (hidden, narrow) = (config.hidden_size, config.embedding_size);
    (
        source.linear(names.dense, (hidden, narrow)),
        source.norm(names.norm, narrow, config.layer_norm_eps),
        source.vector(&format!("{}.bias", names.bias), config.vocab_size, 0.0),
    )
}
