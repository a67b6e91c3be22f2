//! Any bytes as the record of a stored model: an error, or a model whose files lie in its folder.
#![no_main]

use std::path::{Component, Path};

use adit::store::ModelStore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("models/m");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("config.json"), b"{}").expect("a file");
    std::fs::write(folder.join("adit-model.json"), data).expect("a file");
    let store = ModelStore::new(root.path());
    let _ = store.list();
    if let Ok(model) = store.resolve("m") {
        for file in &model.manifest.files {
            let plain = |part| matches!(part, Component::Normal(_));
            assert!(
                Path::new(&file.path).components().all(plain),
                "{:?} climbs",
                file.path
            );
        }
    }
});
