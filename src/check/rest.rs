use std::time::Duration;

use crate::clock::Stopwatch;

/// A receiver that has not called the Sync API for so long is at rest.
const QUIET: Duration = Duration::from_millis(300);

/// One that never stops calling, such as one that polls, is taken as it is after so long.
pub(super) const RESTLESS: Duration = Duration::from_millis(1_500);

/// Watches whether a receiver comes to rest, by how many calls it has made.
#[derive(Debug)]
pub(super) struct Rest {
    calls: u64,
    quiet: Stopwatch,
    watched: Stopwatch,
    within: Duration,
}

impl Rest {
    /// From now on, after so many calls; it is taken to have come after `within`.
    pub(super) fn from_now(calls: u64, within: Duration) -> Self {
        Self { calls, quiet: Stopwatch::start(), watched: Stopwatch::start(), within }
    }

    /// Whether it has come, now that there are so many calls.
    pub(super) fn has_come(&mut self, calls: u64) -> bool {
        if calls != self.calls {
            (self.calls, self.quiet) = (calls, Stopwatch::start());
        }
        self.quiet.elapsed() >= QUIET || self.watched.elapsed() >= self.within
    }
}
