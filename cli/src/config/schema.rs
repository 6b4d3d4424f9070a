//! The JSON Schema of `paragon-testkit.toml`, for editors.

use serde_json::{Map, Value, json};

use super::option::{Definition, Kind, Options};

/// Returns the schema. It describes each option as its help does.
pub(crate) fn schema() -> Value {
    let options = Options::new();
    let definitions = options.all().into_values().filter(|definition| definition.is_in_files());
    let properties: Map<_, _> =
        definitions.map(|definition| (definition.key().to_owned(), of_option(definition))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The options of paragon-testkit in paragon-testkit.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn of_option(definition: Definition<'_>) -> Value {
    let mut value = match definition.kind() {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::WholeNumber => json!({"type": "integer", "minimum": 0}),
        Kind::Number => json!({"type": "number", "minimum": 0}),
        Kind::Text => json!({"type": "string"}),
    };
    let possible = definition.arg.get_possible_values();
    if definition.kind() == Kind::Text && !possible.is_empty() {
        value["enum"] = possible.iter().map(|value| value.get_name().to_owned()).collect();
    }
    if definition.is_list() {
        value = json!({"type": "array", "items": value});
    }
    if let Some(help) = definition.arg.get_help() {
        value["description"] = help.to_string().into();
    }
    value
}
