use std::fmt;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use super::fault::{ApiFault, Trouble};
use super::faults::{FaultId, Faults};
use super::handles::User;
use super::observe::{Exchange, Observers};
use super::project::{KeyError, Project};
use super::server::{self, Answer, Running, Server};
use super::timeline::{Timeline, What};
use super::token::Audience;
use super::world::{Options, World, lock};
use crate::clock::Moment;
use crate::contract::{Event, ProjectId, Revision, UserId};
use crate::delivery::{Failure, Http, Outcome, Policy, Transport, WebhookState};
use crate::scenario::Scenario;

/// The virtual clock of every fake starts here, so that equal seeds give equal bytes.
const START: Moment = Moment::from_millis(1_767_225_600_000);

/// A running fake. It owns its server and its clock; dropping it stops everything.
///
/// Time stands still until [`settle`](Self::settle), [`advance`](Self::advance) or
/// [`run_until_idle`](Self::run_until_idle) is awaited: only there syncs run and webhooks are sent.
pub struct FakeParagon {
    world: Arc<Mutex<World>>,
    server: Running,
    transport: Box<dyn Transport>,
    /// One driver at a time moves the clock.
    driver: tokio::sync::Mutex<()>,
}

/// Why a fake did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The signing key does not sign.
    #[error("signing key: {0}")]
    Key(#[from] KeyError),
    /// The port of the API is not to be had.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Port {
        /// Which one was asked for.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}

/// Settings of a fake; see [`FakeParagon::builder`].
#[derive(Clone)]
#[must_use = "call `.start().await`"]
pub struct Builder {
    seed: u64,
    project: Option<ProjectId>,
    signing_key: Option<String>,
    port: u16,
    server: Server,
    revision: Revision,
    policy: Policy,
    options: Options,
    observers: Observers,
    answer_within: Duration,
}

/// Without the signing key.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("Builder");
        builder.field("seed", &self.seed).field("project", &self.project).field("port", &self.port);
        builder.field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Builder {
    /// Everything that is made up follows from it: project, ids. Default 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The project's id. Default: made from the seed.
    pub fn project(self, id: impl Into<ProjectId>) -> Self {
        Self { project: Some(id.into()), ..self }
    }

    /// The RSA private key, as PEM, that the receiver signs its user tokens with. Default: a key that this crate
    /// ships, public and the same for everybody.
    pub fn signing_key(self, pem: impl Into<String>) -> Self {
        Self { signing_key: Some(pem.into()), ..self }
    }

    /// The port of the Sync API on 127.0.0.1. Default 0: any that is free.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// What the Sync API is served by. Default [`Server::Wiremock`].
    pub fn server(self, server: Server) -> Self {
        Self { server, ..self }
    }

    /// The age of the contract: what events, records and answers look like. Default the newest.
    pub fn revision(self, revision: Revision) -> Self {
        Self { revision, ..self }
    }

    /// Seed, revision and policy of a scenario, which [`FakeParagon::play`] then plays.
    pub fn scenario(self, scenario: &Scenario) -> Self {
        self.seed(scenario.seed).revision(scenario.revision).policy(scenario.policy.clone())
    }

    /// How webhooks are delivered. Default [`Policy::paragon_assumed`].
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Pages are never longer than this, whatever is asked for. Default 1,000 (assumed).
    pub fn page_size_cap(mut self, records: usize) -> Self {
        self.options.page_size_cap = records.max(1);
        self
    }

    /// Which audiences a token may name. Default both that are known.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.options.audience = audience;
        self
    }

    /// Get Synced Record answers the record itself, as some clients expect. Default false: `{"data":…}`, as documented.
    pub fn bare_records(mut self, bare: bool) -> Self {
        self.options.bare_records = bare;
        self
    }

    /// Cursors are good for so long, by the virtual clock. Default for ever (assumed).
    pub fn cursor_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.cursor_lifetime = Some(lifetime);
        self
    }

    /// Shows each call of the API, with its answer, before it is answered; several observers are asked in turn. Calls
    /// that no endpoint is asked for are among them, calls that a mock of yours answers are not. An observer may ask
    /// the fake, but not by its API: the call that it is shown holds that up.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::fake::Endpoint;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// static PULLS: AtomicUsize = AtomicUsize::new(0);
    /// let count = FakeParagon::builder().observe(|exchange| {
    ///     if exchange.endpoint == Some(Endpoint::PullRecords) && exchange.response.status() == 200 {
    ///         PULLS.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// let paragon = count.start().await?;
    /// // Let your receiver pull, then:
    /// assert_eq!(PULLS.load(Ordering::Relaxed), 0);
    /// # Ok(()) }
    /// ```
    pub fn observe(mut self, observer: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        self.observers.add(observer);
        self
    }

    /// How long a receiver really has to answer. Default 2 s; on the timeline it counts as the policy's time-out.
    pub fn answer_within(self, timeout: Duration) -> Self {
        Self { answer_within: timeout, ..self }
    }

    /// Starts the fake on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When the signing key is none, or the port is taken.
    pub async fn start(self) -> Result<FakeParagon, StartError> {
        let id = self.project.unwrap_or_else(|| ProjectId::from_seed(self.seed));
        let project = Project::new(id, self.signing_key);
        let mut world = World::new(project, self.policy, self.options, START)?;
        world.engine.set_revision(self.revision);
        world.seed = self.seed;
        world.faults = Faults::new(self.seed);
        let world = Arc::new(Mutex::new(world));
        let no_port = |source| StartError::Port { port: self.port, source };
        let listener = TcpListener::bind(("127.0.0.1", self.port)).map_err(no_port)?;
        let server = server::serve(self.server, listener, api(world.clone(), self.observers)).await.map_err(no_port)?;
        let transport = Box::new(Http::new(self.answer_within));
        Ok(FakeParagon { world, server, transport, driver: tokio::sync::Mutex::new(()) })
    }
}

/// What the world's API answers.
fn api(world: Arc<Mutex<World>>, observers: Observers) -> Answer {
    Arc::new(move |request| observers.answer(&world, &request))
}

impl fmt::Debug for FakeParagon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeParagon").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}

impl FakeParagon {
    /// A fake with the default settings.
    ///
    /// # Panics
    ///
    /// When no port of 127.0.0.1 is free.
    pub async fn start() -> Self {
        Self::builder().start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Settings, to be followed by `.start().await`.
    pub fn builder() -> Builder {
        Builder {
            seed: 0,
            project: None,
            signing_key: None,
            port: 0,
            server: Server::default(),
            revision: Revision::default(),
            policy: Policy::paragon_assumed(),
            options: Options::default(),
            observers: Observers::default(),
            answer_within: Duration::from_secs(2),
        }
    }

    /// The base URL of the Sync API, without a slash at the end and without `/api`.
    pub fn api_url(&self) -> String {
        self.server.url()
    }

    /// What the receiver needs to mint user tokens.
    pub fn project(&self) -> Project {
        lock(&self.world).project.clone()
    }

    /// Sets the URL that events are sent to, and enables the webhook.
    pub async fn set_webhook(&self, url: Url) {
        let _driver = self.driver.lock().await;
        let mut world = lock(&self.world);
        world.queue.register(url);
        world.note(None, None, What::Webhook("set and enabled".to_owned()));
    }

    /// Enables the webhook again after it was disabled. What was missed stays missed (`webhook.missed`, assumed).
    pub fn enable_webhook(&self) {
        let mut world = lock(&self.world);
        world.queue.enable();
        world.note(None, None, What::Webhook("enabled by hand".to_owned()));
    }

    /// Disables the webhook by hand. What is still to come is dropped.
    pub fn disable_webhook(&self) {
        lock(&self.world).disable_webhook();
    }

    /// Whether events are delivered.
    pub fn webhook(&self) -> WebhookState {
        lock(&self.world).queue.state()
    }

    /// Plays an outage of the receiver: while it lasts, attempts are not sent and count as failed.
    pub fn receiver_unreachable(&self, unreachable: bool) {
        lock(&self.world).queue.adversity.unreachable = unreachable;
    }

    /// Sends each event twice from now on (`webhook.duplicate`, assumed).
    pub fn duplicate_events(&self, duplicate: bool) {
        lock(&self.world).queue.adversity.duplicate = duplicate;
    }

    /// Plays an outage of the Sync API: it answers every call with this status; `None` ends it.
    pub fn fail_api(&self, status: Option<u16>) {
        let mut world = lock(&self.world);
        if let Some(outage) = world.outage.take() {
            world.faults.remove(outage);
        }
        if let Some(code) = status {
            let outage = ApiFault::new(Trouble::Status { code, retry_after: None });
            world.outage = Some(world.faults.add(outage));
        }
    }

    /// Lets something go wrong with calls of the API, until it is over or [ended](Self::end_fault).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::fake::{ApiFault, Endpoint, RetryAfter, Trouble};
    ///
    /// let paragon = FakeParagon::start().await;
    /// let busy = Trouble::Status { code: 429, retry_after: Some(RetryAfter::Seconds(1)) };
    /// paragon.fault(ApiFault::new(busy).endpoint(Endpoint::PullRecords).next(2));
    /// # }
    /// ```
    pub fn fault(&self, fault: ApiFault) -> FaultId {
        lock(&self.world).faults.add(fault)
    }

    /// Ends a fault; false when there is none with this id any more.
    pub fn end_fault(&self, fault: FaultId) -> bool {
        lock(&self.world).faults.remove(fault).is_some()
    }

    /// All faults of the API, also those that are over, and how many calls each has struck.
    pub fn faults(&self) -> Vec<(FaultId, ApiFault, u64)> {
        lock(&self.world).faults.list().map(|(id, fault, struck)| (id, fault.clone(), struck)).collect()
    }

    /// Ends all faults of the API.
    pub fn end_faults(&self) {
        let mut world = lock(&self.world);
        world.faults.clear();
        world.outage = None;
    }

    /// Pages are not longer than this from now on; answers what held before. See [`Builder::page_size_cap`].
    pub fn limit_pages(&self, records: usize) -> usize {
        std::mem::replace(&mut lock(&self.world).options.page_size_cap, records.max(1))
    }

    /// Runs take so long from now on, during which a sync is `ACTIVE`. At first they take no time.
    pub fn runs_take(&self, span: Duration) {
        lock(&self.world).engine.set_runs_take(span);
    }

    /// The age of the contract that syncs have which are enabled now.
    pub fn revision(&self) -> Revision {
        lock(&self.world).engine.revision()
    }

    /// How webhooks are delivered.
    pub fn policy(&self) -> Policy {
        lock(&self.world).queue.policy().clone()
    }

    /// A Connected User, known or new.
    pub fn user(&self, id: impl Into<UserId>) -> User {
        User { world: self.world.clone(), id: id.into() }
    }

    /// Sends an event that no change has caused; it goes out with the next [`settle`](Self::settle). False when the
    /// webhook is unset or disabled.
    pub fn send(&self, event: &Event) -> bool {
        lock(&self.world).send_by_hand(event)
    }

    /// POSTs a body to a URL, at once and once, past queue, policy and timeline: for bodies that are no events.
    pub async fn post_raw(&self, url: &Url, body: &[u8]) -> Outcome {
        self.transport.post(url, body).await
    }

    /// Mounts a mock on the server of the API; it goes ahead of the fake's own answers.
    ///
    /// # Panics
    ///
    /// When the API is not on wiremock; see [`Builder::server`].
    #[track_caller]
    pub fn mount(&self, mock: wiremock::Mock) -> impl Future<Output = ()> + Send {
        // Not inside the future, which knows no caller's line.
        let Some(server) = self.server.wiremock() else {
            panic!("a mock needs a wiremock server: start the fake without `.server(Server::Hyper)`")
        };
        mock.mount(server)
    }

    /// What the virtual clock shows.
    pub fn now(&self) -> Moment {
        lock(&self.world).clock.now()
    }

    /// Runs and sends what is due now, until nothing is.
    pub async fn settle(&self) {
        self.advance(Duration::ZERO).await;
    }

    /// Moves the clock by `span`, through every moment at which something is due, in order.
    pub async fn advance(&self, span: Duration) {
        let _driver = self.driver.lock().await;
        let until = self.now() + span;
        self.drive(until).await;
        lock(&self.world).clock.advance_to(until);
    }

    /// Moves the clock until every event is delivered, given up or dropped.
    pub async fn run_until_idle(&self) {
        let _driver = self.driver.lock().await;
        self.drive(self.now()).await;
        loop {
            let due = lock(&self.world).queue.next_due();
            let Some(due) = due else { return };
            self.drive(due).await;
        }
    }

    async fn drive(&self, until: Moment) {
        loop {
            let attempts = lock(&self.world).step(until);
            let Some(attempts) = attempts else { return };
            for attempt in attempts {
                let outcome = if attempt.unreachable {
                    Outcome::Failed(Failure::Unreachable)
                } else {
                    // Not under the lock: the receiver may call the API before it answers.
                    self.transport.post(&attempt.url, &attempt.body).await
                };
                lock(&self.world).complete(attempt, outcome);
            }
        }
    }

    /// What has happened so far.
    pub fn timeline(&self) -> Timeline {
        lock(&self.world).timeline()
    }

    /// How many entries the timeline has: the mark from which to [`skip`](Timeline::skip) later.
    pub fn timeline_mark(&self) -> usize {
        lock(&self.world).log_len()
    }
}
