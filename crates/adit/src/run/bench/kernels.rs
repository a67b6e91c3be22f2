//! The time of each kernel, and its share of what this machine can do at most.

use adit_nn::Precision;
use adit_nn::kernels::attention::{self, Heads, Inputs};
use adit_nn::kernels::elementwise;
use adit_nn::kernels::matmul::Products;
use adit_nn::kernels::norm::{Affine, layer_norm};
use adit_nn::kernels::parallel::{block_rows, rows_mut};
use adit_nn::kernels::peak::Peak;
use adit_nn::kernels::prepared::{Activation, Finish, Weight, bf16_rounds_inputs};
use serde::Serialize;

use super::timing::{seconds_a_call, step};
use crate::run::{Context, Limits, RunError};

/// Inputs and outputs of the linear maps: those of MiniLM, and of BERT-base's widest.
const MAPS: [(usize, usize); 4] = [(384, 384), (384, 1536), (1536, 384), (768, 3072)];
/// Width of all heads together.
const HIDDEN: usize = 384;
/// Widths of heads.
const HEADS: [usize; 2] = [32, 64];
/// Tokens of the texts that attention sees.
const LENGTHS: [usize; 2] = [64, 512];
/// Values a row of what GELU is computed of.
const WIDE: usize = 1536;
/// Values a row of what softmax is computed of.
const SCORES: usize = 512;
/// Seconds of one measurement, about.
const LEAST: f64 = 0.02;

/// What is measured.
#[derive(Clone, Debug)]
pub struct KernelBench {
    /// Rows of every matrix: tokens computed together.
    pub rows: usize,
    /// Medians over so many measurements; of peaks the best.
    pub rounds: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct KernelSpeeds {
    /// Rows of every matrix.
    pub rows: usize,
    /// More than one thread, where there is more than one.
    pub threads: usize,
    pub peaks: Vec<PeakSpeed>,
    pub kernels: Vec<KernelSpeed>,
}

/// The most multiplications and additions a second, in registers alone.
#[derive(Clone, Debug, Serialize)]
pub struct PeakSpeed {
    pub instructions: &'static str,
    /// `f32`, `bf16` or `int8`.
    pub numbers: &'static str,
    /// On one thread.
    pub one: f64,
    /// On all threads at once.
    pub all: f64,
}

/// The speed of a kernel.
#[derive(Clone, Debug, Serialize)]
pub struct KernelSpeed {
    pub kernel: &'static str,
    /// Sizes, for people to read.
    pub shape: String,
    /// `f32`, `bf16` or `int8`.
    pub numbers: &'static str,
    /// Whether bytes are counted, and not operations.
    pub in_bytes: bool,
    pub one: Rate,
    pub all: Rate,
}

/// How fast, on so many threads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    pub seconds: f64,
    /// Multiplications and additions, or bytes read and written.
    pub per_second: f64,
    /// Of the peak; where bytes are counted, of what a copy of as many values reaches.
    pub share: f64,
}

/// Measures the peaks of this machine and every kernel, on one thread and on all.
///
/// # Errors
/// `Interrupted`, or threads that do not start.
pub fn bench_kernels(bench: &KernelBench, context: &Context) -> Result<KernelSpeeds, RunError> {
    let threads = context.limits.threads;
    let there: Vec<Peak> = Peak::ALL.into_iter().filter(|p| p.is_there()).collect();
    let mut cases = cases(bench.rows);
    let total = there.len() + cases.len();
    let mut peaks = Vec::new();
    for (at, &peak) in there.iter().enumerate() {
        step(context, "peaks", (at, total), peak.instructions())?;
        let of = |threads| Limits { threads }.apply(|| peak_of(peak, bench.rounds));
        peaks.push(PeakSpeed {
            instructions: peak.instructions(),
            numbers: peak.numbers(),
            one: of(1)?,
            all: of(threads)?,
        });
    }
    let mut kernels = Vec::new();
    for (at, case) in cases.iter_mut().enumerate() {
        step(context, "kernels", (there.len() + at, total), case.kernel)?;
        let peak = match case.work {
            Work::Operations(_, precision) => {
                let of = Peak::of(precision);
                there.iter().position(|&p| p == of).map(|at| &peaks[at])
            }
            Work::Bytes(_) => None,
        };
        let mut of = |threads: usize, peak: Option<f64>| {
            Limits { threads }.apply(|| case.measure(bench.rounds, peak))
        };
        let one = of(1, peak.map(|p| p.one))?;
        let all = of(threads, peak.map(|p| p.all))?;
        kernels.push(KernelSpeed {
            kernel: case.kernel,
            shape: case.shape.clone(),
            numbers: case.numbers,
            in_bytes: matches!(case.work, Work::Bytes(_)),
            one,
            all,
        });
    }
    Ok(KernelSpeeds {
        rows: bench.rows,
        threads,
        peaks,
        kernels,
    })
}

/// Operations a second on all threads of the pool at once; the best of `rounds` measurements.
fn peak_of(peak: Peak, rounds: usize) -> Result<f64, RunError> {
    let threads = rayon::current_num_threads() as f64;
    // As many as take some tenths of a millisecond, beside which waking threads costs little.
    const AT_ONCE: u64 = 200_000;
    let run = || {
        rayon::broadcast(|_| std::hint::black_box(peak.run(AT_ONCE)));
        Ok(())
    };
    let mut best = f64::INFINITY;
    for _ in 0..rounds.max(1) {
        best = best.min(seconds_a_call(1, LEAST, run)?);
    }
    Ok(threads * (AT_ONCE * peak.operations()) as f64 / best)
}

/// What one call of a kernel does.
#[derive(Clone, Copy)]
enum Work {
    /// Multiplications and additions, whose peak is that of the precision.
    Operations(usize, Precision),
    /// Values that are read, and as many that are written.
    Bytes(usize),
}

/// A kernel with its inputs.
struct Case {
    kernel: &'static str,
    shape: String,
    numbers: &'static str,
    work: Work,
    run: Box<dyn FnMut() + Send>,
}

impl Case {
    /// The speed on the threads of the pool, beside `peak` operations a second.
    fn measure(&mut self, rounds: usize, peak: Option<f64>) -> Result<Rate, RunError> {
        let seconds = seconds_a_call(rounds, LEAST, || {
            (self.run)();
            Ok(())
        })?;
        let (work, most) = match self.work {
            Work::Operations(n, _) => (n as f64, peak.unwrap_or(f64::NAN)),
            Work::Bytes(n) => (bytes(n), copied(n, rounds)?),
        };
        Ok(Rate {
            seconds,
            per_second: work / seconds,
            share: work / seconds / most,
        })
    }
}

/// Bytes that are read and written for `n` values.
fn bytes(n: usize) -> f64 {
    (2 * n * size_of::<f32>()) as f64
}

/// Bytes a second that a copy of `n` values reads and writes.
fn copied(n: usize, rounds: usize) -> Result<f64, RunError> {
    let (from, mut to) = (values(n), vec![0.0; n]);
    let seconds = seconds_a_call(rounds, LEAST, || {
        elementwise::copy(&mut to, &from);
        Ok(())
    })?;
    Ok(bytes(n) / seconds)
}

/// Numbers between -1 and 1.
fn values(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| (i * 7919 % 1009) as f32 * 0.00198 - 1.0)
        .collect()
}

fn word(precision: Precision) -> &'static str {
    match precision {
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
        Precision::F32 | Precision::Auto => "f32",
    }
}

fn cases(rows: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        cases.extend(MAPS.map(|map| linear(rows, map, precision)));
    }
    for (products, precision) in [
        (Products::F32, Precision::F32),
        (Products::Bf16, Precision::Bf16),
    ] {
        cases.extend(training(rows, MAPS[1], products, precision));
    }
    for near in [false, true] {
        for head in HEADS {
            cases.extend(LENGTHS.map(|length| attention_of(rows, head, length, near)));
        }
    }
    cases.push(norm(rows));
    cases.push(gelu(rows));
    cases.push(softmax(rows));
    cases
}

/// A linear map in inference, with its bias; the weight is packed before.
fn linear(rows: usize, (k, n): (usize, usize), precision: Precision) -> Case {
    let weight = Weight::new(precision, (n, k), &values(n * k));
    let (x, bias, mut out) = (values(rows * k), values(n), vec![0.0; rows * n]);
    Case {
        kernel: "linear map",
        shape: format!("{rows} x {k} -> {n}"),
        numbers: word(precision),
        work: Work::Operations(2 * rows * k * n, precision),
        run: Box::new(move || {
            let finish = Finish {
                bias: Some(&bias),
                activation: Activation::None,
            };
            weight.linear(&x, &mut out, finish);
        }),
    }
}

/// The products of a linear map in training, where weights are packed every time.
fn training(
    rows: usize,
    (k, n): (usize, usize),
    products: Products,
    precision: Precision,
) -> [Case; 3] {
    let (x, weight, grad) = (values(rows * k), values(n * k), values(rows * n));
    let case = |kernel, run: Box<dyn FnMut() + Send>| Case {
        kernel,
        shape: format!("{rows} x {k} -> {n}"),
        numbers: word(precision),
        work: Work::Operations(2 * rows * k * n, precision),
        run,
    };
    let (inputs, weights, grads) = (x.clone(), weight.clone(), grad.clone());
    let mut out = vec![0.0; rows * n];
    let forward = Box::new(move || {
        products.nt_then(
            (rows, n, k),
            &mut out,
            [&inputs, &weights],
            false,
            |_, _| {},
        );
    });
    let mut out = vec![0.0; rows * k];
    let to_inputs = Box::new(move || {
        products.nn((rows, k, n), &mut out, [&grads, &weight], false);
    });
    let mut out = vec![0.0; n * k];
    let to_weights = Box::new(move || {
        products.tn((n, k, rows), &mut out, [&grad, &x], false);
    });
    [
        case("training, forward", forward),
        case("training, to inputs", to_inputs),
        case("training, to weights", to_weights),
    ]
}

/// Attention of texts of `length` tokens, as many as `rows` hold; `near` as beside rounded weights.
fn attention_of(rows: usize, head: usize, length: usize, near: bool) -> Case {
    let n_texts = (rows / length).max(1);
    let n = n_texts * length * HIDDEN;
    let offsets: Vec<usize> = (0..=n_texts).map(|i| i * length).collect();
    let (q, k, v, mut out) = (values(n), values(n), values(n), vec![0.0; n]);
    let precision = if near && bf16_rounds_inputs() {
        Precision::Bf16
    } else {
        Precision::F32
    };
    Case {
        kernel: if near { "attention, near" } else { "attention" },
        shape: format!("{n_texts} x {length}, {} heads of {head}", HIDDEN / head),
        numbers: word(precision),
        work: Work::Operations(4 * n * length, precision),
        run: Box::new(move || {
            let heads = Heads {
                near,
                ..Heads::own(&offsets, HIDDEN / head, HIDDEN)
            };
            let inputs = Inputs {
                q: &q,
                k: &k,
                v: &v,
            };
            attention::forward(heads, inputs, &mut out, &mut []);
        }),
    }
}

fn norm(rows: usize) -> Case {
    let n = rows * HIDDEN;
    let (x, mut out) = (values(n), vec![0.0; n]);
    let (gamma, beta) = (values(HIDDEN), values(HIDDEN));
    Case {
        kernel: "layer norm",
        shape: format!("{rows} x {HIDDEN}"),
        numbers: "f32",
        work: Work::Bytes(n),
        run: Box::new(move || {
            let affine = Affine {
                gamma: &gamma,
                beta: &beta,
                eps: 1e-12,
            };
            layer_norm(&mut out, &mut [], &x, &[], affine);
        }),
    }
}

fn gelu(rows: usize) -> Case {
    let n = rows * WIDE;
    let (x, mut out) = (values(n), vec![0.0; n]);
    Case {
        kernel: "GELU",
        shape: format!("{rows} x {WIDE}"),
        numbers: "f32",
        work: Work::Bytes(n),
        run: Box::new(move || elementwise::gelu_from(&mut out, &x)),
    }
}

fn softmax(rows: usize) -> Case {
    let mut scores = values(rows * SCORES);
    Case {
        kernel: "softmax",
        shape: format!("{rows} x {SCORES}"),
        numbers: "f32",
        work: Work::Bytes(rows * SCORES),
        run: Box::new(move || {
            rows_mut(&mut scores, SCORES, block_rows(SCORES), |_, scores| {
                attention::softmax(scores, SCORES, SCORES, &mut [], 1.0);
            });
        }),
    }
}
