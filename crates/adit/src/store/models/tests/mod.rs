//! Laws of the model store, on a tiny model of the real shape.

mod folders;
mod hub;
mod pip;
mod wheels;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::Silent;

type Files = Vec<(String, Vec<u8>)>;

fn safetensors() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.extend((0..=255).collect::<Vec<u8>>());
    bytes
}

fn tiny_model() -> Files {
    [
        (
            "1_Pooling/config.json",
            br#"{"pooling_mode_mean_tokens":true}"#.to_vec(),
        ),
        (
            "README.md",
            b"---\nlicense: apache-2.0\n---\n# Tiny\n".to_vec(),
        ),
        (
            "config.json",
            br#"{"model_type":"bert","hidden_size":4}"#.to_vec(),
        ),
        ("model.safetensors", safetensors()),
        (
            "modules.json",
            br#"[{"idx":1,"path":"1_Pooling"}]"#.to_vec(),
        ),
        ("tokenizer.json", b"{}".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_string(), bytes))
    .collect()
}

fn lay_out(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

struct Bench {
    dir: TempDir,
    store: ModelStore,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::new(dir.path().join("home"));
        Bench { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn add(&self, spec: &str) -> Result<StoredModel, StoreError> {
        self.store
            .add(&spec.parse()?, &AddOptions::default(), &Silent)
    }

    fn add_tiny(&self) -> StoredModel {
        lay_out(&self.path("tiny"), &tiny_model());
        self.add(self.path("tiny").to_str().unwrap()).unwrap()
    }

    /// True if the store holds no model and nothing hidden either.
    fn is_clean(&self) -> bool {
        let models = self.store.models();
        !models.exists() || fs::read_dir(models).unwrap().next().is_none()
    }
}

struct Stopped;

impl Watch for Stopped {
    fn cancelled(&self) -> bool {
        true
    }

    fn progress(&self, _: &str, _: u64, _: u64, _: &str) {}
}
