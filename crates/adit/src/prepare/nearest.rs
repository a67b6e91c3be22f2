//! The name a person probably meant.

/// The known name nearest to `wanted`, if one is near enough to be meant.
pub(super) fn nearest(wanted: &str, known: &[String]) -> Option<String> {
    let wanted = simplified(wanted);
    let limit = (wanted.len() / 3).max(1);
    known
        .iter()
        .map(|name| (edits(&wanted, &simplified(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.clone())
}

/// Lower-case letters and digits only: `Total Charges` and `total_charges` are one name.
fn simplified(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// Levenshtein distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_found_and_a_stranger_is_not() {
        let known: Vec<String> = ["Churn", "TotalCharges", "tenure"].map(String::from).into();
        assert_eq!(nearest("chrun", &known).as_deref(), None);
        assert_eq!(nearest("churm", &known).as_deref(), Some("Churn"));
        assert_eq!(
            nearest("total_charges", &known).as_deref(),
            Some("TotalCharges")
        );
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!(edits(&['a', 'b'], &['b', 'a']), 2);
    }
}
