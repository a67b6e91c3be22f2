use proptest::prelude::*;

use super::empirical::ERROR;
use super::nearest::Distance;
use super::*;

const GOLDEN: &str = include_str!("../../../tests/golden/outliers/pyod.json");

fn golden() -> serde_json::Value {
    serde_json::from_str(GOLDEN).unwrap()
}

fn numbers(of: &serde_json::Value) -> Vec<f64> {
    let numbers = of.as_array().unwrap().iter();
    numbers.map(|v| v.as_f64().unwrap()).collect()
}

fn singles(of: &serde_json::Value) -> Vec<f32> {
    numbers(of).iter().map(|&v| v as f32).collect()
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= within, "{at}: {a} is not {b}");
    }
}

fn on(_: usize, _: usize) -> bool {
    true
}

/// Roughly normal numbers.
fn drawn(n: usize, seed: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|at| adit_nn::random::normal_at(seed, at, 1.0))
        .collect()
}

/// Distances by comparing all pairs.
fn all_pairs(train: Points, points: Points, rows: Rows, k: usize) -> Vec<f32> {
    let mut found = Vec::new();
    for at in 0..points.len() {
        let others = (0..train.len()).filter(|&other| rows == Rows::New || other != at);
        let mut distances: Vec<f64> = others
            .map(|other| {
                let pairs = points.row(at).iter().zip(train.row(other));
                let squares = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                squares.sum::<f64>().sqrt()
            })
            .collect();
        distances.sort_by(f64::total_cmp);
        found.extend(distances.iter().take(k).map(|&d| d as f32));
    }
    found
}

fn every_detector() -> [Detector; 3] {
    [
        Detector::IsolationForest(IsolationForest::default()),
        Detector::Ecod(Ecod::default()),
        Detector::Nearest(Nearest::default()),
    ]
}

/// The chance that an outlier has a higher score than another row.
fn roc_auc(normal: &[f64], strange: &[f64]) -> f64 {
    let pairs = strange
        .iter()
        .flat_map(|s| normal.iter().map(move |n| (s, n)));
    let wins = pairs.map(|(s, n)| f64::from(u8::from(s > n)) + f64::from(u8::from(s == n)) / 2.0);
    wins.sum::<f64>() / (normal.len() * strange.len()) as f64
}

#[test]
fn ecod_and_neighbours_score_as_pyod_does() {
    let golden = golden();
    let width = golden["width"].as_u64().unwrap() as usize;
    let (train, new) = (singles(&golden["train"]), singles(&golden["new"]));
    let (train, new) = (Points::new(&train, width), Points::new(&new, width));
    let model = Ecod::default().fit(train, &on).unwrap();
    let of_train = model.scores(train, Rows::Training).unwrap();
    assert_near(&of_train, &numbers(&golden["ecod_train"]), 1e-8);
    let of_new = model.scores(new, Rows::New).unwrap();
    assert_near(&of_new, &numbers(&golden["ecod_new"]), 1e-8);
    let cells = model.cell_scores(train, Rows::Training).unwrap();
    assert_near(&cells, &numbers(&golden["ecod_cells"]), 1e-8);

    for (distance, k, name) in [
        (Distance::Largest, 5, "largest_5"),
        (Distance::Mean, 10, "mean_10"),
    ] {
        let settings = Nearest { k, distance };
        for (part, points, rows) in [("train", train, Rows::Training), ("new", new, Rows::New)] {
            let expected = numbers(&golden[format!("knn_{name}_{part}").as_str()]);
            let recorded = singles(&golden[format!("distances_{part}").as_str()]);
            let found = settings.scores(&recorded, points.len()).unwrap();
            assert_near(&found, &expected, 1e-5);
            let own = |points: Points, rows, k| Ok(all_pairs(train, points, rows, k));
            let model = Detector::Nearest(settings).fit(train, &on).unwrap();
            assert_near(&model.scores(points, rows, &own).unwrap(), &expected, 1e-5);
        }
    }
}

#[test]
fn a_forest_finds_as_much_as_pyods() {
    let golden = golden();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for task in golden["forests"].as_array().unwrap() {
        let values = singles(&task["points"]);
        let points = Points::new(&values, task["width"].as_u64().unwrap() as usize);
        let n_normal = task["n_normal"].as_u64().unwrap() as usize;
        let aucs: Vec<f64> = (0..10)
            .map(|seed| {
                let settings = IsolationForest {
                    seed,
                    ..IsolationForest::default()
                };
                let scores = settings.fit(points, &on).unwrap().scores(points).unwrap();
                roc_auc(&scores[..n_normal], &scores[n_normal..])
            })
            .collect();
        let mean = aucs.iter().sum::<f64>() / 10.0;
        let expected = task["auc"].as_f64().unwrap();
        // Four standard errors of the difference of two means of ten.
        let within = 4.0 * task["deviation"].as_f64().unwrap() * (2.0f64 / 10.0).sqrt();
        assert!((mean - expected).abs() < within, "{mean} is not {expected}");
        ours.push(mean);
        theirs.push(expected);
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    assert!(
        (mean(&ours) - mean(&theirs)).abs() < 0.005,
        "{ours:?} {theirs:?}"
    );
}

/// Mean cuts until one of n rows is alone.
fn path_length(n: usize) -> f64 {
    let harmonic: f64 = (1..n).map(|at| 1.0 / at as f64).sum();
    2.0 * harmonic - 2.0 * (n - 1) as f64 / n as f64
}

#[test]
fn contributions_add_up_to_what_shortened_the_path() {
    let mut values = drawn(400 * 3, 1);
    values[5 * 3 + 2] = 9.0;
    values[6 * 3] = -9.0;
    let points = Points::new(&values, 3);
    for sample in [64, 400] {
        let settings = IsolationForest {
            sample,
            ..IsolationForest::default()
        };
        let model = settings.fit(points, &on).unwrap();
        let parts = model.contributions(points).unwrap();
        let sums: Vec<f64> = parts.chunks(3).map(|row| row.iter().sum()).collect();
        // A score is 2 to the power of the negative ratio of a row's path to the mean one.
        let paths = model.scores(points).unwrap();
        let paths = paths
            .iter()
            .map(|score| -score.log2() * path_length(sample));
        let wholes: Vec<f64> = paths.zip(&sums).map(|(path, sum)| path + sum).collect();
        assert_near(&wholes, &vec![wholes[0]; 400], 1e-9);
        if sample == 400 {
            // Every tree knows all rows, so that gains and losses are equal.
            assert!(sums.iter().sum::<f64>().abs() < 1e-8);
        }
        let row = |at: usize| &parts[at * 3..][..3];
        assert!(
            row(5)[2] > 2.0 && row(5)[2] > 3.0 * row(5)[0].max(row(5)[1]),
            "{:?}",
            row(5)
        );
        assert!(
            row(6)[0] > 2.0 && row(6)[0] > 3.0 * row(6)[1].max(row(6)[2]),
            "{:?}",
            row(6)
        );
    }
}

#[test]
fn a_forest_of_rows_on_a_line_parts_them_as_often_as_chance_does() {
    // Four values at equal distances: the first of three cuts parts an end off in two of three cases.
    let values = [0.0, 1.0, 2.0, 3.0];
    let settings = IsolationForest {
        n_trees: 20_000,
        ..IsolationForest::default()
    };
    let model = settings.fit(Points::new(&values, 1), &on).unwrap();
    let paths: Vec<f64> = (model.scores(Points::new(&values, 1)).unwrap().iter())
        .map(|score| -score.log2() * path_length(4))
        .collect();
    // An end: 1 with 1/3, else 2 with the middle cut, or after the other end 2 or 3 (two rows left count as one cut more).
    let end = 1.0 / 3.0 + 2.0 / 3.0 + (0.5 * 2.0 + 0.5 * 3.0) / 3.0;
    // One of the middle: after the end beside it 2 or 3 halves, after the middle 2, after the far end 3 or 2 or 3.
    let middle = (0.5 * 2.0 + 0.5 * 3.0) / 3.0 + 2.0 / 3.0 + 3.0 / 3.0;
    assert_near(&paths, &[end, middle, middle, end], 0.02);
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let values = drawn(3000 * 40, 2);
    let points = Points::new(&values, 40);
    let ask = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        pool.build().unwrap().install(|| {
            let own = |points: Points, _, k| Ok(vec![1.5; points.len() * k]);
            let found: Vec<(String, Vec<f64>)> = every_detector()
                .iter()
                .map(|detector| {
                    let model = detector.fit(points, &on).unwrap();
                    let scores = model.scores(points, Rows::New, &own).unwrap();
                    (serde_json::to_string(&model).unwrap(), scores)
                })
                .collect();
            let forest = IsolationForest::default().fit(points, &on).unwrap();
            (found, forest.contributions(points).unwrap())
        })
    };
    let one = ask(1);
    assert!(one == ask(2) && one == ask(5));
    let seed = IsolationForest {
        seed: 1,
        ..IsolationForest::default()
    };
    assert_ne!(
        seed.fit(points, &on).unwrap(),
        IsolationForest::default().fit(points, &on).unwrap()
    );
}

#[test]
fn odd_points_are_scored() {
    let wide = drawn(20 * 2000, 3);
    let huge = [1e18, -1e18, 0.0, 3e18, 1.0];
    let nearly = [1.0, 1.0f32.next_up(), 1.0, 1.0f32.next_down()];
    let cases: [(&str, &[f32], usize); 8] = [
        ("one", &[1.0, 2.0], 2),
        ("two", &[1.0, 2.0], 1),
        ("three", &[1.0, 2.0, 1.0], 1),
        ("constant", &[4.0; 60], 3),
        (
            "a constant column",
            &[0.0, 1.0, 0.0, 2.0, 0.0, 9.0, 0.0, 1.5],
            2,
        ),
        ("wide", &wide, 2000),
        ("huge", &huge, 1),
        ("neighbouring numbers", &nearly, 1),
    ];
    for (name, values, width) in cases {
        let points = Points::new(values, width);
        let own = |asked: Points, rows, k| Ok(all_pairs(points, asked, rows, k));
        for detector in every_detector() {
            let model = detector.fit(points, &on).unwrap();
            for rows in [Rows::Training, Rows::New] {
                let scores = model.scores(points, rows, &own).unwrap();
                assert_eq!(scores.len(), points.len(), "{name}");
                assert!(
                    scores.iter().all(|s| s.is_finite() && *s >= 0.0),
                    "{name}: {scores:?}"
                );
                if name == "constant" {
                    assert!(scores.iter().all(|s| *s == scores[0]), "{name}: {scores:?}");
                }
            }
            let text = serde_json::to_string(&model).unwrap();
            assert_eq!(
                serde_json::from_str::<DetectorModel>(&text).unwrap(),
                model,
                "{name}"
            );
            assert_eq!(
                model
                    .scores(Points::new(&[], width), Rows::New, &own)
                    .unwrap(),
                [0.0; 0]
            );
        }
        let forest = IsolationForest::default().fit(points, &on).unwrap();
        let parts = forest.contributions(points).unwrap();
        assert!(parts.iter().all(|part| part.is_finite()), "{name}");
    }
    let largest = [0.0, f32::MAX, f32::MIN, 1.0];
    let largest = Points::new(&largest, 1);
    for detector in &every_detector()[..2] {
        let model = detector.fit(largest, &on).unwrap();
        let scores = model
            .scores(largest, Rows::Training, &|_, _, _| Ok(Vec::new()))
            .unwrap();
        assert!(scores[1] > scores[0] && scores[2] > scores[0], "{scores:?}");
    }
    let forest = IsolationForest::default()
        .fit(Points::new(&[4.0; 60], 3), &on)
        .unwrap();
    assert_near(
        &forest.scores(Points::new(&[9.0; 3], 3)).unwrap(),
        &[0.5],
        1e-12,
    );
}

#[test]
fn what_cannot_be_learned_or_scored_is_an_error() {
    let values = drawn(300, 4);
    let points = Points::new(&values, 3);
    let own = |points: Points, _, k| Ok(vec![0.0; points.len() * k]);
    let mut with_nan = values.clone();
    with_nan[7] = f32::NAN;
    let with_nan = Points::new(&with_nan, 3);
    for detector in every_detector() {
        let none = detector.fit(Points::new(&[], 3), &on);
        assert!(matches!(none, Err(MineError::NoTrainingRows)));
        let nan = detector.fit(with_nan, &on);
        assert!(matches!(
            nan,
            Err(MineError::FeatureNotFinite { row: 2, column: 1 })
        ));
        let model = detector.fit(points, &on).unwrap();
        let nan = model.scores(with_nan, Rows::New, &own);
        assert!(matches!(
            nan,
            Err(MineError::FeatureNotFinite { row: 2, column: 1 })
        ));
        if !matches!(detector, Detector::Nearest(_)) {
            let stopped = detector.fit(points, &|_, _| false);
            assert!(matches!(stopped, Err(MineError::Cancelled)));
            let other = model.scores(Points::new(&values, 2), Rows::New, &own);
            assert!(matches!(
                other,
                Err(MineError::FeaturesDiffer {
                    expected: 3,
                    found: 2
                })
            ));
        }
    }
    for (settings, name) in [
        (
            IsolationForest {
                n_trees: 0,
                ..IsolationForest::default()
            },
            "n_trees",
        ),
        (
            IsolationForest {
                sample: 0,
                ..IsolationForest::default()
            },
            "sample",
        ),
    ] {
        let Err(MineError::Setting { setting, .. }) = settings.fit(points, &on) else {
            panic!("{name}")
        };
        assert_eq!(setting, name);
    }
}

#[test]
fn a_damaged_forest_is_told() {
    let values = drawn(300, 5);
    let points = Points::new(&values, 3);
    let settings = IsolationForest {
        n_trees: 2,
        ..IsolationForest::default()
    };
    let sound = serde_json::to_value(settings.fit(points, &on).unwrap()).unwrap();
    let damages: [&dyn Fn(&mut serde_json::Value); 8] = [
        &|m| m["trees"][0]["right"][0] = 1.into(),
        &|m| m["trees"][0]["right"][0] = 100_000.into(),
        &|m| m["trees"][1]["column"][0] = 3.into(),
        &|m| m["trees"][1]["n_rows"][1] = 0.into(),
        &|m| m["trees"][0]["threshold"] = serde_json::json!([]),
        &|m| m["trees"] = serde_json::json!([]),
        &|m| m["width"] = 0.into(),
        &|m| m["sample"] = 1_000_000_000_000u64.into(),
    ];
    for (at, damage) in damages.iter().enumerate() {
        let mut model = sound.clone();
        damage(&mut model);
        let model: IsolationForestModel = serde_json::from_value(model).unwrap();
        let found = model.scores(points);
        assert!(
            matches!(found, Err(MineError::DamagedModel { .. })),
            "{at}: {found:?}"
        );
    }
}

#[test]
fn a_thinned_ecod_is_as_near_as_it_says() {
    let values = drawn(60_000, 6);
    let points = Points::new(&values, 1);
    let model = Ecod::default().fit(points, &on).unwrap();
    assert!(serde_json::to_string(&model).unwrap().len() < 60_000);
    let found = model.scores(points, Rows::Training).unwrap();
    let mut sorted = values.clone();
    sorted.sort_by(f32::total_cmp);
    let mut most: f64 = 0.0;
    for (value, found) in values.iter().zip(found) {
        let low = sorted.partition_point(|v| v <= value);
        let high = sorted.len() - sorted.partition_point(|v| v < value);
        let exact = -(low.min(high) as f64 / 60_000.0).ln();
        most = most.max((found - exact).abs());
    }
    assert!(most < 1.01 * ERROR && most > 0.0, "{most}");
}

proptest! {
    #[test]
    fn ecod_is_what_two_counts_say(
        values in prop::collection::vec(-4i8..4, 1..20), new in prop::collection::vec(-6i8..6, 1..4)
    ) {
        let train: Vec<f32> = values.iter().map(|v| f32::from(*v)).collect();
        let new: Vec<f32> = new.iter().map(|v| f32::from(*v)).collect();
        let model = Ecod::default().fit(Points::new(&train, 1), &on).unwrap();
        let tail = |sample: &[f32], value: f32| {
            let low = sample.iter().filter(|v| **v <= value).count();
            let high = sample.iter().filter(|v| **v >= value).count();
            -(low.min(high) as f64 / sample.len() as f64).ln()
        };
        let of_train: Vec<f64> = train.iter().map(|v| tail(&train, *v)).collect();
        assert_near(&model.scores(Points::new(&train, 1), Rows::Training).unwrap(), &of_train, 1e-12);
        let of_new: Vec<f64> = new.iter().map(|v| tail(&[&train[..], &[*v]].concat(), *v)).collect();
        assert_near(&model.scores(Points::new(&new, 1), Rows::New).unwrap(), &of_new, 1e-12);
    }

    #[test]
    fn thresholds_give_no_more_alerts_than_asked_and_as_many_as_ties_allow(
        values in prop::collection::vec(1u8..12, 1..40), n_alerts in 0usize..45
    ) {
        let joined: Vec<f64> = values.iter().map(|v| f64::from(*v) / 12.0).collect();
        let threshold = threshold_of_alerts(&joined, n_alerts);
        let above = |t: f64| joined.iter().filter(|v| **v > t).count();
        prop_assert!(above(threshold) <= n_alerts);
        if threshold > 0.0 {
            prop_assert!(above(threshold.next_down()) > n_alerts);
        } else {
            prop_assert_eq!(above(threshold), joined.len());
        }
    }
}
