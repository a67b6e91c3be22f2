//! Curves and points that a report draws.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Curve, MemberCurves, Scatter};

/// Most points of a curve.
const CURVE_POINTS: usize = 500;
/// Most points of a scatter plot.
const SCATTER_POINTS: usize = 2_000;

/// ROC and precision-recall curve of one class's scores; absent where the rows hold only one side.
///
/// The ROC curve is false positive rate against true positive rate, from (0, 0) to (1, 1). The other is recall against
/// precision; it starts at recall 0 with the precision of the highest score. Both are thinned to at most 500 points.
pub(crate) fn member_curves(
    model: &str,
    scores: &[f32],
    is_positive: impl Fn(usize) -> bool,
) -> MemberCurves {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    // Hits and false alarms at each distinct score, from the highest down.
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let (mut hits, mut alarms) = (0u64, 0u64);
    for (place, &row) in rows.iter().enumerate() {
        if is_positive(row) {
            hits += 1
        } else {
            alarms += 1
        }
        if rows
            .get(place + 1)
            .is_none_or(|&next| scores[next] != scores[row])
        {
            steps.push((hits, alarms));
        }
    }
    if hits == 0 || alarms == 0 {
        return MemberCurves {
            model: model.to_string(),
            roc: None,
            precision_recall: None,
        };
    }
    let share = |part: u64, whole: u64| part as f64 / whole as f64;
    let mut roc = vec![(0.0, 0.0)];
    roc.extend(
        steps
            .iter()
            .map(|&(hit, alarm)| (share(alarm, alarms), share(hit, hits))),
    );
    let mut precision_recall: Vec<(f64, f64)> = steps
        .iter()
        .map(|&(hit, alarm)| (share(hit, hits), share(hit, hit + alarm)))
        .collect();
    precision_recall.insert(0, (0.0, precision_recall[0].1));
    let curve = |points: &[(f64, f64)]| {
        let (x, y) = thin(points, CURVE_POINTS).into_iter().unzip();
        Curve {
            name: model.to_string(),
            x,
            y,
            low: Vec::new(),
            high: Vec::new(),
        }
    };
    MemberCurves {
        model: model.to_string(),
        roc: Some(curve(&roc)),
        precision_recall: Some(curve(&precision_recall)),
    }
}

/// Drops points that lie on a line, then those that change the shape least, until at most `most` are left
/// (Visvalingam and Whyatt 1993). The ends stay.
fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let n = points.len();
    let (mut before, mut after): (Vec<usize>, Vec<usize>) =
        ((0..n).map(|at| at.max(1) - 1).collect(), (1..=n).collect());
    let area = |a: usize, b: usize, c: usize| {
        let ((ax, ay), (bx, by), (cx, cy)) = (points[a], points[b], points[c]);
        ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)).abs() / 2.0
    };
    // Areas are not negative, so their bits sort as they do; the version tells stale entries.
    let mut versions = vec![0u32; n];
    let mut heap: BinaryHeap<Reverse<(u64, usize, u32)>> = (1..n.saturating_sub(1))
        .map(|at| Reverse((area(at - 1, at, at + 1).to_bits(), at, 0)))
        .collect();
    let mut left = n;
    let mut is_dropped = vec![false; n];
    while let Some(Reverse((bits, at, version))) = heap.pop() {
        if is_dropped[at] || versions[at] != version {
            continue;
        }
        if left <= most && f64::from_bits(bits) > 1e-12 {
            break;
        }
        is_dropped[at] = true;
        left -= 1;
        let (previous, next) = (before[at], after[at]);
        (after[previous], before[next]) = (next, previous);
        for neighbour in [previous, next] {
            if neighbour != 0 && neighbour != n - 1 {
                versions[neighbour] += 1;
                // A neighbour never counts less than what was dropped beside it, or a slope could erode unseen.
                let area =
                    area(before[neighbour], neighbour, after[neighbour]).max(f64::from_bits(bits));
                heap.push(Reverse((area.to_bits(), neighbour, versions[neighbour])));
            }
        }
    }
    (0..n)
        .filter(|&at| !is_dropped[at])
        .map(|at| points[at])
        .collect()
}

/// Predicted against true numbers; of more than 2,000 rows, evenly many along the true numbers, both ends included.
pub(crate) fn scatter(truth: &[f64], predicted: &[f64]) -> Scatter {
    let mut rows: Vec<usize> = (0..truth.len().min(predicted.len())).collect();
    let n = rows.len();
    if n > SCATTER_POINTS {
        rows.sort_unstable_by(|&a, &b| truth[a].total_cmp(&truth[b]).then(a.cmp(&b)));
        rows = (0..SCATTER_POINTS)
            .map(|at| rows[at * (n - 1) / (SCATTER_POINTS - 1)])
            .collect();
        rows.sort_unstable();
    }
    Scatter {
        truth: rows.iter().map(|&row| truth[row]).collect(),
        predicted: rows.iter().map(|&row| predicted[row]).collect(),
        thinned_from: n as u64,
    }
}

#[cfg(test)]
mod tests {
    use rand::RngCore;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn area(points: &[(f64, f64)]) -> f64 {
        points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum()
    }

    fn points(curve: &Curve) -> Vec<(f64, f64)> {
        curve
            .x
            .iter()
            .copied()
            .zip(curve.y.iter().copied())
            .collect()
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_area() {
        for seed in 0..5 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
            let truth: Vec<bool> = (0..20_000).map(|_| uniform() < 0.1).collect();
            let scores: Vec<f32> = truth
                .iter()
                .map(|&is| (uniform() + 0.3 * f64::from(u8::from(is))) as f32)
                .collect();
            let thinned = member_curves("m", &scores, |row| truth[row]);
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let positives = truth.iter().filter(|&&is| is).count() as f64;
            let (mut roc, mut precision_recall, mut hits) = (vec![(0.0, 0.0)], Vec::new(), 0.0);
            for (place, &row) in order.iter().enumerate() {
                hits += f64::from(u8::from(truth[row]));
                let shown = (place + 1) as f64;
                roc.push(((shown - hits) / (20_000.0 - positives), hits / positives));
                precision_recall.push((hits / positives, hits / shown));
            }
            precision_recall.insert(0, (0.0, precision_recall[0].1));
            for (curve, whole) in [
                (thinned.roc, roc),
                (thinned.precision_recall, precision_recall),
            ] {
                let curve = points(&curve.expect("both sides"));
                assert!(curve.len() <= 500 && curve.len() > 100, "{}", curve.len());
                assert_eq!((curve.first(), curve.last()), (whole.first(), whole.last()));
                assert!(
                    (area(&curve) - area(&whole)).abs() < 1e-3,
                    "{} {}",
                    area(&curve),
                    area(&whole)
                );
                assert!(curve.is_sorted_by(|a, b| a.0 <= b.0));
            }
        }
    }

    #[test]
    fn points_on_a_line_are_dropped() {
        let line: Vec<(f64, f64)> = (0..=10)
            .map(|at| (f64::from(at), 2.0 * f64::from(at)))
            .collect();
        assert_eq!(thin(&line, 500), [(0.0, 0.0), (10.0, 20.0)]);
        assert_eq!(thin(&line[..1], 500), [(0.0, 0.0)]);
    }

    #[test]
    fn one_sided_rows_have_no_curve() {
        assert!(member_curves("m", &[0.1, 0.2], |_| false).roc.is_none());
    }

    #[test]
    fn scatter_is_thinned_along_the_truth() {
        let truth: Vec<f64> = (0..5_001).map(|row| f64::from(row * 7 % 5_001)).collect();
        let thinned = scatter(&truth, &truth);
        assert_eq!((thinned.truth.len(), thinned.thinned_from), (2_000, 5_001));
        let ends = thinned
            .truth
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), &x| {
                (low.min(x), high.max(x))
            });
        assert_eq!(ends, (0.0, 5_000.0));
        assert_eq!(scatter(&truth[..3], &truth[..3]).truth, &truth[..3]);
    }
}
