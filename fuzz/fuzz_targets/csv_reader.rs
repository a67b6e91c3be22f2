//! Any bytes as CSV: an error, or columns of one length that are the same when read again.
#![no_main]

use adit::source::{Format, SourceSettings, read_text_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    // The first byte forces some settings, so that detection and obedience are both fed.
    let settings = SourceSettings {
        delimiter: [None, Some(b','), Some(b';'), Some(b'|')][usize::from(choice & 3)],
        header: [None, Some(true), Some(false), None][usize::from(choice >> 2 & 3)],
        encoding: [None, Some("utf-8"), Some("windows-1252"), Some("utf-16le")]
            [usize::from(choice >> 4 & 3)]
        .map(String::from),
        ..SourceSettings::default()
    };
    let format = if choice >> 6 & 1 == 1 {
        Format::Tsv
    } else {
        Format::Csv
    };
    let Ok((schema, batches, _)) = read_text_bytes(bytes, format, &settings) else {
        return;
    };
    for batch in &batches {
        assert_eq!(batch.num_columns(), schema.len());
    }
    let (again, same, _) = read_text_bytes(bytes, format, &settings).expect("it was read before");
    assert!(schema == again && batches == same, "two readings differ");
});
