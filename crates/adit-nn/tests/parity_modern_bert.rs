//! A ModernBERT agrees with Hugging Face: hidden states of every layer, logits, loss, every gradient.
//!
//! Recorded by `tests/reference/modern_bert.py`: tiny random models, sequences of one token, of odd
//! lengths, and of lengths around the local window.

use adit_nn::{
    EncoderClassifier, EncoderConfig, Mode, ModernBertConfig, PackedTokens, Params, Tape,
    WeightFile, WeightFiles,
};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-4;

fn config(name: &str) -> ModernBertConfig {
    let path = golden::folder().join(name).join("config.json");
    let text = std::fs::read_to_string(path).expect("a configuration");
    ModernBertConfig::from_json(&text).expect("a valid configuration")
}

fn saved(params: &Params) -> WeightFiles {
    let file = WeightFile::from_bytes("saved".as_ref(), params.to_safetensors_bytes());
    WeightFiles::from(file.expect("a file"))
}

fn load(name: &str) -> (Golden, Params, EncoderClassifier) {
    let recorded = Golden::read(&format!("{name}/expected.safetensors"));
    let file = WeightFiles::open(&golden::folder().join(name)).expect("weights");
    let n_outputs = recorded.tensor("logits").cols();
    let mut params = Params::new();
    let model = EncoderClassifier::load(&config(name).into(), n_outputs, &file, &mut params, 3)
        .expect("a model");
    (recorded, params, model)
}

fn pack(ids: &[u32], offsets: &[usize]) -> PackedTokens {
    PackedTokens::new(ids.to_vec(), vec![0; ids.len()], offsets.to_vec()).expect("packed tokens")
}

fn check(name: &str) {
    let (recorded, params, model) = load(name);
    let tokens = pack(&recorded.ids("ids"), &recorded.indices("offsets"));
    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));

    // Layer by layer; Hugging Face's last hidden state has passed the final norm.
    let mut tape = Tape::new(&params, Mode::Inference);
    let encoder = &model.encoder;
    let mut x = encoder.embed_tokens(&mut tape, &tokens).expect("states");
    for layer in 0..=encoder.n_layers() {
        let wanted = recorded.tensor(&format!("hidden.{layer}"));
        worst.see(format!("hidden {layer}"), &tape.value(x).data, &wanted.data);
        if layer < encoder.n_layers() {
            x = encoder.layers(&mut tape, x, &tokens, layer..layer + 1);
        }
    }

    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let logits = model.logits(&mut tape, &tokens).expect("logits");
    let wanted = recorded.tensor("logits");
    worst.see("logits", &tape.value(logits).data, &wanted.data);
    let loss = match recorded.find("target") {
        Some(target) => tape.mean_squared_error(logits, &target.data),
        None => tape.cross_entropy(logits, &recorded.ids("target"), None),
    };
    let wanted = recorded.tensor("loss").data;
    worst.see("loss", &tape.value(loss).data, &wanted);
    let gradients = tape.backward(loss);
    recorded.see_gradients(&params, &gradients, [&mut worst, &mut relative]);
    worst.done(name);
    relative.done(&format!("{name}, relative"));
}

#[test]
fn a_model_without_biases_that_reads_the_first_token_agrees_with_hugging_face() {
    check("modern_bert_cls");
}

#[test]
fn a_model_with_all_biases_that_reads_the_mean_agrees_with_hugging_face() {
    check("modern_bert_mean");
}

#[test]
fn a_text_in_a_batch_gives_the_bits_of_the_text_alone() {
    for name in ["modern_bert_cls", "modern_bert_mean"] {
        let (recorded, params, model) = load(name);
        let (ids, offsets) = (recorded.ids("ids"), recorded.indices("offsets"));
        let run = |tokens: &PackedTokens| {
            let mut tape = Tape::new(&params, Mode::Inference);
            let logits = model.logits(&mut tape, tokens).expect("logits");
            tape.take(logits)
        };
        let all = run(&pack(&ids, &offsets));
        for (row, range) in offsets.windows(2).enumerate() {
            let alone = run(&pack(&ids[range[0]..range[1]], &[0, range[1] - range[0]]));
            assert_eq!(all.row(row), alone.data, "{name}, text {row}");
        }
    }
}

#[test]
fn a_file_of_the_bare_encoder_is_loaded_and_its_head_drawn() {
    let (recorded, params, model) = load("modern_bert_cls");
    let mut bare = Params::new();
    for (_, name, tensor) in params.iter() {
        if let Some(name) = name.strip_prefix("model.") {
            bare.add(name, tensor.clone());
        }
    }
    let file = saved(&bare);
    let mut again = Params::new();
    let config = config("modern_bert_cls");
    let drawn =
        EncoderClassifier::load(&config.clone().into(), 3, &file, &mut again, 3).expect("a model");
    let tokens = pack(&recorded.ids("ids"), &recorded.indices("offsets"));
    let hidden = |model: &EncoderClassifier, params: &Params| {
        let mut tape = Tape::new(params, Mode::Inference);
        let hidden = model.encoder.hidden(&mut tape, &tokens).expect("states");
        tape.take(hidden)
    };
    assert_eq!(hidden(&model, &params), hidden(&drawn, &again));
    let weight = again.get(drawn.head.weight);
    assert!(weight.data.iter().any(|&v| v != 0.0), "the head is drawn");
    let dense = again.by_name("head.dense.weight").expect("a dense map");
    assert!(
        again.get(dense).data.iter().any(|&v| v != 0.0),
        "and so is its map"
    );
}

#[test]
fn a_missing_tensor_and_a_wrong_size_are_named() {
    let (_, params, _) = load("modern_bert_cls");
    let mut config = config("modern_bert_cls");
    let mut short = Params::new();
    for (_, name, tensor) in params.iter() {
        if name != "model.layers.2.attn.Wqkv.weight" {
            short.add(name, tensor.clone());
        }
    }
    let file = saved(&short);
    let error = EncoderClassifier::load(&config.clone().into(), 3, &file, &mut Params::new(), 0)
        .unwrap_err();
    assert!(error.to_string().contains("layers.2.attn.Wqkv"), "{error}");
    config.intermediate_size = 41;
    let error = EncoderClassifier::load(&config.clone().into(), 3, &file, &mut Params::new(), 0)
        .unwrap_err();
    assert!(error.to_string().contains("layers.0.mlp.Wi"), "{error}");
}

#[test]
fn tokens_that_do_not_fit_are_refused() {
    let (_, params, model) = load("modern_bert_cls");
    let mut tape = Tape::new(&params, Mode::Inference);
    for tokens in [pack(&[90], &[0, 1]), pack(&[5; 65], &[0, 65])] {
        assert!(model.logits(&mut tape, &tokens).is_err());
    }
    let pair = PackedTokens::new(vec![4, 5], vec![0, 1], vec![0, 2]).expect("packed tokens");
    assert!(
        model.logits(&mut tape, &pair).is_ok(),
        "segments are not told apart"
    );
}

#[test]
fn training_gives_the_same_bits_for_any_number_of_threads() {
    let (recorded, params, _) = load("modern_bert_cls");
    let mut config = config("modern_bert_cls");
    config.attention_dropout = 0.1;
    config.embedding_dropout = 0.1;
    config.mlp_dropout = 0.1;
    config.classifier_dropout = 0.1;
    let file = saved(&params);
    let (ids, offsets) = (recorded.ids("ids"), recorded.indices("offsets"));
    let texts: Vec<&[u32]> = offsets.windows(2).map(|w| &ids[w[0]..w[1]]).collect();
    let zeros = [0; 64];
    let texts = texts.repeat(5).into_iter().map(|t| (t, &zeros[..t.len()]));
    let tokens = PackedTokens::pack(texts).expect("packed tokens");
    let labels = recorded.ids("target").repeat(5);
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .expect("a pool");
        pool.install(|| {
            let mut params = Params::new();
            let model = EncoderClassifier::load(&config.clone().into(), 3, &file, &mut params, 0)
                .expect("a model");
            let mut tape = Tape::new(&params, Mode::Train { seed: 4 });
            let logits = model.logits(&mut tape, &tokens).expect("logits");
            let loss = tape.cross_entropy(logits, &labels, None);
            let gradients = tape.backward(loss);
            let mut bits: Vec<u32> = tape
                .value(logits)
                .data
                .iter()
                .map(|v| v.to_bits())
                .collect();
            for (_, gradient) in gradients.iter() {
                bits.extend(gradient.data.iter().map(|v| v.to_bits()));
            }
            bits
        })
    };
    let alone = run(1);
    for n_threads in [2, 3] {
        assert!(
            alone == run(n_threads),
            "{n_threads} threads give other bits"
        );
    }
}

#[test]
fn every_parameter_of_a_new_model_receives_a_gradient() {
    for name in ["modern_bert_cls", "modern_bert_mean"] {
        let recorded = Golden::read(&format!("{name}/expected.safetensors"));
        let config = EncoderConfig::from(config(name));
        let mut params = Params::new();
        let model = EncoderClassifier::new(&config, 3, &mut params, 7);
        let tokens = pack(&recorded.ids("ids"), &recorded.indices("offsets"));
        let labels: Vec<u32> = (0..tokens.n_sequences() as u32).map(|at| at % 3).collect();
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let logits = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(logits, &labels, None);
        let gradients = tape.backward(loss);
        for (id, name, _) in params.iter() {
            let gradient = gradients
                .get(id)
                .unwrap_or_else(|| panic!("no gradient of {name}"));
            assert!(gradient.data.iter().any(|&g| g != 0.0), "{name}");
        }
    }
}
