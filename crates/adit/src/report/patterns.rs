//! The report of a search for patterns, and its `result.json`.

use minijinja::{Value, context};
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::json::{object, print_of, written};
use super::page::render;
use super::{ReportError, numbers, svg};
use crate::explain::{Cost, Estimate, Pattern, PatternFindings, guard_words};

/// Name and source of every template; the first is the page.
const TEMPLATES: &[(&str, &str)] = &[
    ("patterns.html", include_str!("templates/patterns.html")),
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
    let mut found = object(serde_json::to_value(findings)?);
    let mut result = Map::new();
    result.insert("adit".into(), adit_version.into());
    result.insert(
        "task".into(),
        found.shift_remove("task").unwrap_or_default(),
    );
    result.insert("fingerprint".into(), fingerprint(findings).into());
    result.extend(found);
    result.insert("cost".into(), serde_json::to_value(cost)?);
    Ok(written(result))
}

/// Equal for equal baskets, settings and seed, on any machine and for any number of threads; where the files lie and
/// what they are called plays no part.
fn fingerprint(findings: &PatternFindings) -> String {
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
    let reasons: Vec<Value> = (findings.counts.rejected.iter())
        .map(|(reason, n)| context! { reason => reason.as_str(), n => numbers::count(*n) })
        .collect();
    let warnings: Vec<Value> = (findings.warnings.iter())
        .map(|w| context! { message => w.message.as_str(), action => w.action.as_str() })
        .collect();
    let cuts: Vec<Value> = (findings.data.cuts.iter())
        .map(|(column, ends)| {
            let ends: Vec<String> = ends.iter().map(|end| numbers::plain(*end)).collect();
            context! { column => column.as_str(), ends => ends.join(", ") }
        })
        .collect();
    let sources: Vec<Value> = (findings.data.sources.iter())
        .map(|o| {
            context! {
                name => o.name.as_str(),
                rows => numbers::count(o.rows),
                read_as => o.read_as.as_str(),
            }
        })
        .collect();
    context! {
        title => findings.title.as_str(),
        verdict => findings.verdict.as_str(),
        n_kept => numbers::count(findings.counts.rules),
        n_told => numbers::count(findings.counts.told),
        is_rules => is_rules,
        guard => is_rules.then(|| guard_words(search.guard)),
        facts => facts(findings, cost),
        patterns => findings.patterns.iter().map(pattern).collect::<Vec<_>>(),
        n_shown => numbers::count(findings.patterns.len() as u64),
        n_more => more(findings),
        network => svg::network::network(&findings.patterns).map(Value::from_safe_string),
        fallen => findings.fallen.iter().map(pattern).collect::<Vec<_>>(),
        reasons => reasons,
        shuffled => findings.shuffled.as_ref().map(|s| context! {
            kept => s.kept.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            times => s.kept.len(),
            what => s.what.as_str(),
            candidates => numbers::plain(s.candidates),
            tested => numbers::count(findings.counts.tested),
        }),
        warnings => warnings,
        cuts => cuts,
        sources => sources,
        form => findings.data.form.as_str(),
        run_again => findings.run_again.clone(),
        fingerprint => fingerprint(findings),
        version => adit_version,
        script => Value::from_safe_string(SCRIPT.to_string()),
        script_hash => base64(&Sha256::digest(SCRIPT.as_bytes())),
    }
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
    let mut facts = vec![fact(
        "Baskets",
        numbers::count(data.baskets),
        format!(
            "{} items, {} in a basket on average, {} at most",
            numbers::count(data.items),
            numbers::plain(data.entries as f64 / (data.baskets as f64).max(1.0)),
            numbers::count(data.largest_basket)
        ),
    )];
    if search.held_out > 0 {
        facts.push(fact(
            "Tested on",
            numbers::count(search.held_out),
            format!(
                "baskets that the search did not see; it saw {}",
                numbers::count(search.searched)
            ),
        ));
    }
    facts.push(fact(
        "Support",
        numbers::plain(search.min_support),
        format!(
            "of the baskets at least; {} items at most",
            search.max_items
        ),
    ));
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
