//! Kernels against plain loops.

use adit_nn::kernels::attention::{Bias, Heads, Inputs, Mask, backward, forward};
use adit_nn::kernels::matmul::{self, Products, View};
use proptest::prelude::*;

/// Under Miri, which is slow, sizes and cases are few.
const MIRI: bool = cfg!(miri);
/// Rows and columns of a product are fewer.
const MOST: usize = if MIRI { 20 } else { 70 };

fn fill(n: usize, seed: usize) -> Vec<f32> {
    (0..n)
        .map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0) - 1.0)
        .collect()
}

fn plain(
    m: usize,
    n: usize,
    k: usize,
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f64> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            out.push(
                (0..k)
                    .map(|p| f64::from(a(i, p)) * f64::from(b(p, j)))
                    .sum(),
            );
        }
    }
    out
}

fn close(got: &[f32], want: &[f64], k: usize) {
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (f64::from(*got) - want).abs() < 1e-6 * (k as f64 + 4.0),
            "{at}: {got} {want}"
        );
    }
}

/// The nearest bfloat16.
fn half(v: f32) -> f32 {
    let bits = v.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}

fn check_products(m: usize, n: usize, k: usize, seed: usize) {
    let (a, b, start) = (
        fill(m * k, seed),
        fill(n * k, seed + 1),
        fill(m * n, seed + 2),
    );
    let sides = [&a[..], &b[..]];
    for products in [Products::F32, Products::Bf16] {
        let numbers = |side: &[f32]| -> Vec<f32> {
            match products {
                Products::F32 => side.to_vec(),
                Products::Bf16 => side.iter().map(|&v| half(v)).collect(),
            }
        };
        let (x, y) = (numbers(&a), numbers(&b));
        for add in [false, true] {
            let check = |c: &[f32], mut want: Vec<f64>| {
                if add {
                    want.iter_mut()
                        .zip(&start)
                        .for_each(|(w, &s)| *w += f64::from(s));
                }
                close(c, &want, k);
            };
            let mut c = start.clone();
            products.nt_then((m, n, k), &mut c, sides, add, |_, _| {});
            check(&c, plain(m, n, k, |i, p| x[i * k + p], |p, j| y[j * k + p]));
            let mut c = start.clone();
            products.nn((m, n, k), &mut c, sides, add);
            check(&c, plain(m, n, k, |i, p| x[i * k + p], |p, j| y[p * n + j]));
            let mut c = start.clone();
            products.tn((m, n, k), &mut c, sides, add);
            check(&c, plain(m, n, k, |i, p| x[p * m + i], |p, j| y[p * n + j]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if MIRI { 2 } else { 40 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_equal_the_plain_loop(m in 1..MOST, n in 1..MOST, k in 0usize..90, seed in 0usize..100) {
        check_products(m, n, k, seed);
    }

    #[test]
    fn rows_of_a_product_do_not_depend_on_their_neighbours(m in 1..MOST, n in 1..MOST.min(40), k in 1usize..if MIRI { 270 } else { 600 }, seed in 0usize..100) {
        let (a, b) = (fill(m * k, seed), fill(n * k, seed + 1));
        for products in [Products::F32, Products::Bf16] {
            let mut all = vec![0.0; m * n];
            products.nt_then((m, n, k), &mut all, [&a, &b], false, |_, _| {});
            let at = seed % m;
            let mut alone = vec![0.0; n];
            let row = &a[at * k..(at + 1) * k];
            products.nt_then((1, n, k), &mut alone, [row, &b], false, |_, _| {});
            prop_assert_eq!(&all[at * n..(at + 1) * n], &alone[..]);
        }
    }

    #[test]
    fn attention_equals_the_plain_loop(
        lengths in prop::collection::vec((1usize..30, 0usize..30), 1..5), heads in 1usize..4, d in 1usize..9, seed in 0usize..100,
        mask in prop_oneof![Just(Mask::Full), Just(Mask::Causal), (0usize..9).prop_map(Mask::Window)], biased: bool, own: bool, first in 0usize..3,
    ) {
        let keys: Vec<usize> = lengths.iter().map(|l| if own { l.0 } else { l.1 }).collect();
        let queries: Vec<usize> = lengths.iter().map(|l| l.0).collect();
        check_attention([&queries, &keys], (heads, d), mask, (biased, first), seed);
    }
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut out = vec![0];
    lengths
        .iter()
        .for_each(|n| out.push(out[out.len() - 1] + n));
    out
}

fn sees(mask: Mask, query: usize, key: usize) -> bool {
    match mask {
        Mask::Full => true,
        Mask::Causal => key <= query,
        Mask::Window(half) => query.abs_diff(key) <= half,
    }
}

/// Holds the kernel against weights that are worked out one by one in f64.
fn check_attention(
    lengths: [&[usize]; 2],
    (n_heads, d): (usize, usize),
    mask: Mask,
    (biased, first): (bool, usize),
    seed: usize,
) {
    let [queries, keys] = lengths.map(offsets);
    let hidden = n_heads * d;
    let total = |offsets: &[usize]| offsets[offsets.len() - 1] * hidden;
    let q = fill(total(&queries), seed);
    let (k, v) = (fill(total(&keys), seed + 1), fill(total(&keys), seed + 2));
    let reach = 40 + 300 * usize::from(q.len() > 100 * hidden);
    let values = fill(n_heads * (2 * reach - 1), seed + 3);
    let heads = Heads {
        keys: &keys,
        mask,
        bias: biased.then_some(Bias {
            values: &values,
            reach,
        }),
        first_query: first,
        ..Heads::own(&queries, n_heads, hidden)
    };
    let (q_, k_, v_) = (&q, &k, &v);
    let inputs = Inputs {
        q: q_,
        k: k_,
        v: v_,
    };
    let mut out = vec![7.0; q.len()];
    forward(heads, inputs, &mut out, &mut []);
    let mut nearby = vec![7.0; q.len()];
    forward(
        Heads {
            near: true,
            ..heads
        },
        inputs,
        &mut nearby,
        &mut [],
    );
    for (near, exact) in nearby.iter().zip(&out) {
        assert!((near - exact).abs() < 2e-5, "{near} is not near {exact}");
    }
    for (sequence, range) in queries.windows(2).enumerate() {
        let (k0, k1) = (keys[sequence], keys[sequence + 1]);
        for (head, i) in (0..n_heads).flat_map(|h| (range[0]..range[1]).map(move |i| (h, i))) {
            let place = first + i - range[0];
            let weight = |j: usize| -> f64 {
                let dot: f64 = (head * d..(head + 1) * d)
                    .map(|c| f64::from(q[i * hidden + c]) * f64::from(k[j * hidden + c]))
                    .sum();
                let column = head * (2 * reach - 1) + reach - 1 + (j - k0) - place;
                let bias = if biased {
                    f64::from(values[column])
                } else {
                    0.0
                };
                if sees(mask, place, j - k0) {
                    (dot / (d as f64).sqrt() + bias).exp()
                } else {
                    0.0
                }
            };
            let weights: Vec<f64> = (k0..k1).map(weight).collect();
            let total: f64 = weights.iter().sum();
            for c in head * d..(head + 1) * d {
                let share = |(j, w): (usize, &f64)| w / total * f64::from(v[(k0 + j) * hidden + c]);
                let want: f64 = if total > 0.0 {
                    weights.iter().enumerate().map(share).sum()
                } else {
                    0.0
                };
                let got = f64::from(out[i * hidden + c]);
                assert!((got - want).abs() < 4e-6, "{got} {want}, {mask:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "long texts take hours; short ones go the same ways")]
fn attention_over_several_blocks_equals_the_plain_loop() {
    for mask in [Mask::Full, Mask::Causal, Mask::Window(5), Mask::Window(150)] {
        for biased in [false, true] {
            check_attention([&[129, 300], &[129, 300]], (2, 3), mask, (biased, 0), 5);
        }
    }
    check_attention([&[140, 3], &[17, 260]], (1, 5), Mask::Full, (false, 0), 6);
}

#[test]
#[cfg_attr(miri, ignore = "long texts take hours; short ones go the same ways")]
fn gradients_of_long_sequences_equal_those_of_their_definition() {
    // The loss is the sum of grad ∘ out, so a value's gradient is a difference quotient of it.
    let (n, d, reach) = (261usize, 4usize, 300usize);
    let offsets = [0, n];
    for (mask, biased) in [
        (Mask::Full, false),
        (Mask::Causal, true),
        (Mask::Window(130), true),
    ] {
        let mut data = [
            fill(n * d, 1),
            fill(n * d, 2),
            fill(n * d, 3),
            fill(2 * reach - 1, 4),
        ];
        let grad = fill(n * d, 5);
        let run = |data: &[Vec<f32>; 4]| {
            let heads = Heads {
                mask,
                bias: biased.then_some(Bias {
                    values: &data[3],
                    reach,
                }),
                ..Heads::own(&offsets, 1, d)
            };
            let inputs = Inputs {
                q: &data[0],
                k: &data[1],
                v: &data[2],
            };
            let mut out = vec![0.0; n * d];
            let mut sums = vec![0.0; n];
            forward(heads, inputs, &mut out, &mut sums);
            let loss: f64 = out.iter().zip(&grad).map(|(a, b)| f64::from(a * b)).sum();
            let mut grads = [vec![0.0; n * d], vec![0.0; n * d], vec![0.0; n * d]];
            let places = grads.each_mut().map(|g| g.as_mut_slice());
            let bias = backward(heads, inputs, [&out, &grad, &sums], places);
            let [a, b, c] = grads;
            (loss, [a, b, c, bias])
        };
        let found = run(&data).1;
        for part in 0..if biased { 4 } else { 3 } {
            for at in [0, 3, 131 * d, 128 * d + 1, n * d - 1].map(|at| at % found[part].len()) {
                let (old, step) = (data[part][at], 2e-2f32);
                let mut at_step = |by: f32| {
                    data[part][at] = old + by;
                    run(&data).0
                };
                let slope = (at_step(step) - at_step(-step)) / f64::from(2.0 * step);
                data[part][at] = old;
                let got = f64::from(found[part][at]);
                assert!(
                    (got - slope).abs() < 2e-4 + 1e-2 * slope.abs(),
                    "{mask:?} {part}[{at}]: {got} {slope}"
                );
            }
        }
    }
}

#[test]
fn large_products_equal_the_plain_loop() {
    let few = [(20, 33, 10), (100, 1, 5), (1, 40, 270)];
    let many = [
        (300, 130, 700),
        (1, 300, 1000),
        (513, 1, 65),
        (700, 17, 33),
        (6, 16, 256),
        (257, 257, 257),
    ];
    for &(m, n, k) in if MIRI { &few[..] } else { &many } {
        check_products(m, n, k, 7);
    }
}

#[test]
fn views_with_steps_reach_only_their_own_values() {
    // Two columns of heads inside rows of six.
    let (a, b) = (fill(5 * 6, 1), fill(4 * 6, 2));
    let mut c = [9.0f32; 5 * 7];
    matmul::product(
        (5, 4, 3),
        &mut c[..4 * 7 + 4],
        7,
        View::new(&a[2..], 6, 1),
        View::new(&b[2..], 1, 6),
        false,
    );
    let want = plain(5, 4, 3, |i, p| a[i * 6 + 2 + p], |p, j| b[j * 6 + 2 + p]);
    for i in 0..5 {
        close(&c[i * 7..i * 7 + 4], &want[i * 4..i * 4 + 4], 3);
        assert!(
            c[i * 7 + 4..i * 7 + 7].iter().all(|&v| v == 9.0),
            "a neighbour was written"
        );
    }
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_view_beyond_its_slice_is_refused() {
    let a = fill(10, 1);
    let mut c = vec![0.0f32; 16];
    matmul::product(
        (4, 4, 3),
        &mut c,
        4,
        View::new(&a, 3, 1),
        View::new(&a, 1, 3),
        false,
    );
}

#[test]
fn empty_products_leave_or_clear_the_result() {
    let mut c = vec![3.0f32; 4];
    matmul::nt((2, 2, 0), &mut c, &[], &[], true);
    assert_eq!(c, [3.0; 4]);
    matmul::nt((2, 2, 0), &mut c, &[], &[], false);
    assert_eq!(c, [0.0; 4]);
    matmul::nt((0, 2, 3), &mut [], &[], &[0.0; 6], false);
}
