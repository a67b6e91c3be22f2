//! Linear scales and ticks at round numbers.

use crate::report::numbers;

/// Maps values to positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    pub fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        Self {
            low: domain.0,
            high: domain.1,
            from: range.0,
            to: range.1,
        }
    }

    /// The position of a value; values outside the domain lie outside the range.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The position of a value, kept inside the range.
    pub fn clamped(&self, value: f64) -> f64 {
        self.at(value.clamp(self.low, self.high))
    }
}

/// The smallest and largest finite value, or `None`.
pub(in crate::report) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|value| value.is_finite())
        .fold(None, |range, value| match range {
            None => Some((value, value)),
            Some((low, high)) => Some((low.min(value), high.max(value))),
        })
}

/// Widens a range by a share of its width on both sides; a single value gets room around it.
pub(in crate::report) fn padded((low, high): (f64, f64), share: f64) -> (f64, f64) {
    let width = high - low;
    if width > f64::EPSILON * low.abs().max(high.abs()) && width > 0.0 {
        (low - width * share, high + width * share)
    } else {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        (low - room, high + room)
    }
}

/// Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten, about `wanted` of them in the range.
pub(in crate::report) fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let width = high - low;
    if !width.is_finite() || width <= 0.0 || wanted == 0 {
        return Vec::new();
    }
    let step = nice_step(width / wanted as f64);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    if step.is_nan() || step <= 0.0 || last - first > 100.0 {
        return Vec::new();
    }
    let n = (last - first) as i64;
    (0..=n)
        .map(|i| (first + i as f64) * step)
        .map(|tick| if tick == 0.0 { 0.0 } else { tick })
        .collect()
}

/// The range widened to whole ticks.
pub(in crate::report) fn rounded((low, high): (f64, f64), wanted: usize) -> (f64, f64) {
    let step = nice_step((high - low) / wanted.max(1) as f64);
    if !step.is_finite() || step <= 0.0 {
        return (low, high);
    }
    (
        (low / step + 1e-9).floor() * step,
        (high / step - 1e-9).ceil() * step,
    )
}

/// Tick labels with just the digits that tell the ticks apart.
pub(in crate::report) fn labels(ticks: &[f64]) -> Vec<String> {
    let step = match ticks {
        [first, second, ..] => second - first,
        [only] => only.abs(),
        [] => return Vec::new(),
    };
    let largest = ticks
        .iter()
        .fold(0.0_f64, |most, tick| most.max(tick.abs()));
    if largest >= 1e6 || (largest > 0.0 && largest < 1e-4) {
        return ticks.iter().map(|tick| short(*tick)).collect();
    }
    let decimals = (0..=8)
        .find(|d| is_whole(step * 10f64.powi(*d)))
        .unwrap_or(8);
    ticks
        .iter()
        .map(|tick| numbers::fixed(*tick, decimals as usize))
        .collect()
}

/// `2.5M`, `30k`, `1×10^12`: for ticks too long to stand side by side.
fn short(value: f64) -> String {
    let size = value.abs();
    for (unit, name) in [(1e9, "B"), (1e6, "M"), (1e3, "k")] {
        if size >= unit && size < unit * 1e4 {
            let text = format!("{:.2}", value / unit);
            return format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
                .replace('-', "−");
        }
    }
    numbers::plain(value)
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1.0)
}

fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let share = rough / power;
    let nice = if share <= 1.0 {
        1.0
    } else if share <= 2.0 {
        2.0
    } else if share <= 2.5 {
        2.5
    } else if share <= 5.0 {
        5.0
    } else {
        10.0
    };
    nice * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            labels(&ticks(0.0, 1.0, 5)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(&ticks(0.631, 0.883, 4)), ["0.7", "0.8"]);
        assert_eq!(
            labels(&ticks(-0.01, 0.08, 4)),
            ["0.000", "0.025", "0.050", "0.075"]
        );
        assert_eq!(labels(&ticks(0.0, 2.4e6, 4)), ["0", "1M", "2M"]);
    }

    #[test]
    fn ranges_without_width_have_no_ticks() {
        assert!(ticks(1.0, 1.0, 5).is_empty());
        assert!(ticks(f64::NAN, 1.0, 5).is_empty());
        assert!(ticks(0.0, f64::INFINITY, 5).is_empty());
        assert!(ticks(1e300, 1e300 * (1.0 + 1e-15), 5).len() < 101);
    }

    #[test]
    fn a_single_value_gets_room() {
        assert_eq!(padded((2.0, 2.0), 0.1), (1.8, 2.2));
        assert_eq!(padded((0.0, 0.0), 0.1), (-1.0, 1.0));
        assert_eq!(extent([f64::NAN, 3.0, 1.0].into_iter()), Some((1.0, 3.0)));
        assert_eq!(extent([f64::NAN].into_iter()), None);
    }
}
