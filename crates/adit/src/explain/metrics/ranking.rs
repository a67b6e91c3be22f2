//! ROC AUC and average precision of weighted rows, from an order that is made once.

/// Rows by falling score of one class, with the truth and the ends of ties packed beside them.
///
/// An entry is `row << 2 | last of its tie << 1 | is of the class`.
pub(crate) struct Ranking {
    entries: Vec<u32>,
}

/// Areas under the two curves of one ranking; NaN where the rows hold only one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Areas {
    pub roc_auc: f64,
    pub average_precision: f64,
}

impl Ranking {
    /// `None` where the class holds no row or every row: it cannot be ranked.
    pub fn new(scores: &[f32], is_positive: impl Fn(usize) -> bool) -> Option<Self> {
        let positives = (0..scores.len()).filter(|&row| is_positive(row)).count();
        if positives == 0 || positives == scores.len() {
            return None;
        }
        let mut rows: Vec<u32> = (0..scores.len() as u32).collect();
        rows.sort_unstable_by(|&a, &b| {
            scores[b as usize]
                .total_cmp(&scores[a as usize])
                .then(a.cmp(&b))
        });
        let pack = |place: usize| {
            let row = rows[place];
            let next = rows.get(place + 1);
            let ends_tie = next.is_none_or(|&next| scores[next as usize] != scores[row as usize]);
            row << 2 | u32::from(ends_tie) << 1 | u32::from(is_positive(row as usize))
        };
        Some(Self {
            entries: (0..rows.len()).map(pack).collect(),
        })
    }

    /// Areas when row `i` counts `weights[i]` times: ties count half in the ROC area, and average precision is the
    /// step sum over distinct scores, as in scikit-learn.
    pub fn areas(&self, weights: &[u32]) -> Areas {
        let (mut positives, mut negatives) = (0u64, 0u64);
        let (mut positives_before, mut negatives_before) = (0u64, 0u64);
        // Twice the area in pairs: whole numbers, hence exact.
        let mut twice_pairs = 0u128;
        let mut precision_sum = 0.0f64;
        for &entry in &self.entries {
            let weight = u64::from(weights[(entry >> 2) as usize]);
            let is_positive = u64::from(entry & 1);
            positives += weight * is_positive;
            negatives += weight * (1 - is_positive);
            if entry & 2 != 0 {
                let gained = positives - positives_before;
                twice_pairs += u128::from(negatives - negatives_before)
                    * u128::from(positives + positives_before);
                if gained != 0 {
                    precision_sum +=
                        gained as f64 * (positives as f64 / (positives + negatives) as f64);
                }
                (positives_before, negatives_before) = (positives, negatives);
            }
        }
        if positives == 0 || negatives == 0 {
            return Areas {
                roc_auc: f64::NAN,
                average_precision: f64::NAN,
            };
        }
        Areas {
            roc_auc: twice_pairs as f64 / (2.0 * positives as f64 * negatives as f64),
            average_precision: precision_sum / positives as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        let truth = [true, false, true, false];
        let areas = |scores: &[f32]| {
            Ranking::new(scores, |row| truth[row])
                .expect("both sides")
                .areas(&[1; 4])
        };
        assert_eq!(
            areas(&[0.5; 4]),
            Areas {
                roc_auc: 0.5,
                average_precision: 0.5
            }
        );
        assert_eq!(
            areas(&[0.9, 0.1, 0.8, 0.2]),
            Areas {
                roc_auc: 1.0,
                average_precision: 1.0
            }
        );
        // One of the four pairs is tied.
        assert_eq!(areas(&[0.9, 0.5, 0.5, 0.2]).roc_auc, 3.5 / 4.0);
    }

    #[test]
    fn weights_count_as_copies_of_rows() {
        let (scores, truth, weights) = (
            [0.3f32, 0.7, 0.7, 0.1, 0.6],
            [false, true, false, false, true],
            [2u32, 1, 3, 0, 2],
        );
        let copies: Vec<usize> = (0..5)
            .flat_map(|row| std::iter::repeat_n(row, weights[row] as usize))
            .collect();
        let copied: Vec<f32> = copies.iter().map(|&row| scores[row]).collect();
        let weighted = Ranking::new(&scores, |row| truth[row])
            .expect("both sides")
            .areas(&weights);
        let expected = Ranking::new(&copied, |at| truth[copies[at]])
            .expect("both sides")
            .areas(&vec![1; copied.len()]);
        assert_eq!(weighted.roc_auc, expected.roc_auc);
        assert!((weighted.average_precision - expected.average_precision).abs() < 1e-15);
    }

    #[test]
    fn one_sided_rows_have_no_area() {
        assert!(Ranking::new(&[0.1, 0.2], |_| true).is_none());
        let ranking = Ranking::new(&[0.1, 0.2], |row| row == 0).expect("both sides");
        assert!(ranking.areas(&[0, 3]).roc_auc.is_nan());
    }
}
