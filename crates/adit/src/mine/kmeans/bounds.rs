//! Which centre is nearest to each row, found for most rows without a distance.
//!
//! Of each row are kept an upper bound on the distance to its own centre and lower bounds on those to the others, by
//! groups of centres (Ding et al. 2015, "Yinyang K-means"). A bound is stored together with how far its centres had
//! come by then, so that bounds which hold are read and not written.

use std::ops::Range;

use rayon::prelude::*;

use super::nearest::{AHEAD, BLOCK, Block, Centers, Frame, least};
use crate::represent::points::Points;

/// Centres of a group.
const GROUP: usize = 16;
/// Most groups.
const GROUPS: usize = 16;
/// Most pieces that the rows are cut into.
const PIECES: usize = 64;
/// Rows whose bounds are looked at together.
const CHUNK: usize = 64;
/// What a sum is multiplied by to be no less than the true one.
const UP: f32 = 1.0 + 4.0 * f32::EPSILON;

/// What is known of the nearest centre of every row.
pub struct Bounds {
    /// The nearest centre. `[n]`
    pub labels: Vec<u32>,
    /// On the distance to it in the frame, less the path of that centre. `[n]`
    upper: Vec<f32>,
    /// On the distance to all others, plus the path of the group; by pieces of rows. `[n_groups, rows of the piece]`
    lower: Vec<f32>,
    groups: Vec<Range<usize>>,
    /// How far each centre has come, in the frame. `[k]`
    path: Vec<f64>,
    /// The longest way of a centre of the group in each step, summed. `[n_groups]`
    group_path: Vec<f64>,
    /// Rows of a piece.
    size: usize,
    /// True before any row was compared.
    fresh: bool,
}

/// What one assignment did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Rows that changed their centre.
    pub changed: usize,
    /// Rows that were compared with all centres.
    pub compared: usize,
}

/// What the rows of one piece change in the sums of the centres.
pub struct Changes {
    /// Only of centres that rows came to or left. `[k][width]`
    pub sums: Vec<Option<Vec<f64>>>,
    /// Of rows. `[k]`
    pub counts: Vec<isize>,
    pub step: Step,
}

impl Changes {
    fn new(k: usize) -> Changes {
        Changes {
            sums: vec![None; k],
            counts: vec![0; k],
            step: Step::default(),
        }
    }

    fn add(&mut self, center: usize, row: &[f32]) {
        self.counts[center] += 1;
        let sums = self.sums[center].get_or_insert_with(|| vec![0.0; row.len()]);
        let values = sums.iter_mut().zip(row);
        values.for_each(|(sum, &x)| *sum += f64::from(x));
    }

    fn take(&mut self, center: usize, row: &[f32]) {
        self.counts[center] -= 1;
        let sums = self.sums[center].get_or_insert_with(|| vec![0.0; row.len()]);
        let values = sums.iter_mut().zip(row);
        values.for_each(|(sum, &x)| *sum -= f64::from(x));
    }
}

/// Into how many pieces `n` rows are cut, each of which sums its rows by centre: few enough for all of these sums to
/// be small beside the rows.
pub fn n_pieces(n: usize, k: usize) -> usize {
    (n / (16 * k)).clamp(1, PIECES)
}

impl Bounds {
    /// Nothing known of `n` rows and `k` centres.
    pub fn new(n: usize, k: usize) -> Bounds {
        let group = k.div_ceil(GROUPS).max(GROUP);
        let groups: Vec<Range<usize>> = (0..k)
            .step_by(group)
            .map(|from| from..k.min(from + group))
            .collect();
        Bounds {
            labels: vec![0; n],
            upper: vec![f32::INFINITY; n],
            lower: vec![f32::NEG_INFINITY; n * groups.len()],
            path: vec![0.0; k],
            group_path: vec![0.0; groups.len()],
            groups,
            size: n.div_ceil(n_pieces(n, k)),
            fresh: true,
        }
    }

    /// Takes note of how far each centre went, in the frame.
    pub fn moved(&mut self, ways: &[f64]) {
        for (path, way) in self.path.iter_mut().zip(ways) {
            *path += way;
        }
        for (path, group) in self.group_path.iter_mut().zip(&self.groups) {
            *path += ways[group.clone()].iter().fold(0.0, |a, &b| b.max(a));
        }
    }

    /// Gives a row another centre.
    ///
    /// It will be compared anew: a lower bound is on the distance to that centre too, and no upper one lies below it.
    pub fn hand_over(&mut self, row: usize, center: u32) {
        self.labels[row] = center;
        self.upper[row] = f32::INFINITY;
    }

    /// Gives every row its nearest centre, and of equally near ones that of the lowest rank; what changed, by pieces.
    pub fn assign(
        &mut self,
        points: Points,
        frame: &Frame,
        centers: &Centers,
        rank: &[u32],
    ) -> Vec<Changes> {
        let round = Round {
            points,
            frame,
            centers,
            rank,
            groups: &self.groups,
            path: &self.path,
            group_path: &self.group_path,
            path_up: self.path.iter().map(|&path| above(path)).collect(),
            group_path_up: self.group_path.iter().map(|&path| above(path)).collect(),
            fresh: self.fresh,
        };
        let size = self.size;
        let pieces = (self.labels.par_chunks_mut(size))
            .zip(self.upper.par_chunks_mut(size))
            .zip(self.lower.par_chunks_mut(size * self.groups.len()))
            .enumerate();
        let changes = pieces.map_init(
            || Block::new(points.width(), centers.len()),
            |block, (at, ((labels, upper), lower))| {
                let piece = Piece {
                    first: at * size,
                    labels,
                    upper,
                    lower,
                };
                round.visit(piece, block)
            },
        );
        let changes = changes.collect();
        self.fresh = false;
        changes
    }
}

/// The rows of one piece.
struct Piece<'p> {
    first: usize,
    labels: &'p mut [u32],
    upper: &'p mut [f32],
    lower: &'p mut [f32],
}

/// What all pieces read.
struct Round<'r> {
    points: Points<'r>,
    frame: &'r Frame,
    centers: &'r Centers,
    rank: &'r [u32],
    groups: &'r [Range<usize>],
    path: &'r [f64],
    group_path: &'r [f64],
    path_up: Vec<f32>,
    group_path_up: Vec<f32>,
    fresh: bool,
}

impl Round<'_> {
    fn visit(&self, mut piece: Piece, block: &mut Block) -> Changes {
        let mut changes = Changes::new(self.centers.len());
        let mut waiting = Vec::with_capacity(CHUNK);
        let mut open = Vec::with_capacity(BLOCK);
        for from in (0..piece.labels.len()).step_by(CHUNK) {
            self.wait(&piece, from, &mut waiting);
            for waiting in waiting.chunks(AHEAD) {
                self.read(&mut piece, waiting, (block, &mut open), &mut changes);
            }
        }
        self.settle(&mut piece, &open, block, &mut changes);
        changes
    }

    /// The rows of a chunk whose bounds do not say that they keep their centre.
    fn wait(&self, piece: &Piece, from: usize, waiting: &mut Vec<usize>) {
        waiting.clear();
        let n_rows = piece.labels.len();
        let to = n_rows.min(from + CHUNK);
        let mut others = [f32::INFINITY; CHUNK];
        for (lower, path) in piece.lower.chunks_exact(n_rows).zip(&self.group_path_up) {
            for (other, lower) in others.iter_mut().zip(&lower[from..to]) {
                let lower = lower - path;
                *other = if lower < *other { lower } else { *other };
            }
        }
        for (at, other) in (from..to).zip(others) {
            let own = piece.upper[at] + self.path_up[piece.labels[at] as usize];
            let holds = own * UP < other;
            if !holds {
                waiting.push(at);
            }
        }
    }

    /// True where the bounds say that the row keeps its centre.
    fn holds(&self, piece: &Piece, at: usize) -> bool {
        let own = piece.upper[at] + self.path_up[piece.labels[at] as usize];
        let lower = piece.lower[at..].iter().step_by(piece.labels.len());
        let mut lower = lower.zip(&self.group_path_up);
        lower.all(|(lower, path)| own * UP < lower - path)
    }

    /// Reads rows and opens those whose renewed bounds do not hold.
    fn read(
        &self,
        piece: &mut Piece,
        waiting: &[usize],
        (block, open): (&mut Block, &mut Vec<usize>),
        changes: &mut Changes,
    ) {
        // Rows that lie apart are copied one right after the other, so that the memory works on several at once.
        for (slot, &at) in waiting.iter().enumerate() {
            block.fetch(slot, self.points.row(piece.first + at));
        }
        for (slot, &at) in waiting.iter().enumerate() {
            block.put_fetched(slot, open.len(), self.frame);
            if !self.fresh && self.tightens(piece, at, (block, open.len())) {
                continue;
            }
            open.push(at);
            if open.len() == BLOCK {
                self.settle(piece, open, block, changes);
                open.clear();
            }
        }
    }

    /// Renews the upper bound by the distance to the own centre; true where the bounds then hold.
    fn tightens(&self, piece: &mut Piece, at: usize, (block, slot): (&Block, usize)) -> bool {
        let label = piece.labels[at] as usize;
        let square = block.to_one(slot, self.centers, label);
        let most = square + self.centers.margin(block.squares[slot]);
        piece.upper[at] = above(f64::from(most).max(0.0).sqrt() - self.path[label]);
        self.holds(piece, at)
    }

    /// Compares rows with all centres and renews all of their bounds.
    fn settle(&self, piece: &mut Piece, open: &[usize], block: &mut Block, changes: &mut Changes) {
        block.compare(open.len(), self.centers);
        changes.step.compared += open.len();
        let n_rows = piece.labels.len();
        for (slot, &at) in open.iter().enumerate() {
            let row = self.points.row(piece.first + at);
            let lower = piece.lower[at..].iter_mut().step_by(n_rows);
            let (label, upper) = self.judge(row, (block, slot), lower);
            piece.upper[at] = upper;
            let old = std::mem::replace(&mut piece.labels[at], label as u32) as usize;
            if self.fresh || old != label {
                changes.step.changed += 1;
                changes.add(label, row);
                if !self.fresh {
                    changes.take(old, row);
                }
            }
        }
    }

    /// The nearest centre of a row and the bounds around it.
    fn judge<'l>(
        &self,
        row: &[f32],
        (block, slot): (&Block, usize),
        lower: impl Iterator<Item = &'l mut f32>,
    ) -> (usize, f32) {
        let (square, partial) = (block.squares[slot], block.partial(slot, self.centers.len()));
        let margin = f64::from(self.centers.margin(square));
        let label = self.centers.nearest(row, square, partial, self.rank);
        for ((lower, group), path) in lower.zip(self.groups).zip(self.group_path) {
            let other = if group.contains(&label) {
                let before = least(&partial[group.start..label]);
                before.min(least(&partial[label + 1..group.end]))
            } else {
                least(&partial[group.clone()])
            };
            let square = f64::from(square) + f64::from(other) - margin;
            *lower = below(square.max(0.0).sqrt() + path);
        }
        let most = f64::from(square) + f64::from(partial[label]) + margin;
        (label, above(most.max(0.0).sqrt() - self.path[label]))
    }
}

/// The number in f32, rounded up.
fn above(value: f64) -> f32 {
    (value as f32).next_up()
}

/// The number in f32, rounded down.
fn below(value: f64) -> f32 {
    (value as f32).next_down()
}
