//! The parts that simulated findings are made of.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::explain::*;

/// A draw near the standard normal distribution.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

pub(super) fn estimate(value: f64, half: f64) -> Estimate {
    Estimate {
        value,
        low: value - half,
        high: value + half * 0.9,
    }
}

pub(super) fn member(
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
        MemberRole::Perceptrons => &[("members", "16 perceptrons")],
        MemberRole::Trees => &[("leaves", "31"), ("rounds", "212")],
        MemberRole::Blend => &[("linear", "40%"), ("row transformer", "60%")],
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
        fold_scores: Vec::new(),
        peak_bytes: 0,
        settings: settings
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect(),
        seconds: skill * 180.0 * seeds as f64 + 0.02,
    }
}

pub(super) fn paired(
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

pub(super) fn column(
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

pub(super) fn data(
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

pub(super) fn class_scores(rng: &mut ChaCha8Rng, classes: &[String]) -> Vec<ClassScore> {
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
pub(super) fn roc(rng: &mut ChaCha8Rng, name: &str, skill: f64) -> Curve {
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

pub(super) fn banded(curve: Curve) -> Curve {
    let half = |y: &f64| 0.05 * (1.0 - y) + 0.008;
    let low = curve.y.iter().map(|y| (y - half(y)).max(0.0)).collect();
    let high = curve.y.iter().map(|y| (y + half(y)).min(1.0)).collect();
    Curve { low, high, ..curve }
}

pub(super) fn precision_recall(rng: &mut ChaCha8Rng, name: &str, skill: f64) -> Curve {
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

pub(super) fn calibration(rng: &mut ChaCha8Rng, what: &str) -> Calibration {
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

pub(super) fn history(
    rng: &mut ChaCha8Rng,
    model: &str,
    seed: u64,
    epochs: usize,
) -> TrainingHistory {
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
                validation_score: Some(
                    0.86 - 0.2 * (-t * 1.4).exp() - 0.004 * t * t + rng.random_range(0.0..0.006),
                ),
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

pub(super) fn tabular_error(rng: &mut ChaCha8Rng, classes: &[String]) -> WorstError {
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

pub(super) fn prose(rng: &mut ChaCha8Rng, words: usize) -> String {
    const WORDS: [&str; 12] = [
        "call", "now", "please", "the", "meeting", "free", "prize", "tomorrow", "claim", "see",
        "you", "later",
    ];
    (0..words)
        .map(|_| WORDS[rng.random_range(0..WORDS.len())])
        .collect::<Vec<_>>()
        .join(" ")
}
