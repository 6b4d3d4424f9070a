use serde_json::Value;

use crate::contract::grade::Provenance;
use crate::contract::revision::Revision;
use crate::contract::schema::{referenced, schemas};

/// One member of a payload, with the source and the certainty of its description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Name of the schema that lists the member, such as `records/file`.
    pub schema: &'static str,
    /// Path of the member in the schema, such as `hash.type`. `[]` stands for the items of a list.
    pub path: String,
    /// Type of the member, such as `integer or null`, `uuid` or the name of the schema that the member refers to.
    pub kind: String,
    /// Whether the strict layer requires the member.
    pub required: bool,
    /// First revision that has the member. `None` means that all revisions have it.
    pub since: Option<Revision>,
    /// Name of the member in the oldest revision, if the name was different.
    pub formerly: Option<&'static str>,
    /// Description of the member.
    pub description: &'static str,
    /// Provenance of the member: its own, or otherwise that of the object, list or schema that contains the member.
    pub provenance: Provenance,
}

/// Returns all members that the shipped schemas list. A member appears only under the schema whose file defines it.
///
/// ```
/// use paragon_testkit::contract::{Grade, members};
/// let hash = members().into_iter().find(|member| member.schema == "records/file" && member.path == "hash.value");
/// assert_eq!(hash.map(|member| member.provenance.grade), Some(Grade::Observed));
/// ```
pub fn members() -> Vec<Member> {
    let mut members = Vec::new();
    for schema in schemas() {
        let here = At { schema: schema.name, path: String::new(), provenance: schema.provenance.clone() };
        here.collect(&schema.json, &mut members);
    }
    members
}

/// A place in a schema.
struct At {
    schema: &'static str,
    path: String,
    provenance: Provenance,
}

impl At {
    fn collect(&self, place: &'static Value, members: &mut Vec<Member>) {
        let base = place.get("allOf").and_then(|_| referenced(self.schema, place)).map(|base| &base.json);
        let required = base.into_iter().chain([place]).filter_map(|place| place["required"].as_array());
        let required: Vec<_> = required.flatten().filter_map(Value::as_str).collect();
        for (name, member) in place["properties"].as_object().into_iter().flatten() {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let own = serde_json::from_value(member["x-provenance"].clone()).ok();
            let provenance: Provenance = own.unwrap_or_else(|| self.provenance.clone());
            members.push(Member {
                schema: self.schema,
                path: path.clone(),
                kind: kind(self.schema, member),
                required: required.contains(&name.as_str()),
                since: member["x-since"].as_str().and_then(Revision::from_name),
                formerly: member["x-in"][Revision::SnakeCase.name()]["name"].as_str(),
                description: member["description"].as_str().unwrap_or_default(),
                provenance: provenance.clone(),
            });
            At { schema: self.schema, path, provenance }.collect(member, members);
        }
        if let Some(items) = place.get("items") {
            let path = format!("{}[]", self.path);
            At { schema: self.schema, path, provenance: self.provenance.clone() }.collect(items, members);
        }
        for branch in place["anyOf"].as_array().into_iter().flatten() {
            At { schema: self.schema, path: self.path.clone(), provenance: self.provenance.clone() }
                .collect(branch, members);
        }
    }
}

fn kind(schema: &str, member: &Value) -> String {
    let json = |value: &Value| value.to_string();
    if let Some(target) = referenced(schema, member) {
        return target.name.to_owned();
    }
    match (&member["const"], &member["enum"], &member["format"], &member["type"]) {
        (Value::Null, Value::Array(values), ..) => values.iter().map(json).collect::<Vec<_>>().join(", "),
        (Value::Null, _, Value::String(format), Value::String(_)) => format.clone(),
        (Value::Null, _, _, Value::String(kind)) => kind.clone(),
        (Value::Null, _, _, Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        (Value::Null, ..) => "any".to_owned(),
        (value, ..) => json(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Grade;

    #[test]
    fn members_have_a_description_and_a_grade() {
        let all = members();
        let find = |schema: &str, path: &str| {
            let found = all.iter().find(|member| member.schema == schema && member.path == path);
            found.unwrap_or_else(|| panic!("no {path} in {schema}")).clone()
        };
        let size = find("records/file", "size");
        assert_eq!((size.kind.as_str(), size.required, size.since), ("integer or null", true, None));
        assert_eq!(find("records/file", "externalId").formerly, Some("external_id"));
        assert_eq!(find("webhooks/envelope", "credentialId").since, Some(Revision::CredentialId));
        assert_eq!(find("api/list_syncs_response", "data[].status").kind, "common/sync_status");
        let change = find("api/permission_changes_response", "changes[].tuple_key.user");
        assert_eq!(change.provenance.grade, Grade::Assumed, "what stands in an assumed list is assumed");
        let event = find("webhooks/sync_complete", "event");
        assert_eq!((event.kind.as_str(), event.required), (r#""sync_complete""#, true));
        assert!(all.iter().all(|member| !member.description.is_empty() || own_format(member.schema)));
    }

    fn own_format(schema: &str) -> bool {
        matches!(schema, "policy" | "report" | "scenario")
    }
}
