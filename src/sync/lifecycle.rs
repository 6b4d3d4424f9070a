use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::feed::Feed;
use super::log::{EventLog, LogOwner};
use super::status::{RunKind, Status};
use crate::clock::Timestamp;
use crate::contract::api::EventLogEntry;
use crate::contract::{
    CredentialId, Envelope, ExternalId, Frequency, Pipeline, RecordId, Revision, SyncId, UserId, UserRef,
};
use crate::source::Account;
use crate::source::permission::Permissions;

/// Number of low bits in a record key that hold the number of the object. The bits above hold the index of the account.
const ACCOUNT_BITS: u32 = 48;

/// Settings of a sync to be enabled.
#[derive(Clone, Debug)]
pub struct EnableRequest<'a> {
    /// Account that the sync reads.
    pub account: &'a Account,
    /// Pipeline that the sync pulls.
    pub pipeline: Pipeline,
    /// Name that distinguishes syncs of the same user, integration and pipeline.
    pub configuration_name: &'a str,
    /// Settings that select a part of the account.
    pub configuration: Map<String, Value>,
    /// Interval of the incremental runs; `None` means each minute.
    pub frequency: Option<Frequency>,
}

/// A sync: one pipeline of a user's integration, with its feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sync {
    /// Id of the sync; `syncInstanceId` of its events.
    pub id: SyncId,
    /// User who owns the data.
    pub user: UserId,
    /// Integration, such as `googledrive`.
    pub integration: String,
    /// Pipeline that the sync pulls.
    pub pipeline: Pipeline,
    /// Name that distinguishes syncs of the same user, integration and pipeline.
    pub configuration_name: String,
    /// Settings that select a part of the account.
    pub configuration: Map<String, Value>,
    /// Contract revision of the sync's events and records.
    pub revision: Revision,
    /// Current status.
    pub status: Status,
    /// Reason for the status `ERRORED`.
    pub reason: Option<String>,
    /// Time to wait in the status `RATE_LIMITED`.
    pub backoff: Option<Duration>,
    /// Interval of the incremental runs, if it was set.
    pub frequency: Option<Frequency>,
    /// Time at which the sync was enabled.
    pub created_at: Timestamp,
    /// Time of the last change through the API or by a failed run.
    pub updated_at: Timestamp,
    /// Time at which the last complete run ended.
    pub last_synced_at: Option<Timestamp>,
    /// Feed that a receiver pulls.
    pub feed: Feed,
    /// Log of the runs.
    pub log: EventLog,
    /// Permissions of the current account, as far as the sync has read them.
    pub permissions: Permissions,
    /// All accounts that the sync has read. `account` is the index of the current one.
    accounts: Vec<CredentialId>,
    account: usize,
    pub(super) next: BTreeMap<RunKind, Timestamp>,
    /// Kind and end of the run in progress.
    pub(super) running: Option<(RunKind, Timestamp)>,
    /// Mark in the collection's log up to which runs have read it; `None` before the first run of this account.
    pub(super) seen: Option<usize>,
    pub(super) seen_by_full: Option<usize>,
    pub(super) unreadable: BTreeSet<u64>,
}

/// Changes of a sync through `PATCH /api/syncs/{syncId}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Another account of the same user and integration. It causes a full run.
    pub credential: Option<CredentialId>,
    /// Another frequency. It applies after the next run.
    pub frequency: Option<Frequency>,
}

impl Sync {
    pub(super) fn new(id: SyncId, wanted: EnableRequest<'_>, revision: Revision, now: Timestamp) -> Self {
        Self {
            feed: Feed::new(&id),
            id,
            user: wanted.account.user().clone(),
            integration: wanted.account.integration().to_owned(),
            pipeline: wanted.pipeline,
            configuration_name: wanted.configuration_name.to_owned(),
            configuration: wanted.configuration,
            revision,
            status: Status::Initializing,
            reason: None,
            backoff: None,
            frequency: wanted.frequency,
            created_at: now,
            updated_at: now,
            last_synced_at: None,
            log: EventLog::default(),
            permissions: wanted.account.permissions().start(),
            accounts: vec![wanted.account.credential().clone()],
            account: 0,
            next: BTreeMap::from([(RunKind::Initial, now)]),
            running: None,
            seen: None,
            seen_by_full: None,
            unreadable: BTreeSet::new(),
        }
    }

    /// Returns the first inconsistency in a deserialized sync, checked against the accounts.
    pub(super) fn problem(&self, accounts: &BTreeMap<CredentialId, Account>) -> Option<String> {
        if self.account >= self.accounts.len() {
            return Some(format!("account: expected one of {} accounts, got {}", self.accounts.len(), self.account));
        }
        let unknown = self.accounts.iter().find(|credential| !accounts.contains_key(*credential))?;
        Some(format!("accounts: there is no account {unknown}"))
    }

    /// Returns the account that the sync reads.
    pub fn credential(&self) -> &CredentialId {
        &self.accounts[self.account]
    }

    /// Returns the time of the next run; `None` while the sync is paused or has failed.
    pub fn due(&self) -> Option<Timestamp> {
        match (self.status, self.running) {
            (Status::Disabled | Status::Errored, _) => None,
            (_, Some((_, until))) => Some(until),
            (_, None) => self.next.values().min().copied(),
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.frequency.unwrap_or(Frequency::OneMinute).interval()
    }

    /// Pauses the sync. A run in progress is abandoned.
    pub(super) fn disable(&mut self, now: Timestamp) {
        if let Some((kind, _)) = self.running.take() {
            self.next.insert(kind, now);
        }
        self.status = Status::Disabled;
        (self.reason, self.backoff) = (None, None);
        self.updated_at = now;
    }

    /// Resumes a paused or failed sync. It looks for changes at once, and makes up for a missed full run.
    pub(super) fn reenable(&mut self, now: Timestamp) {
        if matches!(self.status, Status::Disabled | Status::Errored) {
            self.go_on(now);
        }
    }

    fn go_on(&mut self, now: Timestamp) {
        self.status = Status::Active;
        (self.reason, self.backoff) = (None, None);
        self.updated_at = now;
        self.run_soon(
            if self.seen.is_none() && self.feed.last_seen().is_none() {
                RunKind::Initial
            } else {
                RunKind::Incremental
            },
            now,
        );
    }

    /// Makes a run due now. Before the initial run is complete, this is always the initial run.
    pub(super) fn run_soon(&mut self, kind: RunKind, now: Timestamp) {
        let kind = if self.next.contains_key(&RunKind::Initial) { RunKind::Initial } else { kind };
        self.next.insert(kind, now);
    }

    pub(super) fn update(&mut self, update: Update, now: Timestamp) {
        self.updated_at = now;
        self.frequency = update.frequency.or(self.frequency);
        if let Some(credential) = update.credential.filter(|credential| credential != self.credential()) {
            let known = self.accounts.iter().position(|known| *known == credential);
            self.account = known.unwrap_or_else(|| {
                self.accounts.push(credential);
                self.accounts.len() - 1
            });
            (self.seen, self.seen_by_full) = (None, None);
            self.unreadable.clear();
            self.permissions = Permissions::default();
            match self.status {
                Status::Disabled => {}
                Status::Errored => self.go_on(now),
                _ => self.running = None,
            }
            self.run_soon(RunKind::Full, now);
        }
    }

    /// Returns the key of a record of the current account.
    pub fn key(&self, number: u64) -> u64 {
        (self.account as u64) << ACCOUNT_BITS | number
    }

    /// Returns the account and the object number of a key.
    pub fn origin(&self, key: u64) -> Option<(&CredentialId, u64)> {
        let account = usize::try_from(key >> ACCOUNT_BITS).ok()?;
        Some((self.accounts.get(account)?, key & ((1 << ACCOUNT_BITS) - 1)))
    }

    /// Returns whether the sync ever read another account.
    pub(super) fn has_moved(&self) -> bool {
        self.accounts.len() > 1
    }

    /// Returns whether a key belongs to the current account.
    pub(super) fn is_current(&self, key: u64) -> bool {
        key >> ACCOUNT_BITS == self.account as u64
    }

    /// Returns the record id of an object in the current account; `None` if no run has seen the object.
    pub fn record_of(&self, external: &ExternalId, account: &Account) -> Option<RecordId> {
        let key = self.key(account.collection(self.pipeline)?.number_of(external)?);
        self.feed.has_seen(key).then(|| self.feed.id_of(key))
    }

    /// Returns the members that all events of this sync have.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            sync: self.integration.clone(),
            sync_instance_id: self.id.clone(),
            credential_id: Some(self.credential().clone()),
            user: UserRef { id: self.user.clone(), other: Map::new() },
        }
    }

    /// Returns the event log as the dashboard shows it, oldest first: each entry with its time.
    pub fn event_log(&self) -> impl Iterator<Item = (Timestamp, EventLogEntry)> {
        let (sync, user, integration, pipeline) = (&self.id, &self.user, &*self.integration, self.pipeline);
        let of = LogOwner { sync, user, integration, pipeline };
        self.log.entries().map(move |logged| (logged.at, logged.entry(of)))
    }
}
