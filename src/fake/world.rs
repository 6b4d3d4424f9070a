use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::endpoint::Endpoint;
#[cfg(feature = "check")]
use super::evidence::{Activity, Proof};
use super::evidence::{Evidence, LastCall};
use super::faults::{Decision, Faults};
use super::log::Log;
use super::project::{KeyError, Project};
use super::served::Served;
use super::timeline::{EntryKind, Tally, Timeline, TimelineEntry};
use super::token::{Audience, Verifier};
use crate::clock::{Clock, Timestamp};
use crate::contract::{
    ConfigurationProblem, CredentialId, Event, ExternalId, Frequency, Object, Pipeline, RecordId, Revision, SyncId,
    UserId, integration,
};
use crate::delivery::{
    Attempt, Change, Completed, DeliveryId, Enqueued, Outcome, Policy, PolicyError, Polled, Purpose, Queue,
    Transmission,
};
use crate::source::{Account, Collection, ProviderFaultKind};
use crate::sync::{EnableError, EnableRequest, Engine, Found, Run};

/// Whole state of a fake. It does no I/O.
pub(super) struct World {
    pub(super) project: Project,
    /// Seed from which the contents and the choice of the calls that a fault strikes follow.
    pub(super) seed: u64,
    pub(super) verifier: Verifier,
    pub(super) clock: Clock,
    pub(super) accounts: BTreeMap<CredentialId, Account>,
    /// Accounts in the order in which they were connected: the oldest one is a user's default.
    pub(super) connected: Vec<CredentialId>,
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) options: Options,
    pub(super) faults: Faults,
    /// Faults that strike the current call of the API. Between calls, these are the faults of the last call.
    pub(super) strike: Decision,
    /// Time of the last change of a record, and number of reads since then, by sync and by the record's key. The end of
    /// the feed has the key `u64::MAX`.
    pub(super) stale_reads: BTreeMap<SyncId, BTreeMap<u64, (Timestamp, u64)>>,
    /// Versions of records that were served.
    pub(super) served: Served,
    /// Record of which call served what. It is kept only in lanes, because it grows with what is served.
    pub(super) evidence: Option<Evidence>,
    /// Number of calls that count as work, and not as one more round of a loop that finds nothing new.
    pub(super) work: u64,
    pub(super) last_call: LastCall,
    pub(super) log: Log,
    pub(super) tally: Tally,
    /// Generation counter, increased by every reset or import. Attempts of an older generation have no effect.
    pub(super) generation: u64,
    pub(super) start: Timestamp,
    /// Changes of the webhook's state that the hooks have not been called with yet.
    pub(super) news: Vec<Change>,
    pub(super) in_delivery: BTreeMap<DeliveryId, Vec<Delivered>>,
}

/// Settings for what the documentation of the API leaves open.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Options {
    /// Page size if the request names none (`api.page-size`, assumed).
    pub(super) page_size: usize,
    /// Maximum page size, whatever the request asks for (`api.page-size`, assumed).
    pub(super) page_size_cap: usize,
    /// How long a cursor is valid; `None` means for ever (assumed).
    pub(super) cursor_lifetime: Option<Duration>,
    /// Audiences that a token may name.
    pub(super) audience: Audience,
    /// True if a single record is served without `data` around it (`api.record-form`).
    pub(super) bare_records: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: 100,
            page_size_cap: 1_000,
            cursor_lifetime: None,
            audience: Audience::default(),
            bare_records: false,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivered {
    event: String,
    about: Option<String>,
    user: Option<UserId>,
    sync: Option<SyncId>,
}

impl Delivered {
    /// Summarizes several events that are sent in one request: the first event, and the number of the others.
    fn together(events: &[Self]) -> Self {
        match events {
            [] => Self { event: "nothing".to_owned(), about: None, user: None, sync: None },
            [one] => one.clone(),
            [first, more @ ..] => {
                Self { event: format!("{} and {} more", first.event, more.len()), about: None, ..first.clone() }
            }
        }
    }
}

impl World {
    pub(super) fn new(
        project: Project,
        mut queue: Queue,
        options: Options,
        start: Timestamp,
    ) -> Result<Self, KeyError> {
        queue.probes_with(br#"{"event":"webhook_verification"}"#);
        Ok(Self {
            seed: 0,
            verifier: Verifier::new(project.verifying_key()?, project.id.clone(), options.audience),
            engine: Engine::new(project.id.clone()),
            project,
            clock: Clock::starting_at(start),
            accounts: BTreeMap::new(),
            connected: Vec::new(),
            queue,
            options,
            faults: Faults::new(0),
            strike: Decision::default(),
            stale_reads: BTreeMap::new(),
            served: Served::default(),
            evidence: None,
            work: 0,
            last_call: LastCall::default(),
            start,
            log: Log::default(),
            tally: Tally::default(),
            generation: 0,
            news: Vec::new(),
            in_delivery: BTreeMap::new(),
        })
    }

    /// Replaces this world by an empty one with this seed, as at the start, and returns the old world. The project, the
    /// policy, the options and the webhook's URL stay, and the numbers of the log continue.
    pub(super) fn replace(&mut self, seed: u64) -> Box<Self> {
        let (log, tally, generation) = (self.log.next(), self.tally, self.generation + 1);
        let empty = Self { log, tally, generation, ..self.empty(seed) };
        Box::new(std::mem::replace(self, empty))
    }

    /// Returns an empty world with this seed, as at the start. It has the project, the policy, the options and the
    /// webhook's URL of this world.
    pub(super) fn empty(&self, seed: u64) -> Self {
        let mut engine = Engine::new(self.project.id.clone());
        engine.set_revision(self.engine.revision());
        Self {
            seed,
            verifier: self.verifier.fresh(),
            engine,
            project: self.project.clone(),
            clock: Clock::starting_at(self.start),
            accounts: BTreeMap::new(),
            connected: Vec::new(),
            queue: self.queue.fresh(seed, self.start),
            options: self.options.clone(),
            faults: Faults::new(seed),
            strike: Decision::default(),
            stale_reads: BTreeMap::new(),
            served: Served::default(),
            evidence: self.evidence.is_some().then(Evidence::default),
            work: 0,
            last_call: LastCall::default(),
            log: self.log.empty(),
            tally: Tally::default(),
            generation: 0,
            start: self.start,
            news: Vec::new(),
            in_delivery: BTreeMap::new(),
        }
    }

    /// Makes the verifier of tokens use the audience in the current options.
    pub(super) fn judge_audience(&mut self) {
        self.verifier.set_audience(self.options.audience);
    }

    pub(super) fn timeline(&self) -> Timeline {
        Timeline::new(self.start, &self.log)
    }

    pub(super) fn note(&mut self, user: Option<UserId>, sync: Option<SyncId>, what: EntryKind) {
        self.tally.count(&what);
        self.log.push(TimelineEntry { at: self.clock.now(), user, sync, what });
    }

    /// Returns the account with this name of a user in an integration. Creates the account if it does not exist.
    pub(super) fn connect(&mut self, user: &UserId, integration: &str, name: &str) -> CredentialId {
        let account = Account::new(&self.project.id, user, integration, name);
        let credential = account.credential().clone();
        if !self.accounts.contains_key(&credential) {
            self.connected.push(credential.clone());
            self.accounts.insert(credential.clone(), account);
        }
        credential
    }

    /// Returns the account that a handle refers to.
    pub(super) fn account(&mut self, credential: &CredentialId) -> &mut Account {
        self.accounts.get_mut(credential).unwrap_or_else(|| unreachable!("handles are of accounts"))
    }

    /// Returns the default account of a user in an integration, for requests that name no account. This is the oldest
    /// account whose access is not revoked, or else the oldest one.
    pub(super) fn default_account(&self, user: &UserId, integration: &str) -> Option<&Account> {
        let accounts = self.connected.iter().filter_map(|credential| self.accounts.get(credential));
        let mut of_user = accounts.filter(|account| account.user() == user && account.integration() == integration);
        let first = of_user.clone().next();
        of_user.find(|account| !account.is_revoked()).or(first)
    }

    /// Enables a sync of an account.
    pub(super) fn enable(
        &mut self,
        credential: &CredentialId,
        pipeline: &str,
        configuration_name: &str,
        configuration: Map<String, Value>,
        frequency: Option<Frequency>,
    ) -> Result<SyncId, EnableError> {
        let names = Pipeline::ALL.map(Pipeline::name).join(", ");
        let unknown = || EnableError::Pipeline(format!("pipeline must be one of: {names}"));
        let pipeline = Pipeline::from_name(pipeline).ok_or_else(unknown)?;
        let account = self.accounts.get(credential).unwrap_or_else(|| unreachable!("credentials are of accounts"));
        // An integration that the ledger does not know can still be enabled, because the ledger's list is not Paragon's
        // list.
        if let Ok(known) = integration(account.integration()) {
            let told = |problems: Vec<ConfigurationProblem>| {
                EnableError::Configuration(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            };
            known.check(pipeline, &configuration).map_err(told)?;
        }
        let wanted = EnableRequest { account, pipeline, configuration_name, configuration, frequency };
        let sync = self.engine.enable(wanted, self.clock.now())?;
        Ok(sync.id.clone())
    }

    /// Deletes a sync. Returns true if there was one.
    pub(super) fn delete_sync(&mut self, id: &SyncId) -> bool {
        self.served.forget(id);
        self.stale_reads.remove(id);
        self.engine.delete(id).is_some()
    }

    /// Puts an object into an account.
    pub(super) fn create(&mut self, credential: &CredentialId, object: Object) -> ExternalId {
        let (now, name) = (self.clock.now(), object.title().to_owned());
        let id = self.account(credential).create(object, now);
        self.changed(credential, "created", name);
        id
    }

    /// Changes an object. Returns false if the account has no such live object.
    pub(super) fn update(
        &mut self,
        credential: &CredentialId,
        id: &ExternalId,
        change: impl FnOnce(&mut Object),
    ) -> bool {
        let now = self.clock.now();
        let change = |collection: &mut Collection, id: &ExternalId| {
            collection.update(id, change, now).then(|| collection.get(id)).flatten()
        };
        self.touch(credential, "updated", id, change)
    }

    /// Applies another change to an object. Returns false if the account has no such live object.
    pub(super) fn touch(
        &mut self,
        credential: &CredentialId,
        verb: &'static str,
        id: &ExternalId,
        change: impl FnOnce(&mut Collection, &ExternalId) -> Option<Object>,
    ) -> bool {
        let now = self.clock.now();
        let object = self.account(credential).change(id, now, change);
        let found = object.is_some();
        if let Some(object) = object {
            self.changed(credential, verb, object.title().to_owned());
        }
        found
    }

    fn changed(&mut self, credential: &CredentialId, verb: &'static str, name: String) {
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::Changed { verb, name });
    }

    /// Makes a trouble disturb the runs of an account's syncs.
    pub(super) fn trouble(&mut self, credential: &CredentialId, trouble: ProviderFaultKind, runs: Option<u32>) {
        self.account(credential).trouble(trouble, runs);
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::ProviderFault(Some(trouble)));
    }

    /// Ends all troubles of an account.
    pub(super) fn mend(&mut self, credential: &CredentialId) {
        self.account(credential).mend();
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::ProviderFault(None));
    }

    /// Hands an event that no run found to the delivery queue. Returns true if the event is sent.
    pub(super) fn send_by_hand(&mut self, event: &Event) -> bool {
        self.send(event, self.name_of(event))
    }

    fn send(&mut self, event: &Event, about: Option<String>) -> bool {
        let envelope = event.envelope();
        let delivered = Delivered {
            event: event.name().to_owned(),
            about,
            user: envelope.map(|envelope| envelope.user.id.clone()),
            sync: envelope.map(|envelope| envelope.sync_instance_id.clone()),
        };
        let body = self.revision_of(event).print_event(event);
        let Enqueued { deliveries, lost, .. } = self.queue.enqueue(body.as_bytes(), self.clock.now());
        let sent = !deliveries.is_empty();
        for id in &deliveries {
            self.in_delivery.entry(*id).or_default().push(delivered.clone());
        }
        self.note_changes();
        let Delivered { event, about, user, sync } = delivered;
        self.note(user, sync, EntryKind::Queued { event, about, deliveries, lost });
        sent
    }

    /// Returns the revision of the event's sync. An event of an unknown sync gets the newest revision.
    fn revision_of(&self, event: &Event) -> Revision {
        let sync = event.envelope().and_then(|envelope| self.engine.get(&envelope.sync_instance_id));
        sync.map_or_else(Revision::default, |sync| sync.revision)
    }

    fn name_of(&self, event: &Event) -> Option<String> {
        let sync = self.engine.get(&event.envelope()?.sync_instance_id)?;
        let key = sync.feed.key_of(event.record_id()?)?;
        let (credential, number) = sync.origin(key)?;
        Some(self.accounts.get(credential)?.collection(sync.pipeline)?.title(number))
    }

    /// Moves the clock to `now`, but not past the next due run or attempt, so that none is skipped.
    pub(super) fn pass_until(&mut self, now: Timestamp) {
        let until = self.next_due().map_or(now, |due| due.min(now));
        self.clock.advance_to(until);
    }

    /// Returns the time of the next due run or attempt.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.engine.next_due().into_iter().chain(self.queue.next_due()).min()
    }

    /// Moves the clock to the next run or attempt that is due by `until`, makes the runs, and returns the attempts to
    /// send. Returns `None` if nothing is due by then.
    pub(super) fn step(&mut self, until: Timestamp) -> Option<Vec<Attempt>> {
        let due = self.next_due().filter(|due| *due <= until)?;
        self.clock.advance_to(due);
        self.run_due();
        if let Some(evidence) = &mut self.evidence {
            evidence.note_sending();
        }
        Some(self.poll())
    }

    /// Makes the runs that are due now.
    pub(super) fn run_due(&mut self) {
        let now = self.clock.now();
        while let Some(Run { sync, user, kind, trouble, events }) = self.engine.run_due(&mut self.accounts, now) {
            if !events.is_empty() || trouble.is_some() {
                self.note(Some(user), Some(sync), EntryKind::Ran { kind, trouble, events: events.len() });
            }
            for Found { event, name } in events {
                self.send(&event, name);
            }
        }
    }

    /// Returns the attempts to send now.
    pub(super) fn poll(&mut self) -> Vec<Attempt> {
        let Polled { mut attempts, expired, .. } = self.queue.poll(self.clock.now());
        self.note_changes();
        self.drop_deliveries(expired, "ttl");
        for attempt in attempts.iter_mut().filter(|attempt| attempt.rebuild) {
            if let Some(body) = self.rebuilt(&attempt.body) {
                attempt.body = body.into();
            }
        }
        attempts
    }

    /// Returns the body of an event as it would be written now; `None` if the body is no event of a sync of this fake.
    fn rebuilt(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut event = Event::from_value(serde_json::from_slice(body).ok()?).ok()?;
        let sync = self.engine.get(&event.envelope()?.sync_instance_id)?;
        if let Event::SyncComplete(complete) = &mut event {
            complete.data.num_records = sync.feed.active() as u64;
        }
        Some(sync.revision.print_event(&event).into_bytes())
    }

    /// Records the outcome of an attempt. Ignores an attempt of another generation (`generation`).
    pub(super) fn complete(&mut self, attempt: Attempt, result: Transmission, generation: u64) {
        if generation != self.generation {
            return;
        }
        let Completed { record, dropped, .. } = self.queue.complete(attempt, result, self.clock.now());
        let finished = !matches!(record.decision, crate::delivery::Decision::RetryAt(_));
        if let (Some(evidence), Outcome::Answered(answer)) = (&mut self.evidence, &record.outcome) {
            evidence.note_answer(answer.status, !finished);
        }
        let told = match record.purpose {
            Purpose::Event => self.in_delivery.get(&record.delivery).map(|events| Delivered::together(events)),
            _ => Some(Delivered { event: "webhook_verification".to_owned(), about: None, user: None, sync: None }),
        };
        if finished {
            self.in_delivery.remove(&record.delivery);
        }
        if let Some(Delivered { event, about, user, sync }) = told {
            self.note(user, sync, EntryKind::Attempt { event, about, record: Box::new(record) });
        }
        self.note_changes();
        self.drop_deliveries(dropped, "while_off");
    }

    /// Records the changes of the webhook's state in the log, and keeps them for the hooks.
    fn note_changes(&mut self) {
        for change in self.queue.take_changes() {
            self.note(None, None, EntryKind::Webhook(change.text.clone()));
            self.news.push(change);
        }
    }

    /// Sets the URL that events are sent to, and enables the webhook.
    pub(super) fn set_webhook(&mut self, url: Url) {
        self.queue.register(url, self.clock.now());
        self.note_changes();
    }

    /// Replaces the policy. The webhook has to be set again.
    pub(super) fn set_policy(&mut self, policy: Policy) -> Result<(), PolicyError> {
        let dropped = self.queue.set_policy(policy)?;
        self.note_changes();
        self.drop_deliveries(dropped, "while_off");
        Ok(())
    }

    /// Enables the webhook by hand.
    pub(super) fn enable_webhook(&mut self) {
        self.queue.enable("enabled by hand");
        self.note_changes();
    }

    /// Ends all faults of the API.
    pub(super) fn end_faults(&mut self) {
        self.faults.clear();
        self.stale_reads.clear();
    }

    /// Disables the webhook by hand.
    pub(super) fn disable_webhook(&mut self) {
        let dropped = self.queue.disable("disabled by hand");
        self.note_changes();
        self.drop_deliveries(dropped, "while_off");
    }

    fn drop_deliveries(&mut self, dropped: Vec<DeliveryId>, rule: &'static str) {
        for delivery in dropped {
            for Delivered { event, about, user, sync } in self.in_delivery.remove(&delivery).unwrap_or_default() {
                self.note(user, sync, EntryKind::Dropped { event, about, delivery, rule });
            }
        }
    }

    /// Returns the ids of the live records of a sync that were not served since their last change. The flag is true if
    /// an older version of the record was served.
    pub(super) fn unfetched(&self, sync: &SyncId) -> Vec<(RecordId, bool)> {
        let Some(feed) = self.engine.get(sync).map(|sync| &sync.feed) else { return Vec::new() };
        let was_served = |version| self.served.has(sync, version);
        let older =
            |version| std::iter::successors(feed.version_before(version), |version| feed.version_before(*version));
        let unfetched = feed.live_keys().filter(|(_, version)| !was_served(*version));
        unfetched.map(|(key, version)| (feed.id_of(key), older(version).any(was_served))).collect()
    }

    /// Returns whether the receiver was told the latest version of a record, or its deletion.
    #[cfg(feature = "check")]
    pub(super) fn proof(&self, sync: &SyncId, record: &RecordId) -> Proof {
        let told = || {
            let (feed, evidence) = (&self.engine.get(sync)?.feed, self.evidence.as_ref()?);
            let key = feed.key_of(record)?;
            let (version, live) = feed.latest(key)?;
            let call = evidence.told(sync, version).or_else(|| evidence.gone(sync, key).filter(|_| !live))?;
            let call = self.log.since(call).next().and_then(|(_, entry)| match &entry.what {
                EntryKind::Call(call) => Some(format!("{} {}", call.method, call.path)),
                _ => None,
            });
            Some(call.unwrap_or_else(|| "a call that the timeline has dropped".to_owned()))
        };
        told().map_or(Proof::NeverTold, Proof::Told)
    }

    /// Notes the outcome of a call, and whether the call counts as work.
    pub(super) fn note_activity(&mut self, target: &str, status: StatusCode) {
        // Maximum number of equal calls that count as work. A receiver may fetch a record for each of many events in
        // its queue, but only a loop pulls the same page many times.
        const ROUNDS: u64 = 2;
        const EVENTS: u64 = 60;
        self.last_call = self.strike.leaves(status);
        if let Some(evidence) = &mut self.evidence {
            if !self.strike.struck.is_empty() || status != 200 {
                evidence.note_troubled_call();
            }
            let times = evidence.note_call(target);
            let is_pull = self.strike.endpoint == Some(Endpoint::PullRecords);
            self.work += u64::from(times <= if is_pull { ROUNDS } else { EVENTS });
        }
    }

    /// Returns what the receiver has done so far.
    #[cfg(feature = "check")]
    pub(super) fn activity(&self) -> Activity {
        let (news, rounds) = self.evidence.as_ref().map_or((0, 0), |evidence| (evidence.news(), evidence.rounds()));
        let Tally { attempts, calls, .. } = self.tally;
        let has_answered = self.evidence.as_ref().is_some_and(|evidence| evidence.has_answered);
        Activity { attempts, calls, work: self.work, rounds, news, last: self.last_call, has_answered }
    }

    /// Returns the kind of thing that an id identifies.
    pub(super) fn what_is(&self, id: &str) -> Option<&'static str> {
        let (record, object) = (RecordId::from(id), ExternalId::from(id));
        if self.engine.get(id).is_some() {
            Some("sync")
        } else if self.accounts.keys().any(|credential| credential.as_str() == id) {
            Some("credential")
        } else if self.engine.syncs().any(|sync| sync.feed.key_of(&record).is_some()) {
            Some("record")
        } else if self.accounts.values().any(|account| account.collection_of(&object).is_some()) {
            Some("object")
        } else {
            let given_out = self.engine.syncs().any(|sync| sync.feed.cursor_seen_at(id).is_ok());
            given_out.then_some("cursor")
        }
    }

    /// Returns the records that a receiver of this sync should hold.
    pub(super) fn records(&self, sync: &SyncId) -> Vec<Value> {
        let live = self.engine.get(sync).into_iter().flat_map(|sync| sync.feed.live());
        live.filter_map(|entry| serde_json::from_str(&entry.json).ok()).collect()
    }
}
