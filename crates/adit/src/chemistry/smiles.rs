//! Reads SMILES (Weininger 1988; OpenSMILES 1.0) into a graph of atoms and bonds.
//!
//! Stereo marks are read and let go: nothing here asks for them.

use super::Molecule;
use super::elements;

/// Longest string that is read, in bytes.
const LONGEST: usize = 20_000;

/// One atom, hydrogens folded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Atom {
    /// Atomic number; 0 for `*`.
    pub element: u8,
    pub aromatic: bool,
    pub charge: i8,
    /// Hydrogens that are not atoms of their own.
    pub hydrogens: u8,
    /// 0 where it is not given.
    pub isotope: u16,
}

/// One bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    pub atoms: [u32; 2],
    pub order: Order,
}

/// How many pairs of electrons a bond shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Single,
    Double,
    Triple,
    Quadruple,
    Aromatic,
}

impl Order {
    /// In halves, so that aromatic bonds are whole numbers.
    pub fn halves(self) -> u32 {
        match self {
            Order::Single => 2,
            Order::Aromatic => 3,
            Order::Double => 4,
            Order::Triple => 6,
            Order::Quadruple => 8,
        }
    }
}

/// Why a string is no SMILES.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {at}: {reason}")]
pub struct SmilesError {
    /// From 1.
    pub at: usize,
    pub reason: &'static str,
}

/// Reads one SMILES; components stand side by side in one molecule.
///
/// # Errors
/// The place and the reason.
pub fn parse(text: &str) -> Result<Molecule, SmilesError> {
    let text = text.trim();
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        atoms: Vec::new(),
        in_brackets: Vec::new(),
        bonds: Vec::new(),
    };
    if text.is_empty() {
        return Err(reader.error("there is nothing"));
    }
    if text.len() > LONGEST {
        return Err(reader.error("it is too long to be one molecule"));
    }
    reader.read()?;
    reader.add_hydrogens();
    Ok(Molecule::new(reader.atoms, reader.bonds))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    atoms: Vec<Atom>,
    /// Hydrogens of these are as written.
    in_brackets: Vec<bool>,
    bonds: Vec<Bond>,
}

impl Reader<'_> {
    fn error(&self, reason: &'static str) -> SmilesError {
        SmilesError {
            at: self.at + 1,
            reason,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn read(&mut self) -> Result<(), SmilesError> {
        let mut last: Option<u32> = None;
        let mut branches: Vec<u32> = Vec::new();
        let mut order: Option<Order> = None;
        // Open ring closures by their number.
        let mut rings: Vec<Option<(u32, Option<Order>)>> = vec![None; 100];
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => {
                    self.at += 1;
                    branches.push(last.ok_or_else(|| self.error("a branch before any atom"))?);
                }
                b')' => {
                    last = Some(
                        branches
                            .pop()
                            .ok_or_else(|| self.error("a branch ends that was not begun"))?,
                    );
                    self.at += 1;
                    self.no_bond(order)?;
                }
                b'.' => {
                    self.no_bond(order)?;
                    self.at += 1;
                    last = None;
                }
                b'-' | b'=' | b'#' | b'$' | b':' | b'/' | b'\\' => {
                    self.no_bond(order)?;
                    if last.is_none() {
                        return Err(self.error("a bond before any atom"));
                    }
                    order = Some(match byte {
                        b'=' => Order::Double,
                        b'#' => Order::Triple,
                        b'$' => Order::Quadruple,
                        b':' => Order::Aromatic,
                        _ => Order::Single,
                    });
                    self.at += 1;
                }
                b'0'..=b'9' | b'%' => {
                    let atom = last.ok_or_else(|| self.error("a ring closure before any atom"))?;
                    let number = self.ring_number()?;
                    self.close(&mut rings[number], atom, order.take())?;
                }
                _ => {
                    let (atom, in_brackets) = self.atom()?;
                    let index = self.atoms.len() as u32;
                    self.atoms.push(atom);
                    self.in_brackets.push(in_brackets);
                    if let Some(last) = last {
                        self.bond(last, index, order.take());
                    }
                    last = Some(index);
                }
            }
        }
        self.no_bond(order)?;
        if !branches.is_empty() {
            return Err(self.error("a branch does not end"));
        }
        if rings.iter().any(Option::is_some) {
            return Err(self.error("a ring is not closed"));
        }
        if self.atoms.is_empty() {
            return Err(self.error("there is no atom"));
        }
        Ok(())
    }

    fn no_bond(&self, order: Option<Order>) -> Result<(), SmilesError> {
        match order {
            None => Ok(()),
            Some(_) => Err(self.error("a bond leads nowhere")),
        }
    }

    fn ring_number(&mut self) -> Result<usize, SmilesError> {
        let two = self.take(b'%');
        let mut number = 0;
        for _ in 0..if two { 2 } else { 1 } {
            let digit = self.peek().filter(u8::is_ascii_digit);
            let digit =
                digit.ok_or_else(|| self.error("a ring closure needs two digits after `%`"))?;
            number = 10 * number + usize::from(digit - b'0');
            self.at += 1;
        }
        Ok(number)
    }

    fn close(
        &mut self,
        open: &mut Option<(u32, Option<Order>)>,
        atom: u32,
        order: Option<Order>,
    ) -> Result<(), SmilesError> {
        match open.take() {
            None => *open = Some((atom, order)),
            Some((other, before)) => {
                let known =
                    |bond: &Bond| bond.atoms == [other, atom] || bond.atoms == [atom, other];
                if other == atom || self.bonds.iter().any(known) {
                    return Err(self.error("a ring of fewer than three atoms"));
                }
                if let (Some(one), Some(two)) = (before, order)
                    && one != two
                {
                    return Err(self.error("the two ends of a ring closure name different bonds"));
                }
                self.bond(other, atom, before.or(order));
            }
        }
        Ok(())
    }

    /// An unwritten bond is aromatic between aromatic atoms, else single.
    fn bond(&mut self, a: u32, b: u32, order: Option<Order>) {
        let both = self.atoms[a as usize].aromatic && self.atoms[b as usize].aromatic;
        self.bonds.push(Bond {
            atoms: [a, b],
            order: order.unwrap_or(if both { Order::Aromatic } else { Order::Single }),
        });
    }

    fn atom(&mut self) -> Result<(Atom, bool), SmilesError> {
        if self.take(b'[') {
            return Ok((self.bracket_atom()?, true));
        }
        let rest = &self.bytes[self.at..];
        let (element, length, aromatic) = match rest {
            [b'C', b'l', ..] => (17, 2, false),
            [b'B', b'r', ..] => (35, 2, false),
            [b'*', ..] => (0, 1, false),
            [byte, ..] => {
                let upper = byte.to_ascii_uppercase();
                let element = match upper {
                    b'B' => 5,
                    b'C' => 6,
                    b'N' => 7,
                    b'O' => 8,
                    b'P' => 15,
                    b'S' => 16,
                    b'F' if upper == *byte => 9,
                    b'I' if upper == *byte => 53,
                    _ => return Err(self.error("no atom, bond or ring closure begins like this")),
                };
                (element, 1, upper != *byte)
            }
            [] => return Err(self.error("it ends where an atom was expected")),
        };
        self.at += length;
        let atom = Atom {
            element,
            aromatic,
            ..Atom::default()
        };
        Ok((atom, false))
    }

    fn bracket_atom(&mut self) -> Result<Atom, SmilesError> {
        let mut atom = Atom {
            isotope: self.number().unwrap_or(0).min(999) as u16,
            ..Atom::default()
        };
        let rest = &self.bytes[self.at..];
        let (element, length, aromatic) =
            elements::symbol(rest).ok_or_else(|| self.error("no element has this symbol"))?;
        self.at += length;
        (atom.element, atom.aromatic) = (element, aromatic);
        self.chirality();
        if self.take(b'H') {
            atom.hydrogens = self.number().unwrap_or(1).min(20) as u8;
        }
        atom.charge = self.charge();
        if self.take(b':') && self.number().is_none() {
            return Err(self.error("an atom class is a number"));
        }
        if !self.take(b']') {
            return Err(self.error("an atom in brackets does not end"));
        }
        Ok(atom)
    }

    /// `@`, `@@`, `@TH1` and the like.
    fn chirality(&mut self) {
        if !self.take(b'@') || self.take(b'@') {
            return;
        }
        let rest = &self.bytes[self.at..];
        if [b"TH", b"AL", b"SP", b"TB", b"OH"]
            .iter()
            .any(|two| rest.starts_with(*two))
        {
            self.at += 2;
            self.number();
        }
    }

    /// `+`, `--`, `+2`.
    fn charge(&mut self) -> i8 {
        let sign = match self.peek() {
            Some(b'+') => 1i8,
            Some(b'-') => -1,
            _ => return 0,
        };
        let mut size = 0i8;
        while self.peek() == Some(if sign > 0 { b'+' } else { b'-' }) && size < 15 {
            self.at += 1;
            size += 1;
        }
        if size == 1 {
            size = self.number().unwrap_or(1).min(15) as i8;
        }
        sign * size
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        let mut value = 0u32;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value = value
                .saturating_mul(10)
                .saturating_add(u32::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// Atoms outside of brackets get the hydrogens that their normal valence leaves free.
    fn add_hydrogens(&mut self) {
        let used = pairs_used(self.atoms.len(), &self.bonds);
        for (at, atom) in self.atoms.iter_mut().enumerate() {
            if !self.in_brackets[at] {
                atom.hydrogens = free_valence(atom, used[at]);
            }
        }
    }
}

/// Pairs of electrons that each atom shares with others, an aromatic bond counted as one.
pub(super) fn pairs_used(n_atoms: usize, bonds: &[Bond]) -> Vec<u32> {
    let mut used = vec![0u32; n_atoms];
    for bond in bonds {
        let pairs = match bond.order {
            Order::Aromatic => 1,
            other => other.halves() / 2,
        };
        bond.atoms
            .iter()
            .for_each(|&atom| used[atom as usize] += pairs);
    }
    used
}

/// Hydrogens of an atom that is written without brackets.
pub(super) fn free_valence(atom: &Atom, used: u32) -> u8 {
    let valences = elements::valences(atom.element);
    let free = if atom.aromatic {
        // One more electron goes to the ring; where there is none to spare, a pair does, as in furan.
        valences
            .first()
            .map(|valence| valence.saturating_sub(used + 1))
    } else {
        let valence = valences.iter().find(|v| **v >= used);
        valence.map(|valence| valence - used)
    };
    free.unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hydrogens(text: &str) -> u32 {
        parse(text)
            .unwrap()
            .atoms
            .iter()
            .map(|a| u32::from(a.hydrogens))
            .sum()
    }

    #[test]
    fn formulas_of_well_known_molecules() {
        // Name, SMILES, heavy atoms, hydrogens.
        for (name, smiles, heavy, h) in [
            ("water", "O", 1, 2),
            ("ethanol", "CCO", 3, 6),
            ("benzene", "c1ccccc1", 6, 6),
            ("naphthalene", "c1ccc2ccccc2c1", 10, 8),
            ("pyridine", "n1ccccc1", 6, 5),
            ("pyrrole", "[nH]1cccc1", 5, 5),
            ("furan", "o1cccc1", 5, 4),
            ("caffeine", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", 14, 10),
            ("caffeine, aromatic", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", 14, 10),
            ("aspirin", "CC(=O)Oc1ccccc1C(=O)O", 13, 8),
            ("nitrobenzene", "O=[N+]([O-])c1ccccc1", 9, 5),
            ("sulfonamide", "NS(=O)(=O)c1ccccc1", 10, 7),
            ("salt", "[Na+].[Cl-]", 2, 0),
            ("alanine", "C[C@@H](N)C(=O)O", 6, 7),
            ("two digits", "C%12CCCCC%12", 6, 12),
            ("bromine", "BrCCCl", 4, 4),
            ("deuterium", "[2H]O[2H]", 3, 0),
        ] {
            let molecule = parse(smiles).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(
                (molecule.atoms.len(), hydrogens(smiles)),
                (heavy, h),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_molecule_is_refused_with_the_place() {
        for (text, at) in [
            ("", 1),
            ("CC(", 4),
            ("CC)", 3),
            ("C1CC", 5),
            ("C=", 3),
            ("=C", 1),
            ("C==C", 3),
            ("hello", 1),
            ("[Xx]", 2),
            ("[C", 3),
            ("C11", 4),
            ("C%1C", 4),
            ("C C", 2),
            ("(C)", 2),
            ("1CC1", 1),
            ("C=1CC-1", 8),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
        }
        assert!(parse(&"C".repeat(30_000)).is_err());
        assert!(parse(&"C(".repeat(9_000)).is_err());
        assert_eq!(parse(&"C".repeat(19_999)).unwrap().atoms.len(), 19_999);
    }

    #[test]
    fn random_strings_never_panic() {
        let alphabet = b"CNOcnos[]()=#123%+-@H.:/\\BrClFI*2";
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = adit_nn::random::mix(state, 3);
            let text: String = (0..state % 24)
                .map(|i| {
                    alphabet[(adit_nn::random::mix(state, i) % alphabet.len() as u64) as usize]
                        as char
                })
                .collect();
            if let Ok(molecule) = parse(&text) {
                assert!(!molecule.atoms.is_empty());
                super::super::describe(&molecule);
                super::super::fingerprint(&molecule);
                super::super::scaffold_key(&molecule);
            }
        }
    }
}
