use nalgebra::{DMatrix, SymmetricEigen};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::represent::points::Points;
use adit_nn::random::normal_at;

const GOLDEN: &str = include_str!("../../../tests/golden/clusters/umap.json");
const GOES_ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;

/// Every point's `k` nearest others by plain search, equally near ones in order.
fn neighbours(points: Points, k: usize) -> (Vec<u32>, Vec<f32>) {
    let (mut indices, mut distances) = (Vec::new(), Vec::new());
    for row in 0..points.len() {
        let mut others: Vec<(f64, u32)> = (0..points.len())
            .filter(|at| *at != row)
            .map(|at| (apart(points.row(row), points.row(at)), at as u32))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (distance, at) in &others[..k] {
            indices.push(*at);
            distances.push(*distance as f32);
        }
    }
    (indices, distances)
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The first two principal components. `[n, 2]`
fn components(points: Points) -> Vec<f32> {
    let (n, width) = (points.len(), points.width());
    let mut x = DMatrix::from_fn(n, width, |row, at| f64::from(points.row(row)[at]));
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let eigen = SymmetricEigen::new(x.transpose() * &x);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let axes = [0, 1].map(|at| &x * eigen.eigenvectors.column(order[at]));
    (0..n)
        .flat_map(|row| [axes[0][row] as f32, axes[1][row] as f32])
        .collect()
}

/// Clusters of `each` points around centres drawn in `width` dimensions. `[n_clusters * each, width]`
fn planted(n_clusters: usize, each: usize, width: usize, seed: u64) -> Vec<f32> {
    let value = |at: usize| {
        let (cluster, axis) = (at / (each * width), at % width);
        let centre = normal_at(mix(seed, 1), (cluster * width + axis) as u64, 4.0);
        centre + normal_at(seed, at as u64, 1.0)
    };
    (0..n_clusters * each * width).map(value).collect()
}

fn laid_out(layout: &Layout, points: Points, k: usize) -> Vec<f32> {
    let (indices, distances) = neighbours(points, k);
    layout
        .fit((&indices, &distances), &components(points), GOES_ON)
        .unwrap()
}

fn worth(points: Points, positions: &[f32], k: usize) -> f64 {
    trust(points, positions, k)
        .unwrap()
        .unwrap()
        .trustworthiness
}

#[test]
fn curves_are_those_of_umap_learn() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let curves = golden["curves"].as_array().unwrap();
    assert_eq!(curves.len(), 5);
    for curve in curves {
        let number = |name: &str| curve[name].as_f64().unwrap();
        let (a, b) = curve::fitted(number("min_dist"), number("spread"));
        assert!((a / number("a") - 1.0).abs() < 1e-5, "{a} {curve}");
        assert!((b / number("b") - 1.0).abs() < 1e-5, "{b} {curve}");
    }
}

#[test]
fn pictures_can_be_trusted_as_those_of_umap_learn() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let k = golden["k"].as_u64().unwrap() as usize;
    for set in golden["sets"].as_array().unwrap() {
        let numbers = |name: &str| -> Vec<f64> {
            let numbers = set[name].as_array().unwrap().iter();
            numbers.map(|v| v.as_f64().unwrap()).collect()
        };
        let values: Vec<f32> = numbers("points").iter().map(|v| *v as f32).collect();
        let points = Points::new(&values, set["width"].as_u64().unwrap() as usize);
        let plain = worth(points, &components(points), k);
        // scikit-learn's number for the same components.
        assert!(
            (plain - set["pca"].as_f64().unwrap()).abs() < 1e-5,
            "{plain}"
        );
        let theirs = numbers("umap_pca");
        let theirs = theirs.iter().sum::<f64>() / theirs.len() as f64;
        let ours = (0..3).map(|seed| {
            let layout = Layout {
                seed,
                ..Layout::default()
            };
            worth(points, &laid_out(&layout, points, k), k)
        });
        // A mean over seeds: a loop that tears costs a single picture .005.
        let ours = ours.sum::<f64>() / 3.0;
        assert!((ours - theirs).abs() < 0.005, "{ours}, not {theirs}");
        assert!(ours > plain + 0.01, "{ours}, components {plain}");
    }
}

#[test]
fn planted_clusters_lie_apart() {
    let values = planted(8, 50, 20, 3);
    let points = Points::new(&values, 20);
    let positions = laid_out(&Layout::default(), points, 15);
    let (ours, plain) = (
        worth(points, &positions, 15),
        worth(points, &components(points), 15),
    );
    // Ten times what seeds differ by.
    assert!(ours > plain + 0.005, "{ours}, components {plain}");
    let (nearest, _) = neighbours(Points::new(&positions, 2), 15);
    let strangers = nearest.iter().enumerate();
    let strangers = strangers.filter(|(at, other)| at / 15 / 50 != **other as usize / 50);
    assert_eq!(strangers.count(), 0);
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let values = planted(5, 60, 7, 1);
    let points = Points::new(&values, 7);
    let (indices, distances) = neighbours(points, 15);
    let initial = components(points);
    let layout = Layout {
        n_epochs: Some(60),
        seed: 9,
        ..Layout::default()
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let positions = layout
                .fit((&indices, &distances), &initial, GOES_ON)
                .unwrap();
            let trust = trust(points, &positions, 15).unwrap().unwrap();
            (
                positions.iter().map(|v| v.to_bits()).collect::<Vec<u32>>(),
                trust,
            )
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    let other = Layout { seed: 10, ..layout };
    let other = other
        .fit((&indices, &distances), &initial, GOES_ON)
        .unwrap();
    assert_ne!(
        one.0,
        other.iter().map(|v| v.to_bits()).collect::<Vec<u32>>()
    );
}

#[test]
fn weights_of_a_point_add_up_to_log_2_of_k() {
    for (k, scale) in [(2, 1.0), (5, 1e-20), (15, 1.0), (15, 1e18), (40, 3.0)] {
        let mut values = planted(4, 30, 3, 5);
        values.iter_mut().for_each(|v| *v *= scale);
        let points = Points::new(&values, 3);
        let (indices, distances) = neighbours(points, k);
        let lists = graph::Lists::new(&indices, &distances, points.len()).unwrap();
        let edges = graph::fuzzy_union(&lists);
        let mut dense = vec![vec![0.0f64; points.len()]; points.len()];
        for (row, (to, far)) in indices.chunks(k).zip(distances.chunks(k)).enumerate() {
            let weights: Vec<f64> = weights_by_search(far);
            let sum: f64 = weights.iter().sum();
            // Of two neighbours the second can only fade to the least bandwidth.
            assert!(
                (sum - (k as f64).log2()).abs() < 1e-6 || k == 2,
                "{k}: {sum}"
            );
            to.iter()
                .zip(weights)
                .for_each(|(to, w)| dense[row][*to as usize] = w);
        }
        let mut n_edges = 0;
        for edge in &edges {
            let (head, tail) = (edge.head as usize, edge.tail as usize);
            let (there, back) = (dense[head][tail], dense[tail][head]);
            let union = there + back - there * back;
            assert!(
                (f64::from(edge.weight) - union).abs() < 1e-5,
                "{edge:?} {union}"
            );
            n_edges += 1;
        }
        let expected = (0..points.len() * points.len())
            .map(|at| (at / points.len(), at % points.len()))
            .filter(|(a, b)| (dense[*a][*b] as f32).max(dense[*b][*a] as f32) > 0.0);
        assert_eq!(n_edges, expected.count());
    }
}

/// The bandwidth by another search: steps of its logarithm that are halved.
fn weights_by_search(distances: &[f32]) -> Vec<f64> {
    let nearest = f64::from(distances[0]);
    let target = (distances.len() as f64).log2();
    let mean = distances.iter().map(|d| f64::from(*d)).sum::<f64>() / distances.len() as f64;
    let weights = |log: f64| -> Vec<f64> {
        let width = log.exp().max(1e-3 * mean);
        distances
            .iter()
            .map(|d| (-(f64::from(*d) - nearest) / width).exp())
            .collect()
    };
    let (mut log, mut step) = (mean.ln(), 8.0);
    while step > 1e-13 {
        let sum: f64 = weights(log).iter().sum();
        let next = if sum > target { log - step } else { log + step };
        let crossed = (weights(next).iter().sum::<f64>() > target) != (sum > target);
        log = next;
        step *= if crossed { 0.4 } else { 0.9 };
    }
    weights(log)
}

#[test]
fn trust_is_that_of_ranks_written_out() {
    for (n, k) in [(4, 1), (9, 3), (40, 7), (41, 20)] {
        // Small whole numbers: many are equally far.
        let draw = |seed: u64, at: usize| (mix(seed, at as u64) % 4) as f32;
        let values: Vec<f32> = (0..n * 3).map(|at| draw(1, at)).collect();
        let positions: Vec<f32> = (0..n * 2).map(|at| draw(2, at)).collect();
        let points = Points::new(&values, 3);
        let found = trust(points, &positions, k).unwrap().unwrap();
        let (near, _) = neighbours(Points::new(&positions, 2), k);
        let (mut beyond, mut kept) = (0, 0);
        for (at, &other) in near.iter().enumerate() {
            let row = at / k;
            let far = apart(points.row(row), points.row(other as usize));
            let nearer =
                (0..n).filter(|j| *j != row && apart(points.row(row), points.row(*j)) < far);
            let rank = nearer.count() + 1;
            beyond += rank.saturating_sub(k);
            kept += usize::from(rank <= k);
        }
        let (n, k) = (n as f64, k as f64);
        let expected = 1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * beyond as f64;
        assert!((found.trustworthiness - expected).abs() < 1e-12);
        assert!((found.kept - kept as f64 / (n * k)).abs() < 1e-12);
    }
}

#[test]
fn trust_knows_a_faithful_picture_from_chance() {
    let values = planted(1, 400, 2, 2);
    let points = Points::new(&values, 2);
    let turned: Vec<f32> = values
        .chunks(2)
        .flat_map(|p| [-3.0 * p[1], 3.0 * p[0]])
        .collect();
    let perfect = trust(points, &turned, 15).unwrap().unwrap();
    assert_eq!((perfect.trustworthiness, perfect.kept), (1.0, 1.0));
    let chance = planted(1, 400, 2, 77);
    let chance = trust(points, &chance, 15).unwrap().unwrap();
    assert!((chance.trustworthiness - 0.5).abs() < 0.05, "{chance:?}");
    assert!(chance.kept < 0.1, "{chance:?}");
}

#[test]
fn trust_of_some_rows_is_near_that_of_all() {
    let values = planted(6, 500, 4, 8);
    let flat: Vec<f32> = values.chunks(4).flat_map(|p| [p[0], p[1]]).collect();
    let points = Points::new(&values, 4);
    let some = trust(points, &flat, 15).unwrap().unwrap();
    assert_eq!(some.n_rows, 2000);
    // The same points, and what all rows say by the definition.
    let (near, _) = neighbours(Points::new(&flat, 2), 15);
    let mut beyond = 0;
    for row in 0..points.len() {
        let far: Vec<f64> = (0..points.len())
            .map(|at| apart(points.row(row), points.row(at)))
            .collect();
        for &other in &near[row * 15..][..15] {
            // The point itself is nearer, so the count is the rank.
            let rank = far.iter().filter(|d| **d < far[other as usize]).count();
            beyond += rank.saturating_sub(15);
        }
    }
    let all = 1.0 - 2.0 / (3000.0 * 15.0 * (6000.0 - 46.0)) * beyond as f64;
    assert!((some.trustworthiness - all).abs() < 0.003, "{some:?} {all}");
}

#[test]
fn odd_points_are_laid_out() {
    let layout = Layout {
        n_epochs: Some(30),
        ..Layout::default()
    };
    let wide = planted(2, 10, 2000, 1);
    let huge: Vec<f32> = planted(2, 10, 3, 1).iter().map(|v| v * 1e18).collect();
    let sets: [(&[f32], usize); 8] = [
        (&[], 1),
        (&[1.0], 1),
        (&[1.0, 2.0], 1),
        (&[1.0, 2.0, 2.0], 1),
        (&[7.0; 60], 3),
        (&[1.0, 0.0, 2.0, 0.0, 5.0, 0.0, 9.0, 0.0], 2),
        (&wide, 2000),
        (&huge, 3),
    ];
    for (values, width) in sets {
        let points = Points::new(values, width);
        let n = points.len();
        let k = n.saturating_sub(1).min(15);
        let (indices, distances) = neighbours(points, k);
        let initial: Vec<f32> = (0..n).flat_map(|row| [points.row(row)[0], 0.0]).collect();
        let positions = layout
            .fit((&indices, &distances), &initial, GOES_ON)
            .unwrap();
        assert_eq!(positions.len(), 2 * n);
        assert!(positions.iter().all(|v| v.is_finite()), "{n} {width}");
        let trust = trust(points, &positions, 15).unwrap();
        assert_eq!(trust.is_some(), n > 3);
        if values == [7.0; 60] {
            assert_eq!(trust.map(|t| (t.trustworthiness, t.kept)), Some((1.0, 1.0)));
            let reach = positions.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            assert!(reach > 0.1, "duplicates lie on one place");
        }
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let layout = Layout::default();
    let lists: (&[u32], &[f32]) = (&[1, 0], &[1.0, f32::NAN]);
    let at = |error| match error {
        Err(MineError::FeatureNotFinite { row, column }) => (row, column),
        _ => panic!("no such error"),
    };
    assert_eq!(at(layout.fit(lists, &[0.0; 4], GOES_ON)), (1, 0));
    let lists: (&[u32], &[f32]) = (&[1, 0], &[1.0, 1.0]);
    let initial = [0.0, 0.0, 0.0, f32::INFINITY];
    assert_eq!(at(layout.fit(lists, &initial, GOES_ON)), (1, 1));
    let points = Points::new(&[0.0, 1.0, f32::NAN, 3.0], 1);
    assert_eq!(at(trust(points, &[0.0; 8], 1).map(|_| Vec::new())), (2, 0));
}

#[test]
fn settings_out_of_range_are_named() {
    let base = Layout::default();
    let wrong = [
        (
            "n_epochs",
            Layout {
                n_epochs: Some(0),
                ..base
            },
        ),
        (
            "spread",
            Layout {
                spread: 0.0,
                ..base
            },
        ),
        (
            "spread",
            Layout {
                spread: f64::NAN,
                ..base
            },
        ),
        (
            "min_dist",
            Layout {
                min_dist: -0.1,
                ..base
            },
        ),
        (
            "min_dist",
            Layout {
                min_dist: 1.1,
                ..base
            },
        ),
        (
            "negative_samples",
            Layout {
                negative_samples: 0,
                ..base
            },
        ),
    ];
    for (name, layout) in wrong {
        match layout.fit((&[], &[]), &[], GOES_ON) {
            Err(MineError::Setting { setting, .. }) => assert_eq!(setting, name),
            _ => panic!("{name} was taken"),
        }
    }
}

#[test]
fn it_stops_where_it_is_told_to() {
    let lists: (&[u32], &[f32]) = (&[1, 0], &[1.0, 1.0]);
    let initial = [0.0, 0.0, 1.0, 0.0];
    for stop in [0, 7, 500] {
        let goes_on = |done: usize, of: usize| {
            assert_eq!(of, 500);
            done < stop
        };
        let ended = Layout::default().fit(lists, &initial, &goes_on);
        assert!(matches!(ended, Err(MineError::Cancelled)), "{stop}");
    }
}

#[test]
fn small_labels_stay_visible() {
    let labels: Vec<Option<u32>> = (0..20_000)
        .map(|row| match row {
            0..12 => Some(7),
            12..212 => Some(3),
            212..4000 => None,
            _ => Some(row % 2),
        })
        .collect();
    let kept = thinned(&labels, 1000, 4);
    let n = |label: Option<u32>| kept.iter().filter(|row| labels[**row] == label).count();
    assert_eq!(kept.len(), 1000);
    assert_eq!(n(Some(7)), 12);
    assert!((30..60).contains(&n(Some(3))), "{}", n(Some(3)));
    let shares = [n(None), n(Some(0)), n(Some(1))];
    assert!((170..215).contains(&shares[0]), "{shares:?}");
    assert!(shares[1].abs_diff(shares[2]) <= 1, "{shares:?}");
    // Not the first rows of a label, and others by another seed.
    assert!(kept.iter().any(|row| *row > 19_000));
    assert_ne!(kept, thinned(&labels, 1000, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn thinning_keeps_its_promises(
        labels in proptest::collection::vec(0u8..20, 0..300),
        most in 0usize..320,
        seed in 0u64..4,
    ) {
        let kept = thinned(&labels, most, seed);
        prop_assert_eq!(kept.len(), most.min(labels.len()));
        prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(kept.iter().all(|row| *row < labels.len()));
        let mut all = labels.clone();
        all.sort_unstable();
        all.dedup();
        let mut left: Vec<u8> = kept.iter().map(|row| labels[*row]).collect();
        left.sort_unstable();
        left.dedup();
        prop_assert_eq!(left.len(), all.len().min(most));
    }
}
