use serde_json::{Map, Value};

use super::{Layer, Schema, referenced};
use crate::contract::Revision;

/// Annotations that describe the differences between layers and revisions. Derived schemas do not contain them.
const ANNOTATIONS: [&str; 4] = ["x-in", "x-part", "x-since", "x-tolerant"];

/// Derives the form of a shipped schema for a revision and a layer.
///
/// A revision renames and removes members, and patches their schemas. The strict layer closes every object whose
/// members are listed. The tolerant layer applies the patches that are written next to the members. Patches are JSON
/// Merge Patches (RFC 7386).
pub(super) fn derive(schema: &Schema, revision: Revision, layer: Layer) -> Value {
    let mut derived = node(&schema.json, revision, layer);
    if let Some(base) = schema.json.get("allOf").and_then(|_| referenced(schema.name, &schema.json)) {
        add(&mut derived, &node(&base.json, revision, layer));
    }
    if let Some(id) = derived["$id"].as_str() {
        derived["$id"] = id.replace("/schemas/", &format!("/schemas/{revision}/{layer}/")).into();
    }
    derived
}

fn node(source: &Value, revision: Revision, layer: Layer) -> Value {
    let Value::Object(source_members) = source else { return source.clone() };
    let mut node = Map::new();
    for (keyword, value) in source_members {
        let value = match keyword.as_str() {
            "properties" => properties(value, revision, layer),
            "items" => self::node(value, revision, layer),
            "anyOf" => {
                value.as_array().into_iter().flatten().map(|branch| self::node(branch, revision, layer)).collect()
            }
            "required" => required(value, source, revision),
            _ => value.clone(),
        };
        node.insert(keyword.clone(), value);
    }
    node.retain(|keyword, _| !ANNOTATIONS.contains(&keyword.as_str()));
    let mut node = Value::Object(node);
    if let Some(patch) = revision.edit(source).and_then(|edit| edit.get("schema")) {
        merge(&mut node, patch);
    }
    if layer == Layer::Tolerant {
        // The patch uses the names of the newest revision, as the whole file does.
        if let Some(patch) = source.get("x-tolerant") {
            let mut patch = patch.clone();
            if let Some(names) = patch.get("required").filter(|names| names.is_array()) {
                patch["required"] = required(names, source, revision);
            }
            merge(&mut node, &patch);
        }
    } else if node.get("properties").is_some() && source["x-part"] != true {
        node["additionalProperties"] = false.into();
    }
    node
}

/// Merges the base schema's members in, because `additionalProperties: false` sees only the members of its own schema
/// object. Every validator understands the result.
fn add(derived: &mut Value, base: &Value) {
    for (name, member) in base["properties"].as_object().into_iter().flatten() {
        if derived["properties"].get(name).is_none() {
            derived["properties"][name] = member.clone();
        }
    }
    let required = [base, &*derived].map(|schema| schema["required"].as_array().cloned().unwrap_or_default());
    derived["required"] = required.concat().into();
    derived["type"] = base["type"].clone();
    derived.as_object_mut().map(|derived| derived.remove("allOf"));
}

fn properties(value: &Value, revision: Revision, layer: Layer) -> Value {
    let members = value.as_object().into_iter().flatten().filter(|(_, member)| revision.has(member));
    members.map(|(name, member)| (revision.name_of(name, member).to_owned(), node(member, revision, layer))).collect()
}

fn required(names: &Value, object: &Value, revision: Revision) -> Value {
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    let here = names.filter_map(|name| match object["properties"].get(name) {
        Some(member) => revision.has(member).then(|| Value::from(revision.name_of(name, member))),
        None => Some(name.into()),
    });
    here.collect()
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::schema::source;
    use serde_json::json;

    fn derived(name: &str, revision: Revision, layer: Layer) -> Value {
        derive(source(name).unwrap(), revision, layer)
    }

    #[test]
    fn strict_schemas_refuse_unknown_members_and_tolerant_ones_accept_them() {
        let strict = derived("webhooks/sync_complete", Revision::CredentialId, Layer::Strict);
        assert_eq!((&strict["additionalProperties"], strict.get("allOf")), (&json!(false), None));
        assert!(
            strict["properties"]["sync"].is_object() && strict["required"].as_array().unwrap().contains(&json!("user"))
        );
        assert_eq!(strict["properties"]["data"]["additionalProperties"], false);
        let envelope = derived("webhooks/envelope", Revision::CredentialId, Layer::Strict);
        assert_eq!(envelope.get("additionalProperties"), None, "it is a part of the events");
        let tolerant = derived("webhooks/sync_complete", Revision::CredentialId, Layer::Tolerant);
        assert_eq!(tolerant.get("additionalProperties"), None);
        assert_eq!(tolerant["properties"]["data"].get("additionalProperties"), None);
    }

    #[test]
    fn revisions_rename_remove_and_patch() {
        let file = derived("records/file", Revision::SnakeCase, Layer::Strict);
        assert_eq!(file["properties"]["created_at"]["type"], "integer");
        assert_eq!(file["properties"].get("createdAt"), None);
        assert!(file["required"].as_array().unwrap().contains(&json!("external_id")));
        let envelope = derived("webhooks/envelope", Revision::CamelCase, Layer::Strict);
        assert_eq!(envelope["properties"].get("credentialId"), None);
        assert!(!envelope["required"].as_array().unwrap().contains(&json!("credentialId")));
        let tolerant = derived("records/file", Revision::SnakeCase, Layer::Tolerant);
        assert_eq!(tolerant["properties"]["created_at"]["type"], json!(["string", "integer"]));
        assert_eq!(tolerant["required"], json!(["id"]));
    }

    #[test]
    fn derived_schemas_contain_no_annotations() {
        for schema in crate::contract::schemas() {
            for revision in Revision::ALL {
                for layer in Layer::ALL {
                    let text = derive(schema, revision, layer).to_string();
                    assert!(ANNOTATIONS.iter().all(|word| !text.contains(&format!("\"{word}\""))), "{}", schema.name);
                }
            }
        }
    }

    #[test]
    fn merge_is_that_of_the_rfc() {
        let mut target = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": 3});
        merge(&mut target, &json!({"a": null, "b": {"c": null, "x": [1]}, "e": {"f": 1}}));
        assert_eq!(target, json!({"b": {"d": 2, "x": [1]}, "e": {"f": 1}}));
    }
}
