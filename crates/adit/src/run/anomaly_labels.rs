//! Labels of some rows: how well each detector tells them apart, and weights that are chosen by them.

use super::RunError;
use super::anomaly_detectors::JudgedRows;
use super::anomaly_job::AnomalyJob;
use super::pattern_data::warning;
use super::points::LoadedPoints;
use crate::explain::{
    AnomalyFindings, DetectorLine, KnownLabels, WeightedByLabels, areas, judged as judge,
    share_estimate,
};
use crate::prepare::Values;
use crate::represent::baskets::cell;

/// Rows of either label from which on weights are chosen.
const LEAST: usize = 10;
const FOLDS: usize = 5;
/// Times that rows are put into folds anew, where they are few.
const REPEATS: u64 = 4;
/// Labelled rows from which on once is enough.
const MANY: usize = 20_000;
/// Weights are multiples of one through this.
const STEPS: usize = 4;

/// Rows with a label.
struct Labelled {
    rows: Vec<usize>,
    is_anomaly: Vec<bool>,
}

/// Tells how well the labels are met, and weighs the detectors by them where that is better on rows that were not used
/// for it.
///
/// # Errors
/// The value of an anomaly is nowhere in the column.
pub(super) fn learn(
    job: &AnomalyJob,
    loaded: &LoadedPoints,
    judged: &mut JudgedRows,
    findings: &mut AnomalyFindings,
) -> Result<(), RunError> {
    let (Some(label), Some(positive)) = (&job.anomalies.label, &job.anomalies.positive) else {
        return Ok(());
    };
    let labelled = labelled(loaded, label, positive)?;
    let n_positive = labelled.is_anomaly.iter().filter(|is| **is).count();
    let n_negative = labelled.rows.len() - n_positive;
    supervised(job, label, positive, findings);
    if job.anomalies.clean {
        let message = format!(
            "the rows are said to hold no anomalies, but {n_positive} of them are labelled as such"
        );
        findings.warnings.push(warning(
            "labelled_anomalies",
            message,
            "leave `--clean` out, or these rows",
        ));
    }
    let surprises: Vec<Vec<f64>> = (0..judged.scores.len())
        .map(|at| {
            let of = |&row: &usize| judged.fitted.surprise.surprise(at, judged.scores[at][row]);
            labelled.rows.iter().map(of).collect()
        })
        .collect();
    let joined: Vec<f64> = labelled
        .rows
        .iter()
        .map(|&row| judged.joined[row])
        .collect();
    let Some(without) = judge(&joined, &labelled.is_anomaly, job.seed) else {
        let message = format!("all rows with a label in `{label}` are anomalies");
        findings.warnings.push(warning(
            "one_label",
            message,
            "label some rows that are none, to learn how good the scores are",
        ));
        return Ok(());
    };
    findings.detectors = (judged.fitted.names().iter().zip(&surprises))
        .map(|(name, surprises)| DetectorLine {
            held_out: None,
            name: (*name).into(),
            weight: 0.0,
            correlations: Vec::new(),
            n_agreed: 0,
            known: judge(surprises, &labelled.is_anomaly, job.seed),
        })
        .collect();
    let weighted = (n_positive >= LEAST && n_negative >= LEAST)
        .then(|| {
            chosen(
                &surprises,
                &labelled.is_anomaly,
                judged.fitted.surprise.weights(),
                job.seed,
            )
        })
        .flatten();
    if let Some(weighted) = weighted.as_ref().filter(|weighted| weighted.used) {
        judged.weigh(&weighted.weights)?;
    }
    let flagged = judged.flagged();
    let count = |test: &dyn Fn(bool, bool) -> bool| {
        let pairs = labelled.rows.iter().zip(&labelled.is_anomaly);
        pairs.filter(|(row, is)| test(flagged[**row], **is)).count() as u64
    };
    let (hits, n_flagged) = (
        count(&|flagged, is| flagged && is),
        count(&|flagged, _| flagged),
    );
    findings.known = Some(KnownLabels {
        column: label.clone(),
        positive: positive.clone(),
        n_positive: n_positive as u64,
        n_negative: n_negative as u64,
        joined: without,
        precision: (n_flagged > 0).then(|| share_estimate(hits, n_flagged)),
        recall: share_estimate(hits, n_positive as u64),
        weighted,
    });
    Ok(())
}

fn labelled(loaded: &LoadedPoints, label: &str, positive: &str) -> Result<Labelled, RunError> {
    let empty = Values::Strings(vec![None; loaded.rows.n_rows()]);
    let values = loaded
        .rows
        .column(label)
        .map_or(&empty, |column| &column.values);
    let mut found = Labelled {
        rows: Vec::new(),
        is_anomaly: Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    for row in 0..loaded.rows.n_rows() {
        if let Some(value) = cell(values, row) {
            found.rows.push(row);
            found.is_anomaly.push(is_same(&value, positive));
            if seen.len() < 12 {
                seen.insert(value);
            }
        }
    }
    if found.is_anomaly.contains(&true) {
        return Ok(found);
    }
    Err(RunError::NoSuchLabel {
        column: label.into(),
        value: positive.into(),
        values: seen.into_iter().collect(),
    })
}

/// `1` is also `1.0`.
fn is_same(value: &str, positive: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    value == positive.trim() || number(value).is_some_and(|x| number(positive) == Some(x))
}

/// Says where labels are used as they should be.
fn supervised(job: &AnomalyJob, label: &str, positive: &str, findings: &mut AnomalyFindings) {
    let inputs: Vec<String> = job.data.inputs.iter().map(|input| quoted(input)).collect();
    let command = format!(
        "adit classify {} --target {} --positive {}",
        inputs.join(" "),
        quoted(label),
        quoted(positive)
    );
    findings.warnings.push(warning(
        "supervised",
        "labels are used here to weigh detectors only; a model that learns from them is judged elsewhere".into(),
        &format!("`{command}`"),
    ));
    findings.run_again.push(command);
}

/// A word as a shell reads it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=+,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Weights that meet the labels best, and how well such weights do on rows that they were not chosen by. `surprises`:
/// `[n_detectors][n_labelled]`
fn chosen(
    surprises: &[Vec<f64>],
    is_anomaly: &[bool],
    usual: &[f64],
    seed: u64,
) -> Option<WeightedByLabels> {
    let candidates = candidates(usual);
    let joined: Vec<Vec<f64>> = candidates
        .iter()
        .map(|weights| joined(surprises, weights))
        .collect();
    let repeats = if is_anomaly.len() > MANY { 1 } else { REPEATS };
    let (mut with, mut without, mut n) = (0.0, 0.0, 0.0);
    for repeat in 0..repeats {
        let fold_of = folds(is_anomaly, adit_nn::random::mix(seed, repeat));
        for fold in 0..FOLDS {
            let part = |own: bool| -> Vec<usize> {
                (0..is_anomaly.len())
                    .filter(|&at| (fold_of[at] == fold) == own)
                    .collect()
            };
            let best = best(&joined, is_anomaly, &part(false))?;
            let held = part(true);
            with += precision(&joined[best], is_anomaly, &held)?;
            without += precision(&joined[0], is_anomaly, &held)?;
            n += 1.0;
        }
    }
    let all: Vec<usize> = (0..is_anomaly.len()).collect();
    let best = best(&joined, is_anomaly, &all)?;
    Some(WeightedByLabels {
        weights: candidates[best].clone(),
        average_precision: with / n,
        without: without / n,
        used: best != 0 && with > without,
    })
}

/// Weights that are tried: those without labels first.
fn candidates(usual: &[f64]) -> Vec<Vec<f64>> {
    let mut all = vec![usual.to_vec()];
    let mut parts = vec![0; usual.len()];
    split(STEPS, &mut parts, 0, &mut |parts| {
        let weight = |part: &usize| *part as f64 / STEPS as f64;
        all.push(parts.iter().map(weight).collect());
    });
    all
}

/// Every way to give `left` to the parts from `first` on.
fn split(left: usize, parts: &mut [usize], first: usize, each: &mut impl FnMut(&[usize])) {
    if first + 1 >= parts.len() {
        parts.iter_mut().skip(first).for_each(|part| *part = left);
        return each(parts);
    }
    for part in 0..=left {
        parts[first] = part;
        split(left - part, parts, first + 1, each);
    }
}

fn joined(surprises: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let n = surprises.first().map_or(0, Vec::len);
    let score = |at: usize| {
        surprises
            .iter()
            .zip(weights)
            .map(|(own, weight)| weight * own[at])
            .sum()
    };
    (0..n).map(score).collect()
}

/// A fold of each row; both labels are spread evenly.
fn folds(is_anomaly: &[bool], seed: u64) -> Vec<usize> {
    let mut fold_of = vec![0; is_anomaly.len()];
    for label in [true, false] {
        let mut own: Vec<usize> = (0..is_anomaly.len())
            .filter(|&at| is_anomaly[at] == label)
            .collect();
        own.sort_by_key(|&at| (adit_nn::random::mix(seed, at as u64), at));
        own.iter()
            .enumerate()
            .for_each(|(place, &at)| fold_of[at] = place % FOLDS);
    }
    fold_of
}

/// The candidate with the best average precision on some rows, the first of equals.
fn best(joined: &[Vec<f64>], is_anomaly: &[bool], rows: &[usize]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (at, scores) in joined.iter().enumerate() {
        let value = precision(scores, is_anomaly, rows)?;
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((at, value));
        }
    }
    best.map(|(at, _)| at)
}

fn precision(scores: &[f64], is_anomaly: &[bool], rows: &[usize]) -> Option<f64> {
    let own: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
    let truth: Vec<bool> = rows.iter().map(|&row| is_anomaly[row]).collect();
    areas(&own, &truth).map(|(_, average_precision)| average_precision)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1 that look drawn.
    fn drawn(seed: u64, at: usize) -> f64 {
        (adit_nn::random::mix(seed, at as u64) >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn labels_find_the_detector_that_sees_them() {
        let truth: Vec<bool> = (0..300).map(|at| at % 10 == 0).collect();
        let noise = |seed| (0..300).map(|at| drawn(seed, at)).collect::<Vec<f64>>();
        let seeing: Vec<f64> = (0..300)
            .map(|at| drawn(3, at) / 2.0 + if truth[at] { 0.45 } else { 0.0 })
            .collect();
        let usual = [1.0 / 3.0; 3];
        let found = chosen(&[noise(1), noise(2), seeing], &truth, &usual, 1).expect("both labels");
        assert!(
            found.used && found.average_precision > found.without + 0.1,
            "{found:?}"
        );
        assert!(found.weights[2] > 0.7, "{found:?}");
        // Where no detector sees anything, nothing is gained on other rows but by luck.
        let blind =
            chosen(&[noise(1), noise(2), noise(4)], &truth, &usual, 1).expect("both labels");
        assert!(
            (blind.average_precision - blind.without).abs() < 0.05,
            "{blind:?}"
        );
    }

    #[test]
    fn folds_hold_both_labels() {
        let truth: Vec<bool> = (0..100).map(|at| at < 10).collect();
        let fold_of = folds(&truth, 7);
        for fold in 0..FOLDS {
            let own = |label: bool| {
                (0..100)
                    .filter(|&at| fold_of[at] == fold && truth[at] == label)
                    .count()
            };
            assert_eq!((own(true), own(false)), (2, 18));
        }
    }

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        assert_eq!(quoted("a.csv"), "a.csv");
        assert_eq!(quoted("is fraud"), "'is fraud'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert!(is_same("1", "1.0") && is_same("yes", " yes") && !is_same("no", "yes"));
    }
}
