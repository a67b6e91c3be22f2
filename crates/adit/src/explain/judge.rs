//! Puts the findings together.

use std::collections::BTreeMap;
use std::slice::from_ref;

use super::calibration::calibration;
use super::confusion::{class_scores, confusion};
use super::curves::{member_curves, scatter};
use super::errors::{RowError, worst_decisions, worst_numbers};
use super::intervals::{estimates_by_group, spread};
use super::metrics::{MetricSettings, ScoredClasses, n_rows, positive_class};
use super::resampling::Resampling;
use super::selection::{Candidate, choose, more_is_better, selection_metric};
use super::verdict::{Contestant, VerdictInput, is_beyond_chance, verdict};
use super::wording::{number, whole};
use super::{
    Comparison, DataSummary, ExplainError, Findings, Member, MemberCurves, MemberRole, PairedTest,
    TrainingHistory, Warning, WorstError,
};
use crate::mine::Predictions;
use crate::prepare::{Target, Task};

/// Test rows below which the report warns that they are few.
const FEW_TEST_ROWS: usize = 100;

/// A trained member and what it predicts for the test rows.
pub struct JudgedMember<'a> {
    pub name: String,
    pub role: MemberRole,
    /// What is handed out: the mean of its models where there are several.
    pub test: &'a Predictions,
    /// Those of the single models, where there are several.
    pub singles: &'a [Predictions],
    /// By the selection metric, on rows that were held out; the mean over folds.
    pub validation_score: Option<f64>,
    /// In each fold.
    pub fold_scores: Vec<f64>,
    /// Two classes: the probability at which the positive one is decided for; the more probable one where absent.
    pub threshold: Option<f64>,
    pub train_score: Option<f64>,
    pub settings: Vec<(String, String)>,
    pub seconds: f64,
    pub peak_bytes: u64,
    pub histories: Vec<TrainingHistory>,
}

/// All that is needed for judging.
pub struct JudgeInput<'a> {
    pub task: Task,
    pub target_name: &'a str,
    pub test_truth: &'a Target,
    /// One id per test row.
    pub test_row_ids: &'a [u64],
    /// In the order of the scoreboard.
    pub members: Vec<JudgedMember<'a>>,
    /// Index of the positive class of a two-class target; the second where absent.
    pub positive: Option<usize>,
    /// One id per test row where rows belong together.
    pub groups: Option<&'a [u64]>,
    /// Of the bootstrap.
    pub seed: u64,
    /// The cells of a test row, by its position among the test rows.
    pub cells: &'a dyn Fn(usize) -> Vec<(String, String)>,
}

/// Judges all members on the test rows.
///
/// Scores, intervals and tests are those of what is handed out: of several models, their mean. How far the single
/// models lie apart stands beside it.
pub fn judge(
    input: &JudgeInput,
    data: DataSummary,
    warnings: Vec<Warning>,
    run_again: Vec<String>,
) -> Result<Findings, ExplainError> {
    check(input)?;
    let metric = selection_metric(input.test_truth);
    let scoreboard: Vec<Member> = input
        .members
        .iter()
        .map(|member| scored_member(input, member))
        .collect();
    let bench = Bench::new(input, &scoreboard, metric)?;
    let paired_test = bench.main_test();
    let transformer_is_better = match (&paired_test, bench.transformer) {
        (Some(test), Some(at)) => is_beyond_chance(test) && test.better == input.members[at].name,
        _ => false,
    };
    let verdict = bench.verdict(paired_test.as_ref());
    let rows = RowFindings::of(input, bench.chosen)?;
    let histories = input
        .members
        .iter()
        .flat_map(|member| member.histories.iter().cloned())
        .collect();
    let mut all_warnings = warnings;
    all_warnings.extend(warnings_of_test_rows(input.test_truth));
    Ok(Findings {
        task: match input.task {
            Task::Classify => "classify".to_string(),
            Task::Regress => "regress".to_string(),
        },
        title: format!("Predicting {}", input.target_name),
        verdict,
        transformer_is_better,
        data,
        selection_metric: metric.to_string(),
        chosen: input.members[bench.chosen].name.clone(),
        scoreboard,
        paired_test,
        class_scores: rows.class_scores,
        positive_class: class_names(input.test_truth).and_then(|names| {
            names
                .get(positive_class(names.len(), &settings(input))?)
                .cloned()
        }),
        confusion: rows.confusion,
        curves: curves(input),
        calibration: rows.calibration,
        scatter: rows.scatter,
        decisions: None,
        row_curve: None,
        event_reasons: None,
        leaks: Vec::new(),
        histories,
        worst_errors: rows.worst_errors,
        warnings: all_warnings,
        run_again,
    })
}

fn settings(input: &JudgeInput) -> MetricSettings {
    MetricSettings {
        positive: input.positive,
        threshold: None,
    }
}

fn settings_of(input: &JudgeInput, member: &JudgedMember) -> MetricSettings {
    MetricSettings {
        threshold: member.threshold,
        ..settings(input)
    }
}

fn class_names(truth: &Target) -> Option<&[String]> {
    match truth {
        Target::Classes { names, .. } => Some(names),
        Target::Numbers(_) => None,
    }
}

fn check(input: &JudgeInput) -> Result<(), ExplainError> {
    let n = n_rows(input.test_truth);
    if n == 0 {
        return Err(ExplainError::NoTestRows);
    }
    match (input.task, input.test_truth) {
        (Task::Classify, Target::Classes { codes, names }) => {
            let n_classes = names.len();
            if let Some(row) = codes.iter().position(|&code| code as usize >= n_classes) {
                return Err(ExplainError::UnknownClass {
                    row,
                    code: codes[row],
                    n_classes,
                });
            }
            if let Some(positive) = input.positive.filter(|&positive| positive >= n_classes) {
                return Err(ExplainError::Positive {
                    positive,
                    n_classes,
                });
            }
        }
        (Task::Regress, Target::Numbers(values)) => {
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                return Err(ExplainError::NotFinite {
                    row,
                    value: values[row],
                });
            }
        }
        (Task::Classify, _) => {
            return Err(ExplainError::Task {
                task: "classify",
                found: "numbers",
            });
        }
        (Task::Regress, _) => {
            return Err(ExplainError::Task {
                task: "regress",
                found: "classes",
            });
        }
    }
    check_length("row ids", input.test_row_ids.len(), n)?;
    check_length("groups", input.groups.map_or(n, <[u64]>::len), n)?;
    check_members(input, n)
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), ExplainError> {
    if found == expected {
        Ok(())
    } else {
        Err(ExplainError::Rows {
            what,
            found,
            expected,
        })
    }
}

fn check_members(input: &JudgeInput, n: usize) -> Result<(), ExplainError> {
    if input.members.is_empty() {
        return Err(ExplainError::NoMembers);
    }
    let n_classes = class_names(input.test_truth).map(<[String]>::len);
    for (at, member) in input.members.iter().enumerate() {
        let name = || member.name.clone();
        if input.members[..at]
            .iter()
            .any(|other| other.name == member.name)
        {
            return Err(ExplainError::SameName { member: name() });
        }
        let all = std::iter::once(member.test).chain(member.singles);
        for (seed, predictions) in all.enumerate() {
            let named = |cause| ExplainError::Predictions {
                member: name(),
                seed,
                cause,
            };
            predictions.check(n, n_classes).map_err(named)?;
        }
    }
    Ok(())
}

fn scored_member(input: &JudgeInput, member: &JudgedMember) -> Member {
    let set = estimates_by_group(
        input.test_truth,
        from_ref(member.test),
        &settings_of(input, member),
        input.groups,
        input.seed,
    );
    let singles = spread(
        input.test_truth,
        member.singles,
        &settings_of(input, member),
    );
    Member {
        model: member.name.clone(),
        role: member.role,
        metrics: set.metrics,
        seeds: member.singles.len().max(1),
        by_seed: singles.0,
        spread: singles.1,
        fold_scores: member.fold_scores.clone(),
        train_score: member.train_score,
        validation_score: member.validation_score,
        settings: member.settings.clone(),
        seconds: member.seconds,
        peak_bytes: member.peak_bytes,
    }
}

/// The members that the verdict weighs, as indices.
struct Bench<'a> {
    input: &'a JudgeInput<'a>,
    metric: &'static str,
    contestants: Vec<Contestant>,
    chosen: usize,
    transformer: Option<usize>,
    baseline: Option<usize>,
    trivial: Option<usize>,
}

impl<'a> Bench<'a> {
    fn new(
        input: &'a JudgeInput<'a>,
        scoreboard: &[Member],
        metric: &'static str,
    ) -> Result<Self, ExplainError> {
        let best_of = |is_wanted: &dyn Fn(MemberRole) -> bool| -> Option<usize> {
            let wanted: Vec<usize> = (0..input.members.len())
                .filter(|&at| is_wanted(input.members[at].role))
                .collect();
            let candidate = |&at: &usize| {
                let member = &input.members[at];
                Candidate {
                    role: member.role,
                    validation_score: member.validation_score,
                }
            };
            let candidates: Vec<Candidate> = wanted.iter().map(candidate).collect();
            choose(metric, &candidates).map(|best| wanted[best])
        };
        let contestant = |(member, scored): (&JudgedMember, &Member)| Contestant {
            name: member.name.clone(),
            role: member.role,
            score: scored.metrics.get(metric).map(|estimate| estimate.value),
            answer: if member.role == MemberRole::Baseline {
                only_answer(member.test, input.test_truth)
            } else {
                None
            },
        };
        let contestants: Vec<Contestant> = input
            .members
            .iter()
            .zip(scoreboard)
            .map(contestant)
            .collect();
        Ok(Self {
            input,
            metric,
            chosen: best_of(&|_| true).ok_or(ExplainError::NoMembers)?,
            transformer: best_of(&|role| role == MemberRole::Transformer),
            baseline: best_of(&|role| !matches!(role, MemberRole::Transformer | MemberRole::Blend)),
            trivial: contestants
                .iter()
                .position(|contestant| contestant.answer.is_some()),
            contestants,
        })
    }

    fn test(&self, a: usize, b: usize) -> Option<PairedTest> {
        let (one, other) = (&self.input.members[a], &self.input.members[b]);
        let comparison = Comparison {
            metric: self.metric,
            truth: self.input.test_truth,
            a: from_ref(one.test),
            b: from_ref(other.test),
            names: (&one.name, &other.name),
            settings: settings(self.input),
            groups: self.input.groups,
            seed: self.input.seed,
        };
        comparison.test()
    }

    /// Transformer against the best of the others, or else the best of the others against the trivial one.
    fn main_test(&self) -> Option<PairedTest> {
        match (self.transformer, self.baseline, self.trivial) {
            (Some(transformer), Some(baseline), _) => self.test(transformer, baseline),
            (None, Some(baseline), Some(trivial)) if baseline != trivial => {
                self.test(baseline, trivial)
            }
            _ => None,
        }
    }

    /// The best member but the trivial one and its test, where no member beats the trivial one beyond chance.
    fn beaten_by_none(&self) -> Option<(usize, PairedTest)> {
        let trivial = self.trivial?;
        let mut best: Option<(usize, PairedTest)> = None;
        for at in (0..self.contestants.len()).filter(|&at| at != trivial) {
            let test = self.test(at, trivial)?;
            if is_beyond_chance(&test) && test.better == self.contestants[at].name {
                return None;
            }
            let is_best = match &best {
                Some((other, _)) => self.validation_loss(at) < self.validation_loss(*other),
                None => true,
            };
            if is_best {
                best = Some((at, test));
            }
        }
        best
    }

    fn validation_loss(&self, at: usize) -> f64 {
        let score = self.input.members[at]
            .validation_score
            .filter(|score| score.is_finite());
        score.map_or(f64::INFINITY, |score| {
            if more_is_better(self.metric) {
                -score
            } else {
                score
            }
        })
    }

    fn verdict(&self, paired: Option<&PairedTest>) -> String {
        let of = |at: Option<usize>| at.map(|at| &self.contestants[at]);
        let beaten_by_none = self.beaten_by_none();
        // Without a transformer the linear model is held against the trivial one, whichever was chosen.
        let baseline = if self.transformer.is_none() && self.baseline == self.trivial {
            None
        } else {
            self.baseline
        };
        verdict(&VerdictInput {
            metric: self.metric,
            test_rows: n_rows(self.input.test_truth) as u64,
            chosen: &self.contestants[self.chosen],
            transformer: of(self.transformer),
            baseline: of(baseline),
            trivial: of(self.trivial),
            paired,
            beaten_by_none: beaten_by_none
                .as_ref()
                .map(|(at, test)| (&self.contestants[*at], test)),
        })
    }
}

/// What a member answers to every row: a quoted class or a number; `None` where its answers differ.
fn only_answer(predictions: &Predictions, truth: &Target) -> Option<String> {
    match (predictions, truth) {
        (Predictions::Probabilities { n_classes, values }, Target::Classes { names, .. }) => {
            let first = values.get(..*n_classes)?;
            let is_constant = values.chunks_exact(*n_classes).all(|row| row == first);
            let class = *predictions.argmax()?.first()? as usize;
            is_constant.then(|| names.get(class).map(|name| format!("'{name}'")))?
        }
        (Predictions::Numbers(values), _) => {
            let first = *values.first()?;
            values
                .iter()
                .all(|&value| value == first)
                .then(|| number(first))
        }
        _ => None,
    }
}

/// What is shown row by row of one member.
#[derive(Default)]
struct RowFindings {
    class_scores: Vec<super::ClassScore>,
    confusion: Option<super::Confusion>,
    calibration: Option<super::Calibration>,
    scatter: Option<super::Scatter>,
    worst_errors: Vec<WorstError>,
}

impl RowFindings {
    fn of(input: &JudgeInput, member: usize) -> Result<Self, ExplainError> {
        let mean = input.members[member].test;
        match (input.test_truth, mean) {
            (Target::Classes { codes, names }, Predictions::Probabilities { values, .. }) => {
                let Some(scored) = ScoredClasses::new(
                    codes,
                    names.len(),
                    mean,
                    &settings_of(input, &input.members[member]),
                ) else {
                    return Ok(Self::default());
                };
                let resampling = Resampling::new(codes.len(), input.groups, input.seed);
                Ok(Self {
                    class_scores: class_scores(&scored, names, &resampling),
                    confusion: Some(confusion(&scored, names)),
                    calibration: calibration(&scored, mean, names, &resampling),
                    scatter: None,
                    worst_errors: with_cells(input, worst_decisions(&scored, values, names)),
                })
            }
            (Target::Numbers(truth), Predictions::Numbers(predicted)) => Ok(Self {
                scatter: Some(scatter(truth, predicted)),
                worst_errors: with_cells(input, worst_numbers(truth, predicted)),
                ..Self::default()
            }),
            _ => Ok(Self::default()),
        }
    }
}

fn with_cells(input: &JudgeInput, errors: Vec<RowError>) -> Vec<WorstError> {
    let fetch = |error: RowError| WorstError {
        row: input.test_row_ids[error.at],
        truth: error.truth,
        predicted: error.predicted,
        score: error.score,
        cells: (input.cells)(error.at),
    };
    errors.into_iter().map(fetch).collect()
}

/// The curves of every member of a two-class task.
fn curves(input: &JudgeInput) -> Vec<MemberCurves> {
    let Target::Classes { codes, names } = input.test_truth else {
        return Vec::new();
    };
    let Some(positive) = positive_class(names.len(), &settings(input)) else {
        return Vec::new();
    };
    let of_member = |member: &JudgedMember| {
        let scores = member.test.class(positive)?;
        Some(member_curves(&member.name, &scores, |row| {
            codes[row] as usize == positive
        }))
    };
    input.members.iter().filter_map(of_member).collect()
}

/// What the test rows themselves make uncertain.
fn warnings_of_test_rows(truth: &Target) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind: &str, message: String, action: &str| {
        warnings.push(Warning {
            kind: kind.to_string(),
            column: None,
            message,
            action: action.to_string(),
        });
    };
    let n = n_rows(truth);
    if n < FEW_TEST_ROWS {
        let rows = if n == 1 { "row is" } else { "rows are" };
        let message = format!("only {} test {rows} there to judge on", whole(n as u64));
        warn(
            "few_test_rows",
            message,
            "scores are shown with their intervals, which are wide",
        );
    }
    if let Target::Classes { codes, names } = truth {
        let mut counts: BTreeMap<usize, u64> = (0..names.len()).map(|class| (class, 0)).collect();
        codes
            .iter()
            .for_each(|&code| *counts.entry(code as usize).or_default() += 1);
        let absent: Vec<String> = counts
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(&class, _)| format!("'{}'", names[class]))
            .collect();
        if names.len() - absent.len() == 1 {
            let message = "the test rows hold one class only".to_string();
            warn(
                "one_class_in_test",
                message,
                "scores that need several classes are left out",
            );
        } else if !absent.is_empty() {
            let message = match absent.len() {
                1..=5 => format!("no test row holds class {}", absent.join(", ")),
                many => format!("no test row holds any of {many} classes"),
            };
            warn(
                "class_absent_from_test",
                message,
                "these classes do not count in means over classes",
            );
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
