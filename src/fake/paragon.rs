use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::driver::Driver;
use super::entry::{EntryKind, Tally, TimelineEntry};
#[cfg(feature = "check")]
use super::evidence::{Activity, Proof};
use super::explain::explain;
use super::fault::ApiFault;
use super::faults::{ActiveApiFault, FaultId};
use super::handles::User;
use super::lanes::Lanes;
use super::project::Project;
use super::server::Running;
use super::shared::{Guard, Shared};
use super::timeline::Timeline;
use crate::clock::{Pace, Timestamp};
use crate::contract::{Event, Revision, UserId};
#[cfg(feature = "check")]
use crate::contract::{RecordId, SyncId};
use crate::delivery::{
    DeliveryFault, DeliveryFaultKind, DeliveryId, Outcome, Policy, PolicyError, Transport, WebhookState,
};

/// A running fake of Paragon's Managed Sync. The fake owns its server and its clock; dropping the fake stops
/// everything.
///
/// Time stands still until [`settle`](Self::settle), [`advance`](Self::advance) or
/// [`run_until_idle`](Self::run_until_idle) is awaited: syncs run and webhooks are sent only there. Under
/// [`run`](Self::run), time passes by itself instead.
pub struct FakeParagon {
    pub(super) driver: Arc<Driver>,
    pub(super) server: Arc<Running>,
    #[cfg_attr(not(feature = "check"), expect(dead_code, reason = "lanes are for the suite"))]
    pub(super) lanes: Lanes,
    pub(super) admin: bool,
}

impl fmt::Debug for FakeParagon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeParagon").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}

/// # Addresses and settings
impl FakeParagon {
    /// Returns the base URL of the Sync API, without a slash at the end and without `/api`.
    pub fn api_url(&self) -> String {
        self.server.url()
    }

    /// Returns the URL of the admin API, if the admin API is served; see [`Builder::admin`](super::Builder::admin).
    pub fn admin_url(&self) -> Option<String> {
        self.admin.then(|| format!("{}{}", self.api_url(), super::admin::ROOT.trim_end_matches('/')))
    }

    /// Returns the project, which contains what the receiver needs to mint user tokens.
    pub fn project(&self) -> Project {
        self.state().project.clone()
    }

    /// Returns the seed, from which ids, payloads and choices follow; see [`Builder::seed`](super::Builder::seed).
    pub fn seed(&self) -> u64 {
        self.state().seed
    }

    /// Returns the initial time of the virtual clock.
    pub fn started_at(&self) -> Timestamp {
        self.state().simulation.start
    }

    /// Returns how long a receiver has to answer, in real time; see [`Builder::answer_within`](super::Builder::answer_within).
    pub fn answers_within(&self) -> Duration {
        self.driver.answer_within
    }

    /// Returns the revision of the contract that syncs get when they are enabled now.
    pub fn revision(&self) -> Revision {
        self.state().simulation.engine.revision()
    }

    /// Sets the revision of the contract for syncs that are enabled from now on.
    pub fn set_revision(&self, revision: Revision) {
        self.state().simulation.engine.set_revision(revision);
    }

    /// Sets the maximum number of records on a page from now on, and returns the previous maximum. See
    /// [`Builder::page_size_cap`](super::Builder::page_size_cap).
    pub fn limit_pages(&self, records: usize) -> usize {
        std::mem::replace(&mut self.state().api.options.page_size_cap, records.max(1))
    }

    /// Sets how long each run takes from now on. During a run the sync is `ACTIVE`. At first runs take no time.
    pub fn set_run_duration(&self, span: Duration) {
        self.state().simulation.engine.set_runs_take(span);
    }
}

/// # Users and events
impl FakeParagon {
    /// Returns the Connected User with this id, who may be known or new.
    pub fn user(&self, id: impl Into<UserId>) -> User {
        User { shared: self.driver.shared.clone(), id: id.into() }
    }

    /// Queues an event that no change has caused. The next [`settle`](Self::settle) sends the event. Returns false if
    /// the event is not queued: the webhook is unset or disabled, or a delivery fault loses the event.
    pub fn send(&self, event: &Event) -> bool {
        self.state().simulation.send_by_hand(event)
    }

    /// POSTs a body to a URL, at once and only once. The request bypasses the queue and the timeline; it is for bodies
    /// that are not events. The request has what the first attempt of an event has under the policy: the headers, the
    /// signature of the body, the redirects and the timeouts. The timeouts are limited to [`Builder::answer_within`](super::Builder::answer_within).
    pub async fn post_raw(&self, url: &Url, body: &[u8]) -> Outcome {
        let request = {
            let mut state = self.state();
            let now = state.simulation.now();
            state.simulation.queue.raw_request(url.clone(), body, now)
        };
        self.driver.transport().send(&self.driver.complete(request)).await
    }

    /// Mounts a mock on the server of the API. A mock takes precedence over the fake's own responses.
    ///
    /// # Panics
    ///
    /// Panics if the API is not served by wiremock; see [`Builder::server`](super::Builder::server).
    #[track_caller]
    pub fn mount(&self, mock: wiremock::Mock) -> impl Future<Output = ()> + Send {
        // This panics here and not inside the future, because only here the panic names the caller's line.
        let Some(server) = self.server.wiremock() else {
            panic!("a mock needs a wiremock server: start the fake without `.server(Server::Hyper)`")
        };
        mock.mount(server)
    }
}

/// # Time
impl FakeParagon {
    /// Returns the current time of the virtual clock.
    pub fn now(&self) -> Timestamp {
        self.state().simulation.clock.now()
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
    /// let ran = || async { sync.event_log().iter().any(|logged| logged.entry.sync_event == "INCREMENTAL_SYNC_COMPLETED").then_some(()) };
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
        let _ = Pace::new(Timestamp::from_millis(0), speed);
        self.driver.clone().run(speed)
    }

    /// Returns the speed at which the clock moves by itself, as a multiple of real time; `None` if only the methods of
    /// the fake move the clock.
    pub fn speed(&self) -> Option<f64> {
        self.driver.shared.pace().map(|pace| pace.speed())
    }
}

/// # The webhook and its policy
impl FakeParagon {
    /// Sets the URL that events are sent to, and enables the webhook. If the policy verifies new URLs, the webhook is
    /// enabled after the URL has answered a probe.
    pub async fn set_webhook(&self, url: Url) {
        let _turn = self.driver.turn().await;
        self.state().simulation.set_webhook(url);
        self.driver.tell();
    }

    /// Enables the webhook again after it was disabled. Missed events are not sent later (`webhook.missed`, assumed).
    pub fn enable_webhook(&self) {
        self.state().simulation.enable_webhook();
        self.driver.tell();
    }

    /// Disables the webhook by hand. Pending deliveries are dropped, unless the policy holds them (`while_off`).
    pub fn disable_webhook(&self) {
        self.state().simulation.disable_webhook();
        self.driver.tell();
    }

    /// Returns the state of the webhook, which says whether events are delivered.
    pub fn webhook(&self) -> WebhookState {
        self.state().simulation.queue.state()
    }

    /// Sends webhooks through `transport` instead of the network ([`Http`](crate::delivery::Http)), from the next webhook on. With the feature
    /// `tower`, the transport `InProcess` calls a receiver in the test's own process.
    pub fn set_transport(&self, transport: impl Transport + 'static) {
        self.driver.set_transport(Arc::new(transport));
    }

    /// Returns the policy by which webhooks are delivered.
    pub fn policy(&self) -> Policy {
        self.state().simulation.queue.policy().clone()
    }

    /// Replaces the policy. Pending deliveries are dropped, and the webhook has to be [set](Self::set_webhook) again.
    ///
    /// # Errors
    ///
    /// Returns an error if the policy has open cells or is inconsistent. Nothing has changed then.
    pub fn set_policy(&self, policy: Policy) -> Result<(), PolicyError> {
        self.state().simulation.set_policy(policy)?;
        self.driver.tell();
        Ok(())
    }
}

/// # Faults
impl FakeParagon {
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
        self.state().api.faults.add(fault.into())
    }

    /// Ends a fault of the API. Returns false if there is no fault with this id any more.
    pub fn end_api_fault(&self, fault: FaultId) -> bool {
        self.state().api.faults.remove(fault).is_some()
    }

    /// Returns all faults of the API, each with the number of calls that it has struck. Faults that have ended are
    /// included.
    pub fn api_faults(&self) -> Vec<ActiveApiFault> {
        let active =
            |(id, fault, struck): (FaultId, &ApiFault, u64)| ActiveApiFault { id, fault: fault.clone(), struck };
        self.state().api.faults.list().map(active).collect()
    }

    /// Ends all faults of the API.
    pub fn end_api_faults(&self) {
        self.state().api.end_faults();
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
        self.state().simulation.queue.begin(fault.into());
    }

    /// Ends all delivery faults of this kind.
    pub fn end_delivery_fault(&self, kind: DeliveryFaultKind) {
        self.state().simulation.queue.end(kind);
    }

    /// Ends all faults of the API and of deliveries. Faults of a provider are ended by
    /// [`Connection::end_provider_faults`](super::Connection::end_provider_faults).
    pub fn clear_faults(&self) {
        let mut state = self.state();
        state.api.end_faults();
        state.simulation.queue.end_all();
    }
}

/// # What has happened
impl FakeParagon {
    /// Returns what has happened so far.
    pub fn timeline(&self) -> Timeline {
        self.state().simulation.timeline()
    }

    /// Returns what has happened since a [mark](Self::timeline_mark).
    pub fn timeline_since(&self, mark: usize) -> Timeline {
        let state = self.state();
        Timeline::since(mark, state.simulation.start, &state.simulation.journal.log)
    }

    /// Waits until something has happened after a [mark](Self::timeline_mark), and returns the new entries. The mark
    /// after them is their [`end`](Timeline::end).
    pub async fn timeline_after(&self, mark: usize) -> Timeline {
        // The sender lives as long as this fake, so the channel cannot be closed.
        let _ = self.driver.shared.told().wait_for(|end| *end > mark).await;
        let state = self.state();
        Timeline::since(mark, state.simulation.start, &state.simulation.journal.log)
    }

    /// Returns the mark of the present: the number of entries that the timeline has had. [`skip`](Timeline::skip) can
    /// later leave out the entries before the mark.
    pub fn timeline_mark(&self) -> usize {
        self.state().simulation.journal.log.end()
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
    /// let delivery = paragon.timeline().attempts().next().unwrap().record.delivery;
    /// let text = paragon.explain(delivery).unwrap();
    /// assert!(text.contains("attempt 1 -> connection refused: again at +00:00:10, by backoff: "), "{text}");
    /// # Ok(()) }
    /// ```
    pub fn explain(&self, delivery: DeliveryId) -> Option<String> {
        explain(&self.state().simulation, delivery)
    }

    /// Returns the counters of what has happened so far.
    pub fn tally(&self) -> Tally {
        self.state().simulation.journal.tally
    }

    /// Returns the number of calls of the Sync API that were made with a token of this user since a
    /// [mark](Self::timeline_mark).
    pub fn count_calls(&self, user: &UserId, mark: usize) -> usize {
        let of_user =
            |entry: &TimelineEntry| matches!(entry.what, EntryKind::Call(_)) && entry.user.as_ref() == Some(user);
        self.state().simulation.journal.log.since(mark).filter(|(_, entry)| of_user(entry)).count()
    }
}

impl FakeParagon {
    /// Returns the kind of thing that an id of this fake identifies: `sync`, `record`, `credential`, `object` or
    /// `cursor`.
    pub(crate) fn what_is(&self, id: &str) -> Option<&'static str> {
        self.state().simulation.kind_of(id)
    }

    /// Opens a lane: another fake behind the same API, which is empty. The lane has its own clock, queue, policy,
    /// faults, users and timeline. Calls about its syncs and calls of its users go to the lane. The lane starts with
    /// the project, policy, options, webhook and transport of this fake.
    #[cfg(feature = "check")]
    pub(crate) fn open_lane(&self, seed: u64) -> Self {
        let mut state = self.state().empty(seed);
        state.api.reads.evidence = Some(super::evidence::Evidence::default());
        let shared = Arc::new(Shared::new(state));
        self.lanes.open(shared.clone());
        let driver = Arc::new(self.driver.of_lane(shared));
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
        self.state().api.reads.evidence.as_ref().map_or(0, super::evidence::Evidence::refusals)
    }

    /// Returns whether events are still to be sent.
    #[cfg(feature = "check")]
    pub(crate) fn owes_events(&self) -> bool {
        self.state().simulation.queue.is_busy()
    }

    /// Closes a lane: the API no longer knows its syncs and users.
    #[cfg(feature = "check")]
    pub(crate) fn close_lane(&self) {
        self.lanes.close(&self.driver.shared);
    }

    /// Returns all syncs.
    #[cfg(feature = "check")]
    pub(crate) fn syncs(&self) -> Vec<super::handles::SyncHandle> {
        let ids: Vec<SyncId> = self.state().simulation.engine.syncs().map(|sync| sync.id.clone()).collect();
        ids.into_iter().map(|id| super::handles::SyncHandle { shared: self.driver.shared.clone(), id }).collect()
    }

    /// Returns what the receiver has done so far.
    #[cfg(feature = "check")]
    pub(crate) fn activity(&self) -> Activity {
        self.state().activity()
    }

    /// Returns whether the receiver was told the latest version of a record, or its deletion. This is known only in
    /// lanes.
    #[cfg(feature = "check")]
    pub(crate) fn proof(&self, sync: &SyncId, record: &RecordId) -> Proof {
        self.state().proof(sync, record)
    }

    /// Resets the count of how many times the receiver makes the same call. This is counted only in lanes.
    #[cfg(feature = "check")]
    pub(crate) fn count_rounds_anew(&self) {
        if let Some(evidence) = &mut self.state().api.reads.evidence {
            evidence.count_anew();
        }
    }

    fn state(&self) -> Guard<'_> {
        self.driver.shared.lock()
    }
}
