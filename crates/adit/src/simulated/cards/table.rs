//! Rows of CSV. No cell holds a comma or a quote, so none is quoted.

use std::fmt::Write;

use super::calendar::Iso;
use super::customer::{Customer, Truth};
use super::{Event, What};

pub(super) const EVENTS_HEAD: &str = "customer,posted_at,amount,kind,merchant,channel,country\n";
pub(super) const LABELS_HEAD: &str =
    "customer,until,age,segment,region,tenure,fraud,default,scheme\n";

/// Adds a row an event. Writing into a `String` cannot fail.
pub(super) fn add_events(text: &mut String, customer: u64, events: &[Event]) {
    for Event { at, what } in events {
        let What {
            kind,
            merchant,
            channel,
            country,
            pence,
        } = what;
        let sign = if *pence < 0 { "-" } else { "" };
        let (pounds, pence) = (pence.abs() / 100, pence.abs() % 100);
        let _ = writeln!(
            text,
            "C{customer:06},{},{sign}{pounds}.{pence:02},{kind},{merchant},{channel},{country}",
            Iso(*at)
        );
    }
}

/// Adds the row of a customer.
pub(super) fn add_labels(text: &mut String, customer: &Customer, truth: &Truth) {
    let word = |is: bool| if is { "yes" } else { "no" };
    let _ = write!(
        text,
        "C{:06},{},{},{},{},{},{},{},",
        customer.number,
        Iso(customer.until),
        customer.age,
        customer.segment,
        customer.region,
        customer.tenure,
        word(truth.fraud_label),
        word(truth.default_label)
    );
    let fraud = truth.is_fraud.then(|| truth.fraud.name());
    let default = truth.is_default.then(|| truth.default.name());
    let _ = match (fraud, default) {
        (None, None) => writeln!(text, "none"),
        (Some(one), None) | (None, Some(one)) => writeln!(text, "{one}"),
        (Some(fraud), Some(default)) => writeln!(text, "{fraud}+{default}"),
    };
}
