//! The texts of a table as vectors of the encoder as it is, made once for all members.

use std::time::Instant;

use super::RunError;
use super::data::Loaded;
use crate::Watch;
use crate::represent::embedding::TextVectors;
use crate::represent::encoder::EncoderDirectory;
use crate::represent::text_numbers::TextNumbers;

/// Vectors of all rows.
pub struct Embedded {
    pub vectors: TextVectors,
    /// What models over rows read of them, where there are other columns.
    pub numbers: Option<TextNumbers>,
    /// Seconds that it took to make them.
    pub seconds: f64,
}

impl Embedded {
    /// Embeds the text columns.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn of(
        loaded: &Loaded,
        encoder: &EncoderDirectory,
        watch: &dyn Watch,
    ) -> Result<Embedded, RunError> {
        let started = Instant::now();
        let texts = &loaded.dataset.texts;
        let vectors = encoder.sentence_encoder()?.vectors(texts, watch)?;
        Ok(Embedded {
            vectors,
            numbers: None,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Gives the models over rows a few numbers of each text beside the other columns; nothing where there are no
    /// others.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn beside_rows(
        loaded: &mut Loaded,
        encoder: &EncoderDirectory,
        watch: &dyn Watch,
    ) -> Result<Option<Embedded>, RunError> {
        let dataset = &loaded.dataset;
        if dataset.numbers.is_empty() && dataset.categories.is_empty() {
            return Ok(None);
        }
        let mut embedded = Self::of(loaded, encoder, watch)?;
        let (vectors, fit_rows) = (&embedded.vectors, loaded.fit_rows());
        let numbers = TextNumbers::fit(encoder.name(), &loaded.dataset.texts, vectors, &fit_rows);
        let columns = numbers.columns(&loaded.dataset.texts, vectors)?;
        loaded.dataset.numbers.extend(columns);
        embedded.numbers = Some(numbers);
        Ok(Some(embedded))
    }
}
