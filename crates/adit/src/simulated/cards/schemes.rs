//! Schemes of fraud and of default: which events an episode holds, at which moments, and which orders give it away.

use super::calendar::{HOUR, MINUTE};
use super::customer::Customer;
use super::draws::Draws;
use super::{ABROAD, HOME, What};

/// What order and timing of an episode's events can give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// A small test payment, then electronics, then a journey, within minutes.
    CardTesting,
    /// The card is present in two countries within an hour.
    TwoCountries,
    /// Cash is withdrawn within an hour after a refund.
    RefundToCash,
    /// The salary goes on the day it comes: transferred, then withdrawn, then gambled.
    SalarySpent,
    /// Credit is drawn within hours after a repayment.
    RollingDebt,
}

/// Two payments this near belong together; between the short and the long gaps of all schemes.
const TOGETHER: i64 = 4 * HOUR;

impl Scheme {
    pub(super) const FRAUDS: [Scheme; 3] = [
        Scheme::CardTesting,
        Scheme::TwoCountries,
        Scheme::RefundToCash,
    ];
    pub(super) const DEFAULTS: [Scheme; 2] = [Scheme::SalarySpent, Scheme::RollingDebt];

    pub(super) fn name(self) -> &'static str {
        match self {
            Scheme::CardTesting => "card_testing",
            Scheme::TwoCountries => "two_countries",
            Scheme::RefundToCash => "refund_to_cash",
            Scheme::SalarySpent => "salary_spent",
            Scheme::RollingDebt => "rolling_debt",
        }
    }

    /// The events of an episode, in the order in which [`Scheme::is_shown_by`] counts them.
    pub(super) fn events(self, customer: &Customer, draws: &mut Draws) -> Vec<What> {
        let bought = |merchant, channel, pence| What::at_home("purchase", merchant, channel, pence);
        let moved = |kind, pence| What::at_home(kind, "bank", "bank_transfer", pence);
        let drawn = |kind, pence| What::at_home(kind, "bank", "atm", pence);
        match self {
            Scheme::CardTesting => vec![
                bought("games", "online", draws.pence(0.5, 4.0)),
                bought("electronics", "online", draws.pence(180.0, 900.0)),
                bought("travel", "online", draws.pence(200.0, 1_100.0)),
            ],
            Scheme::TwoCountries => {
                let abroad = draws.pick(&ABROAD);
                let shops = ["groceries", "restaurant", "fuel", "clothing", "pharmacy"];
                let mut shop = |country| What {
                    country,
                    ..bought(draws.pick(&shops), "chip", draws.pence(8.0, 140.0))
                };
                vec![shop(HOME), shop(HOME), shop(abroad), shop(abroad)]
            }
            Scheme::RefundToCash => {
                let shop = draws.pick(&["clothing", "electronics"]);
                let pence = draws.pence(60.0, 400.0);
                vec![
                    What::at_home("refund", shop, "online", -pence),
                    drawn("cash", draws.tens(4, 20)),
                    bought(shop, "chip", pence + draws.pence(0.0, 80.0)),
                ]
            }
            Scheme::SalarySpent => vec![
                What::at_home("salary", "employer", "bank_transfer", -customer.salary),
                moved("transfer", draws.tens(5, 30)),
                drawn("cash", draws.tens(4, 20)),
                bought("games", "online", draws.pence(20.0, 200.0)),
            ],
            Scheme::RollingDebt => vec![
                moved("repayment", draws.tens(5, 30)),
                drawn("advance", draws.tens(4, 20)),
                What::at_home("bill", "telecom", "direct_debit", draws.pence(18.0, 60.0)),
            ],
        }
    }

    /// The moments of an episode that begins on a day.
    pub(super) fn moments(self, day: i64, draws: &mut Draws) -> Vec<i64> {
        let hours = match self {
            Scheme::CardTesting => (7, 23),
            Scheme::TwoCountries => (8, 11),
            Scheme::RefundToCash => (9, 18),
            Scheme::SalarySpent => (6, 11),
            Scheme::RollingDebt => (8, 17),
        };
        let start = draws.moment(day, hours);
        let mut gap = |least: i64, most: i64| draws.whole(least * MINUTE, most * MINUTE);
        let mut gaps = match self {
            Scheme::CardTesting => vec![gap(2, 15), gap(2, 15)],
            Scheme::TwoCountries => vec![gap(12, 45), gap(5 * 60, 9 * 60), gap(12, 45)],
            Scheme::RefundToCash => vec![gap(4, 40), gap(20 * 60, 50 * 60)],
            Scheme::SalarySpent => vec![gap(15, 210), gap(15, 210), gap(15, 210)],
            Scheme::RollingDebt => vec![gap(15, 180), gap(40 * 60, 100 * 60)],
        };
        // Where one gap is short and one long, either may come first, whatever the labels are.
        if draws.chance(0.5) {
            gaps.reverse();
        }
        let mut moments = vec![start];
        moments.extend(gaps.iter().scan(start, |at, gap| {
            *at += gap;
            Some(*at)
        }));
        moments
    }

    /// The rule: whether events in an order at some moments are what the scheme looks like.
    pub(super) fn is_shown_by(self, order: &[usize], moments: &[i64]) -> bool {
        let near = moments.windows(2).map(|pair| pair[1] - pair[0] <= TOGETHER);
        let mut pairs = order.windows(2).zip(near);
        match self {
            Scheme::CardTesting | Scheme::SalarySpent => order.is_sorted(),
            // The first two events are at home, the last two abroad.
            Scheme::TwoCountries => {
                pairs.any(|(pair, near)| near && (pair[0] < 2) != (pair[1] < 2))
            }
            Scheme::RefundToCash | Scheme::RollingDebt => {
                pairs.any(|(pair, near)| near && pair == [0, 1])
            }
        }
    }
}
