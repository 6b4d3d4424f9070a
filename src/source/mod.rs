//! The simulated integration: the objects as the provider has them. This is the truth that a receiver is measured by.
//!
//! An [`Account`] is one connected account of a user. It holds a [`Collection`] for each pipeline: what lives in it, and
//! a log of what changed, so that a sync looks only at what is new since its last run. Nobody writes webhooks by hand:
//! a change here causes them.
//!
//! What an object leaves open is filled in as a provider would have it: an object is created before it changes, each
//! version is later than the one before it, and size and hash of a file are those of the content that a download serves.
//! What is set explicitly stays as it is.
//!
//! ```
//! use paragon_testkit::clock::Moment;
//! use paragon_testkit::contract::{File, Pipeline, ProjectId, UserId};
//! use paragon_testkit::source::Account;
//!
//! let mut drive = Account::new(&ProjectId::from("project"), &UserId::from("ada"), "googledrive", "default");
//! let files = drive.collection_mut(Pipeline::Files);
//! let report = files.create(File::named("report.pdf").into(), Moment::from_millis(0));
//! files.update(&report, |file| file.rename("final.pdf"), Moment::from_millis(1));
//! assert_eq!(files.get(&report).map(|file| file.title().to_owned()).as_deref(), Some("final.pdf"));
//! ```

mod account;
mod collection;
pub(crate) mod content;
pub mod permission;
mod synthetic;

pub use account::{Account, Trouble};
pub(crate) use collection::external_id;
pub use collection::{Collection, Seen};
pub use synthetic::Synthetic;
