//! Any bytes as JSON Lines: an error, or columns of one length that are the same when read again.
#![no_main]

use adit::source::{Format, SourceSettings, read_text_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let settings = SourceSettings::default();
    let Ok((schema, batches, _)) = read_text_bytes(data, Format::JsonLines, &settings) else {
        return;
    };
    for batch in &batches {
        assert_eq!(batch.num_columns(), schema.len());
    }
    let (again, same, _) =
        read_text_bytes(data, Format::JsonLines, &settings).expect("it was read before");
    assert!(schema == again && batches == same, "two readings differ");
});
