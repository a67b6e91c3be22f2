//! Counts of sets in published data, beside those that PyFIM and the data's own notes have.

use std::path::{Path, PathBuf};

use adit::Silent;
use adit::mine::itemsets::{ItemsetSettings, Kind};
use adit::mine::sequences::SequenceSettings;
use adit::represent::sequences::{Sequences, SequencesBuilder};
use adit::represent::transactions::{Transactions, TransactionsBuilder};
use adit::source::{SequenceForm, SourceSettings, looks_like_spmf, read_baskets, read_sequences};

fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("ADIT_DATA").map_or_else(beside, PathBuf::from);
    if root.join("rules_groceries").is_dir() {
        return Some(root);
    }
    eprintln!(
        "passed over: {} holds no baskets; set ADIT_DATA",
        root.display()
    );
    None
}

fn read(path: &Path) -> Transactions {
    let settings = SourceSettings {
        inputs: vec![path.to_string_lossy().into_owned()],
        ..SourceSettings::default()
    };
    let spool = tempfile::tempdir().expect("a folder");
    let mut builder = TransactionsBuilder::default();
    read_baskets(&settings, spool.path(), &Silent, &mut |items| {
        builder.push(items)
    })
    .expect("baskets");
    builder.finish()
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    count: u32,
    itemsets: Vec<u64>,
    closed: Vec<u64>,
    maximal: Vec<u64>,
}

#[test]
fn as_many_sets_of_every_size_as_pyfim_finds() {
    let Some(root) = data() else { return };
    let recorded = include_str!("../../../tests/reference/itemsets.json");
    let cases: Vec<Case> = serde_json::from_str(recorded).expect("JSON");
    for case in cases {
        let baskets = read(&root.join(&case.file));
        for (kind, sizes) in [
            (Kind::Frequent, &case.itemsets),
            (Kind::Closed, &case.closed),
            (Kind::Maximal, &case.maximal),
        ] {
            let settings = ItemsetSettings {
                kind,
                ..ItemsetSettings::frequent(case.count)
            };
            let found = settings.mine(&baskets, &|_, _| true).expect("sets");
            assert_eq!(&found.by_size(), sizes, "{} {kind:?}", case.file);
        }
    }
}

#[test]
fn as_many_sets_as_the_notes_beside_the_data_say() {
    let Some(root) = data() else { return };
    let mut looked_at = 0;
    for (name, file) in [
        ("rules_groceries", "transactions.csv"),
        ("rules_retail_belgium", "transactions.dat.gz"),
        ("rules_t10i4d100k", "transactions.dat.gz"),
        ("rules_chess", "transactions.dat.gz"),
    ] {
        let notes = notes(&root, name);
        let baskets = read(&root.join(name).join(file));
        assert_eq!(notes["rows"].as_u64(), Some(baskets.len() as u64));
        for (key, said) in notes.as_object().expect("an object") {
            let Some(support) = key.strip_prefix("minsup_") else {
                continue;
            };
            let support: f64 = support.parse().expect("a support");
            let count = (support * baskets.len() as f64 - 1e-9).ceil() as u32;
            let found = ItemsetSettings::frequent(count)
                .mine(&baskets, &|_, _| true)
                .expect("sets");
            assert_eq!(
                said["frequent_itemsets"].as_u64(),
                Some(found.len() as u64),
                "{name} {key}"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at >= 10, "{looked_at}");
}

fn sequences(path: &Path) -> Sequences {
    let settings = SourceSettings {
        inputs: vec![path.to_string_lossy().into_owned()],
        ..SourceSettings::default()
    };
    let spool = tempfile::tempdir().expect("a folder");
    let form = if looks_like_spmf(&settings, spool.path()).expect("a file") {
        SequenceForm::Spmf
    } else {
        SequenceForm::Events
    };
    let mut builder = SequencesBuilder::default();
    read_sequences(&settings, form, spool.path(), &Silent, &mut |elements| {
        for element in elements {
            builder.element(element.iter().map(String::as_str));
        }
        builder.end();
    })
    .expect("sequences");
    builder.finish()
}

/// What the notes beside the data say was measured.
fn notes(root: &Path, name: &str) -> serde_json::Value {
    let notes = std::fs::read_to_string(root.join(name).join("README.md")).expect("notes");
    let block = notes
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    serde_json::from_str(block.expect("JSON")).expect("JSON")
}

#[test]
fn as_many_sequential_patterns_as_the_notes_beside_the_data_say() {
    let Some(root) = data() else { return };
    let mut looked_at = 0;
    for (name, file) in [
        ("seq_sign", "sequences.txt"),
        ("seq_bms_webview1", "sequences.txt.gz"),
        ("rules_kosarak25k", "transactions.dat.gz"),
    ] {
        let sequences = sequences(&root.join(name).join(file));
        let notes = notes(&root, name);
        assert_eq!(notes["sequences"].as_u64(), Some(sequences.len() as u64));
        for (_, said) in notes.as_object().expect("an object") {
            let (Some(count), Some(n)) = (
                said["min_count"].as_u64(),
                said["frequent_sequences"].as_u64(),
            ) else {
                continue;
            };
            let found = SequenceSettings::frequent(count as u32)
                .mine(&sequences, None, &|_, _| true)
                .expect("patterns");
            assert_eq!(found.patterns.len() as u64, n, "{name} {count}");
            looked_at += 1;
        }
    }
    assert_eq!(looked_at, 6);
}
