//! The report of a search for anomalies, and its `result.json`.

use minijinja::{Value, context};

use super::json::search_json;
use super::page::render;
use super::patterns::{fingerprint_of, sources_of, warnings_of};
use super::svg::map::{MapPoint, swatch};
use super::svg::series::{Clock, Found, Mark, Window};
use super::{ReportError, escape, numbers, svg};
use crate::explain::{
    Anomaly, AnomalyFindings, Cost, DetectorLine, Estimate, KnownLabels, KnownScore, MapPlace,
    Reason, SeriesEvent, SeriesFound,
};

/// Name and source of every template; the first is the page.
const TEMPLATES: &[(&str, &str)] = &[
    ("anomalies.html", include_str!("templates/anomalies.html")),
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
const MAP_SIZE: (f64, f64) = (960.0, 560.0);
/// Events that have a dot even where they do not stand out.
const FIRST_EVENTS: u64 = 5;
/// Letters of a cell that are shown.
const LETTERS: usize = 60;

/// Renders `result.json` of a search for anomalies: the keys are those of [`AnomalyFindings`], with `adit`, `fingerprint`
/// and `cost`.
///
/// # Errors
/// When the findings cannot be serialised.
pub fn anomaly_json(
    findings: &AnomalyFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    search_json(findings, &fingerprint_of(findings), cost, adit_version)
}

/// Renders the findings as one self-contained page without scripts.
///
/// # Errors
/// When a template does not render, which no findings should be able to cause.
pub fn anomaly_html(
    findings: &AnomalyFindings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    render(TEMPLATES, page(findings, cost, adit_version))
}

fn page(findings: &AnomalyFindings, cost: &Cost, adit_version: &str) -> Value {
    let data = &findings.data;
    let shown = (findings.findings.len() + findings.events.len()) as u64;
    let hidden = findings.n_findings.saturating_sub(shown);
    let message = "How far rows lie from their nearest";
    context! {
        title => findings.title.as_str(),
        verdict => findings.verdict.as_str(),
        of => data.of.as_str(),
        is_series => findings.search.kind == "series",
        clean => findings.search.clean,
        is_told => findings.is_told,
        facts => facts(findings, cost),
        map => map(findings).map(Value::from_safe_string),
        map_how => findings.map.as_ref().map(|m| m.how.as_str()),
        map_trust => findings.map.as_ref().map(|m| numbers::fixed(m.trustworthiness, 2)),
        map_n => findings.map.as_ref().map(|m| numbers::count(m.n)),
        mark => Value::from_safe_string(swatch(Some(0))),
        findings => findings.findings.iter().map(|f| finding(f, &data.of)).collect::<Vec<_>>(),
        n_hidden => (hidden > 0).then(|| numbers::count(hidden)),
        neighbours => numbers::count(findings.search.neighbours),
        series => findings.series.iter().map(|s| series(s, findings)).collect::<Vec<_>>(),
        events => findings.events.iter().map(event).collect::<Vec<_>>(),
        several => findings.events.iter().any(|event| event.entity.is_some()),
        detectors => findings.detectors.iter().enumerate().map(|(at, d)| detector(at, d, findings)).collect::<Vec<_>>(),
        heads => findings.detectors.iter().map(|d| d.name.clone()).collect::<Vec<_>>(),
        known => findings.known.as_ref().map(|k| known(k, findings)),
        histogram => findings.histogram.as_ref().and_then(|h| svg::bars::scores(h, message)).map(Value::from_safe_string),
        data_columns => data.columns.clone(),
        constant => data.constant.clone(),
        rare => data.rare.clone(),
        texts => data.texts.clone(),
        encoder => data.encoder.as_deref(),
        encoder_share => data.encoder_share.map(|s| numbers::share(s, 1.0)),
        held_names => data.held_out.clone(),
        sources => sources_of(&data.sources),
        warnings => warnings_of(&findings.warnings),
        glossary => glossary(findings),
        run_again => findings.run_again.clone(),
        fingerprint => fingerprint_of(findings),
        version => adit_version,
        styled => true,
    }
}

fn facts(findings: &AnomalyFindings, cost: &Cost) -> Vec<Value> {
    let (data, search) = (&findings.data, &findings.search);
    let fact = |name: &str, value: String, note: String| context! { name => name, value => value, note => note };
    let is_series = search.kind == "series";
    let name = match data.of.as_str() {
        "texts" => "Texts",
        "entities" => "Entities",
        "readings" => "Readings",
        _ => "Rows",
    };
    let asked = match (search.alerts, search.share) {
        (Some(n), _) if is_series => {
            format!("{} were asked for", numbers::counted(n, "event", "events"))
        }
        (Some(n), _) => format!("{} were asked for", numbers::count(n)),
        (None, share) => format!(
            "{} were asked for",
            numbers::share(share.unwrap_or(0.0), 1.0)
        ),
    };
    let made = if is_series {
        format!("of {}", data.columns.join(", "))
    } else {
        format!("{} values each", numbers::count(data.width))
    };
    let found = if is_series {
        ("Events", "stretches above the threshold")
    } else {
        ("Findings", "what is alike is told together")
    };
    let mut facts = vec![
        fact(name, numbers::count(data.n), made),
        fact("Flagged", numbers::count(findings.n_flagged), asked),
        match findings.is_told {
            true => fact(
                "Stand out",
                numbers::count(findings.n_standing_out),
                "of these, farther than chance explains".into(),
            ),
            false => fact("Stand out", "–".into(), "too few to tell".into()),
        },
        fact(found.0, numbers::count(findings.n_findings), found.1.into()),
    ];
    if let Some(known) = &findings.known {
        let best = known.weighted.as_ref().filter(|w| w.used);
        let value = best.map_or(known.joined.average_precision.value, |w| {
            w.average_precision
        });
        let n = known.n_positive + known.n_negative;
        let chance = known.n_positive as f64 / n.max(1) as f64;
        facts.push(fact(
            "Average precision",
            numbers::fixed(value, 3),
            format!(
                "on {} rows with labels; chance has {}",
                numbers::count(n),
                numbers::fixed(chance, 3)
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

fn map(findings: &AnomalyFindings) -> Option<String> {
    let found = findings.map.as_ref()?;
    let at = |place: &MapPlace| (f64::from(place.x), f64::from(place.y));
    let points: Vec<MapPoint> = (found.places.iter())
        .map(|place| MapPoint {
            at: at(place),
            cluster: place.cluster,
            title: place.words.as_str(),
        })
        .collect();
    Some(svg::map::map(&points, &[], MAP_SIZE, &findings.verdict))
}

fn finding(f: &Anomaly, of: &str) -> Value {
    let name = match of {
        "entities" => "entity",
        "texts" => "text",
        _ => "row",
    };
    let who = match (f.entities.first(), f.n_rows) {
        (Some(entity), 1) => entity.clone(),
        (Some(_), n) => format!("{} entities", numbers::count(n)),
        (None, 1) => format!("{name} {}", numbers::count(f.first_row)),
        (None, n) => format!(
            "{} {name}s, {} to {}",
            numbers::count(n),
            numbers::count(f.first_row),
            numbers::count(f.last_row)
        ),
    };
    let together = f.together.as_deref().map(|why| match why {
        "in a row" => "one after another in time, by the same column",
        _ => "nearer to each other than to usual ones",
    });
    let listed: Vec<String> = match f.entities.is_empty() {
        true => f.rows.iter().map(|row| numbers::count(*row)).collect(),
        false => f.entities.clone(),
    };
    let more = f.n_rows.saturating_sub(listed.len() as u64);
    context! {
        number => f.number,
        who => who,
        rarity => f.rarity.as_str(),
        stands_out => f.stands_out,
        together => together,
        listed => if f.n_rows > 1 { listed } else { Vec::new() },
        more => (more > 0).then(|| numbers::count(more)),
        headline => f.reasons.first().map(|reason| reason.words.as_str()),
        several => f.reasons.len() > 1,
        reasons => f.reasons.iter().map(reason).collect::<Vec<_>>(),
        row => f.rows.first().map(|row| numbers::count(*row)),
        first_name => f.entities.first(),
        heads => f.neighbours.iter().map(|n| numbers::count(n.row)).collect::<Vec<_>>(),
        cells => cells(f),
    }
}

fn reason(r: &Reason) -> Value {
    context! {
        words => r.words.as_str(),
        share => numbers::share(r.share, 1.0),
        width => format!("{:.0}", 100.0 * r.share),
    }
}

/// The cells of the strangest row, and beside each what its neighbours have.
fn cells(f: &Anomaly) -> Vec<Value> {
    let named: Vec<&str> = f
        .reasons
        .iter()
        .map(|reason| reason.column.as_str())
        .collect();
    let of = |(name, value): &(String, String)| {
        let beside: Vec<Option<String>> = (f.neighbours.iter())
            .map(|row| {
                let other = row.cells.iter().find(|(other, _)| other == name);
                other.map(|(_, value)| escape::shorten(value, LETTERS))
            })
            .collect();
        context! {
            name => name.as_str(),
            value => escape::shorten(value, LETTERS),
            beside => beside,
            is_reason => named.contains(&name.as_str()),
        }
    };
    f.cells.iter().map(of).collect()
}

fn detector(at: usize, d: &DetectorLine, findings: &AnomalyFindings) -> Value {
    let correlations: Vec<String> = (d.correlations.iter().enumerate())
        .map(|(other, value)| {
            if other == at {
                numbers::NOTHING.into()
            } else {
                numbers::fixed(*value, 2)
            }
        })
        .collect();
    context! {
        name => d.name.as_str(),
        learned => d.held_out.map(|(before, after)| (numbers::fixed(before, 2), numbers::fixed(after, 2))),
        weight => if d.weight > 0.0 { numbers::share(d.weight, 1.0) } else { "not counted".into() },
        correlations => correlations,
        agreed => format!("{} of {}", numbers::count(d.n_agreed), numbers::count(findings.n_flagged)),
        known => d.known.as_ref().map(known_score),
    }
}

fn estimate(e: &Estimate, as_share: bool) -> String {
    let show = |x: f64| {
        if as_share {
            numbers::share(x, 1.0)
        } else {
            numbers::fixed(x, 3)
        }
    };
    format!("{} [{}, {}]", show(e.value), show(e.low), show(e.high))
}

fn known_score(k: &KnownScore) -> Value {
    context! { roc_auc => estimate(&k.roc_auc, false), average_precision => estimate(&k.average_precision, false) }
}

fn known(k: &KnownLabels, findings: &AnomalyFindings) -> Value {
    let weighted = k.weighted.as_ref().map(|w| {
        let weights: Vec<String> = (findings.detectors.iter().zip(&w.weights))
            .map(|(detector, weight)| format!("{} {}", detector.name, numbers::share(*weight, 1.0)))
            .collect();
        context! {
            weights => weights.join(", "),
            average_precision => numbers::fixed(w.average_precision, 3),
            without => numbers::fixed(w.without, 3),
            used => w.used,
        }
    });
    context! {
        column => k.column.as_str(),
        positive => k.positive.as_str(),
        n_positive => numbers::count(k.n_positive),
        n_negative => numbers::count(k.n_negative),
        joined => known_score(&k.joined),
        precision => k.precision.as_ref().map(|p| estimate(p, true)),
        recall => estimate(&k.recall, true),
        weighted => weighted,
    }
}

fn series(s: &SeriesFound, findings: &AnomalyFindings) -> Value {
    let own: Vec<&SeriesEvent> = findings
        .events
        .iter()
        .filter(|event| event.entity == s.entity)
        .collect();
    let titles: Vec<String> = own
        .iter()
        .map(|event| format!("event {}: {}", event.number, event.words))
        .collect();
    let windows: Vec<Window> = (own.iter().zip(&titles))
        .map(|(event, title)| Window {
            from: event.span.0,
            to: event.span.1,
            title,
        })
        .collect();
    // Dots on all of them would cover the line.
    let is_dotted = |event: &&SeriesEvent| event.stands_out || event.number <= FIRST_EVENTS;
    let marks: Vec<Mark> = (own.iter().zip(&titles))
        .filter(|(event, _)| is_dotted(event))
        .map(|(event, title)| Mark {
            time: event.peak_at,
            value: event.value,
            title,
        })
        .collect();
    let label = findings.data.columns.first().map_or("", String::as_str);
    let found = Found {
        points: &s.points,
        clock: if s.is_of_times {
            Clock::Seconds
        } else {
            Clock::Numbers("Time")
        },
        label,
        windows: &windows,
        marks: &marks,
    };
    let step = s
        .step
        .as_ref()
        .map(|step| format!(", one every {step}"))
        .unwrap_or_default();
    let missing = match s.n_missing {
        0 => String::new(),
        n => format!(", {} missing", numbers::count(n)),
    };
    let season = match s.season {
        0 => "no season".to_string(),
        n => format!("a season of {} readings", numbers::count(n)),
    };
    context! {
        name => s.entity.as_deref(),
        words => format!("{} readings{step}{missing}; {season}.", numbers::count(s.n)),
        n_events => numbers::counted(s.n_events, "event", "events"),
        chart => svg::series::series(&found, &findings.verdict).map(Value::from_safe_string),
    }
}

fn event(e: &SeriesEvent) -> Value {
    let range = (e.value - e.expected).abs();
    context! {
        number => e.number,
        entity => e.entity.as_deref(),
        start => e.start.as_str(),
        end => (e.end != e.start).then_some(e.end.as_str()),
        peak => e.peak.as_str(),
        rows => match e.first_row == e.last_row {
            true => numbers::count(e.first_row),
            false => format!("{} to {}", numbers::count(e.first_row), numbers::count(e.last_row)),
        },
        n_readings => numbers::count(e.n_readings),
        value => crate::explain::short_number(e.value, range),
        expected => crate::explain::short_number(e.expected, range),
        score => numbers::plain(e.score),
        stands_out => e.stands_out,
    }
}

fn glossary(findings: &AnomalyFindings) -> Vec<Value> {
    let mut entries: Vec<(&str, String)> = vec![(
        "Stands out",
        "Its score is higher than that of the strangest row of a table without anomalies in 95 of 100 cases, if scores fall off as an exponential does: the slope is that of the strangest fifth, without what is flagged and as much again.".into(),
    )];
    if findings.search.kind == "series" {
        entries.push((
            "Expected",
            "The middle of the last readings, and how the same moment of past seasons lay above their level. Later readings are looked at only to find how long a season is.".into(),
        ));
        entries.push((
            "Score",
            "How far a reading is off, in units of the usual error until then.".into(),
        ));
    } else {
        entries.push((
            "Score",
            "How surprising what the detectors say of a row is, weighted as the table says: the logarithm of how seldom as much is said, so that 4.6 is once in a hundred rows; far out it grows with what is said itself.".into(),
        ));
        entries.push((
            "Isolation forest",
            "How few random cuts set a row apart from others (Liu et al. 2008).".into(),
        ));
        entries.push((
            "ECOD",
            "How far out its values lie in the tails of their columns, summed (Li et al. 2022)."
                .into(),
        ));
        entries.push((
            "Nearest neighbours",
            "The distance to the nearest rows (Ramaswamy et al. 2000).".into(),
        ));
        if findings
            .detectors
            .iter()
            .any(|line| line.name == "masked cells")
        {
            entries.push((
                "Masked cells",
                "How badly a transformer that learned from all rows tells each cell from the others of its row (minus the log-likelihood, as in Salazar et al. 2020).".into(),
            ));
        }
        entries.push((
            "Reasons",
            "What each detector that counts says of each column, as a share of all it says, averaged. They describe the score; they are no causes.".into(),
        ));
        entries.push((
            "Usual",
            format!(
                "Of the {} nearest rows that are not strange themselves: the middle nine tenths of numbers, the most frequent value of others.",
                numbers::count(findings.search.neighbours)
            ),
        ));
    }
    let of = |(word, meaning)| context! { word => word, meaning => meaning };
    entries.into_iter().map(of).collect()
}
