//! Nearest neighbours that are nearly right: each row looks into the blocks whose centres are nearest to it.

use std::ops::Range;

use adit_nn::random::mix;
use rayon::prelude::*;

use super::blocks::Blocks;
use super::cells::cell_blocks;
use super::exact::{neighbourhood, query_lists};
use super::lists::Lists;
use super::pairs::Rows;
use super::space::{Scale, Tile, check_finite};
use super::{LEAST_RECALL, Nearest, Neighbours, Search, Stage};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Rows whose true neighbours say how many blocks to look into.
const SAMPLED: usize = 512;
/// Rows that look together, about.
const TOGETHER: usize = 4096;
/// Parts between two calls of whoever looks on.
const AT_ONCE: usize = 16;
/// Rows that are multiplied at once.
const CHUNK: usize = 512;

impl Neighbours {
    /// Nearly all of the nearest neighbours of each point: it looks into as many of the nearest blocks as hold
    /// [`LEAST_RECALL`] of the true neighbours of a sample of points; exact where those were half of all blocks.
    ///
    /// # Errors
    /// As [`Neighbours::exact`].
    pub fn approximate(
        &self,
        points: Points,
        seed: u64,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Nearest, MineError> {
        self.check()?;
        check_finite(points)?;
        let k = self.k.min(points.len().saturating_sub(1));
        let exact = || {
            Ok(Nearest {
                neighbours: self.exact(points, None, goes_on)?,
                search: Search::Exact,
            })
        };
        if k == 0 {
            return exact();
        }
        let scale = Scale::new(&[points]);
        let blocks = cell_blocks(points, scale, seed);
        let index = Index::new(&blocks, scale);
        let stage = Stage::whole(goes_on);
        let (probes, recall) = index.enough(k, seed, stage.part(0.0, 0.1))?;
        if probes * 2 >= blocks.len() {
            return exact();
        }
        Ok(Nearest {
            neighbours: neighbourhood(index.search(k, probes, stage.part(0.1, 1.0))?),
            search: Search::Approximate { probes, recall },
        })
    }
}

/// Blocks, and their centres as rows: an inverted file.
struct Index<'a> {
    blocks: &'a Blocks<'a>,
    scale: Scale,
    /// `[n_blocks, width]`
    centres: Vec<f32>,
}

impl<'a> Index<'a> {
    fn new(blocks: &'a Blocks<'a>, scale: Scale) -> Index<'a> {
        let each = (0..blocks.len()).flat_map(|block| blocks.centre(block));
        Index {
            blocks,
            scale,
            centres: each.map(|&c| c as f32).collect(),
        }
    }

    /// How far the centres of all blocks seem to lie from each of some rows, as numbers that order them: given to `each`
    /// with the row's place among them.
    fn centres_from(
        &self,
        tile: &mut Tile,
        rows: &[u32],
        mut each: impl FnMut(usize, &mut Vec<(f32, u32)>),
    ) {
        let n = self.blocks.len();
        let points = self.blocks.points();
        let centres = Points::new(&self.centres, points.width());
        let all: Vec<u32> = (0..n as u32).collect();
        tile.load(
            (points, rows),
            (centres, &all),
            self.scale,
            self.blocks.centre(0),
        );
        tile.multiply(0..rows.len(), 0..n);
        let mut offs = Vec::with_capacity(n);
        for row in 0..rows.len() {
            let terms = tile.right_halves().iter().zip(tile.products(row));
            offs.clear();
            offs.extend(
                (0u32..)
                    .zip(terms)
                    .map(|(block, (half, product))| (half - product, block)),
            );
            each(row, &mut offs);
        }
    }

    /// The number of blocks to look into, and the recall on the sample.
    fn enough(&self, k: usize, seed: u64, stage: Stage) -> Result<(usize, f64), MineError> {
        let points = self.blocks.points();
        let n = points.len();
        let n_sampled = SAMPLED.min(n);
        let sample: Vec<u32> = (0..n_sampled)
            .map(|at| {
                let (from, to) = (at * n / n_sampled, (at + 1) * n / n_sampled);
                (from + (mix(seed, at as u64) % (to - from) as u64) as usize) as u32
            })
            .collect();
        let rows: Vec<usize> = sample.iter().map(|&row| row as usize).collect();
        let values = points.gathered(&rows);
        let queries = Points::new(&values, points.width());
        let lists = query_lists(self.blocks, queries, self.scale, k + 1, stage)?;
        let homes = self.homes();
        // How many blocks lie nearer to a row than the one that holds a neighbour of it, of all rows and neighbours.
        let ranks: Vec<Vec<u32>> = sample
            .par_chunks(64)
            .enumerate()
            .map_init(Tile::default, |tile, (chunk, some)| {
                let mut ranks = Vec::new();
                self.centres_from(tile, some, |at, offs| {
                    let own = some[at];
                    let ids = lists.of(chunk * 64 + at).1.iter().filter(|id| **id != own);
                    for &id in ids.take(k) {
                        let home = offs[homes[id as usize] as usize];
                        let nearer = |off: &&(f32, u32)| (off.0, off.1) < home;
                        ranks.push(offs.iter().filter(nearer).count() as u32);
                    }
                });
                ranks
            })
            .collect();
        let mut ranks = ranks.concat();
        ranks.sort_unstable();
        let needed = ((ranks.len() as f64 * LEAST_RECALL).ceil() as usize).max(1);
        let probes = ranks[needed - 1] + 1;
        let found = ranks.partition_point(|&rank| rank < probes);
        Ok((probes as usize, found as f64 / ranks.len() as f64))
    }

    /// The block of each row.
    fn homes(&self) -> Vec<u32> {
        let mut homes = vec![0u32; self.blocks.points().len()];
        for block in 0..self.blocks.len() {
            let ids = self.blocks.ids(self.blocks.places(block));
            ids.iter().for_each(|&id| homes[id as usize] = block as u32);
        }
        homes
    }

    /// The nearest rows of each that lie in the `probes` blocks nearest to it, by id.
    fn search(&self, k: usize, probes: usize, stage: Stage) -> Result<Lists, MineError> {
        let parts = self.parts();
        let mut all = Lists::new(self.blocks.points().len(), k);
        for (batch, some) in parts.chunks(AT_ONCE).enumerate() {
            stage.tell(batch * AT_ONCE, parts.len())?;
            let found: Vec<Lists> = some
                .par_iter()
                .map_init(Tile::default, |tile, part| {
                    self.of_part(tile, part, (k, probes))
                })
                .collect();
            for (part, lists) in some.iter().zip(&found) {
                for (at, &id) in self.blocks.ids(part.clone()).iter().enumerate() {
                    all.put(id as usize, lists, at);
                }
            }
        }
        Ok(all)
    }

    /// Places that look together, as they look into the same blocks.
    fn parts(&self) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for block in 0..self.blocks.len() {
            let places = self.blocks.places(block);
            match parts.last_mut() {
                Some(last) if places.end - last.start <= TOGETHER => last.end = places.end,
                _ => parts.push(places),
            }
        }
        parts
    }

    fn of_part(&self, tile: &mut Tile, part: &Range<usize>, (k, probes): (usize, usize)) -> Lists {
        let blocks = self.blocks;
        let mut asked: Vec<Vec<u32>> = vec![Vec::new(); blocks.len()];
        for from in part.clone().step_by(CHUNK) {
            let places = from..part.end.min(from + CHUNK);
            self.centres_from(tile, blocks.rows(places), |row, offs| {
                let probes = probes.min(offs.len());
                offs.select_nth_unstable_by(probes - 1, |a, b| {
                    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
                });
                for (_, block) in &offs[..probes] {
                    asked[*block as usize].push((from + row) as u32);
                }
            });
        }
        let mut lists = Lists::new(part.len(), k);
        // Blocks of the part itself come first: what is near is soon found, and few distances are measured after it.
        let inside = |block: &usize| part.contains(&blocks.places(*block).start);
        let (own, others): (Vec<usize>, Vec<usize>) = (0..blocks.len()).partition(inside);
        for block in own.into_iter().chain(others) {
            for places in asked[block].chunks(CHUNK) {
                self.look(tile, (places, part.start), block, &mut lists);
            }
        }
        lists
    }

    /// Lets rows look into a block.
    fn look(
        &self,
        tile: &mut Tile,
        (places, first): (&[u32], usize),
        block: usize,
        lists: &mut Lists,
    ) {
        let blocks = self.blocks;
        let row = |&place: &u32| blocks.rows(place as usize..place as usize + 1)[0];
        let rows: Vec<u32> = places.iter().map(row).collect();
        let there = blocks.places(block);
        let left = (blocks.points(), &rows[..]);
        let right = (blocks.points(), blocks.rows(there.clone()));
        tile.load(left, right, self.scale, blocks.centre(block));
        tile.multiply(0..rows.len(), 0..there.len());
        let search = Rows {
            tile,
            scale: self.scale,
            left: (blocks, places),
            first,
            right: (blocks, there.start),
        };
        search.look(lists, |place, at| place != there.start + at);
    }
}
