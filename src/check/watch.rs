use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::waiting::Overall;
use crate::clock::Stopwatch;
use crate::fake::{Activity, FakeParagon, LastCall};

/// Time without events and calls after which a new call counts as uncaused. A receiver that makes such a call polls by
/// itself.
const UNCAUSED: Duration = Duration::from_secs(4);

/// Observes the receiver's activity for all users of a run.
pub(super) struct Watch {
    started: Stopwatch,
    seen: Mutex<Seen>,
}

struct Seen {
    lanes: Vec<Lane>,
    work: u64,
    last_work: Stopwatch,
    /// Time since the newest event that was followed by a call.
    followed: Option<Stopwatch>,
    has_called: bool,
    has_answered: bool,
    waits: bool,
    looks_again: Option<Duration>,
}

struct Lane {
    paragon: Arc<FakeParagon>,
    activity: Activity,
    last_event: Stopwatch,
    last_call: Stopwatch,
}

impl Watch {
    pub(super) fn new() -> Self {
        let last_work = Stopwatch::start();
        let seen = Seen {
            lanes: Vec::new(),
            work: 0,
            last_work,
            followed: None,
            has_called: false,
            has_answered: false,
            waits: false,
            looks_again: None,
        };
        Self { started: Stopwatch::start(), seen: Mutex::new(seen) }
    }

    /// Adds a lane to the observation.
    pub(super) fn add(&self, paragon: Arc<FakeParagon>) {
        let activity = paragon.activity();
        let (last_event, last_call) = (Stopwatch::start(), Stopwatch::start());
        self.seen().lanes.push(Lane { paragon, activity, last_event, last_call });
    }

    /// Looks at all lanes. Must be called several times a second.
    pub(super) fn look(&self) {
        let mut seen = self.seen();
        let Seen { lanes, followed, looks_again, has_called, has_answered, .. } = &mut *seen;
        let mut work = 0;
        let mut waits = false;
        for lane in lanes {
            let now = lane.paragon.activity();
            let was = std::mem::replace(&mut lane.activity, now);
            if now.attempts != was.attempts {
                lane.last_event = Stopwatch::start();
            }
            *has_answered |= now.has_answered;
            if now.calls != was.calls {
                *has_called = true;
                let pause = lane.last_call.elapsed();
                let is_caused = lane.last_event.elapsed() < UNCAUSED || was.last != LastCall::Answered;
                if !is_caused && pause >= UNCAUSED {
                    *looks_again = Some(looks_again.unwrap_or_default().max(pause));
                }
                lane.last_call = Stopwatch::start();
                if now.attempts > 0 && followed.is_none_or(|before| lane.last_event.elapsed() < before.elapsed()) {
                    *followed = Some(lane.last_event);
                }
            }
            work += now.work;
            waits |= now.last == LastCall::Unanswered;
        }
        seen.waits = waits;
        if work != seen.work {
            (seen.work, seen.last_work) = (work, Stopwatch::start());
        }
    }

    /// Restarts the times since the last events and calls, because the receiver was started again.
    pub(super) fn forget(&self) {
        let mut seen = self.seen();
        for lane in &mut seen.lanes {
            (lane.last_event, lane.last_call) = (Stopwatch::start(), Stopwatch::start());
        }
    }

    /// Returns whether the receiver has ever answered an event.
    pub(super) fn has_answered(&self) -> bool {
        self.seen().has_answered
    }

    pub(super) fn overall(&self) -> Overall {
        let seen = self.seen();
        Overall {
            quiet: seen.last_work.elapsed(),
            followed: seen.followed.map(|since| since.elapsed()),
            has_called: seen.has_called,
            waits: seen.waits,
            looks_again: seen.looks_again,
            watched: self.started.elapsed(),
        }
    }

    /// Ends the observation and returns all lanes.
    pub(super) fn end(&self) -> Vec<Arc<FakeParagon>> {
        std::mem::take(&mut self.seen().lanes).into_iter().map(|lane| lane.paragon).collect()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
