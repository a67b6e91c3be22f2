//! Every operation's gradient against finite differences.

use adit_nn::ops::{AttentionMask, AttentionSettings, Gelu, RotaryAngles, RowTokenVars, RowTokens};
use adit_nn::{Mode, ParamId, Params, Tape, Tensor, Var};
use proptest::prelude::*;

/// Values far enough from 0 and from each other that kinks and ties do not spoil differences.
fn fill(shape: &[usize], seed: u64) -> Tensor {
    let n: usize = shape.iter().product();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let data = (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) as f32 / (1u64 << 24) as f32;
            let value = unit * 2.0 - 1.0;
            if value.abs() < 0.05 {
                value.signum() * 0.05 + value
            } else {
                value
            }
        })
        .collect();
    Tensor::new(shape, data).unwrap()
}

/// Checks the gradient of `sum(build(params) ∘ weights)` in every value of every parameter.
fn check(shapes: &[Vec<usize>], seed: u64, build: impl Fn(&mut Tape<'_>, &[Var]) -> Var) {
    let mut params = Params::new();
    let ids: Vec<ParamId> = shapes
        .iter()
        .enumerate()
        .map(|(i, s)| params.add(format!("p{i}"), fill(s, seed + i as u64)))
        .collect();
    let mode = Mode::Train { seed };
    let run = |params: &Params, back: bool| {
        let mut tape = Tape::new(params, mode);
        let vars: Vec<Var> = ids.iter().map(|&id| tape.param(id)).collect();
        let out = build(&mut tape, &vars);
        let value = tape.value(out).clone();
        // A random weighting of the output, so that no direction of it can hide.
        let weights = fill(&[value.len()], seed + 1000);
        let sum: f64 = value
            .data
            .iter()
            .zip(&weights.data)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum();
        let gradients = back.then(|| {
            let flat = tape.weighted_sum(out, &weights.data);
            tape.backward(flat)
        });
        (sum, gradients)
    };
    let gradients = run(&params, true).1.unwrap();
    for &id in &ids {
        let n = params.get(id).len();
        let analytic = gradients.get(id).map_or(vec![0.0; n], |t| t.data.clone());
        for (at, &got) in analytic.iter().enumerate() {
            let step = 1e-2f32;
            let old = params.get(id).data[at];
            let mut sums = [0.0; 4];
            for (sum, factor) in sums.iter_mut().zip([1.0, -1.0, 2.0, -2.0]) {
                params.get_mut(id).data[at] = old + factor * step;
                *sum = run(&params, false).0;
            }
            params.get_mut(id).data[at] = old;
            // Fourth order, so that the step may be large against rounding.
            let numeric =
                (8.0 * (sums[0] - sums[1]) - (sums[2] - sums[3])) / (12.0 * f64::from(step));
            let got = f64::from(got);
            let allowed = 2e-3 + 5e-3 * numeric.abs().max(got.abs());
            assert!(
                (got - numeric).abs() < allowed,
                "{}[{at}]: {got} by hand, {numeric} by differences",
                params.name(id)
            );
        }
    }
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut out = vec![0];
    lengths
        .iter()
        .for_each(|n| out.push(out[out.len() - 1] + n));
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear(m in 1usize..6, n in 1usize..7, k in 1usize..9, seed in 0u64..1000, gelu: bool) {
        check(&[vec![m, k], vec![n, k], vec![n]], seed, |t, v| {
            if gelu { t.linear_gelu(v[0], v[1], Some(v[2])) } else { t.linear(v[0], v[1], Some(v[2])) }
        });
        check(&[vec![m, k], vec![n, k]], seed, |t, v| t.linear(v[0], v[1], None));
    }

    #[test]
    fn activations(m in 1usize..5, n in 1usize..20, seed in 0u64..1000) {
        check(&[vec![m, n]], seed, |t, v| t.gelu(v[0]));
        check(&[vec![m, n]], seed, |t, v| t.gelu_tanh(v[0]));
        check(&[vec![m, n]], seed, |t, v| t.tanh(v[0]));
        check(&[vec![m, n]], seed, |t, v| t.relu(v[0]));
        check(&[vec![m, n]], seed, |t, v| t.dropout(v[0], 0.3));
        check(&[vec![m, 2 * n]], seed, |t, v| t.reglu(v[0]));
    }

    #[test]
    fn arithmetic(m in 1usize..5, n in 1usize..6, seed in 0u64..1000) {
        let two = [vec![m, n], vec![m, n]];
        check(&two, seed, |t, v| t.add(v[0], v[1]));
        check(&two, seed, |t, v| t.product(v[0], v[1]));
        check(&two, seed, |t, v| t.scale(v[0], -1.7));
        check(&two, seed, |t, v| t.concat_columns(&[v[0], v[1], v[0]]));
        // The values of the first are moved away from the second, where the kink is.
        check(&two, seed, |t, v| { let twice = t.scale(v[0], 40.0); t.abs_diff(twice, v[1]) });
    }

    #[test]
    fn a_value_that_is_used_twice_gets_both_gradients(n in 1usize..6, seed in 0u64..1000) {
        check(&[vec![2, n]], seed, |t, v| t.product(v[0], v[0]));
        check(&[vec![2, n]], seed, |t, v| { let a = t.tanh(v[0]); let b = t.add(a, v[0]); t.add(b, a) });
    }

    #[test]
    fn norms(m in 1usize..5, n in 3usize..20, seed in 0u64..1000) {
        check(&[vec![m, n], vec![m, n], vec![n], vec![n]], seed, |t, v| t.layer_norm(v[0], Some(v[1]), v[2], v[3], 1e-2));
        check(&[vec![m, n], vec![n], vec![n]], seed, |t, v| t.layer_norm(v[0], None, v[1], v[2], 1e-2));
        check(&[vec![m, n]], seed, |t, v| t.l2_normalise(v[0]));
        check(&[vec![m, n], vec![n]], seed, |t, v| t.rms_norm(v[0], v[1], 1e-2));
    }

    #[test]
    fn gated_units(m in 1usize..5, n in 1usize..20, seed in 0u64..1000, tanh: bool) {
        let kind = if tanh { Gelu::Tanh } else { Gelu::Exact };
        check(&[vec![m, 2 * n]], seed, |t, v| t.geglu(v[0], kind));
        check(&[vec![m, n], vec![m, n]], seed, |t, v| t.gated_gelu(v[0], v[1], kind));
        check(&[vec![m, n]], seed, |t, v| t.gated_gelu(v[0], v[0], kind));
    }

    #[test]
    fn rotary(lengths in prop::collection::vec(1usize..6, 1..4), heads in 1usize..3, half in 1usize..4, seed in 0u64..1000) {
        let offsets = offsets(&lengths);
        let (rows, wide) = (offsets[offsets.len() - 1], heads * 2 * half);
        let angles = RotaryAngles::new(&offsets, 2 * half, 30.0);
        check(&[vec![rows, 3 * wide]], seed, |t, v| t.rotary(v[0], wide..2 * wide, &angles));
        check(&[vec![rows, 3 * wide]], seed, |t, v| t.columns(v[0], wide..wide + 1));
        check(&[vec![rows, 3 * wide]], seed, |t, v| {
            let (q, k) = (t.rotary(v[0], 0..wide, &angles), t.rotary(v[0], wide..2 * wide, &angles));
            let rest = t.columns(v[0], 2 * wide..3 * wide);
            let both = t.product(q, k);
            t.add(both, rest)
        });
    }

    #[test]
    fn attention(lengths in prop::collection::vec(1usize..8, 1..4), heads in 1usize..4, d in 1usize..5, seed in 0u64..1000, drop: bool) {
        let offsets = offsets(&lengths);
        let shape = vec![offsets[offsets.len() - 1], heads * d];
        let p = if drop { 0.25 } else { 0.0 };
        check(&[shape.clone(), shape.clone(), shape], seed, |t, v| t.attention([v[0], v[1], v[2]], &offsets, heads, p));
    }

    #[test]
    fn attention_of_every_kind(
        lengths in prop::collection::vec((1usize..6, 1usize..7), 1..3), heads in 1usize..3, d in 1usize..4, seed in 0u64..1000,
        mask in prop_oneof![Just(AttentionMask::Full), Just(AttentionMask::Causal), (1usize..4).prop_map(AttentionMask::Window)], drop: bool, first in 0usize..3,
    ) {
        let queries = offsets(&lengths.iter().map(|l| l.0).collect::<Vec<_>>());
        let keys = offsets(&lengths.iter().map(|l| l.1).collect::<Vec<_>>());
        let shape = |offsets: &[usize]| vec![offsets[offsets.len() - 1], heads * d];
        let shapes = [shape(&queries), shape(&keys), shape(&keys), vec![4, heads]];
        check(&shapes, seed, |t, v| {
            let bias = t.relative_bias(v[3], 9, |distance| (distance.rem_euclid(5) as usize).min(3));
            let settings = AttentionSettings {
                scale: Some(0.7), dropout: if drop { 0.25 } else { 0.0 }, mask, bias: Some(bias), first_query: first,
                ..AttentionSettings::new(heads)
            };
            t.attend([v[0], v[1], v[2]], &queries, &keys, &settings)
        });
    }

    #[test]
    fn rows(lengths in prop::collection::vec(1usize..5, 1..4), cols in 1usize..5, seed in 0u64..1000) {
        let offsets = offsets(&lengths);
        let n = offsets[offsets.len() - 1];
        check(&[vec![n, cols]], seed, |t, v| t.select_rows(v[0], &[0, n - 1, 0]));
        check(&[vec![n, cols]], seed, |t, v| t.mean_pool(v[0], &offsets));
        let ids: Vec<u32> = (0..n as u32).map(|i| (i * 7) % 3).collect();
        check(&[vec![3, cols], vec![n, cols]], seed, |t, v| {
            t.embedding_sum(vec![(v[0], ids.clone()), (v[1], (0..n as u32).rev().collect()), (v[0], ids.clone())])
        });
    }

    #[test]
    fn losses(n in 1usize..6, k in 2usize..5, seed in 0u64..1000) {
        let labels: Vec<u32> = (0..n).map(|i| (i * 5 % k) as u32).collect();
        let weights: Vec<f32> = (0..k).map(|i| 0.5 + i as f32).collect();
        check(&[vec![n, k]], seed, |t, v| t.cross_entropy(v[0], &labels, None));
        check(&[vec![n, k]], seed, |t, v| t.cross_entropy(v[0], &labels, Some(&weights)));
        let targets: Vec<f32> = (0..n * k).map(|i| i as f32 * 0.1).collect();
        check(&[vec![n, k]], seed, |t, v| t.mean_squared_error(v[0], &targets));
    }

    #[test]
    fn row_tokens(n in 1usize..4, d in 1usize..5, seed in 0u64..1000, relu: bool) {
        let batch = RowTokens {
            starts: vec![0, 2, 5],
            components: (0..n * 5).map(|i| (i % 4) as f32 * 0.4).collect(),
            missing: (0..n * 2).map(|i| i % 3 == 2).collect(),
            codes: (0..n as u32).flat_map(|i| [i % 2, 2 + i % 3]).collect(),
            n,
            relu,
            own_token: true,
            waves: None,
        };
        // Far from the kink of the ReLU, on either side of it.
        let far = (0..2 * d).map(|i| if i % 2 == 0 { 8.0 } else { -8.0 }).collect::<Vec<f32>>();
        check(&[vec![d], vec![5, d], vec![2, d], vec![2, d], vec![5, d], vec![2, d]], seed, |t, v| {
            let bias = if relu {
                let far = t.constant(Tensor::new(&[2, d], far.clone()).unwrap());
                t.add(v[2], far)
            } else {
                v[2]
            };
            t.row_tokens(batch.clone(), RowTokenVars { cls: v[0], frequencies: None, weight: v[1], bias, missing: v[3], table: v[4], table_bias: v[5] })
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waves_of_numbers(n in 1usize..4, d in 1usize..5, bins in 0usize..3, seed in 0u64..1000, own_token: bool) {
        let (count, width) = (2, bins + 4);
        let batch = RowTokens {
            starts: vec![0, width, 2 * width],
            components: (0..n * 2 * width).map(|i| (i % 4) as f32 * 0.4).collect(),
            missing: (0..n * 2).map(|i| i % 3 == 2).collect(),
            codes: (0..n as u32).map(|i| i % 2).collect(),
            n,
            relu: false,
            own_token,
            waves: Some((0..n * 2).map(|i| (i % 5) as f32 * 0.11 - 0.2).collect()),
        };
        let shapes = [vec![d], vec![2, count], vec![2 * width, d], vec![2, d], vec![2, d], vec![2, d], vec![1, d]];
        check(&shapes, seed, |t, v| {
            t.row_tokens(batch.clone(), RowTokenVars { cls: v[0], frequencies: Some(v[1]), weight: v[2], bias: v[3], missing: v[4], table: v[5], table_bias: v[6] })
        });
    }

    #[test]
    fn members(n in 1usize..5, count in 1usize..4, cols in 1usize..7, out in 1usize..4, seed in 0u64..1000) {
        check(&[vec![n, cols], vec![count, cols]], seed, |t, v| t.member_inputs(v[0], v[1]));
        check(&[vec![n * count, cols], vec![count, out, cols], vec![count, out]], seed, |t, v| t.member_outputs(v[0], v[1], v[2]));
        // Far from the kink of the ReLU, on either side of it.
        let far = (0..count * cols).map(|i| if i % 2 == 0 { 8.0 } else { -8.0 }).collect::<Vec<f32>>();
        check(&[vec![n * count, cols], vec![count, cols], vec![count, cols]], seed, |t, v| {
            let far = t.constant(Tensor::new(&[count, cols], far.clone()).unwrap());
            let biases = t.add(v[2], far);
            t.member_relu(v[0], v[1], biases)
        });
    }
}

#[test]
fn max_pooling_sends_the_gradient_to_the_largest() {
    // Values at least 0.2 apart, so that no step changes which is the largest.
    let mut params = Params::new();
    let data = vec![0.1, 0.9, 0.5, -0.2, -0.4, 0.3];
    let id = params.add("x", Tensor::new(&[3, 2], data).unwrap());
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let x = tape.param(id);
    let out = tape.max_pool(x, &[0, 2, 3]);
    assert_eq!(tape.value(out).data, [0.5, 0.9, -0.4, 0.3]);
    let sum = tape.weighted_sum(out, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        tape.backward(sum).get(id).unwrap().data,
        [0.0, 2.0, 1.0, 0.0, 3.0, 4.0]
    );
}
