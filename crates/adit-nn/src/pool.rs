//! One vector per sequence: sentence embeddings.

use serde::{Deserialize, Serialize};

use crate::encoder::Encoder;
use crate::error::NnError;
use crate::params::Params;
use crate::tape::{Mode, Tape, Var};
use crate::tensor::Tensor;
use crate::tokens::PackedTokens;

/// How the hidden states of a sequence become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The state of the first token.
    Cls,
    /// The mean over all tokens.
    Mean,
    /// The largest value of every column.
    Max,
}

impl Pooling {
    /// One row per sequence: `hidden` is `[sum_len, cols]`, `offsets` `[n + 1]`; gives `[n, cols]`.
    pub fn apply(self, tape: &mut Tape<'_>, hidden: Var, offsets: &[usize]) -> Var {
        match self {
            Self::Cls => tape.select_rows(hidden, &offsets[..offsets.len().saturating_sub(1)]),
            Self::Mean => tape.mean_pool(hidden, offsets),
            Self::Max => tape.max_pool(hidden, offsets),
        }
    }
}

/// The embeddings of all sequences, `[n, hidden]`, of length 1 if `normalize`.
///
/// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
pub fn embed(
    encoder: &Encoder,
    params: &Params,
    tokens: &PackedTokens,
    pooling: Pooling,
    normalize: bool,
) -> Result<Tensor, NnError> {
    let mut tape = Tape::new(params, Mode::Inference);
    let hidden = encoder.hidden(&mut tape, tokens)?;
    let mut pooled = pooling.apply(&mut tape, hidden, &tokens.offsets);
    if normalize {
        pooled = tape.l2_normalise(pooled);
    }
    Ok(tape.take(pooled))
}
