//! The configuration of a T5, read from Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::NnError;

/// How the feed-forward part bends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedForwardKind {
    /// ReLU (T5 1.0).
    Relu,
    /// GELU of one map times another (T5 1.1, Flan-T5).
    GatedGelu,
}

/// The sizes and rates of a T5; serialised, it is a `config.json` again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct T5Config {
    /// Always `t5`.
    pub model_type: String,
    /// How many word pieces there are.
    pub vocab_size: usize,
    /// The width of a token.
    pub d_model: usize,
    /// The width of a head; not always `d_model / num_heads`.
    pub d_kv: usize,
    /// The width of the feed-forward part.
    pub d_ff: usize,
    /// How many layers the encoder has.
    pub num_layers: usize,
    /// How many layers the decoder has.
    pub num_decoder_layers: usize,
    /// How many heads per layer.
    pub num_heads: usize,
    /// How many classes of distances between tokens.
    pub relative_attention_num_buckets: usize,
    /// From this distance on all are in one class.
    pub relative_attention_max_distance: usize,
    /// The dropout of hidden states and attention weights.
    pub dropout_rate: f32,
    /// Added to mean squares.
    pub layer_norm_epsilon: f32,
    /// What deviations of drawn weights are multiplied by.
    pub initializer_factor: f32,
    /// How the feed-forward part bends.
    pub feed_forward_proj: FeedForwardKind,
    /// The words' vectors are also the rows of the last map.
    pub tie_word_embeddings: bool,
    /// What enters the last map is divided by the root of `d_model`.
    pub scale_decoder_outputs: bool,
    /// The texts that the model was trained on had so many tokens; longer ones are read too.
    pub n_positions: usize,
    /// The token that fills up.
    pub pad_token_id: u32,
    /// The tokens that end a text.
    pub eos_token_id: Vec<u32>,
    /// The token from which the decoder starts.
    pub decoder_start_token_id: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

/// What a file may say; absent fields have the values of Hugging Face's `T5Config`.
#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    model_type: Option<String>,
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: usize,
    dropout_rate: f32,
    layer_norm_epsilon: f32,
    initializer_factor: f32,
    feed_forward_proj: String,
    tie_word_embeddings: Option<bool>,
    scale_decoder_outputs: Option<bool>,
    n_positions: usize,
    pad_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
    decoder_start_token_id: Option<u32>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            model_type: None,
            vocab_size: 32128,
            d_model: 512,
            d_kv: 64,
            d_ff: 2048,
            num_layers: 6,
            num_decoder_layers: None,
            num_heads: 8,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            dropout_rate: 0.1,
            layer_norm_epsilon: 1e-6,
            initializer_factor: 1.0,
            feed_forward_proj: "relu".into(),
            tie_word_embeddings: None,
            scale_decoder_outputs: None,
            n_positions: 512,
            pad_token_id: Some(0),
            eos_token_id: Some(OneOrMore::One(1)),
            decoder_start_token_id: None,
        }
    }
}

impl T5Config {
    /// Reads a `config.json`.
    ///
    /// Where it does not say whether the decoder's output is scaled, it is unless the words' vectors
    /// are declared untied, as in Hugging Face. A decoder without a start token starts from padding.
    ///
    /// Errors: text that is not such a file, an architecture that is not T5, or a feed-forward part
    /// that is not built.
    pub fn from_json(text: &str) -> Result<Self, NnError> {
        let value = serde_json::from_str(text).map_err(|e| NnError::Config {
            reason: e.to_string(),
        })?;
        Self::from_value(value)
    }

    /// As [`Self::from_json`], of text that is read already.
    pub(crate) fn from_value(value: Value) -> Result<Self, NnError> {
        let raw: Raw = serde_json::from_value(value).map_err(|e| NnError::Config {
            reason: e.to_string(),
        })?;
        let unsupported = |field, found: &str, supported| {
            Err(NnError::Unsupported {
                field,
                found: found.to_string(),
                supported,
            })
        };
        if raw.model_type.as_deref() != Some("t5") {
            let found = raw.model_type.as_deref().unwrap_or_default();
            return unsupported("model_type", found, "t5");
        }
        let feed_forward_proj = match raw.feed_forward_proj.as_str() {
            "relu" => FeedForwardKind::Relu,
            "gated-gelu" => FeedForwardKind::GatedGelu,
            other => return unsupported("feed_forward_proj", other, "relu, gated-gelu"),
        };
        let tied = raw.tie_word_embeddings != Some(false);
        let pad_token_id = raw.pad_token_id.unwrap_or(0);
        let config = Self {
            model_type: "t5".into(),
            vocab_size: raw.vocab_size,
            d_model: raw.d_model,
            d_kv: raw.d_kv,
            d_ff: raw.d_ff,
            num_layers: raw.num_layers,
            num_decoder_layers: raw.num_decoder_layers.unwrap_or(raw.num_layers),
            num_heads: raw.num_heads,
            relative_attention_num_buckets: raw.relative_attention_num_buckets,
            relative_attention_max_distance: raw.relative_attention_max_distance,
            dropout_rate: raw.dropout_rate,
            layer_norm_epsilon: raw.layer_norm_epsilon,
            initializer_factor: raw.initializer_factor,
            feed_forward_proj,
            tie_word_embeddings: tied,
            scale_decoder_outputs: raw.scale_decoder_outputs.unwrap_or(tied),
            n_positions: raw.n_positions,
            pad_token_id,
            eos_token_id: match raw.eos_token_id {
                None => Vec::new(),
                Some(OneOrMore::One(id)) => vec![id],
                Some(OneOrMore::More(ids)) => ids,
            },
            decoder_start_token_id: raw.decoder_start_token_id.unwrap_or(pad_token_id),
        };
        config.check()?;
        Ok(config)
    }

    /// The same model without any dropout, in training too.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        Self {
            dropout_rate: 0.0,
            ..self
        }
    }

    /// The columns of queries, keys and values.
    pub fn inner(&self) -> usize {
        self.num_heads * self.d_kv
    }

    /// Checks that the sizes and rates fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        let sizes = [
            ("vocab_size", self.vocab_size, 1, 1 << 24),
            ("d_model", self.d_model, 1, 1 << 16),
            ("d_kv", self.d_kv, 1, 1 << 16),
            ("d_ff", self.d_ff, 1, 1 << 20),
            ("num_heads", self.num_heads, 1, 1 << 12),
            ("num_layers", self.num_layers, 1, 1 << 10),
            ("num_decoder_layers", self.num_decoder_layers, 1, 1 << 10),
            ("n_positions", self.n_positions, 1, 1 << 20),
            (
                "relative_attention_num_buckets",
                self.relative_attention_num_buckets,
                4,
                1 << 16,
            ),
        ];
        for (field, value, least, most) in sizes {
            if value < least || value > most {
                return refuse(format!(
                    "{field} is {value}, not between {least} and {most}"
                ));
            }
        }
        let (buckets, distance) = (
            self.relative_attention_num_buckets,
            self.relative_attention_max_distance,
        );
        if !buckets.is_multiple_of(4) || distance <= buckets / 2 {
            return refuse(format!(
                "{buckets} relative_attention_num_buckets do not fit a \
                 relative_attention_max_distance of {distance}"
            ));
        }
        if !(0.0..1.0).contains(&self.dropout_rate) {
            return refuse(format!(
                "dropout_rate is {}, not in [0, 1)",
                self.dropout_rate
            ));
        }
        for (field, value) in [
            ("layer_norm_epsilon", self.layer_norm_epsilon),
            ("initializer_factor", self.initializer_factor),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(format!("{field} is {value}, not a positive number"));
            }
        }
        let special = [self.pad_token_id, self.decoder_start_token_id];
        let mut ids = special.iter().chain(&self.eos_token_id);
        match ids.find(|&&id| id as usize >= self.vocab_size) {
            Some(id) => refuse(format!(
                "token {id} is outside the vocabulary of {}",
                self.vocab_size
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type": "t5", "vocab_size": 10, "d_model": 4}"#;

    fn with(field: &str) -> Result<T5Config, NnError> {
        T5Config::from_json(&SMALL.replace("\"vocab_size\"", &format!("{field}, \"vocab_size\"")))
    }

    #[test]
    fn absent_fields_have_the_values_of_hugging_face() {
        let config = T5Config::from_json(SMALL).unwrap();
        assert_eq!((config.num_layers, config.num_decoder_layers), (6, 6));
        assert_eq!(
            (config.inner(), config.eos_token_id.as_slice()),
            (512, &[1][..])
        );
        assert!(config.tie_word_embeddings && config.scale_decoder_outputs);
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(T5Config::from_json(&again).unwrap(), config);
    }

    #[test]
    fn outputs_are_scaled_unless_the_words_are_declared_untied() {
        let untied = with(r#""tie_word_embeddings": false"#).unwrap();
        assert!(!untied.tie_word_embeddings && !untied.scale_decoder_outputs);
        let said = with(r#""tie_word_embeddings": true, "scale_decoder_outputs": false"#).unwrap();
        assert!(said.tie_word_embeddings && !said.scale_decoder_outputs);
        let again = serde_json::to_string(&said).unwrap();
        assert_eq!(T5Config::from_json(&again).unwrap(), said);
    }

    #[test]
    fn a_decoder_without_a_start_starts_from_padding() {
        let config = with(r#""pad_token_id": 3, "eos_token_id": [1, 2]"#).unwrap();
        assert_eq!(config.decoder_start_token_id, 3);
        assert_eq!(config.eos_token_id, [1, 2]);
    }

    #[test]
    fn variants_that_are_not_built_are_refused_by_name() {
        let error = with(r#""feed_forward_proj": "gated-silu""#).unwrap_err();
        assert!(error.to_string().contains("gated-silu"), "{error}");
        let error = T5Config::from_json(&SMALL.replace("t5", "umt5")).unwrap_err();
        assert!(error.to_string().contains("umt5"), "{error}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for field in [
            r#""d_kv": 0"#,
            r#""num_layers": 0"#,
            r#""num_decoder_layers": 99999"#,
            r#""relative_attention_num_buckets": 30"#,
            r#""relative_attention_max_distance": 16"#,
            r#""dropout_rate": 1.0"#,
            r#""layer_norm_epsilon": -1"#,
            r#""eos_token_id": 10"#,
            r#""decoder_start_token_id": -1"#,
        ] {
            let error = with(field).unwrap_err();
            assert!(matches!(error, NnError::Config { .. }), "{field}: {error}");
        }
    }
}
