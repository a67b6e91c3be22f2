use std::path::Path;

use adit_nn::random::normal_at;

use super::*;

const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;
const ALL: [Covariance; 4] = [
    Covariance::Full,
    Covariance::Tied,
    Covariance::Diagonal,
    Covariance::Spherical,
];

fn settings(n_components: usize, covariance: Covariance) -> GaussianMixture {
    GaussianMixture {
        n_components,
        covariance,
        ..GaussianMixture::default()
    }
}

/// Correlated clouds in turn. `[n, width]`
fn clouds(n: usize, width: usize, k: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n * width);
    for row in 0..n {
        let mut before = 0.0;
        for column in 0..width {
            let center = 4.0 * normal_at(1, (row % k * width + column) as u64, 1.0);
            let noise = normal_at(2, (row * width + column) as u64, 1.0);
            before = 0.6 * before + noise * (1.0 + (row % k) as f32 / 2.0);
            values.push(center + before);
        }
    }
    values
}

/// The density by its definition, with the covariance that the precisions stand for.
fn log_density(model: &MixtureModel, row: &[f32]) -> f64 {
    use nalgebra::{DMatrix, DVector};
    let width = model.width;
    let parts = (0..model.n_components()).map(|component| {
        let own = |size: usize| &model.precisions[component * size..][..size];
        let root = match model.covariance {
            Covariance::Full => DMatrix::from_row_slice(width, width, own(width * width)),
            Covariance::Tied => DMatrix::from_row_slice(width, width, &model.precisions),
            Covariance::Diagonal => DMatrix::from_diagonal(&DVector::from_row_slice(own(width))),
            Covariance::Spherical => DMatrix::identity(width, width) * own(1)[0],
        };
        let covariance = (&root * root.transpose()).try_inverse().unwrap();
        let values = row.iter().zip(model.mean(component));
        let apart = DVector::from_iterator(width, values.map(|(&x, m)| f64::from(x) - m));
        let square = apart.dot(&covariance.clone().lu().solve(&apart).unwrap());
        let norm = (covariance.determinant() * std::f64::consts::TAU.powi(width as i32)).sqrt();
        model.weights[component] * (-0.5 * square).exp() / norm
    });
    parts.sum::<f64>().ln()
}

#[test]
fn densities_are_those_of_the_definition() {
    let values = clouds(900, 3, 3);
    let points = Points::new(&values, 3);
    for covariance in ALL {
        let model = settings(3, covariance).fit(points, ON).unwrap();
        let found = model.log_density(points).unwrap();
        let shares = model.responsibilities(points).unwrap();
        let labels = model.labels(points).unwrap();
        for row in 0..points.len() {
            let wanted = log_density(&model, points.row(row));
            assert!((found[row] - wanted).abs() < 1e-9, "{covariance:?}");
            let shares = &shares[row * 3..][..3];
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let label = labels[row] as usize;
            assert!(shares.iter().all(|share| *share <= shares[label]));
        }
        let mean = found.iter().sum::<f64>() / 900.0;
        assert!((mean - model.log_likelihood).abs() < 1e-12);
        assert!((model.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn the_likelihood_never_falls() {
    let values = clouds(700, 4, 5);
    let points = Points::new(&values, 4);
    for covariance in ALL {
        let mut before = f64::NEG_INFINITY;
        for max_iterations in 1..12 {
            let settings = GaussianMixture {
                max_iterations,
                tolerance: 0.0,
                ..settings(3, covariance)
            };
            let model = settings.fit(points, ON).unwrap();
            assert!(model.log_likelihood >= before - 1e-9, "{covariance:?}");
            assert!(model.n_iterations == max_iterations || model.converged);
            before = model.log_likelihood;
        }
    }
}

#[test]
fn one_component_has_the_mean_and_the_covariance() {
    let values = clouds(5000, 3, 1);
    // Far from 0, where sums of squares would say little.
    let values: Vec<f32> = values.iter().map(|x| x + 1e4).collect();
    let points = Points::new(&values, 3);
    let n = points.len() as f64;
    let mean: Vec<f64> = (0..3)
        .map(|at| {
            (0..points.len())
                .map(|row| f64::from(points.row(row)[at]))
                .sum::<f64>()
                / n
        })
        .collect();
    let value = |i: usize, j: usize| {
        let rows = (0..points.len()).map(|row| points.row(row));
        let parts = rows.map(|row| (f64::from(row[i]) - mean[i]) * (f64::from(row[j]) - mean[j]));
        parts.sum::<f64>() / n + if i == j { 1e-6 } else { 0.0 }
    };
    let covariance = nalgebra::DMatrix::from_fn(3, 3, value);
    for kind in [Covariance::Full, Covariance::Tied] {
        let model = settings(1, kind).fit(points, ON).unwrap();
        for (found, wanted) in model.means.iter().zip(&mean) {
            assert!((found - wanted).abs() < 1e-8);
        }
        let root = nalgebra::DMatrix::from_row_slice(3, 3, &model.precisions);
        let one = &root * root.transpose() * &covariance;
        let off = one - nalgebra::DMatrix::identity(3, 3);
        assert!(off.amax() < 1e-8, "{kind:?}: {off}");
    }
}

#[test]
fn threads_and_seeds() {
    let values = clouds(9000, 5, 6);
    let points = Points::new(&values, 5);
    for covariance in ALL {
        let run = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let settings = GaussianMixture {
                n_init: 2,
                seed,
                max_iterations: 6,
                ..settings(6, covariance)
            };
            pool.build().unwrap().install(|| {
                let model = settings.fit(points, ON).unwrap();
                (
                    serde_json::to_string(&model).unwrap(),
                    model.log_density(points).unwrap(),
                )
            })
        };
        let one = run(1, 7);
        assert_eq!(run(2, 7), one);
        assert_eq!(run(5, 7), one);
        let read: MixtureModel = serde_json::from_str(&one.0).unwrap();
        assert_eq!(read.log_density(points).unwrap(), one.1);
    }
}

#[test]
fn more_runs_are_never_worse() {
    let values = clouds(600, 2, 9);
    let points = Points::new(&values, 2);
    let run = |n_init: usize| {
        let settings = GaussianMixture {
            n_init,
            tolerance: 1e-9,
            ..settings(7, Covariance::Full)
        };
        settings.fit(points, ON).unwrap().log_likelihood
    };
    assert!(run(6) > run(1) - 1e-6);
}

#[test]
fn the_criterion_finds_how_many_components_there_are() {
    let values = clouds(900, 2, 3);
    let points = Points::new(&values, 2);
    let bic = |k: usize| {
        let model = settings(k, Covariance::Full).fit(points, ON).unwrap();
        assert_eq!(model.n_components(), k);
        model.bic(900)
    };
    let bics: Vec<f64> = (1..=5).map(bic).collect();
    let best = (0..5).min_by(|&a, &b| bics[a].total_cmp(&bics[b]));
    assert_eq!(best, Some(2), "{bics:?}");
}

#[test]
fn small_and_odd_tables() {
    for covariance in ALL {
        for n in 1..=3 {
            for width in [1, 2, 60] {
                for k in [1, 2, 5] {
                    let values = clouds(n, width, 3);
                    let points = Points::new(&values, width);
                    let model = settings(k, covariance).fit(points, ON).unwrap();
                    assert_eq!(model.n_components(), k.min(n));
                    let found = model.log_density(points).unwrap();
                    assert!(found.iter().all(|density| density.is_finite()));
                }
            }
        }
        let same = vec![0.3f32; 300];
        let model = settings(3, covariance)
            .fit(Points::new(&same, 3), ON)
            .unwrap();
        assert_eq!(model.n_components(), 1);
        assert!((model.means[0] - f64::from(0.3f32)).abs() < 1e-12);
        // One column is constant, one is another's double, and values go up to 1e18.
        let values: Vec<f32> = (0..200)
            .flat_map(|row| {
                let x = normal_at(5, row, 1e18);
                [7.0, x, 2.0 * x, normal_at(6, row, 1.0)]
            })
            .collect();
        let points = Points::new(&values, 4);
        let model = settings(2, covariance).fit(points, ON).unwrap();
        let shares = model.responsibilities(points).unwrap();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
    }
    for covariance in [Covariance::Diagonal, Covariance::Spherical] {
        let values = clouds(40, 2000, 2);
        let points = Points::new(&values, 2000);
        let model = settings(2, covariance).fit(points, ON).unwrap();
        assert_eq!(model.labels(points).unwrap()[..4], [0, 1, 0, 1]);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let values = clouds(100, 3, 2);
    let points = Points::new(&values, 3);
    let good = settings(2, Covariance::Full);
    for (setting, wrong) in [
        (
            "n_components",
            GaussianMixture {
                n_components: 0,
                ..good
            },
        ),
        ("n_init", GaussianMixture { n_init: 0, ..good }),
        (
            "max_iterations",
            GaussianMixture {
                max_iterations: 0,
                ..good
            },
        ),
        (
            "tolerance",
            GaussianMixture {
                tolerance: f64::NAN,
                ..good
            },
        ),
        (
            "regularisation",
            GaussianMixture {
                regularisation: 0.0,
                ..good
            },
        ),
    ] {
        let error = wrong.fit(points, ON).unwrap_err();
        assert!(matches!(error, MineError::Setting { setting: s, .. } if s == setting));
    }
    let labels: Vec<u32> = (0..100).map(|row| row % 3).collect();
    let error = good.fit_from(points, &labels, ON).unwrap_err();
    assert!(matches!(
        error,
        MineError::Setting {
            setting: "n_components",
            ..
        }
    ));
    let none = good.fit(Points::new(&[], 3), ON);
    assert!(matches!(none, Err(MineError::NoTrainingRows)));
    let stopped = good.fit(points, &|done, _| done < 2);
    assert!(matches!(stopped, Err(MineError::Cancelled)));
    let model = good.fit(points, ON).unwrap();
    let mut bad = values.clone();
    bad[3 * 20 + 1] = f32::NAN;
    let bad = Points::new(&bad, 3);
    let zeros = vec![0; 100];
    for error in [
        good.fit(bad, ON).unwrap_err(),
        good.fit_from(bad, &zeros, ON).unwrap_err(),
        model.labels(bad).unwrap_err(),
    ] {
        assert!(matches!(
            error,
            MineError::FeatureNotFinite { row: 20, column: 1 }
        ));
    }
    let wide = model.labels(Points::new(&values, 4)).unwrap_err();
    assert!(matches!(
        wide,
        MineError::FeaturesDiffer {
            expected: 3,
            found: 4
        }
    ));
    for damage in [
        MixtureModel {
            weights: vec![1.0],
            ..model.clone()
        },
        MixtureModel {
            weights: vec![1.0, 0.0],
            ..model.clone()
        },
        MixtureModel {
            means: vec![f64::NAN; 6],
            ..model.clone()
        },
        MixtureModel {
            precisions: Vec::new(),
            ..model.clone()
        },
        MixtureModel {
            covariance: Covariance::Diagonal,
            ..model.clone()
        },
    ] {
        assert!(matches!(
            damage.log_density(points),
            Err(MineError::DamagedModel { .. })
        ));
    }
}

#[derive(Deserialize)]
struct Golden {
    width: usize,
    points: Vec<f32>,
    first: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    covariance: Covariance,
    weights: Vec<f64>,
    means: Vec<f64>,
    precisions: Vec<f64>,
    log_likelihood: f64,
    n_iterations: usize,
    converged: bool,
    bic: f64,
    n_parameters: usize,
    labels: Vec<u32>,
    log_density: Vec<f64>,
    responsibilities: Vec<f64>,
}

#[test]
fn mixtures_are_those_of_scikit_learn() {
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR");
    let crate_folder = crate_folder.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let path = Path::new(&crate_folder).join("tests/golden/clusters/mixture.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let points = Points::new(&golden.points, golden.width);
    let n = points.len();
    for case in golden.cases {
        let settings = settings(3, case.covariance);
        let model = settings.fit_from(points, &golden.first, ON).unwrap();
        let near = |what: &str, found: &[f64], wanted: &[f64]| {
            assert_eq!(found.len(), wanted.len(), "{what}");
            for (found, wanted) in found.iter().zip(wanted) {
                let off = (found - wanted).abs() / wanted.abs().max(1.0);
                assert!(off < 1e-8, "{:?} {what}: {found} {wanted}", case.covariance);
            }
        };
        near("weights", &model.weights, &case.weights);
        near("means", &model.means, &case.means);
        near("precisions", &model.precisions, &case.precisions);
        near(
            "likelihood",
            &[model.log_likelihood],
            &[case.log_likelihood],
        );
        near("bic", &[model.bic(n)], &[case.bic]);
        assert_eq!(model.n_iterations, case.n_iterations);
        assert_eq!(model.converged, case.converged);
        assert_eq!(model.n_parameters(), case.n_parameters);
        assert_eq!(model.labels(points).unwrap(), case.labels);
        near(
            "density",
            &model.log_density(points).unwrap()[..10],
            &case.log_density,
        );
        let shares = model.responsibilities(points).unwrap();
        near("shares", &shares[..30], &case.responsibilities);
    }
}
