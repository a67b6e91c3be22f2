//! Kernels on values that are large, tiny, zero or no numbers, on every instruction set of this machine.

use proptest::prelude::*;

use super::attention::{Heads, Inputs, forward};
use super::gated;
use super::matmul::{self, Products};
use super::norm::{Affine, layer_norm};
use super::prepared::{Activation, Finish, Weight};
use super::simd::{Level, at_most};
use super::{elementwise, maths, rms_norm};
use crate::pool::embed;
use crate::precision::Precision;
use crate::{Encoder, EncoderConfig, PackedTokens, Params, Pooling};

/// Cases of a law; under Miri, which is slow, few.
const CASES: u32 = if cfg!(miri) { 1 } else { 60 };

fn laws() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Zeros, denormal numbers, the smallest normal ones, and numbers up to `most`.
fn value(most: f32) -> impl Strategy<Value = f32> {
    let size = prop_oneof![
        Just(0.0f32),
        Just(1e-45),
        Just(1e-40),
        Just(f32::MIN_POSITIVE),
        Just(1e-38),
        Just(1e-20),
        (0.01f32..2.0).prop_map(|v| v),
        Just(most.sqrt()),
        (0.1f32..1.0).prop_map(move |v| v * most),
        Just(most),
    ];
    (size, any::<bool>()).prop_map(|(v, minus)| if minus { -v } else { v })
}

fn values(n: usize, most: f32) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(most), n)
}

/// What `work` computes on the plain path, once it is seen that every other path gives the same bits.
fn on_all(work: impl Fn() -> Vec<f32> + Sync + Send) -> Vec<f32> {
    let plain = at_most(Level::Portable, &work);
    let bits = |values: &[f32]| -> Vec<u32> {
        // Machines differ in the sign and payload of what is not a number, which means nothing.
        let one = |v: &f32| if v.is_nan() { f32::NAN } else { *v }.to_bits();
        values.iter().map(one).collect()
    };
    for level in Level::all() {
        assert_eq!(bits(&at_most(level, &work)), bits(&plain), "{level:?}");
    }
    plain
}

/// GELU where one term of it is all that counts.
fn gelu_oracle(x: f32) -> f64 {
    let v = f64::from(x);
    match v.abs() {
        size if size > 9.0 => v.max(0.0),
        size if size < 1e-3 => 0.5 * v + v * v * 0.398_942_28,
        _ => f64::from(maths::gelu(x)),
    }
}

fn near(got: f32, want: f64, allowed: f64) -> Result<(), TestCaseError> {
    let gap = (f64::from(got) - want).abs();
    prop_assert!(gap <= allowed, "{got}, not {want}");
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn activations(x in values(21, 1e30)) {
        for (kind, run) in [
            ("exact", elementwise::gelu as fn(&mut [f32])),
            ("tanh", elementwise::gelu_tanh),
        ] {
            let out = on_all(|| { let mut out = x.clone(); run(&mut out); out });
            for (&got, &x) in out.iter().zip(&x) {
                // Between the two forms lie 5e-4 where both terms count.
                let moderate = (1e-3..9.0).contains(&x.abs());
                let loose = if kind == "tanh" && moderate { 1e-3 } else { 1.5e-6 };
                near(got, gelu_oracle(x), loose + 2e-7 * f64::from(x.abs()))?;
            }
        }
        for (run, most) in [
            (elementwise::gelu_back as fn(&mut [f32], &[f32]), 1.2),
            (elementwise::gelu_tanh_back, 1.2),
        ] {
            let slopes = on_all(|| { let mut slopes = vec![1.0; x.len()]; run(&mut slopes, &x); slopes });
            for (&slope, &x) in slopes.iter().zip(&x) {
                prop_assert!((-0.2..most).contains(&slope), "the slope at {x} is {slope}");
                prop_assert!(x.abs() < 9.0 || slope == f32::from(x > 0.0), "the slope at {x} is {slope}");
            }
        }
        let out = on_all(|| { let mut out = x.clone(); elementwise::tanh(&mut out); out });
        for (&got, &x) in out.iter().zip(&x) {
            near(got, f64::from(x).tanh(), 2e-7)?;
        }
        for kind in [gated::Gelu::Exact, gated::Gelu::Tanh] {
            let one = vec![1.0f32; x.len()];
            let both = [&x[..], &one].concat();
            let n = x.len();
            let out = on_all(|| { let mut out = vec![0.0; n]; gated::halves(kind, &mut out, &both, n); out });
            for (&got, &x) in out.iter().zip(&x) {
                near(got, gelu_oracle(x), 1e-3 + 2e-7 * f64::from(x.abs()))?;
            }
            let back = on_all(|| { let mut dx = vec![0.0; 2 * n]; gated::halves_back(kind, &mut dx, &both, &one, n); dx });
            for (&slope, &x) in back.iter().zip(&x) {
                prop_assert!((-0.2..1.2).contains(&slope), "{kind:?}: the slope at {x} is {slope}");
            }
        }
    }

    #[test]
    fn norms(cols in 1usize..40, x in values(80, 1e18), size in prop_oneof![Just(1e-30f32), Just(1e-4), Just(1.0)]) {
        let x: Vec<f32> = x[..2 * cols].iter().map(|v| v * size).collect();
        let (gamma, beta, eps) = (vec![1.5; cols], vec![0.25; cols], 1e-12);
        let out = on_all(|| {
            let mut out = vec![0.0; x.len()];
            layer_norm(&mut out, &mut [], &x, &[], Affine { gamma: &gamma, beta: &beta, eps });
            out
        });
        let roots = on_all(|| { let mut out = x.clone(); rms_norm::rms_norm(&mut out, &gamma, eps); out });
        for (row, x) in x.chunks(cols).enumerate() {
            let n = cols as f64;
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
            let square = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
            let top = x.iter().fold(0.0f64, |top, &v| top.max(f64::from(v.abs())));
            let rate = 1.0 / (variance + f64::from(eps)).sqrt();
            // The mean is rounded to the size of the largest value, and nothing is known beyond that.
            let allowed = 1e-4 + 1.5 * 1e-6 * top * rate;
            for (at, &v) in x.iter().enumerate() {
                let at = row * cols + at;
                near(out[at], (f64::from(v) - mean) * rate * 1.5 + 0.25, allowed)?;
                near(roots[at], f64::from(v) / (square + f64::from(eps)).sqrt() * 1.5, 1e-4)?;
            }
        }
    }

    #[test]
    fn products((m, n, k) in (1usize..8, 1usize..20, 1usize..40), a in values(8 * 40, 1e30), b in values(20 * 40, 1e30), turned: bool) {
        // Large ones meet tiny ones, so that no product leaves the range.
        let b: Vec<f32> = b[..n * k].iter().map(|v| v * 1e-28).collect();
        let a = &a[..m * k];
        let [left, right] = if turned { [&b[..], a] } else { [a, &b[..]] };
        let (m, n) = if turned { (n, m) } else { (m, n) };
        let check = |out: &[f32], part: f64, cut: f64| -> Result<(), TestCaseError> {
            for (at, &got) in out.iter().enumerate() {
                let (mut sum, mut size, mut lost) = (0.0f64, 0.0f64, 0.0f64);
                for p in 0..k {
                    let (l, r) = (f64::from(left[at / n * k + p]), f64::from(right[at % n * k + p]));
                    sum += l * r;
                    size += (l * r).abs();
                    // What is below the normal numbers may count as zero in bf16.
                    let tiny = |v: f64| v.abs() < 1.2e-38;
                    lost += if tiny(l) || tiny(r) { (l * r).abs() } else { 1.2e-38 };
                }
                near(got, sum, part * size + cut * lost + 1e-44 * k as f64)?;
            }
            Ok(())
        };
        let f32_part = 1e-6 * (k as f64 + 4.0);
        let out = on_all(|| { let mut c = vec![0.0; m * n]; matmul::nt((m, n, k), &mut c, left, right, false); c });
        check(&out, f32_part, 0.0)?;
        for level in Level::all() {
            let out = at_most(level, || {
                let mut c = vec![0.0; m * n];
                Products::Bf16.nt_then((m, n, k), &mut c, [left, right], false, |_, _| {});
                c
            });
            check(&out, f32_part + 1.0 / 120.0, 1.0)?;
        }
        let finish = Finish { bias: None, activation: Activation::None };
        let prepared = |precision| {
            let mut out = vec![0.0; m * n];
            Weight::new(precision, (n, k), right).linear(left, &mut out, finish);
            out
        };
        prop_assert_eq!(on_all(|| prepared(Precision::F32)), out);
        for level in Level::all() {
            check(&at_most(level, || prepared(Precision::Bf16)), f32_part + 1.0 / 120.0, 1.0)?;
        }
        // A step of a row or weight is the width of its range over 255, or half of one over 127.
        let out = on_all(|| prepared(Precision::Int8));
        let top = |row: &[f32]| row.iter().fold(0.0f64, |top, &v| top.max(f64::from(v.abs())));
        for (at, &got) in out.iter().enumerate() {
            let (l, r) = (&left[at / n * k..][..k], &right[at % n * k..][..k]);
            let sum: f64 = l.iter().zip(r).map(|(&l, &r)| f64::from(l) * f64::from(r)).sum();
            // Ranges whose steps are not normal numbers count as zeros.
            near(got, sum, 0.03 * k as f64 * top(l) * top(r) + 1e-36 * k as f64 * (top(l) + top(r)) + 1e-36)?;
        }
    }

    #[test]
    fn attention((queries, keys) in (1usize..4, 1usize..40), data in values(120, 1e15), v in values(40, 1e30), scale in prop_oneof![Just(1.0f32), Just(0.35355338), Just(0.577)]) {
        let (q, k, v) = (&data[..queries], &data[40..40 + keys], &v[..keys]);
        let offsets = [[0, queries], [0, keys]];
        let run = |near: bool| {
            let heads = Heads { keys: &offsets[1], scale, near, ..Heads::own(&offsets[0], 1, 1) };
            let mut out = vec![0.0; queries];
            forward(heads, Inputs { q, k, v }, &mut out, &mut []);
            out
        };
        for (near_enough, loose) in [(false, 1e-5), (true, 1e-4)] {
            let out = on_all(|| run(near_enough));
            for (&q, &got) in q.iter().zip(&out) {
                // With one column a score is one product, rounded once.
                let scores: Vec<f64> = k.iter().map(|&k| f64::from(q * k)).collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| ((s - top) * f64::from(scale)).exp()).collect();
                let total: f64 = weights.iter().sum();
                let parts = || weights.iter().zip(v).map(|(w, &v)| w / total * f64::from(v));
                let sizes: f64 = parts().map(f64::abs).sum();
                let all: f64 = v.iter().map(|&v| f64::from(v.abs())).sum();
                // Weights below e⁻⁸⁷ count as none.
                near(got, parts().sum(), loose * sizes + 2e-38 * all + 1e-44)?;
            }
        }
    }
}

#[test]
fn what_is_no_number_is_seen_in_every_result_that_it_reaches() {
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (m, n, k) = (3, 18, 20);
        let mut x = vec![0.5f32; m * k];
        x[k + 3] = odd;
        let w = vec![0.25f32; n * k];
        let finish = Finish {
            bias: None,
            activation: Activation::Gelu,
        };
        for level in Level::all() {
            let seen = |what: &str, out: &[f32], cols: usize| {
                for (row, out) in out.chunks(cols).enumerate() {
                    let finite = out.iter().all(|v| v.is_finite());
                    assert_eq!(finite, row != 1, "{what} of {odd}, row {row}, {level:?}");
                }
            };
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let mut out = vec![0.0; m * n];
                at_most(level, || {
                    Weight::new(precision, (n, k), &w).linear(
                        &x,
                        &mut out,
                        Finish {
                            activation: Activation::None,
                            ..finish
                        },
                    );
                });
                seen(&format!("{precision:?}"), &out, n);
            }
            let mut out = vec![0.0; m * n];
            at_most(level, || {
                Products::Bf16.nt_then((m, n, k), &mut out, [&x, &w], false, |_, _| {});
            });
            seen("a product in bf16", &out, n);
            let affine = Affine {
                gamma: &w[..k],
                beta: &w[..k],
                eps: 1e-5,
            };
            let mut out = vec![0.0; m * k];
            at_most(level, || layer_norm(&mut out, &mut [], &x, &[], affine));
            seen("a layer norm", &out, k);
            let mut out = x.clone();
            at_most(level, || rms_norm::rms_norm(&mut out, &w[..k], 1e-5));
            if odd.is_nan() {
                seen("a root-mean-square norm", &out, k);
            } else {
                assert!(out[k + 3].is_nan(), "an infinity over an infinity");
            }
            // Each row is a sequence of its own.
            let offsets = [0, 1, 2, 3];
            for near in [false, true] {
                let heads = Heads {
                    near,
                    ..Heads::own(&offsets, 2, k)
                };
                let mut out = vec![0.0; m * k];
                let (q, k, v) = (&x[..], &x[..], &x[..]);
                at_most(level, || {
                    forward(heads, Inputs { q, k, v }, &mut out, &mut []);
                });
                seen("attention", &out, 20);
            }
        }
        assert_eq!(maths::exp(f32::NEG_INFINITY), 0.0);
        assert!(!maths::gelu(odd).is_finite() && !maths::gelu_tanh(odd).is_finite());
    }
}

#[test]
#[cfg_attr(
    miri,
    ignore = "whole encoders take hours; their kernels have tests of their own"
)]
fn a_whole_encoder_has_the_same_bits_on_every_path() {
    let config = r#"{"model_type": "bert", "vocab_size": 31, "hidden_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 70, "max_position_embeddings": 40}"#;
    let config = EncoderConfig::from_json(config).expect("a configuration");
    let ids: Vec<u32> = (0..73).map(|i| i * 11 % 31).collect();
    let tokens = PackedTokens::new(ids, vec![0; 73], vec![0, 1, 34, 73]).expect("tokens");
    for precision in [Precision::F32, Precision::Int8] {
        let vectors = on_all(|| {
            let mut params = Params::new();
            let encoder = Encoder::new(&config, &mut params, 3);
            params.prepare(precision);
            let vectors = embed(&encoder, &params, &tokens, Pooling::Mean, true);
            vectors.expect("vectors").data
        });
        assert!(vectors.iter().any(|&v| v != 0.0), "{precision:?}");
    }
}
