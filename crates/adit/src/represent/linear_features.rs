//! Features for linear models.
//!
//! Enters: a prepared dataset. Leaves: one sparse row per row: standardised numbers, flags for missing
//! ones, one column per category, weighted terms of texts, and for two texts how alike they are.
//! Everything is learned from the training rows only. Not here: products of columns, curved terms.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::pair_features::{PAIR_MEASURES, pair_measures};
use super::sparse::SparseMatrix;
use super::tfidf::{Tfidf, TfidfSettings};
use crate::chemistry::FINGERPRINT_BITS;
use crate::prepare::{CategoryColumn, Dataset, NumberColumn};

/// How much the two texts of a pair weigh by themselves beside their difference; a third was best
/// by cross-validated log loss on the paraphrase corpus and keeps the texts usable where the two
/// columns are not versions of each other.
const SINGLE_TEXT_WEIGHT: f32 = 0.3;

/// How features are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearFeaturesSettings {
    pub tfidf: TfidfSettings,
}

/// What one feature says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FeatureName {
    /// A standardised number.
    Number { column: String },
    /// 1 where the number was missing.
    Missing { column: String },
    /// 1 where the category has this code of its [`CategoryColumn`].
    Category { column: String, code: u32 },
    /// Weight of a term.
    Term { column: String, term: String },
    /// Absolute difference of the weights of a term in two texts.
    TermDifference { term: String },
    /// A measure of how alike two texts are.
    Pair { measure: String },
    /// How often a kind of neighbourhood occurs in a molecule.
    Substructure { column: String, place: u16 },
}

impl std::fmt::Display for FeatureName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number { column } => f.write_str(column),
            Self::Missing { column } | Self::Category { column, code: 1 } => {
                write!(f, "{column} is missing")
            }
            Self::Category { column, code } => write!(f, "{column} = category {code}"),
            Self::Term { column, term } => write!(f, "{column}: \"{term}\""),
            Self::TermDifference { term } => write!(f, "difference in \"{term}\""),
            Self::Pair { measure } => f.write_str(measure),
            Self::Substructure { column, place } => write!(f, "{column}: substructure {place}"),
        }
    }
}

/// What was learned about the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearFeatures {
    numbers: Vec<FittedNumber>,
    categories: Vec<FittedCategory>,
    texts: FittedTexts,
    /// Columns of molecules.
    #[serde(default)]
    molecules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FittedNumber {
    name: String,
    scale: Standard,
    /// Missing in a training row, so that the flag has a column.
    flagged: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FittedCategory {
    name: String,
    cardinality: u32,
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Standard {
    mean: f64,
    deviation: f64,
}

impl Standard {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / n;
        let deviation = (values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        // A constant column, up to rounding, says nothing and must not be blown up.
        let constant = deviation <= 1e-9 * mean.abs() || deviation == 0.0;
        Self {
            mean,
            deviation: if constant { 0.0 } else { deviation },
        }
    }

    fn apply(self, value: f64) -> f32 {
        if self.deviation == 0.0 {
            return 0.0;
        }
        // Far beyond any training row; the bound only keeps f32 finite.
        ((value - self.mean) / self.deviation).clamp(-1e9, 1e9) as f32
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FittedTexts {
    Each(Vec<(String, Tfidf)>),
    Pair(Box<FittedPair>),
}

/// One vocabulary for both texts, so that they can be compared term by term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FittedPair {
    names: [String; 2],
    tfidf: Tfidf,
    /// Of each pair measure over the training rows.
    measures: Vec<Standard>,
}

impl LinearFeatures {
    /// Learns scales and vocabularies from the training rows `train` of a dataset.
    ///
    /// # Errors
    /// [`RepresentError::NoTrainingRows`], [`RepresentError::RowOutOfRange`],
    /// [`RepresentError::ColumnLength`], [`RepresentError::NotFinite`].
    pub fn fit(
        dataset: &Dataset,
        train: &[usize],
        settings: LinearFeaturesSettings,
    ) -> Result<Self, RepresentError> {
        let n_rows = dataset.n_rows();
        if train.is_empty() {
            return Err(RepresentError::NoTrainingRows);
        }
        if let Some(&row) = train.iter().find(|&&row| row >= n_rows) {
            return Err(RepresentError::RowOutOfRange { row, n_rows });
        }
        check_lengths(dataset)?;
        let numbers = dataset
            .numbers
            .iter()
            .map(|column| {
                check_finite(dataset, column)?;
                Ok(FittedNumber {
                    name: column.name.clone(),
                    scale: Standard::of(train.iter().map(|&row| f64::from(column.values[row]))),
                    flagged: train.iter().any(|&row| column.missing[row]),
                })
            })
            .collect::<Result<_, RepresentError>>()?;
        let categories = dataset
            .categories
            .iter()
            .map(|c| FittedCategory {
                name: c.name.clone(),
                cardinality: c.cardinality,
            })
            .collect();
        Ok(Self {
            numbers,
            categories,
            texts: FittedTexts::fit(dataset, train, settings),
            molecules: dataset.molecules.iter().map(|c| c.name.clone()).collect(),
        })
    }

    /// Represents every row of a dataset: `[n_rows, n_features]`.
    ///
    /// # Errors
    /// [`RepresentError::OtherColumns`], [`RepresentError::OtherColumn`] when the dataset was prepared
    /// otherwise; [`RepresentError::ColumnLength`], [`RepresentError::NotFinite`],
    /// [`RepresentError::CodeOutOfRange`].
    pub fn transform(&self, dataset: &Dataset) -> Result<SparseMatrix, RepresentError> {
        self.check_columns(dataset)?;
        check_lengths(dataset)?;
        for column in &dataset.numbers {
            check_finite(dataset, column)?;
        }
        for (fitted, column) in self.categories.iter().zip(&dataset.categories) {
            check_codes(dataset, column, fitted.cardinality)?;
        }
        let n_cols = self
            .numbers
            .iter()
            .map(|n| 1 + usize::from(n.flagged))
            .sum::<usize>()
            + self.categories.iter().map(category_columns).sum::<usize>();
        let rows = (0..dataset.n_rows())
            .into_par_iter()
            .with_min_len(256)
            .map(|row| self.row_of_table(dataset, row))
            .collect();
        let table = SparseMatrix::from_rows(n_cols, rows)?;
        let texts = self.texts.transform(dataset)?;
        if self.molecules.is_empty() {
            return SparseMatrix::hstack(&[&table, &texts]);
        }
        let molecules = molecules(dataset)?;
        SparseMatrix::hstack(&[&table, &texts, &molecules])
    }

    /// What each feature says, in column order.
    pub fn names(&self) -> Vec<FeatureName> {
        let mut names = Vec::new();
        for number in &self.numbers {
            names.push(FeatureName::Number {
                column: number.name.clone(),
            });
            if number.flagged {
                names.push(FeatureName::Missing {
                    column: number.name.clone(),
                });
            }
        }
        for category in &self.categories {
            for code in 1..category.cardinality {
                names.push(FeatureName::Category {
                    column: category.name.clone(),
                    code,
                });
            }
        }
        let term = |column: &String, term: &String| FeatureName::Term {
            column: column.clone(),
            term: term.clone(),
        };
        match &self.texts {
            FittedTexts::Each(texts) => {
                for (column, tfidf) in texts {
                    names.extend(tfidf.terms().iter().map(|t| term(column, t)));
                }
            }
            FittedTexts::Pair(pair) => {
                let FittedPair {
                    names: columns,
                    tfidf,
                    ..
                } = pair.as_ref();
                for column in columns {
                    names.extend(tfidf.terms().iter().map(|t| term(column, t)));
                }
                let difference = |t: &String| FeatureName::TermDifference { term: t.clone() };
                names.extend(tfidf.terms().iter().map(difference));
                names.extend(PAIR_MEASURES.iter().map(|&m| FeatureName::Pair {
                    measure: m.to_owned(),
                }));
            }
        }
        for column in &self.molecules {
            names.extend(
                (0..FINGERPRINT_BITS as u16).map(|place| FeatureName::Substructure {
                    column: column.clone(),
                    place,
                }),
            );
        }
        names
    }

    fn row_of_table(&self, dataset: &Dataset, row: usize) -> Vec<(u32, f32)> {
        let mut entries = Vec::new();
        let mut column = 0u32;
        for (fitted, number) in self.numbers.iter().zip(&dataset.numbers) {
            entries.push((column, fitted.scale.apply(f64::from(number.values[row]))));
            column += 1;
            if fitted.flagged {
                entries.push((column, if number.missing[row] { 1.0 } else { 0.0 }));
                column += 1;
            }
        }
        for (fitted, category) in self.categories.iter().zip(&dataset.categories) {
            // The unknown bucket was never seen in training: all zero.
            let code = category.codes[row];
            if code > 0 {
                entries.push((column + code - 1, 1.0));
            }
            column += category_columns(fitted) as u32;
        }
        entries
    }

    fn check_columns(&self, dataset: &Dataset) -> Result<(), RepresentError> {
        let names = |fitted: &mut dyn Iterator<Item = &String>| fitted.cloned().collect::<Vec<_>>();
        same_names(
            "number",
            names(&mut self.numbers.iter().map(|n| &n.name)),
            names(&mut dataset.numbers.iter().map(|n| &n.name)),
        )?;
        same_names(
            "category",
            names(&mut self.categories.iter().map(|n| &n.name)),
            names(&mut dataset.categories.iter().map(|n| &n.name)),
        )?;
        let texts = match &self.texts {
            FittedTexts::Each(texts) => texts.iter().map(|(name, _)| name.clone()).collect(),
            FittedTexts::Pair(pair) => pair.names.to_vec(),
        };
        same_names(
            "text",
            texts,
            names(&mut dataset.texts.iter().map(|n| &n.name)),
        )?;
        same_names(
            "molecule",
            self.molecules.clone(),
            names(&mut dataset.molecules.iter().map(|n| &n.name)),
        )
    }
}

/// Logarithms of one plus the counts of fingerprints, column after column.
fn molecules(dataset: &Dataset) -> Result<SparseMatrix, RepresentError> {
    let rows = (0..dataset.n_rows()).map(|row| {
        let columns = dataset.molecules.iter().enumerate();
        let entries = columns.flat_map(|(at, column)| {
            let first = (at * FINGERPRINT_BITS) as u32;
            let entry = move |(place, count): &(u16, u16)| {
                (first + u32::from(*place), f32::from(*count).ln_1p())
            };
            column.fingerprints[row].iter().map(entry)
        });
        entries.collect()
    });
    SparseMatrix::from_rows(dataset.molecules.len() * FINGERPRINT_BITS, rows.collect())
}

impl FittedTexts {
    fn fit(dataset: &Dataset, train: &[usize], settings: LinearFeaturesSettings) -> Self {
        let training = |column: usize| -> Vec<&str> {
            train
                .iter()
                .map(|&row| dataset.texts[column].values[row].as_str())
                .collect()
        };
        if dataset.texts.len() != 2 {
            let fit = |at: usize| Tfidf::fit(&training(at), settings.tfidf);
            return Self::Each(
                dataset
                    .texts
                    .iter()
                    .enumerate()
                    .map(|(at, c)| (c.name.clone(), fit(at)))
                    .collect(),
            );
        }
        let tfidf = Tfidf::fit(&[training(0), training(1)].concat(), settings.tfidf);
        let pick = |column: usize| -> Vec<String> {
            train
                .iter()
                .map(|&row| dataset.texts[column].values[row].clone())
                .collect()
        };
        let texts = [pick(0), pick(1)];
        let weighted = texts.each_ref().map(|t| tfidf.transform(t));
        let measured = pair_measures([&texts[0], &texts[1]], [&weighted[0], &weighted[1]]);
        let measures = (0..PAIR_MEASURES.len())
            .map(|at| Standard::of(measured.iter().map(|row| row[at])))
            .collect();
        let names = [dataset.texts[0].name.clone(), dataset.texts[1].name.clone()];
        Self::Pair(Box::new(FittedPair {
            names,
            tfidf,
            measures,
        }))
    }

    fn transform(&self, dataset: &Dataset) -> Result<SparseMatrix, RepresentError> {
        match self {
            Self::Each(texts) => {
                let parts: Vec<SparseMatrix> = texts
                    .iter()
                    .zip(&dataset.texts)
                    .map(|((_, tfidf), column)| tfidf.transform(&column.values))
                    .collect();
                if parts.is_empty() {
                    return SparseMatrix::from_rows(0, vec![Vec::new(); dataset.n_rows()]);
                }
                SparseMatrix::hstack(&parts.iter().collect::<Vec<_>>())
            }
            Self::Pair(pair) => {
                let FittedPair {
                    tfidf, measures, ..
                } = pair.as_ref();
                let texts = [&dataset.texts[0].values[..], &dataset.texts[1].values[..]];
                let mut weighted = texts.map(|t| tfidf.transform(t));
                let measured: Vec<f32> = pair_measures(texts, [&weighted[0], &weighted[1]])
                    .iter()
                    .flat_map(|row| row.iter().zip(measures).map(|(&v, scale)| scale.apply(v)))
                    .collect();
                let measured = SparseMatrix::from_dense(PAIR_MEASURES.len(), &measured);
                let difference = absolute_difference(&weighted[0], &weighted[1]);
                for part in &mut weighted {
                    part.values
                        .iter_mut()
                        .for_each(|v| *v *= SINGLE_TEXT_WEIGHT);
                }
                SparseMatrix::hstack(&[&weighted[0], &weighted[1], &difference, &measured])
            }
        }
    }
}

/// |left − right|, cell by cell, for matrices of one shape.
fn absolute_difference(left: &SparseMatrix, right: &SparseMatrix) -> SparseMatrix {
    let mut out = SparseMatrix::with_columns(left.n_cols);
    for row in 0..left.n_rows() {
        let (a, b) = (left.row(row), right.row(row));
        let (mut i, mut j) = (0, 0);
        while i < a.0.len() || j < b.0.len() {
            let (p, q) = (
                a.0.get(i).copied().unwrap_or(u32::MAX),
                b.0.get(j).copied().unwrap_or(u32::MAX),
            );
            let column = p.min(q);
            let x = if p == column { a.1[i] } else { 0.0 };
            let y = if q == column { b.1[j] } else { 0.0 };
            i += usize::from(p == column);
            j += usize::from(q == column);
            if x != y {
                out.columns.push(column);
                out.values.push((x - y).abs());
            }
        }
        out.row_starts.push(out.columns.len());
    }
    out
}

/// The unknown bucket has no column.
fn category_columns(category: &FittedCategory) -> usize {
    category.cardinality.saturating_sub(1) as usize
}

fn same_names(
    kind: &'static str,
    expected: Vec<String>,
    found: Vec<String>,
) -> Result<(), RepresentError> {
    if expected.len() != found.len() {
        let (expected, found) = (expected.len(), found.len());
        return Err(RepresentError::OtherColumns {
            kind,
            expected,
            found,
        });
    }
    match expected.into_iter().zip(found).find(|(e, f)| e != f) {
        Some((column, found)) => Err(RepresentError::OtherColumn { column, found }),
        None => Ok(()),
    }
}

fn check_lengths(dataset: &Dataset) -> Result<(), RepresentError> {
    let expected = dataset.n_rows();
    let numbers = dataset
        .numbers
        .iter()
        .map(|c| (&c.name, c.values.len().min(c.missing.len())));
    let categories = dataset.categories.iter().map(|c| (&c.name, c.codes.len()));
    let texts = dataset.texts.iter().map(|c| (&c.name, c.values.len()));
    match numbers
        .chain(categories)
        .chain(texts)
        .find(|(_, found)| *found != expected)
    {
        Some((column, found)) => Err(RepresentError::ColumnLength {
            column: column.clone(),
            expected,
            found,
        }),
        None => Ok(()),
    }
}

fn check_finite(dataset: &Dataset, column: &NumberColumn) -> Result<(), RepresentError> {
    match column.values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(RepresentError::NotFinite {
            column: column.name.clone(),
            row: dataset.row_ids[at],
        }),
        None => Ok(()),
    }
}

fn check_codes(
    dataset: &Dataset,
    column: &CategoryColumn,
    cardinality: u32,
) -> Result<(), RepresentError> {
    match column
        .codes
        .iter()
        .position(|&code| code >= cardinality.max(1))
    {
        Some(at) => Err(RepresentError::CodeOutOfRange {
            column: column.name.clone(),
            row: dataset.row_ids[at],
            code: column.codes[at],
            cardinality,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::TextColumn;

    fn dataset() -> Dataset {
        Dataset {
            row_ids: vec![10, 11, 12, 13],
            numbers: vec![
                NumberColumn {
                    name: "age".into(),
                    values: vec![1.0, 3.0, 2.0, 100.0],
                    missing: vec![false, false, true, false],
                },
                NumberColumn {
                    name: "same".into(),
                    values: vec![0.1; 4],
                    missing: vec![false, false, false, true],
                },
            ],
            categories: vec![CategoryColumn {
                name: "type".into(),
                codes: vec![2, 3, 1, 0],
                cardinality: 4,
            }],
            texts: Vec::new(),
            molecules: Vec::new(),
            histories: None,
            target: None,
        }
    }

    fn with_texts(columns: &[&[&str]]) -> Dataset {
        let texts = columns.iter().enumerate().map(|(at, values)| TextColumn {
            name: format!("text {at}"),
            values: values.iter().map(|&v| v.to_owned()).collect(),
        });
        let row_ids = (0..columns[0].len() as u64).collect();
        let (numbers, categories) = (Vec::new(), Vec::new());
        Dataset {
            row_ids,
            numbers,
            categories,
            texts: texts.collect(),
            molecules: Vec::new(),
            histories: None,
            target: None,
        }
    }

    fn fit(dataset: &Dataset, train: &[usize]) -> LinearFeatures {
        LinearFeatures::fit(dataset, train, LinearFeaturesSettings::default()).unwrap()
    }

    #[test]
    fn columns_are_standardised_on_the_training_rows_and_hot_by_code() {
        let data = dataset();
        let fitted = fit(&data, &[0, 1, 2]);
        let names: Vec<String> = fitted.names().iter().map(ToString::to_string).collect();
        let expected = [
            "age",
            "age is missing",
            "same",
            "type is missing",
            "type = category 2",
        ];
        assert_eq!(names[..5], expected);
        let matrix = fitted.transform(&data).unwrap();
        assert_eq!((matrix.n_rows(), matrix.n_cols), (4, names.len()));
        let deviation = (2.0f64 / 3.0).sqrt();
        let row = |r: usize| -> Vec<f32> { (0..6).map(|c| matrix.get(r, c)).collect() };
        assert_eq!(row(0), [(-1.0 / deviation) as f32, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(row(1), [(1.0 / deviation) as f32, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(row(2), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        // An unknown category lights nothing; a flag that training never saw has no column.
        assert_eq!(row(3), [(98.0 / deviation) as f32, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rows_outside_training_change_nothing_that_is_learned() {
        let data = dataset();
        let mut other = data.clone();
        other.numbers[0].values[3] = -7.0;
        other.numbers[0].missing[3] = true;
        assert_eq!(fit(&data, &[0, 1, 2]), fit(&other, &[0, 1, 2]));
    }

    #[test]
    fn two_texts_make_a_pair_and_three_do_not() {
        let texts: [&[&str]; 2] = [
            &["the pump failed", "a seal"],
            &["the pump failed", "the pump"],
        ];
        let data = with_texts(&texts);
        let fitted = fit(&data, &[0, 1]);
        let matrix = fitted.transform(&data).unwrap();
        let names = fitted.names();
        assert_eq!(matrix.n_cols, names.len());
        let terms = (names.len() - PAIR_MEASURES.len()) / 3;
        assert!(terms > 0);
        for (at, name) in names.iter().enumerate() {
            let alike = matches!(name, FeatureName::TermDifference { .. });
            assert_eq!(alike, (2 * terms..3 * terms).contains(&at), "{name}");
            if alike {
                assert_eq!(matrix.get(0, at), 0.0, "{name}");
            }
        }
        let data = with_texts(&[texts[0], texts[1], texts[0]]);
        let is_pair = |name: &FeatureName| matches!(name, FeatureName::Pair { .. });
        assert!(!fit(&data, &[0, 1]).names().iter().any(is_pair));
    }

    #[test]
    fn absolute_differences_are_those_of_the_cells() {
        let a = SparseMatrix::from_dense(4, &[1.0, 0.0, 3.0, 0.0]);
        let b = SparseMatrix::from_dense(4, &[0.5, 2.0, 3.0, 0.0]);
        let expected = SparseMatrix::from_dense(4, &[0.5, 2.0, 0.0, 0.0]);
        assert_eq!(absolute_difference(&a, &b), expected);
        assert_eq!(absolute_difference(&b, &a), expected);
    }

    #[test]
    fn saved_features_represent_the_same() {
        let mut data = with_texts(&[&["x y", "x"], &["y", "x y"]]);
        data.numbers = vec![NumberColumn {
            name: "n".into(),
            values: vec![0.3, 0.7],
            missing: vec![false, true],
        }];
        let fitted = fit(&data, &[0, 1]);
        let text = serde_json::to_string(&fitted).unwrap();
        let back: LinearFeatures = serde_json::from_str(&text).unwrap();
        assert_eq!(back, fitted);
        assert_eq!(
            back.transform(&data).unwrap(),
            fitted.transform(&data).unwrap()
        );
    }

    #[test]
    fn bad_rows_are_refused_by_the_name_of_their_column() {
        let data = dataset();
        let fitted = fit(&data, &[0, 1, 2]);
        let mut broken = data.clone();
        broken.numbers[1].values[3] = f32::NAN;
        let error = fitted.transform(&broken).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `same`, row 13: the value is not a finite number"
        );
        let mut broken = data.clone();
        broken.categories[0].codes[1] = 4;
        let error = fitted.transform(&broken).unwrap_err();
        assert!(matches!(
            error,
            RepresentError::CodeOutOfRange {
                row: 11,
                code: 4,
                ..
            }
        ));
        let mut broken = data.clone();
        broken.numbers[0].name = "weight".into();
        let error = fitted.transform(&broken).unwrap_err();
        assert!(
            matches!(error, RepresentError::OtherColumn { .. }),
            "{error}"
        );
        let settings = LinearFeaturesSettings::default();
        let error = LinearFeatures::fit(&data, &[], settings).unwrap_err();
        assert!(matches!(error, RepresentError::NoTrainingRows));
        let error = LinearFeatures::fit(&data, &[4], settings).unwrap_err();
        assert!(matches!(
            error,
            RepresentError::RowOutOfRange { row: 4, n_rows: 4 }
        ));
    }
}
