//! proptest strategies for everything in the contract, for violations of it, and for whole histories.
//!
//! All strategies use the shipped schemas. [`payload`] generates values that the strict layer of a schema accepts.
//! [`near_miss`] generates values that break exactly one of its rules. [`raw_body`] generates bytes that anybody can
//! send to a receiver. [`history`] generates a [`Scenario`](crate::scenario::Scenario).
//!
//! The objects that [`history`] and [`file()`] put into a simulated integration look as a provider has them.
//! [`Params::edge`] adds edge cases, and [`Incoherence`] adds contradictions.
//!
//! ```
//! use paragon_testkit::contract::Event;
//! use paragon_testkit::strategies::{Params, event};
//! use proptest::prelude::*;
//!
//! proptest!(|(event in event(Params::default()))| {
//!     let body = serde_json::to_vec(&event).unwrap();
//!     prop_assert_eq!(Event::parse(&body).unwrap(), event); // or: your handler does not panic
//! });
//! ```

#[cfg(feature = "fake")]
mod history;
mod near_miss;
mod payload;
#[cfg(feature = "fake")]
mod policy;
mod provider;
mod raw;
mod scalars;

use proptest::prelude::*;

use crate::contract::{Event, EventKind, File, Pipeline, Revision};
#[cfg(feature = "fake")]
pub use history::{HistoryParams, history};
pub use near_miss::{NearMiss, near_miss};
pub use payload::payload;
#[cfg(feature = "fake")]
pub use policy::policy;
pub use provider::Incoherence;
pub use raw::{RawBody, raw_body};

/// Parameters of generated values: the revision, and the share of edge cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Params {
    /// Contract revision. Default: the newest.
    pub revision: Revision,
    /// Percentage of leaves that are edge cases: odd text, numbers at their limits, dates at the edges, deep and huge
    /// collections. Default 20; 0 gives tidy payloads.
    pub edge: u32,
}

impl Params {
    /// Returns the default parameters for a revision.
    pub fn new(revision: Revision) -> Self {
        Self { revision, ..Self::default() }
    }

    /// Sets the percentage of leaves that are edge cases.
    #[must_use]
    pub fn edge(mut self, percent: u32) -> Self {
        self.edge = percent;
        self
    }
}

impl Default for Params {
    fn default() -> Self {
        Self { revision: Revision::default(), edge: 20 }
    }
}

impl Params {
    /// Returns parameters for typical payloads without edge cases.
    pub fn tidy() -> Self {
        Self { edge: 0, ..Self::default() }
    }
}

/// Generates any of the six documented events, in the newest revision. `params.revision` is ignored: write an event in
/// an older revision with [`Revision::write_event`].
pub fn event(params: Params) -> impl Strategy<Value = Event> {
    proptest::strategy::Union::new(EventKind::ALL.map(|kind| event_of(kind, params).boxed()))
}

/// Generates events of one kind, in the newest revision. `params.revision` is ignored.
pub fn event_of(kind: EventKind, params: Params) -> impl Strategy<Value = Event> {
    let params = Params { revision: Revision::default(), ..params };
    payload(kind.schema(), params).prop_map(|value| {
        Event::from_value(value)
            .unwrap_or_else(|error| unreachable!("the types take what the schemas let through: {error}"))
    })
}

/// Generates files and folders without ids, to be created in a simulated integration. They are of the newest revision
/// and look as a provider has them, apart from edge cases. Times, size and hash are left to the source.
pub fn file(params: Params) -> impl Strategy<Value = File> {
    provider::members(Pipeline::Files, params, &[], &[]).prop_map(|members| {
        serde_json::from_value(members.into())
            .unwrap_or_else(|error| unreachable!("the types take what the schemas let through: {error}"))
    })
}

impl Arbitrary for Event {
    type Parameters = Params;
    type Strategy = BoxedStrategy<Self>;
    fn arbitrary_with(params: Params) -> Self::Strategy {
        event(params).boxed()
    }
}

impl Arbitrary for File {
    type Parameters = Params;
    type Strategy = BoxedStrategy<Self>;
    fn arbitrary_with(params: Params) -> Self::Strategy {
        file(params).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use serde_json::Value;

    fn sample<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, times: usize) -> Vec<T> {
        let mut runner = TestRunner::deterministic();
        (0..times).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
            _ => 0,
        }
    }

    #[test]
    fn edge_cases_do_occur_and_tidy_payloads_have_none() {
        let files = sample(payload("records/file", Params { edge: 50, ..Params::default() }), 2_000);
        let some = |what: &dyn Fn(&Value) -> bool| files.iter().any(what);
        assert!(some(&|file| file["mimeType"] == "application/vnd.google-apps.folder"));
        assert!(some(&|file| file["mimeType"] == ""));
        assert!(some(&|file| file["size"].is_null()) && some(&|file| file["size"] == 0));
        assert!(some(&|file| file["size"] == 9_007_199_254_740_993_u64) && some(&|file| file["size"] == i64::MAX));
        assert!(some(&|file| file.get("hash").is_none()) && some(&|file| file["hash"].get("value").is_none()));
        assert!(some(&|file| file["customFields"].as_object().is_some_and(|fields| fields.len() > 9)));
        assert!(some(&|file| depth(&file["customFields"]) > 20));
        assert!(some(&|file| file["createdAt"] == "0001-01-01T00:00:00Z"));
        assert!(some(&|file| file["id"] == "00000000-0000-0000-0000-000000000000"));
        assert!(some(&|file| file["name"] == "") && some(&|file| file["name"].as_str().unwrap().contains('\u{0}')));
        assert!(sample(scalars::text(100), 20_000).iter().any(|text| text.len() >= 1024 * 1024));

        for file in sample(payload("records/file", Params::tidy()), 500) {
            let name = file["name"].as_str().unwrap();
            assert!(name.is_ascii() && (3..40).contains(&name.len()) && depth(&file) <= 3, "{file}");
        }
        let pages = sample(payload("api/pull_records_response", Params::default()), 500);
        let lengths: Vec<_> = pages.iter().map(|page| page["data"].as_array().unwrap().len()).collect();
        assert!(lengths.contains(&0) && lengths.iter().any(|length| *length >= 4), "{lengths:?}");
    }

    #[test]
    fn payloads_stay_valid_while_they_shrink_to_small_ones() {
        use crate::contract::{Contract, Layer};
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        let mut runner = TestRunner::deterministic();
        for schema in ["records/contact", "api/expand_response"] {
            let mut sizes = (0, 0);
            for _ in 0..30 {
                let mut tree = payload(schema, Params::default()).new_tree(&mut runner).unwrap();
                sizes.0 += tree.current().to_string().len();
                while tree.simplify() {
                    assert_eq!(strict.validate(schema, &tree.current()), []);
                }
                sizes.1 += tree.current().to_string().len();
            }
            assert!(sizes.1 < sizes.0, "{schema}: {sizes:?}");
        }
    }
}
