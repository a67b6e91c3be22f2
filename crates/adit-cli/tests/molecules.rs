//! Molecules in a column: recognised, learned from, split by scaffold, predicted again.

mod tool;

use std::fmt::Write as _;

use tool::{Bench, QUICK};

/// Chains on rings, with what grows with them.
fn molecules() -> String {
    let mut text = String::from("smiles,size\n");
    for ring in [
        "c1ccccc1",
        "C1CCCCC1",
        "c1ccncc1",
        "C1CCNCC1",
        "c1ccc2ccccc2c1",
    ] {
        for tail in ["C", "O", "N", "F", "C(=O)O", "C#N"] {
            for length in 0..4 {
                let chain = "C".repeat(length);
                let size = ring.len() + 3 * length + tail.len();
                let _ = writeln!(text, "{tail}{chain}{ring},{size}.{length}");
            }
        }
    }
    text.replace("C(=O)OC", "OC(=O)C").replace("C#NC", "N#CC")
}

#[test]
fn a_column_of_molecules_is_recognised_and_learned_from() {
    let bench = Bench::new();
    bench.write("data.csv", molecules());
    let mut args = vec!["regress", "data.csv", "--target", "size", "--out", "run"];
    args.extend(QUICK);
    bench.adit(&args).ok();
    let result = tool::result(&bench, "run");
    let columns = result["data"]["columns"].as_array().expect("columns");
    assert!(
        columns
            .iter()
            .any(|c| c["name"] == "smiles" && c["role"] == "molecule"),
        "{columns:?}"
    );
    let of = |model: &str| tool::score(&result, model, "rmse");
    assert!(
        of("linear") < 0.5 * of("mean"),
        "{} {}",
        of("linear"),
        of("mean")
    );
    bench.write("new.csv", "smiles\nCCc1ccccc1\nnot a molecule\n");
    bench
        .adit(&["predict", "run", "new.csv", "-o", "out.csv"])
        .ok();
    let out = std::fs::read_to_string(bench.path("out.csv")).expect("predictions");
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.starts_with("row,predicted,low,high"), "{out}");
}

#[test]
fn molecules_of_one_scaffold_stay_together() {
    let bench = Bench::new();
    bench.write("data.csv", molecules());
    let mut args = vec!["regress", "data.csv", "--target", "size", "--out", "run"];
    args.extend(QUICK);
    args.extend(["--split-by-group", "smiles"]);
    bench.adit(&args).ok();
    let result = tool::result(&bench, "run");
    // A scaffold has 24 molecules.
    assert_eq!(result["data"]["test"], 24);
    assert!(
        result["data"]["split"]
            .as_str()
            .expect("words")
            .contains("smiles")
    );
}
