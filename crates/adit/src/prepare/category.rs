//! Encoding of category columns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{normalise_text, number_name, parse_number};

/// Code of categories that training did not keep.
pub(super) const UNKNOWN: u32 = 0;
/// Code of missing cells.
pub(super) const MISSING: u32 = 1;
const FIRST: u32 = 2;

/// The categories of the training rows, sorted; the code of the i-th is `i + 2`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Categories {
    pub names: Vec<String>,
    /// Codes after those of the names, which all other categories are hashed to; 0 where a column has so few that the
    /// rest shares the unknown code.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub buckets: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// How many categories a column keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Rows of a category that is kept, at least.
    pub min_count: u32,
    /// Categories that are kept, at most.
    pub names: u32,
    /// Codes that the others are hashed to where there are more.
    pub buckets: u32,
}

impl Categories {
    /// Keeps the most frequent categories that are seen often enough; equal counts are decided by name.
    pub fn fit<'a>(cells: impl Iterator<Item = Option<&'a str>>, limits: Limits) -> Self {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for cell in cells.flatten() {
            let name = normalise_text(cell);
            if !name.is_empty() {
                *counts.entry(name).or_default() += 1;
            }
        }
        let mut kept: Vec<(String, u64)> = counts
            .into_iter()
            .filter(|(_, count)| *count >= u64::from(limits.min_count))
            .collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let too_many = kept.len() > limits.names as usize;
        kept.truncate(limits.names as usize);
        let mut names: Vec<String> = kept.into_iter().map(|(name, _)| name).collect();
        sort_names(&mut names);
        let buckets = if too_many { limits.buckets } else { 0 };
        Self { names, buckets }
    }

    /// Number of codes, unknown and missing included.
    pub fn cardinality(&self) -> u32 {
        FIRST + self.names.len() as u32 + self.buckets
    }

    /// The codes of `cells`.
    pub fn encode<'a>(&self, cells: impl Iterator<Item = Option<&'a str>>) -> Vec<u32> {
        let codes: BTreeMap<&str, u32> = (FIRST..)
            .zip(&self.names)
            .map(|(code, name)| (name.as_str(), code))
            .collect();
        let (by_number, by_truth) = (self.by_number(), self.by_truth());
        let code = |cell: Option<&str>| {
            let Some(name) = cell.map(normalise_text).filter(|name| !name.is_empty()) else {
                return MISSING;
            };
            let known = codes.get(name.as_str()).copied();
            // `01` and `1.0` are `1` in a file whose column happens to read as numbers.
            let same_number = || {
                parse_number(&name).and_then(|x| by_number.get(&number_name(x)).copied().flatten())
            };
            // `True` is `true` in a file whose column holds nothing but truths.
            let same_truth = || by_truth[usize::from(truth(&name)?)];
            known
                .or_else(same_number)
                .or_else(same_truth)
                .unwrap_or_else(|| self.other(&name))
        };
        cells.map(code).collect()
    }

    /// The code of a category that was not kept: that of its bucket, where there are any.
    fn other(&self, name: &str) -> u32 {
        if self.buckets == 0 {
            return UNKNOWN;
        }
        let same_number = parse_number(name).map(number_name);
        let same = same_number.or_else(|| truth(name).map(|truth| truth.to_string()));
        let hash = fnv1a(same.as_deref().unwrap_or(name).as_bytes());
        // The high bits are the better mixed ones.
        let bucket = ((hash >> 32) * u64::from(self.buckets)) >> 32;
        FIRST + self.names.len() as u32 + bucket as u32
    }

    /// The codes of false and true; `None` where no name or two mean one.
    fn by_truth(&self) -> [Option<u32>; 2] {
        [false, true].map(|wanted| {
            let means = |(_, name): &(u32, &String)| truth(name) == Some(wanted);
            let mut codes = (FIRST..)
                .zip(&self.names)
                .filter(means)
                .map(|(code, _)| code);
            codes.next().filter(|_| codes.next().is_none())
        })
    }

    /// Codes by the number that a category's name means; `None` where two names mean one number.
    fn by_number(&self) -> BTreeMap<String, Option<u32>> {
        let mut codes = BTreeMap::new();
        for (code, name) in (FIRST..).zip(&self.names) {
            if let Some(number) = parse_number(name) {
                codes
                    .entry(number_name(number))
                    .and_modify(|both| *both = None)
                    .or_insert(Some(code));
            }
        }
        codes
    }
}

/// What a file whose column holds nothing but truths has as one, however it is written.
fn truth(name: &str) -> Option<bool> {
    let is = |truth: &str| name.eq_ignore_ascii_case(truth);
    is("true").then_some(true).or(is("false").then_some(false))
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo), then mixed once more: the same on every machine, for good.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// Sorts names by value where all are numbers, else by their characters.
pub(super) fn sort_names(names: &mut [String]) {
    if names.iter().all(|name| parse_number(name).is_some()) {
        let value = |name: &String| parse_number(name).unwrap_or_default();
        names.sort_by(|a, b| value(a).total_cmp(&value(b)).then_with(|| a.cmp(b)));
    } else {
        names.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(min_count: u32, names: u32) -> Limits {
        Limits {
            min_count,
            names,
            buckets: 0,
        }
    }

    #[test]
    fn unknown_is_zero_missing_is_one_and_the_rest_follow_in_order() {
        let train = ["b", "a", "b", " ", "a ", "rare"].map(Some);
        let categories = Categories::fit(train.into_iter().chain([None]), at_most(2, 10));
        assert_eq!(categories.names, ["a", "b"]);
        assert_eq!(categories.cardinality(), 4);
        let new = [
            Some("b"),
            Some(" a"),
            None,
            Some(""),
            Some("rare"),
            Some("zzz"),
        ];
        assert_eq!(categories.encode(new.into_iter()), [3, 2, 1, 1, 0, 0]);
    }

    #[test]
    fn the_most_frequent_categories_are_kept() {
        let train = ["c", "c", "c", "a", "b", "b", "d", "d"].map(Some);
        assert_eq!(
            Categories::fit(train.into_iter(), at_most(1, 2)).names,
            ["b", "c"]
        );
    }

    #[test]
    fn a_number_is_one_category_however_it_is_written() {
        let categories = Categories::fit(["10", "2", "1"].map(Some).into_iter(), at_most(1, 10));
        assert_eq!(categories.names, ["1", "2", "10"]);
        assert_eq!(
            categories.encode(["1.0", "02", "1e1", "3"].map(Some).into_iter()),
            [2, 3, 4, 0]
        );
        let padded = Categories::fit(["01", "1", "2x"].map(Some).into_iter(), at_most(1, 10));
        assert_eq!(
            padded.encode(["01", "1", "1.0"].map(Some).into_iter()),
            [2, 3, 0]
        );
    }

    #[test]
    fn a_truth_is_one_category_however_it_is_written() {
        let of = |names: &[&'static str]| {
            Categories::fit(names.iter().copied().map(Some), at_most(1, 10))
        };
        let train = of(&["True", "False", "Partial"]);
        assert_eq!(train.names, ["False", "Partial", "True"]);
        let encode =
            |of: &Categories, cells: [&'static str; 3]| of.encode(cells.map(Some).into_iter());
        assert_eq!(encode(&train, ["true", "false", "TRUE"]), [4, 2, 4]);
        assert_eq!(
            encode(&of(&["true", "false"]), ["True", "no", "False"]),
            [3, 0, 2]
        );
        // Where two spellings are two categories, a third is neither.
        assert_eq!(
            encode(&of(&["true", "True"]), ["TRUE", "true", "True"]),
            [0, 3, 2]
        );
    }

    #[test]
    fn the_rest_of_many_categories_is_hashed_and_that_of_few_is_not() {
        let limits = Limits {
            min_count: 2,
            names: 3,
            buckets: 8,
        };
        let names: Vec<String> = (0..40).map(|k| format!("shop {k}")).collect();
        let twice = names.iter().chain(&names).chain(&names[..3]);
        let categories = Categories::fit(twice.map(|name| Some(name.as_str())), limits);
        assert_eq!(categories.names, ["shop 0", "shop 1", "shop 2"]);
        assert_eq!(categories.cardinality(), 2 + 3 + 8);
        let codes = categories.encode(names.iter().map(|name| Some(name.as_str())));
        assert_eq!(codes[..3], [2, 3, 4]);
        let mut used: Vec<u32> = codes[3..].to_vec();
        assert!(used.iter().all(|code| (5..13).contains(code)), "{used:?}");
        used.sort_unstable();
        used.dedup();
        assert!(used.len() >= 7, "{used:?}");
        // What was never seen has a bucket too, and a number has one however it is written.
        let new = categories.encode(["never seen", "7", "7.0"].map(Some).into_iter());
        assert!(new[0] >= 5 && new[1] == new[2], "{new:?}");
        assert_eq!(categories.encode([None].into_iter()), [MISSING]);

        let few = Categories::fit(names[..3].iter().map(|name| Some(name.as_str())), limits);
        assert_eq!(
            (few.buckets, few.encode([Some("other")].into_iter())),
            (0, vec![0])
        );
    }
}
