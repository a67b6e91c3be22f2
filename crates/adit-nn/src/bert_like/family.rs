//! What differs between the families: names of tensors, defaults, places of dropout, positions.

use serde::{Deserialize, Serialize};

use crate::encoder::Activation;

/// A family of encoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Devlin et al., 2019.
    Bert,
    /// Liu et al., 2019.
    Roberta,
    /// Conneau et al., 2020: a RoBERTa of a hundred languages.
    #[serde(rename = "xlm-roberta")]
    XlmRoberta,
    /// Sanh et al., 2019: half the layers, no segments.
    DistilBert,
    /// Lan et al., 2020: layers share weights, embeddings are narrow.
    Albert,
    /// Clark et al., 2020: the discriminator.
    Electra,
    /// Song et al., 2020: distances between tokens add to the scores.
    MpNet,
}

/// How a family computes and what it calls its tensors.
#[derive(Debug)]
pub(crate) struct Traits {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// What the names of its classes start with.
    pub class: &'static str,
    /// Classes that start so but are other models.
    pub other_class: Option<&'static str>,
    /// What the names of the encoder's tensors start with.
    pub prefix: &'static str,
    /// Where the layers are.
    pub layers: &'static str,
    /// The parts of a layer.
    pub parts: &'static LayerNames,
    /// The linear map from narrow embeddings to hidden states.
    pub projection: Option<&'static str>,
    /// The map between the first token and the classifier, with its full name.
    pub pooler: &'static str,
    /// What follows that map.
    pub pooler_activation: PoolerActivation,
    /// Dropout comes before that map too.
    pub drops_before_pooler: bool,
    /// The classifier's last linear map.
    pub head: &'static str,
    /// Dropout comes after the attention's output.
    pub drops_attention: bool,
    /// Dropout comes after the feed-forward part.
    pub drops_output: bool,
    /// Segments have embeddings.
    pub has_types: bool,
    /// Positions start after that of the padding token.
    pub positions_after_padding: bool,
    /// Distances between tokens add to the attention's scores.
    pub has_distances: bool,
}

/// The names of a layer's parts.
#[derive(Debug)]
pub(crate) struct LayerNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub intermediate: &'static str,
    pub output: &'static str,
    pub output_norm: &'static str,
}

/// What follows the map between the first token and the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolerActivation {
    Tanh,
    Relu,
    Gelu,
}

/// What Hugging Face assumes where `config.json` is silent.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub vocab_size: usize,
    /// None: the width of the hidden states.
    pub embedding_size: Option<usize>,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: Activation,
    pub hidden_dropout_prob: f32,
    pub attention_probs_dropout_prob: f32,
    /// None: that of the hidden states.
    pub classifier_dropout: Option<f32>,
    pub pad_token_id: usize,
}

const BERT_PARTS: LayerNames = LayerNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const BERT: Traits = Traits {
    model_type: "bert",
    class: "Bert",
    other_class: Some("BertGeneration"),
    prefix: "bert.",
    layers: "encoder.layer",
    parts: &BERT_PARTS,
    projection: None,
    pooler: "bert.pooler.dense",
    pooler_activation: PoolerActivation::Tanh,
    drops_before_pooler: false,
    head: "classifier",
    drops_attention: true,
    drops_output: true,
    has_types: true,
    positions_after_padding: false,
    has_distances: false,
};

const ROBERTA: Traits = Traits {
    model_type: "roberta",
    class: "Roberta",
    other_class: Some("RobertaPreLayerNorm"),
    prefix: "roberta.",
    pooler: "classifier.dense",
    drops_before_pooler: true,
    head: "classifier.out_proj",
    positions_after_padding: true,
    ..BERT
};

const XLM_ROBERTA: Traits = Traits {
    model_type: "xlm-roberta",
    class: "XLMRoberta",
    other_class: Some("XLMRobertaXL"),
    ..ROBERTA
};

const DISTIL_BERT: Traits = Traits {
    model_type: "distilbert",
    class: "DistilBert",
    other_class: None,
    prefix: "distilbert.",
    layers: "transformer.layer",
    parts: &LayerNames {
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        attention_output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        intermediate: "ffn.lin1",
        output: "ffn.lin2",
        output_norm: "output_layer_norm",
    },
    pooler: "pre_classifier",
    pooler_activation: PoolerActivation::Relu,
    drops_attention: false,
    has_types: false,
    ..BERT
};

const ALBERT: Traits = Traits {
    model_type: "albert",
    class: "Albert",
    other_class: None,
    prefix: "albert.",
    layers: "encoder.albert_layer_groups",
    parts: &LayerNames {
        query: "attention.query",
        key: "attention.key",
        value: "attention.value",
        attention_output: "attention.dense",
        attention_norm: "attention.LayerNorm",
        intermediate: "ffn",
        output: "ffn_output",
        output_norm: "full_layer_layer_norm",
    },
    projection: Some("encoder.embedding_hidden_mapping_in"),
    pooler: "albert.pooler",
    drops_output: false,
    ..BERT
};

const ELECTRA: Traits = Traits {
    model_type: "electra",
    class: "Electra",
    other_class: None,
    prefix: "electra.",
    projection: Some("embeddings_project"),
    pooler: "classifier.dense",
    pooler_activation: PoolerActivation::Gelu,
    drops_before_pooler: true,
    head: "classifier.out_proj",
    ..BERT
};

const MP_NET: Traits = Traits {
    model_type: "mpnet",
    class: "MPNet",
    other_class: None,
    prefix: "mpnet.",
    parts: &LayerNames {
        query: "attention.attn.q",
        key: "attention.attn.k",
        value: "attention.attn.v",
        attention_output: "attention.attn.o",
        attention_norm: "attention.LayerNorm",
        ..BERT_PARTS
    },
    has_types: false,
    has_distances: true,
    ..ROBERTA
};

const BERT_DEFAULTS: Defaults = Defaults {
    vocab_size: 30522,
    embedding_size: None,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    hidden_act: Activation::Gelu,
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    classifier_dropout: None,
    pad_token_id: 0,
};

impl Family {
    /// All families.
    pub const ALL: [Self; 7] = [
        Self::Bert,
        Self::Roberta,
        Self::XlmRoberta,
        Self::DistilBert,
        Self::Albert,
        Self::Electra,
        Self::MpNet,
    ];

    /// What the names of its classes start with.
    pub fn class(self) -> &'static str {
        self.traits().class
    }

    /// The `model_type` of `config.json`.
    pub fn model_type(self) -> &'static str {
        self.traits().model_type
    }

    /// The family of that `model_type`.
    pub fn named(model_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.model_type() == model_type)
    }

    /// The family of a class such as `BertForSequenceClassification`.
    pub fn of_class(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.has_class(name))
    }

    pub(crate) fn has_class(self, name: &str) -> bool {
        let traits = self.traits();
        name.starts_with(traits.class) && !traits.other_class.is_some_and(|o| name.starts_with(o))
    }

    pub(crate) fn traits(self) -> &'static Traits {
        match self {
            Self::Bert => &BERT,
            Self::Roberta => &ROBERTA,
            Self::XlmRoberta => &XLM_ROBERTA,
            Self::DistilBert => &DISTIL_BERT,
            Self::Albert => &ALBERT,
            Self::Electra => &ELECTRA,
            Self::MpNet => &MP_NET,
        }
    }

    /// The values of Hugging Face's own configuration classes.
    pub(crate) fn defaults(self) -> Defaults {
        match self {
            Self::Bert => BERT_DEFAULTS,
            Self::Roberta => Defaults {
                vocab_size: 50265,
                pad_token_id: 1,
                ..BERT_DEFAULTS
            },
            Self::XlmRoberta => Defaults {
                pad_token_id: 1,
                ..BERT_DEFAULTS
            },
            Self::DistilBert => Defaults {
                num_hidden_layers: 6,
                classifier_dropout: Some(0.2),
                ..BERT_DEFAULTS
            },
            Self::Albert => Defaults {
                vocab_size: 30000,
                embedding_size: Some(128),
                hidden_size: 4096,
                num_attention_heads: 64,
                intermediate_size: 16384,
                hidden_act: Activation::GeluTanh,
                hidden_dropout_prob: 0.0,
                attention_probs_dropout_prob: 0.0,
                classifier_dropout: Some(0.1),
                ..BERT_DEFAULTS
            },
            Self::Electra => Defaults {
                embedding_size: Some(128),
                hidden_size: 256,
                num_attention_heads: 4,
                intermediate_size: 1024,
                ..BERT_DEFAULTS
            },
            Self::MpNet => Defaults {
                vocab_size: 30527,
                pad_token_id: 1,
                ..BERT_DEFAULTS
            },
        }
    }
}
