//! Parts by time: the latest rows are kept for last.

use crate::prepare::{PrepareError, RowColumn, Rows, Values};

/// Rows of each time, earliest first; whole and broken numbers such as years serve as times too.
pub(super) fn times(rows: &Rows, name: &str) -> Result<Vec<Vec<usize>>, PrepareError> {
    let column = column(rows, name, "split by time")?;
    let mut missing = (0..rows.n_rows()).filter(|&row| column.values.is_missing(row));
    if let Some(first) = missing.next() {
        return Err(PrepareError::MissingTimes {
            column: name.to_string(),
            count: 1 + missing.count(),
            row: rows.row_ids[first],
        });
    }
    let mut order: Vec<usize> = (0..rows.n_rows()).collect();
    match &column.values {
        Values::Times(values) => {
            order.sort_by_key(|&row| (values[row], row));
            Ok(runs(&order, |a, b| values[a] == values[b]))
        }
        Values::Numbers(values) => {
            order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
            Ok(runs(&order, |a, b| values[a] == values[b]))
        }
        Values::Strings(_) | Values::Histories(_) => Err(PrepareError::WrongType {
            column: name.to_string(),
            role: "time",
            found: "text",
        }),
    }
}

/// Takes the latest `fraction` of the rows, whole times only, and leaves `keep` times at least.
pub(super) fn part(
    mut times: Vec<Vec<usize>>,
    fraction: f64,
    keep: usize,
) -> (Vec<Vec<usize>>, Vec<usize>) {
    let n: usize = times.iter().map(Vec::len).sum();
    let wanted = n as f64 * fraction;
    let mut part: Vec<usize> = Vec::new();
    while times.len() > keep.max(1) {
        let size = times.last().map_or(0, Vec::len);
        let nearer = (part.len() + size) as f64 - wanted <= wanted - part.len() as f64;
        if !part.is_empty() && !nearer {
            break;
        }
        part.extend(times.pop().unwrap_or_default());
    }
    (times, part)
}

/// The column that a split is made by.
/// The place of each row's time among all times, earliest first.
///
/// # Errors
/// As [`times`].
pub fn ranks_in_time(rows: &Rows, name: &str) -> Result<Vec<usize>, PrepareError> {
    let mut ranks = vec![0; rows.n_rows()];
    for (rank, tied) in times(rows, name)?.into_iter().enumerate() {
        tied.into_iter().for_each(|row| ranks[row] = rank);
    }
    Ok(ranks)
}

pub(super) fn column<'a>(
    rows: &'a Rows,
    name: &str,
    what: &'static str,
) -> Result<&'a RowColumn, PrepareError> {
    rows.column(name).ok_or_else(|| {
        let columns: Vec<String> = rows.columns.iter().map(|c| c.name.clone()).collect();
        PrepareError::UnknownColumn {
            what,
            name: name.to_string(),
            nearest: crate::prepare::nearest::nearest(name, &columns),
            columns,
        }
    })
}

/// Runs of equal neighbours.
fn runs(order: &[usize], equal: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    order
        .chunk_by(|&a, &b| equal(a, b))
        .map(<[usize]>::to_vec)
        .collect()
}
