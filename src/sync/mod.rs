//! The sync engine. It decides when a sync runs, what the run finds and which events follow, and it keeps the feed that
//! a receiver pulls.
//!
//! [`Engine`] is a plain state machine. It reads an [`Account`](crate::source::Account) only when a run is due:
//! immediately after a sync is enabled, each minute or at the sync's own frequency (`sync.incremental`), and every 24
//! hours (`sync.full`).

mod engine;
mod feed;
mod filter;
mod lifecycle;
mod log;
mod ranks;
mod run;
mod status;
#[cfg(test)]
mod tests;

pub use engine::{EnableError, Engine};
pub use feed::{CursorError, Feed, FeedEntry, Page};
pub use lifecycle::{EnableRequest, Sync, Update};
pub use log::{EventLog, LogError, LogEvent, Logged, RunSummary};
pub use run::{Found, Run};
pub use status::{RunKind, Status};
