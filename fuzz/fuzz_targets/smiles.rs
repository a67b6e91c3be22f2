//! Any text is a molecule or an error with a place in it; what is read can be described.
#![no_main]

use adit::chemistry::{describe, fingerprint, parse, scaffold_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(molecule) => {
            assert!(!molecule.atoms.is_empty());
            assert!(describe(&molecule).iter().all(|p| p.is_finite()));
            fingerprint(&molecule);
            scaffold_key(&molecule);
        }
        Err(error) => assert!(error.at >= 1 && error.at <= text.len() + 1),
    }
});
