//! Describes what happened in a test, as text that is the same in each run, for `insta::assert_snapshot!` or for plain
//! comparisons.
//!
//! [`Snapshot`] describes a fake and its receiver. [`handled`] describes the results of a handler for every shipped
//! event. All of it is text, so any version of insta accepts it, and the environment variables of insta work as usual.
//!
//! ```
//! # #[cfg(feature = "fake")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use paragon_testkit::FakeParagon;
//! use paragon_testkit::contract::File;
//! use paragon_testkit::snapshot::Snapshot;
//!
//! let paragon = FakeParagon::start().await;
//! let drive = paragon.user("user_ada").connect("googledrive");
//! drive.create(File::named("Q1 report.pdf"));
//! let sync = drive.enable("files")?;
//! paragon.settle().await;
//!
//! let snapshot = Snapshot::of(&paragon);
//! assert_eq!(snapshot.timeline(), "\
//! +00:00:00      source    created \"Q1 report.pdf\"
//! +00:00:00      sync      initial run, 1 event
//! +00:00:00      webhook   sync_complete, not sent: the webhook is not enabled
//! ");
//! // The state of your receiver, as the receiver reports it. Ids and times become names.
//! let held = serde_json::json!({"sync": sync.id(), "record": sync.records()[0]["id"], "at": paragon.now()});
//! assert_eq!(snapshot.state(&held), r#"{
//!   "at": "+00:00:00",
//!   "record": "record#1",
//!   "sync": "sync#1"
//! }"#);
//! # Ok(()) }
//! # #[cfg(not(feature = "fake"))] fn main() {}
//! ```

mod handler;
#[cfg(feature = "fake")]
mod names;
#[cfg(feature = "fake")]
mod story;

pub use handler::{handled, handled_async};
#[cfg(feature = "fake")]
pub use story::Snapshot;
