//! Whether elements in order hold a pattern.

/// How far apart the elements of a pattern may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Elements from one of the pattern to its next, at most: 1 is the very next.
    pub gap: Option<usize>,
    /// Elements from the first of the pattern to its last, at most.
    pub window: Option<usize>,
}

impl Limits {
    /// True without any.
    pub fn are_none(&self) -> bool {
        self.gap.is_none() && self.window.is_none()
    }
}

/// Whether an element holds all sorted items of another one.
pub(super) fn contains(element: &[u32], items: &[u32]) -> bool {
    items.iter().all(|item| element.binary_search(item).is_ok())
}

/// Whether elements hold a pattern. `matching` has for every element of a sequence, in order, which elements of the
/// pattern it holds, as bits; `begins` is memory to work with.
pub(super) fn holds(
    matching: impl Iterator<Item = u32>,
    n_elements: usize,
    limits: &Limits,
    begins: &mut Vec<(i64, i64)>,
) -> bool {
    if limits.are_none() {
        // The first place of each is enough.
        let mut done = 0;
        for mask in matching {
            done += usize::from(done < n_elements && mask >> done & 1 == 1);
        }
        return done == n_elements;
    }
    if limits.window.is_none() {
        // The last place of each is enough.
        return within_gap(matching, n_elements, limits, begins);
    }
    let (gap, window) = (as_limit(limits.gap), as_limit(limits.window));
    // For every part of the pattern from its first element on: the places at which it ends, each with the latest at which
    // it can have begun.
    let mut ways: Vec<Vec<(i64, i64)>> = vec![Vec::new(); n_elements];
    for (at, mask) in (0i64..).zip(matching) {
        for k in (0..n_elements).rev() {
            if mask >> k & 1 == 0 {
                continue;
            }
            let begin = match k.checked_sub(1) {
                None => Some(at),
                // Ends ascend, so those that are near enough come last.
                Some(before) => (ways[before].iter().rev())
                    .take_while(|(end, _)| at - end <= gap.min(window))
                    .filter(|(_, begin)| at - begin <= window)
                    .map(|(_, begin)| *begin)
                    .max(),
            };
            if let Some(begin) = begin {
                if k + 1 == n_elements {
                    return true;
                }
                ways[k].push((at, begin));
            }
        }
    }
    false
}

fn as_limit(limit: Option<usize>) -> i64 {
    limit.map_or(i64::MAX, |limit| limit as i64)
}

fn within_gap(
    matching: impl Iterator<Item = u32>,
    n_elements: usize,
    limits: &Limits,
    ends: &mut Vec<(i64, i64)>,
) -> bool {
    let gap = as_limit(limits.gap);
    ends.clear();
    ends.resize(n_elements, (i64::MIN, 0));
    for (at, mask) in (0i64..).zip(matching) {
        for k in (0..n_elements).rev() {
            if mask >> k & 1 == 0 {
                continue;
            }
            let follows = match k.checked_sub(1) {
                None => true,
                Some(before) => {
                    let end = ends[before].0;
                    end != i64::MIN && at - end <= gap
                }
            };
            if follows {
                if k + 1 == n_elements {
                    return true;
                }
                ends[k].0 = at;
            }
        }
    }
    false
}
