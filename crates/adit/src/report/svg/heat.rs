//! A compact heat map of a confusion matrix with many classes.

use super::{Anchor, Canvas, Rect};
use crate::explain::Confusion;
use crate::report::{escape, numbers};

/// Rows are true classes, columns predicted ones, in the order of the classes; shaded by row share.
pub(in crate::report) fn map(confusion: &Confusion, message: &str) -> String {
    let n = confusion.classes.len().max(1);
    let (left, top, side) = (0.0, 26.0, 560.0);
    let cell = side / n as f64;
    let mut canvas = Canvas::new(side, top + side);
    canvas.rect(
        "plate",
        Rect {
            x: left,
            y: top,
            width: side,
            height: side,
        },
        None,
    );
    for (truth, row) in confusion.counts.iter().enumerate().take(n) {
        let total = row.iter().sum::<u64>().max(1) as f64;
        for (predicted, &count) in row
            .iter()
            .enumerate()
            .take(n)
            .filter(|(_, count)| **count > 0)
        {
            let share = count as f64 / total;
            let name = |i: usize| {
                escape::shorten(confusion.classes.get(i).map_or("?", String::as_str), 40)
            };
            let title = format!(
                "true {}, predicted {}: {} ({} of the true class)",
                name(truth),
                name(predicted),
                numbers::count(count),
                numbers::share(count as f64, total)
            );
            // Ten steps of shade keep the file small; the smallest is still visible.
            let level = (share * 9.0).round().clamp(0.0, 9.0) as usize;
            let colour = if truth == predicted { "right" } else { "wrong" };
            let rect = Rect {
                x: left + predicted as f64 * cell,
                y: top + truth as f64 * cell,
                width: (cell - 0.4).max(0.5),
                height: (cell - 0.4).max(0.5),
            };
            canvas.rect(&format!("heat {colour} h{level}"), rect, Some(&title));
        }
    }
    canvas.text("label", (0.0, 16.0), Anchor::Start, "↓ true class");
    canvas.text("label", (side, 16.0), Anchor::End, "predicted class →");
    canvas.chart(message)
}
