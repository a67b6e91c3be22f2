//! Who a customer is, and the truth about it.

use super::Part;
use super::calendar::{DAY, FIRST_DAY, date, working_day};
use super::draws::{Draws, Purpose};
use super::schemes::Scheme;

/// Days for which ordinary life goes on after the cut-off.
const AFTERWARDS: i64 = 14;
/// How often a label is the wrong one.
const WRONG_LABELS: f64 = 0.02;
const FRAUD_RATE: f64 = 0.2;
const DEFAULT_RATE: f64 = 0.2;

/// What does not change during a history.
pub(super) struct Customer {
    seed: u64,
    pub(super) number: u64,
    /// First day, since 1970.
    pub(super) start: i64,
    /// Cut-off in seconds since 1970, a midnight.
    pub(super) until: i64,
    pub(super) age: i64,
    pub(super) segment: &'static str,
    pub(super) region: &'static str,
    /// Years with the bank.
    pub(super) tenure: i64,
    pub(super) salary: i64,
    payday: i64,
    due_day: i64,
}

impl Customer {
    pub(super) fn new(seed: u64, number: u64) -> Customer {
        let mut draws = Draws::new(seed, number, Purpose::Traits);
        let start = FIRST_DAY + draws.whole(0, 181);
        let until = (start + draws.whole(183, 274)) * DAY;
        let age = draws.whole(18, 67);
        let segment = match draws.unit() {
            _ if age < 25 && draws.chance(0.6) => "student",
            u if u < 0.65 => "employed",
            u if u < 0.82 => "part_time",
            _ => "self_employed",
        };
        let (least, most) = match segment {
            "student" => (700.0, 1_300.0),
            "part_time" => (900.0, 1_900.0),
            _ => (1_700.0, 4_800.0),
        };
        Customer {
            seed,
            number,
            start,
            until,
            age,
            segment,
            region: draws.pick(&["north", "south", "east", "west", "islands"]),
            tenure: draws.whole(0, (age - 16).min(25)),
            salary: draws.pence(least, most),
            payday: draws.pick(&[1, 15, 20, 25, 25, 28, 28]),
            due_day: draws.whole(4, 26),
        }
    }

    pub(super) fn draws(&self, purpose: Purpose) -> Draws {
        Draws::new(self.seed, self.number, purpose)
    }

    /// Three in four learn; by a hash, so that it stays the same however many customers there are.
    pub(super) fn part(&self) -> Part {
        match self.draws(Purpose::Part).chance(0.75) {
            true => Part::Train,
            false => Part::Test,
        }
    }

    /// The day of the cut-off.
    pub(super) fn last_day(&self) -> i64 {
        self.until / DAY
    }

    /// All days on which something happens, also those after the cut-off.
    pub(super) fn days(&self) -> std::ops::Range<i64> {
        self.start..self.last_day() + AFTERWARDS
    }

    /// Days on which a salary comes: near a day of the month, before weekends rather than on them.
    pub(super) fn paydays(&self) -> Vec<i64> {
        self.monthly(self.payday, Purpose::Paydays)
    }

    /// Days on which credit is paid back.
    pub(super) fn due_days(&self) -> Vec<i64> {
        self.monthly(self.due_day, Purpose::DueDays)
    }

    fn monthly(&self, day_of_month: i64, purpose: Purpose) -> Vec<i64> {
        let mut draws = self.draws(purpose);
        let days = self.days().filter(|day| date(*day).2 == day_of_month);
        let jittered = days.map(|day| working_day(day + draws.whole(-1, 1)));
        jittered.filter(|day| self.days().contains(day)).collect()
    }
}

/// Which schemes a customer's episodes are of, whether they are planted, and what the labels say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    pub(super) fraud: Scheme,
    pub(super) is_fraud: bool,
    pub(super) default: Scheme,
    pub(super) is_default: bool,
    pub(super) fraud_label: bool,
    pub(super) default_label: bool,
}

impl Truth {
    /// Whether episodes of a scheme, which is one of this customer's two, are planted.
    pub(super) fn plants(&self, scheme: Scheme) -> bool {
        if scheme == self.fraud {
            self.is_fraud
        } else {
            self.is_default
        }
    }

    pub(super) fn of(customer: &Customer) -> Truth {
        let mut draws = customer.draws(Purpose::Truth);
        let fraud = draws.pick(&Scheme::FRAUDS);
        let default = draws.pick(&Scheme::DEFAULTS);
        // What the static columns honestly tell: a little.
        let by_age = if customer.age >= 55 { 1.15 } else { 0.96 };
        let by_segment = match customer.segment {
            "employed" => 0.93,
            "self_employed" => 1.2,
            _ => 1.06,
        };
        let is_fraud = draws.chance(FRAUD_RATE * by_age);
        let is_default = draws.chance(DEFAULT_RATE * by_segment);
        let mut noise = customer.draws(Purpose::LabelNoise);
        Truth {
            fraud,
            is_fraud,
            default,
            is_default,
            fraud_label: is_fraud != noise.chance(WRONG_LABELS),
            default_label: is_default != noise.chance(WRONG_LABELS),
        }
    }
}
