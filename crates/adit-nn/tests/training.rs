//! Ways to train: frozen parameters, micro-batches, parts computed again, rates by layer, resuming.

use std::hint::black_box;
use std::time::Instant;

use adit_nn::layers::{LayerNorm, Linear};
use adit_nn::optim::{
    AdamW, AdamWState, GradientSum, Update, clip_factor, clip_global_norm, layer_decay, no_decay,
};
use adit_nn::random::Init;
use adit_nn::{
    EncoderClassifier, EncoderConfig, Gradients, Mode, NnError, NumberEmbedding, PackedTokens,
    Params, Products, RowBatch, RowBody, RowTransformer, RowTransformerConfig, Tape, Tensor, Var,
    WeightFile, Workspace,
};

fn config(dropout: f32) -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 4,
        "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 97,
        "max_position_embeddings": 64, "hidden_dropout_prob": {dropout},
        "attention_probs_dropout_prob": {dropout}}}"#
    );
    EncoderConfig::from_json(&text).expect("a valid configuration")
}

/// Sequences of 3 to 16 tokens, other ones for every `salt`.
fn tokens(n: usize, salt: usize) -> PackedTokens {
    let mut offsets = vec![0];
    for at in 0..n {
        offsets.push(offsets[at] + 3 + (at * 5 + salt) % 14);
    }
    let len = offsets[n];
    let ids = (0..len)
        .map(|i| ((i * 31 + salt * 7) % 97) as u32)
        .collect();
    PackedTokens::new(ids, vec![0; len], offsets).expect("valid tokens")
}

fn labels(n: usize) -> Vec<u32> {
    (0..n as u32).map(|at| at % 2).collect()
}

fn bert(dropout: f32) -> (Params, EncoderClassifier) {
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config(dropout), 2, &mut params, 3);
    (params, model)
}

fn gradients(params: &Params, model: &EncoderClassifier, tokens: &PackedTokens) -> Gradients {
    let mut tape = Tape::new(params, Mode::Train { seed: 11 });
    let logits = model.logits(&mut tape, tokens).expect("logits");
    let n = tokens.n_sequences();
    let loss = tape.cross_entropy(logits, &labels(n), None);
    tape.backward(loss)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data.iter().map(|v| v.to_bits()).collect()
}

fn all_bits(params: &Params) -> Vec<u32> {
    params.iter().flat_map(|(_, _, t)| bits(t)).collect()
}

#[test]
fn freezing_some_leaves_the_gradients_of_the_others_bit_for_bit() {
    let (mut params, model) = bert(0.1);
    let tokens = tokens(9, 1);
    let whole = gradients(&params, &model, &tokens);
    let freezers: [fn(&str) -> bool; 4] = [
        |name| name.contains("embeddings") || name.contains("layer.0") || name.contains("layer.1"),
        |name| name.ends_with("bias"),
        |name| name.contains("LayerNorm") || name.contains("key.weight"),
        |name| !name.starts_with("classifier"),
    ];
    for frozen in freezers {
        assert!(params.freeze(frozen) > 0);
        let part = gradients(&params, &model, &tokens);
        for (id, name, _) in params.iter() {
            if frozen(name) {
                assert!(part.get(id).is_none(), "{name} is frozen");
            } else {
                assert_eq!(part.get(id).map(bits), whole.get(id).map(bits), "{name}");
            }
        }
        params.unfreeze(|_| true);
    }
    let again = gradients(&params, &model, &tokens);
    assert_eq!(again.iter().count(), whole.iter().count());
}

#[test]
fn an_optimiser_leaves_frozen_parameters_alone() {
    let (mut params, model) = bert(0.0);
    let all = gradients(&params, &model, &tokens(5, 1));
    let before = params.clone();
    params.freeze(|name| name.contains("embeddings"));
    AdamW::default().step(
        &mut params,
        &all,
        &mut AdamWState::default(),
        1e-2,
        &no_decay,
    );
    for (id, name, tensor) in params.iter() {
        let same = tensor == before.get(id);
        assert_eq!(same, params.is_frozen(id), "{name}");
    }
}

/// What is kept for the way back tells how far it goes: nothing below the lowest trained layer.
#[test]
fn no_work_is_done_and_nothing_kept_below_the_lowest_trained_layer() {
    let (mut params, model) = bert(0.1);
    let tokens = tokens(12, 1);
    let kept = |params: &Params| {
        let mut tape = Tape::new(params, Mode::Train { seed: 1 });
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        tape.cross_entropy(logits, &labels(12), None);
        tape.n_kept()
    };
    let mut sizes = vec![kept(&params)];
    params.freeze(|name| name.contains("embeddings"));
    for layer in 0..4 {
        sizes.push(kept(&params));
        params.freeze(|name| name.contains(&format!("layer.{layer}.")));
    }
    sizes.push(kept(&params));
    params.freeze(|name| name.contains("pooler"));
    sizes.push(kept(&params));
    println!("values kept: {sizes:?}");
    assert!(sizes.windows(2).all(|w| w[0] > w[1]), "{sizes:?}");
    // Each layer costs the same, the first less what its input no longer needs.
    let layers: Vec<usize> = sizes[1..6].windows(2).map(|w| w[0] - w[1]).collect();
    assert!(
        layers[1] == layers[2] && layers[0] > layers[1] / 2,
        "{layers:?}"
    );
    assert!(
        sizes[6] * 50 < sizes[0],
        "the head alone keeps next to nothing: {sizes:?}"
    );
}

#[test]
fn the_way_back_through_a_frozen_encoder_takes_next_to_no_time() {
    let (mut params, model) = bert(0.0);
    let tokens = tokens(64, 1);
    let mut back = |frozen: bool| {
        params.unfreeze(|_| true);
        params.freeze(|name| frozen && !name.starts_with("classifier"));
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(logits, &labels(64), None);
        let start = Instant::now();
        black_box(tape.backward(loss));
        start.elapsed()
    };
    let quickest = |frozen, back: &mut dyn FnMut(bool) -> std::time::Duration| {
        (0..5).map(|_| back(frozen)).min().expect("five runs")
    };
    let (whole, head) = (quickest(false, &mut back), quickest(true, &mut back));
    println!("way back: {whole:?} all, {head:?} head alone");
    assert!(head * 10 < whole, "{head:?} of {whole:?}");
}

#[test]
fn the_sum_over_micro_batches_is_the_gradient_of_the_batch() {
    let (params, model) = bert(0.0);
    let all = tokens(12, 3);
    let whole = gradients(&params, &model, &all);
    let workspace = Workspace::new();
    for cuts in [vec![0, 12], vec![0, 4, 8, 12], vec![0, 2, 3, 4, 7, 12]] {
        let mut sum = GradientSum::new(Some(&workspace));
        for cut in cuts.windows(2) {
            let (from, to) = (all.offsets[cut[0]], all.offsets[cut[1]]);
            let offsets = all.offsets[cut[0]..=cut[1]]
                .iter()
                .map(|o| o - from)
                .collect();
            let ids = all.ids[from..to].to_vec();
            let part = PackedTokens::new(ids, vec![0; to - from], offsets).expect("tokens");
            let mut tape = Tape::with_workspace(&params, Mode::Train { seed: 1 }, &workspace);
            let logits = model.logits(&mut tape, &part).expect("logits");
            let loss = tape.cross_entropy(logits, &labels(12)[cut[0]..cut[1]], None);
            sum.add(tape.backward(loss), (cut[1] - cut[0]) as f32 / 12.0);
            workspace.reclaim(tape);
        }
        let sum = sum.take();
        for (id, name, _) in params.iter() {
            let (a, b) = (sum.get(id).expect(name), whole.get(id).expect(name));
            let apart = a
                .data
                .iter()
                .zip(&b.data)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(apart < 1e-6, "{name}: {apart} with cuts {cuts:?}");
        }
        workspace.reclaim_gradients(sum);
    }
}

/// A block like an encoder's, with everything that draws or is kept.
#[derive(Clone, Copy)]
struct Block {
    maps: [Linear; 6],
    norms: [LayerNorm; 2],
}

impl Block {
    fn new(params: &mut Params, name: &str, init: &mut Init) -> Self {
        let mut map =
            |part: &str, size| Linear::normal(params, &format!("{name}.{part}"), size, init, 0.2);
        let d = 16;
        let maps = [
            map("q", (d, d)),
            map("k", (d, d)),
            map("v", (d, d)),
            map("o", (d, d)),
            map("in", (d, 40)),
            map("out", (40, d)),
        ];
        let norms = ["n0", "n1"].map(|n| LayerNorm::new(params, &format!("{name}.{n}"), d, 1e-5));
        Self { maps, norms }
    }

    fn apply(&self, tape: &mut Tape<'_>, x: Var, offsets: &[usize], drop: f32) -> Var {
        let [q, k, v, o, wide, narrow] = self.maps;
        let qkv = [q, k, v].map(|map| map.apply(tape, x));
        let y = tape.attention(qkv, offsets, 2, drop);
        let y = o.apply(tape, y);
        let y = tape.dropout(y, drop);
        let x = self.norms[0].apply(tape, y, Some(x));
        let y = wide.apply_gelu(tape, x);
        let y = narrow.apply(tape, y);
        let y = tape.dropout(y, drop);
        self.norms[1].apply(tape, y, Some(x))
    }
}

/// How a stack of blocks is computed.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Again,
    Nested,
}

/// Loss, gradients and the number of kept values of a stack whose blocks share one weight.
fn stack(way: Way, workspace: Option<&Workspace>, frozen: bool) -> (u32, Vec<Vec<u32>>, usize) {
    let mut params = Params::new();
    let mut init = Init::new(5);
    let table = params.add("embeddings", init.normal(&[11, 16], 1.0));
    let blocks: Vec<Block> = (0..4)
        // Blocks 1 and 3 are one, so that gradients of its parameters are sums over both.
        .map(|at| {
            Block::new(
                &mut params,
                &format!("layer.{}", at.min(3 - 2 * (at / 3))),
                &mut init,
            )
        })
        .collect();
    params.freeze(|name| frozen && (name.contains("embeddings") || name.contains("layer.0")));
    let offsets = vec![0, 7, 9, 20, 50];
    let mode = Mode::Train { seed: 8 };
    let mut tape = match workspace {
        Some(workspace) => Tape::with_workspace(&params, mode, workspace),
        None => Tape::new(&params, mode),
    };
    let table = tape.param(table);
    let ids = (0..50).map(|i| (i * 3) % 11).collect();
    let mut x = tape.embedding_sum(vec![(table, ids)]);
    x = tape.dropout(x, 0.1);
    let first = x;
    for block in blocks {
        let own = offsets.clone();
        x = match way {
            Way::Plain => block.apply(&mut tape, x, &own, 0.2),
            Way::Again => tape.recompute(&[x], move |t, v| block.apply(t, v[0], &own, 0.2)),
            Way::Nested => tape.recompute(&[x], move |t, v| {
                let own = own.clone();
                t.recompute(v, move |t, v| block.apply(t, v[0], &own, 0.2))
            }),
        };
        // The first value is used after each block, so its gradient grows between the parts.
        x = if way == Way::Plain {
            tape.add(x, first)
        } else {
            tape.recompute(&[x, first, x], |t, v| t.add(v[0], v[1]))
        };
    }
    let pooled = tape.mean_pool(x, &offsets);
    let loss = tape.cross_entropy(pooled, &[3, 1, 0, 15], None);
    let kept = tape.n_kept();
    let gradients = tape.backward(loss);
    let value = tape.value(loss).item().to_bits();
    let bits = params
        .iter()
        .map(|(id, _, _)| gradients.get(id).map_or(Vec::new(), bits))
        .collect();
    if let Some(workspace) = workspace {
        workspace.reclaim(tape);
        workspace.reclaim_gradients(gradients);
    }
    (value, bits, kept)
}

#[test]
fn parts_computed_again_give_the_bits_of_the_ordinary_way_from_less_memory() {
    for frozen in [false, true] {
        let (loss, gradients, kept) = stack(Way::Plain, None, frozen);
        let workspace = Workspace::new();
        for way in [Way::Again, Way::Nested, Way::Again] {
            for memory in [None, Some(&workspace)] {
                let (again_loss, again, again_kept) = stack(way, memory, frozen);
                assert_eq!(loss, again_loss);
                assert!(gradients == again, "gradients differ");
                println!("values kept: {kept} ordinary, {again_kept} computed again");
                // Input, dropped input, two values a block, pool and loss.
                assert_eq!(again_kept, 10 * 50 * 16 + 4 * 16 + 1);
                assert!(again_kept * 4 < kept);
            }
        }
    }
}

#[test]
fn parts_computed_again_are_plain_in_inference() {
    let mut params = Params::new();
    let block = Block::new(&mut params, "b", &mut Init::new(1));
    let x = Init::new(2).normal(&[5, 16], 1.0);
    let mut tape = Tape::new(&params, Mode::Inference);
    let x = tape.constant(x);
    let plain = block.apply(&mut tape, x, &[0, 5], 0.2);
    let again = tape.recompute(&[x], move |t, v| block.apply(t, v[0], &[0, 5], 0.2));
    assert_eq!(tape.value(plain), tape.value(again));
}

#[test]
fn rates_fall_from_layer_to_layer() {
    let rate_of = layer_decay(3, 0.5);
    for (name, wanted) in [
        ("classifier.weight", 1.0),
        ("bert.pooler.dense.bias", 1.0),
        ("row.final_norm.weight", 1.0),
        ("bert.encoder.layer.2.output.dense.weight", 0.5),
        ("row.blocks.1.query.weight", 0.25),
        ("bert.encoder.layer.0.output.LayerNorm.bias", 0.125),
        ("bert.embeddings.word_embeddings.weight", 0.0625),
        ("row.numbers.weight", 0.0625),
        ("row.cls", 0.0625),
    ] {
        assert_eq!(rate_of(name), wanted, "{name}");
    }
}

#[test]
fn a_step_with_factors_is_the_step_of_each_parameter_at_its_own_rate() {
    let (params, model) = bert(0.0);
    let found = gradients(&params, &model, &tokens(6, 2));
    let factors = layer_decay(4, 0.7);
    let mut together = params.clone();
    let update = Update {
        rate_of: &factors,
        ..Update::new(1e-2)
    };
    AdamW::default().apply(&mut together, &found, &mut AdamWState::default(), &update);
    for (id, name, _) in params.iter() {
        let mut alone = params.clone();
        let rate = 1e-2 * factors(name);
        AdamW::default().step(
            &mut alone,
            &found,
            &mut AdamWState::default(),
            rate,
            &no_decay,
        );
        assert_eq!(bits(alone.get(id)), bits(together.get(id)), "{name}");
    }
}

/// Steps `from..to` of one training; every step has tokens and dropout of its own.
fn train(params: &mut Params, model: &EncoderClassifier, state: &mut AdamWState, steps: [u64; 2]) {
    let workspace = Workspace::new();
    for seed in steps[0]..steps[1] {
        let tokens = tokens(6, seed as usize);
        let mut tape = Tape::with_workspace(params, Mode::Train { seed }, &workspace);
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(logits, &labels(6), None);
        let gradients = tape.backward(loss);
        workspace.reclaim(tape);
        let update = Update {
            factor: clip_factor(gradients.global_norm(), 0.1),
            ..Update::new(1e-2)
        };
        AdamW::default().apply(params, &gradients, state, &update);
        workspace.reclaim_gradients(gradients);
    }
}

#[test]
fn training_resumed_from_a_file_goes_on_bit_for_bit() {
    let (mut params, model) = bert(0.1);
    params.freeze(|name| name.contains("layer.0"));
    let mut saved = params.clone();
    let mut state = AdamWState::default();
    train(&mut params, &model, &mut state, [0, 10]);

    let mut early = AdamWState::default();
    train(&mut saved, &model, &mut early, [0, 4]);
    let bytes = early.to_safetensors_bytes(&saved);
    assert_eq!(bytes, early.to_safetensors_bytes(&saved), "the same bytes");
    let file = WeightFile::from_bytes("state".as_ref(), bytes).expect("a file");
    let mut resumed = AdamWState::from_safetensors(&file, &saved).expect("a state");
    assert_eq!(resumed.step(), 4);
    assert!(all_bits(&saved) != all_bits(&params));
    train(&mut saved, &model, &mut resumed, [4, 10]);
    assert!(
        all_bits(&saved) == all_bits(&params),
        "other bits after resuming"
    );
    let end = resumed.to_safetensors_bytes(&saved);
    assert!(end == state.to_safetensors_bytes(&params), "other moments");
}

#[test]
fn a_state_that_does_not_fit_is_an_error_that_names_the_tensor() {
    let (mut params, model) = bert(0.0);
    let mut state = AdamWState::default();
    train(&mut params, &model, &mut state, [0, 1]);
    let read = |bytes: Vec<u8>, params: &Params| {
        let file = WeightFile::from_bytes("state".as_ref(), bytes).expect("a file");
        AdamWState::from_safetensors(&file, params).map(|_| ())
    };
    let bytes = state.to_safetensors_bytes(&params);
    let mut wider = params.clone();
    let id = wider.by_name("classifier.bias").expect("a bias");
    *wider.get_mut(id) = Tensor::zeros(&[5]);
    let found = read(bytes.clone(), &wider);
    assert!(
        matches!(&found, Err(NnError::WrongShape { name, .. }) if name == "mean.classifier.bias"),
        "{found:?}"
    );
    let found = read(bytes.clone(), &Params::new());
    assert!(matches!(&found, Err(NnError::Corrupt { reason, .. }) if reason.contains("mean.bert")));
    // Weights are no state: they do not tell the step.
    let found = read(params.to_safetensors_bytes(), &params);
    assert!(matches!(&found, Err(NnError::Corrupt { reason, .. }) if reason.contains("steps")));
    // A lost moment: its name is changed in the header, to one of the same length.
    let text = "square.classifier.bias";
    let at = bytes
        .windows(text.len())
        .position(|w| w == text.as_bytes())
        .expect("the name");
    let mut renamed = bytes.clone();
    renamed[at..at + text.len()].copy_from_slice(b"square.classifier.bios");
    let found = read(renamed, &params);
    assert!(
        matches!(&found, Err(NnError::MissingTensor { name, .. }) if name == text),
        "{found:?}"
    );
}

/// As [`train`], but every gradient is made to look dense, and clipped by itself.
fn train_dense(params: &mut Params, model: &EncoderClassifier, state: &mut AdamWState, steps: u64) {
    for seed in 0..steps {
        let tokens = tokens(6, seed as usize);
        let mut tape = Tape::new(params, Mode::Train { seed });
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(logits, &labels(6), None);
        let found = tape.backward(loss);
        drop(tape);
        // A product with one has a dense gradient: that of the values themselves.
        let mut gradients = Gradients::empty(params.len());
        for (id, gradient) in found.iter() {
            let mut tape = Tape::new(params, Mode::Train { seed });
            let param = tape.param(id);
            let sum = tape.weighted_sum(param, &gradient.data);
            gradients.add_assign(&tape.backward(sum));
        }
        clip_global_norm(&mut gradients, 0.1);
        AdamW::default().step(params, &gradients, state, 1e-2, &no_decay);
    }
}

#[test]
fn gradients_of_touched_rows_train_as_dense_ones_bit_for_bit() {
    let (params, model) = bert(0.1);
    let [mut sparse, mut dense] = [params.clone(), params];
    let mut states = [AdamWState::default(), AdamWState::default()];
    train(&mut sparse, &model, &mut states[0], [0, 8]);
    train_dense(&mut dense, &model, &mut states[1], 8);
    for (id, name, tensor) in sparse.iter() {
        assert!(bits(tensor) == bits(dense.get(id)), "{name}");
    }
    let [a, b] =
        [(&states[0], &sparse), (&states[1], &dense)].map(|(s, p)| s.to_safetensors_bytes(p));
    assert!(a == b, "other moments");
}

#[test]
fn a_row_transformer_trains_with_frozen_tokens() {
    let config = RowTransformerConfig {
        n_numbers: 3,
        bins: vec![vec![0.0, 0.5, 1.0]; 3],
        cardinalities: vec![4, 2],
        d_token: 16,
        n_layers: 2,
        n_heads: 2,
        ffn_hidden: 16,
        attention_dropout: 0.1,
        ffn_dropout: 0.1,
        residual_dropout: 0.0,
        number_relu: true,
        n_outputs: 2,
        numbers: NumberEmbedding::default(),
        body: RowBody::default(),
        members: None,
    };
    let batch = RowBatch {
        numbers: (0..60).map(|i| (i % 13) as f32 / 13.0).collect(),
        missing: (0..60).map(|i| i % 7 == 0).collect(),
        codes: (0..40).map(|i| i % 2).collect(),
    };
    let mut params = Params::new();
    let model = RowTransformer::new(config, &mut params, 1).expect("a model");
    let run = |params: &Params| {
        let mut tape = Tape::new(params, Mode::Train { seed: 2 });
        let logits = model.outputs(&mut tape, &batch).expect("outputs");
        let loss = tape.cross_entropy(logits, &labels(20), None);
        tape.backward(loss)
    };
    let whole = run(&params);
    for frozen in ["row.numbers", "row.c", "row."] {
        params.freeze(|name| name.starts_with(frozen) && !name.contains("head"));
        let part = run(&params);
        for (id, name, _) in params.iter() {
            let wanted = whole.get(id).map(bits).filter(|_| !params.is_frozen(id));
            assert_eq!(part.get(id).map(bits), wanted, "{name}");
        }
    }
}

/// The loss and the gradients of a step whose linear maps multiply in `products`.
fn in_products(products: Products, threads: usize) -> (f32, Gradients, Params) {
    let (params, model) = bert(0.1);
    let tokens = tokens(40, 0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let (loss, gradients) = pool.expect("a pool").install(|| {
        let mut tape = Tape::new(&params, Mode::Train { seed: 11 }).with_products(products);
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(logits, &labels(40), None);
        (tape.value(loss).item(), tape.backward(loss))
    });
    (loss, gradients, params)
}

#[test]
fn a_step_in_bf16_is_near_that_in_f32_and_the_same_for_any_number_of_threads() {
    let (exact, of_exact, params) = in_products(Products::F32, 1);
    let (loss, near, _) = in_products(Products::Bf16, 1);
    assert!(
        loss != exact && (loss - exact).abs() < 0.01 * exact,
        "{loss} {exact}"
    );
    let (same, again, _) = in_products(Products::Bf16, 3);
    assert_eq!(same.to_bits(), loss.to_bits());
    for (id, name, _) in params.iter() {
        let [a, b, c] = [&of_exact, &near, &again].map(|g| g.get(id).expect(name));
        assert_eq!(bits(b), bits(c), "{name}: threads change the bits");
        let dot = |x: &Tensor, y: &Tensor| -> f64 {
            let terms = x.data.iter().zip(&y.data);
            terms.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        // The gradient of a key's bias is nothing but rounding: softmax does not see it.
        if dot(a, a).sqrt() < 1e-6 {
            continue;
        }
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine > 0.999, "{name}: {cosine}");
    }
}
