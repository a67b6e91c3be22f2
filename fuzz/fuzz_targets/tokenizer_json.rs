//! Any bytes as a model's `tokenizer.json`: an error, or tokens no more than were asked for.
#![no_main]

use adit::represent::text::TextTokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = root.path().join("tokenizer.json");
    std::fs::write(&path, data).expect("a file");
    let Ok(tokenizer) = TextTokenizer::open(&path, 16) else {
        return;
    };
    let texts = [
        "a text, Ünïcode and 漢字 😀",
        "",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    if let Ok(tokens) = tokenizer.encode(&texts) {
        assert!(tokens.iter().all(|tokens| tokens.ids.len() <= 16));
    }
    let _ = tokenizer.encode_pairs(&[(texts[0], texts[2])]);
});
