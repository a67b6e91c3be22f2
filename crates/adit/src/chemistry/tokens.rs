//! A SMILES as tokens: atoms, bonds, branches and ring closures.

/// The tokens of a SMILES, in its order: an atom in brackets, a symbol of two letters and a ring closure of two digits
/// are one token, every other character is one.
pub fn tokens(smiles: &str) -> Vec<&str> {
    let mut found = Vec::with_capacity(smiles.len());
    let mut rest = smiles.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            'C' if rest.starts_with("Cl") => 2,
            'B' if rest.starts_with("Br") => 2,
            '%' => rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at),
            other => other.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        found.push(token);
        rest = tail;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_bonds_branches_and_ring_closures_are_tokens() {
        assert_eq!(
            tokens("C[C@@H](Cl)C%12=C(Br)1"),
            [
                "C", "[C@@H]", "(", "Cl", ")", "C", "%12", "=", "C", "(", "Br", ")", "1"
            ]
        );
        assert_eq!(tokens(" [Na+].[Cl-] "), ["[Na+]", ".", "[Cl-]"]);
        // What is broken is cut somehow, and nothing of it is lost.
        for broken in ["[unclosed", "%1", "%", "C%\u{e9}x", "\u{1f600}[", ""] {
            assert_eq!(tokens(broken).concat(), broken);
        }
    }
}
