//! The dataset that leaves the room.

use crate::chemistry::Molecule;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Classify,
    Regress,
}

/// Raw typed values of one column of [`Rows`]; all have `n_rows` entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// NaN is missing; never infinite.
    Numbers(Vec<f64>),
    /// Categories and texts before encoding.
    Strings(Vec<Option<String>>),
    /// Milliseconds since 1970-01-01 UTC.
    Times(Vec<Option<i64>>),
    /// What entities did; made of a table of events, never read from a file.
    Histories(super::HistoryCells),
}

/// One loaded column.
#[derive(Clone, Debug, PartialEq)]
pub struct RowColumn {
    pub name: String,
    pub role: super::Role,
    pub values: Values,
}

/// A loaded table before anything was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Positions of the rows in their table.
    pub row_ids: Vec<u64>,
    /// Every column whose role is not `Ignore`, the target included.
    pub columns: Vec<RowColumn>,
}

/// Indices into [`Rows`] (train and validation disjoint; test may live in its own `Rows`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
    /// In words: `given test file; validation: 15% of the training rows, stratified, seed 1`.
    pub how: String,
}

/// A number column after imputing and robust scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberColumn {
    pub name: String,
    /// Imputed and scaled, finite. `[n_rows]`
    pub values: Vec<f32>,
    /// True where the value was missing. `[n_rows]`
    pub missing: Vec<bool>,
}

/// A category column after encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryColumn {
    pub name: String,
    /// `0` = unknown, `1` = missing, then the categories of the training rows, then the buckets of the rest. `[n_rows]`
    pub codes: Vec<u32>,
    /// Number of codes, the two special ones included.
    pub cardinality: u32,
}

/// A text column after normalisation; missing texts are empty.
#[derive(Clone, Debug, PartialEq)]
pub struct TextColumn {
    pub name: String,
    pub values: Vec<String>,
}

/// A column of molecules: graphs, and circular fingerprints.
#[derive(Clone, Debug, PartialEq)]
pub struct MoleculeColumn {
    pub name: String,
    /// `None` for what cannot be read. `[n_rows]`
    pub molecules: Vec<Option<Molecule>>,
    /// `(place, count)` by place; empty for what cannot be read. `[n_rows]`
    pub fingerprints: Vec<Vec<(u16, u16)>>,
}

/// The target of every row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `codes[i]` indexes `names`; names are sorted (numbers by value), the positive class of a
    /// two-class target is the second unless it was chosen. `[n_rows]`
    Classes { codes: Vec<u32>, names: Vec<String> },
    /// In the target's own unit. `[n_rows]`
    Numbers(Vec<f64>),
}

/// Encoded rows, ready to be represented.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub row_ids: Vec<u64>,
    pub numbers: Vec<NumberColumn>,
    pub categories: Vec<CategoryColumn>,
    pub texts: Vec<TextColumn>,
    pub molecules: Vec<MoleculeColumn>,
    /// Absent where there are no events.
    pub histories: Option<super::HistoryCells>,
    /// Absent when rows to be predicted bring none.
    pub target: Option<Target>,
}

impl Rows {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.row_ids.len()
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&RowColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column to be predicted.
    pub fn target(&self) -> Option<&RowColumn> {
        self.columns
            .iter()
            .find(|column| column.role == super::Role::Target)
    }
}

impl Rows {
    /// Adds rows below these; their columns may stand in another order, and lack ids and entities.
    ///
    /// # Errors
    /// Names the column that is absent or of another kind.
    pub fn append(&mut self, more: Rows) -> Result<(), super::PrepareError> {
        let n_more = more.n_rows();
        let mut others = more.columns;
        for own in &mut self.columns {
            let place = others.iter().position(|other| other.name == own.name);
            let values = place.map(|at| others.swap_remove(at).values);
            own.extend(values, n_more)?;
        }
        self.row_ids.extend(more.row_ids);
        Ok(())
    }

    /// The first `n` rows, and the rest.
    pub fn split_at(self, n: usize) -> (Rows, Rows) {
        let all: Vec<usize> = (0..self.n_rows()).collect();
        let (head, tail) = all.split_at(n.min(all.len()));
        (subset(&self, head), subset(&self, tail))
    }
}

impl RowColumn {
    /// Adds `values`, or `n_more` missing ones where an id or an entity is absent.
    fn extend(&mut self, values: Option<Values>, n_more: usize) -> Result<(), super::PrepareError> {
        match (&mut self.values, values) {
            (Values::Numbers(own), Some(Values::Numbers(more))) => own.extend(more),
            (Values::Strings(own), Some(Values::Strings(more))) => own.extend(more),
            (Values::Times(own), Some(Values::Times(more))) => own.extend(more),
            (Values::Histories(own), Some(Values::Histories(more)))
                if std::sync::Arc::ptr_eq(&own.events, &more.events) =>
            {
                own.spans.extend(more.spans);
            }
            // Classes of which one file has only those that look like numbers.
            (Values::Strings(own), Some(Values::Numbers(more)))
                if self.role == super::Role::Target =>
            {
                own.extend(more.into_iter().map(as_class));
            }
            (Values::Numbers(own), Some(Values::Strings(more)))
                if self.role == super::Role::Target =>
            {
                let own: Vec<Option<String>> = own.iter().copied().map(as_class).collect();
                self.values = Values::Strings(own.into_iter().chain(more).collect());
            }
            (own, None) if matches!(self.role, super::Role::Id | super::Role::Entity) => {
                match own {
                    Values::Numbers(own) => own.extend(std::iter::repeat_n(f64::NAN, n_more)),
                    Values::Strings(own) => own.extend(std::iter::repeat_n(None, n_more)),
                    Values::Times(own) => own.extend(std::iter::repeat_n(None, n_more)),
                    // Histories are no ids.
                    Values::Histories(_) => {}
                }
            }
            (_, found) => {
                return Err(super::PrepareError::ColumnsDiffer {
                    column: self.name.clone(),
                    found: if found.is_some() {
                        "of another kind"
                    } else {
                        "absent"
                    },
                });
            }
        }
        Ok(())
    }
}

fn as_class(number: f64) -> Option<String> {
    number.is_finite().then(|| super::number_name(number))
}

impl Target {
    /// The target of the given rows, in their order.
    pub fn select(&self, rows: &[usize]) -> Target {
        match self {
            Target::Classes { codes, names } => Target::Classes {
                codes: rows.iter().map(|&i| codes[i]).collect(),
                names: names.clone(),
            },
            Target::Numbers(values) => Target::Numbers(rows.iter().map(|&i| values[i]).collect()),
        }
    }
}

impl Dataset {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.row_ids.len()
    }
}

/// The rows at `indices`, in that order; indices outside are left out.
pub fn subset(rows: &Rows, indices: &[usize]) -> Rows {
    Rows {
        row_ids: picked(&rows.row_ids, indices),
        columns: rows.columns.iter().map(|c| c.at(indices)).collect(),
    }
}

fn picked<T: Clone>(values: &[T], indices: &[usize]) -> Vec<T> {
    let at = |&index: &usize| values.get(index).cloned();
    indices.iter().filter_map(at).collect()
}

impl RowColumn {
    /// The cells at `indices`, in that order; indices outside are left out.
    pub fn at(&self, indices: &[usize]) -> RowColumn {
        RowColumn {
            name: self.name.clone(),
            role: self.role,
            values: match &self.values {
                Values::Numbers(values) => Values::Numbers(picked(values, indices)),
                Values::Strings(values) => Values::Strings(picked(values, indices)),
                Values::Times(values) => Values::Times(picked(values, indices)),
                Values::Histories(cells) => Values::Histories(super::HistoryCells {
                    events: std::sync::Arc::clone(&cells.events),
                    spans: picked(&cells.spans, indices),
                }),
            },
        }
    }
}

/// Removes the rows whose target is missing or blank and says how many there were.
pub fn drop_missing_target(rows: &mut Rows) -> u64 {
    let Some(target) = rows.target() else {
        return 0;
    };
    let kept: Vec<usize> = (0..rows.n_rows())
        .filter(|&row| !target.values.is_missing(row))
        .collect();
    let dropped = rows.n_rows() - kept.len();
    if dropped > 0 {
        *rows = subset(rows, &kept);
    }
    dropped as u64
}

impl Values {
    /// How many cells there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Strings(values) => values.len(),
            Self::Times(values) => values.len(),
            Self::Histories(cells) => cells.spans.len(),
        }
    }

    /// True where there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where there is no value: NaN or infinite numbers, absent times, absent or blank strings.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(values) => !values[row].is_finite(),
            Self::Strings(values) => values[row]
                .as_ref()
                .is_none_or(|text| text.trim().is_empty()),
            Self::Times(values) => values[row].is_none(),
            Self::Histories(cells) => cells.spans[row].is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    fn rows(values: Values) -> Rows {
        Rows {
            row_ids: vec![10, 11, 12, 13],
            columns: vec![RowColumn {
                name: "y".into(),
                role: Role::Target,
                values,
            }],
        }
    }

    #[test]
    fn rows_without_a_target_are_dropped_and_counted() {
        let text = |s: &str| Some(s.to_string());
        let mut strings = rows(Values::Strings(vec![
            text("a"),
            None,
            text("  "),
            text("b"),
        ]));
        assert_eq!(drop_missing_target(&mut strings), 2);
        assert_eq!(strings.row_ids, [10, 13]);
        let mut numbers = rows(Values::Numbers(vec![1.0, f64::NAN, 2.0, 3.0]));
        assert_eq!(drop_missing_target(&mut numbers), 1);
        assert_eq!(numbers.row_ids, [10, 12, 13]);
        assert_eq!(drop_missing_target(&mut numbers), 0);
    }

    #[test]
    fn a_subset_keeps_order_and_ids() {
        let all = rows(Values::Numbers(vec![0.0, 1.0, 2.0, 3.0]));
        let some = subset(&all, &[3, 1, 99]);
        assert_eq!(some.row_ids, [13, 11]);
        assert_eq!(some.columns[0].values, Values::Numbers(vec![3.0, 1.0]));
    }
}
