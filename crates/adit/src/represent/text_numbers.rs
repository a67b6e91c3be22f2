//! Texts as a few numbers, for models that read rows: where a text lies along the principal components of an
//! encoder's vectors.
//!
//! Enters: vectors of the text columns. Leaves: number columns, fitted on training rows only. Not here: the encoder.

use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::components::Components;
use super::embedding::TextVectors;
use crate::prepare::{NumberColumn, TextColumn};

/// Components of a text column, at most.
const MOST_COMPONENTS: usize = 32;
/// Training rows for each component, at least.
const ROWS_PER_COMPONENT: usize = 50;

/// The components of every text column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextNumbers {
    /// Of the encoder whose vectors these are.
    pub encoder: String,
    /// By the name of the column.
    columns: Vec<(String, Components)>,
}

impl TextNumbers {
    /// Fits the components on the rows `train`: at most 32 a column, fewer on small tables.
    pub fn fit(
        encoder: &str,
        texts: &[TextColumn],
        vectors: &TextVectors,
        train: &[usize],
    ) -> TextNumbers {
        let n_components = (train.len() / ROWS_PER_COMPONENT).clamp(4, MOST_COMPONENTS);
        let columns = texts.iter().zip(&vectors.columns);
        let fitted = columns.map(|(text, values)| {
            // Rows without a text would be a direction of their own.
            let written: Vec<usize> = train
                .iter()
                .copied()
                .filter(|&row| !text.values[row].is_empty())
                .collect();
            let found = Components::fit(values, vectors.width, &written, n_components);
            (text.name.clone(), found)
        });
        TextNumbers {
            encoder: encoder.to_string(),
            columns: fitted.collect(),
        }
    }

    /// The number columns of any rows; a missing text lies in the middle and is flagged.
    ///
    /// # Errors
    /// `OtherColumns`, `OtherColumn` or `ColumnLength` where the texts are not those of the training rows' columns.
    pub fn columns(
        &self,
        texts: &[TextColumn],
        vectors: &TextVectors,
    ) -> Result<Vec<NumberColumn>, RepresentError> {
        if texts.len() != self.columns.len() || vectors.columns.len() != texts.len() {
            return Err(RepresentError::OtherColumns {
                kind: "text",
                expected: self.columns.len(),
                found: texts.len().min(vectors.columns.len()),
            });
        }
        let mut out = Vec::new();
        for (((name, components), text), values) in
            self.columns.iter().zip(texts).zip(&vectors.columns)
        {
            if *name != text.name {
                return Err(RepresentError::OtherColumn {
                    column: name.clone(),
                    found: text.name.clone(),
                });
            }
            let expected = text.values.len() * components.width();
            if values.len() != expected {
                return Err(RepresentError::ColumnLength {
                    column: name.clone(),
                    expected,
                    found: values.len(),
                });
            }
            let missing: Vec<bool> = text.values.iter().map(String::is_empty).collect();
            for k in 0..components.len() {
                let place = |(vector, &missing): (&[f32], &bool)| {
                    if missing {
                        0.0
                    } else {
                        components.place(vector, k)
                    }
                };
                let rows = values.chunks_exact(components.width()).zip(&missing);
                out.push(NumberColumn {
                    name: format!("{name}, component {}", k + 1),
                    values: rows.map(place).collect(),
                    missing: missing.clone(),
                });
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<TextColumn> {
        vec![TextColumn {
            name: "note".into(),
            values: values.iter().map(|v| (*v).to_string()).collect(),
        }]
    }

    fn vectors(values: &[[f32; 2]]) -> TextVectors {
        TextVectors {
            width: 2,
            columns: vec![values.concat()],
        }
    }

    #[test]
    fn missing_texts_are_flagged_and_play_no_part() {
        let train = texts(&["a", "b", "", "c"]);
        let vectors = vectors(&[[0.0, 1.0], [2.0, 1.0], [50.0, 50.0], [4.0, 1.0]]);
        let fitted = TextNumbers::fit("e", &train, &vectors, &[0, 1, 2, 3]);
        let columns = fitted.columns(&train, &vectors).unwrap();
        assert_eq!(columns.len(), 1, "the others do not differ otherwise");
        assert_eq!(columns[0].name, "note, component 1");
        assert_eq!(columns[0].missing, [false, false, true, false]);
        let spread = (8.0f32 / 3.0).sqrt();
        let expected = [-2.0 / spread, 0.0, 0.0, 2.0 / spread];
        for (value, expected) in columns[0].values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{:?}", columns[0].values);
        }
    }

    #[test]
    fn other_columns_are_refused() {
        let train = texts(&["a", "b"]);
        let of_train = vectors(&[[0.0, 1.0], [2.0, 1.0]]);
        let fitted = TextNumbers::fit("e", &train, &of_train, &[0, 1]);
        let mut other = train.clone();
        other[0].name = "remark".into();
        assert!(fitted.columns(&other, &of_train).is_err());
        assert!(fitted.columns(&[], &of_train).is_err());
        assert!(fitted.columns(&train, &vectors(&[[0.0, 1.0]])).is_err());
    }
}
