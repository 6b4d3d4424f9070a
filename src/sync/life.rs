use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::log::EventLog;
use super::{Enable, Feed};
use crate::clock::Moment;
use crate::contract::api::EventLogEntry;
use crate::contract::{
    CredentialId, Envelope, ExternalId, Frequency, Pipeline, RecordId, Revision, SyncId, UserId, UserRef,
};
use crate::source::Account;
use crate::source::permission::Permissions;

/// Between two full runs (`sync.full`, documented).
pub(super) const FULL: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys of the records of a sync's n-th account begin with n.
const ACCOUNT_BITS: u32 = 48;

/// The status of a sync, as the Sync API names it (`sync.statuses`, documented).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Status {
    /// Enabled; its first run is still to come.
    Initializing,
    /// It runs.
    Active,
    /// It has run and watches for changes.
    Idle,
    /// The provider asked to wait; it goes on by itself.
    RateLimited,
    /// Paused through the API.
    Disabled,
    /// It cannot go on until it is enabled again.
    Errored,
}

/// What kind of run a sync makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunKind {
    /// Each minute, of what was created and changed.
    Incremental,
    /// Each 24 hours; the one that notices deletions.
    Full,
    /// The first, of everything.
    Initial,
}

/// One sync: a user's pipeline of one integration, and its feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sync {
    /// `syncInstanceId` of its events.
    pub id: SyncId,
    /// Whose data it is.
    pub user: UserId,
    /// Such as `googledrive`.
    pub integration: String,
    /// What it pulls.
    pub pipeline: Pipeline,
    /// Tells syncs of the same integration and pipeline apart.
    pub configuration_name: String,
    /// What of the account is asked for.
    pub configuration: Map<String, Value>,
    /// The age of the contract that its events and records have.
    pub revision: Revision,
    /// Where it is in its life.
    pub status: Status,
    /// Why it is `ERRORED`.
    pub reason: Option<String>,
    /// How long to wait, while it is `RATE_LIMITED`.
    pub backoff: Option<Duration>,
    /// How often it looks for changes, where that was set.
    pub frequency: Option<Frequency>,
    /// When it was enabled.
    pub created_at: Moment,
    /// When somebody or a run last changed it.
    pub updated_at: Moment,
    /// When its last run ended.
    pub last_synced_at: Option<Moment>,
    /// What a receiver pulls.
    pub feed: Feed,
    /// What its runs did.
    pub log: EventLog,
    /// What it knows of who may do what, of the account that it reads now.
    pub permissions: Permissions,
    /// The accounts that it reads or once read, and which one it is now.
    accounts: Vec<CredentialId>,
    account: usize,
    pub(super) next: BTreeMap<RunKind, Moment>,
    /// A run that takes its time, and when it ends.
    pub(super) running: Option<(RunKind, Moment)>,
    /// How much of the account's log the runs have seen; nothing before the first of this account.
    pub(super) seen: Option<usize>,
    pub(super) seen_by_full: Option<usize>,
    pub(super) unreadable: BTreeSet<u64>,
}

/// What `PATCH /api/syncs/{syncId}` changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Another account of the same user and integration; starts a full run.
    pub credential: Option<CredentialId>,
    /// Another frequency; holds from the next run on.
    pub frequency: Option<Frequency>,
}

impl Sync {
    pub(super) fn new(id: SyncId, wanted: Enable<'_>, revision: Revision, now: Moment) -> Self {
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
            permissions: Permissions::of(wanted.account.permissions()),
            accounts: vec![wanted.account.credential().clone()],
            account: 0,
            next: BTreeMap::from([(RunKind::Initial, now)]),
            running: None,
            seen: None,
            seen_by_full: None,
            unreadable: BTreeSet::new(),
        }
    }

    /// What is wrong with a sync that was read, beside these accounts.
    pub(super) fn problem(&self, accounts: &BTreeMap<CredentialId, Account>) -> Option<String> {
        if self.account >= self.accounts.len() {
            return Some(format!("account: expected one of {} accounts, got {}", self.accounts.len(), self.account));
        }
        let unknown = self.accounts.iter().find(|credential| !accounts.contains_key(*credential))?;
        Some(format!("accounts: there is no account {unknown}"))
    }

    /// Which account it reads.
    pub fn credential(&self) -> &CredentialId {
        &self.accounts[self.account]
    }

    /// When it runs next; `None` while it is paused or cannot go on.
    pub fn due(&self) -> Option<Moment> {
        match (self.status, self.running) {
            (Status::Disabled | Status::Errored, _) => None,
            (_, Some((_, until))) => Some(until),
            (_, None) => self.next.values().min().copied(),
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.frequency.unwrap_or(Frequency::OneMinute).interval()
    }

    /// Pauses it; a run that is under way is given up.
    pub(super) fn disable(&mut self, now: Moment) {
        if let Some((kind, _)) = self.running.take() {
            self.next.insert(kind, now);
        }
        self.status = Status::Disabled;
        (self.reason, self.backoff) = (None, None);
        self.updated_at = now;
    }

    /// Lets it go on where it stopped: it looks for changes at once, and makes the full run that it has missed.
    pub(super) fn reenable(&mut self, now: Moment) {
        if matches!(self.status, Status::Disabled | Status::Errored) {
            self.go_on(now);
        }
    }

    fn go_on(&mut self, now: Moment) {
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

    /// Makes a run due now. Before the first one there is only that.
    pub(super) fn run_soon(&mut self, kind: RunKind, now: Moment) {
        let kind = if self.next.contains_key(&RunKind::Initial) { RunKind::Initial } else { kind };
        self.next.insert(kind, now);
    }

    pub(super) fn update(&mut self, update: Update, now: Moment) {
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

    /// The key of a record of the account that it reads now.
    pub fn key(&self, number: u64) -> u64 {
        (self.account as u64) << ACCOUNT_BITS | number
    }

    /// The account and the number that a key stands for.
    pub fn origin(&self, key: u64) -> Option<(&CredentialId, u64)> {
        let account = usize::try_from(key >> ACCOUNT_BITS).ok()?;
        Some((self.accounts.get(account)?, key & ((1 << ACCOUNT_BITS) - 1)))
    }

    /// Whether it ever read another account.
    pub(super) fn has_moved(&self) -> bool {
        self.accounts.len() > 1
    }

    /// Whether a key is of the account that it reads now.
    pub(super) fn is_current(&self, key: u64) -> bool {
        key >> ACCOUNT_BITS == self.account as u64
    }

    /// The record that stands for an object of the account that it reads now, once a run has seen it.
    pub fn record_of(&self, external: &ExternalId, account: &Account) -> Option<RecordId> {
        let key = self.key(account.collection(self.pipeline)?.number_of(external)?);
        self.feed.has_seen(key).then(|| self.feed.id_of(key))
    }

    /// The members that every event of this sync has.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            sync: self.integration.clone(),
            sync_instance_id: self.id.clone(),
            credential_id: Some(self.credential().clone()),
            user: UserRef { id: self.user.clone(), other: Map::new() },
        }
    }

    /// The event log as the dashboard has it, oldest first, each entry with its time.
    pub fn event_log(&self) -> impl Iterator<Item = (Moment, EventLogEntry)> {
        self.log.entries().map(|logged| (logged.at, logged.entry(self)))
    }
}
