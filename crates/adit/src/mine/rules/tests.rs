use rand::Rng;

use super::*;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|k| format!("item {k}")).collect()
}

fn settings(guard: Guard) -> RuleSettings {
    RuleSettings {
        min_support: 0.02,
        min_confidence: 0.0,
        max_items: 3,
        targets: None,
        groups: Vec::new(),
        top: None,
        guard,
        level: 0.05,
        seed: 1,
        memory: 1 << 28,
    }
}

fn mine(settings: &RuleSettings, transactions: &Transactions) -> RulesFound {
    settings.mine(transactions, None, &|_, _| true).unwrap()
}

/// Items that have nothing to do with each other; the last one is a label of about a third of the baskets.
fn noise(n_baskets: usize, n_items: usize, seed: u64) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let power_law = seed % 2 == 1;
    let share = |item: usize| {
        if item + 1 == n_items {
            0.33
        } else if power_law {
            0.5 / (item + 1) as f64
        } else {
            0.05 + 0.2 * (item % 5) as f64 / 4.0
        }
    };
    let baskets: Vec<Vec<u32>> = (0..n_baskets)
        .map(|_| {
            (0..n_items)
                .filter(|&i| rng.random_bool(share(i)))
                .map(|i| i as u32)
                .collect()
        })
        .collect();
    Transactions::from_codes(names(n_items), baskets.into_iter())
}

/// Adds the items of a rule to a share of the baskets.
fn planted(from: &Transactions, items: &[u32], share: f64, seed: u64) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let baskets: Vec<Vec<u32>> = from
        .baskets()
        .map(|basket| {
            let mut basket = basket.to_vec();
            if rng.random_bool(share) {
                basket.extend(items);
            }
            basket
        })
        .collect();
    Transactions::from_codes(from.names().to_vec(), baskets.into_iter())
}

/// Every rule, by looking at every basket: whether it is productive, and its largest p-value.
fn all_rules(t: &Transactions, settings: &RuleSettings) -> Vec<(Vec<u32>, u32, f64)> {
    let n_items = t.n_items() as u32;
    let count = |items: &[u32]| {
        t.baskets()
            .filter(|b| items.iter().all(|i| b.contains(i)))
            .count() as u64
    };
    let mut rules = Vec::new();
    for mask in 1..1u32 << n_items {
        let antecedent: Vec<u32> = (0..n_items).filter(|i| mask >> i & 1 == 1).collect();
        if antecedent.len() >= settings.max_items {
            continue;
        }
        for consequent in (0..n_items).filter(|i| mask >> i & 1 == 0) {
            let with = |items: &[u32]| count(&[items, &[consequent]].concat());
            let (one, both) = (count(&antecedent), with(&antecedent));
            if both < u64::from(settings.min_count(t.len())) {
                continue;
            }
            let (mut productive, mut p_value) = (true, 0f64);
            for part in 0..mask {
                if part & mask != part {
                    continue;
                }
                let items: Vec<u32> = (0..n_items).filter(|i| part >> i & 1 == 1).collect();
                let within = Together {
                    n: count(&items),
                    one,
                    other: with(&items),
                    both,
                };
                productive &= both as f64 / one as f64 > within.other as f64 / within.n as f64;
                p_value = p_value.max(within.p_value());
            }
            if productive {
                rules.push((antecedent.clone(), consequent, p_value));
            }
        }
    }
    rules
}

#[test]
fn exactly_the_rules_that_counting_finds() {
    for seed in 0..2_000 {
        let transactions = noise(40 + seed as usize % 400, 6, seed);
        let wanted = RuleSettings {
            max_items: 2 + seed as usize % 4,
            min_support: 0.03,
            ..settings(Guard::None)
        };
        let found = mine(&wanted, &transactions);
        let mut rules: Vec<(Vec<u32>, u32, f64)> = found
            .kept
            .iter()
            .map(|k| (k.rule.antecedent.clone(), k.rule.consequent, k.rule.p_value))
            .collect();
        let mut expected = all_rules(&transactions, &wanted);
        rules.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        expected.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        assert_eq!(rules, expected);
        let rejected: u64 = found.rejected.iter().map(|r| r.1).sum();
        assert_eq!(found.n_candidates, found.kept.len() as u64 + rejected);
    }
}

fn share_with_any(guard: Guard, targeted: bool, n_sets: u64) -> f64 {
    let mut n_any = 0;
    for seed in 0..n_sets {
        let transactions = noise(
            if guard == Guard::Permutation {
                300
            } else {
                1000
            },
            16,
            seed,
        );
        let wanted = RuleSettings {
            targets: targeted.then(|| vec![15]),
            seed,
            ..settings(guard)
        };
        n_any += u64::from(!mine(&wanted, &transactions).kept.is_empty());
    }
    n_any as f64 / n_sets as f64
}

#[test]
fn in_noise_next_to_nothing_is_kept() {
    // At a level of .05, more than 6 of 40 happen once in 70 times.
    for (guard, targeted) in [
        (Guard::Holdout, false),
        (Guard::Holdout, true),
        (Guard::Lamp, true),
    ] {
        let share = share_with_any(guard, targeted, 40);
        assert!(share <= 6.0 / 40.0, "{guard:?} {targeted}: {share}");
    }
    let share = share_with_any(Guard::Permutation, true, 20);
    assert!(share <= 4.0 / 20.0, "{share}");
    // Whereas without a guard every one of them has "rules".
    assert_eq!(share_with_any(Guard::None, false, 5), 1.0);
}

#[test]
fn what_is_planted_is_found() {
    let n = 20;
    let mut found = [0; 4];
    for seed in 0..n {
        let transactions = planted(&noise(2000, 16, 100 + seed), &[3, 7, 15], 0.04, seed);
        for (guard, found) in [Guard::Holdout, Guard::Lamp].into_iter().zip(&mut found) {
            let wanted = RuleSettings {
                targets: Some(vec![15]),
                seed,
                ..settings(guard)
            };
            let rules = mine(&wanted, &transactions);
            let is_it = |j: &JudgedRule| j.rule.antecedent == [3, 7] && j.rule.consequent == 15;
            *found += u64::from(rules.kept.iter().any(is_it));
        }
    }
    assert!(found[0] >= n - 1 && found[1] >= n - 1, "{found:?}");
}

#[test]
fn threads_change_nothing() {
    let transactions = planted(&noise(800, 14, 7), &[2, 5, 9], 0.1, 3);
    for guard in [Guard::Holdout, Guard::Lamp, Guard::Permutation] {
        let wanted = RuleSettings {
            targets: (guard != Guard::Holdout).then(|| vec![9]),
            ..settings(guard)
        };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| mine(&wanted, &transactions))
        };
        let found = on(1);
        assert!(!found.kept.is_empty(), "{guard:?}");
        assert_eq!(found, on(4), "{guard:?}");
    }
}

#[test]
fn rules_about_the_same_items_are_told_once() {
    let transactions = planted(&noise(3000, 12, 2), &[1, 4], 0.2, 5);
    let found = mine(&settings(Guard::Holdout), &transactions);
    let about: Vec<&JudgedRule> = found
        .kept
        .iter()
        .filter(|j| j.rule.items() == [1, 4])
        .collect();
    assert_eq!(about.len(), 2);
    assert_eq!(about.iter().filter(|j| j.folded_under.is_some()).count(), 1);
    let speaker = about.iter().find(|j| j.folded_under.is_none()).unwrap();
    assert_eq!(
        found.kept[speaker.also[0]]
            .folded_under
            .map(|at| &found.kept[at]),
        Some(*speaker)
    );
}

#[test]
fn baskets_of_one_customer_stay_in_one_half() {
    let unit: Vec<u64> = (0..1000).map(|at| at / 7).collect();
    let (first, second) = halves(1000, Some(&unit), 3);
    assert!(
        first
            .iter()
            .all(|&a| second.iter().all(|&b| unit[a] != unit[b]))
    );
    assert!((400..600).contains(&first.len()));
}

#[test]
fn what_cannot_be_is_refused() {
    let transactions = noise(50, 5, 1);
    for wrong in [
        RuleSettings {
            min_support: 0.0,
            ..settings(Guard::None)
        },
        RuleSettings {
            min_confidence: 1.5,
            ..settings(Guard::None)
        },
        RuleSettings {
            max_items: 1,
            ..settings(Guard::None)
        },
        RuleSettings {
            level: 1.0,
            ..settings(Guard::None)
        },
        settings(Guard::Lamp),
    ] {
        assert!(
            wrong.mine(&transactions, None, &|_, _| true).is_err(),
            "{wrong:?}"
        );
    }
    let empty = Transactions::from_codes(Vec::new(), std::iter::empty());
    assert!(mine(&settings(Guard::Holdout), &empty).kept.is_empty());
}

/// Noise of four kinds: items of like frequency, of a power law, a market whose items were dealt out anew, and rows of
/// columns with values dealt out anew.
fn nothing(kind: u64, n_baskets: usize, seed: u64) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xabc);
    match kind {
        0 => noise(n_baskets, 30, 2 * seed),
        1 => noise(n_baskets, 30, 2 * seed + 1),
        2 => {
            let market = planted(&noise(n_baskets, 30, 2 * seed + 1), &[2, 9, 29], 0.2, seed);
            shuffled(&market, None, &mut rng)
        }
        _ => {
            let baskets = (0..n_baskets).map(|_| {
                let column = |k: u32| 3 * k + rng.random_range(0..3);
                let mut basket: Vec<u32> = (0..9).map(column).collect();
                basket.push(27 + u32::from(rng.random_bool(0.3)));
                basket
            });
            let baskets: Vec<Vec<u32>> = baskets.collect();
            Transactions::from_codes(names(30), baskets.into_iter())
        }
    }
}

#[test]
#[ignore = "nightly: 200 data sets for each guard take minutes"]
fn of_two_hundred_sets_of_noise_at_most_one_in_twenty_yields_anything() {
    for (guard, targeted, n_baskets) in [
        (Guard::Holdout, false, 2000),
        (Guard::Holdout, true, 2000),
        (Guard::Lamp, true, 2000),
        (Guard::Permutation, true, 500),
        (Guard::Permutation, false, 300),
    ] {
        let any = |seed: u64| {
            let wanted = RuleSettings {
                targets: targeted.then(|| vec![if seed % 4 == 3 { 28 } else { 29 }]),
                seed,
                ..settings(guard)
            };
            !mine(&wanted, &nothing(seed % 4, n_baskets, seed))
                .kept
                .is_empty()
        };
        let n_any = (0..200).filter(|&seed| any(seed)).count();
        eprintln!("{guard:?}, to a target {targeted}: {n_any} of 200 yield something");
        // At a true rate of one in twenty, more than 18 happen once in 100 times.
        assert!(n_any <= 18, "{guard:?} {targeted}: {n_any}");
    }
}

#[test]
#[ignore = "nightly: 200 data sets take minutes"]
fn of_two_hundred_planted_rules_nineteen_in_twenty_are_found() {
    for (guard, n_baskets) in [
        (Guard::Holdout, 3000),
        (Guard::Lamp, 3000),
        (Guard::Permutation, 1000),
    ] {
        let is_found = |seed: u64| {
            // In 3% of the baskets beside chance, which is two to three times as often as chance has it.
            let share = if n_baskets == 1000 { 0.06 } else { 0.03 };
            let transactions = planted(
                &nothing(seed % 2, n_baskets, seed),
                &[3, 7, 29],
                share,
                seed,
            );
            let wanted = RuleSettings {
                targets: Some(vec![29]),
                seed,
                ..settings(guard)
            };
            let rules = mine(&wanted, &transactions);
            rules.kept.iter().any(|j| j.rule.antecedent == [3, 7])
        };
        let n_found = (0..200).filter(|&seed| is_found(seed)).count();
        eprintln!("{guard:?}: {n_found} of 200 are found");
        assert!(n_found >= 190, "{guard:?}: {n_found}");
    }
}

/// Four rare items, then cake; others by chance. `drives` tells with which chance each of the four brings cake.
fn of_a_group(drives: [f64; 4], seed: u64) -> Transactions {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let baskets: Vec<Vec<u32>> = (0..3000)
        .map(|_| {
            let mut basket: Vec<u32> = (5..15).filter(|_| rng.random_bool(0.1)).collect();
            let mut cake = rng.random_bool(0.15);
            for (item, drive) in (0u32..).zip(drives) {
                if rng.random_bool(0.02) {
                    basket.push(item);
                    cake |= rng.random_bool(drive);
                }
            }
            if cake {
                basket.push(4);
            }
            basket
        })
        .collect();
    Transactions::from_codes(names(15), baskets.into_iter())
}

#[test]
fn a_group_is_told_where_it_holds_without_each_of_its_members() {
    let (group, cake) = (15u32, 4u32);
    let grouped = |guard| RuleSettings {
        groups: vec![Group {
            name: "any of four".into(),
            members: vec![0, 1, 2, 3],
        }],
        min_support: 0.004,
        ..settings(guard)
    };
    let is_told = |found: &RulesFound| {
        let is_it = |j: &&JudgedRule| j.rule.antecedent == [group] && j.rule.consequent == cake;
        found.kept.iter().find(is_it).cloned()
    };
    for guard in [Guard::Holdout, Guard::Permutation, Guard::None] {
        let all = mine(&grouped(guard), &of_a_group([0.5; 4], 1));
        let told = is_told(&all).unwrap_or_else(|| panic!("{guard:?}"));
        assert!(told.folded_under.is_none());
        for judged in &all.kept {
            let items = judged.rule.items();
            assert!(
                !items.contains(&group) || items.iter().all(|i| *i > 3),
                "{items:?}"
            );
        }
        // Rules about single members are told by that about all of them.
        let of_members = all.kept.iter().filter(|j| {
            j.rule.consequent == cake && matches!(j.rule.antecedent[..], [item] if item < 4)
        });
        for judged in of_members {
            assert!(judged.folded_under.is_some(), "{judged:?}");
        }
        // One member alone brings cake: the group says no more than that one.
        let one = mine(&grouped(guard), &of_a_group([0.9, 0.0, 0.0, 0.0], 2));
        assert!(guard == Guard::None || is_told(&one).is_none(), "{guard:?}");
    }
    // Without the others the four are too rare to be kept one by one by this guard.
    let alone = mine(&settings(Guard::Holdout), &of_a_group([0.25; 4], 3));
    assert!(alone.kept.iter().all(|j| j.rule.consequent != cake));
    let together = mine(&grouped(Guard::Holdout), &of_a_group([0.25; 4], 3));
    let weak = is_told(&together);
    assert!(weak.is_none_or(|j| j.p_value() < 0.05));
}

#[test]
fn what_a_group_pays_is_counted_basket_by_basket() {
    let transactions = of_a_group([0.4; 4], 4);
    let groups = [Group {
        name: "g".into(),
        members: vec![0, 1, 2, 3],
    }];
    let grouped = groups::Grouped::new(&transactions, &groups);
    let columns = Columns::new(&grouped.transactions, 0..16);
    for (antecedent, consequent) in [
        (vec![15], 4),
        (vec![7, 15], 4),
        (vec![4], 15),
        (vec![6, 8], 15),
    ] {
        let Some(counted) = Rule::counted(&antecedent, consequent, &columns) else {
            panic!("counts are known");
        };
        let (p, holds) = grouped.without_members(&counted.rule, &columns);
        let (mut worst, mut all_hold) = (0.0f64, true);
        for member in 0..4u32 {
            let of = |items: &[u32]| -> u64 {
                let baskets = grouped.transactions.baskets();
                let own =
                    baskets.filter(|b| !b.contains(&member) && items.iter().all(|i| b.contains(i)));
                own.count() as u64
            };
            let rest: Vec<u32> = antecedent.iter().copied().filter(|i| *i != 15).collect();
            let all: Vec<u32> = antecedent.iter().copied().chain([consequent]).collect();
            let (n, other) = if consequent == 15 {
                (of(&[]), of(&[15]))
            } else {
                let with: Vec<u32> = rest.iter().copied().chain([consequent]).collect();
                (of(&rest), of(&with))
            };
            let table = Together {
                n,
                one: of(&antecedent),
                other,
                both: of(&all),
            };
            worst = worst.max(table.p_value());
            all_hold &= table.both * table.n > table.one * table.other;
        }
        assert_eq!((p, holds), (worst, all_hold), "{antecedent:?} {consequent}");
    }
}

#[test]
fn the_best_rules_are_those_of_a_search_through_everything() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for round in 0..2_000 {
        let n_items = rng.random_range(3..9u32);
        let baskets: Vec<Vec<u32>> = (0..rng.random_range(20..80))
            .map(|_| {
                let share = 0.2 + f64::from(round % 5) * 0.12;
                let mut basket: Vec<u32> =
                    (0..n_items).filter(|_| rng.random_bool(share)).collect();
                if rng.random_bool(0.4) {
                    basket.extend([0, 1]);
                }
                basket
            })
            .collect();
        let transactions = Transactions::from_codes(names(n_items as usize), baskets.into_iter());
        let everything = RuleSettings {
            min_support: 1e-9,
            targets: (round % 3 == 0).then(|| vec![1]),
            ..settings(Guard::None)
        };
        let all = mine(&everything, &transactions);
        for by in [By::Leverage, By::PValue] {
            let n = rng.random_range(1..6);
            let mut rules: Vec<Rule> = all.kept.iter().map(|j| j.rule.clone()).collect();
            rules.sort_by(|a, b| {
                let first = match by {
                    By::Leverage => b.leverage().total_cmp(&a.leverage()),
                    By::PValue => a.p_value.total_cmp(&b.p_value),
                };
                first.then_with(|| key(a).cmp(&key(b)))
            });
            rules.truncate(n);
            let best = RuleSettings {
                top: Some((n, by)),
                min_support: 0.9,
                ..everything.clone()
            };
            let mut found: Vec<Rule> = mine(&best, &transactions)
                .kept
                .into_iter()
                .map(|j| j.rule)
                .collect();
            sort(&mut rules);
            sort(&mut found);
            assert_eq!(found, rules, "{round} {by:?} {n}");
        }
    }
}

#[test]
fn rare_rules_are_found_without_a_support() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let baskets: Vec<Vec<u32>> = (0..4000)
        .map(|at| {
            let mut basket: Vec<u32> = (2..30).filter(|_| rng.random_bool(0.1)).collect();
            if at % 160 == 0 {
                basket.extend([0, 1]);
            }
            basket
        })
        .collect();
    let transactions = Transactions::from_codes(names(30), baskets.into_iter());
    for by in [By::Leverage, By::PValue] {
        let best = RuleSettings {
            top: Some((10, by)),
            ..settings(Guard::Holdout)
        };
        let found = mine(&best, &transactions);
        // Twenty-five of 4,000 baskets; nothing else is more than chance.
        let told: Vec<Vec<u32>> = found.kept.iter().map(|j| j.rule.items()).collect();
        assert_eq!(told, [vec![0, 1], vec![0, 1]], "{by:?}");
        assert!(found.n_tested <= 10);
    }
}
