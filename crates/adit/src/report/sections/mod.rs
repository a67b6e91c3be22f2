//! What every section of the page says: findings in, values for the templates out.
//!
//! Numbers are formatted here and charts drawn; templates only lay out. A section without data
//! is `None` and is left out.

mod classes;
mod curves;
mod data;
mod decisions;
mod errors;
mod events;
mod foot;
mod leaks;
mod scoreboard;
mod training;
mod verdict;

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::{escape, fingerprint, numbers};
use crate::explain::{Cost, Findings, Member, MemberRole};

/// Everything the page template asks for.
pub(super) fn page(findings: &Findings, cost: &Cost, adit_version: &str) -> Value {
    let colours = Colours::of(&findings.scoreboard);
    context! {
        title => findings.title.as_str(),
        verdict => verdict::section(findings, cost),
        leaks => leaks::section(findings),
        scoreboard => scoreboard::section(findings, &colours),
        paired => verdict::paired(findings),
        data => data::section(findings),
        warnings => data::warnings(findings),
        classes => classes::section(findings),
        curves => curves::section(findings, &colours),
        calibration => curves::calibration(findings),
        scatter => curves::scatter(findings),
        decisions => decisions::section(findings),
        row_curve => decisions::row_curve(findings),
        training => training::section(findings),
        errors => errors::section(findings),
        events => events::section(findings),
        run_again => foot::run_again(findings),
        glossary => foot::glossary(findings),
        version => adit_version,
        fingerprint => fingerprint(findings),
    }
}

/// The class of the colour of each member: the same in every chart.
pub(super) struct Colours(BTreeMap<String, &'static str>);

impl Colours {
    /// Transformers are blue, then purple, …; linear models vermilion, trees green, perceptrons brown; baselines grey.
    pub fn of(members: &[Member]) -> Self {
        const TRANSFORMERS: [&str; 3] = ["s0", "s4", "s5"];
        let mut map = BTreeMap::new();
        let mut transformers = 0;
        for member in members {
            let class = match member.role {
                MemberRole::Baseline => "s2",
                MemberRole::Linear => "s1",
                MemberRole::Trees => "s3",
                MemberRole::Perceptrons => "s7",
                MemberRole::Blend => "s6",
                MemberRole::Transformer => {
                    transformers += 1;
                    TRANSFORMERS[(transformers - 1) % TRANSFORMERS.len()]
                }
            };
            map.insert(member.model.clone(), class);
        }
        Self(map)
    }

    /// The class of a member's colour.
    pub fn class(&self, model: &str) -> &'static str {
        self.0.get(model).copied().unwrap_or("s2")
    }
}

/// Members sorted by the selection metric, best first; ties keep their order.
pub(super) fn ranked(findings: &Findings) -> Vec<&Member> {
    let metric = super::metric::Metric::named(&findings.selection_metric);
    let key = |member: &Member| {
        let value = member
            .metrics
            .get(&findings.selection_metric)
            .map(|estimate| estimate.value);
        let value = value.filter(|value| value.is_finite());
        value.map_or(f64::INFINITY, |value| {
            if metric.more_is_better { -value } else { value }
        })
    };
    let mut members: Vec<&Member> = findings.scoreboard.iter().collect();
    members.sort_by(|a, b| key(a).total_cmp(&key(b)));
    members
}

/// Marks a drawing of our own as HTML; everything in it was escaped when it was drawn.
fn drawn(svg: String) -> Value {
    Value::from_safe_string(svg)
}

/// A text with its beginning, and the whole where it is long.
fn folded(text: &str, limit: usize) -> Value {
    let is_long = text.chars().nth(limit + limit / 4).is_some();
    if is_long {
        context! {
            short => escape::shorten(text, limit),
            full => text,
            length => numbers::count(text.chars().count() as u64),
        }
    } else {
        context! { short => text }
    }
}

/// The role of a member in words.
fn role_name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Baseline => "baseline",
        MemberRole::Linear => "linear",
        MemberRole::Trees => "boosted trees",
        MemberRole::Perceptrons => "perceptrons",
        MemberRole::Transformer => "transformer",
        MemberRole::Blend => "blend",
    }
}
