//! Finds aromatic rings that were written with alternating bonds, so that both ways of writing mean one molecule.
//!
//! Rings of five and six atoms by Hückel's rule, electrons counted atom by atom: one of a double bond within the rings,
//! none of a carbon doubly bonded to oxygen, nitrogen or sulphur outside, two of a nitrogen, oxygen or sulphur without
//! double bonds. Larger rings and rarer elements stay as they were written.

use super::smiles::{Atom, Bond, Order};

/// Most atoms of a ring that is looked at.
const MOST: usize = 6;

/// Marks the atoms and bonds of aromatic rings.
pub(super) fn perceive(
    atoms: &mut [Atom],
    bonds: &mut [Bond],
    neighbours: &[Vec<(u32, u32)>],
    in_ring: &[bool],
) {
    let rings = small_rings(bonds, neighbours, in_ring);
    let is_aromatic = |ring: &Vec<(usize, usize)>, atoms: &[Atom], bonds: &[Bond]| {
        let electrons: Option<usize> = ring
            .iter()
            .map(|&(atom, _)| electrons(atom, atoms, bonds, neighbours, in_ring))
            .sum();
        electrons.is_some_and(|n| n % 4 == 2)
    };
    let found: Vec<bool> = rings
        .iter()
        .map(|ring| is_aromatic(ring, atoms, bonds))
        .collect();
    for (ring, _) in rings.iter().zip(found).filter(|(_, found)| *found) {
        for &(atom, bond) in ring {
            atoms[atom].aromatic = true;
            bonds[bond].order = Order::Aromatic;
        }
    }
}

/// What an atom gives to a ring; `None` where it breaks the ring's conjugation.
fn electrons(
    atom: usize,
    atoms: &[Atom],
    bonds: &[Bond],
    neighbours: &[Vec<(u32, u32)>],
    in_ring: &[bool],
) -> Option<usize> {
    let own = &atoms[atom];
    let mut doubles = 0;
    let mut outside = None;
    for &(other, bond) in &neighbours[atom] {
        match bonds[bond as usize].order {
            Order::Aromatic => return aromatic_electrons(own),
            Order::Double if in_ring[bond as usize] => doubles += 1,
            Order::Double => outside = Some(atoms[other as usize].element),
            Order::Triple | Order::Quadruple => return None,
            Order::Single => {}
        }
    }
    match (own.element, doubles, outside) {
        (6 | 7 | 15, 1, None) => Some(1),
        // The electrons of this bond belong to the other atom.
        (6, 0, Some(7 | 8 | 16)) => Some(0),
        (7 | 8 | 16 | 34, 0, None) if own.charge <= 0 => Some(2),
        (6, 0, None) if own.charge == -1 => Some(2),
        _ => None,
    }
}

/// Of an atom that is written as aromatic already.
fn aromatic_electrons(atom: &Atom) -> Option<usize> {
    match atom.element {
        8 | 16 | 34 => Some(2),
        7 if atom.hydrogens > 0 => Some(2),
        _ => Some(1),
    }
}

/// The smallest ring through each ring bond, of at most six atoms, each once: `(atom, bond to the next)`.
fn small_rings(
    bonds: &[Bond],
    neighbours: &[Vec<(u32, u32)>],
    in_ring: &[bool],
) -> Vec<Vec<(usize, usize)>> {
    let mut rings: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut seen: Vec<Vec<usize>> = Vec::new();
    for (at, bond) in bonds.iter().enumerate().filter(|(at, _)| in_ring[*at]) {
        for ring in shortest_around(at, bond, neighbours, in_ring) {
            let mut key: Vec<usize> = ring.iter().map(|(_, bond)| *bond).collect();
            key.sort_unstable();
            if ring.len() >= 5 && !seen.contains(&key) {
                seen.push(key);
                rings.push(ring);
            }
        }
    }
    rings
}

/// All shortest ways around from one end of a bond to the other.
fn shortest_around(
    at: usize,
    bond: &Bond,
    neighbours: &[Vec<(u32, u32)>],
    in_ring: &[bool],
) -> Vec<Vec<(usize, usize)>> {
    let [from, to] = bond.atoms.map(|atom| atom as usize);
    // Paths as (atom, bond that leads on); each begins with the bond itself.
    let mut paths: Vec<(Vec<(usize, usize)>, usize)> = vec![(vec![(to, at)], from)];
    for _ in 1..MOST {
        let mut next = Vec::new();
        let mut done = Vec::new();
        for (path, last) in paths {
            for &(other, step) in &neighbours[last] {
                let (other, step) = (other as usize, step as usize);
                if step == at || !in_ring[step] || path.iter().any(|(_, b)| *b == step) {
                    continue;
                }
                let mut longer = path.clone();
                longer.push((last, step));
                if other == to {
                    done.push(longer);
                } else if !longer.iter().any(|(atom, _)| *atom == other) {
                    next.push((longer, other));
                }
            }
        }
        if !done.is_empty() {
            return done;
        }
        paths = next;
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::{fingerprint, parse, scaffold_key};

    #[test]
    fn both_ways_of_writing_are_one_molecule() {
        for (kekule, aromatic) in [
            ("C1=CC=CC=C1", "c1ccccc1"),
            ("C1=CC=C2C=CC=CC2=C1", "c1ccc2ccccc2c1"),
            ("C1=CC=NC=C1", "c1ccncc1"),
            ("C1=CNC=C1", "c1cc[nH]c1"),
            ("C1=COC=C1", "c1ccoc1"),
            ("CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"),
            ("O=C1C=CC=CN1", "O=c1cccc[nH]1"),
        ] {
            let (a, b) = (parse(kekule).unwrap(), parse(aromatic).unwrap());
            let count = |m: &super::super::Molecule| m.atoms.iter().filter(|a| a.aromatic).count();
            assert_eq!(count(&a), count(&b), "{kekule}");
            assert_eq!(fingerprint(&a), fingerprint(&b), "{kekule}");
            assert_eq!(scaffold_key(&a), scaffold_key(&b), "{kekule}");
        }
        for not in [
            "C1=CC=CC=CC=C1",
            "C1CCC=CC1",
            "C1=CCC=C1",
            "O=C1C=CC(=O)C=C1",
        ] {
            assert!(
                parse(not).unwrap().atoms.iter().all(|a| !a.aromatic),
                "{not}"
            );
        }
    }
}
