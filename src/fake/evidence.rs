#![cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]

use std::collections::BTreeMap;

use super::faults::Decision;
use crate::contract::SyncId;

/// Which call told the receiver what, for each sync. A call is named by its number in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    syncs: BTreeMap<SyncId, OfSync>,
    /// How many calls told something that no call had told before.
    news: u64,
    /// How often each call was made since the last one of these.
    repeated: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default)]
struct OfSync {
    /// The first call that served each version; a tombstone is a version too.
    told: BTreeMap<usize, usize>,
    /// The last call that answered 404 for a deleted record, by the record's key.
    gone: BTreeMap<u64, usize>,
}

impl Evidence {
    /// Notes the versions that a call served, unless its answer is lost on the way.
    pub(super) fn note_served(
        &mut self,
        strike: &Decision,
        sync: &SyncId,
        versions: impl IntoIterator<Item = usize>,
        call: usize,
    ) {
        if strike.is_lost() {
            return;
        }
        let of_sync = self.syncs.entry(sync.clone()).or_default();
        let known = of_sync.told.len();
        for version in versions {
            of_sync.told.entry(version).or_insert(call);
        }
        if of_sync.told.len() > known {
            self.tell_news();
        }
    }

    /// Notes that a deleted record was answered 404.
    pub(super) fn note_gone(&mut self, sync: &SyncId, key: u64, call: usize) {
        let gone = &mut self.syncs.entry(sync.clone()).or_default().gone;
        if gone.insert(key, call).is_none() {
            self.tell_news();
        }
    }

    fn tell_news(&mut self) {
        self.news += 1;
        self.repeated.clear();
    }

    /// Notes a call, and returns how often it was made since something new was told.
    pub(super) fn note_call(&mut self, target: &str) -> u64 {
        if let Some(times) = self.repeated.get_mut(target) {
            *times += 1;
            return *times;
        }
        self.repeated.insert(target.to_owned(), 1);
        1
    }

    /// How often the most frequent call was made since something new was told.
    pub(super) fn rounds(&self) -> u64 {
        self.repeated.values().copied().max().unwrap_or_default()
    }

    /// Counts calls anew.
    pub(super) fn count_anew(&mut self) {
        self.repeated.clear();
    }

    /// How many calls told something that no call had told before.
    pub(super) fn news(&self) -> u64 {
        self.news
    }

    /// The call that served this version first.
    pub(super) fn told(&self, sync: &SyncId, version: usize) -> Option<usize> {
        self.syncs.get(sync)?.told.get(&version).copied()
    }

    /// The last call that answered 404 for this deleted record.
    pub(super) fn gone(&self, sync: &SyncId, key: u64) -> Option<usize> {
        self.syncs.get(sync)?.gone.get(&key).copied()
    }
}

/// What a receiver was told of the latest version of a record, or of its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// This call told it: method and path.
    Told(String),
    /// No call did.
    NeverTold,
}

/// What a receiver has done so far in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Attempts to deliver an event to it.
    pub(crate) attempts: u64,
    /// Its calls of the API.
    pub(crate) calls: u64,
    /// Number of calls that were work. Repeated calls of a loop that finds nothing new do not count.
    pub(crate) work: u64,
    /// How often the most frequent call was made since something new was told, or since calls were counted anew.
    pub(crate) rounds: u64,
    /// Number of calls whose answer contained something new.
    pub(crate) news: u64,
    /// What became of the last one.
    pub(crate) last: LastCall,
}

/// What became of a call of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LastCall {
    /// It was answered, or there was none.
    #[default]
    Answered,
    /// A fault made the call fail, or answer with an older state. The receiver may try again after a pause.
    Failed,
    /// It waits for an answer that never comes.
    Unanswered,
}
