use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::boost::Boosted;
use super::*;
use crate::mine::Predictions;
use crate::prepare::Target;

fn classes(codes: Vec<u32>, n: usize) -> Target {
    Target::Classes {
        codes,
        names: (0..n).map(|k| k.to_string()).collect(),
    }
}

fn fit(settings: &TreeSettings, columns: &[Column], target: &Target, n_train: usize) -> Boosted {
    let n = columns[0].len();
    let train: Vec<usize> = (0..n_train).collect();
    let held: Vec<usize> = (n_train..n).collect();
    settings
        .fit(columns, target, (&train, &held), &|_, _, _| true)
        .unwrap()
}

fn accuracy(found: &Predictions, target: &Target, rows: &[usize]) -> f64 {
    let Target::Classes { codes, .. } = target else {
        panic!()
    };
    let hits = found
        .argmax()
        .unwrap()
        .iter()
        .zip(rows)
        .filter(|(p, r)| **p == codes[**r])
        .count();
    hits as f64 / rows.len() as f64
}

struct Exclusive {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<u32>,
    target: Target,
}

impl Exclusive {
    fn columns(&self) -> [Column<'_>; 3] {
        let c = Column::Categories {
            codes: &self.c,
            cardinality: 9,
        };
        [Column::Numbers(&self.a), Column::Numbers(&self.b), c]
    }
}

/// Two numbers and a category, of which the class is an exclusive or, with some cells missing.
fn exclusive(n: usize) -> Exclusive {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut a: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let b: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let c: Vec<u32> = (0..n).map(|_| rng.random_range(2..9)).collect();
    let class = |i: usize| u32::from((a[i] > 0.0) ^ (b[i] > 0.0) ^ (c[i].is_multiple_of(3)));
    let codes = (0..n).map(class).collect();
    // What is missing lies on one side, so that a missing value tells something.
    for value in a.iter_mut().filter(|v| **v > 0.8) {
        *value = f32::NAN;
    }
    let target = classes(codes, 2);
    Exclusive { a, b, c, target }
}

#[test]
fn what_no_single_column_tells_is_learned() {
    let table = exclusive(4_000);
    let (columns, target) = (table.columns(), &table.target);
    let boosted = fit(&TreeSettings::default(), &columns, target, 3_000);
    let held: Vec<usize> = (3_000..4_000).collect();
    let found = boosted.model.predict(&columns, &held).unwrap();
    let right = accuracy(&found, target, &held);
    assert!(right > 0.97, "{right}");
    assert!(boosted.model.importance().iter().all(|share| *share > 0.1));
    let first = boosted.rounds[0].train_loss;
    assert!(
        boosted
            .rounds
            .windows(2)
            .take(20)
            .all(|w| w[1].train_loss < w[0].train_loss)
    );
    assert!(boosted.rounds.last().unwrap().train_loss < 0.2 * first);
}

#[test]
fn many_classes_and_numbers_are_learned_too() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let n = 3_000;
    let x: Vec<f32> = (0..n).map(|_| rng.random_range(0.0..5.0)).collect();
    let y: Vec<f32> = (0..n).map(|_| rng.random_range(0.0..5.0)).collect();
    let columns = [Column::Numbers(&x), Column::Numbers(&y)];
    let held: Vec<usize> = (2_000..n).collect();
    let target = classes((0..n).map(|i| ((x[i] + y[i]) / 2.5) as u32).collect(), 4);
    let boosted = fit(&TreeSettings::default(), &columns, &target, 2_000);
    let found = boosted.model.predict(&columns, &held).unwrap();
    assert!(accuracy(&found, &target, &held) > 0.93);
    let wave = |i: usize| 1_000.0 + f64::from(x[i]).sin() * f64::from(y[i]);
    let numbers = Target::Numbers((0..n).map(wave).collect());
    let boosted = fit(&TreeSettings::default(), &columns, &numbers, 2_000);
    let Predictions::Numbers(found) = boosted.model.predict(&columns, &held).unwrap() else {
        panic!()
    };
    let worst: f64 = held
        .iter()
        .zip(&found)
        .map(|(&i, f)| (f - wave(i)).powi(2))
        .sum();
    assert!((worst / found.len() as f64).sqrt() < 0.25);
}

#[test]
fn bytes_do_not_depend_on_threads_and_a_saved_model_predicts_the_same_bits() {
    let table = exclusive(9_000);
    let (columns, target) = (table.columns(), &table.target);
    let settings = TreeSettings {
        n_rounds: 20,
        column_share: 0.7,
        row_share: 0.6,
        seed: 5,
        ..TreeSettings::default()
    };
    let of_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fit(&settings, &columns, target, 8_000).model)
    };
    let (one, three) = (of_threads(1), of_threads(3));
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(text, serde_json::to_string(&three).unwrap());
    let loaded: TreesModel = serde_json::from_str(&text).unwrap();
    let rows: Vec<usize> = (0..9_000).collect();
    let found = loaded.predict(&columns, &rows).unwrap();
    assert_eq!(
        found.count_different(&one.predict(&columns, &rows).unwrap()),
        0
    );
}

#[test]
fn growing_stops_by_the_validation_rows_and_keeps_the_best_round() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let noise: Vec<f32> = (0..600).map(|_| rng.random_range(0.0..1.0)).collect();
    let target = classes((0..600).map(|_| rng.random_range(0..2)).collect(), 2);
    let settings = TreeSettings {
        patience: 10,
        n_rounds: 500,
        ..TreeSettings::default()
    };
    let boosted = fit(&settings, &[Column::Numbers(&noise)], &target, 400);
    assert!(boosted.rounds.len() < 200, "{}", boosted.rounds.len());
    let losses: Vec<f64> = boosted.rounds.iter().map(|r| r.validation_loss).collect();
    let best = (0..losses.len())
        .min_by(|&i, &j| losses[i].total_cmp(&losses[j]))
        .unwrap();
    assert_eq!(boosted.model.n_rounds(), best + 1);
}

#[test]
fn odd_tables_leave_a_model_or_an_error() {
    let all_missing = [f32::NAN; 30];
    let constant = [1.0f32; 30];
    let infinite: Vec<f32> = (0..30)
        .map(|i| {
            if i % 2 == 0 {
                f32::INFINITY
            } else {
                f32::NEG_INFINITY
            }
        })
        .collect();
    let codes: Vec<u32> = (0..30).collect();
    let columns = [
        Column::Numbers(&all_missing),
        Column::Numbers(&constant),
        Column::Numbers(&infinite),
        Column::Categories {
            codes: &codes,
            cardinality: 1_000_000,
        },
    ];
    let settings = TreeSettings {
        min_rows_in_leaf: 1,
        ..TreeSettings::default()
    };
    let target = classes((0..30).map(|i| i % 2).collect(), 2);
    let rows: Vec<usize> = (0..30).collect();
    let model = settings
        .fit(&columns, &target, (&rows, &[]), &|_, _, _| true)
        .unwrap()
        .model;
    assert_eq!(
        accuracy(&model.predict(&columns, &rows).unwrap(), &target, &rows),
        1.0
    );
    let one = settings
        .fit(&columns, &target, (&[3], &[]), &|_, _, _| true)
        .unwrap()
        .model;
    assert_eq!(one.n_rounds(), 1);
    let single = settings.fit(
        &columns,
        &classes(vec![0; 30], 1),
        (&rows, &rows),
        &|_, _, _| true,
    );
    assert!(single.is_ok());
    assert!(
        settings
            .fit(&columns, &target, (&[], &[]), &|_, _, _| true)
            .is_err()
    );
    assert!(
        settings
            .fit(&[], &target, (&rows, &[]), &|_, _, _| true)
            .is_err()
    );
    assert!(
        settings
            .fit(&columns, &target, (&[30], &[]), &|_, _, _| true)
            .is_err()
    );
    assert!(
        settings
            .fit(
                &columns[..1],
                &Target::Numbers(vec![f64::NAN; 30]),
                (&rows, &[]),
                &|_, _, _| true
            )
            .is_err()
    );
    let stopped = settings.fit(&columns, &target, (&rows, &[]), &|_, _, _| false);
    assert!(matches!(stopped, Err(crate::mine::MineError::Cancelled)));
    assert!(model.predict(&columns[..2], &rows).is_err());
    assert!(model.predict(&columns, &[30]).is_err());
}

#[test]
fn settings_and_damaged_models_are_refused_by_name() {
    let x: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let target = classes((0..50).map(|i| i / 25).collect(), 2);
    let rows: Vec<usize> = (0..50).collect();
    for (settings, name) in [
        (
            TreeSettings {
                learning_rate: 0.0,
                ..TreeSettings::default()
            },
            "learning_rate",
        ),
        (
            TreeSettings {
                n_leaves: 1,
                ..TreeSettings::default()
            },
            "n_leaves",
        ),
        (
            TreeSettings {
                max_bins: 256,
                ..TreeSettings::default()
            },
            "max_bins",
        ),
        (
            TreeSettings {
                row_share: f64::NAN,
                ..TreeSettings::default()
            },
            "row_share",
        ),
        (
            TreeSettings {
                l2: -1.0,
                ..TreeSettings::default()
            },
            "l2",
        ),
    ] {
        let fitted = settings.fit(&[Column::Numbers(&x)], &target, (&rows, &[]), &|_, _, _| {
            true
        });
        let error = fitted.err().expect(name).to_string();
        assert!(error.contains(name), "{error}");
    }
    let model = fit(
        &TreeSettings::default(),
        &[Column::Numbers(&x)],
        &target,
        50,
    )
    .model;
    let text = serde_json::to_string(&model).unwrap();
    let damaged = text.replace("\"left\":1", "\"left\":0");
    assert_ne!(text, damaged);
    let damaged: TreesModel = serde_json::from_str(&damaged).unwrap();
    assert!(damaged.predict(&[Column::Numbers(&x)], &rows).is_err());
}

#[test]
fn a_split_of_missing_from_all_others_can_be_saved() {
    let x: Vec<f32> = (0..80)
        .map(|i| if i % 2 == 0 { f32::NAN } else { i as f32 })
        .collect();
    let target = classes((0..80).map(|i| i % 2).collect(), 2);
    let model = fit(
        &TreeSettings::default(),
        &[Column::Numbers(&x)],
        &target,
        80,
    )
    .model;
    let text = serde_json::to_string(&model).unwrap();
    let loaded: TreesModel = serde_json::from_str(&text).unwrap();
    let rows: Vec<usize> = (0..80).collect();
    let found = loaded.predict(&[Column::Numbers(&x)], &rows).unwrap();
    assert_eq!(accuracy(&found, &target, &rows), 1.0);
}

#[test]
fn a_class_of_weight_two_is_one_whose_rows_stand_twice() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let n = 600;
    let x: Vec<f32> = (0..n).map(|_| rng.random_range(0.0..1.0)).collect();
    let codes: Vec<u32> = x
        .iter()
        .map(|&x| u32::from(rng.random_range(0.0..1.0) < x * x))
        .collect();
    let (mut twice_x, mut twice_codes) = (x.clone(), codes.clone());
    for (&x, &code) in x.iter().zip(&codes).filter(|(_, code)| **code == 1) {
        twice_x.push(x);
        twice_codes.push(code);
    }
    let settings = TreeSettings {
        n_rounds: 30,
        min_rows_in_leaf: 1,
        min_hessian: 3.0,
        n_leaves: 6,
        ..TreeSettings::default()
    };
    let goes_on = |_: usize, _: usize, _: f64| true;
    let asked: Vec<usize> = (0..n).collect();
    let of = |x: &[f32], codes: Vec<u32>, weights: Option<&[f32]>| {
        let rows: Vec<usize> = (0..x.len()).collect();
        let (columns, target) = ([Column::Numbers(x)], classes(codes, 2));
        let goal = (&target, weights);
        let fitted = settings.fit_weighted(&columns, goal, (&rows, &[]), &goes_on);
        let Predictions::Probabilities { values, .. } =
            fitted.unwrap().model.predict(&columns, &asked).unwrap()
        else {
            panic!()
        };
        values
    };
    let twice = of(&twice_x, twice_codes, None);
    let weighted = of(&x, codes.clone(), Some(&[1.0, 2.0]));
    let plain = of(&x, codes, None);
    let apart = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b).map(|(a, b)| f64::from(a - b).abs());
        pairs.sum::<f64>() / a.len() as f64
    };
    // Bins are cut by rows, so the trees are the same but for a few cut points.
    assert!(
        apart(&twice, &weighted) < 0.02,
        "{}",
        apart(&twice, &weighted)
    );
    assert!(apart(&twice, &plain) > 0.05, "{}", apart(&twice, &plain));
}
