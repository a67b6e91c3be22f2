//! The page: templates, escaping on.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};

use super::{ReportError, escape, sections};
use crate::explain::{Cost, Findings};

/// Name and source of every template; the first is the page.
const TEMPLATES: &[(&str, &str)] = &[
    ("page.html", include_str!("templates/page.html")),
    ("head.html", include_str!("templates/head.html")),
    ("style.css", include_str!("templates/style.css")),
    ("macros.html", include_str!("templates/macros.html")),
    ("verdict.html", include_str!("templates/verdict.html")),
    ("scoreboard.html", include_str!("templates/scoreboard.html")),
    ("data.html", include_str!("templates/data.html")),
    ("classes.html", include_str!("templates/classes.html")),
    ("curves.html", include_str!("templates/curves.html")),
    ("leaks.html", include_str!("templates/leaks.html")),
    ("decisions.html", include_str!("templates/decisions.html")),
    ("training.html", include_str!("templates/training.html")),
    ("errors.html", include_str!("templates/errors.html")),
    ("events.html", include_str!("templates/events.html")),
    ("foot.html", include_str!("templates/foot.html")),
];

/// Renders the findings as one self-contained HTML page without scripts and without links to
/// anything outside it.
///
/// The page depends on its arguments only, so equal findings and costs give equal bytes.
///
/// # Errors
/// When a template does not render, which no findings should be able to cause.
pub fn html(findings: &Findings, cost: &Cost, adit_version: &str) -> Result<String, ReportError> {
    render(TEMPLATES, sections::page(findings, cost, adit_version))
}

/// Renders the first of some templates, in which the others can be included.
pub(super) fn render(
    templates: &'static [(&'static str, &'static str)],
    values: Value,
) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| failed("syntax", &error))?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| {
        let text = match value.kind() {
            ValueKind::None => return Ok(()),
            ValueKind::String if !value.is_safe() => {
                escape::html(value.as_str().unwrap_or_default())
            }
            _ => return minijinja::escape_formatter(out, state, value),
        };
        out.write_str(&text).map_err(Error::from)
    });
    for (name, source) in templates {
        environment
            .add_template(name, source)
            .map_err(|error| failed(name, &error))?;
    }
    let first = templates.first().map_or("", |(name, _)| name);
    let page = environment
        .get_template(first)
        .map_err(|error| failed(first, &error))?;
    page.render(values).map_err(|error| failed(first, &error))
}

fn failed(template: &str, error: &Error) -> ReportError {
    ReportError::Template {
        template: error.name().unwrap_or(template).to_string(),
        reason: format!("line {}: {error:#}", error.line().unwrap_or(0)),
    }
}
