//! Applies a fitted preparation to any rows.

use std::collections::BTreeMap;

use super::fit::{Encoding, VERSION, days, names, numbers, times};
use super::text::normalise_text;
use super::{
    CategoryColumn, Dataset, MoleculeColumn, NumberColumn, Preparation, PrepareError, RowColumn,
    Rows, TextColumn, Values, molecule,
};
use crate::chemistry;

impl Preparation {
    /// Encodes `rows`, training or new; the result of a row depends on that row only.
    ///
    /// Columns are found by name, in any order; others are passed over. The target is absent from
    /// the result where `rows` has no target column.
    ///
    /// # Errors
    /// A column is absent or holds other values than the model was fitted on; a target is missing
    /// or of a class that training did not see.
    pub fn apply(&self, rows: &Rows) -> Result<Dataset, PrepareError> {
        let mut dataset = self.apply_features(rows)?;
        dataset.target = rows
            .target()
            .filter(|column| column.name == self.target_column())
            .map(|column| self.target.apply(column, &rows.row_ids))
            .transpose()?;
        Ok(dataset)
    }

    /// As [`apply`](Self::apply), but leaves the target alone, whatever it holds.
    pub fn apply_features(&self, rows: &Rows) -> Result<Dataset, PrepareError> {
        self.check_version()?;
        let by_name: BTreeMap<&str, &RowColumn> = rows
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column))
            .collect();
        let missing: Vec<String> = self
            .input_columns()
            .filter(|name| !by_name.contains_key(name))
            .map(String::from)
            .collect();
        if !missing.is_empty() {
            let wrong = Vec::new();
            return Err(PrepareError::Schema { missing, wrong });
        }
        let mut dataset = Dataset {
            row_ids: rows.row_ids.clone(),
            numbers: Vec::new(),
            categories: Vec::new(),
            texts: Vec::new(),
            molecules: Vec::new(),
            histories: by_name.values().find_map(|column| match &column.values {
                Values::Histories(cells) => Some(cells.clone()),
                _ => None,
            }),
            target: None,
        };
        for plan in &self.columns {
            encode(&plan.encoding, by_name[plan.name.as_str()], &mut dataset)?;
        }
        Ok(dataset)
    }

    /// Refuses a form saved by another version.
    pub(super) fn check_version(&self) -> Result<(), PrepareError> {
        if self.version == VERSION {
            return Ok(());
        }
        Err(PrepareError::Version {
            found: self.version,
            supported: VERSION,
        })
    }
}

fn encode(
    encoding: &Encoding,
    column: &RowColumn,
    dataset: &mut Dataset,
) -> Result<(), PrepareError> {
    let name = column.name.clone();
    let all: Vec<usize> = (0..dataset.row_ids.len()).collect();
    match encoding {
        Encoding::Number(scaling) => {
            let raw = numbers(column, &dataset.row_ids, &all)?;
            dataset.numbers.push(NumberColumn {
                name,
                values: raw.iter().map(|&x| scaling.apply(x)).collect(),
                missing: raw.iter().map(|x| !x.is_finite()).collect(),
            });
        }
        Encoding::Time { origin, scaling } => {
            let raw = times(column)?;
            let scaled =
                |time: &Option<i64>| time.map_or(0.0, |time| scaling.apply(days(time, *origin)));
            dataset.numbers.push(NumberColumn {
                name,
                values: raw.iter().map(scaled).collect(),
                missing: raw.iter().map(Option::is_none).collect(),
            });
        }
        Encoding::Category(categories) => {
            let cells = names(column, &all)?;
            dataset.categories.push(CategoryColumn {
                name,
                codes: categories.encode(cells.iter().map(|cell| cell.as_deref())),
                cardinality: categories.cardinality(),
            });
        }
        Encoding::Molecule { scalings } => {
            let cells = names(column, &all)?;
            let molecules = molecule::read(&cells);
            let found = molecule::properties(&molecules);
            for (at, scaling) in scalings.iter().enumerate().take(chemistry::N_PROPERTIES) {
                dataset.numbers.push(NumberColumn {
                    name: format!("{name}: {}", chemistry::PROPERTY_NAMES[at]),
                    values: found.iter().map(|p| scaling.apply(p[at])).collect(),
                    missing: found.iter().map(|p| p[at].is_nan()).collect(),
                });
            }
            dataset.molecules.push(MoleculeColumn {
                fingerprints: molecule::fingerprints(&molecules),
                molecules,
                name,
            });
        }
        Encoding::Text => {
            let cells = names(column, &all)?;
            let clean =
                |cell: Option<String>| cell.as_deref().map(normalise_text).unwrap_or_default();
            dataset.texts.push(TextColumn {
                name,
                values: cells.into_iter().map(clean).collect(),
            });
        }
    }
    Ok(())
}
