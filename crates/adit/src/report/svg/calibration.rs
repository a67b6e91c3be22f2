//! The reliability diagram: what was predicted against what happened, with counts below.

use super::axes::{self, Axis};
use super::{Anchor, Canvas, Rect};
use crate::explain::Calibration;
use crate::report::numbers;

/// Draws the bins with their intervals and, below, how many rows each holds.
pub(in crate::report) fn diagram(calibration: &Calibration, message: &str) -> String {
    let strip = 62.0;
    let mut canvas = Canvas::new(axes::WIDTH, axes::HEIGHT + strip);
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label: "Predicted probability",
            domain: (0.0, 1.0),
            ticks: 5,
        },
        &Axis {
            label: "Observed share",
            domain: (0.0, 1.0),
            ticks: 5,
        },
    );
    canvas.line(
        "reference",
        (plot.x.at(0.0), plot.y.at(0.0)),
        (plot.x.at(1.0), plot.y.at(1.0)),
    );
    let line: Vec<_> = calibration
        .bins
        .iter()
        .map(|bin| {
            (
                plot.x.clamped(bin.predicted),
                plot.y.clamped(bin.observed.value),
            )
        })
        .collect();
    canvas.polyline("curve thin s0", &line, None);
    let most = calibration
        .bins
        .iter()
        .map(|bin| bin.count)
        .max()
        .unwrap_or(1)
        .max(1) as f64;
    let floor = axes::HEIGHT + strip - 4.0;
    canvas.text("tick", (0.0, axes::HEIGHT + 14.0), Anchor::Start, "Rows");
    canvas.line("axis", (plot.x.from, floor), (plot.x.to, floor));
    for bin in &calibration.bins {
        let (x, y) = (
            plot.x.clamped(bin.predicted),
            plot.y.clamped(bin.observed.value),
        );
        let (low, high) = (
            plot.y.clamped(bin.observed.low),
            plot.y.clamped(bin.observed.high),
        );
        canvas.line("whisker s0", (x, low), (x, high));
        for end in [low, high] {
            canvas.line("cap s0", (x - 4.0, end), (x + 4.0, end));
        }
        let title = format!(
            "predicted {}, observed {} ({} to {}), {}",
            numbers::fixed(bin.predicted, 3),
            numbers::fixed(bin.observed.value, 3),
            numbers::fixed(bin.observed.low, 3),
            numbers::fixed(bin.observed.high, 3),
            numbers::counted(bin.count, "row", "rows"),
        );
        canvas.circle("dot s0", (x, y), 5.0, Some(&title));
        let tall =
            (bin.count as f64 / most * (strip - 22.0)).max(if bin.count > 0 { 1.0 } else { 0.0 });
        canvas.rect(
            "bar",
            Rect {
                x: x - 8.0,
                y: floor - tall,
                width: 16.0,
                height: tall,
            },
            Some(&title),
        );
        canvas.text(
            "tick small",
            (x, floor - tall - 4.0),
            Anchor::Middle,
            &numbers::count(bin.count),
        );
    }
    canvas.chart(message)
}
