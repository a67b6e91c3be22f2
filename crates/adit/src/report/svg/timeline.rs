//! How the score of one history went as its events came.

use super::{Anchor, Canvas, Point};
use crate::explain::ExplainedHistory;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 118.0;
/// Radius of the event with the largest change, and of one without any.
const LARGEST: f64 = 9.0;
const SMALLEST: f64 = 1.8;

/// The output after each event, in time: events that raised it orange, those that lowered it blue; `say` puts an output in
/// words.
pub(in crate::report) fn timeline(
    history: &ExplainedHistory,
    say: &dyn Fn(f64) -> String,
    message: &str,
) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let outputs = || history.events.iter().map(|event| event.after);
    let (low, high) = outputs()
        .chain([history.before])
        .filter(|output| output.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
    let span = if high > low { high - low } else { 1.0 };
    let y = |output: f64| BOTTOM - (output - low) / span * (BOTTOM - TOP);
    let x = |place: f64| LEFT + place * (WIDTH - LEFT - RIGHT);
    for output in [low, high] {
        canvas.line("grid", (LEFT, y(output)), (WIDTH - RIGHT, y(output)));
        let at = (LEFT - 8.0, y(output) + 4.0);
        canvas.text("tick", at, Anchor::End, &say(output));
    }
    let mut path: Vec<Point> = vec![(x(0.0), y(history.before))];
    let mut last = history.before;
    let mut dots = Vec::new();
    for event in &history.events {
        // The score stays until the event comes.
        path.push((x(event.place), y(last)));
        path.push((x(event.place), y(event.after)));
        dots.push((event, event.after - last));
        last = event.after;
    }
    canvas.polyline("course", &path, None);
    let most = (dots.iter().map(|(_, change)| change.abs()))
        .filter(|change| change.is_finite())
        .fold(0.0, f64::max);
    // The largest last, so that they lie above the others.
    dots.sort_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    for (event, change) in dots {
        let share = if most > 0.0 { change / most } else { 0.0 };
        let class = match share {
            s if s > 0.1 => "raises",
            s if s < -0.1 => "lowers",
            _ => "still",
        };
        let radius = SMALLEST + (LARGEST - SMALLEST) * share.abs().sqrt();
        let title = format!("{}: {} ({})", event.at, event.words, say(event.after));
        canvas.circle(
            class,
            (x(event.place), y(event.after)),
            radius,
            Some(&title),
        );
    }
    if let (Some(first), Some(last)) = (history.events.first(), history.events.last()) {
        canvas.text("tick", (LEFT, HEIGHT - 8.0), Anchor::Start, &first.at);
        let at = (WIDTH - RIGHT, HEIGHT - 8.0);
        canvas.text("tick", at, Anchor::End, &last.at);
    }
    canvas.chart(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::ExplainedEvent;

    #[test]
    fn every_event_is_drawn_by_what_it_did() {
        let event = |place: f64, after: f64| ExplainedEvent {
            at: format!("day {place}"),
            place,
            words: "kind = <late>".into(),
            after,
            occlusion: 0.0,
            attribution: 0.0,
        };
        let history = |events: Vec<ExplainedEvent>| ExplainedHistory {
            row: 1,
            entity: "x".into(),
            truth: "yes".into(),
            output: 1.0,
            before: 0.0,
            baseline: 0.0,
            events,
        };
        let say = |output: f64| format!("<{output}>");
        let events = vec![event(0.0, 1.0), event(0.5, 0.5), event(1.0, 0.5)];
        let drawn = timeline(&history(events), &say, "m");
        for (class, n) in [("raises", 1), ("lowers", 1), ("still", 1)] {
            assert_eq!(drawn.matches(&format!("class=\"{class}\"")).count(), n);
        }
        assert!(drawn.contains("&lt;late&gt;") && !drawn.contains("<late>"));
        let odd = history(vec![event(f64::NAN, f64::NAN)]);
        assert!(timeline(&odd, &say, "m").contains("svg"));
    }
}
