use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Interval between two full runs (`sync.full`, documented).
pub(super) const FULL: Duration = Duration::from_secs(24 * 60 * 60);

/// The status of a sync, as the Sync API names it (`sync.statuses`, documented).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Status {
    /// The sync is enabled, but has not run yet.
    Initializing,
    /// A run is in progress, is about to start, or will be retried.
    Active,
    /// The last run is complete. The sync waits for the next one.
    Idle,
    /// The provider rate-limited a run. The sync retries automatically.
    RateLimited,
    /// The sync was paused through the API.
    Disabled,
    /// The sync has failed permanently and must be enabled again.
    Errored,
}

/// Kind of run of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunKind {
    /// Finds created and changed objects; each minute by default.
    Incremental,
    /// Also notices deletions; every 24 hours.
    Full,
    /// The first run, which reads everything.
    Initial,
}
