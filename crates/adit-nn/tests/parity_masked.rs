//! Models for masked words agree with Hugging Face: logits, loss, and every gradient.
//!
//! Recorded by `tests/reference/masked_words.py`.

use adit_nn::optim::{AdamW, AdamWState, no_decay};
use adit_nn::{
    EncoderConfig, MaskedLm, Mode, NnError, PackedTokens, Params, Tape, WeightFile, WeightFiles,
};

mod golden;
use golden::{Golden, Worst};

const TOLERANCE: f64 = 1e-5;
const FAMILIES: [&str; 5] = ["bert", "roberta", "distilbert", "albert", "mpnet"];

fn config(name: &str) -> EncoderConfig {
    let path = golden::folder().join(format!("masked/{name}/config.json"));
    let text = std::fs::read_to_string(path).expect("a configuration");
    EncoderConfig::from_json(&text).expect("a valid configuration")
}

fn load(name: &str) -> (MaskedLm, Params) {
    let EncoderConfig::BertLike(config) = config(name) else {
        panic!("{name} is not of BERT's line");
    };
    let files = WeightFiles::open(&golden::folder().join(format!("masked/{name}")));
    let mut params = Params::new();
    let model = MaskedLm::load(&config, &files.expect("weights"), &mut params, 3);
    (model.expect("a model"), params)
}

fn asked(recorded: &Golden) -> (PackedTokens, Vec<usize>, Vec<u32>) {
    let ids = recorded.ids("ids");
    let types = vec![0; ids.len()];
    let tokens = PackedTokens::new(ids, types, recorded.indices("offsets"));
    (
        tokens.expect("packed tokens"),
        recorded.indices("places"),
        recorded.ids("words"),
    )
}

#[test]
fn every_family_agrees_with_hugging_face() {
    for name in FAMILIES {
        let recorded = Golden::read(&format!("masked/{name}/expected.safetensors"));
        let (model, params) = load(name);
        let (tokens, places, words) = asked(&recorded);
        let mut worst = Worst::new(TOLERANCE);
        let mut tape = Tape::new(&params, Mode::Inference);
        let logits = model.logits(&mut tape, &tokens, &places).expect("logits");
        worst.see(
            "logits",
            &tape.value(logits).data,
            &recorded.tensor("logits").data,
        );
        let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
        let loss = model
            .loss(&mut tape, &tokens, (&places, &words))
            .expect("loss");
        worst.see(
            "loss",
            &tape.value(loss).data,
            &recorded.tensor("loss").data,
        );
        let gradients = tape.backward(loss);
        for of in recorded.names("grad.") {
            let id = params
                .by_name(&of)
                .unwrap_or_else(|| panic!("no parameter {of}"));
            let found = gradients
                .get(id)
                .unwrap_or_else(|| panic!("no gradient of {of}"));
            let wanted = recorded.tensor(&format!("grad.{of}"));
            worst.see(format!("gradient of {of}"), &found.data, &wanted.data);
        }
        worst.done(name);
    }
}

#[test]
fn a_step_makes_the_words_likelier_and_saved_weights_are_read_again() {
    let recorded = Golden::read("masked/bert/expected.safetensors");
    let (model, mut params) = load("bert");
    let (tokens, places, words) = asked(&recorded);
    let loss_of = |params: &Params| {
        let mut tape = Tape::new(params, Mode::Inference);
        let loss = model
            .loss(&mut tape, &tokens, (&places, &words))
            .expect("loss");
        tape.value(loss).item()
    };
    let (before, mut state) = (loss_of(&params), AdamWState::default());
    for seed in 0..20 {
        let gradients = {
            let mut tape = Tape::new(&params, Mode::Train { seed });
            let loss = model
                .loss(&mut tape, &tokens, (&places, &words))
                .expect("loss");
            tape.backward(loss)
        };
        AdamW::default().step(&mut params, &gradients, &mut state, 1e-2, &no_decay);
    }
    let after = loss_of(&params);
    assert!(after < before / 2.0, "{before} {after}");
    let file = WeightFile::from_bytes("own".as_ref(), params.to_safetensors_bytes());
    let EncoderConfig::BertLike(config) = config("bert") else {
        panic!("bert is not of BERT's line");
    };
    let files = WeightFiles::from(file.expect("a file"));
    let mut again = Params::new();
    MaskedLm::load(&config, &files, &mut again, 9).expect("a model");
    assert_eq!(loss_of(&again), after);
}

#[test]
fn a_family_without_the_head_is_refused_by_name() {
    let text = r#"{"model_type": "electra", "vocab_size": 30, "hidden_size": 8, "embedding_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}"#;
    let Ok(EncoderConfig::BertLike(config)) = EncoderConfig::from_json(text) else {
        panic!("electra is read");
    };
    let error = MaskedLm::new(&config, &mut Params::new(), 1).expect_err("a refusal");
    assert!(matches!(error, NnError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("electra"), "{error}");
}
