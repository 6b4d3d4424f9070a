use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::ranks::Ranks;
use crate::clock::Timestamp;
use crate::contract::{Numbering, Pipeline, RecordId, Revision, SyncId};
use crate::source::{Collection, Synthetic};

/// The records of a sync in the order of their last changes. A changed record moves to the end; a deleted record moves
/// to the end as a tombstone. A cursor is a position in this order and never expires.
///
/// Each record has a key: a number from which its id is derived. A page costs the logarithm of the feed's length,
/// wherever it starts. Synthetic records at the beginning of the feed are computed when they are served.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Feed {
    stored: Stored,
    /// Current position of each record, unless the record is still at its position in the base.
    current: HashMap<u64, usize>,
    /// Positions of the current versions.
    standing: Ranks,
    live: usize,
}

/// Serialized form of [`Feed`]. The other fields are computed from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    ids: Numbering,
    base: Option<Base>,
    /// Slots after the base, sorted by time and key: each run is later than the previous one, and sorts its changes by
    /// key.
    slots: Vec<Slot>,
}

/// The first slots of a feed: synthetic records. The n-th one has the key n.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base {
    at: Timestamp,
    len: usize,
    synthetic: Synthetic,
    /// Numbers of the objects that had changed before the first run. The base does not contain them.
    except: Vec<u64>,
    pipeline: Pipeline,
    revision: Revision,
    external: Numbering,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slot {
    at: Timestamp,
    key: u64,
    live: bool,
    /// Serialized once, served often. The replaced version is kept as well, because a lagging read may still ask for
    /// it.
    json: Option<String>,
    /// Position of the previous version of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<usize>,
}

/// One record or tombstone of a page.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedEntry<'a> {
    /// Key of the record.
    pub key: u64,
    /// Position of this version in the feed. Later versions have higher positions.
    pub version: usize,
    /// The JSON that is served.
    pub json: std::borrow::Cow<'a, str>,
}

/// The result of one pull.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<'a> {
    /// Records and tombstones of the page.
    pub entries: Vec<FeedEntry<'a>>,
    /// Cursor for the next pull; `None` only if the page is empty and no cursor was given.
    pub cursor: Option<String>,
    /// Number of records and tombstones in the feed.
    pub total: usize,
    /// Number of records in the feed, without tombstones.
    pub active: usize,
    /// Number of records and tombstones after this page.
    pub remaining: usize,
    /// Time at which Paragon saw the last record of the page.
    pub last_seen: Option<Timestamp>,
}

/// Error for a cursor that this feed did not issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The cursor is malformed.
    #[error("the cursor is not one that was given out")]
    Garbage,
    /// The cursor belongs to another sync.
    #[error("the cursor is of another sync")]
    OtherSync,
}

/// A new version of a record, as found by a run.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) key: u64,
    pub(super) live: bool,
    pub(super) json: String,
}

impl Feed {
    pub(super) fn new(sync: &SyncId) -> Self {
        let ids = Numbering::of(&["record", sync.as_str()]);
        Self::of(Stored { ids, base: None, slots: Vec::new() })
    }

    fn of(stored: Stored) -> Self {
        let mut feed = Self {
            stored: Stored { slots: Vec::new(), ..stored },
            current: HashMap::new(),
            standing: Ranks::default(),
            live: 0,
        };
        feed.stand_on_base();
        for slot in stored.slots {
            feed.push(slot);
        }
        feed
    }

    /// Begins an empty feed with the unchanged synthetic records of a collection.
    pub(super) fn base_on(&mut self, at: Timestamp, collection: &Collection, pipeline: Pipeline, revision: Revision) {
        let synthetic = collection.synthetic();
        let Ok(len @ 1..) = usize::try_from(synthetic.count) else { return };
        if self.stored.slots.is_empty() && self.stored.base.is_none() {
            let external = collection.ids();
            let changed = collection.changed_since(0);
            let except = changed.into_iter().filter(|number| *number < synthetic.count).collect();
            self.stored.base = Some(Base { at, len, synthetic, except, pipeline, revision, external });
            self.stand_on_base();
        }
    }

    fn stand_on_base(&mut self) {
        let Some(base) = &self.stored.base else { return };
        self.standing.extend(base.len);
        for number in &base.except {
            self.standing.remove(usize::try_from(*number).unwrap_or(usize::MAX));
        }
        self.live = self.standing.before(usize::MAX);
    }

    /// Appends the changes that a run found. `at` must be later than [`Feed::last_seen`].
    pub(super) fn append(&mut self, at: Timestamp, mut found: Vec<Change>) {
        found.sort_by_key(|change| change.key);
        for Change { key, live, json } in found {
            let replaces = self.position(key);
            self.push(Slot { at, key, live, json: Some(json), replaces });
        }
    }

    fn push(&mut self, slot: Slot) {
        let position = self.base_len() + self.stored.slots.len();
        if let Some(old) = slot.replaces {
            self.live -= usize::from(self.is_live(old));
            self.standing.remove(old);
            // Lagging reads need only one replaced version, so the one before it is dropped.
            if let Some(older) = self.slot(old).and_then(|slot| slot.replaces)
                && let Some(older) = older.checked_sub(self.base_len())
            {
                self.stored.slots[older].json = None;
            }
        }
        self.live += usize::from(slot.live);
        self.current.insert(slot.key, position);
        self.standing.extend(1);
        self.stored.slots.push(slot);
    }

    fn base_len(&self) -> usize {
        self.stored.base.as_ref().map_or(0, |base| base.len)
    }

    /// Returns the slot at a position; `None` for positions in the base.
    fn slot(&self, position: usize) -> Option<&Slot> {
        self.stored.slots.get(position.checked_sub(self.base_len())?)
    }

    fn is_live(&self, position: usize) -> bool {
        self.slot(position).is_none_or(|slot| slot.live)
    }

    fn position(&self, key: u64) -> Option<usize> {
        if let Some(position) = self.current.get(&key) {
            return Some(*position);
        }
        usize::try_from(key).ok().filter(|key| *key < self.base_len() && self.standing.contains(*key))
    }

    /// Returns the time and the key of the record at a position.
    fn place(&self, position: usize) -> Option<(Timestamp, u64)> {
        match (self.slot(position), &self.stored.base) {
            (Some(slot), _) => Some((slot.at, slot.key)),
            (None, Some(base)) => Some((base.at, position as u64)).filter(|_| position < base.len),
            (None, None) => None,
        }
    }

    fn json(&self, position: usize) -> Option<std::borrow::Cow<'_, str>> {
        match (self.slot(position), &self.stored.base) {
            (Some(slot), _) => slot.json.as_deref().map(Into::into),
            (None, Some(base)) => Some(base.record(position as u64, self.stored.ids).into()),
            (None, None) => None,
        }
    }

    /// Returns the id of the record with this key.
    pub fn id_of(&self, key: u64) -> RecordId {
        record_id(self.stored.ids, key)
    }

    /// Returns the key of a record id of this sync, even if the feed does not contain the record. Returns `None` for an
    /// id of another sync.
    pub fn key_of(&self, id: &RecordId) -> Option<u64> {
        self.stored.ids.number_of(uuid::Uuid::try_parse(id.as_str()).ok()?)
    }

    /// Returns the time at which the last entry was seen.
    pub fn last_seen(&self) -> Option<Timestamp> {
        let last = self.stored.slots.last().map(|slot| slot.at);
        last.or_else(|| self.stored.base.as_ref().map(|base| base.at))
    }

    /// Returns the number of records and tombstones.
    pub fn total(&self) -> usize {
        self.standing.before(usize::MAX)
    }

    /// Returns the number of live records.
    pub fn active(&self) -> usize {
        self.live
    }

    /// Returns the cursor after the last entry: `summary.latestCursor`.
    pub fn latest_cursor(&self) -> Option<String> {
        (self.base_len() + self.stored.slots.len()).checked_sub(1).and_then(|last| self.cursor(last))
    }

    /// Returns whether the record with this key is live.
    pub fn holds(&self, key: u64) -> bool {
        self.position(key).is_some_and(|position| self.is_live(position))
    }

    /// Returns the latest version of a record, which may be a tombstone, and whether the record is live.
    pub fn latest(&self, key: u64) -> Option<(usize, bool)> {
        self.position(key).map(|position| (position, self.is_live(position)))
    }

    /// Returns whether the feed contains or ever contained the record.
    pub fn has_seen(&self, key: u64) -> bool {
        self.position(key).is_some()
    }

    /// Returns the current version of a live record.
    pub fn get(&self, key: u64) -> Option<FeedEntry<'_>> {
        let version = self.position(key).filter(|position| self.is_live(*position))?;
        Some(FeedEntry { key, version, json: self.json(version)? })
    }

    /// Returns the version before the latest one, and the time of the latest one. A lagging read responds with that
    /// earlier version. It is `None` if the record was not live before.
    pub fn get_stale(&self, key: u64) -> (Option<FeedEntry<'_>>, Option<Timestamp>) {
        let Some(position) = self.position(key) else { return (None, None) };
        let changed_at = self.place(position).map(|(at, _)| at);
        let before = self.slot(position).and_then(|slot| slot.replaces).filter(|before| self.is_live(*before));
        (before.and_then(|version| Some(FeedEntry { key, version, json: self.json(version)? })), changed_at)
    }

    /// Returns the version that this version replaced.
    pub fn version_before(&self, version: usize) -> Option<usize> {
        self.slot(version)?.replaces
    }

    /// Returns all live records in the order of the feed.
    pub fn live(&self) -> impl Iterator<Item = FeedEntry<'_>> {
        let live = self.standing.starting_at_rank(0).filter(|position| self.is_live(*position));
        live.filter_map(|version| Some(FeedEntry { key: self.place(version)?.1, version, json: self.json(version)? }))
    }

    /// Returns the keys and versions of all live records in the order of the feed.
    pub fn live_keys(&self) -> impl Iterator<Item = (u64, usize)> {
        let live = self.standing.starting_at_rank(0).filter(|position| self.is_live(*position));
        live.filter_map(|version| Some((self.place(version)?.1, version)))
    }

    /// Returns the page after a cursor.
    ///
    /// # Errors
    ///
    /// Returns an error if the cursor is not one of this feed.
    pub fn page(&self, after: Option<&str>, size: usize) -> Result<Page<'_>, CursorError> {
        self.page_until(after, size, None)
    }

    /// Returns the page after a cursor like [`Feed::page`], but from the feed as it was at `until`. This is the
    /// response to a lagging read.
    ///
    /// Only one version before the latest one is kept of each record. If the version at `until` is older than that, the
    /// record is left out, unless that version is a synthetic record, which is computed.
    ///
    /// # Errors
    ///
    /// Returns an error if the cursor is not one of this feed.
    pub fn page_until(
        &self,
        after: Option<&str>,
        size: usize,
        until: Option<Timestamp>,
    ) -> Result<Page<'_>, CursorError> {
        let start = match after {
            None => 0,
            Some(cursor) => self.after(cursor)?,
        };
        let end = match until {
            None => usize::MAX,
            Some(until) => self.base_len() + self.stored.slots.partition_point(|slot| slot.at <= until),
        };
        let before = self.replaced_behind(end);
        let (rank, replaced) = (self.standing.before(start), before.partition_point(|at| *at < start));
        let (skipped, total) = (rank + replaced, self.standing.before(end) + before.len());
        let standing = self.standing.starting_at_rank(rank).take_while(|at| *at < end);
        // The cursor of a lagging read may be newer than the state that is read.
        let left = total.saturating_sub(skipped);
        // Allocates once, because growing step by step would cost as much as everything else.
        let (mut entries, mut last) = (Vec::with_capacity(size.min(left)), None);
        for version in in_order(standing, before[replaced..].iter().copied()).take(size) {
            let Some((at, key)) = self.place(version) else { continue };
            last = Some((at, key));
            entries.extend(self.json(version).map(|json| FeedEntry { key, version, json }));
        }
        Ok(Page {
            remaining: left.saturating_sub(entries.len()),
            entries,
            cursor: last.map(|(at, key)| self.encode(at, key)).or_else(|| after.map(str::to_owned)),
            total,
            active: self.live + before.iter().filter(|at| self.is_live(**at)).count() - self.live_behind(end),
            last_seen: last.map(|(at, _)| at),
        })
    }

    /// Returns the slots at and after a position.
    fn behind(&self, position: usize) -> &[Slot] {
        let first = position.saturating_sub(self.base_len());
        self.stored.slots.get(first..).unwrap_or_default()
    }

    /// Returns the positions before `end` that a slot at or after `end` replaced and whose JSON is still kept, in
    /// ascending order.
    fn replaced_behind(&self, end: usize) -> Vec<usize> {
        let replaced = self.behind(end).iter().filter_map(|slot| slot.replaces);
        let kept = |at: &usize| self.slot(*at).is_none_or(|slot| slot.json.is_some());
        let mut replaced: Vec<usize> = replaced.filter(|at| *at < end).filter(kept).collect();
        replaced.sort_unstable();
        replaced
    }

    /// Returns the number of live records at and after a position.
    fn live_behind(&self, position: usize) -> usize {
        let slots = self.behind(position).iter().zip(position.max(self.base_len())..);
        slots.filter(|(slot, at)| slot.live && self.standing.contains(*at)).count()
    }

    /// Returns the cursor of a position in the observed form: base64 of `<milliseconds>:<record id>`
    /// (`feed.cursor-form`).
    fn cursor(&self, position: usize) -> Option<String> {
        let (at, key) = self.place(position)?;
        Some(self.encode(at, key))
    }

    fn encode(&self, at: Timestamp, key: u64) -> String {
        let mut plain = String::with_capacity(64);
        let _ = write!(plain, "{}:{}", at.as_millis(), self.stored.ids.id_of(key));
        BASE64_STANDARD.encode(plain)
    }

    /// Returns the cursor that points after an entry of a page.
    pub fn cursor_of(&self, entry: &FeedEntry<'_>) -> Option<String> {
        self.cursor(entry.version)
    }

    /// Returns the cursor that is followed by exactly this number of entries; `None` if the feed has no entry before
    /// them.
    pub fn cursor_before_end(&self, entries: usize) -> Option<String> {
        let rank = self.total().checked_sub(entries + 1)?;
        self.cursor(self.standing.starting_at_rank(rank).next()?)
    }

    /// Returns a cursor before the first entry; `None` if the feed is empty.
    pub fn first_cursor(&self) -> Option<String> {
        let (at, key) = self.place(0)?;
        Some(self.encode(Timestamp::from_millis(at.as_millis() - 1), key))
    }

    /// Returns the time that a cursor contains: when its entry was seen.
    ///
    /// # Errors
    ///
    /// Returns an error if the cursor is not one of this feed.
    pub fn cursor_seen_at(&self, cursor: &str) -> Result<Timestamp, CursorError> {
        self.parse(cursor).map(|(at, _)| at)
    }

    fn parse(&self, cursor: &str) -> Result<(Timestamp, u64), CursorError> {
        let plain = BASE64_STANDARD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let plain = plain.ok_or(CursorError::Garbage)?;
        let (millis, id) = plain.split_once(':').ok_or(CursorError::Garbage)?;
        let millis = millis.parse().map_err(|_| CursorError::Garbage)?;
        let id = uuid::Uuid::try_parse(id).map_err(|_| CursorError::Garbage)?;
        let key = self.stored.ids.number_of(id).ok_or(CursorError::OtherSync)?;
        Ok((Timestamp::from_millis(millis), key))
    }

    /// Returns the first position after a cursor.
    fn after(&self, cursor: &str) -> Result<usize, CursorError> {
        let place = self.parse(cursor)?;
        let base = match &self.stored.base {
            Some(base) if place.0 < base.at => return Ok(0),
            Some(base) if place.0 == base.at => {
                return Ok(usize::try_from(place.1).map_or(base.len, |key| base.len.min(key + 1)));
            }
            base => base.as_ref().map_or(0, |base| base.len),
        };
        Ok(base + self.stored.slots.partition_point(|slot| (slot.at, slot.key) <= place))
    }
}

impl Base {
    fn record(&self, key: u64, ids: Numbering) -> String {
        let external = |number| crate::source::external_id(self.external, number);
        let object = self.synthetic.object(self.pipeline, key, external);
        object.record(self.revision, &record_id(ids, key), &external(key))
    }
}

/// Merges two ascending sequences into one.
fn in_order(one: impl Iterator<Item = usize>, other: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(next), Some(sooner)) if sooner < next => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

fn record_id(ids: Numbering, key: u64) -> RecordId {
    ids.id_of(key).to_string().into()
}

impl From<Feed> for Stored {
    fn from(feed: Feed) -> Self {
        feed.stored
    }
}

impl TryFrom<Stored> for Feed {
    type Error = String;

    /// Checks everything that could make the feed panic, because a file can contain anything.
    fn try_from(stored: Stored) -> Result<Self, String> {
        let base = stored.base.as_ref().map_or(0, |base| base.len);
        let mut before = stored.base.as_ref().map(|base| (base.at, u64::MAX));
        let mut current: HashMap<u64, usize> = HashMap::new();
        for (index, slot) in stored.slots.iter().enumerate() {
            let place = (slot.at, slot.key);
            if before.is_some_and(|before| place <= before) {
                return Err(format!("slots[{index}]: expected a later time or key than before it"));
            }
            let except = stored.base.as_ref().is_some_and(|base| base.except.contains(&slot.key));
            let in_base = usize::try_from(slot.key).ok().filter(|key| *key < base && !except);
            let standing = current.insert(slot.key, base + index).or(in_base);
            if slot.replaces != standing {
                return Err(format!("slots[{index}].replaces: expected {standing:?}, got {:?}", slot.replaces));
            }
            before = Some(place);
        }
        let feed = Self::of(stored);
        match feed.current.values().find(|position| feed.json(**position).is_none()) {
            Some(position) => Err(format!("slots[{}].json: expected text", position - base)),
            None => Ok(feed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Account;
    use proptest::prelude::*;

    fn feed() -> Feed {
        Feed::new(&SyncId::from("s"))
    }

    fn drain(feed: &Feed, mut cursor: Option<String>, size: usize) -> (Vec<(u64, String)>, Option<String>) {
        let mut all = Vec::new();
        loop {
            let page = feed.page(cursor.as_deref(), size).unwrap();
            assert!(page.entries.len() <= size);
            cursor = page.cursor;
            all.extend(page.entries.into_iter().map(|entry| (entry.key, entry.json.to_string())));
            if page.remaining == 0 {
                return (all, cursor);
            }
        }
    }

    fn based(count: u64) -> Feed {
        let mut account = Account::new(&"p".into(), &"u".into(), "googledrive", "default");
        let collection = account.collection_mut(Pipeline::Files);
        collection.fill(Synthetic::new(count, 1));
        let mut feed = feed();
        feed.base_on(Timestamp::from_millis(0), collection, Pipeline::Files, Revision::default());
        feed
    }

    proptest! {
        /// Compares the feed with a plain map. Pulling pages of any size, with a pause after any run, must end with the
        /// content of the map.
        #[test]
        fn pulling_by_cursor_ends_with_the_current_records(
            base in 0..9_u64,
            runs in prop::collection::vec(prop::collection::btree_map(0..12_u64, any::<bool>(), 0..6), 1..12),
            size in 1usize..5,
            pause in 0usize..12,
        ) {
            let mut feed = based(base);
            let (mut model, mut held) = (HashMap::new(), HashMap::new());
            model.extend((0..base).map(|key| (key, (feed.get(key).unwrap().json.to_string(), true))));
            let mut cursor = None;
            for (number, run) in runs.into_iter().enumerate() {
                let at = Timestamp::from_millis(1 + i64::try_from(number).unwrap());
                let json = |key: u64| format!("{key}@{number}");
                let before: HashMap<u64, (String, bool)> = model.clone();
                for (&key, &live) in &run {
                    model.insert(key, (json(key), live));
                }
                let changes = run.iter().map(|(&key, &live)| Change { key, live, json: json(key) });
                let whole = feed.page(None, 100).unwrap();
                let whole = (drain(&feed, None, 100), whole.total, whole.active, whole.cursor);
                feed.append(at, changes.collect());
                if !run.is_empty() {
                    let until = Some(Timestamp::from_millis(at.as_millis() - 1));
                    let lagging = feed.page_until(None, 100, until).unwrap();
                    let entries = lagging.entries.iter().map(|entry| (entry.key, entry.json.to_string())).collect();
                    let lagging = ((entries, lagging.cursor.clone()), lagging.total, lagging.active, lagging.cursor);
                    prop_assert_eq!(lagging, whole.clone());
                    let (mut cursor, mut paged) = (None, Vec::new());
                    loop {
                        let page = feed.page_until(cursor.as_deref(), size, until).unwrap();
                        paged.extend(page.entries.iter().map(|entry| (entry.key, entry.json.to_string())));
                        cursor = page.cursor;
                        prop_assert_eq!(page.remaining, page.total - paged.len());
                        if page.remaining == 0 {
                            break;
                        }
                    }
                    prop_assert_eq!(&paged, &whole.0.0);
                }
                for key in run.keys() {
                    let stale = feed.get_stale(*key).0.map(|entry| entry.json.to_string());
                    prop_assert_eq!(stale, before.get(key).filter(|(_, live)| *live).map(|(json, _)| json.clone()));
                }
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
            let expected: HashMap<_, _> = model.into_iter().map(|(key, (json, _))| (key, json)).collect();
            prop_assert_eq!(held, expected);
            prop_assert_eq!(end, feed.latest_cursor());

            let file = serde_json::to_string(&feed).unwrap();
            let again: Feed = serde_json::from_str(&file).unwrap();
            prop_assert_eq!(drain(&again, None, size), drain(&feed, None, size));
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), file);
        }
    }

    #[test]
    fn a_cursor_has_the_observed_form_and_others_are_refused() {
        let mut feed = feed();
        assert_eq!(feed.page(None, 10).unwrap().cursor, None);
        feed.append(Timestamp::from_millis(7), vec![Change { key: 1, live: true, json: "{}".into() }]);
        let cursor = feed.latest_cursor().unwrap();
        assert_eq!(BASE64_STANDARD.decode(&cursor).unwrap(), format!("7:{}", feed.id_of(1)).as_bytes());
        let page = feed.page(Some(&cursor), 10).unwrap();
        assert_eq!((page.entries.len(), page.remaining, page.cursor.as_ref()), (0, 0, Some(&cursor)));
        for garbage in ["", "x", "Y3Vyc29yOjEyMQ==", "ä"] {
            assert_eq!(feed.page(Some(garbage), 10).unwrap_err(), CursorError::Garbage, "{garbage}");
        }
        let other = Feed::new(&SyncId::from("t"));
        assert_eq!(other.page(Some(&cursor), 10).unwrap_err(), CursorError::OtherSync);
    }

    #[test]
    fn a_stale_read_sees_the_state_at_an_older_time() {
        let mut feed = based(2);
        let before = feed.last_seen();
        feed.append(Timestamp::from_millis(9), vec![Change { key: 7, live: true, json: "{}".into() }]);
        let keys = |until| feed.page_until(None, 10, until).unwrap().entries.iter().map(|e| e.key).collect::<Vec<_>>();
        assert_eq!((keys(before), keys(None)), (vec![0, 1], vec![0, 1, 7]));
        assert_eq!(feed.page_until(None, 10, before).unwrap().remaining, 0);
        let newest = feed.latest_cursor();
        let page = feed.page_until(newest.as_deref(), 10, before).unwrap();
        assert_eq!((page.entries.len(), page.remaining, page.cursor), (0, 0, newest), "a cursor of later on");
    }

    #[test]
    fn ten_million_records_need_one_bit_each() {
        let feed = based(10_000_000);
        assert_eq!((feed.total(), feed.active()), (10_000_000, 10_000_000));
        let last = feed.get(9_999_999).unwrap();
        let cursor = BASE64_STANDARD.encode(format!("0:{}", feed.id_of(9_999_997)));
        let page = feed.page(Some(&cursor), 20).unwrap();
        assert_eq!((page.entries.len(), page.remaining, &page.entries[1].json), (2, 0, &last.json));
    }

    #[test]
    fn an_inconsistent_stored_feed_is_refused() {
        let mut feed = feed();
        let change = |key| vec![Change { key, live: true, json: "{}".into() }];
        feed.append(Timestamp::from_millis(1), change(1));
        feed.append(Timestamp::from_millis(2), change(1));
        let good = serde_json::to_value(&feed).unwrap();
        let told = |path: &str, value: serde_json::Value| {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = value;
            serde_json::from_value::<Feed>(bad).unwrap_err().to_string()
        };
        assert!(told("/slots/1/replaces", 7.into()).starts_with("slots[1].replaces: expected Some(0)"));
        assert!(told("/slots/1/at", "1970-01-01T00:00:00Z".into()).starts_with("slots[1]: expected a later"));
        assert!(told("/slots/1/json", serde_json::Value::Null).starts_with("slots[1].json"));
    }
}
