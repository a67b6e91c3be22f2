//! The events of one history in time, each as large as what it did to the score.

use super::{Anchor, Canvas};
use crate::explain::ExplainedEvent;
use crate::report::numbers;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 92.0;
const LEFT: f64 = 14.0;
const MIDDLE: f64 = 40.0;
/// Radius of the event with the largest effect, and of one without any.
const LARGEST: f64 = 11.0;
const SMALLEST: f64 = 1.6;
/// Height of the line to an event.
const RISE: f64 = 24.0;

/// Events along a line: those that raised the score above it, those that lowered it below.
pub(in crate::report) fn timeline(events: &[ExplainedEvent], message: &str) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let x = |event: &ExplainedEvent| LEFT + event.place * (WIDTH - 2.0 * LEFT);
    canvas.line("axis", (LEFT, MIDDLE), (WIDTH - LEFT, MIDDLE));
    let most = (events.iter().map(|event| event.occlusion.abs()))
        .filter(|effect| effect.is_finite())
        .fold(0.0, f64::max);
    // The largest last, so that they lie above the others.
    let mut order: Vec<&ExplainedEvent> = events.iter().collect();
    order.sort_by(|a, b| a.occlusion.abs().total_cmp(&b.occlusion.abs()));
    for event in order {
        let share = if most > 0.0 {
            event.occlusion / most
        } else {
            0.0
        };
        let class = match share {
            s if s > 0.05 => "raises",
            s if s < -0.05 => "lowers",
            _ => "still",
        };
        let y = MIDDLE - share * RISE;
        let radius = SMALLEST + (LARGEST - SMALLEST) * share.abs().sqrt();
        let sign = if event.occlusion < 0.0 { "−" } else { "+" };
        let title = format!(
            "{}: {} ({sign}{})",
            event.at,
            event.words,
            numbers::plain(event.occlusion.abs())
        );
        canvas.line("grid", (x(event), MIDDLE), (x(event), y));
        canvas.circle(class, (x(event), y), radius, Some(&title));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last()) {
        canvas.text("tick", (LEFT, HEIGHT - 6.0), Anchor::Start, &first.at);
        let at = (WIDTH - LEFT, HEIGHT - 6.0);
        canvas.text("tick", at, Anchor::End, &last.at);
    }
    canvas.chart(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_drawn_on_its_side() {
        let event = |place: f64, occlusion: f64| ExplainedEvent {
            at: format!("day {place}"),
            place,
            words: "kind = <late>".into(),
            occlusion,
            attribution: 0.0,
        };
        let drawn = timeline(&[event(0.0, 1.0), event(0.5, -0.5), event(1.0, 0.0)], "m");
        for (class, n) in [("raises", 1), ("lowers", 1), ("still", 1)] {
            assert_eq!(drawn.matches(&format!("class=\"{class}\"")).count(), n);
        }
        assert!(drawn.contains("&lt;late&gt;") && !drawn.contains("<late>"));
        assert!(timeline(&[event(f64::NAN, f64::NAN)], "m").contains("svg"));
    }
}
