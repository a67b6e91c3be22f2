//! Bars: sparklines of columns and the histogram of residuals.

use super::axes::{self, Axis};
use super::scale;
use super::{Canvas, Rect};
use crate::explain::ScoreHistogram;
use crate::report::numbers;

/// Bars without axes for a table cell.
pub(in crate::report) fn sparkline(counts: &[u64], message: &str) -> String {
    let (width, height) = (112.0, 26.0);
    let mut canvas = Canvas::new(width, height);
    canvas.line("rail", (0.0, height - 0.5), (width, height - 0.5));
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    // A handful of categories should not become a wall.
    let step = (width / counts.len().max(1) as f64).min(14.0);
    for (i, &count) in counts.iter().enumerate() {
        // A count of one among millions must still be seen.
        let tall = if count == 0 {
            0.0
        } else {
            (count as f64 / most * (height - 2.0)).max(1.0)
        };
        let rect = Rect {
            x: i as f64 * step,
            y: height - 1.0 - tall,
            width: (step - 1.0).max(0.8),
            height: tall,
        };
        canvas.rect("bar", rect, None);
    }
    canvas.inline("spark", message)
}

/// How often each size of a score occurs, in two parts: what is flagged stands in another colour on the rest. Counts are
/// drawn by their logarithm, so that single rows are seen beside thousands.
pub(in crate::report) fn scores(histogram: &ScoreHistogram, message: &str) -> Option<String> {
    let n = histogram.counts.len();
    let width = (histogram.to - histogram.from) / n.max(1) as f64;
    let most = histogram
        .counts
        .iter()
        .copied()
        .max()
        .filter(|most| *most > 0)?;
    if !(width.is_finite() && width > 0.0) {
        return None;
    }
    let (wide, tall) = (760.0, 220.0);
    let mut canvas = Canvas::new(wide, tall);
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label: &histogram.label,
            domain: (histogram.from, histogram.to),
            ticks: 7,
        },
        &Axis {
            label: "Rows, by their logarithm",
            domain: (0.0, 1.0),
            ticks: 0,
        },
    );
    let height = |count: u64| (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    for (i, (&count, &flagged)) in histogram.counts.iter().zip(&histogram.flagged).enumerate() {
        let from = histogram.from + i as f64 * width;
        let (left, right) = (plot.x.at(from), plot.x.at(from + width));
        let title = format!(
            "{} to {}: {}, {} of them flagged",
            numbers::plain(from),
            numbers::plain(from + width),
            numbers::counted(count, "row", "rows"),
            numbers::count(flagged)
        );
        // The part of the flagged is as large as their share of the bar.
        let top = height(count);
        let cut = top * (1.0 - flagged as f64 / count.max(1) as f64);
        for (class, low, high) in [("bar", 0.0, cut), ("arrow s1", cut, top)] {
            if high > low {
                let rect = Rect {
                    x: left + 0.75,
                    y: plot.y.at(high),
                    width: (right - left - 1.5).max(0.8),
                    height: plot.y.at(low) - plot.y.at(high),
                };
                canvas.rect(class, rect, Some(&title));
            }
        }
    }
    Some(super::map::wide(canvas, message))
}

/// How often each size of a signed error occurs, zero marked.
pub(in crate::report) fn residuals(errors: &[f64], label: &str, message: &str) -> Option<String> {
    let (low, high) = scale::extent(errors.iter().copied())?;
    let reach = scale::padded(
        (-low.abs().max(high.abs()), low.abs().max(high.abs())),
        0.02,
    );
    let bins = 31;
    let mut counts = vec![0u64; bins];
    for error in errors.iter().filter(|error| error.is_finite()) {
        let place = (error - reach.0) / (reach.1 - reach.0) * bins as f64;
        counts[(place as usize).min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let mut canvas = Canvas::new(axes::WIDTH, axes::HEIGHT);
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label,
            domain: reach,
            ticks: 5,
        },
        &Axis {
            label: "Test rows",
            domain: (0.0, most * 1.04),
            ticks: 5,
        },
    );
    let width = (reach.1 - reach.0) / bins as f64;
    for (i, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = reach.0 + i as f64 * width;
        let (left, right) = (plot.x.at(from), plot.x.at(from + width));
        let top = plot.y.at(count as f64);
        let title = format!(
            "{} to {}: {}",
            numbers::plain(from),
            numbers::plain(from + width),
            numbers::counted(count, "row", "rows")
        );
        let rect = Rect {
            x: left + 0.75,
            y: top,
            width: right - left - 1.5,
            height: plot.y.at(0.0) - top,
        };
        canvas.rect("bar", rect, Some(&title));
    }
    canvas.line(
        "zero",
        (plot.x.at(0.0), plot.y.to),
        (plot.x.at(0.0), plot.y.from),
    );
    Some(canvas.chart(message))
}
