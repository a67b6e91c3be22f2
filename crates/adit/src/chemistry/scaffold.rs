//! The scaffold of a molecule: its rings and what links them (Bemis and Murcko 1996).

use super::{Molecule, Order};
use adit_nn::random::mix;

/// A number that molecules of one scaffold share; 0 for molecules without rings, which are one group.
///
/// Side chains are cut off leaf by leaf; atoms that are doubly bonded to what is left stay. What is left is hashed by
/// refining the kinds of its atoms until their number no longer grows, so that two scaffolds of one key are the same
/// but for rare look-alikes that no refinement tells apart.
pub fn scaffold_key(molecule: &Molecule) -> u64 {
    let n = molecule.atoms.len();
    let mut kept = vec![true; n];
    let degree = |atom: usize, kept: &[bool]| {
        molecule.neighbours[atom]
            .iter()
            .filter(|(other, _)| kept[*other as usize])
            .count()
    };
    let mut open: Vec<usize> = (0..n).collect();
    while let Some(atom) = open.pop() {
        if !kept[atom] || degree(atom, &kept) > 1 {
            continue;
        }
        kept[atom] = false;
        let around = molecule.neighbours[atom]
            .iter()
            .map(|(other, _)| *other as usize);
        open.extend(around.filter(|&other| kept[other]));
    }
    if kept.iter().all(|k| !k) {
        return 0;
    }
    let core = kept.clone();
    for bond in &molecule.bonds {
        let [a, b] = bond.atoms.map(|atom| atom as usize);
        if bond.order == Order::Double && core[a] != core[b] {
            (kept[a], kept[b]) = (true, true);
        }
    }
    key_of(molecule, &kept)
}

/// A hash of the part of the molecule that is kept, whatever the order of its atoms.
fn key_of(molecule: &Molecule, kept: &[bool]) -> u64 {
    let atoms: Vec<usize> = (0..kept.len()).filter(|&atom| kept[atom]).collect();
    let own = |atom: usize| {
        let a = &molecule.atoms[atom];
        [u64::from(a.element), u64::from(a.aromatic), a.charge as u64]
            .into_iter()
            .fold(3, mix)
    };
    let mut ids: Vec<u64> = (0..kept.len())
        .map(|atom| if kept[atom] { own(atom) } else { 0 })
        .collect();
    let mut kinds = 0;
    // Each round reaches one bond further; kinds can grow as often as there are atoms.
    for _ in 0..atoms.len().max(8) {
        let mut next = ids.clone();
        for &atom in &atoms {
            let mut around: Vec<(u64, u64)> = molecule.neighbours[atom]
                .iter()
                .filter(|(other, _)| kept[*other as usize])
                .map(|&(other, bond)| {
                    (
                        u64::from(molecule.bonds[bond as usize].order.halves()),
                        ids[other as usize],
                    )
                })
                .collect();
            around.sort_unstable();
            next[atom] = around
                .iter()
                .fold(mix(11, ids[atom]), |id, &(order, other)| {
                    mix(mix(id, order), other)
                });
        }
        ids = next;
        let mut distinct: Vec<u64> = atoms.iter().map(|&atom| ids[atom]).collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() == kinds && kinds > 0 {
            break;
        }
        kinds = distinct.len();
    }
    let mut all: Vec<u64> = atoms.iter().map(|&atom| ids[atom]).collect();
    all.sort_unstable();
    // 0 stands for no rings.
    all.into_iter().fold(mix(5, atoms.len() as u64), mix).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn key(text: &str) -> u64 {
        scaffold_key(&parse(text).unwrap())
    }

    #[test]
    fn side_chains_do_not_matter_and_linkers_do() {
        let aspirin = key("CC(=O)Oc1ccccc1C(=O)O");
        assert_eq!(aspirin, key("c1ccccc1"));
        assert_eq!(aspirin, key("CCCCc1ccc(O)cc1"));
        assert_ne!(aspirin, key("c1ccncc1"));
        assert_ne!(key("c1ccccc1c1ccccc1"), key("c1ccccc1Cc1ccccc1"));
        assert_ne!(key("O=C1CCCCC1"), key("C1CCCCC1"));
        assert_eq!(key("CCCO"), 0);
        assert_eq!(key("c1ccccc1CCc1ccncc1"), key("Cc1cc(CCc2ccccc2F)ccn1"));
    }
}
