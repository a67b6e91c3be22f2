//! What customers buy or do now and then: where, at which hours, for how much, in which season.

use super::draws::Draws;
use super::{Event, What};

/// Something that is bought or done now and then.
pub(super) struct Habit {
    kind: &'static str,
    merchant: &'static str,
    /// The channels, each as likely as the others.
    channels: [&'static str; 3],
    pounds: (f64, f64),
    /// Hours of the day from which and until which it happens.
    hours: (i64, i64),
    /// How common it is.
    pub(super) weight: f64,
    /// How much more common it is then.
    pub(super) at_weekends: f64,
    pub(super) in_summer: f64,
    pub(super) in_december: f64,
}

const SHOP: [&str; 3] = ["chip", "contactless", "contactless"];
const EITHER: [&str; 3] = ["chip", "contactless", "online"];

/// The large shop, which has a rhythm of its own too.
pub(super) const GROCERIES: Habit = Habit::new("purchase", "groceries", SHOP)
    .costs(12.0, 150.0)
    .between(8, 20)
    .common(1.6, 1.3, 1.0, 1.3);

/// All habits.
pub(super) const HABITS: [Habit; 15] = [
    GROCERIES,
    Habit::new("purchase", "restaurant", SHOP)
        .costs(8.0, 110.0)
        .between(12, 22)
        .common(2.0, 2.0, 1.2, 1.4),
    Habit::new("purchase", "fuel", ["chip"; 3])
        .costs(20.0, 95.0)
        .between(6, 21)
        .common(1.0, 0.9, 1.3, 1.0),
    Habit::new("purchase", "transport", SHOP)
        .costs(2.0, 45.0)
        .between(6, 22)
        .common(1.2, 0.5, 1.0, 1.0),
    Habit::new("purchase", "clothing", EITHER)
        .costs(12.0, 220.0)
        .between(10, 19)
        .common(0.8, 1.8, 1.0, 2.0),
    Habit::new("purchase", "pharmacy", SHOP)
        .costs(3.0, 60.0)
        .between(9, 18)
        .common(0.6, 0.6, 0.8, 1.2),
    Habit::new("purchase", "household", EITHER)
        .costs(10.0, 350.0)
        .between(9, 20)
        .common(0.6, 1.6, 1.0, 1.5),
    Habit::new("purchase", "entertainment", EITHER)
        .costs(6.0, 120.0)
        .between(14, 23)
        .common(0.8, 2.0, 1.1, 1.5),
    Habit::new("purchase", "electronics", EITHER)
        .costs(25.0, 900.0)
        .between(10, 22)
        .common(0.4, 1.3, 0.9, 2.5),
    Habit::new("purchase", "travel", ["online"; 3])
        .costs(40.0, 1_000.0)
        .between(8, 23)
        .common(0.4, 1.1, 2.5, 0.6),
    Habit::new("purchase", "games", ["online"; 3])
        .costs(1.0, 70.0)
        .between(15, 24)
        .common(0.6, 1.5, 1.1, 1.6),
    Habit::new("cash", "bank", ["atm"; 3])
        .costs(10.0, 150.0)
        .between(8, 22)
        .common(0.9, 1.2, 1.1, 1.4),
    Habit::new("transfer", "bank", ["bank_transfer"; 3])
        .costs(10.0, 400.0)
        .between(7, 23)
        .common(0.6, 0.8, 1.0, 1.2),
    Habit::new("refund", "clothing", ["online"; 3])
        .costs(12.0, 200.0)
        .between(8, 18)
        .common(0.2, 0.5, 1.0, 1.2),
    Habit::new("refund", "electronics", ["online"; 3])
        .costs(25.0, 500.0)
        .between(8, 18)
        .common(0.1, 0.5, 1.0, 1.2),
];

impl Habit {
    const fn new(kind: &'static str, merchant: &'static str, channels: [&'static str; 3]) -> Habit {
        Habit {
            kind,
            merchant,
            channels,
            pounds: (0.0, 0.0),
            hours: (0, 24),
            weight: 1.0,
            at_weekends: 1.0,
            in_summer: 1.0,
            in_december: 1.0,
        }
    }

    const fn costs(mut self, least: f64, most: f64) -> Habit {
        self.pounds = (least, most);
        self
    }

    const fn between(mut self, from: i64, until: i64) -> Habit {
        self.hours = (from, until);
        self
    }

    const fn common(
        mut self,
        weight: f64,
        at_weekends: f64,
        in_summer: f64,
        in_december: f64,
    ) -> Habit {
        self.weight = weight;
        self.at_weekends = at_weekends;
        self.in_summer = in_summer;
        self.in_december = in_december;
        self
    }

    /// Does it on a day.
    pub(super) fn on(&self, day: i64, draws: &mut Draws) -> Event {
        let (least, most) = self.pounds;
        let pence = match self.kind {
            // Machines give notes.
            "cash" => draws.pence(least, most) / 1_000 * 1_000,
            "refund" => -draws.pence(least, most),
            _ => draws.pence(least, most),
        };
        let channel = draws.pick(&self.channels);
        Event {
            at: draws.moment(day, self.hours),
            what: What::at_home(self.kind, self.merchant, channel, pence),
        }
    }
}
