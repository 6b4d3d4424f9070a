use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::world::World;
use crate::clock::{Moment, Pace};

/// A world that several hold: handles, servers, the driver. Whoever waits for something in it is woken.
pub(super) struct Shared {
    inside: Mutex<Inside>,
    due: watch::Sender<Option<Moment>>,
}

struct Inside {
    world: World,
    /// How its clock moves by itself.
    pace: Option<Pace>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        let due = watch::Sender::new(world.next_due());
        Self { inside: Mutex::new(Inside { world, pace: None }), due }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A panic in a test must not hide behind a second one here.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When something is due next; changes when that does, and when the clock was moved.
    pub(super) fn due(&self) -> watch::Receiver<Option<Moment>> {
        self.due.subscribe()
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
    Guard { inside, shared }
}

pub(super) struct Guard<'a> {
    inside: MutexGuard<'a, Inside>,
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
        let news = self.next_due();
        self.shared.due.send_if_modified(|due| {
            let changed = *due != news;
            *due = news;
            changed
        });
    }
}
