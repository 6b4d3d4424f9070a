use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::project::{KeyError, Project};
use super::timeline::{Entry, Timeline, What};
use crate::clock::{Clock, Moment};
use crate::contract::{CredentialId, Event, ExternalId, File, RecordId, Revision, SyncId, UserId};
use crate::delivery::{Attempt, DeliveryId, Outcome, Policy, Queue};
use crate::source::Connection;
use crate::sync::{Engine, Feed, Found};

/// The whole state of a fake, without I/O.
pub(super) struct World {
    pub(super) project: Project,
    pub(super) verifying_key: DecodingKey,
    pub(super) clock: Clock,
    pub(super) connections: BTreeMap<CredentialId, Connection>,
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) options: Options,
    /// While it is set the Sync API answers every call with this status.
    pub(super) api_fault: Option<u16>,
    /// The latest version of each record that was served.
    pub(super) served: HashMap<(SyncId, RecordId), usize>,
    start: Moment,
    log: Vec<Entry>,
    in_delivery: HashMap<DeliveryId, Delivered>,
}

/// A panic in a test must not hide behind a second one here.
pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the API leaves open.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Without a page size in the request (`api.page-size`, assumed).
    pub(super) page_size: usize,
    /// No page is longer, whatever is asked for (`api.page-size`, assumed).
    pub(super) page_size_cap: usize,
}

#[derive(Clone)]
struct Delivered {
    event: String,
    about: Option<String>,
    user: Option<UserId>,
    sync: Option<SyncId>,
}

impl World {
    pub(super) fn new(project: Project, policy: Policy, options: Options, start: Moment) -> Result<Self, KeyError> {
        Ok(Self {
            verifying_key: project.verifying_key()?,
            engine: Engine::new(project.id.clone()),
            project,
            clock: Clock::starting_at(start),
            connections: BTreeMap::new(),
            queue: Queue::new(policy),
            options,
            api_fault: None,
            served: HashMap::new(),
            start,
            log: Vec::new(),
            in_delivery: HashMap::new(),
        })
    }

    pub(super) fn timeline(&self) -> Timeline {
        Timeline::new(self.start, self.log.clone())
    }

    pub(super) fn log_len(&self) -> usize {
        self.log.len()
    }

    pub(super) fn note(&mut self, user: Option<UserId>, sync: Option<SyncId>, what: What) {
        self.log.push(Entry { at: self.clock.now(), user, sync, what });
    }

    /// The account of a user in an integration; made when it is new.
    pub(super) fn connect(&mut self, user: &UserId, integration: &str) -> CredentialId {
        let connection = Connection::new(&self.project.id, user, integration);
        let credential = connection.credential().clone();
        self.connections.entry(credential.clone()).or_insert(connection);
        credential
    }

    /// The account of a user in an integration, if there is one.
    pub(super) fn connection_of(&self, user: &UserId, integration: &str) -> Option<&Connection> {
        self.connections.values().find(|c| c.user() == user && c.integration() == integration)
    }

    /// Changes an account and puts the change on the timeline.
    pub(super) fn change<T>(
        &mut self,
        credential: &CredentialId,
        change: impl FnOnce(&mut Connection, Moment) -> (T, Option<(&'static str, String)>),
    ) -> T {
        let now = self.clock.now();
        let connection =
            self.connections.get_mut(credential).unwrap_or_else(|| unreachable!("handles are of accounts"));
        let (result, told) = change(connection, now);
        let user = connection.user().clone();
        if let Some((verb, name)) = told {
            self.note(Some(user), None, What::Changed { verb, name });
        }
        result
    }

    /// Hands an event that no run found to the delivery; true when it is sent.
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
        let body = self.revision_of(event).write_event(event).to_string();
        let deliveries = self.queue.enqueue(body.as_bytes(), self.clock.now());
        let sent = !deliveries.is_empty();
        self.in_delivery.extend(deliveries.iter().map(|id| (*id, delivered.clone())));
        let Delivered { event, about, user, sync } = delivered;
        self.note(user, sync, What::Queued { event, about, deliveries });
        sent
    }

    /// That of the event's sync; an event of no sync of ours has the newest.
    fn revision_of(&self, event: &Event) -> Revision {
        let sync = event.envelope().and_then(|envelope| self.engine.get(&envelope.sync_instance_id));
        sync.map_or_else(Revision::default, |sync| sync.revision)
    }

    fn name_of(&self, event: &Event) -> Option<String> {
        let sync = self.engine.get(&event.envelope()?.sync_instance_id)?;
        let (json, _) = sync.feed.get(event.record_id()?)?;
        Some(serde_json::from_str::<Value>(json).ok()?["name"].as_str()?.to_owned())
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.engine.next_due().into_iter().chain(self.queue.next_due()).min()
    }

    /// Moves the clock to the next thing that is due by `until`, makes the runs, and answers what has to be sent.
    /// `None` when nothing is due by then.
    pub(super) fn step(&mut self, until: Moment) -> Option<Vec<Attempt>> {
        let due = self.next_due().filter(|due| *due <= until)?;
        self.clock.advance_to(due);
        let now = self.clock.now();
        while let Some(run) = self.engine.run_due(|credential| self.connections.get(credential), now) {
            if !run.events.is_empty() {
                let what = What::Ran { kind: run.kind, events: run.events.len() };
                self.note(Some(run.user), Some(run.sync), what);
            }
            for Found { event, name } in &run.events {
                self.send(event, name.clone());
            }
        }
        Some(self.queue.poll(now))
    }

    /// Takes what came of an attempt.
    pub(super) fn complete(&mut self, attempt: Attempt, outcome: Outcome) {
        let completed = self.queue.complete(attempt, outcome, self.clock.now());
        let delivery = completed.record.delivery;
        let finished = !matches!(completed.record.decision, crate::delivery::Decision::RetryAt(_));
        if let Some(Delivered { event, about, user, sync }) = self.in_delivery.get(&delivery).cloned() {
            if finished {
                self.in_delivery.remove(&delivery);
            }
            self.note(user, sync, What::Attempt { event, about, record: completed.record });
        }
        self.drop_deliveries(completed.dropped);
    }

    /// Disables the webhook by hand.
    pub(super) fn disable_webhook(&mut self) {
        self.note(None, None, What::Webhook("disabled by hand".to_owned()));
        let dropped = self.queue.disable();
        self.drop_deliveries(dropped);
    }

    fn drop_deliveries(&mut self, dropped: Vec<DeliveryId>) {
        for delivery in dropped {
            if let Some(Delivered { event, about, user, sync }) = self.in_delivery.remove(&delivery) {
                self.note(user, sync, What::Dropped { event, about, delivery });
            }
        }
    }

    /// The records of a sync that live and were not served since their last change: their ids, and whether an
    /// older version was served.
    pub(super) fn unfetched(&self, sync: &SyncId) -> Vec<(RecordId, bool)> {
        let Some(feed) = self.engine.get(sync).map(|sync| &sync.feed) else { return Vec::new() };
        let served = |id: &RecordId| self.served.get(&(sync.clone(), id.clone()));
        feed.live()
            .filter(|(id, _, version)| served(id) != Some(version))
            .map(|(id, ..)| (id.clone(), served(id).is_some()))
            .collect()
    }

    /// The records that a receiver of this sync should hold.
    pub(super) fn records(&self, sync: &SyncId) -> Vec<Value> {
        let feed = self.engine.get(sync).map(|sync| &sync.feed);
        feed.into_iter().flat_map(Feed::live).filter_map(|(_, json, _)| serde_json::from_str(json).ok()).collect()
    }

    /// The name of a file that lives, for the timeline.
    pub(super) fn file_name(connection: &Connection, id: &ExternalId) -> String {
        connection.get(id).map(|file: &File| file.name.clone()).unwrap_or_default()
    }
}
