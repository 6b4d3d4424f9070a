use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Registry, ValidationError, Validator};
use serde_json::{Value, json};

use super::derive::derive;
use super::{Layer, referenced, schemas, source};
use crate::contract::{EventKind, Revision};

/// A revision of Paragon's contract in its strict or tolerant layer. Payloads are validated against a `Contract`.
///
/// ```
/// use paragon_testkit::contract::{Contract, Layer, Revision};
/// use serde_json::json;
///
/// let record = json!({"id": "3ce16e33-0163-564d-98ce-99b0a25ab375", "size": "12"});
/// let tolerant = Contract::new(Revision::CamelCase, Layer::Tolerant);
/// let violations = tolerant.validate("records/file", &record);
/// assert_eq!(violations[0].to_string(), r#"/size: expected null or integer, got "12" (type)"#);
/// assert!(Contract::new(Revision::CamelCase, Layer::Strict).validate("records/file", &record).len() > 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Contract {
    /// Revision of the contract.
    pub revision: Revision,
    /// Layer, which decides how strict the validation is.
    pub layer: Layer,
}

impl Contract {
    /// Creates the contract of a revision, in one of the two layers.
    pub fn new(revision: Revision, layer: Layer) -> Self {
        Self { revision, layer }
    }
}

/// The newest revision in the tolerant layer, which a receiver must accept today.
impl Default for Contract {
    fn default() -> Self {
        Self { revision: Revision::default(), layer: Layer::Tolerant }
    }
}

/// One rule of the contract that a payload breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// JSON pointer to the wrong or missing member, such as `/data/recordId`. Empty for the whole payload.
    pub path: String,
    /// Keyword of the schema that is broken, such as `required` or `format`. `event` if the payload is not a known
    /// event.
    pub rule: String,
    /// Description of what the schema requires.
    pub expected: String,
    /// The value that was found, shortened.
    pub got: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "the payload" } else { &self.path };
        write!(f, "{path}: expected {}, got {} ({})", self.expected, self.got, self.rule)
    }
}

/// Validates an event against the newest revision in the tolerant layer. Returns an empty list if the event is valid.
///
/// ```
/// let violations = paragon_testkit::contract::validate_event(&serde_json::json!({"event": "sync_completed"}));
/// assert_eq!(violations[0].path, "/event");
/// ```
pub fn validate_event(event: &Value) -> Vec<Violation> {
    Contract::default().validate_event(event)
}

impl Contract {
    /// Validates an event against the schema that its member `event` names. Returns an empty list if the event is
    /// valid.
    pub fn validate_event(self, event: &Value) -> Vec<Violation> {
        match event["event"].as_str().and_then(EventKind::from_name) {
            Some(kind) => self.set().violations(kind.schema(), event),
            None => vec![not_an_event(event)],
        }
    }

    /// Returns the event that a payload resembles most.
    ///
    /// If the payload names a known event, the function returns that event. Otherwise the function returns the
    /// documented event whose schema the payload violates least often. If several events tie, the one with the most
    /// similar name wins.
    ///
    /// ```
    /// use paragon_testkit::contract::{Contract, EventKind};
    /// let event = serde_json::json!({"event": "recordCreated", "data": {"recordId": "x", "model": "files"}});
    /// assert_eq!(Contract::default().nearest_event(&event), EventKind::RecordCreated);
    /// ```
    pub fn nearest_event(self, payload: &Value) -> EventKind {
        let name = payload["event"].as_str().unwrap_or_default();
        if let Some(kind) = EventKind::from_name(name) {
            return kind;
        }
        let distance = |kind: EventKind| {
            let mut renamed = payload.clone();
            if renamed.is_object() {
                renamed["event"] = kind.name().into();
            }
            (self.validate(kind.schema(), &renamed).len(), strsim::damerau_levenshtein(kind.name(), name))
        };
        EventKind::ALL.into_iter().min_by_key(|kind| distance(*kind)).unwrap_or(EventKind::SyncComplete)
    }

    /// Validates a payload against a schema, such as `records/file`. Returns an empty list if the payload is valid.
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name. [`schemas`] returns all schemas.
    #[track_caller]
    pub fn validate(self, schema: &str, payload: &Value) -> Vec<Violation> {
        self.set().violations(schema, payload)
    }

    /// Returns whether a payload is valid according to a schema. This is faster than [`Contract::validate`].
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name.
    #[track_caller]
    pub fn is_valid(self, schema: &str, payload: &Value) -> bool {
        self.set().validator(schema).is_valid(payload)
    }

    /// Returns the schema without the schemas that it refers to.
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name.
    #[track_caller]
    pub fn schema(self, name: &str) -> &'static Value {
        &self.set().documents[name_of(name)]
    }

    /// Returns the schema as one document. The schemas that it refers to are in its `$defs`, each with its own `$id`.
    ///
    /// # Panics
    ///
    /// Panics if there is no schema with this name.
    #[must_use]
    #[track_caller]
    pub fn bundle(self, name: &str) -> Value {
        let name = name_of(name);
        let mut bundle = self.schema(name).clone();
        let mut parts = Vec::new();
        references(name, self.schema(name), &mut |part| {
            if part != name && !parts.contains(&part) {
                parts.push(part);
                return Some(self.schema(part));
            }
            None
        });
        for part in parts {
            bundle["$defs"][part] = self.schema(part).clone();
        }
        bundle
    }

    /// Returns the name of the schema as a static string, and the schema.
    #[track_caller]
    pub(super) fn named(self, name: &str) -> (&'static str, &'static Value) {
        let name = name_of(name);
        (name, &self.set().documents[name])
    }

    fn set(self) -> &'static Set {
        static SETS: [OnceLock<Set>; 6] = [const { OnceLock::new() }; 6];
        let index = self.revision as usize * 2 + self.layer as usize;
        SETS[index].get_or_init(|| Set::new(self))
    }
}

/// Calls `visit` for every schema that `schema` refers to. If `visit` returns a schema, the function continues in that
/// schema.
fn references<'s>(file: &'static str, schema: &'s Value, visit: &mut dyn FnMut(&'static str) -> Option<&'s Value>) {
    match schema {
        Value::Object(members) => {
            if let Some(target) = referenced(file, schema)
                && let Some(next) = visit(target.name)
            {
                references(target.name, next, visit);
            }
            members.values().for_each(|member| references(file, member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| references(file, item, visit)),
        _ => {}
    }
}

#[track_caller]
fn name_of(schema: &str) -> &'static str {
    let Some(schema) = source(schema) else { panic!("there is no schema {schema:?}") };
    schema.name
}

/// The schemas of one contract. Each schema is compiled at its first use.
struct Set {
    documents: HashMap<&'static str, Value>,
    registry: Registry<'static>,
    validators: HashMap<&'static str, LazyValidator>,
}

type LazyValidator = OnceLock<Validator>;

impl Set {
    fn new(contract: Contract) -> Self {
        let derived = schemas().iter().map(|schema| (schema.name, derive(schema, contract.revision, contract.layer)));
        let documents: HashMap<_, _> = derived.collect();
        let resources = documents.values().filter_map(|json| Some((json["$id"].as_str()?.to_owned(), json.clone())));
        let registry = Registry::new()
            .extend(resources)
            .and_then(jsonschema::RegistryBuilder::prepare)
            .unwrap_or_else(|error| panic!("schemas/: {error}"));
        let validators = documents.keys().map(|name| (*name, OnceLock::new())).collect();
        Self { documents, registry, validators }
    }

    #[track_caller]
    fn validator(&self, name: &str) -> &Validator {
        let Some(validator) = self.validators.get(name) else { panic!("there is no schema {name:?}") };
        validator.get_or_init(|| {
            jsonschema::draft202012::options()
                .with_registry(&self.registry)
                .should_validate_formats(true)
                .build(&self.documents[name])
                .unwrap_or_else(|error| panic!("schemas/{name}.json does not compile: {error}"))
        })
    }

    #[track_caller]
    fn violations(&self, name: &str, payload: &Value) -> Vec<Violation> {
        let mut violations: Vec<_> = self.validator(name).iter_errors(payload).flat_map(|error| told(&error)).collect();
        violations.sort_by(|a, b| (&a.path, &a.rule).cmp(&(&b.path, &b.rule)));
        // A member that the schema describes in two places breaks the same rule twice.
        violations.dedup();
        violations
    }
}

fn not_an_event(event: &Value) -> Violation {
    static NAMES: LazyLock<String> =
        LazyLock::new(|| EventKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "));
    let got = match event {
        Value::Object(members) => members.get("event").map_or_else(|| "nothing".to_owned(), short),
        other => short(other),
    };
    let path = if event.is_object() { "/event" } else { "" };
    let expected =
        if event.is_object() { format!("one of {}", *NAMES) } else { "an object with a member event".into() };
    Violation { path: path.to_owned(), rule: "event".to_owned(), expected, got }
}

/// Converts an error of the validator to violations. Each unexpected member gets a violation of its own.
fn told(error: &ValidationError<'_>) -> Vec<Violation> {
    let path = error.instance_path().to_string();
    let got = short(error.instance());
    let member = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    let one = |path: String, expected: String, got: String| {
        vec![Violation { path, rule: error.kind().keyword().to_owned(), expected, got }]
    };
    let expected = match error.kind() {
        Kind::Required { property } => {
            return one(member(property.as_str().unwrap_or_default()), "this member".into(), "nothing".into());
        }
        Kind::AdditionalProperties { unexpected } => {
            let violation = |name: &String| Violation {
                path: member(name),
                rule: "additionalProperties".to_owned(),
                expected: "no such member".to_owned(),
                got: short(&error.instance()[name]),
            };
            return unexpected.iter().map(violation).collect();
        }
        Kind::Type { kind } => types(&json!(match kind {
            jsonschema::error::TypeKind::Single(kind) => vec![kind.to_string()],
            jsonschema::error::TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
        })),
        Kind::Constant { expected_value } => expected_value.to_string(),
        Kind::Enum { options } => {
            let options: Vec<_> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
            format!("one of {}", options.join(", "))
        }
        Kind::Format { format } => format!("a {format}"),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::MinLength { limit } => format!("at least {limit} character(s)"),
        Kind::MinProperties { limit } => format!("at least {limit} member(s)"),
        Kind::MaxProperties { limit } => format!("at most {limit} member(s)"),
        Kind::AnyOf { .. } => "one of the allowed forms".to_owned(),
        _ => return one(path, error.to_string(), got),
    };
    one(path, expected, got)
}

fn types(kinds: &Value) -> String {
    let kinds: Vec<_> = kinds.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    kinds.join(" or ")
}

/// Returns a value as JSON text, cut to at most 60 characters.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(contract: Contract, schema: &str, payload: &Value) -> Vec<String> {
        contract.validate(schema, payload).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn violations_name_the_member_the_expected_value_and_the_actual_one() {
        let event = json!({
            "event": "record_created", "sync": "", "syncInstanceId": "not a uuid", "a/b": 1,
            "credentialId": 7, "user": {"id": "u"}, "data": {"model": "messages"},
        });
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        insta::assert_snapshot!(told(strict, "webhooks/record_created", &event).join("\n"), @r#"
        /a~1b: expected no such member, got 1 (additionalProperties)
        /credentialId: expected string, got 7 (type)
        /data/model: expected one of "files", "contacts", "companies", "deals", "custom_objects", "tickets", got "messages" (enum)
        /data/recordId: expected this member, got nothing (required)
        /sync: expected at least 1 character(s), got "" (minLength)
        /syncInstanceId: expected a uuid, got "not a uuid" (format)
        "#);
        assert_eq!(strict.validate_event(&event).len(), 6);
        assert_eq!(validate_event(&event).len(), 4, "unknown members and models are let through");
    }

    #[test]
    fn a_payload_that_is_no_event_differs_from_an_unknown_event() {
        let told = |event: Value| validate_event(&event)[0].to_string();
        insta::assert_snapshot!(told(json!([])), @"the payload: expected an object with a member event, got [] (event)");
        insta::assert_snapshot!(told(json!({})), @"/event: expected one of sync_complete, sync_errored, record_created, record_updated, record_deleted, record_errored, got nothing (event)");
        assert!(told(json!({"event": 7})).contains("got 7"));
        assert!(told(json!({"event": "ping"})).contains("got \"ping\""));
    }

    #[test]
    fn violations_of_the_other_rules_are_described_in_words() {
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        let all = [
            told(strict, "common/error", &json!({"message": "m", "error": "e", "statusCode": 200})),
            told(strict, "common/error", &json!({"message": "m", "error": "e", "statusCode": 600})),
            told(strict, "api/update_sync_request", &json!({})),
            told(
                strict,
                "common/userset",
                &json!({"name": "n", "leaf": {"users": {"users": []}}, "union": {"nodes": []}}),
            ),
            told(strict, "webhooks/webhook_verification", &json!({"event": "x"})),
            told(strict, "records/any", &json!({"id": "é".repeat(100)})),
        ];
        insta::assert_snapshot!(all.concat().join("\n"));
    }

    #[test]
    fn a_bundle_contains_every_referenced_schema() {
        for contract in Layer::ALL.map(|layer| Contract { revision: Revision::SnakeCase, layer }) {
            for schema in schemas() {
                let bundle = contract.bundle(schema.name);
                let validator =
                    jsonschema::draft202012::new(&bundle).unwrap_or_else(|e| panic!("{}: {e}", schema.name));
                assert!(!validator.is_valid(&json!(true)), "{}", schema.name);
            }
        }
        let bundle = Contract::default().bundle("webhooks/sync_complete");
        let parts: Vec<_> = bundle["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(parts, ["common/pipeline", "common/timestamp"]);
    }

    #[test]
    fn each_contract_judges_by_its_own_schemas() {
        let old = json!({"id": "3ce16e33-0163-564d-98ce-99b0a25ab375", "external_id": "x", "name": "n", "mime_type": "t",
            "size": null, "created_at": 1, "updated_at": 2});
        for revision in Revision::ALL {
            let strict = Contract { revision, layer: Layer::Strict };
            assert_eq!(strict.is_valid("records/file", &old), revision == Revision::SnakeCase, "{revision}");
            assert!(Contract { revision, layer: Layer::Tolerant }.is_valid("records/file", &old), "{revision}");
        }
    }
}
