//! Kernels against plain loops.

use adit_nn::kernels::attention::{Heads, Inputs, forward};
use adit_nn::kernels::matmul::{self, View};
use proptest::prelude::*;

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

fn check_products(m: usize, n: usize, k: usize, seed: usize) {
    let (a, b, start) = (
        fill(m * k, seed),
        fill(n * k, seed + 1),
        fill(m * n, seed + 2),
    );
    for add in [false, true] {
        let with = |mut want: Vec<f64>| {
            if add {
                want.iter_mut()
                    .zip(&start)
                    .for_each(|(w, &s)| *w += f64::from(s));
            }
            want
        };
        let mut c = start.clone();
        matmul::nt((m, n, k), &mut c, &a, &b, add);
        close(
            &c,
            &with(plain(m, n, k, |i, p| a[i * k + p], |p, j| b[j * k + p])),
            k,
        );
        let mut c = start.clone();
        matmul::nn((m, n, k), &mut c, &a, &b, add);
        close(
            &c,
            &with(plain(m, n, k, |i, p| a[i * k + p], |p, j| b[p * n + j])),
            k,
        );
        let mut c = start.clone();
        matmul::tn((m, n, k), &mut c, &a, &b, add);
        close(
            &c,
            &with(plain(m, n, k, |i, p| a[p * m + i], |p, j| b[p * n + j])),
            k,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_equal_the_plain_loop(m in 1usize..70, n in 1usize..70, k in 0usize..90, seed in 0usize..100) {
        check_products(m, n, k, seed);
    }

    #[test]
    fn rows_of_a_product_do_not_depend_on_their_neighbours(m in 1usize..70, n in 1usize..40, k in 1usize..600, seed in 0usize..100) {
        let (a, b) = (fill(m * k, seed), fill(n * k, seed + 1));
        let mut all = vec![0.0; m * n];
        matmul::nt((m, n, k), &mut all, &a, &b, false);
        let at = seed % m;
        let mut alone = vec![0.0; n];
        matmul::nt((1, n, k), &mut alone, &a[at * k..(at + 1) * k], &b, false);
        prop_assert_eq!(&all[at * n..(at + 1) * n], &alone[..]);
    }

    #[test]
    fn attention_equals_the_plain_loop(lengths in prop::collection::vec(1usize..30, 1..5), heads in 1usize..4, d in 1usize..9, seed in 0usize..100) {
        let mut offsets = vec![0];
        lengths.iter().for_each(|n| offsets.push(offsets[offsets.len() - 1] + n));
        let (total, hidden) = (offsets[lengths.len()], heads * d);
        let (q, k, v) = (fill(total * hidden, seed), fill(total * hidden, seed + 1), fill(total * hidden, seed + 2));
        let mut out = vec![0.0; total * hidden];
        let sizes = Heads { offsets: &offsets, n_heads: heads, hidden, dropout: None };
        forward(sizes, Inputs { q: &q, k: &k, v: &v }, &mut out, &mut []);
        for range in offsets.windows(2) {
            for head in 0..heads {
                for i in range[0]..range[1] {
                    let dot = |j: usize| -> f64 {
                        (0..d).map(|c| f64::from(q[i * hidden + head * d + c]) * f64::from(k[j * hidden + head * d + c])).sum()
                    };
                    let weights: Vec<f64> = (range[0]..range[1]).map(|j| (dot(j) / (d as f64).sqrt()).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    for c in 0..d {
                        let at = |j: usize| f64::from(v[j * hidden + head * d + c]);
                        let want: f64 = (range[0]..range[1]).zip(&weights).map(|(j, w)| w / total * at(j)).sum();
                        prop_assert!((f64::from(out[i * hidden + head * d + c]) - want).abs() < 2e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn large_products_equal_the_plain_loop() {
    for (m, n, k) in [
        (300, 130, 700),
        (1, 300, 1000),
        (513, 1, 65),
        (700, 17, 33),
        (6, 16, 256),
        (257, 257, 257),
    ] {
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
