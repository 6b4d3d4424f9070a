use std::collections::VecDeque;

use super::timeline::Entry;

/// What has happened. Entries have numbers, from 0 on, that never come back, also when the first ones are dropped.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry that is kept.
    first: usize,
    /// How many the limit has cost.
    dropped: usize,
    limit: Option<usize>,
}

impl Log {
    /// Keeps so many entries; without a number, all.
    pub(super) fn limited(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// An empty one that keeps as many entries.
    pub(super) fn empty(&self) -> Self {
        Self::limited(self.limit)
    }

    /// An empty one that goes on after this one.
    pub(super) fn next(&self) -> Self {
        Self { first: self.end(), ..self.empty() }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.limit.is_some_and(|limit| self.entries.len() >= limit.max(1)) {
            self.entries.pop_front();
            self.first += 1;
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }

    /// The number of the first entry that is kept.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The number that the next entry will have.
    pub(super) fn end(&self) -> usize {
        self.first + self.entries.len()
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// What is kept from this number on, with its numbers.
    pub(super) fn since(&self, number: usize) -> impl Iterator<Item = (usize, &Entry)> {
        let skipped = number.saturating_sub(self.first).min(self.entries.len());
        self.entries.range(skipped..).enumerate().map(move |(index, entry)| (self.first + skipped + index, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::fake::What;

    fn entry(n: usize) -> Entry {
        Entry { at: Moment::from_millis(0), user: None, sync: None, what: What::Webhook(n.to_string()) }
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
