//! Names and their codes, in the order in which they were first seen.

use std::collections::HashMap;

/// Gives codes to names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<String>,
    code_of: HashMap<String, u32>,
}

impl Names {
    /// The code of a name; a new one where it was not seen before.
    pub fn code(&mut self, name: &str) -> u32 {
        if let Some(&code) = self.code_of.get(name) {
            return code;
        }
        let code = self.names.len() as u32;
        self.names.push(name.to_string());
        self.code_of.insert(name.to_string(), code);
        code
    }

    /// The names so far, by code.
    pub fn so_far(&self) -> &[String] {
        &self.names
    }

    /// All names, by code.
    pub fn finish(self) -> Vec<String> {
        self.names
    }
}
