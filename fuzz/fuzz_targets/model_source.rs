//! Any text as the place of a model: an error, or a name that stays in the store.
#![no_main]

use adit::store::ModelSource;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(source) = text.parse::<ModelSource>() else {
        return;
    };
    if let ModelSource::Directory(_) | ModelSource::Wheel(_) = source {
        return;
    }
    if let Ok(name) = source.default_name() {
        assert!(!name.is_empty() && !name.starts_with('.'), "{name:?}");
        assert!(!name.contains(['/', '\\', '\0']), "{name:?}");
    }
});
