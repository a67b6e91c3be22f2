//! A T5 agrees with Hugging Face: hidden states, logits, loss, every gradient, generated tokens.
//!
//! Recorded by `tests/reference/t5.py`: tiny random models, T5 1.0 and Flan-T5, texts of one token, of
//! odd lengths, and longer than the distances that have a class of their own.

use std::num::NonZeroUsize;

use adit_nn::t5::{EarlyStopping, GenerationSettings};
use adit_nn::{
    Encoder, EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, T5, T5Config, T5Encoder,
    Tape, WeightFile, WeightFiles,
};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-4;

const MODELS: [&str; 2] = ["t5_relu_tied", "t5_gated_untied"];

fn config(name: &str) -> T5Config {
    let path = golden::folder().join(name).join("config.json");
    let text = std::fs::read_to_string(path).expect("a configuration");
    T5Config::from_json(&text).expect("a valid configuration")
}

fn weights(name: &str) -> WeightFiles {
    WeightFiles::open(&golden::folder().join(name)).expect("weights")
}

fn saved(params: &Params) -> WeightFiles {
    let file = WeightFile::from_bytes("saved".as_ref(), params.to_safetensors_bytes());
    WeightFiles::from(file.expect("a file"))
}

fn load(name: &str) -> (Golden, Params, T5) {
    let recorded = Golden::read(&format!("{name}/expected.safetensors"));
    let mut params = Params::new();
    let model = T5::load(&config(name), &weights(name), &mut params).expect("a model");
    (recorded, params, model)
}

fn pack(ids: Vec<u32>, offsets: Vec<usize>) -> PackedTokens {
    PackedTokens::new(ids.clone(), vec![0; ids.len()], offsets).expect("packed tokens")
}

fn texts(recorded: &Golden) -> (PackedTokens, PackedTokens) {
    (
        pack(recorded.ids("ids"), recorded.indices("offsets")),
        pack(recorded.ids("target"), recorded.indices("target_offsets")),
    )
}

fn part(tokens: &PackedTokens, at: usize) -> PackedTokens {
    let ids = tokens.ids[tokens.offsets[at]..tokens.offsets[at + 1]].to_vec();
    let end = ids.len();
    pack(ids, vec![0, end])
}

#[test]
fn hidden_states_of_every_layer_agree_with_hugging_face() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, _) = texts(&recorded);
        let mut worst = Worst::new(TOLERANCE);
        let mut tape = Tape::new(&params, Mode::Inference);
        let encoder = model.encoder();
        let mut x = encoder.embed_tokens(&mut tape, &source).expect("states");
        for layer in 0..=encoder.n_layers() {
            let wanted = recorded.tensor(&format!("hidden.{layer}"));
            worst.see(format!("hidden {layer}"), &tape.value(x).data, &wanted.data);
            if layer < encoder.n_layers() {
                x = encoder.layers(&mut tape, x, &source, layer..layer + 1);
            }
        }
        worst.done(name);
    }
}

#[test]
fn loss_and_every_gradient_agree_with_hugging_face() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, target) = texts(&recorded);
        let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
        let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
        let loss = model.loss(&mut tape, &source, &target).expect("a loss");
        let wanted = recorded.tensor("loss").data;
        worst.see("loss", &tape.value(loss).data, &wanted);
        let gradients = tape.backward(loss);
        recorded.see_gradients(&params, &gradients, [&mut worst, &mut relative]);
        worst.done(name);
        relative.done(&format!("{name}, relative"));
    }
}

#[test]
fn logits_agree_with_hugging_face_together_and_alone() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, target) = texts(&recorded);
        let mut inputs = target.clone();
        for range in target.offsets.windows(2) {
            let (from, to) = (range[0], range[1]);
            inputs.ids[from] = model.config().decoder_start_token_id;
            inputs.ids[from + 1..to].copy_from_slice(&target.ids[from..to - 1]);
        }
        let run = |source: &PackedTokens, inputs: &PackedTokens| {
            let mut tape = Tape::new(&params, Mode::Inference);
            let logits = model.logits(&mut tape, source, inputs).expect("logits");
            tape.take(logits)
        };
        let wanted = recorded.tensor("logits");
        let all = run(&source, &inputs);
        let mut worst = Worst::new(TOLERANCE);
        worst.see("logits", &all.data, &wanted.data);
        worst.done(name);
        for at in 0..source.n_sequences() {
            let alone = run(&part(&source, at), &part(&inputs, at));
            let rows = inputs.offsets[at] * all.cols()..inputs.offsets[at + 1] * all.cols();
            assert_eq!(all.data[rows], alone.data, "{name}, pair {at}");
        }
    }
}

/// Greedy and beam search, with every kind of early stopping, several penalties and lengths.
#[test]
fn generated_tokens_are_those_of_hugging_face() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, _) = texts(&recorded);
        let path = golden::folder().join(name).join("generated.json");
        let text = std::fs::read_to_string(path).expect("generated texts");
        let searches: Vec<serde_json::Value> = serde_json::from_str(&text).expect("valid JSON");
        let mut n_compared = 0;
        for search in &searches {
            let count = |field: &str| {
                let count = search[field].as_u64().and_then(|n| usize::try_from(n).ok());
                NonZeroUsize::new(count.expect("a count")).expect("at least one")
            };
            let settings = GenerationSettings {
                n_beams: count("num_beams"),
                max_new_tokens: count("max_new_tokens"),
                length_penalty: search["length_penalty"].as_f64().expect("a penalty"),
                early_stopping: match &search["early_stopping"] {
                    serde_json::Value::Bool(true) => EarlyStopping::WhenFull,
                    serde_json::Value::Bool(false) => EarlyStopping::Guess,
                    _ => EarlyStopping::Never,
                },
            };
            let mut tape = Tape::new(&params, Mode::Inference);
            let found = model
                .generate(&mut tape, &source, &settings)
                .expect("texts");
            let wanted = search["texts"].as_array().expect("texts");
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let ids: Vec<u64> = found.ids.iter().map(|&id| u64::from(id)).collect();
                assert_eq!(
                    serde_json::json!(ids),
                    wanted["ids"],
                    "{name}, source {at}, {settings:?}"
                );
                if let Some(score) = wanted["score"].as_f64() {
                    assert!(
                        (found.score - score).abs() < 1e-5 * score.abs().max(1.0),
                        "{name}, source {at}, {settings:?}: score {} and {score}",
                        found.score
                    );
                }
                n_compared += 1;
            }
        }
        assert!(n_compared >= 80, "{n_compared} texts compared");
    }
}

#[test]
fn the_encoder_alone_is_read_from_the_whole_model_and_from_its_own_file() {
    let name = "t5_gated_untied";
    let (recorded, params, model) = load(name);
    let (source, _) = texts(&recorded);
    let hidden = |encoder: &T5Encoder, params: &Params| {
        let mut tape = Tape::new(params, Mode::Inference);
        let hidden = encoder.hidden(&mut tape, &source).expect("states");
        tape.take(hidden)
    };
    let wanted = hidden(model.encoder(), &params);
    let mut own = Params::new();
    let encoder = T5Encoder::load(&config(name), &weights(name), &mut own).expect("an encoder");
    assert_eq!(hidden(&encoder, &own), wanted);
    assert!(own.iter().all(|(_, name, _)| !name.starts_with("decoder")));

    // A file of the classifier's kind: another prefix, and the words under the encoder's name.
    let mut other = Params::new();
    for (_, name, tensor) in own.iter() {
        let name = name.replace("shared.weight", "encoder.embed_tokens.weight");
        other.add(format!("transformer.{name}"), tensor.clone());
    }
    let file = saved(&other);
    let mut again = Params::new();
    let encoder = T5Encoder::load(&config(name), &file, &mut again).expect("an encoder");
    assert_eq!(hidden(&encoder, &again), wanted);
}

#[test]
fn the_last_map_is_tied_unless_the_file_holds_another() {
    let (_, params, model) = load("t5_gated_untied");
    assert!(!model.config().tie_word_embeddings && params.by_name("lm_head.weight").is_some());
    let (_, mut params, model) = load("t5_relu_tied");
    assert!(model.config().tie_word_embeddings && params.by_name("lm_head.weight").is_none());
    // A copy of the words' vectors is no map of its own.
    let words = params
        .get(params.by_name("shared.weight").expect("words"))
        .clone();
    params.add("lm_head.weight", words);
    let file = saved(&params);
    let config = config("t5_relu_tied");
    let model = T5::load(&config, &file, &mut Params::new()).expect("a model");
    assert!(model.config().tie_word_embeddings);
    let id = params.by_name("lm_head.weight").expect("a map");
    params.get_mut(id).data[3] += 0.5;
    let file = saved(&params);
    let model = T5::load(&config, &file, &mut Params::new()).expect("a model");
    assert!(!model.config().tie_word_embeddings && model.config().scale_decoder_outputs);
}

#[test]
fn what_was_saved_is_loaded_with_the_same_bits() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, target) = texts(&recorded);
        let text = serde_json::to_string(model.config()).expect("a configuration");
        let config = T5Config::from_json(&text).expect("a valid configuration");
        let file = saved(&params);
        let mut again = Params::new();
        let loaded = T5::load(&config, &file, &mut again).expect("a model");
        let loss = |model: &T5, params: &Params| {
            let mut tape = Tape::new(params, Mode::Inference);
            let loss = model.loss(&mut tape, &source, &target).expect("a loss");
            tape.value(loss).item()
        };
        assert_eq!(
            loss(&model, &params).to_bits(),
            loss(&loaded, &again).to_bits()
        );
    }
}

#[test]
fn pairs_that_do_not_fit_are_refused() {
    let (recorded, params, model) = load("t5_relu_tied");
    let (source, target) = texts(&recorded);
    let mut tape = Tape::new(&params, Mode::Inference);
    let error = model
        .loss(&mut tape, &source, &part(&target, 0))
        .unwrap_err();
    assert!(
        error.to_string().contains("7 source texts, but 1"),
        "{error}"
    );
    // The last target token is never read by the decoder, but it is a label.
    let mut wrong = target;
    *wrong.ids.last_mut().expect("tokens") = 70;
    assert!(model.loss(&mut tape, &source, &wrong).is_err());
    let mut wrong = source.clone();
    wrong.ids[0] = 70;
    assert!(model.encoder().hidden(&mut tape, &wrong).is_err());
}

#[test]
fn every_parameter_of_a_new_model_receives_a_gradient() {
    for name in MODELS {
        let recorded = Golden::read(&format!("{name}/expected.safetensors"));
        let (source, target) = texts(&recorded);
        let mut config = config(name);
        config.dropout_rate = 0.1;
        let mut params = Params::new();
        let model = T5::new(&config, &mut params, 7);
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let loss = model.loss(&mut tape, &source, &target).expect("a loss");
        let gradients = tape.backward(loss);
        for (id, name, _) in params.iter() {
            let gradient = gradients
                .get(id)
                .unwrap_or_else(|| panic!("no gradient of {name}"));
            assert!(gradient.data.iter().any(|&g| g != 0.0), "{name}");
            assert!(gradient.data.iter().all(|g| g.is_finite()), "{name}");
        }
    }
}

#[test]
fn training_and_generation_give_the_same_bits_for_any_number_of_threads() {
    let name = "t5_gated_untied";
    let (recorded, params, _) = load(name);
    let (source, target) = texts(&recorded);
    let many = |tokens: &PackedTokens| {
        let parts: Vec<PackedTokens> = (0..tokens.n_sequences())
            .map(|at| part(tokens, at))
            .collect();
        let parts = parts
            .iter()
            .map(|p| (p.ids.as_slice(), p.type_ids.as_slice()));
        PackedTokens::pack(parts.collect::<Vec<_>>().repeat(5)).expect("packed tokens")
    };
    let (source, target) = (many(&source), many(&target));
    let mut config = config(name);
    config.dropout_rate = 0.1;
    let file = saved(&params);
    let settings = GenerationSettings {
        n_beams: NonZeroUsize::new(3).expect("at least one"),
        ..GenerationSettings::default()
    };
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .expect("a pool");
        pool.install(|| {
            let mut params = Params::new();
            let model = T5::load(&config, &file, &mut params).expect("a model");
            let mut tape = Tape::new(&params, Mode::Train { seed: 4 });
            let loss = model.loss(&mut tape, &source, &target).expect("a loss");
            let gradients = tape.backward(loss);
            let mut bits = vec![tape.value(loss).item().to_bits()];
            for (_, gradient) in gradients.iter() {
                bits.extend(gradient.data.iter().map(|v| v.to_bits()));
            }
            let mut tape = Tape::new(&params, Mode::Inference);
            let texts = model.generate(&mut tape, &source, &settings);
            (bits, texts.expect("texts"))
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
fn the_encoder_stands_behind_the_doorway_of_all_encoders() {
    for name in MODELS {
        let (recorded, params, model) = load(name);
        let (source, _) = texts(&recorded);
        let mut tape = Tape::new(&params, Mode::Inference);
        let wanted = model.encoder().hidden(&mut tape, &source).expect("states");
        let config = EncoderConfig::from(config(name));
        let mut own = Params::new();
        let encoder = Encoder::load(&config, &weights(name), &mut own).expect("an encoder");
        let mut other = Tape::new(&own, Mode::Inference);
        // Half of the layers, then the rest, then none.
        let x = encoder.embed_tokens(&mut other, &source).expect("states");
        let x = encoder.layers(&mut other, x, &source, 0..1);
        let x = encoder.layers(&mut other, x, &source, 1..encoder.n_layers());
        let x = encoder.layers(
            &mut other,
            x,
            &source,
            encoder.n_layers()..encoder.n_layers(),
        );
        assert_eq!(tape.value(wanted), other.value(x));

        let mut params = Params::new();
        let model =
            EncoderClassifier::load(&config, 2, &weights(name), &mut params, 5).expect("a model");
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let logits = model.logits(&mut tape, &source).expect("logits");
        let loss = tape.cross_entropy(logits, &[0, 1, 0, 1, 0, 1, 0], None);
        let gradients = tape.backward(loss);
        assert_eq!(gradients.iter().count(), params.len());
    }
}
