use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::world::World;
use crate::clock::{Moment, Pace};

/// A world that several hold: handles, servers, the driver. Whoever waits for something in it is woken.
pub(super) struct Shared {
    inside: Mutex<Inside>,
    due: watch::Sender<Option<Moment>>,
    told: watch::Sender<usize>,
}

struct Inside {
    world: World,
    /// How its clock moves by itself.
    pace: Option<Pace>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        let (due, told) = (watch::Sender::new(world.next_due()), watch::Sender::new(world.log.end()));
        Self { inside: Mutex::new(Inside { world, pace: None }), due, told }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A panic in a test must not hide behind a second one here.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When something is due next; changes when that does, and when the clock was moved.
    pub(super) fn due(&self) -> watch::Receiver<Option<Moment>> {
        let inside = self.inside();
        self.due.send_replace(inside.world.next_due());
        self.due.subscribe()
    }

    /// How many entries the log has had.
    pub(super) fn told(&self) -> watch::Receiver<usize> {
        let inside = self.inside();
        self.told.send_replace(inside.world.log.end());
        self.told.subscribe()
    }

    pub(super) fn pace(&self) -> Option<Pace> {
        self.inside().pace
    }

    /// Lets the clock move by itself from where it is; without a speed it stops.
    pub(super) fn set_speed(&self, speed: Option<f64>) {
        let mut inside = self.inside();
        inside.pace = speed.map(|speed| Pace::new(inside.world.clock.now(), speed));
        drop(inside);
        self.due.send_modify(|_| ());
    }

    /// After somebody moved the clock, it goes on from there.
    pub(super) fn go_on(&self) {
        self.set_speed(self.pace().map(|pace| pace.speed()));
    }
}

/// The world, while nobody else has it, at what time it is now.
pub(super) fn lock(shared: &Shared) -> Guard<'_> {
    let mut inside = shared.inside();
    if let Some(pace) = inside.pace {
        inside.world.pass_until(pace.now());
    }
    let life = inside.world.life;
    Guard { inside, life, shared }
}

pub(super) struct Guard<'a> {
    inside: MutexGuard<'a, Inside>,
    /// Which world it was at first.
    life: u64,
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
        /// Who comes later asks for himself.
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
        if self.life != self.inside.world.life {
            // Another world has a time of its own.
            let (pace, now) = (self.inside.pace, self.inside.world.clock.now());
            self.inside.pace = pace.map(|pace| Pace::new(now, pace.speed()));
        }
        tell(&self.shared.due, || self.next_due());
        tell(&self.shared.told, || self.log.end());
    }
}
