//! Molecules: what SMILES say, as numbers.
//!
//! Enters: a SMILES. Leaves: a graph of atoms and bonds, a few well-known properties, a circular fingerprint, the key
//! of its scaffold, and other SMILES of the same molecule. A floor: it knows no room. Not here: stereo, three dimensions, anything learned.

mod aromatic;
mod elements;
mod fingerprint;
mod properties;
#[cfg(test)]
mod reference;
mod rings;
mod scaffold;
mod smiles;
mod tokens;
mod writer;

pub use fingerprint::{FINGERPRINT_BITS, fingerprint};
pub use properties::{N_PROPERTIES, PROPERTY_NAMES, describe};
pub use scaffold::scaffold_key;
pub use smiles::{Atom, Bond, Order, SmilesError, parse};
pub use tokens::tokens;
pub use writer::write;

/// Distinct values of a column that must read as molecules.
const READABLE: f64 = 0.9;

/// A graph of atoms and bonds.
#[derive(Clone, Debug, PartialEq)]
pub struct Molecule {
    pub atoms: Vec<Atom>,
    pub bonds: Vec<Bond>,
    /// Of each atom: `(neighbour, bond)`.
    neighbours: Vec<Vec<(u32, u32)>>,
    /// Of each bond, whether it is part of a ring.
    in_ring: Vec<bool>,
}

impl Molecule {
    fn new(mut atoms: Vec<Atom>, mut bonds: Vec<Bond>) -> Molecule {
        let mut neighbours = vec![Vec::new(); atoms.len()];
        for (at, bond) in bonds.iter().enumerate() {
            let [a, b] = bond.atoms;
            neighbours[a as usize].push((b, at as u32));
            neighbours[b as usize].push((a, at as u32));
        }
        let in_ring = rings::ring_bonds(&neighbours, bonds.len());
        aromatic::perceive(&mut atoms, &mut bonds, &neighbours, &in_ring);
        Molecule {
            atoms,
            bonds,
            neighbours,
            in_ring,
        }
    }

    /// Whether an atom is part of a ring.
    fn atom_in_ring(&self, atom: usize) -> bool {
        self.neighbours[atom]
            .iter()
            .any(|(_, bond)| self.in_ring[*bond as usize])
    }
}

/// Whether strings, some of a column's distinct values, look like molecules: nearly all can be read, and they have what
/// words do not: rings, branches or double bonds in many of them, and more than a few atoms.
pub fn are_molecules<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let (mut n, mut read, mut marked, mut atoms) = (0usize, 0usize, 0usize, 0usize);
    for value in values {
        n += 1;
        let Ok(molecule) = parse(value) else { continue };
        read += 1;
        atoms += molecule.atoms.len();
        let is_mark = |c: char| matches!(c, '(' | '=' | '#' | '[' | '1'..='9');
        marked += usize::from(value.contains(is_mark));
    }
    n >= 5 && read as f64 >= READABLE * n as f64 && marked * 2 > n && atoms >= 5 * read
}
