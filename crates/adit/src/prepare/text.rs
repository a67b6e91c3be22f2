//! Cleaning of strings before they are compared or tokenised.

/// Text with control characters removed and every run of white space folded into one space.
///
/// Marks that print nothing (byte-order mark, zero-width space, soft hyphen) go as well; joiners
/// stay, because scripts and emoji need them. Letters are never changed.
pub fn normalise_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = true;
        } else if !matches!(c, '\u{feff}' | '\u{200b}' | '\u{ad}') {
            if gap && !clean.is_empty() {
                clean.push(' ');
            }
            gap = false;
            clean.push(c);
        }
    }
    clean
}

/// A number as a category name: `4` for `4.0`, so that whole numbers read as floats stay themselves.
pub fn number_name(value: f64) -> String {
    // Adding zero turns -0 into 0.
    format!("{}", value + 0.0)
}

/// The number a string holds, if it is a finite one.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    // `inf` and `nan` parse too; they are words, not measurements.
    text.trim().parse::<f64>().ok().filter(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn space_folds_and_invisible_marks_go() {
        assert_eq!(normalise_text("\u{feff} a\t\n b\0c\u{200b}d  "), "a b cd");
        assert_eq!(normalise_text(" \r\n "), "");
        assert_eq!(
            normalise_text("ok\u{a0}£5 – näïve 漢字"),
            "ok £5 – näïve 漢字"
        );
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in ".*") {
            let once = normalise_text(&text);
            prop_assert_eq!(normalise_text(&once), once);
        }
    }

    #[test]
    fn a_number_has_one_name() {
        assert_eq!(number_name(4.0), "4");
        assert_eq!(number_name(-0.0), "0");
        assert_eq!(number_name(0.5), "0.5");
        assert_eq!(parse_number(" 1e3 "), Some(1000.0));
        assert_eq!(parse_number("inf"), None);
        assert_eq!(parse_number("nan"), None);
        assert_eq!(parse_number(""), None);
    }
}
