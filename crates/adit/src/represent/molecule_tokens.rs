//! Molecules as token ids: a vocabulary of atoms and bonds, and another way of writing for every key.
//!
//! A molecule has many SMILES. A network that sees another one each time learns the molecule and not the string
//! (Bjerrum 2017, "SMILES Enumeration as Data Augmentation for Neural Network Modeling of Molecules").
//!
//! Enters: columns of molecules. Leaves: token ids of a row. Not here: what reads them.

use std::collections::BTreeSet;

use adit_nn::random::mix;
use serde::{Deserialize, Serialize};

use super::RepresentError;
use crate::chemistry::{self, Molecule};
use crate::prepare::Dataset;

/// Stands before the tokens of a row.
const START: u32 = 0;
/// Stands before each column's molecule.
const NEXT: u32 = 1;
/// Any token that training molecules do not have, and molecules that cannot be read.
const UNKNOWN: u32 = 2;
/// Ids before those of the vocabulary.
const SPECIAL: usize = 3;
/// Ways of writing from which the vocabulary is taken.
const WAYS: u64 = 4;
/// Longest row in tokens; longer ones are cut.
const MOST_TOKENS: usize = 256;

/// The tokens of training molecules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoleculeTokens {
    /// Columns in their order.
    columns: Vec<String>,
    /// Sorted; the id of a token is its place behind the special ones.
    vocabulary: Vec<String>,
}

/// The molecules of rows.
pub struct MoleculeRows<'a> {
    tokens: &'a MoleculeTokens,
    /// `[n_columns][n_rows]`
    columns: Vec<&'a [Option<Molecule>]>,
}

impl MoleculeTokens {
    /// The vocabulary of the molecules of training rows.
    pub fn fit(dataset: &Dataset, train: &[usize]) -> Self {
        let mut vocabulary = BTreeSet::new();
        for column in &dataset.molecules {
            let molecules = train
                .iter()
                .filter_map(|&row| column.molecules[row].as_ref());
            for molecule in molecules {
                for text in (0..WAYS).filter_map(|key| chemistry::write(molecule, key)) {
                    let new = |token: &&str| !vocabulary.contains(*token);
                    let found: Vec<&str> =
                        chemistry::tokens(&text).into_iter().filter(new).collect();
                    vocabulary.extend(found.into_iter().map(String::from));
                }
            }
        }
        Self {
            columns: dataset.molecules.iter().map(|c| c.name.clone()).collect(),
            vocabulary: vocabulary.into_iter().collect(),
        }
    }

    /// Number of ids.
    pub fn n_ids(&self) -> usize {
        SPECIAL + self.vocabulary.len()
    }

    /// Longest row in tokens.
    pub const fn most_tokens() -> usize {
        MOST_TOKENS
    }

    /// The molecules of a dataset, column by column as in training.
    ///
    /// # Errors
    /// `MissingColumn`.
    pub fn rows<'a>(&'a self, dataset: &'a Dataset) -> Result<MoleculeRows<'a>, RepresentError> {
        let of = |name: &String| {
            let found = dataset.molecules.iter().find(|column| column.name == *name);
            let column = found.ok_or_else(|| RepresentError::MissingColumn {
                column: name.clone(),
            })?;
            Ok::<_, RepresentError>(&column.molecules[..])
        };
        let columns = self.columns.iter().map(of).collect::<Result<_, _>>()?;
        Ok(MoleculeRows {
            tokens: self,
            columns,
        })
    }

    fn id(&self, token: &str) -> u32 {
        let place = self
            .vocabulary
            .binary_search_by(|known| known.as_str().cmp(token));
        place.map_or(UNKNOWN, |place| (SPECIAL + place) as u32)
    }
}

impl MoleculeRows<'_> {
    /// The token ids of a row, its molecules written by `key`.
    pub fn ids(&self, row: usize, key: u64) -> Vec<u32> {
        let mut ids = vec![START];
        for (at, column) in self.columns.iter().enumerate() {
            ids.push(NEXT);
            let molecule = column[row].as_ref();
            match molecule.and_then(|molecule| chemistry::write(molecule, mix(key, at as u64))) {
                Some(text) => {
                    let tokens = chemistry::tokens(&text).into_iter();
                    ids.extend(tokens.map(|token| self.tokens.id(token)));
                }
                None => ids.push(UNKNOWN),
            }
        }
        ids.truncate(MOST_TOKENS);
        ids
    }

    /// Atoms of a row's molecules.
    pub fn n_atoms(&self, row: usize) -> usize {
        let molecules = self
            .columns
            .iter()
            .filter_map(|column| column[row].as_ref());
        molecules.map(|molecule| molecule.atoms.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::MoleculeColumn;

    fn dataset(smiles: &[&str]) -> Dataset {
        let molecules: Vec<_> = smiles.iter().map(|s| chemistry::parse(s).ok()).collect();
        Dataset {
            row_ids: (0..smiles.len() as u64).collect(),
            numbers: Vec::new(),
            categories: Vec::new(),
            texts: Vec::new(),
            molecules: vec![MoleculeColumn {
                name: "m".into(),
                fingerprints: vec![Vec::new(); molecules.len()],
                molecules,
            }],
            histories: None,
            target: None,
        }
    }

    #[test]
    fn a_row_is_written_in_many_ways_with_the_tokens_of_training() {
        let data = dataset(&["CC(=O)Oc1ccccc1C(=O)O", "not a molecule", "[Se]CC"]);
        let tokens = MoleculeTokens::fit(&data, &[0, 1]);
        let rows = tokens.rows(&data).unwrap();
        let first = rows.ids(0, 1);
        assert_eq!(first, rows.ids(0, 1));
        assert!(!first.contains(&UNKNOWN), "{first:?}");
        assert!((2..9).any(|key| rows.ids(0, key) != first));
        assert_eq!(rows.ids(1, 1), [START, NEXT, UNKNOWN]);
        assert!(rows.ids(2, 1).contains(&UNKNOWN));
        assert!(first.iter().all(|&id| (id as usize) < tokens.n_ids()));
        let without = Dataset {
            molecules: Vec::new(),
            histories: None,
            ..data.clone()
        };
        let error = tokens.rows(&without).err().unwrap();
        assert!(error.to_string().contains('m'));
    }
}
