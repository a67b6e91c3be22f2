//! A few well-known properties of molecules.

use super::{Molecule, Order, elements, rings};

/// How many there are.
pub const N_PROPERTIES: usize = 14;
/// What they are called, in their order.
pub const PROPERTY_NAMES: [&str; N_PROPERTIES] = [
    "heavy atoms",
    "weight",
    "rings",
    "aromatic atoms",
    "rotatable bonds",
    "H donors",
    "H acceptors",
    "charge",
    "sp3 share of carbon",
    "halogens",
    "heteroatoms",
    "polar surface",
    "log P, estimated",
    "refractivity, estimated",
];

/// All properties: counts; weight in g/mol; the topological polar surface in square ångström from the contributions of
/// nitrogen and oxygen (Ertl, Rohde and Selzer 2000, the frequent kinds); log P and molar refractivity as sums over
/// coarse atom kinds, in the manner of Wildman and Crippen 1999.
pub fn describe(molecule: &Molecule) -> [f64; N_PROPERTIES] {
    let mut p = [0.0; N_PROPERTIES];
    let (mut carbons, mut saturated) = (0.0, 0.0);
    for (at, atom) in molecule.atoms.iter().enumerate() {
        let h = f64::from(atom.hydrogens);
        let is_heavy = atom.element != 1;
        p[0] += f64::from(u8::from(is_heavy));
        p[1] += elements::weight(atom.element) + h * elements::weight(1);
        p[3] += f64::from(u8::from(atom.aromatic));
        p[7] += f64::from(atom.charge);
        let polar = matches!(atom.element, 7 | 8);
        p[5] += f64::from(u8::from(polar && atom.hydrogens > 0));
        p[6] += f64::from(u8::from(polar && accepts(molecule, at)));
        p[9] += f64::from(u8::from(matches!(atom.element, 9 | 17 | 35 | 53)));
        p[10] += f64::from(u8::from(!matches!(atom.element, 1 | 6)));
        p[11] += surface(molecule, at);
        let [log_p, refractivity] = contribution(molecule, at);
        p[12] += log_p;
        p[13] += refractivity;
        if atom.element == 6 {
            carbons += 1.0;
            saturated += f64::from(u8::from(is_saturated(molecule, at)));
        }
    }
    p[2] = rings::count(&molecule.neighbours, molecule.bonds.len()) as f64;
    p[4] = (0..molecule.bonds.len())
        .filter(|&bond| rotates(molecule, bond))
        .count() as f64;
    p[8] = if carbons > 0.0 {
        saturated / carbons
    } else {
        0.0
    };
    p
}

fn orders(molecule: &Molecule, atom: usize) -> impl Iterator<Item = (usize, Order)> + '_ {
    let of = |&(other, bond): &(u32, u32)| (other as usize, molecule.bonds[bond as usize].order);
    molecule.neighbours[atom].iter().map(of)
}

fn is_saturated(molecule: &Molecule, atom: usize) -> bool {
    !molecule.atoms[atom].aromatic
        && orders(molecule, atom).all(|(_, order)| order == Order::Single)
}

/// Oxygen and nitrogen with a free pair: not positive, not pyrrole's, not an amide's.
fn accepts(molecule: &Molecule, at: usize) -> bool {
    let atom = &molecule.atoms[at];
    if atom.charge > 0 || (atom.element == 7 && atom.aromatic && atom.hydrogens > 0) {
        return false;
    }
    let beside_double = |(other, order): (usize, Order)| {
        order == Order::Single
            && orders(molecule, other)
                .any(|(third, o)| o == Order::Double && molecule.atoms[third].element == 8)
    };
    !(atom.element == 7 && !atom.aromatic && orders(molecule, at).any(beside_double))
}

/// A single bond outside of rings between atoms that go on; not that of an ester, an amide and their like, nor one to
/// a group that looks the same however it is turned (trifluoromethyl, tert-butyl).
fn rotates(molecule: &Molecule, bond: usize) -> bool {
    if molecule.bonds[bond].order != Order::Single || molecule.in_ring[bond] {
        return false;
    }
    let [a, b] = molecule.bonds[bond].atoms.map(|atom| atom as usize);
    let element = |atom: usize| molecule.atoms[atom].element;
    let heavy = |atom: usize| {
        orders(molecule, atom)
            .filter(|(other, _)| element(*other) != 1)
            .count()
    };
    let is_even = |atom: usize| {
        let ends = orders(molecule, atom).filter(|(other, _)| heavy(*other) == 1);
        let ends: Vec<u8> = ends.map(|(other, _)| element(other)).collect();
        ends.len() == 3 && ends.iter().all(|e| *e == ends[0]) && matches!(ends[0], 6 | 9 | 17 | 35)
    };
    let goes_on = |atom: usize| {
        let triple = orders(molecule, atom).any(|(_, o)| o == Order::Triple);
        heavy(atom) > 1 && !triple && !is_even(atom)
    };
    let is_acyl = |atom: usize| {
        let doubled =
            |(other, o): (usize, Order)| o == Order::Double && matches!(element(other), 7 | 8 | 16);
        element(atom) == 6 && heavy(atom) == 3 && orders(molecule, atom).any(doubled)
    };
    let stiff = |a: usize, b: usize| matches!(element(a), 7 | 8 | 16) && is_acyl(b);
    goes_on(a) && goes_on(b) && !stiff(a, b) && !stiff(b, a)
}

/// Polar surface of a nitrogen or oxygen by its bonds and hydrogens.
fn surface(molecule: &Molecule, at: usize) -> f64 {
    let atom = &molecule.atoms[at];
    let (mut single, mut double, mut triple, mut aromatic) = (0, 0, 0, 0);
    for (_, order) in orders(molecule, at) {
        match order {
            Order::Single => single += 1,
            Order::Double => double += 1,
            Order::Aromatic => aromatic += 1,
            _ => triple += 1,
        }
    }
    match (
        atom.element,
        atom.charge,
        atom.hydrogens,
        single,
        double,
        triple,
        aromatic,
    ) {
        (7, 0, 0, 3, 0, 0, 0) => 3.24,
        (7, 0, 0, 1, 1, 0, 0) => 12.36,
        (7, 0, 0, 0, 0, 1, 0) => 23.79,
        (7, 0, 1, 2, 0, 0, 0) => 12.03,
        (7, 0, 1, 0, 1, 0, 0) => 23.85,
        (7, 0, 2, 1, 0, 0, 0) => 26.02,
        (7, 1, 0, 2, 1, 0, 0) => 3.01,
        (7, 1, 0, 1, 2, 0, 0) | (7, 1, 0, 4, 0, 0, 0) => 0.0,
        (7, 1, 1, 3, 0, 0, 0) => 4.44,
        (7, 1, 2, 2, 0, 0, 0) => 16.61,
        (7, 1, 3, 1, 0, 0, 0) => 27.64,
        (7, 0, 0, 0, 0, 0, 2) => 12.89,
        (7, 0, 0, 0, 0, 0, 3) => 4.41,
        (7, 0, 0, 1, 0, 0, 2) => 4.93,
        (7, 0, 1, 0, 0, 0, 2) => 15.79,
        (7, 1, 0, 1, 0, 0, 2) => 3.88,
        (7, ..) => 10.0,
        (8, 0, 0, 2, 0, 0, 0) => 9.23,
        (8, 0, 0, 0, 1, 0, 0) => 17.07,
        (8, 0, 1, 1, 0, 0, 0) => 20.23,
        (8, -1, 0, 1, 0, 0, 0) => 23.06,
        (8, 0, 0, 0, 0, 0, 2) => 13.14,
        (8, ..) => 15.0,
        _ => 0.0,
    }
}

/// Share of log P and of molar refractivity of an atom with its hydrogens, by coarse kind.
fn contribution(molecule: &Molecule, at: usize) -> [f64; 2] {
    let atom = &molecule.atoms[at];
    let h = f64::from(atom.hydrogens);
    let beside_hetero =
        orders(molecule, at).any(|(other, _)| !matches!(molecule.atoms[other].element, 1 | 6));
    let doubled =
        orders(molecule, at).any(|(_, order)| matches!(order, Order::Double | Order::Triple));
    let on_polar = matches!(atom.element, 7 | 8 | 16);
    let hydrogen = if on_polar {
        [-0.27, 1.06]
    } else {
        [0.123, 1.057]
    };
    let own = match (atom.element, atom.aromatic) {
        (6, true) if beside_hetero => [0.14, 3.35],
        (6, true) => [0.21, 3.5],
        (6, false) if doubled && beside_hetero => [-0.28, 5.0],
        (6, false) if doubled => [0.15, 3.5],
        (6, false) if beside_hetero => [-0.2, 2.75],
        (6, false) => [0.14, 2.5],
        (7, true) => [-0.32, 2.2],
        (7, false) if atom.charge != 0 => [-1.0, 2.1],
        (7, false) => [-0.8, 2.4],
        (8, true) => [0.16, 1.1],
        (8, false) if atom.charge != 0 => [-1.2, 1.2],
        (8, false) if doubled => [-0.15, 0.8],
        (8, false) => [-0.1, 1.1],
        (9, _) => [0.41, 1.1],
        (17, _) => [0.69, 5.85],
        (35, _) => [0.88, 8.9],
        (53, _) => [1.0, 14.0],
        (16, _) => [0.64, 7.4],
        (15, _) => [0.86, 6.9],
        _ => [-0.3, 5.7],
    };
    [own[0] + h * hydrogen[0], own[1] + h * hydrogen[1]]
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn aspirin_and_caffeine_are_described_as_in_the_books() {
        // Heavy atoms, weight, rings, aromatic atoms, rotatable bonds, donors, and the polar surface.
        for (smiles, expected) in [
            (
                "CC(=O)Oc1ccccc1C(=O)O",
                [13.0, 180.16, 1.0, 6.0, 2.0, 1.0, 63.6],
            ),
            (
                "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
                [14.0, 194.19, 2.0, 9.0, 0.0, 0.0, 61.82],
            ),
            (
                "CC(=O)Nc1ccc(O)cc1",
                [11.0, 151.17, 1.0, 6.0, 1.0, 2.0, 49.33],
            ),
        ] {
            let p = describe(&parse(smiles).unwrap());
            let found = [p[0], p[1], p[2], p[3], p[4], p[5], p[11]];
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() < 0.03, "{smiles}: {found:?}");
            }
        }
    }
}
