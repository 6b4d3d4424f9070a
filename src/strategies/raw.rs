use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Params, event};

/// The bytes of a request body, with a description of what is unusual about it. Some bodies are valid JSON, most are
/// not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawBody {
    /// What is unusual about the body, such as `cut`.
    pub label: &'static str,
    /// Whether a JSON parser (RFC 8259) must reject the body. `None` where parsers may differ: duplicate members, a
    /// byte order mark, half a surrogate pair, deep nesting, numbers outside all types.
    pub refused: Option<bool>,
    /// Content type to send the body with.
    pub content_type: &'static str,
    /// The bytes of the body.
    pub bytes: Vec<u8>,
}

const JSON: &str = "application/json";

/// Generates bodies that anybody can POST to a webhook endpoint: events that are damaged, duplicated, cut or
/// mislabeled.
///
/// ```
/// use paragon_testkit::contract::Event;
/// use paragon_testkit::strategies::{Params, raw_body};
/// use proptest::prelude::*;
///
/// proptest!(|(body in raw_body(Params::tidy()))| {
///     let parsed = Event::parse(&body.bytes); // or: your endpoint answers, and stays up
///     prop_assert!(parsed.is_err() || body.refused != Some(true), "{}", body.label);
/// });
/// ```
pub fn raw_body(params: Params) -> impl Strategy<Value = RawBody> {
    let event = event(params).prop_map(|event| event.to_value().to_string());
    (event, select(KINDS.as_slice()), any::<Index>()).prop_map(|(event, kind, chosen)| kind.make(event, chosen))
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    label: &'static str,
    refused: Option<bool>,
    content_type: &'static str,
    damage: fn(String, Index) -> Vec<u8>,
}

impl Kind {
    fn make(self, event: String, chosen: Index) -> RawBody {
        let Self { label, refused, content_type, damage } = self;
        RawBody { label, refused, content_type, bytes: damage(event, chosen) }
    }
}

const KINDS: [Kind; 20] = [
    kind("empty", Some(true), |_, _| Vec::new()),
    kind("blank", Some(true), |_, _| b" \r\n\t".to_vec()),
    kind("doubled member", None, |event, _| event.replacen('{', r#"{"event":"sync_complete","#, 1).into_bytes()),
    kind("byte order mark", None, |event, _| [b"\xef\xbb\xbf", event.as_bytes()].concat()),
    kind("UTF-16", Some(true), |event, _| event.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    kind("trailing garbage", Some(true), |event, _| event.into_bytes().into_iter().chain(*b" }garbage").collect()),
    kind("two events", Some(true), |event, _| format!("{event}{event}").into_bytes()),
    kind("cut", Some(true), |event, chosen| {
        let mut bytes = event.into_bytes();
        bytes.truncate(chosen.index(bytes.len()));
        bytes
    }),
    kind("invalid UTF-8", Some(true), |event, _| {
        let (before, after) = event.split_at(event.rfind('"').unwrap_or(0));
        [before.as_bytes(), b"\xc3\x28\xff", after.as_bytes()].concat()
    }),
    kind("NUL", Some(true), |event, _| [event.as_bytes(), b"\0"].concat()),
    kind("raw control character", Some(true), |event, _| event.replacen("\":\"", "\":\"\u{1}", 1).into_bytes()),
    kind("half a surrogate pair", None, |event, _| event.replacen("\":\"", r#"":"\ud83d"#, 1).into_bytes()),
    kind("comment", Some(true), |event, _| format!("/* event */{event}").into_bytes()),
    kind("single quotes", Some(true), |event, _| event.replace('"', "'").into_bytes()),
    kind("not a number", Some(true), |event, _| event.replacen('{', r#"{"attempt":NaN,"#, 1).into_bytes()),
    kind("huge number", None, |event, _| event.replacen('{', r#"{"attempt":1e999999,"#, 1).into_bytes()),
    kind("deep nesting", None, |_, chosen| {
        let depth = 1_000 + chosen.index(100_000);
        ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
    }),
    kind("a list of events", Some(false), |event, _| format!("[{event},{event}]").into_bytes()),
    Kind { content_type: "text/plain", ..kind("wrong content type", Some(false), |event, _| event.into_bytes()) },
    Kind {
        content_type: "application/x-www-form-urlencoded",
        ..kind("form", Some(true), |event, _| format!("payload={}", event.replace('"', "%22")).into_bytes())
    },
];

const fn kind(label: &'static str, refused: Option<bool>, damage: fn(String, Index) -> Vec<u8>) -> Kind {
    Kind { label, refused, content_type: JSON, damage }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn a_raw_body_is_refused_or_parsed_as_it_says(body in raw_body(Params::default())) {
            let parsed = serde_json::from_slice::<serde_json::Value>(&body.bytes);
            if let Some(refused) = body.refused {
                prop_assert_eq!(parsed.is_err(), refused, "{}: {:?}", body.label, String::from_utf8_lossy(&body.bytes));
            }
            let _ = crate::contract::Event::parse(&body.bytes);
        }
    }
}
