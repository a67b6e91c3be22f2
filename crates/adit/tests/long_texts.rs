//! Texts of ten megabytes with no place to rest, through every kind of tokenizer.
//!
//! Each of them ends: a step that took the square of a text's length would be at it for hours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use adit::represent::text::TextTokenizer;
use serde_json::{Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

const BYTES: usize = 10 << 20;

/// Ten megabytes of each text that some step could stumble over.
fn texts() -> BTreeMap<&'static str, String> {
    let of = |part: &str| part.repeat(BYTES / part.len());
    BTreeMap::from([
        ("one letter", of("a")),
        ("one word in two letters", of("ab")),
        ("words in one line", of("abba cab, ")),
        ("spaces", of(" ")),
        ("line ends", of("\n")),
        ("digits", of("7")),
        ("full stops", of(".")),
        ("emoji", of("😀")),
        ("one emoji of many parts", of("👩\u{200d}")),
        ("accents on one letter", format!("a{}", of("\u{301}"))),
        ("letters of two forms", of("e\u{301}")),
        ("signs without spaces", of("漢")),
        ("zeros", of("\0")),
        ("special tokens", of("[UNK]")),
        ("a letter after spaces", format!("{}a", of(" "))),
        ("apostrophes", of("'s")),
    ])
}

/// The parts of a `tokenizer.json` that differ.
fn tokenizer(steps: [Value; 2], model: Value) -> Value {
    let [normalizer, pre_tokenizer] = steps;
    let unknown = json!({"id": 0, "content": "[UNK]", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true});
    json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [unknown],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": null, "model": model})
}

fn word_piece() -> Value {
    let vocabulary: BTreeMap<String, usize> =
        ["[UNK]", "a", "b", "##a", "##b", ".", "7", "漢", "e"]
            .iter()
            .enumerate()
            .map(|(id, word)| (word.to_string(), id))
            .collect();
    tokenizer(
        [
            json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true}),
            json!({"type": "BertPreTokenizer"}),
        ],
        json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}),
    )
}

fn byte_pairs() -> Value {
    let mut alphabet: Vec<String> = ByteLevel::alphabet()
        .into_iter()
        .map(String::from)
        .collect();
    alphabet.sort();
    let words = ["[UNK]"].map(String::from).into_iter().chain(alphabet);
    let pairs = ["aa", "aaaa", "ab", "abab", "77", ".."].map(String::from);
    let vocabulary: BTreeMap<String, usize> = words
        .chain(pairs)
        .enumerate()
        .map(|(id, word)| (word, id))
        .collect();
    tokenizer(
        [
            json!({"type": "NFC"}),
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}),
        ],
        json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "vocab": vocabulary,
            "merges": ["a a", "aa aa", "a b", "ab ab", "7 7", ". ."]}),
    )
}

fn unigram() -> Value {
    tokenizer(
        [
            json!({"type": "Sequence", "normalizers": [{"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}),
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}),
        ],
        json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [["[UNK]", 0.0],
            ["▁", -2.0], ["a", -3.0], ["b", -3.0], ["ab", -4.0], ["aa", -4.1], ["▁a", -3.5],
            ["7", -3.0], ["77", -4.0]]}),
    )
}

fn open(folder: &tempfile::TempDir, json: &Value, max_tokens: usize) -> TextTokenizer {
    let path: PathBuf = folder.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).expect("written");
    TextTokenizer::open(&path, max_tokens).expect("a tokenizer")
}

fn runs(json: Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = texts();
    let short = open(&folder, &json, 16);
    let usual = open(&folder, &json, 512);
    for (name, text) in &texts {
        let tokens = |tokenizer: &TextTokenizer, text: &str| {
            let mut tokens = tokenizer.encode(&[text]).expect(name);
            tokens.remove(0).ids
        };
        let found = tokens(&short, text);
        assert!(found.len() <= 16, "{name}");
        // What is left out before has no say in the tokens that remain.
        let end = text.char_indices().nth(100_000).map_or(text.len(), |c| c.0);
        assert_eq!(found, tokens(&short, &text[..end]), "{name}");
        assert!(tokens(&usual, text).len() <= 512, "{name}");
    }
    // So long that nothing is left out.
    let long = open(&folder, &json, 12_000);
    for name in ["one letter", "words in one line", "emoji"] {
        let tokens = long.encode(&[&texts[name]]).expect(name);
        assert!(tokens[0].ids.len() <= 12_000, "{name}");
    }
}

#[test]
fn word_pieces_of_ten_megabytes() {
    runs(word_piece());
}

#[test]
fn byte_pairs_of_ten_megabytes() {
    runs(byte_pairs());
}

#[test]
fn unigrams_of_ten_megabytes() {
    runs(unigram());
}
