//! The time that boosted trees take on a table, with LightGBM's settings.

use std::time::Instant;

use serde::Serialize;

use crate::explain::{self, MetricSettings};
use crate::mine::trees::TreeSettings;
use crate::prepare::Task;
use crate::represent::tree_columns::TreeFeatures;
use crate::run::tree_member::views;
use crate::run::{Context, Job, RunError, data};

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct TreeSpeed {
    pub rows: usize,
    pub columns: usize,
    pub rounds: usize,
    /// To cut the columns and grow the trees.
    pub seconds: f64,
    pub predict_rows_per_second: f64,
    /// ROC AUC, accuracy or R² on the test rows.
    pub score: Option<f64>,
}

/// Grows trees with the default settings on all rows but the test rows, without stopping early.
///
/// # Errors
/// Whatever is wrong with the job or the data.
pub fn bench_trees(job: &Job, context: &Context) -> Result<TreeSpeed, RunError> {
    let spool = crate::run::spool()?;
    context.limits.apply(|| {
        let loaded = data::load(job, None, spool.path(), context)?;
        let target = loaded
            .dataset
            .target
            .clone()
            .ok_or(crate::mine::MineError::WrongTarget)?;
        let fit_rows = loaded.fit_rows();
        let features = TreeFeatures::of(&loaded.dataset, &fit_rows);
        let owned = features.columns(&loaded.dataset)?;
        let columns = views(&owned);
        let settings = TreeSettings::default();
        let started = Instant::now();
        let goes_on = |_: usize, _: usize, _: f64| !context.watch.cancelled();
        let model = settings
            .fit(&columns, &target, (&fit_rows, &[]), &goes_on)?
            .model;
        let seconds = started.elapsed().as_secs_f64();
        let test = &loaded.split.test;
        let started = Instant::now();
        let predictions = model.predict(&columns, test)?;
        let rate = test.len() as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let metrics = explain::evaluate(
            &target.select(test),
            &predictions,
            &MetricSettings::default(),
        );
        let metric = match (job.task, loaded.preparation.n_outputs()) {
            (Task::Regress, _) => "r2",
            (_, 2) => "roc_auc",
            _ => "accuracy",
        };
        Ok(TreeSpeed {
            rows: fit_rows.len(),
            columns: features.len(),
            rounds: model.n_rounds(),
            seconds,
            predict_rows_per_second: rate,
            score: metrics.get(metric).copied(),
        })
    })
}
