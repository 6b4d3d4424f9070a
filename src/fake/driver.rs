use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{oneshot, watch};

use super::evidence::Evidence;
use super::shared::Shared;
use crate::clock::Timestamp;
use crate::delivery::{Attempt, Change, Failure, Outcome, Request, Timeouts, Transmission, Transport};

/// Driver of a fake: it moves the clock, makes the runs that are due, and sends the webhooks.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    transport: Mutex<Arc<dyn Transport>>,
    /// Maximum time that a receiver has to answer, in real time.
    pub(super) answer_within: Duration,
    /// Headers that each webhook request has, beside those of the policy.
    headers: HeaderMap,
    /// Callbacks for changes of the webhook's state.
    hooks: Vec<Hook>,
    /// Held by the task that moves the clock: only one task may move the clock at a time.
    turn: tokio::sync::Mutex<()>,
    /// Number of [`InFlightGuard`] guards: one for each batch, and one for each attempt that [`Driver::run`] has started.
    flying: watch::Sender<usize>,
    /// Callback that lets real time pass before a receiver that refused events gets the next one. Only lanes have one.
    pub(super) pacer: OnceLock<Pacer>,
}

/// Future that [`FakeParagon::play_with`](super::FakeParagon::play_with) waits for after a step.
pub type BoxFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Callback that waits for a span of real time.
pub(crate) type Pacer = Box<dyn Fn(Duration) -> BoxFuture<'static> + Send + Sync>;

pub(super) type Hook = Arc<dyn Fn(&Change) + Send + Sync>;

/// Error: the state was reset meanwhile, or replaced by another state.
#[derive(Debug)]
pub(super) struct Replaced;

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, transport: Arc<dyn Transport>, answer_within: Duration) -> Self {
        let (turn, flying) = (tokio::sync::Mutex::new(()), watch::Sender::new(0));
        let (transport, hooks, pacer) = (Mutex::new(transport), Vec::new(), OnceLock::new());
        Self { shared, transport, answer_within, headers: HeaderMap::new(), hooks, turn, flying, pacer }
    }

    pub(super) fn transport(&self) -> Arc<dyn Transport> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_transport(&self, transport: Arc<dyn Transport>) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    /// Adds headers to each webhook request.
    pub(super) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// Returns a driver of another state that sends in the same way.
    pub(super) fn of_lane(&self, shared: Arc<Shared>) -> Self {
        Self::new(shared, self.transport(), self.answer_within).with_headers(self.headers.clone())
    }

    /// Adds what each webhook request has beside what the policy says, and limits its timeouts.
    pub(super) fn complete(&self, mut request: Request) -> Request {
        request.timeouts = self.in_real_time(request.timeouts);
        for (name, value) in &self.headers {
            request.headers.append(name, value.clone());
        }
        request
    }

    /// Sets the callbacks for changes of the webhook's state.
    pub(super) fn with_hooks(self, hooks: Vec<Hook>) -> Self {
        Self { hooks, ..self }
    }

    /// Calls the hooks with all pending changes of the webhook's state. Must not be called with the state locked: a
    /// hook may call back into the fake.
    pub(super) fn tell(&self) {
        let changes = std::mem::take(&mut self.shared.lock().simulation.journal.changes);
        self.call_hooks(&changes);
    }

    fn call_hooks(&self, changes: &[Change]) {
        for change in changes {
            self.hooks.iter().for_each(|hook| hook(change));
        }
    }

    /// Waits until no other task moves the clock. Until the returned guard is dropped, no other task can move the
    /// clock.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until no attempt is in flight. The caller must hold the guard of [`turn`](Self::turn), so that no other
    /// task starts one.
    pub(super) async fn landed(&self) {
        // `self` owns the sender, so the channel cannot be closed.
        let _ = self.flying.subscribe().wait_for(|flying| *flying == 0).await;
    }

    /// Moves the clock by `span`, and runs and sends everything that becomes due on the way.
    pub(super) async fn advance(self: &Arc<Self>, span: Duration) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let until = self.shared.lock().simulation.now() + span;
        self.drive(until).await?;
        self.shared.lock().simulation.clock.advance_to(until);
        self.shared.go_on();
        Ok(())
    }

    /// Moves the clock to the next due run or attempt, and executes it. Does nothing if nothing is due.
    pub(super) async fn next(self: &Arc<Self>) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let due = self.shared.lock().simulation.next_due();
        if let Some(due) = due {
            self.drive(due).await?;
            self.shared.go_on();
        }
        Ok(())
    }

    /// Moves the clock until every event is delivered, given up or dropped.
    pub(super) async fn run_until_idle(self: &Arc<Self>) -> Result<(), Replaced> {
        let _turn = self.turn().await;
        let now = self.shared.lock().simulation.now();
        self.drive(now).await?;
        loop {
            let due = {
                let state = self.shared.lock();
                let queue = &state.simulation.queue;
                queue.next_due().filter(|_| queue.is_busy())
            };
            let Some(due) = due else { break };
            self.drive(due).await?;
        }
        self.shared.go_on();
        Ok(())
    }

    /// Lets real time pass before the next attempt if the receiver refused an event and no call of the API had failed.
    /// Does nothing without a pacer.
    async fn hold_back(&self) {
        let Some(pacer) = self.pacer.get() else { return };
        let pause = self.shared.lock().api.reads.evidence.as_mut().and_then(Evidence::take_pause);
        if let Some(pause) = pause {
            pacer(pause).await;
        }
    }

    async fn drive(self: &Arc<Self>, until: Timestamp) -> Result<(), Replaced> {
        let generation = self.shared.lock().generation;
        let mut flying = self.flying.subscribe();
        loop {
            // Read the counter before the step: an attempt that ends after this read wakes the `changed` call below.
            let others = *flying.borrow_and_update();
            let attempts = {
                let mut state = self.shared.lock();
                if state.generation != generation {
                    return Err(Replaced);
                }
                state.step(until)
            };
            self.tell();
            match attempts {
                Some(attempts) if attempts.is_empty() => {
                    // Yield, so that days without an attempt do not keep other tasks from running.
                    tokio::task::yield_now().await;
                }
                // The clock stands still while attempts are in flight.
                Some(attempts) => {
                    self.hold_back().await;
                    DispatchBatch::send(self, generation, attempts).await;
                }
                None if others == 0 => return Ok(()),
                None => drop(flying.changed().await),
            }
        }
    }

    /// Sends the request of an attempt. An attempt that is marked unreachable fails without a request.
    fn request(&self, attempt: &Attempt) -> impl Future<Output = Transmission> + Send + use<> {
        let mut request = Request::new(attempt.url.clone(), attempt.body.clone());
        request.headers.clone_from(&attempt.headers);
        (request.wire, request.redirects, request.timeouts) = (attempt.wire, attempt.redirects, attempt.timeouts);
        let request = self.complete(request);
        let (transport, unreachable) = (self.transport(), attempt.unreachable);
        async move {
            if unreachable { Outcome::from(Failure::Unreachable).into() } else { transport.transmit(&request).await }
        }
    }

    /// Returns the timeouts of a policy, limited to [`answer_within`](Self::answer_within).
    fn in_real_time(&self, Timeouts { connect, total }: Timeouts) -> Timeouts {
        let total = total.min(self.answer_within);
        Timeouts { connect: connect.map(|connect| connect.min(total)), total }
    }

    /// Lets time pass by itself, `speed` times as fast as real time, and executes runs and attempts when they are due.
    pub(super) async fn run(self: Arc<Self>, speed: f64) -> Infallible {
        let passing = ClockRunning::begin(&self.shared, speed);
        if speed <= 0.0 {
            std::future::pending::<()>().await;
        }
        let mut due = self.shared.due();
        loop {
            due.borrow_and_update();
            self.launch().await;
            let next = self.shared.lock().simulation.next_due();
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

    /// Makes the runs that are due, and sends the attempts that are due without waiting for the responses.
    async fn launch(self: &Arc<Self>) {
        let _turn = self.turn().await;
        loop {
            let (generation, attempts) = {
                let mut state = self.shared.lock();
                let now = state.simulation.now();
                (state.generation, state.step(now))
            };
            self.tell();
            let Some(attempts) = attempts else { return };
            if attempts.is_empty() {
                tokio::task::yield_now().await;
            }
            for attempt in attempts {
                let (driver, flight, request) = (self.clone(), InFlightGuard::begin(self), self.request(&attempt));
                tokio::spawn(async move {
                    let result = request.await;
                    driver.shared.lock().complete(attempt, result, generation);
                    driver.tell();
                    drop(flight);
                });
            }
        }
    }
}

/// Attempts of one moment, and the attempts at the same moment that follow from them. As many are in flight at once as
/// the policy allows. The outcomes are recorded in the order in which the attempts were sent, not in the order of the
/// responses. So what happens next does not depend on the real speed of the receiver.
///
/// A task that has finished a request takes the next one, so that no task has to be woken for each request. The batch
/// goes on even if the future of [`send`](Self::send) is dropped.
struct DispatchBatch {
    driver: Arc<Driver>,
    generation: u64,
    inner: Mutex<Inner>,
    _flight: InFlightGuard,
    /// Dropped when the last task of the batch ends, which wakes [`send`](DispatchBatch::send).
    _working: oneshot::Sender<Infallible>,
}

#[derive(Default)]
struct Inner {
    /// Attempts that can be sent now, each with its place in the sending order.
    ready: VecDeque<(u64, Attempt)>,
    sent: u64,
    /// Attempts that have ended and are not recorded yet, by place: an attempt that was sent earlier is still in
    /// flight.
    ended: BTreeMap<u64, (Attempt, Transmission)>,
    /// Place of the first attempt that is not recorded yet. All earlier attempts are recorded.
    noted: u64,
    /// True while a task records outcomes.
    noting: bool,
}

impl DispatchBatch {
    async fn send(driver: &Arc<Driver>, generation: u64, attempts: Vec<Attempt>) {
        let (working, over) = oneshot::channel();
        let (inner, flight) = (Mutex::default(), InFlightGuard::begin(driver));
        let batch = Arc::new(Self { driver: driver.clone(), generation, inner, _flight: flight, _working: working });
        batch.inner().put(attempts);
        batch.employ();
        drop(batch);
        let _ = over.await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task for each attempt that is ready.
    fn employ(self: &Arc<Self>) {
        loop {
            let Some(first) = self.inner().ready.pop_front() else { return };
            let batch = self.clone();
            tokio::spawn(async move {
                let mut next = Some(first);
                while let Some((place, attempt)) = next {
                    let result = batch.driver.request(&attempt).await;
                    batch.land(place, attempt, result);
                    next = batch.inner().ready.pop_front();
                    batch.employ();
                }
            });
        }
    }

    /// Records every outcome whose turn it is, and queues the attempts that follow from these outcomes. Only one task
    /// records at a time: the other tasks leave their outcomes in `ended` and go on.
    fn land(&self, place: u64, attempt: Attempt, result: Transmission) {
        let mut inner = self.inner();
        inner.ended.insert(place, (attempt, result));
        if inner.noting {
            return;
        }
        inner.noting = true;
        loop {
            let next = inner.next();
            if next.is_empty() {
                inner.noting = false;
                return;
            }
            drop(inner);
            let mut more = Vec::new();
            let changes = {
                let mut state = self.driver.shared.lock();
                for (attempt, result) in next {
                    state.complete(attempt, result, self.generation);
                    if state.generation == self.generation {
                        more.extend(state.simulation.poll());
                    }
                }
                std::mem::take(&mut state.simulation.journal.changes)
            };
            self.driver.call_hooks(&changes);
            inner = self.inner();
            inner.put(more);
        }
    }
}

impl Inner {
    fn put(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            self.ready.push_back((self.sent, attempt));
            self.sent += 1;
        }
    }

    /// Takes the outcomes that can be recorded now, in the sending order.
    fn next(&mut self) -> Vec<(Attempt, Transmission)> {
        let mut next = Vec::new();
        while let Some(ended) = self.ended.remove(&self.noted) {
            self.noted += 1;
            next.push(ended);
        }
        next
    }
}

/// Guard: the clock moves by itself until the guard is dropped.
struct ClockRunning(Arc<Shared>);

impl ClockRunning {
    fn begin(shared: &Arc<Shared>, speed: f64) -> Self {
        shared.set_speed(Some(speed));
        Self(shared.clone())
    }
}

impl Drop for ClockRunning {
    fn drop(&mut self) {
        self.0.set_speed(None);
    }
}

/// Guard that counts a batch or an attempt as in flight.
struct InFlightGuard(Arc<Driver>);

impl InFlightGuard {
    fn begin(driver: &Arc<Driver>) -> Self {
        driver.flying.send_modify(|flying| *flying += 1);
        Self(driver.clone())
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.flying.send_modify(|flying| *flying -= 1);
    }
}
