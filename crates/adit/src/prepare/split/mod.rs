//! Divides rows into training, validation and test parts.

mod by_group;
mod by_time;
mod folds;
mod stratified;

pub use by_group::group_ids;
pub(super) use by_time::ranks_in_time;
pub use folds::{Fold, FoldSettings, folds};

use super::target::class_cells;
use super::{PrepareError, Role, Rows, Split, Task};

/// Where the test rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TestPart {
    /// From another file: all loaded rows are for training and validation.
    Given,
    /// A share of the rows, drawn at random; each class keeps its share.
    Random { fraction: f64 },
    /// A share of the entities in `column`, drawn at random; all rows of an entity stay together.
    Group { column: String, fraction: f64 },
    /// The latest share of the rows by `column`; rows of the same time stay together.
    Time { column: String, fraction: f64 },
}

/// How rows are divided.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitSettings {
    pub test: TestPart,
    /// Share of the rows left after the test part; 0 for none.
    pub validation_fraction: f64,
    /// With a given test part: the column by which rows stay together, or the one by which the latest are for validation.
    pub group: Option<String>,
    pub time: Option<String>,
    pub seed: u64,
}

impl SplitSettings {
    /// Given or random test part, 15% of the training rows for validation.
    pub fn new(test: TestPart, seed: u64) -> Self {
        Self {
            test,
            validation_fraction: 0.15,
            group: None,
            time: None,
            seed,
        }
    }
}

/// What rows must keep together or in order.
pub(super) enum Order<'a> {
    /// Strata; one for all where the target is a number.
    Strata(Vec<Vec<usize>>),
    /// Rows of each entity, and the column they are told apart by.
    Groups(&'a str, Vec<Vec<usize>>),
    /// Rows of each time, earliest first, and the time's column.
    Times(&'a str, Vec<Vec<usize>>),
}

/// Divides `rows`; the same rows and seed give the same parts, each sorted.
///
/// The validation part is drawn as the test part is: stratified, by entity, or the latest rows.
/// With a given test file it is drawn by the given column, or by entity where a column has that role. Drawing at random,
/// every class with two rows or more keeps one in training at least, and each part holds the
/// share of every class to within one row.
///
/// # Errors
/// Fractions outside (0, 1); too few rows, entities or times; a missing time; an unknown column.
pub fn split(rows: &Rows, task: Task, settings: &SplitSettings) -> Result<Split, PrepareError> {
    check_fractions(settings)?;
    let target = rows.target().ok_or(PrepareError::NoTarget)?;
    if (0..rows.n_rows()).all(|row| target.values.is_missing(row)) {
        let column = target.name.clone();
        return Err(PrepareError::TargetMissingEverywhere { column });
    }
    let parts = 1
        + usize::from(settings.test != TestPart::Given)
        + usize::from(settings.validation_fraction > 0.0);
    if rows.n_rows() < parts {
        return Err(PrepareError::TooFewRows {
            rows: rows.n_rows(),
            needed: parts,
        });
    }
    let order = order(rows, task, settings)?;
    order.check(parts)?;
    // Where every class has a single row, nothing can be drawn and still be learned.
    let needed = parts * order.units();
    let (rest, test) = match settings.test {
        TestPart::Given => (order, Vec::new()),
        TestPart::Random { fraction }
        | TestPart::Group { fraction, .. }
        | TestPart::Time { fraction, .. } => {
            order.part(fraction, stream(settings.seed, 0), parts - 1)
        }
    };
    let how = describe(settings, &rest);
    let (rest, validation) = if settings.validation_fraction > 0.0 {
        rest.part(settings.validation_fraction, stream(settings.seed, 1), 1)
    } else {
        (rest, Vec::new())
    };
    let empty_test = test.is_empty() && settings.test != TestPart::Given;
    if empty_test || validation.is_empty() && settings.validation_fraction > 0.0 {
        let rows = rows.n_rows();
        return Err(PrepareError::TooFewRows { rows, needed });
    }
    let sorted = |mut part: Vec<usize>| {
        part.sort_unstable();
        part
    };
    Ok(Split {
        train: sorted(rest.rows()),
        validation: sorted(validation),
        test: sorted(test),
        how,
    })
}

impl Order<'_> {
    /// Takes a share of the rows away and leaves `keep` units at least.
    fn part(self, fraction: f64, seed: u64, keep: usize) -> (Self, Vec<usize>) {
        match self {
            Self::Strata(strata) => {
                let (rest, part) = stratified::part(strata, fraction, seed);
                (Self::Strata(rest), part)
            }
            Self::Groups(column, groups) => {
                let (rest, part) = by_group::part(groups, fraction, seed, keep);
                (Self::Groups(column, rest), part)
            }
            Self::Times(column, times) => {
                let (rest, part) = by_time::part(times, fraction, keep);
                (Self::Times(column, rest), part)
            }
        }
    }

    fn units(&self) -> usize {
        match self {
            Self::Strata(parts) | Self::Groups(_, parts) | Self::Times(_, parts) => parts.len(),
        }
    }

    fn rows(self) -> Vec<usize> {
        match self {
            Self::Strata(parts) | Self::Groups(_, parts) | Self::Times(_, parts) => parts.concat(),
        }
    }

    /// Each part needs one entity or time of its own.
    fn check(&self, needed: usize) -> Result<(), PrepareError> {
        match self {
            Self::Groups(column, groups) if groups.len() < needed => {
                Err(PrepareError::TooFewGroups {
                    column: column.to_string(),
                    groups: groups.len(),
                    needed,
                })
            }
            Self::Times(column, times) if times.len() < needed => Err(PrepareError::TooFewTimes {
                column: column.to_string(),
                found: times.len(),
                needed,
            }),
            _ => Ok(()),
        }
    }
}

fn check_fractions(settings: &SplitSettings) -> Result<(), PrepareError> {
    let test = match settings.test {
        TestPart::Given => None,
        TestPart::Random { fraction }
        | TestPart::Group { fraction, .. }
        | TestPart::Time { fraction, .. } => Some(fraction),
    };
    let open = |value: f64| value > 0.0 && value < 1.0;
    if let Some(value) = test.filter(|&value| !open(value)) {
        let what = "test fraction";
        return Err(PrepareError::BadFraction { what, value });
    }
    let value = settings.validation_fraction;
    if value != 0.0 && !open(value) {
        let what = "validation fraction";
        return Err(PrepareError::BadFraction { what, value });
    }
    Ok(())
}

/// What the split must respect: the chosen column, else an entity column, else the classes.
fn order<'a>(
    rows: &'a Rows,
    task: Task,
    settings: &'a SplitSettings,
) -> Result<Order<'a>, PrepareError> {
    match &settings.test {
        TestPart::Group { column, .. } => {
            Ok(Order::Groups(column, by_group::groups(rows, column)?))
        }
        TestPart::Time { column, .. } => Ok(Order::Times(column, by_time::times(rows, column)?)),
        TestPart::Given => {
            if let Some(column) = &settings.time {
                return Ok(Order::Times(column, by_time::times(rows, column)?));
            }
            let entity = rows.columns.iter().find(|c| c.role == Role::Entity);
            let group = settings.group.as_ref().or(entity.map(|c| &c.name));
            match group {
                Some(column) => Ok(Order::Groups(column, by_group::groups(rows, column)?)),
                None => strata(rows, task),
            }
        }
        TestPart::Random { .. } => strata(rows, task),
    }
}

fn strata<'a>(rows: &Rows, task: Task) -> Result<Order<'a>, PrepareError> {
    let all: Vec<usize> = (0..rows.n_rows()).collect();
    match (task, rows.target()) {
        (Task::Classify, Some(target)) => Ok(Order::Strata(stratified::strata(&class_cells(
            target, &all,
        )?))),
        _ => Ok(Order::Strata(vec![all])),
    }
}

/// Independent seeds for the test and the validation part, so that neither moves the other.
fn stream(seed: u64, part: u64) -> u64 {
    seed.wrapping_mul(2).wrapping_add(part)
}

/// The split in words.
fn describe(settings: &SplitSettings, order: &Order) -> String {
    let percent = |fraction: f64| {
        let text = format!("{:.1}", fraction * 100.0);
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let drawn = match order {
        Order::Strata(strata) if strata.len() > 1 => "at random, stratified by class".to_string(),
        Order::Strata(_) => "at random".to_string(),
        Order::Groups(column, _) => {
            format!("whole entities of `{column}` at random")
        }
        Order::Times(column, _) => format!("the latest by `{column}`"),
    };
    let seed = match order {
        Order::Times(..) => String::new(),
        _ => format!(", seed {}", settings.seed),
    };
    let test = match settings.test {
        TestPart::Given => "given test file".to_string(),
        TestPart::Random { fraction }
        | TestPart::Group { fraction, .. }
        | TestPart::Time { fraction, .. } => {
            format!("test: {} of the rows, {drawn}{seed}", percent(fraction))
        }
    };
    if settings.validation_fraction == 0.0 {
        return format!("{test}{PARTS}no validation part");
    }
    let share = percent(settings.validation_fraction);
    format!("{test}{PARTS}validation: {share} of the training rows, {drawn}{seed}")
}

/// Between what is said of the test part and of the validation part.
const PARTS: &str = "; ";

impl Split {
    /// How the test part was made, in words.
    pub fn test_how(&self) -> &str {
        self.how.split(PARTS).next().unwrap_or(&self.how)
    }
}

#[cfg(test)]
mod tests;
