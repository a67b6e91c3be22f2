//! Days since 1970 and the dates they are.

use std::fmt::{self, Display};

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// 1 January 2024, the first day on which a history may begin.
pub(super) const FIRST_DAY: i64 = 19_723;

/// Year, month and day of the month of a day since 1970 (Gregorian, days counted from a March).
pub(super) fn date(day: i64) -> (i64, i64, i64) {
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let of_era = since.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + 400 * era + i64::from(month <= 2);
    (year, month, of_month)
}

/// 0 for Monday to 6 for Sunday.
pub(super) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The last working day that is not after a day.
pub(super) fn working_day(day: i64) -> i64 {
    day - (weekday(day) - 4).max(0)
}

/// Seconds since 1970, shown as an ISO time.
pub(super) struct Iso(pub(super) i64);

impl Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (year, month, day) = date(self.0.div_euclid(DAY));
        let second = self.0.rem_euclid(DAY);
        let (h, m, s) = (second / HOUR, second / MINUTE % 60, second % 60);
        write!(f, "{year}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")
    }
}
