//! The report of a search for clusters, and its `result.json`.

use minijinja::{Value, context};

use super::json::search_json;
use super::page::render;
use super::patterns::{fingerprint_of, sources_of, warnings_of};
use super::svg::map::{MapLegend, MapPoint};
use super::{ReportError, numbers, svg};
use crate::explain::{
    AgainstChance, Cluster, ClusterFindings, ColumnOfClusters, Cost, Difference, Estimate, Example,
    HeldOutColumn, Holds, MapPlace, OverTime, difference_words,
};

/// Name and source of every template; the first is the page.
const TEMPLATES: &[(&str, &str)] = &[
    ("clusters.html", include_str!("templates/clusters.html")),
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
    ("clusters.css", include_str!("templates/clusters.css")),
];
/// Width and height of the map.
const MAP_SIZE: (f64, f64) = (960.0, 620.0);
/// Clusters of the table of columns, at most.
const MOST_COLUMNS: usize = 12;

/// Renders `result.json` of a search for clusters: the keys are those of [`ClusterFindings`], with `adit`, `fingerprint`
/// and `cost`.
///
/// # Errors
/// When the findings cannot be serialised.
pub fn cluster_json(
    findings: &ClusterFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    search_json(findings, &fingerprint_of(findings), cost, adit_version)
}

/// Renders the findings as one self-contained page without scripts.
///
/// # Errors
/// When a template does not render, which no findings should be able to cause.
pub fn cluster_html(
    findings: &ClusterFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    render(TEMPLATES, page(findings, cost, adit_version))
}

fn page(findings: &ClusterFindings, cost: &Cost, adit_version: &str) -> Value {
    let names: Vec<String> = findings.clusters.iter().map(|c| c.name.clone()).collect();
    let agreement: Vec<Value> = (findings.agreement.iter())
        .map(|a| {
            context! {
                column => a.column.as_str(),
                v_measure => numbers::fixed(a.v_measure, 3),
                adjusted_rand => numbers::fixed(a.adjusted_rand, 3),
            }
        })
        .collect();
    let tried: Vec<Value> = (findings.tried.iter())
        .map(|t| {
            context! {
                k => t.k,
                silhouette => numbers::fixed(t.silhouette, 3),
                stability => numbers::fixed(t.stability, 3),
                chosen => t.chosen,
            }
        })
        .collect();
    let shown = findings.clusters.len().min(MOST_COLUMNS);
    context! {
        title => findings.title.as_str(),
        verdict => findings.verdict.as_str(),
        of => findings.data.of.as_str(),
        facts => facts(findings, cost),
        map => map(findings).map(Value::from_safe_string),
        map_how => findings.map.as_ref().map(|m| m.how.as_str()),
        map_trust => findings.map.as_ref().map(|m| numbers::fixed(m.trustworthiness, 2)),
        map_n => findings.map.as_ref().map(|m| numbers::count(m.n)),
        clusters => findings.clusters.iter().map(|c| cluster(c, findings.search.min_people)).collect::<Vec<_>>(),
        heads => findings.clusters.iter().take(shown).map(|c| c.number).collect::<Vec<_>>(),
        n_hidden => (findings.clusters.len() > shown).then(|| findings.clusters.len() - shown),
        columns => findings.columns.iter().map(|c| column(c, shown)).collect::<Vec<_>>(),
        held_out => findings.held_out.iter().map(|c| held_out(c, shown)).collect::<Vec<_>>(),
        agreement => agreement,
        chance => findings.chance.as_ref().map(chance),
        tried => tried,
        tree => svg::tree::tree(&names, &findings.merges).map(Value::from_safe_string),
        over_time => findings.over_time.as_ref().map(|o| over_time(o, &findings.clusters)),
        data_columns => findings.data.columns.clone(),
        logarithmic => findings.data.logarithmic.clone(),
        constant => findings.data.constant.clone(),
        rare => findings.data.rare.clone(),
        texts => findings.data.texts.clone(),
        encoder => findings.data.encoder.as_deref(),
        encoder_share => findings.data.encoder_share.map(|s| numbers::share(s, 1.0)),
        held_names => findings.data.held_out.clone(),
        sources => sources_of(&findings.data.sources),
        warnings => warnings_of(&findings.warnings),
        glossary => glossary(findings),
        run_again => findings.run_again.clone(),
        fingerprint => fingerprint_of(findings),
        version => adit_version,
        styled => true,
    }
}

fn map(findings: &ClusterFindings) -> Option<String> {
    let found = findings.map.as_ref()?;
    let at = |place: &MapPlace| (f64::from(place.x), f64::from(place.y));
    let points: Vec<MapPoint> = (found.places.iter())
        .map(|place| MapPoint {
            at: at(place),
            cluster: place.cluster,
            title: place.words.as_str(),
        })
        .collect();
    // A name of conditions is long: on the map the number stands for it.
    let names: Vec<String> = (findings.clusters.iter())
        .map(|c| super::escape::shorten(&format!("{} · {}", c.number, c.name), 34))
        .collect();
    let medoid = |cluster: usize| {
        let medoid = found.medoids.get(cluster).copied().flatten()?;
        found.places.get(medoid).map(at)
    };
    let legend: Vec<MapLegend> = (names.iter().enumerate())
        .map(|(cluster, name)| MapLegend {
            name,
            medoid: medoid(cluster),
        })
        .collect();
    Some(svg::map::map(&points, &legend, MAP_SIZE, &findings.verdict))
}

fn facts(findings: &ClusterFindings, cost: &Cost) -> Vec<Value> {
    let (data, search) = (&findings.data, &findings.search);
    let fact = |name: &str, value: String, note: String| context! { name => name, value => value, note => note };
    let name = match data.of.as_str() {
        "texts" => "Texts",
        "entities" => "Entities",
        _ => "Rows",
    };
    let learned = match data.learned {
        true => ", learned from how the cells go together",
        false => "",
    };
    let reduced = match search.components {
        Some((n, share)) => format!(
            "; reduced to {n} components with {} of the variance",
            numbers::share(share, 1.0)
        ),
        None => String::new(),
    };
    let method = match search.method.as_str() {
        "mixture" => "Gaussian mixture",
        "hdbscan" => "HDBSCAN",
        _ => "k-means",
    };
    let how = match (search.method.as_str(), search.k_given) {
        ("hdbscan", _) => format!(
            "clusters of {} at least",
            numbers::count(search.min_cluster_size.unwrap_or(0))
        ),
        (_, true) => "the number of clusters was given".into(),
        _ => "the number of clusters was chosen".into(),
    };
    let mut facts = vec![
        fact(
            name,
            numbers::count(data.n),
            format!(
                "{} values each{learned}{reduced}",
                numbers::count(data.width)
            ),
        ),
        fact("Method", method.into(), how),
    ];
    if !findings.clusters.is_empty() {
        facts.push(fact(
            "Silhouette",
            numbers::fixed(findings.silhouette, 3),
            "1 is far apart, 0 is touching".into(),
        ));
    }
    if findings.noise > 0.0 {
        facts.push(fact(
            "In no cluster",
            numbers::share(findings.noise, 1.0),
            format!("of the {}", data.of),
        ));
    }
    if search.resamples > 0 && !findings.clusters.is_empty() {
        facts.push(fact(
            "Drawn anew",
            format!("{} times", search.resamples),
            "for the stability of each cluster".into(),
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

fn estimate(e: &Estimate) -> String {
    format!(
        "{} [{}, {}]",
        numbers::share(e.value, 1.0),
        numbers::share(e.low, 1.0),
        numbers::share(e.high, 1.0)
    )
}

fn cluster(c: &Cluster, min_people: u64) -> Value {
    let holds = match c.holds {
        Holds::Holds => Some(("yes", "✓", "found again")),
        Holds::Doubtful => Some(("no", "?", "sometimes found again")),
        Holds::DoesNotHold => Some(("no", "×", "not found again: do not build on it")),
        Holds::NotTold => None,
    };
    let holds =
        holds.map(|(class, sign, words)| context! { class => class, sign => sign, words => words });
    let told_by = c.told_by.as_ref().map(|t| {
        context! {
            conditions => t.conditions.clone(),
            precision => estimate(&t.precision),
            recall => estimate(&t.recall),
        }
    });
    let terms: Vec<Value> = (c.terms.iter())
        .map(|t| {
            let title = format!(
                "in {} of these texts, {} of all others",
                numbers::share(t.inside, 1.0),
                numbers::share(t.outside, 1.0)
            );
            context! { term => t.term.as_str(), title => title }
        })
        .collect();
    context! {
        number => c.number,
        swatch => Value::from_safe_string(svg::map::swatch(Some(c.number as u32 - 1))),
        name => c.name.as_str(),
        size => numbers::count(c.size),
        share => numbers::share(c.share.value, 1.0),
        stability => c.stability.map(|s| numbers::fixed(s, 2)),
        silhouette => c.silhouette.map(|s| numbers::fixed(s, 2)),
        holds => holds,
        told_by => told_by,
        terms => terms,
        withheld => c.withheld.then_some(min_people),
        differences => c.differences.iter().map(difference).collect::<Vec<_>>(),
        typical => c.typical.iter().map(member).collect::<Vec<_>>(),
        borderline => c.borderline.iter().map(member).collect::<Vec<_>>(),
    }
}

fn difference(d: &Difference) -> Value {
    context! {
        words => difference_words(d),
        effect => numbers::fixed(d.effect.value, 2),
        interval => format!("{} to {}", numbers::fixed(d.effect.low, 2), numbers::fixed(d.effect.high, 2)),
        width => format!("{:.0}", 100.0 * d.effect.value.abs()),
        less => d.effect.value < 0.0,
    }
}

fn member(m: &Example) -> Value {
    let cells: Vec<Value> = (m.cells.iter())
        .map(|(name, value)| {
            context! { name => name.as_str(), value => super::escape::shorten(value, 240) }
        })
        .collect();
    context! { row => numbers::count(m.row), cells => cells }
}

/// A line of the table of columns: what each cluster has, shaded by how much it differs.
fn cells(by_cluster: &[Option<Difference>], shown: usize) -> Vec<Value> {
    (by_cluster.iter().take(shown))
        .map(|d| match d {
            Some(d) => {
                let level = (9.0 * d.effect.value.abs()).round().clamp(0.0, 9.0) as u64;
                let value = match &d.value {
                    Some(value) => format!(
                        "{}: {}",
                        super::escape::shorten(value, 18),
                        numbers::share(d.inside, 1.0)
                    ),
                    None => numbers::plain(d.inside),
                };
                context! {
                    value => value,
                    level => level,
                    less => d.effect.value < 0.0,
                    title => difference_words(d),
                }
            }
            None => context! { value => "–", level => 0, less => false, title => "" },
        })
        .collect()
}

fn column(c: &ColumnOfClusters, shown: usize) -> Value {
    context! { column => c.column.as_str(), cells => cells(&c.by_cluster, shown) }
}

fn held_out(c: &HeldOutColumn, shown: usize) -> Value {
    context! {
        column => c.column.as_str(),
        p => numbers::p_value(c.p_adjusted),
        differs => c.p_adjusted < 0.05,
        size => numbers::fixed(c.size, 3),
        is_numbers => c.test == "kruskal_wallis",
        cells => cells(&c.by_cluster, shown),
    }
}

fn chance(c: &AgainstChance) -> Value {
    let range = |drawn: &[f64]| {
        // Where one kind has decided, the others are not drawn.
        if drawn.is_empty() {
            return "–".to_string();
        }
        let least = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let most = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!(
            "{} to {}",
            numbers::fixed(least, 3),
            numbers::fixed(most, 3)
        )
    };
    context! {
        statistic => c.statistic.as_str(),
        seen => numbers::fixed(c.seen, 3),
        gaussian => range(&c.gaussian),
        uniform => range(&c.uniform),
        one_mode => range(&c.one_mode),
        n => c.gaussian.len().max(c.uniform.len()).max(c.one_mode.len()),
        p => numbers::p_value(c.p_value),
        is_there => c.is_there,
    }
}

fn over_time(o: &OverTime, clusters: &[Cluster]) -> Value {
    let rows: Vec<Value> = (clusters.iter().zip(&o.shares))
        .filter(|(_, shares)| !shares.is_empty())
        .take(40)
        .map(|(c, shares)| {
            let most = shares.iter().copied().fold(0.0, f64::max).max(1e-9);
            let cells: Vec<Value> = (shares.iter())
                .map(|s| {
                    let level = (9.0 * s / most).round() as u64;
                    context! { value => numbers::share(*s, 1.0), level => level }
                })
                .collect();
            context! { number => c.number, name => c.name.as_str(), cells => cells }
        })
        .collect();
    context! { column => o.column.as_str(), periods => o.periods.clone(), rows => rows }
}

fn glossary(findings: &ClusterFindings) -> Vec<Value> {
    let mut entries = vec![
        (
            "Cluster",
            "Members that are nearer to each other than to all others, by the columns that it is made of.".to_string(),
        ),
        (
            "Silhouette",
            "How much nearer a member is to its own cluster than to the nearest other one; 0 is between the two, 1 is far apart.".into(),
        ),
        (
            "Stability",
            "How much of a cluster is found again when rows are drawn anew and all is clustered again: the Jaccard index with its like, on average. From 0.75 on it holds; below 0.6 it does not (Hennig 2007).".into(),
        ),
        (
            "Effect",
            "Cliff's delta: how much more often a member has the larger value of a pair than somebody else, -1 to 1. Of a category it is the difference of shares.".into(),
        ),
    ];
    if findings.clusters.iter().any(|c| c.told_by.is_some()) {
        entries.push((
            "Conditions",
            "Found by rules on one half of the rows and tested on the other. Precision is the share of the rows with them that are members, recall the share of the members that have them.".into(),
        ));
    }
    let of = |(word, meaning)| context! { word => word, meaning => meaning };
    entries.into_iter().map(of).collect()
}
