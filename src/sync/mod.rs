//! The sync engine: when a sync runs, what it finds, which events follow, and the feed that a receiver pulls.
//!
//! [`Engine`] is a plain state machine. It looks at a [`Connection`](crate::source::Connection) only when a run is
//! due: at once after enabling, each minute (`sync.incremental`), and each 24 hours (`sync.full`).

mod engine;
mod feed;

pub use engine::{EnableError, Engine, Found, Run, RunKind, Status, Sync};
pub use feed::{CursorError, Feed, Page};
