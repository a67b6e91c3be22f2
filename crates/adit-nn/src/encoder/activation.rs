//! The activations that configurations name.

use serde::{Deserialize, Serialize};

use crate::encoder::unsupported;
use crate::error::NnError;
use crate::layers::Linear;
use crate::tape::{Tape, Var};

/// An activation of a feed-forward part, under Hugging Face's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x·Φ(x).
    #[serde(rename = "gelu")]
    Gelu,
    /// GELU with a hyperbolic tangent in place of Φ.
    #[serde(rename = "gelu_new")]
    GeluTanh,
    /// max(x, 0).
    #[serde(rename = "relu")]
    Relu,
}

impl Activation {
    /// The activation that `field` of a configuration calls `name`.
    ///
    /// Errors: [`NnError::Unsupported`] for any other name.
    pub fn named(field: &'static str, name: &str) -> Result<Self, NnError> {
        match name {
            "gelu" | "gelu_python" => Ok(Self::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            other => Err(unsupported(
                field,
                other,
                "gelu, gelu_new, gelu_pytorch_tanh, relu",
            )),
        }
    }

    /// The activation of a linear map of `x`.
    pub fn of_linear(self, tape: &mut Tape<'_>, linear: &Linear, x: Var) -> Var {
        if self == Self::Gelu {
            return linear.apply_gelu(tape, x);
        }
        let mapped = linear.apply(tape, x);
        self.apply(tape, mapped)
    }

    /// The activation of every value of `x`.
    pub fn apply(self, tape: &mut Tape<'_>, x: Var) -> Var {
        match self {
            Self::Gelu => tape.gelu(x),
            Self::GeluTanh => tape.gelu_tanh(x),
            Self::Relu => tape.relu(x),
        }
    }
}
