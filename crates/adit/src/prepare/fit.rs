//! The preparation: everything that is learned from training rows before a model is.

use serde::{Deserialize, Serialize};

use super::category::{Categories, Limits};
use super::number::Scaling;
use super::target::{TargetPlan, numbers_of};
use super::text::number_name;
use super::{Histories, PrepareError, Role, RowColumn, Rows, Task, Values, Windows, molecule};
use crate::chemistry;

/// Version of the saved form.
pub(super) const VERSION: u32 = 1;
const MS_PER_DAY: f64 = 86_400_000.0;

/// How columns are encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct PrepareSettings {
    pub task: Task,
    /// The class that precision, recall and curves are about; of two classes the second by default.
    pub positive_class: Option<String>,
    /// Categories seen less often in training share the unknown bucket, which is so trained too.
    pub min_category_count: u32,
    /// Only the most frequent categories have a code of their own.
    pub max_categories: u32,
    /// Codes that the others are hashed to, in columns that have more.
    pub category_buckets: u32,
    /// Columns that are not learned from although their role allows it, such as the split's time.
    pub leave_out: Vec<String>,
}

impl PrepareSettings {
    /// The defaults: categories seen twice or more, at most 256 of them, the rest of such columns in 128 buckets.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            positive_class: None,
            min_category_count: 2,
            max_categories: 256,
            category_buckets: 128,
            leave_out: Vec::new(),
        }
    }
}

/// How raw rows become a [`Dataset`](super::Dataset), fitted on training rows only and saved with the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    pub(super) version: u32,
    pub(super) task: Task,
    pub(super) columns: Vec<ColumnPlan>,
    /// Columns that name rows; loaded where they are there, never learned from.
    pub(super) carried: Vec<CarriedColumn>,
    pub(super) target: TargetPlan,
    /// How columns are made that a table does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) windows: Option<Windows>,
    /// How columns are made of the events of a row's entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) histories: Option<Histories>,
    /// Names of columns that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) derived: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ColumnPlan {
    pub name: String,
    pub encoding: Encoding,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CarriedColumn {
    pub name: String,
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
pub(super) enum Encoding {
    Number(Scaling),
    /// Days since `origin`, the first time among the training rows in milliseconds, then scaled.
    Time {
        origin: i64,
        scaling: Scaling,
    },
    Category(Categories),
    /// One scaling a property.
    Molecule {
        scalings: Vec<Scaling>,
    },
    Text,
}

impl Encoding {
    pub fn role(&self) -> Role {
        match self {
            Self::Number(_) => Role::Number,
            Self::Time { .. } => Role::Time,
            Self::Category(_) => Role::Category,
            Self::Molecule { .. } => Role::Molecule,
            Self::Text => Role::Text,
        }
    }
}

impl Preparation {
    /// Learns medians, scales, categories and classes from the rows at `train`; no other row is looked at.
    ///
    /// # Errors
    /// A target that is missing, has one value, or does not suit the task; no feature; a column
    /// whose values do not suit its role.
    pub fn fit(
        rows: &Rows,
        train: &[usize],
        settings: &PrepareSettings,
    ) -> Result<Self, PrepareError> {
        if let Some(&index) = train.iter().find(|&&row| row >= rows.n_rows()) {
            return Err(PrepareError::RowOutOfRange {
                index,
                rows: rows.n_rows(),
            });
        }
        let target = TargetPlan::fit(rows, train, settings)?;
        let mut columns = Vec::new();
        let mut carried = Vec::new();
        for column in &rows.columns {
            let name = column.name.clone();
            if matches!(column.role, Role::Id | Role::Entity) {
                let role = column.role;
                carried.push(CarriedColumn { name, role });
            } else if column.role.is_feature() && !settings.leave_out.contains(&name) {
                let encoding = fit_column(column, &rows.row_ids, train, settings)?;
                columns.push(ColumnPlan { name, encoding });
            }
        }
        if columns.is_empty() {
            return Err(PrepareError::NoFeatures {
                target: target.column().to_string(),
            });
        }
        Ok(Self {
            version: VERSION,
            task: settings.task,
            columns,
            carried,
            target,
            windows: None,
            histories: None,
            derived: Vec::new(),
        })
    }

    /// The preparation of rows that were extended by windows, with the names of the columns that these made.
    pub fn with_windows(mut self, windows: Windows, derived: Vec<String>) -> Self {
        self.windows = Some(windows);
        self.derived.extend(derived);
        self
    }

    /// The preparation of rows that were extended by the events of their entities, with the names of the columns.
    pub fn with_histories(mut self, histories: Histories, derived: Vec<String>) -> Self {
        self.histories = Some(histories);
        self.derived.extend(derived);
        self
    }

    /// The preparation that also reads these columns of new rows: others are made of them, though nothing learns from them.
    pub fn with_sources<'a>(
        mut self,
        rows: &Rows,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        for name in names {
            let is_read = (self.columns.iter().any(|c| c.name == *name))
                || self.carried.iter().any(|c| c.name == *name);
            if let (false, Some(column)) = (is_read, rows.column(name)) {
                self.carried.push(CarriedColumn {
                    name: name.clone(),
                    role: column.role,
                });
            }
        }
        self
    }

    /// How columns are made of a table of events, if any are.
    pub fn histories(&self) -> Option<&Histories> {
        self.histories.as_ref()
    }

    /// How columns are made from a row's past, if any are; they need all rows of an entity together.
    pub fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Name of the target column.
    pub fn target_column(&self) -> &str {
        self.target.column()
    }

    /// The classes in the order of their codes; empty for regression.
    pub fn class_names(&self) -> &[String] {
        match &self.target {
            TargetPlan::Classes { names, .. } => names,
            TargetPlan::Numbers { .. } => &[],
        }
    }

    /// Code of the positive class: the chosen one, or the second of two.
    pub fn positive_class(&self) -> Option<usize> {
        match &self.target {
            TargetPlan::Classes { positive, .. } => *positive,
            TargetPlan::Numbers { .. } => None,
        }
    }

    /// Outputs of a model: one per class, or one number.
    pub fn n_outputs(&self) -> usize {
        self.class_names().len().max(1)
    }

    /// Names of the columns that are learned from, in order.
    pub fn input_columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Mean and standard deviation of the target over the training rows, in its own unit; `(0, 1)` for classes.
    pub fn target_scale(&self) -> (f64, f64) {
        match &self.target {
            TargetPlan::Classes { .. } => (0.0, 1.0),
            TargetPlan::Numbers {
                mean, deviation, ..
            } => (*mean, *deviation),
        }
    }
}

fn fit_column(
    column: &RowColumn,
    row_ids: &[u64],
    train: &[usize],
    settings: &PrepareSettings,
) -> Result<Encoding, PrepareError> {
    match column.role {
        Role::Number => {
            let numbers = numbers(column, row_ids, train)?;
            Ok(Encoding::Number(Scaling::fit(numbers.into_iter())))
        }
        Role::Time => {
            let times = times(column)?;
            let seen = || train.iter().filter_map(|&row| times[row]);
            let origin = seen().min().unwrap_or(0);
            let scaling = Scaling::fit(seen().map(|time| days(time, origin)));
            Ok(Encoding::Time { origin, scaling })
        }
        Role::Category => {
            let cells = names(column, train)?;
            Ok(Encoding::Category(Categories::fit(
                cells.iter().map(|cell| cell.as_deref()),
                Limits {
                    min_count: settings.min_category_count,
                    names: settings.max_categories,
                    buckets: settings.category_buckets,
                },
            )))
        }
        Role::Molecule => {
            let cells = names(column, train)?;
            let found = molecule::properties(&molecule::read(&cells));
            let scaling = |at: usize| Scaling::fit(found.iter().map(|p| p[at]));
            let scalings = (0..chemistry::N_PROPERTIES).map(scaling).collect();
            Ok(Encoding::Molecule { scalings })
        }
        _ => names(column, &[]).map(|_| Encoding::Text),
    }
}

/// Days from `origin` to `time`.
pub(super) fn days(time: i64, origin: i64) -> f64 {
    (time as f64 - origin as f64) / MS_PER_DAY
}

/// Number cells of some rows; NaN is missing.
pub(super) fn numbers(
    column: &RowColumn,
    row_ids: &[u64],
    indices: &[usize],
) -> Result<Vec<f64>, PrepareError> {
    match &column.values {
        Values::Numbers(values) => Ok(indices.iter().map(|&row| values[row]).collect()),
        Values::Strings(values) => {
            let cells: Vec<Option<String>> =
                indices.iter().map(|&row| values[row].clone()).collect();
            let ids: Vec<u64> = indices.iter().map(|&row| row_ids[row]).collect();
            numbers_of(&column.name, &cells, &ids, false)
        }
        Values::Times(_) => Err(wrong_type(column, "a time")),
        Values::Histories(_) => Err(wrong_type(column, "histories")),
    }
}

/// Time cells of all rows.
pub(super) fn times(column: &RowColumn) -> Result<&[Option<i64>], PrepareError> {
    match &column.values {
        Values::Times(values) => Ok(values),
        Values::Histories(_) => Err(wrong_type(column, "histories")),
        Values::Numbers(_) => Err(wrong_type(column, "numbers")),
        Values::Strings(_) => Err(wrong_type(column, "text")),
    }
}

/// Category and text cells of some rows; numbers by their names.
pub(super) fn names(
    column: &RowColumn,
    indices: &[usize],
) -> Result<Vec<Option<String>>, PrepareError> {
    match &column.values {
        Values::Strings(values) => Ok(indices.iter().map(|&row| values[row].clone()).collect()),
        Values::Numbers(values) => Ok(indices
            .iter()
            .map(|&row| values[row])
            .map(|x| x.is_finite().then(|| number_name(x)))
            .collect()),
        Values::Times(_) => Err(wrong_type(column, "a time")),
        Values::Histories(_) => Err(wrong_type(column, "histories")),
    }
}

fn wrong_type(column: &RowColumn, found: &'static str) -> PrepareError {
    PrepareError::WrongType {
        column: column.name.clone(),
        role: column.role.word(),
        found,
    }
}
