//! A series over time with what was found in it: events as shaded windows, single moments as dots.

use super::axes::{self, Axis, Plot};
use super::{Anchor, Canvas, Point, Rect, map, scale};
use crate::report::numbers;

/// What the times of a series are.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum Clock<'a> {
    /// Seconds since the beginning of 1970.
    Seconds,
    /// Numbers, such as places in the series, and what they are called.
    Numbers(&'a str),
}

/// A span of time that stands out.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Window<'a> {
    pub from: f64,
    pub to: f64,
    /// Shown under the pointer; empty for nothing.
    pub title: &'a str,
}

/// A moment that stands out.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Mark<'a> {
    pub time: f64,
    pub value: f64,
    /// Shown under the pointer; empty for nothing.
    pub title: &'a str,
}

/// A series and what was found in it.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Found<'a> {
    /// Pairs of time and value; a value that is not finite is a gap.
    pub points: &'a [Point],
    pub clock: Clock<'a>,
    /// What the values are, unit included.
    pub label: &'a str,
    pub windows: &'a [Window<'a>],
    pub marks: &'a [Mark<'a>],
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const X_TICKS: usize = 7;
/// A window or the gap between two of them is seen from this width on.
const SEEN: f64 = 2.0;
/// Height of the solid part of a window.
const FOOT: f64 = 5.0;
/// Dots, at most; those after them lie on others.
const MOST_MARKS: usize = 1_000;

/// Draws the series; `None` where it has no value.
pub(in crate::report) fn series(found: &Found<'_>, message: &str) -> Option<String> {
    let mut points: Vec<Point> = (found.points.iter().copied())
        .filter(|point| point.0.is_finite())
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let x = scale::extent(points.iter().map(|point| point.0))?;
    let y = scale::extent(points.iter().map(|point| point.1))?;
    let x = if x.0 < x.1 { x } else { scale::padded(x, 0.0) };
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let plot = frame(&mut canvas, found, x, scale::padded(y, 0.06));
    shade(&mut canvas, &plot, found.windows);
    for run in points.split(|point| !point.1.is_finite()) {
        let placed: Vec<Point> = (run.iter())
            .map(|(time, value)| (plot.x.at(*time), plot.y.at(*value)))
            .collect();
        match thinned(&placed)[..] {
            // A value between two gaps is no line.
            [alone] => canvas.circle("still", alone, 1.2, None),
            ref line => canvas.polyline("curve light s0", line, None),
        }
    }
    dot(&mut canvas, &plot, found.marks);
    Some(map::wide(canvas, message))
}

/// Axes, with moments of the calendar where times are such.
fn frame(canvas: &mut Canvas, found: &Found<'_>, x: Point, y: Point) -> Plot {
    let y = Axis {
        label: found.label,
        domain: y,
        ticks: 4,
    };
    let moments = match found.clock {
        Clock::Seconds => calendar(x.0, x.1, X_TICKS),
        Clock::Numbers(_) => Vec::new(),
    };
    let (label, ticks) = match found.clock {
        Clock::Numbers(label) => (label.to_string(), X_TICKS),
        Clock::Seconds if moments.is_empty() => ("Seconds".to_string(), X_TICKS),
        Clock::Seconds => (format!("{} to {}", day(x.0), day(x.1)), 0),
    };
    let x = Axis {
        label: &label,
        domain: x,
        ticks,
    };
    let plot = axes::draw(canvas, &x, &y);
    let bottom = plot.y.from;
    for (time, label) in moments {
        let at = plot.x.at(time);
        canvas.line("tickmark", (at, bottom), (at, bottom + 5.0));
        canvas.text("tick", (at, bottom + 19.0), Anchor::Middle, &label);
    }
    plot
}

/// Windows over the whole height; those too near to be told apart are one.
fn shade(canvas: &mut Canvas, plot: &Plot, windows: &[Window<'_>]) {
    let mut spans: Vec<(f64, f64, &str, usize)> = (windows.iter())
        .filter(|window| window.from <= plot.x.high && window.to >= plot.x.low)
        .map(|window| {
            let (from, to) = (plot.x.clamped(window.from), plot.x.clamped(window.to));
            if to - from >= SEEN {
                return (from, to, window.title, 1);
            }
            // Widened on both sides, but not beyond the axes.
            let from = ((from + to - SEEN) / 2.0).clamp(plot.x.from, plot.x.to - SEEN);
            (from, from + SEEN, window.title, 1)
        })
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64, &str, usize)> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.0 - last.1 < SEEN / 2.0 => {
                last.1 = last.1.max(span.1);
                last.3 += 1;
            }
            _ => joined.push(span),
        }
    }
    for (from, to, title, n) in joined {
        let rect = Rect {
            x: from,
            y: plot.y.to,
            width: to - from,
            height: plot.y.from - plot.y.to,
        };
        let title = match n {
            1 => title.to_string(),
            n => format!(
                "{}; the first: {title}",
                numbers::counted(n as u64, "event", "events")
            ),
        };
        let title = Some(title.as_str()).filter(|title| !title.is_empty());
        // A narrow band is faint: its foot is not. It lies below, so that the band has the pointer.
        let foot = Rect {
            y: plot.y.from - FOOT,
            height: FOOT,
            ..rect
        };
        canvas.rect("arrow s1", foot, None);
        canvas.rect("band s1", rect, title);
    }
}

fn dot(canvas: &mut Canvas, plot: &Plot, marks: &[Mark<'_>]) {
    let mut taken = std::collections::BTreeSet::new();
    for mark in marks {
        let at = (plot.x.at(mark.time), plot.y.clamped(mark.value));
        let is_seen = at.0 >= plot.x.from && at.0 <= plot.x.to && at.1.is_finite();
        if is_seen
            && taken.len() < MOST_MARKS
            && taken.insert((at.0.round() as i64, at.1.round() as i64))
        {
            let title = Some(mark.title).filter(|title| !title.is_empty());
            canvas.circle("dot s1", at, 4.5, title);
        }
    }
}

/// The first, lowest, highest and last point of each column of the drawing, in their order: what a line through all of
/// them would cover.
fn thinned(points: &[Point]) -> Vec<Point> {
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        let mut places: Vec<usize> = [Some(0), Some(column.len() - 1)]
            .into_iter()
            .chain([(0..column.len()).min_by(by), (0..column.len()).max_by(by)])
            .flatten()
            .collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|at| column[at]));
    }
    kept
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Steps between ticks in seconds, below a month.
const STEPS: [i64; 18] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
];
/// Steps in months, from one on.
const MONTHS: [i64; 12] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000];
/// The first Monday: weeks begin there.
const FIRST_MONDAY: i64 = 4 * DAY;
/// Years beyond are no dates but mistakes.
const LAST: f64 = 2.5e11;

/// Round moments between two times, at most about `wanted`, with labels; none where the times are no dates.
fn calendar(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let width = high - low;
    if !(low.abs() <= LAST && high.abs() <= LAST && width >= 2.0) {
        return Vec::new();
    }
    let fits = |step: f64| width / step <= wanted as f64;
    if let Some(&step) = STEPS.iter().find(|step| fits(**step as f64)) {
        let origin = if step == 7 * DAY { FIRST_MONDAY } else { 0 };
        let first = (low.ceil() as i64 - origin).div_euclid(step) * step + origin;
        return (0..)
            .map(|i| first + i * step)
            .skip_while(|time| (*time as f64) < low)
            .take_while(|time| *time as f64 <= high)
            .map(|time| (time as f64, moment(time, step)))
            .collect();
    }
    let months = MONTHS
        .iter()
        .find(|months| fits(**months as f64 * 30.4 * DAY as f64));
    let months = months.copied().unwrap_or(60_000);
    let (year, month, _) = date(low.floor() as i64);
    let first = (12 * year + month - 1).div_euclid(months) * months;
    (0..)
        .map(|i| first + i * months)
        .map(|at| {
            (
                at,
                since_1970(at.div_euclid(12), at.rem_euclid(12) + 1) * DAY,
            )
        })
        .skip_while(|(_, time)| (*time as f64) < low)
        .take_while(|(_, time)| *time as f64 <= high)
        .map(|(at, time)| {
            let label = match months {
                ..12 => format!(
                    "{} {}",
                    month_name(at.rem_euclid(12) + 1),
                    at.div_euclid(12)
                ),
                _ => at.div_euclid(12).to_string(),
            };
            (time as f64, label)
        })
        .collect()
}

/// A tick as short as its step allows; midnight is told by its day.
fn moment(time: i64, step: i64) -> String {
    let within = time.rem_euclid(DAY);
    if within == 0 {
        let (_, month, day) = date(time);
        return format!("{day} {}", month_name(month));
    }
    let (hour, minute, second) = (within / HOUR, within / MINUTE % 60, within % 60);
    if step < MINUTE {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{hour:02}:{minute:02}")
    }
}

/// `3 Mar 2024`.
fn day(time: f64) -> String {
    let (year, month, day) = date(time.floor() as i64);
    format!("{day} {} {year}", month_name(month))
}

fn month_name(month: i64) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES[(month - 1).rem_euclid(12) as usize]
}

/// Year, month and day of the Gregorian calendar, whose pattern comes back every 400 years.
fn date(time: i64) -> (i64, i64, i64) {
    let day = time.div_euclid(DAY);
    // 146,097 days in 400 years; the guess is at most one year off.
    let mut year = 1970 + (day * 400).div_euclid(146_097);
    while since_1970(year, 1) > day {
        year -= 1;
    }
    while since_1970(year + 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| since_1970(year, *month) <= day);
    let month = month.unwrap_or(1);
    (year, month, day - since_1970(year, month) + 1)
}

/// Days from 1 January 1970 to the first of a month.
fn since_1970(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let is_leap = leaps(year) > leaps(year - 1);
    let days = 365 * (year - 1970) + leaps(year - 1) - leaps(1969);
    days + BEFORE[(month - 1) as usize] + i64::from(is_leap && month > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(points: &'a [Point], windows: &'a [Window], marks: &'a [Mark]) -> Found<'a> {
        Found {
            points,
            clock: Clock::Numbers("place"),
            label: "load",
            windows,
            marks,
        }
    }

    #[test]
    fn extremes_survive_thinning() {
        let mut points: Vec<Point> = (0..100_000)
            .map(|i| (f64::from(i), (f64::from(i) / 900.0).sin()))
            .collect();
        points[54_321].1 = 40.0;
        points[77_777].1 = -30.0;
        let placed: Vec<Point> = points
            .iter()
            .map(|p| (p.0 / 100_000.0 * 692.0, p.1))
            .collect();
        let kept = thinned(&placed);
        assert!(kept.len() <= 4 * 692, "{}", kept.len());
        assert!(kept.contains(&placed[54_321]) && kept.contains(&placed[77_777]));
        assert_eq!((kept[0], kept[kept.len() - 1]), (placed[0], placed[99_999]));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let drawn = series(&found(&points, &[], &[]), "m").expect("a series");
        assert!(drawn.len() < 50_000, "{}", drawn.len());
    }

    #[test]
    fn gaps_part_the_line() {
        let points = [
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, 3.0),
        ];
        let drawn = series(&found(&points, &[], &[]), "m").expect("a series");
        assert_eq!(drawn.matches("class=\"curve light s0\"").count(), 2);
        let nothing = [(0.0, f64::NAN), (f64::NAN, 1.0)];
        assert!(series(&found(&nothing, &[], &[]), "m").is_none());
        assert!(series(&found(&[], &[], &[]), "m").is_none());
        let alone = series(&found(&[(5.0, 5.0)], &[], &[]), "m").expect("a point");
        assert!(alone.contains("<circle") && !alone.contains("NaN"));
    }

    #[test]
    fn windows_and_marks_are_told_and_escaped() {
        let points: Vec<Point> = (0..1000)
            .map(|i| (f64::from(i), f64::from(i % 7)))
            .collect();
        let window = |from: f64, to: f64| Window {
            from,
            to,
            title: "<w>",
        };
        let windows = [
            window(100.0, 150.0),
            window(500.0, 500.0),
            window(500.5, 501.0),
            window(-20.0, -10.0),
            window(990.0, 2000.0),
            window(f64::NAN, 1.0),
        ];
        let mark = |time: f64, value: f64| Mark {
            time,
            value,
            title: "<m>",
        };
        let marks = [
            mark(3.0, 2.0),
            mark(3.1, 2.0),
            mark(700.0, 5.0),
            mark(f64::NAN, 1.0),
            mark(5000.0, 1.0),
        ];
        let drawn = series(&found(&points, &windows, &marks), "\"><i>").expect("a series");
        assert_eq!(drawn.matches("class=\"band s1\"").count(), 3);
        assert_eq!(drawn.matches("2 events; the first: &lt;w&gt;").count(), 1);
        assert_eq!(drawn.matches("class=\"dot s1\"").count(), 2);
        assert!(!drawn.contains("<w>") && !drawn.contains("<m>") && !drawn.contains("<i>"));
    }

    #[test]
    fn a_window_of_no_width_is_seen_inside_the_axes() {
        let points = [(0.0, 1.0), (10.0, 2.0)];
        for at in [0.0, 5.0, 10.0] {
            let window = Window {
                from: at,
                to: at,
                title: "",
            };
            let drawn = series(&found(&points, &[window], &[]), "m").expect("a series");
            let number = |name: &str| -> f64 {
                let rect = drawn.split("<rect").nth(1).expect("a window");
                let text = rect
                    .split(&format!(" {name}=\""))
                    .nth(1)
                    .and_then(|t| t.split('"').next());
                text.and_then(|t| t.parse().ok()).expect("a number")
            };
            assert_eq!(number("width"), SEEN);
            assert!(number("x") >= 52.0 && number("x") + SEEN <= WIDTH - 16.0);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (951_782_400, (2000, 2, 29)),
            (1_709_164_800, (2024, 2, 29)),
            (1_709_251_200, (2024, 3, 1)),
            (1_735_689_599, (2024, 12, 31)),
            (4_107_542_400, (2100, 3, 1)),
            (-62_135_596_800, (1, 1, 1)),
        ] {
            assert_eq!(date(time), expected, "{time}");
        }
        let mut last = date(-200_000 * DAY);
        for day in -199_999..200_000 {
            let next = date(day * DAY);
            let follows = (next.0, next.1, next.2) == (last.0, last.1, last.2 + 1)
                || next.2 == 1 && (next.1 == last.1 + 1 || next.1 == 1 && next.0 == last.0 + 1);
            assert!(follows && next.2 <= 31, "{last:?} {next:?}");
            last = next;
        }
    }

    #[test]
    fn ticks_are_round_moments() {
        let labels = |low: f64, high: f64| -> Vec<String> {
            calendar(low, high, 7)
                .into_iter()
                .map(|tick| tick.1)
                .collect()
        };
        let start = 1_709_424_000.0; // 3 March 2024
        assert_eq!(
            labels(start, start + 36_000.0),
            ["3 Mar", "03:00", "06:00", "09:00"]
        );
        assert_eq!(
            labels(start + 1.0, start + 14.0 * 86_400.0),
            [
                "4 Mar", "6 Mar", "8 Mar", "10 Mar", "12 Mar", "14 Mar", "16 Mar"
            ]
        );
        assert_eq!(
            labels(start, start + 300.0 * 86_400.0),
            ["May 2024", "Jul 2024", "Sep 2024", "Nov 2024"]
        );
        assert_eq!(
            labels(0.0, 1.6e9),
            ["1970", "1980", "1990", "2000", "2010", "2020"]
        );
        assert_eq!(labels(start, start + 12.0)[1], "00:00:02");
        assert!(labels(0.0, 1.0).is_empty() && labels(0.0, 1e15).is_empty());
        assert!(labels(f64::NAN, 1.0).is_empty());
    }

    #[test]
    fn no_span_has_more_ticks_than_it_can_carry() {
        for i in 1..2_000 {
            let (low, width) = (f64::from(i) * 1e6 - 1e9, 1.01f64.powi(i).min(2e11) + 2.0);
            let ticks = calendar(low, low + width, 7);
            assert!(ticks.len() <= 9, "{width}: {ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
