//! Episodes: when they happen, and who gets which order.
//!
//! The events and the moments of an episode are drawn first, without regard to the labels. Then one of all orders is
//! drawn: of those that the scheme's rule names in a planted history, of the others in an honest one, which is thereby
//! the matched control. About a third of the episodes are honest in every history: without them it would be enough to see
//! no honest one.

use super::customer::{Customer, Truth};
use super::draws::{Draws, Purpose};
use super::schemes::Scheme;
use super::{Event, What};

/// Events and moments of a scheme, still without the order that puts the ones on the others.
pub(super) struct Episode {
    pub(super) scheme: Scheme,
    pub(super) moments: Vec<i64>,
    pub(super) events: Vec<What>,
    /// In an honest order even where the scheme is planted.
    pub(super) is_honest: bool,
}

/// The episodes of a customer.
pub(super) struct Plan {
    pub(super) episodes: Vec<Episode>,
    /// Days since 1970 on which the salary or the repayment is that of an episode.
    pub(super) taken: Vec<i64>,
}

impl Plan {
    /// Draws events and moments; of the truth only the schemes matter, not whether they are planted.
    pub(super) fn of(customer: &Customer, truth: &Truth) -> Plan {
        let mut draws = customer.draws(Purpose::Episodes);
        let fraud_days = days(truth.fraud, customer, &mut draws);
        let default_days = days(truth.default, customer, &mut draws);
        let of_fraud = fraud_days.iter().map(|day| (truth.fraud, *day));
        let of_default = default_days.iter().map(|day| (truth.default, *day));
        let mut episode = |(scheme, day): (Scheme, i64)| Episode {
            scheme,
            moments: scheme.moments(day, &mut draws),
            events: scheme.events(customer, &mut draws),
            is_honest: false,
        };
        let mut episodes: Vec<Episode> = of_fraud.chain(of_default).map(&mut episode).collect();
        let (of_fraud, of_default) = episodes.split_at_mut(fraud_days.len());
        for of_scheme in [of_fraud, of_default] {
            for _ in 0..(of_scheme.len() / 3).max(1) {
                let mut open: Vec<&mut Episode> =
                    of_scheme.iter_mut().filter(|e| !e.is_honest).collect();
                let drawn = draws.index(open.len());
                if let Some(episode) = open.get_mut(drawn) {
                    episode.is_honest = true;
                }
            }
        }
        Plan {
            episodes,
            taken: default_days,
        }
    }

    /// Whether there are episodes of a scheme.
    pub(super) fn has(&self, scheme: Scheme) -> bool {
        self.episodes.iter().any(|episode| episode.scheme == scheme)
    }

    /// Puts the events of all episodes in orders that show their schemes, or in orders that do not.
    pub(super) fn events(&self, customer: &Customer, truth: &Truth) -> Vec<Event> {
        let mut draws = customer.draws(Purpose::Orders);
        let placed = self.episodes.iter().flat_map(|episode| {
            let is_planted = truth.plants(episode.scheme) && !episode.is_honest;
            let mut orders = orders(episode.moments.len());
            orders.retain(|o| episode.scheme.is_shown_by(o, &episode.moments) == is_planted);
            let drawn = draws.index(orders.len());
            let order = orders.into_iter().nth(drawn).unwrap_or_default();
            let at_moment = |(at, place): (&i64, usize)| Event {
                at: *at,
                what: episode.events[place],
            };
            let placed = episode.moments.iter().zip(order).map(at_moment);
            placed.collect::<Vec<Event>>()
        });
        placed.collect()
    }
}

/// The first days of episodes, well inside the history, so that none holds its first or its last event.
fn days(scheme: Scheme, customer: &Customer, draws: &mut Draws) -> Vec<i64> {
    let margin = (customer.last_day() - customer.start) / 9;
    let (from, to) = (customer.start + margin, customer.last_day() - margin);
    let n = draws.whole(4, 6);
    let mut some = |mut days: Vec<i64>| {
        days.retain(|day| (from..to).contains(day));
        while days.len() as i64 > n {
            days.remove(draws.index(days.len()));
        }
        days
    };
    match scheme {
        Scheme::SalarySpent => some(customer.paydays()),
        Scheme::RollingDebt => some(customer.due_days()),
        _ => {
            // One in each of as many parts, so that episodes do not run into each other.
            let width = (to - from) / n;
            let day = |part| from + part * width + draws.whole(0, width - 4);
            (0..n).map(day).collect()
        }
    }
}

/// All orders of `n` things.
pub(super) fn orders(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        let longer = |order: &Vec<usize>| {
            let left = (0..n).filter(|place| !order.contains(place));
            let longer = left.map(|place| [order.as_slice(), &[place]].concat());
            longer.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}
