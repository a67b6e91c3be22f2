use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_nn::random::normal_at;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;

/// Clouds around `k` centres, one after another in turn. `[n, width]`
fn clouds(n: usize, width: usize, k: usize, noise: f64) -> Vec<f32> {
    let center = |at: usize| 3.0 * normal_at(1, at as u64, 1.0);
    let values = (0..n * width).map(|at| {
        let own = at / width % k * width + at % width;
        center(own) + normal_at(2, at as u64, noise)
    });
    values.collect()
}

fn settings(n_clusters: usize) -> KMeans {
    KMeans {
        n_clusters,
        n_init: 1,
        tolerance: 0.0,
        ..KMeans::default()
    }
}

fn frame_of(points: Points) -> Frame {
    let spread = Spread::of(points).unwrap();
    Frame::new(&spread.mean, spread.largest)
}

/// Every pair of row and centre, in f64, and the sum of squares.
fn by_force(points: Points, centers: &[f64]) -> (Vec<u32>, f64) {
    let mut whole = 0.0;
    let labels = (0..points.len()).map(|row| {
        let mut best = (f64::INFINITY, 0);
        for (at, center) in centers.chunks_exact(points.width()).enumerate() {
            let apart = squared(points.row(row), center);
            if apart < best.0 {
                best = (apart, at as u32);
            }
        }
        whole += best.0;
        best.1
    });
    (labels.collect(), whole)
}

fn means(points: Points, labels: &[u32], centers: &[f64]) -> Vec<f64> {
    let width = points.width();
    let mut next = centers.to_vec();
    for (center, next) in next.chunks_exact_mut(width).enumerate() {
        let own: Vec<usize> = (0..labels.len())
            .filter(|&row| labels[row] as usize == center)
            .collect();
        for (at, next) in next.iter_mut().enumerate().filter(|_| !own.is_empty()) {
            let sum: f64 = own.iter().map(|&row| f64::from(points.row(row)[at])).sum();
            *next = sum / own.len() as f64;
        }
    }
    next
}

/// Gives every centre without rows the row that is farthest from its own, if that leaves another there.
fn refilled(points: Points, labels: &mut [u32], centers: &[f64]) -> bool {
    let width = points.width();
    let own = |row: usize, label: u32| {
        squared(points.row(row), &centers[label as usize * width..][..width])
    };
    let apart: Vec<f64> = (labels.iter().enumerate())
        .map(|(row, &label)| own(row, label))
        .collect();
    let mut order: Vec<usize> = (0..labels.len()).filter(|&row| apart[row] > 0.0).collect();
    order.sort_by(|a, b| apart[*b].total_cmp(&apart[*a]));
    let mut order = order.into_iter();
    let count = |labels: &[u32], of: u32| labels.iter().filter(|label| **label == of).count();
    let mut found = false;
    for center in 0..(centers.len() / width) as u32 {
        if count(labels, center) == 0
            && let Some(row) = order.find(|&row| count(labels, labels[row]) > 1)
        {
            labels[row] = center;
            found = true;
        }
    }
    found
}

/// Holds every iteration against plain ones; what fraction of the rows the last compared.
#[track_caller]
fn follows_plain_lloyd(values: &[f32], width: usize, k: usize) -> f64 {
    let points = Points::new(values, width);
    let first = (0..k).flat_map(|at| points.row(at * points.len() / k));
    follows_plain_lloyd_from(points, first.map(|&x| f64::from(x)).collect())
}

#[track_caller]
fn follows_plain_lloyd_from(points: Points, mut centers: Vec<f64>) -> f64 {
    let frame = frame_of(points);
    let mut course = Course::new(points, &frame, centers.clone());
    for iteration in 1..=60 {
        let step = course.assign();
        let (mut labels, _) = by_force(points, &centers);
        assert_eq!(course.bounds.labels, labels, "iteration {iteration}");
        let refilled = refilled(points, &mut labels, &centers);
        assert_eq!(course.refill(), refilled);
        assert_eq!(course.bounds.labels, labels, "iteration {iteration}");
        if step.changed == 0 && !refilled {
            return step.compared as f64 / points.len() as f64;
        }
        course.update();
        centers = means(points, &labels, &centers);
        let largest = centers.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        for (found, wanted) in course.centers.exact.iter().zip(&centers) {
            assert!(
                (found - wanted).abs() <= 1e-12 * largest,
                "{found} {wanted}"
            );
        }
    }
    panic!("still moving after 60 iterations");
}

#[test]
fn bounds_change_no_iteration() {
    for (n, width, k, noise) in [
        (700, 3, 5, 0.5),
        (900, 2, 20, 2.0),
        (800, 40, 9, 3.0),
        (2500, 17, 40, 2.0),
        (600, 130, 33, 4.0),
        (300, 1, 7, 1.0),
    ] {
        let values = clouds(n, width, k.min(12), noise);
        follows_plain_lloyd(&values, width, k);
        // Far from 0, where differences of squares would say nothing.
        let far: Vec<f32> = values.iter().map(|x| x + 1e4).collect();
        follows_plain_lloyd(&far, width, k);
        let tiny: Vec<f32> = values.iter().map(|x| x * 1e-22).collect();
        follows_plain_lloyd(&tiny, width, k);
        let huge: Vec<f32> = values.iter().map(|x| x * 1e36).collect();
        follows_plain_lloyd(&huge, width, k);
    }
}

#[test]
fn equal_distances_go_to_the_first_centre() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (n, width, k, top) in [(300, 2, 6, 4), (500, 1, 9, 20), (400, 3, 18, 3)] {
        let values: Vec<f32> = (0..n * width)
            .map(|_| rng.random_range(0..top) as f32)
            .collect();
        follows_plain_lloyd(&values, width, k);
    }
}

#[test]
fn refilled_clusters_follow_plain_iterations() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..60 {
        let (n, width, k) = (rng.random_range(30..200), rng.random_range(1..4), 24);
        let values: Vec<f32> = (0..n * width)
            .map(|_| rng.random_range(-1.0f32..1.0).powi(3) * 100.0)
            .collect();
        // Most centres begin far from all rows.
        let centers = (0..k * width).map(|at| {
            let far = if at / width % 4 > 0 {
                1e3 * at as f64
            } else {
                0.0
            };
            far + rng.random_range(-50.0..50.0)
        });
        follows_plain_lloyd_from(Points::new(&values, width), centers.collect());
    }
}

#[test]
fn late_iterations_compare_few_rows() {
    let values = clouds(6000, 24, 12, 1.5);
    let share = follows_plain_lloyd(&values, 24, 12);
    assert!(share < 0.1, "{share} of the rows in the last iteration");
}

#[test]
fn what_fit_says_holds_when_asked_again() {
    let far = |x: &f32| x + 1e4;
    let near = clouds(1500, 6, 9, 2.0);
    let far: Vec<f32> = near.iter().map(far).collect();
    let whole: Vec<f32> = near.iter().map(|x| x.round()).collect();
    for values in [&near, &far, &whole] {
        let points = Points::new(values, 6);
        let found = settings(9).fit(points, ON).unwrap();
        let model = &found.model;
        assert_eq!(model.n_clusters(), 9);
        assert_eq!(model.labels(points).unwrap(), found.labels);
        let exact: Vec<f64> = model.centers.iter().map(|&c| f64::from(c)).collect();
        let (labels, inertia) = by_force(points, &exact);
        assert_eq!(labels, found.labels);
        assert!((inertia / model.inertia - 1.0).abs() < 1e-12);
        let apart = model.distances(points).unwrap();
        for (row, apart) in apart.iter().enumerate() {
            let center = &exact[labels[row] as usize * 6..][..6];
            let wanted = squared(points.row(row), center).sqrt();
            assert!((f64::from(*apart) - wanted).abs() <= 1e-6 * wanted);
        }
        let mut counts = [0usize; 9];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    }
}

#[test]
fn clusters_of_one_size_come_in_the_order_of_their_first_points() {
    let values = [50.0, 0.0, 90.0, 1.0, 91.0, 51.0];
    let found = settings(3).fit(Points::new(&values, 1), ON).unwrap();
    assert_eq!(found.labels, [0, 1, 2, 1, 2, 0]);
    assert_eq!(found.model.centers, [50.5, 0.5, 90.5]);
    assert_eq!(found.model.inertia, 1.5);
}

#[test]
fn threads_and_seeds() {
    let values = clouds(9000, 9, 30, 2.5);
    let points = Points::new(&values, 9);
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let fit = || {
            let settings = KMeans {
                n_init: 2,
                seed,
                ..settings(20)
            };
            let found = settings.fit(points, ON).unwrap();
            (serde_json::to_string(&found.model).unwrap(), found.labels)
        };
        pool.build().unwrap().install(fit)
    };
    let one = run(1, 7);
    assert_eq!(run(2, 7), one);
    assert_eq!(run(5, 7), one);
    assert_ne!(run(1, 8), one);
    let read: KMeansModel = serde_json::from_str(&one.0).unwrap();
    assert_eq!(read.labels(points).unwrap(), one.1);
}

#[test]
fn fewer_clusters_where_fewer_points_differ() {
    let rows = [[1.0f32, 2.0], [3.0, -1.0], [1e4, 1e4], [1.0, 2.1]];
    let values: Vec<f32> = (0..40).flat_map(|at| rows[at * at % 4]).collect();
    let found = settings(9).fit(Points::new(&values, 2), ON).unwrap();
    // The squares of numbers leave 0 or 1 when divided by 4.
    assert_eq!(found.model.n_clusters(), 2);
    assert_eq!(found.model.inertia, 0.0);
    assert_eq!(found.model.centers, [1.0, 2.0, 3.0, -1.0]);
    let values: Vec<f32> = (0..40).flat_map(|at| rows[at % 4]).collect();
    let found = settings(9).fit(Points::new(&values, 2), ON).unwrap();
    assert_eq!(found.model.n_clusters(), 4);
    assert_eq!(found.model.inertia, 0.0);
    assert_eq!(found.labels[..4], [0, 1, 2, 3]);
}

#[test]
fn small_and_odd_tables() {
    for n in 1..=3 {
        for width in [1, 2, 2000] {
            for k in [1, 2, 3, 50] {
                let values = clouds(n, width, n, 0.0);
                let found = settings(k).fit(Points::new(&values, width), ON).unwrap();
                assert_eq!(found.model.n_clusters(), k.min(n), "{n} {width} {k}");
                if k >= n {
                    assert_eq!(found.model.inertia, 0.0);
                }
            }
        }
    }
    let same = vec![0.1f32; 5000];
    let found = settings(4).fit(Points::new(&same, 5), ON).unwrap();
    assert_eq!(found.model.centers, [0.1; 5]);
    assert_eq!(found.model.inertia, 0.0);
    // One column says nothing, one is everything, one row is far beyond the others.
    let values: Vec<f32> = (0..60)
        .flat_map(|row| [5.0, if row == 7 { 1e18 } else { (row % 2) as f32 }])
        .collect();
    let found = settings(3).fit(Points::new(&values, 2), ON).unwrap();
    assert_eq!(found.model.centers, [5.0, 0.0, 5.0, 1.0, 5.0, 1e18]);
    let huge: Vec<f32> = (0..50)
        .map(|row| if row % 3 == 0 { 3.4e38 } else { -3.4e38 })
        .collect();
    let found = settings(2).fit(Points::new(&huge, 1), ON).unwrap();
    assert_eq!(found.model.centers, [-3.4e38, 3.4e38]);
}

#[test]
fn rows_far_from_all_centres_have_a_nearest() {
    let model = KMeansModel {
        width: 2,
        centers: vec![0.0, 0.0, 1.0, 1e-3, 1.0, 1e-3, 2.0, -3.0],
        inertia: 0.0,
        n_iterations: 1,
    };
    let values = [1e18, 0.0, -3e38, 3e38, 0.6, 0.0, 3e38, 3e38, 0.0, -1e30];
    let labels = model.labels(Points::new(&values, 2)).unwrap();
    let exact: Vec<f64> = model.centers.iter().map(|&c| f64::from(c)).collect();
    assert_eq!(labels, by_force(Points::new(&values, 2), &exact).0);
    // Of equal centres the first, and where f64 tells no difference as well.
    assert_eq!(labels[2], 1);
    assert!(model.labels(Points::new(&[], 2)).unwrap().is_empty());
}

#[test]
fn empty_clusters_are_refilled_by_the_farthest_points() {
    let values: Vec<f32> = (0..40).map(|at| (at % 20) as f32).collect();
    let points = Points::new(&values, 1);
    let frame = frame_of(points);
    // Two centres have nothing; the points at 19 lie farthest from theirs.
    let mut course = Course::new(points, &frame, vec![0.0, 1.0, -80.0, -90.0]);
    course.assign();
    assert!(course.refill());
    course.update();
    assert_eq!(course.centers.exact[2..], [19.0, 19.0]);
    assert_eq!(course.counts.iter().sum::<usize>(), 40);
    assert_eq!(course.counts[2..], [1, 1]);
    let iterations = course.run(100, 0.0, &|_| true).unwrap();
    assert!(iterations < 100);
    let (centers, labels) = course.finish();
    assert_eq!(centers.len(), 4);
    let exact: Vec<f64> = centers.iter().map(|&c| f64::from(c)).collect();
    assert_eq!(labels, by_force(points, &exact).0);
}

#[test]
fn a_row_amid_two_centres_belongs_to_the_larger_cluster() {
    let values = [0.0, 0.0, 3.0, 5.0, 5.0, 5.0, 5.0];
    let points = Points::new(&values, 1);
    let frame = frame_of(points);
    let mut course = Course::new(points, &frame, vec![1.0, 5.0]);
    course.run(100, 0.0, &|_| true).unwrap();
    assert_eq!(course.counts, [3, 4]);
    let (centers, labels) = course.finish();
    assert_eq!(centers, [5.0, 1.0]);
    assert_eq!(labels, [1, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_huge_row_that_leaves_takes_no_digits_along() {
    let mut values: Vec<f32> = (0..40)
        .map(|at| (at % 2) as f32 * 50.0 + at as f32 * 0.03)
        .collect();
    values[9] = 1e15;
    let points = Points::new(&values, 1);
    let frame = frame_of(points);
    // The huge row begins with others, whose sum it rounds to eighths, and then refills the third centre.
    let mut course = Course::new(points, &frame, vec![1.0, 60.0, 9e15]);
    course.run(100, 0.0, &|_| true).unwrap();
    let (centers, labels) = course.finish();
    let exact: Vec<f64> = centers.iter().map(|&c| f64::from(c)).collect();
    let wanted = means(points, &labels, &exact);
    let same = centers.iter().zip(&wanted).all(|(a, b)| *a == *b as f32);
    assert!(same, "{centers:?} {wanted:?}");
    assert_eq!(labels, by_force(points, &exact).0);
}

#[test]
fn first_centres_reach_small_far_clusters_among_many_rows() {
    // So many rows that a sample is judged; four rows lie apart from the others, which make 12 clouds.
    let n = 30_000;
    let mut values = clouds(n, 4, 12, 0.05);
    for row in [500, 9000, 17_000, 29_999] {
        values[row * 4] += 400.0;
    }
    let points = Points::new(&values, 4);
    let frame = frame_of(points);
    for seed in 0..5 {
        let rows = Search::new(points, &frame, 13, seed)
            .run(&|_| true)
            .unwrap();
        let mut clusters: Vec<usize> = rows
            .iter()
            .map(|&row| {
                if values[row * 4] > 200.0 {
                    12
                } else {
                    row % 12
                }
            })
            .collect();
        clusters.sort_unstable();
        assert_eq!(clusters, (0..13).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn later_centres_are_drawn_by_squared_distance() {
    // From a first centre amid the heap at 0, the chances of the candidates for the second are as 1 to 4.
    let mut values = vec![0.0f32; 1000];
    (values[3], values[4]) = (1.0, -2.0);
    let points = Points::new(&values, 1);
    let frame = frame_of(points);
    let mut second = [0usize; 2];
    for seed in 0..3000 {
        let rows = Search::new(points, &frame, 2, seed).run(&|_| true).unwrap();
        match rows[..] {
            [0..=2 | 5.., 3] => second[0] += 1,
            [0..=2 | 5.., 4] => second[1] += 1,
            _ => {}
        }
    }
    // The one that leaves more is taken only where both of two candidates are it: 1 in 25.
    let share = second[0] as f64 / (second[0] + second[1]) as f64;
    assert!((share - 0.04).abs() < 0.012, "{share}");
}

#[test]
fn what_is_wrong_is_said() {
    let values = clouds(100, 3, 2, 1.0);
    let points = Points::new(&values, 3);
    for (setting, wrong) in [
        ("n_clusters", settings(0)),
        (
            "n_init",
            KMeans {
                n_init: 0,
                ..settings(2)
            },
        ),
        (
            "max_iterations",
            KMeans {
                max_iterations: 0,
                ..settings(2)
            },
        ),
        (
            "tolerance",
            KMeans {
                tolerance: f64::NAN,
                ..settings(2)
            },
        ),
        (
            "tolerance",
            KMeans {
                tolerance: -1.0,
                ..settings(2)
            },
        ),
    ] {
        let error = wrong.fit(points, ON).unwrap_err();
        assert!(matches!(error, MineError::Setting { setting: s, .. } if s == setting));
    }
    let none = settings(2).fit(Points::new(&[], 3), ON);
    assert!(matches!(none, Err(MineError::NoTrainingRows)));
    let model = settings(2).fit(points, ON).unwrap().model;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = values.clone();
        values[3 * 41 + 2] = bad;
        let errors = [
            settings(2).fit(Points::new(&values, 3), ON).unwrap_err(),
            model.labels(Points::new(&values, 3)).unwrap_err(),
        ];
        for error in errors {
            let place = matches!(error, MineError::FeatureNotFinite { row: 41, column: 2 });
            assert!(place, "{error}");
        }
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
        KMeansModel {
            width: 0,
            ..model.clone()
        },
        KMeansModel {
            centers: Vec::new(),
            ..model.clone()
        },
        KMeansModel {
            centers: vec![1.0; 4],
            ..model.clone()
        },
        KMeansModel {
            centers: vec![f32::NAN; 3],
            ..model.clone()
        },
    ] {
        assert!(matches!(
            damage.distances(points),
            Err(MineError::DamagedModel { .. })
        ));
    }
}

#[test]
fn fitting_stops_on_request() {
    let values = clouds(2000, 5, 8, 3.0);
    let points = Points::new(&values, 5);
    let asked = AtomicUsize::new(0);
    let all = |done: usize, of: usize| {
        assert!(done <= of && of == 3 * 300);
        asked.fetch_add(1, Ordering::Relaxed);
        true
    };
    let settings = KMeans {
        n_init: 3,
        ..settings(8)
    };
    settings.fit(points, &all).unwrap();
    let asked = asked.into_inner();
    assert!(asked > 20);
    for stop in [0, 3, asked / 2, asked - 1] {
        let left = AtomicUsize::new(stop);
        let some = |_: usize, _: usize| {
            let before = left.load(Ordering::Relaxed);
            left.store(before.saturating_sub(1), Ordering::Relaxed);
            before > 0
        };
        assert!(matches!(
            settings.fit(points, &some),
            Err(MineError::Cancelled)
        ));
    }
}

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    width: usize,
    points: Vec<f32>,
    k: usize,
    inertia: f64,
    centers: Vec<f64>,
    labels: Vec<usize>,
}

#[test]
fn clusters_are_those_of_scikit_learn() {
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR");
    let crate_folder = crate_folder.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let path = Path::new(&crate_folder).join("tests/golden/clusters/kmeans.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in golden.cases {
        let points = Points::new(&case.points, case.width);
        let settings = KMeans {
            n_clusters: case.k,
            ..KMeans::default()
        };
        let found = settings.fit(points, ON).unwrap();
        let ratio = found.model.inertia / case.inertia;
        assert!((0.99..1.001).contains(&ratio), "{}: {ratio}", case.name);
        if case.name == "even" {
            // Several ways to part them are nearly as good.
            continue;
        }
        let mut renamed = vec![None; case.k];
        for (&found, &theirs) in found.labels.iter().zip(&case.labels) {
            let own = renamed[theirs].get_or_insert(found);
            assert_eq!(*own, found, "{}", case.name);
        }
        for (theirs, own) in renamed.into_iter().enumerate() {
            let own = found.model.center(own.unwrap() as usize);
            let theirs = &case.centers[theirs * case.width..][..case.width];
            for (own, theirs) in own.iter().zip(theirs) {
                assert!((f64::from(*own) - theirs).abs() <= 1e-6 * theirs.abs().max(1.0));
            }
        }
    }
}
