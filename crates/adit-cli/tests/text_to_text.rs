//! A T5 that writes the class: from pairs of sentences to a model that writes the words of the label.

mod tool;

use tool::{Bench, accuracy, pair_table, result, t5_bench, tiny_encoder, tiny_t5};

/// As the T5 paper writes this task.
const PROMPT: &str = "mrpc sentence1: {sentence1} sentence2: {sentence2}";

const TRAIN: [&str; 18] = [
    "classify",
    "pairs.csv",
    "--target",
    "label",
    "--text",
    "sentence1",
    "--text",
    "sentence2",
    "--encoder",
    "tiny",
    "--head",
    "text-to-text",
    "--label-text",
    "0=not_equivalent",
    "--label-text",
    "1=equivalent",
    "--prompt",
    PROMPT,
];

/// Enough for a random T5 to learn which word matters.
const LEARN: [&str; 4] = ["--epochs", "24", "--learning-rate", "5e-3"];
/// Where it does not matter what was learned.
const QUICK: [&str; 4] = ["--epochs", "1", "--learning-rate", "1e-3"];

fn bench() -> Bench {
    t5_bench(240)
}

fn train<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = TRAIN.to_vec();
    args.extend(["--out", out, "--quiet"]);
    args.extend(more);
    args
}

fn generate(bench: &Bench, encoder: &str, input: &str, output: &str, more: &[&str]) -> String {
    let mut args = vec!["generate", input, "--encoder", encoder, "--out", output];
    args.extend(["--text", "sentence1", "--text", "sentence2"]);
    args.extend(["--prompt", PROMPT, "--force"]);
    args.extend(more);
    bench.adit(&args).ok().stdout
}

#[test]
fn a_t5_that_learned_the_classes_writes_their_words_once_it_is_exported() {
    for golden in ["t5_gated_untied", "t5_relu_tied"] {
        let bench = t5_bench(720);
        tiny_t5(&bench, "tiny", golden);
        bench.adit(&train("run", &LEARN)).ok();
        let found = result(&bench, "run");
        assert!(accuracy(&found, "tiny") > 0.95, "{}", found["scoreboard"]);
        assert!(accuracy(&found, "majority") < 0.7);
        accuracy(&found, "tiny, frozen");

        let args = ["predict", "run", "pairs.csv", "-o", "predicted.csv"];
        bench
            .adit(&[&args[..], &["--member", "tiny"]].concat())
            .ok();
        let predicted = tool::cells(&bench, "predicted.csv", "predicted");

        bench
            .adit(&["export", "run", "out", "--member", "tiny"])
            .ok();
        let text = std::fs::read_to_string(bench.path("out/config.json")).expect("config.json");
        let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(config["architectures"][0], "T5ForConditionalGeneration");

        for (beams, file) in [("1", "greedy.csv"), ("3", "beams.csv")] {
            let said = generate(&bench, "out", "pairs.csv", file, &["--beams", beams]);
            assert!(said.starts_with("720 texts for `mrpc sentence1:"), "{said}");
            let written = tool::cells(&bench, file, "generated");
            assert_eq!(written.len(), 720);
            let same = written.iter().zip(&predicted).filter(|(written, class)| {
                let word = ["not_equivalent", "equivalent"][usize::from(*class == "1")];
                *written == word
            });
            let share = same.count() as f64 / 720.0;
            assert!(share > 0.95, "{golden}, {beams} beams: {share}");
            for score in tool::cells(&bench, file, "score") {
                assert!(score.parse::<f64>().expect("a number") <= 0.0, "{score}");
            }
        }
    }
}

#[test]
fn a_job_file_repeats_what_the_command_line_did_on_any_number_of_threads() {
    let bench = bench();
    let seeds = ["--seeds", "2", "--threads", "1"];
    bench
        .adit(&train("one", &[&QUICK[..], &seeds].concat()))
        .ok();
    let again = ["run", "one/job.toml", "--out", "two", "--threads", "2"];
    bench.adit(&again).ok();
    let rows = |run: &str| std::fs::read(bench.path(run).join("predictions.parquet"));
    assert_eq!(
        result(&bench, "one")["fingerprint"],
        result(&bench, "two")["fingerprint"]
    );
    assert!(rows("one").expect("rows") == rows("two").expect("rows"));
    let job = std::fs::read_to_string(bench.path("one/job.toml")).expect("job.toml");
    for line in ["head = \"text-to-text\"", "1 = \"equivalent\"", PROMPT] {
        assert!(job.contains(line), "{line}\n{job}");
    }
}

#[test]
fn low_rank_additions_learn_too() {
    let bench = bench();
    let more = [
        "--method",
        "lora-8",
        "--learning-rate",
        "3e-2",
        "--epochs",
        "16",
    ];
    bench.adit(&train("run", &more)).ok();
    let found = result(&bench, "run");
    assert!(
        accuracy(&found, "tiny") > accuracy(&found, "majority") + 0.1,
        "{}",
        found["scoreboard"]
    );
}

#[test]
fn a_row_alone_is_predicted_and_written_as_among_others() {
    let bench = bench();
    bench.adit(&train("run", &QUICK)).ok();
    let table = pair_table(240);
    let lines: Vec<&str> = table.lines().collect();
    bench.write("one.csv", format!("{}\n{}\n", lines[0], lines[100]));
    let predict = |input: &str, output: &str| {
        let args = ["predict", "run", input, "-o", output, "--member", "tiny"];
        bench.adit(&args).ok();
        tool::cells(&bench, output, "probability_1")
    };
    assert_eq!(
        predict("one.csv", "a.csv")[0],
        predict("pairs.csv", "b.csv")[99]
    );
    let files = ["all.csv", "threads.csv", "alone.csv"];
    let beams = ["--beams", "3", "--max-new-tokens", "7"];
    let on = |threads| [&beams[..], &["--threads", threads]].concat();
    generate(&bench, "tiny", "pairs.csv", files[0], &on("1"));
    generate(&bench, "tiny", "pairs.csv", files[1], &on("2"));
    generate(&bench, "tiny", "one.csv", files[2], &on("2"));
    let bytes = files.map(|file| std::fs::read(bench.path(file)).expect(file));
    assert!(bytes[0] == bytes[1], "threads change what is written");
    for column in ["generated", "score"] {
        let [all, _, alone] = files.map(|file| tool::cells(&bench, file, column));
        assert_eq!(alone[0], all[99]);
    }
}

#[test]
fn texts_are_written_in_every_format_of_tables() {
    let bench = bench();
    bench.write("some.csv", "note,n\nit was the very good film,1\n,2\n");
    for file in ["out.jsonl", "out.parquet", "out.csv"] {
        let args = [
            "generate",
            "some.csv",
            "--text",
            "note",
            "--encoder",
            "tiny",
            "-o",
            file,
        ];
        let ended = bench.adit(&args).ok();
        assert_eq!(
            ended.stdout,
            format!("2 texts for `note: {{note}}` to {file}\n")
        );
        let again = bench.adit(&args).error();
        assert!(again.contains(file) && again.contains("hint:"), "{again}");
    }
    let lines = std::fs::read_to_string(bench.path("out.jsonl")).expect("texts");
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["row"], at);
        assert!(
            row["generated"].is_string() && row["score"].is_f64(),
            "{row}"
        );
    }
}

#[test]
fn a_text_has_at_most_the_tokens_that_were_asked_for() {
    let bench = bench();
    generate(
        &bench,
        "tiny",
        "pairs.csv",
        "short.csv",
        &["--max-new-tokens", "1"],
    );
    let words = tool::cells(&bench, "short.csv", "generated");
    assert!(words.iter().all(|text| !text.contains(' ')), "{words:?}");
}

/// What is wrong with the command is told before anything is learned, and nothing stays.
#[test]
fn what_does_not_fit_a_head_that_writes_is_refused() {
    let bench = bench();
    tiny_encoder(&bench, "bert");
    let before = bench.entries();
    let mut told = String::new();
    let mut refuse = |what: &str, args: &[&str]| {
        let error = bench.adit(args).error();
        told.push_str(&format!("{what}\n{error}\n\n"));
        assert_eq!(bench.entries(), before, "something was left behind");
    };
    let with = |more: &[&'static str]| train("run", more);
    let swapped = |from: &str, to: &'static str| -> Vec<&'static str> {
        let swap = |arg: &'static str| if arg == from { to } else { arg };
        train("run", &[]).into_iter().map(swap).collect()
    };
    let cases = [
        ("a number", swapped("classify", "regress")),
        ("another head", swapped("text-to-text", "mean")),
        ("no such head", swapped("text-to-text", "tail")),
        ("a BERT", swapped("tiny", "bert")),
        ("a method without a head", with(&["--method", "head"])),
        ("an unknown column", swapped(PROMPT, "mrpc: {sentence3}")),
        ("an open brace", swapped(PROMPT, "mrpc: {sentence1")),
        ("no column", swapped(PROMPT, "mrpc")),
        ("no such class", swapped("1=equivalent", "yes=equivalent")),
        ("no pair", swapped("1=equivalent", "equivalent")),
        ("twice", swapped("1=equivalent", "0=equivalent")),
        ("equal texts", swapped("1=equivalent", "1= not_equivalent")),
        ("unknown letters", swapped("1=equivalent", "1=Äquivalent")),
        ("nothing", swapped("1=equivalent", "1=")),
    ];
    for (what, args) in &cases {
        refuse(what, args);
    }
    let args = [
        "generate",
        "pairs.csv",
        "--text",
        "sentence1",
        "-o",
        "out.csv",
    ];
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let cases = [
        ("a BERT that writes", with(&["--encoder", "bert"])),
        ("no such folder", with(&["--encoder", "none"])),
        (
            "an unknown column to write for",
            with(&["--encoder", "tiny", "--prompt", "{sentence2}"]),
        ),
        (
            "no number",
            with(&["--encoder", "tiny", "--length-penalty", "nan"]),
        ),
        (
            "too few tokens",
            with(&["--encoder", "tiny", "--max-tokens", "1"]),
        ),
    ];
    for (what, args) in &cases {
        refuse(what, args);
    }
    insta::assert_snapshot!(told);
}
