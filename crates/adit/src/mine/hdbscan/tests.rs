use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::dendrogram::Dendrogram;
use super::forest::{Edge, Forest};
use super::*;
use crate::mine::neighbours::Neighbours;

const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;

/// Groups of different widths, noise, and some rows that come again.
fn grouped(n: usize, width: usize, duplicates: bool, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values: Vec<f32> = Vec::with_capacity(n * width);
    for row in 0..n {
        if duplicates && row > 4 && rng.random_range(0..4) == 0 {
            let from = rng.random_range(0..row) * width;
            values.extend_from_within(from..from + width);
            continue;
        }
        let group = rng.random_range(0..9usize);
        for column in 0..width {
            let centre = ((group * 31 + column * 17 + group * column) % 13) as f32;
            let spread = if group == 8 {
                8.0
            } else {
                0.2 + 0.2 * group as f32
            };
            values.push(centre + spread * (rng.random::<f32>() + rng.random::<f32>() - 1.0));
        }
    }
    values
}

/// All edges, and core distances.
fn all_edges(points: Points, min_samples: usize) -> (Vec<Edge>, Vec<f64>) {
    let n = points.len();
    let distance = |a: usize, b: usize| {
        let terms = points.row(a).iter().zip(points.row(b));
        let squares = terms.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let distances: Vec<Vec<f64>> = (0..n)
        .map(|a| (0..n).map(|b| distance(a, b)).collect())
        .collect();
    let cores: Vec<f64> = distances
        .iter()
        .map(|row| {
            let mut row = row.clone();
            row.sort_by(f64::total_cmp);
            row[min_samples - 1]
        })
        .collect();
    let mut edges = Vec::new();
    for a in 0..n {
        for b in 0..a {
            let ends = [a as u32, b as u32];
            edges.push(Edge::new(distances[a][b], [cores[a], cores[b]], ends));
        }
    }
    (edges, cores)
}

fn minimum_of_all(points: Points, min_samples: usize) -> (Vec<Edge>, Vec<f64>) {
    let (mut edges, cores) = all_edges(points, min_samples);
    edges.sort_by(Edge::order);
    let mut group: Vec<usize> = (0..points.len()).collect();
    edges.retain(|edge| {
        let (a, b) = (group[edge.a as usize], group[edge.b as usize]);
        if a != b {
            group.iter_mut().filter(|g| **g == b).for_each(|g| *g = a);
        }
        a != b
    });
    (edges, cores)
}

/// Whether labels say the same under other names.
fn same_parts(a: &[Option<u32>], b: &[Option<u32>]) -> bool {
    let pairs: std::collections::BTreeSet<_> = a.iter().zip(b).collect();
    let firsts: std::collections::BTreeSet<_> = pairs.iter().map(|(a, _)| *a).collect();
    let seconds: std::collections::BTreeSet<_> = pairs.iter().map(|(_, b)| *b).collect();
    let noise = pairs.iter().all(|(a, b)| a.is_none() == b.is_none());
    noise && pairs.len() == firsts.len() && pairs.len() == seconds.len()
}

#[test]
fn the_spanning_tree_is_that_of_all_distances() {
    for (n, width, min_samples) in [
        (2, 3, 1),
        (40, 1, 4),
        (300, 2, 1),
        (900, 2, 5),
        (900, 6, 25),
        (1000, 30, 3),
        (600, 120, 10),
    ] {
        let values = grouped(n, width, false, n as u64 + 7);
        let points = Points::new(&values, width);
        let found = spanning::minimum(points, min_samples, Stage::whole(ON)).unwrap();
        let (edges, cores) = minimum_of_all(points, min_samples);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b;
        assert!(found.cores.iter().zip(&cores).all(|(a, b)| close(*a, *b)));
        assert_eq!(found.edges.len(), edges.len());
        for (found, edge) in found.edges.iter().zip(&edges) {
            assert!(close(found.weight, edge.weight));
            assert_eq!((found.a, found.b), (edge.a, edge.b), "{n} x {width}");
        }
    }
}

#[test]
fn duplicates_and_ties_leave_the_weights_of_the_tree() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let whole: Vec<f32> = (0..700 * 3)
        .map(|_| rng.random_range(0..9) as f32)
        .collect();
    let twice = grouped(800, 5, true, 3);
    let few: Vec<f32> = (0..500 * 2).map(|at| ((at * 7) % 3) as f32).collect();
    for (values, width) in [(&whole, 3), (&twice, 5), (&few, 2)] {
        for min_samples in [1, 4, 12] {
            let points = Points::new(values, width);
            let found = spanning::minimum(points, min_samples, Stage::whole(ON)).unwrap();
            let (edges, cores) = minimum_of_all(points, min_samples);
            assert_eq!(found.edges.len(), points.len() - 1);
            let mut forest = Forest::new(points.len());
            for (found, edge) in found.edges.iter().zip(&edges) {
                assert!((found.weight - edge.weight).abs() <= 1e-12 * edge.weight);
                forest.add(*found);
            }
            assert_eq!(forest.trees().1, 1, "it spans all rows");
            assert!(
                found
                    .cores
                    .iter()
                    .zip(&cores)
                    .all(|(a, b)| (a - b).abs() <= 1e-12 * b)
            );
        }
    }
}

#[test]
fn the_longest_edge_on_the_way_lies_between_the_leaves() {
    let values = grouped(120, 3, false, 5);
    let (edges, _) = minimum_of_all(Points::new(&values, 3), 4);
    let (rows, distances) = Dendrogram::new(120, &edges).leaves();
    // A way by way search over the tree.
    for start in [0, 17, 119] {
        let mut longest = vec![f64::NAN; 120];
        longest[rows[start] as usize] = 0.0;
        for _ in 0..120 {
            for edge in &edges {
                for (a, b) in [(edge.a, edge.b), (edge.b, edge.a)] {
                    if !longest[a as usize].is_nan() && longest[b as usize].is_nan() {
                        longest[b as usize] = longest[a as usize].max(edge.weight);
                    }
                }
            }
        }
        for end in 0..120 {
            let between = &distances[start.min(end)..start.max(end)];
            let most = between.iter().copied().fold(0.0, f64::max);
            assert_eq!(longest[rows[end] as usize], most);
        }
    }
}

#[test]
fn the_way_between_blocks_has_its_longest_edge() {
    let values = grouped(6000, 2, false, 3);
    let points = Points::new(&values, 2);
    let found = spanning::minimum(points, 3, Stage::whole(ON)).unwrap();
    let rows: Vec<u32> = (0..6000).collect();
    let verification = verify::Verification::new(points, &rows, &found.cores, &found.edges);
    let (_, distances) = Dendrogram::new(6000, &found.edges).leaves();
    let mut several = 0;
    for (ends, between) in verification.ways() {
        let truth = distances[ends.clone()].iter().copied().fold(0.0, f64::max);
        assert_eq!(between, truth, "{ends:?}");
        several += 1;
    }
    assert!(several > 100);
}

#[derive(Deserialize)]
struct Golden {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    width: usize,
    values: Vec<f32>,
    new: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    min_cluster_size: usize,
    min_samples: usize,
    selection: String,
    allow_single_cluster: bool,
    labels: Vec<i32>,
    probabilities: Vec<f32>,
    core: f64,
    new_labels: Option<Vec<i32>>,
    new_probabilities: Option<Vec<f32>>,
}

fn optional(labels: &[i32]) -> Vec<Option<u32>> {
    labels
        .iter()
        .map(|&label| u32::try_from(label).ok())
        .collect()
}

fn assert_near(found: &[f32], recorded: &[f32], about: &str) {
    for (row, (found, recorded)) in found.iter().zip(recorded).enumerate() {
        assert!(
            (found - recorded).abs() < 2e-6,
            "{about}, row {row}: {found}, not {recorded}"
        );
    }
}

#[test]
fn clusters_are_those_of_scikit_learn() {
    let recorded = include_str!("../../../tests/golden/clusters/hdbscan_sklearn.json");
    let golden: Golden = serde_json::from_str(recorded).unwrap();
    for set in golden.sets {
        let points = Points::new(&set.values, set.width);
        for case in set.cases {
            let about = format!(
                "{} {} {} {}",
                set.name, case.min_cluster_size, case.min_samples, case.selection
            );
            let settings = Hdbscan {
                min_cluster_size: case.min_cluster_size,
                min_samples: case.min_samples,
                allow_single_cluster: case.allow_single_cluster,
                selection: if case.selection == "leaf" {
                    Selection::Leaf
                } else {
                    Selection::ExcessOfMass
                },
            };
            let model = settings.fit(points, ON).unwrap();
            let cores: f64 = model.core_distances().iter().sum();
            assert!(
                (cores - case.core).abs() < 1e-6,
                "{about}: {cores} {}",
                case.core
            );
            let labels = optional(&case.labels);
            assert!(same_parts(model.labels(), &labels), "{about}");
            assert_near(model.probabilities(), &case.probabilities, &about);
            let (Some(new_labels), Some(new_probabilities)) =
                (case.new_labels, case.new_probabilities)
            else {
                continue;
            };
            let new = model
                .predict(points, Points::new(&set.new, set.width), ON)
                .unwrap();
            let mut all = model.labels().to_vec();
            all.extend(new.iter().map(|member| member.label));
            let recorded = [labels, optional(&new_labels)].concat();
            assert!(same_parts(&all, &recorded), "new rows of {about}");
            let found: Vec<f32> = new.iter().map(|member| member.probability).collect();
            assert_near(&found, &new_probabilities, &about);
        }
    }
}

#[test]
fn the_order_of_the_rows_changes_no_cluster() {
    let (n, width) = (1500, 2);
    let values = grouped(n, width, false, 12);
    let points = Points::new(&values, width);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for selection in [Selection::ExcessOfMass, Selection::Leaf] {
        let settings = Hdbscan {
            min_cluster_size: 5,
            min_samples: 12,
            selection,
            ..Hdbscan::default()
        };
        let model = settings.fit(points, ON).unwrap();
        assert!(model.n_clusters() > 2);
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut rng);
        // A power of two is no rounding.
        let moved: Vec<f32> = points.gathered(&order).iter().map(|v| v * 4.0).collect();
        let other = settings.fit(Points::new(&moved, width), ON).unwrap();
        let mut back = vec![None; n];
        for (at, &row) in order.iter().enumerate() {
            back[row] = other.labels()[at];
            assert_eq!(other.probabilities()[at], model.probabilities()[row]);
        }
        assert!(same_parts(model.labels(), &back));
    }
}

#[test]
fn clusters_are_numbered_by_size() {
    let values = grouped(1200, 3, false, 2);
    let model = Hdbscan::default().fit(Points::new(&values, 3), ON).unwrap();
    let mut sizes = vec![0usize; model.n_clusters()];
    for label in model.labels().iter().flatten() {
        sizes[*label as usize] += 1;
    }
    assert!(sizes.len() > 3 && sizes.is_sorted_by(|a, b| a >= b));
    assert!(sizes.iter().all(|size| *size >= 5));
    assert_eq!(model.stabilities().len(), sizes.len());
    assert!(model.persistence().iter().all(|p| (0.0..=1.0).contains(p)));
    for (label, probability) in model.labels().iter().zip(model.probabilities()) {
        assert!((0.0..=1.0).contains(probability));
        assert!(label.is_some() || *probability == 0.0);
    }
}

#[test]
fn stability_is_density_gained() {
    // Two groups of three on a line, steps of 1 and 2, and 10 between them.
    let values = [0.0f32, 1.0, 2.0, 12.0, 14.0, 16.0];
    let settings = Hdbscan {
        min_cluster_size: 2,
        min_samples: 1,
        ..Hdbscan::default()
    };
    let model = settings.fit(Points::new(&values, 1), ON).unwrap();
    let labels: Vec<u32> = model.labels().iter().flatten().copied().collect();
    assert_eq!(labels, [0, 0, 0, 1, 1, 1]);
    // Born at 1/10, they end at 1 and 1/2.
    let expected = [3.0 * (1.0 - 0.1), 3.0 * (0.5 - 0.1)];
    for (found, expected) in model.stabilities().iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12);
    }
    for (found, expected) in model.persistence().iter().zip([0.9, 0.4]) {
        assert!((found - expected).abs() < 1e-12);
    }
    let (tree, selected) = model.tree();
    assert_eq!(tree.clusters.len(), 3);
    assert!((tree.clusters[0].stability - 6.0 * 0.1).abs() < 1e-12);
    assert_eq!(selected.len(), 2);
    assert_eq!(model.probabilities(), [1.0; 6]);
}

#[test]
fn known_rows_are_labelled_as_they_were() {
    let values = grouped(800, 6, true, 9);
    let points = Points::new(&values, 6);
    for allow_single_cluster in [false, true] {
        let settings = Hdbscan {
            min_cluster_size: if allow_single_cluster { 300 } else { 6 },
            min_samples: 4,
            allow_single_cluster,
            ..Hdbscan::default()
        };
        let model = settings.fit(points, ON).unwrap();
        let text = serde_json::to_string(&model).unwrap();
        let model: HdbscanModel = serde_json::from_str(&text).unwrap();
        let again = model.predict(points, points, ON).unwrap();
        assert!(model.n_clusters() > 0);
        for (row, member) in again.iter().enumerate() {
            assert_eq!(member.label, model.labels()[row], "row {row}");
            assert!(member.probability >= model.probabilities()[row]);
        }
        let far = [1e6f32; 6];
        let far = model.predict(points, Points::new(&far, 6), ON).unwrap();
        assert_eq!((far[0].label, far[0].probability), (None, 0.0));
    }
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let values = grouped(2500, 10, true, 4);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let fit = || {
            Hdbscan::default()
                .fit(Points::new(&values, 10), ON)
                .unwrap()
        };
        serde_json::to_string(&pool.build().unwrap().install(fit)).unwrap()
    };
    let one = run(1);
    assert!(run(2) == one && run(5) == one);
}

#[test]
fn few_or_odd_rows_are_no_trouble() {
    let settings = Hdbscan {
        min_cluster_size: 2,
        min_samples: 2,
        ..Hdbscan::default()
    };
    assert!(matches!(
        settings.fit(Points::new(&[], 2), ON),
        Err(MineError::NoTrainingRows)
    ));
    for allow_single_cluster in [false, true] {
        let settings = Hdbscan {
            allow_single_cluster,
            ..settings
        };
        for n in 1..=3usize {
            let values: Vec<f32> = (0..n * 2).map(|v| v as f32).collect();
            let points = Points::new(&values, 2);
            let model = settings.fit(points, ON).unwrap();
            let clustered = allow_single_cluster && n > 1;
            assert_eq!(model.labels(), vec![clustered.then_some(0); n]);
            assert_eq!(model.predict(points, points, ON).unwrap().len(), n);
        }
        let same = vec![2.5f32; 200];
        let points = Points::new(&same, 1);
        let model = settings.fit(points, ON).unwrap();
        assert_eq!(model.labels(), vec![allow_single_cluster.then_some(0); 200]);
        let text = serde_json::to_string(&model).unwrap();
        let read: HdbscanModel = serde_json::from_str(&text).unwrap();
        assert_eq!(read, model);
        let new = model.predict(points, points, ON).unwrap();
        assert_eq!(new[3].label, allow_single_cluster.then_some(0));
    }
    // Fewer rows than `min_samples`.
    let model = Hdbscan::default()
        .fit(Points::new(&[1.0; 8], 2), ON)
        .unwrap();
    assert_eq!(model.labels(), [None; 4]);
    let new = model.predict(Points::new(&[1.0; 8], 2), Points::new(&[1.0; 2], 2), ON);
    assert_eq!(new.unwrap()[0].label, None);
}

#[test]
fn huge_and_wide_rows_are_clustered() {
    for (width, size) in [(1, 1.0), (3, 1e18), (3, 1e37), (3, 1e-30), (2000, 1.0)] {
        let mut values = grouped(if width > 1000 { 90 } else { 300 }, width, true, 6);
        values.iter_mut().for_each(|v| *v *= size);
        let points = Points::new(&values, width);
        let model = Hdbscan::default().fit(points, ON).unwrap();
        assert!(model.n_clusters() > 1, "{width} {size}");
        let (edges, _) = minimum_of_all(points, 5);
        let found = spanning::minimum(points, 5, Stage::whole(ON)).unwrap();
        for (found, edge) in found.edges.iter().zip(&edges) {
            assert!((found.weight - edge.weight).abs() <= 1e-12 * edge.weight);
        }
    }
}

#[test]
fn groups_of_duplicates_are_clusters() {
    // Two places with ten rows each, and rows strewn about.
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut values: Vec<f32> = (0..60).map(|_| rng.random_range(-9.0..9.0f32)).collect();
    values.extend([30.0, 30.0].repeat(10));
    values.extend([40.0, -30.0].repeat(12));
    let model = Hdbscan::default().fit(Points::new(&values, 2), ON).unwrap();
    let labels = model.labels();
    assert_eq!(labels[40..52], [labels[40]; 12]);
    assert_eq!(labels[30..40], [labels[30]; 10]);
    assert!(labels[30].is_some() && labels[40].is_some() && labels[30] != labels[40]);
    assert_eq!(model.probabilities()[30..52], [1.0; 22]);
    assert!(
        model
            .stabilities()
            .iter()
            .all(|stability| stability.is_finite())
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let values = grouped(60, 2, false, 1);
    let points = Points::new(&values, 2);
    let settings = Hdbscan::default();
    for wrong in [
        Hdbscan {
            min_cluster_size: 1,
            ..settings
        },
        Hdbscan {
            min_samples: 0,
            ..settings
        },
    ] {
        assert!(matches!(
            wrong.fit(points, ON),
            Err(MineError::Setting { .. })
        ));
    }
    for last in [0, 300, 520] {
        let stopped = settings.fit(points, &|done, _| done < last);
        assert!(matches!(stopped, Err(MineError::Cancelled)), "{last}");
    }
    let bad = [0.0, f32::INFINITY];
    assert!(matches!(
        settings.fit(Points::new(&bad, 1), ON),
        Err(MineError::FeatureNotFinite { row: 1, column: 0 })
    ));
    let model = settings.fit(points, ON).unwrap();
    let narrow = model.predict(points, Points::new(&values, 1), ON);
    assert!(matches!(
        narrow,
        Err(MineError::FeaturesDiffer {
            expected: 2,
            found: 1
        })
    ));
    let mut others = values.clone();
    others[7] += 1.0;
    let other = model.predict(Points::new(&others, 2), points, ON);
    assert!(matches!(other, Err(MineError::DamagedModel { .. })));
    let text = serde_json::to_string(&model).unwrap();
    let damaged = text.replace("\"row_clusters\":[", "\"row_clusters\":[99,");
    let damaged: HdbscanModel = serde_json::from_str(&damaged).unwrap();
    let result = damaged.predict(points, points, ON);
    assert!(matches!(result, Err(MineError::DamagedModel { .. })));
}

#[test]
fn core_distances_count_the_row_itself() {
    let values = grouped(400, 7, true, 2);
    let points = Points::new(&values, 7);
    let settings = Hdbscan {
        min_samples: 6,
        ..Hdbscan::default()
    };
    let model = settings.fit(points, ON).unwrap();
    let nearest = Neighbours { k: 5 }.exact(points, None, ON).unwrap();
    for (row, core) in model.core_distances().iter().enumerate() {
        assert_eq!(*core as f32, nearest.of(row).1[4]);
    }
}
