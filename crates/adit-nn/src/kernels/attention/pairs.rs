//! Attention in bfloat16 with AVX-512, for values that are near enough when they are rounded.
//!
//! Scores have keys as rows and queries as lanes, so a query's largest score and its sum need no step
//! across lanes, and weights are already laid out as the next product reads them.

use std::arch::x86_64::*;
use std::ops::Range;

use crate::kernels::matmul::tile::NR;
use crate::kernels::matmul::turn::turn_square;
use crate::kernels::prepared::bf16_rounds_inputs;
use crate::kernels::scratch::with_scratch;
use crate::kernels::simd::by_rows;

/// Rows of a tile, and most panels of queries: 8 · 3 sums fill twenty-four of the thirty-two registers.
const ROWS: usize = 8;
const MOST: usize = 3;

/// Values of a row that are rounded together.
const WIDE: usize = 2 * NR;

/// True where a head of this width can be computed here.
pub fn fits(head: usize) -> bool {
    head > 0 && head.is_multiple_of(WIDE) && bf16_rounds_inputs()
}

/// Rows of one head inside a matrix.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    n: usize,
    step: usize,
}

impl<'a> Rows<'a> {
    /// `n` rows that lie `step` apart, from the head's first value on.
    pub fn new(data: &'a [f32], n: usize, step: usize) -> Self {
        Self { data, n, step }
    }

    fn hold(&self, head: usize) -> bool {
        self.n == 0 || (self.n - 1) * self.step + head <= self.data.len()
    }
}

/// Where the parts of the scratch start, in 32-bit words; each at a whole line.
struct Layout {
    keys: usize,
    values: usize,
    queries: usize,
    scores: usize,
    weights: usize,
    turned: usize,
    end: usize,
}

impl Layout {
    fn new(n_keys: usize, head: usize) -> Self {
        let (pairs, words, most) = (n_keys.div_ceil(2), head / 2, MOST * NR);
        let mut end = 0;
        let mut part = |len: usize| {
            let start = end;
            end += len.next_multiple_of(NR);
            start
        };
        Self {
            keys: part(n_keys * words),
            values: part(pairs * head),
            queries: part(words * most),
            scores: part(2 * pairs * most),
            weights: part(pairs * most),
            turned: part(head * most),
            end,
        }
    }
}

/// One head of one sequence: `give(queries, first_value, square)` gets sixteen values of each of some
/// queries, within 1e-2 of the largest value.
///
/// Panics where [`fits`] is false, there is no key, or rows do not fit.
pub fn attend(
    head: usize,
    scale: f32,
    [q, k, v]: [Rows<'_>; 3],
    mut give: impl FnMut(Range<usize>, usize, &[f32]),
) {
    assert!(
        fits(head),
        "the machine lacks AVX-512-BF16, or the head does not fit"
    );
    assert!(
        k.n > 0 && v.n == k.n && [q, k, v].iter().all(|rows| rows.hold(head)),
        "rows do not fit"
    );
    let layout = Layout::new(k.n, head);
    with_scratch(layout.end + NR, |scratch| {
        let skip = scratch.as_ptr().align_offset(64).min(NR);
        let scratch = &mut scratch[skip..][..layout.end];
        let task = Task {
            start: scratch.as_mut_ptr(),
            layout,
            head,
            n_keys: k.n,
        };
        // SAFETY: the features were found; `Layout` gives each part what the rows of `k` and `v` and three
        // panels of queries need, and the rows hold what is read.
        unsafe { task.pack(k, v) };
        let mut from = 0;
        while from < q.n {
            let panels = match (q.n - from).div_ceil(NR) {
                4 => 2,
                left => left.min(MOST),
            };
            // SAFETY: as above; a row of queries that is read is below `q.n`.
            unsafe {
                by_rows!(panels, [1 2 3], P => task.block::<P>(q, from, scale));
            }
            for panel in 0..panels {
                let first = from + panel * NR;
                let rows = first..(first + NR).min(q.n);
                for value in (0..head).step_by(NR) {
                    let mut square = [0.0f32; NR * NR];
                    let start = task.layout.turned + value * panels * NR + panel * NR;
                    // SAFETY: inside the scratch, which nothing else writes meanwhile.
                    let turned = unsafe {
                        std::slice::from_raw_parts(
                            task.start.add(start),
                            (NR - 1) * panels * NR + NR,
                        )
                    };
                    turn_square(&mut square, turned, panels * NR, NR);
                    give(rows.clone(), value, &square[..rows.len() * NR]);
                }
            }
            from += panels * NR;
        }
    });
}

/// The scratch of one head of one sequence.
struct Task {
    start: *mut f32,
    layout: Layout,
    head: usize,
    n_keys: usize,
}

impl Task {
    /// # Safety
    /// `at` must be a start of the layout.
    unsafe fn floats(&self, at: usize) -> *mut f32 {
        // SAFETY: as the caller says.
        unsafe { self.start.add(at) }
    }

    /// # Safety
    /// As of `floats`.
    unsafe fn words(&self, at: usize) -> *mut i32 {
        // SAFETY: as the caller says.
        unsafe { self.start.add(at).cast() }
    }

    /// Rounds keys as rows `[n_keys, head / 2]` and values as panels of pairs of rows `[head / NR, pairs, NR]`.
    ///
    /// # Safety
    /// AVX-512-BF16 must be there, and the rows must hold `n_keys` rows of `head` values.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn pack(&self, k: Rows<'_>, v: Rows<'_>) {
        let (pairs, words) = (self.n_keys.div_ceil(2), self.head / 2);
        // SAFETY: as the caller says; the layout has room for all of it.
        unsafe {
            let keys = self.words(self.layout.keys);
            for row in 0..self.n_keys {
                for col in (0..self.head).step_by(WIDE) {
                    let from = k.data.as_ptr().add(row * k.step + col);
                    let both = halves(_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(NR)));
                    _mm512_storeu_si512(keys.add(row * words + col / 2).cast(), both);
                }
            }
            let values = self.words(self.layout.values);
            let order = interleaved();
            for col in (0..self.head).step_by(NR) {
                for pair in 0..pairs {
                    let from = v.data.as_ptr().add(2 * pair * v.step + col);
                    let second = if 2 * pair + 1 < self.n_keys {
                        _mm512_loadu_ps(from.add(v.step))
                    } else {
                        _mm512_setzero_ps()
                    };
                    let both = halves(_mm512_loadu_ps(from), second);
                    let to = values.add(col * pairs + pair * NR);
                    _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi16(order, both));
                }
            }
        }
    }

    /// The outputs of `P` panels of queries from `from` on, turned: `[head, P · NR]`.
    ///
    /// # Safety
    /// As of `pack`, which must have run; `q` must hold `head` values of every row below `q.n`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn block<const P: usize>(&self, q: Rows<'_>, from: usize, scale: f32) {
        let (n_keys, head, width) = (self.n_keys, self.head, P * NR);
        let (pairs, words) = (n_keys.div_ceil(2), head / 2);
        // SAFETY: as the caller says; all offsets stay inside the parts of the layout.
        unsafe {
            let queries = self.words(self.layout.queries);
            for panel in 0..P {
                let first = from + panel * NR;
                let rows = NR.min(q.n.saturating_sub(first));
                self.turn_queries(queries.add(panel * words * NR), (q, first, rows), scale);
            }
            let (keys, scores) = (
                self.words(self.layout.keys),
                self.floats(self.layout.scores),
            );
            let mut tops = [_mm512_set1_ps(f32::NEG_INFINITY); P];
            for row in (0..n_keys).step_by(ROWS) {
                let (a, c) = (keys.add(row * words), scores.add(row * width));
                by_rows!(ROWS.min(n_keys - row), [1 2 3 4 5 6 7 8], R => {
                    let sums = tile::<R, P>((a, words, 1), (queries, words * NR, NR), words);
                    for (row, sums) in sums.iter().enumerate() {
                        for (panel, (&sum, top)) in sums.iter().zip(&mut tops).enumerate() {
                            *top = _mm512_max_ps(*top, sum);
                            _mm512_storeu_ps(c.add(row * width + panel * NR), sum);
                        }
                    }
                });
            }
            let factors = self.weights::<P>(&tops);
            let (weights, values) = (
                self.words(self.layout.weights),
                self.words(self.layout.values),
            );
            let turned = self.floats(self.layout.turned);
            for value in (0..head).step_by(ROWS) {
                let a = values.add(value / NR * pairs * NR + value % NR);
                let sums = tile::<ROWS, P>((a, 1, NR), (weights, NR, width), pairs);
                for (row, sums) in sums.iter().enumerate() {
                    for (panel, (&sum, &factor)) in sums.iter().zip(&factors).enumerate() {
                        let to = turned.add((value + row) * width + panel * NR);
                        _mm512_storeu_ps(to, _mm512_mul_ps(sum, factor));
                    }
                }
            }
        }
    }

    /// Weights of `P` panels of queries as pairs of keys, `[pairs, P, NR]`, from scores that are powers of two;
    /// gives one over each query's sum.
    ///
    /// # Safety
    /// As of `block`, whose scores must be there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn weights<const P: usize>(&self, tops: &[__m512; P]) -> [__m512; P] {
        let (n_keys, width, order) = (self.n_keys, P * NR, interleaved());
        let mut sums = [_mm512_setzero_ps(); P];
        // SAFETY: as the caller says.
        unsafe {
            let (scores, weights) = (
                self.floats(self.layout.scores),
                self.words(self.layout.weights),
            );
            for pair in 0..n_keys.div_ceil(2) {
                let row = scores.add(2 * pair * width);
                for panel in 0..P {
                    let at = row.add(panel * NR);
                    let first = power(_mm512_sub_ps(_mm512_loadu_ps(at), tops[panel]));
                    let second = if 2 * pair + 1 < n_keys {
                        power(_mm512_sub_ps(_mm512_loadu_ps(at.add(width)), tops[panel]))
                    } else {
                        _mm512_setzero_ps()
                    };
                    sums[panel] = _mm512_add_ps(sums[panel], _mm512_add_ps(first, second));
                    let both = _mm512_permutexvar_epi16(order, halves(first, second));
                    _mm512_storeu_si512(weights.add(pair * width + panel * NR).cast(), both);
                }
            }
        }
        sums.map(|sum| _mm512_div_ps(_mm512_set1_ps(1.0), sum))
    }

    /// `rows` queries from `first` on, scaled to powers of two and rounded, as a panel `[head / 2, NR]` of pairs.
    ///
    /// # Safety
    /// As of `block`; `to` must have room.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    unsafe fn turn_queries(
        &self,
        to: *mut i32,
        (q, first, rows): (Rows<'_>, usize, usize),
        scale: f32,
    ) {
        let scale = _mm512_set1_ps(scale * std::f32::consts::LOG2_E);
        for col in (0..self.head).step_by(WIDE) {
            let mut square = [0.0f32; NR * NR];
            let mut turned = [0.0f32; NR * NR];
            // SAFETY: the rows hold what is read, and a square sixteen words a row.
            unsafe {
                for row in 0..rows {
                    let from = q.data.as_ptr().add((first + row) * q.step + col);
                    let part = |at: usize| _mm512_mul_ps(_mm512_loadu_ps(from.add(at)), scale);
                    let to = square.as_mut_ptr().add(row * NR);
                    _mm512_storeu_si512(to.cast(), halves(part(0), part(NR)));
                }
                turn_square(&mut turned, &square, NR, NR);
                let to = to.add(col / 2 * NR).cast::<f32>();
                std::ptr::copy_nonoverlapping(turned.as_ptr(), to, NR * NR);
            }
        }
    }
}

/// Both vectors in bfloat16, the first below.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
fn halves(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both types are 512 bits without invalid values.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// The order in which two halves of a register become pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn interleaved() -> __m512i {
    let order: [u16; 2 * NR] = std::array::from_fn(|at| (at / 2 + at % 2 * NR) as u16);
    // SAFETY: both types are 512 bits without invalid values.
    unsafe { std::mem::transmute::<[u16; 2 * NR], __m512i>(order) }
}

/// 2ˣ within 1e-4 of itself.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn power(x: __m512) -> __m512 {
    let whole = _mm512_roundscale_ps::<0x08>(x);
    let r = _mm512_sub_ps(x, whole);
    // A polynomial of minimal largest error on [-1/2, 1/2].
    let mut p = _mm512_set1_ps(5.517_167e-2);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.426_111_3e-1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.932_609_7e-1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.999_280_6e-1));
    _mm512_scalef_ps(p, whole)
}

/// Sums of products of pairs: `R` rows of `a`, `(start, row_step, pair_step)`, by `P` panels of `b`, `(start,
/// panel_step, pair_step)`; steps in words.
///
/// # Safety
/// AVX-512-BF16 must be there, and `pairs` pairs of all rows and panels must be readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn tile<const R: usize, const P: usize>(
    (a, row_step, a_step): (*const i32, usize, usize),
    (b, panel_step, b_step): (*const i32, usize, usize),
    pairs: usize,
) -> [[__m512; P]; R] {
    let mut sums = [[_mm512_setzero_ps(); P]; R];
    // Rows in threes share a pointer, so that all addresses fit the registers.
    let mut a: [*const i32; ROWS.div_ceil(3)] =
        std::array::from_fn(|three| a.wrapping_add(3 * three * row_step));
    let mut b = b;
    for _ in 0..pairs {
        // SAFETY: as the caller says. All types are 512 bits without invalid values.
        unsafe {
            let right: [__m512bh; P] = std::array::from_fn(|panel| {
                let at = b.wrapping_add(panel * panel_step);
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(at.cast()))
            });
            for (row, sums) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_epi32(*a[row / 3].wrapping_add(row % 3 * row_step));
                let left = std::mem::transmute::<__m512i, __m512bh>(left);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm512_dpbf16_ps(*sum, left, right);
                }
            }
        }
        b = b.wrapping_add(b_step);
        a = a.map(|a| a.wrapping_add(a_step));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + seed * 31) % 2003) as f32 * 0.002 - 2.0)
            .collect()
    }

    /// Attention in f64, of one head.
    fn exact(head: usize, scale: f32, [q, k, v]: [Rows<'_>; 3]) -> Vec<f64> {
        let at =
            |rows: Rows<'_>, row: usize, col: usize| f64::from(rows.data[row * rows.step + col]);
        let mut out = Vec::new();
        for query in 0..q.n {
            let score = |key| {
                (0..head)
                    .map(|c| at(q, query, c) * at(k, key, c))
                    .sum::<f64>()
            };
            let scores: Vec<f64> = (0..k.n).map(|key| score(key) * f64::from(scale)).collect();
            let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let sum: f64 = weights.iter().sum();
            out.extend((0..head).map(|c| {
                let parts = weights.iter().enumerate().map(|(key, w)| w * at(v, key, c));
                parts.sum::<f64>() / sum
            }));
        }
        out
    }

    fn run(head: usize, scale: f32, [q, k, v]: [Rows<'_>; 3]) -> Vec<f32> {
        let mut out = vec![f32::NAN; q.n * head];
        attend(head, scale, [q, k, v], |rows, first, square| {
            for (row, line) in rows.zip(square.chunks_exact(NR)) {
                out[row * head + first..][..NR].copy_from_slice(line);
            }
        });
        out
    }

    #[test]
    fn all_sizes_are_near_attention_in_f64() {
        if !fits(WIDE) {
            println!("skipped: this machine lacks AVX-512-BF16");
            return;
        }
        for head in [32, 64, 128] {
            let step = head + 5;
            for (n_queries, n_keys) in (1..=9)
                .chain([15, 16, 17, 31, 33, 48, 49, 63, 64, 65, 97, 130])
                .flat_map(|n| [(n, n), (n, 13), (7, n)])
            {
                let data = [1, 2, 3].map(|seed| values(130 * step, seed));
                let rows = |at: usize, n| Rows::new(&data[at][..(n - 1) * step + head], n, step);
                let inputs = [rows(0, n_queries), rows(1, n_keys), rows(2, n_keys)];
                let scale = 1.0 / (head as f32).sqrt();
                let (found, want) = (run(head, scale, inputs), exact(head, scale, inputs));
                for (at, (&found, want)) in found.iter().zip(want).enumerate() {
                    assert!(
                        (f64::from(found) - want).abs() < 2e-2,
                        "{n_queries} by {n_keys} of {head}, at {at}: {found}, not {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_scores_overflow_nothing_and_a_number_that_is_none_stays_one() {
        if !fits(WIDE) {
            println!("skipped: this machine lacks AVX-512-BF16");
            return;
        }
        let n = 21;
        let (mut q, k, v) = (values(n * 32, 1), values(n * 32, 2), values(n * 32, 3));
        q.iter_mut().for_each(|v| *v *= 1e4);
        let of = |q: &[f32]| run(32, 1.0, [q, &k, &v].map(|data| Rows::new(data, n, 32)));
        let found = of(&q);
        assert!(found.iter().all(|v| v.abs() <= 2.01), "{found:?}");
        q[3 * 32] = f32::NAN;
        let found = of(&q);
        for (row, line) in found.chunks_exact(32).enumerate() {
            assert_eq!(line.iter().all(|v| v.is_nan()), row == 3, "row {row}");
        }
    }

    #[test]
    fn powers_are_within_a_ten_thousandth() {
        if !fits(WIDE) {
            println!("skipped: this machine lacks AVX-512-BF16");
            return;
        }
        for at in 0..3000 {
            let x = at as f32 * -0.04;
            // SAFETY: the features were found; a vector is sixteen values.
            let found: [f32; NR] = unsafe { std::mem::transmute(power(_mm512_set1_ps(x))) };
            let want = f64::from(x).exp2();
            assert!(
                (f64::from(found[0]) / want - 1.0).abs() < 1e-4,
                "2^{x} = {}",
                found[0]
            );
        }
        // SAFETY: as above.
        let none: [f32; NR] =
            unsafe { std::mem::transmute(power(_mm512_set1_ps(f32::NEG_INFINITY))) };
        assert_eq!(none[0], 0.0);
    }
}
