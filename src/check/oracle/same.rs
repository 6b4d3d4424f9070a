use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::check::members::Members;
use crate::clock::Timestamp;
use crate::contract::{Contract, Layer, Pipeline, Place, Revision};
use crate::fake::ApiFault;

/// Type of a value according to the schemas. Two values of the same type may look different and still be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A point in time.
    Time,
    /// A number.
    Number,
    /// An id that is a UUID.
    Uuid,
    /// An object with these members. It may have members that the schema does not list.
    Object(BTreeMap<&'static str, Shape>),
    /// A list of values of one type.
    List(Box<Shape>),
    /// Anything else, which is compared as JSON.
    Any,
}

/// What a comparison of two values needs beside the values.
pub(super) struct Comparing<'a> {
    /// The members that are compared.
    pub(super) members: &'a Members,
    /// Remarks on values that only look different.
    pub(super) remarks: &'a mut BTreeSet<String>,
}

impl Shape {
    /// Returns the types of the members of a pipeline's records, from all revisions of the contract. Without a
    /// pipeline, the first record schema that lists a member decides its type.
    pub(super) fn of_records(pipeline: Option<Pipeline>) -> &'static Self {
        const PIPELINES: usize = Pipeline::ALL.len();
        static SHAPES: [OnceLock<Shape>; PIPELINES + 1] = [const { OnceLock::new() }; PIPELINES + 1];
        let index = pipeline.map_or(PIPELINES, |pipeline| pipeline as usize);
        SHAPES[index].get_or_init(|| {
            let mut members = BTreeMap::new();
            for pipeline in Pipeline::ALL.into_iter().filter(|other| pipeline.is_none_or(|one| one == *other)) {
                for revision in Revision::ALL {
                    let contract = Contract { revision, layer: Layer::Tolerant };
                    for (name, place) in contract.place(pipeline.schema()).members() {
                        members.entry(name).or_insert_with(|| Self::of(place));
                    }
                }
            }
            Self::Object(members)
        })
    }

    fn of(place: Place) -> Self {
        let kinds = place.kinds();
        let has = |kind| kinds.contains(&kind);
        let format = place.keyword("format").and_then(Value::as_str);
        // The tolerant layer allows both text and numbers only where the contract has times.
        if format == Some("date-time") || has("string") && has("integer") {
            return Self::Time;
        }
        if format == Some("uuid") {
            return Self::Uuid;
        }
        if has("integer") || has("number") {
            return Self::Number;
        }
        let members = place.members();
        if !members.is_empty() {
            return Self::Object(members.into_iter().map(|(name, member)| (name, Self::of(member))).collect());
        }
        place.items().map_or(Self::Any, |items| Self::List(Box::new(Self::of(items))))
    }

    /// Returns the type of a member of this object.
    pub(super) fn member(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => members.get(name).unwrap_or(&Self::Any),
            _ => &Self::Any,
        }
    }

    /// Returns whether a held value equals the latest one. Adds a remark if the two only look different. `member` is
    /// the path of the value; it is empty for a whole record.
    pub(super) fn same(&self, member: &str, held: &Value, latest: &Value, comparing: &mut Comparing<'_>) -> bool {
        if held == latest {
            return true;
        }
        match (self, held, latest) {
            (Self::Time, ..) => {
                let form = other_form_of_time(held, latest);
                if let Some(form) = form {
                    comparing
                        .remarks
                        .insert(format!("the state gives `{member}` {form}: the same time in another form"));
                }
                form.is_some()
            }
            (Self::Number, Value::String(held), Value::Number(latest)) => {
                let same = held.parse().is_ok_and(|held: Number| is_exactly(&held, latest));
                if same {
                    comparing
                        .remarks
                        .insert(format!("the state gives `{member}` as text: the same number in another form"));
                }
                same
            }
            (Self::Uuid, Value::String(held), Value::String(latest)) => {
                let same = Uuid::parse_str(held).is_ok_and(|held| Uuid::parse_str(latest) == Ok(held));
                if same {
                    comparing.remarks.insert(format!(
                        "the state gives `{member}` in capitals or without hyphens; this counts as the same UUID"
                    ));
                }
                same
            }
            // JSON has one kind of number, so 1 and 1.0 are equal.
            (_, Value::Number(held), Value::Number(latest)) => held.as_f64() == latest.as_f64(),
            (_, Value::Array(held), Value::Array(latest)) => {
                let item = if let Self::List(item) = self { item } else { &Self::Any };
                held.len() == latest.len()
                    && held.iter().zip(latest).all(|(held, latest)| item.same(member, held, latest, comparing))
            }
            (_, Value::Object(held), Value::Object(latest)) => self.same_members(member, held, latest, comparing),
            _ => false,
        }
    }

    /// Compares objects. Each object must have the compared members of the other. Members that
    /// [`ApiFaultKind::UnknownMembers`](crate::fake::ApiFaultKind) added are ignored, whether the receiver keeps them
    /// or not.
    fn same_members(
        &self,
        at: &str,
        held: &Map<String, Value>,
        latest: &Map<String, Value>,
        comparing: &mut Comparing<'_>,
    ) -> bool {
        let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let members = comparing.members;
        let is_compared = |name: &String| name != ApiFault::UNKNOWN_MEMBER && members.include(&path(name));
        let told = |members: &Map<String, Value>| members.keys().filter(|name| is_compared(name)).count();
        told(held) == told(latest)
            && latest.iter().filter(|(name, _)| is_compared(name)).all(|(name, latest)| {
                let same = |held| self.member(name).same(&path(name), held, latest, comparing);
                held.get(name).is_some_and(same)
            })
    }
}

/// Compares integers digit by digit, and other numbers as floats.
fn is_exactly(a: &Number, b: &Number) -> bool {
    let is_integer = |number: &Number| number.is_i64() || number.is_u64();
    a == b || !(is_integer(a) && is_integer(b)) && a.as_f64() == b.as_f64()
}

/// Returns the form in which the held value gives the latest time. Returns `None` if it is another time or no time at
/// all.
fn other_form_of_time(held: &Value, latest: &Value) -> Option<&'static str> {
    let latest = moment(latest)?.0.as_millis();
    match held {
        Value::Number(held) => {
            let is = |millis: f64| millis.is_finite() && Timestamp::from_millis(rounded(millis)).as_millis() == latest;
            let held = held.as_f64()?;
            match (is(held), is(held * 1_000.0) || is_whole_second_of(rounded(held * 1_000.0), latest)) {
                (true, _) => Some("as milliseconds since 1970"),
                (_, true) => Some("as seconds since 1970"),
                _ => None,
            }
        }
        Value::String(text) => {
            let (held, form) = moment(&Value::from(text.as_str()))?;
            let held = held.as_millis();
            match form {
                _ if held == latest => Some(form),
                // Many databases keep whole seconds. Some cut off the rest, and some round.
                _ if !text.contains(['.', ',']) && is_whole_second_of(held, latest) => Some("in whole seconds"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns whether `held` is `latest`, cut or rounded to a whole second.
fn is_whole_second_of(held: i64, latest: i64) -> bool {
    held % 1_000 == 0 && (-500..1_000).contains(&latest.saturating_sub(held))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and such a moment equals none")]
fn rounded(millis: f64) -> i64 {
    millis.round() as i64
}

/// Parses a time, and names its form.
fn moment(value: &Value) -> Option<(Timestamp, &'static str)> {
    match value {
        Value::Number(millis) => Some((Timestamp::from_millis(millis.as_i64()?), "as milliseconds since 1970")),
        Value::String(text) => {
            let read = |text: &str, form| Timestamp::parse(text).map(|moment| (moment, form));
            let millis = || Some((Timestamp::from_millis(text.parse().ok()?), "as text with milliseconds since 1970"));
            read(text, "with another offset or precision")
                .or_else(|| read(&format!("{text}Z"), "without an offset, which is read as UTC"))
                .or_else(|| read(&format!("{text}T00:00:00Z"), "as a date without a time"))
                .or_else(millis)
        }
        _ => None,
    }
}
