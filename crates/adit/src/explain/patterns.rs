//! Patterns that were found, measured and told in words.
//!
//! Enters: rules with their counts. Leaves: [`PatternFindings`]. Not here: which rules are kept, how they are drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::proportion::{Z, wilson};
use super::{Estimate, Warning};
use crate::mine::rules::{By, Guard, Reason, Together};
use crate::mine::sequences::RuleCounts;

/// All that a search for patterns found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PatternFindings {
    /// `rules` or `sequences`
    pub task: String,
    pub title: String,
    pub verdict: String,
    pub data: PatternData,
    pub search: SearchSummary,
    pub counts: PatternCounts,
    /// The first of them, by p-value or, of sets, by count; all are in `patterns.parquet`.
    pub patterns: Vec<Pattern>,
    /// The best of the rules that were tested and fell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallen: Vec<Pattern>,
    /// Items that were grouped by what their names mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ItemGroup>,
    /// Absent where it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<ShuffledFound>,
    pub warnings: Vec<Warning>,
    pub run_again: Vec<String>,
}

/// What was searched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatternData {
    pub sources: Vec<PatternSource>,
    /// How baskets or sequences are written, in words.
    pub form: String,
    /// `baskets` or `sequences`
    pub of: String,
    /// Number of them.
    pub n: u64,
    /// Different items or events.
    pub items: u64,
    /// Items or events over all of them.
    pub entries: u64,
    /// Items of the largest basket, events of the longest sequence.
    pub largest: u64,
    /// Where numbers were cut into parts: the ends of all parts but the last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cuts: BTreeMap<String, Vec<f64>>,
}

/// A file that was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatternSource {
    pub name: String,
    /// Hex SHA-256 of its bytes on disk.
    pub sha256: String,
    /// Baskets, sequences or rows.
    pub rows: u64,
    pub read_as: String,
}

/// How it was searched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchSummary {
    /// `rules`, `itemsets`, `frequent`, `closed` or `maximal`
    pub kind: String,
    pub guard: Guard,
    pub level: f64,
    pub min_support: f64,
    pub min_confidence: f64,
    pub max_items: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Of sequences: the label that rules lead to, as `column = value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Only so many of the best rules were tested, whatever their support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u64>,
    /// By what they are the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// The text encoder by which items were grouped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Elements from one of a pattern to its next, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gap: Option<u64>,
    /// Elements from the first of a pattern to its last, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_window: Option<u64>,
    pub seed: u64,
    /// Baskets or sequences that were searched, and that rules were tested on where those are others.
    pub searched: u64,
    pub held_out: u64,
    /// The support from which everything fits into memory, where less was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_that_fits: Option<f64>,
    /// About how many frequent sets there are at the support that was asked for, where they did not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_sets: Option<f64>,
}

/// How many patterns there are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatternCounts {
    /// Frequent sets; of sequences, frequent patterns.
    pub itemsets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximal: Option<u64>,
    /// Kept rules, those that others speak for included.
    pub rules: u64,
    /// Kept rules that speak for themselves.
    pub told: u64,
    pub candidates: u64,
    pub tested: u64,
    /// By reason.
    pub rejected: BTreeMap<String, u64>,
}

/// One pattern.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pattern {
    /// Items that are there, or the whole set; of sequences, elements in their order.
    pub items: Vec<String>,
    /// The item that is then there too, the last element, or the label; absent of sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// Of sequences: all elements of the pattern with their items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Vec<String>>,
    /// Of the first sequential patterns: how many hold the first element, the first two, and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u64>,
    pub words: String,
    /// Baskets or sequences that hold it all.
    pub count: u64,
    pub support: Estimate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measures: Option<RuleMeasures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Rules about the same items that this one speaks for, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// How strong a rule is, on what the search did not see where there is such.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RuleMeasures {
    /// Share of those with the items that hold the other one too.
    pub confidence: Estimate,
    /// How many times as often that is so as chance has it.
    pub lift: Estimate,
    /// Share of all by which that is more.
    pub leverage: Estimate,
    /// How many times as often the rule would be wrong by chance; absent where it is never wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conviction: Option<Estimate>,
    pub odds_ratio: Estimate,
}

/// Items that are alike by a text encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ItemGroup {
    pub name: String,
    pub members: Vec<String>,
    /// Mean cosine of their vectors to each other.
    pub likeness: f64,
}

/// What the same search finds where there is nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShuffledFound {
    /// Rules kept in each shuffling.
    pub kept: Vec<u64>,
    /// Rules that looked good before they were paid for: the mean.
    pub candidates: f64,
    /// What was shuffled, in words.
    pub what: String,
}

impl RuleMeasures {
    /// From how often two things are there, with 95% intervals: Wilson's for shares, the delta method on the logarithm for ratios
    /// and on the plain scale for the leverage.
    pub fn of(t: &Together) -> RuleMeasures {
        let (n, one, other, both) = (t.n as f64, t.one as f64, t.other as f64, t.both as f64);
        let (p, r, c) = (both / n, one / n, other / n);
        let confidence = wilson(both / one.max(1.0), one);
        let lift = both * n / (one * other).max(1.0);
        let variance = (1.0 / p - 1.0 / r - 1.0 / c + 2.0 * p / (r * c) - 1.0).max(0.0) / n;
        let leverage = p - r * c;
        let spread = (p * (1.0 - p) + c * c * r * (1.0 - r) + r * r * c * (1.0 - c)
            - 2.0 * c * p * (1.0 - r)
            - 2.0 * r * p * (1.0 - c)
            + 2.0 * r * c * (p - r * c))
            .max(0.0);
        let half = Z * (spread / n).sqrt();
        let conviction = |confidence: f64| (1.0 - c) / (1.0 - confidence);
        let wrong = 1.0 - confidence.value;
        // Half a basket more in every cell keeps the ratio finite (Haldane, Anscombe).
        let cells = [both, one - both, other - both, n - one - other + both].map(|x| x + 0.5);
        let odds = cells[0] * cells[3] / (cells[1] * cells[2]);
        RuleMeasures {
            confidence,
            lift: if both > 0.0 {
                ratio(lift, variance)
            } else {
                Estimate {
                    value: 0.0,
                    low: 0.0,
                    high: confidence.high / c.max(f64::MIN_POSITIVE),
                }
            },
            leverage: Estimate {
                value: leverage,
                low: leverage - half,
                high: leverage + half,
            },
            conviction: (wrong > 0.0).then(|| Estimate {
                value: conviction(confidence.value),
                low: conviction(confidence.low),
                high: conviction(confidence.high.min(1.0 - 1e-12)),
            }),
            odds_ratio: ratio(odds, cells.iter().map(|x| 1.0 / x).sum()),
        }
    }

    /// From how many sequences go on to an event and how many would by chance, with 95% intervals by Wilson's of the
    /// share of those that could; what chance gives is known exactly.
    pub fn of_sequences(counts: &RuleCounts) -> RuleMeasures {
        if let Some(table) = &counts.table {
            return RuleMeasures::of(table);
        }
        let at_risk = (counts.at_risk as f64).max(1.0);
        // Less than half a sequence is not told from none.
        let chance = counts.expected.max(0.5).min(at_risk) / at_risk;
        let share = wilson(counts.count as f64 / at_risk, at_risk);
        let of = |by: &dyn Fn(f64) -> f64| Estimate {
            value: by(share.value),
            low: by(share.low),
            high: by(share.high),
        };
        let odds = |p: f64| p / (1.0 - p).max(1e-12);
        RuleMeasures {
            confidence: wilson(
                counts.count as f64 / (counts.before as f64).max(1.0),
                counts.before as f64,
            ),
            lift: of(&|p| p / chance),
            leverage: of(&|p| (p - chance) * at_risk / (counts.n as f64).max(1.0)),
            conviction: (share.value < 1.0).then(|| of(&|p| (1.0 - chance) / (1.0 - p).max(1e-12))),
            // Half a sequence more on each side keeps the ratio finite.
            odds_ratio: of(&|p| odds((p * at_risk + 0.5) / (at_risk + 1.0)) / odds(chance)),
        }
    }
}

/// A ratio whose logarithm has a variance.
fn ratio(value: f64, variance: f64) -> Estimate {
    let factor = (Z * variance.sqrt()).exp();
    Estimate {
        value,
        low: value / factor,
        high: value * factor,
    }
}

/// A share of baskets with Wilson's interval.
pub fn share_estimate(count: u64, n: u64) -> Estimate {
    wilson(count as f64 / (n as f64).max(1.0), n as f64)
}

/// A reason in the words of the report; `by_order` of patterns that are compared with random order.
pub fn reason_words(reason: Reason, by_order: bool) -> &'static str {
    match reason {
        Reason::Unproductive if by_order => "the place of one of its elements says nothing",
        Reason::Unproductive => "says no more than a rule with fewer of its items",
        Reason::Unsure => "confidence below what was asked for",
        Reason::NotAmongBest => "not among as many of the best as were asked for",
        Reason::NotExplored => "not conspicuous where it was searched for",
        Reason::Untestable => "too rare to be significant whatever the labels",
        Reason::NotSignificant => "not significant after paying for the search",
    }
}

/// A guard in words; `of` are baskets or sequences.
pub fn guard_words(guard: Guard, of: &str) -> String {
    match guard {
        Guard::Holdout => {
            format!("found on one half of the {of}, tested on the other, and corrected by Holm")
        }
        Guard::Lamp => "corrected for every pattern that could be significant (LAMP)".into(),
        Guard::Permutation => {
            format!("corrected by what the same search finds in shuffled {of}")
        }
        Guard::Exploratory => {
            "held to a false discovery rate over what was searched, for looking around and not for claims".into()
        }
        Guard::None => "not made to pay anything: most of them may be chance".into(),
    }
}

/// By what rules are the best, in words.
pub fn by_words(by: By) -> &'static str {
    match by {
        By::Leverage => "leverage",
        By::PValue => "p-value",
    }
}

/// A set of names as part of a sentence.
pub fn named(items: &[String]) -> String {
    match items {
        [] => "anything".into(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// A rule as a sentence.
pub fn rule_words(
    items: &[String],
    then: &str,
    measures: &RuleMeasures,
    (count, n): (u64, u64),
) -> String {
    let lift = &measures.lift;
    format!(
        "baskets with {} contain {then} {} times as often as chance has it, {} to {}; {count} of {n}",
        named(items),
        Digits(lift.value),
        Digits(lift.low),
        Digits(lift.high),
    )
}

/// Elements of a sequential pattern as part of a sentence.
pub fn in_order(elements: &[Vec<String>]) -> String {
    let elements: Vec<String> = elements.iter().map(|items| named(items)).collect();
    elements.join(", then ")
}

/// A sequential rule as a sentence: what comes before, and what they go on to or the label that they have.
pub fn sequence_words(
    before: &[Vec<String>],
    then: &str,
    is_label: bool,
    measures: &RuleMeasures,
    counts: &RuleCounts,
) -> String {
    let lift = &measures.lift;
    let (verb, chance) = if is_label {
        ("have", "chance has it")
    } else {
        ("go on to", "in random order")
    };
    format!(
        "sequences with {} {verb} {then} {} times as often as {chance}, {} to {}; {} of {}",
        in_order(before),
        Digits(lift.value),
        Digits(lift.low),
        Digits(lift.high),
        counts.count,
        counts.before,
    )
}

/// A ratio with as many places as are worth reading.
struct Digits(f64);

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = match self.0.abs() {
            x if x >= 100.0 => 0,
            x if x >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "{:.places$}", self.0)
    }
}

/// The verdict on rules, in one sentence.
pub fn rules_verdict(
    counts: &PatternCounts,
    guard: Guard,
    shuffled: Option<&ShuffledFound>,
) -> String {
    let tail = shuffled.map(|found| {
        let (least, most) = (
            found.kept.iter().min().copied().unwrap_or(0),
            found.kept.iter().max().copied().unwrap_or(0),
        );
        if least == most {
            format!("; in shuffled data the same search keeps {most}")
        } else {
            format!("; in shuffled data the same search keeps {least} to {most}")
        }
    });
    let tail = tail.unwrap_or_default();
    let rules = |n: u64| if n == 1 { "rule" } else { "rules" };
    let (kept, candidates) = (counts.rules, counts.candidates);
    match guard {
        Guard::None => format!(
            "{kept} {} of {candidates} candidates say more than their parts, and nothing was paid for the search{tail}.",
            rules(kept)
        ),
        Guard::Exploratory => format!(
            "{kept} {} of {candidates} candidates are worth a look; none of them is claimed{tail}.",
            rules(kept)
        ),
        _ if kept == 0 => format!("No rule of {candidates} candidates survives{tail}."),
        _ => {
            let verb = if kept == 1 { "survives" } else { "survive" };
            format!(
                "{kept} {} of {candidates} candidates {verb}{tail}.",
                rules(kept)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn rule(n: u64, one: u64, other: u64, both: u64) -> Together {
        Together {
            n,
            one,
            other,
            both,
        }
    }

    #[test]
    fn of_sequences_chance_is_what_random_order_gives() {
        let counts = RuleCounts {
            n: 1000,
            before: 300,
            count: 150,
            at_risk: 200,
            expected: 100.0,
            table: None,
        };
        let m = RuleMeasures::of_sequences(&counts);
        assert_eq!((m.confidence.value, m.lift.value), (0.5, 1.5));
        assert!((m.leverage.value - 0.05).abs() < 1e-12);
        assert!((m.conviction.unwrap().value - 2.0).abs() < 1e-9);
        assert!((m.odds_ratio.value - 150.5 / 50.5).abs() < 1e-9);
        assert!(m.lift.low > 1.3 && m.lift.high < 1.65);
        let before = [vec!["a".to_string(), "b".into()], vec!["c".into()]];
        let words = sequence_words(&before, "d", false, &m, &counts);
        assert_eq!(
            words,
            "sequences with a and b, then c go on to d 1.50 times as often as in random order, 1.37 to 1.61; 150 of 300"
        );
    }

    #[test]
    fn measures_are_those_of_the_textbook() {
        let m = RuleMeasures::of(&rule(1000, 200, 250, 100));
        assert_eq!((m.confidence.value, m.lift.value), (0.5, 2.0));
        assert!((m.leverage.value - 0.05).abs() < 1e-12);
        assert!((m.conviction.unwrap().value - 1.5).abs() < 1e-12);
        assert!((m.odds_ratio.value - 100.5 * 650.5 / (100.5 * 150.5)).abs() < 1e-9);
        assert!(
            RuleMeasures::of(&rule(100, 20, 50, 20))
                .conviction
                .is_none()
        );
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        // Baskets with one thing in a fifth; the other is in half of those and in a tenth of the rest.
        let (lift, leverage, odds) = (0.5 / 0.18, 0.1 - 0.2 * 0.18, 9.0);
        let mut held = [0; 3];
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for _ in 0..1000 {
            let (mut one, mut other, mut both) = (0, 0, 0);
            for _ in 0..800 {
                let first = rng.random_bool(0.2);
                let second = rng.random_bool(if first { 0.5 } else { 0.1 });
                one += u64::from(first);
                other += u64::from(second);
                both += u64::from(first && second);
            }
            let m = RuleMeasures::of(&rule(800, one, other, both));
            let truths = [(m.lift, lift), (m.leverage, leverage), (m.odds_ratio, odds)];
            for (held, (estimate, truth)) in held.iter_mut().zip(truths) {
                *held += i32::from(estimate.low <= truth && truth <= estimate.high);
            }
        }
        for held in held {
            assert!((930..=970).contains(&held), "{held}");
        }
    }

    #[test]
    fn nothing_at_all_has_finite_measures() {
        let of_none = RuleCounts {
            n: 100,
            ..RuleCounts::default()
        };
        for m in [
            RuleMeasures::of_sequences(&of_none),
            RuleMeasures::of(&rule(100, 20, 30, 0)),
        ] {
            for e in [m.lift, m.confidence, m.leverage, m.odds_ratio] {
                assert!(
                    [e.value, e.low, e.high]
                        .iter()
                        .all(|x| x.is_finite() && *x < 1e6),
                    "{m:?}"
                );
            }
            assert_eq!(m.lift.value, 0.0);
        }
    }

    #[test]
    fn words_say_how_often_and_of_how_many() {
        let m = RuleMeasures::of(&rule(9835, 700, 1903, 412));
        let items = ["butter".to_string(), "curd".to_string()];
        let words = rule_words(&items, "whole milk", &m, (412, 9835));
        assert!(
            words.starts_with("baskets with butter and curd contain whole milk 3.04 times"),
            "{words}"
        );
        assert!(words.ends_with("; 412 of 9835"), "{words}");
    }
}
