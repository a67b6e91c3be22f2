//! The leakage gate: columns that seem to give the target away, and what the scores are with and without them.

use super::RunError;
use super::arena::{Arena, mean};
use super::data::{self, Loaded};
use super::tree_member::views;
use crate::explain::{LeakCheck, Warning};
use crate::mine::Predictions;
use crate::mine::trees::{Column, TreeSettings};
use crate::prepare::{self, Preparation, PrepareSettings, Role, Suspicion};
use crate::represent::tree_columns::TreeFeatures;

/// What was suspected, and what was done.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    /// Columns that scores are shown with and without: name, kind, evidence.
    columns: Vec<(String, String, String)>,
    /// Those of them that are not learned from.
    pub left_out: Vec<String>,
    /// Kind and evidence of rows that stand in training and test part.
    rows: Option<(String, String)>,
    /// Suspects were kept because all features are.
    nothing_else: bool,
}

impl Suspects {
    /// Reads the suspects off what looks wrong; what a person gave a role, or all, may be kept.
    pub fn among(found: &[Suspicion], keep: bool, given: &dyn Fn(&str) -> bool) -> Suspects {
        let mut suspects = Suspects::default();
        for suspicion in found.iter().filter(|s| s.is_leak) {
            let (kind, message) = (suspicion.kind.to_string(), suspicion.message.clone());
            match &suspicion.column {
                None => suspects.rows = Some((kind, message)),
                Some(name) => {
                    if suspicion.leave_out && !keep && !given(name) {
                        suspects.left_out.push(name.clone());
                    }
                    suspects.columns.push((name.clone(), kind, message));
                }
            }
        }
        suspects
    }

    /// Keeps all suspects where nothing else could be learned from.
    pub fn keep_one_of(&mut self, rows: &prepare::Rows, out: &[String]) {
        let mut features = rows.columns.iter().filter(|c| c.role.is_feature());
        if features.all(|c| self.left_out.contains(&c.name) || out.contains(&c.name)) {
            self.left_out.clear();
            self.nothing_else = true;
        }
    }

    /// A suspicion in the words of the report, with what was really done.
    pub fn warning(&self, suspicion: Suspicion) -> Warning {
        let kept = suspicion.leave_out
            && suspicion
                .column
                .as_ref()
                .is_some_and(|c| !self.left_out.contains(c));
        let mut warning = data::warning(suspicion);
        if kept {
            warning.action = match self.nothing_else {
                true => "kept, because there is nothing else to learn from".into(),
                false => "kept, as was asked: look at the scores with and without it".into(),
            };
        }
        warning
    }
}

impl Arena<'_> {
    /// The score on held-out rows of quick trees with and without each suspect.
    pub fn leaks(&self) -> Result<Vec<LeakCheck>, RunError> {
        let suspects = &self.loaded.suspects;
        if suspects.columns.is_empty() {
            return Ok(Vec::new());
        }
        let whole = with_suspects(self.job, self.loaded)?;
        let features = TreeFeatures::of(&whole, &self.loaded.fit_rows());
        let owned = features.columns(&whole)?;
        let columns = views(&owned);
        let names = features.names();
        let rows = &self.loaded.rows;
        let is_molecule = |column: &str| {
            let found = rows.column(column);
            found.is_some_and(|found| found.role == Role::Molecule)
        };
        // Of a column of molecules trees see many columns.
        let is_of = |name: &str, column: &str| {
            let rest = name.strip_prefix(column);
            rest.is_some_and(|rest| {
                rest.is_empty() || (rest.starts_with(": ") && is_molecule(column))
            })
        };
        let suspected = |name: &str| {
            suspects
                .columns
                .iter()
                .any(|(column, ..)| is_of(name, column))
        };
        let clean = |with: Option<&str>| -> Vec<Column<'_>> {
            let kept = names.iter().zip(&columns);
            kept.filter(|(name, _)| !suspected(name) || with.is_some_and(|with| is_of(name, with)))
                .map(|(_, column)| *column)
                .collect()
        };
        let without = self.quick_score(&clean(None))?;
        let mut checks = Vec::with_capacity(suspects.columns.len());
        for (name, kind, evidence) in &suspects.columns {
            checks.push(LeakCheck {
                column: Some(name.clone()),
                kind: kind.clone(),
                evidence: evidence.clone(),
                left_out: suspects.left_out.contains(name),
                // Trees do not read texts, so what these are worth is not known.
                with: match names.iter().any(|own| is_of(own, name)) {
                    true => self.quick_score(&clean(Some(name)))?,
                    false => None,
                },
                without,
            });
        }
        Ok(checks)
    }

    /// The chosen member's score on all test rows, and on those that no training row equals.
    pub fn shared_rows(&self, chosen: &Predictions) -> Option<LeakCheck> {
        let (kind, evidence) = self.loaded.suspects.rows.clone()?;
        let split = &self.loaded.split;
        let divides = self.loaded.split_columns();
        let left_out = divides.iter().chain(&self.loaded.suspects.left_out);
        let ignored: Vec<&str> = left_out.map(String::as_str).collect();
        let shared = prepare::rows_also_in_training(&self.loaded.rows, split, &ignored);
        let own: Vec<usize> = (0..shared.len()).filter(|&at| !shared[at]).collect();
        let rows: Vec<usize> = own.iter().map(|&at| split.test[at]).collect();
        let without = (!rows.is_empty() && own.len() < shared.len())
            .then(|| self.score(&rows, &chosen.select(&own)))
            .flatten();
        Some(LeakCheck {
            column: None,
            kind,
            evidence,
            left_out: false,
            with: self.score(&split.test, chosen),
            without,
        })
    }

    fn quick_score(&self, columns: &[Column]) -> Result<Option<f64>, RunError> {
        if columns.is_empty() {
            return Ok(None);
        }
        let settings = TreeSettings {
            patience: 20,
            seed: self.job.seed,
            ..TreeSettings::default()
        };
        let goes_on = |_: usize, _: usize, _: f64| !self.watch.cancelled();
        let mut scores = Vec::new();
        for fold in &self.plan.folds[..self.plan.n_folds] {
            let parts = (&fold.train[..], &fold.validation[..]);
            let model = settings.fit(columns, self.target, parts, &goes_on)?.model;
            scores.extend(self.score(&fold.validation, &model.predict(columns, &fold.validation)?));
        }
        Ok(mean(&scores))
    }
}

/// The rows with every suspect encoded.
fn with_suspects(job: &super::Job, loaded: &Loaded) -> Result<prepare::Dataset, RunError> {
    let settings = PrepareSettings {
        positive_class: job.data.positive.clone(),
        leave_out: loaded.split_columns(),
        ..PrepareSettings::new(job.task)
    };
    let preparation = Preparation::fit(&loaded.rows, &loaded.fit_rows(), &settings)?;
    Ok(preparation.apply(&loaded.rows)?)
}
