//! Whether sequences that hold a pattern have a label more often than others: against every part of the pattern.

use super::places::Limits;
use crate::mine::rules::Together;

/// Tells how many sequences hold some elements, and how many of these have the label; `None` where that is not known.
pub(super) type CountsOf<'a> = &'a dyn Fn(&[Vec<u32>]) -> Option<(u64, u64)>;

/// A pattern against a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Contrast {
    /// All sequences by whether they hold the pattern (`one`) and have the label (`other`).
    pub table: Together,
    /// The largest of Fisher's tests against its parts, the empty one included.
    pub p_value: f64,
    /// That of the test against the empty part alone.
    pub p_alone: f64,
    /// Whether the label is more frequent than with every part.
    pub is_productive: bool,
}

/// The test of a pattern.
pub(super) fn contrast(
    elements: &[Vec<u32>],
    limits: &Limits,
    counts: CountsOf,
) -> Option<Contrast> {
    let n_items: usize = elements.iter().map(Vec::len).sum();
    let (one, both) = counts(elements)?;
    let mut found: Option<Contrast> = None;
    for mask in 0..(1u32 << n_items) - 1 {
        let Some(part) = part(elements, mask, limits) else {
            continue;
        };
        let Some((n, other)) = counts(&part) else {
            continue;
        };
        let table = Together {
            n,
            one,
            other,
            both,
        };
        let p = table.p_value();
        let is_more = both * n > one * other;
        match &mut found {
            // The empty part comes first.
            None => {
                found = Some(Contrast {
                    table,
                    p_value: p,
                    p_alone: p,
                    is_productive: is_more,
                });
            }
            Some(found) => {
                found.p_value = found.p_value.max(p);
                found.is_productive &= is_more;
            }
        }
    }
    found
}

/// The elements with the items of a mask only; `None` where a sequence can hold the whole and not the part, because
/// what is left lies further apart than the limits allow.
fn part(elements: &[Vec<u32>], mask: u32, limits: &Limits) -> Option<Vec<Vec<u32>>> {
    let mut at = 0;
    let mut part = Vec::with_capacity(elements.len());
    let mut places = Vec::with_capacity(elements.len());
    for (place, element) in elements.iter().enumerate() {
        let mut own = Vec::with_capacity(element.len());
        for &item in element {
            if mask >> at & 1 == 1 {
                own.push(item);
            }
            at += 1;
        }
        if !own.is_empty() {
            part.push(own);
            places.push(place);
        }
    }
    let has_hole = places.windows(2).any(|pair| pair[1] != pair[0] + 1);
    (limits.gap.is_none() || !has_hole).then_some(part)
}
