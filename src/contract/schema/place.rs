use serde_json::Value;

use super::{Contract, referenced};

/// A place in a schema of one contract. The methods follow the references of the schema. Code that generates or breaks
/// payloads walks from place to place.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    contract: Contract,
    /// Name of the schema file that references are relative to.
    pub(crate) file: &'static str,
    schema: &'static Value,
}

impl Contract {
    /// Returns the top of a schema.
    #[track_caller]
    pub(crate) fn place(self, name: &str) -> Place {
        let (file, schema) = self.named(name);
        Place { contract: self, file, schema }
    }
}

impl Place {
    fn at(self, schema: &'static Value) -> Self {
        Self { schema, ..self }
    }

    /// Returns this place, followed by the places that its references lead to.
    pub(crate) fn chain(self) -> Vec<Self> {
        let mut chain = vec![self];
        while let Some(target) = chain.last().and_then(|last| referenced(last.file, last.schema)) {
            chain.push(self.contract.place(target.name));
        }
        chain
    }

    /// Returns the value of a keyword from the first place in the chain of references that has the keyword.
    pub(crate) fn keyword(self, keyword: &str) -> Option<&'static Value> {
        self.chain().into_iter().find_map(|place| place.schema.get(keyword))
    }

    /// Returns the names of the accepted types.
    pub(crate) fn kinds(self) -> Vec<&'static str> {
        match self.keyword("type") {
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(kind)) => vec![kind],
            _ => Vec::new(),
        }
    }

    /// Returns the listed members, each once.
    pub(crate) fn members(self) -> Vec<(&'static str, Self)> {
        let mut members: Vec<(&str, Self)> = Vec::new();
        for place in self.chain() {
            for (name, member) in place.schema["properties"].as_object().into_iter().flatten() {
                if members.iter().all(|(other, _)| other != name) {
                    members.push((name, place.at(member)));
                }
            }
        }
        members
    }

    /// Returns the names of the required members.
    pub(crate) fn required(self) -> Vec<&'static str> {
        let lists = self.chain().into_iter().filter_map(|place| place.schema["required"].as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// Returns whether members that are not listed are rejected.
    pub(crate) fn closed(self) -> bool {
        self.chain().iter().any(|place| place.schema.get("additionalProperties") == Some(&Value::Bool(false)))
    }

    /// Returns the schema of the items of a list.
    pub(crate) fn items(self) -> Option<Self> {
        self.chain().into_iter().find_map(|place| Some(place.at(place.schema.get("items")?)))
    }

    /// Returns the alternatives of `anyOf`, of which a payload must match at least one.
    pub(crate) fn branches(self) -> Option<Vec<Self>> {
        self.chain().into_iter().find_map(|place| {
            Some(place.schema.get("anyOf")?.as_array()?.iter().map(|branch| place.at(branch)).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Layer;

    #[test]
    fn strict_schemas_are_closed_with_and_without_references_and_tolerant_ones_are_open() {
        for (layer, closed) in [(Layer::Strict, true), (Layer::Tolerant, false)] {
            let page = Contract { layer, ..Contract::default() }.place("api/pull_records_response");
            let members = page.members();
            let (_, paging) = members.iter().find(|(name, _)| *name == "paging").unwrap();
            assert!(paging.schema.get("additionalProperties").is_none(), "it refers to another file");
            assert_eq!((page.closed(), paging.closed()), (closed, closed), "{layer}");
        }
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        assert!(!strict.place("webhooks/envelope").closed(), "the events add to it");
        assert!(!strict.place("common/pipeline").closed(), "it has no members");
    }
}
