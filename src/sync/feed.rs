use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::clock::Moment;
use crate::contract::RecordId;

/// The order in which the records of a sync changed. A record that changes moves to the end; one that is deleted
/// moves there as a tombstone. A cursor is a place in that order and stays valid for ever.
///
/// A page costs the logarithm of the feed's length, wherever it starts: a Fenwick tree counts what is still current.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Sorted by key, because each run comes after the one before it and sorts its own records.
    slots: Vec<Slot>,
    current: HashMap<RecordId, usize>,
    counts: Counts,
    live: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    seen_at: Moment,
    id: RecordId,
    /// Serialised once, served often; `None` when the record has moved on.
    body: Option<Body>,
}

#[derive(Clone, Debug)]
struct Body {
    json: Arc<str>,
    live: bool,
}

/// What one pull answers.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records and tombstones, as JSON, each with its id and its version.
    pub entries: Vec<(RecordId, usize, Arc<str>)>,
    /// Where the next pull goes on; `None` only when nothing was ever there.
    pub cursor: Option<String>,
    /// Everything in the feed, tombstones included.
    pub total: usize,
    /// Without the tombstones.
    pub active: usize,
    /// What comes after this page.
    pub remaining: usize,
    /// When Paragon saw the last record of the page.
    pub last_seen: Option<Moment>,
}

/// A cursor that this project's fake never gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that was given out")]
pub struct CursorError;

impl Feed {
    /// Appends what a run found: for each record its JSON, and whether it lives. `at` must be later than the run
    /// before, see [`Feed::last_seen`].
    pub(super) fn append(&mut self, at: Moment, mut found: Vec<(RecordId, Arc<str>, bool)>) {
        found.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, json, live) in found {
            let position = self.slots.len();
            if let Some(old) = self.current.insert(id.clone(), position)
                && let Some(body) = self.slots[old].body.take()
            {
                self.counts.remove(old);
                self.live -= usize::from(body.live);
            }
            self.counts.push();
            self.live += usize::from(live);
            self.slots.push(Slot { seen_at: at, id, body: Some(Body { json, live }) });
        }
    }

    /// When the last entry was seen.
    pub fn last_seen(&self) -> Option<Moment> {
        self.slots.last().map(|slot| slot.seen_at)
    }

    /// Records and tombstones.
    pub fn total(&self) -> usize {
        self.current.len()
    }

    /// Records that live.
    pub fn active(&self) -> usize {
        self.live
    }

    /// The place after everything: `summary.latestCursor`.
    pub fn latest_cursor(&self) -> Option<String> {
        self.slots.last().map(cursor)
    }

    /// A record that lives, and its version.
    pub fn get(&self, id: &RecordId) -> Option<(&Arc<str>, usize)> {
        let &position = self.current.get(id)?;
        let body = self.slots[position].body.as_ref().filter(|body| body.live)?;
        Some((&body.json, position))
    }

    /// Every record that lives, and its version, in the order of the feed.
    pub fn live(&self) -> impl Iterator<Item = (&RecordId, &Arc<str>, usize)> {
        self.slots.iter().enumerate().filter_map(|(position, slot)| {
            let body = slot.body.as_ref().filter(|body| body.live)?;
            Some((&slot.id, &body.json, position))
        })
    }

    /// The page after a cursor.
    ///
    /// # Errors
    ///
    /// When the cursor does not read as one.
    pub fn page(&self, after: Option<&str>, size: usize) -> Result<Page, CursorError> {
        let start = match after {
            None => 0,
            Some(text) => {
                let key = parse_cursor(text).ok_or(CursorError)?;
                self.slots.partition_point(|slot| (slot.seen_at.as_millis(), slot.id.as_str()) <= (key.0, &key.1))
            }
        };
        let skipped = self.counts.before(start);
        let positions: Vec<usize> = (skipped..self.total()).take(size).map(|rank| self.counts.select(rank)).collect();
        let entries: Vec<_> = positions
            .iter()
            .filter_map(|&position| {
                let slot = &self.slots[position];
                Some((slot.id.clone(), position, slot.body.as_ref()?.json.clone()))
            })
            .collect();
        let last = positions.last().map(|&position| &self.slots[position]);
        Ok(Page {
            remaining: self.total() - skipped - entries.len(),
            entries,
            cursor: last.map(cursor).or_else(|| after.map(str::to_owned)),
            total: self.total(),
            active: self.live,
            last_seen: last.map(|slot| slot.seen_at),
        })
    }
}

/// The observed form: base64 of `<milliseconds>:<record id>`.
fn cursor(slot: &Slot) -> String {
    BASE64_STANDARD.encode(format!("{}:{}", slot.seen_at.as_millis(), slot.id))
}

fn parse_cursor(text: &str) -> Option<(i64, String)> {
    let plain = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let (millis, id) = plain.split_once(':')?;
    uuid::Uuid::try_parse(id).ok()?;
    Some((millis.parse().ok()?, id.to_owned()))
}

/// A Fenwick tree over slots that are current (1) or have moved on (0).
#[derive(Clone, Debug, Default)]
struct Counts(Vec<usize>);

impl Counts {
    /// Appends a current slot.
    fn push(&mut self) {
        let index = self.0.len() + 1;
        let covered = index & index.wrapping_neg();
        self.0.push(1 + self.before(index - 1) - self.before(index - covered));
    }

    fn remove(&mut self, position: usize) {
        let mut index = position + 1;
        while index <= self.0.len() {
            self.0[index - 1] -= 1;
            index += index & index.wrapping_neg();
        }
    }

    /// How many current slots lie before a position.
    fn before(&self, position: usize) -> usize {
        let mut index = position;
        let mut sum = 0;
        while index > 0 {
            sum += self.0[index - 1];
            index &= index - 1;
        }
        sum
    }

    /// The position of the current slot that has `rank` current ones before it.
    fn select(&self, rank: usize) -> usize {
        let (mut position, mut left) = (0, rank);
        let mut step = self.0.len().next_power_of_two();
        while step > 0 {
            if let Some(&count) = self.0.get(position + step - 1)
                && count <= left
            {
                position += step;
                left -= count;
            }
            step /= 2;
        }
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u8) -> RecordId {
        RecordId::from(format!("00000000-0000-5000-8000-0000000000{number:02x}"))
    }

    fn drain(feed: &Feed, mut cursor: Option<String>, size: usize) -> (Vec<(RecordId, String)>, Option<String>) {
        let mut all = Vec::new();
        loop {
            let page = feed.page(cursor.as_deref(), size).unwrap();
            assert!(page.entries.len() <= size);
            cursor = page.cursor;
            all.extend(page.entries.into_iter().map(|(id, _, json)| (id, json.to_string())));
            if page.remaining == 0 {
                return (all, cursor);
            }
        }
    }

    proptest! {
        /// Against a plain map: whatever is pulled, in pages of any size, with a stop at any run, ends as the map.
        #[test]
        fn pulling_by_cursor_ends_with_what_is_there(
            runs in prop::collection::vec(prop::collection::btree_map(0u8..12, any::<bool>(), 0..6), 1..12),
            size in 1usize..5,
            pause in 0usize..12,
        ) {
            let (mut feed, mut model, mut held) = (Feed::default(), HashMap::new(), HashMap::new());
            let mut cursor = None;
            for (number, run) in runs.into_iter().enumerate() {
                let at = Moment::from_millis(i64::try_from(number).unwrap());
                let json = |key: u8| format!("{key}@{number}");
                for (&key, &live) in &run {
                    model.insert(id(key), (json(key), live));
                }
                feed.append(at, run.into_iter().map(|(key, live)| (id(key), json(key).into(), live)).collect());
                if number == pause {
                    let (pulled, next) = drain(&feed, cursor.take(), size);
                    held.extend(pulled);
                    cursor = next;
                }
                prop_assert_eq!(feed.total(), model.len());
                prop_assert_eq!(feed.active(), model.values().filter(|(_, live)| *live).count());
                prop_assert_eq!(feed.live().count(), feed.active());
            }
            let (pulled, end) = drain(&feed, cursor, size);
            held.extend(pulled);
            let expected: HashMap<_, _> = model.into_iter().map(|(id, (json, _))| (id, json)).collect();
            prop_assert_eq!(held, expected);
            prop_assert_eq!(end, feed.latest_cursor());
        }
    }

    #[test]
    fn a_cursor_has_the_observed_form_and_garbage_is_refused() {
        let mut feed = Feed::default();
        assert_eq!(feed.page(None, 10).unwrap().cursor, None);
        feed.append(Moment::from_millis(7), vec![(id(1), "{}".into(), true)]);
        let cursor = feed.latest_cursor().unwrap();
        assert_eq!(BASE64_STANDARD.decode(&cursor).unwrap(), b"7:00000000-0000-5000-8000-000000000001");
        let page = feed.page(Some(&cursor), 10).unwrap();
        assert_eq!((page.entries.len(), page.remaining, page.cursor), (0, 0, Some(cursor)));
        for garbage in ["", "x", "Y3Vyc29yOjEyMQ==", "ä"] {
            assert_eq!(feed.page(Some(garbage), 10).unwrap_err(), CursorError, "{garbage}");
        }
    }
}
