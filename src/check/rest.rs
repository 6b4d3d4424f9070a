use std::time::Duration;

use crate::clock::Stopwatch;

/// Detects when a receiver comes to rest, from the number of calls that it has made.
#[derive(Debug)]
pub(super) struct Rest {
    calls: u64,
    since_call: Stopwatch,
    watched: Stopwatch,
    pause: Pause,
}

/// Conditions under which a receiver counts as at rest. One of them is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// Time without a call.
    pub(super) quiet: Duration,
    /// Time after which a receiver counts as at rest even if it never stops calling.
    pub(super) within: Duration,
}

/// Pause before a receiver that is right is checked again, in case it does damage late.
pub(super) const RESTLESS: Pause = Pause { quiet: Duration::from_millis(300), within: Duration::from_millis(1_500) };

/// Pause between two steps of a quiet history, after the receiver has become right.
pub(super) const BETWEEN_STEPS: Pause = Pause { quiet: Duration::from_millis(150), within: Duration::from_millis(400) };

impl Rest {
    /// Begins to watch a receiver that has made this many calls.
    pub(super) fn from_now(calls: u64, pause: Pause) -> Self {
        Self { calls, since_call: Stopwatch::start(), watched: Stopwatch::start(), pause }
    }

    /// Returns whether the receiver is at rest, now that it has made this many calls.
    pub(super) fn has_come(&mut self, calls: u64) -> bool {
        if calls != self.calls {
            (self.calls, self.since_call) = (calls, Stopwatch::start());
        }
        self.since_call.elapsed() >= self.pause.quiet || self.watched.elapsed() >= self.pause.within
    }
}
