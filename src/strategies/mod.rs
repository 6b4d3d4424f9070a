//! proptest strategies of everything in the contract, of what breaks it, and of whole histories.
//!
//! All of them follow from the shipped schemas: [`payload`] generates what a schema's strict layer lets through,
//! [`near_miss`] what breaks exactly one of its rules, [`raw_body`] bytes that a receiver may be sent by anybody,
//! [`history`] a [`Scenario`](crate::scenario::Scenario).
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

mod history;
mod leaf;
mod miss;
mod payload;
mod raw;

use proptest::prelude::*;

use crate::contract::{Event, EventKind, File, Revision};
pub use history::{HistoryParams, history, policy};
pub use miss::{NearMiss, near_miss};
pub use payload::payload;
pub use raw::{RawBody, raw_body};

/// What is generated, and how odd it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Of which age of the contract. Default: the newest.
    pub revision: Revision,
    /// How many of a hundred leaves are edge cases: odd text, numbers at their limits, dates at the edges, deep and
    /// huge collections. Default 20; 0 gives tidy payloads.
    pub edge: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { revision: Revision::default(), edge: 20 }
    }
}

impl Params {
    /// Payloads as they are on most days.
    pub fn tidy() -> Self {
        Self { edge: 0, ..Self::default() }
    }
}

/// Any of the six documented events, of the newest revision. `params.revision` is not looked at: write an event for an
/// older one with [`Revision::write_event`].
pub fn event(params: Params) -> impl Strategy<Value = Event> {
    proptest::strategy::Union::new(EventKind::ALL.map(|kind| event_of(kind, params).boxed()))
}

/// Events of one kind, of the newest revision.
pub fn event_of(kind: EventKind, params: Params) -> impl Strategy<Value = Event> {
    let params = Params { revision: Revision::default(), ..params };
    payload(kind.schema(), params).prop_map(|value| {
        Event::from_value(value)
            .unwrap_or_else(|error| unreachable!("the types take what the schemas let through: {error}"))
    })
}

/// Files and folders, without their ids: what is created in a simulated integration. Of the newest revision.
pub fn file(params: Params) -> impl Strategy<Value = File> {
    let params = Params { revision: Revision::default(), ..params };
    payload("records/file", params).prop_map(|mut value| {
        for id in ["id", "externalId"] {
            value.as_object_mut().and_then(|members| members.remove(id));
        }
        serde_json::from_value(value)
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
