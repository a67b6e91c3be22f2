//! Any bytes as baskets: an error, or baskets of trimmed items that are the same when read again.
#![no_main]

use adit::source::{SourceSettings, read_basket_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let settings = SourceSettings {
        delimiter: [None, Some(b','), Some(b' '), Some(b'\t')][usize::from(choice & 3)],
        encoding: [None, Some("utf-8"), Some("windows-1252"), Some("utf-16le")]
            [usize::from(choice >> 2 & 3)]
        .map(String::from),
        ..SourceSettings::default()
    };
    let read = || {
        let mut baskets: Vec<Vec<String>> = Vec::new();
        let found = read_basket_bytes(bytes, &settings, &mut |items| {
            baskets.push(items.map(String::from).collect());
        });
        found.ok().map(|found| (baskets, found.n_baskets))
    };
    let Some((baskets, n)) = read() else {
        return;
    };
    assert_eq!(baskets.len() as u64, n);
    assert!(baskets.iter().flatten().all(|item| !item.is_empty() && item.trim() == item));
    assert!(read().is_some_and(|(again, _)| again == baskets), "two readings differ");
});
