//! The test rows that a member got most wrong.

use super::metrics::ScoredClasses;
use super::wording::number;

/// Most rows that are shown.
const MOST_ERRORS: usize = 20;

/// One wrong row before its cells are fetched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowError {
    /// Position among the test rows.
    pub at: usize,
    pub truth: String,
    pub predicted: String,
    /// Probability given to the predicted class, or predicted minus true.
    pub score: f64,
}

/// Wrongly decided rows by falling surprise at the true class; equal ones in row order.
pub(crate) fn worst_decisions(
    scored: &ScoredClasses,
    chances: &[f32],
    names: &[String],
) -> Vec<RowError> {
    let wrong = (0..scored.truth.len()).filter(|&row| !scored.is_hit(row));
    let error = |at: usize| {
        let (truth, decision) = (scored.truth[at] as usize, scored.decisions[at] as usize);
        RowError {
            at,
            truth: names[truth].clone(),
            predicted: names[decision].clone(),
            score: f64::from(chances[at * scored.n_classes + decision]),
        }
    };
    largest(wrong.collect(), |row| scored.log_losses[row])
        .into_iter()
        .map(error)
        .collect()
}

/// Rows by falling absolute error, those without error left out; equal ones in row order.
pub(crate) fn worst_numbers(truth: &[f64], predicted: &[f64]) -> Vec<RowError> {
    let wrong = (0..truth.len().min(predicted.len())).filter(|&row| truth[row] != predicted[row]);
    let error = |at: usize| RowError {
        at,
        truth: number(truth[at]),
        predicted: number(predicted[at]),
        score: predicted[at] - truth[at],
    };
    largest(wrong.collect(), |row| (predicted[row] - truth[row]).abs())
        .into_iter()
        .map(error)
        .collect()
}

fn largest(mut rows: Vec<usize>, loss: impl Fn(usize) -> f64) -> Vec<usize> {
    rows.sort_by(|&a, &b| loss(b).total_cmp(&loss(a)).then(a.cmp(&b)));
    rows.truncate(MOST_ERRORS);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::metrics::MetricSettings;
    use crate::mine::Predictions;

    #[test]
    fn only_wrong_rows_are_shown_worst_first() {
        let (truth, names) = ([0, 0, 0, 1], ["no".to_string(), "yes".to_string()]);
        let values = vec![0.3, 0.7, 0.9, 0.1, 0.05, 0.95, 0.4, 0.6];
        let predictions = Predictions::Probabilities {
            n_classes: 2,
            values: values.clone(),
        };
        let scored =
            ScoredClasses::new(&truth, 2, &predictions, &MetricSettings::default()).expect("fits");
        let worst = worst_decisions(&scored, &values, &names);
        assert_eq!(
            worst.iter().map(|error| error.at).collect::<Vec<_>>(),
            [2, 0]
        );
        assert_eq!(
            (worst[0].truth.as_str(), worst[0].predicted.as_str()),
            ("no", "yes")
        );
        assert!((worst[0].score - 0.95).abs() < 1e-6);
    }

    #[test]
    fn numbers_are_ranked_by_absolute_and_shown_by_signed_error() {
        let worst = worst_numbers(&[1.0, 2.0, 3.0, 4.0], &[1.5, 2.0, 0.0, 4.5]);
        assert_eq!(
            worst
                .iter()
                .map(|error| (error.at, error.score))
                .collect::<Vec<_>>(),
            [(2, -3.0), (0, 0.5), (3, 0.5)]
        );
        assert_eq!(
            (worst[0].truth.as_str(), worst[0].predicted.as_str()),
            ("3", "0")
        );
    }
}
