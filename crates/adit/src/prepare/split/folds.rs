//! Folds of cross-validation: every row is held out once a repeat.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{by_group, stratified, stream};
use crate::prepare::target::class_cells;
use crate::prepare::{PrepareError, Rows, Task};

/// Seeds of folds begin here, away from those of the test and validation parts.
const STREAM: u64 = 16;

/// One way to part rows into those that are learned from and those that are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
}

/// How often rows are folded, and into how many parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldSettings<'a> {
    /// Parts, at least 2.
    pub folds: usize,
    /// How often all rows are dealt anew, at least 1.
    pub repeats: usize,
    pub seed: u64,
    /// Column whose values stay whole in one part.
    pub group: Option<&'a str>,
}

/// Folds of the rows `among`, repeat by repeat; each part holds every class's share to within one row,
/// or whole entities. Fewer folds than asked for where a class or the entities are too few.
///
/// # Errors
/// An unknown column; a target that cannot be read.
pub fn folds(
    rows: &Rows,
    task: Task,
    among: &[usize],
    settings: &FoldSettings,
) -> Result<Vec<Fold>, PrepareError> {
    let units = units(rows, task, among, settings.group)?;
    let n_folds = settings.folds.clamp(2, units.most_folds().max(2));
    let mut all = Vec::with_capacity(n_folds * settings.repeats);
    for repeat in 0..settings.repeats.max(1) {
        let seed = stream(settings.seed, STREAM + repeat as u64);
        let mut parts = match &units {
            Units::Strata(strata) => deal(strata, n_folds, seed),
            Units::Groups(groups) => pack(groups, n_folds, seed),
        };
        parts.retain(|part| !part.is_empty());
        for held in 0..parts.len() {
            let mut train: Vec<usize> = (parts.iter().enumerate())
                .filter(|(at, _)| *at != held)
                .flat_map(|(_, part)| part.iter().copied())
                .collect();
            train.sort_unstable();
            let mut validation = parts[held].clone();
            validation.sort_unstable();
            all.push(Fold { train, validation });
        }
    }
    Ok(all)
}

/// What is dealt to the parts.
enum Units {
    Strata(Vec<Vec<usize>>),
    Groups(Vec<Vec<usize>>),
}

impl Units {
    fn most_folds(&self) -> usize {
        match self {
            Units::Strata(strata) => strata.iter().map(Vec::len).sum(),
            Units::Groups(groups) => groups.len(),
        }
    }
}

fn units(
    rows: &Rows,
    task: Task,
    among: &[usize],
    group: Option<&str>,
) -> Result<Units, PrepareError> {
    let mut is_among = vec![false; rows.n_rows()];
    among.iter().for_each(|&row| is_among[row] = true);
    let kept = |parts: Vec<Vec<usize>>| -> Vec<Vec<usize>> {
        let kept = parts.into_iter().map(|part| {
            let rows = part.into_iter().filter(|&row| is_among[row]);
            rows.collect::<Vec<_>>()
        });
        kept.filter(|part| !part.is_empty()).collect()
    };
    if let Some(column) = group {
        return Ok(Units::Groups(kept(by_group::groups(rows, column)?)));
    }
    match (task, rows.target()) {
        (Task::Classify, Some(target)) => {
            let cells = class_cells(target, among)?;
            let strata = stratified::strata(&cells).into_iter();
            let places = strata.map(|part| part.into_iter().map(|at| among[at]).collect());
            Ok(Units::Strata(places.collect()))
        }
        _ => Ok(Units::Strata(vec![among.to_vec()])),
    }
}

/// Deals each stratum out in turn, going on from part to part, so that small classes do not all fall
/// into the first.
fn deal(strata: &[Vec<usize>], n_folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = vec![Vec::new(); n_folds];
    let mut next = 0;
    for stratum in strata {
        let mut rows = stratum.clone();
        rows.shuffle(&mut rng);
        for row in rows {
            parts[next % n_folds].push(row);
            next += 1;
        }
    }
    parts
}

/// Gives whole groups, the largest first, to the part that has the fewest rows.
fn pack(groups: &[Vec<usize>], n_folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); n_folds];
    for group in order {
        let emptiest = (0..n_folds).min_by_key(|&part| parts[part].len());
        parts[emptiest.unwrap_or(0)].extend(&groups[group]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::{Role, RowColumn, Values};

    fn table(classes: &[&str], entities: &[f64]) -> Rows {
        let strings = classes.iter().map(|c| Some((*c).to_string())).collect();
        let column = |name: &str, role, values| RowColumn {
            name: name.into(),
            role,
            values,
        };
        Rows {
            row_ids: (0..classes.len() as u64).collect(),
            columns: vec![
                column("y", Role::Target, Values::Strings(strings)),
                column("who", Role::Entity, Values::Numbers(entities.to_vec())),
            ],
        }
    }

    fn settings(folds: usize, repeats: usize, group: Option<&str>) -> FoldSettings<'_> {
        FoldSettings {
            folds,
            repeats,
            seed: 7,
            group,
        }
    }

    #[test]
    fn every_row_is_held_out_once_a_repeat_and_never_learned_from_in_its_fold() {
        let classes: Vec<&str> = (0..53)
            .map(|i| if i % 4 == 0 { "a" } else { "b" })
            .collect();
        let rows = table(&classes, &[0.0; 53]);
        let among: Vec<usize> = (0..50).collect();
        let all = folds(&rows, Task::Classify, &among, &settings(5, 3, None)).unwrap();
        assert_eq!(all.len(), 15);
        for repeat in all.chunks(5) {
            let mut held: Vec<usize> = repeat.iter().flat_map(|f| f.validation.clone()).collect();
            held.sort_unstable();
            assert_eq!(held, among);
            for fold in repeat {
                let mut both = [&fold.train[..], &fold.validation].concat();
                both.sort_unstable();
                assert_eq!(both, among);
                let of_a = fold.validation.iter().filter(|&&i| i % 4 == 0).count();
                assert!((2..=3).contains(&of_a), "{of_a}");
            }
        }
        assert_ne!(all[0], all[5]);
        let again = folds(&rows, Task::Classify, &among, &settings(5, 3, None)).unwrap();
        assert_eq!(all, again);
    }

    #[test]
    fn entities_stay_whole_and_two_rows_still_make_two_folds() {
        let entities: Vec<f64> = (0..40).map(|i| f64::from(i / 4)).collect();
        let rows = table(&["a"; 40], &entities);
        let among: Vec<usize> = (0..40).collect();
        let all = folds(&rows, Task::Classify, &among, &settings(5, 1, Some("who"))).unwrap();
        for fold in &all {
            for &row in &fold.validation {
                assert!(fold.train.iter().all(|&t| entities[t] != entities[row]));
            }
            assert_eq!(fold.validation.len(), 8);
        }
        let few = folds(&rows, Task::Classify, &[3, 9], &settings(5, 1, None)).unwrap();
        assert_eq!(few.len(), 2);
    }
}
