//! Makes any value from the data safe to stand in a page.
//!
//! Two steps: [`visible`] shows characters that no page may hold or that would reorder the text
//! around them; [`html`] escapes what has a meaning in HTML and SVG, in text and in quoted
//! attributes alike.

use std::borrow::Cow;

/// Control characters become their pictures, and those that override the direction of the text
/// become `\u{202E}` and the like; line breaks and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => out.push('\u{240D}'),
            '\u{7F}' => out.push('\u{2421}'),
            // The pictures of U+0000..U+001F lie in the same order at U+2400.
            c if c < ' ' && is_hidden(c) => {
                out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{FFFD}'))
            }
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' | '\u{FEFF}')
}

/// Escapes a value for HTML and SVG text and for quoted attributes.
pub(super) fn html(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// At most `limit` characters, an ellipsis where some were cut.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_string(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

/// One line for a table of Markdown: nothing in it is read as Markdown or HTML.
pub(super) fn markdown(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_never_left_alone() {
        assert_eq!(
            html("<script>'\"&</style>"),
            "&lt;script&gt;&#39;&quot;&amp;&lt;/style&gt;"
        );
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(
            visible("a\0b\u{1b}c\u{7f}\r"),
            "a\u{2400}b\u{241B}c\u{2421}\u{240D}"
        );
        assert_eq!(visible("\u{202E}abc"), "\\u{202e}abc");
        assert_eq!(visible("שלום 👋🏽 \n\t"), "שלום 👋🏽 \n\t");
    }

    #[test]
    fn shortening_counts_characters_not_bytes() {
        assert_eq!(shorten("äöü👋x", 4), "äöü👋…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }

    #[test]
    fn markdown_stays_one_plain_cell() {
        assert_eq!(markdown("a|b\n[x](y) <b>"), "a\\|b \\[x\\](y) &lt;b&gt;");
    }
}
