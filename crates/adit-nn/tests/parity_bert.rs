//! A BERT classifier agrees with Hugging Face: logits, loss, and every gradient.
//!
//! Recorded by `tests/reference/bert_classifier.py`: tiny random models, batches with sequences of
//! one token, of 512 tokens, of odd lengths, and pairs.

use adit_nn::{EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, Tape, WeightFiles};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

fn check(name: &str) {
    let folder = golden::folder().join(name);
    let recorded = Golden::read(&format!("{name}/expected.safetensors"));
    let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
    let config = EncoderConfig::from_json(&text).expect("a valid configuration");
    let files = WeightFiles::open(&folder).expect("weights");
    let wanted = recorded.tensor("logits");
    let mut params = Params::new();
    let model =
        EncoderClassifier::load(&config, wanted.cols(), &files, &mut params, 3).expect("a model");
    let tokens = PackedTokens::new(
        recorded.ids("ids"),
        recorded.ids("types"),
        recorded.indices("offsets"),
    )
    .expect("packed tokens");

    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let logits = model.logits(&mut tape, &tokens).expect("logits");
    assert_eq!(tape.value(logits).shape, wanted.shape);
    worst.see("logits", &tape.value(logits).data, &wanted.data);
    let mut quick = Tape::new(&params, Mode::Inference);
    let again = model.logits(&mut quick, &tokens).expect("logits");
    worst.see(
        "logits without gradients",
        &quick.value(again).data,
        &wanted.data,
    );

    let loss = match recorded.find("target") {
        Some(target) => tape.mean_squared_error(logits, &target.data),
        None => tape.cross_entropy(logits, &recorded.ids("target"), None),
    };
    worst.see(
        "loss",
        &tape.value(loss).data,
        &recorded.tensor("loss").data,
    );
    let gradients = tape.backward(loss);
    recorded.see_gradients(&params, &gradients, [&mut worst, &mut relative]);
    worst.done(name);
    relative.done(&format!("{name}, relative"));
}

#[test]
fn heads_of_8_with_one_and_512_tokens_agree_with_hugging_face() {
    check("bert_h32a4");
}

#[test]
fn heads_of_16_agree_with_hugging_face() {
    check("bert_h48a3");
}

#[test]
fn heads_of_32_agree_with_hugging_face() {
    check("bert_h64a2");
}

#[test]
fn heads_of_64_and_regression_agree_with_hugging_face() {
    check("bert_h64a1");
}

/// A batch gives each sequence what it gives alone: nothing leaks between packed sequences.
#[test]
fn a_sequence_does_not_see_its_neighbours() {
    let folder = golden::folder().join("bert_h64a2");
    let recorded = Golden::read("bert_h64a2/expected.safetensors");
    let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
    let config = EncoderConfig::from_json(&text).expect("a valid configuration");
    let files = WeightFiles::open(&folder).expect("weights");
    let wanted = recorded.tensor("logits");
    let mut params = Params::new();
    let model =
        EncoderClassifier::load(&config, wanted.cols(), &files, &mut params, 3).expect("a model");
    let (ids, types, offsets) = (
        recorded.ids("ids"),
        recorded.ids("types"),
        recorded.indices("offsets"),
    );
    let mut worst = Worst::new(TOLERANCE);
    for (row, range) in offsets.windows(2).enumerate() {
        let part = range[0]..range[1];
        let alone =
            PackedTokens::pack([(&ids[part.clone()], &types[part])]).expect("packed tokens");
        let mut tape = Tape::new(&params, Mode::Inference);
        let logits = model.logits(&mut tape, &alone).expect("logits");
        worst.see(
            format!("sequence {row}"),
            &tape.value(logits).data,
            wanted.row(row),
        );
    }
    worst.done("sequences alone");
}
