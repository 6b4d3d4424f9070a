use super::entry::{EntryKind, Tally, TimelineEntry};
use super::log::Log;
use super::timeline::Timeline;
use crate::clock::Timestamp;
use crate::contract::{SyncId, UserId};
use crate::delivery::Change;

/// Record of everything that happened in the fake: the log behind the timeline, its counters, and the changes of the
/// webhook that the hooks still have to be called with.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) log: Log,
    pub(super) tally: Tally,
    pub(super) changes: Vec<Change>,
}

impl Journal {
    /// Returns an empty journal that keeps the newest `limit` entries; all entries if `limit` is `None`.
    pub(super) fn limited(limit: Option<usize>) -> Self {
        Self { log: Log::limited(limit), ..Self::default() }
    }

    /// Returns an empty journal with the same limit. Its entries are numbered from 0.
    pub(super) fn empty(&self) -> Self {
        Self { log: self.log.empty(), ..Self::default() }
    }

    /// Returns an empty journal that continues this one: it has the same limit and counters, and the numbers of its
    /// entries follow.
    pub(super) fn next(&self) -> Self {
        Self { log: self.log.next(), tally: self.tally, changes: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn note(&mut self, at: Timestamp, user: Option<UserId>, sync: Option<SyncId>, what: EntryKind) {
        self.tally.count(&what);
        self.log.push(TimelineEntry { at, user, sync, what });
    }

    /// Adds the changes of the webhook's state, and keeps them for the hooks.
    pub(super) fn note_changes(&mut self, at: Timestamp, changes: Vec<Change>) {
        for change in changes {
            self.note(at, None, None, EntryKind::Webhook(change.text.clone()));
            self.changes.push(change);
        }
    }

    /// Returns the timeline. Its offsets count from `start`.
    pub(super) fn timeline(&self, start: Timestamp) -> Timeline {
        Timeline::new(start, &self.log)
    }
}
