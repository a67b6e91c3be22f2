//! Directories of weights: one file, shards with an index, and what is wrong with either.

use std::path::Path;

use adit_nn::{NnError, Params, Tensor, WeightFiles};

const INDEX: &str = "model.safetensors.index.json";

fn file(tensors: &[(&str, f32)]) -> Vec<u8> {
    let mut params = Params::new();
    for &(name, value) in tensors {
        params.add(name, Tensor::full(&[2], value));
    }
    params.to_safetensors_bytes()
}

/// A folder of two shards with this index.
fn folder(index: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes);
    write("s1.safetensors", &file(&[("a", 1.0), ("b", 2.0)])).expect("written");
    write("s2.safetensors", &file(&[("b", 3.0), ("c", 4.0)])).expect("written");
    write(INDEX, index.as_bytes()).expect("written");
    dir
}

fn refused(index: &str) -> NnError {
    WeightFiles::open(folder(index).path()).expect_err(index)
}

const GOOD: &str =
    r#"{"metadata": {}, "weight_map": {"a": "s1.safetensors", "b": "s2.safetensors"}}"#;

#[test]
fn shards_are_read_as_the_index_says() {
    let dir = folder(GOOD);
    let files = WeightFiles::open(dir.path()).expect("weights");
    assert_eq!(files.names(), ["a", "b"]);
    assert_eq!(files.read("a", &[2]).expect("a").data, [1.0; 2]);
    assert_eq!(files.read("b", &[2]).expect("b").data, [3.0; 2]);
    assert_eq!(files.shape("c"), None, "the index does not name it");
    assert!(files.path().ends_with(INDEX));
    let error = files.read("c", &[2]).expect_err("not there").to_string();
    assert!(
        error.contains("tensor c") && error.contains(INDEX),
        "{error}"
    );
    let error = files.read("b", &[3]).expect_err("of another shape");
    assert!(error.to_string().contains("s2.safetensors"), "{error}");
    assert_eq!(
        WeightFiles::names_of_files(dir.path()).expect("names"),
        [INDEX, "s1.safetensors", "s2.safetensors"]
    );
}

#[test]
fn a_single_file_goes_before_an_index() {
    let dir = folder("not json");
    std::fs::write(
        dir.path().join("model.safetensors"),
        file(&[("a", 9.0), ("z", 8.0)]),
    )
    .expect("written");
    let files = WeightFiles::open(dir.path()).expect("weights");
    assert_eq!(files.names(), ["a", "z"]);
    assert_eq!(files.read("a", &[2]).expect("a").data, [9.0; 2]);
    assert_eq!(
        WeightFiles::names_of_files(dir.path()).expect("names"),
        ["model.safetensors"]
    );
}

#[test]
fn shards_outside_the_folder_are_refused() {
    let outside = tempfile::tempdir().expect("a folder");
    let path = outside.path().join("s1.safetensors");
    std::fs::write(&path, file(&[("a", 1.0)])).expect("written");
    let absolute = path.to_str().expect("a path");
    for name in [
        "../s1.safetensors",
        "..",
        "sub/../../s1.safetensors",
        "sub/s1.safetensors",
        "./s1.safetensors",
        "..\\\\s1.safetensors",
        "C:s1.safetensors",
        "",
        ".safetensors/..",
        absolute,
    ] {
        let error = refused(&format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#));
        assert!(
            matches!(error, NnError::Corrupt { .. }),
            "{name:?}: {error}"
        );
        let error = error.to_string();
        assert!(error.contains(INDEX), "{name:?}: {error}");
    }
}

#[test]
fn a_shard_that_is_no_safetensors_file_is_refused() {
    for name in ["pytorch_model-00001.bin", "config.json"] {
        let error = refused(&format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#));
        assert!(
            matches!(error, NnError::Corrupt { .. }) && error.to_string().contains(name),
            "{error}"
        );
    }
}

#[test]
fn a_missing_shard_is_named() {
    let error = refused(
        r#"{"weight_map": {"a": "s1.safetensors", "d": "model-00007-of-00009.safetensors"}}"#,
    );
    assert!(
        matches!(&error, NnError::Read { path, .. } if path.ends_with("model-00007-of-00009.safetensors")),
        "{error}"
    );
}

#[test]
fn a_tensor_that_its_shard_has_not_is_named() {
    let error = refused(r#"{"weight_map": {"c": "s1.safetensors"}}"#).to_string();
    for part in ["tensor c", "s1.safetensors", INDEX] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_shard_that_is_cut_short_is_named() {
    let dir = folder(GOOD);
    let path = dir.path().join("s2.safetensors");
    let bytes = std::fs::read(&path).expect("a shard");
    std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
    let error = WeightFiles::open(dir.path()).expect_err("a shard cut short");
    assert!(
        matches!(&error, NnError::Corrupt { path, .. } if path.ends_with("s2.safetensors")),
        "{error}"
    );
}

#[test]
fn an_index_that_is_not_valid_is_refused() {
    for index in [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"weight_map": {}}"#,
        r#"{"weight_map": []}"#,
        r#"{"weight_map": {"a": 1}}"#,
        r#"{"weight_map": {"a": null}}"#,
        r#"{"weight_map": {"a": "s1.safetensors""#,
        r#"{"weight_map": {"a": ["s1.safetensors"]}}"#,
    ] {
        let error = refused(index);
        assert!(matches!(error, NnError::Corrupt { .. }), "{index}: {error}");
        assert!(error.to_string().contains(INDEX), "{index}: {error}");
        assert!(WeightFiles::names_of_files(folder(index).path()).is_err());
    }
    for len in 0..GOOD.len() {
        refused(&GOOD[..len]);
    }
}

#[test]
fn a_folder_without_weights_names_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = WeightFiles::open(dir.path()).expect_err("an empty folder");
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    std::fs::write(dir.path().join("pytorch_model.bin"), b"PK\x03\x04").expect("written");
    let error = WeightFiles::open(dir.path()).expect_err("a pickle");
    assert!(matches!(error, NnError::Pickle { .. }), "{error}");
    assert!(WeightFiles::open(Path::new("/nowhere/at/all")).is_err());
}
