//! The report of a search for patterns, and its `result.json`.

use minijinja::{Value, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::json::{object, print_of, search_json};
use super::page::render;
use super::{ReportError, numbers, svg};
use crate::explain::{
    Cost, Estimate, Pattern, PatternFindings, PatternSource, Warning, by_words, guard_words,
};

/// Name and source of every template; the first is the page.
const TEMPLATES: &[(&str, &str)] = &[
    ("patterns.html", include_str!("templates/patterns.html")),
    ("head.html", include_str!("templates/head.html")),
    ("foot.html", include_str!("templates/foot.html")),
    (
        "search_verdict.html",
        include_str!("templates/search_verdict.html"),
    ),
    (
        "search_warnings.html",
        include_str!("templates/search_warnings.html"),
    ),
    ("style.css", include_str!("templates/style.css")),
    ("patterns.css", include_str!("templates/patterns.css")),
];
/// Sorts and filters the table of patterns; the only script that the page lets run.
const SCRIPT: &str = include_str!("templates/patterns.js");

/// Renders `result.json` of a search for patterns: the keys are those of [`PatternFindings`], with `adit`, `fingerprint`
/// and `cost`.
///
/// # Errors
/// When the findings cannot be serialised.
pub fn pattern_json(
    findings: &PatternFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    search_json(findings, &fingerprint_of(findings), cost, adit_version)
}

/// Equal for equal data, settings and seed, on any machine and for any number of threads; where the files lie and what
/// they are called plays no part.
pub(super) fn fingerprint_of<T: Serialize>(findings: &T) -> String {
    let mut found = serde_json::to_value(findings)
        .map(object)
        .unwrap_or_default();
    found.shift_remove("title");
    found.shift_remove("run_again");
    if let Some(serde_json::Value::Object(data)) = found.get_mut("data") {
        data.shift_remove("sources");
    }
    print_of(found)
}

/// The files that were read.
pub(super) fn sources_of(sources: &[PatternSource]) -> Vec<Value> {
    let source = |o: &PatternSource| {
        context! {
            name => o.name.as_str(),
            rows => numbers::count(o.rows),
            read_as => o.read_as.as_str(),
        }
    };
    sources.iter().map(source).collect()
}

/// What is worth a word.
pub(super) fn warnings_of(warnings: &[Warning]) -> Vec<Value> {
    let warning =
        |w: &Warning| context! { message => w.message.as_str(), action => w.action.as_str() };
    warnings.iter().map(warning).collect()
}

/// Renders the findings as one self-contained page. Its one script sorts and filters the table; the content security
/// policy names it by its hash and lets nothing else run. Without it the whole table is there.
///
/// # Errors
/// When a template does not render, which no findings should be able to cause.
pub fn pattern_html(
    findings: &PatternFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    render(TEMPLATES, page(findings, cost, adit_version))
}

fn page(findings: &PatternFindings, cost: &Cost, adit_version: &str) -> Value {
    let search = &findings.search;
    let is_rules = search.kind == "rules";
    let is_sequences = findings.task == "sequences";
    let words = Words::of(findings);
    let reasons: Vec<Value> = (findings.counts.rejected.iter())
        .map(|(reason, n)| context! { reason => reason.as_str(), n => numbers::count(*n) })
        .collect();
    let cuts: Vec<Value> = (findings.data.cuts.iter())
        .map(|(column, ends)| {
            let ends: Vec<String> = ends.iter().map(|end| numbers::plain(*end)).collect();
            context! { column => column.as_str(), ends => ends.join(", ") }
        })
        .collect();
    context! {
        title => findings.title.as_str(),
        verdict => findings.verdict.as_str(),
        n_kept => numbers::count(findings.counts.rules),
        n_told => numbers::count(findings.counts.told),
        is_rules => is_rules,
        guard => is_rules.then(|| guard_words(search.guard, &findings.data.of)),
        of => findings.data.of.as_str(),
        Of => words.of,
        one => words.one,
        verb => words.verb,
        heading => words.heading,
        lead => words.lead,
        folded => words.folded,
        in_order => is_sequences,
        glossary => glossary(findings),
        facts => facts(findings, cost),
        patterns => findings.patterns.iter().map(pattern).collect::<Vec<_>>(),
        n_shown => numbers::count(findings.patterns.len() as u64),
        n_more => more(findings),
        network => (!is_sequences)
            .then(|| svg::network::network(&findings.patterns))
            .flatten()
            .map(Value::from_safe_string),
        flow => is_sequences
            .then(|| svg::flow::flow(&findings.patterns, search.label.is_some()))
            .flatten()
            .map(Value::from_safe_string),
        fallen => findings.fallen.iter().map(pattern).collect::<Vec<_>>(),
        reasons => reasons,
        shuffled => findings.shuffled.as_ref().map(|s| context! {
            kept => s.kept.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            times => s.kept.len(),
            what => s.what.as_str(),
            candidates => numbers::plain(s.candidates),
            tested => numbers::count(findings.counts.tested),
        }),
        groups => groups(findings),
        warnings => warnings_of(&findings.warnings),
        cuts => cuts,
        sources => sources_of(&findings.data.sources),
        form => findings.data.form.as_str(),
        run_again => findings.run_again.clone(),
        fingerprint => fingerprint_of(findings),
        version => adit_version,
        script => Value::from_safe_string(SCRIPT.to_string()),
        script_hash => base64(&Sha256::digest(SCRIPT.as_bytes())),
    }
}

/// Groups of items that rules which are shown are about come first.
fn groups(findings: &PatternFindings) -> Vec<Value> {
    let is_told = |name: &String| {
        let names = |p: &Pattern| p.items.contains(name) || p.then.as_ref() == Some(name);
        findings.patterns.iter().filter(|p| names(p)).count()
    };
    let mut groups: Vec<_> = (findings.groups.iter())
        .map(|group| (is_told(&group.name), group))
        .collect();
    groups.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let row = |(n, group): (usize, &crate::explain::ItemGroup)| {
        context! {
            members => group.members.clone(),
            likeness => numbers::fixed(group.likeness, 2),
            rules => numbers::count(n as u64),
        }
    };
    groups.into_iter().map(row).collect()
}

/// What things are called on the page.
struct Words {
    of: &'static str,
    one: &'static str,
    verb: &'static str,
    heading: &'static str,
    lead: &'static str,
    folded: &'static str,
}

impl Words {
    fn of(findings: &PatternFindings) -> Words {
        let is_rules = findings.search.kind == "rules";
        if findings.task == "rules" {
            return Words {
                of: "Baskets",
                one: "Set",
                verb: "contain",
                heading: if is_rules { "Rules" } else { "Sets" },
                lead: if is_rules {
                    "Each says more than every rule with fewer of its items."
                } else {
                    "By how many baskets hold them."
                },
                folded: "rules about the same items are told once, by the strongest",
            };
        }
        let is_label = findings.search.label.is_some();
        Words {
            of: "Sequences",
            one: "Sequence",
            verb: if is_label { "have" } else { "go on to" },
            heading: if is_rules {
                "Rules"
            } else {
                "Sequences of events"
            },
            lead: match (is_rules, is_label) {
                (false, _) => {
                    "By how many sequences hold them, in this order, whatever lies between."
                }
                (true, true) => "Each tells more of the label than every part of it.",
                (true, false) => {
                    "In each, the place of every element says something that random order does not."
                }
            },
            folded: "a pattern that hardly ever occurs without a longer one is told by that",
        }
    }
}

/// The words that the page uses, with what they mean.
fn glossary(findings: &PatternFindings) -> Vec<Value> {
    let is_sequences = findings.task == "sequences";
    let is_rules = findings.search.kind == "rules";
    let (of, is_label) = (findings.data.of.as_str(), findings.search.label.is_some());
    let mut entries = vec![(
        "Support",
        format!("The share of the {of} that hold all of a pattern."),
    )];
    if is_rules && is_sequences && !is_label {
        entries.extend([
            ("Confidence", "Of the sequences with what is on the left, in this order, the share that go on to what is on the right.".to_string()),
            ("Lift", "How many times as many sequences go on to it as would if it lay anywhere among their other events.".into()),
            ("Leverage", "The share of all sequences by which that is more.".into()),
            ("p", "How often random order would give as many; the largest over the elements of the pattern, each of which is put anywhere in turn; what many looks cost is paid on top.".into()),
        ]);
    } else if is_rules {
        let there = if is_label {
            "have the label"
        } else {
            "hold the one on the right"
        };
        entries.extend([
            ("Confidence", format!("Of the {of} with what is on the left, the share that {there}.")),
            ("Lift", "How many times as often the two are together as they would be if they had nothing to do with each other.".into()),
            ("Leverage", format!("The share of all {of} by which they are together more often than that.")),
            ("p", "How often chance alone would give a rule as strong over the rule with fewer of its items that comes nearest to it; what many looks cost is paid on top.".into()),
        ]);
    }
    entries
        .into_iter()
        .map(|(word, meaning)| context! { word => word, meaning => meaning })
        .collect()
}

/// Patterns that only the file holds.
fn more(findings: &PatternFindings) -> Option<String> {
    let counts = &findings.counts;
    let all = match findings.search.kind.as_str() {
        "rules" => counts.told,
        "closed" => counts.closed.unwrap_or(0),
        "maximal" => counts.maximal.unwrap_or(0),
        _ => counts.itemsets,
    };
    let shown = findings.patterns.len() as u64;
    (all > shown).then(|| numbers::count(all - shown))
}

fn facts(findings: &PatternFindings, cost: &Cost) -> Vec<Value> {
    let (data, search, counts) = (&findings.data, &findings.search, &findings.counts);
    let fact = |name: &str, value: String, note: String| {
        context! { name => name, value => value, note => note }
    };
    let is_sequences = findings.task == "sequences";
    let mean = data.entries as f64 / (data.n as f64).max(1.0);
    let (name, note) = if is_sequences {
        (
            "Sequences",
            "different events, {mean} in a sequence on average, {most} at most",
        )
    } else {
        (
            "Baskets",
            "items, {mean} in a basket on average, {most} at most",
        )
    };
    let note = (note.replace("{mean}", &numbers::plain(mean)))
        .replace("{most}", &numbers::count(data.largest));
    let mut facts = vec![fact(
        name,
        numbers::count(data.n),
        format!("{} {note}", numbers::count(data.items)),
    )];
    if let Some(label) = &search.label {
        let note = "the label that rules lead to".to_string();
        facts.push(fact("Label", label.clone(), note));
    }
    if search.held_out > 0 {
        facts.push(fact(
            "Tested on",
            numbers::count(search.held_out),
            format!(
                "{} that the search did not see; it saw {}",
                data.of,
                numbers::count(search.searched)
            ),
        ));
    }
    let items = match (search.max_items, is_sequences) {
        (1, false) => "1 item".to_string(),
        (n, false) => format!("{} items", numbers::count(n)),
        (n, true) => format!("{} events", numbers::count(n)),
    };
    facts.push(match (search.top, search.by) {
        (Some(top), Some(by)) => {
            let by = by_words(by);
            let note = format!("by {by}, whatever their support; {items} at most");
            fact("Best", numbers::count(top), note)
        }
        _ => {
            let note = format!("of the {} at least; {items} at most", data.of);
            fact("Support", numbers::plain(search.min_support), note)
        }
    });
    let steps = |n: u64| match n {
        1 => "the very next element".to_string(),
        n => format!("{} elements", numbers::count(n)),
    };
    if let Some(gap) = search.max_gap {
        let note = "from one of a pattern to its next, at most".to_string();
        facts.push(fact("Gap", steps(gap), note));
    }
    if let Some(window) = search.max_window {
        let note = "from the first of a pattern to its last, at most".to_string();
        facts.push(fact("Window", steps(window), note));
    }
    if search.kind == "rules" {
        facts.push(fact(
            "Candidates",
            numbers::count(counts.candidates),
            format!(
                "{} of them tested at a level of {}",
                numbers::count(counts.tested),
                search.level
            ),
        ));
    }
    facts.push(fact(
        "Cost",
        numbers::duration(cost.seconds),
        format!(
            "{} of memory at the peak",
            numbers::bytes(cost.peak_rss_bytes)
        ),
    ));
    facts
}

fn pattern(found: &Pattern) -> Value {
    let cell = |e: &Estimate| {
        context! {
            value => numbers::plain(e.value),
            interval => format!("{} to {}", numbers::plain(e.low), numbers::plain(e.high)),
            sort => format!("{:e}", e.value),
        }
    };
    context! {
        items => found.items.clone(),
        then => found.then.as_deref(),
        words => found.words.as_str(),
        count => numbers::count(found.count),
        count_sort => found.count,
        support => numbers::plain(found.support.value),
        confidence => found.measures.as_ref().map(|m| cell(&m.confidence)),
        lift => found.measures.as_ref().map(|m| cell(&m.lift)),
        leverage => found.measures.as_ref().map(|m| cell(&m.leverage)),
        p => found.p_value.map(p_value),
        p_sort => found.p_value.map(|p| format!("{p:e}")),
        also => found.also.clone(),
    }
}

/// A p-value by its size: after many tests small ones differ in what they bear.
fn p_value(p: f64) -> String {
    if p < 0.001 {
        format!("{p:.0e}")
    } else {
        numbers::fixed(p, 3)
    }
}

/// Bytes in base 64, as content security policies write hashes.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |k: usize| u32::from(chunk.get(k).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for k in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * k) & 63) as usize];
            text.push(if k > chunk.len() {
                '='
            } else {
                char::from(sign)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_everyone() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}
