//! The configuration of any encoder, read from Hugging Face's `config.json`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::bert_like::{BertLikeConfig, Family};
use crate::encoder::{Fields, unsupported};
use crate::error::NnError;

/// Every `model_type` that is read.
const MODEL_TYPES: &str = "albert, bert, distilbert, electra, mpnet, roberta, xlm-roberta";
/// What the classes of those are called.
const CLASSES: &str = "Albert…, Bert…, DistilBert…, Electra…, MPNet…, Roberta…, XLMRoberta…";

/// The configuration of an encoder; the family is told by `model_type`, in files and when stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EncoderConfig {
    /// The line of BERT.
    BertLike(BertLikeConfig),
}

impl EncoderConfig {
    /// Reads a `config.json`.
    ///
    /// Errors: text that is not such a file, an architecture that is not built (named), or a variant
    /// of one (activation, positions, decoder) that is not built.
    pub fn from_json(text: &str) -> Result<Self, NnError> {
        let value = serde_json::from_str(text).map_err(|e| NnError::Config {
            reason: e.to_string(),
        })?;
        Self::from_value(value)
    }

    fn from_value(value: Value) -> Result<Self, NnError> {
        let fields = Fields::of(value)?;
        let class = fields.first("architectures")?;
        let family =
            match (fields.text(&["model_type"])?, class) {
                (Some(name), _) => Family::named(name)
                    .ok_or_else(|| unsupported("model_type", name, MODEL_TYPES))?,
                (None, Some(name)) => Family::of_class(name)
                    .ok_or_else(|| unsupported("architectures", name, CLASSES))?,
                (None, None) => return Err(unsupported("model_type", "", MODEL_TYPES)),
            };
        if let Some(name) = class.filter(|name| !family.has_class(name)) {
            return Err(unsupported("architectures", name, CLASSES));
        }
        Ok(Self::BertLike(BertLikeConfig::from_fields(
            family, &fields,
        )?))
    }

    /// Checks that the sizes and rates fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field.
    pub fn check(&self) -> Result<(), NnError> {
        let Self::BertLike(config) = self;
        config.check()
    }

    /// The `model_type` of `config.json`.
    pub fn model_type(&self) -> &'static str {
        let Self::BertLike(config) = self;
        config.family.model_type()
    }

    /// The width of a hidden state.
    pub fn hidden_size(&self) -> usize {
        let Self::BertLike(config) = self;
        config.hidden_size
    }

    /// How many layers a token passes.
    pub fn n_layers(&self) -> usize {
        let Self::BertLike(config) = self;
        config.n_layers()
    }

    /// The longest sequence, in tokens.
    pub fn max_tokens(&self) -> usize {
        let Self::BertLike(config) = self;
        config.max_tokens()
    }

    /// How many different tokens there are.
    pub fn vocab_size(&self) -> usize {
        let Self::BertLike(config) = self;
        config.vocab_size
    }

    /// The dropout before the classifier's last linear map.
    pub fn head_dropout(&self) -> f32 {
        let Self::BertLike(config) = self;
        config.classifier_dropout
    }

    /// The same encoder without any dropout, in training too.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        let Self::BertLike(config) = self;
        Self::BertLike(config.without_dropout())
    }

    /// The full name of the classifier's last linear map.
    pub(crate) fn head_name(&self) -> &'static str {
        let Self::BertLike(config) = self;
        config.family.traits().head
    }

    /// What the names of the encoder's tensors start with, and may lack.
    pub(crate) fn prefix(&self) -> &'static str {
        let Self::BertLike(config) = self;
        config.family.traits().prefix
    }
}

impl From<BertLikeConfig> for EncoderConfig {
    fn from(config: BertLikeConfig) -> Self {
        Self::BertLike(config)
    }
}

impl<'de> Deserialize<'de> for EncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 10,
        "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}"#;

    #[test]
    fn absent_fields_have_the_values_of_hugging_face() {
        let config = EncoderConfig::from_json(SMALL).unwrap();
        assert_eq!((config.vocab_size(), config.max_tokens()), (10, 512));
        assert_eq!(config.head_dropout(), 0.1);
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(EncoderConfig::from_json(&again).unwrap(), config);
        // Width, layers, vocabulary, tokens, heads' dropout of each family's configuration class.
        for (family, sizes, dropout) in [
            ("bert", (768, 12, 30522, 512), 0.1),
            ("roberta", (768, 12, 50265, 510), 0.1),
            ("xlm-roberta", (768, 12, 30522, 510), 0.1),
            ("distilbert", (768, 6, 30522, 512), 0.2),
            ("albert", (4096, 12, 30000, 512), 0.1),
            ("electra", (256, 12, 30522, 512), 0.1),
            ("mpnet", (768, 12, 30527, 510), 0.1),
        ] {
            let text = format!(r#"{{"model_type": "{family}"}}"#);
            let config = EncoderConfig::from_json(&text).unwrap();
            let (width, layers) = (config.hidden_size(), config.n_layers());
            let found = (width, layers, config.vocab_size(), config.max_tokens());
            assert_eq!((found, config.head_dropout()), (sizes, dropout), "{family}");
            assert_eq!(config.model_type(), family);
        }
    }

    #[test]
    fn names_that_another_family_has_for_a_field_mean_nothing() {
        let strange = r#""dim": 7, "n_layers": 3, "n_heads": 7, "dropout": 0.9, "activation": "mish",
            "seq_classif_dropout": 0.9, "embedding_size": 3, "num_hidden_groups": 0, "vocab_size""#;
        let config = EncoderConfig::from_json(&SMALL.replace("\"vocab_size\"", strange)).unwrap();
        assert_eq!(config, EncoderConfig::from_json(SMALL).unwrap());
    }

    #[test]
    fn a_family_is_told_by_its_class_where_model_type_is_absent() {
        for (class, family) in [
            ("BertForMaskedLM", "bert"),
            ("RobertaForMaskedLM", "roberta"),
            ("XLMRobertaModel", "xlm-roberta"),
            ("DistilBertModel", "distilbert"),
            ("AlbertForPreTraining", "albert"),
            ("ElectraForPreTraining", "electra"),
            ("MPNetForMaskedLM", "mpnet"),
        ] {
            let text = format!(r#"{{"architectures": ["{class}"]}}"#);
            let config = EncoderConfig::from_json(&text).unwrap();
            assert_eq!(config.model_type(), family);
        }
    }

    #[test]
    fn other_models_are_refused_by_name() {
        let field = |text: &'static str| ("\"vocab_size\"", text);
        for ((from, to), named) in [
            (("\"bert\"", "\"gpt2\""), "gpt2"),
            (
                ("\"bert\"", "\"roberta-prelayernorm\""),
                "roberta-prelayernorm",
            ),
            (("\"bert\"", "\"roberta\""), "BertModel"),
            (("BertModel", "RobertaModel"), "RobertaModel"),
            (
                ("BertModel", "BertGenerationEncoder"),
                "BertGenerationEncoder",
            ),
            (field("\"hidden_act\": \"swish\", \"vocab_size\""), "swish"),
            (
                field("\"position_embedding_type\": \"relative_key\", \"vocab_size\""),
                "relative_key",
            ),
            (field("\"is_decoder\": true, \"vocab_size\""), "is_decoder"),
            (
                (
                    "\"model_type\": \"bert\", \"architectures\": [\"BertModel\"],",
                    "",
                ),
                "model_type",
            ),
            (
                (
                    "\"model_type\": \"bert\", \"architectures\": [\"BertModel\"],",
                    "\"architectures\": [\"XLMRobertaXLModel\"],",
                ),
                "XLMRobertaXLModel",
            ),
        ] {
            let error = EncoderConfig::from_json(&SMALL.replace(from, to)).unwrap_err();
            assert!(matches!(error, NnError::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for (from, to) in [
            ("\"hidden_size\": 4", "\"hidden_size\": 5"),
            ("\"hidden_size\": 4", "\"hidden_size\": 0"),
            ("\"hidden_size\": 4", "\"hidden_size\": 4.5"),
            ("\"hidden_size\": 4", "\"hidden_size\": \"4\""),
            ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0"),
            ("\"vocab_size\": 10", "\"vocab_size\": 99999999999"),
            ("\"vocab_size\": 10", "\"vocab_size\": -1"),
            ("\"vocab_size\": 10", "\"hidden_dropout_prob\": 1.5"),
            ("\"vocab_size\": 10", "\"layer_norm_eps\": -1"),
            ("[\"BertModel\"]", "\"BertModel\""),
            ("[\"BertModel\"]", "[1]"),
            ("\"bert\"", "1"),
            ("{", "["),
        ] {
            let error = EncoderConfig::from_json(&SMALL.replace(from, to)).unwrap_err();
            assert!(matches!(error, NnError::Config { .. }), "{to}: {error}");
        }
        for text in [
            r#"{"model_type": "roberta", "max_position_embeddings": 2}"#,
            r#"{"model_type": "roberta", "pad_token_id": 18446744073709551615}"#,
            r#"{"model_type": "albert", "num_hidden_groups": 0}"#,
            r#"{"model_type": "albert", "inner_group_num": 1000, "num_hidden_layers": 1000}"#,
            r#"{"model_type": "albert", "embedding_size": 0}"#,
            r#"{"model_type": "mpnet", "relative_attention_num_buckets": 31}"#,
            r#"{"model_type": "distilbert", "dim": 100}"#,
        ] {
            let error = EncoderConfig::from_json(text).unwrap_err();
            assert!(matches!(error, NnError::Config { .. }), "{text}: {error}");
        }
    }
}
