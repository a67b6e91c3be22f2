//! What is said of the molecules of a table, for `tests/reference/molecules.py` to compare with RDKit.

use adit::chemistry::{describe, parse, scaffold_key};

#[test]
#[ignore = "prints what is said of a table for tests/reference/molecules.py; needs ADIT_MOLECULES"]
fn what_is_said_of_a_table() {
    let table = std::env::var("ADIT_MOLECULES").expect("a file with a molecule a line");
    for line in std::fs::read_to_string(table).expect("the file").lines() {
        let Ok(read) = parse(line) else {
            println!("-");
            continue;
        };
        let p = describe(&read);
        let hydrogens: u32 = read.atoms.iter().map(|a| u32::from(a.hydrogens)).sum();
        let head: Vec<String> = [
            p[0],
            p[1],
            p[2],
            p[3],
            p[4],
            p[5],
            p[6],
            p[11],
            f64::from(hydrogens),
        ]
        .iter()
        .map(f64::to_string)
        .collect();
        println!("{}\t{}\t{}", head.join("\t"), scaffold_key(&read), p[12]);
    }
}
