//! What a row's entity did just before: means and slopes of each number over the entity's last rows.
//!
//! A row sees itself and earlier rows of its own entity only. Beside it, a target that is made of the order itself: how
//! much is left until the entity's last row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::split::group_ids;
use super::{PrepareError, Role, RowColumn, Rows, Values};

/// Over which rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Column that tells whose a row is.
    pub entity: String,
    /// Numbers or times by which an entity's rows are in order.
    pub order: String,
    /// Rows that a mean or a slope looks back over, its own included; at least 2.
    pub length: usize,
}

impl Windows {
    /// Adds the mean and the slope of every number column over the last rows of each row's entity; gives their names.
    ///
    /// # Errors
    /// A column that is not there, or an order that is neither numbers nor times or has gaps.
    pub fn extend(&self, rows: &mut Rows) -> Result<Vec<String>, PrepareError> {
        let histories = self.histories(rows)?;
        let mut derived = Vec::new();
        for column in &rows.columns {
            let (Role::Number, Values::Numbers(values)) = (column.role, &column.values) else {
                continue;
            };
            if column.name == self.order {
                continue;
            }
            let (mut means, mut slopes) =
                (vec![f64::NAN; values.len()], vec![f64::NAN; values.len()]);
            for history in &histories {
                for at in 0..history.len() {
                    let first = (at + 1).saturating_sub(self.length);
                    let seen = history[first..=at].iter().map(|&row| values[row]);
                    let (mean, slope) = mean_and_slope(seen);
                    (means[history[at]], slopes[history[at]]) = (mean, slope);
                }
            }
            let [mean, slope] = self.made_of(&column.name);
            derived.push((mean, means));
            derived.push((slope, slopes));
        }
        let names = derived.iter().map(|(name, _)| name.clone()).collect();
        rows.columns
            .extend(derived.into_iter().map(|(name, values)| RowColumn {
                name,
                role: Role::Number,
                values: Values::Numbers(values),
            }));
        Ok(names)
    }

    /// Names of what is made of a column of numbers.
    pub fn made_of(&self, column: &str) -> [String; 2] {
        [
            format!("{column}, mean of {}", self.length),
            format!("{column}, slope over {}", self.length),
        ]
    }

    /// Adds a target of that name: how many rows of its entity come after each row, at most `cap`.
    ///
    /// # Errors
    /// As [`Windows::extend`]; a column of that name that is there already.
    pub fn add_remaining(&self, rows: &mut Rows, name: &str, cap: f64) -> Result<(), PrepareError> {
        if rows.column(name).is_some() {
            return Err(PrepareError::TwoRoles {
                column: name.to_string(),
                first: "a column of the table",
                second: "the target that is made",
            });
        }
        let mut left = vec![0.0; rows.n_rows()];
        for history in self.histories(rows)? {
            for (at, &row) in history.iter().enumerate() {
                left[row] = ((history.len() - 1 - at) as f64).min(cap);
            }
        }
        rows.columns.push(RowColumn {
            name: name.to_string(),
            role: Role::Target,
            values: Values::Numbers(left),
        });
        Ok(())
    }

    /// The rows of every entity in their order.
    fn histories(&self, rows: &Rows) -> Result<Vec<Vec<usize>>, PrepareError> {
        let all: Vec<usize> = (0..rows.n_rows()).collect();
        let ids = group_ids(rows, &self.entity, &all)?;
        // Looked up by the split's own reading of an order, which names what is wrong with it.
        let ranks = super::split::ranks_in_time(rows, &self.order)?;
        let mut histories: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for row in all {
            histories.entry(ids[row]).or_default().push(row);
        }
        let mut histories: Vec<Vec<usize>> = histories.into_values().collect();
        for history in &mut histories {
            history.sort_by_key(|&row| (ranks[row], row));
        }
        Ok(histories)
    }
}

/// Mean, and change a row by least squares; NaN where no value is there, slope 0 for one.
fn mean_and_slope(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut shift = None;
    for (x, value) in values.enumerate().filter(|(_, v)| v.is_finite()) {
        // Shifted by the first value, so that large steady values have a slope of exactly 0.
        let y = value - *shift.get_or_insert(value);
        let x = x as f64;
        n += 1.0;
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    let Some(shift) = shift else {
        return (f64::NAN, f64::NAN);
    };
    let spread = n * sxx - sx * sx;
    let slope = if spread > 0.0 {
        (n * sxy - sx * sy) / spread
    } else {
        0.0
    };
    (shift + sy / n, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, role: Role, values: &[f64]) -> RowColumn {
        RowColumn {
            name: name.into(),
            role,
            values: Values::Numbers(values.to_vec()),
        }
    }

    fn table() -> Rows {
        // Two machines, their rows mixed and out of order.
        Rows {
            row_ids: (0..6).collect(),
            columns: vec![
                column("unit", Role::Entity, &[1.0, 2.0, 1.0, 1.0, 2.0, 1.0]),
                column("cycle", Role::Number, &[3.0, 1.0, 1.0, 2.0, 2.0, 4.0]),
                column(
                    "heat",
                    Role::Number,
                    &[30.0, 7.0, 10.0, 20.0, f64::NAN, 70.0],
                ),
            ],
        }
    }

    fn windows() -> Windows {
        Windows {
            entity: "unit".into(),
            order: "cycle".into(),
            length: 3,
        }
    }

    #[test]
    fn a_row_sees_its_own_past_and_nothing_else() {
        let mut rows = table();
        let names = windows().extend(&mut rows).unwrap();
        assert_eq!(names, ["heat, mean of 3", "heat, slope over 3"]);
        let of = |name: &str| match &rows.column(name).unwrap().values {
            Values::Numbers(values) => values.clone(),
            _ => panic!(),
        };
        assert_eq!(of(&names[0]), [20.0, 7.0, 10.0, 15.0, 7.0, 40.0]);
        assert_eq!(of(&names[1]), [10.0, 0.0, 0.0, 10.0, 0.0, 25.0]);
        // What comes later, and other machines, change nothing.
        let mut changed = table();
        if let Values::Numbers(values) = &mut changed.columns[2].values {
            (values[5], values[1]) = (-1e9, 1e9);
        }
        windows().extend(&mut changed).unwrap();
        let Values::Numbers(means) = &changed.column(&names[0]).unwrap().values else {
            panic!()
        };
        assert_eq!(means[..1], [20.0]);
        assert_eq!(means[2..4], [10.0, 15.0]);
    }

    #[test]
    fn what_is_left_is_counted_to_the_last_row_and_capped() {
        let mut rows = table();
        windows().add_remaining(&mut rows, "left", 2.0).unwrap();
        let Values::Numbers(left) = &rows.target().unwrap().values else {
            panic!()
        };
        assert_eq!(left[..], [1.0, 1.0, 2.0, 2.0, 0.0, 0.0]);
        assert!(windows().add_remaining(&mut rows, "heat", 2.0).is_err());
    }

    #[test]
    fn a_wrong_column_is_named() {
        let wrong = Windows {
            order: "time".into(),
            ..windows()
        };
        let error = wrong.extend(&mut table()).unwrap_err().to_string();
        assert!(error.contains("time"), "{error}");
    }
}
