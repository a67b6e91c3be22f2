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
/// Errors: [`NnError::Tokens`] when the tokens do not fit the model, [`NnError::Overflow`] when its sums
/// leave the range of f32.
pub fn embed(
    encoder: &Encoder,
    params: &Params,
    tokens: &PackedTokens,
    pooling: Pooling,
    normalize: bool,
) -> Result<Tensor, NnError> {
    let run = |tape: &mut Tape<'_>| on_tape(encoder, tape, tokens, (pooling, normalize));
    let vectors = Session::new(params).run(run)?;
    check_finite(std::slice::from_ref(&vectors))?;
    Ok(vectors)
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
    let vectors = session.run_all(batches, |tape, tokens| {
        on_tape(encoder, tape, tokens, (pooling, normalize))
    })?;
    check_finite(&vectors)?;
    Ok(vectors)
}

/// Names the first text of all batches whose vector is not finite.
fn check_finite(batches: &[Tensor]) -> Result<(), NnError> {
    let rows = |batch| (0..Tensor::rows(batch)).map(move |row| Tensor::row(batch, row));
    let odd = |row: &[f32]| row.iter().any(|v| !v.is_finite());
    match batches.iter().flat_map(rows).position(odd) {
        Some(text) => Err(NnError::Overflow { text }),
        None => Ok(()),
    }
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
