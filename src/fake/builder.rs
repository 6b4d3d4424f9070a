use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::driver::{Driver, Hook};
use super::journal::Journal;
use super::lanes::Lanes;
use super::observe::{Exchange, Observers};
use super::options::Options;
use super::paragon::FakeParagon;
use super::project::{KeyError, Project};
use super::server::{self, Answer, Server};
use super::shared::Shared;
use super::state::State;
use super::token::Audience;
use crate::clock::Timestamp;
use crate::contract::{ProjectId, Revision};
#[cfg(feature = "tls")]
use crate::delivery::Trust;
use crate::delivery::{Change, Http, Policy, PolicyError, Queue, Signature};
use crate::scenario::Scenario;

/// Default initial time of the virtual clock: the beginning of 2026. It is fixed, so that equal seeds give equal bytes.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Error of starting a fake.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] StartErrorKind);

#[derive(Debug, thiserror::Error)]
enum StartErrorKind {
    #[error("signing key: {0}")]
    Key(#[source] KeyError),
    #[error(transparent)]
    Policy(PolicyError),
    #[error("cannot listen on {address}: {source}")]
    Port { address: SocketAddr, source: std::io::Error },
}

impl StartError {
    /// Returns whether the signing key is invalid.
    pub fn is_signing_key(&self) -> bool {
        matches!(self.0, StartErrorKind::Key(_))
    }

    /// Returns whether the policy is incomplete or inconsistent.
    pub fn is_policy(&self) -> bool {
        matches!(self.0, StartErrorKind::Policy(_))
    }

    /// Returns whether the port of the API cannot be opened.
    pub fn is_port(&self) -> bool {
        matches!(self.0, StartErrorKind::Port { .. })
    }
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
    headers: HeaderMap,
    hooks: Vec<Hook>,
    answer_within: Duration,
    start: Timestamp,
    timeline_limit: Option<usize>,
    admin: bool,
    transport: Http,
}

/// The output does not contain the signing key.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("Builder");
        builder.field("seed", &self.seed).field("project", &self.project).field("port", &self.port);
        builder.field("policy", &self.policy).finish_non_exhaustive()
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
        Builder::new()
    }
}

impl Builder {
    fn new() -> Self {
        Self {
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
            headers: HeaderMap::new(),
            hooks: Vec::new(),
            answer_within: Duration::from_secs(2),
            start: START,
            timeline_limit: None,
            admin: false,
            transport: Http::new(),
        }
    }

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

    /// Makes Get Synced Record answer with the record itself, as some clients expect. By default, the fake answers
    /// `{"data":…}`, as documented.
    pub fn bare_records(mut self) -> Self {
        self.options.bare_records = true;
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

    /// Adds these headers to each webhook request, beside those of the policy, for a receiver that demands a cookie, an
    /// API key or a shared secret. Paragon itself documents none. Default: none.
    pub fn headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// Sets which certificates are accepted from a receiver whose URL is https. Default: the certificates that the
    /// operating system trusts.
    #[cfg(feature = "tls")]
    pub fn trust(self, trust: Trust) -> Self {
        Self { transport: Http::trusting(trust), ..self }
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
    /// the admin API. By default, the admin API is not served. [`contract::ADMIN_API`](crate::contract::ADMIN_API) describes the admin API.
    pub fn admin(self) -> Self {
        Self { admin: true, ..self }
    }

    /// Starts the fake.
    ///
    /// # Errors
    ///
    /// Returns an error if the signing key is invalid, the policy is incomplete, or the port is in use.
    pub async fn start(self) -> Result<FakeParagon, StartError> {
        let id = self.project.unwrap_or_else(|| ProjectId::from_seed(self.seed));
        let project = Project::new(id, self.signing_key);
        let mut queue = Queue::new(self.policy, self.seed).map_err(StartErrorKind::Policy)?;
        queue.sign(self.signature);
        let state = State::new(project, queue, self.options, self.start, self.seed);
        let mut state = state.map_err(StartErrorKind::Key)?;
        state.simulation.engine.set_revision(self.revision);
        state.simulation.journal = Journal::limited(self.timeline_limit);
        let address = SocketAddr::new(self.host, self.port);
        let no_port = |source| StartErrorKind::Port { address, source };
        let listener = TcpListener::bind(address).map_err(no_port)?;
        let driver = Driver::new(Arc::new(Shared::new(state)), Arc::new(self.transport), self.answer_within);
        let driver = Arc::new(driver.with_hooks(self.hooks).with_headers(self.headers));
        let lanes = Lanes::new(driver.shared.clone());
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
