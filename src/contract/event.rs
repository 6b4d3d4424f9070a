use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::id::{CredentialId, RecordId, SyncId, UserId};

/// The name of an event that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// `sync_complete`: an initial sync has completed.
    SyncComplete,
    /// `sync_errored`: a sync cannot go on without help.
    SyncErrored,
    /// `record_created`: an incremental sync found a new record.
    RecordCreated,
    /// `record_updated`: an incremental sync found a change.
    RecordUpdated,
    /// `record_deleted`: a full sync no longer found a record.
    RecordDeleted,
    /// `record_errored`: one record could not be synced; the sync goes on.
    RecordErrored,
    /// `webhook_verification`: a probe of the URL (observed, not documented).
    WebhookVerification,
}

impl EventKind {
    /// Every documented event, in the order of Paragon's own list. The probe is not among them.
    pub const ALL: [Self; 6] = [
        Self::SyncComplete,
        Self::SyncErrored,
        Self::RecordCreated,
        Self::RecordUpdated,
        Self::RecordDeleted,
        Self::RecordErrored,
    ];

    /// The value of the member `event`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncComplete => "sync_complete",
            Self::SyncErrored => "sync_errored",
            Self::RecordCreated => "record_created",
            Self::RecordUpdated => "record_updated",
            Self::RecordDeleted => "record_deleted",
            Self::RecordErrored => "record_errored",
            Self::WebhookVerification => "webhook_verification",
        }
    }

    /// The kind with this name, if it is a known one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::WebhookVerification]).find(|kind| kind.name() == name)
    }

    /// The name of its schema, such as `webhooks/sync_complete`.
    pub const fn schema(self) -> &'static str {
        match self {
            Self::SyncComplete => "webhooks/sync_complete",
            Self::SyncErrored => "webhooks/sync_errored",
            Self::RecordCreated => "webhooks/record_created",
            Self::RecordUpdated => "webhooks/record_updated",
            Self::RecordDeleted => "webhooks/record_deleted",
            Self::RecordErrored => "webhooks/record_errored",
            Self::WebhookVerification => "webhooks/webhook_verification",
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One webhook event. Its fields mirror the JSON; members that we do not know are kept in `other`.
///
/// An event with an unknown name parses as [`Event::Unknown`], whole: more may come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `sync_complete`
    SyncComplete(SyncComplete),
    /// `sync_errored`
    SyncErrored(SyncErrored),
    /// `record_created`
    RecordCreated(RecordChange),
    /// `record_updated`
    RecordUpdated(RecordChange),
    /// `record_deleted`
    RecordDeleted(RecordChange),
    /// `record_errored`
    RecordErrored(RecordErrored),
    /// `webhook_verification`
    WebhookVerification(WebhookVerification),
    /// Any other name.
    Unknown(UnknownEvent),
}

/// The members that all six events have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The integration, such as `googledrive`.
    pub sync: String,
    /// The sync that the event is about.
    pub sync_instance_id: SyncId,
    /// The credential that the sync used. Absent before March 2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<CredentialId>,
    /// The Connected User whose data it is.
    pub user: UserRef,
}

/// `user` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRef {
    /// The id that the company's user tokens carry as `sub`.
    pub id: UserId,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `sync_complete`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncComplete {
    /// Sync, credential and user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// What was synced.
    pub data: SyncCompleteData,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `data` of `sync_complete`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncCompleteData {
    /// The pipeline, such as `files`.
    pub model: String,
    /// When the initial sync completed, RFC 3339.
    pub synced_at: String,
    /// How many records there are.
    pub num_records: u64,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `record_created`, `record_updated` and `record_deleted`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordChange {
    /// Sync, credential and user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Which record. Its data has to be fetched.
    pub data: RecordRef,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `data` of the three events about a record
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordRef {
    /// The record's id in the Sync API.
    pub record_id: RecordId,
    /// The pipeline, such as `files`.
    pub model: String,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `sync_errored`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncErrored {
    /// Sync, credential and user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Why the sync stopped.
    pub error: SyncError,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `error` of `sync_errored`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncError {
    /// For people.
    pub message: String,
    /// Members we do not know, such as the observed `code`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `record_errored`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordErrored {
    /// Sync, credential and user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Which record, and why.
    pub error: RecordError,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `error` of `record_errored`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordError {
    /// For people.
    pub message: String,
    /// The record that could not be synced.
    pub record_id: RecordId,
    /// The pipeline, such as `files`.
    pub model: String,
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `webhook_verification` (observed): sent to see whether the URL answers. It names no sync and no user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookVerification {
    /// Members we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An event whose name is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownEvent {
    /// The value of `event`.
    pub event: String,
    /// Every other member.
    pub members: Map<String, Value>,
}

/// Why a body is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The bytes are not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but no object with a string `event`.
    #[error("expected an object with a string member `event`, got {0}")]
    NoEvent(String),
    /// A documented event with a missing or wrong member.
    #[error("`{event}` does not have its documented form: {source}")]
    Malformed {
        /// The event's name.
        event: &'static str,
        /// Which member, and what is wrong with it.
        source: serde_json::Error,
    },
}

impl Event {
    /// Reads a webhook's body.
    ///
    /// # Errors
    ///
    /// When the body is not JSON, has no `event`, or is a documented event without its documented members.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        Self::from_value(serde_json::from_slice(body).map_err(EventError::NotJson)?)
    }

    /// Reads an event from JSON that is already parsed.
    ///
    /// # Errors
    ///
    /// As [`Event::parse`], without the first.
    pub fn from_value(value: Value) -> Result<Self, EventError> {
        let Value::Object(mut members) = value else {
            return Err(EventError::NoEvent(format!("{value:.60}")));
        };
        let event = match members.remove("event") {
            Some(Value::String(event)) => event,
            Some(other) => return Err(EventError::NoEvent(format!("`event`: {other}"))),
            None => return Err(EventError::NoEvent("an object without it".to_owned())),
        };
        let Some(kind) = EventKind::from_name(&event) else {
            return Ok(Self::Unknown(UnknownEvent { event, members }));
        };
        let members = Value::Object(members);
        match kind {
            EventKind::SyncComplete => serde_json::from_value(members).map(Self::SyncComplete),
            EventKind::SyncErrored => serde_json::from_value(members).map(Self::SyncErrored),
            EventKind::RecordCreated => serde_json::from_value(members).map(Self::RecordCreated),
            EventKind::RecordUpdated => serde_json::from_value(members).map(Self::RecordUpdated),
            EventKind::RecordDeleted => serde_json::from_value(members).map(Self::RecordDeleted),
            EventKind::RecordErrored => serde_json::from_value(members).map(Self::RecordErrored),
            EventKind::WebhookVerification => serde_json::from_value(members).map(Self::WebhookVerification),
        }
        .map_err(|source| EventError::Malformed { event: kind.name(), source })
    }

    /// The value of the member `event`.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown(unknown) => &unknown.event,
            Self::SyncComplete(_) => EventKind::SyncComplete.name(),
            Self::SyncErrored(_) => EventKind::SyncErrored.name(),
            Self::RecordCreated(_) => EventKind::RecordCreated.name(),
            Self::RecordUpdated(_) => EventKind::RecordUpdated.name(),
            Self::RecordDeleted(_) => EventKind::RecordDeleted.name(),
            Self::RecordErrored(_) => EventKind::RecordErrored.name(),
            Self::WebhookVerification(_) => EventKind::WebhookVerification.name(),
        }
    }

    /// Sync, credential and user; `None` for the probe and for an unknown event, which need not have them.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::SyncComplete(event) => Some(&event.envelope),
            Self::SyncErrored(event) => Some(&event.envelope),
            Self::RecordCreated(event) | Self::RecordUpdated(event) | Self::RecordDeleted(event) => {
                Some(&event.envelope)
            }
            Self::RecordErrored(event) => Some(&event.envelope),
            Self::WebhookVerification(_) | Self::Unknown(_) => None,
        }
    }

    /// The record that the event is about, if it is about one.
    pub fn record_id(&self) -> Option<&RecordId> {
        match self {
            Self::RecordCreated(event) | Self::RecordUpdated(event) | Self::RecordDeleted(event) => {
                Some(&event.data.record_id)
            }
            Self::RecordErrored(event) => Some(&event.error.record_id),
            _ => None,
        }
    }

    /// The event as JSON; members in alphabetical order, so equal events are equal bytes.
    pub fn to_value(&self) -> Value {
        let members = match self {
            Self::SyncComplete(event) => serde_json::to_value(event),
            Self::SyncErrored(event) => serde_json::to_value(event),
            Self::RecordCreated(event) | Self::RecordUpdated(event) | Self::RecordDeleted(event) => {
                serde_json::to_value(event)
            }
            Self::RecordErrored(event) => serde_json::to_value(event),
            Self::WebhookVerification(event) => serde_json::to_value(event),
            Self::Unknown(event) => Ok(Value::Object(event.members.clone())),
        };
        let Ok(Value::Object(mut members)) = members else {
            unreachable!("events are structs of strings, numbers and JSON: they always print as an object");
        };
        members.insert("event".to_owned(), Value::String(self.name().to_owned()));
        Value::Object(members)
    }
}

/// Prints as [`Event::to_value`] does, without the detour: each delivery prints an event.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = match self {
            Self::SyncComplete(SyncComplete { envelope, data, other }) => {
                let SyncCompleteData { model, synced_at, num_records, other: more } = data;
                let own = [("model", Text(model)), ("syncedAt", Text(synced_at)), ("numRecords", Number(*num_records))];
                envelope.with("data", sorted(own, more), other)
            }
            Self::SyncErrored(SyncErrored { envelope, error, other }) => {
                let own = [("message", Text(&error.message))];
                envelope.with("error", sorted(own, &error.other), other)
            }
            Self::RecordCreated(event) | Self::RecordUpdated(event) | Self::RecordDeleted(event) => {
                let RecordRef { record_id, model, other } = &event.data;
                let own = [("recordId", Text(record_id.as_str())), ("model", Text(model))];
                event.envelope.with("data", sorted(own, other), &event.other)
            }
            Self::RecordErrored(RecordErrored { envelope, error, other }) => {
                let RecordError { message, record_id, model, other: more } = error;
                let own = [("message", Text(message)), ("recordId", Text(record_id.as_str())), ("model", Text(model))];
                envelope.with("error", sorted(own, more), other)
            }
            Self::WebhookVerification(event) => sorted([], &event.other),
            Self::Unknown(event) => sorted([], &event.members),
        };
        members.insert("event", Text(self.name()));
        members.serialize(serializer)
    }
}

use Member::{Number, Object, Other, Text};

/// A member of an event, lent by it.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(&'a str),
    Number(u64),
    Object(Members<'a>),
    Other(&'a Value),
}

type Members<'a> = BTreeMap<&'a str, Member<'a>>;

/// A struct's own members, and those that we do not know.
fn sorted<'a, const N: usize>(own: [(&'a str, Member<'a>); N], other: &'a Map<String, Value>) -> Members<'a> {
    let other = other.iter().map(|(name, value)| (name.as_str(), Other(value)));
    own.into_iter().chain(other).collect()
}

impl Envelope {
    /// Its members, and those of an event around it.
    fn with<'a>(&'a self, about: &'a str, what: Members<'a>, other: &'a Map<String, Value>) -> Members<'a> {
        let Self { sync, sync_instance_id, credential_id, user } = self;
        let user = sorted([("id", Text(user.id.as_str()))], &user.other);
        let own = [
            ("sync", Text(sync)),
            ("syncInstanceId", Text(sync_instance_id.as_str())),
            ("user", Object(user)),
            (about, Object(what)),
        ];
        let mut members = sorted(own, other);
        members.extend(credential_id.iter().map(|id| ("credentialId", Text(id.as_str()))));
        members
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_members_survive_at_every_level() {
        let value = json!({
            "event": "record_created", "sync": "googledrive", "syncInstanceId": "s", "new": [1],
            "user": {"id": "u", "email": "ada@example.com"},
            "data": {"recordId": "r", "model": "files", "extra": null},
        });
        let event = Event::from_value(value.clone()).unwrap();
        assert_eq!(event.to_value(), value);
        let Event::RecordCreated(created) = event else { panic!("{}", value) };
        assert_eq!(created.other["new"], json!([1]));
        assert!(!created.other.contains_key("sync"), "an envelope's member is not unknown");
    }

    #[test]
    fn an_event_prints_as_its_value_does() {
        let printed =
            |value: &Value| Event::from_value(value.clone()).map(|event| serde_json::to_string(&event).unwrap()).ok();
        let mut kinds = BTreeSet::new();
        for fixture in crate::contract::fixtures().iter().filter(|fixture| fixture.name.starts_with("webhooks/")) {
            let mut value = fixture.body.clone();
            let Some(text) = printed(&value) else { continue };
            assert_eq!(text, value.to_string(), "{}", fixture.name);
            kinds.extend(value["event"].as_str().and_then(EventKind::from_name));
            value["a"] = json!({"c": [1.5, null], "b": "\"\n\u{7f}é"});
            for inner in ["data", "error", "user"] {
                if let Some(Value::Object(members)) = value.get_mut(inner) {
                    members.insert("z".to_owned(), json!({}));
                }
            }
            assert_eq!(printed(&value), Some(value.to_string()), "{}", fixture.name);
        }
        assert_eq!(kinds.len(), EventKind::ALL.len() + 1);
    }

    #[test]
    fn a_kind_is_printed_as_it_is_named() {
        for kind in EventKind::ALL.into_iter().chain([EventKind::WebhookVerification]) {
            assert_eq!(EventKind::from_name(&kind.to_string()), Some(kind));
            assert_eq!(kind.schema(), format!("webhooks/{kind}"));
        }
        assert_eq!(EventKind::from_name("record_moved"), None);
    }

    #[test]
    fn an_event_tells_which_record_it_is_about() {
        for kind in EventKind::ALL {
            let fixture = crate::contract::fixture(&format!("{}/documented", kind.schema())).unwrap();
            let event = Event::from_value(fixture.body.clone()).unwrap();
            let told = ["/data/recordId", "/error/recordId"].map(|path| fixture.body.pointer(path));
            let told = told.into_iter().flatten().next().and_then(Value::as_str);
            assert_eq!(event.record_id().map(RecordId::as_str), told, "{kind}");
            assert_eq!(told.is_some(), kind.name().starts_with("record_"), "{kind}");
        }
    }

    #[test]
    fn an_event_tells_whose_sync_it_is_of() {
        for kind in EventKind::ALL {
            let body = &crate::contract::fixture(&format!("{}/maximal", kind.schema())).unwrap().body;
            let told = ["sync", "syncInstanceId", "credentialId", "user"].map(|name| (name, body[name].clone()));
            let event = Event::from_value(body.clone()).unwrap();
            assert_eq!(json!(event.envelope()), told.into_iter().collect::<Value>(), "{kind}");
        }
    }

    #[test]
    fn an_unknown_event_survives_whole() {
        let value = json!({"event": "record_moved", "to": "x"});
        let event = Event::from_value(value.clone()).unwrap();
        assert!(matches!(event, Event::Unknown(_)));
        assert_eq!(event.envelope(), None);
        assert_eq!(event.to_value(), value);
    }

    #[test]
    fn the_probe_is_known_though_not_documented() {
        let value = json!({"event": "webhook_verification", "challenge": "x"});
        let event = Event::from_value(value.clone()).unwrap();
        assert!(matches!(event, Event::WebhookVerification(_)));
        assert_eq!((event.envelope(), event.record_id()), (None, None));
        assert_eq!(event.to_value(), value);
        assert!(!EventKind::ALL.contains(&EventKind::WebhookVerification));
    }

    #[test]
    fn errors_name_the_event_and_the_member() {
        let error = Event::parse(br#"{"event":"record_created","sync":"x","syncInstanceId":"s","user":{"id":"u"}}"#);
        insta::assert_snapshot!(error.unwrap_err(), @"`record_created` does not have its documented form: missing field `data`");
        let error = Event::parse(b"[]").unwrap_err();
        insta::assert_snapshot!(error, @"expected an object with a string member `event`, got []");
        let error = Event::parse(br#"{"event":7}"#).unwrap_err();
        insta::assert_snapshot!(error, @"expected an object with a string member `event`, got `event`: 7");
        assert!(matches!(Event::parse(b"{\"event\":"), Err(EventError::NotJson(_))));
    }
}
