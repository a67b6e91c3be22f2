//! Curves between 0 and 1: ROC and precision–recall of all members.

use super::axes::{self, Axis};
use super::{Canvas, Point};
use crate::explain::Curve;
use crate::report::numbers;

/// What the two axes of a chart say.
pub(in crate::report) struct Labels<'a> {
    pub x: &'a str,
    pub y: &'a str,
    pub message: &'a str,
}

/// The line that a guess would draw.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum Chance {
    Diagonal,
    Level(f64),
    Unknown,
}

/// More points than this are not seen at the size of the chart.
const POINTS: usize = 240;

/// Draws the curves with their bands; the first lies on top.
pub(in crate::report) fn unit_square(
    curves: &[(&Curve, &str)],
    chance: Chance,
    labels: &Labels<'_>,
) -> String {
    let mut canvas = Canvas::new(axes::WIDTH, axes::HEIGHT);
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label: labels.x,
            domain: (0.0, 1.0),
            ticks: 5,
        },
        &Axis {
            label: labels.y,
            domain: (0.0, 1.0),
            ticks: 5,
        },
    );
    match chance {
        Chance::Diagonal => canvas.line(
            "reference",
            (plot.x.at(0.0), plot.y.at(0.0)),
            (plot.x.at(1.0), plot.y.at(1.0)),
        ),
        Chance::Level(level) => {
            let level = plot.y.clamped(level);
            canvas.line(
                "reference",
                (plot.x.at(0.0), level),
                (plot.x.at(1.0), level),
            );
        }
        Chance::Unknown => {}
    }
    let place = |x: f64, y: f64| (plot.x.clamped(x), plot.y.clamped(y));
    for (curve, class) in curves.iter().rev() {
        if curve.low.len() == curve.x.len() && curve.high.len() == curve.x.len() {
            let over = curve.x.iter().zip(&curve.high).map(|(x, y)| place(*x, *y));
            let under = curve
                .x
                .iter()
                .zip(&curve.low)
                .rev()
                .map(|(x, y)| place(*x, *y));
            let band: Vec<Point> = over.chain(under).collect();
            canvas.area(&format!("band {class}"), &thin(&band, 2 * POINTS));
        }
        let points: Vec<Point> = curve
            .x
            .iter()
            .zip(&curve.y)
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .map(|(x, y)| place(*x, *y))
            .collect();
        canvas.polyline(
            &format!("curve {class}"),
            &thin(&points, POINTS),
            Some(&curve.name),
        );
        for point in probes(curve) {
            let title = format!(
                "{}\n{}: {}\n{}: {}",
                curve.name,
                labels.x,
                numbers::fixed(point.0, 3),
                labels.y,
                numbers::fixed(point.1, 3)
            );
            canvas.circle("probe", place(point.0, point.1), 7.0, Some(&title));
        }
    }
    canvas.chart(labels.message)
}

/// Points that answer to the pointer, evenly along x.
fn probes(curve: &Curve) -> Vec<Point> {
    let points: Vec<Point> = curve
        .x
        .iter()
        .copied()
        .zip(curve.y.iter().copied())
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .collect();
    let mut probes: Vec<Point> = Vec::new();
    for step in 1..20 {
        let wanted = f64::from(step) / 20.0;
        let nearest = points
            .iter()
            .min_by(|a, b| (a.0 - wanted).abs().total_cmp(&(b.0 - wanted).abs()));
        if let Some(point) = nearest.filter(|point| probes.last() != Some(point)) {
            probes.push(*point);
        }
    }
    probes
}

/// Keeps about `limit` points, the corners of steps among them: first, last, and those farthest
/// from the line through their neighbours' neighbours.
fn thin(points: &[Point], limit: usize) -> Vec<Point> {
    let mut kept: Vec<Point> = points.to_vec();
    // A tolerance that grows keeps the shape and needs no priority queue.
    let mut tolerance = 0.05;
    while kept.len() > limit && tolerance < 64.0 {
        let mut next: Vec<Point> = Vec::with_capacity(kept.len());
        let mut i = 0;
        while i < kept.len() {
            let is_end = i == 0 || i + 1 == kept.len();
            let removable = !is_end
                && next
                    .last()
                    .is_some_and(|last| off(*last, kept[i], kept[i + 1]) < tolerance);
            next.push(kept[i]);
            if removable {
                next.pop();
                // The next one stays, so that removals cannot add up to a drift.
                i += 1;
                next.push(kept[i]);
            }
            i += 1;
        }
        if next.len() == kept.len() {
            tolerance *= 2.0;
        }
        kept = next;
    }
    kept
}

/// Distance of `b` from the line through `a` and `c`.
fn off(a: Point, b: Point, c: Point) -> f64 {
    let (dx, dy) = (c.0 - a.0, c.1 - a.1);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return (b.0 - a.0).hypot(b.1 - a.1);
    }
    ((b.0 - a.0) * dy - (b.1 - a.1) * dx).abs() / length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_ends_and_shape() {
        let circle: Vec<Point> = (0..=10_000)
            .map(|i| f64::from(i) / 10_000.0)
            .map(|t| (t * 400.0, (1.0 - (1.0 - t).powi(2)).sqrt() * 300.0))
            .collect();
        let thinned = thin(&circle, POINTS);
        assert!(
            thinned.len() <= POINTS && thinned.len() > 20,
            "{}",
            thinned.len()
        );
        assert_eq!(
            (thinned[0], thinned[thinned.len() - 1]),
            (circle[0], circle[10_000])
        );
        for point in &circle {
            let near = thinned
                .windows(2)
                .map(|w| {
                    if point.0 >= w[0].0 && point.0 <= w[1].0 {
                        off(w[0], *point, w[1])
                    } else {
                        f64::MAX
                    }
                })
                .fold(f64::MAX, f64::min);
            assert!(near < 2.0, "{point:?} is {near} away");
        }
    }
}
