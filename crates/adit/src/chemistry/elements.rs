//! What is known of the elements.

/// Symbols by atomic number, from 1.
const SYMBOLS: [&str; 118] = [
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl",
    "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As",
    "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In",
    "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb",
    "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl",
    "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm", "Bk",
    "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh",
    "Fl", "Mc", "Lv", "Ts", "Og",
];

/// Standard atomic weights (IUPAC 2021, abridged) of the elements that molecules are made of, `(number, g/mol)`.
const WEIGHTS: [(u8, f64); 36] = [
    (1, 1.008),
    (3, 6.94),
    (5, 10.81),
    (6, 12.011),
    (7, 14.007),
    (8, 15.999),
    (9, 18.998),
    (11, 22.990),
    (12, 24.305),
    (13, 26.982),
    (14, 28.085),
    (15, 30.974),
    (16, 32.06),
    (17, 35.45),
    (19, 39.098),
    (20, 40.078),
    (22, 47.867),
    (23, 50.942),
    (24, 51.996),
    (25, 54.938),
    (26, 55.845),
    (27, 58.933),
    (28, 58.693),
    (29, 63.546),
    (30, 65.38),
    (32, 72.630),
    (33, 74.922),
    (34, 78.971),
    (35, 79.904),
    (47, 107.87),
    (50, 118.71),
    (51, 121.76),
    (53, 126.90),
    (78, 195.08),
    (80, 200.59),
    (82, 207.2),
];

/// The element at the beginning of `text`: number, length of its symbol, and whether it is written as aromatic.
pub(super) fn symbol(text: &[u8]) -> Option<(u8, usize, bool)> {
    let first = *text.first()?;
    if first == b'*' {
        return Some((0, 1, false));
    }
    let number = |symbol: &[u8]| {
        let at = SYMBOLS.iter().position(|s| s.as_bytes() == symbol)?;
        Some(at as u8 + 1)
    };
    for (written, element) in [(&b"se"[..], 34), (b"as", 33), (b"te", 52), (b"si", 14)] {
        if text.starts_with(written) {
            return Some((element, 2, true));
        }
    }
    if first.is_ascii_lowercase() {
        return matches!(first, b'b' | b'c' | b'n' | b'o' | b'p' | b's')
            .then(|| number(&[first.to_ascii_uppercase()]).map(|n| (n, 1, true)))?;
    }
    let two = text.get(..2).filter(|two| two[1].is_ascii_lowercase());
    if let Some(number) = two.and_then(number) {
        return Some((number, 2, false));
    }
    number(&[first]).map(|n| (n, 1, false))
}

/// How an element is written, and whether it can be written without brackets; lower case where it is aromatic.
pub(super) fn written(element: u8, aromatic: bool) -> (String, bool) {
    let symbol = match element {
        0 => "*",
        number => SYMBOLS.get(usize::from(number) - 1).copied().unwrap_or("*"),
    };
    let bare = element == 0 || !valences(element).is_empty();
    if aromatic {
        // Of the halogens no aromatic way of writing is read.
        let lower = matches!(element, 5..=8 | 15 | 16);
        (symbol.to_lowercase(), lower)
    } else {
        (symbol.to_string(), bare)
    }
}

/// Normal valences of the elements that are written without brackets.
pub(super) fn valences(element: u8) -> &'static [u32] {
    match element {
        5 => &[3],
        6 => &[4],
        7 | 15 => &[3, 5],
        8 => &[2],
        16 => &[2, 4, 6],
        9 | 17 | 35 | 53 => &[1],
        _ => &[],
    }
}

/// Weight in g/mol; twice the atomic number where it is not listed.
pub(super) fn weight(element: u8) -> f64 {
    let listed = WEIGHTS.iter().find(|(number, _)| *number == element);
    listed.map_or(2.0 * f64::from(element), |(_, weight)| *weight)
}
