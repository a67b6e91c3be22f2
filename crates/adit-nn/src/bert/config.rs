//! The configuration of a BERT, read from Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};

use crate::error::NnError;

/// The sizes and rates of a BERT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Always `bert`.
    pub model_type: String,
    /// How many word pieces there are.
    pub vocab_size: usize,
    /// The width of a token.
    pub hidden_size: usize,
    /// How many layers.
    pub num_hidden_layers: usize,
    /// How many heads per layer.
    pub num_attention_heads: usize,
    /// The width of the feed-forward part.
    pub intermediate_size: usize,
    /// Always `gelu`.
    pub hidden_act: String,
    /// The dropout of hidden states.
    pub hidden_dropout_prob: f32,
    /// The dropout of attention weights.
    pub attention_probs_dropout_prob: f32,
    /// The longest sequence.
    pub max_position_embeddings: usize,
    /// How many segment kinds.
    pub type_vocab_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f32,
    /// The dropout before the classifier; that of hidden states where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier_dropout: Option<f32>,
}

/// What a file may say; absent fields have the values of Hugging Face's `BertConfig`.
#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    hidden_dropout_prob: f32,
    attention_probs_dropout_prob: f32,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f32,
    classifier_dropout: Option<f32>,
    position_embedding_type: Option<String>,
    is_decoder: bool,
    add_cross_attention: bool,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            model_type: None,
            architectures: None,
            vocab_size: 30522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            classifier_dropout: None,
            position_embedding_type: None,
            is_decoder: false,
            add_cross_attention: false,
        }
    }
}

impl BertConfig {
    /// Reads a `config.json`.
    ///
    /// Errors: text that is not such a file, an architecture that is not BERT, or a variant of it
    /// (activation, positions, decoder) that is not built.
    pub fn from_json(text: &str) -> Result<Self, NnError> {
        let raw: Raw = serde_json::from_str(text).map_err(|e| NnError::Config {
            reason: e.to_string(),
        })?;
        refuse_other_models(&raw)?;
        let config = Self {
            model_type: "bert".into(),
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            hidden_act: raw.hidden_act,
            hidden_dropout_prob: raw.hidden_dropout_prob,
            attention_probs_dropout_prob: raw.attention_probs_dropout_prob,
            max_position_embeddings: raw.max_position_embeddings,
            type_vocab_size: raw.type_vocab_size,
            layer_norm_eps: raw.layer_norm_eps,
            classifier_dropout: raw.classifier_dropout,
        };
        config.check()?;
        Ok(config)
    }

    /// The dropout before the classifier.
    pub fn head_dropout(&self) -> f32 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
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
            ("type_vocab_size", self.type_vocab_size, 1 << 16),
        ];
        for (field, value, most) in sizes {
            if value == 0 || value > most {
                return refuse(format!("{field} is {value}, not between 1 and {most}"));
            }
        }
        if self.num_hidden_layers > 1 << 10 {
            return refuse(format!(
                "num_hidden_layers is {}, more than 1024",
                self.num_hidden_layers
            ));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
            return refuse(format!(
                "hidden_size {hidden} is not a multiple of num_attention_heads {heads}"
            ));
        }
        let rates = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
            ("classifier_dropout", self.head_dropout()),
        ];
        for (field, rate) in rates {
            if !(0.0..1.0).contains(&rate) {
                return refuse(format!("{field} is {rate}, not in [0, 1)"));
            }
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps >= 0.0) {
            return refuse(format!(
                "layer_norm_eps is {}, not a small positive number",
                self.layer_norm_eps
            ));
        }
        Ok(())
    }
}

fn refuse_other_models(raw: &Raw) -> Result<(), NnError> {
    let unsupported = |field, found: &str, supported| {
        Err(NnError::Unsupported {
            field,
            found: found.to_string(),
            supported,
        })
    };
    let first = raw
        .architectures
        .as_ref()
        .and_then(|a| a.first())
        .map(String::as_str);
    match (raw.model_type.as_deref(), first) {
        (Some("bert"), _) => {}
        (Some(other), _) => return unsupported("model_type", other, "bert"),
        (None, Some(name)) if name.starts_with("Bert") && !name.starts_with("BertGeneration") => {}
        (None, Some(name)) => return unsupported("architectures", name, "Bert…"),
        (None, None) => return unsupported("model_type", "", "bert"),
    }
    if let Some(name) = first.filter(|name| !name.starts_with("Bert")) {
        return unsupported("architectures", name, "Bert…");
    }
    if raw.hidden_act != "gelu" {
        return unsupported("hidden_act", &raw.hidden_act, "gelu");
    }
    if let Some(kind) = raw
        .position_embedding_type
        .as_deref()
        .filter(|&kind| kind != "absolute")
    {
        return unsupported("position_embedding_type", kind, "absolute");
    }
    if raw.is_decoder || raw.add_cross_attention {
        return unsupported("is_decoder", "true", "encoders");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 10,
        "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}"#;

    #[test]
    fn absent_fields_have_the_values_of_hugging_face() {
        let config = BertConfig::from_json(SMALL).unwrap();
        assert_eq!(
            (config.vocab_size, config.max_position_embeddings),
            (10, 512)
        );
        assert_eq!((config.layer_norm_eps, config.head_dropout()), (1e-12, 0.1));
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(BertConfig::from_json(&again).unwrap(), config);
    }

    #[test]
    fn other_models_are_refused_by_name() {
        for (from, to, named) in [
            ("\"bert\"", "\"roberta\"", "roberta"),
            ("BertModel", "RobertaModel", "RobertaModel"),
            (
                "\"vocab_size\"",
                "\"hidden_act\": \"swish\", \"vocab_size\"",
                "swish",
            ),
            (
                "\"vocab_size\"",
                "\"position_embedding_type\": \"relative_key\", \"vocab_size\"",
                "relative_key",
            ),
            (
                "\"vocab_size\"",
                "\"is_decoder\": true, \"vocab_size\"",
                "is_decoder",
            ),
            (
                "\"model_type\": \"bert\", \"architectures\": [\"BertModel\"],",
                "",
                "model_type",
            ),
        ] {
            let error = BertConfig::from_json(&SMALL.replace(from, to)).unwrap_err();
            assert!(matches!(error, NnError::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for (from, to) in [
            ("\"hidden_size\": 4", "\"hidden_size\": 5"),
            ("\"hidden_size\": 4", "\"hidden_size\": 0"),
            ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0"),
            ("\"vocab_size\": 10", "\"vocab_size\": 99999999999"),
            ("\"vocab_size\": 10", "\"vocab_size\": -1"),
            ("\"vocab_size\": 10", "\"hidden_dropout_prob\": 1.5"),
            ("{", "["),
        ] {
            let error = BertConfig::from_json(&SMALL.replace(from, to)).unwrap_err();
            assert!(matches!(error, NnError::Config { .. }), "{to}: {error}");
        }
    }
}
