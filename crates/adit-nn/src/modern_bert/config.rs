//! The configuration of a ModernBERT, read from Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::NnError;

/// The deviation of drawn weights.
pub(super) const SPREAD: f32 = 0.02;

/// What the classifier sees of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassifierPooling {
    /// The state of the first token.
    Cls,
    /// The mean over all tokens.
    Mean,
}

/// The sizes and rates of a ModernBERT; serialised, it is a `config.json` again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModernBertConfig {
    /// Always `modernbert`.
    pub model_type: String,
    /// How many word pieces there are.
    pub vocab_size: usize,
    /// The width of a token.
    pub hidden_size: usize,
    /// The width of the feed-forward part (of one of its two halves).
    pub intermediate_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// How many heads per layer.
    pub num_attention_heads: usize,
    /// Always `gelu`.
    pub hidden_activation: String,
    /// The longest sequence.
    pub max_position_embeddings: usize,
    /// Added to variances.
    pub norm_eps: f32,
    /// Layer norms have shifts.
    pub norm_bias: bool,
    /// The maps of attention have biases.
    pub attention_bias: bool,
    /// The maps of the feed-forward part have biases.
    pub mlp_bias: bool,
    /// The dropout of attention weights and of what attention gives.
    pub attention_dropout: f32,
    /// The dropout of embeddings.
    pub embedding_dropout: f32,
    /// The dropout inside the feed-forward part.
    pub mlp_dropout: f32,
    /// `full_attention` or `sliding_attention`, for every layer.
    pub layer_types: Vec<LayerType>,
    /// The bases of rotary positions.
    pub rope_parameters: RopeParameters,
    /// The tokens that a local layer sees: half of them on either side.
    pub local_attention: usize,
    /// What the classifier sees.
    pub classifier_pooling: ClassifierPooling,
    /// The dropout before the classifier.
    pub classifier_dropout: f32,
    /// The first map of the classifier has a bias.
    pub classifier_bias: bool,
    /// Always `gelu`.
    pub classifier_activation: String,
    /// The token that fills up; kept because Hugging Face refuses one outside the vocabulary.
    pub pad_token_id: Option<u32>,
}

/// Which keys a layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// All.
    FullAttention,
    /// Those near by.
    SlidingAttention,
}

/// The bases of rotary positions, by the type of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RopeParameters {
    /// Of layers that see all keys.
    pub full_attention: Rope,
    /// Of layers that see keys near by.
    pub sliding_attention: Rope,
}

/// One base of rotary positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// The base of the frequencies.
    pub rope_theta: f64,
    /// Always `default`.
    pub rope_type: String,
}

/// What a file may say; absent fields have the values of Hugging Face's `ModernBertConfig`.
#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_activation: String,
    max_position_embeddings: usize,
    norm_eps: f32,
    norm_bias: bool,
    attention_bias: bool,
    mlp_bias: bool,
    attention_dropout: f32,
    embedding_dropout: f32,
    mlp_dropout: f32,
    layer_types: Option<Vec<String>>,
    global_attn_every_n_layers: usize,
    rope_parameters: Option<RawRopes>,
    rope_scaling: Option<Value>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    local_attention: usize,
    classifier_pooling: ClassifierPooling,
    classifier_dropout: f32,
    classifier_bias: bool,
    classifier_activation: String,
    pad_token_id: Option<u32>,
}

#[derive(Deserialize)]
struct RawRopes {
    full_attention: Option<RawRope>,
    sliding_attention: Option<RawRope>,
}

#[derive(Deserialize)]
struct RawRope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            model_type: None,
            vocab_size: 50368,
            hidden_size: 768,
            intermediate_size: 1152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            hidden_activation: "gelu".into(),
            max_position_embeddings: 8192,
            norm_eps: 1e-5,
            norm_bias: false,
            attention_bias: false,
            mlp_bias: false,
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            mlp_dropout: 0.0,
            layer_types: None,
            global_attn_every_n_layers: 3,
            rope_parameters: None,
            rope_scaling: None,
            global_rope_theta: None,
            local_rope_theta: None,
            local_attention: 128,
            classifier_pooling: ClassifierPooling::Cls,
            classifier_dropout: 0.0,
            classifier_bias: false,
            classifier_activation: "gelu".into(),
            pad_token_id: Some(50283),
        }
    }
}

fn unsupported<T>(field: &'static str, found: &str, supported: &'static str) -> Result<T, NnError> {
    Err(NnError::Unsupported {
        field,
        found: found.to_string(),
        supported,
    })
}

impl Raw {
    fn layer_types(&self) -> Result<Vec<LayerType>, NnError> {
        let Some(types) = &self.layer_types else {
            let every = self.global_attn_every_n_layers;
            if every == 0 || self.num_hidden_layers > 1 << 10 {
                return Err(NnError::Config {
                    reason: format!(
                        "global_attn_every_n_layers is {every}, num_hidden_layers {}",
                        self.num_hidden_layers
                    ),
                });
            }
            let local = |at: usize| !at.is_multiple_of(every);
            return Ok((0..self.num_hidden_layers)
                .map(|at| {
                    if local(at) {
                        LayerType::SlidingAttention
                    } else {
                        LayerType::FullAttention
                    }
                })
                .collect());
        };
        types
            .iter()
            .map(|name| match name.as_str() {
                "full_attention" => Ok(LayerType::FullAttention),
                "sliding_attention" => Ok(LayerType::SlidingAttention),
                other => unsupported("layer_types", other, "full_attention, sliding_attention"),
            })
            .collect()
    }

    fn ropes(&self) -> Result<RopeParameters, NnError> {
        if self.rope_scaling.as_ref().is_some_and(|v| !v.is_null()) {
            return unsupported("rope_scaling", "a scaling", "no scaling");
        }
        let rope = |raw: Option<&RawRope>, old: Option<f64>, usual: f64| {
            let kind = raw.and_then(|raw| raw.rope_type.as_deref());
            match kind {
                None | Some("default") => Ok(Rope {
                    rope_theta: raw.and_then(|raw| raw.rope_theta).or(old).unwrap_or(usual),
                    rope_type: "default".into(),
                }),
                Some(other) => unsupported("rope_type", other, "default"),
            }
        };
        let new = self.rope_parameters.as_ref();
        let full = new.and_then(|ropes| ropes.full_attention.as_ref());
        let sliding = new.and_then(|ropes| ropes.sliding_attention.as_ref());
        Ok(RopeParameters {
            full_attention: rope(full, self.global_rope_theta, 160_000.0)?,
            sliding_attention: rope(sliding, self.local_rope_theta, 10_000.0)?,
        })
    }
}

impl ModernBertConfig {
    /// Reads a `config.json`, of transformers 4 (`global_rope_theta`, …) or 5 (`rope_parameters`).
    ///
    /// Errors: text that is not such a file, an architecture that is not ModernBERT, or a variant of
    /// it (activation, scaled positions) that is not built.
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
        match raw.model_type.as_deref() {
            Some("modernbert") => {}
            other => return unsupported("model_type", other.unwrap_or_default(), "modernbert"),
        }
        if raw.hidden_activation != "gelu" {
            return unsupported("hidden_activation", &raw.hidden_activation, "gelu");
        }
        if raw.classifier_activation != "gelu" {
            return unsupported("classifier_activation", &raw.classifier_activation, "gelu");
        }
        let config = Self {
            model_type: "modernbert".into(),
            layer_types: raw.layer_types()?,
            rope_parameters: raw.ropes()?,
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            hidden_activation: raw.hidden_activation,
            max_position_embeddings: raw.max_position_embeddings,
            norm_eps: raw.norm_eps,
            norm_bias: raw.norm_bias,
            attention_bias: raw.attention_bias,
            mlp_bias: raw.mlp_bias,
            attention_dropout: raw.attention_dropout,
            embedding_dropout: raw.embedding_dropout,
            mlp_dropout: raw.mlp_dropout,
            local_attention: raw.local_attention,
            classifier_pooling: raw.classifier_pooling,
            classifier_dropout: raw.classifier_dropout,
            classifier_bias: raw.classifier_bias,
            classifier_activation: raw.classifier_activation,
            pad_token_id: raw.pad_token_id,
        };
        config.check()?;
        Ok(config)
    }

    /// The same model without any dropout, in training too.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        Self {
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            mlp_dropout: 0.0,
            classifier_dropout: 0.0,
            ..self
        }
    }

    /// The deviation of drawn weights that write into the sum of all layers.
    pub(super) fn deep_spread(&self) -> f32 {
        SPREAD / (2.0 * self.num_hidden_layers.max(1) as f32).sqrt()
    }

    /// The width of a head.
    pub fn head(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Checks that the sizes and rates fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 20,
            ),
            ("local_attention", self.local_attention, 1 << 20),
        ];
        for (field, value, most) in sizes {
            if value == 0 || value > most {
                return refuse(format!("{field} is {value}, not between 1 and {most}"));
            }
        }
        let (layers, types) = (self.num_hidden_layers, self.layer_types.len());
        if layers == 0 || layers > 1 << 10 || layers != types {
            return refuse(format!(
                "num_hidden_layers is {layers}, with {types} layer_types; 1 to 1024 fit"
            ));
        }
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if !hidden.is_multiple_of(2 * heads) {
            return refuse(format!(
                "hidden_size {hidden} is not an even multiple of num_attention_heads {heads}"
            ));
        }
        for (field, rate) in [
            ("attention_dropout", self.attention_dropout),
            ("embedding_dropout", self.embedding_dropout),
            ("mlp_dropout", self.mlp_dropout),
            ("classifier_dropout", self.classifier_dropout),
        ] {
            if !(0.0..1.0).contains(&rate) {
                return refuse(format!("{field} is {rate}, not in [0, 1)"));
            }
        }
        let ropes = &self.rope_parameters;
        for theta in [
            ropes.full_attention.rope_theta,
            ropes.sliding_attention.rope_theta,
        ] {
            if !(theta.is_finite() && theta > 0.0) {
                return refuse(format!("rope_theta is {theta}, not a positive number"));
            }
        }
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return refuse(format!(
                "norm_eps is {}, not a small positive number",
                self.norm_eps
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type": "modernbert", "vocab_size": 10, "hidden_size": 8,
        "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 8}"#;

    #[test]
    fn absent_fields_have_the_values_of_hugging_face() {
        let config = ModernBertConfig::from_json(SMALL).unwrap();
        let full: Vec<bool> = config
            .layer_types
            .iter()
            .map(|&t| t == LayerType::FullAttention)
            .collect();
        assert_eq!(full, [true, false, false, true]);
        let ropes = &config.rope_parameters;
        assert_eq!(ropes.full_attention.rope_theta, 160_000.0);
        assert_eq!(ropes.sliding_attention.rope_theta, 10_000.0);
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(ModernBertConfig::from_json(&again).unwrap(), config);
    }

    #[test]
    fn fields_of_older_files_are_understood() {
        let old = SMALL.replace(
            "\"vocab_size\"",
            r#""global_rope_theta": 7.0, "local_rope_theta": 5.0, "global_attn_every_n_layers": 2,
            "vocab_size""#,
        );
        let config = ModernBertConfig::from_json(&old).unwrap();
        assert_eq!(config.rope_parameters.full_attention.rope_theta, 7.0);
        assert_eq!(config.rope_parameters.sliding_attention.rope_theta, 5.0);
        assert_eq!(config.layer_types[2], LayerType::FullAttention);
    }

    #[test]
    fn variants_that_are_not_built_are_refused_by_name() {
        for (to, named) in [
            (r#""hidden_activation": "silu""#, "silu"),
            (r#""rope_scaling": {"factor": 2}"#, "rope_scaling"),
            (
                r#""rope_parameters": {"full_attention": {"rope_type": "yarn"}}"#,
                "yarn",
            ),
            (r#""layer_types": ["chunked_attention"]"#, "chunked"),
        ] {
            let text = SMALL.replace("\"vocab_size\"", &format!("{to}, \"vocab_size\""));
            let error = ModernBertConfig::from_json(&text).unwrap_err();
            assert!(matches!(error, NnError::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
        let other = ModernBertConfig::from_json(&SMALL.replace("modernbert", "bert")).unwrap_err();
        assert!(matches!(other, NnError::Unsupported { .. }), "{other}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for (from, to) in [
            ("\"hidden_size\": 8", "\"hidden_size\": 6"),
            ("\"hidden_size\": 8", "\"hidden_size\": 0"),
            ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 9999999"),
            ("\"vocab_size\": 10", "\"vocab_size\": -1"),
            ("\"vocab_size\": 10", "\"local_attention\": 0"),
            ("\"vocab_size\": 10", "\"mlp_dropout\": 1.0"),
            ("\"vocab_size\": 10", "\"global_rope_theta\": -4.0"),
            ("\"vocab_size\": 10", "\"global_attn_every_n_layers\": 0"),
        ] {
            let error = ModernBertConfig::from_json(&SMALL.replace(from, to)).unwrap_err();
            assert!(matches!(error, NnError::Config { .. }), "{to}: {error}");
        }
    }
}
