use serde_json::{Map, Value};

use crate::contract::{ExternalId, Object};

/// A member that names another object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) member: &'static str,
    /// What it names.
    pub(super) what: &'static str,
    /// Whether an object may be named by it.
    pub(super) fits: fn(&Object) -> bool,
}

const REFERENCES: [Reference; 3] = [
    Reference {
        member: "parentFolderId",
        what: "folder",
        fits: |object| matches!(object, Object::File(file) if file.is_folder()),
    },
    Reference { member: "accountId", what: "company", fits: |object| matches!(object, Object::Company(_)) },
    Reference { member: "parentCompanyId", what: "company", fits: |object| matches!(object, Object::Company(_)) },
];

/// The members that refer to an object of the scenario, each with the name that it has there.
pub(super) fn references(members: &Map<String, Value>) -> impl Iterator<Item = (Reference, &str)> {
    REFERENCES.into_iter().filter_map(|reference| Some((reference, target(members.get(reference.member)?)?)))
}

/// The name in `{"object": NAME}`.
fn target(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("object")?.as_str()
}

/// The members with ids instead of references. What has no id is left out.
pub(crate) fn resolved(members: &Map<String, Value>, id_of: impl Fn(&str) -> Option<ExternalId>) -> Map<String, Value> {
    let mut resolved = members.clone();
    for (reference, name) in references(members) {
        match id_of(name) {
            Some(id) => drop(resolved.insert(reference.member.to_owned(), Value::String(id.to_string()))),
            None => drop(resolved.remove(reference.member)),
        }
    }
    resolved
}
