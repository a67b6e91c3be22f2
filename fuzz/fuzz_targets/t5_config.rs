//! Any text as a T5's `config.json`: an error or a configuration that fits itself.
#![no_main]

use adit_nn::T5Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = T5Config::from_json(text) else {
        return;
    };
    config.check().expect("what was read was checked");
    assert_eq!(config.inner() % config.num_heads, 0);
});
