use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_path_to_error::{Path, Segment};
use url::Url;

use super::route::Route;
use crate::contract::{Object, Pipeline};
use crate::delivery::Queue;

/// The response body of an endpoint, or its refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// A refused request: its status and a message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn missing(what: &str, id: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: format!("there is no {what} {id:?}") }
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, message: message.into() }
    }

    pub(super) fn nowhere<T>(request: &Request<T>) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        let taken = Route::methods(path);
        if taken.is_empty() {
            return Self { status: StatusCode::NOT_FOUND, message: format!("Cannot {method} {path}") };
        }
        let message = format!("Cannot {method} {path}: expected {}", taken.join(" or "));
        Self { status: StatusCode::METHOD_NOT_ALLOWED, message }
    }
}

/// Returns the state of the webhook.
pub(super) fn webhook(queue: &Queue) -> Value {
    json!({
        "url": queue.url().map(Url::as_str), "state": queue.state().name(), "policy": queue.policy().name,
        "failuresInARow": queue.failures_in_a_row(), "pending": queue.pending(),
    })
}

/// Reads a request body. An empty body counts as `{}`.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")))?;
    if !value.is_object() {
        return Err(Refusal::bad(format!("the body: expected an object, got {value:.60}")));
    }
    read_value(value)
}

/// Converts JSON to a `T`. A refusal names the wrong member.
pub(super) fn read_value<'de, T: Deserialize<'de>>(value: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = pointer(error.path());
        Refusal::bad(format!("{}: {}", if place.is_empty() { "the body" } else { &place }, error.inner()))
    })
}

fn pointer(path: &Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{key}")),
        Segment::Enum { variant } => Some(format!("/{variant}")),
        Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

/// Returns the members of an object, with those in `set` added or replaced.
pub(super) fn merged(mut members: Map<String, Value>, set: &Map<String, Value>) -> Map<String, Value> {
    members.extend(set.iter().map(|(name, value)| (name.clone(), value.clone())));
    members
}

/// Converts members to an object of a pipeline. A refusal names the wrong member: serde's error does not, so each
/// member is tried alone.
pub(super) fn object(pipeline: Pipeline, members: &Map<String, Value>) -> Result<Object, Refusal> {
    if let Some(name) = ["id", "externalId"].into_iter().find(|name| members.contains_key(*name)) {
        return Err(Refusal::bad(format!("/object/{name}: expected none, ids cannot be chosen")));
    }
    Object::from_members(pipeline, members.clone()).map_err(|error| {
        let plain = Object::named(pipeline, "plain").to_members();
        let wrong = members.iter().find_map(|(name, value)| {
            let alone = merged(plain.clone(), &Map::from_iter([(name.clone(), value.clone())]));
            Some((name, Object::from_members(pipeline, alone).err()?))
        });
        match wrong {
            Some((name, error)) => Refusal::bad(format!("/object/{name}: {error}")),
            None => Refusal::bad(format!("/object: {error}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_named() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Body {
            user: String,
            list: Option<Vec<u8>>,
        }
        let told = |body: &str| read::<Body>(body.as_bytes()).unwrap_err().message;
        assert_eq!(told(""), "the body: missing field `user`");
        assert!(told("{").starts_with("the body is not JSON: "));
        assert_eq!(told("[]"), "the body: expected an object, got []");
        assert_eq!(told(r#"{"user":7}"#), "/user: invalid type: integer `7`, expected a string");
        assert_eq!(told(r#"{"user":"a","list":[1,-1]}"#), "/list/1: invalid value: integer `-1`, expected u8");
        assert_eq!(told(r#"{"user":"a","x":1}"#), "/x: unknown field `x`, expected `user` or `list`");
    }

    #[test]
    fn the_wrong_member_of_an_object_is_found() {
        let plain = Object::named(Pipeline::Files, "a").to_members();
        for (name, value, why) in [
            ("size", json!("big"), "/object/size: "),
            ("name", json!(null), "/object/name: invalid type: null"),
            ("id", json!("x"), "/object/id: expected none"),
        ] {
            let members = merged(plain.clone(), &Map::from_iter([(name.to_owned(), value)]));
            let told = object(Pipeline::Files, &members).unwrap_err().message;
            assert!(told.starts_with(why), "{told}");
        }
        assert!(object(Pipeline::Files, &plain).is_ok());
        assert!(object(Pipeline::Tickets, &Map::new()).unwrap_err().message.starts_with("/object: missing field"));
    }
}
