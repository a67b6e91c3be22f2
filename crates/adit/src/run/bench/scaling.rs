//! How the time of embedding grows with the length of a text, the number of texts, and threads.

use adit_nn::pool::embed_all;
use adit_nn::{Encoder, Params, Pooling, Precision, Session};
use serde::Serialize;

use super::model::{BenchModel, Opened};
use super::timing::{seconds_a_call, step, with_peak_memory};
use crate::mine::MineError;
use crate::represent::embedding::packed;
use crate::represent::text::Tokens;
use crate::run::{Context, Limits, RunError};

/// The shortest text that is measured, in tokens.
const SHORTEST: usize = 64;
/// Tokens of the texts of a batch.
const LENGTH: usize = 128;
/// The most texts that are measured together.
const TEXTS: usize = 64;
/// Tokens of the single text that all threads share.
const ALONE: usize = 512;
/// Seconds of one measurement, at least.
const LEAST: f64 = 0.05;

/// What is measured.
#[derive(Clone, Debug)]
pub struct ScalingBench {
    pub model: BenchModel,
    pub precision: Precision,
    /// The longest text in tokens; shorter where the model's positions end before.
    pub longest: usize,
    /// Medians over so many measurements.
    pub rounds: usize,
}

/// How time grows.
#[derive(Clone, Debug, Serialize)]
pub struct Scaling {
    pub model: String,
    pub precision: Precision,
    pub threads: usize,
    /// The longest text that the model reads, in tokens.
    pub max_tokens: usize,
    /// Tokens of each text of `batches` and `threads_of_many`.
    pub batch_length: usize,
    /// Texts of `threads_of_many`.
    pub n_texts: usize,
    /// Tokens of the text of `threads_of_one`.
    pub alone_length: usize,
    /// By the tokens of one text, on all threads.
    pub lengths: Vec<Growth>,
    /// By the number of texts, on all threads.
    pub batches: Vec<Growth>,
    /// By the number of threads, many texts.
    pub threads_of_many: Vec<Growth>,
    /// By the number of threads, one text.
    pub threads_of_one: Vec<Growth>,
}

/// The time at one size.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// Tokens, texts or threads.
    pub n: usize,
    pub seconds: f64,
    pub tokens_per_second: f64,
    /// By what the time is multiplied when `n` doubles, from the size before to this one.
    pub per_doubling: Option<f64>,
    /// The most memory that the process held, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Embeds texts of tokens without meaning, tokenising left out.
///
/// # Errors
/// An encoder that cannot be read, threads that do not start, or `Interrupted`.
pub fn bench_scaling(bench: &ScalingBench, context: &Context) -> Result<Scaling, RunError> {
    let opened = bench.model.open(bench.longest, context)?;
    let max_tokens = opened.encoder.max_tokens();
    let longest = bench.longest.min(max_tokens);
    let (batch_length, alone_length) = (LENGTH.min(longest), ALONE.min(longest));
    let all = context.limits.threads;
    let lengths = doublings(SHORTEST.min(longest), longest);
    let batches = doublings(1, TEXTS);
    let threads = doublings(1, all);

    let mut measured = Measured::new(bench, opened, context);
    measured.total = lengths.len() + batches.len() + 2 * threads.len();
    let by = |measured: &mut Measured<'_>, sizes: &[usize], of: &dyn Fn(usize) -> Size| {
        let mut found: Vec<Growth> = Vec::new();
        for &n in sizes {
            let growth = measured.one(n, of(n), found.last())?;
            found.push(growth);
        }
        Ok::<_, RunError>(found)
    };
    let size = |n_texts, length, threads| Size {
        n_texts,
        length,
        threads,
    };
    Ok(Scaling {
        lengths: by(&mut measured, &lengths, &|n| size(1, n, all))?,
        batches: by(&mut measured, &batches, &|n| size(n, batch_length, all))?,
        threads_of_many: by(&mut measured, &threads, &|n| size(TEXTS, batch_length, n))?,
        threads_of_one: by(&mut measured, &threads, &|n| size(1, alone_length, n))?,
        model: measured.name,
        precision: bench.precision,
        threads: all,
        max_tokens,
        batch_length,
        n_texts: TEXTS,
        alone_length,
    })
}

/// `from`, twice that, and so on, and `to` at last.
fn doublings(from: usize, to: usize) -> Vec<usize> {
    let next = |&n: &usize| (n < to).then(|| (2 * n).min(to));
    std::iter::successors(Some(from), next).collect()
}

/// By what `after` over `before` multiplies a value when the size doubles, given what the size was
/// multiplied by.
fn per_doubling(after: f64, before: f64, size: f64) -> f64 {
    (after / before).powf(1.0 / size.log2())
}

/// What is embedded at once, and on how many threads.
#[derive(Clone, Copy)]
struct Size {
    n_texts: usize,
    length: usize,
    threads: usize,
}

struct Measured<'a> {
    bench: &'a ScalingBench,
    context: &'a Context<'a>,
    name: String,
    encoder: Encoder,
    params: Params,
    ids: Vec<u32>,
    done: usize,
    total: usize,
}

impl<'a> Measured<'a> {
    fn new(bench: &'a ScalingBench, mut opened: Opened, context: &'a Context<'a>) -> Self {
        opened.params.prepare(bench.precision);
        Self {
            bench,
            context,
            ids: opened.ids(bench.longest),
            name: opened.name,
            encoder: opened.encoder,
            params: opened.params,
            done: 0,
            total: 0,
        }
    }

    fn one(&mut self, n: usize, size: Size, before: Option<&Growth>) -> Result<Growth, RunError> {
        let note = format!(
            "{} x {} tokens, threads: {}",
            size.n_texts, size.length, size.threads
        );
        step(self.context, "embed", (self.done, self.total), &note)?;
        self.done += 1;
        let (seconds, peak_memory) = with_peak_memory(|| {
            let limits = Limits {
                threads: size.threads,
            };
            limits.apply(|| self.seconds(size))
        })?;
        let growth = |before: &Growth| {
            let size = n as f64 / before.n as f64;
            per_doubling(seconds, before.seconds, size)
        };
        Ok(Growth {
            n,
            seconds,
            tokens_per_second: (size.n_texts * size.length) as f64 / seconds,
            per_doubling: before.map(growth),
            peak_memory,
        })
    }

    fn seconds(&self, size: Size) -> Result<f64, RunError> {
        let text = Tokens {
            ids: self.ids[..size.length].to_vec(),
            type_ids: vec![0; size.length],
        };
        let (_, batches) = packed(&vec![text; size.n_texts]);
        let session = Session::new(&self.params);
        seconds_a_call(self.bench.rounds, LEAST, || {
            let vectors = embed_all(&self.encoder, &session, &batches, Pooling::Mean, true);
            vectors.map(|_| ()).map_err(|e| MineError::from(e).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_double_up_to_the_last() {
        assert_eq!(doublings(64, 512), [64, 128, 256, 512]);
        assert_eq!(doublings(1, 6), [1, 2, 4, 6]);
        assert_eq!(doublings(1, 1), [1]);
        assert_eq!(doublings(40, 40), [40]);
    }

    #[test]
    fn growth_is_told_by_doublings_whatever_the_step() {
        assert_eq!(per_doubling(4.0, 1.0, 2.0), 4.0);
        assert!((per_doubling(16.0, 1.0, 4.0) - 4.0).abs() < 1e-12);
        let half = per_doubling(1.5, 1.0, 1.5);
        assert!((half - 2.0).abs() < 1e-12, "{half}");
    }
}
