//! Tokenizer files with one thing wrong: an error that names the file, or tokens, and never a panic.

use adit::represent::text::TextTokenizer;

/// A tokenizer that is whole; cases replace a part of it.
const WHOLE: &str = r#"{"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "@@",
        "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "@@b": 2, "[CLS]": 3}}}"#;

const WORDS: &str = r#"{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "@@",
        "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "@@b": 2, "[CLS]": 3}}"#;

#[test]
fn damaged_tokenizers_are_named_or_work() {
    let model = |to: &str| (WORDS, to.to_string());
    let normalizer = |to: &str| (r#""normalizer": null"#, format!(r#""normalizer": {to}"#));
    let after = |to: &str| {
        (
            r#""post_processor": null"#,
            format!(r#""post_processor": {to}"#),
        )
    };
    let before = |to: &str| (r#"{"type": "Whitespace"}"#, to.to_string());
    let added = |to: &str| (r#""id": 0, "content": "[UNK]""#, to.to_string());
    let cases = [
        ("the whole", ("", String::new())),
        ("no version", (r#""version": "1.0", "#, String::new())),
        ("a later version", (r#""1.0""#, r#""2.0""#.into())),
        ("no model", model("null")),
        ("a model of no kind", model(r#"{"type": "Markov"}"#)),
        (
            "a model without words",
            model(
                r#"{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "", "max_input_chars_per_word": 100, "vocab": {}}"#,
            ),
        ),
        (
            "an unknown word that is not there",
            model(
                r#"{"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "", "max_input_chars_per_word": 100, "vocab": {"a": 0}}"#,
            ),
        ),
        (
            "ids beyond 32 bits",
            model(r#"{"type": "WordLevel", "unk_token": "a", "vocab": {"a": 4294967296}}"#),
        ),
        (
            "ids with a hole",
            model(r#"{"type": "WordLevel", "unk_token": "a", "vocab": {"a": 4294967295}}"#),
        ),
        (
            "ids below zero",
            model(r#"{"type": "WordLevel", "unk_token": "a", "vocab": {"a": -1}}"#),
        ),
        (
            "merges of words that are not there",
            model(r#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}"#),
        ),
        (
            "merges of three",
            model(r#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a a a"]}"#),
        ),
        (
            "merges to a word that is not there",
            model(r#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}"#),
        ),
        (
            "merges of nothing",
            model(r#"{"type": "BPE", "vocab": {"a": 0, "": 1}, "merges": [" "]}"#),
        ),
        (
            "dropout above one",
            model(r#"{"type": "BPE", "dropout": 2.0, "vocab": {"a": 0}, "merges": []}"#),
        ),
        (
            "byte pairs that know no letter",
            model(r#"{"type": "BPE", "unk_token": "?", "vocab": {"z": 0}, "merges": []}"#),
        ),
        (
            "bytes that are not there",
            model(r#"{"type": "BPE", "byte_fallback": true, "vocab": {"z": 0}, "merges": []}"#),
        ),
        (
            "unigrams of nothing",
            model(r#"{"type": "Unigram", "unk_id": 0, "vocab": []}"#),
        ),
        (
            "unigrams whose unknown is not there",
            model(r#"{"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]}"#),
        ),
        (
            "unigrams without an unknown",
            model(r#"{"type": "Unigram", "unk_id": null, "vocab": [["z", 0.0]]}"#),
        ),
        (
            "unigrams with an empty word",
            model(r#"{"type": "Unigram", "unk_id": 0, "vocab": [["", 0.0], ["a", -1.0]]}"#),
        ),
        (
            "unigrams with huge scores",
            model(r#"{"type": "Unigram", "unk_id": 0, "vocab": [["?", 1e308], ["a", -1e308]]}"#),
        ),
        (
            "an expression that is none",
            before(
                r#"{"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false}"#,
            ),
        ),
        (
            "an expression that matches nothing",
            before(
                r#"{"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false}"#,
            ),
        ),
        (
            "an expression that looks back and forth",
            before(
                r#"{"type": "Split", "pattern": {"Regex": "(?:a+)+(?!b)$"}, "behavior": "Isolated", "invert": false}"#,
            ),
        ),
        (
            "a character map of no bytes",
            normalizer(r#"{"type": "Precompiled", "precompiled_charsmap": ""}"#),
        ),
        (
            "a character map that is no base 64",
            normalizer(r#"{"type": "Precompiled", "precompiled_charsmap": "§"}"#),
        ),
        (
            "a character map cut short",
            normalizer(r#"{"type": "Precompiled", "precompiled_charsmap": "AAQAAA=="}"#),
        ),
        (
            "a character map of noise",
            normalizer(
                r#"{"type": "Precompiled", "precompiled_charsmap": "CAAAAP////8AAQIDYWJjZA=="}"#,
            ),
        ),
        (
            "a normalizer of no kind",
            normalizer(r#"{"type": "Shout"}"#),
        ),
        (
            "a template without its tokens",
            after(
                r#"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}], "pair": [], "special_tokens": {}}"#,
            ),
        ),
        (
            "a template without a text",
            after(
                r#"{"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}"#,
            ),
        ),
        (
            "a template with ids and no words",
            after(
                r#"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [3, 3], "tokens": []}}}"#,
            ),
        ),
        (
            "special tokens of ids that are not there",
            after(r#"{"type": "BertProcessing", "sep": ["[SEP]", 99], "cls": ["[CLS]", 98]}"#),
        ),
        (
            "an added token of another id",
            added(r#""id": 77, "content": "[UNK]""#),
        ),
        (
            "an added token of no letters",
            added(r#""id": 4, "content": """#),
        ),
        ("a file of lists", ("{", "[".repeat(100_000))),
        (
            "a file that ends early",
            (r#""model""#, String::from("\u{0}")),
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    let mut amiss = Vec::new();
    for (name, (from, to)) in &cases {
        let text = WHOLE.replacen(from, to, 1);
        assert!(text != WHOLE || from.is_empty(), "{name}");
        std::fs::write(&path, text).expect("written");
        let read = std::panic::catch_unwind(|| {
            let tokenizer = TextTokenizer::open(&path, 16).map_err(|e| e.to_string())?;
            let texts = ["a ab aab zz [UNK] é😀", "", &"a".repeat(200)];
            let one = tokenizer.encode(&texts).map_err(|e| e.to_string())?;
            let two = tokenizer.encode_pairs(&[(texts[0], texts[2])]);
            let two = two.map_err(|e| e.to_string())?;
            Ok::<_, String>(one.iter().chain(&two).all(|t| t.ids.len() <= 16))
        });
        match read {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => amiss.push(format!("{name}: too many tokens")),
            Ok(Err(error)) if error.contains("tokeni") => {}
            Ok(Err(error)) => amiss.push(format!("{name}: {error}")),
            Err(_) => amiss.push(format!("{name}: a panic")),
        }
    }
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}
