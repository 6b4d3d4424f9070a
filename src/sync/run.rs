use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::feed::Change;
use super::filter::Filter;
use super::lifecycle::Sync;
use super::log::{LogError, LogEvent, RunSummary};
use super::status::{FULL, RunKind, Status};
use crate::clock::Timestamp;
use crate::contract::{
    CredentialId, Event, Object, Pipeline, RecordChange, RecordError, RecordErrored, RecordId, RecordRef, SyncComplete,
    SyncCompleteData, SyncError, SyncErrored, SyncId, Tombstone, UserId,
};
use crate::source::{Account, Collection, ProviderFaultKind, Seen};

/// Delay before a run is retried that did not reach the provider. The delay is assumed; the retry is documented.
const NETWORK_RETRY: Duration = Duration::from_secs(30);

/// Result of a step of a run: the events that follow from it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Id of the sync.
    pub sync: SyncId,
    /// User of the sync.
    pub user: UserId,
    /// Kind of the run.
    pub kind: RunKind,
    /// Problem that the run met, if any.
    pub trouble: Option<ProviderFaultKind>,
    /// Events in the order in which they are sent.
    pub events: Vec<Found>,
}

/// An event, and the name of its record, which the event itself does not contain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Event to send.
    pub event: Event,
    /// Name of the record, for readers of a timeline.
    pub name: Option<String>,
}

/// The accounts of a project.
pub(super) type Accounts = BTreeMap<CredentialId, Account>;

impl Sync {
    /// Begins the run that is due, or ends the run in progress. Returns `None` if no run is due.
    pub(super) fn step(&mut self, accounts: &mut Accounts, takes: Duration, now: Timestamp) -> Option<Run> {
        if let Some((kind, _)) = self.running.take() {
            return Some(self.finish(kind, None, accounts, takes, now));
        }
        // A full run includes everything that an incremental run does. If both are due, only the full run takes place.
        let kind = self.next.iter().filter(|(_, due)| **due <= now).map(|(kind, _)| *kind).max()?;
        self.log.next_run();
        self.log.write(now, LogEvent::Started, kind, Status::Active, None, None);
        let met = match accounts.get_mut(self.credential()) {
            Some(account) => account.meet(),
            None => Some(ProviderFaultKind::CredentialRevoked),
        };
        match met {
            Some(ProviderFaultKind::RateLimited { backoff }) => {
                (self.status, self.backoff) = (Status::RateLimited, Some(backoff));
                Some(self.postpone(kind, met, backoff, now))
            }
            Some(ProviderFaultKind::Network) => {
                self.status = Status::Active;
                Some(self.postpone(kind, met, NETWORK_RETRY, now))
            }
            Some(ProviderFaultKind::CredentialRevoked) => Some(self.give_up(kind, now)),
            _ => {
                if met == Some(ProviderFaultKind::AccessTokenExpired) {
                    self.fail(kind, "ACCESS_TOKEN_EXPIRED", Some(401), Some(Duration::ZERO), now);
                }
                (self.status, self.backoff) = (Status::Active, None);
                if takes.is_zero() {
                    return Some(self.finish(kind, met, accounts, takes, now));
                }
                self.running = Some((kind, now + takes));
                Some(self.told(kind, met, Vec::new()))
            }
        }
    }

    fn told(&self, kind: RunKind, trouble: Option<ProviderFaultKind>, events: Vec<Found>) -> Run {
        Run { sync: self.id.clone(), user: self.user.clone(), kind, trouble, events }
    }

    fn fail(&mut self, kind: RunKind, code: &str, http: Option<u16>, retry_in: Option<Duration>, now: Timestamp) {
        let error = LogError { code: code.to_owned(), recoverable: retry_in.is_some(), http_status: http, retry_in };
        let limited = self.status == Status::RateLimited;
        let event = if limited { LogEvent::RateLimited } else { LogEvent::Error };
        self.log.write(now, event, kind, self.status, None, Some(error));
    }

    fn postpone(&mut self, kind: RunKind, met: Option<ProviderFaultKind>, wait: Duration, now: Timestamp) -> Run {
        let limited = self.status == Status::RateLimited;
        let (code, http) = if limited { ("RATE_LIMITED", Some(429)) } else { ("NETWORK_ERROR", None) };
        self.fail(kind, code, http, Some(wait), now);
        // No run takes place before the wait is over, whichever is due.
        for due in self.next.values_mut() {
            *due = (*due).max(now + wait);
        }
        self.told(kind, met, Vec::new())
    }

    /// Handles a permanent error: the sync stops and sends `sync_errored` (`sync.errored`).
    fn give_up(&mut self, kind: RunKind, now: Timestamp) -> Run {
        let reason = format!("Credential ID {} is no longer valid or has been deleted.", self.credential());
        self.status = Status::Errored;
        self.reason = Some(reason);
        self.updated_at = now;
        self.fail(kind, "CREDENTIAL_INVALID", Some(401), None, now);
        let message =
            format!("Credentials are no longer valid. Please re-authenticate the {} account.", self.integration);
        let error = SyncError { message, other: Map::new() };
        let event = Event::SyncErrored(SyncErrored { envelope: self.envelope(), error, other: Map::new() });
        self.told(kind, Some(ProviderFaultKind::CredentialRevoked), vec![Found { event, name: None }])
    }

    /// Reads the account, puts the changes into the feed, and schedules the next runs.
    fn finish(
        &mut self,
        kind: RunKind,
        met: Option<ProviderFaultKind>,
        accounts: &mut Accounts,
        takes: Duration,
        now: Timestamp,
    ) -> Run {
        let events = self.look(kind, accounts, takes, now);
        self.status = Status::Idle;
        self.last_synced_at = Some(now);
        self.next.remove(&RunKind::Initial);
        self.next.insert(RunKind::Incremental, now + self.interval());
        if kind != RunKind::Incremental {
            self.next.insert(RunKind::Full, now + FULL);
        }
        self.told(kind, met, events)
    }

    fn look(&mut self, kind: RunKind, accounts: &mut Accounts, takes: Duration, now: Timestamp) -> Vec<Found> {
        let Some(account) = accounts.get_mut(self.credential()) else { return Vec::new() };
        account.collection_mut(self.pipeline);
        if self.pipeline == Pipeline::Files {
            // A sync has no permissions yet of an account that is new to it.
            if self.permissions.applied() == 0 {
                self.permissions = account.permissions().start();
            }
            account.permissions().catch_up(&mut self.permissions);
        }
        let Some(collection) = accounts[self.credential()].collection(self.pipeline) else { return Vec::new() };
        let configuration = std::mem::take(&mut self.configuration);
        let filter = Filter::of(&configuration, collection);
        let notices_deletions = kind != RunKind::Incremental;

        let mut seen_at = self.next_seen_at(now);
        if self.seen.is_none() && filter.is_open() && self.feed.last_seen().is_none() {
            self.feed.base_on(seen_at, collection, self.pipeline, self.revision);
            seen_at = self.next_seen_at(now);
            self.seen = Some(0);
        }
        let mut summary =
            RunSummary { took_ms: u64::try_from(takes.as_millis()).unwrap_or_default(), ..RunSummary::default() };
        let mut draft = Draft { found: Vec::new(), changes: Vec::new() };
        let numbers = match self.seen {
            Some(mark) => collection.changed_since(mark),
            None => (0..collection.numbers()).collect(),
        };
        let unreadable = std::mem::take(&mut self.unreadable);
        let again = unreadable.iter().filter(|number| notices_deletions && !numbers.contains(number)).copied();
        // When a folder moves, its contents do not count as changed. Only a full run finds them.
        let all = if notices_deletions && !filter.is_open() && self.seen.is_some() { collection.numbers() } else { 0 };
        let changed: HashSet<u64> = if all > 0 { numbers.iter().copied().collect() } else { HashSet::new() };
        let brought = (0..all).filter(|number| !changed.contains(number) && !unreadable.contains(number));
        let brought = brought.filter(|number| !self.feed.holds(self.key(*number)));
        for number in again.chain(brought).chain(numbers.iter().copied()).collect::<Vec<_>>() {
            self.look_at(number, collection, &filter, &mut draft, &mut summary);
        }
        if !notices_deletions {
            self.unreadable.extend(unreadable.iter().filter(|number| !numbers.contains(number)));
        }
        if notices_deletions {
            for (key, name) in self.lost(collection, &filter, accounts) {
                summary.deleted += 1;
                self.delete(key, name, accounts, &mut draft);
            }
            self.seen_by_full = Some(collection.mark());
        }
        self.seen = Some(collection.mark());
        summary.processed += if kind == RunKind::Initial { self.feed.active() as u64 } else { 0 };
        drop(filter);
        self.configuration = configuration;
        self.feed.append(seen_at, draft.changes);
        self.log.write(now, LogEvent::Completed, kind, Status::Idle, Some(summary), None);
        if kind == RunKind::Initial {
            draft.found.retain(|found| matches!(found.event, Event::RecordErrored(_)));
            draft.found.push(Found { event: self.complete(now), name: None });
        }
        draft.found
    }

    /// Returns the time for the changes of a run. It is later than all times in the feed, because two runs in the same
    /// millisecond would break the order of the cursors.
    fn next_seen_at(&self, now: Timestamp) -> Timestamp {
        self.feed.last_seen().map_or(now, |last| now.max(last + Duration::from_millis(1)))
    }

    fn look_at(
        &mut self,
        number: u64,
        collection: &Collection,
        filter: &Filter<'_>,
        draft: &mut Draft,
        summary: &mut RunSummary,
    ) {
        summary.processed += 1;
        let key = self.key(number);
        match collection.look(number) {
            Seen::Here(object) if filter.admits(&object, collection) => {
                let known = self.feed.holds(key);
                *(if known { &mut summary.updated } else { &mut summary.created }) += 1;
                let about = self.about(key);
                let event = if known { Event::RecordUpdated(about) } else { Event::RecordCreated(about) };
                draft.found.push(Found { event, name: Some(object.title().to_owned()) });
                draft.changes.push(self.print(key, &object, collection, number));
            }
            Seen::Unreadable(reason) => {
                self.unreadable.insert(number);
                let error = RecordError {
                    message: reason.to_owned(),
                    record_id: self.feed.id_of(key),
                    model: self.pipeline.to_string(),
                    other: Map::new(),
                };
                let event = RecordErrored { envelope: self.envelope(), error, other: Map::new() };
                draft.found.push(Found { event: Event::RecordErrored(event), name: Some(collection.title(number)) });
            }
            Seen::Here(_) | Seen::Gone => {}
        }
    }

    fn print(&self, key: u64, object: &Object, collection: &Collection, number: u64) -> Change {
        let json = object.record(self.revision, &self.feed.id_of(key), &collection.external_id(number));
        Change { key, live: true, json }
    }

    /// Returns keys and names of the records in the feed that no longer exist, that the filter no longer admits, or
    /// that belong to a previous account.
    fn lost(&self, collection: &Collection, filter: &Filter<'_>, accounts: &Accounts) -> Vec<(u64, String)> {
        let is_there =
            |number| matches!(collection.look(number), Seen::Here(object) if filter.admits(&object, collection));
        let changed = |mark| collection.changed_since(mark).into_iter().map(|number| self.key(number)).collect();
        let keys: Vec<u64> = match self.seen_by_full {
            Some(mark) if filter.is_open() => changed(mark),
            // A new feed has lost no records.
            None if filter.is_open() && !self.has_moved() => Vec::new(),
            _ => self
                .feed
                .live_keys()
                .map(|(key, _)| key)
                .filter(|key| !filter.is_open() || !self.is_current(*key))
                .collect(),
        };
        let lost = keys.into_iter().filter(|key| self.feed.holds(*key)).filter_map(|key| {
            let (credential, number) = self.origin(key)?;
            if self.is_current(key) && (is_there(number) || matches!(collection.look(number), Seen::Unreadable(_))) {
                return None;
            }
            let of = accounts.get(credential).and_then(|account| account.collection(self.pipeline));
            Some((key, of.map(|of| of.title(number)).unwrap_or_default()))
        });
        lost.collect()
    }

    fn delete(&self, key: u64, name: String, accounts: &Accounts, draft: &mut Draft) {
        draft.found.push(Found { event: Event::RecordDeleted(self.about(key)), name: Some(name) });
        let external = self.origin(key).and_then(|(credential, number)| {
            Some(accounts.get(credential)?.collection(self.pipeline)?.external_id(number))
        });
        let tombstone = Tombstone::new(self.feed.id_of(key), external.unwrap_or_else(|| "".into()));
        let json = self.revision.print("records/tombstone", &tombstone);
        draft.changes.push(Change { key, live: false, json });
    }

    fn about(&self, key: u64) -> RecordChange {
        let record_id: RecordId = self.feed.id_of(key);
        RecordChange {
            envelope: self.envelope(),
            data: RecordRef { record_id, model: self.pipeline.to_string(), other: Map::new() },
            other: Map::new(),
        }
    }

    fn complete(&self, now: Timestamp) -> Event {
        Event::SyncComplete(SyncComplete {
            envelope: self.envelope(),
            data: SyncCompleteData {
                model: self.pipeline.to_string(),
                synced_at: now.to_string(),
                num_records: self.feed.active() as u64,
                other: Map::<String, Value>::new(),
            },
            other: Map::new(),
        })
    }
}

/// Findings of a run in progress.
struct Draft {
    found: Vec<Found>,
    changes: Vec<Change>,
}
