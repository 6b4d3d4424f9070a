use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::driver::{Driver, Hook};
#[cfg(feature = "check")]
use super::evidence::{Activity, Proof};
use super::fault::{ActiveApiFault, ApiFault};
use super::faults::{FaultId, Faults};
use super::handles::User;
use super::lanes::Lanes;
use super::log::Log;
use super::observe::{Exchange, Observers};
use super::project::{KeyError, Project};
use super::server::{self, Answer, Running, Server};
use super::shared::{Guard, Shared, lock};
use super::timeline::{EntryKind, Tally, Timeline, TimelineEntry};
use super::token::Audience;
use super::world::{Options, World};
use crate::clock::{Pace, Timestamp};
use crate::contract::{Event, ProjectId, Revision, UserId};
#[cfg(feature = "check")]
use crate::contract::{RecordId, SyncId};
use crate::delivery::{
    Change, DeliveryFault, DeliveryFaultKind, DeliveryId, Http, Outcome, Policy, PolicyError, Queue, Signature,
    Transport, WebhookState,
};
use crate::scenario::Scenario;

/// Default initial time of the virtual clock: the beginning of 2026. It is fixed, so that equal seeds give equal bytes.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A running fake of Paragon's Managed Sync. The fake owns its server and its clock; dropping the fake stops
/// everything.
///
/// Time stands still until [`settle`](Self::settle), [`advance`](Self::advance) or
/// [`run_until_idle`](Self::run_until_idle) is awaited: syncs run and webhooks are sent only there. Under
/// [`run`](Self::run), time passes by itself instead.
pub struct FakeParagon {
    pub(super) driver: Arc<Driver>,
    server: Arc<Running>,
    #[cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]
    lanes: Lanes,
    admin: bool,
}

/// Error of starting a fake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The signing key is invalid.
    #[error("signing key: {0}")]
    Key(#[from] KeyError),
    /// The policy is incomplete or inconsistent.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The port of the API cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Port {
        /// Address that was requested.
        address: SocketAddr,
        /// Cause of the failure.
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
    host: IpAddr,
    port: u16,
    server: Server,
    revision: Revision,
    policy: Policy,
    options: Options,
    observers: Observers,
    signature: Option<Signature>,
    hooks: Vec<Hook>,
    answer_within: Duration,
    start: Timestamp,
    timeline_limit: Option<usize>,
    admin: bool,
}

/// The output does not contain the signing key.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("Builder");
        builder.field("seed", &self.seed).field("project", &self.project).field("port", &self.port);
        builder.field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the seed. All invented values follow from the seed: the project's id, other ids, payloads and choices.
    /// Default: 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the project's id. Default: derived from the seed.
    pub fn project(self, id: impl Into<ProjectId>) -> Self {
        Self { project: Some(id.into()), ..self }
    }

    /// Sets the RSA private key, as PEM, with which the receiver signs its user tokens. Default: a key that this crate
    /// ships. This key is public and the same for everybody.
    pub fn signing_key(self, pem: impl Into<String>) -> Self {
        Self { signing_key: Some(pem.into()), ..self }
    }

    /// Sets the port of the API. Default: 0, which takes any free port.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Sets the server that serves the Sync API. Default: [`Server::Wiremock`].
    pub fn server(self, server: Server) -> Self {
        Self { server, ..self }
    }

    /// Sets the revision of the contract, which decides the form of events, records and responses. Default: the newest.
    pub fn revision(self, revision: Revision) -> Self {
        Self { revision, ..self }
    }

    /// Takes over the seed, the revision and the policy of a scenario. [`FakeParagon::play`] then plays the scenario.
    pub fn scenario(self, scenario: &Scenario) -> Self {
        self.seed(scenario.seed).revision(scenario.revision).policy(scenario.policy.clone())
    }

    /// Sets the policy by which webhooks are delivered. Default: [`Policy::paragon_assumed`], all of which is assumed
    /// except which responses count as delivered. A fake does not start with a policy that has open cells.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the maximum number of records on a page, whatever page size a request asks for; at least 1. Default: 1,000
    /// (assumed).
    pub fn page_size_cap(mut self, records: usize) -> Self {
        self.options.page_size_cap = records.max(1);
        self
    }

    /// Sets the audiences that a token may name. Default: both known audiences.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.options.audience = audience;
        self
    }

    /// Makes Get Synced Record answer with the record itself, as some clients expect. Default: false, which answers
    /// `{"data":…}`, as documented.
    pub fn bare_records(mut self, bare: bool) -> Self {
        self.options.bare_records = bare;
        self
    }

    /// Sets how long a cursor is valid, by the virtual clock. Default: for ever (assumed).
    pub fn cursor_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.cursor_lifetime = Some(lifetime);
        self
    }

    /// Calls `observer` with each request to the API and its response, before the response is sent. Several observers
    /// are called in the order in which they were added. They also see requests that match no endpoint, but no requests
    /// that one of your mocks answers. An observer may call methods of the fake, but must not call its API: the API
    /// waits until the observer returns.
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

    /// Signs each webhook. Default: no signature, because Managed Sync documents none (`signature`, assumed).
    pub fn sign_webhooks(self, signature: Signature) -> Self {
        Self { signature: Some(signature), ..self }
    }

    /// Calls `hook` with each change of the webhook's state, for example when the webhook is disabled. Several hooks
    /// are called in the order in which they were added. A hook may call methods of the fake.
    pub fn on_webhook_change(mut self, hook: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Sets how long a receiver has to answer, in real time, unless the policy gives it less. Default: 2 s. On the
    /// timeline, a receiver that exceeds this time exceeds the timeout of the policy.
    pub fn answer_within(self, timeout: Duration) -> Self {
        Self { answer_within: timeout, ..self }
    }

    /// Sets the address that the API listens on. Default: 127.0.0.1, which other machines cannot reach.
    pub fn host(self, host: IpAddr) -> Self {
        Self { host, ..self }
    }

    /// Sets the initial time of the virtual clock. Default: the beginning of 2026. It is fixed, so that equal seeds
    /// give equal bytes.
    pub fn start_at(self, moment: Timestamp) -> Self {
        Self { start: moment, ..self }
    }

    /// Limits the timeline to the newest `entries` entries. The timeline says how many entries were dropped. Default:
    /// no limit.
    pub fn timeline_limit(self, entries: usize) -> Self {
        Self { timeline_limit: Some(entries), ..self }
    }

    /// Serves the admin API as well, under `/_testkit/`, and serves everything on [`Server::Hyper`]. Through the admin
    /// API, tests in other languages do what a Rust test does by methods. Everybody who can reach the address may use
    /// the admin API. Default: false. [`contract::ADMIN_API`](crate::contract::ADMIN_API) describes the admin API.
    pub fn admin(self, admin: bool) -> Self {
        Self { admin, ..self }
    }

    /// Starts the fake.
    ///
    /// # Errors
    ///
    /// Returns an error if the signing key is invalid, the policy is incomplete, or the port is in use.
    pub async fn start(self) -> Result<FakeParagon, StartError> {
        let id = self.project.unwrap_or_else(|| ProjectId::from_seed(self.seed));
        let project = Project::new(id, self.signing_key);
        let mut queue = Queue::new(self.policy, self.seed)?;
        queue.sign(self.signature);
        let mut world = World::new(project, queue, self.options, self.start)?;
        world.engine.set_revision(self.revision);
        world.seed = self.seed;
        world.faults = Faults::new(self.seed);
        world.log = Log::limited(self.timeline_limit);
        let address = SocketAddr::new(self.host, self.port);
        let no_port = |source| StartError::Port { address, source };
        let listener = TcpListener::bind(address).map_err(no_port)?;
        let driver = Driver::new(Arc::new(Shared::new(world)), Arc::new(Http::new()), self.answer_within);
        let driver = Arc::new(driver.with_hooks(self.hooks));
        let lanes = Lanes::new(driver.world.clone());
        let answer = api(lanes.clone(), self.observers);
        let server = if self.admin {
            server::with_admin(listener, driver.clone(), answer)
        } else {
            server::serve(self.server, listener, answer).await
        };
        let server = Arc::new(server.map_err(no_port)?);
        Ok(FakeParagon { driver, server, lanes, admin: self.admin })
    }
}

/// Returns the function that answers the requests of the API.
fn api(lanes: Lanes, observers: Observers) -> Answer {
    Arc::new(move |request| observers.answer(&lanes.of(request), request))
}

impl fmt::Debug for FakeParagon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeParagon").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}

impl FakeParagon {
    /// Starts a fake with the default settings.
    ///
    /// # Panics
    ///
    /// Panics if no port of 127.0.0.1 is free.
    pub async fn start() -> Self {
        Self::builder().start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the default settings. Call `.start().await` on them to start the fake.
    pub fn builder() -> Builder {
        Builder {
            seed: 0,
            project: None,
            signing_key: None,
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            server: Server::default(),
            revision: Revision::default(),
            policy: Policy::paragon_assumed(),
            options: Options::default(),
            observers: Observers::default(),
            signature: None,
            hooks: Vec::new(),
            answer_within: Duration::from_secs(2),
            start: START,
            timeline_limit: None,
            admin: false,
        }
    }

    /// Returns the base URL of the Sync API, without a slash at the end and without `/api`.
    pub fn api_url(&self) -> String {
        self.server.url()
    }

    /// Returns the project, which contains what the receiver needs to mint user tokens.
    pub fn project(&self) -> Project {
        self.world().project.clone()
    }

    /// Sets the URL that events are sent to, and enables the webhook. If the policy verifies new URLs, the webhook is
    /// enabled after the URL has answered a probe.
    pub async fn set_webhook(&self, url: Url) {
        let _turn = self.driver.turn().await;
        self.world().set_webhook(url);
        self.driver.tell();
    }

    /// Sends webhooks through `transport` instead of the network ([`Http`]), from the next webhook on. With the feature
    /// `tower`, the transport `InProcess` calls a receiver in the test's own process.
    pub fn set_transport(&self, transport: impl Transport + 'static) {
        self.driver.set_transport(Arc::new(transport));
    }

    /// Enables the webhook again after it was disabled. Missed events are not sent later (`webhook.missed`, assumed).
    pub fn enable_webhook(&self) {
        self.world().enable_webhook();
        self.driver.tell();
    }

    /// Disables the webhook by hand. Pending deliveries are dropped, unless the policy holds them (`while_off`).
    pub fn disable_webhook(&self) {
        self.world().disable_webhook();
        self.driver.tell();
    }

    /// Returns the state of the webhook, which says whether events are delivered.
    pub fn webhook(&self) -> WebhookState {
        self.world().queue.state()
    }

    /// Injects a fault into deliveries. The fault lasts until it is used up or [ended](Self::end_delivery_fault). A
    /// [`DeliveryFaultKind`] alone affects every delivery.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::delivery::{DeliveryFault, DeliveryFaultKind};
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.delivery_fault(DeliveryFault::new(DeliveryFaultKind::Together(3)).next(1));
    /// paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    /// // Deliveries fail here, and are retried.
    /// paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    /// # }
    /// ```
    pub fn delivery_fault(&self, fault: impl Into<DeliveryFault>) {
        self.world().queue.begin(fault.into());
    }

    /// Ends all delivery faults of this kind.
    pub fn end_delivery_fault(&self, kind: DeliveryFaultKind) {
        self.world().queue.end(kind);
    }

    /// Injects a fault into calls of the API. The fault lasts until it is used up or [ended](Self::end_api_fault). An
    /// [`ApiFaultKind`](super::ApiFaultKind) alone affects every call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::fake::{ApiFault, ApiFaultKind, Endpoint, RetryAfterHeader};
    ///
    /// let paragon = FakeParagon::start().await;
    /// let busy = ApiFaultKind::Status { code: 429, retry_after: Some(RetryAfterHeader::Seconds(1)) };
    /// paragon.api_fault(ApiFault::new(busy).endpoint(Endpoint::PullRecords).next(2));
    /// let outage = paragon.api_fault(ApiFaultKind::status(503));
    /// // Every call is answered 503 here.
    /// paragon.end_api_fault(outage);
    /// # }
    /// ```
    pub fn api_fault(&self, fault: impl Into<ApiFault>) -> FaultId {
        self.world().faults.add(fault.into())
    }

    /// Ends a fault of the API. Returns false if there is no fault with this id any more.
    pub fn end_api_fault(&self, fault: FaultId) -> bool {
        self.world().faults.remove(fault).is_some()
    }

    /// Returns all faults of the API, each with the number of calls that it has struck. Faults that have ended are
    /// included.
    pub fn api_faults(&self) -> Vec<ActiveApiFault> {
        let active =
            |(id, fault, struck): (FaultId, &ApiFault, u64)| ActiveApiFault { id, fault: fault.clone(), struck };
        self.world().faults.list().map(active).collect()
    }

    /// Ends all faults of the API.
    pub fn end_api_faults(&self) {
        self.world().end_faults();
    }

    /// Sets the maximum number of records on a page from now on, and returns the previous maximum. See
    /// [`Builder::page_size_cap`].
    pub fn limit_pages(&self, records: usize) -> usize {
        std::mem::replace(&mut self.world().options.page_size_cap, records.max(1))
    }

    /// Sets how long each run takes from now on. During a run the sync is `ACTIVE`. At first runs take no time.
    pub fn set_run_duration(&self, span: Duration) {
        self.world().engine.set_runs_take(span);
    }

    /// Returns the revision of the contract that syncs get when they are enabled now.
    pub fn revision(&self) -> Revision {
        self.world().engine.revision()
    }

    /// Returns the policy by which webhooks are delivered.
    pub fn policy(&self) -> Policy {
        self.world().queue.policy().clone()
    }

    /// Replaces the policy. Pending deliveries are dropped, and the webhook has to be [set](Self::set_webhook) again.
    ///
    /// # Errors
    ///
    /// Returns an error if the policy has open cells or is inconsistent. Nothing has changed then.
    pub fn set_policy(&self, policy: Policy) -> Result<(), PolicyError> {
        self.world().set_policy(policy)?;
        self.driver.tell();
        Ok(())
    }

    /// Sets the revision of the contract for syncs that are enabled from now on.
    pub fn set_revision(&self, revision: Revision) {
        self.world().engine.set_revision(revision);
    }

    /// Ends all faults of the API and of deliveries. Faults of a provider are ended by
    /// [`Connection::end_provider_faults`](super::Connection::end_provider_faults).
    pub fn clear_faults(&self) {
        let mut world = self.world();
        world.end_faults();
        world.queue.end_all();
    }

    /// Returns the Connected User with this id, who may be known or new.
    pub fn user(&self, id: impl Into<UserId>) -> User {
        User { world: self.driver.world.clone(), id: id.into() }
    }

    /// Queues an event that no change has caused. The next [`settle`](Self::settle) sends the event. Returns false if
    /// the event is not queued: the webhook is unset or disabled, or a delivery fault loses the event.
    pub fn send(&self, event: &Event) -> bool {
        self.world().send_by_hand(event)
    }

    /// POSTs a body to a URL, at once and only once. The request bypasses the queue and the timeline; it is for bodies
    /// that are not events. The request has what the first attempt of an event has under the policy: the headers, the
    /// signature of the body, the redirects and the timeouts. The timeouts are limited to [`Builder::answer_within`].
    pub async fn post_raw(&self, url: &Url, body: &[u8]) -> Outcome {
        let mut request = {
            let mut world = self.world();
            let now = world.clock.now();
            world.queue.raw_request(url.clone(), body, now)
        };
        request.timeouts = self.driver.in_real_time(request.timeouts);
        self.driver.transport().send(&request).await
    }

    /// Returns how long a receiver has to answer, in real time; see [`Builder::answer_within`].
    pub fn answers_within(&self) -> Duration {
        self.driver.answer_within
    }

    /// Mounts a mock on the server of the API. A mock takes precedence over the fake's own responses.
    ///
    /// # Panics
    ///
    /// Panics if the API is not served by wiremock; see [`Builder::server`].
    #[track_caller]
    pub fn mount(&self, mock: wiremock::Mock) -> impl Future<Output = ()> + Send {
        // This panics here and not inside the future, because only here the panic names the caller's line.
        let Some(server) = self.server.wiremock() else {
            panic!("a mock needs a wiremock server: start the fake without `.server(Server::Hyper)`")
        };
        mock.mount(server)
    }

    /// Returns the initial time of the virtual clock.
    pub fn started_at(&self) -> Timestamp {
        self.world().start
    }

    /// Returns the seed, from which ids, payloads and choices follow; see [`Builder::seed`].
    pub fn seed(&self) -> u64 {
        self.world().seed
    }

    /// Returns the kind of thing that an id of this fake identifies: `sync`, `record`, `credential`, `object` or
    /// `cursor`.
    pub(crate) fn what_is(&self, id: &str) -> Option<&'static str> {
        self.world().what_is(id)
    }

    /// Returns the current time of the virtual clock.
    pub fn now(&self) -> Timestamp {
        self.world().clock.now()
    }

    /// Runs and sends everything that is due now, until nothing is due any more.
    pub async fn settle(&self) {
        self.advance(Duration::ZERO).await;
    }

    /// Moves the clock by `span`, and runs and sends everything that becomes due on the way, in order.
    pub async fn advance(&self, span: Duration) {
        // Ignored: if the state was replaced meanwhile, the new state has its own time.
        let _ = self.driver.advance(span).await;
    }

    /// Moves the clock until every event is delivered, given up or dropped. Events that the policy holds until the
    /// webhook is enabled by hand stay in the queue.
    pub async fn run_until_idle(&self) {
        let _ = self.driver.run_until_idle().await;
    }

    /// Lets time pass by itself, `speed` times as fast as real time, for as long as the future is polled. Syncs run and
    /// webhooks are sent when they are due, as many at once as the policy allows. A slow receiver delays no run.
    /// [`advance`](Self::advance) can still jump ahead. At speed 0 time stands still, and nothing happens until the
    /// clock is moved. Only one of these futures may be polled at a time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::clock::eventually;
    ///
    /// let paragon = FakeParagon::start().await;
    /// let sync = paragon.user("ada").connect("googledrive").enable("files")?;
    /// let minutes_in_milliseconds = tokio::spawn(paragon.run(60_000.0));
    /// let ran = || async { sync.event_log().iter().any(|(_, entry)| entry.sync_event == "INCREMENTAL_SYNC_COMPLETED").then_some(()) };
    /// assert!(eventually(Duration::from_secs(10), ran).await.is_some());
    /// # minutes_in_milliseconds.abort();
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the speed is negative or not finite.
    #[track_caller]
    pub fn run(&self, speed: f64) -> impl Future<Output = Infallible> + Send + 'static {
        // This panics here and not inside the future, because only here the panic names the caller's line.
        let _ = Pace::new(START, speed);
        self.driver.clone().run(speed)
    }

    /// Returns the speed at which the clock moves by itself, as a multiple of real time; `None` if only the methods of
    /// the fake move the clock.
    pub fn speed(&self) -> Option<f64> {
        self.driver.world.pace().map(|pace| pace.speed())
    }

    /// Opens a lane: another fake behind the same API, which is empty. The lane has its own clock, queue, policy,
    /// faults, users and timeline. Calls about its syncs and calls of its users go to the lane. The lane starts with
    /// the project, policy, options, webhook and transport of this fake.
    #[cfg(feature = "check")]
    pub(crate) fn open_lane(&self, seed: u64) -> Self {
        let mut world = self.world().empty(seed);
        world.evidence = Some(super::evidence::Evidence::default());
        let world = Arc::new(Shared::new(world));
        self.lanes.open(world.clone());
        let driver = Arc::new(Driver::new(world, self.driver.transport(), self.driver.answer_within));
        Self { driver, server: self.server.clone(), lanes: self.lanes.clone(), admin: false }
    }

    /// Makes `pacer` wait before a receiver that refused events gets the next one, although no call of the API had
    /// failed. Such a receiver may hold back its calls by a clock of its own, which does not jump as the virtual clock
    /// does. The pauses are 0.5, 1, 2 and 4 s in a row. They start again after an event that the receiver took or that
    /// was given up. All pauses together are at most 30 s.
    #[cfg(feature = "check")]
    pub(crate) fn pace_refusals(&self, pacer: super::driver::Pacer) {
        let _ = self.driver.pacer.set(pacer);
    }

    /// Returns the number of attempts that the receiver refused with 429 or 5xx, although no call of the API had
    /// failed.
    #[cfg(feature = "check")]
    pub(crate) fn refusals(&self) -> u64 {
        self.world().evidence.as_ref().map_or(0, super::evidence::Evidence::refusals)
    }

    /// Returns whether events are still to be sent.
    #[cfg(feature = "check")]
    pub(crate) fn owes_events(&self) -> bool {
        self.world().queue.is_busy()
    }

    /// Closes a lane: the API no longer knows its syncs and users.
    #[cfg(feature = "check")]
    pub(crate) fn close_lane(&self) {
        self.lanes.close(&self.driver.world);
    }

    /// Returns all syncs.
    #[cfg(feature = "check")]
    pub(crate) fn syncs(&self) -> Vec<super::handles::SyncHandle> {
        let ids: Vec<SyncId> = self.world().engine.syncs().map(|sync| sync.id.clone()).collect();
        ids.into_iter().map(|id| super::handles::SyncHandle { world: self.driver.world.clone(), id }).collect()
    }

    /// Returns what the receiver has done so far.
    #[cfg(feature = "check")]
    pub(crate) fn activity(&self) -> Activity {
        self.world().activity()
    }

    /// Returns whether the receiver was told the latest version of a record, or its deletion. This is known only in
    /// lanes.
    #[cfg(feature = "check")]
    pub(crate) fn proof(&self, sync: &SyncId, record: &RecordId) -> Proof {
        self.world().proof(sync, record)
    }

    /// Resets the count of how many times the receiver makes the same call. This is counted only in lanes.
    #[cfg(feature = "check")]
    pub(crate) fn count_rounds_anew(&self) {
        if let Some(evidence) = &mut self.world().evidence {
            evidence.count_anew();
        }
    }

    fn world(&self) -> Guard<'_> {
        lock(&self.driver.world)
    }

    /// Returns what has happened so far.
    pub fn timeline(&self) -> Timeline {
        self.world().timeline()
    }

    /// Returns what has happened since a [mark](Self::timeline_mark).
    pub fn timeline_since(&self, mark: usize) -> Timeline {
        let world = self.world();
        Timeline::since(mark, world.start, &world.log)
    }

    /// Waits until something has happened after a [mark](Self::timeline_mark). Returns the new entries, and the mark
    /// after them.
    pub async fn timeline_after(&self, mark: usize) -> (Timeline, usize) {
        // The sender lives as long as this fake, so the channel cannot be closed.
        let _ = self.driver.world.told().wait_for(|end| *end > mark).await;
        let world = self.world();
        (Timeline::since(mark, world.start, &world.log), world.log.end())
    }

    /// Returns the history of a delivery as text: each attempt, the rule that decided, and the next step. Returns
    /// `None` if the timeline has no entry of the delivery.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use paragon_testkit::FakeParagon;
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.set_webhook("http://127.0.0.1:9/nobody-there".parse()?).await;
    /// paragon.user("ada").connect("googledrive").enable("files")?;
    /// paragon.settle().await;
    /// let delivery = paragon.timeline().attempts().next().unwrap().1.delivery;
    /// let text = paragon.explain(delivery).unwrap();
    /// assert!(text.contains("attempt 1 -> connection refused: again at +00:00:10, by backoff: "), "{text}");
    /// # Ok(()) }
    /// ```
    pub fn explain(&self, delivery: DeliveryId) -> Option<String> {
        self.world().explain(delivery)
    }

    /// Returns the counters of what has happened so far.
    pub fn tally(&self) -> Tally {
        self.world().tally
    }

    /// Returns the URL of the admin API, if the admin API is served; see [`Builder::admin`].
    pub fn admin_url(&self) -> Option<String> {
        self.admin.then(|| format!("{}{}", self.api_url(), super::admin::ROOT.trim_end_matches('/')))
    }

    /// Returns the number of calls of the Sync API that were made with a token of this user since a
    /// [mark](Self::timeline_mark).
    pub fn count_calls(&self, user: &UserId, mark: usize) -> usize {
        let of_user =
            |entry: &TimelineEntry| matches!(entry.what, EntryKind::Call(_)) && entry.user.as_ref() == Some(user);
        self.world().log.since(mark).filter(|(_, entry)| of_user(entry)).count()
    }

    /// Returns the mark of the present: the number of entries that the timeline has had. [`skip`](Timeline::skip) can
    /// later leave out the entries before the mark.
    pub fn timeline_mark(&self) -> usize {
        self.world().log.end()
    }
}
