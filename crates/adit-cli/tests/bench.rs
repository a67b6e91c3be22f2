//! Measuring the machine: what is printed, and what is refused. How fast it is, no test says.

mod tool;

use serde_json::Value;
use tool::{Bench, text_bench};

/// A drawn encoder that takes no time.
const SMALL: [&str; 6] = ["--layers", "1", "--hidden-size", "32", "--vocab-size", "50"];

fn bench(args: &[&str]) -> Vec<String> {
    ["bench"]
        .iter()
        .chain(args)
        .map(|arg| (*arg).to_string())
        .collect()
}

/// What the tool prints as JSON, on one line and without a word beside it.
fn json(bench: &Bench, args: &[String]) -> Value {
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.push("--json");
    let said = bench.adit(&args).ok().stdout;
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).expect("JSON")
}

#[track_caller]
fn is_positive(value: &Value) {
    let number = value.as_f64().unwrap_or(f64::NAN);
    assert!(number.is_finite() && number > 0.0, "{value}");
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

#[test]
fn a_training_step_is_measured_in_both_numbers() {
    let folder = Bench::new();
    let mut args = bench(&["train", "--batch", "3", "--length", "8", "--rounds", "2"]);
    args.extend(SMALL.map(String::from));
    let found = json(&folder, &args);
    assert_eq!(found["batch"], 3);
    assert_eq!(found["length"], 8);
    let steps = list(&found["steps"]);
    let products: Vec<&Value> = steps.iter().map(|step| &step["products"]).collect();
    assert_eq!(products, ["f32", "bf16"]);
    for step in steps {
        let names = ["median_ms", "forward_ms", "backward_ms", "update_ms"];
        names.iter().for_each(|name| is_positive(&step[name]));
        let ms = step["median_ms"].as_f64().expect("a number");
        let tokens = step["tokens_per_second"].as_f64().expect("a number");
        assert!((tokens * ms / 24_000.0 - 1.0).abs() < 1e-6, "{step}");
        if !step["peak_memory"].is_null() {
            is_positive(&step["peak_memory"]);
        }
    }
}

#[test]
fn a_training_step_of_an_encoder_is_a_table() {
    let folder = text_bench(1);
    let args = [
        "bench",
        "train",
        "--encoder",
        "tiny",
        "--batch",
        "2",
        "--length",
        "6",
        "--rounds",
        "1",
        "--training-precision",
        "bf16",
        "--threads",
        "1",
    ];
    let said = folder.adit(&args).ok().stdout;
    assert!(said.starts_with("tiny: 2 x 6 tokens, 1 thread\n"), "{said}");
    assert!(said.contains("bf16") && !said.contains("f32"), "{said}");
    assert!(said.contains("tokens a second"), "{said}");
}

#[test]
fn kernels_stand_beside_the_peak_of_this_machine() {
    let folder = Bench::new();
    let args = bench(&["kernels", "--rows", "16", "--rounds", "1", "--threads", "2"]);
    let found = json(&folder, &args);
    assert_eq!(found["threads"], 2);
    let peaks = list(&found["peaks"]);
    for peak in peaks {
        is_positive(&peak["one"]);
        is_positive(&peak["all"]);
    }
    let kernels = list(&found["kernels"]);
    for numbers in ["f32", "int8"] {
        assert!(peaks.iter().any(|peak| peak["numbers"] == numbers));
    }
    for numbers in ["f32", "bf16", "int8"] {
        assert!(kernels.iter().any(|kernel| kernel["numbers"] == numbers));
    }
    for name in ["linear map", "attention", "layer norm", "GELU", "softmax"] {
        assert!(
            kernels.iter().any(|kernel| kernel["kernel"] == name),
            "{name}"
        );
    }
    for kernel in kernels {
        for rate in ["one", "all"].map(|threads| &kernel[threads]) {
            for name in ["seconds", "per_second", "share"] {
                is_positive(&rate[name]);
            }
        }
    }
}

#[test]
fn kernels_on_one_thread_have_one_column_of_times() {
    let args = [
        "bench",
        "kernels",
        "--rows",
        "4",
        "--rounds",
        "1",
        "--threads",
        "1",
    ];
    let said = Bench::new().adit(&args).ok().stdout;
    assert!(said.contains("GFLOP/s") && said.contains("GB/s"), "{said}");
    assert!(
        said.contains("1 thread ") && !said.contains("threads"),
        "{said}"
    );
}

#[test]
fn growth_is_told_by_length_texts_and_threads() {
    let folder = Bench::new();
    let mut args = bench(&[
        "scaling",
        "--max-tokens",
        "200",
        "--rounds",
        "1",
        "--threads",
        "2",
    ]);
    args.extend(SMALL.map(String::from));
    args.extend(["--form", "modernbert", "--precision", "int8"].map(String::from));
    let found = json(&folder, &args);
    assert_eq!(found["precision"], "int8");
    for (name, sizes) in [
        ("lengths", vec![64, 128, 200]),
        ("batches", vec![1, 2, 4, 8, 16, 32, 64]),
        ("threads_of_many", vec![1, 2]),
        ("threads_of_one", vec![1, 2]),
    ] {
        let rows = list(&found[name]);
        let n: Vec<&Value> = rows.iter().map(|row| &row["n"]).collect();
        assert_eq!(n, sizes, "{name}");
        for (at, row) in rows.iter().enumerate() {
            is_positive(&row["seconds"]);
            is_positive(&row["tokens_per_second"]);
            assert_eq!(row["per_doubling"].is_null(), at == 0, "{row}");
        }
    }
}

#[test]
fn texts_end_where_the_positions_of_an_encoder_do() {
    let folder = text_bench(1);
    let args = ["bench", "scaling", "--encoder", "tiny", "--rounds", "1"];
    let said = folder.adit(&args).ok().stdout;
    let first = said.lines().next().expect("a line");
    let config = std::fs::read_to_string(folder.path("tiny/config.json")).expect("config.json");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let most = &config["max_position_embeddings"];
    assert_eq!(first, format!("tiny, f32: texts of at most {most} tokens"));
    for what in ["One text, ", "Texts of ", "64 texts of ", "One text of "] {
        assert!(said.lines().any(|line| line.starts_with(what)), "{said}");
    }
}

#[test]
fn embedding_is_told_as_json() {
    let folder = text_bench(1);
    folder.write("texts.txt", "good food\nbad food and more of it\n");
    let args = bench(&["embed", "texts.txt", "--encoder", "tiny", "--rounds", "1"]);
    let found = json(&folder, &args);
    let rows = list(&found);
    let precisions: Vec<&Value> = rows.iter().map(|row| &row["precision"]).collect();
    assert_eq!(precisions, ["f32", "bf16", "int8"]);
    rows.iter()
        .for_each(|row| is_positive(&row["tokens_per_second"]));
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_way_out() {
    let folder = text_bench(1);
    let refused = |args: &[&str]| folder.adit(args).error();
    insta::assert_snapshot!(refused(&["bench", "train", "--hidden-size", "100"]));
    insta::assert_snapshot!(refused(&[
        "bench",
        "train",
        "--encoder",
        "tiny",
        "--length",
        "5000"
    ]));
    insta::assert_snapshot!(refused(&["bench", "scaling", "--precision", "auto"]));
    insta::assert_snapshot!(refused(&["bench", "train", "--rounds", "0"]));
    insta::assert_snapshot!(refused(&[
        "bench",
        "scaling",
        "--encoder",
        "tiny",
        "--layers",
        "3"
    ]));
    insta::assert_snapshot!(refused(&["bench", "kernels", "--rows", "0"]));
    let absent = refused(&["bench", "scaling", "--encoder", "absent"]);
    assert!(
        absent.contains("absent") && absent.contains("hint:"),
        "{absent}"
    );
}
