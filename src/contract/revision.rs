use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::{Event, EventKind};
use super::schema::{referenced, source};

/// A revision of Paragon's contract. Only the schemas define how revisions differ, member by member (`x-since`,
/// `x-in`).
///
/// ```
/// use paragon_testkit::contract::Revision;
/// use serde_json::json;
///
/// let tombstone = json!({"id": "3ce16e33-0163-564d-98ce-99b0a25ab375", "externalId": "1kfr", "deleted": true});
/// let old = Revision::SnakeCase.write("records/tombstone", &tombstone);
/// assert_eq!(old["external_id"], "1kfr");
/// assert_eq!(Revision::SnakeCase.read("records/tombstone", &old), tombstone);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revision {
    /// The contract until July 2025 (observed): `external_id`, times as milliseconds, `model: "File"`.
    SnakeCase,
    /// The contract from July 2025 (documented): `externalId`, times in RFC 3339, `model: "files"`.
    CamelCase,
    /// The contract from March 2026 (documented): events and statuses name the `credentialId`.
    #[default]
    CredentialId,
}

impl Revision {
    /// All revisions, the oldest first.
    pub const ALL: [Self; 3] = [Self::SnakeCase, Self::CamelCase, Self::CredentialId];

    /// Returns the name in files and on the command line, such as `snake_case`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SnakeCase => "snake_case",
            Self::CamelCase => "camel_case",
            Self::CredentialId => "credential_id",
        }
    }

    /// Returns the revision with this name; `None` if the name is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// Converts a payload of the newest revision to this revision: renames or removes members, and converts values.
    /// Members that the schema does not list stay unchanged.
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name.
    #[must_use]
    #[track_caller]
    pub fn write(self, schema: &str, newest: &Value) -> Value {
        self.convert(&doc(schema), newest, Direction::Write)
    }

    /// Converts a struct of the newest revision as [`Revision::write`] does, and returns JSON text. For the newest
    /// revision, nothing is converted.
    pub(crate) fn print(self, schema: &str, newest: &impl Serialize) -> String {
        let impossible = |error| -> String { unreachable!("payloads print as JSON: {error}") };
        if self == Self::default() {
            return serde_json::to_string(newest).unwrap_or_else(impossible);
        }
        let newest = serde_json::to_value(newest).unwrap_or_else(|error| impossible(error).into());
        self.write(schema, &newest).to_string()
    }

    /// Appends the JSON text that [`Revision::print`] returns to `text`.
    pub(crate) fn print_into(self, text: &mut Vec<u8>, schema: &str, newest: &impl Serialize) {
        if self == Self::default() {
            let printed = serde_json::to_writer(text, newest);
            return printed.unwrap_or_else(|error| unreachable!("payloads print as JSON: {error}"));
        }
        text.extend(self.print(schema, newest).into_bytes());
    }

    /// Converts an event to this revision. An event with an unknown name stays unchanged.
    #[must_use]
    pub fn write_event(self, event: &Event) -> Value {
        let newest = event.to_value();
        if self == Self::default() {
            return newest;
        }
        match EventKind::from_name(event.name()) {
            Some(kind) => self.write(kind.schema(), &newest),
            None => newest,
        }
    }

    /// Converts an event as [`Revision::write_event`] does, and returns JSON text.
    pub(crate) fn print_event(self, event: &Event) -> String {
        match EventKind::from_name(event.name()) {
            Some(kind) => self.print(kind.schema(), event),
            None => event.to_value().to_string(),
        }
    }

    /// Converts a payload of this revision to the newest revision. Members that this revision does not have stay
    /// absent.
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name.
    #[must_use]
    #[track_caller]
    pub fn read(self, schema: &str, payload: &Value) -> Value {
        self.convert(&doc(schema), payload, Direction::Read)
    }

    /// Returns whether this revision has the member, according to the member's `x-since`.
    pub(super) fn has(self, member: &Value) -> bool {
        let since = member["x-since"].as_str().and_then(Self::from_name);
        since.is_none_or(|since| self >= since)
    }

    /// Returns how a member or value of this revision differs from the newest revision; `None` if `x-in` lists no
    /// difference.
    pub(super) fn edit(self, node: &Value) -> Option<&Value> {
        node.get("x-in")?.get(self.name())
    }

    fn convert(self, node: &Node<'_>, value: &Value, direction: Direction) -> Value {
        if self == Self::default() {
            return value.clone();
        }
        let chain = node.chain();
        for node in &chain {
            if let Some(edit) = self.edit(node.schema)
                && let Some(converted) = convert_value(edit, value, direction)
            {
                return converted;
            }
        }
        match value {
            Value::Object(members) => {
                let properties: Vec<(&str, &str, Node<'_>)> = chain
                    .iter()
                    .flat_map(Node::members)
                    .map(|(name, member)| (name, self.name_of(name, member.schema), member))
                    .collect();
                let mut converted = Map::new();
                for (name, value) in members {
                    let known = properties.iter().find(|(newest, here, _)| match direction {
                        Direction::Write => newest == name,
                        Direction::Read => here == name,
                    });
                    match known {
                        Some((_, _, member)) if !self.has(member.schema) => {}
                        Some((newest, here, member)) => {
                            let name = if direction == Direction::Write { here } else { newest };
                            converted.insert((*name).to_owned(), self.convert(member, value, direction));
                        }
                        None => drop(converted.insert(name.clone(), value.clone())),
                    }
                }
                Value::Object(converted)
            }
            Value::Array(items) => {
                let of = chain.iter().find_map(Node::items);
                let convert =
                    |item| of.as_ref().map_or_else(|| Value::clone(item), |of| self.convert(of, item, direction));
                items.iter().map(convert).collect()
            }
            _ => value.clone(),
        }
    }

    /// Returns the name of a member in this revision.
    pub(super) fn name_of<'a>(self, newest: &'a str, member: &'a Value) -> &'a str {
        self.edit(member).and_then(|edit| edit["name"].as_str()).unwrap_or(newest)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Write,
    Read,
}

/// A place in a shipped schema. References in `schema` are relative to `file`.
struct Node<'a> {
    schema: &'a Value,
    file: &'a str,
}

#[track_caller]
fn doc(name: &str) -> Node<'static> {
    let schema = source(name).unwrap_or_else(|| panic!("there is no schema {name:?}"));
    Node { schema: &schema.json, file: schema.name }
}

impl<'a> Node<'a> {
    fn at(&self, schema: &'a Value) -> Self {
        Self { schema, file: self.file }
    }

    /// Returns this place, followed by the places that its references lead to.
    fn chain(&self) -> Vec<Self> {
        let mut chain = vec![self.at(self.schema)];
        while let Some(target) = chain.last().and_then(|last| referenced(last.file, last.schema)) {
            chain.push(Node { schema: &target.json, file: target.name });
        }
        chain
    }

    fn members(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let members = self.schema["properties"].as_object();
        members.into_iter().flatten().map(|(name, member)| (name.as_str(), self.at(member)))
    }

    fn items(&self) -> Option<Self> {
        self.schema.get("items").map(|items| self.at(items))
    }
}

/// Converts a value between the newest revision and an older one. Returns `None` if the edit changes no values, or not
/// this value.
fn convert_value(edit: &Value, value: &Value, direction: Direction) -> Option<Value> {
    if let Some(values) = edit["values"].as_object() {
        return match direction {
            Direction::Write => values.get(value.as_str()?).cloned(),
            // Two values of the newest revision may share one old value. In that case, the first of the two by name is
            // used.
            Direction::Read => values.iter().find(|(_, here)| *here == value).map(|(newest, _)| newest.as_str().into()),
        };
    }
    match (edit["to"].as_str()?, direction) {
        ("epoch_ms", Direction::Write) | ("date_time", Direction::Read) => Some(epoch_ms(value.as_str()?)?.into()),
        _ => date_time(value.as_i64()?).map(Value::String),
    }
}

/// The start of 1970 as a civil time. [`date_time`] computes with civil times, and [`epoch_ms`] falls back to them,
/// because the timestamps of jiff do not cover the first and the last day of the calendar: jiff keeps room for time
/// zones there.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Returns the milliseconds since 1970 of an RFC 3339 time; `None` if the text cannot be parsed.
pub(super) fn epoch_ms(text: &str) -> Option<i64> {
    let text = &to_the_nanosecond(text);
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let civil: DateTime = text.strip_suffix('Z')?.parse().ok()?;
    i64::try_from(civil.duration_since(EPOCH).as_millis()).ok()
}

/// Cuts the fraction of a second to nine digits. RFC 3339 sets no limit to the digits, but jiff reads only nine.
fn to_the_nanosecond(text: &str) -> String {
    let Some((seconds, rest)) = text.split_once('.') else { return text.to_owned() };
    let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = &rest[..rest.len() - zone.len()];
    format!("{seconds}.{}{zone}", &digits[..digits.len().min(9)])
}

pub(super) fn date_time(millis: i64) -> Option<String> {
    let civil = EPOCH.checked_add(jiff::SignedDuration::from_millis(millis)).ok()?;
    Some(format!("{civil:.3}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Tombstone;
    use serde_json::json;

    #[test]
    fn each_revision_writes_its_observed_form() {
        let complete = json!({
            "event": "sync_complete", "sync": "googledrive", "syncInstanceId": "s", "credentialId": "c",
            "user": {"id": "u", "email": "e"}, "data": {"model": "files", "syncedAt": "2025-03-08T11:59:00Z", "numRecords": 3921},
        });
        let written = Revision::SnakeCase.write("webhooks/sync_complete", &complete);
        let expected = json!({
            "event": "sync_complete", "sync": "googledrive", "syncInstanceId": "s", "user": {"id": "u", "email": "e"},
            "data": {"model": "File", "synced_at": "2025-03-08T11:59:00Z", "num_records": 3921},
        });
        assert_eq!(written, expected);
        let mut camel = complete.clone();
        camel.as_object_mut().unwrap().remove("credentialId");
        assert_eq!(Revision::CamelCase.write("webhooks/sync_complete", &complete), camel);
        assert_eq!(Revision::CredentialId.write("webhooks/sync_complete", &complete), complete);
        assert_eq!(Revision::SnakeCase.read("webhooks/sync_complete", &written), camel);
    }

    #[test]
    fn a_payload_of_another_revision_is_printed_as_it_is_written() {
        let tombstone = Tombstone::new("r".into(), "x".into());
        for revision in Revision::ALL {
            let printed = revision.print("records/tombstone", &tombstone);
            let written = revision.write("records/tombstone", &json!(tombstone));
            assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), written, "{revision}");
        }
    }

    #[test]
    fn times_become_milliseconds_and_come_back() {
        let file = json!({"externalId": "x", "createdAt": "2017-07-05T00:16:22.269Z", "size": null, "customFields": {"externalId": "stays"}});
        let written = Revision::SnakeCase.write("records/file", &file);
        assert_eq!(
            written,
            json!({"external_id": "x", "created_at": 1_499_213_782_269_i64, "size": null, "custom_fields": {"externalId": "stays"}})
        );
        assert_eq!(Revision::SnakeCase.read("records/file", &written), file);
        let paging = Revision::SnakeCase
            .write("common/paging", &json!({"lastSeen": 1_499_213_782_269_i64, "totalActiveRecords": 1}));
        assert_eq!(paging, json!({"last_seen": "2017-07-05T00:16:22.269Z"}));
    }

    #[test]
    fn every_day_of_the_calendar_is_converted_and_what_is_no_time_stays() {
        for (text, ms) in [
            ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!((epoch_ms(text), date_time(ms).as_deref()), (Some(ms), Some(text)));
        }
        assert_eq!(epoch_ms("2026-11-24T14:00:00+14:00"), epoch_ms("2026-11-24T00:00:00Z"));
        assert_eq!(epoch_ms("1970-01-01T00:00:00.12345678901+00:00"), Some(123));
        assert_eq!((epoch_ms("soon"), epoch_ms("soon.é"), date_time(i64::MAX)), (None, None, None));
        let file = json!({"createdAt": "soon", "updatedAt": 7});
        assert_eq!(Revision::SnakeCase.write("records/file", &file), json!({"created_at": "soon", "updated_at": 7}));
    }

    #[test]
    fn a_revision_is_printed_as_in_json() {
        for revision in Revision::ALL {
            assert_eq!(json!(revision), revision.to_string());
            assert_eq!(Revision::from_name(&revision.to_string()), Some(revision));
        }
    }

    #[test]
    fn an_event_is_written_by_its_own_schema_and_an_unknown_one_as_it_is() {
        let value = json!({"event": "record_moved", "credentialId": "c"});
        let unknown = Event::from_value(value.clone()).unwrap();
        assert_eq!(Revision::SnakeCase.write_event(&unknown), value);
        let value = json!({"event": "record_deleted", "sync": "box", "syncInstanceId": "s", "credentialId": "c",
            "user": {"id": "u"}, "data": {"recordId": "r", "model": "files"}});
        let written = Revision::SnakeCase.write_event(&Event::from_value(value.clone()).unwrap());
        assert_eq!(written, Revision::SnakeCase.write("webhooks/record_deleted", &value));
        assert_ne!(written, value);
    }

    #[test]
    fn statuses_have_their_old_names_in_older_revisions() {
        let list = json!({"data": [{"status": "DISABLED"}, {"status": "RATE_LIMITED"}]});
        let status = |revision: Revision| revision.write("api/list_syncs_response", &list)["data"].clone();
        assert_eq!(status(Revision::SnakeCase), json!([{"status": "paused"}, {"status": "active"}]));
        assert_eq!(status(Revision::CamelCase), json!([{"status": "DISABLED"}, {"status": "ACTIVE"}]));
    }
}
