use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::accounts::Accounts;
use super::entry::EntryKind;
use super::journal::Journal;
use super::timeline::Timeline;
use crate::clock::{Clock, Timestamp};
use crate::contract::{
    self, CredentialId, Event, ExternalId, Frequency, Object, Pipeline, ProjectId, RecordId, Revision, SyncId, UserId,
};
use crate::delivery::{
    Attempt, Completed, Decision, DeliveryId, Enqueued, Outcome, Policy, PolicyError, Polled, Purpose, Queue,
    Transmission,
};
use crate::source::{Account, Collection, ProviderFault};
use crate::sync::{EnableError, EnableRequest, Engine, Found, Run};

/// The simulated integration and what follows from it: time, the users' accounts, the syncs that read the accounts, and
/// the webhooks that the syncs cause.
pub(super) struct Simulation {
    /// Initial time of the clock.
    pub(super) start: Timestamp,
    pub(super) clock: Clock,
    pub(super) accounts: Accounts,
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) in_delivery: InDelivery,
    pub(super) journal: Journal,
}

/// Events of the deliveries that are not finished. A delivery has several events if the policy batches events.
pub(super) type InDelivery = BTreeMap<DeliveryId, Vec<Delivered>>;

/// What the timeline says about an event that is delivered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivered {
    event: String,
    about: Option<String>,
    user: Option<UserId>,
    sync: Option<SyncId>,
}

/// Answer of a receiver to an attempt.
#[derive(Clone, Copy)]
pub(super) struct ReceiverAnswer {
    pub(super) status: u16,
    /// Whether the event is sent again.
    pub(super) is_retried: bool,
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

/// Checks that an integration has a pipeline, and accepts a configuration. Accepts everything of an integration that the
/// ledger does not know, because the ledger's list is not Paragon's list.
pub(super) fn check_configuration(
    integration: &str,
    pipeline: Pipeline,
    configuration: &Map<String, Value>,
) -> Result<(), EnableError> {
    let Ok(known) = contract::integration(integration) else { return Ok(()) };
    known.check(pipeline, configuration).map_err(|problems| {
        EnableError::unsupported(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

impl Simulation {
    pub(super) fn new(project: ProjectId, mut queue: Queue, start: Timestamp) -> Self {
        queue.probes_with(br#"{"event":"webhook_verification"}"#);
        Self {
            start,
            clock: Clock::starting_at(start),
            accounts: Accounts::default(),
            engine: Engine::new(project),
            queue,
            in_delivery: InDelivery::new(),
            journal: Journal::default(),
        }
    }

    /// Returns an empty simulation, as at the start. It has the project, the revision, the policy and the webhook's URL
    /// of this one, and the journal that is passed.
    pub(super) fn empty(&self, seed: u64, journal: Journal) -> Self {
        let mut engine = Engine::new(self.engine.project().clone());
        engine.set_revision(self.engine.revision());
        Self {
            start: self.start,
            clock: Clock::starting_at(self.start),
            accounts: Accounts::default(),
            engine,
            queue: self.queue.fresh(seed, self.start),
            in_delivery: InDelivery::new(),
            journal,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.journal.timeline(self.start)
    }

    pub(super) fn note(&mut self, user: Option<UserId>, sync: Option<SyncId>, what: EntryKind) {
        self.journal.note(self.clock.now(), user, sync, what);
    }

    /// Returns the account with this name of a user in an integration. Creates the account if it does not exist.
    pub(super) fn connect(&mut self, user: &UserId, integration: &str, name: &str) -> CredentialId {
        let account = Account::new(self.engine.project(), user, integration, name);
        let credential = account.credential().clone();
        self.accounts.add(account);
        credential
    }

    /// Returns an account that is known to exist, because the caller got its credential from this simulation.
    pub(super) fn account(&mut self, credential: &CredentialId) -> &mut Account {
        self.accounts.get_mut(credential).unwrap_or_else(|| unreachable!("credentials are of accounts"))
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
        let unknown = || EnableError::unsupported(format!("pipeline must be one of: {names}"));
        let pipeline = Pipeline::from_name(pipeline).ok_or_else(unknown)?;
        let account = self.accounts.get(credential).unwrap_or_else(|| unreachable!("credentials are of accounts"));
        check_configuration(account.integration(), pipeline, &configuration)?;
        let request = EnableRequest { account, pipeline, configuration_name, configuration, frequency };
        let sync = self.engine.enable(request, self.clock.now())?;
        Ok(sync.id.clone())
    }

    /// Puts an object into an account.
    pub(super) fn create(&mut self, credential: &CredentialId, object: Object) -> ExternalId {
        let (now, name) = (self.clock.now(), object.title().to_owned());
        let id = self.account(credential).create(object, now);
        self.note_changed(credential, "created", name);
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
        self.change(credential, "updated", id, change)
    }

    /// Applies another change to an object. Returns false if the account has no such live object.
    pub(super) fn change(
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
            self.note_changed(credential, verb, object.title().to_owned());
        }
        found
    }

    fn note_changed(&mut self, credential: &CredentialId, verb: &'static str, name: String) {
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::Changed { verb, name });
    }

    /// Injects a fault of the provider into the runs of an account's syncs.
    pub(super) fn provider_fault(&mut self, credential: &CredentialId, fault: ProviderFault) {
        self.account(credential).inject(fault);
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::ProviderFault(Some(fault.what)));
    }

    /// Ends all faults of an account's provider.
    pub(super) fn end_provider_faults(&mut self, credential: &CredentialId) {
        self.account(credential).end_faults();
        let user = self.account(credential).user().clone();
        self.note(Some(user), None, EntryKind::ProviderFault(None));
    }

    /// Hands an event to the delivery queue. `about` is the name of the record. Returns true if the event is sent.
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

    /// Hands an event that no run found to the delivery queue. Returns true if the event is sent.
    pub(super) fn send_by_hand(&mut self, event: &Event) -> bool {
        self.send(event, self.name_of(event))
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

    /// Returns the time at which the next run of a sync or the next delivery attempt is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.engine.next_due().into_iter().chain(self.queue.next_due()).min()
    }

    /// Moves the clock to the next run or attempt that is due by `until`, and makes the runs that are due. Returns
    /// false if nothing is due by then.
    pub(super) fn run_next(&mut self, until: Timestamp) -> bool {
        let Some(due) = self.next_due().filter(|due| *due <= until) else { return false };
        self.clock.advance_to(due);
        self.run_due();
        true
    }

    /// Makes the runs that are due now.
    pub(super) fn run_due(&mut self) {
        let now = self.clock.now();
        while let Some(Run { sync, user, kind, trouble, events }) =
            self.engine.run_due(self.accounts.by_credential(), now)
        {
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

    /// Records the outcome of an attempt. Returns the receiver's answer, if it gave one.
    pub(super) fn complete(&mut self, attempt: Attempt, result: Transmission) -> Option<ReceiverAnswer> {
        let Completed { record, dropped, .. } = self.queue.complete(attempt, result, self.clock.now());
        let is_retried = matches!(record.decision, Decision::RetryAt(_));
        let answer = match &record.outcome {
            Outcome::Answered(answer) => Some(ReceiverAnswer { status: answer.status, is_retried }),
            _ => None,
        };
        let told = match record.purpose {
            Purpose::Event => self.in_delivery.get(&record.delivery).map(|events| Delivered::together(events)),
            _ => Some(Delivered { event: "webhook_verification".to_owned(), about: None, user: None, sync: None }),
        };
        if !is_retried {
            self.in_delivery.remove(&record.delivery);
        }
        if let Some(Delivered { event, about, user, sync }) = told {
            self.note(user, sync, EntryKind::Attempt { event, about, record: Box::new(record) });
        }
        self.note_changes();
        self.drop_deliveries(dropped, "while_off");
        answer
    }

    fn note_changes(&mut self) {
        self.journal.note_changes(self.clock.now(), self.queue.take_changes());
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

    /// Returns the records that a receiver of this sync should hold.
    pub(super) fn records(&self, sync: &SyncId) -> Vec<Value> {
        let live = self.engine.get(sync).into_iter().flat_map(|sync| sync.feed.live());
        live.filter_map(|entry| serde_json::from_str(&entry.json).ok()).collect()
    }

    /// Returns the kind of thing that an id identifies: `sync`, `record`, `credential`, `object` or `cursor`.
    pub(super) fn kind_of(&self, id: &str) -> Option<&'static str> {
        let (record, object) = (RecordId::from(id), ExternalId::from(id));
        if self.engine.get(id).is_some() {
            Some("sync")
        } else if self.accounts.iter().any(|account| account.credential().as_str() == id) {
            Some("credential")
        } else if self.engine.syncs().any(|sync| sync.feed.key_of(&record).is_some()) {
            Some("record")
        } else if self.accounts.iter().any(|account| account.collection_of(&object).is_some()) {
            Some("object")
        } else {
            let given_out = self.engine.syncs().any(|sync| sync.feed.cursor_seen_at(id).is_ok());
            given_out.then_some("cursor")
        }
    }
}
