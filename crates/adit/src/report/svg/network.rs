//! Rules as lines between their items, which lie on a circle.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::super::escape;
use crate::explain::Pattern;

/// Items on the circle, at most.
const MOST_ITEMS: usize = 20;
/// Rules that are drawn, at most: more are a ball of wool.
const MOST_RULES: usize = 40;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 560.0;
const RADIUS: f64 = 215.0;
/// Letters of a name, at most.
const LETTERS: usize = 24;

/// The first rules whose items find room; `None` without any.
pub(in crate::report) fn network(patterns: &[Pattern]) -> Option<String> {
    let mut place_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut lines: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for pattern in patterns.iter().take(MOST_RULES) {
        let (Some(then), Some(measures)) = (&pattern.then, &pattern.measures) else {
            continue;
        };
        let items: Vec<&str> = pattern
            .items
            .iter()
            .chain([then])
            .map(String::as_str)
            .collect();
        let n_new = items
            .iter()
            .filter(|item| !place_of.contains_key(*item))
            .count();
        if names.len() + n_new > MOST_ITEMS {
            continue;
        }
        for item in items {
            place_of.entry(item).or_insert_with(|| {
                names.push(item);
                names.len() - 1
            });
        }
        let to = place_of[then.as_str()];
        for item in &pattern.items {
            let lift = lines.entry((place_of[item.as_str()], to)).or_insert(0.0);
            *lift = lift.max(measures.lift.value);
        }
    }
    if lines.is_empty() {
        return None;
    }
    Some(draw(&names, &lines))
}

fn draw(names: &[&str], lines: &BTreeMap<(usize, usize), f64>) -> String {
    let (cx, cy) = (WIDTH / 2.0, HEIGHT / 2.0);
    let angle = |k: usize| TAU * (k as f64 + 0.5) / names.len() as f64 - TAU / 4.0;
    let at = |k: usize, r: f64| (cx + r * angle(k).cos(), cy + r * angle(k).sin());
    let most = lines
        .values()
        .copied()
        .fold(1.0f64, f64::max)
        .ln()
        .max(1e-9);
    let mut out = format!(
        "<svg class=\"net\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Rules as lines between {} items\">\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8Z\"/></marker></defs>",
        names.len()
    );
    for (&(from, to), &lift) in lines {
        let (x1, y1) = at(from, RADIUS - 6.0);
        let (x2, y2) = at(to, RADIUS - 8.0);
        // Through a point near the middle, so that neighbours are not joined along the rim.
        let (mx, my) = ((x1 + x2 + cx) / 3.0, (y1 + y2 + cy) / 3.0);
        let width = 1.0 + 3.0 * (lift.max(1.0).ln() / most);
        let _ = write!(
            out,
            "<path d=\"M{x1:.1} {y1:.1}Q{mx:.1} {my:.1} {x2:.1} {y2:.1}\" stroke-width=\"{width:.2}\" \
             marker-end=\"url(#tip)\"><title>{} to {}: lift {lift:.2}</title></path>",
            escape::html(names[from]),
            escape::html(names[to])
        );
    }
    for (k, name) in names.iter().enumerate() {
        let (x, y) = at(k, RADIUS);
        let (tx, ty) = at(k, RADIUS + 10.0);
        let anchor = match angle(k).cos() {
            c if c > 0.15 => "start",
            c if c < -0.15 => "end",
            _ => "middle",
        };
        let ty = ty + 4.0 + 7.0 * angle(k).sin();
        let _ = write!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/><text x=\"{tx:.1}\" y=\"{ty:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape::html(&escape::shorten(name, LETTERS))
        );
    }
    out.push_str("</svg>");
    out
}
