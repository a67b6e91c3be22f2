//! Reads single fields of a `config.json`, under any of several names.

use serde_json::{Map, Value};

use crate::error::NnError;

/// The fields of a configuration; a field that is null counts as absent.
pub(crate) struct Fields(Map<String, Value>);

pub(crate) fn unsupported(field: &'static str, found: &str, supported: &'static str) -> NnError {
    NnError::Unsupported {
        field,
        found: found.to_string(),
        supported,
    }
}

impl Fields {
    pub fn of(value: Value) -> Result<Self, NnError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            other => Err(refuse(format!(
                "an object was expected, found {}",
                kind(&other)
            ))),
        }
    }

    fn find<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &Value)> {
        names.iter().find_map(|&name| {
            let value = self.0.get(name).filter(|v| !v.is_null())?;
            Some((name, value))
        })
    }

    /// A whole number that is not negative.
    pub fn size(&self, names: &[&str], absent: usize) -> Result<usize, NnError> {
        let Some((name, value)) = self.find(names) else {
            return Ok(absent);
        };
        let size = value.as_u64().and_then(|v| usize::try_from(v).ok());
        size.ok_or_else(|| refuse(format!("{name} is {value}, not a size")))
    }

    /// A number.
    pub fn number(&self, names: &[&str], absent: f32) -> Result<f32, NnError> {
        let Some((name, value)) = self.find(names) else {
            return Ok(absent);
        };
        let number = value.as_f64().map(|v| v as f32);
        number.ok_or_else(|| refuse(format!("{name} is {value}, not a number")))
    }

    /// A text.
    pub fn text(&self, names: &[&str]) -> Result<Option<&str>, NnError> {
        let Some((name, value)) = self.find(names) else {
            return Ok(None);
        };
        let text = value.as_str().map(Some);
        text.ok_or_else(|| refuse(format!("{name} is {value}, not a text")))
    }

    /// True or false; false where absent.
    pub fn flag(&self, name: &str) -> Result<bool, NnError> {
        let Some((name, value)) = self.find(&[name]) else {
            return Ok(false);
        };
        let flag = value.as_bool();
        flag.ok_or_else(|| refuse(format!("{name} is {value}, neither true nor false")))
    }

    /// The first of a list of texts.
    pub fn first(&self, name: &str) -> Result<Option<&str>, NnError> {
        let Some((name, value)) = self.find(&[name]) else {
            return Ok(None);
        };
        let wrong = || refuse(format!("{name} is {value}, not a list of texts"));
        let list = value.as_array().ok_or_else(wrong)?;
        list.first()
            .map(|v| v.as_str().ok_or_else(wrong))
            .transpose()
    }
}

fn refuse(reason: String) -> NnError {
    NnError::Config { reason }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
        Value::Object(_) => "an object",
    }
}
