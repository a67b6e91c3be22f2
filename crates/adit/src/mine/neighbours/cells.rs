//! Near rows next to each other, by a coarse k-means.

use adit_nn::random::mix;
use rayon::prelude::*;

use super::blocks::{Blocks, MOST_ROWS};
use super::space::{Scale, Tile};
use crate::represent::points::Points;

/// Rows a cell, about.
const CELL_ROWS: usize = 256;
/// Most cells.
const MOST_CELLS: usize = 4096;
/// Rows a cell that its centre is learned from.
const SAMPLED: usize = 16;
/// Rounds of k-means.
const ROUNDS: usize = 6;
/// Rows that are compared with the centres at once.
const CHUNK: usize = 256;
/// A row that lies so many times as far off as the median of its cell does is set apart (squared).
const STRAY: f32 = 2.0;
/// Fewer rows are no block of their own.
const FEWEST: usize = 64;

/// Where exact neighbours are looked for, the order of the rows changes no result.
const SEED: u64 = 0;

/// The nearest centre, and half of the squared distance in scaled units.
type Home = (u32, f32);

/// Cuts rows into blocks of near ones; those that lie far off from their cells are set apart, so that other blocks are
/// small.
pub(super) fn near_blocks<'a>(points: Points<'a>, rows: &[u32], scale: Scale) -> Blocks<'a> {
    cut(points, rows, (scale, SEED), true)
}

/// Cuts all rows into blocks, each in its cell.
pub(super) fn cell_blocks(points: Points, scale: Scale, seed: u64) -> Blocks {
    let rows: Vec<u32> = (0..points.len() as u32).collect();
    cut(points, &rows, (scale, seed), false)
}

fn cut<'a>(
    points: Points<'a>,
    rows: &[u32],
    (scale, seed): (Scale, u64),
    strays_apart: bool,
) -> Blocks<'a> {
    let n = rows.len();
    let most = n.div_ceil(32).clamp(FEWEST, MOST_ROWS);
    let n_cells = (n / CELL_ROWS).min(MOST_CELLS);
    if n_cells < 2 {
        let ids = (0..n as u32).collect();
        return Blocks::new(points, rows, ids, cuts(&[n], most));
    }
    let centres = centres(points, rows, scale, n_cells, seed);
    let homes = homes(points, rows, scale, &centres);
    let mut cells: Vec<Vec<u32>> = vec![Vec::new(); n_cells];
    (0..n as u32).for_each(|id| cells[homes[id as usize].0 as usize].push(id));
    if strays_apart {
        let mut strays = Vec::new();
        for cell in &mut cells {
            part_strays(cell, &homes, &mut strays);
        }
        cells.push(strays);
    }
    let sizes: Vec<usize> = cells.iter().map(Vec::len).collect();
    Blocks::new(points, rows, cells.concat(), cuts(&sizes, most))
}

/// Moves the rows that lie far off, or all where they are few, from a cell to the strays.
fn part_strays(cell: &mut Vec<u32>, homes: &[Home], strays: &mut Vec<u32>) {
    if cell.len() >= FEWEST {
        let mut offs: Vec<f32> = cell.iter().map(|&id| homes[id as usize].1).collect();
        let middle = offs.len() / 2;
        let median = *offs.select_nth_unstable_by(middle, f32::total_cmp).1;
        let stays = |id: &u32| homes[*id as usize].1 <= STRAY * median;
        let (near, far): (Vec<u32>, Vec<u32>) = cell.iter().partition(|id| stays(id));
        strays.extend(far);
        *cell = near;
    }
    if cell.len() < FEWEST {
        strays.append(cell);
    }
}

/// Where blocks start: every part is cut evenly into blocks of at most `most` rows.
fn cuts(sizes: &[usize], most: usize) -> Vec<usize> {
    let mut starts = vec![0];
    let mut from = 0;
    for &size in sizes {
        let n_blocks = size.div_ceil(most);
        starts.extend((1..=n_blocks).map(|at| from + size * at / n_blocks));
        from += size;
    }
    starts
}

/// Centres of k-means (Lloyd 1982) on a sample of the rows. `[n_cells, width]`
fn centres(points: Points, rows: &[u32], scale: Scale, n_cells: usize, seed: u64) -> Vec<f32> {
    let width = points.width();
    let n_sampled = (n_cells * SAMPLED).min(rows.len());
    let sample: Vec<u32> = (0..n_sampled)
        .map(|at| {
            let (from, to) = (
                at * rows.len() / n_sampled,
                (at + 1) * rows.len() / n_sampled,
            );
            rows[from + (mix(seed, at as u64) % (to - from) as u64) as usize]
        })
        .collect();
    let first = sample.iter().step_by(SAMPLED).take(n_cells);
    let mut centres: Vec<f32> = first
        .flat_map(|&row| points.row(row as usize).to_vec())
        .collect();
    for _ in 0..ROUNDS {
        let homes = homes(points, &sample, scale, &centres);
        let mut sums = vec![0.0f64; centres.len()];
        let mut counts = vec![0usize; n_cells];
        for (&row, &(home, _)) in sample.iter().zip(&homes) {
            let sums = &mut sums[home as usize * width..][..width];
            let terms = sums.iter_mut().zip(points.row(row as usize));
            terms.for_each(|(sum, &v)| *sum += f64::from(v));
            counts[home as usize] += 1;
        }
        let cells = centres
            .chunks_exact_mut(width)
            .zip(sums.chunks_exact(width));
        for ((centre, sums), &count) in cells.zip(&counts).filter(|(_, count)| **count > 0) {
            let terms = centre.iter_mut().zip(sums);
            terms.for_each(|(c, sum)| *c = (sum / count as f64) as f32);
        }
    }
    centres
}

/// The nearest centre of every row.
fn homes(points: Points, rows: &[u32], scale: Scale, centres: &[f32]) -> Vec<Home> {
    let centres = Points::new(centres, points.width());
    let all: Vec<u32> = (0..centres.len() as u32).collect();
    let mut middle = vec![0.0f64; points.width()];
    for centre in centres.values().chunks_exact(points.width()) {
        let terms = middle.iter_mut().zip(centre);
        terms.for_each(|(sum, &v)| *sum += f64::from(v) / all.len() as f64);
    }
    let mut homes = vec![(0u32, 0.0f32); rows.len()];
    homes
        .par_chunks_mut(CHUNK)
        .zip(rows.par_chunks(CHUNK))
        .for_each_init(Tile::default, |tile, (homes, rows)| {
            tile.load((points, rows), (centres, &all), scale, &middle);
            tile.multiply(0..rows.len(), 0..all.len());
            for (row, home) in homes.iter_mut().enumerate() {
                let terms = tile.right_halves().iter().zip(tile.products(row));
                let offs = terms.map(|(half, product)| half - product);
                let best = offs
                    .enumerate()
                    .fold((0, f32::INFINITY), |best, (at, off)| {
                        if off < best.1 { (at, off) } else { best }
                    });
                *home = (best.0 as u32, best.1 + tile.left_halves()[row]);
            }
        });
    homes
}
