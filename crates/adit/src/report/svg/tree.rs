//! Clusters that come together, as a tree from left to right.

use super::{Anchor, Canvas};
use crate::explain::Merge;

const WIDTH: f64 = 720.0;
const LINE: f64 = 22.0;
const NAMES: f64 = 330.0;

/// `names` of the clusters in their order; `merges` of two at a time, the nearest first. `None` where there is nothing
/// to draw.
pub(in crate::report) fn tree(names: &[String], merges: &[Merge]) -> Option<String> {
    let n = names.len();
    if n < 3 || merges.len() + 1 != n {
        return None;
    }
    let order = leaves(n, merges);
    let mut place = vec![(0.0, 0.0); n + merges.len()];
    for (line, &leaf) in order.iter().enumerate() {
        place[leaf] = (NAMES, (line as f64 + 0.7) * LINE);
    }
    let mut canvas = Canvas::new(WIDTH, (n as f64 + 0.4) * LINE);
    for (at, name) in names.iter().enumerate() {
        let (x, y) = place[at];
        let text = format!("{} · {name}", at + 1);
        let shown = crate::report::escape::shorten(&text, 46);
        canvas.text("label", (x - 8.0, y + 4.0), Anchor::End, &shown);
    }
    for (at, merge) in merges.iter().enumerate() {
        let (first, second) = (merge.first as usize - 1, merge.second as usize - 1);
        let (a, b) = (*place.get(first)?, *place.get(second)?);
        let x = NAMES + 12.0 + merge.height.clamp(0.0, 1.0) * (WIDTH - NAMES - 24.0);
        canvas.polyline("branch", &[a, (x, a.1), (x, b.1), b], None);
        place[n + at] = (x, (a.1 + b.1) / 2.0);
    }
    Some(canvas.chart("Clusters joined from the nearest two on"))
}

/// Clusters in an order in which no branches cross.
fn leaves(n: usize, merges: &[Merge]) -> Vec<usize> {
    let mut order = Vec::with_capacity(n);
    let mut open = vec![n + merges.len() - 1];
    while let Some(at) = open.pop() {
        match at.checked_sub(n).and_then(|merge| merges.get(merge)) {
            Some(merge) => {
                let parts = [merge.second as usize - 1, merge.first as usize - 1];
                // A merge joins what was there before it; anything else is damage.
                open.extend(parts.into_iter().filter(|part| *part < at));
            }
            None => order.push(at),
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(first: u64, second: u64, height: f64) -> Merge {
        Merge {
            first,
            second,
            height,
        }
    }

    #[test]
    fn branches_do_not_cross() {
        let merges = [merge(1, 4, 0.2), merge(2, 3, 0.5), merge(5, 6, 1.0)];
        assert_eq!(leaves(4, &merges), [0, 3, 1, 2]);
        let names = ["a", "b", "<c>", "d"].map(String::from);
        let svg = tree(&names, &merges).expect("a tree");
        assert_eq!(svg.matches("class=\"branch\"").count(), 3);
        assert!(svg.contains("3 · &lt;c&gt;"));
        assert!(tree(&names, &merges[..2]).is_none());
    }
}
