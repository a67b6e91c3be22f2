//! Simulated findings for the tests of this room: seeded, shaped like real ones, and marked as
//! simulated in every title.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::explain::*;

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

/// A draw near the standard normal distribution.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

fn estimate(value: f64, half: f64) -> Estimate {
    Estimate {
        value,
        low: value - half,
        high: value + half * 0.9,
    }
}

fn member(
    rng: &mut ChaCha8Rng,
    model: &str,
    role: MemberRole,
    names: &[&str],
    skill: f64,
) -> Member {
    let seeds = if role == MemberRole::Transformer {
        5
    } else {
        1
    };
    let mut metrics = BTreeMap::new();
    let mut by_seed = BTreeMap::new();
    let mut spread = BTreeMap::new();
    for &name in names {
        let value = match name {
            "rmse" => 16.7 * (1.0 - skill),
            "mae" => 13.2 * (1.0 - skill),
            "log_loss" => 0.69 - 0.5 * skill,
            "brier" => 0.25 - 0.18 * skill,
            "r2" | "mcc" => skill,
            "f1" | "precision" | "recall" => skill * 1.1,
            "roc_auc" => 0.5 + skill * 0.58,
            _ => 0.4 + skill * 0.6,
        } + rng.random_range(-0.004..0.004);
        let half = if matches!(name, "rmse" | "mae") {
            0.6
        } else {
            rng.random_range(0.012..0.022)
        };
        metrics.insert(name.to_string(), estimate(value, half));
        if seeds > 1 {
            by_seed.insert(
                name.to_string(),
                (0..seeds)
                    .map(|_| value + normal(rng) * half * 0.3)
                    .collect(),
            );
            spread.insert(name.to_string(), half * 0.3);
        }
    }
    let settings: &[(&str, &str)] = match role {
        MemberRole::Baseline => &[],
        MemberRole::Linear => &[
            ("C", "0.1"),
            ("penalty", "L2"),
            ("features", "scaled numbers, one-hot categories"),
        ],
        MemberRole::Transformer => &[
            ("learning rate", "1e-3"),
            ("epochs", "at most 40, patience 8"),
            ("batch", "256"),
            ("layers", "3"),
            ("hidden size", "64"),
            ("dropout", "0.1"),
        ],
    };
    let score = |base: f64| (role != MemberRole::Baseline).then_some(base);
    Member {
        model: model.to_string(),
        role,
        metrics,
        seeds,
        by_seed,
        spread,
        train_score: score(0.5 + skill * 0.7),
        validation_score: score(0.5 + skill * 0.585),
        settings: settings
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect(),
        seconds: skill * 180.0 * seeds as f64 + 0.02,
    }
}

fn paired(
    better: &str,
    worse: &str,
    metric: &str,
    (value, low, high): (f64, f64, f64),
    p_value: f64,
) -> PairedTest {
    PairedTest {
        better: better.to_string(),
        worse: worse.to_string(),
        metric: metric.to_string(),
        difference: Estimate { value, low, high },
        p_value,
        test: "paired bootstrap, 2,000 resamples".to_string(),
    }
}

fn column(
    name: &str,
    column_type: &str,
    role: &str,
    missing: u64,
    distinct: u64,
    range: &str,
    histogram: Vec<u64>,
) -> ColumnSummary {
    let reason = match role {
        "target" => "given",
        "number" => "numbers with many distinct values",
        "text" => "text of 21 words on average",
        _ => "few distinct values",
    };
    ColumnSummary {
        name: name.to_string(),
        column_type: column_type.to_string(),
        role: role.to_string(),
        reason: reason.to_string(),
        missing,
        distinct,
        range: range.to_string(),
        histogram,
    }
}

fn data(
    rng: &mut ChaCha8Rng,
    target: &str,
    classes: &[String],
    train: &[u64],
    test: &[u64],
) -> DataSummary {
    let bins = |rng: &mut ChaCha8Rng, n: usize| {
        (0..n)
            .map(|i| {
                ((-((i as f64 - 6.0) / 5.0).powi(2)).exp() * 900.0) as u64 + rng.random_range(0..60)
            })
            .collect::<Vec<u64>>()
    };
    let mut columns = vec![
        column(
            "tenure (months)",
            "integer",
            "number",
            0,
            73,
            "0 – 72",
            bins(rng, 20),
        ),
        column(
            "monthly charges",
            "float",
            "number",
            0,
            1585,
            "18.25 – 118.75",
            bins(rng, 20),
        ),
        column(
            "total charges",
            "float",
            "number",
            11,
            6531,
            "18.8 – 8,684.8",
            bins(rng, 20),
        ),
        column(
            "contract",
            "text",
            "category",
            0,
            3,
            "month-to-month 55%, two year 24%, one year 21%",
            vec![3875, 1695, 1473],
        ),
        column(
            "payment method",
            "text",
            "category",
            0,
            4,
            "electronic check 34%, mailed check 23%, bank transfer 22%, …",
            vec![2365, 1612, 1544, 1522],
        ),
        column("customer id", "text", "id", 0, 7043, "", Vec::new()),
    ];
    columns.extend((1..=13).map(|i| {
        column(
            &format!("service {i}"),
            "boolean",
            "category",
            0,
            2,
            "yes, no",
            bins(rng, 2),
        )
    }));
    columns.push(column(
        target,
        "text",
        "target",
        0,
        classes.len().max(2) as u64,
        "",
        vec![3, 1],
    ));
    let (rows_train, rows_test) = if train.is_empty() {
        (824, 206)
    } else {
        (train.iter().sum(), test.iter().sum())
    };
    DataSummary {
        rows: rows_train + rows_test,
        train: rows_train * 85 / 100,
        validation: rows_train - rows_train * 85 / 100,
        test: rows_test,
        split: "test: 20% of the rows, stratified, seed 1; validation: 15% of the training rows, stratified, seed 1".to_string(),
        sources: vec!["simulated/customers.csv.gz, 7,043 rows, csv (gzip), delimiter ',', UTF-8, header, sha256 4b1f…90ac".to_string()],
        target: target.to_string(),
        classes: classes.iter().zip(train).zip(test).map(|((name, train), test)| (name.clone(), *train, *test)).collect(),
        columns,
    }
}

fn class_scores(rng: &mut ChaCha8Rng, classes: &[String]) -> Vec<ClassScore> {
    classes
        .iter()
        .map(|class| {
            let level = rng.random_range(0.45..0.93);
            ClassScore {
                class: class.clone(),
                support: rng.random_range(30..1000),
                precision: estimate(level, 0.04),
                recall: estimate(level - 0.05, 0.05),
                f1: estimate(level - 0.025, 0.035),
            }
        })
        .collect()
}

/// A staircase as a real ROC curve is.
fn roc(rng: &mut ChaCha8Rng, name: &str, skill: f64) -> Curve {
    let mut x = vec![0.0];
    let mut y = vec![0.0];
    for i in 1..=600 {
        let at = f64::from(i) / 600.0;
        x.push(at);
        let noise = if skill > 1.0 {
            rng.random_range(-0.004..0.004)
        } else {
            0.0
        };
        let last = y[y.len() - 1];
        y.push((1.0 - (1.0 - at).powf(skill) + noise).clamp(last, 1.0));
    }
    Curve {
        name: name.to_string(),
        x,
        y,
        low: Vec::new(),
        high: Vec::new(),
    }
}

fn banded(curve: Curve) -> Curve {
    let half = |y: &f64| 0.05 * (1.0 - y) + 0.008;
    let low = curve.y.iter().map(|y| (y - half(y)).max(0.0)).collect();
    let high = curve.y.iter().map(|y| (y + half(y)).min(1.0)).collect();
    Curve { low, high, ..curve }
}

fn precision_recall(rng: &mut ChaCha8Rng, name: &str, skill: f64) -> Curve {
    let x: Vec<f64> = (0..=400).map(|i| f64::from(i) / 400.0).collect();
    let y = x
        .iter()
        .map(|recall| {
            let noise = if skill > 0.0 {
                rng.random_range(-0.012..0.012) * (1.3 - recall)
            } else {
                0.0
            };
            (0.265 + skill * (1.0 - recall.powf(2.2)) + noise).clamp(0.0, 1.0)
        })
        .collect();
    Curve {
        name: name.to_string(),
        x,
        y,
        low: Vec::new(),
        high: Vec::new(),
    }
}

fn calibration(rng: &mut ChaCha8Rng, what: &str) -> Calibration {
    let bins = (0..10)
        .map(|i| {
            let predicted = f64::from(i) / 10.0 + 0.05;
            let value: f64 = (predicted + normal(rng) * 0.03).clamp(0.0, 1.0);
            let half = 0.03 + 0.03 * f64::from(i) / 10.0;
            CalibrationBin {
                predicted,
                observed: Estimate {
                    value,
                    low: (value - half).max(0.0),
                    high: (value + half).min(1.0),
                },
                count: (600.0 / (f64::from(i) + 1.0)) as u64 + 20,
            }
        })
        .collect();
    Calibration {
        what: what.to_string(),
        bins,
        expected_calibration_error: Estimate {
            value: 0.021,
            low: 0.015,
            high: 0.034,
        },
    }
}

fn history(rng: &mut ChaCha8Rng, model: &str, seed: u64, epochs: usize) -> TrainingHistory {
    let rate = 3.0 / epochs as f64;
    let epochs: Vec<EpochRecord> = (1..=epochs)
        .map(|epoch| {
            let t = epoch as f64 * rate;
            EpochRecord {
                epoch,
                train_loss: 0.62 * (-t * 0.55).exp() + 0.08 + rng.random_range(0.0..0.012),
                validation_loss: 0.42 * (-t * 1.3).exp()
                    + 0.34
                    + 0.015 * t * t
                    + rng.random_range(0.0..0.012),
                validation_score: 0.86 - 0.2 * (-t * 1.4).exp() - 0.004 * t * t
                    + rng.random_range(0.0..0.006),
            }
        })
        .collect();
    let best_epoch = epochs
        .iter()
        .min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss))
        .map_or(1, |record| record.epoch);
    TrainingHistory {
        model: model.to_string(),
        seed,
        epochs,
        best_epoch,
    }
}

fn tabular_error(rng: &mut ChaCha8Rng, classes: &[String]) -> WorstError {
    let truth = rng.random_range(0..classes.len());
    let predicted = (truth + 1) % classes.len();
    WorstError {
        row: rng.random_range(0..7043),
        truth: classes[truth].clone(),
        predicted: classes[predicted].clone(),
        score: rng.random_range(0.86..0.995),
        cells: vec![
            (
                "tenure (months)".to_string(),
                rng.random_range(0..72).to_string(),
            ),
            (
                "monthly charges".to_string(),
                format!("{:.2}", rng.random_range(18.0..118.0_f64)),
            ),
            ("contract".to_string(), "month-to-month".to_string()),
            ("payment method".to_string(), "electronic check".to_string()),
            ("total charges".to_string(), String::new()),
            ("service 1".to_string(), "yes".to_string()),
            ("service 2".to_string(), "no".to_string()),
            ("service 3".to_string(), "no internet service".to_string()),
            ("service 4".to_string(), "yes".to_string()),
            ("service 5".to_string(), "yes".to_string()),
            ("service 6".to_string(), "no".to_string()),
        ],
    }
}

fn prose(rng: &mut ChaCha8Rng, words: usize) -> String {
    const WORDS: [&str; 12] = [
        "call", "now", "please", "the", "meeting", "free", "prize", "tomorrow", "claim", "see",
        "you", "later",
    ];
    (0..words)
        .map(|_| WORDS[rng.random_range(0..WORDS.len())])
        .collect::<Vec<_>>()
        .join(" ")
}
