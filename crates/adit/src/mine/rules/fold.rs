//! Rules about the same items say one thing: the one that says most speaks for the others.

use std::collections::HashMap;

use super::JudgedRule;

/// Notes for every rule which one speaks for it: of the rules about the same items the one of the largest lift, then of
/// the largest confidence, then the first.
pub(super) fn fold(rules: &mut [JudgedRule]) {
    let mut by_items: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (at, judged) in rules.iter().enumerate() {
        by_items.entry(judged.rule.items()).or_default().push(at);
    }
    for places in by_items.into_values() {
        // Between two items the lift is the same both ways; the way that is more often right says more.
        let says = |at: usize| {
            let rule = rules[at].held_out.as_ref().unwrap_or(&rules[at].rule);
            (rule.lift(), rule.confidence())
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
