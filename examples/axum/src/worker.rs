//! Pulls each due sync until the pull succeeds, and again a little later, because the Sync API may lag behind its
//! webhooks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::App;
use crate::paragon::Trouble;
use crate::store::Work;

/// Limit of simultaneous pulls.
const WORKERS: usize = 16;
/// Pauses between the pulls after an event, in milliseconds.
const LOOKS: [u64; 5] = [300, 1_000, 3_000, 10_000, 30_000];
/// Pause between the regular pulls of each sync. They are needed because events can be lost for good.
const IDLE: Duration = Duration::from_secs(60);
/// Number of retries for a sync that does not exist.
const SEARCHES: u32 = 4;
/// Limit of pages in a row that make no progress although records are said to remain.
const EMPTY_PAGES: u32 = 3;

impl App {
    /// Pulls whatever is due, in an endless loop.
    pub async fn work(self) {
        let free = Arc::new(Semaphore::new(WORKERS));
        // The syncs that are being pulled: there is one pull at a time for each sync.
        let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
        loop {
            let (due, next) = self.store.due().unwrap_or_else(|error| {
                eprintln!("the database cannot be read: {error}");
                (Vec::new(), Some(Duration::from_secs(1)))
            });
            for work in due {
                if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(work.sync.clone()) {
                    continue;
                }
                let (app, free, busy) = (self.clone(), free.clone(), busy.clone());
                tokio::spawn(async move {
                    // The semaphore is never closed, so this cannot fail.
                    let _turn = free.acquire().await;
                    app.look(&work).await;
                    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&work.sync);
                    // The same sync may be due again, for this user or another one.
                    app.something_to_do.notify_one();
                });
            }
            let pause = next.unwrap_or(IDLE);
            let _ = tokio::time::timeout(pause, self.something_to_do.notified()).await;
        }
    }

    /// Pulls a sync, and stores when to pull it again.
    async fn look(&self, work: &Work) {
        let stored = match self.pull(work).await {
            Ok(()) => {
                let pause = usize::try_from(work.looks).ok().and_then(|looks| LOOKS.get(looks));
                let pause = pause.map_or(IDLE, |millis| Duration::from_millis(*millis));
                self.store.put_off(work, pause, work.looks + 1, 0)
            }
            Err(Trouble::Gone) => self.gone(work),
            Err(trouble) => {
                let retry_after = match &trouble {
                    Trouble::Later { retry_after, .. } => *retry_after,
                    _ => None,
                };
                let pause = back_off(work.failures).max(retry_after.unwrap_or_default());
                eprintln!("{}: {trouble}, again in {} ms", work.sync, pause.as_millis());
                self.store.put_off(work, pause, work.looks, work.failures + 1)
            }
        };
        if let Err(error) = stored {
            eprintln!("{}: {error}", work.sync);
        }
    }

    /// Handles the response that the user has no such sync. The held records stay: only tombstones remove records.
    fn gone(&self, work: &Work) -> rusqlite::Result<()> {
        if work.looks < SEARCHES {
            let pause = LOOKS[work.looks as usize % LOOKS.len()];
            return self.store.put_off(work, Duration::from_millis(pause), work.looks + 1, 0);
        }
        // A sync that was never served to this user belongs to another user or does not exist: the event was forged.
        if self.store.owns(&work.sync, &work.user)? {
            self.store.put_off(work, IDLE, work.looks, 0)
        } else {
            self.store.give_up(work)
        }
    }

    /// Pulls from the stored cursor until no records remain.
    async fn pull(&self, work: &Work) -> Result<(), Trouble> {
        let mut empty = 0;
        loop {
            let cursor = self.store.cursor(&work.sync).map_err(|error| later(&error))?;
            let page = match self.paragon.page(&work.sync, &work.user, cursor.as_deref()).await {
                // The cursor may be too old: cursors are stable, but nobody promises for how long.
                Err(Trouble::Refused(status)) if cursor.is_some() => {
                    self.store.start_over(&work.sync).map_err(|error| later(&error))?;
                    return Err(Trouble::Refused(status));
                }
                page => page?,
            };
            self.store.take(work, &page).map_err(|error| later(&error))?;
            if page.paging.remaining_records == 0 {
                return Ok(());
            }
            let went_on = page.paging.cursor.is_some() && page.paging.cursor != cursor;
            empty = if went_on { 0 } else { empty + 1 };
            if empty > EMPTY_PAGES {
                return Err(later(&"more is said to remain, but it does not come"));
            }
        }
    }
}

fn later(why: &impl ToString) -> Trouble {
    Trouble::Later { why: why.to_string(), retry_after: None }
}

/// Returns the pause after this many failures: 0.1 s, doubled with each failure, up to 5 s. It varies by a fifth, so
/// that syncs that failed together are not retried together.
fn back_off(failures: u32) -> Duration {
    let pause = 100_u64.saturating_mul(1 << failures.min(10)).min(5_000);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos();
    Duration::from_millis(pause * 8 / 10 + pause * u64::from(nanos % 41) / 100)
}
