//! One vector per sequence: sentence embeddings.

use serde::{Deserialize, Serialize};

use crate::encoder::Encoder;
use crate::error::NnError;
use crate::params::Params;
use crate::session::Session;
use crate::tape::{Tape, Var};
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
/// Many batches are faster by [`embed_all`].
///
/// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
pub fn embed(
    encoder: &Encoder,
    params: &Params,
    tokens: &PackedTokens,
    pooling: Pooling,
    normalize: bool,
) -> Result<Tensor, NnError> {
    Session::new(params).run(|tape| on_tape(encoder, tape, tokens, (pooling, normalize)))
}

/// [`embed`] of every batch, a batch a thread.
///
/// Errors: as [`embed`].
pub fn embed_all(
    encoder: &Encoder,
    session: &Session<'_>,
    batches: &[PackedTokens],
    pooling: Pooling,
    normalize: bool,
) -> Result<Vec<Tensor>, NnError> {
    session.run_all(batches, |tape, tokens| {
        on_tape(encoder, tape, tokens, (pooling, normalize))
    })
}

fn on_tape(
    encoder: &Encoder,
    tape: &mut Tape<'_>,
    tokens: &PackedTokens,
    (pooling, normalize): (Pooling, bool),
) -> Result<Tensor, NnError> {
    let hidden = encoder.hidden(tape, tokens)?;
    let mut pooled = pooling.apply(tape, hidden, &tokens.offsets);
    if normalize {
        pooled = tape.l2_normalise(pooled);
    }
    Ok(tape.take(pooled))
}
