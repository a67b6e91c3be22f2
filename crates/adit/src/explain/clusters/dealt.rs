//! How often labels that are dealt out anew go with a category as closely as the real ones.

use adit_nn::random::mix;
use rayon::prelude::*;

/// Times that labels are dealt out, at most.
const DEALS: u64 = 4_999;
/// … and at once.
const BATCH: u64 = 100;
/// So many that go as closely are enough to tell (Besag and Clifford 1991, "Sequential Monte Carlo p-values").
const ENOUGH: u64 = 20;

/// Rows by value and group, with what stays as it is however rows are dealt out.
struct Table {
    /// Value of each row, the groups' rows where these are fewer outside the largest.
    dealt: Vec<u32>,
    /// The other of each row.
    fixed: Vec<u32>,
    /// Rows of each of the others.
    of_fixed: Vec<u64>,
    /// Rows of each.
    of_dealt: Vec<u64>,
}

/// P-value of Pearson's chi-square by permutation of the labels of `(value, group)`, with the sizes of both kept.
pub(super) fn p_value(pairs: &[(u32, u32)]) -> f64 {
    let table = Table::of(pairs);
    let seen = table.statistic(&table.counts());
    let (mut done, mut reached) = (0, 0);
    while done < DEALS && reached < ENOUGH {
        let to = (done + BATCH).min(DEALS);
        let as_close = |deal: &u64| table.statistic(&table.deal(*deal)) >= seen * (1.0 - 1e-9);
        reached += (done..to).into_par_iter().filter(as_close).count() as u64;
        done = to;
    }
    (reached + 1) as f64 / (done + 1) as f64
}

impl Table {
    /// Values are dealt to groups or groups to values, whichever leaves fewer rows to deal: those of the largest are what
    /// is left.
    fn of(pairs: &[(u32, u32)]) -> Table {
        let values: Vec<u32> = pairs.iter().map(|pair| pair.0).collect();
        let groups: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
        let largest = |of: &[u32]| counted(of).into_iter().max().unwrap_or(0);
        let (dealt, fixed) = match largest(&values) > largest(&groups) {
            true => (values, groups),
            false => (groups, values),
        };
        Table {
            of_dealt: counted(&dealt),
            of_fixed: counted(&fixed),
            dealt,
            fixed,
        }
    }

    fn n_dealt(&self) -> usize {
        self.of_dealt.len()
    }

    /// `[n_fixed][n_dealt]`
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.of_fixed.len() * self.n_dealt()];
        for (dealt, fixed) in self.dealt.iter().zip(&self.fixed) {
            counts[*fixed as usize * self.n_dealt() + *dealt as usize] += 1;
        }
        counts
    }

    /// The counts where all rows but those of the largest are dealt out anew.
    fn deal(&self, deal: u64) -> Vec<u64> {
        let n = self.fixed.len() as u64;
        let most = (0..self.n_dealt()).max_by_key(|&at| (self.of_dealt[at], std::cmp::Reverse(at)));
        let most = most.unwrap_or(0);
        let mut left = self.of_fixed.clone();
        let mut counts = vec![0; left.len() * self.n_dealt()];
        let mut state = mix(0, deal);
        for (dealt, &rows) in self.of_dealt.iter().enumerate() {
            for _ in 0..if dealt == most { 0 } else { rows } {
                // A row of all, which is taken as often as there are rows of its kind left.
                let at = loop {
                    state = mix(state, 1);
                    let at = self.fixed[below(state, n) as usize] as usize;
                    state = mix(state, 2);
                    if below(state, self.of_fixed[at]) < left[at] {
                        break at;
                    }
                };
                left[at] -= 1;
                counts[at * self.n_dealt() + dealt] += 1;
            }
        }
        for (at, left) in left.into_iter().enumerate() {
            counts[at * self.n_dealt() + most] = left;
        }
        counts
    }

    /// What grows with the chi-square where the sizes stay.
    fn statistic(&self, counts: &[u64]) -> f64 {
        let of_row = |(counts, in_row): (&[u64], &u64)| -> f64 {
            let of = |(count, in_column): (&u64, &u64)| {
                (*count as f64).powi(2) / (*in_column as f64 * *in_row as f64).max(1.0)
            };
            counts.iter().zip(&self.of_dealt).map(of).sum()
        };
        let rows = counts.chunks(self.n_dealt()).zip(&self.of_fixed);
        rows.map(of_row).sum()
    }
}

fn counted(of: &[u32]) -> Vec<u64> {
    let n = of.iter().max().map_or(0, |most| *most as usize + 1);
    let mut counts = vec![0; n];
    of.iter().for_each(|at| counts[*at as usize] += 1);
    counts
}

/// A number below `n` of 64 random bits.
fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to deal out labels, of few rows.
    fn exact(pairs: &[(u32, u32)]) -> f64 {
        fn all(rest: &mut Vec<u32>, dealt: &mut Vec<u32>, found: &mut Vec<Vec<u32>>) {
            if rest.is_empty() {
                found.push(dealt.clone());
            }
            for at in 0..rest.len() {
                let own = rest.remove(at);
                dealt.push(own);
                all(rest, dealt, found);
                dealt.pop();
                rest.insert(at, own);
            }
        }
        let mut found = Vec::new();
        let mut groups: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
        all(&mut groups, &mut Vec::new(), &mut found);
        let of = |groups: &[u32]| {
            let pairs: Vec<(u32, u32)> = (pairs.iter().zip(groups))
                .map(|(pair, group)| (pair.0, *group))
                .collect();
            let table = Table::of(&pairs);
            table.statistic(&table.counts())
        };
        let seen = of(&groups);
        let reached = found.iter().filter(|g| of(g) >= seen * (1.0 - 1e-9));
        reached.count() as f64 / found.len() as f64
    }

    #[test]
    fn it_is_the_share_of_all_ways_to_deal_labels_out() {
        let tables = [
            vec![(0, 0), (0, 0), (0, 0), (1, 1), (1, 1), (1, 0), (0, 1)],
            vec![
                (0, 0),
                (1, 0),
                (2, 1),
                (2, 1),
                (2, 1),
                (0, 2),
                (0, 0),
                (0, 0),
            ],
            vec![(0, 0), (0, 1), (1, 2), (1, 2), (0, 0), (0, 1), (0, 0)],
        ];
        for pairs in tables {
            let (exact, found) = (exact(&pairs), p_value(&pairs));
            // Where twenty are enough, some hundred deals tell.
            let error = 4.0 * (exact * (1.0 - exact) / 100.0).sqrt() + 0.01;
            assert!((found - exact).abs() < error, "{exact} {found}");
        }
    }

    #[test]
    fn rare_values_in_small_groups_are_called_different_as_often_as_chance_allows() {
        // One group of 1,900 rows and four of 25; 4 rows have the value, wherever they are.
        let mut called = 0;
        for round in 0..300u64 {
            let mut pairs: Vec<(u32, u32)> = (0..2_000u32)
                .map(|row| {
                    (
                        0,
                        if row < 1_900 {
                            0
                        } else {
                            1 + (row - 1_900) / 25
                        },
                    )
                })
                .collect();
            for k in 0..4 {
                let row = below(mix(round, k), 2_000) as usize;
                pairs[row].0 = 1;
            }
            called += u32::from(p_value(&pairs) <= 0.05);
        }
        assert!(called <= 27, "{called}");
        // What is really there is found.
        let there: Vec<(u32, u32)> = (0..2_000)
            .map(|row| (u32::from(row >= 1_990), u32::from(row >= 1_950)))
            .collect();
        assert!(p_value(&there) < 0.001);
    }
}
