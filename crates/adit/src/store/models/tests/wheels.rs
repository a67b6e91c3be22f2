//! Models in wheels.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::wheel::base64_url;
use super::*;

const INFO: &str = "tiny_model-1.2.dist-info";
const METADATA: &str = "Metadata-Version: 2.4\nName: tiny-model\nVersion: 1.2\nLicense: MIT\n\nx\n";

pub(super) fn wheel_files(folder: &str, model: &Files) -> Files {
    let mut files: Files = model
        .iter()
        .map(|(name, bytes)| (format!("{folder}{name}"), bytes.clone()))
        .collect();
    files.push((format!("{INFO}/METADATA"), METADATA.into()));
    files.push((format!("{INFO}/licenses/LICENSE"), b"MIT License".to_vec()));
    files
}

pub(super) fn record_of(files: &Files) -> String {
    let mut record = String::new();
    for (name, bytes) in files {
        let hash = base64_url(&Sha256::digest(bytes));
        record.push_str(&format!("{name},sha256={hash},{}\n", bytes.len()));
    }
    record + &format!("{INFO}/RECORD,,\n")
}

pub(super) fn zipped(files: &Files, record: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let record = (format!("{INFO}/RECORD"), record.as_bytes().to_vec());
    for (name, bytes) in files.iter().chain([&record]) {
        zip.start_file(name.clone(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn add_wheel(bench: &Bench, bytes: &[u8]) -> Result<StoredModel, StoreError> {
    let path = bench.path("tiny_model-1.2-py3-none-any.whl");
    fs::write(&path, bytes).unwrap();
    bench.add(path.to_str().unwrap())
}

#[test]
fn a_wheel_is_unpacked_and_checked_against_its_record() {
    let bench = Bench::new();
    let readme_without_license: Files = tiny_model()
        .into_iter()
        .map(|(name, bytes)| {
            if name == "README.md" {
                (name, b"# x".to_vec())
            } else {
                (name, bytes)
            }
        })
        .collect();
    let mut files = wheel_files("tiny_model/model/", &readme_without_license);
    files.push((
        "tiny_model/__init__.py".into(),
        b"raise SystemExit".to_vec(),
    ));
    let model = add_wheel(&bench, &zipped(&files, &record_of(&files))).unwrap();
    assert_eq!(model.manifest.name, "tiny-model");
    assert_eq!(
        model.manifest.origin,
        "wheel:tiny_model-1.2-py3-none-any.whl"
    );
    assert_eq!(model.manifest.license, "MIT");
    assert_eq!(
        fs::read(model.path.join("LICENSE")).unwrap(),
        b"MIT License"
    );
    assert!(!model.path.join("__init__.py").exists());
    bench.store.resolve("tiny-model").unwrap();
}

#[test]
fn a_wheel_that_lies_or_climbs_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let honest = wheel_files("m/", &tiny_model());
    let mut changed = honest.clone();
    let weights = changed
        .iter_mut()
        .find(|(name, _)| name.ends_with("model.safetensors"))
        .unwrap();
    weights.1[100] ^= 1;
    let mut climbing = honest.clone();
    climbing.push(("../../evil".into(), b"x".to_vec()));
    let mut absolute = honest.clone();
    absolute.push(("/etc/evil".into(), b"x".to_vec()));
    let mut two = honest.clone();
    two.extend(
        tiny_model()
            .into_iter()
            .map(|(name, bytes)| (format!("n/{name}"), bytes)),
    );
    let mut pickle: Files = honest
        .iter()
        .filter(|(name, _)| !name.ends_with(".safetensors"))
        .cloned()
        .collect();
    pickle.push(("m/pytorch_model.bin".into(), b"x".to_vec()));
    let unlisted: String = record_of(&honest)
        .lines()
        .filter(|line| !line.contains("tokenizer.json"))
        .map(|line| format!("{line}\n"))
        .collect();
    let cut = zipped(&honest, &record_of(&honest));

    for (what, bytes, word) in [
        (
            "changed",
            zipped(&changed, &record_of(&honest)),
            "model.safetensors",
        ),
        ("unlisted", zipped(&honest, &unlisted), "tokenizer.json"),
        (
            "climbing",
            zipped(&climbing, &record_of(&climbing)),
            "../../evil",
        ),
        (
            "absolute",
            zipped(&absolute, &record_of(&absolute)),
            "/etc/evil",
        ),
        ("two", zipped(&two, &record_of(&two)), "m/, n/"),
        ("pickle", zipped(&pickle, &record_of(&pickle)), "pickle"),
        ("cut", cut[..cut.len() / 2].to_vec(), "damaged"),
        ("no zip", b"hello".to_vec(), "damaged"),
    ] {
        let error = add_wheel(&bench, &bytes).unwrap_err();
        assert!(error.to_string().contains(word), "{what}: {error}");
        assert!(bench.is_clean(), "{what}");
    }
    assert!(!bench.dir.path().parent().unwrap().join("evil").exists());
}

#[test]
fn a_wheel_with_a_link_is_refused() {
    let bench = Bench::new();
    let files = wheel_files("m/", &tiny_model());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("m/vocab.txt", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    for (name, bytes) in &files {
        zip.start_file(name.clone(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    let error = add_wheel(&bench, &zip.finish().unwrap().into_inner()).unwrap_err();
    assert!(error.to_string().contains("m/vocab.txt"), "{error}");
    assert!(bench.is_clean());
}
