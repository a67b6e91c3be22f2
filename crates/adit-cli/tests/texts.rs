//! Texts from data to report and on to new rows, through a tiny encoder in the form of Hugging Face.

mod tool;

use tool::{Bench, accuracy, result, text_bench, text_table};

const TRAIN: [&str; 9] = [
    "classify",
    "data.csv",
    "--target",
    "label",
    "--text",
    "text",
    "--encoder",
    "tiny",
    "--quiet",
];

fn bench() -> Bench {
    text_bench(240)
}

fn learn(bench: &Bench, out: &str, extra: &[&str]) -> serde_json::Value {
    let mut args = TRAIN.to_vec();
    args.extend(["--out", out]);
    args.extend(extra);
    bench.adit(&args).ok();
    result(bench, out)
}

#[test]
fn fine_tuning_learns_what_the_words_say() {
    let bench = bench();
    let found = learn(
        &bench,
        "run",
        &["--epochs", "10", "--learning-rate", "5e-3"],
    );
    assert!(accuracy(&found, "tiny") > 0.95, "{}", found["scoreboard"]);
    assert!(accuracy(&found, "majority") < 0.7);
    accuracy(&found, "tiny, frozen");
}

/// What the scoreboard says of a setting of `tiny`.
fn setting(found: &serde_json::Value, name: &str) -> String {
    let members = found["scoreboard"].as_array().expect("a list");
    let tiny = members.iter().find(|m| m["model"] == "tiny").expect("tiny");
    let settings = tiny["settings"].as_array().expect("settings");
    let found = settings.iter().find(|pair| pair[0] == name);
    found.expect(name)[1].as_str().expect("a text").to_string()
}

#[test]
fn without_a_refit_the_weights_that_validation_rows_chose_are_kept() {
    let bench = bench();
    let quick = ["--epochs", "2", "--learning-rate", "1e-3", "--seeds", "2"];
    let kept = learn(&bench, "kept", &[&quick[..], &["--no-refit"]].concat());
    let fitted = learn(&bench, "fitted", &quick);
    assert!(setting(&kept, "fitted again").starts_with("no: "));
    assert!(setting(&fitted, "fitted again").starts_with("on training and validation rows"));
    let seeds = |found: &serde_json::Value| {
        let members = found["scoreboard"].as_array().expect("a list");
        let tiny = members.iter().find(|m| m["model"] == "tiny").expect("tiny");
        tiny["by_seed"]["log_loss"]
            .as_array()
            .expect("a list")
            .clone()
    };
    // Two seeds that learned from other rows than those of the second fit.
    let (kept, fitted) = (seeds(&kept), seeds(&fitted));
    assert!(kept.len() == 2 && kept[0] != kept[1], "{kept:?}");
    assert!(kept[0] != fitted[0], "{kept:?} {fitted:?}");
    let job = std::fs::read_to_string(bench.path("kept/job.toml")).expect("job.toml");
    assert!(job.contains("refit = false"), "{job}");
}

#[test]
fn threads_change_no_byte_of_a_fine_tuning() {
    let bench = bench();
    let quick = ["--epochs", "1", "--learning-rate", "1e-3", "--seeds", "2"];
    let prints: Vec<_> = ["1", "2"]
        .iter()
        .map(|threads| {
            let mut extra = quick.to_vec();
            extra.extend(["--threads", threads]);
            let out = format!("run-{threads}");
            let found = learn(&bench, &out, &extra);
            let rows = std::fs::read(bench.path(&out).join("predictions.parquet"));
            (found["fingerprint"].clone(), rows.expect("predictions"))
        })
        .collect();
    assert!(prints[0] == prints[1], "threads change the result");
}

#[test]
fn every_text_member_predicts_a_row_alone_as_among_others() {
    let bench = bench();
    let found = learn(&bench, "run", &["--epochs", "2", "--learning-rate", "2e-3"]);
    let chosen = found["chosen"].as_str().expect("a name").to_string();
    for member in ["tiny", chosen.as_str()] {
        let predict = |input: &str, output: &str| {
            let args = [
                "predict", "run", input, "-o", output, "--member", member, "--force",
            ];
            bench.adit(&args).ok();
            std::fs::read_to_string(bench.path(output)).expect("predictions")
        };
        let all = predict("data.csv", "all.csv");
        let table = text_table(240);
        let lines: Vec<&str> = table.lines().collect();
        bench.write("one.csv", format!("{}\n{}\n", lines[0], lines[100]));
        let one = predict("one.csv", "one-out.csv");
        let values = |text: &str, line: usize| {
            let line = text.lines().nth(line).expect("a line").to_string();
            line.split_once(',').expect("cells").1.to_string()
        };
        assert_eq!(values(&one, 1), values(&all, 100), "{member}");
    }
}

#[test]
fn every_method_of_training_learns_and_predicts_what_was_judged() {
    let bench = bench();
    for (method, rate) in [("head", "5e-2"), ("last-1", "5e-3"), ("lora-4", "2e-2")] {
        let out = format!("run-{method}");
        let extra = [
            "--method",
            method,
            "--learning-rate",
            rate,
            "--epochs",
            "12",
        ];
        let found = learn(&bench, &out, &extra);
        assert!(
            accuracy(&found, "tiny") > accuracy(&found, "majority") + 0.1,
            "{method}: {}",
            found["scoreboard"]
        );
    }
    let mut args = TRAIN.to_vec();
    args.extend(["--out", "run", "--method", "middle"]);
    let error = bench.adit(&args).error();
    assert!(error.contains("transformer.method"), "{error}");
}

#[test]
fn an_exported_encoder_is_a_directory_that_can_be_fine_tuned_again() {
    let bench = bench();
    learn(&bench, "run", &["--epochs", "1", "--learning-rate", "1e-3"]);
    let args = ["export", "run", "out", "--member", "tiny"];
    bench.adit(&args).ok();
    let text = std::fs::read_to_string(bench.path("out/config.json")).expect("config.json");
    let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!(config["id2label"].as_object().expect("labels").len(), 2);
    let quick = ["--epochs", "1", "--learning-rate", "1e-3", "--force"];
    let mut args = TRAIN.to_vec();
    let at = args.iter().position(|a| *a == "tiny").expect("an encoder");
    args[at] = "out";
    args.extend(["--out", "again"]);
    args.extend(quick);
    bench.adit(&args).ok();
}

#[test]
fn only_a_fine_tuned_encoder_is_exported() {
    let bench = bench();
    learn(&bench, "run", &["--epochs", "1", "--learning-rate", "1e-3"]);
    let args = ["export", "run", "out", "--member", "linear"];
    let error = bench.adit(&args).error();
    assert!(error.contains("no fine-tuned text encoder"), "{error}");
    assert!(!bench.path("out").exists());
}

/// The lines that `adit embed` writes, as CSV.
fn embedded(bench: &Bench, input: &str, output: &str) -> Vec<String> {
    let args = [
        "embed",
        input,
        "--text",
        "text",
        "--encoder",
        "tiny",
        "-o",
        output,
    ];
    bench.adit(&args).ok();
    let text = std::fs::read_to_string(bench.path(output)).expect("vectors");
    text.lines().map(String::from).collect()
}

#[test]
fn a_text_has_one_vector_whatever_stands_beside_it() {
    let bench = bench();
    let all = embedded(&bench, "data.csv", "all.csv");
    assert_eq!(all.len(), 241);
    assert!(all[0].starts_with("row,embedding_text_1,embedding_text_2,"));
    let table = text_table(240);
    let lines: Vec<&str> = table.lines().collect();
    bench.write("one.csv", format!("{}\n{}\n", lines[0], lines[100]));
    let one = embedded(&bench, "one.csv", "one-out.csv");
    let values = |line: &str| line.split_once(',').expect("cells").1.to_string();
    assert_eq!(values(&one[1]), values(&all[100]));
}

#[test]
fn the_precision_of_vectors_is_chosen_and_told() {
    let bench = bench();
    let run = |precision: &str| {
        let args = [
            "embed",
            "data.csv",
            "--text",
            "text",
            "--encoder",
            "tiny",
            "-o",
            "out.jsonl",
            "--precision",
            precision,
            "--force",
        ];
        let said = bench.adit(&args).ok().stdout;
        let lines = std::fs::read_to_string(bench.path("out.jsonl")).expect("vectors");
        let line = lines.lines().next().expect("a line");
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let list = row["embedding_text"].as_array().expect("a list").clone();
        let vector: Vec<f64> = list.iter().filter_map(serde_json::Value::as_f64).collect();
        (said, vector)
    };
    let (_, exact) = run("f32");
    for precision in ["bf16", "int8", "auto"] {
        let (said, found) = run(precision);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = dot(&exact, &found) / (dot(&exact, &exact) * dot(&found, &found)).sqrt();
        assert!(cosine > 0.98, "{precision}: {cosine}");
        let told = said.contains("by measurement") && said.contains("cosine to f32");
        assert_eq!(told, precision == "auto", "{said}");
    }
}

#[test]
fn a_measurement_for_other_programs_is_one_line_and_a_file_of_vectors() {
    let bench = bench();
    bench.write("texts.txt", "good food\nbad food and more of it\nfine\n");
    let args = [
        "bench",
        "embed",
        "texts.txt",
        "--encoder",
        "tiny",
        "--peer",
        "--quiet",
    ];
    let said = bench.adit(&args).ok().stdout;
    let said: serde_json::Value = serde_json::from_str(said.trim()).expect("one line of JSON");
    assert!(said["seconds"].as_f64().expect("seconds") > 0.0);
    assert_eq!(said["single"], serde_json::json!([null, null]));
    let path = said["vectors"].as_str().expect("a path");
    let bytes = std::fs::read(path).expect("vectors");
    std::fs::remove_file(path).expect("removed");
    assert!(bytes.starts_with(b"\x93NUMPY"));
    let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
    assert!(header.contains("'shape': (3, "), "{header}");
}

#[test]
fn embedding_needs_a_text_column() {
    let bench = bench();
    bench.write("numbers.csv", "a,b\n1,2\n3,5\n4,4\n");
    let args = [
        "embed",
        "numbers.csv",
        "--encoder",
        "tiny",
        "-o",
        "out.parquet",
    ];
    let error = bench.adit(&args).error();
    assert!(error.contains("no column looks like text"), "{error}");
    assert!(!bench.path("out.parquet").exists());
}

#[test]
fn two_text_columns_make_a_pair() {
    let bench = bench();
    let pairs: String = text_table(120)
        .lines()
        .map(|line| {
            line.replacen("text", "a,b", 1)
                .replacen("\"it", "\"the food\",\"it", 1)
                + "\n"
        })
        .collect();
    bench.write("pairs.csv", pairs);
    let args = [
        "classify",
        "pairs.csv",
        "--target",
        "label",
        "--text",
        "a",
        "--text",
        "b",
        "--encoder",
        "tiny",
        "--epochs",
        "1",
        "--learning-rate",
        "1e-3",
        "--out",
        "run",
    ];
    let ended = bench.adit(&args).ok();
    assert!(ended.stdout.contains("tiny"), "{}", ended.stdout);
}

#[test]
fn texts_without_an_encoder_are_refused_with_a_way_out() {
    let bench = bench();
    let args = [
        "classify", "data.csv", "--target", "label", "--text", "text", "--out", "run",
    ];
    insta::assert_snapshot!(bench.adit(&args).error());
    assert!(!bench.path("run").exists());
}

/// The error of a run whose encoder was damaged in some way.
fn refused(damage: impl Fn(&Bench)) -> String {
    let bench = bench();
    damage(&bench);
    let before = bench.entries();
    let mut args = TRAIN.to_vec();
    args.extend(["--out", "run", "--epochs", "1"]);
    let error = bench.adit(&args).error();
    assert_eq!(bench.entries(), before, "something was left behind");
    error
}

#[test]
fn unknown_encoder() {
    insta::assert_snapshot!(refused(
        |b| std::fs::remove_dir_all(b.path("tiny")).expect("removed")
    ));
}

#[test]
fn unknown_architecture() {
    insta::assert_snapshot!(refused(|b| {
        b.write(
            "tiny/config.json",
            r#"{"model_type": "gpt2", "architectures": ["GPT2Model"]}"#,
        );
    }));
}

#[test]
fn truncated_weights() {
    insta::assert_snapshot!(refused(|b| {
        let bytes = std::fs::read(b.path("tiny/model.safetensors")).expect("weights");
        b.write("tiny/model.safetensors", &bytes[..bytes.len() / 2]);
    }));
}

#[test]
fn weights_of_other_shapes() {
    insta::assert_snapshot!(refused(|b| {
        let config = std::fs::read_to_string(b.path("tiny/config.json")).expect("config.json");
        b.write(
            "tiny/config.json",
            config.replace("\"intermediate_size\": 64", "\"intermediate_size\": 48"),
        );
    }));
}

#[test]
fn missing_tensors() {
    insta::assert_snapshot!(refused(|b| {
        let config = std::fs::read_to_string(b.path("tiny/config.json")).expect("config.json");
        b.write(
            "tiny/config.json",
            config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
        );
    }));
}

#[test]
fn pickled_weights() {
    insta::assert_snapshot!(refused(|b| {
        std::fs::remove_file(b.path("tiny/model.safetensors")).expect("removed");
        b.write("tiny/pytorch_model.bin", b"\x80\x02}q\x00.");
    }));
}

#[test]
fn a_damaged_tokenizer() {
    insta::assert_snapshot!(refused(|b| {
        b.write("tiny/tokenizer.json", "{\"version\": \"1.0\"");
    }));
}

#[test]
fn a_stored_encoder_whose_file_changed_is_refused() {
    let bench = bench();
    bench.adit(&["model", "add", "tiny", "--name", "mine"]).ok();
    std::fs::remove_dir_all(bench.path("tiny")).expect("removed");
    let listed = bench.adit(&["model", "list"]).ok().stdout;
    assert!(listed.contains("mine"), "{listed}");
    let weights = bench.path("home/models/mine/model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("weights");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).expect("a file");
    let args = [
        "classify",
        "data.csv",
        "--target",
        "label",
        "--text",
        "text",
        "--encoder",
        "mine",
        "--out",
        "run",
    ];
    insta::assert_snapshot!(bench.adit(&args).error());
    bench.adit(&["model", "remove", "mine"]).ok();
    assert!(!weights.exists());
}

#[test]
fn models_over_rows_read_what_texts_beside_them_say() {
    // The label follows from text and shop together, and from neither alone.
    let mut table = String::from("shop,size,text,label\n");
    for i in 0..900usize {
        let (word, is_good) = [("good", true), ("bad", false)][i * 7 % 2];
        let shop =
            ["north", "south"][(i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 40 & 1];
        let thing = ["film", "food", "day"][i * 5 % 3];
        let label = if is_good == (shop == "north") {
            "stays"
        } else {
            "leaves"
        };
        let size = i * 7919 % 97;
        table.push_str(&format!(
            "{shop},{size},it was the {word} {thing},{label}\n"
        ));
    }
    let bench = bench();
    bench.write("data.csv", table);
    let found = learn(&bench, "run", &["--epochs", "1", "--learning-rate", "1e-3"]);
    // A blend of models that see one of the two each would not be better than chance.
    assert!(
        accuracy(&found, "boosted trees") > 0.95,
        "{}",
        found["scoreboard"]
    );
    assert!(accuracy(&found, "linear") < 0.65);
    let args = [
        "predict",
        "run",
        "data.csv",
        "-o",
        "trees.csv",
        "--member",
        "boosted trees",
    ];
    bench.adit(&args).ok();
    let predicted = tool::cells(&bench, "trees.csv", "predicted");
    let truth = tool::cells(&bench, "data.csv", "label");
    let right = predicted.iter().zip(&truth).filter(|(a, b)| a == b).count();
    assert!(right > 850, "{right}");
    std::fs::remove_file(bench.path("run/model/encoder/model.safetensors")).expect("the encoder");
    let error = bench
        .adit(&["predict", "run", "data.csv", "-o", "p.csv"])
        .error();
    assert!(error.contains("model.safetensors"), "{error}");
}
