use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::event::EventKind;
use super::grade::Provenance;

/// A JSON Schema (2020-12) that is shipped with this crate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// The file below `schemas/`, without `.json`: `webhooks/sync_complete`.
    pub name: &'static str,
    /// The schema itself.
    pub json: Value,
    /// From the schema's own `x-provenance`.
    pub provenance: Provenance,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../schemas/", $name, ".json")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "webhooks/envelope",
    "webhooks/sync_complete",
    "webhooks/sync_errored",
    "webhooks/record_created",
    "webhooks/record_updated",
    "webhooks/record_deleted",
    "webhooks/record_errored",
    "report",
];

static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| read(name, text).unwrap_or_else(|e| panic!("{e}"))).collect());

static VALIDATORS: LazyLock<HashMap<&'static str, Validator>> = LazyLock::new(|| {
    let validator = |schema: &Schema| {
        let registry = jsonschema::Registry::new()
            .extend(SCHEMAS.iter().filter_map(|s| Some((s.json["$id"].as_str()?, s.json.clone()))))
            .and_then(jsonschema::RegistryBuilder::prepare)
            .unwrap_or_else(|error| panic!("schemas/: {error}"));
        jsonschema::draft202012::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .build(&schema.json)
            .unwrap_or_else(|error| panic!("schemas/{}.json does not compile: {error}", schema.name))
    };
    EventKind::ALL
        .iter()
        .filter_map(|kind| {
            let name = format!("webhooks/{kind}");
            let schema = SCHEMAS.iter().find(|schema| schema.name == name)?;
            Some((kind.name(), validator(schema)))
        })
        .collect()
});

/// The shipped schemas are read at the first use; a test reads them all, so the panics never reach a user.
fn read(name: &'static str, text: &str) -> Result<Schema, String> {
    let at = |error: String| format!("schemas/{name}.json: {error}");
    let json: Value = serde_json::from_str(text).map_err(|error| at(error.to_string()))?;
    let provenance = serde_json::from_value(json["x-provenance"].clone())
        .map_err(|error| at(format!("x-provenance needs grade, source and checked: {error}")))?;
    Ok(Schema { name, json, provenance })
}

/// Every shipped schema.
pub fn schemas() -> &'static [Schema] {
    &SCHEMAS
}

/// One way in which a payload breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The member, as a JSON pointer: `/data/recordId`; empty for the whole payload.
    pub path: String,
    /// The keyword of the schema, and where it stands there: `/properties/data/required`.
    pub rule: String,
    /// What was expected and what came.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "the payload" } else { &self.path };
        write!(f, "{path}: {} ({})", self.message, self.rule)
    }
}

/// Judges an event against the schema of its `event`. Empty means valid. Unknown members are allowed.
///
/// ```
/// let violations = paragon_testkit::contract::validate_event(&serde_json::json!({"event": "sync_completed"}));
/// assert_eq!(violations[0].path, "/event");
/// ```
pub fn validate_event(event: &Value) -> Vec<Violation> {
    let Some(validator) = event["event"].as_str().and_then(|name| VALIDATORS.get(name)) else {
        let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        return vec![Violation {
            path: "/event".to_owned(),
            rule: "webhook.events".to_owned(),
            message: format!("expected one of {}, got {}", names.join(", "), event["event"]),
        }];
    };
    validator
        .iter_errors(event)
        .map(|error| Violation {
            path: error.instance_path().to_string(),
            rule: error.schema_path().to_string(),
            message: error.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_schema_has_an_id_that_names_its_file_and_there_is_one_for_each_event() {
        for schema in schemas() {
            let id = schema.json["$id"].as_str().unwrap_or_default();
            assert!(id.ends_with(&format!("/{}.json", schema.name)), "{id} in {}", schema.name);
        }
        assert_eq!(VALIDATORS.len(), EventKind::ALL.len());
    }

    #[test]
    fn a_schema_file_without_provenance_is_named() {
        let error = read("webhooks/x", r#"{"type":"object"}"#).unwrap_err();
        assert!(error.starts_with("schemas/webhooks/x.json: x-provenance needs"), "{error}");
        assert!(read("webhooks/x", "{").unwrap_err().starts_with("schemas/webhooks/x.json: EOF"));
    }

    #[test]
    fn violations_name_the_member() {
        let violations = validate_event(&json!({
            "event": "record_created", "sync": "googledrive", "syncInstanceId": "not a uuid",
            "user": {"id": "u"}, "data": {"model": "files"},
        }));
        let mut told: Vec<_> = violations.iter().map(ToString::to_string).collect();
        told.sort();
        assert_eq!(
            told,
            [
                r#"/data: "recordId" is a required property (/properties/data/required)"#,
                r#"/syncInstanceId: "not a uuid" is not a "uuid" (/properties/syncInstanceId/format)"#,
            ]
        );
    }
}
