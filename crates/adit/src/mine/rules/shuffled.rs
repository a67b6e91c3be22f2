//! Baskets in which nothing goes with anything, but each item is as frequent as before.

use rand::seq::{SliceRandom, index};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::represent::transactions::Transactions;

/// Gives every item to as many baskets as before, drawn at random. Items of one column, which exclude each other, are
/// dealt out together: `column_of` has the column of each item.
pub fn shuffled(
    transactions: &Transactions,
    column_of: Option<&[u32]>,
    rng: &mut dyn RngCore,
) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
    let n_baskets = transactions.len();
    let mut baskets: Vec<Vec<u32>> = vec![Vec::new(); n_baskets];
    match column_of {
        None => {
            for (item, count) in (0u32..).zip(transactions.counts()) {
                for at in index::sample(&mut rng, n_baskets, count as usize) {
                    baskets[at].push(item);
                }
            }
        }
        Some(column_of) => {
            let n_columns = column_of.iter().max().map_or(0, |most| *most as usize + 1);
            let mut columns: Vec<Vec<(u32, u32)>> = vec![Vec::new(); n_columns];
            for (at, basket) in (0u32..).zip(transactions.baskets()) {
                for &item in basket {
                    columns[column_of[item as usize] as usize].push((at, item));
                }
            }
            let mut place: Vec<u32> = (0..n_baskets as u32).collect();
            for column in columns {
                place.shuffle(&mut rng);
                for (at, item) in column {
                    baskets[place[at as usize] as usize].push(item);
                }
            }
        }
    }
    Transactions::from_codes(transactions.names().to_vec(), baskets.into_iter())
}

/// Gives some items only to other baskets, so that nothing goes with them; all else stays as it is.
pub fn with_shuffled_items(
    transactions: &Transactions,
    items: &[u32],
    rng: &mut dyn RngCore,
) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
    let mut place: Vec<usize> = (0..transactions.len()).collect();
    place.shuffle(&mut rng);
    let baskets = transactions.baskets().enumerate().map(|(at, basket)| {
        let own = basket.iter().copied().filter(|item| !items.contains(item));
        let drawn = transactions.basket(place[at]).iter().copied();
        own.chain(drawn.filter(|item| items.contains(item)))
            .collect()
    });
    Transactions::from_codes(transactions.names().to_vec(), baskets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_as_frequent_and_columns_stay_whole() {
        let names: Vec<String> = (0..6).map(|k| k.to_string()).collect();
        let baskets = (0..500u32).map(|k| vec![k % 3, 3 + u32::from(k % 7 < 2), 5]);
        let transactions = Transactions::from_codes(names, baskets);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let apart = shuffled(&transactions, None, &mut rng);
        assert_eq!(apart.counts(), transactions.counts());
        assert!(apart.baskets().any(|basket| basket.len() > 3));
        let whole = shuffled(&transactions, Some(&[0, 0, 0, 1, 1, 2]), &mut rng);
        assert_eq!(whole.counts(), transactions.counts());
        assert!(whole.baskets().all(|basket| basket.len() == 3));
        assert_ne!(whole, transactions);
        let target = with_shuffled_items(&transactions, &[3, 4], &mut rng);
        assert_eq!(target.counts(), transactions.counts());
        let others = |t: &Transactions| -> Vec<Vec<u32>> {
            let own = |b: &[u32]| b.iter().copied().filter(|&i| i != 3 && i != 4).collect();
            t.baskets().map(own).collect()
        };
        assert_eq!(others(&target), others(&transactions));
    }
}
