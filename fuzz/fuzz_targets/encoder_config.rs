//! Any text as a model's `config.json`: an error or a configuration that fits itself.
#![no_main]

use adit_nn::EncoderConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = EncoderConfig::from_json(text) else {
        return;
    };
    config.check().expect("what was read was checked");
    assert!(config.max_tokens() > 0);
});
