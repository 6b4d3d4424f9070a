use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::evidence::Evidence;
use super::play::Waiting;
use super::shared::{Shared, lock};
use crate::clock::Moment;
use crate::delivery::{Attempt, Change, Failure, Outcome, Request, Timeouts, Transmission, Transport};

/// Moves the clock of a world, and sends what it wants sent.
pub(super) struct Driver {
    pub(super) world: Arc<Shared>,
    transport: Mutex<Arc<dyn Transport>>,
    /// How long a receiver really has, at most.
    pub(super) answer_within: Duration,
    /// Who wants to know what becomes of the webhook.
    hooks: Vec<Hook>,
    /// One at a time moves the clock.
    turn: tokio::sync::Mutex<()>,
    /// How many attempts are under way beside those of whoever has the turn.
    flying: watch::Sender<usize>,
    /// Lets real time pass between attempts that the receiver refuses. Only lanes have one.
    pub(super) pacer: OnceLock<Pacer>,
}

/// Waits in real time.
pub(crate) type Pacer = Box<dyn Fn(Duration) -> Waiting<'static> + Send + Sync>;

pub(super) type Hook = Arc<dyn Fn(&Change) + Send + Sync>;

/// The world was reset meanwhile, or another state put in its place.
#[derive(Debug)]
pub(super) struct Replaced;

impl Driver {
    pub(super) fn new(world: Arc<Shared>, transport: Arc<dyn Transport>, answer_within: Duration) -> Self {
        let (turn, flying) = (tokio::sync::Mutex::new(()), watch::Sender::new(0));
        let (transport, hooks, pacer) = (Mutex::new(transport), Vec::new(), OnceLock::new());
        Self { world, transport, answer_within, hooks, turn, flying, pacer }
    }

    pub(super) fn transport(&self) -> Arc<dyn Transport> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_transport(&self, transport: Arc<dyn Transport>) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    /// Tells somebody of what becomes of the webhook.
    pub(super) fn with_hooks(self, hooks: Vec<Hook>) -> Self {
        Self { hooks, ..self }
    }

    /// Tells of it what nobody was told yet. Not under the lock: who is told may ask the fake something.
    pub(super) fn tell(&self) {
        let news = std::mem::take(&mut lock(&self.world).news);
        self.spread(&news);
    }

    fn spread(&self, news: &[Change]) {
        for change in news {
            self.hooks.iter().for_each(|hook| hook(change));
        }
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
    pub(super) async fn advance(self: &Arc<Self>, span: Duration) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let until = lock(&self.world).clock.now() + span;
        self.drive(until).await?;
        lock(&self.world).clock.advance_to(until);
        self.world.go_on();
        Ok(())
    }

    /// Moves the clock to what is due next, and does it; nothing happens when nothing is.
    pub(super) async fn next(self: &Arc<Self>) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let due = lock(&self.world).next_due();
        if let Some(due) = due {
            self.drive(due).await?;
            self.world.go_on();
        }
        Ok(())
    }

    /// Moves the clock until every event is delivered, given up or dropped.
    pub(super) async fn run_until_idle(self: &Arc<Self>) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let now = lock(&self.world).clock.now();
        self.drive(now).await?;
        loop {
            let due = {
                let world = lock(&self.world);
                world.queue.next_due().filter(|_| world.queue.is_busy())
            };
            let Some(due) = due else { break };
            self.drive(due).await?;
        }
        self.world.go_on();
        Ok(())
    }

    /// Lets real time pass before a receiver that refused events by itself gets the next one, if there is a pacer.
    async fn hold_back(&self) {
        let Some(pacer) = self.pacer.get() else { return };
        let pause = lock(&self.world).evidence.as_mut().and_then(Evidence::take_pause);
        if let Some(pause) = pause {
            pacer(pause).await;
        }
    }

    async fn drive(self: &Arc<Self>, until: Moment) -> Result<(), Replaced> {
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
            self.tell();
            match attempts {
                Some(attempts) if attempts.is_empty() => {
                    // Days without an attempt must not keep others from being served.
                    tokio::task::yield_now().await;
                }
                // The clock stands still while something is under way.
                Some(attempts) => {
                    self.hold_back().await;
                    Wave::send(self, life, attempts).await;
                }
                None if others == 0 => return Ok(()),
                None => drop(flying.changed().await),
            }
        }
    }

    /// Makes the request of an attempt, unless it must not be made.
    fn request(&self, attempt: &Attempt) -> impl Future<Output = Transmission> + Send + use<> {
        let mut request = Request::new(attempt.url.clone(), attempt.body.clone());
        request.headers.clone_from(&attempt.headers);
        (request.wire, request.redirects) = (attempt.wire, attempt.redirects);
        request.timeouts = self.in_real_time(attempt.timeouts);
        let (transport, unreachable) = (self.transport(), attempt.unreachable);
        async move {
            if unreachable { Outcome::from(Failure::Unreachable).into() } else { transport.transmit(&request).await }
        }
    }

    /// Returns the timeouts of a policy, shortened to what a receiver really has.
    pub(super) fn in_real_time(&self, Timeouts { connect, total }: Timeouts) -> Timeouts {
        let total = total.min(self.answer_within);
        Timeouts { connect: connect.map(|connect| connect.min(total)), total }
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

    /// Does what is due, and sends without waiting for the answers.
    async fn launch(self: &Arc<Self>) {
        let _turn = self.turn().await;
        loop {
            let (life, attempts) = {
                let mut world = lock(&self.world);
                let now = world.clock.now();
                (world.life, world.step(now))
            };
            self.tell();
            let Some(attempts) = attempts else { return };
            if attempts.is_empty() {
                tokio::task::yield_now().await;
            }
            for attempt in attempts {
                let (driver, flight, request) = (self.clone(), Flight::begin(self), self.request(&attempt));
                tokio::spawn(async move {
                    let result = request.await;
                    lock(&driver.world).complete(attempt, result, life);
                    driver.tell();
                    drop(flight);
                });
            }
        }
    }
}

/// The attempts of one moment, and those that follow from them at the same moment, as many at once as the policy
/// allows. They are taken note of in the order in which they were sent, whichever is answered first: what happens next
/// does not depend on how fast a receiver really is.
///
/// Whoever makes a request makes the next one too, so that nobody has to be woken for each. It goes on when nobody
/// waits for it any more.
struct Wave {
    driver: Arc<Driver>,
    life: u64,
    inside: Mutex<Inside>,
    _flight: Flight,
    /// Gone when nobody makes requests any more.
    _working: oneshot::Sender<Infallible>,
}

#[derive(Default)]
struct Inside {
    /// What is to be sent, with its place in the order.
    ready: VecDeque<(u64, Attempt)>,
    sent: u64,
    /// What has ended before others that were sent before it.
    ended: BTreeMap<u64, (Attempt, Transmission)>,
    /// Everything before this place was taken note of.
    noted: u64,
    /// Somebody takes note.
    noting: bool,
}

impl Wave {
    async fn send(driver: &Arc<Driver>, life: u64, attempts: Vec<Attempt>) {
        let (working, over) = oneshot::channel();
        let (inside, flight) = (Mutex::default(), Flight::begin(driver));
        let wave = Arc::new(Self { driver: driver.clone(), life, inside, _flight: flight, _working: working });
        wave.inside().put(attempts);
        wave.employ();
        drop(wave);
        let _ = over.await;
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody for each attempt that is ready.
    fn employ(self: &Arc<Self>) {
        loop {
            let Some(first) = self.inside().ready.pop_front() else { return };
            let wave = self.clone();
            tokio::spawn(async move {
                let mut next = Some(first);
                while let Some((place, attempt)) = next {
                    let result = wave.driver.request(&attempt).await;
                    wave.land(place, attempt, result);
                    next = wave.inside().ready.pop_front();
                    wave.employ();
                }
            });
        }
    }

    /// Takes note of everything whose turn it is, and gets what is to be sent then. One does it for all: the others
    /// leave what they have, and go on.
    fn land(&self, place: u64, attempt: Attempt, result: Transmission) {
        let mut inside = self.inside();
        inside.ended.insert(place, (attempt, result));
        if inside.noting {
            return;
        }
        inside.noting = true;
        loop {
            let next = inside.next();
            if next.is_empty() {
                inside.noting = false;
                return;
            }
            drop(inside);
            let mut more = Vec::new();
            let news = {
                let mut world = lock(&self.driver.world);
                for (attempt, result) in next {
                    world.complete(attempt, result, self.life);
                    if world.life == self.life {
                        more.extend(world.poll());
                    }
                }
                std::mem::take(&mut world.news)
            };
            self.driver.spread(&news);
            inside = self.inside();
            inside.put(more);
        }
    }
}

impl Inside {
    fn put(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            self.ready.push_back((self.sent, attempt));
            self.sent += 1;
        }
    }

    /// What may be taken note of.
    fn next(&mut self) -> Vec<(Attempt, Transmission)> {
        let mut next = Vec::new();
        while let Some(ended) = self.ended.remove(&self.noted) {
            self.noted += 1;
            next.push(ended);
        }
        next
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
