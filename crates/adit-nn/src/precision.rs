//! How the weights of linear maps are held and multiplied in inference.

use serde::{Deserialize, Serialize};

/// How the weights of linear maps are held and multiplied in inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats; the bits of training's forward pass.
    #[default]
    F32,
    /// Weights rounded to bfloat16: half the memory.
    Bf16,
    /// Weights of 8 bits with a scale a row, inputs of 8 bits with a scale a token.
    Int8,
    /// To be chosen by measurement.
    Auto,
}
