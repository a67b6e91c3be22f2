//! In what the members of a cluster differ from all others, and how much.
//!
//! Enters: cells and labels. Leaves: effect sizes with intervals. The size is Cliff's delta (1993): how much more often a
//! member has the larger value of a pair than somebody else; of a category it is the difference of shares. So numbers and
//! categories stand on one scale, whatever their units and tails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::super::Estimate;
use super::super::proportion::{Z, wilson};
use super::dealt;
use crate::prepare::{Role, RowColumn, Values, number_name};

/// Values of a category that are told apart, at most: the most frequent.
const MOST_VALUES: usize = 1_000;
/// With fewer rows expected anywhere, the chi-square is not trusted.
const LEAST_EXPECTED: f64 = 5.0;
/// Those of them whose shares are compared.
const COMPARED: usize = 30;

/// One way in which a cluster differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub column: String,
    /// Of a category: the value whose share is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Median of the members, or share of the value among them.
    pub inside: f64,
    /// The same of all others.
    pub outside: f64,
    /// Cliff's delta, -1 to 1, with its 95% interval.
    pub effect: Estimate,
}

/// How far a column that clusters were not made of differs between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutColumn {
    pub column: String,
    /// `kruskal_wallis` or `chi_square`
    pub test: String,
    pub p_value: f64,
    /// Corrected by Holm for the columns that were held out.
    pub p_adjusted: f64,
    /// Eta squared of the ranks, or Cramér's V.
    pub size: f64,
    /// What each cluster has: in the order of the clusters.
    pub by_cluster: Vec<Option<Difference>>,
}

/// A column ready to be compared.
pub enum Compared {
    Numbers {
        name: String,
        /// `(value, row)` by value.
        sorted: Vec<(f64, usize)>,
    },
    Category {
        name: String,
        /// The most frequent values.
        values: Vec<String>,
        /// Place in `values`; the length of it is another one. `[n_rows]`
        codes: Vec<Option<u32>>,
    },
}

impl Compared {
    /// `None` of columns that are neither numbers nor categories.
    pub fn of(column: &RowColumn) -> Option<Compared> {
        let name = column.name.clone();
        match (&column.values, column.role) {
            (_, Role::Id | Role::Entity | Role::Text | Role::Ignore | Role::Molecule) => None,
            (Values::Numbers(cells), Role::Category) => {
                let cell = |x: &f64| x.is_finite().then(|| number_name(*x));
                Some(category(name, cells.iter().map(cell).collect()))
            }
            (Values::Numbers(cells), _) => Some(numbers(name, cells.iter().copied())),
            (Values::Strings(cells), _) => {
                let cell = |c: &Option<String>| {
                    let text = c.as_deref().map(str::trim).filter(|text| !text.is_empty());
                    text.map(String::from)
                };
                Some(category(name, cells.iter().map(cell).collect()))
            }
            // A median of dates says little of a group.
            (Values::Times(_) | Values::Histories(_), _) => None,
        }
    }

    /// Name of the column.
    pub fn name(&self) -> &str {
        match self {
            Compared::Numbers { name, .. } | Compared::Category { name, .. } => name,
        }
    }

    /// The largest difference of each cluster; `None` where it has no cell or there is nobody else.
    pub fn differences(
        &self,
        labels: &[Option<u32>],
        n_clusters: usize,
    ) -> Vec<Option<Difference>> {
        match self {
            Compared::Numbers { name, sorted } => of_numbers(name, sorted, labels, n_clusters),
            Compared::Category {
                name,
                values,
                codes,
            } => of_category(name, (values, codes), labels, n_clusters),
        }
    }

    /// Whether the clusters differ at all: name of the test, p-value and size of the effect.
    pub fn test(&self, labels: &[Option<u32>], n_clusters: usize) -> (&'static str, f64, f64) {
        match self {
            Compared::Numbers { sorted, .. } => {
                let (p, size) = kruskal_wallis(sorted, labels, n_clusters);
                ("kruskal_wallis", p, size)
            }
            Compared::Category { values, codes, .. } => {
                let (p, size) = chi_square((values.len() + 1, codes), labels, n_clusters);
                ("chi_square", p, size)
            }
        }
    }
}

/// Tests all columns that were held out, corrected by Holm.
pub fn held_out(
    columns: &[Compared],
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Vec<HeldOutColumn> {
    let tests: Vec<_> = columns.iter().map(|c| c.test(labels, n_clusters)).collect();
    let mut order: Vec<usize> = (0..tests.len()).collect();
    order.sort_by(|&a, &b| tests[a].1.total_cmp(&tests[b].1));
    let mut adjusted = vec![1.0; tests.len()];
    let mut most = 0f64;
    for (rank, &at) in order.iter().enumerate() {
        most = most.max(tests[at].1 * (tests.len() - rank) as f64);
        adjusted[at] = most.min(1.0);
    }
    (columns.iter().zip(tests).zip(adjusted))
        .map(
            |((column, (test, p_value, size)), p_adjusted)| HeldOutColumn {
                column: column.name().to_string(),
                test: test.into(),
                p_value,
                p_adjusted,
                size,
                by_cluster: column.differences(labels, n_clusters),
            },
        )
        .collect()
}

fn numbers(name: String, cells: impl Iterator<Item = f64>) -> Compared {
    let mut sorted: Vec<(f64, usize)> = (cells.enumerate().map(|(row, x)| (x, row)))
        .filter(|(x, _)| x.is_finite())
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Compared::Numbers { name, sorted }
}

fn category(name: String, cells: Vec<Option<String>>) -> Compared {
    let mut count_of: BTreeMap<&str, usize> = BTreeMap::new();
    for cell in cells.iter().flatten() {
        *count_of.entry(cell).or_insert(0) += 1;
    }
    let mut values: Vec<(String, usize)> = count_of
        .iter()
        .map(|(v, n)| ((*v).to_string(), *n))
        .collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    values.truncate(MOST_VALUES);
    let values: Vec<String> = values.into_iter().map(|(value, _)| value).collect();
    let place_of: BTreeMap<&str, u32> = (0u32..)
        .zip(&values)
        .map(|(at, v)| (v.as_str(), at))
        .collect();
    let others = values.len() as u32;
    let code = |cell: &Option<String>| {
        let cell = cell.as_deref()?;
        Some(place_of.get(cell).copied().unwrap_or(others))
    };
    let codes = cells.iter().map(code).collect();
    Compared::Category {
        name,
        values,
        codes,
    }
}

/// Sums of ranks by cluster, noise last; ties have their mean rank. Also the sum of `t³ - t` over ties.
fn rank_sums(
    sorted: &[(f64, usize)],
    labels: &[Option<u32>],
    n_clusters: usize,
) -> (Vec<f64>, Vec<usize>, f64) {
    let mut sums = vec![0f64; n_clusters + 1];
    let mut counts = vec![0usize; n_clusters + 1];
    let (mut before, mut ties) = (0usize, 0f64);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let t = equal.len() as f64;
        let rank = before as f64 + (t + 1.0) / 2.0;
        ties += t * t * t - t;
        for (_, row) in equal {
            let of = labels[*row].map_or(n_clusters, |label| label as usize);
            sums[of] += rank;
            counts[of] += 1;
        }
        before += equal.len();
    }
    (sums, counts, ties)
}

fn of_numbers(
    name: &str,
    sorted: &[(f64, usize)],
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Vec<Option<Difference>> {
    let (sums, counts, _) = rank_sums(sorted, labels, n_clusters);
    let places = places_of(sorted, labels, n_clusters);
    (0..n_clusters)
        .map(|cluster| {
            let n_in = counts[cluster] as f64;
            let n_out = (sorted.len() - counts[cluster]) as f64;
            if n_in == 0.0 || n_out == 0.0 {
                return None;
            }
            let own = &places[cluster];
            let area = (sums[cluster] - n_in * (n_in + 1.0) / 2.0) / (n_in * n_out);
            Some(Difference {
                column: name.into(),
                value: None,
                inside: median(own.len(), |at| sorted[own[at]].0),
                outside: median(sorted.len() - own.len(), |at| sorted[other_at(own, at)].0),
                effect: delta_of(area, n_in, n_out),
            })
        })
        .collect()
}

/// Cliff's delta from the area under the curve, with the interval of Hanley and McNeil (1982).
fn delta_of(area: f64, n_in: f64, n_out: f64) -> Estimate {
    let a = area.clamp(0.0, 1.0);
    let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
    let variance = a * (1.0 - a) + (n_in - 1.0) * (q1 - a * a) + (n_out - 1.0) * (q2 - a * a);
    let half = Z * (variance.max(0.0) / (n_in * n_out)).sqrt();
    let to_delta = |a: f64| (2.0 * a - 1.0).clamp(-1.0, 1.0);
    Estimate {
        value: to_delta(a),
        low: to_delta(a - half),
        high: to_delta(a + half),
    }
}

/// Places of each cluster's values among all, ascending.
fn places_of(
    sorted: &[(f64, usize)],
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); n_clusters];
    for (at, (_, row)) in sorted.iter().enumerate() {
        if let Some(label) = labels[*row] {
            places[label as usize].push(at);
        }
    }
    places
}

/// The place of the `k`-th value that is not among `own`.
fn other_at(own: &[usize], k: usize) -> usize {
    let (mut low, mut high) = (0, own.len());
    while low < high {
        let middle = (low + high) / 2;
        // So many others stand before it.
        if own[middle] - middle <= k {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    k + low
}

/// The median of `n` values, one or more, that `at` gives in order.
fn median(n: usize, at: impl Fn(usize) -> f64) -> f64 {
    match n % 2 {
        1 => at(n / 2),
        _ => at(n / 2 - 1) / 2.0 + at(n / 2) / 2.0,
    }
}

fn of_category(
    name: &str,
    (values, codes): (&[String], &[Option<u32>]),
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Vec<Option<Difference>> {
    let width = values.len() + 1;
    let counts = table((width, codes), labels, n_clusters);
    let total = |cluster: usize| counts[cluster * width..][..width].iter().sum::<u64>() as f64;
    let n: f64 = (0..=n_clusters).map(total).sum();
    (0..n_clusters)
        .map(|cluster| {
            let n_in = total(cluster);
            let n_out = n - n_in;
            if n_in == 0.0 || n_out == 0.0 {
                return None;
            }
            let of = |value: usize| {
                let in_it = counts[cluster * width + value] as f64;
                let all: f64 = (0..=n_clusters)
                    .map(|c| counts[c * width + value] as f64)
                    .sum();
                let (a, b) = (
                    wilson(in_it / n_in, n_in),
                    wilson((all - in_it) / n_out, n_out),
                );
                // Newcombe's (1998) interval of a difference of shares.
                let value_of = a.value - b.value;
                let low = ((a.value - a.low).powi(2) + (b.high - b.value).powi(2)).sqrt();
                let high = ((a.high - a.value).powi(2) + (b.value - b.low).powi(2)).sqrt();
                let effect = Estimate {
                    value: value_of,
                    low: (value_of - low).max(-1.0),
                    high: (value_of + high).min(1.0),
                };
                (a.value, b.value, effect)
            };
            // Of two values the rarer one is told: yes, not no.
            let told = if values.len() == 2 {
                1..2
            } else {
                0..values.len().min(COMPARED)
            };
            let best = told.map(|value| (value, of(value))).max_by(|x, y| {
                let by_size = x.1.2.value.abs().total_cmp(&y.1.2.value.abs());
                by_size.then(y.0.cmp(&x.0))
            });
            best.map(|(value, (inside, outside, effect))| Difference {
                column: name.into(),
                value: Some(values[value].clone()),
                inside,
                outside,
                effect,
            })
        })
        .collect()
}

/// Rows by cluster (noise last) and code. `[n_clusters + 1, width]`
fn table(
    (width, codes): (usize, &[Option<u32>]),
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Vec<u64> {
    let mut counts = vec![0u64; (n_clusters + 1) * width];
    for (code, label) in codes.iter().zip(labels) {
        if let Some(code) = code {
            let of = label.map_or(n_clusters, |label| label as usize);
            counts[of * width + *code as usize] += 1;
        }
    }
    counts
}

/// P-value of Kruskal and Wallis (1952), corrected for ties, and eta squared of the ranks; rows of no cluster are a group.
fn kruskal_wallis(
    sorted: &[(f64, usize)],
    labels: &[Option<u32>],
    n_clusters: usize,
) -> (f64, f64) {
    let (sums, counts, ties) = rank_sums(sorted, labels, n_clusters);
    let n = sorted.len() as f64;
    let groups = counts.iter().filter(|count| **count > 0).count() as f64;
    let correction = 1.0 - ties / (n * n * n - n);
    if groups < 2.0 || correction.is_nan() || correction <= 0.0 {
        return (1.0, 0.0);
    }
    let of = |(sum, count): (&f64, &usize)| {
        if *count > 0 {
            sum * sum / *count as f64
        } else {
            0.0
        }
    };
    let squares: f64 = sums.iter().zip(&counts).map(of).sum();
    let h = (12.0 / (n * (n + 1.0)) * squares - 3.0 * (n + 1.0)) / correction;
    let size = ((h - groups + 1.0) / (n - groups)).clamp(0.0, 1.0);
    (
        above(h, groups - 1.0),
        if size.is_finite() { size } else { 0.0 },
    )
}

/// P-value of Pearson's chi-square and Cramér's V; rows of no cluster are a group. Where fewer than five rows are expected
/// of any value in any group, the p-value is that of labels dealt out anew: the statistic is no chi-square then.
fn chi_square(
    (width, codes): (usize, &[Option<u32>]),
    labels: &[Option<u32>],
    n_clusters: usize,
) -> (f64, f64) {
    let counts = table((width, codes), labels, n_clusters);
    let of_row = |g: usize| counts[g * width..][..width].iter().sum::<u64>() as f64;
    let of_column = |v: usize| (0..=n_clusters).map(|g| counts[g * width + v]).sum::<u64>() as f64;
    let rows: Vec<(usize, f64)> = (0..=n_clusters)
        .map(|g| (g, of_row(g)))
        .filter(|(_, n)| *n > 0.0)
        .collect();
    let columns: Vec<(usize, f64)> = (0..width)
        .map(|v| (v, of_column(v)))
        .filter(|(_, n)| *n > 0.0)
        .collect();
    let n: f64 = rows.iter().map(|(_, n)| n).sum();
    let free = (rows.len() as f64 - 1.0) * (columns.len() as f64 - 1.0);
    if free <= 0.0 {
        return (1.0, 0.0);
    }
    let (mut sum, mut least_expected) = (0.0, f64::INFINITY);
    for (g, in_row) in &rows {
        for (v, in_column) in &columns {
            let expected = in_row * in_column / n;
            least_expected = least_expected.min(expected);
            sum += (counts[g * width + v] as f64 - expected).powi(2) / expected;
        }
    }
    let least = (rows.len().min(columns.len()) - 1) as f64;
    let p = if least_expected < LEAST_EXPECTED {
        let of = |label: &Option<u32>| label.unwrap_or(n_clusters as u32);
        let pairs: Vec<(u32, u32)> = (codes.iter().zip(labels))
            .filter_map(|(code, label)| Some((*code.as_ref()?, of(label))))
            .collect();
        dealt::p_value(&pairs)
    } else {
        above(sum, free)
    };
    (p, (sum / (n * least)).sqrt().min(1.0))
}

fn above(statistic: f64, freedom: f64) -> f64 {
    ChiSquared::new(freedom).map_or(1.0, |d| d.sf(statistic.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, role: Role, values: Values) -> Compared {
        Compared::of(&RowColumn {
            name: name.into(),
            role,
            values,
        })
        .expect("comparable")
    }

    #[test]
    fn deltas_are_as_counted_pair_by_pair() {
        let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, f64::NAN, 5.0];
        let labels: Vec<Option<u32>> = [0, 1, 0, 1, 0, 2, 1, 0, 0, 9]
            .map(|l| (l < 9).then_some(l))
            .into();
        let found = column("x", Role::Number, Values::Numbers(x.to_vec())).differences(&labels, 3);
        for cluster in 0..3u32 {
            let mut sum = 0.0;
            let mut pairs = 0.0;
            for (a, label) in x.iter().zip(&labels).filter(|(a, _)| a.is_finite()) {
                for (b, other) in x.iter().zip(&labels).filter(|(b, _)| b.is_finite()) {
                    if *label == Some(cluster) && *other != Some(cluster) {
                        sum += f64::from(i8::from(a > b) - i8::from(a < b));
                        pairs += 1.0;
                    }
                }
            }
            let own = found[cluster as usize].as_ref().expect("cells");
            assert!((own.effect.value - sum / pairs).abs() < 1e-12, "{cluster}");
            assert!(own.effect.low <= own.effect.value && own.effect.value <= own.effect.high);
        }
        let first = found[0].as_ref().expect("cells");
        assert_eq!((first.inside, first.outside), (4.5, 2.0));
    }

    #[test]
    fn of_a_category_the_value_whose_share_differs_most_is_told() {
        let cells = ["a", "a", "b", "b", "b", "c", "a", "b"];
        let values = Values::Strings(cells.iter().map(|c| Some((*c).to_string())).collect());
        let labels: Vec<Option<u32>> = [0, 0, 1, 1, 1, 1, 0, 0].map(Some).into();
        let found = column("k", Role::Category, values).differences(&labels, 2);
        let first = found[0].as_ref().expect("cells");
        assert_eq!(
            (first.value.as_deref(), first.inside, first.outside),
            (Some("a"), 0.75, 0.0)
        );
        assert_eq!(first.effect.value, 0.75);
    }

    #[test]
    fn tests_agree_with_scipy() {
        // scipy.stats.kruskal([1,2,3,4],[3,4,5,6],[7,8,8,9]); chi2_contingency([[10,20],[30,5]], correction=False)
        let x = vec![1., 2., 3., 4., 3., 4., 5., 6., 7., 8., 8., 9.];
        let labels: Vec<Option<u32>> = (0..12).map(|row| Some(row / 4)).collect();
        let (_, p, _) = column("x", Role::Number, Values::Numbers(x)).test(&labels, 3);
        assert!((p - KRUSKAL).abs() < 1e-9, "{p}");
        let mut cells = Vec::new();
        let mut of = Vec::new();
        for (label, value, n) in [(0, "a", 10), (0, "b", 20), (1, "a", 30), (1, "b", 5)] {
            cells.extend(std::iter::repeat_n(Some(value.to_string()), n));
            of.extend(std::iter::repeat_n(Some(label), n));
        }
        let (_, p, v) = column("k", Role::Category, Values::Strings(cells)).test(&of, 2);
        assert!((p / CHI - 1.0).abs() < 1e-6, "{p}");
        assert!((v - CRAMER).abs() < 1e-9, "{v}");
    }

    const KRUSKAL: f64 = 0.011901445610599493;
    const CHI: f64 = 1.5089565704354248e-5;
    const CRAMER: f64 = 0.5367450401216932;
}
