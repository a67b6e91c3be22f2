//! Any text as a ModernBERT's `config.json`: an error or a configuration that fits itself.
#![no_main]

use adit_nn::ModernBertConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = ModernBertConfig::from_json(text) else {
        return;
    };
    config.check().expect("what was read was checked");
    assert_eq!(config.head() * config.num_attention_heads, config.hidden_size);
    assert_eq!(config.layer_types.len(), config.num_hidden_layers);
});
