//! Nearest neighbours that are right.

use std::ops::Range;

use rayon::prelude::*;

use super::blocks::Blocks;
use super::cells::near_blocks;
use super::lists::Lists;
use super::pairs::{Pair, Rows};
use super::space::{Scale, Tile, check_finite};
use super::{Neighbourhood, Neighbours, Stage};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Blocks of queries between two calls of whoever looks on.
const AT_ONCE: usize = 64;

impl Neighbours {
    /// The nearest points of each query, or of each of the points, which then is not its own neighbour; its duplicates are.
    ///
    /// # Errors
    /// [`MineError::Setting`], [`MineError::FeatureNotFinite`], [`MineError::FeaturesDiffer`], [`MineError::Cancelled`].
    pub fn exact(
        &self,
        points: Points,
        queries: Option<Points>,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Neighbourhood, MineError> {
        self.check()?;
        check_finite(points)?;
        let stage = Stage::whole(goes_on);
        let Some(queries) = queries else {
            let rows: Vec<u32> = (0..points.len() as u32).collect();
            let lists = self_lists(points, &rows, self.k, stage)?;
            return Ok(neighbourhood(lists));
        };
        check_finite(queries)?;
        if queries.width() != points.width() {
            return Err(MineError::FeaturesDiffer {
                expected: points.width(),
                found: queries.width(),
            });
        }
        Ok(neighbourhood(nearest_keys(points, queries, self.k, stage)?))
    }
}

/// Lists as neighbours.
pub(super) fn neighbourhood(lists: Lists) -> Neighbourhood {
    let k = lists.k();
    let (keys, indices) = lists.into_parts();
    // A distance may be longer than any f32.
    let distance = |key: &f64| key.sqrt().min(f64::from(f32::MAX)) as f32;
    Neighbourhood {
        k,
        indices,
        distances: keys.iter().map(distance).collect(),
    }
}

/// The nearest other rows of each of `rows`, by places in `rows`: `k` of them, or all where they are fewer.
pub(in crate::mine) fn self_lists(
    points: Points,
    rows: &[u32],
    k: usize,
    stage: Stage,
) -> Result<Lists, MineError> {
    let k = k.min(rows.len().saturating_sub(1));
    if k == 0 {
        return Ok(Lists::default());
    }
    let scale = Scale::new(&[points]);
    let blocks = near_blocks(points, rows, scale);
    let meeting = Meeting {
        blocks: &blocks,
        scale,
    };
    let mut lists = meeting.within(k);
    let n = lists.len();
    for round in 0..n {
        stage.tell(round, n)?;
        // In a round, a bunch meets one other; over all rounds, it meets each.
        let pairs = (0..n).map(|a| (a, (n + round - a) % n));
        let pairs: Vec<(usize, usize)> = pairs.filter(|(a, b)| a < b).collect();
        meeting.meet(&pairs, &mut lists);
    }
    Ok(by_id(&blocks, &lists, k))
}

/// Bunches of blocks that look for neighbours among each other.
pub(super) struct Meeting<'a> {
    pub(super) blocks: &'a Blocks<'a>,
    pub(super) scale: Scale,
}

/// A bunch, and the neighbours of its rows.
type Party = (usize, Lists);

impl Meeting<'_> {
    /// The neighbours of all rows within their bunches.
    fn within(&self, k: usize) -> Vec<Lists> {
        let blocks = self.blocks;
        let one = |tile: &mut Tile, bunch: &Range<usize>| {
            let span = blocks.span(bunch);
            let side = (blocks.points(), blocks.rows(span.clone()));
            tile.load(side, side, self.scale, blocks.centre(bunch.start));
            let mut lists = Lists::new(span.len(), k);
            for block in bunch.clone() {
                let places = blocks.places(block);
                let first = places.start - span.start;
                tile.multiply(first..first + places.len(), 0..span.len());
                let left: Vec<u32> = places.map(|place| place as u32).collect();
                let rows = Rows {
                    tile,
                    scale: self.scale,
                    left: (blocks, &left),
                    first: span.start,
                    right: (blocks, span.start),
                };
                rows.look(&mut lists, |place, at| place != span.start + at);
            }
            lists
        };
        let all = blocks.bunches().par_iter();
        all.map_init(Tile::default, one).collect()
    }

    /// Lets pairs of bunches meet; no bunch may be in two pairs.
    fn meet(&self, pairs: &[(usize, usize)], lists: &mut [Lists]) {
        let mut take = |bunch: usize| (bunch, std::mem::take(&mut lists[bunch]));
        let mut parties: Vec<[Party; 2]> =
            (pairs.iter()).map(|&(a, b)| [take(a), take(b)]).collect();
        (parties.par_iter_mut()).for_each_init(Tile::default, |tile, [left, right]| {
            self.meet_two(tile, left, right);
        });
        for (bunch, list) in parties.into_iter().flatten() {
            lists[bunch] = list;
        }
    }

    fn meet_two(&self, tile: &mut Tile, (a, left): &mut Party, (b, right): &mut Party) {
        let blocks = self.blocks;
        let [a, b] = [a, b].map(|bunch| blocks.bunches()[*bunch].clone());
        let [left_span, right_span] = [&a, &b].map(|bunch| blocks.span(bunch));
        let reaches = |bunch: &Range<usize>, start: usize, lists: &Lists| -> Vec<f64> {
            let local = |block| shifted(blocks.places(block), start);
            bunch
                .clone()
                .map(|block| lists.reach(local(block)))
                .collect()
        };
        let left_reach = reaches(&a, left_span.start, left);
        let right_reach = reaches(&b, right_span.start, right);
        let near = |x: usize, y: usize| {
            let reach = left_reach[x - a.start].max(right_reach[y - b.start]);
            blocks.gap(x, blocks, y).powi(2) <= reach
        };
        let mut loaded = false;
        for y in b.clone() {
            for run in runs(a.clone().filter(|&x| near(x, y))) {
                if !loaded {
                    let [left, right] = [&left_span, &right_span]
                        .map(|span| (blocks.points(), blocks.rows(span.clone())));
                    tile.load(left, right, self.scale, blocks.centre(a.start));
                    loaded = true;
                }
                let (from, to) = (blocks.span(&run), blocks.places(y));
                let firsts = [from.start - left_span.start, to.start - right_span.start];
                tile.multiply(
                    shifted(from.clone(), left_span.start),
                    shifted(to.clone(), right_span.start),
                );
                let pair = Pair {
                    meeting: self,
                    tile,
                    places: [from.start, to.start],
                    ids: [blocks.ids(from), blocks.ids(to)],
                    firsts,
                };
                pair.begin(left, right);
                pair.look(left, right);
            }
        }
    }
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start - by..range.end - by
}

/// Ascending numbers as runs of those that follow each other.
fn runs(numbers: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}

/// The lists of all bunches as one, by id.
fn by_id(blocks: &Blocks, lists: &[Lists], k: usize) -> Lists {
    let n = lists.iter().map(Lists::n_rows).sum();
    let mut all = Lists::new(n, k);
    for (bunch, list) in blocks.bunches().iter().zip(lists) {
        for (at, &id) in blocks.ids(blocks.span(bunch)).iter().enumerate() {
            all.put(id as usize, list, at);
        }
    }
    all
}

/// The `k` nearest points of each query, or all where they are fewer; the widths are equal.
pub(in crate::mine) fn nearest_keys(
    points: Points,
    queries: Points,
    k: usize,
    stage: Stage,
) -> Result<Lists, MineError> {
    let k = k.min(points.len());
    if k == 0 || queries.is_empty() {
        return Ok(Lists::default());
    }
    let scale = Scale::new(&[points, queries]);
    let rows: Vec<u32> = (0..points.len() as u32).collect();
    let blocks = near_blocks(points, &rows, scale);
    query_lists(&blocks, queries, scale, k, stage)
}

/// The `k` nearest points of each query, by their ids.
pub(super) fn query_lists(
    blocks: &Blocks,
    queries: Points,
    scale: Scale,
    k: usize,
    stage: Stage,
) -> Result<Lists, MineError> {
    let rows: Vec<u32> = (0..queries.len() as u32).collect();
    let asking = near_blocks(queries, &rows, scale);
    let mut all = Lists::new(queries.len(), k);
    let parts: Vec<usize> = (0..asking.len()).collect();
    for (batch, some) in parts.chunks(AT_ONCE).enumerate() {
        stage.tell(batch * AT_ONCE, parts.len())?;
        let found: Vec<Lists> = (some.par_iter())
            .map_init(Tile::default, |tile, &part| {
                one_part(tile, (&asking, part), blocks, (scale, k))
            })
            .collect();
        for (&part, lists) in some.iter().zip(&found) {
            for (at, &id) in asking.ids(asking.places(part)).iter().enumerate() {
                all.put(id as usize, lists, at);
            }
        }
    }
    Ok(all)
}

/// The neighbours of a block of queries among all blocks, the nearest bunches first.
fn one_part(
    tile: &mut Tile,
    (asking, part): (&Blocks, usize),
    blocks: &Blocks,
    (scale, k): (Scale, usize),
) -> Lists {
    let gaps: Vec<f64> = (0..blocks.len())
        .map(|at| asking.gap(part, blocks, at))
        .collect();
    let least = |bunch: &Range<usize>| gaps[bunch.clone()].iter().copied().fold(f64::MAX, f64::min);
    let mut order: Vec<(f64, &Range<usize>)> = blocks
        .bunches()
        .iter()
        .map(|bunch| (least(bunch), bunch))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let places = asking.places(part);
    let side = (asking.points(), asking.rows(places.clone()));
    let left: Vec<u32> = places.clone().map(|place| place as u32).collect();
    let mut lists = Lists::new(places.len(), k);
    for (_, bunch) in order {
        let reach = lists.reach(0..places.len());
        let span = blocks.span(bunch);
        let near = bunch.clone().filter(|&block| gaps[block].powi(2) <= reach);
        for (at, run) in runs(near).into_iter().enumerate() {
            if at == 0 {
                let others = (blocks.points(), blocks.rows(span.clone()));
                tile.load(side, others, scale, blocks.centre(bunch.start));
            }
            let to = blocks.span(&run);
            tile.multiply(0..places.len(), shifted(to.clone(), span.start));
            let rows = Rows {
                tile,
                scale,
                left: (asking, &left),
                first: places.start,
                right: (blocks, to.start),
            };
            rows.look(&mut lists, |_, _| true);
        }
    }
    lists
}
