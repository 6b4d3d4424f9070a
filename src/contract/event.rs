use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::id::{CredentialId, RecordId, SyncId, UserId};

macro_rules! events {
    (
        documented { $($(#[$doc:meta])* $name:ident $text:literal $payload:ident)* }
        observed { $($(#[$observed_doc:meta])* $observed:ident $observed_text:literal $observed_payload:ident)* }
    ) => {
        /// The kind of a webhook event, for all events that this crate knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
            $($(#[$observed_doc])* $observed,)*
        }

        impl EventKind {
            /// Every documented event, in the order of Paragon's own list. `webhook_verification` is not documented and
            /// not included.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name,)*];
            const OBSERVED: [Self; [$($observed_text),*].len()] = [$(Self::$observed,)*];

            /// Returns the value of the member `event`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    $(Self::$observed => $observed_text,)*
                }
            }

            /// Returns the kind with this name; `None` if the name is unknown.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().chain(Self::OBSERVED).find(|kind| kind.name() == name)
            }

            /// Returns the name of the event's schema, such as `webhooks/sync_complete`.
            pub const fn schema(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("webhooks/", $text),)*
                    $(Self::$observed => concat!("webhooks/", $observed_text),)*
                }
            }
        }

        /// One webhook event. The fields mirror the JSON. Unknown members are kept in `other`.
        ///
        /// An event with an unknown name parses as [`Event::Unknown`] and keeps all its members, because Paragon may
        /// add events.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            $(#[doc = concat!("The event `", $text, "`.")] $name($payload),)*
            $(#[doc = concat!("The event `", $observed_text, "`.")] $observed($observed_payload),)*
            /// An event with any other name.
            Unknown(UnknownEvent),
        }

        impl Event {
            /// Reads the members of an event of a known kind, without the member `event`.
            fn of_kind(kind: EventKind, members: Value) -> serde_json::Result<Self> {
                match kind {
                    $(EventKind::$name => serde_json::from_value(members).map(Self::$name),)*
                    $(EventKind::$observed => serde_json::from_value(members).map(Self::$observed),)*
                }
            }

            /// Returns the value of the member `event`.
            pub fn name(&self) -> &str {
                match self {
                    Self::Unknown(unknown) => &unknown.event,
                    $(Self::$name(_) => $text,)*
                    $(Self::$observed(_) => $observed_text,)*
                }
            }

            fn payload(&self) -> &dyn Payload {
                match self {
                    Self::Unknown(payload) => payload,
                    $(Self::$name(payload) => payload,)*
                    $(Self::$observed(payload) => payload,)*
                }
            }
        }
    };
}

// A new event is a line here: its kind, its name, and the type of its members. A new type implements `Payload`.
events! {
    documented {
        /// `sync_complete`: an initial sync completed.
        SyncComplete "sync_complete" SyncComplete
        /// `sync_errored`: a sync stopped and cannot continue without help.
        SyncErrored "sync_errored" SyncErrored
        /// `record_created`: an incremental sync found a new record.
        RecordCreated "record_created" RecordChange
        /// `record_updated`: an incremental sync found a changed record.
        RecordUpdated "record_updated" RecordChange
        /// `record_deleted`: a full sync no longer found a record.
        RecordDeleted "record_deleted" RecordChange
        /// `record_errored`: one record could not be synced. The sync continues.
        RecordErrored "record_errored" RecordErrored
    }
    observed {
        /// `webhook_verification`: Paragon probes the webhook URL (observed, not documented).
        WebhookVerification "webhook_verification" WebhookVerification
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Members of an event of one kind.
trait Payload {
    /// Returns the members that name the sync, the credential and the user, if the event has them.
    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    /// Returns the id of the record that the event is about, if it is about one.
    fn record_id(&self) -> Option<&RecordId> {
        None
    }

    /// Returns all members except `event`, borrowed and sorted by name.
    fn members(&self) -> Members<'_>;
}

impl Payload for SyncComplete {
    fn envelope(&self) -> Option<&Envelope> {
        Some(&self.envelope)
    }

    fn members(&self) -> Members<'_> {
        let SyncCompleteData { model, synced_at, num_records, other } = &self.data;
        let own = [("model", Text(model)), ("syncedAt", Text(synced_at)), ("numRecords", Number(*num_records))];
        self.envelope.with("data", sorted(own, other), &self.other)
    }
}

impl Payload for SyncErrored {
    fn envelope(&self) -> Option<&Envelope> {
        Some(&self.envelope)
    }

    fn members(&self) -> Members<'_> {
        let own = [("message", Text(&self.error.message))];
        self.envelope.with("error", sorted(own, &self.error.other), &self.other)
    }
}

impl Payload for RecordChange {
    fn envelope(&self) -> Option<&Envelope> {
        Some(&self.envelope)
    }

    fn record_id(&self) -> Option<&RecordId> {
        Some(&self.data.record_id)
    }

    fn members(&self) -> Members<'_> {
        let RecordRef { record_id, model, other } = &self.data;
        let own = [("recordId", Text(record_id.as_str())), ("model", Text(model))];
        self.envelope.with("data", sorted(own, other), &self.other)
    }
}

impl Payload for RecordErrored {
    fn envelope(&self) -> Option<&Envelope> {
        Some(&self.envelope)
    }

    fn record_id(&self) -> Option<&RecordId> {
        Some(&self.error.record_id)
    }

    fn members(&self) -> Members<'_> {
        let RecordError { message, record_id, model, other } = &self.error;
        let own = [("message", Text(message)), ("recordId", Text(record_id.as_str())), ("model", Text(model))];
        self.envelope.with("error", sorted(own, other), &self.other)
    }
}

impl Payload for WebhookVerification {
    fn members(&self) -> Members<'_> {
        sorted([], &self.other)
    }
}

impl Payload for UnknownEvent {
    fn members(&self) -> Members<'_> {
        sorted([], &self.members)
    }
}

/// The members that all six documented events have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Name of the integration, such as `googledrive`.
    pub sync: String,
    /// Id of the sync that the event is about.
    pub sync_instance_id: SyncId,
    /// Id of the credential that the sync used. Absent before March 2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<CredentialId>,
    /// Connected User who owns the synced data.
    pub user: UserRef,
}

/// `user` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRef {
    /// Id of the user. The user tokens of the company carry the id as `sub`.
    pub id: UserId,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The event `sync_complete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncComplete {
    /// Members that name the sync, the credential and the user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Result of the initial sync.
    pub data: SyncCompleteData,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `data` of a `sync_complete` event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncCompleteData {
    /// Name of the pipeline, such as `files`.
    pub model: String,
    /// Time at which the initial sync completed, RFC 3339.
    pub synced_at: String,
    /// Number of records.
    pub num_records: u64,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The events `record_created`, `record_updated` and `record_deleted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordChange {
    /// Members that name the sync, the credential and the user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Reference to the record. The data of the record must be fetched separately.
    pub data: RecordRef,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `data` of a `record_created`, `record_updated` or `record_deleted` event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordRef {
    /// Id of the record in the Sync API.
    pub record_id: RecordId,
    /// Name of the pipeline, such as `files`.
    pub model: String,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The event `sync_errored`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncErrored {
    /// Members that name the sync, the credential and the user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Reason why the sync stopped.
    pub error: SyncError,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `error` of a `sync_errored` event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncError {
    /// Error message for people.
    pub message: String,
    /// Members that this type has no field for, kept unchanged. Real events have had the member `code` (observed).
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The event `record_errored`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordErrored {
    /// Members that name the sync, the credential and the user.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The record, and the reason why it could not be synced.
    pub error: RecordError,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `error` of a `record_errored` event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordError {
    /// Error message for people.
    pub message: String,
    /// Id of the record that could not be synced.
    pub record_id: RecordId,
    /// Name of the pipeline, such as `files`.
    pub model: String,
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The event `webhook_verification` (observed). Paragon sends it to test whether the URL responds. The event names no
/// sync and no user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookVerification {
    /// Unknown members, kept unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An event with an unknown name.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownEvent {
    /// Value of the member `event`.
    pub event: String,
    /// All other members.
    pub members: Map<String, Value>,
}

/// The reason why a body is not an event.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EventError(#[from] EventErrorKind);

#[derive(Debug, thiserror::Error)]
enum EventErrorKind {
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("expected an object with a string member `event`, got {0}")]
    NoEvent(String),
    #[error("`{event}` does not have its documented form: {source}")]
    Malformed { event: &'static str, source: serde_json::Error },
}

impl EventError {
    /// Returns whether the body is not JSON.
    pub fn is_not_json(&self) -> bool {
        matches!(self.0, EventErrorKind::NotJson(_))
    }

    /// Returns whether the event is known, but a documented member is missing or wrong.
    pub fn is_malformed(&self) -> bool {
        matches!(self.0, EventErrorKind::Malformed { .. })
    }
}

impl Event {
    /// Parses the body of a webhook request.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is not JSON, is not an object with a string member `event`, or is a known event
    /// whose documented members are missing or wrong.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        Self::from_value(serde_json::from_slice(body).map_err(EventErrorKind::NotJson)?)
    }

    /// Reads an event from JSON that is already parsed.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Event::parse`], except those for which [`EventError::is_not_json`] holds.
    pub fn from_value(value: Value) -> Result<Self, EventError> {
        let Value::Object(mut members) = value else {
            return Err(EventErrorKind::NoEvent(format!("{value:.60}")).into());
        };
        let event = match members.remove("event") {
            Some(Value::String(event)) => event,
            Some(other) => return Err(EventErrorKind::NoEvent(format!("`event`: {other}")).into()),
            None => return Err(EventErrorKind::NoEvent("an object without this member".to_owned()).into()),
        };
        let Some(kind) = EventKind::from_name(&event) else {
            return Ok(Self::Unknown(UnknownEvent { event, members }));
        };
        let members = Value::Object(members);
        Self::of_kind(kind, members).map_err(|source| EventErrorKind::Malformed { event: kind.name(), source }.into())
    }

    /// Returns the members that name the sync, the credential and the user. Returns `None` for `webhook_verification`
    /// and for unknown events, because these need not have the members.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.payload().envelope()
    }

    /// Returns the id of the record that the event is about; `None` if the event is not about a record.
    pub fn record_id(&self) -> Option<&RecordId> {
        self.payload().record_id()
    }

    /// Returns the event as JSON. The members are in alphabetical order, so that equal events print as equal bytes.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|error| unreachable!("events consist of JSON: {error}"))
    }
}

/// Serializes the members in alphabetical order.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = self.payload().members();
        members.insert("event", Text(self.name()));
        members.serialize(serializer)
    }
}

use Member::{Number, Object, Other, Text};

/// A member of an event, borrowed from the event.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(&'a str),
    Number(u64),
    Object(Members<'a>),
    Other(&'a Value),
}

type Members<'a> = BTreeMap<&'a str, Member<'a>>;

/// Returns a struct's own members and its unknown members in one sorted map.
fn sorted<'a, const N: usize>(own: [(&'a str, Member<'a>); N], other: &'a Map<String, Value>) -> Members<'a> {
    let other = other.iter().map(|(name, value)| (name.as_str(), Other(value)));
    own.into_iter().chain(other).collect()
}

impl Envelope {
    /// Returns the members of the envelope, together with the members of the event that contains it. `about` is the
    /// name of the event's own member (`data` or `error`), `what` its value, and `other` are the unknown members.
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
    use std::error::Error as _;

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
    fn a_kind_of_events_is_printed_as_its_name() {
        for kind in EventKind::ALL.into_iter().chain([EventKind::WebhookVerification]) {
            assert_eq!(EventKind::from_name(&kind.to_string()), Some(kind));
            assert_eq!(kind.schema(), format!("webhooks/{kind}"));
        }
        assert_eq!(EventKind::from_name("record_moved"), None);
    }

    #[test]
    fn an_event_returns_the_id_of_its_record() {
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
    fn an_event_returns_its_sync_and_its_user() {
        for kind in EventKind::ALL {
            let body = &crate::contract::fixture(&format!("{}/maximal", kind.schema())).unwrap().body;
            let told = ["sync", "syncInstanceId", "credentialId", "user"].map(|name| (name, body[name].clone()));
            let event = Event::from_value(body.clone()).unwrap();
            assert_eq!(json!(event.envelope()), told.into_iter().collect::<Value>(), "{kind}");
        }
    }

    #[test]
    fn an_unknown_event_keeps_all_its_members() {
        let value = json!({"event": "record_moved", "to": "x"});
        let event = Event::from_value(value.clone()).unwrap();
        assert!(matches!(event, Event::Unknown(_)));
        assert_eq!(event.envelope(), None);
        assert_eq!(event.to_value(), value);
    }

    #[test]
    fn the_verification_event_is_known_although_it_is_undocumented() {
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
        let error = error.unwrap_err();
        insta::assert_snapshot!(error, @"`record_created` does not have its documented form: missing field `data`");
        assert!(error.is_malformed() && !error.is_not_json());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("missing field `data`"));
        let error = Event::parse(b"[]").unwrap_err();
        insta::assert_snapshot!(error, @"expected an object with a string member `event`, got []");
        let error = Event::parse(br#"{"event":7}"#).unwrap_err();
        insta::assert_snapshot!(error, @"expected an object with a string member `event`, got `event`: 7");
        assert!(!error.is_malformed() && !error.is_not_json() && error.source().is_none());
        let error = Event::parse(b"{\"event\":").unwrap_err();
        assert!(error.is_not_json() && !error.is_malformed() && error.source().is_some());
    }
}
