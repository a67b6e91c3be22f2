//! The configuration of an encoder of BERT's line.

use serde::{Deserialize, Serialize};

use crate::bert_like::Family;
use crate::bert_like::family::Defaults;
use crate::encoder::{Activation, Fields, unsupported};
use crate::error::NnError;

/// The sizes and rates of an encoder, under BERT's names whatever the family calls them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertLikeConfig {
    /// The family.
    #[serde(rename = "model_type")]
    pub family: Family,
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// The width of the embeddings.
    pub embedding_size: usize,
    /// The width of a hidden state.
    pub hidden_size: usize,
    /// How often a token passes a group of layers; without groups, how many layers.
    pub num_hidden_layers: usize,
    /// How many groups of layers have weights of their own (ALBERT); else 1.
    pub num_hidden_groups: usize,
    /// How many layers a group has (ALBERT); else 1.
    pub inner_group_num: usize,
    /// How many heads per layer.
    pub num_attention_heads: usize,
    /// The width of the feed-forward part.
    pub intermediate_size: usize,
    /// The activation of the feed-forward part.
    pub hidden_act: Activation,
    /// The dropout of hidden states.
    pub hidden_dropout_prob: f32,
    /// The dropout of attention weights.
    pub attention_probs_dropout_prob: f32,
    /// The dropout before the classifier.
    pub classifier_dropout: f32,
    /// How many positions have embeddings.
    pub max_position_embeddings: usize,
    /// How many segment kinds; 1 for families without segments.
    pub type_vocab_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f32,
    /// The padding token, after which RoBERTa's positions start.
    pub pad_token_id: usize,
    /// How many kinds of distances have a bias (MPNet); 32 elsewhere, without meaning.
    pub relative_attention_num_buckets: usize,
}

impl BertLikeConfig {
    pub(crate) fn from_fields(family: Family, fields: &Fields) -> Result<Self, NnError> {
        refuse_variants(fields)?;
        let absent = family.defaults();
        // DistilBERT has names of its own, which mean nothing in the files of the others.
        let either = |distil, bert| {
            if family == Family::DistilBert {
                [distil, bert]
            } else {
                [bert, bert]
            }
        };
        let mut config = Self {
            family,
            vocab_size: fields.size(&["vocab_size"], absent.vocab_size)?,
            embedding_size: 0,
            hidden_size: fields.size(&either("dim", "hidden_size"), absent.hidden_size)?,
            num_hidden_layers: fields.size(
                &either("n_layers", "num_hidden_layers"),
                absent.num_hidden_layers,
            )?,
            num_hidden_groups: 1,
            inner_group_num: 1,
            num_attention_heads: fields.size(
                &either("n_heads", "num_attention_heads"),
                absent.num_attention_heads,
            )?,
            intermediate_size: fields.size(
                &either("hidden_dim", "intermediate_size"),
                absent.intermediate_size,
            )?,
            hidden_act: match fields.text(&either("activation", "hidden_act"))? {
                Some(name) => Activation::named("hidden_act", name)?,
                None => absent.hidden_act,
            },
            hidden_dropout_prob: fields.number(
                &either("dropout", "hidden_dropout_prob"),
                absent.hidden_dropout_prob,
            )?,
            attention_probs_dropout_prob: fields.number(
                &either("attention_dropout", "attention_probs_dropout_prob"),
                absent.attention_probs_dropout_prob,
            )?,
            classifier_dropout: 0.0,
            max_position_embeddings: fields.size(&["max_position_embeddings"], 512)?,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            pad_token_id: absent.pad_token_id,
            relative_attention_num_buckets: 32,
        };
        config.read_what_families_differ_in(fields, &absent)?;
        config.check()?;
        Ok(config)
    }

    /// Fields that only some families have, or that have no default of their own.
    fn read_what_families_differ_in(
        &mut self,
        fields: &Fields,
        absent: &Defaults,
    ) -> Result<(), NnError> {
        let traits = self.family.traits();
        self.embedding_size = self.hidden_size;
        if traits.projection.is_some() {
            let narrow = absent.embedding_size.unwrap_or(self.hidden_size);
            self.embedding_size = fields.size(&["embedding_size"], narrow)?;
        }
        if self.family == Family::Albert {
            self.num_hidden_groups = fields.size(&["num_hidden_groups"], 1)?;
            self.inner_group_num = fields.size(&["inner_group_num"], 1)?;
        }
        if traits.has_types {
            self.type_vocab_size = fields.size(&["type_vocab_size"], 2)?;
        }
        if traits.has_distances {
            let name = "relative_attention_num_buckets";
            self.relative_attention_num_buckets = fields.size(&[name], 32)?;
        }
        // Hugging Face's DistilBERT has 1e-12 in its code, as MPNet has the padding token 1 and no
        // dropout of its own before the classifier, whatever their configurations say.
        if self.family != Family::DistilBert {
            self.layer_norm_eps = fields.number(&["layer_norm_eps"], 1e-12)?;
        }
        self.classifier_dropout = absent
            .classifier_dropout
            .unwrap_or(self.hidden_dropout_prob);
        if self.family != Family::MpNet {
            self.pad_token_id = fields.size(&["pad_token_id"], self.pad_token_id)?;
            let own = match self.family {
                Family::DistilBert => "seq_classif_dropout",
                Family::Albert => "classifier_dropout_prob",
                _ => "classifier_dropout",
            };
            let names = [own, "classifier_dropout"];
            self.classifier_dropout = fields.number(&names, self.classifier_dropout)?;
        }
        Ok(())
    }

    /// How many layers a token passes.
    pub fn n_layers(&self) -> usize {
        self.num_hidden_layers * self.inner_group_num
    }

    /// The position of a sequence's first token.
    pub fn first_position(&self) -> usize {
        if self.family.traits().positions_after_padding {
            self.pad_token_id.saturating_add(1)
        } else {
            0
        }
    }

    /// The longest sequence, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.first_position())
    }

    /// The same encoder without any dropout.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        Self {
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            classifier_dropout: 0.0,
            ..self
        }
    }

    /// Checks that the sizes and rates fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        for (field, value, most) in self.sizes() {
            if value == 0 || value > most {
                return refuse(format!("{field} is {value}, not between 1 and {most}"));
            }
        }
        for (field, value) in [
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_hidden_layers times inner_group_num", self.n_layers()),
        ] {
            if value > 1 << 10 {
                return refuse(format!("{field} is {value}, more than 1024"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
            return refuse(format!(
                "hidden_size {hidden} is not a multiple of num_attention_heads {heads}"
            ));
        }
        if self.max_tokens() == 0 {
            let (positions, pad) = (self.max_position_embeddings, self.pad_token_id);
            return refuse(format!(
                "max_position_embeddings is {positions}, with none left after pad_token_id {pad}"
            ));
        }
        if self.family.traits().has_distances && self.relative_attention_num_buckets < 32 {
            let buckets = self.relative_attention_num_buckets;
            return refuse(format!(
                "relative_attention_num_buckets is {buckets}, below 32"
            ));
        }
        for (field, rate) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
            ("classifier_dropout", self.classifier_dropout),
        ] {
            if !(0.0..1.0).contains(&rate) {
                return refuse(format!("{field} is {rate}, not in [0, 1)"));
            }
        }
        let eps = self.layer_norm_eps;
        if !(eps.is_finite() && eps >= 0.0) {
            return refuse(format!(
                "layer_norm_eps is {eps}, not a small positive number"
            ));
        }
        Ok(())
    }

    /// Every size with its field and the largest that is read.
    fn sizes(&self) -> [(&'static str, usize, usize); 10] {
        [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("embedding_size", self.embedding_size, 1 << 16),
            ("num_hidden_groups", self.num_hidden_groups, 1 << 10),
            ("inner_group_num", self.inner_group_num, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 20,
            ),
            ("type_vocab_size", self.type_vocab_size, 1 << 16),
            (
                "relative_attention_num_buckets",
                self.relative_attention_num_buckets,
                1 << 16,
            ),
        ]
    }
}

fn refuse_variants(fields: &Fields) -> Result<(), NnError> {
    if let Some(kind) = fields
        .text(&["position_embedding_type"])?
        .filter(|&kind| kind != "absolute")
    {
        return Err(unsupported("position_embedding_type", kind, "absolute"));
    }
    if fields.flag("is_decoder")? || fields.flag("add_cross_attention")? {
        return Err(unsupported("is_decoder", "true", "encoders"));
    }
    Ok(())
}
