use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::probe::{HeldRecord, Probe, ProbeError};
use crate::clock::Stopwatch;
use crate::contract::SyncId;
use crate::fake::SyncHandle;

/// Minimum time between two calls of a probe that has been given up.
const AGAIN: Duration = Duration::from_secs(5);

/// State of a receiver, as record lists by sync id. The ids are in lower case.
pub(super) type Told = Arc<BTreeMap<String, Vec<HeldRecord>>>;

/// Maximum number of looks at single syncs that are under way at the same time.
const AT_ONCE: usize = 4;

/// Shares looks at a receiver's state among cases. Cases that ask while a look is under way share the next look. If the
/// probe can ask for one sync, each sync has its own looks.
pub(super) struct Looks<'a> {
    probe: &'a dyn Probe,
    all: Subject,
    of: Mutex<BTreeMap<String, Arc<Subject>>>,
    turns: Semaphore,
}

/// What a look is at: all records of a receiver, or those of one sync.
#[derive(Default)]
struct Subject {
    begun: AtomicU64,
    turn: tokio::sync::Mutex<()>,
    latest: Mutex<Latest>,
}

#[derive(Default)]
struct Latest {
    number: u64,
    told: Option<Result<Told, ProbeError>>,
    /// Time since which every look has failed.
    failing: Option<Stopwatch>,
    asked: Option<Stopwatch>,
    dead: bool,
}

impl<'a> Looks<'a> {
    pub(super) fn new(probe: &'a dyn Probe) -> Self {
        Self { probe, all: Subject::default(), of: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Returns the records of these syncs, by looks that began after this call. If the probe can only ask for all
    /// records, those of other syncs are among them. A probe that has been given up is called at most every 5 s, and in
    /// between its last error is returned.
    pub(super) async fn look(&self, syncs: &[&SyncId]) -> Result<Told, ProbeError> {
        let mut told = BTreeMap::new();
        for sync in syncs {
            let Some(looking) = self.probe.look_at(sync) else { return self.all.look(self.probe.look()).await };
            let look = async {
                // `acquire` cannot fail, because the semaphore is never closed.
                let _turn = self.turns.acquire().await;
                let mut held = looking.await?;
                held.retain(|held| key(&held.sync) == key(sync));
                Ok(held)
            };
            let held = self.subject(sync).look(look).await?;
            told.extend(held.iter().map(|(sync, held)| (sync.clone(), held.clone())));
        }
        Ok(Arc::new(told))
    }

    /// Returns whether the latest look at one of these syncs failed.
    pub(super) fn is_failing(&self, syncs: &[SyncId]) -> bool {
        self.all.is_failing() || syncs.iter().any(|sync| self.subject(sync).is_failing())
    }

    /// Returns whether every look at one of these syncs has failed for at least `span`. From then on the probe is given
    /// up, and cases do not wait for it.
    pub(super) fn has_failed_for(&self, span: Duration, syncs: &[&SyncHandle]) -> bool {
        self.all.has_failed_for(span) || syncs.iter().any(|sync| self.subject(sync.id()).has_failed_for(span))
    }

    /// Forgets earlier failures of the probe, because the receiver was started again.
    pub(super) fn revive(&self) {
        self.all.revive();
        self.subjects().values().for_each(|subject| subject.revive());
    }

    fn subject(&self, sync: &SyncId) -> Arc<Subject> {
        self.subjects().entry(key(sync)).or_default().clone()
    }

    fn subjects(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Subject>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    async fn look(
        &self,
        looking: impl Future<Output = Result<Vec<HeldRecord>, ProbeError>>,
    ) -> Result<Told, ProbeError> {
        let before = self.begun.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        {
            let latest = self.latest();
            let is_known = latest.dead && latest.asked.is_some_and(|asked| asked.elapsed() < AGAIN);
            if let Some(told) = latest.told.as_ref().filter(|_| latest.number > before || is_known) {
                return told.clone();
            }
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let told = looking.await.map(|held| Arc::new(by_sync(held)));
        let mut latest = self.latest();
        latest.failing = match (&told, latest.failing) {
            (Ok(_), _) => None,
            (Err(_), since) => since.or_else(|| Some(Stopwatch::start())),
        };
        latest.dead &= told.is_err();
        (latest.number, latest.told, latest.asked) = (number, Some(told.clone()), Some(Stopwatch::start()));
        told
    }

    fn is_failing(&self) -> bool {
        self.latest().failing.is_some()
    }

    fn has_failed_for(&self, span: Duration) -> bool {
        let mut latest = self.latest();
        latest.dead |= latest.failing.is_some_and(|since| since.elapsed() >= span);
        latest.dead
    }

    fn revive(&self) {
        let mut latest = self.latest();
        (latest.dead, latest.failing) = (false, None);
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_sync(held: Vec<HeldRecord>) -> BTreeMap<String, Vec<HeldRecord>> {
    let mut by_sync: BTreeMap<String, Vec<HeldRecord>> = BTreeMap::new();
    for held in held {
        by_sync.entry(key(&held.sync)).or_default().push(held);
    }
    by_sync
}

/// Returns the key of a sync in [`Told`].
pub(super) fn key(sync: &SyncId) -> String {
    sync.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::probe::Looking;
    use super::*;

    /// Holds a record in each of two syncs. Fails to list those of the sync `c`.
    struct OneByOne;

    impl Probe for OneByOne {
        fn look(&self) -> Looking<'_> {
            Box::pin(async { Err(ProbeError::new("no sync was named")) })
        }

        /// Lists the records of all syncs, as a receiver may do that takes no notice of the id.
        fn look_at(&self, sync: &SyncId) -> Option<Looking<'_>> {
            let fails = sync.as_str() == "c";
            Some(Box::pin(async move {
                if fails {
                    Err(ProbeError::new("no"))
                } else {
                    Ok(["a", "b"].map(|id| HeldRecord::new(id, "r")).into())
                }
            }))
        }
    }

    #[tokio::test]
    async fn a_probe_that_asks_for_one_sync_counts_each_sync_by_itself() {
        let looks = Looks::new(&OneByOne);
        let [a, b, c] = ["A", "b", "c"].map(SyncId::from);
        let told = looks.look(&[&a, &b]).await.unwrap();
        assert_eq!(told.values().map(Vec::len).collect::<Vec<_>>(), [1, 1], "no record is held twice");
        assert_eq!(looks.look(&[&a]).await.unwrap().keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(looks.look(&[&a, &c]).await.unwrap_err().to_string(), "no");
        assert!(looks.is_failing(std::slice::from_ref(&c)) && !looks.is_failing(&[a]));
        looks.revive();
        assert!(!looks.is_failing(&[c]));
    }

    #[tokio::test]
    async fn a_probe_that_asks_for_all_records_is_asked_once_for_several_syncs() {
        let asked = AtomicU64::new(0);
        let probe = || {
            asked.fetch_add(1, Ordering::Relaxed);
            async { vec![HeldRecord::new("a", "r"), HeldRecord::new("b", "r")] }
        };
        let looks = Looks::new(&probe);
        let told = looks.look(&[&"a".into(), &"b".into()]).await.unwrap();
        assert_eq!((told.len(), asked.load(Ordering::Relaxed)), (2, 1));
    }
}
