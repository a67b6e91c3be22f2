//! Texts as vectors of an encoder whose weights stay as they are.

use adit_nn::pool::embed_all;
use adit_nn::precision::{Choice, choose};
use adit_nn::watch::Watch;
use adit_nn::{Encoder, NnError, PackedTokens, Params, Precision, Session};

use super::RepresentError;
use super::encoder::{EncoderDirectory, SentencePooling};
use super::sparse::SparseMatrix;
use super::text::{TextTokenizer, Tokens, batches_by_length, pack};
use crate::prepare::TextColumn;

/// Tokens computed together; a text's vector does not depend on its neighbours.
const TOKENS: usize = 256;
/// Texts between two looks at the watch.
const TEXTS_AT_ONCE: usize = 2048;
/// Texts that a precision is chosen by, at most.
const SAMPLE: usize = 256;

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
        self.sentence_encoder_to(self.max_tokens())
    }

    /// As [`EncoderDirectory::sentence_encoder`], cutting at `max_tokens` or the length the encoder
    /// was made for, whichever is shorter.
    ///
    /// # Errors
    /// As [`EncoderDirectory::load`].
    pub fn sentence_encoder_to(
        &self,
        max_tokens: usize,
    ) -> Result<SentenceEncoder, RepresentError> {
        let mut params = Params::new();
        let encoder = self.load(&mut params)?;
        Ok(SentenceEncoder {
            encoder,
            params,
            tokenizer: self.tokenizer(max_tokens.min(self.max_tokens()))?,
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

    /// The tokenizer, cutting at the length the encoder was made for.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// Multiplies with the weights in `precision` from now on.
    ///
    /// [`Precision::Auto`] measures on some of `sample` and takes the fastest whose vectors are near
    /// enough to those of f32 (see [`adit_nn::precision`]); what it found is returned.
    ///
    /// # Errors
    /// As [`SentenceEncoder::embed`].
    pub fn set_precision(
        &mut self,
        precision: Precision,
        sample: &[&str],
    ) -> Result<Option<Choice>, RepresentError> {
        self.params.prepare(precision);
        if precision != Precision::Auto || sample.is_empty() {
            return Ok(None);
        }
        let step = sample.len().div_ceil(SAMPLE);
        let some: Vec<&str> = sample.iter().step_by(step).copied().collect();
        let packed = packed(&self.tokenizer.encode(&some)?).1;
        let SentencePooling { pooling, .. } = self.pooling;
        let encoder = &self.encoder;
        let choice = choose(&mut self.params, &packed, |tape, tokens| {
            let hidden = encoder.hidden(tape, tokens)?;
            let pooled = pooling.apply(tape, hidden, &tokens.offsets);
            Ok(tape.take(pooled))
        })?;
        Ok(Some(choice))
    }

    /// In which precision the weights are multiplied.
    pub fn precision(&self) -> Precision {
        self.params.precision()
    }

    /// One vector a text, in order. Row-major `[n_texts, hidden_size]`
    ///
    /// # Errors
    /// `Cancelled`, tokens that do not fit the model, or the text whose vector is not finite.
    pub fn embed(&self, texts: &[&str], watch: &dyn Watch) -> Result<Vec<f32>, RepresentError> {
        let session = Session::new(&self.params);
        let mut vectors = Vec::with_capacity(texts.len() * self.hidden_size);
        let stage = format!("{}: embed", self.name);
        let mut chunks = texts.chunks(TEXTS_AT_ONCE);
        let mut tokens = chunks
            .next()
            .map(|some| self.tokenizer.encode(some))
            .transpose()?;
        while let Some(ready) = tokens {
            if watch.cancelled() {
                return Err(RepresentError::Cancelled);
            }
            let done = (vectors.len() / self.hidden_size) as u64;
            watch.progress(&stage, done, texts.len() as u64, "");
            // The next texts are tokenised while these are computed.
            let next = chunks.next();
            let (found, following) = rayon::join(
                || self.embed_tokens(&session, &ready, done as usize),
                || next.map(|some| self.tokenizer.encode(some)).transpose(),
            );
            vectors.extend(found?);
            tokens = following?;
        }
        Ok(vectors)
    }

    fn embed_tokens(
        &self,
        session: &Session<'_>,
        tokens: &[Tokens],
        first: usize,
    ) -> Result<Vec<f32>, RepresentError> {
        let (batches, packed) = packed(tokens);
        let SentencePooling { pooling, normalize } = self.pooling;
        let done = embed_all(&self.encoder, session, &packed, pooling, normalize);
        // Texts were sorted by length, but the caller knows them by their place.
        let done = done.map_err(|error| match error {
            NnError::Overflow { text } => NnError::Overflow {
                text: first + batches.concat()[text],
            },
            other => other,
        })?;
        let width = self.hidden_size;
        let mut vectors = vec![0f32; tokens.len() * width];
        for (batch, values) in batches.iter().zip(&done) {
            for (k, &text) in batch.iter().enumerate() {
                vectors[text * width..(text + 1) * width].copy_from_slice(values.row(k));
            }
        }
        Ok(vectors)
    }

    /// The vectors of every text column.
    ///
    /// # Errors
    /// As [`SentenceEncoder::embed`].
    pub fn vectors(
        &self,
        columns: &[TextColumn],
        watch: &dyn Watch,
    ) -> Result<TextVectors, RepresentError> {
        let embed = |column: &TextColumn| {
            let texts: Vec<&str> = column.values.iter().map(String::as_str).collect();
            self.embed(&texts, watch)
        };
        Ok(TextVectors {
            width: self.hidden_size,
            columns: columns.iter().map(embed).collect::<Result<_, _>>()?,
        })
    }
}

/// The vectors of text columns.
#[derive(Clone, Debug)]
pub struct TextVectors {
    /// Length of a vector.
    pub width: usize,
    /// One a column. Row-major `[n_rows, width]`
    pub columns: Vec<Vec<f32>>,
}

impl TextVectors {
    /// Features for a linear model: the vector of one text, `[|u − v|, u·v]` of two (Conneau et al.
    /// 2017), the vectors side by side of more. `[n_rows, …]`
    pub fn features(&self) -> SparseMatrix {
        let (width, vectors) = (self.width, &self.columns);
        let n_rows = vectors.first().map_or(0, |v| v.len() / width.max(1));
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
        SparseMatrix::from_dense(n_cols, &dense)
    }
}

/// Batches of texts of like length, the longest first, so that no thread is left with a long one: which
/// texts, and their tokens.
pub fn packed(tokens: &[Tokens]) -> (Vec<Vec<usize>>, Vec<PackedTokens>) {
    let lengths: Vec<usize> = tokens.iter().map(|t| t.ids.len()).collect();
    let mut batches = batches_by_length(&lengths, TOKENS);
    batches.reverse();
    let packed = batches.iter().map(|batch| pack(tokens, batch)).collect();
    (batches, packed)
}
