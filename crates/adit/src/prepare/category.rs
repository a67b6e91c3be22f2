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
}

impl Categories {
    /// Keeps the `max_categories` most frequent categories seen at least `min_count` times;
    /// equal counts are decided by name.
    pub fn fit<'a>(
        cells: impl Iterator<Item = Option<&'a str>>,
        min_count: u32,
        max_categories: u32,
    ) -> Self {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for cell in cells.flatten() {
            let name = normalise_text(cell);
            if !name.is_empty() {
                *counts.entry(name).or_default() += 1;
            }
        }
        let mut kept: Vec<(String, u64)> = counts
            .into_iter()
            .filter(|(_, count)| *count >= u64::from(min_count))
            .collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(max_categories as usize);
        let mut names: Vec<String> = kept.into_iter().map(|(name, _)| name).collect();
        sort_names(&mut names);
        Self { names }
    }

    /// Number of codes, unknown and missing included.
    pub fn cardinality(&self) -> u32 {
        FIRST + self.names.len() as u32
    }

    /// The codes of `cells`.
    pub fn encode<'a>(&self, cells: impl Iterator<Item = Option<&'a str>>) -> Vec<u32> {
        let codes: BTreeMap<&str, u32> = (FIRST..)
            .zip(&self.names)
            .map(|(code, name)| (name.as_str(), code))
            .collect();
        let by_number = self.by_number();
        let code = |cell: Option<&str>| {
            let Some(name) = cell.map(normalise_text).filter(|name| !name.is_empty()) else {
                return MISSING;
            };
            let known = codes.get(name.as_str()).copied();
            // `01` and `1.0` are `1` in a file whose column happens to read as numbers.
            let same_number = || {
                parse_number(&name).and_then(|x| by_number.get(&number_name(x)).copied().flatten())
            };
            known.or_else(same_number).unwrap_or(UNKNOWN)
        };
        cells.map(code).collect()
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

    #[test]
    fn unknown_is_zero_missing_is_one_and_the_rest_follow_in_order() {
        let train = ["b", "a", "b", " ", "a ", "rare"].map(Some);
        let categories = Categories::fit(train.into_iter().chain([None]), 2, 10);
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
        assert_eq!(Categories::fit(train.into_iter(), 1, 2).names, ["b", "c"]);
    }

    #[test]
    fn a_number_is_one_category_however_it_is_written() {
        let categories = Categories::fit(["10", "2", "1"].map(Some).into_iter(), 1, 10);
        assert_eq!(categories.names, ["1", "2", "10"]);
        assert_eq!(
            categories.encode(["1.0", "02", "1e1", "3"].map(Some).into_iter()),
            [2, 3, 4, 0]
        );
        let padded = Categories::fit(["01", "1", "2x"].map(Some).into_iter(), 1, 10);
        assert_eq!(
            padded.encode(["01", "1", "1.0"].map(Some).into_iter()),
            [2, 3, 0]
        );
    }
}
