//! Numbers as a person likes to read them.

/// A count with commas between thousands.
pub(crate) fn whole(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with the given decimals, a true minus sign, commas between thousands, and no negative zero.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    let (head, tail) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(a, b)| {
            (a, format!(".{b}"))
        });
    // Numbers too large to count in keep their digits.
    let head = head.parse().map_or_else(|_| head.to_string(), whole);
    format!("{sign}{head}{tail}")
}

/// Decimals that show two significant digits of `scale`, at most six.
pub(crate) fn decimals_for(scale: f64) -> usize {
    if !scale.is_finite() || scale <= 0.0 {
        return 3;
    }
    // Rounding first, so that .0997 is shown as .10 and not as .100.
    let magnitude = (scale.log10() + 0.002).floor();
    (1.0 - magnitude).clamp(0.0, 6.0) as usize
}

/// A number with up to six significant digits and no trailing zeros.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{value:e}").replace('-', "−");
    }
    let text = fixed(value, (5.0 - magnitude).clamp(0.0, 9.0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

/// A positive number with one significant digit: `0.06`, `700`.
pub(crate) fn roughly(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return number(value);
    }
    let step = 10f64.powf(value.log10().floor());
    number((value / step).round() * step)
}

/// `p = 0.03`, `p = 0.004` or `p < 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 {
        "p < 0.001".to_string()
    } else if p < 0.01 {
        format!("p = {p:.3}")
    } else {
        format!("p = {p:.2}")
    }
}

/// The first letter in upper case.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_what_matters() {
        assert_eq!(
            [whole(7), whole(1_234), whole(12_345_678)],
            ["7", "1,234", "12,345,678"]
        );
        assert_eq!(
            [fixed(-0.0041, 3), fixed(-0.0001, 3), fixed(1234.56, 1)],
            ["−0.004", "0.000", "1,234.6"]
        );
        assert_eq!(
            [
                decimals_for(0.015),
                decimals_for(0.0997),
                decimals_for(0.4),
                decimals_for(123.0)
            ],
            [3, 2, 2, 0]
        );
        assert_eq!(
            [
                number(0.1 + 0.2),
                number(-1234.5),
                number(3.0),
                number(1e-9)
            ],
            ["0.3", "−1,234.5", "3", "1e−9"]
        );
        assert_eq!(
            [p_value(0.0004), p_value(0.0042), p_value(0.345)],
            ["p < 0.001", "p = 0.004", "p = 0.34"]
        );
        assert_eq!(
            [roughly(0.0612), roughly(730.0), roughly(0.97)],
            ["0.06", "700", "1"]
        );
        assert_eq!(sentence("the end"), "The end");
    }
}
