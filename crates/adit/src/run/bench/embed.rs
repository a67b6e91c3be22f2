//! Measures how fast this machine turns texts into vectors.

use std::path::{Path, PathBuf};
use std::time::Instant;

use adit_nn::Precision;
use adit_nn::precision::cosines;
use serde::Serialize;

use super::timing::{median, with_peak_memory};
use crate::represent::embedding::SentenceEncoder;
use crate::represent::encoder::EncoderDirectory;
use crate::run::{Context, RunError};
use crate::store::{ModelStore, npy_bytes, write_atomic};

/// Lengths of the single texts that are timed, in tokens.
const SINGLE: [usize; 2] = [12, 200];
/// A single text is embedded so many times a round.
const REPEATS: usize = 20;

/// What is measured.
#[derive(Clone, Debug)]
pub struct EmbedBench {
    /// A file with one text a line.
    pub texts: PathBuf,
    /// Name in the model store, or a Hugging Face directory.
    pub encoder: String,
    pub max_tokens: usize,
    /// Medians over so many rounds, after one that warms up.
    pub rounds: usize,
    pub precisions: Vec<Precision>,
}

/// What was measured in one precision; medians.
#[derive(Clone, Debug, Serialize)]
pub struct EmbedSpeed {
    pub precision: Precision,
    /// From texts to vectors, tokenising included.
    pub tokens_per_second: f64,
    /// Cosines to the vectors of f32.
    pub cosine_mean: f64,
    pub cosine_min: f64,
    /// Seconds for one text of 12 tokens on all threads, where the file has one.
    pub short_text: Option<f64>,
    /// Seconds for one text of 200 tokens.
    pub long_text: Option<f64>,
    /// The most memory that the process held, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Embeds all texts in every precision.
///
/// # Errors
/// A file or an encoder that cannot be read.
pub fn bench_embed(bench: &EmbedBench, context: &Context) -> Result<Vec<EmbedSpeed>, RunError> {
    context.limits.apply(|| {
        let (text, mut encoder) = open(bench, context)?;
        let texts: Vec<&str> = text.lines().collect();
        let lengths = lengths(&encoder, &texts)?;
        let n_tokens: usize = lengths.iter().sum();
        let exact = encoder.embed(&texts, context.watch)?;
        let mut found = Vec::new();
        for &precision in &bench.precisions {
            let ((vectors, all, seconds), peak_memory) = with_peak_memory(|| {
                encoder.set_precision(precision, &texts)?;
                let vectors = encoder.embed(&texts, context.watch)?;
                let all = median(bench.rounds, || timed(&encoder, &texts, context))?;
                let seconds = singles(&encoder, (&texts, &lengths), bench.rounds)?;
                Ok((vectors, all, seconds))
            })?;
            let (cosine_mean, cosine_min) = cosines(&exact, &vectors, encoder.hidden_size());
            found.push(EmbedSpeed {
                precision: encoder.precision(),
                tokens_per_second: n_tokens as f64 / all,
                cosine_mean,
                cosine_min,
                short_text: seconds[0],
                long_text: seconds[1],
                peak_memory,
            });
        }
        Ok(found)
    })
}

/// Embeds all texts once, after warming up on the first of them, and writes the vectors as `.npy`
/// into the folder for temporary files; gives `{"seconds": …, "vectors": "PATH", "single": […]}`, where
/// `single` has the seconds of one text of 12 tokens and of one of 200, or null.
///
/// # Errors
/// As [`bench_embed`].
pub fn bench_peer(bench: &EmbedBench, context: &Context) -> Result<String, RunError> {
    context.limits.apply(|| {
        let (text, mut encoder) = open(bench, context)?;
        let texts: Vec<&str> = text.lines().collect();
        let precision = bench.precisions.first().copied().unwrap_or_default();
        encoder.set_precision(precision, &texts)?;
        encoder.embed(&texts[..texts.len().min(1)], &crate::Silent)?;
        let started = Instant::now();
        let vectors = encoder.embed(&texts, context.watch)?;
        let seconds = started.elapsed().as_secs_f64();
        let lengths = lengths(&encoder, &texts)?;
        let single = singles(&encoder, (&texts, &lengths), bench.rounds)?;
        let name = format!("adit-vectors-{}.npy", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_atomic(
            &path,
            &npy_bytes(texts.len(), encoder.hidden_size(), &vectors),
        )?;
        let found = serde_json::json!({ "seconds": seconds, "vectors": path, "single": single });
        Ok(found.to_string())
    })
}

/// The number of tokens of every text.
fn lengths(encoder: &SentenceEncoder, texts: &[&str]) -> Result<Vec<usize>, RunError> {
    let tokens = encoder.tokenizer().encode(texts)?;
    Ok(tokens.iter().map(|t| t.ids.len()).collect())
}

/// Seconds for one text of each length of [`SINGLE`], where there is one.
fn singles(
    encoder: &SentenceEncoder,
    (texts, lengths): (&[&str], &[usize]),
    rounds: usize,
) -> Result<[Option<f64>; 2], RunError> {
    let mut seconds = [None; 2];
    for (seconds, n) in seconds.iter_mut().zip(SINGLE) {
        let Some(at) = lengths.iter().position(|&len| len == n) else {
            continue;
        };
        let one = || {
            let started = Instant::now();
            for _ in 0..REPEATS {
                encoder.embed(&texts[at..=at], &crate::Silent)?;
            }
            Ok(started.elapsed().as_secs_f64() / REPEATS as f64)
        };
        *seconds = Some(median(rounds, one)?);
    }
    Ok(seconds)
}

fn open(bench: &EmbedBench, context: &Context) -> Result<(String, SentenceEncoder), RunError> {
    let text = read(&bench.texts)?;
    let found = ModelStore::new(context.model_store).resolve(&bench.encoder)?;
    let encoder = EncoderDirectory::open(&found.path, &found.manifest.name)?;
    Ok((text, encoder.sentence_encoder_to(bench.max_tokens)?))
}

fn read(path: &Path) -> Result<String, RunError> {
    let fail = |reason: String| RunError::TextFile {
        path: path.to_path_buf(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    if text.lines().next().is_none() {
        return Err(fail("holds no text".into()));
    }
    Ok(text)
}

fn timed(encoder: &SentenceEncoder, texts: &[&str], context: &Context) -> Result<f64, RunError> {
    let started = Instant::now();
    encoder.embed(texts, context.watch)?;
    Ok(started.elapsed().as_secs_f64())
}
