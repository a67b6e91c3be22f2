//! Circular fingerprints (Rogers and Hahn 2010): how often each neighbourhood of an atom occurs, up to two bonds wide.

use std::collections::{BTreeMap, BTreeSet};

use super::{Molecule, elements};
use adit_nn::random::mix;

/// Neighbourhoods are folded into so many places.
pub const FINGERPRINT_BITS: usize = 1024;
/// Bonds that a neighbourhood reaches.
const RADIUS: usize = 2;

/// `(place, count)` of every place that occurs, sorted.
pub fn fingerprint(molecule: &Molecule) -> Vec<(u16, u16)> {
    let mut counts: BTreeMap<u16, u16> = BTreeMap::new();
    for id in neighbourhoods(molecule) {
        let count = counts
            .entry((id % FINGERPRINT_BITS as u64) as u16)
            .or_default();
        *count = count.saturating_add(1);
    }
    counts.into_iter().collect()
}

/// What an atom is by itself: connections, hydrogens, element, charge, and whether it is in a ring.
pub(super) fn invariant(molecule: &Molecule, atom: usize) -> u64 {
    let a = &molecule.atoms[atom];
    let connections = molecule.neighbours[atom].len() as u64;
    let valence: u32 = molecule.neighbours[atom]
        .iter()
        .map(|(_, bond)| molecule.bonds[*bond as usize].order.halves())
        .sum();
    let parts = [
        connections,
        u64::from(valence),
        u64::from(a.element),
        a.charge as u64,
        u64::from(a.hydrogens),
        (f64::from(a.isotope) - elements::weight(a.element)).round() as i64 as u64
            * u64::from(a.isotope != 0),
        u64::from(molecule.atom_in_ring(atom)),
    ];
    parts.into_iter().fold(7, mix)
}

/// One number a distinct neighbourhood of every atom.
fn neighbourhoods(molecule: &Molecule) -> Vec<u64> {
    let n = molecule.atoms.len();
    let mut ids: Vec<u64> = (0..n).map(|atom| invariant(molecule, atom)).collect();
    let mut found = ids.clone();
    // Bonds that a neighbourhood spans; one that spans the same bonds as another is the same piece.
    let mut spans: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); n];
    let mut seen: BTreeSet<Vec<u32>> = BTreeSet::new();
    for step in 0..RADIUS {
        let mut next_ids = ids.clone();
        let mut next_spans = spans.clone();
        for atom in 0..n {
            let mut around: Vec<(u64, u64)> = molecule.neighbours[atom]
                .iter()
                .map(|&(other, bond)| {
                    let order = molecule.bonds[bond as usize].order.halves();
                    (u64::from(order), ids[other as usize])
                })
                .collect();
            around.sort_unstable();
            let begin = mix(step as u64 + 1, ids[atom]);
            next_ids[atom] = around
                .iter()
                .fold(begin, |id, &(order, other)| mix(mix(id, order), other));
            for &(other, bond) in &molecule.neighbours[atom] {
                next_spans[atom].insert(bond);
                next_spans[atom].extend(&spans[other as usize]);
            }
        }
        // Of neighbourhoods that span the same bonds, the one of least number is kept.
        let mut order: Vec<usize> = (0..n)
            .filter(|&atom| !next_spans[atom].is_empty())
            .collect();
        order.sort_by_key(|&atom| next_ids[atom]);
        for atom in order {
            if seen.insert(next_spans[atom].iter().copied().collect()) {
                found.push(next_ids[atom]);
            }
        }
        (ids, spans) = (next_ids, next_spans);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn of(text: &str) -> Vec<(u16, u16)> {
        fingerprint(&parse(text).unwrap())
    }

    fn tanimoto(a: &str, b: &str) -> f64 {
        let (a, b) = (of(a), of(b));
        let place = |f: &[(u16, u16)]| f.iter().map(|(p, _)| *p).collect::<BTreeSet<u16>>();
        let (a, b) = (place(&a), place(&b));
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    #[test]
    fn the_order_of_writing_does_not_matter_and_other_molecules_differ() {
        assert_eq!(of("CC(=O)Oc1ccccc1C(=O)O"), of("OC(=O)c1ccccc1OC(C)=O"));
        assert_ne!(of("CCO"), of("COC"));
        assert!(tanimoto("CCCCO", "CCCCCO") > tanimoto("CCCCO", "c1ccncc1"));
    }

    #[test]
    fn benzene_has_three_neighbourhoods() {
        // One kind of atom, of one bond's reach, and of two bonds' reach; six atoms each.
        let found = of("c1ccccc1");
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|(_, n)| *n == 6), "{found:?}");
    }
}
