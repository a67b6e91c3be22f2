//! `result.json` and the fingerprint of what was found.

use std::fmt::Write as _;

use serde::Serialize as _;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::ReportError;
use crate::explain::{Cost, Findings};

/// Renders `result.json`: two-space indents, lists of plain numbers on one line, a line break at
/// the end; numbers that are not finite become `null`.
///
/// The keys of the schema are `adit`, `task`, `fingerprint`, `verdict`, `data`, `scoreboard`,
/// `chosen`, `patterns`, `warnings` and `cost`; all else that was found follows under the names
/// that it has in [`Findings`].
///
/// # Errors
/// When the findings cannot be serialised.
pub fn result_json(
    findings: &Findings,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    let mut found = object(serde_json::to_value(findings)?);
    let mut result = Map::new();
    let mut put = |key: &str, value: Value| result.insert(key.to_string(), value);
    put("adit", adit_version.into());
    put("task", found.shift_remove("task").unwrap_or_default());
    put("fingerprint", fingerprint(findings).into());
    for key in ["verdict", "data", "scoreboard", "chosen"] {
        put(key, found.shift_remove(key).unwrap_or_default());
    }
    put("patterns", Value::Array(Vec::new()));
    put(
        "warnings",
        found.shift_remove("warnings").unwrap_or_default(),
    );
    put("cost", serde_json::to_value(cost)?);
    for (key, value) in found {
        put(&key, value);
    }
    Ok(written(result))
}

/// Renders `result.json` of a search: `adit`, `task` and `fingerprint` first, then all that was found, then `cost`.
pub(super) fn search_json<T: serde::Serialize>(
    findings: &T,
    fingerprint: &str,
    cost: &Cost,
    adit_version: &str,
) -> Result<String, ReportError> {
    let mut found = object(serde_json::to_value(findings)?);
    let mut result = Map::new();
    result.insert("adit".into(), adit_version.into());
    result.insert(
        "task".into(),
        found.shift_remove("task").unwrap_or_default(),
    );
    result.insert("fingerprint".into(), fingerprint.into());
    result.extend(found);
    result.insert("cost".into(), serde_json::to_value(cost)?);
    Ok(written(result))
}

/// An object as the text of a file.
pub(super) fn written(object: Map<String, Value>) -> String {
    let mut out = String::new();
    pretty(&Value::Object(object), 0, &mut out);
    out.push('\n');
    out
}

/// Hex SHA-256 of what was found: equal for equal input, settings and seed, on any machine and
/// for any number of threads.
///
/// It is taken over the findings as JSON with sorted keys, no blanks, shortest round-trip
/// numbers and `-0` as `0`. Left out, because equal runs may differ in them:
/// `title` and `data.sources` (where the files lie and what they are called), `run_again`
/// (paths), and `seconds` and `peak_bytes` of every line of the `scoreboard`. [`Cost`] is no part of the findings.
pub fn fingerprint(findings: &Findings) -> String {
    // Findings hold string keys and plain values only, so this does not fail; were it to, the
    // fingerprint of nothing says so.
    let mut found = serde_json::to_value(findings)
        .map(object)
        .unwrap_or_default();
    found.shift_remove("title");
    found.shift_remove("run_again");
    if let Some(Value::Object(data)) = found.get_mut("data") {
        data.shift_remove("sources");
    }
    if let Some(Value::Array(members)) = found.get_mut("scoreboard") {
        for member in members.iter_mut().filter_map(Value::as_object_mut) {
            member.shift_remove("seconds");
            member.shift_remove("peak_bytes");
        }
    }
    print_of(found)
}

/// Hex SHA-256 of an object with sorted keys.
pub(super) fn print_of(found: Map<String, Value>) -> String {
    let mut canonical = String::new();
    write_canonical(&Value::Object(found), &mut canonical);
    Sha256::digest(canonical.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Number(number) if number.as_f64() == Some(0.0) => out.push('0'),
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut String) {
    let mut bytes = Vec::new();
    if value
        .serialize(&mut serde_json::Serializer::new(&mut bytes))
        .is_ok()
    {
        out.push_str(&String::from_utf8_lossy(&bytes));
    }
}

/// Indented, but a list of scalars stays on one line: curves have hundreds of numbers.
fn pretty(value: &Value, depth: usize, out: &mut String) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_array() && !item.is_object()) =>
        {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_scalar(item, out);
            }
            out.push(']');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                pretty(item, depth + 1, out);
            }
            indent(out, depth);
            out.push(']');
        }
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Object(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                write_scalar(&Value::String(key.clone()), out);
                out.push_str(": ");
                pretty(value, depth + 1, out);
            }
            indent(out, depth);
            out.push('}');
        }
        scalar => write_scalar(scalar, out),
    }
}
