//! The configuration of an encoder of events.

use serde::{Deserialize, Serialize};

use crate::error::NnError;

/// The fields of an event and the sizes of the encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEncoderConfig {
    /// How many components the numbers and times of an event have.
    pub n_components: usize,
    /// How many codes each category has.
    pub cardinalities: Vec<u32>,
    /// How many classes each field has that is predicted of the next event.
    pub targets: Vec<u32>,
    /// The width of a token, and of a history's vector.
    pub d_model: usize,
    /// How many blocks.
    pub n_layers: usize,
    /// How many heads per block.
    pub n_heads: usize,
    /// The width of the feed-forward part.
    pub ffn_hidden: usize,
    /// The dropout of what a block adds and of attention weights.
    pub dropout: f32,
}

impl EventEncoderConfig {
    /// Classes of all fields that are predicted.
    pub fn n_classes(&self) -> usize {
        self.targets.iter().map(|&n| n as usize).sum()
    }

    /// Checks that fields and sizes fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        for (field, value) in [
            ("n_components", self.n_components),
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("ffn_hidden", self.ffn_hidden),
        ] {
            if value == 0 || value > 1 << 16 {
                return refuse(format!("{field} is {value}, not between 1 and 65536"));
            }
        }
        if self.n_layers > 1 << 8 {
            return refuse(format!("n_layers is {}, not at most 256", self.n_layers));
        }
        if !self.d_model.is_multiple_of(2 * self.n_heads) {
            return refuse(format!(
                "d_model {} is not a multiple of twice n_heads {}",
                self.d_model, self.n_heads
            ));
        }
        if let Some(field) = self.cardinalities.iter().position(|&n| n == 0) {
            return refuse(format!("category {field} has no codes"));
        }
        if let Some(field) = self.targets.iter().position(|&n| n == 0) {
            return refuse(format!("predicted field {field} has no classes"));
        }
        let total = |sizes: &[u32]| sizes.iter().map(|&n| u64::from(n)).sum::<u64>();
        if total(&self.cardinalities) > 1 << 24 || total(&self.targets) > 1 << 20 {
            return refuse("there are too many codes or classes".into());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse(format!("dropout is {}, not in [0, 1)", self.dropout));
        }
        Ok(())
    }
}
