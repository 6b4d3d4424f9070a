#![cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::Decision;
use crate::contract::SyncId;

/// Record of which calls of the API told the receiver which versions of records, for each sync. A call is identified by
/// its number in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    syncs: BTreeMap<SyncId, OfSync>,
    /// Number of calls whose response contained something new.
    news: u64,
    /// Number of times that each call was made since the last response with something new, or since the last reset.
    repeated: BTreeMap<String, u64>,
    /// Number of calls that a fault struck, or that were not answered 200.
    troubled: u64,
    /// Whether the receiver has answered an event.
    pub(super) has_answered: bool,
    refusals: Refusals,
}

/// Counters of refused events. An event counts as refused if the receiver answered 429 or 5xx, and no call of the API
/// had failed since the event was sent.
#[derive(Clone, Debug, Default)]
struct Refusals {
    /// Value of [`Evidence::troubled`] when the last attempts were sent.
    troubled_before: u64,
    /// True if an attempt was refused, and neither a pause nor a response other than 429 or 5xx has followed.
    pending: bool,
    /// Number of pauses since an event was taken or given up.
    pauses: usize,
    /// Total length of all pauses.
    paused: Duration,
    /// Number of attempts that were refused.
    count: u64,
}

/// Pauses, in real time, before a receiver that refused an event gets the next one.
pub(crate) const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Maximum total length of all pauses of a lane.
const MOST_PAUSED: Duration = Duration::from_secs(30);

/// Returns whether a receiver that answers with this status may accept the same request later.
pub(crate) fn may_accept_later(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

#[derive(Clone, Debug, Default)]
struct OfSync {
    /// First call that served each version. A tombstone is a version too.
    told: BTreeMap<usize, usize>,
    /// Last call that was answered 404 for a deleted record, by the record's key.
    gone: BTreeMap<u64, usize>,
}

impl Evidence {
    /// Notes the versions that a call served. Does nothing if a fault loses the response.
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

    /// Notes that a call for a deleted record was answered 404.
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

    /// Notes that a fault struck a call, or that the call was not answered 200.
    pub(super) fn note_troubled_call(&mut self) {
        self.troubled += 1;
    }

    /// Notes that attempts are about to be sent.
    pub(super) fn note_sending(&mut self) {
        self.refusals.troubled_before = self.troubled;
    }

    /// Notes how the receiver answered an event, and whether the event will be sent again.
    pub(super) fn note_answer(&mut self, status: u16, again: bool) {
        self.has_answered = true;
        let is_refused = may_accept_later(status);
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

    /// Returns the pause before the next attempt; `None` if the attempt can be sent at once. Each pause is longer than
    /// the one before.
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

    /// Returns the number of attempts that the receiver refused although no call of the API had failed.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals.count
    }

    /// Notes a call, and returns how many times it was made since the last response with something new.
    pub(super) fn note_call(&mut self, target: &str) -> u64 {
        if let Some(times) = self.repeated.get_mut(target) {
            *times += 1;
            return *times;
        }
        self.repeated.insert(target.to_owned(), 1);
        1
    }

    /// Returns how many times the most frequent call was made since the last response with something new.
    pub(super) fn rounds(&self) -> u64 {
        self.repeated.values().copied().max().unwrap_or_default()
    }

    /// Resets the counts of repeated calls.
    pub(super) fn count_anew(&mut self) {
        self.repeated.clear();
    }

    /// Returns the number of calls whose response contained something new.
    pub(super) fn news(&self) -> u64 {
        self.news
    }

    /// Returns the first call that served this version.
    pub(super) fn told(&self, sync: &SyncId, version: usize) -> Option<usize> {
        self.syncs.get(sync)?.told.get(&version).copied()
    }

    /// Returns the last call that was answered 404 for this deleted record.
    pub(super) fn gone(&self, sync: &SyncId, key: u64) -> Option<usize> {
        self.syncs.get(sync)?.gone.get(&key).copied()
    }
}

/// Whether a call told the receiver the latest version of a record, or the deletion of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Method and path of the call that told the receiver.
    Told(String),
    /// No call told the receiver.
    NeverTold,
}

/// Counters of what a receiver has done in a lane so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Number of attempts to deliver an event to the receiver.
    pub(crate) attempts: u64,
    /// Number of calls of the API that the receiver made.
    pub(crate) calls: u64,
    /// Number of calls that count as work. Further repetitions of a call do not count if the responses contain nothing
    /// new.
    pub(crate) work: u64,
    /// Number of times that the most frequent call was made since the last response with something new, or since the
    /// last reset.
    pub(crate) rounds: u64,
    /// Number of calls whose answer contained something new.
    pub(crate) news: u64,
    /// Outcome of the last call.
    pub(crate) last: LastCall,
    /// Whether the receiver has answered an event, with whatever status.
    pub(crate) has_answered: bool,
}

/// Outcome of a call of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LastCall {
    /// The call was answered, or no call was made yet.
    #[default]
    Answered,
    /// A fault made the call fail, or made the API answer wrongly, for example with an older state. The receiver may
    /// try again after a pause.
    Failed,
    /// The call waits for a response that never comes.
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
