//! Laws of the report: what every page must keep, whatever was found.

use super::simulated::{self, COST, HOSTILE};
use super::*;
use crate::explain::*;

fn all() -> Vec<(&'static str, Findings)> {
    vec![
        ("two classes", simulated::two_classes()),
        ("four classes", simulated::many_classes(4)),
        ("77 classes", simulated::many_classes(77)),
        ("regression", simulated::regression()),
        ("long texts", simulated::long_texts()),
        ("nothing", simulated::empty("classify", "", Vec::new())),
        ("hostile", simulated::hostile(&HOSTILE.join(" "))),
        ("endless", simulated::hostile(&"x".repeat(10_000))),
        ("not finite", simulated::not_finite()),
    ]
}

fn page(findings: &Findings) -> String {
    html(findings, &COST, "0.1.0").expect("the page renders")
}

/// A tag: its name, its attributes, and whether it opens, closes or stands alone.
type Tag = (String, Vec<(String, String)>, Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Opens,
    Closes,
    Alone,
}

/// The tags of a page. Panics on markup that no parser of
/// ours should have to guess at, such as a bare `<` or an unquoted attribute.
fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if rest.starts_with('!') {
            rest = &rest[rest.find('>').expect("a declaration ends")..];
            continue;
        }
        let (closing, body) = rest
            .strip_prefix('/')
            .map_or((false, rest), |body| (true, body));
        let name: String = body
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        assert!(
            !name.is_empty(),
            "a bare < before {:?}",
            rest.chars().take(30).collect::<String>()
        );
        let mut inside = &body[name.len()..];
        let mut attributes = Vec::new();
        let mut kind = if closing { Kind::Closes } else { Kind::Opens };
        loop {
            inside = inside.trim_start_matches([' ', '\n']);
            if let Some(after) = inside.strip_prefix("/>") {
                kind = Kind::Alone;
                rest = after;
                break;
            }
            if let Some(after) = inside.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = inside.find(['=', ' ', '>', '/', '\n']).expect("a tag ends");
            let key = inside[..end].to_string();
            inside = &inside[end..];
            let mut value = String::new();
            if let Some(after) = inside.strip_prefix("=\"") {
                let end = after.find('"').expect("an attribute ends");
                value = after[..end].to_string();
                inside = &after[end + 1..];
            } else {
                assert!(
                    !inside.starts_with('='),
                    "unquoted attribute {key} of {name}"
                );
            }
            attributes.push((key, value));
        }
        if name == "style" && kind == Kind::Opens {
            rest = &rest[rest.find("</style>").expect("the style sheet ends")..];
        }
        tags.push((name, attributes, kind));
    }
    tags
}

#[test]
fn every_page_is_well_formed() {
    const VOID: [&str; 2] = ["meta", "br"];
    for (name, findings) in all() {
        let page = page(&findings);
        let mut open: Vec<String> = Vec::new();
        for (tag, attributes, kind) in tags(&page) {
            match kind {
                Kind::Closes => assert_eq!(
                    open.pop().as_deref(),
                    Some(tag.as_str()),
                    "{name}: </{tag}> closes something else"
                ),
                Kind::Opens if !VOID.contains(&tag.as_str()) => open.push(tag.clone()),
                Kind::Opens => {}
                Kind::Alone => assert!(
                    ["line", "rect", "circle", "path"].contains(&tag.as_str()),
                    "{name}: <{tag}/>"
                ),
            }
            let mut keys: Vec<&String> = attributes.iter().map(|(key, _)| key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(
                keys.len(),
                attributes.len(),
                "{name}: <{tag}> repeats an attribute"
            );
        }
        assert!(open.is_empty(), "{name}: {open:?} stay open");
    }
}

#[test]
fn no_page_runs_or_loads_anything() {
    for (name, findings) in all() {
        let page = page(&findings);
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\""), "{name}");
        for (tag, attributes, _) in tags(&page) {
            assert!(
                ![
                    "script", "iframe", "img", "link", "object", "embed", "form", "base"
                ]
                .contains(&tag.as_str()),
                "{name}: <{tag}>"
            );
            for (key, value) in attributes {
                assert!(
                    !key.starts_with("on")
                        && key != "src"
                        && key != "srcset"
                        && !key.contains(['"', '\'']),
                    "{name}: <{tag} {key}>"
                );
                if key == "href" {
                    assert!(value.starts_with('#'), "{name}: a link to {value}");
                }
                if key == "style" {
                    let width = value
                        .strip_prefix("width:")
                        .and_then(|width| width.strip_suffix('%'));
                    assert!(
                        width.is_some_and(|width| width.parse::<f64>().is_ok_and(f64::is_finite)),
                        "{name}: style {value}"
                    );
                }
            }
        }
        let style = &page
            [page.find("<style>").expect("a style sheet")..page.find("</style>").expect("its end")];
        assert!(
            !style.contains("url(") && !style.contains("@import"),
            "{name}"
        );
    }
}

#[test]
fn hostile_values_are_shown_and_stay_values() {
    let page = page(&simulated::hostile(&HOSTILE.join(" ")));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("{{ 7 * 7 }}"), "values are no templates");
    assert!(page.contains("nul \u{2400} bell \u{2407} escape \u{241B}"));
    assert!(page.contains("\\u{202e}desrever") && page.contains("שלום"));
    assert!(!page.contains('\u{202E}') && !page.contains('\u{2066}'));
    assert!(
        page.chars()
            .all(|c| !c.is_control() || c == '\n' || c == '\t')
    );
}

#[test]
fn no_number_of_a_page_is_nan_or_infinite() {
    for (name, findings) in all() {
        let page = page(&findings);
        for word in ["NaN", "nan%", "-inf", ">inf", " inf ", "infinity"] {
            assert!(!page.contains(word), "{name}: {word}");
        }
        for (tag, attributes, _) in tags(&page) {
            let numeric = [
                "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height",
            ];
            for (key, value) in attributes
                .iter()
                .filter(|(key, value)| numeric.contains(&key.as_str()) && !value.is_empty())
            {
                assert!(
                    value.parse::<f64>().is_ok_and(f64::is_finite),
                    "{name}: <{tag} {key}={value}>"
                );
            }
        }
    }
}

#[test]
fn sections_come_in_order_and_only_with_data() {
    let ids = |findings: &Findings| -> Vec<String> {
        let tags = tags(&page(findings));
        let sections = tags
            .into_iter()
            .filter(|(tag, _, kind)| tag == "section" && *kind == Kind::Opens);
        sections
            .filter_map(|(_, attributes, _)| attributes.into_iter().find(|(key, _)| key == "id"))
            .map(|(_, id)| id)
            .collect()
    };
    assert_eq!(
        ids(&simulated::two_classes()),
        [
            "verdict",
            "scoreboard",
            "paired",
            "data",
            "warnings",
            "classes",
            "curves",
            "calibration",
            "training",
            "errors",
            "again",
            "words"
        ]
    );
    assert_eq!(
        ids(&simulated::regression()),
        [
            "verdict",
            "scoreboard",
            "paired",
            "data",
            "scatter",
            "training",
            "errors",
            "again",
            "words"
        ]
    );
    assert_eq!(
        ids(&simulated::empty("classify", "", Vec::new())),
        ["verdict", "data", "again", "words"]
    );
}

#[test]
fn every_link_has_its_place_and_every_id_is_single() {
    for (name, findings) in all() {
        let tags = tags(&page(&findings));
        let all = |wanted: &str| -> Vec<String> {
            let attributes = tags.iter().flat_map(|(_, attributes, _)| attributes);
            attributes
                .filter(|(key, _)| key == wanted)
                .map(|(_, value)| value.clone())
                .collect()
        };
        let mut ids = all("id");
        for target in all("href")
            .iter()
            .filter_map(|href| href.strip_prefix('#'))
            .chain(all("aria-labelledby").iter().map(String::as_str))
        {
            assert!(
                ids.iter().any(|id| id == target),
                "{name}: nothing is called {target}"
            );
        }
        let n = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), n, "{name}");
    }
}

#[test]
fn every_table_and_drawing_says_what_it_is() {
    for (name, findings) in all() {
        let tags = tags(&page(&findings));
        let opened = |tag: &str| {
            tags.iter()
                .filter(|(name, _, kind)| name == tag && *kind == Kind::Opens)
                .count()
        };
        assert_eq!(opened("table"), opened("caption"), "{name}");
        for (tag, attributes, kind) in &tags {
            let has = |key: &str| attributes.iter().any(|(name, _)| name == key);
            if tag == "svg" && *kind == Kind::Opens {
                assert!(
                    has("aria-hidden") || (has("role") && has("aria-label")),
                    "{name}: a drawing without words"
                );
            }
            if tag == "th" && *kind == Kind::Opens {
                assert!(has("scope"), "{name}: a head without scope");
            }
        }
    }
}

#[test]
fn members_are_sorted_by_the_selection_metric() {
    let order = |findings: &Findings| {
        sections::ranked(findings)
            .iter()
            .map(|member| member.model.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        order(&simulated::two_classes()),
        ["row transformer", "linear", "majority"]
    );
    assert_eq!(
        order(&simulated::regression()),
        ["row transformer", "linear", "mean"],
        "less error is better"
    );
}

#[test]
fn long_texts_are_folded_but_whole() {
    let findings = simulated::long_texts();
    let page = page(&findings);
    let longest = findings
        .worst_errors
        .iter()
        .map(|error| &error.cells[0].1)
        .max_by_key(|text| text.len())
        .expect("errors");
    assert!(longest.len() > 5_000 && page.contains(longest.as_str()));
    assert!(page.contains("characters</span></summary>"));
}

#[test]
fn many_columns_do_not_make_a_page_endless() {
    let mut findings = simulated::two_classes();
    let column = findings.data.columns[0].clone();
    findings.data.columns = (0..10_000)
        .map(|i| ColumnSummary {
            name: format!("column {i}"),
            ..column.clone()
        })
        .collect();
    let page = page(&findings);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("10,000 columns") && page.contains("And 9,488 more in result.json."));
}

#[test]
fn equal_findings_give_equal_bytes() {
    assert_eq!(
        page(&simulated::two_classes()),
        page(&simulated::two_classes())
    );
}

#[test]
fn result_json_has_the_keys_of_its_schema_first() {
    let text = result_json(&simulated::two_classes(), &COST, "0.1.0").expect("plain data");
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is json");
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys[..10],
        [
            "adit",
            "task",
            "fingerprint",
            "verdict",
            "data",
            "scoreboard",
            "chosen",
            "patterns",
            "warnings",
            "cost"
        ]
    );
    assert_eq!(value["scoreboard"][1]["role"], "linear");
    assert!(value["scoreboard"][1]["metrics"]["accuracy"]["low"].is_f64());
    assert_eq!(value["cost"]["peak_rss_bytes"], 1_288_490_189_u64);
    assert_eq!(value["data"]["rows"], 7043);
    let odd = result_json(&simulated::not_finite(), &COST, "0.1.0").expect("plain data");
    assert!(serde_json::from_str::<serde_json::Value>(&odd).expect("it is json")["paired_test"]["p_value"].is_null());
}

#[test]
fn the_fingerprint_is_of_what_was_found_and_of_nothing_else() {
    let first = simulated::two_classes();
    let found = fingerprint(&first);
    assert_eq!(found.len(), 64);
    let mut same = first.clone();
    same.title = "another name".to_string();
    same.data.sources = vec!["/elsewhere/customers.csv".to_string()];
    same.run_again.clear();
    same.scoreboard
        .iter_mut()
        .for_each(|member| member.seconds *= 2.0);
    assert_eq!(fingerprint(&same), found);
    let mut other = first.clone();
    if let Some(estimate) = other.scoreboard[1].metrics.get_mut("accuracy") {
        estimate.value = f64::from_bits(estimate.value.to_bits() + 1);
    }
    assert_ne!(
        fingerprint(&other),
        found,
        "the last bit of a metric counts"
    );
    let mut other = first.clone();
    other.data.split.push('!');
    assert_ne!(fingerprint(&other), found);
}

#[test]
fn the_fingerprint_of_recorded_findings_stays() {
    let findings = simulated::empty("classify", "recorded", Vec::new());
    insta::assert_snapshot!(fingerprint(&findings), @"a7cfb43094f6062f729f747d903c20c388249d842af61a5829b885173a0241a4");
}

#[test]
fn the_model_card_is_markdown_that_values_cannot_break() {
    let card = model_card(&simulated::two_classes(), "0.1.0");
    for head in [
        "# simulated churn",
        "## Use and limits",
        "## Data",
        "## Scores on the test rows",
        "## Training",
        "## What was wrong with the data",
        "## Origin",
    ] {
        assert!(card.contains(head), "{head} is missing");
    }
    let hostile = model_card(&simulated::hostile("a | b\n# c <script> `d`"), "0.1.0");
    assert!(
        !hostile.contains("<script>") && hostile.contains("a \\| b \\# c &lt;script&gt; \\`d\\`")
    );
    assert!(hostile.lines().all(|line| !line.starts_with("# c")));
}

#[test]
fn the_verdict_reads_as_recorded() {
    let page = page(&simulated::regression());
    let start = page.find("<section id=\"verdict\"").expect("a verdict");
    let end = start + page[start..].find("</section>").expect("its end");
    let mut text = String::new();
    let mut inside = false;
    for c in page[start..end].chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(words, @"▲ The transformer is better The row transformer predicts strength better than the best baseline: RMSE 5.02 against 8.37. regression of strength (MPa) 3.35 lower RMSE: row transformer against linear 95% interval +2.61 to +4.17, p &lt; 0.001 no difference improvement in RMSE of row transformer over linear: +3.35, 95% interval +2.61 to +4.17, p &lt; 0.001 0 +2 +4 improvement in RMSE ← worse better → Chosen row transformer transformer, chosen on held-out rows RMSE on test rows 5.01 95% interval 4.41 to 5.55 Rows 1,030 700 train, 124 validation, 206 test Cost 5 min 12 s 1.2 GiB of memory at the peak");
}
