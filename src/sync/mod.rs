//! The sync engine: when a sync runs, what it finds, which events follow, and the feed that a receiver pulls.
//!
//! [`Engine`] is a plain state machine. It looks at an [`Account`](crate::source::Account) only when a run is due: at
//! once after enabling, each minute or by the sync's own frequency (`sync.incremental`), and each 24 hours
//! (`sync.full`).

mod engine;
mod feed;
mod filter;
mod life;
mod log;
mod ranks;
mod run;
#[cfg(test)]
mod tests;

pub use engine::{Enable, EnableError, Engine};
pub use feed::{CursorError, Entry, Feed, Page};
pub use life::{RunKind, Status, Sync, Update};
pub use log::{EventLog, LogError, LogEvent, Logged, Summary};
pub use run::{Found, Run};
