//! Learning curves: losses and the selection metric over the epochs of every seed.

use super::axes::{self, Axis};
use super::scale;
use super::{Canvas, Point};
use crate::explain::{EpochRecord, TrainingHistory};
use crate::report::numbers;

/// One line per seed and series, the kept epoch ringed on the first series.
pub(in crate::report) struct Series<'a> {
    pub name: &'a str,
    pub class: &'a str,
    pub value: fn(&EpochRecord) -> f64,
    /// Whether the kept epoch is ringed on this series.
    pub ringed: bool,
}

/// Draws the series of all seeds of one model; `None` when no epoch was recorded.
pub(in crate::report) fn chart(
    histories: &[&TrainingHistory],
    series: &[Series<'_>],
    label: &str,
    message: &str,
) -> Option<String> {
    let records = || histories.iter().flat_map(|history| &history.epochs);
    let values =
        scale::extent(records().flat_map(|record| series.iter().map(|s| (s.value)(record))))?;
    let (first, last) = scale::extent(records().map(|record| record.epoch as f64))?;
    let y = scale::padded(values, 0.02);
    // A loss axis starts at zero where that costs little of the picture.
    let y = if values.0 >= 0.0 && (y.0 < 0.0 || values.0 < 0.3 * values.1) {
        (0.0, y.1)
    } else {
        y
    };
    let y = scale::rounded(y, 5);
    let x = if last > first {
        (first, last)
    } else {
        (first - 0.5, last + 0.5)
    };
    let mut canvas = Canvas::new(axes::WIDTH, axes::HEIGHT);
    // Ticks between whole epochs would mean nothing.
    let x_ticks = ((x.1 - x.0) as usize).clamp(1, 8);
    let plot = axes::draw(
        &mut canvas,
        &Axis {
            label: "Epoch",
            domain: x,
            ticks: x_ticks,
        },
        &Axis {
            label,
            domain: y,
            ticks: 5,
        },
    );
    let weight = if histories.len() > 1 { "light" } else { "full" };
    for one in series {
        for history in histories {
            let points: Vec<Point> = history
                .epochs
                .iter()
                .map(|record| {
                    (
                        plot.x.at(record.epoch as f64),
                        plot.y.at((one.value)(record)),
                    )
                })
                .collect();
            let name = format!("{}, seed {}", one.name, history.seed);
            canvas.polyline(
                &format!("curve {weight} {}", one.class),
                &points,
                Some(&name),
            );
        }
    }
    for one in series {
        for history in histories {
            for record in &history.epochs {
                let value = (one.value)(record);
                let at = (plot.x.at(record.epoch as f64), plot.y.at(value));
                let kept = record.epoch == history.best_epoch;
                let title = format!(
                    "{}, seed {}\nepoch {}{}: {}",
                    one.name,
                    history.seed,
                    record.epoch,
                    if kept { " (kept)" } else { "" },
                    numbers::plain(value)
                );
                if kept && one.ringed {
                    canvas.circle(&format!("ring {}", one.class), at, 5.5, Some(&title));
                } else {
                    canvas.circle("probe", at, 6.0, Some(&title));
                }
            }
        }
    }
    Some(canvas.chart(message))
}
