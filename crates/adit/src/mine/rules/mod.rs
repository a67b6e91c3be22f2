//! Association rules that have paid for the whole space that was searched.
//!
//! Enters: [`Transactions`]. Leaves: [`RulesFound`]: the rules that are kept, those that are not and why, and what the
//! same search finds in shuffled baskets. Not here: intervals and words.
//!
//! A rule is looked at only where it says more than every rule with fewer of its items (it is productive: Webb 2007,
//! "Discovering significant patterns"); its p-value is the largest of Fisher's tests against these.

mod best;
mod candidates;
mod correction;
mod counting;
mod fisher;
mod fold;
mod groups;
mod shuffled;
#[cfg(test)]
mod tests;

pub use candidates::Rule;
pub use correction::{Testable, benjamini_hochberg, holm, lamp, westfall_young};
pub use fisher::Together;
pub use groups::Group;
pub use shuffled::{shuffled, with_shuffled_items};

use std::collections::{HashMap, HashSet};

use adit_nn::kernels::bits;
use adit_nn::random::mix;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::candidates::{Candidates, Wanted, candidates};
use self::counting::{Columns, Counts, Known};
use self::groups::Grouped;
use super::MineError;
use super::bar::{Shortage, least_count};
use super::halves::halves;
use super::itemsets::{ItemsetSettings, Itemsets};
use crate::represent::transactions::Transactions;

/// Rules that look significant on the exploratory half by themselves are tested on the other.
pub(in crate::mine) const EXPLORATORY_LEVEL: f64 = 0.05;
/// Rules that are tested on the hold-out half, at most: those of the least p-values.
pub(in crate::mine) const MOST_TESTED: usize = 100_000;
/// Times that labels are dealt out anew.
pub(in crate::mine) const LABEL_PERMUTATIONS: u64 = 1_000;
/// Times that all items are dealt out anew.
const ITEM_PERMUTATIONS: u64 = 200;
/// Fewer baskets of an antecedent than this in the searched part say nothing.
const LEAST_COUNT: u32 = 2;

/// How rules pay for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Found on one half of the baskets, tested on the other, corrected by Holm for what was tested there.
    Holdout,
    /// For rules to a target: corrected for all sets that could be significant (LAMP).
    Lamp,
    /// Corrected by the least p-value that the same search finds in shuffled baskets (Westfall and Young 1993).
    Permutation,
    /// The false discovery rate of Benjamini and Hochberg over what was searched: for looking around, not for claims.
    Exploratory,
    /// Nothing is paid: every productive rule.
    None,
}

/// By what rules are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The largest share of baskets beyond chance.
    Leverage,
    /// The least p-value.
    PValue,
}

/// What is searched for, and how it is paid.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSettings {
    /// Share of the baskets that hold all of a rule's items, at least.
    pub min_support: f64,
    pub min_confidence: f64,
    /// Items of a rule, the consequent included, 2 or more.
    pub max_items: usize,
    /// Consequents, where only rules to these are wanted; they are no antecedents then.
    pub targets: Option<Vec<u32>>,
    /// Items that are alike; a rule about a group is to hold without each of its members too. Codes of groups in rules
    /// follow those of the items.
    pub groups: Vec<Group>,
    /// Only the best rules, whatever their support, so many and by what; the least support plays no part then.
    pub top: Option<(usize, By)>,
    pub guard: Guard,
    /// The chance that any rule is kept where there is nothing, or the share of false ones.
    pub level: f64,
    pub seed: u64,
    /// Bytes for the sets.
    pub memory: u64,
}

/// Why a rule is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Says no more than a rule with fewer of its items.
    Unproductive,
    /// Below the wanted confidence.
    Unsure,
    /// Not among as many of the best as were asked for.
    NotAmongBest,
    /// Did not look significant on the half that was searched.
    NotExplored,
    /// So rare that no labels could make it significant.
    Untestable,
    /// Not significant after the correction.
    NotSignificant,
}

/// A rule with what was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedRule {
    /// Over all baskets; its p-values are of the search, where another part was tested.
    pub rule: Rule,
    /// Over the baskets that the search did not see, where there are such.
    pub held_out: Option<Rule>,
    /// Kept rules about the same items, which this one speaks for; places in the list.
    pub also: Vec<usize>,
    /// The rule that speaks for this one.
    pub folded_under: Option<usize>,
}

impl JudgedRule {
    /// The p-value that decided.
    pub fn p_value(&self) -> f64 {
        self.held_out.as_ref().unwrap_or(&self.rule).p_value
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesFound {
    /// By p-value, then by items.
    pub kept: Vec<JudgedRule>,
    /// The best of those that were tested and fell.
    pub fallen: Vec<JudgedRule>,
    /// Rules by why they were not kept.
    pub rejected: Vec<(Reason, u64)>,
    /// All rules that were looked at.
    pub n_candidates: u64,
    /// Those of them that were paid for.
    pub n_tested: u64,
    /// P-values at most this large are kept, where one level holds for all.
    pub level_of_one: Option<f64>,
    pub n_itemsets: u64,
    pub shortage: Option<Shortage>,
    /// Baskets searched, and baskets that rules were tested on where those are others.
    pub n_searched: u64,
    pub n_held_out: u64,
}

/// Fallen rules that are kept to be shown.
pub(in crate::mine) const FALLEN_SHOWN: usize = 100;

/// A look at whether the search goes on: what is done of what.
pub type GoesOn<'a> = &'a (dyn Fn(usize, usize) -> bool + Sync);

impl RuleSettings {
    /// Searches and pays. `unit` tells for every basket whose it is, where several belong together; they stay in one half.
    ///
    /// # Errors
    /// A setting that cannot be, a guard that needs a target, no baskets; `Cancelled`.
    pub fn mine(
        &self,
        transactions: &Transactions,
        unit: Option<&[u64]>,
        goes_on: GoesOn,
    ) -> Result<RulesFound, MineError> {
        self.check()?;
        let grouped = self.grouped(transactions);
        match self.guard {
            Guard::Holdout => self.by_halves(&grouped, unit, goes_on),
            _ => self.on_all(transactions, &grouped, goes_on),
        }
    }

    fn check(&self) -> Result<(), MineError> {
        let fail = |setting: &'static str, value: String, reason: &'static str| {
            Err(MineError::Setting {
                setting,
                value,
                reason,
            })
        };
        let share = |x: f64| (0.0..=1.0).contains(&x);
        if !share(self.min_support) || self.min_support == 0.0 {
            let reason = "it lies above 0 and at most at 1";
            return fail("min_support", self.min_support.to_string(), reason);
        }
        if !share(self.min_confidence) {
            let reason = "it lies between 0 and 1";
            return fail("min_confidence", self.min_confidence.to_string(), reason);
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return fail("level", self.level.to_string(), "it lies between 0 and 1");
        }
        if !(2..=12).contains(&self.max_items) {
            return fail(
                "max_items",
                self.max_items.to_string(),
                "a rule has 2 to 12 items",
            );
        }
        if self.top.is_some() && matches!(self.guard, Guard::Lamp | Guard::Permutation) {
            let reason =
                "these guards pay for all rules of a support, and the best are sought without one";
            return fail("guard", "lamp or permutation".into(), reason);
        }
        if self.top.is_some_and(|(n, _)| n == 0) {
            return fail("top", "0".into(), "it is at least 1");
        }
        let targets = self.targets.as_deref().unwrap_or_default();
        let has_target = |group: &Group| group.members.iter().any(|item| targets.contains(item));
        if self.groups.iter().any(has_target) {
            let reason = "an item that rules lead to is in none of them";
            return fail("groups", "given".into(), reason);
        }
        let permutations = match self.targets {
            Some(_) => LABEL_PERMUTATIONS,
            None => ITEM_PERMUTATIONS,
        };
        check_permutations(self.guard, self.level, permutations)?;
        if self.guard == Guard::Lamp && self.targets.is_none() {
            let reason = "it corrects for rules to a target, which none was named";
            return fail("guard", "lamp".into(), reason);
        }
        Ok(())
    }

    fn grouped<'a>(&self, transactions: &'a Transactions) -> Grouped<'a> {
        Grouped::new(transactions, &self.groups)
    }

    /// Baskets of a share, rounded up; no fewer than two.
    fn min_count(&self, n_baskets: usize) -> u32 {
        least_count(self.min_support, n_baskets).max(LEAST_COUNT)
    }

    /// `transactions`: with groups, as `grouped` names them.
    fn explore(
        &self,
        transactions: &Transactions,
        grouped: &Grouped,
        goes_on: GoesOn,
    ) -> Result<Explored, MineError> {
        match self.top {
            None => {
                let settings = self.sets_of(self.min_count(transactions.len()));
                self.explore_sets(&settings, transactions, grouped, goes_on)
            }
            Some((n, by)) => self.explore_best((n, by), transactions, grouped, goes_on),
        }
    }

    /// All sets of a count that a rule can be of.
    fn sets_of(&self, min_count: u32) -> ItemsetSettings {
        ItemsetSettings {
            max_items: self.max_items,
            memory: self.memory,
            ..ItemsetSettings::frequent(min_count)
        }
    }

    /// The rules of some sets.
    fn explore_sets(
        &self,
        settings: &ItemsetSettings,
        transactions: &Transactions,
        grouped: &Grouped,
        goes_on: GoesOn,
    ) -> Result<Explored, MineError> {
        let itemsets = settings.mine(transactions, goes_on)?;
        let wanted = Wanted {
            min_confidence: self.min_confidence,
            targets: self.targets.as_deref(),
            grouped,
        };
        let mut found = candidates(&itemsets, &Known::new(&itemsets), &wanted);
        let general = |rule: &&Rule| grouped.is_general(rule);
        let items = found.rules.iter().filter(general).flat_map(Rule::items);
        let columns = columns_of(transactions, grouped, items);
        let all = found.rules.len();
        let rules = std::mem::take(&mut found.rules).into_par_iter();
        found.rules = rules
            .filter_map(|mut rule| {
                let (p, holds) = grouped.without_members(&rule, &columns);
                rule.p_value = rule.p_value.max(p);
                holds.then_some(rule)
            })
            .collect();
        found.n_unproductive += (all - found.rules.len()) as u64;
        Ok(Explored {
            found,
            n_worse: 0,
            n_itemsets: itemsets.len() as u64,
            shortage: itemsets.shortage(),
        })
    }

    fn by_halves(
        &self,
        grouped: &Grouped,
        unit: Option<&[u64]>,
        goes_on: GoesOn,
    ) -> Result<RulesFound, MineError> {
        let transactions = &grouped.transactions;
        let (searched, held_out) = halves(transactions.len(), unit, self.seed);
        if unit.is_some() && held_out.is_empty() && transactions.len() > 1 {
            return Err(MineError::OneUnit);
        }
        let (first, second) = (
            transactions.select(&searched),
            transactions.select(&held_out),
        );
        let mut explored = self.explore(&first, grouped, goes_on)?;
        let looks_like_one = |rule: &Rule| rule.p_value <= EXPLORATORY_LEVEL;
        let all = explored.found.rules.len();
        explored.found.rules.retain(looks_like_one);
        sort(&mut explored.found.rules);
        explored.found.rules.truncate(MOST_TESTED);
        let n_not_explored = (all - explored.found.rules.len()) as u64;
        let wanted = || explored.found.rules.iter().flat_map(Rule::items);
        let columns = columns_of(&second, grouped, wanted());
        let again = |rule: &Rule| {
            let counted = Rule::counted(&rule.antecedent, rule.consequent, &columns)?;
            let (p, _) = grouped.without_members(rule, &columns);
            let mut rule = counted.rule;
            rule.p_value = rule.p_value.max(p);
            Some(rule)
        };
        let tested: Vec<Option<Rule>> = explored.found.rules.par_iter().map(again).collect();
        let p_values: Vec<f64> = tested
            .iter()
            .map(|r| r.as_ref().map_or(1.0, |r| r.p_value))
            .collect();
        let passes = holm(&p_values, self.level);
        let whole = columns_of(transactions, grouped, wanted());
        let judged = explored
            .found
            .rules
            .iter()
            .zip(tested)
            .map(|(rule, held)| JudgedRule {
                rule: over_all(rule, &whole),
                held_out: held,
                also: Vec::new(),
                folded_under: None,
            });
        let judged: Vec<(JudgedRule, bool)> = judged.zip(passes).collect();
        Ok(explored.into_found(
            judged,
            &[(Reason::NotExplored, n_not_explored)],
            None,
            (first.len() as u64, second.len() as u64),
            grouped,
        ))
    }

    fn on_all(
        &self,
        ungrouped: &Transactions,
        grouped: &Grouped,
        goes_on: GoesOn,
    ) -> Result<RulesFound, MineError> {
        let transactions = &grouped.transactions;
        let mut explored = self.explore(transactions, grouped, goes_on)?;
        let rules = &mut explored.found.rules;
        sort(rules);
        let p_values: Vec<f64> = rules.iter().map(|rule| rule.p_value).collect();
        let n = transactions.len() as u64;
        let mut n_untestable = 0;
        let (passes, level): (Vec<bool>, Option<f64>) = match self.guard {
            Guard::Exploratory => (benjamini_hochberg(&p_values, self.level), None),
            Guard::None | Guard::Holdout => (vec![true; rules.len()], None),
            Guard::Lamp => {
                let testable = self.testable(transactions, goes_on)?;
                let passes = |rule: &Rule| {
                    let of = testable
                        .iter()
                        .find(|(target, _)| *target == rule.consequent);
                    of.is_some_and(|(_, t)| t.passes(rule.p_value, rule.counts.one))
                };
                for rule in rules.iter() {
                    let of = testable
                        .iter()
                        .find(|(target, _)| *target == rule.consequent);
                    n_untestable += u64::from(
                        of.is_some_and(|(_, t)| rule.counts.one < u64::from(t.least_count)),
                    );
                }
                let one = (testable.len() == 1).then(|| testable[0].1.level);
                (rules.iter().map(passes).collect(), one)
            }
            Guard::Permutation => {
                let level = self.permuted_level(ungrouped, transactions, goes_on)?;
                (p_values.iter().map(|&p| p <= level).collect(), Some(level))
            }
        };
        let judged = rules.drain(..).map(|rule| JudgedRule {
            rule,
            held_out: None,
            also: Vec::new(),
            folded_under: None,
        });
        let judged: Vec<(JudgedRule, bool)> = judged.zip(passes).collect();
        let untestable = [(Reason::Untestable, n_untestable)];
        Ok(explored.into_found(judged, &untestable, level, (n, 0), grouped))
    }

    /// The correction of each target; all targets share the level.
    fn testable(
        &self,
        transactions: &Transactions,
        goes_on: GoesOn,
    ) -> Result<Vec<(u32, Testable)>, MineError> {
        let targets = self.targets.clone().unwrap_or_default();
        let counts = transactions.counts();
        let itemsets = self.sets_without(transactions, &targets, goes_on)?;
        let known = Known::new(&itemsets);
        // Sets with the baskets of one of their parts are the same hypothesis.
        let is_own = |&at: &usize| {
            let items = itemsets.items(at);
            let mut part = Vec::with_capacity(items.len());
            (0..items.len()).all(|k| {
                part.clear();
                part.extend(
                    items
                        .iter()
                        .enumerate()
                        .filter(|(j, _)| *j != k)
                        .map(|(_, i)| *i),
                );
                known.count(&part) != Some(u64::from(itemsets.count(at)))
            })
        };
        let own = (0..itemsets.len()).into_par_iter().filter(is_own);
        let sizes: Vec<u32> = own.map(|at| itemsets.count(at)).collect();
        let n = transactions.len() as u64;
        let share = self.level / targets.len().max(1) as f64;
        let of = |target: u32| {
            let with_label = u64::from(counts.get(target as usize).copied().unwrap_or(0));
            (target, lamp(&sizes, (n, with_label), share))
        };
        Ok(targets.into_iter().map(of).collect())
    }

    /// The p-value below which the same search finds something in only a share `level` of shuffled baskets.
    fn permuted_level(
        &self,
        ungrouped: &Transactions,
        transactions: &Transactions,
        goes_on: GoesOn,
    ) -> Result<f64, MineError> {
        let least = match &self.targets {
            Some(targets) => self.least_of_labels(transactions, targets, goes_on)?,
            None => self.least_of_items(ungrouped, goes_on)?,
        };
        Ok(westfall_young(least, self.level))
    }

    /// The least p-value of any set, for every time that the labels are dealt out anew. All frequent sets are looked at,
    /// those that say nothing in the real baskets too: they were searched.
    fn least_of_labels(
        &self,
        transactions: &Transactions,
        targets: &[u32],
        goes_on: GoesOn,
    ) -> Result<Vec<f64>, MineError> {
        let itemsets = self.sets_without(transactions, targets, goes_on)?;
        let items: HashSet<u32> = itemsets
            .iter()
            .flat_map(|(items, _)| items.to_vec())
            .collect();
        let columns = Columns::new(transactions, items.into_iter());
        let labels: Vec<Vec<u64>> = (0..LABEL_PERMUTATIONS)
            .into_par_iter()
            .flat_map_iter(|k| {
                let mut rng = ChaCha8Rng::seed_from_u64(mix(self.seed, k));
                let drawn = with_shuffled_items(transactions, targets, &mut rng);
                let of = Columns::new(&drawn, targets.iter().copied());
                let words = |target: &u32| of.column(*target).unwrap_or(&[]).to_vec();
                targets.iter().map(words).collect::<Vec<_>>()
            })
            .collect();
        let n = transactions.len() as u64;
        let others: Vec<u64> = labels.iter().map(|l| bits::count_shared(l, l)).collect();
        let of_set = |at: usize| -> Vec<f64> {
            let Some(cover) = columns.cover(itemsets.items(at)) else {
                return vec![1.0; labels.len()];
            };
            let one = u64::from(itemsets.count(at));
            let mut known: HashMap<(u64, u64), f64> = HashMap::new();
            let p_value = |(label, &other): (&Vec<u64>, &u64)| {
                let both = bits::count_shared(&cover, label);
                let table = Together {
                    n,
                    one,
                    other,
                    both,
                };
                *known
                    .entry((other, both))
                    .or_insert_with(|| table.p_value())
            };
            labels.iter().zip(&others).map(p_value).collect()
        };
        let least = |mut a: Vec<f64>, b: Vec<f64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = a.min(b));
            a
        };
        let none = || vec![1.0; labels.len()];
        let by_label = (0..itemsets.len())
            .into_par_iter()
            .map(of_set)
            .reduce(none, least);
        let of_drawing = by_label.chunks(targets.len().max(1));
        Ok(of_drawing
            .map(|p| p.iter().copied().fold(1.0, f64::min))
            .collect())
    }

    /// Frequent sets of all items but some.
    fn sets_without(
        &self,
        transactions: &Transactions,
        items: &[u32],
        goes_on: GoesOn,
    ) -> Result<Itemsets, MineError> {
        let settings = ItemsetSettings {
            max_items: self.max_items - 1,
            memory: self.memory,
            ..ItemsetSettings::frequent(self.min_count(transactions.len()))
        };
        settings.mine(&without_items(transactions, items), goes_on)
    }

    fn least_of_items(
        &self,
        transactions: &Transactions,
        goes_on: GoesOn,
    ) -> Result<Vec<f64>, MineError> {
        let draw = |k: u64| -> Result<f64, MineError> {
            let mut rng = ChaCha8Rng::seed_from_u64(mix(self.seed, k));
            let drawn = shuffled(transactions, None, &mut rng);
            let drawn = self.grouped(&drawn);
            let found = self.explore(&drawn.transactions, &drawn, goes_on)?.found;
            Ok(found
                .rules
                .iter()
                .map(|rule| rule.p_alone)
                .fold(1.0, f64::min))
        };
        (0..ITEM_PERMUTATIONS).map(draw).collect()
    }
}

struct Explored {
    found: Candidates,
    /// Rules that are not among the best that were asked for.
    n_worse: u64,
    n_itemsets: u64,
    shortage: Option<Shortage>,
}

impl Explored {
    fn into_found(
        self,
        judged: Vec<(JudgedRule, bool)>,
        rejected: &[(Reason, u64)],
        level_of_one: Option<f64>,
        (n_searched, n_held_out): (u64, u64),
        grouped: &Grouped,
    ) -> RulesFound {
        let n_tested = judged.len() as u64;
        let (kept, fallen): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, passes)| *passes);
        let in_order = |rules: Vec<(JudgedRule, bool)>| {
            let mut rules: Vec<JudgedRule> = rules.into_iter().map(|(rule, _)| rule).collect();
            rules.sort_by(|a, b| {
                let by_p = a.p_value().total_cmp(&b.p_value());
                by_p.then_with(|| key(&a.rule).cmp(&key(&b.rule)))
            });
            rules
        };
        let mut reasons = vec![
            (Reason::Unproductive, self.found.n_unproductive),
            (Reason::Unsure, self.found.n_unsure),
            (Reason::NotAmongBest, self.n_worse),
        ];
        reasons.extend(rejected);
        let told: u64 = rejected
            .iter()
            .filter(|r| r.0 == Reason::Untestable)
            .map(|r| r.1)
            .sum();
        reasons.push((Reason::NotSignificant, fallen.len() as u64 - told));
        reasons.retain(|(_, n)| *n > 0);
        let mut fallen = in_order(fallen);
        fallen.truncate(FALLEN_SHOWN);
        let mut kept = in_order(kept);
        fold::fold(&mut kept, grouped);
        RulesFound {
            kept,
            fallen,
            rejected: reasons,
            n_candidates: self.found.n_looked_at,
            n_tested,
            level_of_one,
            n_itemsets: self.n_itemsets,
            shortage: self.shortage,
            n_searched,
            n_held_out,
        }
    }
}

/// The baskets that a search by halves looks at, of `n` that have nothing to do with each other. What is fitted on these
/// is fitted before anything is tested.
pub fn searched_half(n: usize, seed: u64) -> Vec<usize> {
    halves(n, None, seed).0
}

fn key(rule: &Rule) -> (&[u32], u32) {
    (&rule.antecedent, rule.consequent)
}

fn sort(rules: &mut [Rule]) {
    rules.sort_by(|a, b| {
        let by_p = a.p_value.total_cmp(&b.p_value);
        by_p.then_with(|| key(a).cmp(&key(b)))
    });
}

/// With few permutations a small level cannot be shown: that is told before they are made.
pub(in crate::mine) fn check_permutations(
    guard: Guard,
    level: f64,
    permutations: u64,
) -> Result<(), MineError> {
    if guard != Guard::Permutation || level * (permutations + 1) as f64 >= 1.0 {
        return Ok(());
    }
    Err(MineError::Setting {
        setting: "level",
        value: level.to_string(),
        reason: match permutations {
            LABEL_PERMUTATIONS => {
                "1,000 permutations show no less than .001; the guard holdout has no such bound"
            }
            _ => "200 permutations show no less than .005; the guard holdout has no such bound",
        },
    })
}

/// A rule with the counts of all baskets and the p-values of the search.
fn over_all(rule: &Rule, whole: &Columns) -> Rule {
    let found = Rule::counted(&rule.antecedent, rule.consequent, whole);
    Rule {
        counts: found.map_or(rule.counts, |found| found.rule.counts),
        ..rule.clone()
    }
}

/// Columns of some items and of the members of those that are groups.
fn columns_of(
    transactions: &Transactions,
    grouped: &Grouped,
    items: impl Iterator<Item = u32>,
) -> Columns {
    let items: HashSet<u32> = items.collect();
    let members = items.iter().flat_map(|&item| grouped.members(item));
    let wanted: Vec<u32> = items.iter().chain(members).copied().collect();
    Columns::new(transactions, wanted.into_iter())
}

fn without_items(transactions: &Transactions, items: &[u32]) -> Transactions {
    let own = |basket: &[u32]| {
        basket
            .iter()
            .copied()
            .filter(|i| !items.contains(i))
            .collect()
    };
    Transactions::from_codes(
        transactions.names().to_vec(),
        transactions.baskets().map(own),
    )
}
