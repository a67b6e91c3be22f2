//! Models that lie in folders.

use super::*;

#[test]
fn a_folder_is_taken_recorded_and_found_again() {
    let bench = Bench::new();
    let mut files = tiny_model();
    files.push(("pytorch_model.bin".into(), b"pickle".to_vec()));
    files.push(("modeling_x.py".into(), b"import os".to_vec()));
    files.push(("onnx/model.onnx".into(), b"x".to_vec()));
    lay_out(&bench.path("tiny"), &files);
    let model = bench.add(bench.path("tiny").to_str().unwrap()).unwrap();
    let names: Vec<&str> = model
        .manifest
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let taken: Vec<String> = tiny_model().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, taken);
    assert_eq!(model.manifest.license, "apache-2.0");
    assert_eq!(model.manifest.model_type, "bert");
    assert!(model.manifest.origin.starts_with("dir:"));
    assert!(!model.path.join("pytorch_model.bin").exists());
    assert_eq!(bench.store.list().unwrap(), std::slice::from_ref(&model));

    let found = bench.store.resolve("tiny").unwrap();
    assert_eq!(found.manifest, model.manifest);
    let plain = bench
        .store
        .resolve(bench.path("tiny").to_str().unwrap())
        .unwrap();
    assert_eq!(plain.fingerprint(), found.fingerprint());
    assert!(found.file("tokenizer.json").unwrap().is_file());

    bench.store.remove("tiny").unwrap();
    assert!(bench.is_clean());
    let error = bench.store.resolve("tiny").unwrap_err();
    assert!(matches!(error, StoreError::UnknownModel { .. }), "{error}");
}

#[test]
fn a_name_is_taken_once_unless_replaced() {
    let bench = Bench::new();
    bench.add_tiny();
    let spec = bench.path("tiny");
    let error = bench.add(spec.to_str().unwrap()).unwrap_err();
    assert!(matches!(error, StoreError::ModelExists { .. }), "{error}");
    let options = AddOptions {
        replace: true,
        ..AddOptions::default()
    };
    bench
        .store
        .add(&ModelSource::Directory(spec.clone()), &options, &Silent)
        .unwrap();
    let options = AddOptions {
        name: Some("other".into()),
        ..AddOptions::default()
    };
    bench
        .store
        .add(&ModelSource::Directory(spec), &options, &Silent)
        .unwrap();
    assert_eq!(bench.store.list().unwrap().len(), 2);
    assert_eq!(fs::read_dir(bench.store.models()).unwrap().count(), 2);
}

#[test]
fn no_name_climbs_out_of_the_store() {
    let bench = Bench::new();
    bench.add_tiny();
    for name in [
        "..", "../tiny", "a/b", "/tmp", ".hidden", "", "a\\b", "a..b",
    ] {
        let options = AddOptions {
            name: Some(name.into()),
            ..AddOptions::default()
        };
        let source = ModelSource::Directory(bench.path("tiny"));
        let error = bench.store.add(&source, &options, &Silent).unwrap_err();
        assert!(
            matches!(error, StoreError::BadName { .. }),
            "{name}: {error}"
        );
        let error = bench.store.remove(name).unwrap_err();
        assert!(
            matches!(error, StoreError::BadName { .. }),
            "{name}: {error}"
        );
    }
    assert!(bench.path("tiny").exists());
}

#[test]
fn a_changed_missing_or_added_file_is_refused_by_name() {
    let bench = Bench::new();
    let model = bench.add_tiny();
    let told = || bench.store.resolve("tiny").unwrap_err().to_string();

    let weights = model.path.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    assert!(
        told().contains("model.safetensors has changed"),
        "{}",
        told()
    );
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    bench.store.resolve("tiny").unwrap();

    fs::write(model.path.join("vocab.txt"), "x").unwrap();
    assert!(told().contains("vocab.txt has appeared"), "{}", told());
    fs::remove_file(model.path.join("vocab.txt")).unwrap();

    fs::remove_file(model.path.join("tokenizer.json")).unwrap();
    assert!(told().contains("tokenizer.json has gone"), "{}", told());

    fs::write(model.path.join(MANIFEST), "{").unwrap();
    assert!(told().contains(MANIFEST), "{}", told());
    bench.store.remove("tiny").unwrap();
}

#[test]
fn a_manifest_that_names_files_elsewhere_is_refused() {
    let bench = Bench::new();
    let model = bench.add_tiny();
    let mut manifest = model.manifest.clone();
    manifest.files[0].path = "../../secret".into();
    fs::write(model.path.join(MANIFEST), manifest.to_json().unwrap()).unwrap();
    let error = bench.store.resolve("tiny").unwrap_err();
    assert!(matches!(error, StoreError::Manifest { .. }), "{error}");
}

#[test]
fn pickles_damaged_and_incomplete_models_are_refused_and_leave_nothing() {
    let bench = Bench::new();
    let without = |name: &str| -> Files {
        tiny_model()
            .into_iter()
            .filter(|(file, _)| file != name)
            .collect()
    };
    let with = |name: &str, bytes: &[u8]| -> Files {
        let mut files = without(name);
        files.push((name.into(), bytes.to_vec()));
        files
    };
    let mut pickle = without("model.safetensors");
    pickle.push(("pytorch_model.bin".into(), b"x".to_vec()));
    let mut sharded = without("model.safetensors");
    let index = br#"{"weight_map":{"w":"model-00001-of-00002.safetensors","v":"model-00002-of-00002.safetensors"}}"#;
    sharded.push(("model.safetensors.index.json".into(), index.to_vec()));
    sharded.push(("model-00001-of-00002.safetensors".into(), safetensors()));
    let mut climbing = without("model.safetensors");
    let index = br#"{"weight_map":{"w":"../../evil.safetensors"}}"#;
    climbing.push(("model.safetensors.index.json".into(), index.to_vec()));

    let short = &safetensors()[..200];
    let cases: [(&str, Files, &str); 8] = [
        ("pickle", pickle, "pickle"),
        ("noconfig", without("config.json"), "config.json"),
        ("notokenizer", without("tokenizer.json"), "tokenizer.json"),
        (
            "short",
            with("model.safetensors", short),
            "model.safetensors",
        ),
        (
            "lfs",
            with("model.safetensors", b"version https://git-lfs"),
            "LFS",
        ),
        ("badconfig", with("config.json", b"{"), "config.json"),
        ("sharded", sharded, "model-00002-of-00002.safetensors"),
        ("climbing", climbing, "evil"),
    ];
    for (name, files, word) in cases {
        lay_out(&bench.path(name), &files);
        let error = bench.add(bench.path(name).to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert!(error.hint().is_some(), "{name}: {error}");
        assert!(bench.is_clean(), "{name}");
    }
    let error = bench
        .add(bench.path("nowhere").to_str().unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn a_sharded_model_is_taken_whole() {
    let bench = Bench::new();
    let mut files: Files = tiny_model()
        .into_iter()
        .filter(|(name, _)| name != "model.safetensors")
        .collect();
    let index = br#"{"weight_map":{"w":"model-00001-of-00001.safetensors"}}"#;
    files.push(("model.safetensors.index.json".into(), index.to_vec()));
    files.push(("model-00001-of-00001.safetensors".into(), safetensors()));
    lay_out(&bench.path("sharded"), &files);
    let model = bench.add(bench.path("sharded").to_str().unwrap()).unwrap();
    assert_eq!(model.manifest.files.len(), files.len());
}

#[test]
fn a_cancelled_add_leaves_nothing() {
    let bench = Bench::new();
    lay_out(&bench.path("tiny"), &tiny_model());
    let source = ModelSource::Directory(bench.path("tiny"));
    let error = bench
        .store
        .add(&source, &AddOptions::default(), &Stopped)
        .unwrap_err();
    assert!(matches!(error, StoreError::Cancelled), "{error}");
    assert!(bench.is_clean());
}

#[cfg(unix)]
#[test]
fn links_to_files_are_copied_as_files() {
    let bench = Bench::new();
    lay_out(&bench.path("blobs"), &tiny_model());
    let snapshot = bench.path("snapshot");
    fs::create_dir(&snapshot).unwrap();
    for (name, _) in tiny_model().iter().filter(|(name, _)| !name.contains('/')) {
        std::os::unix::fs::symlink(bench.path("blobs").join(name), snapshot.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/nowhere/at/all", snapshot.join("vocab.txt")).unwrap();
    let model = bench.add(snapshot.to_str().unwrap()).unwrap();
    let weights = model.path.join("model.safetensors");
    assert!(weights.symlink_metadata().unwrap().is_file());
    assert!(!model.path.join("vocab.txt").exists());
}
