use std::collections::VecDeque;

use super::entry::TimelineEntry;

/// Log of what has happened. Entries are numbered from 0. A number is never used again, even if the first entries were
/// dropped.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<TimelineEntry>,
    /// Number of the first entry that is kept.
    first: usize,
    /// Number of entries that were dropped because of the limit.
    dropped: usize,
    limit: Option<usize>,
}

impl Log {
    /// Returns an empty log that keeps the newest `limit` entries, but at least one; all entries if `limit` is `None`.
    pub(super) fn limited(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Returns an empty log with the same limit, numbered from 0.
    pub(super) fn empty(&self) -> Self {
        Self::limited(self.limit)
    }

    /// Returns an empty log with the same limit. Its numbers continue those of this log.
    pub(super) fn next(&self) -> Self {
        Self { first: self.end(), ..self.empty() }
    }

    pub(super) fn push(&mut self, entry: TimelineEntry) {
        if self.limit.is_some_and(|limit| self.entries.len() >= limit.max(1)) {
            self.entries.pop_front();
            self.first += 1;
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }

    /// Returns the number of the first entry that is kept.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// Returns the number that the next entry will have.
    pub(super) fn end(&self) -> usize {
        self.first + self.entries.len()
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Returns the kept entries from this number on, each with its number.
    pub(super) fn since(&self, number: usize) -> impl Iterator<Item = (usize, &TimelineEntry)> {
        let skipped = number.saturating_sub(self.first).min(self.entries.len());
        self.entries.range(skipped..).enumerate().map(move |(index, entry)| (self.first + skipped + index, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::fake::EntryKind;

    fn entry(n: usize) -> TimelineEntry {
        TimelineEntry { at: Timestamp::from_millis(0), user: None, sync: None, what: EntryKind::Webhook(n.to_string()) }
    }

    fn kept(log: &Log, from: usize) -> Vec<(usize, String)> {
        log.since(from).map(|(number, entry)| (number, entry.what.to_string())).collect()
    }

    #[test]
    fn a_limit_drops_the_first_and_numbers_stay() {
        let mut log = Log::limited(Some(2));
        (0..5).for_each(|n| log.push(entry(n)));
        assert_eq!((log.first(), log.end(), log.dropped()), (3, 5, 3));
        assert_eq!(kept(&log, 0), [(3, "webhook   3".to_owned()), (4, "webhook   4".to_owned())]);
        assert_eq!(kept(&log, 4), [(4, "webhook   4".to_owned())]);
        assert_eq!(kept(&log, 9), []);
        let mut next = log.next();
        next.push(entry(5));
        assert_eq!((kept(&next, 0), next.dropped()), (vec![(5, "webhook   5".to_owned())], 0));
    }
}
