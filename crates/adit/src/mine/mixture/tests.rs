use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::*;

const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;
const ALL: [Covariance; 4] = [
    Covariance::Full,
    Covariance::Tied,
    Covariance::Diagonal,
    Covariance::Spherical,
];

#[derive(Deserialize)]
struct Golden {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    width: usize,
    points: Vec<f32>,
    start: Vec<u32>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    covariance: String,
    tolerance: f64,
    n_iterations: usize,
    weights: Vec<f64>,
    means: Vec<f64>,
    covariances: Vec<f64>,
    lower_bound: f64,
    labels: Vec<u32>,
    bic: f64,
    log_density: Vec<f64>,
}

/// A value of about the standard normal distribution.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Points of `k` components of different shares and spreads, and the component of each.
fn planted(n: usize, width: usize, k: usize, apart: f64, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let means: Vec<f64> = (0..k * width).map(|_| apart * normal(&mut rng)).collect();
    let mut values = Vec::new();
    let mut which = Vec::new();
    for _ in 0..n {
        let at = rng.random_range(0..k).min(rng.random_range(0..k));
        let shared = normal(&mut rng);
        for mean in &means[at * width..][..width] {
            let x = mean + (0.4 + 0.3 * at as f64) * (normal(&mut rng) + shared);
            values.push(x as f32);
        }
        which.push(at as u32);
    }
    (values, which)
}

fn settings(n_components: usize, covariance: Covariance) -> GaussianMixture {
    GaussianMixture {
        covariance,
        ..GaussianMixture::new(n_components)
    }
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(
            apart <= tolerance * expected.abs().max(0.01),
            "{at}: {found} is not {expected}"
        );
    }
}

/// Covariances in the shape of scikit-learn, from the factors.
fn covariances(model: &MixtureModel) -> Vec<f64> {
    let width = model.width;
    if matches!(
        model.covariance,
        Covariance::Diagonal | Covariance::Spherical
    ) {
        return model.factors.iter().map(|s| s * s).collect();
    }
    let mut out = Vec::new();
    for factor in model.factors.chunks(triangle::len(width)) {
        for i in 0..width {
            for j in 0..width {
                let (a, b) = (triangle::row(factor, i), triangle::row(factor, j));
                out.push(a.iter().zip(b).map(|(a, b)| a * b).sum());
            }
        }
    }
    out
}

#[test]
fn agrees_with_scikit_learn() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/clusters/mixture.json")).unwrap();
    let mut n_runs = 0;
    for set in &golden.sets {
        let points = Points::new(&set.points, set.width);
        for run in &set.runs {
            let names = ["full", "tied", "diag", "spherical"];
            let at = names.iter().position(|name| *name == run.covariance);
            let settings = GaussianMixture {
                tolerance: run.tolerance,
                max_iterations: 500,
                ..settings(3, ALL[at.unwrap()])
            };
            let model = settings.fit_from(points, &set.start, ON).unwrap();
            assert!(model.converged());
            assert_eq!(model.n_iterations(), run.n_iterations);
            assert_near(model.weights(), &run.weights, 1e-8);
            assert_near(&model.means, &run.means, 1e-8);
            assert_near(&covariances(&model), &run.covariances, 1e-8);
            assert_near(&[model.lower_bound()], &[run.lower_bound], 1e-10);
            assert_near(&[model.bic(points)], &[run.bic], 1e-10);
            let density = model.log_density(points);
            assert_near(&density[..run.log_density.len()], &run.log_density, 1e-8);
            assert_eq!(model.labels(points).unwrap(), run.labels);
            n_runs += 1;
        }
    }
    assert_eq!(n_runs, 16);
}

#[test]
fn densities_are_those_of_the_formula() {
    let (values, which) = planted(300, 3, 2, 1.0, 4);
    let points = Points::new(&values, 3);
    for covariance in ALL {
        let model = settings(2, covariance);
        let model = model.fit_from(points, &which, ON).unwrap();
        let found = covariances(&model);
        let full = |at: usize| match covariance {
            Covariance::Full => nalgebra::Matrix3::from_row_slice(&found[at * 9..][..9]),
            Covariance::Tied => nalgebra::Matrix3::from_row_slice(&found),
            Covariance::Diagonal => {
                let diagonal = nalgebra::Vector3::from_column_slice(&found[at * 3..][..3]);
                nalgebra::Matrix3::from_diagonal(&diagonal)
            }
            Covariance::Spherical => nalgebra::Matrix3::from_diagonal_element(found[at]),
        };
        let responsibilities = model.responsibilities(points);
        let densities = model.log_density(points);
        let labels = model.labels(points).unwrap();
        for row in 0..points.len() {
            let joint = [0, 1].map(|at| {
                let apart = points.row(row).iter().zip(model.center(at));
                let apart: Vec<f64> = apart.map(|(&x, m)| f64::from(x) - m).collect();
                let apart = nalgebra::Vector3::from_column_slice(&apart);
                let square = (apart.transpose() * full(at).try_inverse().unwrap() * apart)[0];
                let scale = (2.0 * std::f64::consts::PI).powi(3) * full(at).determinant();
                model.weights()[at] * (-0.5 * square).exp() / scale.sqrt()
            });
            let sum = joint[0] + joint[1];
            let shares = joint.map(|one| one / sum);
            assert_near(&[densities[row]], &[sum.ln()], 1e-9);
            assert_near(&responsibilities[row * 2..][..2], &shares, 1e-9);
            assert_eq!(labels[row], u32::from(joint[1] > joint[0]));
        }
    }
}

#[test]
fn the_likelihood_never_falls() {
    for (seed, covariance) in (0..).zip([ALL, ALL].concat()) {
        let (values, _) = planted(1500, 4, 4, 1.0, seed);
        let points = Points::new(&values, 4);
        let settings = GaussianMixture {
            regularisation: 0.0,
            ..settings(4, covariance)
        };
        let start: Vec<u32> = (0..1500).map(|row| row % 4).collect();
        let mut course = Course::new(&settings, points, &start, 4).unwrap();
        let mut bounds = Vec::new();
        for _ in 0..60 {
            course.step().unwrap();
            bounds.push(course.model.lower_bound);
        }
        let rises = bounds.windows(2).all(|two| two[1] >= two[0] - 1e-10);
        assert!(rises, "{covariance:?}: {bounds:?}");
        assert!(bounds[59] > bounds[0] + 0.01, "{covariance:?}: {bounds:?}");
    }
}

#[test]
fn threads_change_no_byte() {
    // More than one piece, and a last one that is not whole.
    let (values, _) = planted(5003, 3, 4, 2.0, 1);
    let points = Points::new(&values, 3);
    for covariance in ALL {
        let fitted = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
            pool.build().unwrap().install(|| {
                let settings = GaussianMixture {
                    n_init: 2,
                    max_iterations: 15,
                    ..settings(4, covariance)
                };
                let model = settings.fit(points, ON).unwrap();
                let bytes = serde_json::to_vec(&model).unwrap();
                let density = model.log_density(points);
                (bytes, model.responsibilities(points), density)
            })
        };
        let one = fitted(1);
        assert!(one == fitted(2) && one == fitted(5), "{covariance:?}");
    }
}

#[test]
fn a_point_alone_is_told_the_same_as_among_others() {
    let (values, _) = planted(700, 6, 3, 2.0, 2);
    let points = Points::new(&values, 6);
    for covariance in ALL {
        let model = settings(3, covariance).fit(points, ON).unwrap();
        let together = model.log_density(points);
        for row in [0, 5, 127, 128, 699] {
            let alone = model.log_density(Points::new(points.row(row), 6));
            assert_eq!(alone, [together[row]]);
        }
    }
}

#[test]
fn planted_components_are_found() {
    let (values, which) = planted(4000, 5, 3, 6.0, 9);
    let points = Points::new(&values, 5);
    for covariance in ALL {
        let model = settings(3, covariance).fit(points, ON).unwrap();
        let labels = model.labels(points).unwrap();
        for component in 0..3u32 {
            let members = (0..4000).filter(|&row| which[row] == component);
            let members: Vec<usize> = members.collect();
            let label = labels[members[0]];
            let same = members.iter().filter(|&&row| labels[row] == label).count() as f64;
            let n_members = members.len() as f64;
            assert!(same > 0.995 * n_members);
            assert!((model.weights()[label as usize] - n_members / 4000.0).abs() < 0.005);
            for (column, found) in model.mean(label as usize).into_iter().enumerate() {
                let values = members.iter().map(|&row| points.row(row)[column]);
                let mean = values.map(f64::from).sum::<f64>() / n_members;
                assert!((f64::from(found) - mean).abs() < 0.02);
            }
        }
        assert!((model.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn the_criterion_names_the_planted_number() {
    let (values, _) = planted(2000, 3, 3, 6.0, 3);
    let points = Points::new(&values, 3);
    let bic = |k: usize| {
        let settings = GaussianMixture {
            n_init: 3,
            ..GaussianMixture::new(k)
        };
        settings.fit(points, ON).unwrap().bic(points)
    };
    let all: Vec<f64> = (1..6).map(bic).collect();
    let least = (0..5).min_by(|&a, &b| all[a].total_cmp(&all[b])).unwrap();
    assert_eq!(least + 1, 3, "{all:?}");
}

#[test]
fn more_runs_are_never_worse() {
    let (values, _) = planted(600, 2, 6, 1.5, 12);
    let points = Points::new(&values, 2);
    let bounds = [1, 2, 4, 8].map(|n_init| {
        let settings = GaussianMixture {
            n_init,
            ..GaussianMixture::new(6)
        };
        settings.fit(points, ON).unwrap().lower_bound()
    });
    assert!(bounds.is_sorted() && bounds[3] > bounds[0], "{bounds:?}");
}

#[test]
fn counts_parameters() {
    let (values, which) = planted(200, 4, 3, 2.0, 1);
    let counts = ALL.map(|covariance| {
        let points = Points::new(&values, 4);
        let model = settings(3, covariance).fit_from(points, &which, ON);
        model.unwrap().n_parameters()
    });
    assert_eq!(counts, [44, 24, 26, 17]);
}

/// Everything that a model tells is a finite number, and its labels are those of its responsibilities.
#[track_caller]
fn assert_sound(model: &MixtureModel, points: Points) {
    let k = model.n_components();
    model.check().unwrap();
    assert!(model.lower_bound().is_finite() && model.bic(points).is_finite());
    assert!(model.log_density(points).iter().all(|x| x.is_finite()));
    assert!((0..k).all(|at| model.mean(at).iter().all(|x| x.is_finite())));
    let labels = model.labels(points).unwrap();
    for (shares, label) in model.responsibilities(points).chunks(k).zip(labels) {
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let most = shares.iter().copied().fold(0.0, f64::max);
        assert!(shares[label as usize] >= most - 1e-12);
    }
}

#[test]
fn odd_points_leave_a_sound_model() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut drawn = |n: usize, scale: f32, offset: f32| -> Vec<f32> {
        let values = (0..n).map(|_| offset + scale * rng.random_range(-1.0..1.0f32));
        values.collect()
    };
    let mut outlier = drawn(120, 1.0, 0.0);
    outlier[7] = 1e18;
    let constant = drawn(60, 1.0, 0.0).into_iter();
    let constant: Vec<f32> = constant.flat_map(|x| [x, 1e18, 3.0]).collect();
    let copies = drawn(60, 1e18, 0.0).into_iter();
    let copies: Vec<f32> = copies.flat_map(|x| [x, x, -2.0 * x]).collect();
    let few: Vec<f32> = (0..90).map(|row| (row / 3 % 2) as f32).collect();
    let sets = [
        (drawn(3, 1.0, 0.0), 3),
        (drawn(6, 1.0, 0.0), 3),
        (drawn(9, 1e18, 0.0), 3),
        (drawn(3, 1.0, 0.0), 1),
        (vec![4.5; 60], 3),
        (vec![-1e18; 60], 2),
        (vec![f32::MAX, f32::MIN, 0.0, f32::MAX, 1.0, f32::MIN], 1),
        (few, 3),
        (constant, 3),
        (copies, 3),
        (drawn(120, 1e18, 0.0), 3),
        (drawn(120, 3e38, 0.0), 2),
        (drawn(120, 1e-30, 0.0), 2),
        (drawn(120, 1.0, 1e6), 1),
        (outlier, 2),
        (drawn(200, 1.0, 0.0), 40),
    ];
    for (values, width) in &sets {
        let points = Points::new(values, *width);
        for covariance in ALL {
            for k in [1, 2, 3, 5].into_iter().filter(|&k| k <= points.len()) {
                let model = settings(k, covariance).fit(points, ON).unwrap();
                assert!((1..=k).contains(&model.n_components()));
                assert_sound(&model, points);
                let start: Vec<u32> = (0..points.len()).map(|row| (row % k) as u32).collect();
                let model = settings(k, covariance).fit_from(points, &start, ON);
                assert_sound(&model.unwrap(), points);
            }
        }
    }
}

#[test]
fn as_many_components_as_points_differ() {
    let values: Vec<f32> = (0..90).map(|row| (row % 3) as f32 * 4.0).collect();
    let points = Points::new(&values, 1);
    let model = GaussianMixture::new(8).fit(points, ON).unwrap();
    assert_eq!(model.n_components(), 3);
    let mut means: Vec<f32> = (0..3).flat_map(|at| model.mean(at)).collect();
    means.sort_by(f32::total_cmp);
    assert_eq!(means, [0.0, 4.0, 8.0]);
}

#[test]
fn many_columns() {
    let (values, _) = planted(40, 2000, 2, 1.0, 3);
    for n in [1, 3, 40] {
        let points = Points::new(&values[..n * 2000], 2000);
        for covariance in [Covariance::Diagonal, Covariance::Spherical] {
            let model = settings(n.min(2), covariance).fit(points, ON).unwrap();
            assert_sound(&model, points);
        }
    }
    let points = Points::new(&values[..60 * 300], 300);
    let settings = GaussianMixture {
        max_iterations: 2,
        ..settings(2, Covariance::Full)
    };
    assert_sound(&settings.fit(points, ON).unwrap(), points);
}

#[test]
fn huge_units_change_nothing_but_the_units() {
    let (values, which) = planted(500, 3, 3, 3.0, 6);
    let scale = 2f32.powi(60);
    let scaled: Vec<f32> = values.iter().map(|x| x * scale).collect();
    for covariance in ALL {
        let plain = settings(3, covariance).fit_from(Points::new(&values, 3), &which, ON);
        let huge = settings(3, covariance).fit_from(Points::new(&scaled, 3), &which, ON);
        let (plain, huge) = (plain.unwrap(), huge.unwrap());
        assert_eq!(plain.n_iterations(), huge.n_iterations());
        assert_near(huge.weights(), plain.weights(), 1e-4);
        let means: Vec<f64> = huge.means.iter().map(|x| x / f64::from(scale)).collect();
        assert_near(&means, &plain.means, 1e-4);
    }
}

/// True for an error about this setting.
fn about(error: &MineError, name: &str) -> bool {
    matches!(error, MineError::Setting { setting, .. } if *setting == name)
}

#[test]
fn without_regularisation_a_flat_covariance_is_an_error() {
    let values: Vec<f32> = (0..40).flat_map(|row| [row as f32, 7.0]).collect();
    let points = Points::new(&values, 2);
    for covariance in [Covariance::Full, Covariance::Tied, Covariance::Diagonal] {
        let settings = GaussianMixture {
            regularisation: 0.0,
            ..settings(2, covariance)
        };
        let error = settings.fit(points, ON).unwrap_err();
        assert!(about(&error, "regularisation"), "{error}");
    }
}

#[test]
fn wrong_settings_are_refused() {
    let points = Points::new(&[0.0, 1.0, 2.0, 5.0], 1);
    let good = GaussianMixture::new(2);
    type Spoil = fn(&mut GaussianMixture);
    let wrong: [(&str, Spoil); 6] = [
        ("n_components", |settings| settings.n_components = 0),
        ("n_components", |settings| settings.n_components = 5),
        ("n_init", |settings| settings.n_init = 0),
        ("max_iterations", |settings| settings.max_iterations = 0),
        ("tolerance", |settings| settings.tolerance = f64::NAN),
        ("regularisation", |settings| settings.regularisation = -1.0),
    ];
    for (name, spoil) in wrong {
        let mut settings = good.clone();
        spoil(&mut settings);
        let error = settings.fit(points, ON).unwrap_err();
        assert!(about(&error, name), "{name}: {error}");
    }
    for labels in [&[0u32, 1, 0][..], &[0, 1, 2, 0], &[0, 0, 0, 0]] {
        let error = good.fit_from(points, labels, ON).unwrap_err();
        assert!(about(&error, "labels"), "{error}");
    }
}

#[test]
fn points_that_do_not_fit_are_refused() {
    let good = GaussianMixture::new(1);
    let none = good.fit(Points::new(&[], 2), ON);
    assert!(matches!(none, Err(MineError::NoTrainingRows)));
    let odd = [0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0];
    let odd = Points::new(&odd, 2);
    let error = MineError::FeatureNotFinite { row: 1, column: 1 }.to_string();
    assert_eq!(good.fit(odd, ON).unwrap_err().to_string(), error);
    let model = good.fit(Points::new(&[0.0, 1.0, 2.0, 4.0], 2), ON).unwrap();
    assert_eq!(model.labels(odd).unwrap_err().to_string(), error);
    let wide = model.labels(Points::new(&[0.0; 3], 3)).unwrap_err();
    let (expected, found) = (2, 3);
    let error = MineError::FeaturesDiffer { expected, found };
    assert_eq!(wide.to_string(), error.to_string());
    assert!(model.labels(Points::new(&[], 2)).unwrap().is_empty());
}

#[test]
fn damaged_models_are_refused() {
    let (values, which) = planted(50, 2, 2, 2.0, 1);
    let points = Points::new(&values, 2);
    for covariance in ALL {
        let good = settings(2, covariance).fit_from(points, &which, ON);
        let good = good.unwrap();
        let saved = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<MixtureModel>(&saved).unwrap(), good);
        let damages: [fn(&mut MixtureModel); 6] = [
            |model| model.width = 3,
            |model| model.weights[0] = 0.0,
            |model| model.means[1] = f64::NAN,
            |model| model.factors[0] = -1.0,
            |model| model.factors.push(1.0),
            |model| model.weights.clear(),
        ];
        for (at, damage) in damages.iter().enumerate() {
            let mut model = good.clone();
            damage(&mut model);
            let refused = matches!(model.labels(points), Err(MineError::DamagedModel { .. }));
            assert!(refused, "{covariance:?} {at}");
        }
    }
}

#[test]
fn stops_when_told() {
    let (values, _) = planted(300, 2, 3, 1.0, 1);
    let points = Points::new(&values, 2);
    let asked = AtomicUsize::new(0);
    let count = |done: usize, of: usize| {
        assert!(done < of);
        asked.fetch_add(1, Ordering::Relaxed);
        true
    };
    GaussianMixture::new(3).fit(points, &count).unwrap();
    for stop in 0..asked.into_inner() {
        let asked = AtomicUsize::new(0);
        let until = |_: usize, _: usize| asked.fetch_add(1, Ordering::Relaxed) < stop;
        let found = GaussianMixture::new(3).fit(points, &until);
        assert!(matches!(found, Err(MineError::Cancelled)), "{stop}");
    }
}
