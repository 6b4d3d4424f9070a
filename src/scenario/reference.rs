use serde_json::{Map, Value};

use crate::contract::{ExternalId, Object};

/// A member that refers to another object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) member: &'static str,
    /// Kind of object that the member refers to.
    pub(super) what: &'static str,
    /// Returns whether the member may refer to this object.
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

/// Returns the members that refer to an object of the scenario, each with the object's name in the scenario.
pub(super) fn references(members: &Map<String, Value>) -> impl Iterator<Item = (Reference, &str)> {
    REFERENCES.into_iter().filter_map(|reference| Some((reference, target(members.get(reference.member)?)?)))
}

/// Returns the name in `{"object": NAME}`.
fn target(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("object")?.as_str()
}

/// Returns the members with ids in place of references. A reference to an object without an id is left out.
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
