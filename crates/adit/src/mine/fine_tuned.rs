//! What every model that is fine-tuned on texts can do.

use adit_nn::watch::Watch;
use adit_nn::{EncoderConfig, Params};

use super::text_transformer::TextRows;
use super::training::{Monitor, OutputMeaning, Parts, Trained, TrainingSettings};
use super::{MineError, Predictions};
use crate::prepare::{Target, TextColumn};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::text::TextTokenizer;

/// A model of texts that begins with pretrained weights.
pub trait FineTuned: Sync {
    /// The rows as tokens.
    ///
    /// # Errors
    /// Columns that the model cannot read.
    fn rows(
        &self,
        tokenizer: &TextTokenizer,
        columns: &[TextColumn],
    ) -> Result<TextRows, MineError>;

    /// Fine-tunes a copy of the pretrained weights for one seed.
    ///
    /// # Errors
    /// As [`super::training::train`].
    fn train(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        of: (&Target, Parts),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError>;

    /// As [`FineTuned::train`], on all chosen rows for so many epochs, without validation.
    ///
    /// # Errors
    /// As [`super::training::train`].
    fn refit(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        of: (&Target, &[usize], usize),
        settings: &TrainingSettings,
        seen: (&str, &dyn Watch),
    ) -> Result<Params, MineError>;

    /// Predicts all rows with trained weights.
    ///
    /// # Errors
    /// `Cancelled`, or weights that do not fit the rows.
    fn predict(
        &self,
        config: &EncoderConfig,
        weights: &Params,
        rows: &TextRows,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError>;

    /// What the outputs mean.
    fn meaning(&self) -> OutputMeaning;
}
