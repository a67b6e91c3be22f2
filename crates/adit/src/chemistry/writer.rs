//! Writes a molecule as one of its many SMILES.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;

use adit_nn::random::mix;

use super::smiles::{free_valence, pairs_used};
use super::{Atom, Molecule, Order, elements};

/// Most rings that are open at once in a SMILES.
const MOST_OPEN: u32 = 99;

/// What is still to be written, the next one last.
enum Item {
    /// An atom and the bond that leads to it.
    Atom(u32, Option<u32>),
    Branch,
    EndOfBranch,
}

/// The molecule from another atom and in another order for every key; without stereo marks. `None` where more than 99
/// rings would be open at once.
///
/// The same molecule (its atoms in the same order) and the same key give the same string.
pub fn write(molecule: &Molecule, key: u64) -> Option<String> {
    let n = molecule.atoms.len();
    let mut starts: Vec<usize> = (0..n).collect();
    starts.sort_by_key(|&atom| (mix(key, atom as u64), atom));
    let mut writer = Writer {
        molecule,
        key,
        used: pairs_used(n, &molecule.bonds),
        tree: Tree::new(n),
        numbers: vec![None; molecule.bonds.len()],
        free: (1..=MOST_OPEN).map(Reverse).collect(),
        text: String::new(),
    };
    for atom in starts {
        if writer.tree.visited[atom] {
            continue;
        }
        if !writer.text.is_empty() {
            writer.text.push('.');
        }
        writer.tree.grow(molecule, atom as u32, key);
        writer.component(atom as u32)?;
    }
    Some(writer.text)
}

/// Which bonds are written between neighbours in the string; the others close rings.
struct Tree {
    visited: Vec<bool>,
    /// `(atom, bond)` below each atom.
    children: Vec<Vec<(u32, u32)>>,
    /// Ring bonds of each atom, those that it opens and those that it closes.
    opens: Vec<Vec<u32>>,
    closes: Vec<Vec<u32>>,
}

struct Writer<'a> {
    molecule: &'a Molecule,
    key: u64,
    /// Pairs of electrons that each atom shares.
    used: Vec<u32>,
    tree: Tree,
    /// Of each ring bond that is open.
    numbers: Vec<Option<u32>>,
    free: BinaryHeap<Reverse<u32>>,
    text: String,
}

impl Tree {
    fn new(n: usize) -> Self {
        Self {
            visited: vec![false; n],
            children: vec![Vec::new(); n],
            opens: vec![Vec::new(); n],
            closes: vec![Vec::new(); n],
        }
    }

    /// Depth first from an atom, without recursion: molecules can be long chains.
    fn grow(&mut self, molecule: &Molecule, start: u32, key: u64) {
        let around = |atom: u32| {
            let mut found = molecule.neighbours[atom as usize].clone();
            found.sort_by_key(|&(other, _)| (mix(mix(key, 1), u64::from(other)), other));
            found
        };
        let mut seen = vec![false; molecule.bonds.len()];
        let mut path = vec![(start, around(start), 0usize)];
        self.visited[start as usize] = true;
        while let Some((atom, neighbours, next)) = path.last_mut() {
            let Some(&(other, bond)) = neighbours.get(*next) else {
                path.pop();
                continue;
            };
            *next += 1;
            if std::mem::replace(&mut seen[bond as usize], true) {
                continue;
            }
            let atom = *atom;
            if self.visited[other as usize] {
                // `other` stands above, so it is written first.
                self.opens[other as usize].push(bond);
                self.closes[atom as usize].push(bond);
            } else {
                self.visited[other as usize] = true;
                self.children[atom as usize].push((other, bond));
                path.push((other, around(other), 0));
            }
        }
    }
}

impl Writer<'_> {
    fn component(&mut self, start: u32) -> Option<()> {
        let mut items = vec![Item::Atom(start, None)];
        while let Some(item) = items.pop() {
            let (atom, bond) = match item {
                Item::Branch => {
                    self.text.push('(');
                    continue;
                }
                Item::EndOfBranch => {
                    self.text.push(')');
                    continue;
                }
                Item::Atom(atom, bond) => (atom as usize, bond),
            };
            if let Some(bond) = bond {
                self.bond(bond);
            }
            self.atom(atom);
            self.rings(atom)?;
            let children = std::mem::take(&mut self.tree.children[atom]);
            if let Some((&(last, bond), branches)) = children.split_last() {
                items.push(Item::Atom(last, Some(bond)));
                for &(child, bond) in branches.iter().rev() {
                    items.push(Item::EndOfBranch);
                    items.push(Item::Atom(child, Some(bond)));
                    items.push(Item::Branch);
                }
            }
        }
        Some(())
    }

    /// Closings before openings, so that a number can be used again at once.
    fn rings(&mut self, atom: usize) -> Option<()> {
        for bond in std::mem::take(&mut self.tree.closes[atom]) {
            let number = self.numbers[bond as usize].take()?;
            self.number(number);
            self.free.push(Reverse(number));
        }
        let mut opens = std::mem::take(&mut self.tree.opens[atom]);
        opens.sort_by_key(|&bond| (mix(mix(self.key, 2), u64::from(bond)), bond));
        for bond in opens {
            let Reverse(number) = self.free.pop()?;
            self.numbers[bond as usize] = Some(number);
            self.bond(bond);
            self.number(number);
        }
        Some(())
    }

    fn number(&mut self, number: u32) {
        let two = if number > 9 { "%" } else { "" };
        let _ = write!(self.text, "{two}{number}");
    }

    fn bond(&mut self, bond: u32) {
        let bond = &self.molecule.bonds[bond as usize];
        let both = bond
            .atoms
            .iter()
            .all(|&atom| self.molecule.atoms[atom as usize].aromatic);
        self.text.push_str(match bond.order {
            Order::Single if both => "-",
            Order::Single => "",
            Order::Aromatic if both => "",
            Order::Aromatic => ":",
            Order::Double => "=",
            Order::Triple => "#",
            Order::Quadruple => "$",
        });
    }

    fn atom(&mut self, at: usize) {
        let atom: &Atom = &self.molecule.atoms[at];
        let (symbol, bare) = elements::written(atom.element, atom.aromatic);
        let usual = free_valence(atom, self.used[at]) == atom.hydrogens;
        if bare && usual && atom.charge == 0 && atom.isotope == 0 {
            self.text.push_str(&symbol);
            return;
        }
        self.text.push('[');
        if atom.isotope > 0 {
            let _ = write!(self.text, "{}", atom.isotope);
        }
        self.text.push_str(&symbol);
        match atom.hydrogens {
            0 => {}
            1 => self.text.push('H'),
            more => {
                let _ = write!(self.text, "H{more}");
            }
        }
        match atom.charge {
            0 => {}
            1 => self.text.push('+'),
            -1 => self.text.push('-'),
            more => {
                let _ = write!(self.text, "{more:+}");
            }
        }
        self.text.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::super::{describe, fingerprint, parse, scaffold_key};
    use super::*;

    const KNOWN: [&str; 16] = [
        "O",
        "CCO",
        "c1ccccc1",
        "c1ccc2ccccc2c1",
        "[nH]1cccc1",
        "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
        "CC(=O)Oc1ccccc1C(=O)O",
        "O=[N+]([O-])c1ccccc1",
        "NS(=O)(=O)c1ccccc1",
        "[Na+].[Cl-]",
        "[2H]O[2H]",
        "c1ccc(-c2ccccc2)cc1",
        "C1CC2CCC1CC2",
        "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
        "C1CC1.C1CC1.N#N",
        "OC(=O)C[NH+](C)[13CH3]",
    ];

    #[test]
    fn every_way_of_writing_is_the_same_molecule() {
        for smiles in KNOWN {
            let molecule = parse(smiles).unwrap();
            let mut ways = std::collections::BTreeSet::new();
            for key in 0..40 {
                let text = write(&molecule, key).unwrap();
                let again = parse(&text).unwrap_or_else(|e| panic!("{smiles} as {text}: {e}"));
                assert_eq!(molecule.atoms.len(), again.atoms.len(), "{text}");
                assert_eq!(fingerprint(&molecule), fingerprint(&again), "{text}");
                assert_eq!(scaffold_key(&molecule), scaffold_key(&again), "{text}");
                let pairs = describe(&molecule).into_iter().zip(describe(&again));
                for (before, after) in pairs {
                    assert!((before - after).abs() < 1e-6, "{smiles} as {text}");
                }
                assert_eq!(write(&molecule, key).unwrap(), text);
                ways.insert(text);
            }
            // Of benzene there is one way only, of water too.
            let few = molecule.atoms.len() < 10;
            assert!(few || ways.len() > 5, "{smiles}: {ways:?}");
        }
    }

    #[test]
    fn long_chains_and_many_rings_are_written_or_refused() {
        let chain = parse(&"C".repeat(19_000)).unwrap();
        let text = write(&chain, 1).unwrap();
        assert_eq!(parse(&text).unwrap().atoms.len(), 19_000);
        // Every atom of one half bonded to all of the other: more rings open than there are numbers.
        let atoms = (0..40u32).map(|_| Atom::default()).collect();
        let pairs = (0..20).flat_map(|a| (20..40).map(move |b| [a, b]));
        let bonds = pairs.map(|atoms| super::super::Bond {
            atoms,
            order: Order::Single,
        });
        assert_eq!(write(&Molecule::new(atoms, bonds.collect()), 1), None);
    }
}
