//! Groups of items as items of their own, so that rules can be about all of a group.

use std::borrow::Cow;
use std::collections::HashMap;

use super::candidates::Rule;
use super::counting::Columns;
use super::fisher::Together;
use crate::represent::transactions::Transactions;

/// Items that are alike. A basket holds the group where it holds any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// Codes, ascending, two or more; no item is in two groups.
    pub members: Vec<u32>,
}

/// Baskets with their groups, whose codes follow those of the items.
pub(super) struct Grouped<'a> {
    pub transactions: Cow<'a, Transactions>,
    /// Code of the first group.
    first: u32,
    members: Vec<Vec<u32>>,
    group_of: HashMap<u32, u32>,
}

impl<'a> Grouped<'a> {
    /// Adds groups to baskets.
    pub fn new(transactions: &'a Transactions, groups: &[Group]) -> Grouped<'a> {
        let first = transactions.n_items() as u32;
        let mut group_of = HashMap::new();
        for (group, code) in groups.iter().zip(first..) {
            group_of.extend(group.members.iter().map(|&item| (item, code)));
        }
        if groups.is_empty() {
            return Grouped {
                transactions: Cow::Borrowed(transactions),
                first,
                members: Vec::new(),
                group_of,
            };
        }
        let mut names = transactions.names().to_vec();
        names.extend(groups.iter().map(|group| group.name.clone()));
        let baskets = transactions.baskets().map(|basket| {
            let mut all = basket.to_vec();
            all.extend(basket.iter().filter_map(|item| group_of.get(item)));
            all
        });
        Grouped {
            transactions: Cow::Owned(Transactions::from_codes(names, baskets)),
            first,
            members: groups.iter().map(|group| group.members.clone()).collect(),
            group_of,
        }
    }

    /// The members of a group; none of an item.
    pub fn members(&self, code: u32) -> &[u32] {
        let group = code.checked_sub(self.first).map(|at| at as usize);
        group
            .and_then(|at| self.members.get(at))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether items hold a group and one of its members, which says nothing.
    pub fn is_double(&self, items: &[u32]) -> bool {
        let has_group = |item: &u32| {
            let group = self.group_of.get(item);
            group.is_some_and(|group| items.contains(group))
        };
        !self.members.is_empty() && items.iter().any(has_group)
    }

    /// The item's group, or the item.
    pub fn general(&self, item: u32) -> u32 {
        self.group_of.get(&item).copied().unwrap_or(item)
    }

    /// Whether a rule is about a group.
    pub fn is_general(&self, rule: &Rule) -> bool {
        rule.consequent >= self.first || rule.antecedent.iter().any(|item| *item >= self.first)
    }

    /// A rule about a group is to hold without each of its members too: the largest p-value of the rule over the baskets
    /// without one of them, and whether it is more frequent than by chance in each of these. 0 and true of other rules.
    pub fn without_members(&self, rule: &Rule, columns: &Columns) -> (f64, bool) {
        let mut worst: f64 = 0.0;
        let mut holds = true;
        let items = rule.antecedent.iter().chain([&rule.consequent]);
        for &group in items {
            for &member in self.members(group) {
                let table = self.table(rule, group, member, columns);
                worst = worst.max(table.p_value());
                holds &= table.both * table.n > table.one * table.other;
            }
        }
        (worst, holds)
    }

    /// Baskets without a member of a group: of those with what else the rule leads from, by whether they hold the group
    /// and what it leads to.
    fn table(&self, rule: &Rule, group: u32, member: u32, columns: &Columns) -> Together {
        let count = |items: &[u32]| -> u64 { columns.count_without(items, member).unwrap_or(0) };
        if group == rule.consequent {
            return Together {
                n: count(&[]),
                one: count(&rule.antecedent),
                other: count(&[group]),
                both: count(&rule.items()),
            };
        }
        let rest: Vec<u32> = (rule.antecedent.iter().copied())
            .filter(|item| *item != group)
            .collect();
        let with = |item: u32| -> Vec<u32> {
            let mut items = rest.clone();
            items.push(item);
            items.sort_unstable();
            items
        };
        Together {
            n: count(&rest),
            one: count(&rule.antecedent),
            other: count(&with(rule.consequent)),
            both: count(&rule.items()),
        }
    }
}
