//! Paragon's contract: events, records, schemas, fixtures, and the certainty of each fact.
//!
//! Nothing in this module does I/O. [`Event`] is the main type. Parse the body of a webhook request into an `Event`, or
//! build an `Event` and print it.
//!
//! ```
//! use paragon_testkit::contract::Event;
//!
//! let body = br#"{"event":"record_created","sync":"googledrive",
//!     "syncInstanceId":"163a345e-2dd4-51ff-bcf5-7667de564bb0",
//!     "user":{"id":"user_01JH448D13EX2BE1SC1GXVT05R"},
//!     "data":{"recordId":"3ce16e33-0163-564d-98ce-99b0a25ab375","model":"files"}}"#;
//! let Event::RecordCreated(created) = Event::parse(body)? else { panic!("another event") };
//! assert_eq!(created.data.model, "files");
//! # Ok::<(), paragon_testkit::contract::EventError>(())
//! ```

pub mod api;
mod event;
mod fixture;
mod frequency;
mod grade;
mod id;
mod integration;
mod ledger;
mod nearest;
mod object;
mod pipeline;
mod record;
mod revision;
mod schema;
mod special;
mod synced;
mod words;

pub use event::{
    Envelope, Event, EventError, EventKind, RecordChange, RecordError, RecordErrored, RecordRef, SyncComplete,
    SyncCompleteData, SyncError, SyncErrored, UnknownEvent, UserRef, WebhookVerification,
};
pub use fixture::{Breaks, Fixture, FixtureError, fixture, fixtures};
pub use frequency::Frequency;
pub use grade::{Grade, Provenance};
pub use id::{CredentialId, ExternalId, ProjectId, RecordId, SyncId, UserId};
pub(crate) use id::{Numbering, scramble};
pub(crate) use integration::SAMPLE_OBJECT;
pub use integration::{
    ConfigurationProblem, Integration, Kind, Requirement, Setting, Supported, UnknownIntegration, integration,
    integrations, sample_integration,
};
pub use ledger::{Member, Rule, RuleKind, members, provenance_table, rule, rules};
#[cfg(feature = "check")]
pub(crate) use nearest::nearest;
pub use pipeline::Pipeline;
pub use record::{Company, Contact, CustomObject, Deal, File, Hash, Record, Ticket, Tombstone};
pub use revision::Revision;
pub(crate) use schema::Place;
pub use schema::{ADMIN_API, ASYNCAPI, Contract, Layer, OPENAPI, Schema, Violation, schemas, validate_event};
pub use special::SpecialRecord;
pub use synced::{Object, Synced};
pub(crate) use words::WORDS;
