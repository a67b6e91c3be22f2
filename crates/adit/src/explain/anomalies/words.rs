//! What was found, in sentences.

use super::{AnomalyFindings, Usual};
use crate::mine::outliers::Rarity;

/// Why a cell is strange: `amount 98,000 where 12 to 340 is usual`.
pub fn reason_words_of(column: &str, value: Option<&str>, usual: &Usual) -> String {
    let own = match value {
        Some(value) => format!("{column} {}", cut(value)),
        None => format!("{column} empty"),
    };
    match usual {
        Usual::Range { low, high, .. } if low == high => format!("{own} where {low} is usual"),
        Usual::Range {
            low,
            high,
            is_within,
            ..
        } => {
            if *is_within {
                format!("{own}, within the usual {low} to {high} but rare beside the rest")
            } else {
                format!("{own} where {low} to {high} is usual")
            }
        }
        Usual::Value { value: other, .. } if value == Some(other.as_str()) => {
            format!("{own}, usual but rare beside the rest")
        }
        Usual::Value {
            value: other,
            share,
        } if *share < 0.5 => {
            format!(
                "{own} where {} is most frequent ({})",
                cut(other),
                percent(*share)
            )
        }
        Usual::Value { value: other, .. } => format!("{own} where {} is usual", cut(other)),
        Usual::Empty { .. } if value.is_none() => format!("{own}, as usual"),
        Usual::Empty { .. } => format!("{own} where it is usually empty"),
        Usual::NotTold => match value {
            Some(_) => own,
            None => format!("{column}: unlike the others"),
        },
    }
}

/// How often a row as strange is met.
pub fn rarity_words(rarity: Rarity, of: &str) -> String {
    match rarity {
        Rarity::OnceIn(n) => {
            format!(
                "as strange about once in {} {of} of these data",
                grouped_count(n.round() as u64)
            )
        }
        Rarity::StrangerThanAll(n) => {
            format!(
                "stranger than all {} {of} of these data",
                grouped_count(n as u64)
            )
        }
    }
}

/// The verdict over rows, once everything else is told.
pub fn anomaly_verdict(findings: &AnomalyFindings) -> String {
    let (n, of) = (grouped_count(findings.data.n), findings.data.of.as_str());
    let (flagged, out) = (findings.n_flagged, findings.n_standing_out);
    let strangest = findings.findings.first().map(|first| {
        let who = match first.entities.first() {
            Some(name) => name.clone(),
            None => format!("row {}", first.rows.first().copied().unwrap_or(0)),
        };
        match first.reasons.first() {
            Some(reason) => format!(" The strangest is {who}: {}.", reason.words),
            None => format!(" The strangest is {who}."),
        }
    });
    let strangest = strangest.unwrap_or_default();
    let text = if flagged == 0 {
        format!("Nothing stands out of {n} {of}: all are as strange as each other.")
    } else if findings.search.clean {
        let beyond = match out {
            0 => String::new(),
            _ => format!(
                " {} of these {of} {} farther out than chance explains: look whether {} free of anomalies.",
                grouped_count(out),
                if out == 1 { "lies" } else { "lie" },
                if out == 1 { "it is" } else { "they are" },
            ),
        };
        let once = findings.search.once_in.unwrap_or(1.0).round() as u64;
        format!(
            "{n} {of} are taken as free of anomalies; `adit predict` flags new ones that are as strange as one in {} of these.{beyond}",
            grouped_count(once)
        )
    } else if !findings.is_told {
        format!(
            "{} of {n} {of} {} flagged, as {}; too few {of} to tell whether they are stranger than chance.{strangest}",
            grouped_count(flagged),
            be(flagged),
            counted(findings.n_findings, "finding", "findings"),
        )
    } else if out == 0 {
        format!(
            "Nothing stands out of {n} {of}: the {} flagged {} no farther from the rest than the strangest of so many are by chance.",
            grouped_count(flagged),
            if flagged == 1 { "one is" } else { "are" },
        )
    } else {
        let standing = findings.findings.iter().filter(|f| f.stands_out).count() as u64;
        // Beyond the findings that are told, how many stand out is not counted.
        let as_findings = if findings.n_findings > findings.findings.len() as u64 {
            String::new()
        } else {
            format!(", as {}", counted(standing, "finding", "findings"))
        };
        let rest = match flagged - out {
            0 => String::new(),
            more => format!(
                " {} more {} flagged, but {} no farther out than chance explains.",
                grouped_count(more),
                be(more),
                if more == 1 { "lies" } else { "lie" }
            ),
        };
        let stand = if out == 1 { "stands" } else { "stand" };
        format!(
            "{} of {n} {of} {stand} out{as_findings}.{strangest}{rest}",
            grouped_count(out)
        )
    };
    text + &known_words(findings)
}

/// What the labels say, in a sentence.
fn known_words(findings: &AnomalyFindings) -> String {
    let Some(known) = &findings.known else {
        return String::new();
    };
    let chance = known.n_positive as f64 / (known.n_positive + known.n_negative).max(1) as f64;
    let weighted = known.weighted.as_ref().filter(|w| w.used);
    let ap = weighted.map_or(known.joined.average_precision.value, |w| {
        w.average_precision
    });
    format!(
        " On {} rows with labels the average precision is {ap:.2}{}, where chance has {chance:.2}.",
        grouped_count(known.n_positive + known.n_negative),
        if weighted.is_some() {
            " by weights that the labels chose, on rows that did not choose them"
        } else {
            ""
        },
    )
}

/// The verdict over series, of which so many readings have a score.
pub fn series_verdict(findings: &AnomalyFindings, n_series: u64, n_scored: u64) -> String {
    let n = grouped_count(findings.data.n);
    let of = match n_series {
        1 => format!("{n} readings"),
        more => format!("{n} readings of {} series", grouped_count(more)),
    };
    let out = findings.n_standing_events.unwrap_or(0);
    let first = findings.events.first().map(|event| {
        let whose = event
            .entity
            .as_ref()
            .map(|entity| format!(" of {entity}"))
            .unwrap_or_default();
        format!(" The strangest{whose}: {}.", event.words)
    });
    let first = first.unwrap_or_default();
    if n_scored == 0 {
        return format!("None of {of} can be judged: the past before each is too short.");
    }
    if !findings.is_told && findings.n_findings > 0 {
        return format!(
            "{} of {of} {} flagged; too few readings to tell whether they are farther off than chance explains.{first}",
            counted(findings.n_findings, "event", "events"),
            be(findings.n_findings),
        );
    }
    match (findings.n_findings, out) {
        (0, _) => format!("Nothing stands out of {of}."),
        (events, 0) => format!(
            "Nothing stands out of {of}: {} flagged, but no farther from what the past foretold than the strangest of so many readings are by chance.",
            if events == 1 {
                "one event is".to_string()
            } else {
                format!("{} events are", grouped_count(events))
            },
        ),
        (events, out) => {
            let rest = match events.saturating_sub(out) {
                0 => String::new(),
                more => format!(
                    " {} more {} flagged, but {} no farther off than chance explains.",
                    grouped_count(more),
                    be(more),
                    if more == 1 { "is" } else { "are" }
                ),
            };
            format!(
                "{} {} out of {of}.{first}{rest}",
                counted(out, "event", "events"),
                if out == 1 { "stands" } else { "stand" },
            )
        }
    }
}

fn be(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped_count(n), if n == 1 { one } else { many })
}

fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// A value of a category may be as long as a text.
fn cut(text: &str) -> String {
    const LETTERS: usize = 60;
    if text.chars().count() <= LETTERS {
        return text.to_string();
    }
    let kept: String = text.chars().take(LETTERS - 1).collect();
    format!("{kept}…")
}

fn grouped_count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Whole digits with their thousands apart.
pub(super) fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: &str, high: &str, is_within: bool) -> Usual {
        Usual::Range {
            median: "20".into(),
            low: low.into(),
            high: high.into(),
            is_within,
        }
    }

    #[test]
    fn reasons_are_sentences() {
        let value = |value: &str, share| Usual::Value {
            value: value.into(),
            share,
        };
        let told = [
            reason_words_of("amount", Some("98,000"), &range("12", "340", false)),
            reason_words_of("amount", Some("13"), &range("12", "340", true)),
            reason_words_of("amount", None, &range("12", "340", false)),
            reason_words_of("colour", Some("green"), &value("red", 0.9)),
            reason_words_of("colour", Some("green"), &value("red", 0.3)),
            reason_words_of("colour", Some("red"), &value("red", 0.9)),
            reason_words_of("note", Some("x"), &Usual::Empty { share: 1.0 }),
            reason_words_of("question", None, &Usual::NotTold),
        ];
        assert_eq!(
            told,
            [
                "amount 98,000 where 12 to 340 is usual",
                "amount 13, within the usual 12 to 340 but rare beside the rest",
                "amount empty where 12 to 340 is usual",
                "colour green where red is usual",
                "colour green where red is most frequent (30%)",
                "colour red, usual but rare beside the rest",
                "note x where it is usually empty",
                "question: unlike the others",
            ]
        );
    }

    #[test]
    fn rarities_are_sentences() {
        assert_eq!(
            rarity_words(Rarity::OnceIn(1234.4), "rows"),
            "as strange about once in 1,234 rows of these data"
        );
        assert_eq!(
            rarity_words(Rarity::StrangerThanAll(50), "rows"),
            "stranger than all 50 rows of these data"
        );
    }
}
