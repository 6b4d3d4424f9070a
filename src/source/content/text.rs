use std::fmt::Write as _;

use serde_json::json;

use super::filler::{Filler, Numbers};

/// Values of the record that every content contains.
pub(super) struct About<'a> {
    pub(super) title: &'a str,
    pub(super) external: &'a str,
    /// Time of the last change. It makes the contents of two versions differ.
    pub(super) version: &'a str,
}

/// A file of adjustable length: head, filler and tail.
pub(super) struct Text {
    head: String,
    filler: Filler,
    tail: &'static str,
    /// Whether the file may be truncated. Otherwise it is always complete, even if that exceeds the requested length.
    cut: bool,
    /// Length of the filler if no length is requested. It is the same in each version of a record.
    little: usize,
}

fn little(external: &str) -> usize {
    200 + usize::try_from(Numbers::new(&[external]).next() % 4_000).unwrap_or_default()
}

impl Text {
    /// Returns the text for a media type.
    pub(super) fn of(media_type: &str, about: &About<'_>) -> Self {
        let About { title, external, version, .. } = about;
        let little = little(external);
        let plain = format!("{title}\n{external}\n{version}\n\n");
        match media_type {
            "text/html" | "application/xhtml+xml" => Self {
                head: format!(
                    "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"/><title>{title}</title></head>\n<body>\n\
                     <h1>{title}</h1>\n<p>{external}</p>\n<p>{version}</p>\n<p>\n",
                    title = xml(title),
                    external = xml(external),
                    version = xml(version),
                ),
                filler: Filler::Lines,
                tail: "</p>\n</body>\n</html>\n",
                cut: true,
                little,
            },
            "text/csv" => Self {
                head: format!("name,value\n{},{}\nversion,{}\n", csv(title), csv(external), csv(version)),
                filler: Filler::Rows,
                tail: "",
                cut: true,
                little,
            },
            "application/json" => {
                let mut head = json!({"name": title, "externalId": external, "version": version}).to_string();
                head.pop();
                Self { head: head + ",\"text\":\"", filler: Filler::Words, tail: "\"}\n", cut: false, little }
            }
            "image/svg+xml" => Self {
                head: format!(
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"60\"><title>{0}</title>\
                     <text x=\"5\" y=\"20\">{0}</text><text x=\"5\" y=\"40\">{1}</text><desc>{2} ",
                    xml(title),
                    xml(external),
                    xml(version),
                ),
                filler: Filler::Lines,
                tail: "</desc></svg>\n",
                cut: false,
                little,
            },
            "application/xml" | "text/xml" => Self {
                head: format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<record><name>{}</name><externalId>{}</externalId>\
                     <version>{}</version><text>\n",
                    xml(title),
                    xml(external),
                    xml(version),
                ),
                filler: Filler::Lines,
                tail: "</text></record>\n",
                cut: false,
                little,
            },
            text if text.starts_with("text/") => {
                Self { head: plain, filler: Filler::Lines, tail: "", cut: true, little }
            }
            _ => Self { head: plain, filler: Filler::Bytes, tail: "", cut: true, little },
        }
    }

    /// Returns Markdown with the properties in a YAML header.
    pub(super) fn markdown(about: &About<'_>) -> Self {
        let About { title, external, version, .. } = about;
        let head = format!(
            "---\ntitle: {}\nexternalId: {}\nversion: {}\n---\n\n# {}\n\n",
            yaml(title),
            yaml(external),
            yaml(version),
            line(title)
        );
        Self { head, filler: Filler::Lines, tail: "", cut: true, little: little(external) }
    }

    /// Returns the bytes: `size` of them if possible, or with a short filler if there is no `size`.
    pub(super) fn write(self, size: Option<usize>, numbers: &mut Numbers) -> Vec<u8> {
        let Self { head, filler, tail, cut, little } = self;
        let natural = head.len() + tail.len();
        let fill = size.map_or(little, |size| size.saturating_sub(natural));
        let mut bytes = head.into_bytes();
        bytes.extend(filler.make(fill, numbers));
        bytes.extend(tail.as_bytes());
        if let Some(size) = size.filter(|size| cut && *size < bytes.len()) {
            bytes.truncate(size);
            // Replaces a truncated last character by spaces.
            let whole = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
            bytes[whole..].fill(b' ');
        }
        bytes
    }
}

/// Escapes text for use between tags or in an attribute. Characters that XML cannot hold become replacement characters.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns a quoted YAML scalar. A JSON string is valid YAML, but YAML requires escapes for more characters.
pub(super) fn yaml(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for character in serde_json::Value::from(text).to_string().chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            other => quoted.push(other),
        }
    }
    quoted
}

/// Returns the text as a single line, for headings.
pub(super) fn line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn csv(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
