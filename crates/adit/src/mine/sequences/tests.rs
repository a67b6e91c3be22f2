use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|k| format!("event {k}")).collect()
}

fn drawn(rng: &mut ChaCha8Rng, single: bool) -> Sequences {
    let n_items = rng.random_range(1..5u32);
    let n = rng.random_range(0..14);
    let sequences: Vec<Vec<Vec<u32>>> = (0..n)
        .map(|_| {
            let length = rng.random_range(0..6);
            (0..length)
                .map(|_| {
                    let n = if single { 1 } else { rng.random_range(1..4) };
                    (0..n).map(|_| rng.random_range(0..n_items)).collect()
                })
                .collect()
        })
        .collect();
    Sequences::from_codes(names(n_items as usize), sequences.into_iter())
}

/// Every pattern with its count, by every way of choosing events of every sequence.
fn all_patterns(sequences: &Sequences, settings: &SequenceSettings) -> BTreeSet<SequencePattern> {
    let mut counts = std::collections::BTreeMap::new();
    for sequence in 0..sequences.len() {
        let mut held: BTreeSet<Vec<Vec<u32>>> = BTreeSet::new();
        let elements: Vec<&[u32]> = (0..sequences.n_elements(sequence))
            .map(|at| sequences.element(sequence, at))
            .collect();
        ways(
            &elements,
            settings,
            &mut Vec::new(),
            &mut Vec::new(),
            &mut held,
        );
        for pattern in held {
            *counts.entry(pattern).or_insert(0u32) += 1;
        }
    }
    let wanted = |(elements, count): (Vec<Vec<u32>>, u32)| SequencePattern { elements, count };
    let mut all: BTreeSet<SequencePattern> = counts
        .into_iter()
        .map(wanted)
        .filter(|p| p.count >= settings.min_count)
        .collect();
    if settings.closed {
        let whole = all.clone();
        all.retain(|p| {
            !whole
                .iter()
                .any(|o| o.count == p.count && o.n_items() > p.n_items() && p.is_within(o))
        });
    }
    all.into_iter()
        .filter(|p| p.n_items() <= settings.max_items)
        .collect()
}

fn ways(
    elements: &[&[u32]],
    settings: &SequenceSettings,
    at: &mut Vec<usize>,
    chosen: &mut Vec<Vec<u32>>,
    held: &mut BTreeSet<Vec<Vec<u32>>>,
) {
    if !chosen.is_empty() {
        held.insert(chosen.clone());
    }
    let from = at.last().map_or(0, |&last| last + 1);
    for next in from..elements.len() {
        let too_far = at
            .last()
            .is_some_and(|&last| settings.max_gap.is_some_and(|gap| next - last > gap));
        let too_long = at
            .first()
            .is_some_and(|&first| settings.max_window.is_some_and(|w| next - first > w));
        if too_far || too_long {
            continue;
        }
        let items = elements[next];
        for mask in 1..1u32 << items.len() {
            let part = (0..items.len())
                .filter(|k| mask >> k & 1 == 1)
                .map(|k| items[k])
                .collect();
            at.push(next);
            chosen.push(part);
            ways(elements, settings, at, chosen, held);
            at.pop();
            chosen.pop();
        }
    }
}

#[test]
fn exactly_the_patterns_that_counting_finds() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..800 {
        let sequences = drawn(&mut rng, round % 3 == 0);
        let limited = round % 4 != 0;
        let settings = SequenceSettings {
            max_items: if round % 5 == 0 { 3 } else { usize::MAX },
            max_gap: (limited && rng.random_bool(0.5)).then(|| rng.random_range(1..4)),
            max_window: (limited && rng.random_bool(0.5)).then(|| rng.random_range(1..5)),
            closed: !limited && round % 5 != 0,
            ..SequenceSettings::frequent(rng.random_range(1..4))
        };
        let found = settings.mine(&sequences, &|_, _| true).unwrap();
        let set: BTreeSet<SequencePattern> = found.iter().cloned().collect();
        assert_eq!(set.len(), found.len(), "no pattern is found twice");
        assert_eq!(
            set,
            all_patterns(&sequences, &settings),
            "{settings:?} {sequences:?}"
        );
    }
}

#[test]
fn threads_change_nothing_and_limits_are_checked() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let sequences = drawn(&mut rng, false);
    let settings = SequenceSettings::frequent(1);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| settings.mine(&sequences, &|_, _| true).unwrap())
    };
    assert_eq!(on(1), on(4));
    for wrong in [
        SequenceSettings::frequent(0),
        SequenceSettings {
            max_gap: Some(0),
            ..settings
        },
        SequenceSettings {
            max_items: 0,
            ..settings
        },
        SequenceSettings {
            closed: true,
            max_window: Some(3),
            ..settings
        },
    ] {
        assert!(wrong.mine(&sequences, &|_, _| true).is_err(), "{wrong:?}");
    }
    assert!(settings.mine(&sequences, &|_, _| false).is_err());
}
