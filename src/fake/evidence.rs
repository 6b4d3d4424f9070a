#![cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// Number of calls that a fault struck, or that were not answered 200.
    troubled: u64,
    refusals: Refusals,
}

/// Events that a receiver refused by itself, with a status that says that it may take them later: nothing went
/// wrong with a call of it meanwhile.
#[derive(Clone, Debug, Default)]
struct Refusals {
    /// How many such calls there were when the last attempts were sent.
    troubled_before: u64,
    /// One of the last attempts was refused.
    pending: bool,
    /// Number of pauses since an event was taken or given up.
    pauses: usize,
    /// All pauses together.
    paused: Duration,
    /// Number of attempts that were refused.
    count: u64,
}

/// The pauses in real time before a receiver that refused an event by itself gets the next one.
pub(crate) const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// All pauses of a lane together.
const MOST_PAUSED: Duration = Duration::from_secs(30);

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

    /// Notes that a fault struck a call, or that it was not answered 200.
    pub(super) fn note_troubled_call(&mut self) {
        self.troubled += 1;
    }

    /// Notes that attempts are sent.
    pub(super) fn note_sending(&mut self) {
        self.refusals.troubled_before = self.troubled;
    }

    /// Notes how the receiver answered an event, and whether the event will be sent again.
    pub(super) fn note_answer(&mut self, status: u16, again: bool) {
        let is_refused = matches!(status, 429 | 500..=599);
        if is_refused && self.troubled == self.refusals.troubled_before {
            self.refusals.pending = true;
            self.refusals.count += 1;
        }
        if !again {
            self.refusals.pauses = 0;
        }
        if !is_refused {
            self.refusals.pending = false;
        }
    }

    /// Returns how long to wait before the next attempt, if at all. Each pause is longer than the one before.
    pub(super) fn take_pause(&mut self) -> Option<Duration> {
        let Refusals { pending, pauses, paused, .. } = &mut self.refusals;
        let pause = *PAUSES.get(*pauses)?;
        if !std::mem::take(pending) || *paused + pause > MOST_PAUSED {
            return None;
        }
        *pauses += 1;
        *paused += pause;
        Some(pause)
    }

    /// Returns the number of attempts that the receiver refused by itself.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals.count
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(evidence: &mut Evidence, again: bool) -> Option<u128> {
        evidence.note_sending();
        evidence.note_answer(503, again);
        evidence.take_pause().map(|pause| pause.as_millis())
    }

    #[test]
    fn a_receiver_that_refuses_by_itself_is_given_more_and_more_time() {
        let mut evidence = Evidence::default();
        let pauses: Vec<_> = (0..6).map(|_| refused(&mut evidence, true)).collect();
        assert_eq!(pauses, [Some(500), Some(1_000), Some(2_000), Some(4_000), None, None]);
        evidence.note_answer(204, false);
        assert_eq!(refused(&mut evidence, true), Some(500), "anew after an event that it took");
        assert_eq!(refused(&mut evidence, false), Some(500), "and after one that was given up");
        evidence.note_sending();
        evidence.note_troubled_call();
        evidence.note_answer(503, true);
        assert_eq!((evidence.take_pause(), evidence.refusals()), (None, 8), "it refused because of a call");
        evidence.note_sending();
        evidence.note_answer(404, true);
        assert_eq!((evidence.take_pause(), evidence.refusals()), (None, 8), "it will not take it later either");
    }

    #[test]
    fn pauses_have_an_end() {
        let mut evidence = Evidence::default();
        let pauses: u128 = (0..1_000).filter_map(|number| refused(&mut evidence, number % 6 < 5)).sum();
        assert_eq!(Duration::from_millis(u64::try_from(pauses).unwrap()), MOST_PAUSED);
    }
}
