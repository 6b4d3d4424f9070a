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

mod admin;
mod api;
pub mod blocking;
mod driver;
mod endpoint;
mod entry_json;
mod evidence;
mod expect;
mod explain;
mod fault;
mod faults;
mod handles;
mod hyper;
mod lanes;
mod log;
mod mermaid;
mod mint;
mod observe;
mod paragon;
mod play;
mod project;
mod received;
mod response;
mod response_faults;
mod served;
mod server;
mod shared;
mod timeline;
mod token;
mod world;

pub use crate::source::content::{Content, LONGEST, NotDownloadable, content};
pub use endpoint::Endpoint;
#[cfg(feature = "check")]
pub(crate) use evidence::{Activity, LastCall, PAUSES, Proof, may_accept_later};
pub use fault::{ActiveApiFault, ApiFault, ApiFaultKind, RetryAfterHeader, Stale, Target, Window};
pub use faults::FaultId;
pub use handles::{Connection, Item, SyncHandle, User};
pub use mint::{Flaw, Oddity};
pub use observe::Exchange;
pub use paragon::{Builder, FakeParagon, StartError};
pub use play::BoxFuture;
pub use project::{KeyError, Project};
pub use server::Server;
pub use timeline::{Call, EntryKind, Tally, Timeline, TimelineEntry};
pub use token::Audience;
