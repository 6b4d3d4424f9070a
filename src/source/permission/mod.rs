//! Who may do what with the files and folders of an account, and how that came to be.
//!
//! A [`PermissionLog`] is what happens in the account: somebody is let in, a file moves into a folder. It is written
//! once and read by several syncs, each at its own pace: [`Permissions`] is what one sync has seen of it so far. All
//! answers of the Permissions API come from there, so they cannot contradict each other.
//!
//! ```
//! use paragon_testkit::clock::Moment;
//! use paragon_testkit::source::permission::{Item, PermissionLog, Permissions, Role};
//!
//! let (now, team, report) = (Moment::from_millis(0), Item::folder(1), Item::file(2));
//! let mut log = PermissionLog::new();
//! log.put(report, Some(1), now);
//! log.grant("ada@example.com", Role::CanWrite, team, now);
//!
//! let mut seen = Permissions::of(&log);
//! assert!(!seen.check(report, "ada@example.com", Role::CanRead));
//! seen.catch_up(&log);
//! assert!(seen.check(report, "ada@example.com", Role::CanRead), "a folder's editor may read what is in it");
//! ```
//!
//! The rules are those of an `OpenFGA` model, with the relations that Paragon's example of Expand names. How they hang
//! together is assumed:
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

pub use log::{ChangesPage, ChangesQuery, CursorError, PermissionLog};
pub use state::{DefaultOwner, Permissions};
pub use tuple::{Item, ObjectType, Operation, Relation, Role, Tie, Tuple, TupleChange};
