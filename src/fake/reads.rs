use std::collections::BTreeMap;

use http::StatusCode;

use super::endpoint::Endpoint;
use super::evidence::{Evidence, LastCall};
use super::fault::Stale;
use super::faults::Decision;
use super::served::Served;
use crate::clock::Timestamp;
use crate::contract::{RecordId, SyncId};

/// Key of the end of a feed in [`Reads::is_stale`]. No record has this key.
pub(super) const END_OF_FEED: u64 = u64::MAX;

/// Time of the last change of a record, and the number of reads since then, by sync and by the key of the record.
pub(super) type StaleReads = BTreeMap<SyncId, BTreeMap<u64, (Timestamp, u64)>>;

/// A live record that was not fetched since its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfetched {
    /// Id of the record.
    pub record: RecordId,
    /// Whether an older version of the record was fetched.
    pub older_fetched: bool,
}

impl Unfetched {
    /// Creates the entry of a record that was never fetched.
    pub fn new(record: impl Into<RecordId>) -> Self {
        Self { record: record.into(), older_fetched: false }
    }

    /// Says that an older version of the record was fetched.
    #[must_use]
    pub fn older_fetched(self) -> Self {
        Self { older_fetched: true, ..self }
    }
}

/// Records that the API has served, and outcomes of its calls.
#[derive(Default)]
pub(super) struct Reads {
    /// Versions of records that were served.
    pub(super) served: Served,
    pub(super) stale: StaleReads,
    /// Record of the versions that each call served. It is kept only in lanes, because it grows with every call.
    pub(super) evidence: Option<Evidence>,
    /// Number of calls that count as work, and not as one more round of a loop that finds nothing new.
    pub(super) work: u64,
    pub(super) last_call: LastCall,
}

impl Reads {
    /// Returns an empty value that keeps evidence if `self` does.
    pub(super) fn empty(&self) -> Self {
        Self { evidence: self.evidence.is_some().then(Evidence::default), ..Self::default() }
    }

    /// Forgets the records that were served of a sync, because the sync was deleted.
    pub(super) fn forget(&mut self, sync: &SyncId) {
        self.served.forget(sync);
        self.stale.remove(sync);
    }

    /// Notes the versions that a call has served. `call` is the number that the call will have in the log.
    pub(super) fn note_served(
        &mut self,
        decision: &Decision,
        sync: &SyncId,
        versions: impl Iterator<Item = usize> + Clone,
        call: usize,
    ) {
        self.served.note(decision, sync, versions.clone());
        if let Some(evidence) = &mut self.evidence {
            evidence.note_served(decision, sync, versions, call);
        }
    }

    /// Notes that a call for a deleted record was answered 404, unless a fault loses the response.
    pub(super) fn note_gone(&mut self, decision: &Decision, sync: &SyncId, key: u64, call: usize) {
        if let Some(evidence) = self.evidence.as_mut().filter(|_| !decision.is_lost()) {
            evidence.note_gone(sync, key, call);
        }
    }

    /// Counts a read, and returns whether a fault makes the read stale, so that it shows the state before `changed_at`.
    /// `key` is the key of a record, or [`END_OF_FEED`].
    pub(super) fn is_stale(
        &mut self,
        decision: &Decision,
        sync: &SyncId,
        key: u64,
        changed_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        decision.stale().any(|stale| match stale {
            Stale::Reads(reads) => {
                let of_sync = self.stale.entry(sync.clone()).or_default();
                let (changed, read) = of_sync.entry(key).or_insert((changed_at, 0));
                if *changed != changed_at {
                    (*changed, *read) = (changed_at, 0);
                }
                *read += 1;
                *read <= reads
            }
            Stale::For(span) => now < changed_at + span,
        })
    }

    /// Notes the outcome of a call, and whether the call counts as work.
    pub(super) fn note_call(&mut self, decision: &Decision, target: &str, status: StatusCode) {
        // Maximum number of equal calls that count as work. A receiver may fetch a record for each of many events in
        // its queue, but only a loop pulls the same page many times.
        const ROUNDS: u64 = 2;
        const EVENTS: u64 = 60;
        self.last_call = decision.leaves(status);
        if let Some(evidence) = &mut self.evidence {
            if !decision.struck.is_empty() || status != 200 {
                evidence.note_troubled_call();
            }
            let times = evidence.note_call(target);
            let is_pull = decision.endpoint == Some(Endpoint::PullRecords);
            self.work += u64::from(times <= if is_pull { ROUNDS } else { EVENTS });
        }
    }
}
