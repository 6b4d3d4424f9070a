use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Timestamp, offset};

/// Names that replace ids, such as `sync#1` or `record#3`, by kind and order of appearance.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

/// Time range of a fake. Times within the range become offsets. Later times come from another clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
}

impl Names {
    /// Returns the text with names in place of ids, and offsets in place of times. `what_is` returns the kind of an id
    /// that the fake knows.
    pub(super) fn stable(&mut self, text: &str, span: Span, what_is: impl Fn(&str) -> Option<&'static str>) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let length = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            if length == 0 {
                let other = rest.find(is_of_word).unwrap_or(rest.len());
                told.push_str(&rest[..other]);
                rest = &rest[other..];
                continue;
            }
            if let Some((time, length)) = time(rest) {
                told.push_str(&in_words(time, span));
                rest = &rest[length..];
                continue;
            }
            let (word, padding) = (&rest[..length], padding(&rest[length..]));
            // A cursor may end with base64 padding, which belongs to the cursor.
            let whole = if padding == 0 { word.to_owned() } else { format!("{word}=") };
            if let Some(name) = self.name(&whole, &what_is) {
                told.push_str(&name);
                rest = &rest[length + padding..];
            } else {
                told.push_str(&self.name(word, &what_is).unwrap_or_else(|| word.to_owned()));
                rest = &rest[length..];
            }
        }
        told
    }

    fn name(&mut self, word: &str, what_is: impl Fn(&str) -> Option<&'static str>) -> Option<String> {
        if let Some(name) = self.given.get(word) {
            return Some(name.clone());
        }
        let unknown = || if is_uuid(word) { Some("id") } else { is_md5(word).then_some("hash") };
        let kind = what_is(word).or_else(unknown)?;
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}#{count}");
        self.given.insert(word.to_owned(), name.clone());
        Some(name)
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn padding(after: &str) -> usize {
    ["=", "%3D", "%3d"].into_iter().find(|padding| after.starts_with(padding)).map_or(0, str::len)
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && uuid::Uuid::try_parse(word).is_ok()
}

/// Returns whether the word looks like an MD5 hash. Hashes are replaced because they depend on contents that include
/// the time of their version.
fn is_md5(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Returns the RFC 3339 time at the beginning of the text, and its length.
fn time(text: &str) -> Option<(Timestamp, usize)> {
    let bytes = text.as_bytes();
    let dated = bytes.len() > 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T';
    if !dated {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && !"-+:.TZ".contains(c)).unwrap_or(text.len());
    // A full stop after the time belongs to the sentence.
    let time = text[..end].trim_end_matches(['.', ':', '-', '+']);
    Some((Timestamp::parse(time)?, time.len()))
}

/// Tolerance after `now`. Changes at one instant are a millisecond apart, so the last of them may lie a little after
/// `now`.
const AT_ONCE: Duration = Duration::from_secs(1);

fn in_words(time: Timestamp, span: Span) -> String {
    if time < span.start {
        // A time before the start is data of an object and stays.
        time.to_string()
    } else if time <= span.now + AT_ONCE {
        offset(time - span.start)
    } else {
        "[time]".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: &str = "163a345e-2dd4-51ff-bcf5-7667de564bb0";
    const RECORD: &str = "3ce16e33-0163-564d-98ce-99b0a25ab375";
    const CURSOR: &str = "MTc2NzIyNTYwMDAwMDozY2UxNmUzMw=";

    fn stable(names: &mut Names, text: &str) -> String {
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let span = Span { start, now: start + Duration::from_secs(7_200) };
        names.stable(text, span, |id| match id {
            SYNC => Some("sync"),
            RECORD => Some("record"),
            CURSOR => Some("cursor"),
            _ => None,
        })
    }

    #[test]
    fn ids_are_named_by_kind_in_the_order_in_which_they_appear() {
        let mut names = Names::default();
        let unknown = "00000000-0000-4000-8000-000000000000";
        let text = format!("GET /api/syncs/{SYNC}/records/{RECORD}, {unknown}; \"{RECORD}\"");
        assert_eq!(
            stable(&mut names, &text),
            "GET /api/syncs/sync#1/records/record#1, id#1; \"record#1\"",
            "and a known one keeps its name"
        );
        assert_eq!(stable(&mut names, "7c9e6679-7425-40de-944b-e07fc1f90ae7 "), "id#2 ");
        assert_eq!(stable(&mut names, "\"d41d8cd98f00b204e9800998ecf8427e\""), "\"hash#1\"");
    }

    #[test]
    fn cursors_are_named_with_their_padding_also_when_it_is_escaped() {
        let mut names = Names::default();
        let bare = CURSOR.trim_end_matches('=');
        let text = format!("?cursor={CURSOR}&pageSize=2 ?cursor={bare}%3D&x={bare}");
        assert_eq!(stable(&mut names, &text), format!("?cursor=cursor#1&pageSize=2 ?cursor=cursor#1&x={bare}"));
    }

    #[test]
    fn times_become_offsets_unless_they_are_data_or_of_another_clock() {
        let mut names = Names::default();
        let text =
            "at 2026-01-01T01:02:03.004Z. \"2026-01-01T02:00:00+01:00\" 2019-05-05T05:05:05Z 2026-01-01T09:00:00Z";
        assert_eq!(stable(&mut names, text), "at +01:02:03.004. \"+01:00:00\" 2019-05-05T05:05:05.000Z [time]");
        assert_eq!(stable(&mut names, "2026-01-01T02:00:00.001Z"), "+02:00:00.001", "the second change of an instant");
    }

    #[test]
    fn other_text_is_unchanged() {
        let mut names = Names::default();
        for text in ["", "ä", "–2026-13-01T", "2026-01-01T", "é2026-01-01T00:00", "a_b-c=d\u{0}\n", "0123456789T"] {
            assert_eq!(stable(&mut names, text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_and_stays_the_same_the_second_time(text in "(\\PC|[0-9T:.Z=-]){0,60}") {
            let once = stable(&mut Names::default(), &text);
            proptest::prop_assert_eq!(stable(&mut Names::default(), &text), once);
        }
    }
}
