//! The fake of Paragon: a simulated integration, syncs that read it, the Sync API, and the webhooks that the syncs
//! cause.
//!
//! The state of the fake does no I/O: it answers requests of the Sync API, and says which run or delivery attempt is
//! due. [`FakeParagon`] connects the state to a server, to the network and to a virtual clock. A test moves this clock,
//! or the clock moves by itself.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use paragon_testkit::FakeParagon;
//! use paragon_testkit::contract::File;
//!
//! let paragon = FakeParagon::start().await;
//! let drive = paragon.user("user_ada").connect("googledrive");
//! drive.create(File::named("Q1 report.pdf"));
//! let sync = drive.enable("files")?;
//! paragon.settle().await;
//! assert_eq!(sync.records()[0]["name"], "Q1 report.pdf");
//! # Ok(()) }
//! ```

mod accounts;
mod admin;
mod api;
pub mod blocking;
mod builder;
mod driver;
mod endpoint;
mod entry;
mod entry_json;
mod evidence;
mod expect;
mod explain;
mod fault;
mod faults;
mod handles;
mod hyper;
mod journal;
mod lanes;
mod log;
mod mermaid;
mod mint;
mod observe;
mod options;
mod paragon;
mod play;
mod playable;
mod project;
mod reads;
mod received;
mod response;
mod response_faults;
mod served;
mod server;
mod shared;
mod simulation;
mod state;
mod timeline;
mod token;

pub use crate::source::content::{Content, LONGEST, NotDownloadable, content};
pub use crate::source::permission::Role;
pub use crate::source::{ProviderFault, ProviderFaultKind, Synthetic};
pub use crate::sync::{EnableError, RunKind, Status};
pub use builder::{Builder, StartError};
pub use driver::BoxFuture;
pub use endpoint::Endpoint;
pub use entry::{Call, EntryKind, Tally, TimelineEntry};
#[cfg(feature = "check")]
pub(crate) use entry::{EntryAnswer, EntryText, Misconfigured};
#[cfg(feature = "check")]
pub(crate) use evidence::{Activity, LastCall, PAUSES, Proof, may_accept_later};
pub use fault::{ApiFault, ApiFaultKind, RetryAfterHeader, Stale, Target, Window};
pub use faults::{ActiveApiFault, FaultId};
pub use handles::{Connection, Item, Listed, LoggedEntry, SyncHandle, User};
pub use mint::{Flaw, Oddity};
pub use observe::Exchange;
pub use paragon::FakeParagon;
pub use project::{KeyError, Project};
pub use reads::Unfetched;
pub use server::Server;
pub use timeline::{EventAttempt, Timeline};
pub use token::Audience;
