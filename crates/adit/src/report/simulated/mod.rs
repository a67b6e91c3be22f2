//! Simulated findings for the tests of this room: seeded, shaped like real ones, and marked as
//! simulated in every title.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::explain::*;

mod parts;
use parts::*;

/// What a run of such findings would have cost.
pub(super) const COST: Cost = Cost {
    seconds: 312.4,
    peak_rss_bytes: 1_288_490_189,
};

/// Values that try to leave their place.
pub(super) const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"onmouseover=\"alert(1)",
    "' onload='alert(1)",
    "</style></title></svg>",
    "<!-- {{ 7 * 7 }} {% raw %} -->",
    "nul \0 bell \u{7} escape \u{1b}[31m delete \u{7f} c1 \u{9b}",
    "\u{202E}desrever \u{2066}isolate",
    "שלום \u{200F}🧪👩🏽‍🔬 e\u{301}",
    "&amp; &#60; javascript:alert(1) https://example.org/x",
];

/// Two classes, tabular, five seeds.
pub(super) fn two_classes() -> Findings {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let classes = ["stays".to_string(), "leaves".to_string()];
    let names = [
        "roc_auc",
        "accuracy",
        "f1",
        "precision",
        "recall",
        "balanced_accuracy",
        "mcc",
        "average_precision",
        "log_loss",
        "brier",
        "f1_macro",
        "precision_macro",
        "recall_macro",
        "f1_micro",
    ];
    let scoreboard = vec![
        member(&mut rng, "majority", MemberRole::Baseline, &names, 0.0),
        member(&mut rng, "linear", MemberRole::Linear, &names, 0.55),
        member(
            &mut rng,
            "row transformer",
            MemberRole::Transformer,
            &names,
            0.63,
        ),
    ];
    let mut findings = empty("classify", "simulated churn: two classes", scoreboard);
    findings.verdict = "The row transformer predicts who leaves better than the best baseline: ROC AUC 0.863 against 0.832.".to_string();
    findings.transformer_is_better = true;
    findings.selection_metric = "roc_auc".to_string();
    findings.chosen = "row transformer".to_string();
    findings.paired_test = Some(paired(
        "row transformer",
        "linear",
        "roc_auc",
        (0.031, 0.012, 0.05),
        0.004,
    ));
    findings.positive_class = Some("leaves".to_string());
    findings.data = data(&mut rng, "churned", &classes, &[4139, 1495], &[1035, 374]);
    findings.confusion = Some(Confusion {
        classes: classes.to_vec(),
        counts: vec![vec![931, 104], vec![152, 222]],
    });
    findings.class_scores = class_scores(&mut rng, &classes);
    findings.curves = vec![
        MemberCurves {
            model: "majority".to_string(),
            roc: Some(roc(&mut rng, "majority", 1.0)),
            precision_recall: Some(precision_recall(&mut rng, "majority", 0.0)),
        },
        MemberCurves {
            model: "linear".to_string(),
            roc: Some(roc(&mut rng, "linear", 4.2)),
            precision_recall: Some(precision_recall(&mut rng, "linear", 0.62)),
        },
        MemberCurves {
            model: "row transformer".to_string(),
            roc: Some(banded(roc(&mut rng, "row transformer", 6.0))),
            precision_recall: Some(precision_recall(&mut rng, "row transformer", 0.74)),
        },
    ];
    findings.calibration = Some(calibration(&mut rng, "probability of leaves"));
    findings.histories = (1..=5)
        .map(|seed| history(&mut rng, "row transformer", seed, 14))
        .collect();
    findings.worst_errors = (0..6).map(|_| tabular_error(&mut rng, &classes)).collect();
    findings.warnings = vec![
        warning(
            "blanks_in_number",
            Some("total charges"),
            "11 cells of a number column are blank",
            "read as missing and imputed with the training median",
        ),
        warning(
            "duplicate_rows",
            None,
            "22 rows occur more than once",
            "kept; copies never lie on both sides of the split",
        ),
        warning(
            "id_like",
            Some("customer id"),
            "every value occurs once",
            "not used as a feature",
        ),
    ];
    findings
}

/// Four classes, or any other number of them.
pub(super) fn many_classes(n: usize) -> Findings {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let classes: Vec<String> = if n == 4 {
        ["scratch", "stain", "dirtiness", "bump"]
            .iter()
            .map(|name| (*name).to_string())
            .collect()
    } else {
        (0..n)
            .map(|i| format!("intent {:02} of the customer", i + 1))
            .collect()
    };
    let names = [
        "accuracy",
        "f1_macro",
        "balanced_accuracy",
        "precision_macro",
        "recall_macro",
        "f1_micro",
        "mcc",
        "log_loss",
        "brier",
    ];
    let scoreboard = vec![
        member(&mut rng, "majority", MemberRole::Baseline, &names, 0.0),
        member(&mut rng, "linear", MemberRole::Linear, &names, 0.60),
        member(
            &mut rng,
            "all-MiniLM-L6-v2",
            MemberRole::Transformer,
            &names,
            0.59,
        ),
    ];
    let mut findings = empty("classify", &format!("simulated: {n} classes"), scoreboard);
    findings.verdict = "The transformer is not better than the linear model: macro F1 0.741 against 0.748, and the difference may be chance.".to_string();
    findings.selection_metric = "f1_macro".to_string();
    findings.chosen = "linear".to_string();
    findings.paired_test = Some(paired(
        "linear",
        "all-MiniLM-L6-v2",
        "f1_macro",
        (0.007, -0.011, 0.026),
        0.47,
    ));
    let sizes: Vec<u64> = (0..n).map(|_| rng.random_range(40..400)).collect();
    let tests: Vec<u64> = sizes.iter().map(|size| size / 4).collect();
    findings.data = data(&mut rng, "class", &classes, &sizes, &tests);
    let counts = (0..n)
        .map(|truth| {
            (0..n)
                .map(|predicted| {
                    if truth == predicted {
                        tests[truth] * 8 / 10
                    } else if rng.random_bool((3.0 / n as f64).min(0.9)) {
                        rng.random_range(0..tests[truth] / 6 + 2)
                    } else {
                        0
                    }
                })
                .collect()
        })
        .collect();
    findings.confusion = Some(Confusion {
        classes: classes.clone(),
        counts,
    });
    findings.class_scores = class_scores(&mut rng, &classes);
    findings.calibration = Some(calibration(&mut rng, "probability of the top class"));
    findings.histories = (1..=3)
        .map(|seed| history(&mut rng, "all-MiniLM-L6-v2", seed, 6))
        .collect();
    findings.worst_errors = (0..4).map(|_| tabular_error(&mut rng, &classes)).collect();
    findings
}

/// A number is predicted.
pub(super) fn regression() -> Findings {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let names = ["rmse", "mae", "r2"];
    let scoreboard = vec![
        member(&mut rng, "mean", MemberRole::Baseline, &names, 0.0),
        member(&mut rng, "linear", MemberRole::Linear, &names, 0.5),
        member(
            &mut rng,
            "row transformer",
            MemberRole::Transformer,
            &names,
            0.7,
        ),
    ];
    let mut findings = empty("regress", "simulated concrete: a number", scoreboard);
    findings.verdict = "The row transformer predicts strength better than the best baseline: RMSE 5.02 against 8.37.".to_string();
    findings.transformer_is_better = true;
    findings.selection_metric = "rmse".to_string();
    findings.chosen = "row transformer".to_string();
    findings.paired_test = Some(paired(
        "row transformer",
        "linear",
        "rmse",
        (3.35, 2.61, 4.17),
        0.0,
    ));
    findings.data = data(&mut rng, "strength (MPa)", &[], &[], &[]);
    let truth: Vec<f64> = (0..206).map(|_| rng.random_range(4.0..82.0)).collect();
    let predicted = truth
        .iter()
        .map(|value| value * 0.9 + 3.0 + normal(&mut rng) * 4.5)
        .collect();
    findings.scatter = Some(Scatter {
        truth,
        predicted,
        thinned_from: 206,
    });
    findings.histories = vec![history(&mut rng, "row transformer", 1, 30)];
    findings.worst_errors = (0..5)
        .map(|_| {
            let truth = rng.random_range(20.0..60.0_f64);
            let score = normal(&mut rng) * 14.0;
            WorstError {
                truth: format!("{truth:.2}"),
                predicted: format!("{:.2}", truth + score),
                score,
                ..tabular_error(&mut rng, &["".to_string()])
            }
        })
        .collect();
    findings
}

/// Texts, some of them very long.
pub(super) fn long_texts() -> Findings {
    let mut rng = ChaCha8Rng::seed_from_u64(50);
    let classes = ["ham".to_string(), "spam".to_string()];
    let mut findings = Findings {
        title: "simulated: long texts".to_string(),
        ..two_classes()
    };
    findings.data.columns = vec![
        column(
            "text",
            "text",
            "text",
            0,
            5572,
            "2 – 10,000 characters",
            vec![9, 30, 22, 8, 3, 1],
        ),
        column(
            "label",
            "text",
            "target",
            0,
            2,
            "ham, spam",
            vec![4825, 747],
        ),
    ];
    findings.data.target = "label".to_string();
    findings.worst_errors = (0..50)
        .map(|i| {
            let words = if i % 7 == 0 {
                1_600
            } else {
                rng.random_range(6..60)
            };
            WorstError {
                cells: vec![("text".to_string(), prose(&mut rng, words))],
                ..tabular_error(&mut rng, &classes)
            }
        })
        .collect();
    findings
}

/// Findings with nothing but a task.
pub(super) fn empty(task: &str, title: &str, scoreboard: Vec<Member>) -> Findings {
    Findings {
        task: task.to_string(),
        title: title.to_string(),
        verdict: String::new(),
        transformer_is_better: false,
        data: DataSummary {
            rows: 0,
            train: 0,
            validation: 0,
            test: 0,
            split: String::new(),
            sources: Vec::new(),
            target: String::new(),
            classes: Vec::new(),
            columns: Vec::new(),
        },
        scoreboard,
        selection_metric: "accuracy".to_string(),
        chosen: String::new(),
        paired_test: None,
        class_scores: Vec::new(),
        positive_class: None,
        confusion: None,
        curves: Vec::new(),
        calibration: None,
        scatter: None,
        decisions: None,
        row_curve: None,
        event_reasons: None,
        leaks: Vec::new(),
        histories: Vec::new(),
        worst_errors: Vec::new(),
        warnings: Vec::new(),
        run_again: vec![
            "adit run runs/simulated/job.toml --out runs/again".to_string(),
            "adit predict runs/simulated new-customers.csv -o predictions.parquet".to_string(),
        ],
    }
}

/// Every text of the findings replaced by one value.
pub(super) fn hostile(text: &str) -> Findings {
    fn replace(value: &mut serde_json::Value, key: &str, text: &str) {
        // Words with a fixed meaning stay; everything else may come from the data.
        if matches!(key, "task" | "role") {
            return;
        }
        match value {
            serde_json::Value::String(old) => *old = text.to_string(),
            serde_json::Value::Array(items) => {
                items.iter_mut().for_each(|item| replace(item, "", text))
            }
            serde_json::Value::Object(map) => map
                .iter_mut()
                .for_each(|(key, value)| replace(value, key, text)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(two_classes()).expect("plain data");
    replace(&mut value, "", text);
    let mut findings: Findings = serde_json::from_value(value).expect("the same shape");
    let metrics = findings.scoreboard[0].metrics.clone();
    let first = metrics.values().next().copied().expect("a metric");
    findings.scoreboard[0]
        .metrics
        .insert(text.to_string(), first);
    findings
}

/// Every number that may be NaN or infinite is.
pub(super) fn not_finite() -> Findings {
    let mut findings = two_classes();
    let odd = Estimate {
        value: f64::NAN,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
    for member in &mut findings.scoreboard {
        member
            .metrics
            .values_mut()
            .for_each(|estimate| *estimate = odd);
        member
            .by_seed
            .values_mut()
            .for_each(|values| values.fill(f64::NAN));
        member
            .spread
            .values_mut()
            .for_each(|spread| *spread = f64::INFINITY);
        (member.train_score, member.validation_score, member.seconds) =
            (Some(f64::NAN), Some(f64::INFINITY), f64::NAN);
    }
    if let Some(test) = &mut findings.paired_test {
        (test.difference, test.p_value) = (odd, f64::NAN);
    }
    for score in &mut findings.class_scores {
        (score.precision, score.recall, score.f1) = (odd, odd, odd);
    }
    for curve in findings
        .curves
        .iter_mut()
        .filter_map(|curves| curves.roc.as_mut())
    {
        curve.y.fill(f64::NAN);
    }
    if let Some(calibration) = &mut findings.calibration {
        calibration
            .bins
            .iter_mut()
            .for_each(|bin| (bin.predicted, bin.observed) = (f64::NAN, odd));
        calibration.expected_calibration_error = odd;
    }
    for record in findings
        .histories
        .iter_mut()
        .flat_map(|history| &mut history.epochs)
    {
        (record.train_loss, record.validation_loss) = (f64::INFINITY, f64::NAN);
    }
    findings
        .worst_errors
        .iter_mut()
        .for_each(|error| error.score = f64::NAN);
    findings.scatter = Some(Scatter {
        truth: vec![f64::NAN, 1.0],
        predicted: vec![1.0, f64::INFINITY],
        thinned_from: 2,
    });
    findings
}

pub(super) fn warning(kind: &str, column: Option<&str>, message: &str, action: &str) -> Warning {
    Warning {
        kind: kind.to_string(),
        column: column.map(str::to_string),
        message: message.to_string(),
        action: action.to_string(),
    }
}
