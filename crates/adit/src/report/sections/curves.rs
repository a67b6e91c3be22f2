//! Curves over all members, calibration, and predicted against true.

use minijinja::{Value, context};

use super::{Colours, drawn, ranked};
use crate::explain::{Curve, Findings, Member};
use crate::report::metric::Metric;
use crate::report::svg::curves::{Chance, Labels, unit_square};
use crate::report::{numbers, svg};

/// ROC and precision–recall; `None` when no member has either.
pub(super) fn section(findings: &Findings, colours: &Colours) -> Option<Value> {
    let roc = chart(
        &curves(findings, |curves| curves.roc.as_ref()),
        colours,
        "roc_auc",
        Chance::Diagonal,
        &Labels {
            x: "False positive rate",
            y: "True positive rate",
            message: "ROC curves of all members",
        },
    );
    let share = positive_share(findings);
    let precision_recall = chart(
        &curves(findings, |curves| curves.precision_recall.as_ref()),
        colours,
        "average_precision",
        share.map_or(Chance::Unknown, Chance::Level),
        &Labels {
            x: "Recall",
            y: "Precision",
            message: "Precision–recall curves of all members",
        },
    );
    if roc.is_none() && precision_recall.is_none() {
        return None;
    }
    Some(context! {
        positive => findings.positive_class.as_deref(),
        roc => roc,
        precision_recall => precision_recall,
        chance => share.map(|share| numbers::share(share, 1.0)),
    })
}

/// The curve of each member that has one, the best member first.
fn curves<'a>(
    findings: &'a Findings,
    pick: impl Fn(&'a crate::explain::MemberCurves) -> Option<&'a Curve>,
) -> Vec<(&'a Member, &'a Curve)> {
    ranked(findings)
        .into_iter()
        .filter_map(|member| {
            let curves = findings
                .curves
                .iter()
                .find(|curves| curves.model == member.model)?;
            pick(curves).map(|curve| (member, curve))
        })
        .collect()
}

fn chart(
    curves: &[(&Member, &Curve)],
    colours: &Colours,
    area: &str,
    chance: Chance,
    labels: &Labels<'_>,
) -> Option<Value> {
    if curves.is_empty() {
        return None;
    }
    let metric = Metric::named(area);
    // Curves are named by their member here, whatever name they came with.
    let named: Vec<(Curve, &str)> = curves
        .iter()
        .map(|(member, curve)| {
            (
                Curve {
                    name: member.model.clone(),
                    ..(*curve).clone()
                },
                colours.class(&member.model),
            )
        })
        .collect();
    let drawings: Vec<(&Curve, &str)> =
        named.iter().map(|(curve, class)| (curve, *class)).collect();
    let legend: Vec<Value> = curves
        .iter()
        .map(|(member, _)| {
            context! {
                name => member.model.as_str(),
                class => colours.class(&member.model),
                note => member.metrics.get(area).map(|area| format!("{} ({})", metric.show(area.value), metric.interval(area))),
            }
        })
        .collect();
    Some(context! {
        chart => drawn(unit_square(&drawings, chance, labels)),
        legend => legend,
        area => metric.label.as_str(),
    })
}

/// The share of the positive class among the test rows, which is what a guess would reach.
fn positive_share(findings: &Findings) -> Option<f64> {
    let positive = findings.positive_class.as_ref()?;
    let total = findings
        .data
        .classes
        .iter()
        .map(|class| class.2)
        .sum::<u64>();
    let class = findings
        .data
        .classes
        .iter()
        .find(|class| class.0 == *positive)?;
    (total > 0).then(|| class.2 as f64 / total as f64)
}

/// The reliability diagram of the chosen member.
pub(super) fn calibration(findings: &Findings) -> Option<Value> {
    let calibration = findings
        .calibration
        .as_ref()
        .filter(|calibration| !calibration.bins.is_empty())?;
    let error = &calibration.expected_calibration_error;
    let score = Metric::named("accuracy");
    let message = format!(
        "Calibration of {}: expected calibration error {}",
        findings.chosen,
        score.show(error.value)
    );
    let rows: Vec<Value> = calibration
        .bins
        .iter()
        .map(|bin| {
            context! {
                predicted => score.show(bin.predicted),
                observed => score.show(bin.observed.value),
                interval => score.interval(&bin.observed),
                count => numbers::count(bin.count),
            }
        })
        .collect();
    Some(context! {
        what => calibration.what.as_str(),
        chosen => findings.chosen.as_str(),
        error => score.show(error.value),
        interval => score.interval(error),
        chart => drawn(svg::calibration::diagram(calibration, &message)),
        rows => rows,
    })
}

/// Predicted against true and the histogram of the errors.
pub(super) fn scatter(findings: &Findings) -> Option<Value> {
    let scatter = findings.scatter.as_ref()?;
    let target = crate::report::escape::shorten(&findings.data.target, 40);
    let message = format!("Predicted against true {target} of {}", findings.chosen);
    let chart = svg::scatter::identity(scatter, &target, &message)?;
    let errors: Vec<f64> = scatter
        .truth
        .iter()
        .zip(&scatter.predicted)
        .map(|(truth, predicted)| predicted - truth)
        .collect();
    let residuals = svg::bars::residuals(
        &errors,
        &format!("Predicted − true {target}"),
        &format!("Histogram of the errors of {}", findings.chosen),
    );
    let shown = scatter.truth.len() as u64;
    Some(context! {
        chosen => findings.chosen.as_str(),
        chart => drawn(chart),
        residuals => residuals.map(drawn),
        shown => numbers::count(shown),
        thinned => (scatter.thinned_from > shown).then(|| numbers::count(scatter.thinned_from)),
    })
}
