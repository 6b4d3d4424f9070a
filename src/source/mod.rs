//! The simulated integration: the objects as the provider stores them. A receiver is correct if it ends up with the
//! same objects.
//!
//! An [`Account`] is one connected account of a user. It has one [`Collection`] for each pipeline: the objects, and a
//! log of their changes, so that a sync reads only the changes since its last run. Webhooks are never written by hand:
//! they result from changes to the objects.
//!
//! Members that an object leaves open are filled in as a provider would do it. An object is created before it changes,
//! each version is later than the previous one, and the size and the hash of a file are those of its downloaded
//! content. Members that are set explicitly keep their values.
//!
//! ```
//! use paragon_testkit::clock::Timestamp;
//! use paragon_testkit::contract::{File, Pipeline, ProjectId, UserId};
//! use paragon_testkit::source::Account;
//!
//! let mut drive = Account::new(&ProjectId::from("project"), &UserId::from("ada"), "googledrive", "default");
//! let files = drive.collection_mut(Pipeline::Files);
//! let report = files.create(File::named("report.pdf").into(), Timestamp::from_millis(0));
//! files.update(&report, |file| file.rename("final.pdf"), Timestamp::from_millis(1));
//! assert_eq!(files.get(&report).map(|file| file.title().to_owned()).as_deref(), Some("final.pdf"));
//! ```

mod account;
mod collection;
pub(crate) mod content;
pub mod permission;
mod synthetic;

pub use account::{Account, ProviderFault, ProviderFaultKind};
pub(crate) use collection::external_id;
pub use collection::{Collection, Seen};
pub use synthetic::Synthetic;
