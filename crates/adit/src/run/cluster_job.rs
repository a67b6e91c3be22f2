//! The job of a search for clusters: what `adit cluster` writes and `adit run` reads.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{PointSection, RunError};

/// Groups of fewer people are not described.
const MIN_PEOPLE: u64 = 20;
/// Times that rows are drawn anew for stability.
const RESAMPLES: usize = 20;

/// A whole search for clusters: rows in, report out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterJob {
    pub task: ClusterTask,
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
    pub cluster: ClusterSection,
}

/// The task, so that job files are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterTask {
    Cluster,
}

/// By what clusters are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterMethod {
    /// Round groups around centres.
    #[default]
    Kmeans,
    /// Gaussians of any shape.
    Mixture,
    /// What is denser than its surroundings, of any shape; the rest is in no cluster.
    Hdbscan,
}

impl ClusterMethod {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            ClusterMethod::Kmeans => "kmeans",
            ClusterMethod::Mixture => "mixture",
            ClusterMethod::Hdbscan => "hdbscan",
        }
    }
}

/// How clusters are found and checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSection {
    pub method: ClusterMethod,
    /// Number of clusters; chosen by stability and silhouette where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// Clusters that are tried at most where their number is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_k: Option<usize>,
    /// Of `hdbscan`: rows of a cluster at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cluster_size: Option<usize>,
    /// Rows are told by vectors of a transformer that learned how their cells go together.
    pub learned: bool,
    /// Principal components that points are reduced to before; none where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// Times that rows are drawn anew for the stability of clusters; 0 leaves it out.
    pub resamples: usize,
    /// Whether it is asked first if there are clusters at all.
    pub chance: bool,
    /// Groups of fewer are not described, so that no person is.
    pub min_people: u64,
}

impl Default for ClusterSection {
    fn default() -> Self {
        ClusterSection {
            method: ClusterMethod::Kmeans,
            k: None,
            max_k: None,
            min_cluster_size: None,
            learned: false,
            components: None,
            resamples: RESAMPLES,
            chance: true,
            min_people: MIN_PEOPLE,
        }
    }
}

fn one() -> u64 {
    1
}

impl ClusterJob {
    /// Whether a job file is one of clusters.
    pub fn is_one(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Task {
            #[serde(rename = "task")]
            _task: ClusterTask,
        }
        toml::from_str::<Task>(text).is_ok()
    }

    /// Reads a job from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// The line that is no job, or a value that cannot be.
    pub fn from_toml(text: &str, origin: &Path) -> Result<ClusterJob, RunError> {
        let job: ClusterJob = super::job::read_toml(text, origin)?;
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
    pub fn anchored(mut self, base: &Path) -> ClusterJob {
        self.data.anchor(base);
        self.out = self.out.map(|out| base.join(out));
        self
    }

    /// Checks values that a type cannot.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), RunError> {
        self.check_at(Path::new("the command line"))
    }

    fn check_at(&self, origin: &Path) -> Result<(), RunError> {
        match self.data.fault().or_else(|| self.fault()) {
            Some(reason) => Err(RunError::JobFile {
                path: origin.to_path_buf(),
                reason: reason.into(),
            }),
            None => Ok(()),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        let c = &self.cluster;
        let is_dense = c.method == ClusterMethod::Hdbscan;
        if c.k.is_some_and(|k| k < 2) || c.max_k.is_some_and(|k| k < 2) {
            Some("`cluster.k` and `cluster.max_k` must be at least 2")
        } else if c.k.is_some() && c.max_k.is_some() {
            Some(
                "`cluster.max_k` is for a number of clusters that is chosen, not given by `cluster.k`",
            )
        } else if is_dense && (c.k.is_some() || c.max_k.is_some()) {
            Some(
                "`hdbscan` finds the number of clusters itself: leave `cluster.k` and `cluster.max_k` out",
            )
        } else if !is_dense && c.min_cluster_size.is_some() {
            Some("`cluster.min_cluster_size` is for `hdbscan`")
        } else if c.min_cluster_size.is_some_and(|n| n < 2) {
            Some("`cluster.min_cluster_size` must be at least 2")
        } else if c.components == Some(0) {
            Some("`cluster.components` must be at least 1")
        } else if c.resamples > 1_000 {
            Some("`cluster.resamples` is at most 1000")
        } else {
            None
        }
    }
}
