//! Strange rows that are one finding: alike, or one after another with the same column to blame.

use super::anomaly_reasons::Explained;
use super::points::LoadedPoints;
use super::{Context, RunError};
use crate::mine::neighbours::Neighbours;
use crate::prepare::Values;
use crate::represent::points::Points;

/// Other strange rows that each is compared with.
const NEAREST: usize = 10;
/// Rows are alike where they are nearer to each other than this share of the way to the nearest normal row.
const ALIKE: f64 = 0.5;

/// Strange rows that are told together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// Places among the flagged rows, the strangest first.
    pub members: Vec<usize>,
    /// Why they are together; absent where there is one.
    pub together: Option<&'static str>,
}

/// Puts flagged rows together; the groups with the strangest member first. `flagged` are rows, and of each there is a
/// point, a score and what explains it.
///
/// # Errors
/// `Interrupted`.
pub(super) fn groups(
    loaded: &LoadedPoints,
    flagged: &[usize],
    points: Points,
    scores: &[f64],
    explained: &[Explained],
    context: &Context,
) -> Result<Vec<Group>, RunError> {
    let mut together = Together::new(flagged.len());
    let goes_on = |_: usize, _: usize| !context.watch.cancelled();
    if flagged.len() > 1 {
        let k = NEAREST.min(flagged.len() - 1);
        let near = Neighbours { k }.exact(points, None, &goes_on)?;
        for at in 0..flagged.len() {
            let (others, distances) = near.of(at);
            for (&other, &distance) in others.iter().zip(distances) {
                let reach = explained[at]
                    .distance
                    .min(explained[other as usize].distance);
                if f64::from(distance) <= ALIKE * f64::from(reach) {
                    together.join(at, other as usize);
                }
            }
        }
    }
    let alike = together.clone();
    for (a, b) in following(loaded, flagged) {
        if explained[a].main().is_some() && explained[a].main() == explained[b].main() {
            together.join(a, b);
        }
    }
    Ok(together.groups(scores, &alike))
}

/// Pairs of flagged rows that are next to each other in time, where the rows have a time.
fn following(loaded: &LoadedPoints, flagged: &[usize]) -> Vec<(usize, usize)> {
    let mut columns = loaded.rows.columns.iter();
    let times = columns.find_map(|column| match &column.values {
        Values::Times(times) if loaded.of == "rows" => Some(times),
        _ => None,
    });
    let Some(times) = times else {
        return Vec::new();
    };
    let mut order: Vec<usize> = (0..times.len())
        .filter(|&row| times[row].is_some())
        .collect();
    order.sort_by_key(|&row| (times[row], row));
    let mut place_of = vec![None; times.len()];
    for (at, &row) in flagged.iter().enumerate() {
        place_of[row] = Some(at);
    }
    let pair = |pair: &[usize]| Some((place_of[pair[0]]?, place_of[pair[1]]?));
    order.windows(2).filter_map(pair).collect()
}

/// Things that are joined step by step.
#[derive(Clone, Debug)]
struct Together {
    parent: Vec<usize>,
}

impl Together {
    fn new(n: usize) -> Together {
        Together {
            parent: (0..n).collect(),
        }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The lower one leads, so that the order of joins changes nothing.
        self.parent[a.max(b)] = a.min(b);
    }

    /// The groups; `alike` says which were together before rows that follow each other were.
    fn groups(mut self, scores: &[f64], alike: &Together) -> Vec<Group> {
        let mut alike = alike.clone();
        let n = self.parent.len();
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); n];
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let mut leaders = Vec::new();
        for at in order {
            let root = self.root(at);
            if members[root].is_empty() {
                leaders.push(root);
            }
            members[root].push(at);
        }
        let group = |root: usize| {
            let members = std::mem::take(&mut members[root]);
            let first = alike.root(members[0]);
            let together = if members.len() < 2 {
                None
            } else if members.iter().all(|&at| alike.root(at) == first) {
                Some("alike")
            } else {
                Some("in a row")
            };
            Group { members, together }
        };
        leaders.into_iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_by_their_strangest_member() {
        let mut alike = Together::new(6);
        alike.join(3, 1);
        alike.join(5, 3);
        let mut together = alike.clone();
        together.join(0, 4);
        let groups = together.groups(&[0.1, 0.9, 0.95, 0.2, 0.3, 0.91], &alike);
        let told: Vec<(Vec<usize>, Option<&str>)> = groups
            .into_iter()
            .map(|g| (g.members, g.together))
            .collect();
        let expected = vec![
            (vec![2], None),
            (vec![5, 1, 3], Some("alike")),
            (vec![4, 0], Some("in a row")),
        ];
        assert_eq!(told, expected);
    }
}
