//! A row transformer: rows to outputs.

use crate::error::NnError;
use crate::layers::Linear;
use crate::params::Params;
use crate::random::Init;
use crate::row::config::{RowBody, RowTransformerConfig};
use crate::row::encoder::RowEncoder;
use crate::row::encoding::RowBatch;
use crate::row::members::{MemberShape, Members};
use crate::tape::{Tape, Var};

/// The parameters of a row transformer, and how it computes.
#[derive(Clone, Debug)]
pub struct RowTransformer {
    encoder: RowEncoder,
    head: Head,
}

#[derive(Clone, Debug)]
enum Head {
    Linear(Linear),
    Members(Members),
}

impl RowTransformer {
    /// A row transformer with weights drawn from `seed`, added to `params` under the prefix `row.`.
    ///
    /// Errors: [`NnError::Config`] when the configuration does not fit itself.
    pub fn new(
        config: RowTransformerConfig,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let mut init = Init::new(seed);
        let encoder = RowEncoder::new(config, params, &mut init)?;
        let head = Head::new(&encoder.config, params, &mut init);
        Ok(Self { encoder, head })
    }

    /// The configuration.
    pub fn config(&self) -> &RowTransformerConfig {
        &self.encoder.config
    }

    /// What the head reads, `[n, d_token]` or `[n, n_tokens · d_token]`: the state of each row's own
    /// token after the last norm and ReLU, or all tokens side by side.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        self.encoder.hidden(tape, batch)
    }

    /// The outputs of every row, and of each of its members one after another:
    /// `[n · n_members, n_outputs]`.
    ///
    /// Errors: as [`RowTransformer::hidden`].
    pub fn outputs(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        let hidden = self.hidden(tape, batch)?;
        Ok(match &self.head {
            Head::Linear(linear) => linear.apply(tape, hidden),
            Head::Members(members) => members.apply(tape, hidden),
        })
    }
}

impl Head {
    fn new(config: &RowTransformerConfig, params: &mut Params, init: &mut Init) -> Self {
        let (d_token, n_outputs) = (config.d_token, config.n_outputs);
        let Some(members) = &config.members else {
            let size = (d_token, n_outputs);
            return Self::Linear(Linear::uniform(params, "row.head", size, init));
        };
        // A column is seen or not as a whole; the values of the row's own token each by itself.
        let (n_tokens, d_token) = match config.body {
            RowBody::Columns => (config.n_tokens(), d_token),
            RowBody::Attention => (d_token, 1),
        };
        let shape = MemberShape {
            n_tokens,
            d_token,
            n_outputs,
        };
        Self::Members(Members::new(params, members, shape, init))
    }
}
