//! Columns of molecules: properties and fingerprints of every cell.

use rayon::prelude::*;

use crate::chemistry::{self, N_PROPERTIES};

/// Properties of each cell; NaN where it cannot be read.
pub(super) fn properties(cells: &[Option<String>]) -> Vec<[f64; N_PROPERTIES]> {
    let of = |cell: &Option<String>| {
        let molecule = cell.as_deref().and_then(|text| chemistry::parse(text).ok());
        molecule.map_or([f64::NAN; N_PROPERTIES], |molecule| {
            chemistry::describe(&molecule)
        })
    };
    cells.par_iter().map(of).collect()
}

/// The fingerprint of each cell; empty where it cannot be read.
pub(super) fn fingerprints(cells: &[Option<String>]) -> Vec<Vec<(u16, u16)>> {
    let of = |cell: &Option<String>| {
        let molecule = cell.as_deref().and_then(|text| chemistry::parse(text).ok());
        molecule.map_or(Vec::new(), |molecule| chemistry::fingerprint(&molecule))
    };
    cells.par_iter().map(of).collect()
}

/// What tells the scaffold of a cell: molecules of one are kept together where rows are grouped by the column.
pub(super) fn scaffold(cell: &str) -> String {
    match chemistry::parse(cell) {
        Ok(molecule) => chemistry::scaffold_key(&molecule).to_string(),
        // What cannot be read stands alone.
        Err(_) => format!("unreadable {cell}"),
    }
}
