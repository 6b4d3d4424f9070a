//! Permissions of the files and folders of an account, and the history of these permissions.
//!
//! A [`PermissionLog`] records what happens in the account: a user gets a role, a file moves into a folder. There is
//! one log for all syncs, and each sync reads it at its own pace: [`Permissions`] is the part that one sync has applied
//! so far. All responses of the Permissions API are computed from it, so they cannot contradict each other.
//!
//! ```
//! use paragon_testkit::clock::Timestamp;
//! use paragon_testkit::source::permission::{PermissionItem, PermissionLog, Permissions, Role};
//!
//! let (now, team, report) = (Timestamp::from_millis(0), PermissionItem::folder(1), PermissionItem::file(2));
//! let mut log = PermissionLog::new();
//! log.put(report, Some(1), now);
//! log.grant("ada@example.com", Role::CanWrite, team, now);
//!
//! let mut seen = log.start();
//! assert!(!seen.check(report, "ada@example.com", Role::CanRead));
//! log.catch_up(&mut seen);
//! assert!(seen.check(report, "ada@example.com", Role::CanRead), "a folder's editor may read what is in it");
//! ```
//!
//! The rules form an `OpenFGA` model. The relations are those in Paragon's example of Expand. How the relations depend
//! on each other is assumed:
//!
//! ```text
//! owner:     [user]
//! editor:    [user] or owner or editor from parent
//! viewer:    [user] or viewer from parent
//! parent:    [folder]
//! can_read:  viewer or editor or viewer from parent
//! can_write: editor or editor from parent
//! is_owner:  owner
//! ```

mod expand;
mod log;
mod state;
#[cfg(test)]
mod tests;
mod tuple;

pub use log::{ChangesCursorError, ChangesPage, ChangesQuery, PermissionLog};
pub use state::{DefaultOwner, Permissions};
pub use tuple::{ObjectType, Operation, PermissionItem, Relation, Role, Tie, Tuple, TupleChange};
