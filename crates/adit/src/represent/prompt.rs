//! How the text columns of a row become the one text that a model reads.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RepresentError;
use crate::prepare::TextColumn;

/// A template of words and names of columns: `mrpc sentence1: {sentence1} sentence2: {sentence2}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Words(String),
    /// The cell of the column of this name.
    Column(String),
}

impl Prompt {
    /// The name of every column before its cell, as in Raffel et al. 2020, appendix D.
    pub fn usual(columns: &[String]) -> Prompt {
        let mut pieces = Vec::new();
        for (at, name) in columns.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            pieces.push(Piece::Words(format!("{space}{name}: ")));
            pieces.push(Piece::Column(name.clone()));
        }
        Prompt(pieces)
    }

    /// Reads a template, in which `{column}` stands for a cell, and `{{` and `}}` for braces.
    ///
    /// # Errors
    /// A brace without its other half, a name that is not among `columns`, or no name at all.
    pub fn parse(template: &str, columns: &[String]) -> Result<Prompt, RepresentError> {
        let wrong = |reason: &'static str| RepresentError::Template {
            template: template.to_owned(),
            reason,
        };
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(further) = after.strip_prefix(brace) {
                words.push_str(brace);
                rest = further;
                continue;
            }
            if brace == "}" {
                return Err(wrong("has a `}` that closes nothing"));
            }
            let Some((name, further)) = after.split_once('}') else {
                return Err(wrong("has a `{` that is not closed"));
            };
            if !columns.iter().any(|column| column == name) {
                return Err(RepresentError::PromptColumn {
                    column: name.to_owned(),
                    columns: columns.to_vec(),
                });
            }
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words)));
            }
            pieces.push(Piece::Column(name.to_owned()));
            rest = further;
        }
        words.push_str(rest);
        if pieces.is_empty() {
            return Err(wrong(
                "names no column, so that all rows would read the same",
            ));
        }
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Prompt(pieces))
    }

    /// One text a row. `[n_rows]`
    ///
    /// # Errors
    /// `OtherColumns` when a column of the template is not there.
    pub fn fill(&self, columns: &[TextColumn]) -> Result<Vec<String>, RepresentError> {
        let n_rows = columns.first().map_or(0, |column| column.values.len());
        let mut texts = vec![String::new(); n_rows];
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => texts.iter_mut().for_each(|text| text.push_str(words)),
                Piece::Column(name) => {
                    let column = columns.iter().find(|column| column.name == *name);
                    let column = column.ok_or_else(|| RepresentError::PromptColumn {
                        column: name.clone(),
                        columns: columns.iter().map(|column| column.name.clone()).collect(),
                    })?;
                    for (text, cell) in texts.iter_mut().zip(&column.values) {
                        text.push_str(cell);
                    }
                }
            }
        }
        Ok(texts)
    }
}

impl fmt::Display for Prompt {
    /// The template, which [`Prompt::parse`] reads back unless a column's name holds a brace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => {
                    f.write_str(&words.replace('{', "{{").replace('}', "}}"))?;
                }
                Piece::Column(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn table() -> Vec<TextColumn> {
        let column = |name: &str, values: &[&str]| TextColumn {
            name: name.to_owned(),
            values: names(values),
        };
        vec![column("a", &["x", "y z"]), column("b", &["", "{w}"])]
    }

    #[test]
    fn cells_stand_where_the_template_names_them() {
        let prompt = Prompt::parse("b is {b}, {{a}} is {a}.", &names(&["a", "b"])).unwrap();
        let texts = prompt.fill(&table()).unwrap();
        assert_eq!(texts, ["b is , {a} is x.", "b is {w}, {a} is y z."]);
        assert_eq!(prompt.to_string(), "b is {b}, {{a}} is {a}.");
    }

    #[test]
    fn without_a_template_the_names_stand_before_the_cells() {
        let prompt = Prompt::usual(&names(&["a", "b"]));
        assert_eq!(
            prompt.fill(&table()).unwrap(),
            ["a: x b: ", "a: y z b: {w}"]
        );
        let read = Prompt::parse("a: {a} b: {b}", &names(&["a", "b"])).unwrap();
        assert_eq!(prompt, read);
    }

    #[test]
    fn templates_that_say_nothing_are_refused() {
        for (template, named) in [
            ("{a", "not closed"),
            ("a}", "closes nothing"),
            ("summarise", "names no column"),
            ("{{a}}", "names no column"),
            ("{a} {c}", "`c`"),
            ("{}", "``"),
        ] {
            let error = Prompt::parse(template, &names(&["a", "b"])).unwrap_err();
            assert!(error.to_string().contains(named), "{template}: {error}");
            assert!(error.hint().is_some(), "{template}");
        }
        let other = Prompt::usual(&names(&["c"])).fill(&table());
        assert!(matches!(other, Err(RepresentError::PromptColumn { .. })));
    }
}
