//! Ordinary life: what comes every month, groceries, shops in their seasons, a summer journey.

use super::calendar::{DAY, date, weekday};
use super::customer::Customer;
use super::draws::{Draws, Purpose};
use super::habits::{GROCERIES, HABITS, Habit};
use super::plan::Plan;
use super::regular::regular;
use super::{ABROAD, Event};

/// Days of a journey, and where it goes.
struct Journey {
    days: std::ops::Range<i64>,
    country: &'static str,
}

/// All that happens outside the episodes, in no order.
pub(super) fn ordinary(customer: &Customer, plan: &Plan) -> Vec<Event> {
    let mut draws = customer.draws(Purpose::Life);
    let mut events = regular(customer, plan, &mut draws);
    let journey = journey(customer, &mut draws);
    groceries(customer, &mut draws, &mut events);
    shops(customer, &mut draws, &mut events);
    // The card is where its holder is.
    for event in &mut events {
        let is_present = ["chip", "contactless", "atm"].contains(&event.what.channel);
        if is_present && journey.days.contains(&(event.at / DAY)) {
            event.what.country = journey.country;
        }
    }
    events
}

/// A journey in June, July or August; without a day for those who stay at home.
fn journey(customer: &Customer, draws: &mut Draws) -> Journey {
    let is_summer = |day: &i64| (6..=8).contains(&date(*day).1);
    let summer: Vec<i64> = customer.days().filter(is_summer).collect();
    let from = summer.get(draws.index(summer.len())).copied();
    let length = draws.whole(4, 10);
    let goes = draws.chance(0.4);
    Journey {
        days: from
            .filter(|_| goes)
            .map_or(0..0, |from| from..from + length),
        country: draws.pick(&ABROAD),
    }
}

/// A large shop on about the same day, every week for some and every second for others.
fn groceries(customer: &Customer, draws: &mut Draws, events: &mut Vec<Event>) {
    let every = draws.pick(&[7, 10, 14, 14]);
    let mut day = customer.start + draws.whole(0, every - 1);
    while customer.days().contains(&day) {
        let on = (day + draws.whole(-1, 1)).max(customer.start);
        events.push(GROCERIES.on(on, draws));
        day += every;
    }
}

/// What is bought now and then, by each customer's own taste, by day of the week and by season.
fn shops(customer: &Customer, draws: &mut Draws, events: &mut Vec<Event>) {
    let activity = 0.015 + 0.1 * draws.unit();
    // A product of two, so that each customer has a few favourites.
    let tastes = HABITS.map(|_| 3.0 * draws.unit() * draws.unit());
    let online_abroad = 0.15 * draws.unit();
    for day in customer.days() {
        // For shops the weekend begins on Friday.
        let (is_weekend, month) = (weekday(day) >= 4, date(day).1);
        let by = |is: bool, often: f64| if is { often } else { 1.0 };
        let weight = |(habit, taste): (&Habit, f64)| {
            let season = by((6..=8).contains(&month), habit.in_summer);
            let season = season * by(month == 12, habit.in_december);
            habit.weight * taste * season * by(is_weekend, habit.at_weekends)
        };
        let weights = HABITS.iter().zip(tastes).map(weight);
        let often = activity * if is_weekend { 1.4 } else { 0.85 } * by(month == 12, 1.4);
        for _ in 0..2 {
            if draws.chance(often) {
                let mut event = HABITS[draws.weighted(weights.clone())].on(day, draws);
                if event.what.channel == "online" && draws.chance(online_abroad) {
                    event.what.country = draws.pick(&ABROAD);
                }
                events.push(event);
            }
        }
    }
}
