//! Prints one line of JSON: milliseconds per training step and per matrix product.
//!
//! `cargo run --release -p adit-nn --example train_step -- small|minilm|base|row|matmul [steps] [dropout]
//! [f32|bf16]`

use std::time::Instant;

use adit_nn::kernels::matmul;
use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor};
use adit_nn::{
    EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, RowBatch, RowTransformer,
    RowTransformerConfig, Tape, Workspace, tape::Products,
};

fn bert(name: &str, dropout: f32) -> (EncoderConfig, usize, usize) {
    let (hidden, layers, heads, wide, vocab, n, len) = match name {
        "base" => (768, 12, 12, 3072, 30522, 16, 128),
        "minilm" => (384, 6, 12, 1536, 30522, 16, 55),
        _ => (128, 4, 4, 512, 1000, 256, 32),
    };
    let text = format!(
        r#"{{"model_type": "bert", "hidden_size": {hidden}, "num_hidden_layers": {layers},
        "num_attention_heads": {heads}, "intermediate_size": {wide}, "vocab_size": {vocab},
        "hidden_dropout_prob": {dropout}, "attention_probs_dropout_prob": {dropout}}}"#
    );
    (
        EncoderConfig::from_json(&text).expect("a valid configuration"),
        n,
        len,
    )
}

/// Runs `step` once to warm up and then `steps` times; milliseconds of each.
fn timed(steps: usize, mut step: impl FnMut(u64)) -> Vec<f64> {
    (0..=steps as u64)
        .map(|at| {
            let start = Instant::now();
            step(at);
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect()
}

fn report(name: &str, mut ms: Vec<f64>, parts: [f64; 3]) {
    ms.sort_by(f64::total_cmp);
    let [forward, backward, update] = parts.map(|p| p / (ms.len() + 1) as f64);
    println!(
        r#"{{"model": "{name}", "steps": {}, "median_ms": {:.1}, "min_ms": {:.1}, "forward_ms": {forward:.1}, "backward_ms": {backward:.1}, "update_ms": {update:.1}}}"#,
        ms.len(),
        ms[ms.len() / 2],
        ms[0]
    );
}

fn train_bert(name: &str, steps: usize, dropout: f32, products: Products) {
    let (config, n, len) = bert(name, dropout);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 2, &mut params, 1);
    let ids: Vec<u32> = (0..n * len)
        .map(|i| ((i * 7919) % config.vocab_size()) as u32)
        .collect();
    let offsets = (0..=n).map(|i| i * len).collect();
    let tokens = PackedTokens::new(ids, vec![0; n * len], offsets).expect("valid tokens");
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
    let mut state = AdamWState::default();
    let workspace = Workspace::new();
    let mut parts = [0.0; 3];
    let ms = timed(steps, |seed| {
        let start = Instant::now();
        let mut tape =
            Tape::with_workspace(&params, Mode::Train { seed }, &workspace).with_products(products);
        let logits = model.logits(&mut tape, &tokens).expect("tokens fit");
        let loss = tape.cross_entropy(logits, &labels, None);
        let forward = Instant::now();
        let gradients = tape.backward(loss);
        let backward = Instant::now();
        workspace.reclaim(tape);
        let update = Update {
            factor: clip_factor(gradients.global_norm(), 1.0),
            ..Update::new(1e-4)
        };
        AdamW::default().apply(&mut params, &gradients, &mut state, &update);
        workspace.reclaim_gradients(gradients);
        for (sum, (from, to)) in parts.iter_mut().zip([
            (start, forward),
            (forward, backward),
            (backward, Instant::now()),
        ]) {
            *sum += (to - from).as_secs_f64() * 1e3;
        }
    });
    report(name, ms, parts);
}

fn train_row(steps: usize) {
    let edges: Vec<f32> = (0..=16).map(|i| i as f32 / 16.0).collect();
    let config = RowTransformerConfig {
        n_numbers: 20,
        bins: vec![edges; 20],
        cardinalities: vec![8; 10],
        d_token: 96,
        n_layers: 3,
        n_heads: 8,
        ffn_hidden: 128,
        attention_dropout: 0.2,
        ffn_dropout: 0.1,
        residual_dropout: 0.0,
        number_relu: true,
        n_outputs: 2,
    };
    let n = 256;
    let batch = RowBatch {
        numbers: (0..n * 20)
            .map(|i| ((i * 7919) % 997) as f32 / 997.0)
            .collect(),
        missing: vec![false; n * 20],
        codes: (0..n * 10).map(|i| ((i * 31) % 8) as u32).collect(),
    };
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
    let mut params = Params::new();
    let model = RowTransformer::new(config, &mut params, 1).expect("a valid configuration");
    let mut state = AdamWState::default();
    let workspace = Workspace::new();
    let ms = timed(steps, |seed| {
        let mut tape = Tape::with_workspace(&params, Mode::Train { seed }, &workspace);
        let logits = model.outputs(&mut tape, &batch).expect("the batch fits");
        let loss = tape.cross_entropy(logits, &labels, None);
        let gradients = tape.backward(loss);
        workspace.reclaim(tape);
        AdamW::default().apply(&mut params, &gradients, &mut state, &Update::new(1e-4));
        workspace.reclaim_gradients(gradients);
    });
    report("row", ms, [0.0; 3]);
}

fn products(steps: usize) {
    for (m, n, k) in [
        (880, 384, 384),
        (880, 1536, 384),
        (880, 384, 1536),
        (2048, 768, 768),
        (8192, 128, 128),
    ] {
        let fill = |len: usize| {
            (0..len)
                .map(|i| (i % 17) as f32 * 0.1)
                .collect::<Vec<f32>>()
        };
        let (a, b, mut c) = (fill(m * k), fill(n * k), vec![0.0; m * n]);
        let (wide, mut d) = (fill(m * n), vec![0.0; n * k]);
        let speed = |ms: Vec<f64>| {
            2e-6 * (m * n * k) as f64 / ms.iter().copied().fold(f64::INFINITY, f64::min)
        };
        let nt = speed(timed(steps, |_| {
            matmul::nt((m, n, k), &mut c, &a, &b, false)
        }));
        let nn = speed(timed(steps, |_| {
            matmul::nn((m, n, k), &mut c, &a, &b, false)
        }));
        let tn = speed(timed(steps, |_| {
            matmul::tn((n, k, m), &mut d, &wide, &a, true)
        }));
        println!(
            r#"{{"product": [{m}, {n}, {k}], "nt_gflops": {nt:.1}, "nn_gflops": {nn:.1}, "tn_gflops": {tn:.1}}}"#
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = args.first().map_or("small", String::as_str);
    let steps = args.get(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    let dropout = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(0.1);
    match name {
        "matmul" => products(steps),
        "row" => train_row(steps),
        other => {
            let halves = args.get(3).is_some_and(|s| s == "bf16");
            let products = if halves {
                Products::Bf16
            } else {
                Products::F32
            };
            train_bert(other, steps, dropout, products);
        }
    }
}
