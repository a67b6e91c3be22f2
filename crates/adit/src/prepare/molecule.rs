//! Columns of molecules: properties and fingerprints of every cell.

use rayon::prelude::*;

use crate::chemistry::{self, Molecule, N_PROPERTIES};

/// A column of molecules from its cells.
#[cfg(test)]
pub fn molecule_column(name: &str, cells: &[Option<String>]) -> super::MoleculeColumn {
    let molecules = read(cells);
    super::MoleculeColumn {
        name: name.to_string(),
        fingerprints: fingerprints(&molecules),
        molecules,
    }
}

/// The molecule of each cell; `None` where it cannot be read.
pub(super) fn read(cells: &[Option<String>]) -> Vec<Option<Molecule>> {
    let of = |cell: &Option<String>| chemistry::parse(cell.as_deref()?).ok();
    cells.par_iter().map(of).collect()
}

/// Properties of each molecule; NaN where there is none.
pub(super) fn properties(molecules: &[Option<Molecule>]) -> Vec<[f64; N_PROPERTIES]> {
    let of = |molecule: &Option<Molecule>| {
        molecule
            .as_ref()
            .map_or([f64::NAN; N_PROPERTIES], chemistry::describe)
    };
    molecules.par_iter().map(of).collect()
}

/// The fingerprint of each molecule; empty where there is none.
pub(super) fn fingerprints(molecules: &[Option<Molecule>]) -> Vec<Vec<(u16, u16)>> {
    let of =
        |molecule: &Option<Molecule>| molecule.as_ref().map_or(Vec::new(), chemistry::fingerprint);
    molecules.par_iter().map(of).collect()
}

/// What tells the scaffold of a cell: molecules of one are kept together where rows are grouped by the column.
pub(super) fn scaffold(cell: &str) -> String {
    match chemistry::parse(cell) {
        Ok(molecule) => chemistry::scaffold_key(&molecule).to_string(),
        // What cannot be read stands alone.
        Err(_) => format!("unreadable {cell}"),
    }
}
