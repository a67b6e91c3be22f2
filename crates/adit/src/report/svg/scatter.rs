//! Predicted against true.

use super::Canvas;
use super::axes::{self, Axis};
use super::scale;
use crate::explain::Scatter;
use crate::report::numbers;

/// Points on equal axes with the identity line; `None` when there is no point.
pub(in crate::report) fn identity(
    scatter: &Scatter,
    target: &str,
    message: &str,
) -> Option<String> {
    let points: Vec<(f64, f64)> = scatter
        .truth
        .iter()
        .copied()
        .zip(scatter.predicted.iter().copied())
        .filter(|(truth, predicted)| truth.is_finite() && predicted.is_finite())
        .collect();
    let reach = scale::extent(
        points
            .iter()
            .flat_map(|(truth, predicted)| [*truth, *predicted]),
    )?;
    let domain = scale::padded(reach, 0.04);
    let mut canvas = Canvas::new(axes::WIDTH, axes::HEIGHT);
    let (x_label, y_label) = (format!("True {target}"), format!("Predicted {target}"));
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label: &x_label,
            domain,
            ticks: 5,
        },
        &Axis {
            label: &y_label,
            domain,
            ticks: 5,
        },
    );
    canvas.line(
        "reference",
        (plot.x.at(domain.0), plot.y.at(domain.0)),
        (plot.x.at(domain.1), plot.y.at(domain.1)),
    );
    // Tooltips of thousands of points would weigh more than the points.
    let with_titles = points.len() <= 1_000;
    for (truth, predicted) in &points {
        let title = with_titles.then(|| {
            format!(
                "true {}, predicted {}",
                numbers::plain(*truth),
                numbers::plain(*predicted)
            )
        });
        canvas.circle(
            "point",
            (plot.x.at(*truth), plot.y.at(*predicted)),
            3.0,
            title.as_deref(),
        );
    }
    Some(canvas.chart(message))
}
