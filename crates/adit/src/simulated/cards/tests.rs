//! What the labels change, what they leave, and how the tables look.

use std::collections::BTreeSet;

use super::calendar::{DAY, Iso, date, weekday, working_day};
use super::draws::Purpose;
use super::plan::orders;
use super::schemes::Scheme;
use super::*;

const SEED: u64 = 7;

fn customers(n: u64) -> impl Iterator<Item = (Customer, Truth)> {
    (0..n).map(|number| {
        let customer = Customer::new(SEED, number);
        let truth = Truth::of(&customer);
        (customer, truth)
    })
}

fn written(customers: u64, seed: u64) -> String {
    let mut out = Vec::new();
    let histories = CardHistories { customers, seed };
    histories.write_events(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn labels(customers: u64, part: Part) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let seed = SEED;
    let histories = CardHistories { customers, seed };
    histories.write_labels(part, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let row = |line: &str| line.split(',').map(String::from).collect();
    text.lines().skip(1).map(row).collect()
}

#[test]
fn a_seed_tells_everything_and_a_customer_is_the_same_among_many() {
    let few = written(20, SEED);
    assert_eq!(few, written(20, SEED));
    assert_ne!(few, written(20, SEED + 1));
    assert!(written(40, SEED).starts_with(&few));
    let (few, many) = (labels(20, Part::Train), labels(40, Part::Train));
    assert_eq!(few[..], many[..few.len()]);
}

#[test]
fn customers_stand_one_after_another_and_their_events_in_the_order_of_time() {
    let text = written(50, SEED);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].join(",") + "\n", table::EVENTS_HEAD);
    assert!(rows.iter().all(|row| row.len() == 7));
    assert!(rows[1..].is_sorted_by(|a, b| (a[0], a[1]) < (b[0], b[1])));
    for row in &rows[1..] {
        let amount: f64 = row[2].parse().unwrap();
        let comes = ["salary", "refund"].contains(&row[3]);
        assert_eq!(amount < 0.0, comes, "{row:?}");
        assert_eq!(row[2].split_once('.').unwrap().1.len(), 2, "{row:?}");
        assert_eq!(row[1].len(), "2024-03-05T14:23:00".len(), "{row:?}");
    }
}

#[test]
fn a_flipped_label_leaves_the_same_moments_and_the_same_events() {
    for (customer, truth) in customers(600) {
        let (is_fraud, is_default) = (!truth.is_fraud, !truth.is_default);
        let one = history(&customer, &truth);
        for twin in [
            Truth { is_fraud, ..truth },
            Truth {
                is_default,
                ..truth
            },
        ] {
            let other = history(&customer, &twin);
            let moments = |events: &[Event]| events.iter().map(|e| e.at).collect::<Vec<_>>();
            assert_eq!(moments(&one), moments(&other));
            let whats = |events: &[Event]| {
                let mut whats: Vec<What> = events.iter().map(|e| e.what).collect();
                whats.sort();
                whats
            };
            assert_eq!(whats(&one), whats(&other));
            assert_ne!(one, other, "customer {}", customer.number);
            // What differs lies well inside of what is seen: neither its first events nor its last do.
            let seen = one.iter().take_while(|event| event.at < customer.until);
            let same: Vec<bool> = seen.zip(&other).map(|(a, b)| a == b).collect();
            assert!(same[0] && same[same.len() - 1]);
            assert!(one[same.len()..] == other[same.len()..]);
        }
    }
}

#[test]
fn planted_episodes_show_their_scheme_and_controls_never_do() {
    let mut n_of = [[0; 2]; 5];
    for (customer, truth) in customers(600) {
        let plan = Plan::of(&customer, &truth);
        let events = plan.events(&customer, &truth);
        for scheme in [truth.fraud, truth.default] {
            let n = plan.episodes.iter().filter(|e| e.scheme == scheme).count();
            assert!((3..=6).contains(&n), "{n} episodes");
            n_of[scheme as usize][usize::from(truth.plants(scheme))] += 1;
        }
        let mut rest = &events[..];
        for episode in &plan.episodes {
            let (own, others) = rest.split_at(episode.moments.len());
            rest = others;
            let place = |event: &Event| {
                let mut whats = episode.events.iter();
                whats.position(|what| *what == event.what).unwrap()
            };
            let order: Vec<usize> = own.iter().map(place).collect();
            let is_each_once = order.iter().collect::<BTreeSet<_>>().len() == order.len();
            assert!(is_each_once && own.iter().map(|e| &e.at).eq(&episode.moments));
            let shows = episode.scheme.is_shown_by(&order, &episode.moments);
            let is_planted = truth.plants(episode.scheme) && !episode.is_honest;
            assert_eq!(shows, is_planted, "{:?} {order:?}", episode.scheme);
        }
        assert!(rest.is_empty());
    }
    assert!(n_of.as_flattened().iter().all(|n| *n > 20), "{n_of:?}");
}

#[test]
fn every_scheme_has_planted_and_honest_orders_at_all_moments() {
    for (customer, _) in customers(100) {
        for scheme in Scheme::FRAUDS.into_iter().chain(Scheme::DEFAULTS) {
            let mut draws = customer.draws(Purpose::Episodes);
            let moments = scheme.moments(customer.start, &mut draws);
            assert!(moments.is_sorted_by(|a, b| a < b));
            let orders = orders(scheme.events(&customer, &mut draws).len());
            let shown = orders.iter().filter(|o| scheme.is_shown_by(o, &moments));
            let n = shown.count();
            assert!(n > 0 && n < orders.len(), "{scheme:?}");
        }
    }
    assert_eq!(orders(3).len(), 6);
    assert_eq!(orders(4).iter().collect::<BTreeSet<_>>().len(), 24);
}

#[test]
fn histories_have_their_length_and_go_on_after_the_cut_off() {
    let mut n_after = 0;
    for (customer, truth) in customers(600) {
        let events = history(&customer, &truth);
        let n_seen = events.iter().filter(|e| e.at < customer.until).count();
        assert!((50..=210).contains(&n_seen), "{n_seen}");
        n_after += usize::from(n_seen < events.len());
        let all = customer.start * DAY..customer.until + 15 * DAY;
        assert!(events.iter().all(|event| all.contains(&event.at)));
        let plan = Plan::of(&customer, &truth);
        let mut moments = plan.episodes.iter().flat_map(|e| &e.moments);
        assert!(moments.all(|at| *at < customer.until - 10 * DAY));
    }
    assert!(n_after > 570, "only {n_after} of 600 go on");
}

#[test]
fn labels_have_their_rates_and_parts_share_nobody() {
    let (train, test) = (labels(8_000, Part::Train), labels(8_000, Part::Test));
    assert!((0.73..0.77).contains(&(train.len() as f64 / 8_000.0)));
    let all: Vec<&Vec<String>> = train.iter().chain(&test).collect();
    let names: BTreeSet<&str> = all.iter().map(|row| row[0].as_str()).collect();
    assert_eq!((all.len(), names.len()), (8_000, 8_000));
    for (at, schemes) in [
        (6, &["card_testing", "two_countries", "refund_to_cash"][..]),
        (7, &["salary_spent", "rolling_debt"]),
    ] {
        let is_true = |row: &[String]| row[8].split('+').any(|scheme| schemes.contains(&scheme));
        let n_yes = all.iter().filter(|row| row[at] == "yes").count();
        let n_wrong = all.iter().filter(|row| (row[at] == "yes") != is_true(row));
        assert!((0.19..0.235).contains(&(n_yes as f64 / 8_000.0)), "{n_yes}");
        assert!((0.015..0.025).contains(&(n_wrong.count() as f64 / 8_000.0)));
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(date(0), (1970, 1, 1));
    assert_eq!(date(calendar::FIRST_DAY), (2024, 1, 1));
    assert_eq!(date(calendar::FIRST_DAY + 59), (2024, 2, 29));
    assert_eq!(date(calendar::FIRST_DAY + 366), (2025, 1, 1));
    assert_eq!(date(-1), (1969, 12, 31));
    assert_eq!(weekday(calendar::FIRST_DAY), 0);
    // The sixth of January 2024 was a Saturday.
    assert_eq!(
        working_day(calendar::FIRST_DAY + 5),
        calendar::FIRST_DAY + 4
    );
    assert_eq!(
        working_day(calendar::FIRST_DAY + 3),
        calendar::FIRST_DAY + 3
    );
    let at = (calendar::FIRST_DAY + 64) * DAY + 14 * 3_600 + 23 * 60;
    assert_eq!(Iso(at).to_string(), "2024-03-05T14:23:00");
}

#[test]
fn amounts_below_a_pound_keep_their_sign() {
    let what = What {
        kind: "refund",
        merchant: "games",
        channel: "online",
        country: "GB",
        pence: -7,
    };
    let mut text = String::new();
    table::add_events(&mut text, 123, &[Event { at: 0, what }]);
    assert_eq!(
        text,
        "C000123,1970-01-01T00:00:00,-0.07,refund,games,online,GB\n"
    );
}
