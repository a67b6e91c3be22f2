//! Rules from sets: what goes with what, and whether a rule says more than every rule that it contains.

use rayon::prelude::*;

use super::counting::Counts;
use super::fisher::Together;
use super::groups::Grouped;
use crate::mine::itemsets::Itemsets;

/// If a basket holds some items, it holds another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Sorted codes.
    pub antecedent: Vec<u32>,
    pub consequent: u32,
    /// Baskets by whether they hold the antecedent (`one`) and the consequent (`other`).
    pub counts: Together,
    /// The largest p-value of Fisher's test against the rule without any items and against every rule with some of them.
    pub p_value: f64,
    /// That of the test against no items alone.
    pub p_alone: f64,
}

impl Rule {
    /// Share of the antecedent's baskets that hold the consequent.
    pub fn confidence(&self) -> f64 {
        self.counts.both as f64 / (self.counts.one as f64).max(1.0)
    }

    /// How many times as often the two are together as chance has it.
    pub fn lift(&self) -> f64 {
        let expected = self.counts.one as f64 * self.counts.other as f64;
        self.counts.both as f64 * self.counts.n as f64 / expected.max(1.0)
    }

    /// Share of all baskets by which they are together more often than chance has it.
    pub fn leverage(&self) -> f64 {
        let n = self.counts.n as f64;
        self.counts.both as f64 / n - self.counts.one as f64 * self.counts.other as f64 / (n * n)
    }

    /// All its items, sorted.
    pub fn items(&self) -> Vec<u32> {
        let mut items = self.antecedent.clone();
        items.push(self.consequent);
        items.sort_unstable();
        items
    }

    /// The rule by the counts of these baskets; `None` where one is not known.
    pub(super) fn counted(
        antecedent: &[u32],
        consequent: u32,
        counts: &dyn Counts,
    ) -> Option<Counted> {
        let with = |items: &[u32]| {
            let mut all = items.to_vec();
            let place = all.partition_point(|&item| item < consequent);
            all.insert(place, consequent);
            counts.count(&all)
        };
        let both = with(antecedent)?;
        let one = counts.count(antecedent)?;
        let mut rule = Rule {
            antecedent: antecedent.to_vec(),
            consequent,
            counts: Together {
                n: counts.n_baskets(),
                one,
                other: counts.count(&[consequent])?,
                both,
            },
            p_value: 0.0,
            p_alone: 0.0,
        };
        let mut is_productive = true;
        // Every part of the antecedent but itself, the empty one included.
        let n_parts = (1u32 << antecedent.len()) - 1;
        let mut part = Vec::with_capacity(antecedent.len());
        for mask in 0..n_parts {
            part.clear();
            let items = antecedent.iter().enumerate();
            part.extend(
                items
                    .filter(|(k, _)| mask >> k & 1 == 1)
                    .map(|(_, &item)| item),
            );
            let within = Together {
                n: counts.count(&part)?,
                one,
                other: with(&part)?,
                both,
            };
            is_productive &= both * within.n > one * within.other;
            let p = within.p_value();
            rule.p_value = rule.p_value.max(p);
            if mask == 0 {
                rule.p_alone = p;
            }
        }
        Some(Counted {
            rule,
            is_productive,
        })
    }
}

/// A rule with its counts.
pub(super) struct Counted {
    pub rule: Rule,
    /// Whether its confidence is above that of every rule with fewer items.
    pub is_productive: bool,
}

/// What the rules of some sets are.
pub(super) struct Candidates {
    /// Rules that say more than all their parts, in the order of the sets.
    pub rules: Vec<Rule>,
    /// All rules that were looked at.
    pub n_looked_at: u64,
    /// Rules that say no more than one of their parts.
    pub n_unproductive: u64,
    /// Rules below the wanted confidence.
    pub n_unsure: u64,
}

/// What rules have to be like to be looked at.
pub(super) struct Wanted<'a> {
    pub min_confidence: f64,
    /// Consequents; any where absent. They are no antecedents then.
    pub targets: Option<&'a [u32]>,
    pub grouped: &'a Grouped<'a>,
}

/// All rules with one consequent from frequent sets, and how many fell by which reason.
pub(super) fn candidates(itemsets: &Itemsets, counts: &dyn Counts, wanted: &Wanted) -> Candidates {
    let of_set = |at: usize| {
        let items = itemsets.items(at);
        let mut found = Candidates {
            rules: Vec::new(),
            n_looked_at: 0,
            n_unproductive: 0,
            n_unsure: 0,
        };
        if items.len() < 2 || wanted.grouped.is_double(items) {
            return found;
        }
        for (k, &consequent) in items.iter().enumerate() {
            let mut antecedent = items.to_vec();
            antecedent.remove(k);
            if let Some(targets) = wanted.targets
                && (!targets.contains(&consequent)
                    || antecedent.iter().any(|item| targets.contains(item)))
            {
                continue;
            }
            found.n_looked_at += 1;
            let Some(counted) = Rule::counted(&antecedent, consequent, counts) else {
                continue;
            };
            if !counted.is_productive {
                found.n_unproductive += 1;
            } else if counted.rule.confidence() < wanted.min_confidence {
                found.n_unsure += 1;
            } else {
                found.rules.push(counted.rule);
            }
        }
        found
    };
    let parts: Vec<Candidates> = (0..itemsets.len()).into_par_iter().map(of_set).collect();
    let mut all = Candidates {
        rules: Vec::new(),
        n_looked_at: 0,
        n_unproductive: 0,
        n_unsure: 0,
    };
    for part in parts {
        all.rules.extend(part.rules);
        all.n_looked_at += part.n_looked_at;
        all.n_unproductive += part.n_unproductive;
        all.n_unsure += part.n_unsure;
    }
    all
}
