//! The best rules without a least support: how good the best of the frequent sets are bounds how rare a better rule can be.

use super::candidates::Rule;
use super::fisher::Together;
use super::groups::Grouped;
use super::{By, Explored, GoesOn, LEAST_COUNT, RuleSettings};
use crate::mine::MineError;
use crate::mine::itemsets::ItemsetSettings;
use crate::represent::transactions::Transactions;

/// Most frequent sets that are looked at first, for each rule that is wanted.
const SETS_FOR_ONE: usize = 8;
/// Bytes of a set of a few items.
const BYTES_OF_SET: u64 = 32;
/// And at least so many.
const LEAST_SETS: usize = 4_096;

impl RuleSettings {
    /// The `n` best rules of all. First the rules of the most frequent sets are looked at; the `n`-th best of them bounds
    /// from below the count of any that is better, and all sets of that count are searched.
    pub(super) fn explore_best(
        &self,
        (n, by): (usize, By),
        transactions: &Transactions,
        grouped: &Grouped,
        goes_on: GoesOn,
    ) -> Result<Explored, MineError> {
        let most = (self.memory / BYTES_OF_SET) as usize;
        let mut n_sets = n.saturating_mul(SETS_FOR_ONE).max(LEAST_SETS).min(most);
        let bound = loop {
            let settings = ItemsetSettings {
                top: Some(n_sets),
                ..self.sets_of(LEAST_COUNT)
            };
            let first = self.explore_sets(&settings, transactions, grouped, goes_on)?;
            let mut rules = first.found.rules;
            sort(&mut rules, by);
            if let Some(worst) = rules.get(n - 1) {
                break self.least_count_of(worst, by, transactions);
            }
            if first.n_itemsets < n_sets as u64 || n_sets >= most {
                // These are all there are, or all that fit; the search that follows keeps to the memory by itself.
                break LEAST_COUNT;
            }
            n_sets = n_sets.saturating_mul(4).min(most);
        };
        let all = self.sets_of(bound);
        let mut explored = self.explore_sets(&all, transactions, grouped, goes_on)?;
        sort(&mut explored.found.rules, by);
        let n_worse = explored.found.rules.len().saturating_sub(n);
        explored.found.rules.truncate(n);
        explored.n_worse = n_worse as u64;
        Ok(explored)
    }

    /// Baskets that a rule at least as good as another one holds at least.
    fn least_count_of(&self, rule: &Rule, by: By, transactions: &Transactions) -> u32 {
        let n = transactions.len() as u64;
        let count = match by {
            // The leverage of a rule is below its support.
            By::Leverage => (rule.leverage() * n as f64).ceil() as u64,
            By::PValue => {
                let counts = transactions.counts();
                let targets = self.targets.as_deref().unwrap_or_default();
                let of_target = targets.iter().map(|t| u64::from(counts[*t as usize]));
                let of_targets: Vec<u64> = of_target.collect();
                // At its best a rule is never wrong, and what it leads to is in no other basket.
                let least_p = |count: u64| {
                    let of = |other: u64| {
                        let both = count.min(other);
                        let table = Together {
                            n,
                            one: both,
                            other,
                            both,
                        };
                        table.p_value()
                    };
                    match &of_targets[..] {
                        [] => of(count),
                        targets => targets.iter().map(|&other| of(other)).fold(1.0, f64::min),
                    }
                };
                let mut count = u64::from(LEAST_COUNT);
                while count < n && least_p(count) > rule.p_value {
                    count += 1;
                }
                count
            }
        };
        (count.min(u64::from(u32::MAX)) as u32).max(LEAST_COUNT)
    }
}

/// The best first.
fn sort(rules: &mut [Rule], by: By) {
    rules.sort_by(|a, b| {
        let first = match by {
            By::Leverage => b.leverage().total_cmp(&a.leverage()),
            By::PValue => a.p_value.total_cmp(&b.p_value),
        };
        first.then_with(|| super::key(a).cmp(&super::key(b)))
    });
}
