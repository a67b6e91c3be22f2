//! Random parts that keep entities whole.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::prepare::text::{normalise_text, number_name};
use crate::prepare::{PrepareError, Role, Rows, Values, molecule};

/// Rows of each entity, in the order in which entities first appear; a row without one stands alone.
pub(super) fn groups(rows: &Rows, name: &str) -> Result<Vec<Vec<usize>>, PrepareError> {
    let column = super::by_time::column(rows, name, "split by entity")?;
    let key = |row: usize| match &column.values {
        Values::Strings(values) if column.role == Role::Molecule => {
            molecule::scaffold(values[row].as_deref().unwrap_or_default())
        }
        Values::Numbers(values) => number_name(values[row]),
        Values::Strings(values) => normalise_text(values[row].as_deref().unwrap_or_default()),
        Values::Times(values) => values[row].map(|time| time.to_string()).unwrap_or_default(),
        Values::Histories(cells) => format!("{:?}", cells.spans[row]),
    };
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..rows.n_rows() {
        if column.values.is_missing(row) {
            groups.push(vec![row]);
            continue;
        }
        let place = *places.entry(key(row)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    Ok(groups)
}

/// A number a row that tells its entity, in the order of `among`.
///
/// # Errors
/// An unknown column.
pub fn group_ids(rows: &Rows, column: &str, among: &[usize]) -> Result<Vec<u64>, PrepareError> {
    let mut of_row = vec![0u64; rows.n_rows()];
    for (id, group) in groups(rows, column)?.into_iter().enumerate() {
        group.into_iter().for_each(|row| of_row[row] = id as u64);
    }
    Ok(among.iter().map(|&row| of_row[row]).collect())
}

/// Draws whole groups until about `fraction` of the rows are drawn; one group is drawn at least
/// and `keep` groups are left.
pub(super) fn part(
    groups: Vec<Vec<usize>>,
    fraction: f64,
    seed: u64,
    keep: usize,
) -> (Vec<Vec<usize>>, Vec<usize>) {
    let n: usize = groups.iter().map(Vec::len).sum();
    let wanted = n as f64 * fraction;
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut drawn = vec![false; groups.len()];
    let mut rows = 0;
    let mut left = groups.len();
    for group in order {
        let size = groups[group].len();
        // A group is taken if that brings the part nearer to its share; the first that fits opens it.
        let nearer = (rows + size) as f64 - wanted <= wanted - rows as f64;
        if left > keep && nearer {
            drawn[group] = true;
            rows += size;
            left -= 1;
        }
    }
    if rows == 0 {
        // Every group is larger than twice the share: the smallest comes nearest.
        let smallest = (0..groups.len()).min_by_key(|&group| groups[group].len());
        if let Some(group) = smallest.filter(|_| left > keep) {
            drawn[group] = true;
        }
    }
    let mut rest = Vec::new();
    let mut part = Vec::new();
    for (group, drawn) in groups.into_iter().zip(drawn) {
        if drawn {
            part.extend(group);
        } else {
            rest.push(group);
        }
    }
    (rest, part)
}
