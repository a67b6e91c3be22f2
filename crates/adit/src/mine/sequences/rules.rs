//! Sequential patterns that have paid for the whole space that was searched.
//!
//! Enters: [`Sequences`] and a question. Leaves: [`SequenceRules`]. Not here: intervals and words.
//!
//! Asked for order, a pattern is a rule from all its elements but the last to the last, and is compared with random
//! order within every sequence; asked for labels, it is a rule to the label and is compared with labels dealt out anew
//! between sequences.

use std::collections::HashMap;

use adit_nn::random::mix;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::contrast::{CountsOf, contrast};
use super::order::Searched;
use super::places::Limits;
use super::{SequencePattern, SequenceSettings, part_without};
use crate::mine::MineError;
use crate::mine::bar::{Shortage, least_count};
use crate::mine::halves::halves;
use crate::mine::rules::{
    EXPLORATORY_LEVEL, FALLEN_SHOWN, Guard, LABEL_PERMUTATIONS, MOST_TESTED, Reason, Together,
    benjamini_hochberg, check_permutations, holm, lamp, westfall_young,
};
use crate::represent::sequences::Sequences;

/// What is in one sequence only is no pattern.
const LEAST_COUNT: u32 = 2;
/// Times that the order of all sequences is drawn anew.
const ORDER_PERMUTATIONS: u64 = 200;
/// A longer pattern speaks for a shorter one of which at least so many hundredths hold it.
const SPEAKS_FROM: u64 = 95;

/// What is asked of sequences.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Which order says more than the events: what comes after what.
    Order,
    /// What sequences with the label hold more often. `[n_sequences]`
    Labels(&'a [bool]),
}

/// What is searched for, and how it is paid.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRuleSettings {
    /// Share of the sequences that hold the pattern, at least.
    pub min_support: f64,
    pub min_confidence: f64,
    /// Items over all elements, 12 at most.
    pub max_items: usize,
    pub limits: Limits,
    /// The last element, where only patterns that lead to it are wanted.
    pub target: Option<u32>,
    pub guard: Guard,
    /// The chance that any pattern is kept where there is nothing, or the share of false ones.
    pub level: f64,
    pub seed: u64,
    /// Bytes for the patterns.
    pub memory: u64,
}

/// How many sequences a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RuleCounts {
    pub n: u64,
    /// Sequences that hold what comes before; of a rule to a label, the pattern.
    pub before: u64,
    /// Those of them that go on to the last element, or have the label.
    pub count: u64,
    /// Sequences that could have gone on, wherever their events lie; of a rule to a label, those with the pattern.
    pub at_risk: u64,
    /// As many of them would by chance.
    pub expected: f64,
    /// Of a rule to a label: sequences by pattern and label.
    pub table: Option<Together>,
}

/// A rule with what was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRule {
    /// All elements of the pattern; of a rule to a label, without the label.
    pub elements: Vec<Vec<u32>>,
    /// Over all sequences.
    pub counts: RuleCounts,
    /// Over the sequences that the search did not see, where there are such.
    pub held_out: Option<RuleCounts>,
    /// The p-value that decided.
    pub p_value: f64,
    /// Kept patterns that lie in this one and hardly ever occur without it; places in the list.
    pub also: Vec<usize>,
    /// The pattern that speaks for this one.
    pub folded_under: Option<usize>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRules {
    /// By p-value, then by elements.
    pub kept: Vec<SequenceRule>,
    /// The best of those that were tested and fell.
    pub fallen: Vec<SequenceRule>,
    pub rejected: Vec<(Reason, u64)>,
    pub n_candidates: u64,
    pub n_tested: u64,
    /// P-values at most this large are kept, where one level holds for all.
    pub level_of_one: Option<f64>,
    pub n_patterns: u64,
    pub shortage: Option<Shortage>,
    pub n_searched: u64,
    pub n_held_out: u64,
}

type GoesOn<'a> = &'a (dyn Fn(usize, usize) -> bool + Sync);

/// A pattern that was looked at.
struct Candidate {
    elements: Vec<Vec<u32>>,
    /// Sequences that hold the pattern.
    count: u32,
    p_value: f64,
    p_alone: f64,
}

struct Explored {
    candidates: Vec<Candidate>,
    n_candidates: u64,
    n_unproductive: u64,
    n_unsure: u64,
    n_patterns: u64,
    shortage: Option<Shortage>,
    /// Counts of the different hypotheses: patterns that not all sequences of one of their parts hold.
    sizes: Vec<u32>,
}

impl SequenceRuleSettings {
    /// Searches and pays. `unit` tells for every sequence whose it is, where several belong together; they stay in one
    /// half.
    ///
    /// # Errors
    /// A setting that cannot be, a guard that needs labels, no sequences; `Cancelled`.
    pub fn mine(
        &self,
        sequences: &Sequences,
        question: Question,
        unit: Option<&[u64]>,
        goes_on: GoesOn,
    ) -> Result<SequenceRules, MineError> {
        self.check(question)?;
        match self.guard {
            Guard::Holdout => self.by_halves(sequences, question, unit, goes_on),
            _ => self.on_all(sequences, question, goes_on),
        }
    }

    fn check(&self, question: Question) -> Result<(), MineError> {
        let fail = |setting: &'static str, value: String, reason: &'static str| {
            Err(MineError::Setting {
                setting,
                value,
                reason,
            })
        };
        if !(self.min_support > 0.0 && self.min_support <= 1.0) {
            let reason = "it lies above 0 and at most at 1";
            return fail("min_support", self.min_support.to_string(), reason);
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            let reason = "it lies between 0 and 1";
            return fail("min_confidence", self.min_confidence.to_string(), reason);
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return fail("level", self.level.to_string(), "it lies between 0 and 1");
        }
        if !(1..=12).contains(&self.max_items) {
            let reason = "a rule has 1 to 12 items";
            return fail("max_items", self.max_items.to_string(), reason);
        }
        let permutations = match question {
            Question::Order => ORDER_PERMUTATIONS,
            Question::Labels(_) => LABEL_PERMUTATIONS,
        };
        check_permutations(self.guard, self.level, permutations)?;
        match question {
            Question::Order if self.guard == Guard::Lamp => {
                let reason = "it corrects for rules to a label, which none was named";
                fail("guard", "lamp".into(), reason)
            }
            Question::Labels(_) if self.target.is_some() => {
                let reason = "rules lead to the label already";
                fail("target", "given".into(), reason)
            }
            _ => Ok(()),
        }
    }

    fn explore(
        &self,
        sequences: &Sequences,
        question: Question,
        goes_on: GoesOn,
    ) -> Result<Explored, MineError> {
        let min_count = least_count(self.min_support, sequences.len()).max(LEAST_COUNT);
        let settings = SequenceSettings {
            max_items: self.max_items,
            limits: self.limits,
            memory: self.memory,
            ..SequenceSettings::frequent(min_count)
        };
        let labels = match question {
            Question::Order => None,
            Question::Labels(labels) => Some(labels),
        };
        let found = settings.mine(sequences, labels, goes_on)?;
        let by_elements: HashMap<&[Vec<u32>], &SequencePattern> = (found.patterns.iter())
            .map(|p| (p.elements.as_slice(), p))
            .collect();
        let searched = Searched::new(sequences, self.limits, self.seed);
        let n_labelled = labels.map_or(0, |l| l.iter().filter(|l| **l).count());
        let counts = |elements: &[Vec<u32>]| {
            if elements.is_empty() {
                return Some((sequences.len() as u64, n_labelled as u64));
            }
            let found = by_elements.get(elements)?;
            Some((u64::from(found.count), u64::from(found.labelled)))
        };
        let verdicts: Vec<Verdict> = found
            .patterns
            .par_iter()
            .with_max_len(64)
            .map(|pattern| {
                if !goes_on(0, 0) {
                    return Verdict::NoRule;
                }
                match question {
                    Question::Order => self.look_at_order(pattern, &searched, &counts),
                    Question::Labels(_) => self.look_at_label(pattern, &counts),
                }
            })
            .collect();
        if !goes_on(0, 0) {
            return Err(MineError::Cancelled);
        }
        let is_own = |p: &&SequencePattern| {
            (0..p.n_items()).all(|place| {
                let part = part_without(&p.elements, place, &self.limits);
                let of = part.and_then(|part| by_elements.get(part.as_slice()));
                of.is_none_or(|of| of.count != p.count)
            })
        };
        let sizes = match self.guard {
            Guard::Lamp => (found.patterns.iter().filter(is_own))
                .map(|p| p.count)
                .collect(),
            _ => Vec::new(),
        };
        let mut explored = Explored {
            candidates: Vec::new(),
            n_candidates: 0,
            n_unproductive: 0,
            n_unsure: 0,
            n_patterns: found.patterns.len() as u64,
            shortage: found.shortage,
            sizes,
        };
        for verdict in verdicts {
            explored.n_candidates += u64::from(!matches!(verdict, Verdict::NoRule));
            match verdict {
                Verdict::NoRule => {}
                Verdict::Unproductive => explored.n_unproductive += 1,
                Verdict::Unsure => explored.n_unsure += 1,
                Verdict::Candidate(candidate) => explored.candidates.push(candidate),
            }
        }
        explored.candidates.sort_by(|a, b| {
            let by_p = a.p_value.total_cmp(&b.p_value);
            by_p.then_with(|| a.elements.cmp(&b.elements))
        });
        Ok(explored)
    }

    fn look_at_order(
        &self,
        pattern: &SequencePattern,
        searched: &Searched,
        counts: CountsOf,
    ) -> Verdict {
        let Some((last, before)) = pattern.elements.split_last() else {
            return Verdict::NoRule;
        };
        if before.is_empty() || self.target.is_some_and(|target| last[..] != [target]) {
            return Verdict::NoRule;
        }
        let n_before = counts(before).map_or(0, |c| c.0);
        if f64::from(pattern.count) < self.min_confidence * n_before as f64 {
            return Verdict::Unsure;
        }
        let found = searched.test(&pattern.elements);
        if found.p_value >= 1.0 {
            return Verdict::Unproductive;
        }
        Verdict::Candidate(Candidate {
            elements: pattern.elements.clone(),
            count: pattern.count,
            p_value: found.p_value,
            p_alone: found.p_value,
        })
    }

    fn look_at_label(&self, pattern: &SequencePattern, counts: CountsOf) -> Verdict {
        let Some(found) = contrast(&pattern.elements, &self.limits, counts) else {
            return Verdict::NoRule;
        };
        if !found.is_productive {
            Verdict::Unproductive
        } else if (found.table.both as f64) < self.min_confidence * found.table.one as f64 {
            Verdict::Unsure
        } else {
            Verdict::Candidate(Candidate {
                elements: pattern.elements.clone(),
                count: pattern.count,
                p_value: found.p_value,
                p_alone: found.p_alone,
            })
        }
    }

    /// A rule counted anew on some sequences, with its p-value there.
    fn counted(
        &self,
        elements: &[Vec<u32>],
        searched: &Searched,
        question: Question,
    ) -> (RuleCounts, f64) {
        let n = searched.sequences.len() as u64;
        match question {
            Question::Order => {
                let found = searched.test(elements);
                let before = &elements[..elements.len().saturating_sub(1)];
                let counts = RuleCounts {
                    n,
                    before: searched.holding(before).len() as u64,
                    count: found.count,
                    at_risk: found.at_risk,
                    expected: found.expected,
                    table: None,
                };
                (counts, found.p_value)
            }
            Question::Labels(labels) => {
                let n_labelled = labels.iter().filter(|l| **l).count() as u64;
                let counts = |elements: &[Vec<u32>]| {
                    if elements.is_empty() {
                        return Some((n, n_labelled));
                    }
                    let own = searched.holding(elements);
                    let labelled = own.iter().filter(|at| labels[**at as usize]).count();
                    Some((own.len() as u64, labelled as u64))
                };
                let none = Together {
                    n,
                    one: 0,
                    other: n_labelled,
                    both: 0,
                };
                let found = contrast(elements, &self.limits, &counts);
                let (table, p) = found.map_or((none, 1.0), |found| (found.table, found.p_value));
                let counts = RuleCounts {
                    n,
                    before: table.one,
                    count: table.both,
                    at_risk: table.one,
                    expected: table.one as f64 * table.other as f64 / (n as f64).max(1.0),
                    table: Some(table),
                };
                (counts, p)
            }
        }
    }

    fn by_halves(
        &self,
        sequences: &Sequences,
        question: Question,
        unit: Option<&[u64]>,
        goes_on: GoesOn,
    ) -> Result<SequenceRules, MineError> {
        let (searched, held_out) = halves(sequences.len(), unit, self.seed);
        if unit.is_some() && held_out.is_empty() && sequences.len() > 1 {
            return Err(MineError::OneUnit);
        }
        let (first, second) = (sequences.select(&searched), sequences.select(&held_out));
        let labels_of = |which: &[usize]| -> Vec<bool> {
            match question {
                Question::Order => Vec::new(),
                Question::Labels(labels) => which.iter().map(|&at| labels[at]).collect(),
            }
        };
        let (first_labels, second_labels) = (labels_of(&searched), labels_of(&held_out));
        let with = |labels| match question {
            Question::Order => Question::Order,
            Question::Labels(_) => Question::Labels(labels),
        };
        let mut explored = self.explore(&first, with(&first_labels), goes_on)?;
        let all = explored.candidates.len();
        explored
            .candidates
            .retain(|c| c.p_value <= EXPLORATORY_LEVEL);
        explored.candidates.truncate(MOST_TESTED);
        let n_not_explored = (all - explored.candidates.len()) as u64;
        let other = Searched::new(&second, self.limits, self.seed);
        let again = |c: &Candidate| {
            if !goes_on(0, 0) {
                return (RuleCounts::default(), 1.0);
            }
            self.counted(&c.elements, &other, with(&second_labels))
        };
        let tested: Vec<(RuleCounts, f64)> = explored.candidates.par_iter().map(again).collect();
        if !goes_on(0, 0) {
            return Err(MineError::Cancelled);
        }
        let p_values: Vec<f64> = tested.iter().map(|t| t.1).collect();
        let passes = holm(&p_values, self.level);
        let judged = explored.candidates.drain(..).zip(tested).zip(passes);
        let judged = judged
            .map(|((c, (held_out, p)), passes)| (SequenceRule::new(c, Some(held_out), p), passes))
            .collect();
        let parts = (first.len() as u64, second.len() as u64);
        let not_explored = (Reason::NotExplored, n_not_explored);
        let mut found = explored.into_rules(judged, not_explored, None, parts);
        self.count_all(&mut found, sequences, question);
        Ok(found)
    }

    fn on_all(
        &self,
        sequences: &Sequences,
        question: Question,
        goes_on: GoesOn,
    ) -> Result<SequenceRules, MineError> {
        let mut explored = self.explore(sequences, question, goes_on)?;
        let p_values: Vec<f64> = explored.candidates.iter().map(|c| c.p_value).collect();
        let (passes, level): (Vec<bool>, Option<f64>) = match (self.guard, question) {
            (Guard::Exploratory, _) => (benjamini_hochberg(&p_values, self.level), None),
            (Guard::Lamp, Question::Labels(labels)) => {
                let labelled = labels.iter().filter(|l| **l).count() as u64;
                let n = (sequences.len() as u64, labelled);
                let testable = lamp(&explored.sizes, n, self.level);
                let passes = |c: &Candidate| testable.passes(c.p_value, u64::from(c.count));
                (
                    explored.candidates.iter().map(passes).collect(),
                    Some(testable.level),
                )
            }
            (Guard::Permutation, _) => {
                let least = match question {
                    Question::Order => self.least_of_orders(sequences, goes_on)?,
                    Question::Labels(labels) => self.least_of_labels(sequences, labels, goes_on)?,
                };
                let level = westfall_young(least, self.level);
                (p_values.iter().map(|&p| p <= level).collect(), Some(level))
            }
            _ => (vec![true; p_values.len()], None),
        };
        let judged = explored.candidates.drain(..).zip(passes);
        let judged = judged
            .map(|(c, passes)| {
                let p = c.p_value;
                (SequenceRule::new(c, None, p), passes)
            })
            .collect();
        let parts = (sequences.len() as u64, 0);
        let mut found = explored.into_rules(judged, (Reason::NotExplored, 0), level, parts);
        self.count_all(&mut found, sequences, question);
        Ok(found)
    }

    /// Counts what is told over all sequences, and folds it.
    fn count_all(&self, found: &mut SequenceRules, sequences: &Sequences, question: Question) {
        let whole = Searched::new(sequences, self.limits, self.seed);
        for rules in [&mut found.kept, &mut found.fallen] {
            rules.par_iter_mut().for_each(|rule| {
                rule.counts = self.counted(&rule.elements, &whole, question).0;
            });
        }
        fold(&mut found.kept, &self.limits);
    }

    /// The least p-value of any pattern, for every time that the order within all sequences is drawn anew.
    fn least_of_orders(
        &self,
        sequences: &Sequences,
        goes_on: GoesOn,
    ) -> Result<Vec<f64>, MineError> {
        let draw = |k: u64| -> Result<f64, MineError> {
            let drawn = shuffled_order(sequences, mix(self.seed, k));
            let found = self.explore(&drawn, Question::Order, goes_on)?;
            Ok(found.candidates.first().map_or(1.0, |c| c.p_alone))
        };
        (0..ORDER_PERMUTATIONS).map(draw).collect()
    }

    /// The least p-value of any pattern, for every time that labels are dealt out anew. All frequent patterns are looked
    /// at, those that say nothing in the real sequences too: they were searched.
    fn least_of_labels(
        &self,
        sequences: &Sequences,
        labels: &[bool],
        goes_on: GoesOn,
    ) -> Result<Vec<f64>, MineError> {
        let min_count = least_count(self.min_support, sequences.len()).max(LEAST_COUNT);
        let settings = SequenceSettings {
            max_items: self.max_items,
            limits: self.limits,
            memory: self.memory,
            ..SequenceSettings::frequent(min_count)
        };
        let found = settings.mine(sequences, None, goes_on)?;
        let searched = Searched::new(sequences, self.limits, self.seed);
        let n = sequences.len() as u64;
        let other = labels.iter().filter(|l| **l).count() as u64;
        let drawn: Vec<Vec<bool>> = (0..LABEL_PERMUTATIONS)
            .into_par_iter()
            .map(|k| {
                let mut labels = labels.to_vec();
                labels.shuffle(&mut ChaCha8Rng::seed_from_u64(mix(self.seed, k)));
                labels
            })
            .collect();
        let of_pattern = |pattern: &SequencePattern| -> Vec<f64> {
            if !goes_on(0, 0) {
                return vec![1.0; drawn.len()];
            }
            let own = searched.holding(&pattern.elements);
            let one = own.len() as u64;
            let mut known: HashMap<u64, f64> = HashMap::new();
            let p_value = |labels: &Vec<bool>| {
                let both = own.iter().filter(|at| labels[**at as usize]).count() as u64;
                let table = Together {
                    n,
                    one,
                    other,
                    both,
                };
                *known.entry(both).or_insert_with(|| table.p_value())
            };
            drawn.iter().map(p_value).collect()
        };
        let least = |mut a: Vec<f64>, b: Vec<f64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = a.min(b));
            a
        };
        let none = || vec![1.0; drawn.len()];
        let all = found.patterns.par_iter().map(of_pattern);
        let all = all.reduce(none, least);
        if goes_on(0, 0) {
            Ok(all)
        } else {
            Err(MineError::Cancelled)
        }
    }
}

impl SequenceRule {
    fn new(candidate: Candidate, held_out: Option<RuleCounts>, p_value: f64) -> SequenceRule {
        SequenceRule {
            elements: candidate.elements,
            counts: RuleCounts::default(),
            held_out,
            p_value,
            also: Vec::new(),
            folded_under: None,
        }
    }
}

/// What a look at a pattern says.
enum Verdict {
    /// It is no rule of the kind that is asked for.
    NoRule,
    Unproductive,
    Unsure,
    Candidate(Candidate),
}

impl Explored {
    fn into_rules(
        self,
        judged: Vec<(SequenceRule, bool)>,
        not_explored: (Reason, u64),
        level_of_one: Option<f64>,
        (n_searched, n_held_out): (u64, u64),
    ) -> SequenceRules {
        let n_tested = judged.len() as u64;
        let (kept, fallen): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, passes)| *passes);
        let in_order = |rules: Vec<(SequenceRule, bool)>| {
            let mut rules: Vec<SequenceRule> = rules.into_iter().map(|(rule, _)| rule).collect();
            rules.sort_by(|a, b| {
                let by_p = a.p_value.total_cmp(&b.p_value);
                by_p.then_with(|| a.elements.cmp(&b.elements))
            });
            rules
        };
        let mut rejected = vec![
            (Reason::Unproductive, self.n_unproductive),
            (Reason::Unsure, self.n_unsure),
            not_explored,
            (Reason::NotSignificant, fallen.len() as u64),
        ];
        rejected.retain(|(_, n)| *n > 0);
        let mut fallen = in_order(fallen);
        fallen.truncate(FALLEN_SHOWN);
        SequenceRules {
            kept: in_order(kept),
            fallen,
            rejected,
            n_candidates: self.n_candidates,
            n_tested,
            level_of_one,
            n_patterns: self.n_patterns,
            shortage: self.shortage,
            n_searched,
            n_held_out,
        }
    }
}

/// Notes for every pattern that hardly ever occurs without a longer one that this speaks for it.
fn fold(rules: &mut [SequenceRule], limits: &Limits) {
    let place_of: HashMap<Vec<Vec<u32>>, usize> = (rules.iter().enumerate())
        .map(|(at, rule)| (rule.elements.clone(), at))
        .collect();
    let n_items = |rule: &SequenceRule| rule.elements.iter().map(Vec::len).sum::<usize>();
    let mut order: Vec<usize> = (0..rules.len()).collect();
    // The longest speak first, and of these the first.
    order.sort_by_key(|&at| (std::cmp::Reverse(n_items(&rules[at])), at));
    for at in order {
        let speaker = rules[at].folded_under.unwrap_or(at);
        for place in 0..n_items(&rules[at]) {
            let part = part_without(&rules[at].elements, place, limits);
            let Some(&smaller) = part.and_then(|part| place_of.get(&part)) else {
                continue;
            };
            let holds_it =
                rules[at].counts.count * 100 >= SPEAKS_FROM * rules[smaller].counts.count;
            if holds_it && rules[smaller].folded_under.is_none() {
                rules[smaller].folded_under = Some(speaker);
                rules[speaker].also.push(smaller);
            }
        }
    }
    for rule in rules {
        rule.also.sort_unstable();
    }
}

/// The same sequences, each with its elements in random order.
pub fn shuffled_order(sequences: &Sequences, seed: u64) -> Sequences {
    let drawn = (0..sequences.len()).map(|at| {
        let mut elements: Vec<Vec<u32>> = (0..sequences.n_elements(at))
            .map(|element| sequences.element(at, element).to_vec())
            .collect();
        elements.shuffle(&mut ChaCha8Rng::seed_from_u64(mix(seed, at as u64)));
        elements
    });
    Sequences::from_codes(sequences.names().to_vec(), drawn)
}
