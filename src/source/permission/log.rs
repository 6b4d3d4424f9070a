use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{DefaultOwner, ObjectType, Operation, PermissionItem, Permissions, Role, Tie, Tuple, TupleChange};
use crate::clock::Timestamp;

/// Log of the permission changes of an account, oldest first. A change without effect is not logged: a role that is
/// granted twice is in the log once.
///
/// ```
/// use paragon_testkit::clock::Timestamp;
/// use paragon_testkit::source::permission::{PermissionItem, PermissionLog, Role};
///
/// let (now, report) = (Timestamp::from_millis(0), PermissionItem::file(1));
/// let mut log = PermissionLog::new();
/// assert!(log.grant("ada@example.com", Role::CanRead, report, now));
/// assert!(!log.grant("ada@example.com", Role::CanRead, report, now));
/// log.remove(report, now);
/// assert_eq!(log.changes().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct PermissionLog {
    default_owner: Option<DefaultOwner>,
    changes: Vec<TupleChange>,
    /// Permissions at the end of the log.
    #[serde(skip)]
    now: Permissions,
}

/// Serialized form of [`PermissionLog`]. The other field is computed from it.
#[derive(Deserialize)]
struct Stored {
    default_owner: Option<DefaultOwner>,
    changes: Vec<TupleChange>,
}

impl From<Stored> for PermissionLog {
    fn from(stored: Stored) -> Self {
        let mut log = Self { default_owner: stored.default_owner, ..Self::default() };
        log.now = log.start();
        for TupleChange { at, operation, tuple } in stored.changes {
            log.record(operation, tuple, at);
        }
        log
    }
}

/// Query for a page of permission changes.
#[derive(Clone, Copy, Debug)]
pub struct ChangesQuery<'a> {
    /// Restricts the page to changes of files, or of folders.
    pub kind: Option<ObjectType>,
    /// Continuation token of the previous page.
    pub token: Option<&'a str>,
    /// Start of the feed if there is no token. A time in the future means the end of the feed.
    pub start_time: Option<Timestamp>,
    /// Maximum number of changes; 0 counts as 1.
    pub size: usize,
}

/// A page of permission changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changes, oldest first; empty at the end of the feed.
    pub changes: Vec<TupleChange>,
    /// Continuation token for the next page. At the end of the feed it stays the same.
    pub token: String,
}

/// Error for an unusable continuation token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesCursorError {
    /// The token belongs to another `type`.
    #[error("the continuation token was given for {given}, not for {asked}; keep one for each")]
    TypeMismatch {
        /// The `type` that the token belongs to.
        given: String,
        /// The `type` of the request.
        asked: String,
    },
    /// The token was not issued by this feed.
    #[error("the continuation token is not valid; begin the feed again")]
    Invalid,
}

impl PermissionLog {
    /// Creates a log without any permissions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a log in which one user owns many files from the start.
    pub fn owned_by(owner: DefaultOwner) -> Self {
        Stored { default_owner: Some(owner), changes: Vec::new() }.into()
    }

    /// Grants a role to a user. Returns false if it was granted already.
    pub fn grant(&mut self, user: &str, role: Role, item: PermissionItem, at: Timestamp) -> bool {
        self.record(Operation::Write, Tuple { item, tie: Tie::of(role, user) }, at)
    }

    /// Revokes a role of a user. Returns false if it was not granted. The user keeps what other roles or folders grant.
    pub fn revoke(&mut self, user: &str, role: Role, item: PermissionItem, at: Timestamp) -> bool {
        self.record(Operation::Delete, Tuple { item, tie: Tie::of(role, user) }, at)
    }

    /// Moves the item into a folder, or out of all folders. Returns false if nothing changed.
    pub fn put(&mut self, item: PermissionItem, folder: Option<u64>, at: Timestamp) -> bool {
        let left: Vec<u64> = self.now.parents(item).filter(|parent| Some(*parent) != folder).collect();
        let mut moved = false;
        for parent in left {
            moved |= self.record(Operation::Delete, Tuple { item, tie: Tie::Parent(parent) }, at);
        }
        if let Some(folder) = folder {
            moved |= self.record(Operation::Write, Tuple { item, tie: Tie::Parent(folder) }, at);
        }
        moved
    }

    /// Deletes all tuples of an item that is deleted. The contents of a deleted folder are in no folder afterwards.
    /// Returns false if there were no such tuples.
    pub fn remove(&mut self, item: PermissionItem, at: Timestamp) -> bool {
        let owner = self.now.default_owner_of(item).map(|user| Tie::of(Role::IsOwner, user));
        let ties: Vec<Tie> = owner.into_iter().chain(self.now.ties(item).cloned()).collect();
        let mut named: Vec<Tuple> = ties.into_iter().map(|tie| Tuple { item, tie }).collect();
        if item.kind == ObjectType::Folder {
            let tie = Tie::Parent(item.number);
            named.extend(self.now.items(tie.clone()).map(|item| Tuple { item, tie: tie.clone() }));
        }
        let anything = !named.is_empty();
        for tuple in named {
            self.record(Operation::Delete, tuple, at);
        }
        anything
    }

    /// Returns all changes, oldest first. They do not include the default owner of files; the first pages of
    /// [`PermissionLog::page`] do.
    pub fn changes(&self) -> &[TupleChange] {
        &self.changes
    }

    /// Returns the user who owns many files from the start, and those files.
    pub fn default_owner(&self) -> Option<&DefaultOwner> {
        self.default_owner.as_ref()
    }

    /// Returns the permissions of a sync that has not applied any change of the log.
    pub fn start(&self) -> Permissions {
        Permissions::owned_by(self.default_owner.clone())
    }

    /// Applies the changes after the first [`Permissions::applied`] to the permissions of a sync, and returns their
    /// number.
    pub fn catch_up(&self, permissions: &mut Permissions) -> usize {
        let new = self.changes.get(permissions.applied()..).unwrap_or_default();
        for change in new {
            permissions.apply(change);
        }
        new.len()
    }

    /// Returns the permissions at the end of the log: the state that a sync catches up with.
    pub fn now(&self) -> &Permissions {
        &self.now
    }

    /// Returns a page of the feed of a sync that has applied the first `applied` changes. The cost depends on the
    /// changes that the page scans, not on the length of the feed.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is invalid or belongs to another type.
    ///
    /// ```
    /// use paragon_testkit::clock::Timestamp;
    /// use paragon_testkit::source::permission::{ChangesQuery, PermissionItem, PermissionLog, Role};
    ///
    /// let mut log = PermissionLog::new();
    /// log.grant("ada@example.com", Role::CanRead, PermissionItem::file(1), Timestamp::from_millis(0));
    /// let query = ChangesQuery { kind: None, token: None, start_time: None, size: 50 };
    /// let page = log.page(1, query)?;
    /// assert_eq!(page.changes, log.changes());
    /// let end = log.page(1, ChangesQuery { token: Some(&page.token), ..query })?;
    /// assert!(end.changes.is_empty() && end.token == page.token);
    /// # Ok::<(), paragon_testkit::source::permission::ChangesCursorError>(())
    /// ```
    pub fn page(&self, applied: usize, query: ChangesQuery<'_>) -> Result<ChangesPage, ChangesCursorError> {
        let seen = &self.changes[..applied.min(self.changes.len())];
        let owned = self.default_owner.as_ref().map_or(0, DefaultOwner::count);
        let start = match query.token {
            Some(token) => read_token(token, query.kind, owned.saturating_add(seen.len() as u64))?,
            None => query.start_time.map_or(0, |from| self.position(from, seen)),
        };
        let wanted = |kind| query.kind.is_none_or(|only| only == kind);
        let first = self.default_owner.as_ref().filter(|_| wanted(ObjectType::File)).into_iter().flat_map(|owner| {
            (start..owned).map(|position| {
                let tuple = owner.tuple(owner.files.start + position);
                (position, TupleChange { at: owner.since, operation: Operation::Write, tuple })
            })
        });
        let skipped = usize::try_from(start.saturating_sub(owned)).unwrap_or(usize::MAX).min(seen.len());
        let then = (skipped as u64..).zip(&seen[skipped..]).filter(|(_, change)| wanted(change.tuple.item.kind));
        let then = then.map(|(index, change)| (owned.saturating_add(index), change.clone()));
        let (positions, changes): (Vec<u64>, Vec<TupleChange>) = first.chain(then).take(query.size.max(1)).unzip();
        let next = positions.last().map_or(start, |last| last.saturating_add(1));
        Ok(ChangesPage { changes, token: token(query.kind, next) })
    }

    /// Returns the position of the first change at or after a time.
    fn position(&self, from: Timestamp, seen: &[TupleChange]) -> u64 {
        match &self.default_owner {
            Some(owner) if from <= owner.since => 0,
            owner => {
                let before = seen.partition_point(|change| change.at < from) as u64;
                owner.as_ref().map_or(0, DefaultOwner::count).saturating_add(before)
            }
        }
    }

    /// Appends a change and returns whether it had an effect. Times in the log never decrease: a change that comes late
    /// gets the time of the last change.
    fn record(&mut self, operation: Operation, tuple: Tuple, at: Timestamp) -> bool {
        if self.now.holds(&tuple) == (operation == Operation::Write) {
            return false;
        }
        let since = self.default_owner.as_ref().map(|owner| owner.since);
        let last = self.changes.last().map(|change| change.at).or(since);
        let change = TupleChange { at: last.map_or(at, |last| last.max(at)), operation, tuple };
        self.now.apply(&change);
        self.changes.push(change);
        true
    }
}

/// Beginning of every token, so that other base64 text is not accepted as a token.
const TOKEN: &str = "permission-changes";

/// Returns the token for a position. It has no characters with a meaning in a query string, because some clients do not
/// encode it.
fn token(kind: Option<ObjectType>, position: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{TOKEN}:{}:{position}", kind_name(kind)))
}

fn kind_name(kind: Option<ObjectType>) -> &'static str {
    kind.map_or("all", ObjectType::name)
}

fn read_token(text: &str, kind: Option<ObjectType>, end: u64) -> Result<u64, ChangesCursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ChangesCursorError::Invalid)?;
    let content = std::str::from_utf8(&bytes).map_err(|_| ChangesCursorError::Invalid)?;
    let mut parts = content.split(':').skip(1);
    let given = match parts.next() {
        Some("all") => None,
        name => Some(name.and_then(ObjectType::from_name).ok_or(ChangesCursorError::Invalid)?),
    };
    let position = parts.next().and_then(|position| position.parse().ok()).ok_or(ChangesCursorError::Invalid)?;
    if position > end || token(given, position) != text {
        return Err(ChangesCursorError::Invalid);
    }
    if given != kind {
        let (given, asked) = (kind_name(given).to_owned(), kind_name(kind).to_owned());
        return Err(ChangesCursorError::TypeMismatch { given, asked });
    }
    Ok(position)
}
