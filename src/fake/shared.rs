use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::world::World;
use crate::clock::{Pace, Timestamp};

/// World that is shared by the handles, the servers and the driver. A change of the world wakes the tasks that wait for
/// it.
pub(super) struct Shared {
    inside: Mutex<Inner>,
    due: watch::Sender<Option<Timestamp>>,
    told: watch::Sender<usize>,
}

struct Inner {
    world: World,
    /// Pace at which the clock moves by itself, if it does.
    pace: Option<Pace>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        let (due, told) = (watch::Sender::new(world.next_due()), watch::Sender::new(world.log.end()));
        Self { inside: Mutex::new(Inner { world, pace: None }), due, told }
    }

    fn inside(&self) -> MutexGuard<'_, Inner> {
        // Ignore the poisoning: after a panic in a test, a second panic here would hide the first one.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a receiver of the time of the next due run or attempt. It is notified when this time changes and when
    /// the clock was moved.
    pub(super) fn due(&self) -> watch::Receiver<Option<Timestamp>> {
        let inside = self.inside();
        self.due.send_replace(inside.world.next_due());
        self.due.subscribe()
    }

    /// Returns a receiver of the number of entries that the log has had.
    pub(super) fn told(&self) -> watch::Receiver<usize> {
        let inside = self.inside();
        self.told.send_replace(inside.world.log.end());
        self.told.subscribe()
    }

    pub(super) fn pace(&self) -> Option<Pace> {
        self.inside().pace
    }

    /// Makes the clock move by itself from its current time on; `None` stops it.
    pub(super) fn set_speed(&self, speed: Option<f64>) {
        let mut inside = self.inside();
        inside.pace = speed.map(|speed| Pace::new(inside.world.clock.now(), speed));
        drop(inside);
        self.due.send_modify(|_| ());
    }

    /// Makes a clock that moves by itself go on from its current time. Call this after the clock was moved.
    pub(super) fn go_on(&self) {
        self.set_speed(self.pace().map(|pace| pace.speed()));
    }
}

/// Locks the world. If the clock moves by itself, the clock is first moved to the current time.
pub(super) fn lock(shared: &Shared) -> Guard<'_> {
    let mut inside = shared.inside();
    if let Some(pace) = inside.pace {
        inside.world.pass_until(pace.now());
    }
    let generation = inside.world.generation;
    Guard { inside, generation, shared }
}

pub(super) struct Guard<'a> {
    inside: MutexGuard<'a, Inner>,
    /// Generation of the world when it was locked.
    generation: u64,
    shared: &'a Shared,
}

impl Deref for Guard<'_> {
    type Target = World;
    fn deref(&self) -> &World {
        &self.inside.world
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.inside.world
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
        if self.generation != self.inside.world.generation {
            // The world was replaced: the clock goes on from the time of the new world.
            let (pace, now) = (self.inside.pace, self.inside.world.clock.now());
            self.inside.pace = pace.map(|pace| Pace::new(now, pace.speed()));
        }
        tell(&self.shared.due, || self.next_due());
        tell(&self.shared.told, || self.log.end());
    }
}
