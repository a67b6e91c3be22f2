//! Sequential patterns as ways that share their beginnings, from left to right.

use std::fmt::Write as _;

use super::super::{escape, numbers};
use crate::explain::Pattern;

/// Ways that are drawn, at most.
const MOST_WAYS: usize = 14;
/// Steps of a way that are drawn, at most.
const MOST_STEPS: usize = 6;
const STEP: f64 = 190.0;
const ROW: f64 = 46.0;
const LEFT: f64 = 8.0;
const TOP: f64 = 14.0;
/// Height of the bar of the most frequent step.
const TALL: f64 = 34.0;
const BAR: f64 = 7.0;
/// Letters of a name, at most.
const LETTERS: usize = 22;

/// A step of one or more ways that agree up to here.
struct Step {
    name: String,
    count: u64,
    parent: Option<usize>,
    depth: usize,
    y: f64,
    is_leaf: bool,
    is_label: bool,
}

/// The first patterns of several steps; `None` without any. Each pattern has its names in `items` and `then`, and how many
/// hold its first steps in `steps`.
pub(in crate::report) fn flow(patterns: &[Pattern], to_label: bool) -> Option<String> {
    let mut steps: Vec<Step> = Vec::new();
    let ways = patterns.iter().filter(|p| p.steps.len() > 1);
    for pattern in ways.take(MOST_WAYS) {
        let names = pattern.items.iter().chain(&pattern.then);
        let n = pattern.steps.len().min(MOST_STEPS);
        let mut parent = None;
        for (depth, (name, &count)) in names.zip(&pattern.steps).take(n).enumerate() {
            let known = steps
                .iter()
                .position(|s| s.parent == parent && s.depth == depth && s.name == *name);
            parent = Some(known.unwrap_or_else(|| {
                steps.push(Step {
                    name: name.clone(),
                    count,
                    parent,
                    depth,
                    y: 0.0,
                    is_leaf: true,
                    is_label: to_label && depth + 1 == pattern.steps.len(),
                });
                steps.len() - 1
            }));
        }
    }
    if steps.is_empty() {
        return None;
    }
    let height = place(&mut steps);
    Some(draw(&steps, height))
}

/// Rows for the ends of ways, and every other step in the middle of those that come of it. Gives the height of it all.
fn place(steps: &mut [Step]) -> f64 {
    for at in 0..steps.len() {
        if let Some(parent) = steps[at].parent {
            steps[parent].is_leaf = false;
        }
    }
    // Depth first, so that lines do not cross.
    let mut row = 0;
    let mut order: Vec<usize> = (0..steps.len())
        .filter(|&k| steps[k].parent.is_none())
        .collect();
    order.reverse();
    while let Some(at) = order.pop() {
        if steps[at].is_leaf {
            steps[at].y = TOP + TALL / 2.0 + ROW * row as f64;
            row += 1;
        }
        let children = (0..steps.len()).rev();
        order.extend(children.filter(|&k| steps[k].parent == Some(at)));
    }
    let deepest = steps.iter().map(|s| s.depth).max().unwrap_or(0);
    for depth in (0..deepest).rev() {
        for at in 0..steps.len() {
            if steps[at].depth == depth && !steps[at].is_leaf {
                let own = steps.iter().filter(|s| s.parent == Some(at)).map(|s| s.y);
                let (low, high) = own.fold((f64::MAX, f64::MIN), |(low, high), y| {
                    (low.min(y), high.max(y))
                });
                steps[at].y = (low + high) / 2.0;
            }
        }
    }
    TOP * 2.0 + TALL + ROW * (row.max(1) - 1) as f64
}

fn draw(steps: &[Step], height: f64) -> String {
    let most = steps.iter().map(|s| s.count).max().unwrap_or(1).max(1) as f64;
    let deepest = steps.iter().map(|s| s.depth).max().unwrap_or(0);
    let width = LEFT * 2.0 + STEP * (deepest + 1) as f64;
    let x = |step: &Step| LEFT + STEP * step.depth as f64;
    let tall = |count: u64| (TALL * count as f64 / most).max(1.5);
    let n_ways = steps.iter().filter(|s| s.is_leaf).count();
    let mut out = format!(
        "<svg class=\"flow\" viewBox=\"0 0 {width:.0} {height:.0}\" style=\"max-width:{width:.0}px\" role=\"img\" aria-label=\"{n_ways} ways of steps, \
         from left to right; a bar is as tall as many sequences hold the steps so far\">"
    );
    for step in steps {
        let Some(parent) = step.parent.map(|at| &steps[at]) else {
            continue;
        };
        let (x1, x2) = (x(parent) + BAR, x(step));
        let middle = (x1 + x2) / 2.0;
        let (y1, y2) = (parent.y, step.y);
        let _ = write!(
            out,
            "<path d=\"M{x1:.1} {y1:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}\" stroke-width=\"{:.2}\">\
             <title>{} then {}: {} of {}</title></path>",
            tall(step.count),
            escape::html(&parent.name),
            escape::html(&step.name),
            numbers::count(step.count),
            numbers::count(parent.count),
        );
    }
    for step in steps {
        let tall = tall(step.count);
        let class = if step.is_label { " class=\"end\"" } else { "" };
        let _ = write!(
            out,
            "<rect{class} x=\"{:.1}\" y=\"{:.1}\" width=\"{BAR}\" height=\"{tall:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"n\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x(step),
            step.y - tall / 2.0,
            x(step) + BAR + 5.0,
            step.y - 1.0,
            escape::html(&escape::shorten(&step.name, LETTERS)),
            x(step) + BAR + 5.0,
            step.y + 13.0,
            numbers::count(step.count),
        );
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::share_estimate;

    fn pattern(names: &[&str], then: Option<&str>, steps: &[u64]) -> Pattern {
        Pattern {
            items: names.iter().map(|n| n.to_string()).collect(),
            then: then.map(String::from),
            elements: Vec::new(),
            steps: steps.to_vec(),
            words: String::new(),
            count: 1,
            support: share_estimate(1, 10),
            measures: None,
            p_value: None,
            also: Vec::new(),
        }
    }

    #[test]
    fn ways_share_their_beginnings() {
        let patterns = [
            pattern(&["a", "b"], Some("c<"), &[90, 50, 20]),
            pattern(&["a", "b"], Some("d"), &[90, 50, 10]),
            pattern(&["x"], Some("d"), &[30, 10]),
            pattern(&["y"], None, &[10]),
        ];
        let drawn = flow(&patterns, false).unwrap();
        // a, b, c, d and x, d: six bars, four lines between them.
        assert_eq!(drawn.matches("<rect").count(), 6);
        assert_eq!(drawn.matches("<path").count(), 4);
        assert!(drawn.contains("b then c&lt;: 20 of 50"), "{drawn}");
        assert!(flow(&patterns[3..], false).is_none());
    }
}
