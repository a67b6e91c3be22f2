//! Softmax attention over packed sequences, one head of one sequence at a time.
//!
//! Queries go through in blocks, so the scratch of a thread grows with the length of the keys and not
//! with its square; the way back computes the weights again from the logarithm of each row's sum (Dao
//! et al., 2022, FlashAttention, section 3.1).

mod back;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod rows;

use std::ops::Range;

use super::elementwise;
use super::matmul::{View, product};
use super::parallel::{Shared, each};
use super::scratch::with_scratch;
use super::simd::LANES;

pub use back::backward;
pub use rows::softmax;

/// Queries that are computed together; more of them share the copy of the keys that a product makes.
const BLOCK: usize = 128;

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of its sequence.
    Full,
    /// Those at its own position and before.
    Causal,
    /// Those at most so many positions away.
    Window(usize),
}

/// What is added to a score by the distance from query to key.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    /// `[n_heads, 2 · reach - 1]`; column `reach - 1 + key - query`.
    pub values: &'a [f32],
    /// Distances must be smaller.
    pub reach: usize,
}

impl Bias<'_> {
    /// Values a head.
    fn width(reach: usize) -> usize {
        (2 * reach).saturating_sub(1)
    }

    /// The place of the bias from a query at `query` to the key at `key`, within a head.
    fn at(reach: usize, query: usize, key: usize) -> usize {
        reach - 1 + key - query
    }
}

/// Sizes and kind of one attention.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Where each sequence of queries starts, and the end.
    pub queries: &'a [usize],
    /// Where each sequence of keys starts, and the end.
    pub keys: &'a [usize],
    /// The number of heads.
    pub n_heads: usize,
    /// Columns of queries, keys, values and outputs: `n_heads · head`.
    pub hidden: usize,
    /// What scores are multiplied by.
    pub scale: f32,
    /// The position of each sequence's first query among its keys.
    pub first_query: usize,
    /// Which keys a query sees.
    pub mask: Mask,
    /// What is added to scaled scores, if anything.
    pub bias: Option<Bias<'a>>,
    /// The key of the dropout masks and the share kept, if there is dropout.
    pub dropout: Option<(u64, f32)>,
    /// Whether inputs and weights may be rounded to bfloat16; only where no way back follows.
    pub near: bool,
}

/// Queries `[sum_queries, hidden]`, keys and values `[sum_keys, hidden]`.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
}

/// One head of one sequence.
struct Task {
    sequence: usize,
    head: usize,
    queries: Range<usize>,
    keys: Range<usize>,
}

/// Some queries of a task and the keys that they see, both counted from the start of the sequence.
struct Block {
    queries: Range<usize>,
    keys: Range<usize>,
}

impl Block {
    fn rows(&self) -> usize {
        self.queries.len()
    }

    fn cols(&self) -> usize {
        self.keys.len()
    }
}

impl<'a> Heads<'a> {
    /// Attention of every token to its own sequence, scaled by the root of the head's width.
    pub fn own(offsets: &'a [usize], n_heads: usize, hidden: usize) -> Self {
        Self {
            queries: offsets,
            keys: offsets,
            n_heads,
            hidden,
            scale: 1.0 / ((hidden / n_heads.max(1)) as f32).sqrt(),
            first_query: 0,
            mask: Mask::Full,
            bias: None,
            dropout: None,
            near: false,
        }
    }

    fn head(&self) -> usize {
        self.hidden / self.n_heads
    }

    fn n_tasks(&self) -> usize {
        self.queries.len().saturating_sub(1) * self.n_heads
    }

    fn task(&self, at: usize) -> Task {
        let (sequence, head) = (at / self.n_heads, at % self.n_heads);
        Task {
            sequence,
            head,
            queries: self.queries[sequence]..self.queries[sequence + 1],
            keys: self.keys[sequence]..self.keys[sequence + 1],
        }
    }

    fn blocks(&self, task: &Task) -> impl Iterator<Item = Block> + use<'_, 'a> {
        let (n_queries, n_keys) = (task.queries.len(), task.keys.len());
        (0..n_queries).step_by(BLOCK).map(move |from| {
            let queries = from..(from + BLOCK).min(n_queries);
            let keys =
                self.seen(queries.start, n_keys).start..self.seen(queries.end - 1, n_keys).end;
            Block { queries, keys }
        })
    }

    /// The keys that a query sees.
    fn seen(&self, query: usize, n_keys: usize) -> Range<usize> {
        let place = self.first_query + query;
        match self.mask {
            Mask::Full => 0..n_keys,
            Mask::Causal => 0..(place + 1).min(n_keys),
            Mask::Window(half) => {
                let end = (place + half + 1).min(n_keys);
                place.saturating_sub(half).min(end)..end
            }
        }
    }

    /// Values from one row of scores to the next: whole lines where rows are worked on whole.
    fn step(&self, cols: usize) -> usize {
        if self.is_plain() {
            cols.next_multiple_of(LANES)
        } else {
            cols
        }
    }

    /// Scores of a block, its rows `step` apart: products of queries and keys.
    fn scores(&self, inputs: Inputs<'_>, (task, block): (&Task, &Block), out: &mut [f32]) {
        let (hidden, head) = (self.hidden, self.head());
        let column = task.head * head;
        let q = &inputs.q[(task.queries.start + block.queries.start) * hidden + column..];
        let k = &inputs.k[(task.keys.start + block.keys.start) * hidden + column..];
        let size = (block.rows(), block.cols(), head);
        product(
            size,
            out,
            self.step(block.cols()),
            View::new(q, hidden, 1),
            View::new(k, 1, hidden),
            false,
        );
    }

    /// Runs `work` on the part of every row that its query sees, after scale and bias; the rest becomes 0.
    fn each_row(
        &self,
        task: &Task,
        block: &Block,
        scores: &mut [f32],
        mut work: impl FnMut(usize, &mut [f32], f32),
    ) {
        for (at, row) in scores.chunks_exact_mut(block.cols()).enumerate() {
            let query = block.queries.start + at;
            let seen = self.seen(query, task.keys.len());
            let (from, to) = (seen.start - block.keys.start, seen.end - block.keys.start);
            row[..from].fill(0.0);
            row[to..].fill(0.0);
            let part = &mut row[from..to];
            let mut scale = self.scale;
            if let Some(bias) = self.bias {
                let start = Bias::at(bias.reach, self.first_query + query, seen.start);
                let start = task.head * Bias::width(bias.reach) + start;
                rows::biased(part, &bias.values[start..start + part.len()], scale);
                scale = 1.0;
            }
            if !part.is_empty() {
                work(at, part, scale);
            }
        }
    }

    /// True when every row of a block is whole and plain.
    fn is_plain(&self) -> bool {
        self.mask == Mask::Full && self.bias.is_none()
    }

    fn weights(&self, task: &Task, block: &Block, scores: &mut [f32], lse: &mut [f32]) {
        let cols = block.cols();
        if self.is_plain() {
            rows::softmax(scores, self.step(cols), cols, lse, self.scale);
        } else {
            lse.fill(0.0);
            self.each_row(task, block, scores, |at, row, scale| {
                let cols = row.len();
                let lse = lse.get_mut(at..=at).unwrap_or_default();
                rows::softmax(row, cols, cols, lse, scale);
            });
        }
    }

    fn weights_again(&self, task: &Task, block: &Block, scores: &mut [f32], lse: &[f32]) {
        if self.is_plain() {
            rows::softmax_again(scores, self.step(block.cols()), lse, self.scale);
        } else {
            self.each_row(task, block, scores, |at, row, scale| {
                let cols = row.len();
                rows::softmax_again(row, cols, &lse[at..=at], scale);
            });
        }
    }

    /// Dropout of a block; the mask of a weight depends on its query and key alone.
    fn drop_weights(&self, task: &Task, block: &Block, weights: &mut [f32]) {
        let Some((key, keep)) = self.dropout else {
            return;
        };
        let key = crate::random::mix(key, (task.sequence * self.n_heads + task.head) as u64);
        let n_keys = task.keys.len();
        let first = |query: usize| (query * n_keys + block.keys.start) as u64;
        for (at, row) in weights
            .chunks_exact_mut(self.step(block.cols()))
            .enumerate()
        {
            elementwise::dropout_at(row, first(block.queries.start + at), key, keep);
        }
    }

    /// Panics when sizes and offsets do not fit the inputs, which is a fault of the caller.
    fn check(&self, inputs: Inputs<'_>) {
        assert_eq!(
            self.queries.len(),
            self.keys.len(),
            "as many sequences of queries as of keys"
        );
        let fits = |offsets: &[usize], data: &[f32]| {
            offsets.windows(2).all(|w| w[0] <= w[1])
                && offsets
                    .last()
                    .is_none_or(|&n| n * self.hidden <= data.len())
        };
        assert!(fits(self.queries, inputs.q), "the queries do not fit");
        assert!(
            fits(self.keys, inputs.k) && fits(self.keys, inputs.v),
            "the keys or values do not fit"
        );
        if let Some(bias) = self.bias {
            let longest =
                |offsets: &[usize]| offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
            let furthest = longest(self.keys).max(longest(self.queries) + self.first_query);
            assert!(
                furthest <= bias.reach
                    && bias.values.len() >= self.n_heads * Bias::width(bias.reach),
                "the bias does not reach"
            );
        }
    }
}

/// Attention of every query to the keys of its sequence: fills `out` `[sum_queries, hidden]`.
///
/// Fills `sums` with the logarithm of each row's sum, `[sum_queries, n_heads]` grouped by sequence and
/// head, which the way back needs; an empty `sums` stays empty.
pub fn forward(heads: Heads<'_>, inputs: Inputs<'_>, out: &mut [f32], sums: &mut [f32]) {
    heads.check(inputs);
    let keep = !sums.is_empty();
    let (out, sums) = (Shared::new(out), Shared::new(sums));
    let (hidden, head) = (heads.hidden, heads.head());
    #[cfg(target_arch = "x86_64")]
    if heads.near && !keep && heads.is_plain() && heads.dropout.is_none() && pairs::fits(head) {
        each(heads.n_tasks(), |at| {
            heads.attend_in_pairs(&heads.task(at), inputs, out)
        });
        return;
    }
    each(heads.n_tasks(), |at| {
        let task = heads.task(at);
        let most = BLOCK.min(task.queries.len());
        with_scratch(most * (heads.step(task.keys.len()) + head + 1), |scratch| {
            for block in heads.blocks(&task) {
                let (n, cols) = (block.rows(), block.cols());
                let (scores, rest) = scratch.split_at_mut(n * heads.step(cols));
                let (mine, rest) = rest.split_at_mut(n * head);
                let lse = &mut rest[..if keep { n } else { 0 }];
                heads.block(inputs, (&task, &block), scores, mine, lse);
                let row = task.queries.start + block.queries.start;
                // SAFETY: a task owns the rows of its sequence in the columns of its head.
                unsafe { out.put(mine, (row, task.head * head), head, hidden) };
                if keep {
                    let own = (0, heads.sums_at(&task) + block.queries.start);
                    // SAFETY: a task owns its own sums.
                    unsafe { sums.put(lse, own, n, 0) };
                }
            }
        });
    });
}

impl Heads<'_> {
    /// The output of one block, dense, and the logarithms of its rows' sums.
    fn block(
        &self,
        inputs: Inputs<'_>,
        (task, block): (&Task, &Block),
        scores: &mut [f32],
        out: &mut [f32],
        lse: &mut [f32],
    ) {
        let (n, cols) = (block.rows(), block.cols());
        if cols == 0 {
            out.fill(0.0);
            lse.fill(0.0);
            return;
        }
        let (step, head) = (self.step(cols), self.head());
        let near = self.near && self.is_plain() && lse.is_empty();
        let mut factors = [0.0f32; BLOCK];
        self.scores(inputs, (task, block), scores);
        if near {
            rows::softmax_near(scores, step, cols, &mut factors[..n], self.scale);
        } else {
            self.weights(task, block, scores, lse);
        }
        self.drop_weights(task, block, scores);
        let first = (task.keys.start + block.keys.start) * self.hidden + task.head * head;
        let values = View::new(&inputs.v[first..], self.hidden, 1);
        let weights = View::new(scores, step, 1);
        product((n, head, cols), out, head, weights, values, false);
        if near {
            for (row, factor) in out.chunks_exact_mut(head).zip(factors) {
                row.iter_mut().for_each(|v| *v *= factor);
            }
        }
    }

    /// One task in bfloat16.
    #[cfg(target_arch = "x86_64")]
    fn attend_in_pairs(&self, task: &Task, inputs: Inputs<'_>, out: Shared<'_>) {
        let (hidden, head) = (self.hidden, self.head());
        let column = task.head * head;
        let (queries, keys) = (&task.queries, &task.keys);
        if queries.is_empty() {
            return;
        }
        if keys.is_empty() {
            let zeros = vec![0.0; queries.len() * head];
            // SAFETY: a task owns the rows of its sequence in the columns of its head.
            unsafe { out.put(&zeros, (queries.start, column), head, hidden) };
            return;
        }
        let q = pairs::Rows::new(
            &inputs.q[queries.start * hidden + column..],
            queries.len(),
            hidden,
        );
        let k = pairs::Rows::new(
            &inputs.k[keys.start * hidden + column..],
            keys.len(),
            hidden,
        );
        let v = pairs::Rows::new(
            &inputs.v[keys.start * hidden + column..],
            keys.len(),
            hidden,
        );
        pairs::attend(head, self.scale, [q, k, v], |rows, first, square| {
            let place = (queries.start + rows.start, column + first);
            // SAFETY: as above.
            unsafe { out.put(square, place, square.len() / rows.len(), hidden) };
        });
    }

    /// Where the sums of a task start.
    fn sums_at(&self, task: &Task) -> usize {
        task.queries.start * self.n_heads + task.head * task.queries.len()
    }
}
