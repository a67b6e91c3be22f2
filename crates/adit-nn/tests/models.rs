//! Laws of whole models: packing, threads, learning, saving.

use std::path::Path;

use adit_nn::optim::{AdamW, AdamWState, clip_global_norm, no_decay};
use adit_nn::pool::embed;
use adit_nn::{
    Encoder, EncoderClassifier, EncoderConfig, Gradients, Mode, NumberEmbedding, PackedTokens,
    Params, Pooling, RowBatch, RowBody, RowTransformer, RowTransformerConfig, Tape, WeightFile,
    WeightFiles, Workspace,
};

fn config(dropout: f32) -> EncoderConfig {
    sized_config(dropout, 24, 3)
}

fn sized_config(dropout: f32, hidden: usize, heads: usize) -> EncoderConfig {
    EncoderConfig::from_json(&format!(
        r#"{{"model_type": "bert", "vocab_size": 97, "hidden_size": {hidden}, "num_hidden_layers": 2,
        "num_attention_heads": {heads}, "intermediate_size": 40, "max_position_embeddings": 40,
        "hidden_dropout_prob": {dropout}, "attention_probs_dropout_prob": {dropout}}}"#
    ))
    .unwrap()
}

fn texts(n: usize) -> Vec<Vec<u32>> {
    (0..n)
        .map(|i| {
            (0..1 + (i * 13) % 40)
                .map(|j| ((i * 31 + j * 17) % 97) as u32)
                .collect()
        })
        .collect()
}

fn pack(texts: &[Vec<u32>]) -> PackedTokens {
    let types: Vec<Vec<u32>> = texts
        .iter()
        .map(|t| (0..t.len()).map(|j| u32::from(j > t.len() / 2)).collect())
        .collect();
    PackedTokens::pack(
        texts
            .iter()
            .zip(&types)
            .map(|(t, k)| (t.as_slice(), k.as_slice())),
    )
    .unwrap()
}

fn row_config(dropout: f32) -> RowTransformerConfig {
    RowTransformerConfig {
        n_numbers: 3,
        bins: vec![
            vec![0.0, 0.3, 1.0],
            vec![-1.0, 1.0],
            vec![0.0, 0.2, 0.4, 0.9],
        ],
        cardinalities: vec![2, 4],
        d_token: 16,
        n_layers: 2,
        n_heads: 2,
        ffn_hidden: 20,
        attention_dropout: dropout,
        ffn_dropout: dropout,
        residual_dropout: dropout,
        number_relu: true,
        n_outputs: 2,
        numbers: NumberEmbedding::default(),
        body: RowBody::default(),
        members: None,
    }
}

fn row_batch(n: usize) -> (RowBatch, Vec<u32>) {
    let numbers: Vec<f32> = (0..n * 3)
        .map(|i| ((i * 37) % 101) as f32 / 100.0)
        .collect();
    let codes: Vec<u32> = (0..n)
        .flat_map(|i| [(i % 2) as u32, (i * 7 % 4) as u32])
        .collect();
    let missing = (0..n * 3).map(|i| i % 5 == 3).collect();
    let labels = (0..n)
        .map(|i| u32::from(numbers[i * 3] + codes[i * 2] as f32 * 0.5 > 0.75))
        .collect();
    (
        RowBatch {
            numbers,
            missing,
            codes,
        },
        labels,
    )
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_text_in_a_batch_gives_the_bits_of_the_text_alone() {
    let config = config(0.1);
    let mut params = Params::new();
    let bert = Encoder::new(&config, &mut params, 3);
    let texts = texts(30);
    for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Max] {
        let all = embed(&bert, &params, &pack(&texts), pooling, true).unwrap();
        for (at, text) in texts.iter().enumerate() {
            let alone = embed(
                &bert,
                &params,
                &pack(std::slice::from_ref(text)),
                pooling,
                true,
            )
            .unwrap();
            assert_eq!(
                bits(all.row(at)),
                bits(&alone.data),
                "{pooling:?}, text {at}"
            );
        }
    }
}

#[test]
fn normalised_embeddings_have_length_one() {
    let config = config(0.0);
    let mut params = Params::new();
    let bert = Encoder::new(&config, &mut params, 3);
    let out = embed(&bert, &params, &pack(&texts(5)), Pooling::Mean, true).unwrap();
    assert_eq!(out.shape, [5, 24]);
    for row in 0..5 {
        let length: f64 = out.row(row).iter().map(|&v| f64::from(v).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}

/// Two training steps of a BERT classifier that is large enough for many blocks.
fn bert_steps() -> (Vec<u32>, Vec<u32>) {
    let config = sized_config(0.1, 48, 4);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 3, &mut params, 5);
    let tokens = pack(&texts(60));
    let labels: Vec<u32> = (0..60).map(|i| i % 3).collect();
    let mut state = AdamWState::default();
    let mut losses = Vec::new();
    for seed in 0..2 {
        let mut tape = Tape::new(&params, Mode::Train { seed });
        let logits = model.logits(&mut tape, &tokens).unwrap();
        let loss = tape.cross_entropy(logits, &labels, None);
        losses.push(tape.value(loss).item());
        let mut gradients = tape.backward(loss);
        clip_global_norm(&mut gradients, 1.0);
        AdamW::default().step(&mut params, &gradients, &mut state, 1e-3, &no_decay);
    }
    (
        bits(&losses),
        params.iter().flat_map(|(_, _, t)| bits(&t.data)).collect(),
    )
}

fn row_steps() -> (Vec<u32>, Vec<u32>) {
    let mut params = Params::new();
    let model = RowTransformer::new(row_config(0.2), &mut params, 5).unwrap();
    let (batch, labels) = row_batch(400);
    let mut state = AdamWState::default();
    let mut losses = Vec::new();
    for seed in 0..2 {
        let mut tape = Tape::new(&params, Mode::Train { seed });
        let logits = model.outputs(&mut tape, &batch).unwrap();
        let loss = tape.cross_entropy(logits, &labels, None);
        losses.push(tape.value(loss).item());
        let gradients = tape.backward(loss);
        AdamW::default().step(&mut params, &gradients, &mut state, 1e-3, &no_decay);
    }
    (
        bits(&losses),
        params.iter().flat_map(|(_, _, t)| bits(&t.data)).collect(),
    )
}

#[test]
fn training_gives_the_same_bits_for_any_number_of_threads() {
    let (bert, row) = in_pool(1, || (bert_steps(), row_steps()));
    for threads in [2, 3] {
        assert!(
            in_pool(threads, bert_steps) == bert,
            "bert, {threads} threads"
        );
        assert!(in_pool(threads, row_steps) == row, "row, {threads} threads");
    }
}

#[test]
fn inference_gives_the_same_bits_for_any_number_of_threads() {
    let config = config(0.0);
    let mut params = Params::new();
    let bert = Encoder::new(&config, &mut params, 3);
    let tokens = pack(&texts(80));
    let run = || {
        bits(
            &embed(&bert, &params, &tokens, Pooling::Mean, false)
                .unwrap()
                .data,
        )
    };
    let one = in_pool(1, run);
    for threads in [2, 3] {
        assert!(in_pool(threads, run) == one, "{threads} threads");
    }
}

#[test]
fn memory_that_is_used_again_changes_no_bit() {
    let config = config(0.1);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 2, &mut params, 3);
    let row_model = RowTransformer::new(row_config(0.2), &mut params, 5).unwrap();
    let workspace = Workspace::new();
    for n in [40, 64, 33, 64] {
        let run = |mut tape: Tape<'_>| {
            let logits = model.logits(&mut tape, &pack(&texts(n))).unwrap();
            let labels: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
            let loss = tape.cross_entropy(logits, &labels, None);
            let (batch, labels) = row_batch(8 * n);
            let outputs = row_model.outputs(&mut tape, &batch).unwrap();
            let other = tape.cross_entropy(outputs, &labels, None);
            let loss = tape.add(loss, other);
            let gradients = tape.backward(loss);
            let all: Vec<u32> = gradients.iter().flat_map(|(_, t)| bits(&t.data)).collect();
            workspace.reclaim_gradients(gradients);
            workspace.reclaim(tape);
            all
        };
        let mode = Mode::Train { seed: n as u64 };
        let plain = run(Tape::new(&params, mode));
        assert!(
            run(Tape::with_workspace(&params, mode, &workspace)) == plain,
            "{n} texts"
        );
    }
}

#[test]
fn inference_equals_training_without_dropout() {
    let config = config(0.0);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 2, &mut params, 3);
    let tokens = pack(&texts(7));
    let run = |mode| {
        let mut tape = Tape::new(&params, mode);
        let logits = model.logits(&mut tape, &tokens).unwrap();
        bits(&tape.value(logits).data)
    };
    assert_eq!(run(Mode::Inference), run(Mode::Train { seed: 1 }));
}

fn all_gradients_flow(params: &Params, gradients: &Gradients) {
    for (id, name, tensor) in params.iter() {
        let gradient = gradients
            .get(id)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.shape, tensor.shape, "{name}");
        assert!(
            gradient.data.iter().all(|v| v.is_finite()),
            "{name} has a gradient that is not finite"
        );
        // Keys' biases move all scores of a row alike, so softmax leaves them without a gradient.
        if !name.ends_with("key.bias") {
            assert!(
                gradient.data.iter().any(|&v| v != 0.0),
                "the gradient of {name} is cut"
            );
        }
    }
}

#[test]
fn no_gradient_of_a_bert_classifier_is_cut_and_the_loss_falls() {
    let config = config(0.0);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 2, &mut params, 3);
    let texts = texts(24);
    let tokens = pack(&texts);
    // Whether a text's first token is even can be learned.
    let labels: Vec<u32> = texts.iter().map(|t| t[0] % 2).collect();
    let mut state = AdamWState::default();
    let mut losses = Vec::new();
    for seed in 0..40 {
        let mut tape = Tape::new(&params, Mode::Train { seed });
        let logits = model.logits(&mut tape, &tokens).unwrap();
        let loss = tape.cross_entropy(logits, &labels, None);
        losses.push(tape.value(loss).item());
        let gradients = tape.backward(loss);
        if seed == 0 {
            all_gradients_flow(&params, &gradients);
        }
        AdamW::default().step(&mut params, &gradients, &mut state, 3e-3, &no_decay);
    }
    assert!(losses[39] < 0.1 * losses[0], "{losses:?}");
}

#[test]
fn no_gradient_of_a_row_transformer_is_cut_and_the_loss_falls() {
    let mut params = Params::new();
    let model = RowTransformer::new(row_config(0.0), &mut params, 5).unwrap();
    let (batch, labels) = row_batch(60);
    let mut state = AdamWState::default();
    let mut losses = Vec::new();
    for seed in 0..60 {
        let mut tape = Tape::new(&params, Mode::Train { seed });
        let logits = model.outputs(&mut tape, &batch).unwrap();
        let loss = tape.cross_entropy(logits, &labels, None);
        losses.push(tape.value(loss).item());
        let gradients = tape.backward(loss);
        if seed == 0 {
            all_gradients_flow(&params, &gradients);
        }
        AdamW::default().step(&mut params, &gradients, &mut state, 5e-3, &no_decay);
    }
    assert!(losses[59] < 0.2 * losses[0], "{losses:?}");
}

#[test]
fn a_row_in_a_batch_gives_the_bits_of_the_row_alone() {
    let mut params = Params::new();
    let model = RowTransformer::new(row_config(0.2), &mut params, 5).unwrap();
    let (batch, _) = row_batch(20);
    let run = |batch: &RowBatch| {
        let mut tape = Tape::new(&params, Mode::Inference);
        let out = model.outputs(&mut tape, batch).unwrap();
        tape.take(out)
    };
    let all = run(&batch);
    for at in 0..20 {
        let alone = run(&RowBatch {
            numbers: batch.numbers[at * 3..at * 3 + 3].to_vec(),
            missing: batch.missing[at * 3..at * 3 + 3].to_vec(),
            codes: batch.codes[at * 2..at * 2 + 2].to_vec(),
        });
        assert_eq!(bits(all.row(at)), bits(&alone.data), "row {at}");
    }
}

#[test]
fn columns_of_one_kind_are_enough() {
    for (n_numbers, bins, cardinalities) in
        [(0, vec![], vec![3]), (1, vec![vec![0.0, 1.0]], vec![])]
    {
        let n_codes = 4 * cardinalities.len();
        let config = RowTransformerConfig {
            n_numbers,
            bins,
            cardinalities,
            ..row_config(0.1)
        };
        let mut params = Params::new();
        let model = RowTransformer::new(config, &mut params, 5).unwrap();
        let batch = RowBatch {
            numbers: vec![0.4; 4 * n_numbers],
            missing: vec![false; 4 * n_numbers],
            codes: vec![1; n_codes],
        };
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let out = model.outputs(&mut tape, &batch).unwrap();
        assert_eq!(tape.value(out).shape, [4, 2]);
        let loss = tape.mean_squared_error(out, &[1.0; 8]);
        assert!(tape.backward(loss).global_norm() > 0.0);
    }
}

#[test]
fn a_saved_model_gives_the_bits_of_the_model() {
    let config = config(0.0);
    let mut params = Params::new();
    let model = EncoderClassifier::new(&config, 2, &mut params, 3);
    let tokens = pack(&texts(5));
    let logits = |model: &EncoderClassifier, params: &Params| {
        let mut tape = Tape::new(params, Mode::Inference);
        let out = model.logits(&mut tape, &tokens).unwrap();
        bits(&tape.value(out).data)
    };
    let bytes = params.to_safetensors_bytes();
    assert_eq!(bytes, params.to_safetensors_bytes());
    let file = WeightFile::from_bytes(Path::new("model.safetensors"), bytes.clone()).unwrap();
    let mut again = Params::new();
    let files = WeightFiles::from(file);
    let loaded = EncoderClassifier::load(&config, 2, &files, &mut again, 99).unwrap();
    assert_eq!(logits(&model, &params), logits(&loaded, &again));
    let file = WeightFile::from_bytes(Path::new("model.safetensors"), bytes).unwrap();
    let mut third = Params::new();
    EncoderClassifier::new(&config, 2, &mut third, 77);
    third.load_from(&file).unwrap();
    assert_eq!(logits(&model, &params), logits(&model, &third));
}

#[test]
fn tokens_that_do_not_fit_are_refused() {
    assert!(PackedTokens::new(vec![1], vec![0], vec![0]).is_err());
    assert!(
        PackedTokens::new(vec![1], vec![0], vec![0, 0, 1]).is_err(),
        "an empty sequence"
    );
    assert!(PackedTokens::new(vec![1], vec![], vec![0, 1]).is_err());
    assert!(PackedTokens::new(vec![1, 2], vec![0, 0], vec![0, 1]).is_err());
    let config = config(0.0);
    let mut params = Params::new();
    let bert = Encoder::new(&config, &mut params, 3);
    for (ids, kinds) in [
        (vec![97], vec![0]),
        (vec![1], vec![2]),
        (vec![1; 41], vec![0; 41]),
    ] {
        let n = ids.len();
        let tokens = PackedTokens::new(ids, kinds, vec![0, n]).unwrap();
        assert!(embed(&bert, &params, &tokens, Pooling::Mean, true).is_err());
    }
}
