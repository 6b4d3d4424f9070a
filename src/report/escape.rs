use std::fmt;

/// Replaces characters that are invisible or that could mislead a reader. Control characters become their pictures, and
/// characters that change the direction of writing become `�`. Newlines and tabs stay. XML 1.0 allows all characters
/// that remain.
pub(super) fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let seen = text.chars().map(|c| match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    });
    seen.collect()
}

/// Does the same as [`visible`], and puts the text on one line.
pub(super) fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cuts a text to at most `most` characters, and marks a cut with `…`.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text that is [`visible`] and safe in HTML, between tags and in quoted attributes.
pub(super) struct Html<'a>(pub(super) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        visible(self.0).chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(visible("a\r\nb\tc\r\x1b[31m\0\x7f\u{85}\u{202e}\u{ffff}é"), "a\nb\tc␍␛[31m␀␡���é");
        assert_eq!(one_line("  a\n\n b\t"), "a b");
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".into(), "äö…".into()));
        assert_eq!(Html("<a href='\"&'>").to_string(), "&lt;a href=&#39;&quot;&amp;&#39;&gt;");
    }
}
