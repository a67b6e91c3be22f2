//! Any bytes as sequences: an error, or sequences whose elements are not empty and are the same when read again.
#![no_main]

use adit::source::{SequenceForm, SourceSettings, read_sequence_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let form = if choice & 1 == 0 {
        SequenceForm::Spmf
    } else {
        SequenceForm::Events
    };
    let settings = SourceSettings {
        delimiter: [None, Some(b','), Some(b' '), Some(b'\t')][usize::from(choice >> 1 & 3)],
        ..SourceSettings::default()
    };
    let read = || {
        let mut sequences: Vec<Vec<Vec<String>>> = Vec::new();
        let found = read_sequence_bytes(bytes, &settings, form, &mut |elements| {
            sequences.push(elements.to_vec());
        });
        found.ok().map(|found| (sequences, found.n_baskets))
    };
    let Some((sequences, n)) = read() else {
        return;
    };
    assert_eq!(sequences.len() as u64, n);
    assert!(sequences.iter().flatten().all(|element| !element.is_empty()));
    assert!(read().is_some_and(|(again, _)| again == sequences), "two readings differ");
});
