//! Batches of histories.

use crate::error::NnError;
use crate::events::EventEncoderConfig;

/// Histories one after another: the tokens of each are its events in order, then the history's own.
///
/// The own token is embedded like an event, of a kind of its own; what stands in its components and codes is the
/// caller's to choose (such as the time since the last event), and zeros say nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EventBatch {
    /// What numbers and times became, `[n_tokens, n_components]`.
    pub components: Vec<f32>,
    /// Codes of categories, `[n_tokens, n_categories]`.
    pub codes: Vec<u32>,
    /// Where each history begins, and the end: `[n + 1]`, from 0 to `n_tokens`.
    pub offsets: Vec<usize>,
}

impl EventBatch {
    /// How many histories there are.
    pub fn n_histories(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// How many tokens there are.
    pub fn n_tokens(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Where the own token of each history stands, `[n]`.
    pub fn own_tokens(&self) -> Vec<usize> {
        self.offsets.iter().skip(1).map(|end| end - 1).collect()
    }

    /// Events that another of their history follows, `[n_pairs]`: each predicts the token after it.
    pub fn followed(&self) -> Vec<usize> {
        self.offsets
            .windows(2)
            .flat_map(|history| history[0]..(history[1] - 1).max(history[0] + 1) - 1)
            .collect()
    }

    /// Checks the batch against the fields.
    ///
    /// Errors: [`NnError::Rows`] when lengths disagree, a history has no token, a code is out of range or a
    /// component is not finite.
    pub fn check(&self, config: &EventEncoderConfig) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Rows { reason });
        if self.offsets.len() < 2 || self.offsets[0] != 0 {
            return refuse("there is no history".into());
        }
        if let Some(at) = self.offsets.windows(2).position(|w| w[0] >= w[1]) {
            return refuse(format!("history {at} has no token"));
        }
        let (n, n_categories) = (self.n_tokens(), config.cardinalities.len());
        if self.components.len() != n * config.n_components || self.codes.len() != n * n_categories
        {
            return refuse(format!(
                "{} components and {} codes do not make {n} tokens of {} and {n_categories}",
                self.components.len(),
                self.codes.len(),
                config.n_components
            ));
        }
        if let Some(at) = self.components.iter().position(|v| !v.is_finite()) {
            let token = at / config.n_components;
            return refuse(format!("a component of token {token} is not finite"));
        }
        for (at, &code) in self.codes.iter().enumerate() {
            let most = config.cardinalities[at % n_categories];
            if code >= most {
                let (token, field) = (at / n_categories, at % n_categories);
                return refuse(format!(
                    "token {token}, category {field} has code {code}, not below {most}"
                ));
            }
        }
        Ok(())
    }
}
