//! Texts as vectors of an encoder whose weights stay as they are.

use adit_nn::pool::embed;
use adit_nn::watch::Watch;
use adit_nn::{Encoder, Params};
use rayon::prelude::*;

use super::RepresentError;
use super::encoder::{EncoderDirectory, SentencePooling};
use super::sparse::SparseMatrix;
use super::text::{TextTokenizer, batches_by_length, pack};
use crate::prepare::TextColumn;

/// Tokens computed together; a text's vector does not depend on its neighbours.
const TOKENS: usize = 2048;
/// Texts between two looks at the watch.
const TEXTS_AT_ONCE: usize = 512;

/// A pretrained encoder with its weights, ready to embed.
pub struct SentenceEncoder {
    encoder: Encoder,
    params: Params,
    tokenizer: TextTokenizer,
    pooling: SentencePooling,
    hidden_size: usize,
    name: String,
}

impl EncoderDirectory {
    /// Reads the weights and the tokenizer; texts are cut at the length the encoder was made for.
    ///
    /// # Errors
    /// As [`EncoderDirectory::load`].
    pub fn sentence_encoder(&self) -> Result<SentenceEncoder, RepresentError> {
        let mut params = Params::new();
        let encoder = self.load(&mut params)?;
        Ok(SentenceEncoder {
            encoder,
            params,
            tokenizer: self.tokenizer(self.max_tokens())?,
            pooling: self.pooling(),
            hidden_size: self.config().hidden_size(),
            name: self.name().to_string(),
        })
    }
}

impl SentenceEncoder {
    /// Width of a vector.
    pub fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// One vector a text, in order. Row-major `[n_texts, hidden_size]`
    ///
    /// # Errors
    /// `Cancelled`, or tokens that do not fit the model.
    pub fn embed(&self, texts: &[&str], watch: &dyn Watch) -> Result<Vec<f32>, RepresentError> {
        let mut vectors = Vec::with_capacity(texts.len() * self.hidden_size);
        for (k, some) in texts.chunks(TEXTS_AT_ONCE).enumerate() {
            if watch.cancelled() {
                return Err(RepresentError::Cancelled);
            }
            let done = (k * TEXTS_AT_ONCE) as u64;
            watch.progress(
                &format!("{}: embed", self.name),
                done,
                texts.len() as u64,
                "",
            );
            vectors.extend(self.embed_some(some)?);
        }
        Ok(vectors)
    }

    fn embed_some(&self, texts: &[&str]) -> Result<Vec<f32>, RepresentError> {
        let tokens = self.tokenizer.encode(texts)?;
        let lengths: Vec<usize> = tokens.iter().map(|t| t.ids.len()).collect();
        let batches = batches_by_length(&lengths, TOKENS);
        let done = batches
            .par_iter()
            .map(|batch| {
                let SentencePooling { pooling, normalize } = self.pooling;
                embed(
                    &self.encoder,
                    &self.params,
                    &pack(&tokens, batch),
                    pooling,
                    normalize,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let width = self.hidden_size;
        let mut vectors = vec![0f32; texts.len() * width];
        for (batch, values) in batches.iter().zip(&done) {
            for (k, &text) in batch.iter().enumerate() {
                vectors[text * width..(text + 1) * width].copy_from_slice(values.row(k));
            }
        }
        Ok(vectors)
    }

    /// Features for a linear model: the vector of one text, `[|u − v|, u·v]` of two (Conneau et al.
    /// 2017), the vectors side by side of more. `[n_rows, …]`
    pub fn features(
        &self,
        columns: &[TextColumn],
        watch: &dyn Watch,
    ) -> Result<SparseMatrix, RepresentError> {
        let mut vectors = Vec::with_capacity(columns.len());
        for column in columns {
            let texts: Vec<&str> = column.values.iter().map(String::as_str).collect();
            vectors.push(self.embed(&texts, watch)?);
        }
        let width = self.hidden_size;
        let n_rows = columns.first().map_or(0, |c| c.values.len());
        let n_cols = if vectors.len() == 2 {
            2 * width
        } else {
            vectors.len() * width
        };
        let mut dense = Vec::with_capacity(n_rows * n_cols);
        for row in 0..n_rows {
            let of = |v: &Vec<f32>| v[row * width..(row + 1) * width].to_vec();
            if let [u, v] = vectors.as_slice() {
                let (u, v) = (of(u), of(v));
                dense.extend(u.iter().zip(&v).map(|(a, b)| (a - b).abs()));
                dense.extend(u.iter().zip(&v).map(|(a, b)| a * b));
            } else {
                vectors.iter().for_each(|v| dense.extend(of(v)));
            }
        }
        Ok(SparseMatrix::from_dense(n_cols, &dense))
    }
}
