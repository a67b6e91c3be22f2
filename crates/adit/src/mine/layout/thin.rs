//! Which rows a picture shows where there are too many.

use std::cmp::Reverse;

use adit_nn::random::mix;

/// Rows that a label keeps if there is room for as many of each.
const LEAST_OF_EACH: usize = 30;

/// At most `most` rows, in ascending order: of every label some, the others by the labels' sizes.
///
/// Each label keeps up to 30 rows, but together these take no more than half of the room. Which rows of a label stay is a
/// hash of seed and row. Where there are more labels than room, the largest keep one row each.
pub fn thinned<L: Copy + Ord>(labels: &[L], most: usize, seed: u64) -> Vec<usize> {
    if labels.len() <= most {
        return (0..labels.len()).collect();
    }
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    rows.sort_unstable_by_key(|&row| (labels[row], mix(seed, row as u64), row));
    let mut groups: Vec<&[usize]> = rows.chunk_by(|a, b| labels[*a] == labels[*b]).collect();
    // Stable, so that of equal sizes the lower label comes first.
    groups.sort_by_key(|group| Reverse(group.len()));
    groups.truncate(most);
    let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let quotas = quotas(&sizes, most);
    let kept = groups
        .iter()
        .zip(&quotas)
        .flat_map(|(group, &n)| &group[..n]);
    let mut kept: Vec<usize> = kept.copied().collect();
    kept.sort_unstable();
    kept
}

/// How many of each group stay; together `most`, or all of them where those are fewer.
fn quotas(sizes: &[usize], most: usize) -> Vec<usize> {
    let least = (most / 2 / sizes.len().max(1)).clamp(1, LEAST_OF_EACH);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| (*size).min(least)).collect();
    let rest: u128 = sizes
        .iter()
        .zip(&quotas)
        .map(|(size, n)| (size - n) as u128)
        .sum();
    let kept: usize = quotas.iter().sum();
    let room = most.saturating_sub(kept).min(rest as usize);
    if room == 0 {
        return quotas;
    }
    // The largest remainders get what rounding down leaves.
    let mut remainders: Vec<(u128, usize)> = Vec::with_capacity(sizes.len());
    for (at, (size, n)) in sizes.iter().zip(&mut quotas).enumerate() {
        let share = room as u128 * (size - *n) as u128;
        *n += (share / rest) as usize;
        remainders.push((share % rest, at));
    }
    let missing = kept + room - quotas.iter().sum::<usize>();
    remainders.sort_by_key(|&(remainder, at)| (Reverse(remainder), at));
    for &(_, at) in remainders.iter().take(missing) {
        quotas[at] += 1;
    }
    quotas
}
