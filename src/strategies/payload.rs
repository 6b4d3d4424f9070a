use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use serde_json::{Map, Value};

use super::Params;
use super::scalars::{self, mix};
use crate::contract::{Contract, Layer, Place};

/// Maximum number of occurrences of a schema within itself.
const DEPTH: usize = 3;

/// Generates payloads that the strict schema of `params.revision` accepts, such as `payload("records/file", …)`. They
/// shrink to fewer optional members, shorter lists and simpler values, and stay valid.
///
/// # Panics
///
/// Panics if there is no such schema; [`schemas`](crate::contract::schemas) lists all of them.
#[track_caller]
pub fn payload(schema: &str, params: Params) -> BoxedStrategy<Value> {
    payload_with(schema, params, None)
}

/// Returns the tidy values of a member, given the names of the schema and the member; `None` if the schema says enough.
pub(super) type TidyMember = fn(&str, &str) -> Option<BoxedStrategy<Value>>;

/// Generates payloads like [`payload`]. `tidy` gives tidy values that the schema does not describe.
#[track_caller]
pub(super) fn payload_with(schema: &str, params: Params, tidy: Option<TidyMember>) -> BoxedStrategy<Value> {
    let contract = Contract { revision: params.revision, layer: Layer::Strict };
    let place = contract.place(schema);
    Walk { edge: params.edge, tidy }
        .any_of(place, &[])
        .unwrap_or_else(|| unreachable!("a schema can be generated at its top"))
}

#[derive(Clone, Copy)]
struct Walk {
    edge: u32,
    tidy: Option<TidyMember>,
}

impl Walk {
    /// Generates values for a place in a schema. Returns `None` if the place would be nested too deeply. `within` lists
    /// the schema files on the path to the place.
    fn any_of(self, place: Place, within: &[&'static str]) -> Option<BoxedStrategy<Value>> {
        let mut within = within.to_vec();
        within.extend(place.chain().iter().skip(1).map(|place| place.file));
        if within.iter().any(|file| within.iter().filter(|other| *other == file).count() > DEPTH) {
            return None;
        }
        if let Some(value) = place.keyword("const") {
            return Some(Just(value.clone()).boxed());
        }
        if let Some(values) = place.keyword("enum") {
            return Some(select(values.as_array()?.clone()).boxed());
        }
        if let Some(branches) = place.branches() {
            let branches: Vec<_> = branches.into_iter().filter_map(|branch| self.any_of(branch, &within)).collect();
            return Some(Union::new(branches).boxed());
        }
        let kinds: Vec<_> = place.kinds().into_iter().filter(|kind| *kind != "null").collect();
        let nullable = kinds.len() < place.kinds().len();
        let kinds: Option<Vec<_>> = kinds.into_iter().map(|kind| self.kind(kind, place, &within)).collect();
        let value = Union::new(kinds?).boxed();
        Some(if nullable { prop_oneof![3 => value, 1 => Just(Value::Null)].boxed() } else { value })
    }

    fn kind(self, kind: &str, place: Place, within: &[&'static str]) -> Option<BoxedStrategy<Value>> {
        let limit = |keyword| place.keyword(keyword).and_then(Value::as_i64);
        Some(match kind {
            "boolean" => any::<bool>().prop_map(Value::Bool).boxed(),
            "integer" => scalars::integer(self.edge, limit("minimum"), limit("maximum")),
            "number" => scalars::number(self.edge),
            "string" => self.string(place),
            "array" => self.array(place, within),
            _ => self.object(place, within)?,
        })
    }

    fn string(self, place: Place) -> BoxedStrategy<Value> {
        let edge = self.edge;
        let examples = place.keyword("examples").and_then(Value::as_array);
        // If the schema has examples, they are the tidy values, and all other text is an edge case.
        let edge_of_text = if examples.is_some() { 100 } else { edge };
        let text = match place.keyword("format").and_then(Value::as_str) {
            Some("uuid") => scalars::uuid(edge),
            Some("date-time") => scalars::date_time(edge),
            Some("date") => scalars::date(edge),
            Some("uri") => scalars::uri(edge),
            _ => scalars::text(edge_of_text),
        };
        let may_be_empty = place.keyword("minLength").is_none();
        let text =
            text.prop_map(move |text| Value::String(if text.is_empty() && !may_be_empty { "x".into() } else { text }));
        match examples {
            Some(examples) => mix(edge, select(examples.clone()), text),
            None => text.boxed(),
        }
    }

    fn array(self, place: Place, within: &[&'static str]) -> BoxedStrategy<Value> {
        let item = place.items().and_then(|items| self.any_of(items, within));
        let Some(item) = item else { return Just(Value::Array(Vec::new())).boxed() };
        // Lists in lists stay short; otherwise a single payload could fill the memory.
        let long = if within.len() > 1 { 4..=8 } else { 40..=80 };
        let long =
            prop_oneof![2 => Just(Value::Array(Vec::new())), 1 => vec(item.clone(), long).prop_map(Value::Array)];
        mix(self.edge / 4, vec(item, 0..4).prop_map(Value::Array), long)
    }

    fn object(self, place: Place, within: &[&'static str]) -> Option<BoxedStrategy<Value>> {
        let members = place.members();
        if members.is_empty() {
            return Some(scalars::object(self.edge));
        }
        let required = place.required();
        let (mut always, mut sometimes) = (Vec::new(), Vec::new());
        for (name, member) in members {
            let value = match self.tidy.and_then(|tidy| tidy(place.file, name)) {
                Some(tidy) => {
                    Self { edge: 100, tidy: None }.any_of(member, within).map(|odd| mix(self.edge, tidy, odd))
                }
                None => self.any_of(member, within),
            };
            let strategy = value.map(|value| value.prop_map(move |value| (name.to_owned(), value)).boxed());
            if required.contains(&name) {
                always.push(strategy?);
            } else {
                sometimes.extend(strategy);
            }
        }
        let count =
            |keyword| place.keyword(keyword).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let more = count("minProperties").map_or(0, |least| least.saturating_sub(always.len()));
        let optional = match (more, count("maxProperties")) {
            (0, None) => options(sometimes),
            // The schemas only require at least one or exactly one optional member.
            (1, None) => (0..sometimes.len())
                .prop_flat_map(move |chosen| {
                    let chosen_first = sometimes[chosen].clone();
                    let rest =
                        sometimes.iter().enumerate().filter(|(i, _)| *i != chosen).map(|(_, member)| member.clone());
                    (chosen_first, options(rest.collect())).prop_map(|(first, mut rest)| {
                        rest.push(first);
                        rest
                    })
                })
                .boxed(),
            (1, Some(_)) if sometimes.is_empty() => return None,
            (1, Some(_)) => Union::new(sometimes).prop_map(|member| vec![member]).boxed(),
            (more, most) => unreachable!("{}: {more} more members, at most {most:?}", place.file),
        };
        let object = (always, optional)
            .prop_map(|(always, optional)| Value::Object(always.into_iter().chain(optional).collect::<Map<_, _>>()));
        Some(object.boxed())
    }
}

type Member = (String, Value);

fn options(members: Vec<BoxedStrategy<Member>>) -> BoxedStrategy<Vec<Member>> {
    let members: Vec<_> = members.into_iter().map(|member| weighted(0.6, member)).collect();
    members.prop_map(|members| members.into_iter().flatten().collect()).boxed()
}
