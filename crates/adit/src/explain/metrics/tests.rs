//! Laws of the metrics, and parity with scikit-learn on recorded values (`tests/reference/metrics.py`).

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::{Metric, MetricSettings, evaluate};
use crate::mine::Predictions;
use crate::prepare::Target;

#[derive(serde::Deserialize)]
struct Recorded {
    name: String,
    n_classes: Option<usize>,
    positive: Option<usize>,
    threshold: Option<f64>,
    truth: Vec<f64>,
    predicted: Vec<f64>,
    metrics: BTreeMap<String, f64>,
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/metrics.json");
    let text = std::fs::read_to_string(path).expect("the recorded metrics");
    let cases: Vec<Recorded> =
        serde_json::from_str(&text).expect("recorded metrics in the known form");
    assert!(cases.len() >= 24);
    for case in cases {
        let (truth, predictions) = match case.n_classes {
            Some(n_classes) => {
                let values = case.predicted.iter().map(|&value| value as f32).collect();
                (
                    classes(n_classes, case.truth.iter().map(|&code| code as u32)),
                    Predictions::Probabilities { n_classes, values },
                )
            }
            None => (
                Target::Numbers(case.truth),
                Predictions::Numbers(case.predicted),
            ),
        };
        let settings = MetricSettings {
            positive: case.positive,
            threshold: case.threshold,
        };
        let found = evaluate(&truth, &predictions, &settings);
        let names = |metrics: &BTreeMap<String, f64>| metrics.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&case.metrics), "{}", case.name);
        for (metric, expected) in &case.metrics {
            let error = (found[metric] - expected).abs() / expected.abs().max(1.0);
            assert!(
                error < 1e-9,
                "{}: {metric} is {}, recorded {expected}",
                case.name,
                found[metric]
            );
        }
    }
}

fn classes(n_classes: usize, codes: impl Iterator<Item = u32>) -> Target {
    Target::Classes {
        codes: codes.collect(),
        names: (0..n_classes).map(|class| format!("c{class}")).collect(),
    }
}

/// Rows of a class and of scores that are often tied.
fn rows(n_classes: usize) -> impl Strategy<Value = Vec<(u32, Vec<u8>)>> {
    let row = (
        0..n_classes as u32,
        prop::collection::vec(1u8..6, n_classes),
    );
    prop::collection::vec(row, 1..60)
}

fn case(n_classes: usize, rows: &[(u32, Vec<u8>)]) -> (Target, Predictions) {
    let chances = rows.iter().flat_map(|(_, scores)| {
        let sum: f32 = scores.iter().map(|&score| f32::from(score)).sum();
        scores.iter().map(move |&score| f32::from(score) / sum)
    });
    let predictions = Predictions::Probabilities {
        n_classes,
        values: chances.collect(),
    };
    (
        classes(n_classes, rows.iter().map(|row| row.0)),
        predictions,
    )
}

fn no_settings() -> MetricSettings {
    MetricSettings::default()
}

proptest! {
    #[test]
    fn metrics_stay_in_their_bounds(rows in (1usize..5).prop_flat_map(rows)) {
        let n_classes = rows[0].1.len();
        let (truth, predictions) = case(n_classes, &rows);
        let found = evaluate(&truth, &predictions, &no_settings());
        prop_assert!(found.contains_key("accuracy"));
        for (name, value) in found {
            let (low, high) = Metric::named(&name).expect("a known metric").bounds();
            prop_assert!(value.is_finite() && low <= value && value <= high, "{name} {value}");
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(rows in rows(3), shift in 0usize..60) {
        let (truth, predictions) = case(3, &rows);
        let mut turned = rows.clone();
        turned.rotate_left(shift % rows.len());
        turned.reverse();
        let (turned_truth, turned_predictions) = case(3, &turned);
        let before = evaluate(&truth, &predictions, &no_settings());
        let after = evaluate(&turned_truth, &turned_predictions, &no_settings());
        prop_assert_eq!(before.len(), after.len());
        for (name, value) in before {
            prop_assert!((value - after[&name]).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn ranks_do_not_change_under_rising_maps(rows in rows(2), power in 0.2f64..4.0) {
        let (truth, predictions) = case(2, &rows);
        let score = |chance: f32| f64::from(chance).powf(power) as f32;
        let scores = predictions.class(1).expect("two classes");
        let mapped = scores.iter().flat_map(|&chance| [1.0 - score(chance), score(chance)]).collect();
        let mapped = Predictions::Probabilities { n_classes: 2, values: mapped };
        let (before, after) = (evaluate(&truth, &predictions, &no_settings()), evaluate(&truth, &mapped, &no_settings()));
        prop_assert_eq!(before.get("roc_auc"), after.get("roc_auc"));
        prop_assert_eq!(before.get("average_precision"), after.get("average_precision"));
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order(rows in rows(2)) {
        let (truth, predictions) = case(2, &rows);
        let scores = predictions.class(1).expect("two classes");
        let Target::Classes { codes, .. } = &truth else { unreachable!() };
        let (mut in_order, mut pairs) = (0.0, 0.0);
        for a in (0..codes.len()).filter(|&row| codes[row] == 1) {
            for b in (0..codes.len()).filter(|&row| codes[row] == 0) {
                pairs += 1.0;
                in_order += if scores[a] > scores[b] { 1.0 } else if scores[a] == scores[b] { 0.5 } else { 0.0 };
            }
        }
        match evaluate(&truth, &predictions, &no_settings()).get("roc_auc") {
            Some(&area) => prop_assert!((area - in_order / pairs).abs() < 1e-12),
            None => prop_assert_eq!(pairs, 0.0),
        }
    }

    #[test]
    fn turning_the_classes_round_turns_the_positive_class_round(rows in rows(2)) {
        let (truth, predictions) = case(2, &rows);
        let turned: Vec<_> = rows.iter().map(|(code, scores)| (1 - code, vec![scores[1], scores[0]])).collect();
        let (turned_truth, turned_predictions) = case(2, &turned);
        // Ties are decided for the first class, so a threshold makes both sides decide alike.
        let first = MetricSettings { positive: Some(0), threshold: Some(0.5) };
        let second = MetricSettings { positive: Some(1), threshold: Some(0.5) };
        let before = evaluate(&truth, &predictions, &first);
        let after = evaluate(&turned_truth, &turned_predictions, &second);
        prop_assert_eq!(before.len(), after.len());
        for (name, value) in before {
            prop_assert!((value - after[&name]).abs() < 1e-12, "{name}");
        }
    }
}

#[test]
fn predictions_of_other_rows_have_no_metrics() {
    let truth = classes(2, [0, 1, 1].into_iter());
    let settings = no_settings();
    let two = |values: &[f32]| Predictions::Probabilities {
        n_classes: 2,
        values: values.to_vec(),
    };
    assert!(evaluate(&truth, &two(&[0.5; 4]), &settings).is_empty());
    assert!(evaluate(&truth, &Predictions::Numbers(vec![1.0; 3]), &settings).is_empty());
    assert!(
        evaluate(
            &Target::Numbers(vec![]),
            &Predictions::Numbers(vec![]),
            &settings
        )
        .is_empty()
    );
    assert!(
        evaluate(
            &classes(2, [0, 1, 7].into_iter()),
            &two(&[0.5; 6]),
            &settings
        )
        .is_empty()
    );
    let unknown = MetricSettings {
        positive: Some(9),
        threshold: None,
    };
    assert_eq!(
        evaluate(&truth, &two(&[0.5; 6]), &unknown),
        evaluate(&truth, &two(&[0.5; 6]), &settings)
    );
}
