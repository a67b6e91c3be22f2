use std::sync::atomic::{AtomicBool, Ordering};

use adit_nn::watch::{Silent, Watch};
use serde_json::Value;

use super::{ClassWeights, LinearModel, LinearSettings};
use crate::mine::{MineError, Predictions};
use crate::prepare::Target;
use crate::represent::sparse::SparseMatrix;

fn tight(penalty: f64) -> LinearSettings {
    LinearSettings {
        penalties: vec![penalty],
        tolerance: 1e-12,
        ..LinearSettings::default()
    }
}

fn classes(codes: Vec<u32>, n_classes: u32) -> Target {
    Target::Classes {
        codes,
        names: (0..n_classes).map(|c| format!("class {c}")).collect(),
    }
}

/// Numbers that look random and are always the same.
fn noise(n: usize, salt: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let x = (i ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
            let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
            ((x ^ (x >> 16)) as f32 / u32::MAX as f32) * 2.0 - 1.0
        })
        .collect()
}

/// Rows of 5 features of which the first decides, with some noise.
fn table(n: usize, n_classes: u32) -> (SparseMatrix, Target) {
    let features = SparseMatrix::from_dense(5, &noise(n * 5, 1));
    let shake = noise(n, 2);
    let codes = (0..n)
        .map(|row| {
            let at = (features.get(row, 0) + 0.6 * shake[row] + 1.6) / 3.2;
            ((at * n_classes as f32) as u32).min(n_classes - 1)
        })
        .collect();
    (features, classes(codes, n_classes))
}

fn all(n: usize) -> Vec<usize> {
    (0..n).collect()
}

fn flat(predictions: &Predictions) -> Vec<f64> {
    match predictions {
        Predictions::Probabilities { values, .. } => values.iter().map(|&v| v.into()).collect(),
        Predictions::Numbers(values) => values.clone(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * e.abs().max(1.0),
            "at {i}: {f} instead of {e}"
        );
    }
}

#[test]
fn scikit_learn_finds_the_same_weights() {
    let recorded = include_str!("../../../../../tests/reference/linear.json");
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let dense: Vec<f32> = numbers(&recorded["features"])
        .into_iter()
        .map(|v| v as f32)
        .collect();
    let features = SparseMatrix::from_dense(6, &dense);
    for case in recorded["cases"].as_array().unwrap() {
        let name = case["target"].as_str().unwrap();
        let values = numbers(&recorded[name]);
        let codes = || values.iter().map(|&v| v as u32).collect();
        let target = match name {
            "two" => classes(codes(), 2),
            "three" => classes(codes(), 3),
            _ => Target::Numbers(values.clone()),
        };
        let mut settings = tight(case["penalty"].as_f64().unwrap());
        if case["balanced"].as_bool().unwrap() {
            settings.class_weights = ClassWeights::Balanced;
        }
        let model = settings.fit(&features, &target, &all(90), &Silent).unwrap();
        assert!(model.iterations().1);
        close(
            &model.coefficients().concat(),
            &numbers(&case["coefficients"]),
            1e-6,
        );
        close(&model.intercepts(), &numbers(&case["intercepts"]), 1e-6);
        let found = flat(&model.predict(&features).unwrap());
        let expected = numbers(&case["predictions"]);
        if name == "two" || name == "three" {
            close(&found, &expected, 1e-6);
        } else {
            close(&found, &expected, 1e-7);
        }
    }
}

#[test]
fn an_endless_penalty_leaves_the_priors() {
    for n_classes in [2, 4] {
        let (features, target) = table(200, n_classes);
        let model = tight(1e12)
            .fit(&features, &target, &all(200), &Silent)
            .unwrap();
        let Target::Classes { codes, .. } = &target else {
            unreachable!()
        };
        let priors: Vec<f64> = (0..n_classes)
            .map(|class| codes.iter().filter(|&&c| c == class).count() as f64 / 200.0)
            .collect();
        close(
            &flat(&model.predict(&features).unwrap())[..n_classes as usize],
            &priors,
            1e-6,
        );
    }
    let (features, _) = table(50, 2);
    let target = Target::Numbers((0..50).map(f64::from).collect());
    let model = tight(1e12)
        .fit(&features, &target, &all(50), &Silent)
        .unwrap();
    close(&flat(&model.predict(&features).unwrap()), &[24.5; 50], 1e-6);
}

#[test]
fn the_order_of_rows_changes_nothing() {
    for n_classes in [2, 3] {
        let (features, target) = table(120, n_classes);
        let forward = tight(0.3)
            .fit(&features, &target, &all(120), &Silent)
            .unwrap();
        let shuffled: Vec<usize> = (0..120).map(|i| (i * 77 + 5) % 120).collect();
        let other = tight(0.3)
            .fit(&features, &target, &shuffled, &Silent)
            .unwrap();
        close(
            &forward.coefficients().concat(),
            &other.coefficients().concat(),
            1e-9,
        );
        close(&forward.intercepts(), &other.intercepts(), 1e-9);
    }
}

#[test]
fn a_row_twice_is_a_row_of_weight_two() {
    let (features, target) = table(60, 2);
    let Target::Classes { codes, .. } = &target else {
        unreachable!()
    };
    let twice: Vec<usize> = (0..60)
        .flat_map(|row| vec![row; 1 + codes[row] as usize])
        .collect();
    let repeated = tight(1.0).fit(&features, &target, &twice, &Silent).unwrap();
    let weights = ClassWeights::Given(vec![1.0, 2.0]);
    let weighted = LinearSettings {
        class_weights: weights,
        ..tight(1.0)
    };
    let weighted = weighted.fit(&features, &target, &all(60), &Silent).unwrap();
    close(
        &repeated.coefficients().concat(),
        &weighted.coefficients().concat(),
        1e-8,
    );
}

#[test]
fn separable_classes_stay_finite() {
    let dense: Vec<f32> = (0..40).map(|i| if i < 20 { -1e3 } else { 1e3 }).collect();
    let features = SparseMatrix::from_dense(1, &dense);
    let target = classes((0..40).map(|i| u32::from(i >= 20)).collect(), 2);
    let model = LinearSettings::default()
        .fit(&features, &target, &all(40), &Silent)
        .unwrap();
    let found = flat(&model.predict(&features).unwrap());
    assert!(found.iter().all(|p| p.is_finite()));
    assert!(
        found[1] < 0.01 && found[79] > 0.99,
        "{} {}",
        found[1],
        found[79]
    );
    assert!(model.coefficients()[0][0].is_finite());
}

#[test]
fn a_constant_feature_and_an_empty_one_change_no_prediction() {
    let (features, target) = table(100, 3);
    let constant = SparseMatrix::from_dense(2, &[1.0, 0.0].repeat(100));
    let wider = SparseMatrix::hstack(&[&features, &constant]).unwrap();
    let plain = tight(0.5)
        .fit(&features, &target, &all(100), &Silent)
        .unwrap();
    let wide = tight(0.5).fit(&wider, &target, &all(100), &Silent).unwrap();
    let (plain, wide) = (
        plain.predict(&features).unwrap(),
        wide.predict(&wider).unwrap(),
    );
    close(&flat(&plain), &flat(&wide), 1e-6);
}

#[test]
fn one_row_per_class_is_enough() {
    let features = SparseMatrix::from_dense(3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let model = LinearSettings::default()
        .fit(&features, &classes(vec![2, 0, 1], 3), &all(3), &Silent)
        .unwrap();
    assert_eq!((model.chosen_penalty(), model.path().len()), (1.0, 0));
    let found = flat(&model.predict(&features).unwrap());
    for (row, class) in [2, 0, 1].into_iter().enumerate() {
        assert!(found[row * 3 + class] > 0.4, "{found:?}");
    }
}

#[test]
fn classes_without_training_rows_get_probability_zero() {
    let (features, target) = table(80, 2);
    let Target::Classes { codes, .. } = target else {
        unreachable!()
    };
    let moved = codes.iter().map(|c| if *c == 0 { 1 } else { 3 }).collect();
    let settings = LinearSettings::default();
    let model = settings
        .fit(&features, &classes(moved, 4), &all(80), &Silent)
        .unwrap();
    assert_eq!(model.output_classes(), &[3]);
    for row in flat(&model.predict(&features).unwrap()).chunks(4) {
        assert_eq!((row[0], row[2]), (0.0, 0.0));
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_penalty_follows_the_noise() {
    // Nothing to learn: strong. Everything to learn from few exact rows: weak.
    let features = SparseMatrix::from_dense(20, &noise(120 * 20, 3));
    let target = Target::Numbers(noise(120, 4).into_iter().map(f64::from).collect());
    let settings = LinearSettings::default();
    let useless = settings
        .fit(&features, &target, &all(120), &Silent)
        .unwrap();
    let exact = Target::Numbers((0..120).map(|row| features.get(row, 3).into()).collect());
    let useful = settings.fit(&features, &exact, &all(120), &Silent).unwrap();
    assert!(
        useless.chosen_penalty() >= 100.0,
        "{}",
        useless.chosen_penalty()
    );
    assert!(
        useful.chosen_penalty() <= 0.01,
        "{}",
        useful.chosen_penalty()
    );
    let mut path = useful.path().iter().map(|s| s.loss);
    let best = path.clone().fold(f64::INFINITY, f64::min);
    assert!(path.any(|loss| loss == best) && best < 1e-4);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let fit = |threads: usize| -> (LinearModel, Predictions) {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (features, target) = table(500, 3);
            let settings = LinearSettings::default();
            let model = settings
                .fit(&features, &target, &all(400), &Silent)
                .unwrap();
            let predictions = model.predict(&features).unwrap();
            (model, predictions)
        })
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn a_saved_model_predicts_the_same_bits() {
    let (features, target) = table(100, 3);
    let model = tight(0.5)
        .fit(&features, &target, &all(100), &Silent)
        .unwrap();
    let text = serde_json::to_string(&model).unwrap();
    let back: LinearModel = serde_json::from_str(&text).unwrap();
    assert_eq!(back, model);
    assert_eq!(
        back.predict(&features).unwrap(),
        model.predict(&features).unwrap()
    );
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let (features, target) = table(10, 2);
    let settings = tight(1.0);
    let fit = |features: &SparseMatrix, target: &Target, train: &[usize]| {
        settings.fit(features, target, train, &Silent).unwrap_err()
    };
    assert!(matches!(
        fit(&features, &target, &[]),
        MineError::NoTrainingRows
    ));
    assert!(matches!(
        fit(&features, &target, &[0, 10]),
        MineError::RowOutOfRange {
            row: 10,
            n_rows: 10
        }
    ));
    let mut broken = features.clone();
    broken.values[7] = f32::NAN;
    assert!(matches!(
        fit(&broken, &target, &all(10)),
        MineError::FeatureNotFinite { row: 1, column: 2 }
    ));
    let gap = Target::Numbers(
        (0..10)
            .map(|i| if i == 4 { f64::NAN } else { 1.0 })
            .collect(),
    );
    assert!(matches!(
        fit(&features, &gap, &all(10)),
        MineError::TargetNotFinite { row: 4 }
    ));
    let error = fit(&features, &classes(vec![1; 10], 2), &all(10));
    assert_eq!(
        error.to_string(),
        "all training rows are of one class, `class 1`"
    );
    let error = fit(&features, &classes(vec![2; 10], 2), &all(10));
    assert!(matches!(
        error,
        MineError::UnknownClass {
            row: 0,
            code: 2,
            n_classes: 2
        }
    ));
    let model = settings.fit(&features, &target, &all(10), &Silent).unwrap();
    let narrow = SparseMatrix::from_dense(1, &[1.0]);
    assert!(matches!(
        model.predict(&narrow),
        Err(MineError::FeaturesDiffer {
            expected: 5,
            found: 1
        })
    ));
    let negative = LinearSettings {
        penalties: vec![-1.0],
        ..LinearSettings::default()
    };
    let error = negative
        .fit(&features, &target, &all(10), &Silent)
        .unwrap_err();
    assert!(matches!(
        error,
        MineError::Setting {
            setting: "penalties",
            ..
        }
    ));
}

#[test]
fn a_request_to_stop_ends_the_search() {
    struct StopAfterFirst(AtomicBool);
    impl Watch for StopAfterFirst {
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
        fn progress(&self, stage: &str, done: u64, total: u64, _: &str) {
            assert_eq!(stage, "linear");
            assert!(done <= total);
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (features, target) = table(100, 3);
    let watch = StopAfterFirst(AtomicBool::new(false));
    let ended = LinearSettings::default().fit(&features, &target, &all(100), &watch);
    assert!(matches!(ended, Err(MineError::Cancelled)));
}
