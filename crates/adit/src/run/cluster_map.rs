//! The picture of the rows in the report.

use super::cluster_cards::row_cells;
use super::points::LoadedPoints;
use super::{Context, RunError};
use crate::explain::{Map, MapPlace};
use crate::mine::layout::{Layout, thinned, trust};
use crate::mine::neighbours::Neighbours;
use crate::represent::components::Components;
use crate::represent::points::Points;

/// Rows that are drawn, at most.
const MOST_ROWS: usize = 4_000;
/// Neighbours that the picture keeps together.
const NEIGHBOURS: usize = 15;
/// Cells that are told of a row.
const CELLS: usize = 4;
const LETTERS: usize = 100;

/// Rows in two dimensions, with words about those of clusters that are told; `None` where there are too few.
///
/// # Errors
/// `Interrupted`.
pub(super) fn map_of(
    loaded: &LoadedPoints,
    (labels, is_told): (&[Option<u32>], &dyn Fn(u32) -> bool),
    seed: u64,
    context: &Context,
) -> Result<Option<Map>, RunError> {
    let rows = thinned(labels, MOST_ROWS, seed);
    if rows.len() < 8 {
        return Ok(None);
    }
    let watch = context.watch;
    let goes_on = |at: usize, of: usize| {
        watch.progress("draw the map", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let values = loaded.points().gathered(&rows);
    let points = Points::new(&values, loaded.fitted.width);
    let all: Vec<usize> = (0..rows.len()).collect();
    let components = Components::fit(&values, points.width(), &all, 2);
    if components.is_empty() {
        return Ok(None);
    }
    let two = two_of(&components.projected(points), components.len());
    let (places, how) = if points.width() <= 2 {
        (two, "as they lie in the two values that they are made of")
    } else {
        let settings = Neighbours {
            k: NEIGHBOURS.min(rows.len() - 1),
        };
        let near = settings.exact(points, None, &goes_on)?;
        let layout = Layout {
            seed,
            ..Layout::default()
        };
        let places = layout.fit((&near.indices, &near.distances), &two, &goes_on)?;
        (places, "laid out so that neighbours stay together (UMAP)")
    };
    let trust = trust(points, &places, NEIGHBOURS)?;
    let has_texts = loaded.fitted.texts.is_some();
    let words = |row: usize| {
        if loaded.of == "entities" || labels[row].is_some_and(|label| !is_told(label)) {
            return String::new();
        }
        let text = match has_texts {
            true => loaded.text_of(row),
            false => {
                let cells = row_cells(loaded.own_columns(), row).take(CELLS);
                let cells: Vec<String> = cells
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                cells.join(", ")
            }
        };
        let short: String = text.chars().take(LETTERS).collect();
        format!("row {}: {short}", loaded.rows.row_ids[row])
    };
    let drawn: Vec<Option<u32>> = rows.iter().map(|&row| labels[row]).collect();
    Ok(Some(Map {
        how: how.into(),
        medoids: medoids(&places, &drawn),
        trustworthiness: trust.map_or(1.0, |t| t.trustworthiness),
        n: rows.len() as u64,
        places: (rows.iter().zip(places.chunks(2)))
            .map(|(&row, place)| MapPlace {
                x: place[0],
                y: place[1],
                cluster: labels[row],
                words: words(row),
            })
            .collect(),
    }))
}

/// The place nearest to the median of each cluster's places.
fn medoids(places: &[f32], labels: &[Option<u32>]) -> Vec<Option<usize>> {
    let n_clusters = labels
        .iter()
        .flatten()
        .max()
        .map_or(0, |most| *most as usize + 1);
    let of = |cluster: usize| {
        let own: Vec<usize> = (0..labels.len())
            .filter(|&at| labels[at] == Some(cluster as u32))
            .collect();
        let median = |axis: usize| {
            let mut values: Vec<f32> = own.iter().map(|&at| places[2 * at + axis]).collect();
            values.sort_unstable_by(f32::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let (x, y) = (median(0)?, median(1)?);
        let apart = |at: usize| (places[2 * at] - x).powi(2) + (places[2 * at + 1] - y).powi(2);
        own.into_iter()
            .min_by(|&a, &b| apart(a).total_cmp(&apart(b)))
    };
    (0..n_clusters).map(of).collect()
}

/// Two values a point, the second 0 where there is one only.
fn two_of(places: &[f32], width: usize) -> Vec<f32> {
    let two = |place: &[f32]| [place[0], place.get(1).copied().unwrap_or(0.0)];
    places.chunks(width).flat_map(two).collect()
}
