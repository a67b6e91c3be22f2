//! Any text as the files of a sentence encoder: an error, or files that lie in its folder.
#![no_main]

use adit::represent::encoder::EncoderDirectory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str, &str)| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("model");
    std::fs::create_dir_all(folder.join("1_Pooling")).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write("config.json", r#"{"model_type": "bert"}"#);
    write("modules.json", texts.0);
    write("sentence_bert_config.json", texts.1);
    write("1_Pooling/config.json", texts.2);
    let Ok(encoder) = EncoderDirectory::open(&folder, "m") else {
        return;
    };
    assert!(encoder.max_tokens() <= 512);
    let inside = folder.canonicalize().expect("a folder");
    for (_, path) in encoder.all_files() {
        let path = path.canonicalize().expect("a file that is there");
        assert!(path.starts_with(&inside), "{path:?} climbs");
    }
});
