use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::probe::{HeldRecord, Probe, ProbeError};
use crate::clock::Stopwatch;
use crate::contract::SyncId;

/// Minimum time between two calls of a probe that has been given up.
const AGAIN: Duration = Duration::from_secs(5);

/// State of a receiver, as record lists by sync id. The ids are in lower case.
pub(super) type Told = Arc<BTreeMap<String, Vec<HeldRecord>>>;

/// Shares looks at a receiver's state among cases. Cases that ask while a look is under way share the next look.
pub(super) struct Looks<'a> {
    probe: &'a dyn Probe,
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
        Self { probe, begun: AtomicU64::new(0), turn: tokio::sync::Mutex::new(()), latest: Mutex::default() }
    }

    /// Returns the result of a look that began after this call. A probe that has been given up is called at most every
    /// 5 s, and in between its last error is returned.
    pub(super) async fn look(&self) -> Result<Told, ProbeError> {
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
        let told = self.probe.look().await.map(|held| Arc::new(by_sync(held)));
        let mut latest = self.latest();
        latest.failing = match (&told, latest.failing) {
            (Ok(_), _) => None,
            (Err(_), since) => since.or_else(|| Some(Stopwatch::start())),
        };
        latest.dead &= told.is_err();
        (latest.number, latest.told, latest.asked) = (number, Some(told.clone()), Some(Stopwatch::start()));
        told
    }

    /// Returns whether the latest look failed.
    pub(super) fn is_failing(&self) -> bool {
        self.latest().failing.is_some()
    }

    /// Returns whether every look has failed for at least `span`. From then on the probe is given up, and cases do not
    /// wait for it.
    pub(super) fn has_failed_for(&self, span: Duration) -> bool {
        let mut latest = self.latest();
        latest.dead |= latest.failing.is_some_and(|since| since.elapsed() >= span);
        latest.dead
    }

    /// Forgets earlier failures of the probe, because the receiver was started again.
    pub(super) fn revive(&self) {
        let mut latest = self.latest();
        (latest.dead, latest.failing) = (false, None);
    }

    fn latest(&self) -> std::sync::MutexGuard<'_, Latest> {
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
