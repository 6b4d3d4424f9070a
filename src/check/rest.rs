use std::time::Duration;

use crate::clock::Stopwatch;

/// Watches whether a receiver comes to rest, by how many calls it has made.
#[derive(Debug)]
pub(super) struct Rest {
    calls: u64,
    since_call: Stopwatch,
    watched: Stopwatch,
    pause: Pause,
}

/// When a receiver is taken to be at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// It has made no call for this long.
    pub(super) quiet: Duration,
    /// It never stops calling, and has had this long.
    pub(super) within: Duration,
}

/// The pause before a receiver that is right is looked at once more, in case it does harm late.
pub(super) const RESTLESS: Pause = Pause { quiet: Duration::from_millis(300), within: Duration::from_millis(1_500) };

/// Between two steps of a quiet history, when the receiver is right already.
pub(super) const BETWEEN_STEPS: Pause = Pause { quiet: Duration::from_millis(150), within: Duration::from_millis(400) };

impl Rest {
    /// From now on, after this many calls.
    pub(super) fn from_now(calls: u64, pause: Pause) -> Self {
        Self { calls, since_call: Stopwatch::start(), watched: Stopwatch::start(), pause }
    }

    /// Whether it has come, now that there are this many calls.
    pub(super) fn has_come(&mut self, calls: u64) -> bool {
        if calls != self.calls {
            (self.calls, self.since_call) = (calls, Stopwatch::start());
        }
        self.since_call.elapsed() >= self.pause.quiet || self.watched.elapsed() >= self.pause.within
    }
}
