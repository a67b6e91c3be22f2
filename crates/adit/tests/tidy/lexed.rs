//! Rust sources with what is not code blanked out, line by line.

/// A source file, read just far enough to tell code from comments, texts and tests.
pub struct Source {
    /// Relative to the workspace, with `/`.
    pub path: String,
    pub text: String,
    /// `text` with comments, strings and characters blanked.
    pub code: String,
    /// `code` with items under `#[cfg(test)]` blanked.
    pub shipped: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = blank_texts(text);
        let shipped = blank_tests(&code);
        Source {
            path: path.to_string(),
            text: text.to_string(),
            code,
            shipped,
        }
    }

    /// False for tests, benches and examples, which are held to fewer laws.
    pub fn is_shipped(&self) -> bool {
        let is_test =
            |part: &str| matches!(part, "tests" | "tests.rs" | "benches" | "examples" | "fuzz");
        self.path.starts_with("crates/") && !self.path.split('/').any(is_test)
    }

    /// A violation at a 1-based line.
    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Paths that shipped code names from the crate's root, by `crate::` or by as many `super::`
    /// as `depth`: their 1-based line and first two parts. Groups in braces are taken apart; a
    /// second part that is not there is left out.
    pub fn crate_paths(&self, depth: usize) -> Vec<(usize, Vec<String>)> {
        if !self.is_shipped() {
            return Vec::new();
        }
        let climb = "super::".repeat(depth);
        let mut found = Vec::new();
        for start in ["crate::", climb.as_str()] {
            for (at, _) in self.shipped.match_indices(start) {
                let before = &self.shipped[..at];
                // `$crate::` is a macro's; a longer chain of `super::` was counted already.
                if before.ends_with("::") || before.ends_with(is_word) {
                    continue;
                }
                let line = before.matches('\n').count() + 1;
                let rest = &self.shipped[at + start.len()..];
                found.extend(expand(rest, 2).into_iter().map(|path| (line, path)));
            }
        }
        found
    }
}

/// The paths that begin at the start of `text`, each cut to `parts` parts.
fn expand(text: &str, parts: usize) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if parts == 0 {
        return vec![Vec::new()];
    }
    if let Some(inner) = text.strip_prefix('{') {
        let inner = &inner[..closing(inner)];
        return split_at_commas(inner)
            .into_iter()
            .flat_map(|one| expand(one, parts))
            .collect();
    }
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    if end == 0 {
        return vec![Vec::new()];
    }
    let (name, rest) = (text[..end].to_string(), &text[end..]);
    let tails = match rest.trim_start().strip_prefix("::") {
        Some(rest) => expand(rest, parts - 1),
        None => vec![Vec::new()],
    };
    tails
        .into_iter()
        .map(|tail| [vec![name.clone()], tail].concat())
        .collect()
}

/// Where the brace that was just opened closes.
fn closing(text: &str) -> usize {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    text.len()
}

fn split_at_commas(text: &str) -> Vec<&str> {
    let (mut open, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// True if `word` stands in `line` on its own, not as part of a longer word. `create_dir` and
/// `remove_dir` also stand for their `_all`.
pub fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + word.len()..];
        let after = if word.ends_with("_dir") {
            after.trim_start_matches("_all")
        } else {
            after
        };
        let ends = !word.ends_with(is_word) || !after.starts_with(is_word);
        ends && !before.is_some_and(is_word)
    })
}

/// The word that follows the word `key` in a line, such as a module's name after `mod`.
pub fn word_after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    words.find(|word| *word == key)?;
    words.next()
}

/// Blanks comments, strings and characters; keeps the length of every line.
fn blank_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' | b'b' | b'c' if !is_in_word(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => at,
            },
            b'\'' => char_end(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_in_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|b| *b == b'\n')
        .map_or(bytes.len(), |n| at + n)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut open) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            open += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            open -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if open == 0 {
            break;
        }
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The end of `r"…"`, `br#"…"#` and their like.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let letters = bytes[start..]
        .iter()
        .take_while(|b| matches!(b, b'r' | b'b' | b'c'))
        .count();
    if letters > 2 || !bytes[start..start + letters].contains(&b'r') {
        return None;
    }
    let after = start + letters;
    let hashes = bytes[after..].iter().take_while(|b| **b == b'#').count();
    if bytes.get(after + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
    let body = after + hashes + 1;
    let length = bytes[body..]
        .windows(close.len())
        .position(|window| window == close);
    Some(length.map_or(bytes.len(), |n| body + n + close.len()))
}

/// The end of a character literal; `at` itself where the quote begins a lifetime.
fn char_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|b| *b == b'\'');
        return close.map_or(bytes.len(), |n| at + 3 + n + 1);
    }
    // One character of up to four bytes, then a quote.
    let close = (2..=5).find(|n| bytes.get(at + n) == Some(&b'\''));
    match close {
        Some(n)
            if std::str::from_utf8(&bytes[at + 1..at + n])
                .is_ok_and(|s| s.chars().count() == 1) =>
        {
            at + n + 1
        }
        _ => at,
    }
}

/// Blanks every item that stands under `#[cfg(test)]`, in code whose texts are blanked.
fn blank_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(at) = code[from..].find(MARK).map(|n| from + n) {
        let body = at + MARK.len();
        let end = match code[body..].find(['{', ';']) {
            Some(n) if code[body + n..].starts_with(';') => body + n + 1,
            Some(n) => (body + n + 1 + closing(&code[body + n + 1..]) + 1).min(code.len()),
            None => code.len(),
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_blanked_and_lines_stay_where_they_are() {
        let text = "a // b\n/* c /* d */ e */ f \"g\\\"h\" r#\"i\"j\"# 'k' '\\'' '\\\\' &'l m b\"n\"\n\"é\n\" o";
        let code = blank_texts(text);
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>(),
            ["a", "f", "&'l", "m", "b", "o"]
        );
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn tests_are_blanked_and_what_follows_is_not() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { if x { } } }\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}";
        let shipped = blank_tests(code);
        for (word, stays) in [
            ("a", true),
            ("b", false),
            ("c", true),
            ("d", false),
            ("e", true),
        ] {
            assert_eq!(has_word(&shipped, word), stays, "{word}");
        }
    }

    #[test]
    fn groups_of_paths_are_taken_apart() {
        let file = Source::new(
            "crates/adit/src/a/b.rs",
            "use crate::{x::{y, z}, v};\nuse super::super::w::*;\nuse super::q;\nuse crate :: t;",
        );
        let paths: Vec<String> = file
            .crate_paths(2)
            .into_iter()
            .map(|(n, path)| format!("{n} {}", path.join(".")))
            .collect();
        assert_eq!(paths, ["1 x.y", "1 x.z", "1 v", "2 w"]);
    }
}
