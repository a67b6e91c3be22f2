//! Which rows are held out together.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The fold in which each row is held out; `None` for a row that is always trained on.
pub(super) type Folds = Vec<Option<usize>>;

/// Folds of equal size, up to one row.
pub(super) fn plain_folds(n_rows: usize, folds: usize, seed: u64) -> Folds {
    stratified_folds(&vec![0; n_rows], folds, seed)
}

/// Folds of whole groups.
pub(super) fn grouped_folds(groups: &[u64], folds: usize, seed: u64) -> Folds {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<u64> = groups.to_vec();
    order.sort_unstable();
    order.dedup();
    order.shuffle(&mut rng);
    let places = order.into_iter().enumerate();
    let fold_of: BTreeMap<u64, usize> = places
        .map(|(place, group)| (group, place % folds.max(1)))
        .collect();
    groups
        .iter()
        .map(|group| fold_of.get(group).copied())
        .collect()
}

/// Folds in which every class has its share, up to one row.
///
/// A class with a single row is never held out, so that every training part knows every class.
pub(super) fn stratified_folds(classes: &[u32], folds: usize, seed: u64) -> Folds {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.shuffle(&mut rng);
    order.sort_by_key(|&row| classes[row]);
    let mut out = vec![None; classes.len()];
    // Dealt on from class to class, so that small classes do not all fall into the first fold.
    let mut next = 0;
    for class in order.chunk_by(|&a, &b| classes[a] == classes[b]) {
        if class.len() < 2 {
            continue;
        }
        for &row in class {
            out[row] = Some(next % folds.max(1));
            next += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_whole_and_every_fold_has_some() {
        let groups: Vec<u64> = (0..90).map(|row| row % 13).collect();
        let folds = grouped_folds(&groups, 4, 3);
        for (a, fold) in groups.iter().zip(&folds) {
            let same = groups.iter().zip(&folds).filter(|(b, _)| *b == a);
            assert!(same.into_iter().all(|(_, other)| other == fold));
        }
        assert!((0..4).all(|fold| folds.contains(&Some(fold))));
    }

    #[test]
    fn every_fold_has_its_share_of_every_class() {
        let classes: Vec<u32> = (0..103).map(|i| u32::from(i % 4 == 0)).collect();
        let folds = stratified_folds(&classes, 5, 7);
        for class in 0..2 {
            let total = classes.iter().filter(|&&c| c == class).count();
            for fold in 0..5 {
                let held = (0..103).filter(|&i| classes[i] == class && folds[i] == Some(fold));
                let held = held.count();
                assert!(
                    held == total / 5 || held == total / 5 + 1,
                    "{held} of {total}"
                );
            }
        }
    }

    #[test]
    fn every_training_part_knows_every_class() {
        let classes = [0, 0, 0, 0, 1, 2, 2];
        let folds = stratified_folds(&classes, 5, 1);
        assert_eq!(folds[4], None);
        for fold in 0..5 {
            for class in 0..3 {
                assert!((0..7).any(|i| classes[i] == class && folds[i] != Some(fold)));
            }
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        assert_eq!(plain_folds(50, 5, 3), plain_folds(50, 5, 3));
        assert_ne!(plain_folds(50, 5, 3), plain_folds(50, 5, 4));
    }
}
