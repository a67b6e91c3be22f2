//! The model that is measured: one that is there, or one that is drawn.

use adit_nn::{Encoder, EncoderConfig, Params, WeightFiles};
use serde_json::json;

use crate::represent::RepresentError;
use crate::represent::encoder::EncoderDirectory;
use crate::run::{Context, RunError};
use crate::store::ModelStore;

/// Every weight that is not read is drawn from it.
pub const SEED: u64 = 1;
/// Positions that a drawn model has at least, as BERT does.
const POSITIONS: usize = 512;
/// The width from which on heads are 64 wide.
const WIDE: usize = 512;

/// The model that is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchModel {
    /// Name in the model store, or a Hugging Face directory.
    Named(String),
    /// Weights without meaning: times depend on sizes alone.
    Drawn(DrawnModel),
}

/// Sizes of a model whose weights are drawn; heads are 32 wide, from a width of 512 on 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnModel {
    pub form: Form,
    pub n_layers: usize,
    /// Values a token, a multiple of 32.
    pub hidden_size: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
}

/// The architecture of a drawn model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// BERT: every token sees all of its text.
    Bert,
    /// ModernBERT: in two of three layers a token sees 64 others to each side.
    ModernBert,
}

/// A model with its weights.
pub struct Opened {
    /// For people to read.
    pub name: String,
    pub encoder: Encoder,
    pub params: Params,
}

impl BenchModel {
    /// Reads or draws the weights; no dropout, and a drawn model has at least `positions`.
    ///
    /// # Errors
    /// An encoder that cannot be read, or sizes that no model has.
    pub fn open(&self, positions: usize, context: &Context) -> Result<Opened, RunError> {
        let mut params = Params::new();
        let (name, encoder) = match self {
            Self::Named(name) => {
                let found = ModelStore::new(context.model_store).resolve(name)?;
                let directory = EncoderDirectory::open(&found.path, &found.manifest.name)?;
                let config = directory.config().clone().without_dropout();
                let wrap = |source| RepresentError::Weights {
                    path: found.path.clone(),
                    source,
                };
                let files = WeightFiles::open(&found.path).map_err(wrap)?;
                let encoder = Encoder::load(&config, &files, &mut params).map_err(wrap)?;
                (directory.name().to_string(), encoder)
            }
            Self::Drawn(drawn) => {
                let config = drawn.config(positions.max(POSITIONS))?;
                let encoder = Encoder::new(&config, &mut params, SEED);
                (drawn.name(), encoder)
            }
        };
        Ok(Opened {
            name,
            encoder,
            params,
        })
    }
}

impl DrawnModel {
    fn config(&self, positions: usize) -> Result<EncoderConfig, RunError> {
        let width = self.hidden_size;
        let head = if width >= WIDE && width.is_multiple_of(64) {
            64
        } else {
            32
        };
        let (model_type, wide) = match self.form {
            Form::Bert => ("bert", 4 * width),
            Form::ModernBert => ("modernbert", 3 * width / 2),
        };
        let config = json!({
            "model_type": model_type,
            "hidden_size": width,
            "intermediate_size": wide,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": width / head,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": positions,
            "pad_token_id": 0,
        });
        match EncoderConfig::from_json(&config.to_string()) {
            Ok(config) => Ok(config.without_dropout()),
            Err(error) => Err(RunError::NotMeasured {
                reason: format!("no model has these sizes: {error}"),
            }),
        }
    }

    fn name(&self) -> String {
        let form = match self.form {
            Form::Bert => "BERT",
            Form::ModernBert => "ModernBERT",
        };
        let (layers, width) = (self.n_layers, self.hidden_size);
        let plural = if layers == 1 { "" } else { "s" };
        format!("{form}, {layers} layer{plural} of {width}, drawn")
    }
}

impl Opened {
    /// Token ids of a text of `length` tokens; any will do.
    pub fn ids(&self, length: usize) -> Vec<u32> {
        let known = self.encoder.vocab_size().max(1);
        (0..length).map(|i| (i * 7919 % known) as u32).collect()
    }

    /// Refuses texts longer than the model reads.
    ///
    /// # Errors
    /// `NotMeasured`.
    pub fn reads(&self, length: usize) -> Result<(), RunError> {
        let most = self.encoder.max_tokens();
        if length > most {
            let reason = format!(
                "texts of {length} tokens do not fit {}, which reads {most} at most",
                self.name
            );
            return Err(RunError::NotMeasured { reason });
        }
        Ok(())
    }
}
