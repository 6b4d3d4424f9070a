use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::state::State;
use crate::clock::{Pace, Timestamp};

/// State that is shared by the handles, the servers and the driver. A change of the state wakes the tasks that wait for
/// it.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    due: watch::Sender<Option<Timestamp>>,
    told: watch::Sender<usize>,
}

struct Inner {
    state: State,
    /// Pace at which the clock moves by itself, if it does.
    pace: Option<Pace>,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let (due, told) =
            (watch::Sender::new(state.simulation.next_due()), watch::Sender::new(state.simulation.journal.log.end()));
        Self { inner: Mutex::new(Inner { state, pace: None }), due, told }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Ignore the poisoning: after a panic in a test, a second panic here would hide the first one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state. If the clock moves by itself, the clock is first moved to the current time.
    pub(super) fn lock(&self) -> Guard<'_> {
        let mut inner = self.inner();
        if let Some(pace) = inner.pace {
            inner.state.simulation.pass_until(pace.now());
        }
        let generation = inner.state.generation;
        Guard { inner, generation, shared: self }
    }

    /// Returns a receiver of the time of the next due run or attempt. It is notified when this time changes and when
    /// the clock was moved.
    pub(super) fn due(&self) -> watch::Receiver<Option<Timestamp>> {
        let inner = self.inner();
        self.due.send_replace(inner.state.simulation.next_due());
        self.due.subscribe()
    }

    /// Returns a receiver of the number of entries that the log has had.
    pub(super) fn told(&self) -> watch::Receiver<usize> {
        let inner = self.inner();
        self.told.send_replace(inner.state.simulation.journal.log.end());
        self.told.subscribe()
    }

    pub(super) fn pace(&self) -> Option<Pace> {
        self.inner().pace
    }

    /// Makes the clock move by itself from its current time on; `None` stops it.
    pub(super) fn set_speed(&self, speed: Option<f64>) {
        let mut inner = self.inner();
        inner.pace = speed.map(|speed| Pace::new(inner.state.simulation.now(), speed));
        drop(inner);
        self.due.send_modify(|_| ());
    }

    /// Makes a clock that moves by itself go on from its current time. Call this after the clock was moved.
    pub(super) fn go_on(&self) {
        self.set_speed(self.pace().map(|pace| pace.speed()));
    }
}

pub(super) struct Guard<'a> {
    inner: MutexGuard<'a, Inner>,
    /// Generation of the state when it was locked.
    generation: u64,
    shared: &'a Shared,
}

impl Deref for Guard<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.inner.state
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.inner.state
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        /// Sends `news` to the subscribers if the value has changed. Does nothing without subscribers: later
        /// subscribers read the current value themselves.
        fn tell<T: PartialEq>(whom: &watch::Sender<T>, news: impl FnOnce() -> T) {
            if whom.is_closed() {
                return;
            }
            let news = news();
            whom.send_if_modified(|old| {
                let changed = *old != news;
                *old = news;
                changed
            });
        }
        if self.generation != self.inner.state.generation {
            // The state was replaced: the clock goes on from the time of the new state.
            let (pace, now) = (self.inner.pace, self.inner.state.simulation.now());
            self.inner.pace = pace.map(|pace| Pace::new(now, pace.speed()));
        }
        tell(&self.shared.due, || self.simulation.next_due());
        tell(&self.shared.told, || self.simulation.journal.log.end());
    }
}
