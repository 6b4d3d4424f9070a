use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{DefaultOwner, Item, ObjectType, Operation, Permissions, Role, Tie, Tuple, TupleChange};
use crate::clock::Moment;

/// What happens to the permissions of an account, oldest first. Only what changes something is written: a role that
/// is granted twice is in the log once.
///
/// ```
/// use paragon_testkit::clock::Moment;
/// use paragon_testkit::source::permission::{Item, PermissionLog, Role};
///
/// let (now, report) = (Moment::from_millis(0), Item::file(1));
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
    /// What holds at the end of the log.
    #[serde(skip)]
    now: Permissions,
}

/// What is written of [`PermissionLog`]; the rest follows from it.
#[derive(Deserialize)]
struct Stored {
    default_owner: Option<DefaultOwner>,
    changes: Vec<TupleChange>,
}

impl From<Stored> for PermissionLog {
    fn from(stored: Stored) -> Self {
        let mut log = Self { default_owner: stored.default_owner, ..Self::default() };
        log.now = Permissions::of(&log);
        for TupleChange { at, operation, tuple } in stored.changes {
            log.record(operation, tuple, at);
        }
        log
    }
}

/// Which changes are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ChangesQuery<'a> {
    /// Only those of files, or of folders.
    pub kind: Option<ObjectType>,
    /// Go on where another page ended.
    pub token: Option<&'a str>,
    /// Begin here when there is no token. A moment that has not come yet is the end of the feed.
    pub start_time: Option<Moment>,
    /// How many at most; none is read as one.
    pub size: usize,
}

/// Some changes, and how to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// Oldest first; empty at the end of the feed.
    pub changes: Vec<TupleChange>,
    /// Where to go on; the same one again at the end of the feed.
    pub token: String,
}

/// A continuation token that does not go on anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The token was given for another `type`.
    #[error("the continuation token was given for {given}, not for {asked}; keep one for each")]
    TypeMismatch {
        /// What it was given for.
        given: String,
        /// What it came with.
        asked: String,
    },
    /// This feed has not given it.
    #[error("the continuation token is not valid; begin the feed again")]
    Invalid,
}

impl PermissionLog {
    /// Nobody may do anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody owns many files from the start.
    pub fn owned_by(owner: DefaultOwner) -> Self {
        Stored { default_owner: Some(owner), changes: Vec::new() }.into()
    }

    /// Gives the user the role; false when it was given before.
    pub fn grant(&mut self, user: &str, role: Role, item: Item, at: Moment) -> bool {
        self.record(Operation::Write, Tuple { item, tie: Tie::of(role, user) }, at)
    }

    /// Takes the role back; false when it was not given. What the user may by another role, or through a folder, stays.
    pub fn revoke(&mut self, user: &str, role: Role, item: Item, at: Moment) -> bool {
        self.record(Operation::Delete, Tuple { item, tie: Tie::of(role, user) }, at)
    }

    /// Puts the item into a folder, or takes it out of all; false when it is there.
    pub fn put(&mut self, item: Item, folder: Option<u64>, at: Moment) -> bool {
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

    /// The item is gone, and with it all that named it; false when nothing did. What was in a folder is in none then.
    pub fn remove(&mut self, item: Item, at: Moment) -> bool {
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

    /// All of it. Who owned files from the start is not in it, but on the first pages of [`PermissionLog::page`].
    pub fn changes(&self) -> &[TupleChange] {
        &self.changes
    }

    /// Who owns many files from the start.
    pub fn default_owner(&self) -> Option<&DefaultOwner> {
        self.default_owner.as_ref()
    }

    /// What holds at the end of the log: the truth that a sync catches up with.
    pub fn now(&self) -> &Permissions {
        &self.now
    }

    /// A page of what a sync has seen that has applied so many changes. A page costs what it passes over, not the feed.
    ///
    /// # Errors
    ///
    /// When the token belongs to another type, or is none.
    ///
    /// ```
    /// use paragon_testkit::clock::Moment;
    /// use paragon_testkit::source::permission::{ChangesQuery, Item, PermissionLog, Role};
    ///
    /// let mut log = PermissionLog::new();
    /// log.grant("ada@example.com", Role::CanRead, Item::file(1), Moment::from_millis(0));
    /// let query = ChangesQuery { kind: None, token: None, start_time: None, size: 50 };
    /// let page = log.page(1, query)?;
    /// assert_eq!(page.changes, log.changes());
    /// let end = log.page(1, ChangesQuery { token: Some(&page.token), ..query })?;
    /// assert!(end.changes.is_empty() && end.token == page.token);
    /// # Ok::<(), paragon_testkit::source::permission::CursorError>(())
    /// ```
    pub fn page(&self, applied: usize, query: ChangesQuery<'_>) -> Result<ChangesPage, CursorError> {
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

    /// Where the changes at or after a moment begin.
    fn position(&self, from: Moment, seen: &[TupleChange]) -> u64 {
        match &self.default_owner {
            Some(owner) if from <= owner.since => 0,
            owner => {
                let before = seen.partition_point(|change| change.at < from) as u64;
                owner.as_ref().map_or(0, DefaultOwner::count).saturating_add(before)
            }
        }
    }

    /// Time does not go back in a log: what comes late counts as of the last change.
    fn record(&mut self, operation: Operation, tuple: Tuple, at: Moment) -> bool {
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

/// What a token begins with, so that other base64 is not taken for one.
const TOKEN: &str = "permission-changes";

/// Nothing in it has a meaning in a query: some clients do not encode it.
fn token(kind: Option<ObjectType>, position: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{TOKEN}:{}:{position}", kind_name(kind)))
}

fn kind_name(kind: Option<ObjectType>) -> &'static str {
    kind.map_or("all", ObjectType::name)
}

fn read_token(text: &str, kind: Option<ObjectType>, end: u64) -> Result<u64, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Invalid)?;
    let content = std::str::from_utf8(&bytes).map_err(|_| CursorError::Invalid)?;
    let mut parts = content.split(':').skip(1);
    let given = match parts.next() {
        Some("all") => None,
        name => Some(name.and_then(ObjectType::from_name).ok_or(CursorError::Invalid)?),
    };
    let position = parts.next().and_then(|position| position.parse().ok()).ok_or(CursorError::Invalid)?;
    if position > end || token(given, position) != text {
        return Err(CursorError::Invalid);
    }
    if given != kind {
        let (given, asked) = (kind_name(given).to_owned(), kind_name(kind).to_owned());
        return Err(CursorError::TypeMismatch { given, asked });
    }
    Ok(position)
}
