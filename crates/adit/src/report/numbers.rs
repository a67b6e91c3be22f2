//! Numbers as people read them.

/// Stands where there is no number.
pub(super) const NOTHING: &str = "–";

/// `12,345`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `part` of `whole` in percent; small shares keep a digit, and none is rounded to 0% or 100%.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 || whole.is_nan() || !part.is_finite() {
        return NOTHING.to_string();
    }
    let percent = part / whole * 100.0;
    if percent == 0.0 || percent == 100.0 {
        format!("{percent:.0}%")
    } else if percent < 0.1 {
        "<0.1%".to_string()
    } else if percent > 99.9 && percent < 100.0 {
        ">99.9%".to_string()
    } else if !(10.0..=90.0).contains(&percent) {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// A number with `decimals` digits after the point, thousands grouped, with a true minus sign.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NOTHING.to_string();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), ""), |parts| parts);
    let grouped = whole.parse().map_or_else(|_| whole.to_string(), count);
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{grouped}")
    } else {
        format!("{sign}{grouped}.{fraction}")
    }
}

/// A number of any size with about three significant digits.
pub(super) fn plain(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.to_string();
    }
    let size = value.abs();
    if size == 0.0 {
        "0".to_string()
    } else if !(1e-4..1e9).contains(&size) {
        let text = format!("{value:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{mantissa}×10^{exponent}").replace('-', "−")
    } else {
        fixed(value, decimals_for(size))
    }
}

/// Digits after the point that leave three significant ones.
pub(super) fn decimals_for(size: f64) -> usize {
    if size == 0.0 || !size.is_finite() {
        return 3;
    }
    // Truncation is wanted: a whole power of ten.
    let power = size.abs().log10().floor() as i32;
    (2 - power).clamp(0, 8) as usize
}

/// `0.4 s`, `5 min 12 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOTHING.to_string();
    }
    if seconds < 0.01 {
        return "under 0.01 s".to_string();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s").replace("0.0 s", "under 0.1 s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{} h {minutes} min", count(hours))
    } else if minutes > 0 {
        format!("{minutes} min {rest} s")
    } else {
        format!("{rest} s")
    }
}

/// `412 MiB`, `1.2 GiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `p = 0.021`, `p < 0.001`.
pub(super) fn p_value(p: f64) -> String {
    if !p.is_finite() {
        "p unknown".to_string()
    } else if p < 0.001 {
        "p < 0.001".to_string()
    } else if p < 0.1 {
        format!("p = {p:.3}")
    } else {
        format!("p = {p:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn no_share_is_rounded_to_none_or_all() {
        assert_eq!([share(0.0, 5.0), share(5.0, 5.0)], ["0%", "100%"]);
        assert_eq!(
            [share(1.0, 1e6), share(999_999.0, 1e6)],
            ["<0.1%", ">99.9%"]
        );
        assert_eq!([share(1.0, 3.0), share(1.0, 40.0)], ["33%", "2.5%"]);
        assert_eq!(share(1.0, 0.0), NOTHING);
    }

    #[test]
    fn numbers_keep_three_significant_digits() {
        assert_eq!(
            [plain(0.012_345), plain(1.5), plain(12_345.6), plain(-3.0)],
            ["0.0123", "1.50", "12,346", "−3.00"]
        );
        assert_eq!(
            [plain(2.5e12), plain(3e-7), plain(0.0)],
            ["2.50×10^12", "3.00×10^−7", "0"]
        );
        assert_eq!(
            [fixed(-0.000_1, 2), fixed(f64::NAN, 2), plain(f64::INFINITY)],
            ["0.00", NOTHING, NOTHING]
        );
    }

    #[test]
    fn times_and_sizes_are_readable() {
        assert_eq!(
            [
                duration(0.001),
                duration(0.43),
                duration(312.4),
                duration(7500.0)
            ],
            ["under 0.01 s", "0.4 s", "5 min 12 s", "2 h 5 min"]
        );
        assert_eq!(
            [bytes(812), bytes(1_288_490_189), bytes(431_000_000)],
            ["812 B", "1.2 GiB", "411 MiB"]
        );
        assert_eq!(
            [
                p_value(0.0),
                p_value(0.021),
                p_value(0.5),
                p_value(f64::NAN)
            ],
            ["p < 0.001", "p = 0.021", "p = 0.50", "p unknown"]
        );
    }
}
