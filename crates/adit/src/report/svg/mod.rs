//! Charts as inline SVG: a small canvas that escapes what it is given, and one module per chart.
//!
//! Colours come from classes of the style sheet, so that one drawing serves light, dark and
//! print. Every chart carries its message as `aria-label`; points carry `<title>` tooltips.

pub(super) mod axes;
pub(super) mod bars;
pub(super) mod calibration;
pub(super) mod curves;
pub(super) mod flow;
pub(super) mod heat;
pub(super) mod interval;
pub(super) mod learning;
pub(super) mod map;
pub(super) mod network;
pub(super) mod scale;
pub(super) mod scatter;
pub(super) mod series;
pub(super) mod timeline;
pub(super) mod tree;

use std::fmt::Write as _;

use super::escape;

/// A point in the drawing, in its own units.
pub(super) type Point = (f64, f64);

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An axis-parallel rectangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A drawing of fixed size; nothing that is not finite is drawn.
pub(super) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        if let (Some(from), Some(to)) = (place(from), place(to)) {
            let _ = write!(
                self.body,
                r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
                from.0, from.1, to.0, to.1
            );
        }
    }

    pub fn rect(&mut self, class: &str, rect: Rect, title: Option<&str>) {
        let (Some(at), Some(size)) = (
            place((rect.x, rect.y)),
            place((rect.width.max(0.0), rect.height.max(0.0))),
        ) else {
            return;
        };
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}""#,
            at.0, at.1, size.0, size.1
        );
        self.close("rect", title);
    }

    pub fn circle(&mut self, class: &str, centre: Point, radius: f64, title: Option<&str>) {
        let Some(centre) = place(centre) else { return };
        let _ = write!(
            self.body,
            r#"<circle class="{class}" cx="{}" cy="{}" r="{}""#,
            centre.0,
            centre.1,
            number(radius)
        );
        self.close("circle", title);
    }

    /// An open line through the points that can be drawn.
    pub fn polyline(&mut self, class: &str, points: &[Point], title: Option<&str>) {
        let path = path_of(points);
        if path.is_empty() {
            return;
        }
        let _ = write!(self.body, r#"<path class="{class}" d="{path}""#);
        self.close("path", title);
    }

    /// The closed shape around the points.
    pub fn area(&mut self, class: &str, points: &[Point]) {
        let path = path_of(points);
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path class="{class}" d="{path}Z"/>"#);
        }
    }

    pub fn text(&mut self, class: &str, at: Point, anchor: Anchor, text: &str) {
        let Some(at) = place(at) else { return };
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{}" y="{}" text-anchor="{anchor}">{}</text>"#,
            at.0,
            at.1,
            escape::html(&escape::shorten(text, 64))
        );
    }

    /// The drawing as an image with the given message, stretched to its box.
    pub fn chart(self, message: &str) -> String {
        format!(
            r#"<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>"#,
            number(self.width),
            number(self.height),
            spoken(message),
            self.body
        )
    }

    /// The drawing at its own size, to stand inside a table cell or a sentence.
    pub fn inline(self, class: &str, message: &str) -> String {
        format!(
            r#"<svg class="{class}" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" aria-label="{}">{}</svg>"#,
            spoken(message),
            self.body,
            w = number(self.width),
            h = number(self.height),
        )
    }

    fn close(&mut self, element: &str, title: Option<&str>) {
        match title {
            None => self.body.push_str("/>"),
            Some(title) => {
                let _ = write!(self.body, "><title>{}</title></{element}>", spoken(title));
            }
        }
    }
}

/// A message or tooltip, escaped; names of any length may stand in it, so it is cut.
fn spoken(message: &str) -> String {
    escape::html(&escape::shorten(message, 300))
}

/// Coordinates with at most two decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_string()
    } else {
        text.to_string()
    }
}

fn place(point: Point) -> Option<(String, String)> {
    (point.0.is_finite() && point.1.is_finite()).then(|| (number(point.0), number(point.1)))
}

fn path_of(points: &[Point]) -> String {
    let mut path = String::new();
    for point in points.iter().filter_map(|point| place(*point)) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", point.0, point.1);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.line("a", (f64::NAN, 0.0), (1.0, 1.0));
        canvas.circle("a", (0.0, f64::INFINITY), 1.0, None);
        canvas.polyline("a", &[(0.0, 0.0), (f64::NAN, 1.0), (2.0, 2.126)], None);
        assert_eq!(canvas.body, r#"<path class="a" d="M0 0L2 2.13"/>"#);
    }

    #[test]
    fn texts_and_titles_are_escaped() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text("t", (1.0, 2.0), Anchor::End, "<b>");
        canvas.rect(
            "r",
            Rect {
                x: 0.0,
                y: 0.0,
                width: 1.0,
                height: 1.0,
            },
            Some("a\"<"),
        );
        let svg = canvas.chart("\"><script>");
        assert!(svg.contains("&lt;b&gt;") && svg.contains("<title>a&quot;&lt;</title>"));
        assert!(svg.contains(r#"aria-label="&quot;&gt;&lt;script&gt;""#));
    }
}
