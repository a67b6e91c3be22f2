//! What is predicted: class names, or the unit of a number.

use serde::{Deserialize, Serialize};

use super::category::{Categories, UNKNOWN, sort_names};
use super::number::mean_and_deviation;
use super::text::{normalise_text, number_name, parse_number};
use super::{PrepareError, PrepareSettings, RowColumn, Rows, Target, Task, Values};

/// More classes than this are refused: no table has the rows to tell them apart.
const MAX_CLASSES: usize = 1_000;
/// A target with more distinct values than this is looked at twice before it is read as classes.
const FEW_CLASSES: usize = 20;
/// Cells shown in a message.
const EXAMPLES: usize = 5;

/// What was learned about the target from the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TargetPlan {
    Classes {
        column: String,
        names: Vec<String>,
        positive: Option<usize>,
    },
    Numbers {
        column: String,
        mean: f64,
        deviation: f64,
    },
}

impl TargetPlan {
    pub fn fit(
        rows: &Rows,
        train: &[usize],
        settings: &PrepareSettings,
    ) -> Result<Self, PrepareError> {
        let column = rows.target().ok_or(PrepareError::NoTarget)?;
        if let Some(&row) = train.iter().find(|&&row| column.values.is_missing(row)) {
            let everywhere = (0..rows.n_rows()).all(|row| column.values.is_missing(row));
            return Err(if everywhere {
                everywhere_missing(column)
            } else {
                PrepareError::TargetMissing {
                    column: column.name.clone(),
                    row: rows.row_ids[row],
                }
            });
        }
        if train.is_empty() {
            return Err(everywhere_missing(column));
        }
        match settings.task {
            Task::Classify => fit_classes(column, train, settings.positive_class.as_deref()),
            Task::Regress => fit_numbers(column, &rows.row_ids, train),
        }
    }

    pub fn column(&self) -> &str {
        match self {
            Self::Classes { column, .. } | Self::Numbers { column, .. } => column,
        }
    }

    /// The target of every row of `rows`, all of which must have one.
    pub fn apply(&self, column: &RowColumn, row_ids: &[u64]) -> Result<Target, PrepareError> {
        let missing = (0..row_ids.len()).find(|&row| column.values.is_missing(row));
        if let Some(row) = missing {
            return Err(PrepareError::TargetMissing {
                column: column.name.clone(),
                row: row_ids[row],
            });
        }
        match self {
            Self::Numbers { .. } => Ok(Target::Numbers(target_numbers(column, row_ids)?)),
            Self::Classes { names, .. } => {
                let all: Vec<usize> = (0..row_ids.len()).collect();
                let cells = class_cells(column, &all)?;
                let known = Categories {
                    names: names.clone(),
                    buckets: 0,
                };
                let codes = known.encode(cells.iter().map(|cell| Some(cell.as_str())));
                if let Some(row) = codes.iter().position(|&code| code == UNKNOWN) {
                    return Err(PrepareError::UnknownClass {
                        column: column.name.clone(),
                        row: row_ids[row],
                        class: cells[row].clone(),
                        known: names.clone(),
                    });
                }
                Ok(Target::Classes {
                    // Codes 0 and 1 are unknown and missing; neither is left here.
                    codes: codes.into_iter().map(|code| code - 2).collect(),
                    names: names.clone(),
                })
            }
        }
    }
}

fn everywhere_missing(column: &RowColumn) -> PrepareError {
    PrepareError::TargetMissingEverywhere {
        column: column.name.clone(),
    }
}

fn fit_classes(
    column: &RowColumn,
    train: &[usize],
    positive: Option<&str>,
) -> Result<TargetPlan, PrepareError> {
    let mut names = class_cells(column, train)?;
    names.sort_unstable();
    names.dedup();
    check_classes(column, &names, train.len())?;
    sort_names(&mut names);
    if let [class] = names.as_slice() {
        return Err(PrepareError::OneClass {
            column: column.name.clone(),
            class: class.clone(),
            rows: train.len(),
        });
    }
    let positive =
        match positive {
            None => (names.len() == 2).then_some(1),
            Some(wanted) => Some(position(&names, wanted).ok_or_else(|| {
                PrepareError::UnknownPositiveClass {
                    class: wanted.to_string(),
                    known: names.clone(),
                }
            })?),
        };
    Ok(TargetPlan::Classes {
        column: column.name.clone(),
        names,
        positive,
    })
}

/// The place of a class that a person names, `1.0` for `1` included.
fn position(names: &[String], wanted: &str) -> Option<usize> {
    let known = Categories {
        names: names.to_vec(),
        buckets: 0,
    };
    let code = *known.encode([Some(wanted)].into_iter()).first()?;
    (code as usize).checked_sub(2)
}

/// Refuses targets that are numbers or names of single rows rather than classes.
fn check_classes(column: &RowColumn, names: &[String], rows: usize) -> Result<(), PrepareError> {
    let numeric = names.iter().all(|name| parse_number(name).is_some());
    let classes = names.len();
    // Whole numbers that each come back several times may be classes; others are measurements.
    if classes > FEW_CLASSES && classes * 3 > rows {
        return Err(PrepareError::NotClasses {
            column: column.name.clone(),
            distinct: classes,
            rows,
            numeric,
        });
    }
    let fractions = numeric
        && names
            .iter()
            .filter_map(|name| parse_number(name))
            .any(|x| x.fract() != 0.0);
    if fractions && classes > 2 * FEW_CLASSES {
        return Err(PrepareError::NotClasses {
            column: column.name.clone(),
            distinct: classes,
            rows,
            numeric,
        });
    }
    if classes > MAX_CLASSES {
        return Err(PrepareError::TooManyClasses {
            column: column.name.clone(),
            classes,
            limit: MAX_CLASSES,
            numeric,
        });
    }
    Ok(())
}

fn fit_numbers(
    column: &RowColumn,
    row_ids: &[u64],
    train: &[usize],
) -> Result<TargetPlan, PrepareError> {
    let all = target_numbers(column, row_ids)?;
    let values: Vec<f64> = train.iter().map(|&row| all[row]).collect();
    if values.iter().all(|x| *x == values[0]) {
        return Err(PrepareError::OneValue {
            column: column.name.clone(),
            value: values[0],
            rows: values.len(),
        });
    }
    let (mean, deviation) = mean_and_deviation(&values);
    Ok(TargetPlan::Numbers {
        column: column.name.clone(),
        mean,
        deviation: if deviation.is_finite() && deviation > 0.0 {
            deviation
        } else {
            1.0
        },
    })
}

/// Class names of some rows; missing cells are empty.
pub(super) fn class_cells(
    column: &RowColumn,
    indices: &[usize],
) -> Result<Vec<String>, PrepareError> {
    match &column.values {
        Values::Numbers(values) => Ok(indices
            .iter()
            .map(|&row| number_name(values[row]))
            .collect()),
        Values::Strings(values) => Ok(indices
            .iter()
            .map(|&row| normalise_text(values[row].as_deref().unwrap_or_default()))
            .collect()),
        Values::Times(_) | Values::Histories(_) => Err(PrepareError::WrongType {
            column: column.name.clone(),
            role: "target",
            found: "a time",
        }),
    }
}

/// The target as numbers; NaN where it is missing.
pub(super) fn target_numbers(
    column: &RowColumn,
    row_ids: &[u64],
) -> Result<Vec<f64>, PrepareError> {
    match &column.values {
        Values::Numbers(values) => Ok(values.clone()),
        Values::Times(_) | Values::Histories(_) => Err(PrepareError::WrongType {
            column: column.name.clone(),
            role: "target",
            found: "a time",
        }),
        Values::Strings(values) => numbers_of(&column.name, values, row_ids, true),
    }
}

/// Strings as numbers, blanks as NaN; anything else is an error that shows where.
pub(super) fn numbers_of(
    column: &str,
    values: &[Option<String>],
    row_ids: &[u64],
    is_target: bool,
) -> Result<Vec<f64>, PrepareError> {
    let mut numbers = Vec::with_capacity(values.len());
    let mut count = 0;
    let mut examples = Vec::new();
    for (cell, &row) in values.iter().zip(row_ids) {
        let text = cell.as_deref().map(str::trim).unwrap_or_default();
        let number = parse_number(text);
        if number.is_none() && !text.is_empty() {
            count += 1;
            if examples.len() < EXAMPLES {
                examples.push((row, text.to_string()));
            }
        }
        numbers.push(number.unwrap_or(f64::NAN));
    }
    if count > 0 {
        return Err(PrepareError::NotNumbers {
            column: column.to_string(),
            count,
            examples,
            is_target,
        });
    }
    Ok(numbers)
}
