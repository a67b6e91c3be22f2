//! Pre-training on texts without labels: it learns, is written whole, and survives being killed.

mod tool;

use std::time::Duration;

use tool::{Bench, text_bench};

const PRETRAIN: [&str; 15] = [
    "pretrain",
    "data.csv",
    "--text",
    "text",
    "--encoder",
    "tiny",
    "--learning-rate",
    "3e-3",
    "--batch-tokens",
    "64",
    "--held-out",
    "0.2",
    "--checkpoint-seconds",
    "0",
    "--quiet",
];

fn bench() -> Bench {
    text_bench(120)
}

fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = PRETRAIN.to_vec();
    args.extend(["--out", out]);
    args.extend(more);
    args
}

fn weights(bench: &Bench, out: &str) -> Vec<u8> {
    std::fs::read(bench.path(out).join("model.safetensors")).expect("weights")
}

#[test]
fn hidden_words_become_likelier_and_the_encoder_can_be_fine_tuned() {
    let bench = bench();
    bench.adit(&arguments("more", &["--epochs", "6"])).ok();
    let text = std::fs::read_to_string(bench.path("more/pretraining.json")).expect("a record");
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let losses: Vec<f64> = told["held_out"]
        .as_array()
        .expect("epochs")
        .iter()
        .filter_map(|epoch| epoch["loss"].as_f64())
        .collect();
    assert_eq!(losses.len(), 7);
    assert!(losses[6] < 0.8 * losses[0], "{losses:?}");
    assert!(!bench.path("more.checkpoint").exists());
    let args = [
        "classify",
        "data.csv",
        "--target",
        "label",
        "--text",
        "text",
        "--encoder",
        "more",
        "--epochs",
        "1",
        "--learning-rate",
        "1e-3",
        "--out",
        "run",
        "--quiet",
    ];
    bench.adit(&args).ok();
}

#[test]
fn threads_and_whole_words_change_what_they_should() {
    let bench = bench();
    let run = |out: &str, more: &[&str]| {
        let mut all = vec!["--epochs", "1"];
        all.extend(more);
        bench.adit(&arguments(out, &all)).ok();
        weights(&bench, out)
    };
    let one = run("one", &["--threads", "1"]);
    assert!(
        one == run("two", &["--threads", "2"]),
        "threads change the weights"
    );
    assert!(
        one != run("words", &["--whole-words"]),
        "words are not hidden whole"
    );
}

#[test]
fn killed_twenty_times_it_ends_with_the_same_weights() {
    let bench = bench();
    let epochs = ["--epochs", "8"];
    bench.adit(&arguments("whole", &epochs)).ok();
    let args = arguments("broken", &["--epochs", "8", "--resume"]);
    let mut killed = 0;
    for at in 0..20u64 {
        let mut child = bench
            .command()
            .args(&args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(60 + at * 37 % 90));
        // SIGKILL: nothing can be tidied up.
        let ended = child.try_wait().expect("a state").is_some();
        child.kill().expect("killed");
        child.wait().expect("ended");
        killed += u32::from(!ended);
        if bench.path("broken").exists() {
            break;
        }
    }
    assert!(killed > 0, "it ended before it was killed");
    if !bench.path("broken").exists() {
        bench.adit(&args).ok();
    }
    assert!(
        weights(&bench, "whole") == weights(&bench, "broken"),
        "being killed changes the weights"
    );
    assert!(!bench.path("broken.checkpoint").exists());
}

#[test]
fn a_checkpoint_is_not_overlooked_nor_used_for_another_work() {
    let bench = bench();
    bench.write("out.checkpoint", b"no checkpoint");
    let error = bench.adit(&arguments("out", &[])).error();
    assert!(error.contains("interrupted pre-training"), "{error}");
    let error = bench.adit(&arguments("out", &["--resume"])).error();
    assert!(error.contains("damaged"), "{error}");
    assert!(!bench.path("out").exists());
}

const FROM_SCRATCH: [&str; 15] = [
    "pretrain",
    "data.csv",
    "--text",
    "text",
    "--from-scratch",
    "--layers",
    "1",
    "--hidden-size",
    "32",
    "--vocab-size",
    "300",
    "--batch-tokens",
    "256",
    "--quiet",
    "--out",
];

#[test]
fn an_encoder_begun_from_scratch_learns_and_can_be_fine_tuned() {
    let bench = bench();
    let run = |out: &str, more: &[&str]| {
        let mut all = FROM_SCRATCH.to_vec();
        all.push(out);
        all.extend(more);
        bench.adit(&all).ok();
        let read = |name: &str| std::fs::read(bench.path(out).join(name)).expect("a file");
        (read("model.safetensors"), read("tokenizer.json"))
    };
    let new = run("new", &["--epochs", "8", "--threads", "1"]);
    assert!(
        new == run("again", &["--epochs", "8", "--threads", "2"]),
        "threads change the bytes"
    );
    let text = std::fs::read_to_string(bench.path("new/pretraining.json")).expect("a record");
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let loss = |epoch: usize| told["held_out"][epoch]["loss"].as_f64().expect("a loss");
    assert!(loss(8) < 0.8 * loss(0), "{text}");
    assert_eq!(told["encoder"], "from scratch");
    assert!(bench.path("new/tokenizer_config.json").exists());
    let embed = ["embed", "data.csv", "--text", "text", "--encoder", "new"];
    bench
        .adit(&[&embed[..], &["--output", "vectors.csv", "--quiet"]].concat())
        .ok();
}

#[test]
fn a_new_encoder_of_a_wrong_size_is_refused_before_the_texts_are_read() {
    let bench = bench();
    let refused = |more: &[&str]| {
        let args = ["pretrain", "data.csv", "--from-scratch", "--out", "new"];
        bench.adit(&[&args[..], more].concat()).error()
    };
    let error = refused(&["--vocab-size", "100"]);
    assert!(
        error.contains("vocab-size") && error.contains("261"),
        "{error}"
    );
    let error = refused(&["--hidden-size", "100"]);
    assert!(
        error.contains("hidden-size") && error.contains("32"),
        "{error}"
    );
    let error = refused(&["--layers", "0"]);
    assert!(error.contains("layers"), "{error}");
    let error = refused(&["--encoder", "tiny"]);
    assert!(error.contains("cannot be used with"), "{error}");
    assert_eq!(bench.entries(), ["data.csv", "tiny"]);
}

#[test]
fn products_in_bf16_train_nearly_as_in_f32_and_the_same_for_any_number_of_threads() {
    let bench = bench();
    let run = |out: &str, more: &[&str]| {
        let mut all = FROM_SCRATCH.to_vec();
        all.extend([out, "--epochs", "4"]);
        all.extend(more);
        bench.adit(&all).ok();
        let told = std::fs::read_to_string(bench.path(out).join("pretraining.json"));
        let told: serde_json::Value = serde_json::from_str(&told.expect("a record")).expect("JSON");
        let weights = std::fs::read(bench.path(out).join("model.safetensors")).expect("weights");
        (
            told["held_out"][4]["loss"].as_f64().expect("a loss"),
            weights,
        )
    };
    let bf16 = ["--training-precision", "bf16", "--threads"];
    let (exact, weights) = run("f32", &[]);
    let (near, rounded) = run("one", &[&bf16[..], &["1"]].concat());
    assert!((near / exact - 1.0).abs() < 0.02, "{near} {exact}");
    assert!(weights != rounded, "nothing was rounded");
    let (_, again) = run("two", &[&bf16[..], &["2"]].concat());
    assert!(rounded == again, "threads change the bytes");
}
