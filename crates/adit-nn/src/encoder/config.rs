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
