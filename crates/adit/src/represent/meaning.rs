//! Items grouped by what their names mean.
//!
//! Enters: names and vectors of a text encoder. Leaves: groups of items. Not here: whether a group says anything of baskets.

/// Items that are compared with each other, at most; the first ones.
pub const MOST_ITEMS: usize = 3_000;

/// Whether a name has anything that could mean something.
pub fn has_words(name: &str) -> bool {
    name.chars().filter(|c| c.is_alphabetic()).count() >= 2
}

/// Groups of two items or more whose mean cosine to each other is at least `likeness`: average linkage, cut there. Only
/// items of one `column` come together. Places in each group ascend; groups are ordered by their first.
///
/// `vectors`: row-major `[n_items, width]`, of length 1 or 0; `column`: `[n_items]`.
pub fn groups(vectors: &[f32], width: usize, column: &[u32], likeness: f32) -> Vec<Vec<usize>> {
    let n = column.len().min(MOST_ITEMS);
    let row = |at: usize| &vectors[at * width..(at + 1) * width];
    let mut like = vec![f32::NEG_INFINITY; n * n];
    for a in 0..n {
        for b in a + 1..n {
            if column[a] == column[b] {
                let cosine: f32 = row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum();
                (like[a * n + b], like[b * n + a]) = (cosine, cosine);
            }
        }
    }
    // A chain of nearest neighbours: two that are nearest to each other are merged whatever else is near
    // (Murtagh 1983), which gives the same tree as always merging the nearest of all.
    let mut members: Vec<Vec<usize>> = (0..n).map(|at| vec![at]).collect();
    let mut is_there = vec![true; n];
    let mut chain: Vec<usize> = Vec::new();
    let mut first = 0;
    loop {
        let last = match chain.last() {
            Some(&last) => last,
            None => {
                while first < n && !is_there[first] {
                    first += 1;
                }
                if first == n {
                    break;
                }
                chain.push(first);
                first
            }
        };
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        // Of equally near ones the one that it came from, then the first.
        let mut best = before.map(|b| (like[last * n + b], b));
        for other in (0..n).filter(|&o| is_there[o] && o != last) {
            let near = like[last * n + other];
            if best.is_none_or(|(known, _)| near > known) {
                best = Some((near, other));
            }
        }
        match best {
            Some((near, other)) if near >= likeness => {
                if before == Some(other) {
                    chain.truncate(chain.len() - 2);
                    merge(&mut like, n, &mut members, &mut is_there, (last, other));
                } else {
                    chain.push(other);
                }
            }
            // Nothing near enough will ever come to it: all that is left is farther from it than this.
            _ => {
                is_there[last] = false;
                chain.pop();
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = members.into_iter().filter(|m| m.len() > 1).collect();
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    groups
}

/// Makes one group of two, under the smaller place.
fn merge(
    like: &mut [f32],
    n: usize,
    members: &mut [Vec<usize>],
    is_there: &mut [bool],
    (a, b): (usize, usize),
) {
    let (keep, gone) = (a.min(b), a.max(b));
    let (of_keep, of_gone) = (members[keep].len() as f32, members[gone].len() as f32);
    for other in (0..n).filter(|&o| is_there[o] && o != keep && o != gone) {
        let mean = (of_keep * like[keep * n + other] + of_gone * like[gone * n + other])
            / (of_keep + of_gone);
        (like[keep * n + other], like[other * n + keep]) = (mean, mean);
    }
    is_there[gone] = false;
    let moved = std::mem::take(&mut members[gone]);
    members[keep].extend(moved);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The nearest two of all, again and again.
    fn by_looking_at_all(
        vectors: &[f32],
        width: usize,
        column: &[u32],
        least: f32,
    ) -> Vec<Vec<usize>> {
        let dot = |a: usize, b: usize| -> f32 {
            (0..width)
                .map(|k| vectors[a * width + k] * vectors[b * width + k])
                .sum()
        };
        let mut groups: Vec<Vec<usize>> = (0..column.len()).map(|at| vec![at]).collect();
        loop {
            let mut best: Option<(f32, usize, usize)> = None;
            for a in 0..groups.len() {
                for b in a + 1..groups.len() {
                    if column[groups[a][0]] != column[groups[b][0]] {
                        continue;
                    }
                    let pairs = groups[a]
                        .iter()
                        .flat_map(|&x| groups[b].iter().map(move |&y| (x, y)));
                    let sum: f32 = pairs.map(|(x, y)| dot(x, y)).sum();
                    let mean = sum / (groups[a].len() * groups[b].len()) as f32;
                    if best.is_none_or(|(known, ..)| mean > known) {
                        best = Some((mean, a, b));
                    }
                }
            }
            match best {
                Some((mean, a, b)) if mean >= least => {
                    let moved = groups.remove(b);
                    groups[a].extend(moved);
                }
                _ => break,
            }
        }
        groups.retain(|group| group.len() > 1);
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.sort_unstable();
        groups
    }

    #[test]
    fn groups_are_those_of_always_merging_the_nearest() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..300 {
            let (n, width) = (rng.random_range(0..25), 4);
            let mut vectors = Vec::new();
            for _ in 0..n {
                let v: Vec<f32> = (0..width)
                    .map(|_| rng.random::<f32>() * 2.0 - 1.0)
                    .collect();
                let size = v.iter().map(|x| x * x).sum::<f32>().sqrt();
                vectors.extend(v.iter().map(|x| x / size));
            }
            let column: Vec<u32> = (0..n).map(|_| rng.random_range(0..2 - round % 2)).collect();
            let least = rng.random_range(-0.2..0.95);
            assert_eq!(
                groups(&vectors, width, &column, least),
                by_looking_at_all(&vectors, width, &column, least),
                "{round}"
            );
        }
    }

    #[test]
    fn numbers_have_no_meaning() {
        assert!(has_words("whole milk") && has_words("寿司"));
        assert!(!has_words("4711") && !has_words("7 x"));
    }
}
