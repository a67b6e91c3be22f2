//! What the data is, and what was wrong with it.

use minijinja::{Value, context};

use super::{drawn, folded};
use crate::explain::{ColumnSummary, DataSummary, Findings};
use crate::report::{numbers, svg};

/// Rows of a table before the rest is folded away.
const SHOWN: usize = 12;
/// Rows of a folded table; more would make the page slow and are in `result.json`.
const FOLDED: usize = 500;

/// Rows, split, sources, classes and columns.
pub(super) fn section(findings: &Findings) -> Value {
    let data = &findings.data;
    let parts = [
        ("Train", data.train, "s0"),
        ("Validation", data.validation, "s5"),
        ("Test", data.test, "s1"),
    ];
    let total = parts.iter().map(|part| part.1).sum::<u64>();
    let legend: Vec<Value> = parts
        .iter()
        .filter(|part| part.1 > 0)
        .map(|(name, rows, class)| {
            context! {
                name => *name,
                class => *class,
                rows => numbers::count(*rows),
                share => numbers::share(*rows as f64, total as f64),
                width => format!("{:.3}", *rows as f64 / total as f64 * 100.0),
            }
        })
        .collect();
    let sources: Vec<Value> = data.sources.iter().map(Value::from).collect();
    let columns: Vec<Value> = data
        .columns
        .iter()
        .take(SHOWN + FOLDED)
        .map(|column| self::column(column, data))
        .collect();
    let (shown, rest) = split(columns);
    context! {
        rows => numbers::counted(data.rows, "row", "rows"),
        target => data.target.as_str(),
        how => data.split.as_str(),
        legend => legend,
        sources => sources,
        classes => classes(data),
        columns => shown,
        more_columns => rest,
        column_count => numbers::counted(data.columns.len() as u64, "column", "columns"),
        left_out => left_out(data.columns.len()),
    }
}

/// The first rows, and the others when there are enough of them to be worth folding.
fn split(mut rows: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    if rows.len() <= SHOWN + 3 {
        return (rows, Vec::new());
    }
    let rest = rows.split_off(SHOWN);
    (rows, rest)
}

fn left_out(n: usize) -> Option<String> {
    (n > SHOWN + FOLDED).then(|| numbers::count((n - SHOWN - FOLDED) as u64))
}

fn classes(data: &DataSummary) -> Option<Value> {
    if data.classes.is_empty() {
        return None;
    }
    let train = data.classes.iter().map(|class| class.1).sum::<u64>() as f64;
    let test = data.classes.iter().map(|class| class.2).sum::<u64>() as f64;
    let most = data
        .classes
        .iter()
        .map(|class| class.1)
        .max()
        .unwrap_or(1)
        .max(1) as f64;
    let mut order: Vec<&(String, u64, u64)> = data.classes.iter().collect();
    if order.len() > SHOWN {
        // Of many classes the common ones are looked for first.
        order.sort_by_key(|class| std::cmp::Reverse(class.1));
    }
    let rows: Vec<Value> = order
        .into_iter()
        .take(SHOWN + FOLDED)
        .map(|(name, in_train, in_test)| {
            context! {
                name => folded(name, 60),
                train => numbers::count(*in_train),
                train_share => numbers::share(*in_train as f64, train),
                test => numbers::count(*in_test),
                test_share => numbers::share(*in_test as f64, test),
                width => format!("{:.1}", *in_train as f64 / most * 100.0),
            }
        })
        .collect();
    let (shown, rest) = split(rows);
    Some(context! {
        count => numbers::counted(data.classes.len() as u64, "class", "classes"),
        rows => shown,
        more => rest,
        left_out => left_out(data.classes.len()),
    })
}

fn column(column: &ColumnSummary, data: &DataSummary) -> Value {
    let spark = (!column.histogram.is_empty()).then(|| {
        let message = format!(
            "distribution of {}",
            crate::report::escape::shorten(&column.name, 60)
        );
        drawn(svg::bars::sparkline(&column.histogram, &message))
    });
    context! {
        name => folded(&column.name, 60),
        is_target => column.name == data.target,
        role => column.role.as_str(),
        column_type => column.column_type.as_str(),
        reason => folded(&column.reason, 120),
        missing => numbers::share(column.missing as f64, data.rows as f64),
        has_missing => column.missing > 0,
        missing_rows => numbers::counted(column.missing, "row", "rows"),
        distinct => numbers::count(column.distinct),
        range => folded(&column.range, 90),
        spark => spark,
    }
}

/// What was wrong, each with what was done about it; `None` when nothing was.
pub(super) fn warnings(findings: &Findings) -> Option<Value> {
    if findings.warnings.is_empty() {
        return None;
    }
    let rows: Vec<Value> = findings
        .warnings
        .iter()
        .take(SHOWN + FOLDED)
        .map(|warning| {
            context! {
                kind => warning.kind.replace('_', " "),
                column => warning.column.as_ref().map(|name| folded(name, 60)),
                message => folded(&warning.message, 300),
                action => folded(&warning.action, 300),
            }
        })
        .collect();
    let (shown, rest) = split(rows);
    Some(context! {
        count => numbers::count(findings.warnings.len() as u64),
        rows => shown,
        more => rest,
        left_out => left_out(findings.warnings.len()),
    })
}
