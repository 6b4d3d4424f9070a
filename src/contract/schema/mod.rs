//! The JSON Schemas, derived for each revision and layer from the one source in `schemas/`.

mod derive;
mod place;
mod validate;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::grade::Provenance;
pub(crate) use place::Place;
pub use validate::{Contract, Violation, validate_event};

/// A JSON Schema (2020-12) that is shipped with this crate, as its file has it: the newest revision, with what differs
/// in the others and in the two layers beside the members. [`Contract::bundle`] gives one that is ready for use.
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

/// How a schema is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// What the fake sends: no member but those that are listed.
    Strict,
    /// What a receiver has to accept: unknown members, members that some integration or revision leaves out, times as
    /// text or as milliseconds.
    Tolerant,
}

impl Layer {
    /// Both.
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

/// Listed by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

/// The shipped schemas are read at the first use; a test reads them all, so the panic never reaches a user.
static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| read(name, text).unwrap_or_else(|e| panic!("{e}"))).collect());

fn read(name: &'static str, text: &str) -> Result<Schema, String> {
    let at = |error: String| format!("schemas/{name}.json: {error}");
    let json: Value = serde_json::from_str(text).map_err(|error| at(error.to_string()))?;
    let provenance = serde_json::from_value(json["x-provenance"].clone())
        .map_err(|error| at(format!("x-provenance needs grade, source and checked: {error}")))?;
    Ok(Schema { name, json, provenance })
}

/// The Sync API and the Permissions API in `OpenAPI` 3.1; it refers to the schemas by file.
pub const OPENAPI: &str = include_str!("../../../schemas/openapi.yaml");

/// The admin API of a fake that serves, in `OpenAPI` 3.1.
pub const ADMIN_API: &str = include_str!("../../../schemas/admin.yaml");

/// The webhooks in `AsyncAPI` 3.0; it refers to the schemas by file.
pub const ASYNCAPI: &str = include_str!("../../../schemas/asyncapi.yaml");

/// Every shipped schema.
pub fn schemas() -> &'static [Schema] {
    &SCHEMAS
}

/// The shipped schema with this name.
pub(in crate::contract) fn source(name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == name)
}

/// The schema that a place in `file` refers to.
pub(in crate::contract) fn referenced(file: &str, place: &Value) -> Option<&'static Schema> {
    let mut folder: Vec<&str> = file.split('/').collect();
    folder.pop();
    // A schema that adds to another one says so by `allOf`: many tools drop what stands beside a `$ref`.
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
    fn a_layer_is_printed_as_it_stands_in_files() {
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
