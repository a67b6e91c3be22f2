//! Dots with whiskers: the bars of the scoreboard and the key difference of the verdict.

use super::scale::{self, Scale};
use super::{Anchor, Canvas};
use crate::explain::Estimate;

const CELL_WIDTH: f64 = 144.0;
const CELL_HEIGHT: f64 = 24.0;
const CELL_MARGIN: f64 = 1.0;

/// What one cell of a forest plot shows.
pub(in crate::report) struct Cell<'a> {
    pub estimate: &'a Estimate,
    /// Values of single seeds, drawn as small ticks.
    pub seeds: &'a [f64],
    /// Drawn as a dashed line through the column, such as the best baseline.
    pub reference: Option<f64>,
    /// Class of the colour.
    pub class: &'a str,
}

/// The range that holds all intervals of a column.
pub(in crate::report) fn domain<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> (f64, f64) {
    let values: Vec<f64> = estimates.flat_map(|e| [e.low, e.value, e.high]).collect();
    scale::padded(
        scale::extent(values.into_iter()).unwrap_or((0.0, 1.0)),
        0.06,
    )
}

/// The range of a column in which `others` would squeeze `core`: then those lie off the scale.
pub(in crate::report) fn focused<'a>(
    core: impl Iterator<Item = &'a Estimate>,
    others: impl Iterator<Item = &'a Estimate>,
) -> (f64, f64) {
    let core: Vec<&Estimate> = core.collect();
    let all = domain(core.iter().copied().chain(others));
    if core.is_empty() {
        return all;
    }
    let (low, high) = domain(core.into_iter());
    if all.1 - all.0 <= 2.5 * (high - low) {
        all
    } else {
        scale::padded((low, high), 0.08)
    }
}

/// One dot with its whisker on the column's scale.
pub(in crate::report) fn cell(cell: &Cell<'_>, domain: (f64, f64), message: &str) -> String {
    let mut canvas = Canvas::new(CELL_WIDTH, CELL_HEIGHT);
    let x = Scale::new(domain, (CELL_MARGIN, CELL_WIDTH - CELL_MARGIN));
    let middle = CELL_HEIGHT / 2.0;
    canvas.line(
        "rail",
        (CELL_MARGIN, middle),
        (CELL_WIDTH - CELL_MARGIN, middle),
    );
    if let Some(reference) = cell.reference {
        let at = x.clamped(reference);
        canvas.line("reference", (at, 0.0), (at, CELL_HEIGHT));
    }
    let class = cell.class;
    let value = cell.estimate.value;
    if value < domain.0 || value > domain.1 {
        // Off the scale: an arrow at the edge instead of a scale that squeezes all others.
        let (tip, back) = if value < domain.0 {
            (1.0, 9.0)
        } else {
            (CELL_WIDTH - 1.0, CELL_WIDTH - 9.0)
        };
        canvas.area(
            &format!("arrow {class}"),
            &[(tip, middle), (back, middle - 5.0), (back, middle + 5.0)],
        );
        return canvas.inline("forest", message);
    }
    let (low, high) = (x.clamped(cell.estimate.low), x.clamped(cell.estimate.high));
    canvas.line(&format!("whisker {class}"), (low, middle), (high, middle));
    for end in [low, high] {
        canvas.line(
            &format!("cap {class}"),
            (end, middle - 4.0),
            (end, middle + 4.0),
        );
    }
    for seed in cell.seeds.iter().filter(|seed| seed.is_finite()) {
        let at = x.clamped(*seed);
        canvas.line(
            &format!("seed {class}"),
            (at, middle + 7.0),
            (at, middle + 12.0),
        );
    }
    canvas.circle(
        &format!("dot {class}"),
        (x.at(cell.estimate.value), middle),
        4.5,
        Some(message),
    );
    canvas.inline("forest", message)
}

/// The scale under a column of cells.
pub(in crate::report) fn foot(domain: (f64, f64), message: &str) -> String {
    let mut canvas = Canvas::new(CELL_WIDTH, 22.0);
    let x = Scale::new(domain, (CELL_MARGIN, CELL_WIDTH - CELL_MARGIN));
    canvas.line("axis", (CELL_MARGIN, 0.5), (CELL_WIDTH - CELL_MARGIN, 0.5));
    let ticks = scale::ticks(domain.0, domain.1, 3);
    for (tick, label) in ticks.iter().zip(scale::labels(&ticks)) {
        let at = x.at(*tick);
        canvas.line("tickmark", (at, 0.0), (at, 5.0));
        // Labels at the very edge would be cut.
        let anchor = if at < 22.0 {
            Anchor::Start
        } else if at > CELL_WIDTH - 22.0 {
            Anchor::End
        } else {
            Anchor::Middle
        };
        let at = match anchor {
            Anchor::Start => at - 6.0,
            Anchor::Middle => at,
            Anchor::End => at + 6.0,
        };
        canvas.text("tick small", (at, 18.0), anchor, &label);
    }
    canvas.inline("forest", message)
}

/// The difference of the paired test on a line with zero marked, and which side favours whom.
pub(in crate::report) fn difference(
    estimate: &Estimate,
    sides: (&str, &str),
    label: &str,
    message: &str,
) -> String {
    let (width, height) = (460.0, 138.0);
    let mut canvas = Canvas::new(width, height);
    let reach = [estimate.low, estimate.value, estimate.high, 0.0];
    let domain = scale::padded(scale::extent(reach.into_iter()).unwrap_or((0.0, 1.0)), 0.12);
    let x = Scale::new(domain, (12.0, width - 12.0));
    let (line, axis) = (50.0, 84.0);
    let zero = x.at(0.0);
    canvas.line("zero", (zero, 22.0), (zero, axis));
    let near_left = zero < width / 2.0;
    canvas.text(
        "label",
        (zero.clamp(0.0, width), 14.0),
        if near_left {
            Anchor::Start
        } else {
            Anchor::End
        },
        "no difference",
    );
    let clear = estimate.low > 0.0 || estimate.high < 0.0;
    let class = if clear { "s0" } else { "s2" };
    canvas.line(
        &format!("whisker bold {class}"),
        (x.at(estimate.low), line),
        (x.at(estimate.high), line),
    );
    for end in [estimate.low, estimate.high] {
        canvas.line(
            &format!("cap bold {class}"),
            (x.at(end), line - 9.0),
            (x.at(end), line + 9.0),
        );
    }
    canvas.circle(
        &format!("dot {class}"),
        (x.at(estimate.value), line),
        8.0,
        Some(message),
    );
    canvas.line("axis", (12.0, axis), (width - 12.0, axis));
    let ticks = scale::ticks(domain.0, domain.1, 4);
    for (tick, text) in ticks.iter().zip(scale::labels(&ticks)) {
        let text = if *tick > 0.0 {
            format!("+{text}")
        } else {
            text
        };
        canvas.line("tickmark", (x.at(*tick), axis), (x.at(*tick), axis + 5.0));
        canvas.text("tick", (x.at(*tick), axis + 19.0), Anchor::Middle, &text);
    }
    canvas.text("label", (width / 2.0, height - 4.0), Anchor::Middle, label);
    canvas.text("tick", (0.0, height - 4.0), Anchor::Start, sides.0);
    canvas.text("tick", (width, height - 4.0), Anchor::End, sides.1);
    canvas.chart(message)
}
