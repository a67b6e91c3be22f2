use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::space::squared_distance;
use super::*;

const ON: &(dyn Fn(usize, usize) -> bool + Sync) = &|_, _| true;

/// Groups of different widths around far centres, with rows that come twice or more often.
fn grouped(n: usize, width: usize, offset: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values: Vec<f32> = Vec::with_capacity(n * width);
    for row in 0..n {
        if row > 4 && rng.random_range(0..8) == 0 {
            let from = rng.random_range(0..row) * width;
            values.extend_from_within(from..from + width);
            continue;
        }
        let group = rng.random_range(0..7u32);
        let spread = 0.01 * 4f32.powi(group as i32);
        for column in 0..width {
            let centre = ((group as usize * 31 + column * 17) % 13) as f32;
            values.push(offset + centre + spread * rng.random_range(-1.0..1.0f32));
        }
    }
    values
}

/// What all distances say. `[n, k]` squared distances and indices
fn by_all(points: Points, queries: Points, k: usize, own: bool) -> (Vec<f64>, Vec<u32>) {
    let (mut keys, mut indices) = (Vec::new(), Vec::new());
    for row in 0..queries.len() {
        let others = (0..points.len()).filter(|&at| !own || at != row);
        let mut all: Vec<(f64, u32)> = others
            .map(|at| {
                let terms = queries.row(row).iter().zip(points.row(at));
                let squares = terms.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
                (squares.sum(), at as u32)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.truncate(k);
        keys.extend(all.iter().map(|(key, _)| *key));
        indices.extend(all.iter().map(|(_, at)| *at));
    }
    (keys, indices)
}

/// The same neighbours; where distances differ by their rounding alone, either may come first.
fn assert_same(found: &Neighbourhood, (keys, indices): &(Vec<f64>, Vec<u32>), about: &str) {
    assert_eq!(found.indices.len(), indices.len(), "{about}");
    let mut differing = 0;
    for at in 0..indices.len() {
        let (distance, truth) = (f64::from(found.distances[at]), keys[at].sqrt());
        assert!(
            (distance - truth).abs() <= 1e-6 * truth,
            "{about}: {distance} at {at}, not {truth}"
        );
        differing += usize::from(found.indices[at] != indices[at]);
    }
    assert!(
        differing * 1000 <= indices.len(),
        "{about}: {differing} differ"
    );
}

#[test]
fn neighbours_are_those_of_all_distances() {
    for (n, width, k, offset) in [
        (70, 3, 4, 0.0),
        (900, 2, 1, 0.0),
        (1400, 9, 15, 0.0),
        (700, 40, 5, 1e4),
        (400, 1, 30, -3.0),
        (1100, 100, 300, 0.0),
    ] {
        let values = grouped(n, width, offset, n as u64);
        let points = Points::new(&values, width);
        let found = Neighbours { k }.exact(points, None, ON).unwrap();
        let truth = by_all(points, points, k, true);
        assert_same(&found, &truth, &format!("{n} x {width}"));
        let zeros = |distances: &[f32]| distances.iter().filter(|d| **d == 0.0).count();
        let exact_zeros = truth.0.iter().filter(|key| **key == 0.0).count();
        assert_eq!(zeros(&found.distances), exact_zeros);
        assert!(exact_zeros > 0);

        let asked = grouped(n / 3, width, offset, 5);
        let queries = Points::new(&asked, width);
        let found = Neighbours { k }.exact(points, Some(queries), ON).unwrap();
        let truth = by_all(points, queries, k, false);
        assert_same(&found, &truth, &format!("queries of {n} x {width}"));
    }
}

#[test]
fn equal_distances_come_in_the_order_of_the_rows() {
    // All distances are whole, so that none is rounded.
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let values: Vec<f32> = (0..800 * 3)
        .map(|_| rng.random_range(0..5) as f32)
        .collect();
    let points = Points::new(&values, 3);
    let found = Neighbours { k: 20 }.exact(points, None, ON).unwrap();
    assert_eq!(found.indices, by_all(points, points, 20, true).1);
}

#[test]
fn bounds_from_products_are_below_the_distances() {
    let mut tile = Tile::default();
    for (width, offset, size) in [
        (3, 0.0, 1.0),
        (384, 0.3, 1.0),
        (50, 1e5, 1e-2),
        (50, 0.0, 1e18),
    ] {
        let values: Vec<f32> = grouped(200, width, offset, 3)
            .iter()
            .map(|v| v * size)
            .collect();
        let points = Points::new(&values, width);
        let scale = Scale::new(&[points]);
        let rows: Vec<u32> = (0..200).collect();
        let centre: Vec<f64> = points.row(7).iter().map(|&v| f64::from(v)).collect();
        tile.load((points, &rows), (points, &rows), scale, &centre);
        tile.multiply(10..200, 0..190);
        let mut close = 0;
        for row in 0..190 {
            for at in 0..190 {
                let halves = tile.left_halves()[row] + tile.right_halves()[at];
                let bound = halves - tile.products(row)[at];
                let squared = squared_distance(points.row(row + 10), points.row(at));
                let limit = scale.limit(squared);
                assert!(bound <= limit, "{bound} above {limit}");
                close += usize::from(bound >= 0.9 * limit - 1e-3 * halves - 1e-29);
            }
        }
        assert_eq!(close, 190 * 190, "bounds are too low to be of use");
    }
}

#[test]
fn few_or_odd_rows_are_no_trouble() {
    let settings = Neighbours { k: 3 };
    for n in 0..4usize {
        let values: Vec<f32> = (0..n * 2).map(|v| v as f32).collect();
        let found = settings.exact(Points::new(&values, 2), None, ON).unwrap();
        assert_eq!(found.k, n.saturating_sub(1));
        assert_eq!(found.indices.len(), n * found.k);
        let none = settings.exact(Points::new(&values, 2), Some(Points::new(&[], 2)), ON);
        assert!(none.unwrap().indices.is_empty());
    }
    let same = vec![1e18f32; 300 * 4];
    let found = settings.exact(Points::new(&same, 4), None, ON).unwrap();
    assert_eq!(found.of(0), (&[1u32, 2, 3][..], &[0.0f32; 3][..]));
    assert_eq!(found.of(2).0, [0, 1, 3]);
    assert_eq!(found.of(299).0, [0, 1, 2]);

    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (width, size, constant) in [
        (2000, 1.0, 0.0),
        (5, 1e18, 0.0),
        (5, 3e38, 0.0),
        (5, 1e-30, 0.0),
        (5, 1e-42, 0.0),
        (5, 1.0, 1e18),
        (5, 1e-6, 3e38),
    ] {
        let mut values: Vec<f32> = (0..150 * width)
            .map(|_| size * rng.random_range(-1.0..1.0f32))
            .collect();
        if constant != 0.0 {
            values.iter_mut().step_by(width).for_each(|v| *v = constant);
        }
        let points = Points::new(&values, width);
        let found = settings.exact(points, None, ON).unwrap();
        let (keys, indices) = by_all(points, points, 3, true);
        assert_eq!(found.indices, indices, "{width} {size} {constant}");
        for (distance, key) in found.distances.iter().zip(keys) {
            let truth = key.sqrt().min(f64::from(f32::MAX));
            assert!((f64::from(*distance) - truth).abs() <= 1e-6 * truth + 1e-45);
        }
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let values = [0.0, 1.0, f32::NAN, 3.0];
    let points = Points::new(&values, 2);
    let fine = Points::new(&[0.0; 4], 2);
    let one = Neighbours { k: 1 };
    for result in [
        one.exact(points, None, ON),
        one.exact(fine, Some(points), ON),
        one.approximate(points, 0, ON).map(|found| found.neighbours),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(
            error,
            MineError::FeatureNotFinite { row: 1, column: 0 }
        ));
    }
    let narrow = Points::new(&[0.0; 3], 1);
    let differ = one.exact(fine, Some(narrow), ON);
    assert!(matches!(
        differ,
        Err(MineError::FeaturesDiffer {
            expected: 2,
            found: 1
        })
    ));
    let none = Neighbours { k: 0 }.exact(fine, None, ON);
    assert!(matches!(none, Err(MineError::Setting { setting: "k", .. })));
    let stopped = one.exact(fine, None, &|_, _| false);
    assert!(matches!(stopped, Err(MineError::Cancelled)));
    let stopped = one.exact(fine, Some(fine), &|_, _| false);
    assert!(matches!(stopped, Err(MineError::Cancelled)));
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let values = grouped(3000, 12, 0.0, 8);
    let points = Points::new(&values, 12);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let exact = Neighbours { k: 6 }.exact(points, None, ON).unwrap();
            (
                exact,
                Neighbours { k: 6 }.approximate(points, 1, ON).unwrap(),
            )
        })
    };
    let one = run(1);
    assert!(run(2) == one && run(5) == one);
}

#[test]
fn the_recall_told_is_the_recall() {
    // Rows along a few curves, so that near blocks hold most of the neighbours.
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (n, width, k) = (8000, 24, 10);
    let mut values = Vec::with_capacity(n * width);
    for _ in 0..n {
        let hidden: [f32; 3] = std::array::from_fn(|_| rng.random_range(-3.0..3.0));
        for column in 0..width {
            let mixed = (0..3).map(|at| hidden[at] * ((at * 7 + column * 5) % 11) as f32 / 11.0);
            values.push(mixed.sum::<f32>().sin() + 0.02 * rng.random_range(-1.0..1.0f32));
        }
    }
    let points = Points::new(&values, width);
    let found = Neighbours { k }.approximate(points, 3, ON).unwrap();
    let truth = Neighbours { k }.exact(points, None, ON).unwrap();
    let Search::Approximate { probes, recall } = found.search else {
        panic!("all blocks met");
    };
    let hits: usize = (0..n)
        .map(|row| {
            let (right, given) = (truth.of(row).0, found.neighbours.of(row).0);
            given.iter().filter(|at| right.contains(at)).count()
        })
        .sum();
    let real = hits as f64 / (n * k) as f64;
    assert!((LEAST_RECALL..1.0).contains(&recall) && probes > 1);
    // Five standard errors of a sample of 512 rows whose neighbours are found together or not at all.
    assert!(
        (real - recall).abs() < 5.0 * (0.05f64 * 0.95 / 512.0).sqrt(),
        "{real} {recall}"
    );
    let again = Neighbours { k }.approximate(points, 3, ON).unwrap();
    assert_eq!(again, found);
}

#[test]
fn few_rows_are_searched_exactly() {
    let values = grouped(500, 4, 0.0, 1);
    let points = Points::new(&values, 4);
    let found = nearest(points, 7, 0, ON).unwrap();
    assert_eq!(found.search, Search::Exact);
    assert_eq!(
        found.neighbours,
        Neighbours { k: 7 }.exact(points, None, ON).unwrap()
    );
    let nearly = Neighbours { k: 7 }.approximate(points, 0, ON).unwrap();
    assert_eq!(nearly.neighbours.indices.len(), 3500);
}
