//! Simulated card histories in which only the order and the timing of events tell fraud and default.
//!
//! Enters: a number of customers and a seed. Leaves: a table of events and two tables of labels. Not here: files.
//!
//! Every customer lives an ordinary life (`life`) and has, beside it, some episodes of one scheme of fraud and of one
//! scheme of default (`schemes`). An episode is a set of events and a set of moments, both drawn without regard to the
//! labels; a label decides only which event falls on which moment. Flipping a label thus leaves the same moments, the
//! same gaps and the same events, so no aggregate that ignores order can see it.

mod calendar;
mod customer;
mod draws;
mod habits;
mod life;
mod plan;
mod regular;
mod schemes;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use customer::{Customer, Truth};
use plan::Plan;

/// Where all customers live.
const HOME: &str = "GB";
const ABROAD: [&str; 4] = ["FR", "ES", "DE", "US"];

/// Simulated customers of a bank with their card events and labels; the same for the same seed, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardHistories {
    /// How many customers there are.
    pub customers: u64,
    /// Where all random numbers come from.
    pub seed: u64,
}

/// Which customers a table of labels is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// About three in four, to learn from.
    Train,
    /// The others, to be judged on.
    Test,
}

impl CardHistories {
    /// Writes the events as CSV: customers one after another, each one's events in the order of time, spending positive
    /// and income negative; ordinary life goes on for two weeks after a customer's cut-off.
    pub fn write_events(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(table::EVENTS_HEAD.as_bytes())?;
        let mut text = String::new();
        for number in 0..self.customers {
            let customer = Customer::new(self.seed, number);
            let truth = Truth::of(&customer);
            text.clear();
            table::add_events(&mut text, number, &history(&customer, &truth));
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the labels of a part as CSV: a row a customer, with its cut-off and what was really planted (`scheme`).
    pub fn write_labels(&self, part: Part, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(table::LABELS_HEAD.as_bytes())?;
        let mut text = String::new();
        for number in 0..self.customers {
            let customer = Customer::new(self.seed, number);
            if customer.part() == part {
                text.clear();
                table::add_labels(&mut text, &customer, &Truth::of(&customer));
                out.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Something that happened on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    /// Seconds since 1970.
    at: i64,
    what: What,
}

/// An event without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    kind: &'static str,
    merchant: &'static str,
    channel: &'static str,
    country: &'static str,
    /// Positive where money leaves, negative where it comes.
    pence: i64,
}

impl What {
    /// An event in the customer's own country.
    fn at_home(
        kind: &'static str,
        merchant: &'static str,
        channel: &'static str,
        pence: i64,
    ) -> What {
        What {
            kind,
            merchant,
            channel,
            country: HOME,
            pence,
        }
    }
}

/// All events of a customer in the order of time, no two at the same second.
fn history(customer: &Customer, truth: &Truth) -> Vec<Event> {
    let plan = Plan::of(customer, truth);
    let mut events = life::ordinary(customer, &plan);
    events.extend(plan.events(customer, truth));
    // The first of a tie stays where it is whatever the labels are, so that twins share their moments.
    events.sort_by_key(|event| event.at);
    let mut last = i64::MIN;
    for event in &mut events {
        event.at = event.at.max(last + 1);
        last = event.at;
    }
    events
}
