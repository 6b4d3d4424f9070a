use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::shared::{Shared, lock};
use crate::clock::Moment;
use crate::delivery::{Attempt, Failure, Outcome, Transport};

/// So many moments' attempts are under way at once when time passes by itself.
const MOST_AT_ONCE: usize = 64;

/// Moves the clock of a world, and sends what it wants sent.
pub(super) struct Driver {
    pub(super) world: Arc<Shared>,
    pub(super) transport: Box<dyn Transport>,
    /// One at a time moves the clock.
    turn: tokio::sync::Mutex<()>,
    /// How many moments' attempts are under way beside whoever has the turn.
    flying: watch::Sender<usize>,
}

/// The world was reset meanwhile, or another state put in its place.
#[derive(Debug)]
pub(super) struct Replaced;

impl Driver {
    pub(super) fn new(world: Arc<Shared>, transport: Box<dyn Transport>) -> Self {
        Self { world, transport, turn: tokio::sync::Mutex::new(()), flying: watch::Sender::new(0) }
    }

    /// Waits until nobody moves the clock.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until no attempt is under way that nobody waits for. To be called with the turn.
    pub(super) async fn landed(&self) {
        // The sender is our own: it cannot be gone.
        let _ = self.flying.subscribe().wait_for(|flying| *flying == 0).await;
    }

    /// Moves the clock by `span`, through everything that is due.
    pub(super) async fn advance(&self, span: Duration) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let until = lock(&self.world).clock.now() + span;
        self.drive(until).await?;
        lock(&self.world).clock.advance_to(until);
        self.world.go_on();
        Ok(())
    }

    /// Moves the clock to what is due next, and does it; nothing happens when nothing is.
    pub(super) async fn next(&self) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let due = lock(&self.world).next_due();
        if let Some(due) = due {
            self.drive(due).await?;
            self.world.go_on();
        }
        Ok(())
    }

    /// Moves the clock until every event is delivered, given up or dropped.
    pub(super) async fn run_until_idle(&self) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let now = lock(&self.world).clock.now();
        self.drive(now).await?;
        loop {
            let due = lock(&self.world).queue.next_due();
            let Some(due) = due else { break };
            self.drive(due).await?;
        }
        self.world.go_on();
        Ok(())
    }

    async fn drive(&self, until: Moment) -> Result<(), Replaced> {
        let life = lock(&self.world).life;
        let mut flying = self.flying.subscribe();
        loop {
            // Looked at first: what lands after this look wakes us below.
            let others = *flying.borrow_and_update();
            let attempts = {
                let mut world = lock(&self.world);
                if world.life != life {
                    return Err(Replaced);
                }
                world.step(until)
            };
            match attempts {
                Some(attempts) => {
                    self.send(life, attempts).await;
                    // Days without an attempt must not keep others from being served.
                    tokio::task::yield_now().await;
                }
                None if others == 0 => return Ok(()),
                None => drop(flying.changed().await),
            }
        }
    }

    /// In order, one after the other.
    async fn send(&self, life: u64, attempts: Vec<Attempt>) {
        for attempt in attempts {
            let outcome = if attempt.unreachable {
                Outcome::Failed(Failure::Unreachable)
            } else {
                // Not under the lock: the receiver may call the API before it answers.
                self.transport.post(&attempt.url, &attempt.body).await
            };
            lock(&self.world).complete(attempt, outcome, life);
        }
    }

    /// Lets time pass by itself.
    pub(super) async fn run(self: Arc<Self>, speed: f64) -> Infallible {
        let passing = Passing::begin(&self.world, speed);
        if speed <= 0.0 {
            std::future::pending::<()>().await;
        }
        let mut due = self.world.due();
        loop {
            due.borrow_and_update();
            self.launch().await;
            let next = lock(&self.world).next_due();
            let pace = passing.0.pace();
            let waiting = async {
                match (next, pace) {
                    (Some(moment), Some(pace)) => pace.wait_for(moment).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waiting => {}
                _ = due.changed() => {}
            }
        }
    }

    /// Does what is due, and sends without waiting for the answers: what is due at one moment goes out in order, and a
    /// slow receiver does not hold up what is due later.
    async fn launch(self: &Arc<Self>) {
        let _turn = self.turn().await;
        loop {
            let (life, attempts) = {
                let mut world = lock(&self.world);
                let now = world.clock.now();
                (world.life, world.step(now))
            };
            let Some(attempts) = attempts else { return };
            if attempts.is_empty() {
                tokio::task::yield_now().await;
                continue;
            }
            let _ = self.flying.subscribe().wait_for(|flying| *flying < MOST_AT_ONCE).await;
            let (driver, flight) = (self.clone(), Flight::begin(self));
            tokio::spawn(async move {
                driver.send(life, attempts).await;
                drop(flight);
            });
        }
    }
}

/// While it lives the clock moves by itself.
struct Passing(Arc<Shared>);

impl Passing {
    fn begin(world: &Arc<Shared>, speed: f64) -> Self {
        world.set_speed(Some(speed));
        Self(world.clone())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.set_speed(None);
    }
}

/// Attempts that nobody waits for.
struct Flight(Arc<Driver>);

impl Flight {
    fn begin(driver: &Arc<Driver>) -> Self {
        driver.flying.send_modify(|flying| *flying += 1);
        Self(driver.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.flying.send_modify(|flying| *flying -= 1);
    }
}
