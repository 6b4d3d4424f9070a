//! The JSON Schemas. The schemas of each revision and layer are derived from the files in `schemas/`.

mod derive;
mod place;
mod validate;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::grade::Provenance;
pub(crate) use place::Place;
pub use validate::{Contract, Violation, validate_event};

/// A JSON Schema (2020-12) that is shipped with this crate, exactly as in its file.
///
/// The file describes the newest revision. Annotations next to the members describe the differences in other revisions
/// and in the two layers. [`Contract::bundle`] returns a schema that is ready for use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// Path of the file in `schemas/`, without `.json`, such as `webhooks/sync_complete`.
    pub name: &'static str,
    /// The schema as JSON.
    pub json: Value,
    /// Value of the schema's `x-provenance`.
    pub provenance: Provenance,
}

/// The strictness with which a schema is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The form that the fake sends. Only listed members are valid.
    Strict,
    /// The form that a receiver must accept. Unknown members are valid, members that some integration or revision
    /// leaves out may be absent, and times are text or milliseconds.
    Tolerant,
}

impl Layer {
    /// Both layers.
    pub const ALL: [Self; 2] = [Self::Strict, Self::Tolerant];
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Strict => "strict",
            Self::Tolerant => "tolerant",
        })
    }
}

/// Name and text of each schema file. The build script lists the files.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

/// The shipped schemas, parsed at the first use. A test parses them all, so that the panic never reaches a user.
static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| read(name, text).unwrap_or_else(|e| panic!("{e}"))).collect());

fn read(name: &'static str, text: &str) -> Result<Schema, String> {
    let at = |error: String| format!("schemas/{name}.json: {error}");
    let json: Value = serde_json::from_str(text).map_err(|error| at(error.to_string()))?;
    let provenance = serde_json::from_value(json["x-provenance"].clone())
        .map_err(|error| at(format!("x-provenance needs grade, source and checked: {error}")))?;
    Ok(Schema { name, json, provenance })
}

/// Description of the Sync API and the Permissions API in `OpenAPI` 3.1. The description refers to the schema files.
pub const OPENAPI: &str = include_str!("../../../schemas/openapi.yaml");

/// Description of the admin API in `OpenAPI` 3.1. A fake that runs as a server offers this API.
pub const ADMIN_API: &str = include_str!("../../../schemas/admin.yaml");

/// Description of the webhooks in `AsyncAPI` 3.0. The description refers to the schema files.
pub const ASYNCAPI: &str = include_str!("../../../schemas/asyncapi.yaml");

/// Returns all shipped schemas.
pub fn schemas() -> &'static [Schema] {
    &SCHEMAS
}

/// Returns the shipped schema with this name; `None` if there is no such schema.
pub(in crate::contract) fn source(name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == name)
}

/// Returns the schema that a place in `file` refers to; `None` if the place has no reference.
pub(in crate::contract) fn referenced(file: &str, place: &Value) -> Option<&'static Schema> {
    let mut folder: Vec<&str> = file.split('/').collect();
    folder.pop();
    // A schema that extends another one refers to it in `allOf`, because many tools drop the keywords next to a `$ref`.
    let reference = place.get("$ref").or_else(|| place.get("allOf")?.get(0)?.get("$ref"))?;
    for step in reference.as_str()?.strip_suffix(".json")?.split('/') {
        match step {
            ".." => drop(folder.pop()),
            step => folder.push(step),
        }
    }
    source(&folder.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::EventKind;

    #[test]
    fn each_schema_has_an_id_that_names_its_file_and_there_is_one_for_each_event() {
        for schema in schemas() {
            let id = schema.json["$id"].as_str().unwrap_or_default();
            assert!(id.ends_with(&format!("/{}.json", schema.name)), "{id} in {}", schema.name);
        }
        assert!(EventKind::ALL.iter().all(|kind| source(kind.schema()).is_some()));
    }

    #[test]
    fn a_schema_file_without_provenance_is_named() {
        let error = read("webhooks/x", r#"{"type":"object"}"#).unwrap_err();
        assert!(error.starts_with("schemas/webhooks/x.json: x-provenance needs"), "{error}");
        assert!(read("webhooks/x", "{").unwrap_err().starts_with("schemas/webhooks/x.json: EOF"));
    }

    #[test]
    fn a_layer_is_printed_as_in_json() {
        for layer in Layer::ALL {
            assert_eq!(serde_json::json!(layer), layer.to_string());
        }
    }

    #[test]
    fn references_are_relative_to_their_file() {
        let place = serde_json::json!({"$ref": "../common/pipeline.json"});
        assert_eq!(referenced("records/file", &place).map(|schema| schema.name), Some("common/pipeline"));
        assert!(referenced("file", &serde_json::json!({"type": "object"})).is_none());
    }
}
