//! Rules about the same items, or about items of the same groups, say one thing: the one that says most speaks for the
//! others.

use std::collections::HashMap;

use super::JudgedRule;
use super::groups::Grouped;

/// Notes for every rule which one speaks for it: of the rules about the same items the one about most groups, then of
/// the largest lift, then of the largest confidence, then the first. Items of one group count as the same.
pub(super) fn fold(rules: &mut [JudgedRule], grouped: &Grouped) {
    let mut by_items: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (at, judged) in rules.iter().enumerate() {
        let items = judged.rule.items().into_iter();
        let mut items: Vec<u32> = items.map(|item| grouped.general(item)).collect();
        items.sort_unstable();
        by_items.entry(items).or_default().push(at);
    }
    for places in by_items.into_values() {
        // Between two items the lift is the same both ways; the way that is more often right says more.
        let says = |at: usize| {
            let rule = rules[at].held_out.as_ref().unwrap_or(&rules[at].rule);
            let items = rule.items();
            let general = items
                .iter()
                .filter(|item| !grouped.members(**item).is_empty());
            (general.count(), rule.lift(), rule.confidence())
        };
        let mut speaker = places[0];
        for &at in &places[1..] {
            if says(at) > says(speaker) {
                speaker = at;
            }
        }
        let others: Vec<usize> = places.into_iter().filter(|&at| at != speaker).collect();
        for &at in &others {
            rules[at].folded_under = Some(speaker);
        }
        rules[speaker].also = others;
    }
}
