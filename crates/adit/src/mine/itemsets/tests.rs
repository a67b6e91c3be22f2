use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

type Sets = BTreeMap<Vec<u32>, u32>;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|k| format!("item {k}")).collect()
}

fn drawn(rng: &mut ChaCha8Rng) -> Transactions {
    let n_items = rng.random_range(1..9u32);
    let n_baskets = rng.random_range(0..90);
    let shares: Vec<f64> = (0..n_items).map(|_| rng.random_range(0.02..0.98)).collect();
    // Some items always go together.
    let doubled = rng.random_bool(0.3);
    let baskets = (0..n_baskets).map(|_| {
        let mut basket: Vec<u32> = (0..n_items)
            .filter(|&item| rng.random_bool(shares[item as usize]))
            .collect();
        if doubled && n_items > 1 {
            basket.retain(|&item| item != 1);
            if basket.contains(&0) {
                basket.push(1);
            }
        }
        basket
    });
    let baskets: Vec<Vec<u32>> = baskets.collect();
    Transactions::from_codes(names(n_items as usize), baskets.into_iter())
}

/// Every set of items with its count, by looking at every basket.
fn all_sets(transactions: &Transactions) -> Sets {
    let n = transactions.n_items() as u32;
    let mut sets = Sets::new();
    for mask in 1..1u32 << n {
        let items: Vec<u32> = (0..n).filter(|item| mask >> item & 1 == 1).collect();
        let holds = |basket: &&[u32]| items.iter().all(|item| basket.contains(item));
        let count = transactions.baskets().filter(holds).count() as u32;
        sets.insert(items, count);
    }
    sets
}

fn wanted(sets: &Sets, settings: &ItemsetSettings) -> Sets {
    let frequent: Sets = sets
        .iter()
        .filter(|(_, count)| **count >= settings.min_count)
        .map(|(items, &count)| (items.clone(), count))
        .collect();
    let larger = |items: &[u32], keep: &dyn Fn(u32) -> bool| {
        frequent.iter().any(|(other, &count)| {
            other.len() > items.len() && items.iter().all(|i| other.contains(i)) && keep(count)
        })
    };
    frequent
        .iter()
        .filter(|(items, count)| match settings.kind {
            Kind::Frequent => true,
            Kind::Closed => !larger(items, &|other| other == **count),
            Kind::Maximal => !larger(items, &|_| true),
        })
        .filter(|(items, _)| items.len() <= settings.max_items)
        .map(|(items, &count)| (items.clone(), count))
        .collect()
}

fn found(itemsets: &Itemsets) -> Sets {
    let sets: Sets = itemsets
        .iter()
        .map(|(items, n)| (items.to_vec(), n))
        .collect();
    assert_eq!(sets.len(), itemsets.len(), "no set is found twice");
    sets
}

fn mine(settings: &ItemsetSettings, transactions: &Transactions) -> Itemsets {
    settings.mine(transactions, &|_, _| true).unwrap()
}

#[test]
fn exactly_the_sets_that_counting_finds() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for _ in 0..2_000 {
        let transactions = drawn(&mut rng);
        let all = all_sets(&transactions);
        for kind in [Kind::Frequent, Kind::Closed, Kind::Maximal] {
            let settings = ItemsetSettings {
                kind,
                max_items: rng.random_range(1..10),
                ..ItemsetSettings::frequent(rng.random_range(1..12))
            };
            let itemsets = mine(&settings, &transactions);
            assert_eq!(found(&itemsets), wanted(&all, &settings), "{settings:?}");
            assert_eq!(itemsets.shortage(), None);
        }
    }
}

#[test]
fn bits_over_all_baskets_and_over_those_of_an_item_find_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    for _ in 0..500 {
        let transactions = drawn(&mut rng);
        let (least, max_items) = (rng.random_range(1..12), rng.random_range(1..10));
        let ranks = Ranks::new(&transactions, least);
        let ranked = Ranked::new(&transactions, &ranks);
        let all = ranks.sets(&transactions);
        let settings = ItemsetSettings::frequent(least);
        let bar = Bar::new(least, Budget::Bytes(u64::MAX), transactions.len());
        let of = |below: &dyn Fn(usize) -> Kept| {
            let named = |item| {
                let mut kept = below(item);
                kept.name(&ranks.code);
                kept
            };
            let kept = (0..ranks.len()).map(named).collect();
            found(&Itemsets::gathered(
                kept,
                &settings,
                &bar,
                transactions.len(),
            ))
        };
        let of_item = of(&|item| frequent::below(&ranked, item, max_items, &bar));
        assert_eq!(
            of(&|item| frequent::within(&all, item, max_items, &bar)),
            of_item
        );
    }
}

#[test]
fn the_most_frequent_are_the_most_frequent() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..2_000 {
        let transactions = drawn(&mut rng);
        let mut all: Vec<(Vec<u32>, u32)> = all_sets(&transactions).into_iter().collect();
        all.retain(|(_, count)| *count > 0);
        all.sort_by_key(|(items, count)| (std::cmp::Reverse(*count), items.len(), items.clone()));
        let top = rng.random_range(1..20);
        let settings = ItemsetSettings {
            top: Some(top),
            ..ItemsetSettings::frequent(1)
        };
        let itemsets = mine(&settings, &transactions);
        all.truncate(top);
        let kept: Vec<(Vec<u32>, u32)> = itemsets.iter().map(|(i, n)| (i.to_vec(), n)).collect();
        assert_eq!(kept, all);
    }
}

/// Baskets with very many frequent sets.
fn dense(n_baskets: usize, n_items: usize, seed: u64) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let baskets = (0..n_baskets)
        .map(|_| {
            (0..n_items as u32)
                .filter(|_| rng.random_bool(0.8))
                .collect()
        })
        .collect::<Vec<Vec<u32>>>();
    Transactions::from_codes(names(n_items), baskets.into_iter())
}

#[test]
fn too_little_memory_raises_the_count_and_loses_nothing_above_it() {
    let transactions = dense(400, 18, 3);
    for kind in [Kind::Frequent, Kind::Closed] {
        let whole = mine(
            &ItemsetSettings {
                kind,
                ..ItemsetSettings::frequent(40)
            },
            &transactions,
        );
        assert!(whole.len() > 20_000, "{}", whole.len());
        let settings = ItemsetSettings {
            kind,
            memory: 100_000,
            ..ItemsetSettings::frequent(40)
        };
        let some = mine(&settings, &transactions);
        let shortage = some.shortage().expect("too little memory");
        assert_eq!(shortage.asked, 40);
        let mut above = found(&whole);
        above.retain(|_, count| *count >= shortage.fits);
        assert_eq!(found(&some), above);
        // One less would not fit.
        let bytes = |least: u32| -> usize {
            let sets = whole.iter().filter(|(_, n)| *n >= least);
            sets.map(|(items, _)| 12 + 4 * items.len()).sum()
        };
        assert!(bytes(shortage.fits) <= 100_000 && bytes(shortage.fits - 1) > 100_000);
    }
}

#[test]
fn threads_change_nothing() {
    let transactions = dense(300, 16, 4);
    let on = |threads: usize, settings: &ItemsetSettings| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| mine(settings, &transactions))
    };
    for kind in [Kind::Frequent, Kind::Closed, Kind::Maximal] {
        for memory in [1 << 30, 50_000] {
            let settings = ItemsetSettings {
                kind,
                memory,
                ..ItemsetSettings::frequent(60)
            };
            assert_eq!(on(1, &settings), on(5, &settings), "{settings:?}");
        }
    }
}

#[test]
fn columns_that_are_all_alike_end_within_memory() {
    // 2^60 sets of the same count.
    let baskets = vec![(0..60).collect::<Vec<u32>>(); 20];
    let transactions = Transactions::from_codes(names(60), baskets.into_iter());
    let settings = ItemsetSettings {
        memory: 1 << 20,
        ..ItemsetSettings::frequent(5)
    };
    let itemsets = mine(&settings, &transactions);
    assert_eq!(itemsets.shortage().map(|s| s.fits), Some(21));
    assert!(itemsets.is_empty());
    let settings = ItemsetSettings {
        kind: Kind::Closed,
        ..ItemsetSettings::frequent(5)
    };
    assert_eq!(
        mine(&settings, &transactions).by_size(),
        [vec![0; 59], vec![1]].concat()
    );
}

#[test]
fn the_most_frequent_of_very_many_that_tie_are_the_shortest() {
    // 2^40 sets are in every basket.
    let baskets = vec![(0..40).collect::<Vec<u32>>(); 30];
    let transactions = Transactions::from_codes(names(40), baskets.into_iter());
    let settings = ItemsetSettings {
        top: Some(50),
        ..ItemsetSettings::frequent(1)
    };
    let found = mine(&settings, &transactions);
    assert_eq!(found.by_size(), [40, 10]);
}

#[test]
fn a_giant_basket_needs_no_deep_stack() {
    let basket = std::iter::once((0..20_000).collect());
    let transactions = Transactions::from_codes(names(20_000), basket);
    let settings = ItemsetSettings {
        memory: 1 << 20,
        ..ItemsetSettings::frequent(1)
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .stack_size(128 << 10)
        .build();
    let found = pool.unwrap().install(|| mine(&settings, &transactions));
    assert_eq!(found.shortage().map(|s| s.fits), Some(2));
    assert!(found.is_empty());
}

#[test]
fn many_items_and_few_are_counted_by_the_same_rule() {
    // Long sets of baskets are cut down to those that matter; the counts must not change.
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let baskets: Vec<Vec<u32>> = (0..6000)
        .map(|_| {
            (0..30u32)
                .filter(|&i| rng.random_bool(0.4 / f64::from(i / 3 + 1)))
                .collect()
        })
        .collect();
    let transactions = Transactions::from_codes(names(30), baskets.into_iter());
    for kind in [Kind::Frequent, Kind::Closed] {
        let itemsets = mine(
            &ItemsetSettings {
                kind,
                ..ItemsetSettings::frequent(8)
            },
            &transactions,
        );
        assert!(itemsets.by_size().len() > 3, "{:?}", itemsets.by_size());
        for (items, count) in itemsets.iter() {
            let holds = |basket: &&[u32]| items.iter().all(|i| basket.binary_search(i).is_ok());
            assert_eq!(transactions.baskets().filter(holds).count() as u32, count);
        }
    }
}

#[test]
fn what_is_no_setting_is_refused_and_a_stop_is_heeded() {
    let transactions = dense(20, 6, 5);
    for settings in [
        ItemsetSettings::frequent(0),
        ItemsetSettings {
            max_items: 0,
            ..ItemsetSettings::frequent(1)
        },
        ItemsetSettings {
            top: Some(0),
            ..ItemsetSettings::frequent(1)
        },
    ] {
        assert!(settings.mine(&transactions, &|_, _| true).is_err());
    }
    let stopped = ItemsetSettings::frequent(1).mine(&transactions, &|_, _| false);
    assert!(matches!(stopped, Err(MineError::Cancelled)));
}
