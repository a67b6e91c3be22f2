//! What RDKit says of well-known molecules (`tests/reference/molecules.py`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{describe, parse, scaffold_key};

fn recorded() -> Vec<Value> {
    let text = include_str!("../../../../tests/reference/molecules.json");
    serde_json::from_str(text).expect("recorded molecules")
}

#[test]
fn formulas_rings_and_properties_are_those_of_rdkit() {
    for molecule in recorded() {
        let smiles = molecule["smiles"].as_str().expect("a string");
        let read = parse(smiles).unwrap_or_else(|e| panic!("{smiles}: {e}"));
        let p = describe(&read);
        let hydrogens: u32 = read.atoms.iter().map(|a| u32::from(a.hydrogens)).sum();
        for (name, found, slack) in [
            ("heavy", p[0], 0.0),
            ("hydrogens", f64::from(hydrogens), 0.0),
            ("weight", p[1], 0.05),
            ("rings", p[2], 0.0),
            ("aromatic", p[3], 0.0),
            ("rotatable", p[4], 0.0),
            ("donors", p[5], 0.0),
            ("surface", p[11], 0.5),
        ] {
            let expected = molecule[name].as_f64().expect(name);
            assert!(
                (found - expected).abs() <= slack,
                "{smiles}: {name} {found}, RDKit {expected}"
            );
        }
    }
}

#[test]
fn molecules_share_a_scaffold_where_rdkit_says_so() {
    let mut keys: BTreeMap<String, u64> = BTreeMap::new();
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    for molecule in recorded() {
        let smiles = molecule["smiles"].as_str().expect("a string");
        let scaffold = molecule["scaffold"].as_str().expect("a string").to_string();
        let key = scaffold_key(&parse(smiles).expect("a molecule"));
        assert_eq!(
            *keys.entry(scaffold.clone()).or_insert(key),
            key,
            "{smiles}: {scaffold}"
        );
        assert_eq!(
            *names.entry(key).or_insert(scaffold.clone()),
            scaffold,
            "{smiles}"
        );
    }
    assert!(keys.len() > 25);
}
