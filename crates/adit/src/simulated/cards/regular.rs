//! What comes every month: income, rent, bills and repayments.

use super::calendar::date;
use super::customer::Customer;
use super::draws::Draws;
use super::plan::Plan;
use super::schemes::Scheme;
use super::{Event, What};

/// Hours of a night run.
const NIGHT: (i64, i64) = (1, 6);

/// A bill on a day of the month.
struct Bill {
    merchant: &'static str,
    day: i64,
    pence: i64,
    /// By how much of itself it differs from month to month.
    varies: f64,
}

/// Regular events of a customer; a salary or repayment that belongs to an episode is left to it.
pub(super) fn regular(customer: &Customer, plan: &Plan, draws: &mut Draws) -> Vec<Event> {
    let mut events = Vec::new();
    let has_credit = plan.has(Scheme::RollingDebt);
    for day in customer.paydays() {
        if has_credit || !plan.taken.contains(&day) {
            let pence = -customer.salary;
            let at = draws.moment(day, (6, 11));
            let what = What::at_home("salary", "employer", "bank_transfer", pence);
            events.push(Event { at, what });
        }
    }
    for day in customer.due_days() {
        if has_credit && !plan.taken.contains(&day) {
            let pence = draws.tens(5, 30);
            let at = draws.moment(day, (8, 18));
            let what = What::at_home("repayment", "bank", "bank_transfer", pence);
            events.push(Event { at, what });
        }
    }
    let bills = bills(customer, draws);
    for day in customer.days() {
        let due = bills.iter().filter(|bill| bill.day == date(day).2);
        for Bill {
            merchant,
            pence,
            varies,
            ..
        } in due
        {
            let pence = (*pence as f64 * (1.0 + varies * (draws.unit() - 0.5))) as i64;
            let at = draws.moment(day, NIGHT);
            let what = What::at_home("bill", merchant, "direct_debit", pence);
            events.push(Event { at, what });
        }
    }
    if draws.chance(0.3) {
        let day = draws.whole(customer.start, customer.last_day());
        let pence = 100 * draws.whole(3, 25);
        let at = draws.moment(day, NIGHT);
        let what = What::at_home("fee", "bank", "direct_debit", pence);
        events.push(Event { at, what });
    }
    events
}

/// The rent, and those of the other bills that the customer has.
fn bills(customer: &Customer, draws: &mut Draws) -> Vec<Bill> {
    let mut bills = vec![Bill {
        merchant: "housing",
        day: draws.whole(1, 5),
        pence: (customer.salary as f64 * (0.25 + 0.15 * draws.unit())) as i64,
        varies: 0.0,
    }];
    for (merchant, least, most, often, varies) in [
        ("utilities", 40.0, 180.0, 0.8, 0.3),
        ("telecom", 12.0, 60.0, 0.4, 0.0),
        ("insurance", 20.0, 90.0, 0.3, 0.0),
    ] {
        if draws.chance(often) {
            bills.push(Bill {
                merchant,
                day: draws.whole(5, 28),
                pence: draws.pence(least, most),
                varies,
            });
        }
    }
    bills
}
