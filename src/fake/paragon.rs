use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::driver::{Driver, Hook};
#[cfg(feature = "check")]
use super::evidence::{Activity, Proof};
use super::fault::ApiFault;
use super::faults::{FaultId, Faults};
use super::handles::User;
use super::lanes::Lanes;
use super::log::Log;
use super::observe::{Exchange, Observers};
use super::project::{KeyError, Project};
use super::server::{self, Answer, Running, Server};
use super::shared::{Guard, Shared, lock};
use super::timeline::{Entry, Tally, Timeline, What};
use super::token::Audience;
use super::world::{Options, World};
use crate::clock::{Moment, Pace};
use crate::contract::{Event, ProjectId, Revision, UserId};
#[cfg(feature = "check")]
use crate::contract::{RecordId, SyncId};
use crate::delivery::{
    Adversity, Change, DeliveryId, Http, Mishap, Outcome, Policy, PolicyError, Queue, Signature, Transport,
    WebhookState,
};
use crate::scenario::Scenario;

/// The virtual clock starts here unless it is told otherwise, so that equal seeds give equal bytes.
const START: Moment = Moment::from_millis(1_767_225_600_000);

/// A running fake. It owns its server and its clock; dropping it stops everything.
///
/// Time stands still until [`settle`](Self::settle), [`advance`](Self::advance) or
/// [`run_until_idle`](Self::run_until_idle) is awaited: only there syncs run and webhooks are sent. Or else it passes by
/// itself, under [`run`](Self::run).
pub struct FakeParagon {
    pub(super) driver: Arc<Driver>,
    server: Arc<Running>,
    #[cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]
    lanes: Lanes,
    admin: bool,
}

/// Why a fake did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The signing key does not sign.
    #[error("signing key: {0}")]
    Key(#[from] KeyError),
    /// The policy does not run.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The port of the API is not to be had.
    #[error("cannot listen on {address}: {source}")]
    Port {
        /// Which one was asked for.
        address: SocketAddr,
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
    start: Moment,
    timeline_limit: Option<usize>,
    admin: bool,
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

    /// The port of the API. Default 0: any that is free.
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

    /// How webhooks are delivered. Default [`Policy::paragon_assumed`], which is assumed but for what delivers. A policy
    /// with open cells does not start.
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

    /// Signs each webhook from now on. Default not: Managed Sync documents no signature (`signature`, assumed).
    pub fn sign_webhooks(self, signature: Signature) -> Self {
        Self { signature: Some(signature), ..self }
    }

    /// Tells of each change of the webhook's state, such as its being disabled. Several hooks are told in turn; one may
    /// ask the fake something.
    pub fn on_webhook_change(mut self, hook: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// How long a receiver really has to answer, if the policy does not give it less. Default 2 s; on the timeline it counts as the policy's time-out.
    pub fn answer_within(self, timeout: Duration) -> Self {
        Self { answer_within: timeout, ..self }
    }

    /// The address that the API listens on. Default 127.0.0.1, which nobody else reaches.
    pub fn host(self, host: IpAddr) -> Self {
        Self { host, ..self }
    }

    /// What the virtual clock shows at first. Default the beginning of 2026, so that equal seeds give equal bytes.
    pub fn start_at(self, moment: Moment) -> Self {
        Self { start: moment, ..self }
    }

    /// The timeline keeps only the newest so many entries, and says how many it has dropped. Default all.
    pub fn timeline_limit(self, entries: usize) -> Self {
        Self { timeline_limit: Some(entries), ..self }
    }

    /// Serves the admin API too, under `/_testkit/`, and everything on [`Server::Hyper`]: tests in other languages say
    /// there what a Rust test says by methods. Whoever reaches the address may use it. Default not.
    /// [`contract::ADMIN_API`](crate::contract::ADMIN_API) describes it.
    pub fn admin(self, admin: bool) -> Self {
        Self { admin, ..self }
    }

    /// Starts the fake.
    ///
    /// # Errors
    ///
    /// When the signing key is none, the policy leaves something open, or the port is taken.
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

/// What the API answers.
fn api(lanes: Lanes, observers: Observers) -> Answer {
    Arc::new(move |request| observers.answer(&lanes.of(request), request))
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

    /// The base URL of the Sync API, without a slash at the end and without `/api`.
    pub fn api_url(&self) -> String {
        self.server.url()
    }

    /// What the receiver needs to mint user tokens.
    pub fn project(&self) -> Project {
        self.world().project.clone()
    }

    /// Sets the URL that events are sent to, and enables the webhook.
    pub async fn set_webhook(&self, url: Url) {
        let _turn = self.driver.turn().await;
        self.world().set_webhook(url);
        self.driver.tell();
    }

    /// Sends the webhooks otherwise than over the network ([`Http`]), from the next one on. With the feature `tower`,
    /// `InProcess` calls a receiver in the test's own process.
    pub fn set_transport(&self, transport: impl Transport + 'static) {
        self.driver.set_transport(Arc::new(transport));
    }

    /// Enables the webhook again after it was disabled. What was missed stays missed (`webhook.missed`, assumed).
    pub fn enable_webhook(&self) {
        self.world().enable_webhook();
        self.driver.tell();
    }

    /// Disables the webhook by hand. What is still to come is dropped.
    pub fn disable_webhook(&self) {
        self.world().disable_webhook();
        self.driver.tell();
    }

    /// Whether events are delivered.
    pub fn webhook(&self) -> WebhookState {
        self.world().queue.state()
    }

    /// Plays an outage of the receiver: while it lasts, attempts are not sent and count as failed.
    pub fn receiver_unreachable(&self, unreachable: bool) {
        self.world().mishap(Mishap::Unreachable, unreachable);
    }

    /// Sends each event twice from now on (`webhook.duplicate`, assumed).
    pub fn duplicate_events(&self, duplicate: bool) {
        self.world().mishap(Mishap::Duplicate, duplicate);
    }

    /// Lets something go wrong with deliveries, until it is over or [ended](Self::end_adversity).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::delivery::{Adversity, Mishap};
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.adversity(Adversity::new(Mishap::Together(3)).next(1));
    /// # }
    /// ```
    pub fn adversity(&self, adversity: Adversity) {
        self.world().queue.begin(adversity);
    }

    /// Ends everything that makes this go wrong.
    pub fn end_adversity(&self, what: Mishap) {
        self.world().queue.end(what);
    }

    /// Plays an outage of the Sync API: it answers every call with this status; `None` ends it.
    pub fn fail_api(&self, status: Option<u16>) {
        self.world().fail_api(status);
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
        self.world().faults.add(fault)
    }

    /// Ends a fault; false when there is none with this id any more.
    pub fn end_fault(&self, fault: FaultId) -> bool {
        self.world().faults.remove(fault).is_some()
    }

    /// All faults of the API, also those that are over, and how many calls each has struck.
    pub fn faults(&self) -> Vec<(FaultId, ApiFault, u64)> {
        self.world().faults.list().map(|(id, fault, struck)| (id, fault.clone(), struck)).collect()
    }

    /// Ends all faults of the API.
    pub fn end_faults(&self) {
        self.world().end_faults();
    }

    /// Pages are not longer than this from now on; answers what held before. See [`Builder::page_size_cap`].
    pub fn limit_pages(&self, records: usize) -> usize {
        std::mem::replace(&mut self.world().options.page_size_cap, records.max(1))
    }

    /// Runs take so long from now on, during which a sync is `ACTIVE`. At first they take no time.
    pub fn runs_take(&self, span: Duration) {
        self.world().engine.set_runs_take(span);
    }

    /// The age of the contract that syncs have which are enabled now.
    pub fn revision(&self) -> Revision {
        self.world().engine.revision()
    }

    /// How webhooks are delivered.
    pub fn policy(&self) -> Policy {
        self.world().queue.policy().clone()
    }

    /// Delivers under another policy from now on. What was still to be sent is dropped, and the webhook has to be
    /// [set](Self::set_webhook) again.
    ///
    /// # Errors
    ///
    /// When the policy has open cells or does not hold together; nothing has changed then.
    pub fn set_policy(&self, policy: Policy) -> Result<(), PolicyError> {
        self.world().set_policy(policy)?;
        self.driver.tell();
        Ok(())
    }

    /// Syncs that are enabled from now on are of this age of the contract.
    pub fn set_revision(&self, revision: Revision) {
        self.world().engine.set_revision(revision);
    }

    /// Ends everything that goes wrong on purpose: faults of the API and adversities of deliveries.
    pub fn calm(&self) {
        let mut world = self.world();
        world.end_faults();
        world.queue.end_all();
    }

    /// A Connected User, known or new.
    pub fn user(&self, id: impl Into<UserId>) -> User {
        User { world: self.driver.world.clone(), id: id.into() }
    }

    /// Sends an event that no change has caused; it goes out with the next [`settle`](Self::settle). False when the
    /// webhook is unset or disabled.
    pub fn send(&self, event: &Event) -> bool {
        self.world().send_by_hand(event)
    }

    /// POSTs a body to a URL, at once and once, past the queue and the timeline: for bodies that are no events. The
    /// request has what a first attempt has under the policy: its headers, the signature of the body, the redirects and
    /// the timeouts, the latter no longer than [`Builder::answer_within`].
    pub async fn post_raw(&self, url: &Url, body: &[u8]) -> Outcome {
        let mut request = {
            let mut world = self.world();
            let now = world.clock.now();
            world.queue.raw_request(url.clone(), body, now)
        };
        request.timeouts = self.driver.in_real_time(request.timeouts);
        self.driver.transport().send(&request).await
    }

    /// How long a receiver really has to answer; see [`Builder::answer_within`].
    pub fn answers_within(&self) -> Duration {
        self.driver.answer_within
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

    /// What the virtual clock showed when it started.
    pub fn started_at(&self) -> Moment {
        self.world().start
    }

    /// What ids, payloads and choices follow from; see [`Builder::seed`].
    pub fn seed(&self) -> u64 {
        self.world().seed
    }

    /// What an id of this fake stands for: `sync`, `record`, `credential`, `object`, `cursor`.
    pub(crate) fn what_is(&self, id: &str) -> Option<&'static str> {
        self.world().what_is(id)
    }

    /// What the virtual clock shows.
    pub fn now(&self) -> Moment {
        self.world().clock.now()
    }

    /// Runs and sends what is due now, until nothing is.
    pub async fn settle(&self) {
        self.advance(Duration::ZERO).await;
    }

    /// Moves the clock by `span`, through every moment at which something is due, in order.
    pub async fn advance(&self, span: Duration) {
        // Whoever has put another state in place has said where the clock is.
        let _ = self.driver.advance(span).await;
    }

    /// Moves the clock until every event is delivered, given up or dropped.
    pub async fn run_until_idle(&self) {
        let _ = self.driver.run_until_idle().await;
    }

    /// Lets time pass by itself, so many times as fast as real time, for as long as the future is polled: syncs run and
    /// webhooks are sent when they are due, as many at once as the policy allows. A slow receiver holds up no run.
    /// [`advance`](Self::advance) jumps ahead meanwhile. At speed 0 time stands still, and
    /// nothing happens until the clock is moved. One at a time.
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
    /// When the speed is no number from 0 on.
    #[track_caller]
    pub fn run(&self, speed: f64) -> impl Future<Output = Infallible> + Send + 'static {
        // Not inside the future, which knows no caller's line.
        let _ = Pace::new(START, speed);
        self.driver.clone().run(speed)
    }

    /// How many times as fast as real time its clock moves by itself; `None` when it is only moved.
    pub fn speed(&self) -> Option<f64> {
        self.driver.world.pace().map(|pace| pace.speed())
    }

    /// Opens another fake behind the same API: with a clock, a queue, a policy, faults, users and a timeline of its own,
    /// and nothing in it. Calls about its syncs, and calls of its users, are its own. It is this one's in everything
    /// else: project, policy, options, webhook, transport.
    #[cfg(feature = "check")]
    pub(crate) fn open_lane(&self, seed: u64) -> Self {
        let mut world = self.world().empty(seed);
        world.evidence = Some(super::evidence::Evidence::default());
        let world = Arc::new(Shared::new(world));
        self.lanes.open(world.clone());
        let driver = Arc::new(Driver::new(world, self.driver.transport(), self.driver.answer_within));
        Self { driver, server: self.server.clone(), lanes: self.lanes.clone(), admin: false }
    }

    /// Lets `pacer` wait before a receiver that refused events by itself gets the next one: it may hold back its calls by a
    /// clock of its own, which does not jump as the virtual clock does. The waits are 0.5, 1, 2 and 4 s in a row, and begin
    /// anew after an event that the receiver took or that was given up; 30 s in all.
    #[cfg(feature = "check")]
    pub(crate) fn pace_refusals(&self, pacer: super::driver::Pacer) {
        let _ = self.driver.pacer.set(pacer);
    }

    /// Returns how many attempts the receiver refused for now, although nothing had gone wrong with a call of it.
    #[cfg(feature = "check")]
    pub(crate) fn refusals(&self) -> u64 {
        self.world().evidence.as_ref().map_or(0, super::evidence::Evidence::refusals)
    }

    /// Returns whether events are still to be sent.
    #[cfg(feature = "check")]
    pub(crate) fn owes_events(&self) -> bool {
        self.world().queue.is_busy()
    }

    /// Closes a lane: the API does not know its syncs and users any more.
    #[cfg(feature = "check")]
    pub(crate) fn close_lane(&self) {
        self.lanes.close(&self.driver.world);
    }

    /// All syncs.
    #[cfg(feature = "check")]
    pub(crate) fn syncs(&self) -> Vec<super::handles::Sync> {
        let ids: Vec<SyncId> = self.world().engine.syncs().map(|sync| sync.id.clone()).collect();
        ids.into_iter().map(|id| super::handles::Sync { world: self.driver.world.clone(), id }).collect()
    }

    /// What the receiver has done so far.
    #[cfg(feature = "check")]
    pub(crate) fn activity(&self) -> Activity {
        self.world().activity()
    }

    /// What the receiver was told of the latest version of a record, or of its deletion. Known in lanes alone.
    #[cfg(feature = "check")]
    pub(crate) fn proof(&self, sync: &SyncId, record: &RecordId) -> Proof {
        self.world().proof(sync, record)
    }

    /// Counts from now on how often the receiver makes the same call. Known in lanes alone.
    #[cfg(feature = "check")]
    pub(crate) fn count_rounds_anew(&self) {
        if let Some(evidence) = &mut self.world().evidence {
            evidence.count_anew();
        }
    }

    fn world(&self) -> Guard<'_> {
        lock(&self.driver.world)
    }

    /// What has happened so far.
    pub fn timeline(&self) -> Timeline {
        self.world().timeline()
    }

    /// What has happened since a [mark](Self::timeline_mark).
    pub fn timeline_since(&self, mark: usize) -> Timeline {
        let world = self.world();
        Timeline::since(mark, world.start, &world.log)
    }

    /// Waits until something has happened after a [mark](Self::timeline_mark). What it is, and the mark after it.
    pub async fn timeline_after(&self, mark: usize) -> (Timeline, usize) {
        // The sender is our own: it cannot be gone.
        let _ = self.driver.world.told().wait_for(|end| *end > mark).await;
        let world = self.world();
        (Timeline::since(mark, world.start, &world.log), world.log.end())
    }

    /// What has become of a delivery: each attempt, the rule that decided, and what comes next. `None` when nothing is
    /// known of it.
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

    /// How much has happened so far.
    pub fn tally(&self) -> Tally {
        self.world().tally
    }

    /// Where the admin API is, if it is served; see [`Builder::admin`].
    pub fn admin_url(&self) -> Option<String> {
        self.admin.then(|| format!("{}{}", self.api_url(), super::admin::ROOT.trim_end_matches('/')))
    }

    /// How many calls of the Sync API were made under a token of this user, since a mark.
    pub fn count_calls(&self, user: &UserId, mark: usize) -> usize {
        let of_user = |entry: &Entry| matches!(entry.what, What::Call(_)) && entry.user.as_ref() == Some(user);
        self.world().log.since(mark).filter(|(_, entry)| of_user(entry)).count()
    }

    /// How many entries the timeline has had: the mark from which to [`skip`](Timeline::skip) later.
    pub fn timeline_mark(&self) -> usize {
        self.world().log.end()
    }
}
