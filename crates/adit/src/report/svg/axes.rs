//! The frame of a chart: axes with ticks, light grid lines, units and labels.

use super::scale::{self, Scale};
use super::{Anchor, Canvas};

/// One axis: its range and what it measures, unit included.
pub(in crate::report) struct Axis<'a> {
    pub label: &'a str,
    pub domain: (f64, f64),
    /// About how many ticks.
    pub ticks: usize,
}

/// The plot's scales inside its margins.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Plot {
    pub x: Scale,
    pub y: Scale,
}

/// Width of all square charts, in the units of the drawing.
pub(in crate::report) const WIDTH: f64 = 460.0;
/// Height of all square charts.
pub(in crate::report) const HEIGHT: f64 = 380.0;

const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 46.0;

/// Draws both axes over the full width and the first [`HEIGHT`] of the canvas, and gives the scales.
pub(in crate::report) fn draw(canvas: &mut Canvas, x: &Axis<'_>, y: &Axis<'_>) -> Plot {
    let height = canvas.height.min(HEIGHT);
    let (left, right) = (LEFT, canvas.width - RIGHT);
    let (top, bottom) = (TOP, height - BOTTOM);
    let plot = Plot {
        x: Scale::new(x.domain, (left, right)),
        y: Scale::new(y.domain, (bottom, top)),
    };
    let y_ticks = scale::ticks(y.domain.0, y.domain.1, y.ticks);
    for (tick, label) in y_ticks.iter().zip(scale::labels(&y_ticks)) {
        let at = plot.y.at(*tick);
        canvas.line("grid", (left, at), (right, at));
        canvas.text("tick", (left - 8.0, at + 4.0), Anchor::End, &label);
    }
    let x_ticks = scale::ticks(x.domain.0, x.domain.1, x.ticks);
    for (tick, label) in x_ticks.iter().zip(scale::labels(&x_ticks)) {
        let at = plot.x.at(*tick);
        canvas.line("tickmark", (at, bottom), (at, bottom + 5.0));
        canvas.text("tick", (at, bottom + 19.0), Anchor::Middle, &label);
    }
    canvas.line("axis", (left, bottom), (right, bottom));
    // The y label lies flat over its axis, where it is read without turning the head.
    canvas.text("label", (0.0, 14.0), Anchor::Start, y.label);
    canvas.text("label", (right, height - 6.0), Anchor::End, x.label);
    plot
}
