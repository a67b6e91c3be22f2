//! The job of a search for anomalies: what `adit anomalies` writes and `adit run` reads.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{PointSection, RunError};
use crate::prepare::Role;

/// Share of the rows that is flagged where nothing is said.
pub(super) const SHARE: f64 = 0.01;
/// Of persons, what is usual is told of at least so many.
const MIN_PEOPLE: u64 = 20;

/// A whole search for anomalies: rows in, report out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnomalyJob {
    pub task: AnomalyTask,
    /// Heading of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Every random choice follows from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// Folder of the run; relative to the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    pub data: PointSection,
    #[serde(default)]
    pub anomalies: AnomalySection,
}

/// The task, so that job files are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyTask {
    Anomalies,
}

/// How anomalies are looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnomalySection {
    /// Share of the rows that is flagged; a hundredth where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Rows, or events of series, that are flagged, instead of a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<usize>,
    /// The rows hold no anomalies: new ones are judged against them.
    pub clean: bool,
    /// A transformer learns how the cells of a row go together, and judges too.
    pub masked_cells: bool,
    /// A column that says of some rows whether they are anomalies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The value of it that is an anomaly; others are none, empty cells are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// A column of readings: series over `data.time` are judged instead of rows, one of each `data.entity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Steps after which the series repeats itself, 0 where it does not; found where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<usize>,
    /// Of persons, what is usual is told of at least so many.
    pub min_people: u64,
}

impl Default for AnomalySection {
    fn default() -> Self {
        AnomalySection {
            share: None,
            alerts: None,
            clean: false,
            masked_cells: true,
            label: None,
            positive: None,
            series: None,
            season: None,
            min_people: MIN_PEOPLE,
        }
    }
}

fn one() -> u64 {
    1
}

impl AnomalyJob {
    /// Whether a job file is one of anomalies.
    pub fn is_one(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Task {
            #[serde(rename = "task")]
            _task: AnomalyTask,
        }
        toml::from_str::<Task>(text).is_ok()
    }

    /// Reads a job from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// The line that is no job, or a value that cannot be.
    pub fn from_toml(text: &str, origin: &Path) -> Result<AnomalyJob, RunError> {
        let job: AnomalyJob = super::job::read_toml(text, origin)?;
        job.check_at(origin)?;
        Ok(job)
    }

    /// The job as TOML text.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, RunError> {
        super::job::write_toml(self)
    }

    /// Makes relative paths absolute against `base`.
    pub fn anchored(mut self, base: &Path) -> AnomalyJob {
        self.data.anchor(base);
        self.out = self.out.map(|out| base.join(out));
        self
    }

    /// The number of rows of `n` that are to be flagged: at least one, and no more than there are.
    pub(super) fn n_alerts(&self, n: usize) -> usize {
        let share = self.anomalies.share.unwrap_or(SHARE);
        // A share of .29 of 100 rows is 29 of them, although the product is a little less.
        let of_share = (n as f64 * share + 1e-6).floor() as usize;
        (self.anomalies.alerts.unwrap_or(of_share)).clamp(1, n.max(1))
    }

    /// What is read: the label is, but no point is made of it.
    pub(super) fn section(&self) -> PointSection {
        let mut section = self.data.clone();
        if let Some(label) = &self.anomalies.label {
            section.columns.retain(|column| column != label);
            section.roles.insert(label.clone(), Role::Category);
            if !section.hold_out.contains(label) {
                section.hold_out.push(label.clone());
            }
        }
        section
    }

    /// Checks values that a type cannot.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), RunError> {
        self.check_at(Path::new("the command line"))
    }

    fn check_at(&self, origin: &Path) -> Result<(), RunError> {
        let mut data = self.data.clone();
        if self.anomalies.series.is_some() {
            // A series needs no entity, and is no profile.
            (data.entity, data.time) = (None, None);
        }
        match data.fault().or_else(|| self.fault()) {
            Some(reason) => Err(RunError::JobFile {
                path: origin.to_path_buf(),
                reason: reason.into(),
            }),
            None => Ok(()),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        let a = &self.anomalies;
        let is_share = |x: f64| x > 0.0 && x < 0.5;
        if a.share.is_some() && a.alerts.is_some() {
            Some("`anomalies.share` and `anomalies.alerts` say the same: give one of them")
        } else if a.share.is_some_and(|x| !is_share(x)) {
            Some("`anomalies.share` must be more than 0 and less than a half")
        } else if a.alerts == Some(0) {
            Some("`anomalies.alerts` must be at least 1")
        } else if a.label.is_some() != a.positive.is_some() {
            Some(
                "`anomalies.label` needs `anomalies.positive`, the value that is an anomaly, and the other way round",
            )
        } else if a.label.is_some() && self.data.entity.is_some() && a.series.is_none() {
            Some("labels are of rows, not of the entities that events belong to")
        } else if a.series.is_none() {
            a.season
                .map(|_| "`anomalies.season` is for `anomalies.series`")
        } else {
            self.fault_of_series()
        }
    }

    fn fault_of_series(&self) -> Option<&'static str> {
        let (a, data) = (&self.anomalies, &self.data);
        if data.time.is_none() {
            Some("`anomalies.series` needs `data.time`, the column that tells when")
        } else if a.clean || a.label.is_some() {
            Some("`anomalies.clean` and `anomalies.label` are for rows, not for `anomalies.series`")
        } else if !(data.columns.is_empty()
            && data.texts.is_empty()
            && data.hold_out.is_empty()
            && data.encoder.is_none())
        {
            Some(
                "`anomalies.series` reads one column of numbers: leave columns, texts and an encoder out",
            )
        } else if a.season == Some(1) {
            Some("`anomalies.season` is 0, or at least 2 steps")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(anomalies: &str, data: &str) -> Result<AnomalyJob, String> {
        let text = format!(
            "task = \"anomalies\"\n[data]\ninputs = [\"a.csv\"]\n{data}\n[anomalies]\n{anomalies}\n"
        );
        assert!(AnomalyJob::is_one(&text));
        AnomalyJob::from_toml(&text, Path::new("job.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (anomalies, data, told) in [
            ("share = 0.1\nalerts = 5", "", "give one of them"),
            ("share = 0.5", "", "less than a half"),
            ("alerts = 0", "", "at least 1"),
            ("label = \"y\"", "", "needs `anomalies.positive`"),
            ("season = 4", "", "is for `anomalies.series`"),
            ("series = \"v\"", "", "needs `data.time`"),
            (
                "series = \"v\"\nclean = true",
                "time = \"t\"",
                "are for rows",
            ),
            ("series = \"v\"\nseason = 1", "time = \"t\"", "at least 2"),
            ("", "time = \"t\"", "need both"),
        ] {
            let error = job(anomalies, data).expect_err(anomalies);
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_job_is_written_as_it_is_read_and_flags_at_least_one_row() {
        let one = job("series = \"v\"\nseason = 24", "time = \"t\"").expect("a job");
        let again = AnomalyJob::from_toml(&one.to_toml().expect("text"), Path::new("job.toml"));
        assert_eq!(again.expect("a job"), one);
        let all = job("", "").expect("a job");
        assert_eq!([7, 1000, 2999].map(|n| all.n_alerts(n)), [1, 10, 29]);
        assert_eq!(job("alerts = 3", "").expect("a job").n_alerts(1000), 3);
    }

    #[test]
    fn the_label_is_held_out() {
        let job = job(
            "label = \"y\"\npositive = \"1\"",
            "columns = [\"a\", \"y\"]",
        )
        .expect("a job");
        let section = job.section();
        assert_eq!(
            (section.columns, section.hold_out),
            (vec!["a".to_string()], vec!["y".to_string()])
        );
    }
}
