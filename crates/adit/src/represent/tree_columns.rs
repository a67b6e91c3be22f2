//! Rows as trees read them: numbers with their gaps, categories as codes.
//!
//! Enters: a prepared dataset. Leaves: columns in a fixed order. Not here: texts, which trees do not read.

use serde::{Deserialize, Serialize};

use super::RepresentError;
use crate::chemistry::FINGERPRINT_BITS;
use crate::prepare::{Dataset, MoleculeColumn};

/// A place of a fingerprint that fewer rows have parts nothing.
const MIN_ROWS_PER_PLACE: usize = 5;

/// The columns that trees were grown on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFeatures {
    pub numbers: Vec<String>,
    /// `(name, number of codes)`
    pub categories: Vec<(String, u32)>,
    /// Molecules: `(name, places of the fingerprint that occur)`
    #[serde(default)]
    pub fingerprints: Vec<(String, Vec<u16>)>,
}

/// One column of the rows.
#[derive(Clone, Debug)]
pub enum TreeColumn {
    /// NaN is missing. `[n_rows]`
    Numbers(Vec<f32>),
    /// 0 = unknown, 1 = missing, then the categories of the training rows. `[n_rows]`
    Categories { codes: Vec<u32>, cardinality: u32 },
}

impl TreeFeatures {
    /// The number and category columns of a dataset, and the places of fingerprints that are frequent enough among `rows`,
    /// which are learned from.
    pub fn of(dataset: &Dataset, rows: &[usize]) -> TreeFeatures {
        let codes =
            |column: &crate::prepare::CategoryColumn| (column.name.clone(), column.cardinality);
        TreeFeatures {
            numbers: dataset.numbers.iter().map(|c| c.name.clone()).collect(),
            categories: dataset.categories.iter().map(codes).collect(),
            fingerprints: dataset.molecules.iter().map(|c| places(c, rows)).collect(),
        }
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        let places = self.fingerprints.iter().map(|(_, places)| places.len());
        self.numbers.len() + self.categories.len() + places.sum::<usize>()
    }

    /// True where there is no column that a tree could ask.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the columns, in their order.
    pub fn names(&self) -> Vec<String> {
        let categories = self.categories.iter().map(|(name, _)| name.clone());
        let places = self.fingerprints.iter().flat_map(|(name, places)| {
            places
                .iter()
                .map(move |place| format!("{name}: substructure {place}"))
        });
        self.numbers
            .iter()
            .cloned()
            .chain(categories)
            .chain(places)
            .collect()
    }

    /// The columns of a dataset in the order of training.
    ///
    /// # Errors
    /// `MissingColumn` where one is not there.
    pub fn columns(&self, dataset: &Dataset) -> Result<Vec<TreeColumn>, RepresentError> {
        let absent = |name: &String| RepresentError::MissingColumn {
            column: name.clone(),
        };
        let mut columns = Vec::with_capacity(self.len());
        for name in &self.numbers {
            let found = dataset.numbers.iter().find(|column| column.name == *name);
            let column = found.ok_or_else(|| absent(name))?;
            let values = column.values.iter().zip(&column.missing);
            let value = |(&value, &missing): (&f32, &bool)| if missing { f32::NAN } else { value };
            columns.push(TreeColumn::Numbers(values.map(value).collect()));
        }
        for (name, cardinality) in &self.categories {
            let found = dataset
                .categories
                .iter()
                .find(|column| column.name == *name);
            let column = found.ok_or_else(|| absent(name))?;
            columns.push(TreeColumn::Categories {
                codes: column.codes.clone(),
                cardinality: *cardinality,
            });
        }
        for (name, places) in &self.fingerprints {
            let found = dataset.molecules.iter().find(|column| column.name == *name);
            let column = found.ok_or_else(|| absent(name))?;
            let first = columns.len();
            columns.extend(
                places
                    .iter()
                    .map(|_| TreeColumn::Numbers(vec![0.0; dataset.n_rows()])),
            );
            for (row, counts) in column.fingerprints.iter().enumerate() {
                for (place, count) in counts {
                    let Ok(at) = places.binary_search(place) else {
                        continue;
                    };
                    if let TreeColumn::Numbers(values) = &mut columns[first + at] {
                        values[row] = f32::from(*count);
                    }
                }
            }
        }
        Ok(columns)
    }
}

/// Places that occur in enough of the rows to be split by, sorted.
fn places(column: &MoleculeColumn, rows: &[usize]) -> (String, Vec<u16>) {
    let mut counts = vec![0usize; FINGERPRINT_BITS];
    for (place, _) in rows.iter().flat_map(|&row| &column.fingerprints[row]) {
        counts[usize::from(*place) % FINGERPRINT_BITS] += 1;
    }
    let enough = (0u16..)
        .zip(&counts)
        .filter(|(_, n)| **n >= MIN_ROWS_PER_PLACE);
    (
        column.name.clone(),
        enough.map(|(place, _)| place).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::{CategoryColumn, NumberColumn};

    #[test]
    fn gaps_are_missing_and_the_order_is_that_of_training() {
        let number = |name: &str, values: [f32; 2]| NumberColumn {
            name: name.into(),
            values: values.to_vec(),
            missing: vec![false, true],
        };
        let mut dataset = Dataset {
            row_ids: vec![0, 1],
            numbers: vec![number("a", [1.0, 2.0]), number("b", [3.0, 4.0])],
            categories: vec![CategoryColumn {
                name: "c".into(),
                codes: vec![2, 0],
                cardinality: 3,
            }],
            texts: Vec::new(),
            molecules: Vec::new(),
            histories: None,
            target: None,
        };
        let features = TreeFeatures::of(&dataset, &[0, 1]);
        assert_eq!(features.len(), 3);
        assert_eq!(features.names(), ["a", "b", "c"]);
        dataset.numbers.reverse();
        let columns = features.columns(&dataset).unwrap();
        let TreeColumn::Numbers(first) = &columns[0] else {
            panic!()
        };
        assert!(first[0] == 1.0 && first[1].is_nan());
        dataset.numbers.pop();
        let error = features.columns(&dataset).unwrap_err();
        assert!(error.to_string().contains('a'), "{error}");
    }
}
