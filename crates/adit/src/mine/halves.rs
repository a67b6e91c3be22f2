//! Two halves of the data: one to search, one to test on.

use std::collections::HashSet;

use adit_nn::random::mix;

/// Two halves, drawn by a hash; what has one unit stays together.
pub(super) fn halves(n: usize, unit: Option<&[u64]>, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut units: Vec<u64> = match unit {
        Some(unit) => unit.to_vec(),
        None => (0..n as u64).collect(),
    };
    units.sort_unstable();
    units.dedup();
    units.sort_by_key(|&u| (mix(seed ^ 0x5eed, u), u));
    let first: HashSet<u64> = units[..units.len().div_ceil(2)].iter().copied().collect();
    let is_first = |&at: &usize| first.contains(&unit.map_or(at as u64, |unit| unit[at]));
    (0..n).partition(is_first)
}
