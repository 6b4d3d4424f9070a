use std::fmt;

use serde_json::Value;

use super::entry::{Call, EntryKind, TimelineEntry};
use super::entry_json::told;
use super::log::Log;
use super::mermaid::diagram;
use crate::clock::{Timestamp, offset};
use crate::contract::UserId;
use crate::delivery::AttemptRecord;

/// What happened in a fake, in order. The printed form contains only what is the same in each run with the same seed.
/// So it contains no ports, no real times, and no [requests that were sent again](AttemptRecord::reconnected). It
/// contains no API calls either, because their order depends on the receiver. See [`Timeline::with_calls`].
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Timestamp,
    entries: Vec<TimelineEntry>,
    /// Number of the first entry.
    first: usize,
    /// Number of the entry after the last one.
    end: usize,
    dropped: usize,
    calls: bool,
}

/// Attempt to deliver an event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventAttempt<'a> {
    /// Name of the event.
    pub event: &'a str,
    /// The attempt and its outcome.
    pub record: &'a AttemptRecord,
}

/// An empty timeline.
impl Default for Timeline {
    fn default() -> Self {
        let start = Timestamp::from_millis(0);
        Self { start, entries: Vec::new(), first: 0, end: 0, dropped: 0, calls: false }
    }
}

impl Timeline {
    /// Returns a timeline with these entries, with all that can be printed.
    #[cfg(all(test, feature = "check"))]
    pub(crate) fn of_entries(entries: Vec<TimelineEntry>) -> Self {
        Self { entries, calls: true, ..Self::default() }
    }

    pub(super) fn since(mark: usize, start: Timestamp, log: &Log) -> Self {
        Self { dropped: log.dropped().min(log.first().saturating_sub(mark)), ..Self::of(start, log, mark) }
    }

    pub(super) fn new(start: Timestamp, log: &Log) -> Self {
        Self::of(start, log, 0)
    }

    /// Returns the mark after the last entry that was there when this timeline was made; see
    /// [`FakeParagon::timeline_mark`](super::FakeParagon::timeline_mark).
    pub fn end(&self) -> usize {
        self.end
    }

    fn of(start: Timestamp, log: &Log, mark: usize) -> Self {
        let entries = log.since(mark).map(|(_, entry)| entry.clone()).collect();
        Self { start, entries, first: log.first().max(mark), end: log.end(), dropped: log.dropped(), calls: false }
    }

    /// Prints also what may differ between equal runs: the calls of the Sync API, and which attempts were
    /// [sent again](AttemptRecord::reconnected) on a fresh connection.
    #[must_use]
    pub fn with_calls(mut self) -> Self {
        self.calls = true;
        self
    }

    /// Keeps only the entries about this user, and the entries about no user.
    #[must_use]
    pub fn of_user(self, user: &UserId) -> Self {
        self.of_users(std::slice::from_ref(user))
    }

    /// Keeps only the entries about these users, and the entries about no user.
    #[must_use]
    pub fn of_users(mut self, users: &[UserId]) -> Self {
        self.entries.retain(|entry| entry.user.as_ref().is_none_or(|of| users.contains(of)));
        self
    }

    /// Leaves out the entries before a [mark](super::FakeParagon::timeline_mark).
    #[must_use]
    pub fn skip(mut self, mark: usize) -> Self {
        let skipped = mark.saturating_sub(self.first).min(self.entries.len());
        self.entries.drain(..skipped);
        self.dropped = self.dropped.min(self.first.saturating_sub(mark));
        self.first += skipped;
        self
    }

    /// Returns how many of the first entries are missing because of
    /// [`Builder::timeline_limit`](super::Builder::timeline_limit).
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Prints times relative to the first entry.
    #[must_use]
    pub fn from_first(mut self) -> Self {
        self.start = self.entries.first().map_or(self.start, |entry| entry.at);
        self
    }

    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns all entries, in order.
    pub fn entries(&self) -> &[TimelineEntry] {
        &self.entries
    }

    /// Returns the attempts to deliver an event, in order, each with the name of the event.
    pub fn attempts(&self) -> impl Iterator<Item = EventAttempt<'_>> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            EntryKind::Attempt { event, record, .. } => Some(EventAttempt { event, record }),
            _ => None,
        })
    }

    /// Returns the calls of the Sync API, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            EntryKind::Call(call) => Some(call),
            _ => None,
        })
    }

    /// Returns all entries as the admin API serves them: one JSON object on a line for each entry. Nothing is left out.
    pub fn ndjson(&self) -> String {
        self.told().map(|entry| entry.to_string() + "\n").collect()
    }

    /// Returns all entries as the admin API serves them, and with the body of each event that was sent.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        let with_body = |(mut told, entry): (Value, &TimelineEntry)| {
            if let EntryKind::Attempt { record, .. } = &entry.what {
                told["body"] = String::from_utf8_lossy(&record.body).into();
            }
            told
        };
        self.told().zip(&self.entries).map(with_body).collect()
    }

    fn told(&self) -> impl Iterator<Item = Value> {
        self.entries.iter().enumerate().map(|(index, entry)| told(self.first + index, entry))
    }

    /// Returns the printed entries as a [Mermaid](https://mermaid.js.org) sequence diagram.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::contract::File;
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.user("ada").connect("googledrive").create(File::named("draft.docx"));
    /// assert!(paragon.timeline().mermaid().ends_with("    Note over I: created \"draft.docx\"\n"));
    /// # }
    /// ```
    pub fn mermaid(&self) -> String {
        diagram(&self.entries, self.start, self.calls)
    }

    /// Returns one line for each printed entry, after a line about dropped entries if there are any.
    pub fn lines(&self) -> Vec<String> {
        let dropped = self.dropped_line().map(|text| format!("{:<14} {text}", ""));
        let line =
            |entry: &TimelineEntry| format!("{:<14} {}", offset(entry.at - self.start), entry.what.text(self.calls));
        dropped.into_iter().chain(self.printed().map(line)).collect()
    }

    /// Returns the text of the line about dropped entries, if there are any.
    pub(crate) fn dropped_line(&self) -> Option<String> {
        let text = || format!("the first {} entries were dropped: the timeline has a limit", self.dropped);
        (self.dropped > 0).then(text)
    }

    /// Returns the entries that are printed.
    pub(crate) fn printed(&self) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.iter().filter(|entry| match &entry.what {
            EntryKind::Call(_) => self.calls,
            // A queued event needs a line only if it is not sent. Otherwise the lines of its attempts follow.
            EntryKind::Queued { deliveries, .. } => deliveries.is_empty(),
            _ => true,
        })
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
