//! What was found, in sentences.

use super::{AgainstChance, Cluster, ClusterData, Difference, Holds};

/// The verdict over a search; `clusters` is empty where there are none.
pub fn cluster_verdict(
    data: &ClusterData,
    chance: Option<&AgainstChance>,
    clusters: &[Cluster],
    noise: f64,
) -> String {
    let (n, of) = (grouped(data.n), data.of.as_str());
    let is_chance = chance.is_some_and(|c| !c.is_there);
    if clusters.is_empty() {
        return match chance {
            Some(c) if !c.is_there => format!(
                "No clusters here: {n} {of} lie as one cloud with no groups in it would (p = {}).",
                p_words(c.p_value)
            ),
            _ if data.n < 3 => format!("No clusters here: {n} {of} are too few to be grouped."),
            _ => format!(
                "No clusters here: {n} {of} lie in no group that is denser than its surroundings."
            ),
        };
    }
    let k = clusters.len();
    let are = if k == 1 { "cluster" } else { "clusters" };
    let holding = clusters.iter().filter(|c| c.holds == Holds::Holds).count();
    let is_told = clusters.iter().any(|c| c.holds != Holds::NotTold);
    let mut text = format!("{k} {are} of {n} {of}");
    if noise > 0.0 {
        text += &format!(", {} of which lie in none", percent(noise));
    }
    if is_chance {
        return text
            + ": a cut through one cloud, which lies as one with no groups in it would; they are no types.";
    }
    if is_told {
        text += &match holding {
            h if h == k && k == 1 => "; it is found again when rows are drawn anew".to_string(),
            h if h == k => "; all are found again when rows are drawn anew".to_string(),
            0 => "; none is found again when rows are drawn anew".to_string(),
            h => format!(
                "; {h} of them {} found again when rows are drawn anew",
                if h == 1 { "is" } else { "are" }
            ),
        };
    }
    if let Some(c) = chance {
        text += &format!(
            "; one cloud would not look so grouped (p = {})",
            p_words(c.p_value)
        );
    }
    text + "."
}

/// Conditions as they are named in data, joined.
pub fn condition_words(conditions: &[String]) -> String {
    conditions.join(" and ")
}

/// A difference as a person says it.
pub fn difference_words(d: &Difference) -> String {
    match &d.value {
        Some(value) => format!(
            "{} = {value}: {} against {} elsewhere",
            d.column,
            percent(d.inside),
            percent(d.outside)
        ),
        None => format!(
            "{}: median {} against {} elsewhere",
            d.column,
            short(d.inside),
            short(d.outside)
        ),
    }
}

/// A short name from the largest differences: `high Income, low Age`.
pub(crate) fn name_of_differences(differences: &[Difference]) -> String {
    let words = |d: &Difference| match &d.value {
        Some(value) if d.effect.value >= 0.0 => format!("{} = {value}", d.column),
        Some(value) => format!("not {} = {value}", d.column),
        None if d.effect.value >= 0.0 => format!("high {}", d.column),
        None => format!("low {}", d.column),
    };
    let some: Vec<String> = differences.iter().take(2).map(words).collect();
    some.join(", ")
}

fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0%".into(),
        p if p < 1.0 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

fn p_words(p: f64) -> String {
    if p < 0.001 {
        format!("{p:.0e}")
    } else {
        format!("{p:.2}")
    }
}

/// Three figures, or all before the point.
fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    let digits = (2.0 - x.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{x:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// A count with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Estimate;

    fn data() -> ClusterData {
        ClusterData {
            of: "rows".into(),
            n: 12_345,
            ..ClusterData::default()
        }
    }

    fn cluster(holds: Holds) -> Cluster {
        Cluster {
            number: 1,
            name: "x".into(),
            told_by: None,
            terms: Vec::new(),
            size: 5,
            share: Estimate {
                value: 0.5,
                low: 0.4,
                high: 0.6,
            },
            stability: None,
            holds,
            silhouette: None,
            withheld: false,
            differences: Vec::new(),
            typical: Vec::new(),
            borderline: Vec::new(),
        }
    }

    fn chance(p_value: f64, is_there: bool) -> AgainstChance {
        AgainstChance {
            statistic: "silhouette".into(),
            seen: 0.5,
            gaussian: Vec::new(),
            uniform: Vec::new(),
            one_mode: Vec::new(),
            p_value,
            is_there,
        }
    }

    #[test]
    fn verdicts_say_what_was_found() {
        let none = cluster_verdict(&data(), Some(&chance(0.4, false)), &[], 1.0);
        assert_eq!(
            none,
            "No clusters here: 12,345 rows lie as one cloud with no groups in it would (p = 0.40)."
        );
        let two = [cluster(Holds::Holds), cluster(Holds::Doubtful)];
        let some = cluster_verdict(&data(), Some(&chance(0.02, true)), &two, 0.1);
        assert_eq!(
            some,
            "2 clusters of 12,345 rows, 10% of which lie in none; 1 of them is found again when rows are drawn anew; \
             one cloud would not look so grouped (p = 0.02)."
        );
        let cut = cluster_verdict(&data(), Some(&chance(0.4, false)), &two, 0.0);
        assert!(cut.contains("no types"), "{cut}");
    }

    #[test]
    fn numbers_are_short() {
        let told = [86.54, 0.001234, 1234.5, 0.0, 3.0, -0.5].map(short);
        assert_eq!(told, ["86.5", "0.00123", "1234", "0", "3", "-0.5"]);
        assert_eq!(percent(0.0042), "0.4%");
    }
}
