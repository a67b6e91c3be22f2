//! How members are trained and compared before the test rows are looked at.
//!
//! Small tables are cross-validated, repeatedly where they are very small: one validation part of a
//! hundred rows chooses by luck. Large tables, tables in order of time, and runs with a text encoder have one fold.

use super::data::Loaded;
use super::{Job, RunError};
use crate::mine::Predictions;
use crate::prepare::{self, Fold, FoldSettings, Task};

/// Tables with fewer rows to learn from are cross-validated.
const SMALL_TABLE: usize = 2_000;
const FOLDS: usize = 5;

/// The folds that every member is trained and compared on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Repeat by repeat; one fold where a validation part was set aside.
    pub folds: Vec<Fold>,
    /// Folds of the first repeat.
    pub n_folds: usize,
    /// All rows that are held out once a repeat, sorted.
    pub held_out: Vec<usize>,
    /// Folds are of whole entities.
    pub is_grouped: bool,
}

/// A member's predictions of the rows that it did not learn from.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// Of [`Plan::held_out`], averaged over repeats.
    pub predictions: Predictions,
    /// The selection metric in each fold of the first repeat where it is defined.
    pub fold_scores: Vec<f64>,
}

impl HeldOut {
    /// The mean over folds.
    pub fn score(&self) -> Option<f64> {
        let n = self.fold_scores.len();
        (n > 0).then(|| self.fold_scores.iter().sum::<f64>() / n as f64)
    }
}

impl Plan {
    /// The folds that suit the job and the data.
    ///
    /// # Errors
    /// As [`prepare::folds`].
    pub fn of(job: &Job, loaded: &Loaded, reads_texts: bool) -> Result<Plan, RunError> {
        let fit_rows = loaded.fit_rows();
        let by_rule = if fit_rows.len() < SMALL_TABLE {
            FOLDS
        } else {
            1
        };
        let wanted = job.split.folds.unwrap_or(by_rule);
        let cannot = reads_texts || loaded.split_by_time || !job.data.validation.is_empty();
        if wanted < 2 || cannot {
            return Ok(Plan::one(Fold {
                train: loaded.split.train.clone(),
                validation: loaded.split.validation.clone(),
            }));
        }
        let settings = FoldSettings {
            folds: wanted,
            repeats: job.split.repeats.unwrap_or(repeats(fit_rows.len())),
            seed: job.seed,
            group: loaded.group.as_deref(),
        };
        let folds = prepare::folds(&loaded.rows, job.task, &fit_rows, &settings)?;
        let n_folds = folds.len() / settings.repeats.max(1);
        Ok(Plan {
            folds,
            n_folds,
            held_out: fit_rows,
            is_grouped: loaded.group.is_some(),
        })
    }

    fn one(fold: Fold) -> Plan {
        Plan {
            held_out: fold.validation.clone(),
            folds: vec![fold],
            n_folds: 1,
            is_grouped: false,
        }
    }

    /// True where rows are held out in turn.
    pub fn is_crossed(&self) -> bool {
        self.n_folds > 1
    }

    /// How often all rows are folded.
    pub fn repeats(&self) -> usize {
        self.folds.len() / self.n_folds.max(1)
    }

    /// In the words of the report.
    pub fn words(&self, task: Task) -> Option<String> {
        let kept = match (task, self.is_grouped) {
            (_, true) => ", whole entities together",
            (Task::Classify, false) => ", every class in its share",
            (Task::Regress, false) => "",
        };
        self.is_crossed().then(|| {
            let times = match self.repeats() {
                1 => String::new(),
                n => format!(", {n} times over"),
            };
            format!(
                "members are compared by {}-fold cross-validation among the {} rows{kept}{times}",
                self.n_folds,
                self.held_out.len()
            )
        })
    }

    /// Predictions of [`Plan::held_out`] from those of each fold's validation rows; `None` where one is of
    /// another shape.
    pub fn assemble(&self, by_fold: &[Predictions]) -> Option<Predictions> {
        let repeats = by_fold
            .chunks(self.n_folds)
            .zip(self.folds.chunks(self.n_folds));
        let assembled: Option<Vec<Predictions>> = repeats
            .map(|(found, folds)| {
                let rows: Vec<usize> = folds.iter().flat_map(|f| &f.validation).copied().collect();
                let mut order: Vec<usize> = (0..rows.len()).collect();
                order.sort_by_key(|&at| rows[at]);
                Some(Predictions::concat(found)?.select(&order))
            })
            .collect();
        Predictions::mean(&assembled?)
    }

    /// The places among [`Plan::held_out`] of the rows of each fold of the first repeat.
    pub fn places(&self) -> Vec<Vec<usize>> {
        let place = |row: &usize| self.held_out.binary_search(row).ok();
        self.folds[..self.n_folds]
            .iter()
            .map(|fold| fold.validation.iter().filter_map(place).collect())
            .collect()
    }
}

/// The fewer rows, the more luck there is in a fold, and the less another repeat costs.
fn repeats(n_rows: usize) -> usize {
    match n_rows {
        0..500 => 3,
        500..1_000 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(train: &[usize], validation: &[usize]) -> Fold {
        Fold {
            train: train.to_vec(),
            validation: validation.to_vec(),
        }
    }

    #[test]
    fn predictions_of_folds_find_their_rows_and_repeats_are_averaged() {
        let plan = Plan {
            folds: vec![
                fold(&[4, 6], &[2, 8]),
                fold(&[2, 8], &[4, 6]),
                fold(&[6, 8], &[2, 4]),
                fold(&[2, 4], &[6, 8]),
            ],
            n_folds: 2,
            held_out: vec![2, 4, 6, 8],
            is_grouped: false,
        };
        let numbers = |values: &[f64]| Predictions::Numbers(values.to_vec());
        let by_fold = [
            numbers(&[2.0, 8.0]),
            numbers(&[4.0, 6.0]),
            numbers(&[3.0, 5.0]),
            numbers(&[7.0, 9.0]),
        ];
        let found = plan.assemble(&by_fold).unwrap();
        assert_eq!(found, numbers(&[2.5, 4.5, 6.5, 8.5]));
        assert_eq!(plan.places(), [vec![0, 3], vec![1, 2]]);
        assert_eq!(plan.repeats(), 2);
    }
}
