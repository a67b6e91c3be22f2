//! Readings of series: from files to values with a regular step.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::anomaly_job::AnomalyJob;
use super::data::bad_row_warnings;
use super::pattern_data::{check_columns, warning};
use super::{Context, RunError};
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, Role, RoleSettings, Values};
use crate::represent::baskets::cell;
use crate::source::{BadRow, Origin, SourceError, SourceSettings, Table};

/// Steps are regular where this share of them…
const REGULAR: f64 = 0.9;
/// … is a multiple of the middle one, give or take this share of it.
const OFF: f64 = 0.05;
/// Steps of a series, at most, for each of its readings: beyond, gaps are not filled.
const MOST_STEPS: usize = 4;

/// The columns of series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Columns {
    pub value: String,
    pub time: String,
    /// Whether the time is one, and not a plain number.
    is_of_times: bool,
    pub entity: Option<String>,
}

/// All readings of some files.
pub(super) struct Readings {
    pub row_ids: Vec<u64>,
    /// NaN is missing. `[n]`
    pub values: Vec<f64>,
    /// Milliseconds since 1970, or plain numbers; NaN is missing. `[n]`
    times: Vec<f64>,
    pub is_of_times: bool,
    pub entities: Option<Vec<Option<String>>>,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    pub n_bad_rows: u64,
    pub warnings: Vec<Warning>,
}

/// The readings of one series in the order of their times.
pub(super) struct Series {
    pub entity: Option<String>,
    /// Which of the readings. `[n]`
    pub rows: Vec<usize>,
    /// Their steps. `[n]`
    pub places: Vec<usize>,
    /// The value at each step; the mean of several, NaN of none.
    pub steps: Vec<f64>,
    /// Time between steps; absent where it is not regular.
    pub step: Option<f64>,
}

/// The columns that a job names.
///
/// # Errors
/// Columns that are not there, times that are texts.
pub(super) fn columns(
    job: &AnomalyJob,
    spool: &Path,
    context: &Context,
) -> Result<Columns, RunError> {
    let (Some(value), Some(time)) = (&job.anomalies.series, &job.data.time) else {
        return Err(RunError::NoRows);
    };
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(&job.data.source_settings(), spool, &session, context.watch)?;
    check_columns(&table, [value, time].into_iter().chain(&job.data.entity))?;
    let settings = RoleSettings {
        given: job.data.roles.clone(),
        ..RoleSettings::default()
    };
    let roles = prepare::assign_roles(&table.profile(context.watch)?, &settings)?;
    let role = roles
        .iter()
        .find(|role| role.name == *time)
        .map(|role| role.role);
    Ok(Columns {
        value: value.clone(),
        time: time.clone(),
        is_of_times: matches!(role, Some(Role::Time)),
        entity: job.data.entity.clone(),
    })
}

/// Reads them.
///
/// # Errors
/// Columns that are not there or hold no numbers; whatever is wrong with the files.
pub(super) fn load(
    columns: &Columns,
    source: &SourceSettings,
    spool: &Path,
    context: &Context,
) -> Result<Readings, RunError> {
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(source, spool, &session, context.watch)?;
    check_columns(
        &table,
        [&columns.value, &columns.time]
            .into_iter()
            .chain(&columns.entity),
    )?;
    let role = |name: &String, role: Role| ColumnRole {
        name: name.clone(),
        role,
        reason: "given".into(),
    };
    let of_time = if columns.is_of_times {
        Role::Time
    } else {
        Role::Number
    };
    let mut roles = vec![
        role(&columns.value, Role::Number),
        role(&columns.time, of_time),
    ];
    roles.extend(columns.entity.iter().map(|name| role(name, Role::Entity)));
    let rows = prepare::load(&table, &roles)?;
    let numbers = |name: &str| -> Vec<f64> {
        match rows.column(name).map(|column| &column.values) {
            Some(Values::Numbers(values)) => values.clone(),
            Some(Values::Times(times)) => times
                .iter()
                .map(|t| t.map_or(f64::NAN, |t| t as f64))
                .collect(),
            _ => vec![f64::NAN; rows.n_rows()],
        }
    };
    let names = |name: &String| -> Vec<Option<String>> {
        let column = rows.column(name);
        (0..rows.n_rows())
            .map(|row| cell(&column?.values, row))
            .collect()
    };
    let mut readings = Readings {
        values: numbers(&columns.value),
        times: numbers(&columns.time),
        is_of_times: columns.is_of_times,
        entities: columns.entity.as_ref().map(names),
        origins: table.origins().to_vec(),
        bad_rows: table.bad_rows().to_vec(),
        n_bad_rows: table.n_bad_rows(),
        warnings: bad_row_warnings(&table),
        row_ids: rows.row_ids,
    };
    for (name, values, what) in [
        (&columns.time, &readings.times, "neither times nor numbers"),
        (&columns.value, &readings.values, "no numbers"),
    ] {
        if !values.is_empty() && values.iter().all(|x| x.is_nan()) {
            return Err(RunError::JobFile {
                path: "the data".into(),
                reason: format!("the column `{name}` holds {what}"),
            });
        }
    }
    let untimed = readings.times.iter().filter(|time| time.is_nan()).count();
    if untimed > 0 {
        let message = format!("{untimed} readings have no time");
        readings.warnings.push(warning(
            "untimed_readings",
            message,
            "left out of all series",
        ));
    }
    Ok(readings)
}

impl Readings {
    /// The series, by name.
    pub fn series(&self) -> Vec<Series> {
        let mut rows_of: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for row in (0..self.values.len()).filter(|&row| !self.times[row].is_nan()) {
            let entity = self
                .entities
                .as_ref()
                .and_then(|entities| entities[row].clone());
            rows_of.entry(entity).or_default().push(row);
        }
        let series = |(entity, mut rows): (Option<String>, Vec<usize>)| {
            rows.sort_by(|&a, &b| self.times[a].total_cmp(&self.times[b]).then(a.cmp(&b)));
            let times: Vec<f64> = rows.iter().map(|&row| self.times[row]).collect();
            let (places, step) = places(&times);
            let values: Vec<f64> = rows.iter().map(|&row| self.values[row]).collect();
            Series {
                entity,
                steps: stepwise(&places, &values),
                rows,
                places,
                step,
            }
        };
        rows_of.into_iter().map(series).collect()
    }

    /// When a reading was taken, in seconds or as a plain number.
    pub fn clock(&self, row: usize) -> f64 {
        if self.is_of_times {
            self.times[row] / 1_000.0
        } else {
            self.times[row]
        }
    }

    /// The same in words.
    pub fn time_words(&self, row: usize) -> String {
        let time = self.times[row];
        let values = match self.is_of_times {
            true => Values::Times(vec![Some(time as i64)]),
            false => Values::Numbers(vec![time]),
        };
        cell(&values, 0).unwrap_or_default()
    }

    /// A span of time in words.
    pub fn span_words(&self, span: f64) -> String {
        if !self.is_of_times {
            return crate::prepare::number_name(span);
        }
        let seconds = span / 1_000.0;
        let units = [(86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")];
        let unit = units
            .into_iter()
            .find(|(length, _)| seconds >= *length && seconds % length == 0.0);
        let (length, name) = unit.unwrap_or((1.0, "second"));
        match seconds / length {
            1.0 => format!("1 {name}"),
            n => format!("{} {name}s", crate::prepare::number_name(n)),
        }
    }
}

/// The step of each time, and the time between steps where it is regular; else one step each. `times` ascend.
fn places(times: &[f64]) -> (Vec<usize>, Option<f64>) {
    let one_each = || (0..times.len()).collect();
    let spans: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut sorted: Vec<f64> = spans.iter().copied().filter(|span| *span > 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(&step) = sorted.get(sorted.len() / 2) else {
        return (one_each(), None);
    };
    let steps = |span: f64| (span / step).round();
    let is_multiple = |span: &&f64| (**span / step - steps(**span)).abs() <= OFF;
    let regular = spans.iter().filter(is_multiple).count() as f64;
    let total: f64 = spans.iter().map(|span| steps(*span)).sum();
    if regular < REGULAR * spans.len() as f64 || total > (MOST_STEPS * times.len()) as f64 {
        return (one_each(), None);
    }
    let mut place = 0;
    let mut places = vec![0];
    for span in spans {
        place += steps(span) as usize;
        places.push(place);
    }
    (places, Some(step))
}

/// The mean of the values at each step.
fn stepwise(places: &[usize], values: &[f64]) -> Vec<f64> {
    let n = places.last().map_or(0, |last| last + 1);
    let (mut sums, mut counts) = (vec![0.0; n], vec![0.0; n]);
    for (&place, value) in places.iter().zip(values) {
        if !value.is_nan() {
            sums[place] += value;
            counts[place] += 1.0;
        }
    }
    let mean = |(sum, n): (&f64, &f64)| if *n > 0.0 { sum / n } else { f64::NAN };
    sums.iter().zip(&counts).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_steps_and_doubles_share_one() {
        let (found, step) = places(&[
            0.0, 10.0, 20.0, 20.0, 50.0, 60.2, 70.0, 80.0, 90.0, 100.0, 110.0,
        ]);
        assert_eq!(step, Some(10.0));
        assert_eq!(found, [0, 1, 2, 2, 5, 6, 7, 8, 9, 10, 11]);
        let steps = stepwise(&found[..5], &[1.0, 2.0, 3.0, 5.0, f64::NAN]);
        assert_eq!(steps[..3], [1.0, 2.0, 4.0]);
        assert!(steps[3..].iter().all(|value| value.is_nan()) && steps.len() == 6);
    }

    #[test]
    fn what_is_not_regular_is_taken_one_by_one() {
        assert_eq!(
            places(&[0.0, 1.0, 2.5, 3.1, 7.7]),
            (vec![0, 1, 2, 3, 4], None)
        );
        // One long break would be nothing but gaps.
        assert_eq!(places(&[0.0, 1.0, 2.0, 1e9]).1, None);
        assert_eq!(places(&[5.0, 5.0]), (vec![0, 1], None));
        assert_eq!(places(&[]), (vec![], None));
        let months = [
            0.0, 31.0, 59.0, 90.0, 120.0, 151.0, 181.0, 212.0, 243.0, 273.0, 304.0, 334.0, 365.0,
        ];
        let (found, step) = places(&months);
        // February is a tenth shorter, which is one of twelve.
        assert_eq!((found.last().copied(), step), (Some(12), Some(31.0)));
    }
}
