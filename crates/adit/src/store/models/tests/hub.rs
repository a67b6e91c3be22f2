//! Models of a hub that runs in the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::*;

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
