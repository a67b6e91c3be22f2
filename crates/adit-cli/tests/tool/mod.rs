//! Runs the tool as a user would, in a folder of its own.

#![allow(dead_code)] // each test file uses its own part

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that the tool is run in.
pub struct Bench {
    folder: tempfile::TempDir,
}

/// What a run of the tool printed and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder");
        }
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Names of what lies in the folder, sorted.
    pub fn entries(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|e| {
                e.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command
            .current_dir(self.folder.path())
            .env("ADIT_HOME", self.path("home"))
            .env_remove("HF_ENDPOINT")
            .env("COLUMNS", "100");
        command
    }

    pub fn adit(&self, args: &[&str]) -> Ended {
        self.end(self.command().args(args).output().expect("the tool starts"))
    }

    pub fn end(&self, output: Output) -> Ended {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&folder, "[folder]");
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ended {
    /// Fails the test unless the tool ended with 0.
    pub fn ok(self) -> Ended {
        assert_eq!(
            self.code,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The `error:` and `hint:` lines of a run that failed with code 2.
    pub fn error(self) -> String {
        assert_eq!(
            self.code,
            Some(2),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let start = self.stderr.find("error:").unwrap_or(0);
        self.stderr[start..].trim_end().to_string()
    }
}

/// A table that is quick to learn: `y` follows from `x1` and `colour`.
pub fn small_table(n_rows: usize) -> String {
    let mut text = String::from("x1,x2,colour,y\n");
    for i in 0..n_rows {
        let x1 = (i * 37 % 101) as f64 / 10.0;
        let x2 = (i * 53 % 89) as f64;
        let colour = ["red", "green", "blue"][i * 7 % 3];
        let y = if x1 + if colour == "red" { 2.0 } else { 0.0 } + (i % 5) as f64 * 0.3 > 6.0 {
            "yes"
        } else {
            "no"
        };
        writeln!(text, "{x1},{x2},{colour},{y}").expect("text");
    }
    text
}

/// Flags that make training quick where its outcome does not matter.
pub const QUICK: [&str; 6] = ["--seeds", "1", "--epochs", "1", "--learning-rate", "1e-3"];

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the shared data sets, below `ADIT_DATA` or beside the workspace; `None` is printed where it is absent.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let beside = || workspace().join("../shared/data");
    let root = std::env::var_os("ADIT_DATA").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "passed over: {} is not there; set ADIT_DATA",
        path.display()
    );
    None
}

/// Words that the tiny encoder knows, by id from 4 on.
const WORDS: [&str; 12] = [
    "good", "bad", "fine", "awful", "film", "food", "very", "not", "the", "was", "day", "it",
];

/// Writes a tiny BERT in the form of Hugging Face into `name`.
pub fn tiny_encoder(bench: &Bench, name: &str) {
    let golden = workspace().join("crates/adit-nn/tests/golden/bert_h32a4");
    for file in ["config.json", "model.safetensors"] {
        let bytes = std::fs::read(golden.join(file)).expect("the golden model");
        bench.write(&format!("{name}/{file}"), bytes);
    }
    let mut vocabulary = serde_json::Map::new();
    for (id, word) in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        .iter()
        .chain(&WORDS)
        .chain(&["[MASK]"])
        .enumerate()
    {
        vocabulary.insert((*word).to_string(), id.into());
    }
    let special = |id: u32, text: &str| {
        serde_json::json!({"id": id, "special": true, "content": text, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false})
    };
    let token =
        |text: &str, kind: u32| serde_json::json!({"SpecialToken": {"id": text, "type_id": kind}});
    let sequence =
        |name: &str, kind: u32| serde_json::json!({"Sequence": {"id": name, "type_id": kind}});
    let known =
        |text: &str, id: u32| serde_json::json!({"id": text, "ids": [id], "tokens": [text]});
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]"),
            special(4 + WORDS.len() as u32, "[MASK]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0), sequence("B", 1), token("[SEP]", 1)],
            "special_tokens": {"[CLS]": known("[CLS]", 2), "[SEP]": known("[SEP]", 3)}},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}
    });
    bench.write(&format!("{name}/tokenizer.json"), tokenizer.to_string());
}

/// Texts of a few known words; those with a good word are `1`.
pub fn text_table(n_rows: usize) -> String {
    let mut text = String::from("text,label\n");
    for i in 0..n_rows {
        let (word, label) = [("good", 1), ("bad", 0), ("fine", 1), ("awful", 0)][i * 7 % 4];
        let thing = ["film", "food", "day"][i * 5 % 3];
        let very = "very ".repeat(i % 4);
        writeln!(text, "\"it was the {very}{word} {thing}, day {i}\",{label}").expect("text");
    }
    text
}

/// A folder with a table of texts, `data.csv`, and a tiny encoder, `tiny`.
pub fn text_bench(n_rows: usize) -> Bench {
    let bench = Bench::new();
    bench.write("data.csv", text_table(n_rows));
    tiny_encoder(&bench, "tiny");
    bench
}

/// Pieces that the tiny T5 knows, by id from 3 on; letters follow.
const PIECES: [&str; 21] = [
    "▁",
    "▁it",
    "▁was",
    "▁the",
    "▁very",
    "▁good",
    "▁bad",
    "▁fine",
    "▁awful",
    "▁film",
    "▁food",
    "▁day",
    "▁mrpc",
    "▁sentence",
    "1",
    "2",
    ":",
    "▁not",
    "_",
    "equivalent",
    "▁equivalent",
];

/// Writes a tiny T5 with random weights in the form of Hugging Face into `name`.
///
/// Its vocabulary is smaller than its table of words, as it is in real ones.
pub fn tiny_t5(bench: &Bench, name: &str, golden: &str) {
    let golden = workspace().join("crates/adit-nn/tests/golden").join(golden);
    let weights = std::fs::read(golden.join("model.safetensors")).expect("the golden model");
    bench.write(&format!("{name}/model.safetensors"), weights);
    let config = std::fs::read(golden.join("config.json")).expect("the golden model");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    config["eos_token_id"] = 1.into();
    bench.write(&format!("{name}/config.json"), config.to_string());
    let specials = ["<pad>", "</s>", "<unk>"];
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let pieces = PIECES.iter().map(|&piece| (piece, -2.0));
    let letters = letters.iter().map(|letter| (letter.as_str(), -6.0));
    let vocabulary: Vec<(&str, f64)> = (specials.iter().map(|&special| (special, 0.0)))
        .chain(pieces)
        .chain(letters)
        .collect();
    let special = |id: usize| {
        serde_json::json!({"id": id, "special": true, "content": specials[id], "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false})
    };
    let text = |name: &str| serde_json::json!({"Sequence": {"id": name, "type_id": 0}});
    let end = serde_json::json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
    let spaces = serde_json::json!({"type": "Metaspace", "replacement": "▁",
        "prepend_scheme": "always", "split": true});
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": [special(0), special(1), special(2)],
        "normalizer": null,
        "pre_tokenizer": spaces,
        "post_processor": {"type": "TemplateProcessing",
            "single": [text("A"), end], "pair": [text("A"), end, text("B"), end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": spaces,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false}
    });
    bench.write(&format!("{name}/tokenizer.json"), tokenizer.to_string());
}

/// Pairs of sentences; those whose second one has the word `good` are `1`.
pub fn pair_table(n_rows: usize) -> String {
    let mut text = String::from("sentence1,sentence2,label\n");
    for i in 0..n_rows {
        let (word, label) = [("good", 1), ("bad", 0), ("good", 1), ("awful", 0)][i * 7 % 4];
        let thing = ["film", "food", "day"][i * 5 % 3];
        let very = "very ".repeat(i % 3);
        let first = ["fine", "bad", "awful", "very fine", "good"][i * 3 % 5];
        writeln!(
            text,
            "the {thing} was {first},it was the {very}{word} {thing},{label}"
        )
        .expect("text");
    }
    text
}

/// A folder with a table of pairs, `pairs.csv`, and a tiny T5, `tiny`.
pub fn t5_bench(n_rows: usize) -> Bench {
    let bench = Bench::new();
    bench.write("pairs.csv", pair_table(n_rows));
    tiny_t5(&bench, "tiny", "t5_gated_untied");
    bench
}

/// The findings of a run.
pub fn result(bench: &Bench, run: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(bench.path(run).join("result.json")).expect("result.json");
    serde_json::from_str(&text).expect("JSON")
}

/// The accuracy of a member of the scoreboard.
pub fn accuracy(result: &serde_json::Value, model: &str) -> f64 {
    score(result, model, "accuracy")
}

/// A score of a member of the scoreboard.
pub fn score(result: &serde_json::Value, model: &str, metric: &str) -> f64 {
    let members = result["scoreboard"].as_array().expect("a list");
    let member = members.iter().find(|m| m["model"] == model);
    let member = member.unwrap_or_else(|| panic!("{model} is not on the scoreboard"));
    member["metrics"][metric]["value"]
        .as_f64()
        .expect("a number")
}

/// The cells of a column of a CSV file without quotes.
pub fn cells(bench: &Bench, file: &str, column: &str) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path(file)).expect(file);
    let mut lines = text.lines().map(|line| line.split(',').map(String::from));
    let header: Vec<String> = lines.next().expect("a header").collect();
    let at = header.iter().position(|name| name == column);
    let at = at.unwrap_or_else(|| panic!("{file} has no {column}, only {header:?}"));
    lines
        .map(|mut line| line.nth(at).expect("a cell"))
        .collect()
}

/// Numbers below any other, by chance.
pub fn drawn() -> impl FnMut(u64) -> u64 {
    let mut state = 88_172_645_463_325_252u64;
    move |of| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % of
    }
}

/// Numbers from 0 to 1, by chance that follows from a seed.
pub fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A normal number of deviation 1.
pub fn gaussian(next: &mut impl FnMut() -> f64) -> f64 {
    let (a, b) = (next().max(1e-12), next());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// The rules of a search, each as `a+b > c`.
pub fn rules_in_words(found: &serde_json::Value) -> Vec<String> {
    let patterns = found["patterns"].as_array().expect("a list");
    patterns
        .iter()
        .map(|p| {
            let items: Vec<&str> = p["items"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|i| i.as_str())
                .collect();
            format!("{} > {}", items.join("+"), p["then"].as_str().unwrap_or(""))
        })
        .collect()
}
