use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::{Params, payload};
use crate::contract::{Breaks, Contract, Layer, Place};

/// A payload that breaks exactly one rule.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NearMiss {
    /// The rule that is broken.
    pub breaks: Breaks,
    /// The invalid payload.
    pub payload: Value,
}

/// Generates payloads that break exactly one rule of the strict schema. They shrink to a simple payload with a mistake
/// of the same kind.
///
/// # Panics
///
/// Panics if there is no such schema, or if the schema accepts everything.
///
/// ```
/// use paragon_testkit::contract::{Contract, Layer, Revision};
/// use paragon_testkit::strategies::{Params, near_miss};
/// use proptest::prelude::*;
///
/// proptest!(|(miss in near_miss("webhooks/record_deleted", Params::default()))| {
///     let strict = Contract::new(Revision::default(), Layer::Strict);
///     let violations = strict.validate("webhooks/record_deleted", &miss.payload);
///     prop_assert!(miss.breaks.is_all_of(&violations), "{:?}", violations);
/// });
/// ```
#[track_caller]
pub fn near_miss(schema: &str, params: Params) -> BoxedStrategy<NearMiss> {
    let place = Contract { revision: params.revision, layer: Layer::Strict }.place(schema);
    (payload(schema, params), any::<Index>())
        .prop_map(move |(payload, chosen)| {
            let mut mutations = Vec::new();
            collect(place, &payload, "", &mut mutations);
            assert!(!mutations.is_empty(), "the schema {} has no rule that a payload could break", place.file);
            let mutation = mutations.swap_remove(chosen.index(mutations.len()));
            mutation.apply(payload)
        })
        .boxed()
}

/// A change to a payload, and the rule that it breaks.
struct Mutation {
    /// JSON pointer to the changed value.
    at: String,
    change: Change,
    breaks: Breaks,
}

enum Change {
    Replace(Value),
    Remove(String),
    Add(String),
}

impl Mutation {
    fn apply(self, mut payload: Value) -> NearMiss {
        let target = payload.pointer_mut(&self.at);
        match (target, self.change) {
            (Some(target), Change::Replace(value)) => *target = value,
            (Some(Value::Object(members)), Change::Remove(name)) => drop(members.remove(&name)),
            (Some(Value::Object(members)), Change::Add(name)) => drop(members.insert(name, json!("unknown"))),
            _ => unreachable!("{} was there a moment ago", self.at),
        }
        NearMiss { breaks: self.breaks, payload }
    }
}

/// Collects all changes to `value` that break exactly one rule at `place`.
fn collect(place: Place, value: &Value, at: &str, mutations: &mut Vec<Mutation>) {
    // A mistake in a place with several alternatives violates all of them, so it does not break exactly one rule.
    if place.branches().is_some() {
        return;
    }
    let mut replace = |rule, value| {
        let breaks = Breaks::new(at, rule);
        mutations.push(Mutation { at: at.to_owned(), change: Change::Replace(value), breaks });
    };
    if place.keyword("const").is_some() {
        replace("const", json!("something else"));
        return;
    }
    if place.keyword("enum").is_some() {
        replace("enum", json!("something else"));
        replace("enum", Value::Null);
        return;
    }
    let kinds = place.kinds();
    let fraction = place.keyword("minimum").and_then(Value::as_f64).unwrap_or_default() + 0.5;
    for other in [Value::Null, json!(true), json!("text"), json!(fraction), json!([]), json!({})] {
        if !kinds.iter().any(|kind| is(kind, &other)) {
            replace("type", other);
        }
    }
    match value {
        Value::String(_) if place.keyword("format").is_some() => replace("format", json!("not of this format")),
        Value::String(_) if place.keyword("minLength").is_some() => replace("minLength", json!("")),
        Value::Number(_) => {
            for (rule, by) in [("minimum", -1), ("maximum", 1)] {
                if let Some(limit) = place.keyword(rule).and_then(Value::as_i64) {
                    replace(rule, json!(limit + by));
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = place.items() {
                for (index, item) in items.iter().enumerate() {
                    collect(of, item, &format!("{at}/{index}"), mutations);
                }
            }
        }
        Value::Object(_) => members(place, value, at, mutations),
        _ => {}
    }
}

fn members(place: Place, value: &Value, at: &str, mutations: &mut Vec<Mutation>) {
    // If the schema limits the number of members, adding or removing one breaks this limit as well.
    let counted = place.keyword("minProperties").is_some() || place.keyword("maxProperties").is_some();
    let mut change = |name: &str, rule, change| {
        let path = if rule == "minProperties" { at.to_owned() } else { format!("{at}/{name}") };
        mutations.push(Mutation { at: at.to_owned(), change, breaks: Breaks::new(&path, rule) });
    };
    if !counted {
        for name in place.required() {
            change(name, "required", Change::Remove(name.to_owned()));
        }
    }
    if place.closed() && place.keyword("maxProperties").is_none() {
        change("unknownMember", "additionalProperties", Change::Add("unknownMember".to_owned()));
    }
    if counted && place.required().is_empty() {
        change("", "minProperties", Change::Replace(json!({})));
    }
    for (name, member) in place.members() {
        if let Some(value) = value.get(name) {
            collect(member, value, &format!("{at}/{name}"), mutations);
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
