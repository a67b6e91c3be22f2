//! Every family of BERT's line agrees with Hugging Face: hidden states, logits, loss, gradients, and
//! the names of its tensors.
//!
//! Recorded by `tests/reference/families.py`: tiny random models in directories that Hugging Face wrote.

use std::collections::BTreeSet;

use adit_nn::encoder::Activation;
use adit_nn::{
    Encoder, EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, Tape, Tensor,
    WeightFile, WeightFiles,
};

mod golden;
use golden::{Golden, Worst};

/// Absolute; the 1e-4 that is promised hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

const MODELS: [&str; 8] = [
    "bert_relu",
    "roberta",
    "xlm_roberta",
    "distilbert",
    "albert",
    "electra",
    "electra_shards",
    "mpnet",
];

struct Recorded {
    config: EncoderConfig,
    files: WeightFiles,
    golden: Golden,
    tokens: PackedTokens,
}

fn recorded(name: &str) -> Recorded {
    let folder = golden::folder().join("families").join(name);
    let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
    let golden = Golden::read(&format!("families/{name}/expected.safetensors"));
    Recorded {
        config: EncoderConfig::from_json(&text).expect("a valid configuration"),
        files: WeightFiles::open(&folder).expect("weights"),
        tokens: PackedTokens::new(
            golden.ids("ids"),
            golden.ids("types"),
            golden.indices("offsets"),
        )
        .expect("packed tokens"),
        golden,
    }
}

impl Recorded {
    fn load(&self) -> (EncoderClassifier, Params) {
        let n = self.golden.tensor("logits").cols();
        let mut params = Params::new();
        let model =
            EncoderClassifier::load(&self.config, n, &self.files, &mut params, 3).expect("a model");
        (model, params)
    }
}

fn check(name: &str) {
    let recorded = recorded(name);
    let (model, params) = recorded.load();
    let golden = &recorded.golden;
    let wanted = golden.tensor("logits");

    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let hidden = model
        .encoder
        .hidden(&mut tape, &recorded.tokens)
        .expect("hidden states");
    assert_eq!(tape.value(hidden).shape, golden.tensor("hidden").shape);
    worst.see(
        "hidden states",
        &tape.value(hidden).data,
        &golden.tensor("hidden").data,
    );
    let features = model.features(&mut tape, hidden, &recorded.tokens);
    let logits = model.head.apply(&mut tape, features);
    assert_eq!(tape.value(logits).shape, wanted.shape);
    worst.see("logits", &tape.value(logits).data, &wanted.data);
    let mut quick = Tape::new(&params, Mode::Inference);
    let again = model.logits(&mut quick, &recorded.tokens).expect("logits");
    worst.see(
        "logits without gradients",
        &quick.value(again).data,
        &wanted.data,
    );

    let loss = match golden.find("target") {
        Some(target) => tape.mean_squared_error(logits, &target.data),
        None => tape.cross_entropy(logits, &golden.ids("target"), None),
    };
    worst.see("loss", &tape.value(loss).data, &golden.tensor("loss").data);
    let gradients = tape.backward(loss);
    golden.see_gradients(&params, &gradients, [&mut worst, &mut relative]);
    worst.done(name);
    relative.done(&format!("{name}, relative"));
}

#[test]
fn bert_with_relu_agrees_with_hugging_face() {
    check("bert_relu");
}

#[test]
fn roberta_agrees_with_hugging_face() {
    check("roberta");
}

#[test]
fn xlm_roberta_with_segments_and_another_padding_token_agrees_with_hugging_face() {
    check("xlm_roberta");
}

#[test]
fn distilbert_agrees_with_hugging_face() {
    check("distilbert");
}

#[test]
fn albert_with_groups_of_shared_layers_agrees_with_hugging_face() {
    check("albert");
}

#[test]
fn electra_with_narrow_embeddings_agrees_with_hugging_face() {
    check("electra");
}

#[test]
fn electra_in_shards_agrees_with_hugging_face() {
    check("electra_shards");
}

#[test]
fn mpnet_agrees_with_hugging_face() {
    check("mpnet");
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_text_in_a_batch_gives_the_bits_of_the_text_alone() {
    for name in MODELS {
        let recorded = recorded(name);
        let (model, params) = recorded.load();
        let logits = |tokens: &PackedTokens| {
            let mut tape = Tape::new(&params, Mode::Inference);
            let logits = model.logits(&mut tape, tokens).expect("logits");
            tape.take(logits)
        };
        let all = logits(&recorded.tokens);
        let PackedTokens {
            ids,
            type_ids,
            offsets,
        } = &recorded.tokens;
        for (row, w) in offsets.windows(2).enumerate() {
            let text = (&ids[w[0]..w[1]], &type_ids[w[0]..w[1]]);
            let alone = logits(&PackedTokens::pack([text]).expect("packed tokens"));
            let row = Tensor::new(&[1, all.cols()], all.row(row).to_vec()).expect("a row");
            assert_eq!(bits(&alone), bits(&row), "{name}");
        }
    }
}

#[test]
fn layers_in_two_parts_give_the_bits_of_all_at_once() {
    for name in MODELS {
        let recorded = recorded(name);
        let (EncoderClassifier { encoder, .. }, params) = recorded.load();
        let tokens = &recorded.tokens;
        let mut tape = Tape::new(&params, Mode::Inference);
        let whole = encoder.hidden(&mut tape, tokens).expect("hidden states");
        let whole = tape.take(whole);
        for cut in 0..=encoder.n_layers() {
            let mut below = Tape::new(&params, Mode::Inference);
            let embedded = encoder
                .embed_tokens(&mut below, tokens)
                .expect("embeddings");
            let kept = encoder.layers(&mut below, embedded, tokens, 0..cut);
            let kept = below.take(kept);
            assert_eq!(kept.shape, whole.shape);
            // The states below are data for those above, in training too.
            for mode in [Mode::Inference, Mode::Train { seed: 1 }] {
                let mut above = Tape::new(&params, mode);
                let x = above.constant(kept.clone());
                let out = encoder.layers(&mut above, x, tokens, cut..encoder.n_layers());
                assert_eq!(bits(above.value(out)), bits(&whole), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_model_written_back_has_the_names_shapes_and_values_that_hugging_face_wrote() {
    for name in MODELS {
        let recorded = recorded(name);
        let (_, params) = recorded.load();
        let back = WeightFile::from_bytes("back".as_ref(), params.to_safetensors_bytes());
        let back = back.expect("a valid file");
        assert_eq!(back.names(), recorded.files.names(), "{name}");
        for tensor in back.names() {
            let shape = back.shape(&tensor).expect("a shape").to_vec();
            let wanted = recorded.files.read(&tensor, &shape).expect("a tensor");
            assert_eq!(
                back.read(&tensor, &shape).expect("a tensor"),
                wanted,
                "{name}: {tensor}"
            );
        }
    }
}

#[test]
fn a_new_model_has_the_parameters_of_a_loaded_one_and_no_constant_map() {
    for name in MODELS {
        let recorded = recorded(name);
        let n = recorded.golden.tensor("logits").cols();
        assert_eq!(
            EncoderClassifier::n_outputs_in(&recorded.config, &recorded.files),
            Some(n),
            "{name}"
        );
        let (_, loaded) = recorded.load();
        let mut params = Params::new();
        EncoderClassifier::new(&recorded.config, n, &mut params, 5);
        let shapes = |params: &Params| -> Vec<(String, Vec<usize>)> {
            params
                .iter()
                .map(|(_, name, tensor)| (name.to_string(), tensor.shape.clone()))
                .collect()
        };
        assert_eq!(shapes(&params), shapes(&loaded), "{name}");
        for (_, tensor, value) in params.iter().filter(|p| p.2.shape.len() == 2) {
            let different: BTreeSet<u32> = value.data.iter().map(|v| v.to_bits()).collect();
            assert!(
                different.len() > value.len() / 2,
                "{name}: {tensor} is not drawn"
            );
        }
    }
}

/// The tensors of a base model: bare names, and no map of a classifier.
#[test]
fn names_without_prefix_are_read_and_the_classifiers_maps_are_drawn() {
    for name in MODELS {
        let recorded = recorded(name);
        let (model, params) = recorded.load();
        let prefix = recorded.files.names();
        let prefix = prefix
            .iter()
            .find(|n| n.contains(".embeddings."))
            .expect("embeddings");
        let prefix = format!("{}.", prefix.split('.').next().expect("a prefix"));
        let mut bare = Params::new();
        for (_, full, tensor) in params.iter() {
            if let Some(short) = full.strip_prefix(&prefix) {
                bare.add(short, tensor.clone());
            }
        }
        let file = WeightFile::from_bytes("bare".as_ref(), bare.to_safetensors_bytes());
        let files = WeightFiles::from(file.expect("a valid file"));
        let mut again = Params::new();
        let n = recorded.golden.tensor("logits").cols();
        let other =
            EncoderClassifier::load(&recorded.config, n, &files, &mut again, 3).expect("a model");
        let hidden = |encoder: &Encoder, params: &Params| {
            let mut tape = Tape::new(params, Mode::Inference);
            let out = encoder
                .hidden(&mut tape, &recorded.tokens)
                .expect("hidden states");
            bits(&tape.take(out))
        };
        assert_eq!(
            hidden(&model.encoder, &params),
            hidden(&other.encoder, &again),
            "{name}"
        );
        for (_, tensor, value) in again.iter().filter(|p| p.1.contains("classifier")) {
            let zero = value.data.iter().all(|&v| v == 0.0);
            assert_eq!(zero, tensor.ends_with("bias"), "{name}: {tensor}");
        }
    }
}

#[test]
fn a_missing_tensor_of_any_layer_is_named() {
    for name in MODELS {
        let recorded = recorded(name);
        let (_, params) = recorded.load();
        let needed: Vec<&str> = params
            .iter()
            .map(|p| p.1)
            .filter(|n| !n.contains("classifier") && !n.contains("pooler"))
            .collect();
        for absent in [
            needed[0],
            needed[needed.len() / 2],
            needed[needed.len() - 1],
        ] {
            let mut rest = Params::new();
            for (_, other, tensor) in params.iter().filter(|p| p.1 != absent) {
                rest.add(other, tensor.clone());
            }
            let file = WeightFile::from_bytes("rest".as_ref(), rest.to_safetensors_bytes());
            let files = WeightFiles::from(file.expect("a valid file"));
            let error = Encoder::load(&recorded.config, &files, &mut Params::new())
                .expect_err("a model without all its tensors");
            assert!(error.to_string().contains(absent), "{name}: {error}");
        }
    }
}

#[test]
fn configurations_are_stored_and_read_again() {
    for name in MODELS {
        let config = recorded(name).config;
        let text = serde_json::to_string(&config).expect("text");
        let again: EncoderConfig = serde_json::from_str(&text).expect("a configuration");
        assert_eq!(again, config, "{name}");
        assert_eq!(
            EncoderConfig::from_json(&text).expect("a configuration"),
            config,
            "{name}"
        );
    }
}

#[test]
fn as_many_tokens_are_read_as_there_are_positions_after_the_padding() {
    for (name, most) in [
        ("bert_relu", 42),
        ("roberta", 40),
        ("xlm_roberta", 38),
        ("mpnet", 158),
    ] {
        let recorded = recorded(name);
        assert_eq!(recorded.config.max_tokens(), most, "{name}");
        let (model, params) = recorded.load();
        for (n, fits) in [(most, true), (most + 1, false)] {
            let tokens = PackedTokens::new(vec![5; n], vec![0; n], vec![0, n]).expect("tokens");
            let mut tape = Tape::new(&params, Mode::Inference);
            let found = model.logits(&mut tape, &tokens).is_ok();
            assert_eq!(found, fits, "{name}, {n} tokens");
        }
    }
}

#[test]
fn segments_do_not_matter_to_families_without_them() {
    for (name, matter) in [
        ("bert_relu", true),
        ("roberta", false),
        ("distilbert", false),
        ("mpnet", false),
    ] {
        let recorded = recorded(name);
        let (model, params) = recorded.load();
        let logits = |kind| {
            let tokens = PackedTokens::new(vec![5; 4], vec![kind; 4], vec![0, 4]).expect("tokens");
            let mut tape = Tape::new(&params, Mode::Inference);
            let logits = model.logits(&mut tape, &tokens).expect("logits");
            bits(&tape.take(logits))
        };
        assert_eq!(logits(0) != logits(1), matter, "{name}");
    }
}

#[test]
fn activations_are_known_by_all_their_names() {
    for (name, known) in [
        ("gelu", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("relu", Activation::Relu),
    ] {
        assert_eq!(Activation::named("hidden_act", name).expect("known"), known);
    }
    let error = Activation::named("hidden_act", "mish").expect_err("not built");
    assert!(error.to_string().contains("mish"), "{error}");
}
