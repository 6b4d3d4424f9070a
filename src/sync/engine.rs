use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lifecycle::{EnableRequest, Sync, Update};
use super::run::{Accounts, Run};
use super::status::RunKind;
use crate::clock::{Timestamp, duration};
use crate::contract::{ProjectId, Revision, SyncId};

/// Reason why a sync was not enabled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct EnableError(EnableErrorKind);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum EnableErrorKind {
    /// Observed: 409 with this message.
    #[error("Sync instance already exists")]
    Exists(SyncId),
    #[error("{0}")]
    Unsupported(String),
}

impl EnableError {
    pub(crate) fn exists(id: SyncId) -> Self {
        Self(EnableErrorKind::Exists(id))
    }

    /// Creates the error for a pipeline or a configuration that the integration does not support.
    pub(crate) fn unsupported(why: String) -> Self {
        Self(EnableErrorKind::Unsupported(why))
    }

    /// Returns the id of the sync, if the sync was not enabled because it exists already.
    pub fn existing(&self) -> Option<&SyncId> {
        if let EnableErrorKind::Exists(id) = &self.0 { Some(id) } else { None }
    }
}

/// All syncs of a project, and the times of their next runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Engine {
    stored: Stored,
    /// The next run of each sync. Syncs that are due at the same time run in the order of their ids.
    agenda: BTreeSet<(Timestamp, SyncId)>,
}

/// Serialized form of [`Engine`]. The agenda is computed from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    project: ProjectId,
    revision: Revision,
    #[serde(with = "duration")]
    runs_take: Duration,
    syncs: BTreeMap<SyncId, Sync>,
}

impl From<Stored> for Engine {
    fn from(stored: Stored) -> Self {
        let agenda = stored.syncs.values().filter_map(|sync| Some((sync.due()?, sync.id.clone()))).collect();
        Self { stored, agenda }
    }
}

impl From<Engine> for Stored {
    fn from(engine: Engine) -> Self {
        engine.stored
    }
}

impl Engine {
    /// Creates an engine without syncs.
    pub fn new(project: ProjectId) -> Self {
        let revision = Revision::default();
        Stored { project, revision, runs_take: Duration::ZERO, syncs: BTreeMap::new() }.into()
    }

    /// Returns the project that the syncs belong to.
    pub fn project(&self) -> &ProjectId {
        &self.stored.project
    }

    /// Returns the first inconsistency in a deserialized engine, checked against its project and accounts.
    pub(crate) fn problem(&self, project: &ProjectId, accounts: &Accounts) -> Option<String> {
        if self.stored.project != *project {
            return Some(format!("project: expected {project}, got {}", self.stored.project));
        }
        self.stored.syncs.iter().find_map(|(id, sync)| {
            let why =
                if *id == sync.id { sync.problem(accounts)? } else { format!("id: expected {id}, got {}", sync.id) };
            Some(format!("syncs.{id}.{why}"))
        })
    }

    /// Sets the contract revision of the syncs that are enabled from now on.
    pub fn set_revision(&mut self, revision: Revision) {
        self.stored.revision = revision;
    }

    /// Returns the contract revision of the syncs that are enabled from now on.
    pub fn revision(&self) -> Revision {
        self.stored.revision
    }

    /// Sets the duration of runs from now on. A sync is `ACTIVE` during a run. Default: zero.
    pub fn set_runs_take(&mut self, span: Duration) {
        self.stored.runs_take = span;
    }

    /// Enables a sync; its initial run is due at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the sync exists already.
    pub fn enable(&mut self, wanted: EnableRequest<'_>, now: Timestamp) -> Result<&Sync, EnableError> {
        let (user, integration) = (wanted.account.user(), wanted.account.integration());
        let (pipeline, name) = (wanted.pipeline.name(), wanted.configuration_name);
        let id = SyncId::derive(&self.stored.project, user, integration, pipeline, name);
        if self.stored.syncs.contains_key(&id) {
            return Err(EnableError::exists(id));
        }
        let sync = Sync::new(id.clone(), wanted, self.stored.revision, now);
        self.agenda.insert((now, id.clone()));
        Ok(self.stored.syncs.entry(id).or_insert(sync))
    }

    /// Returns the sync with this id. The id may also be given as text.
    pub fn get<Id: Ord + ?Sized>(&self, id: &Id) -> Option<&Sync>
    where
        SyncId: Borrow<Id>,
    {
        self.stored.syncs.get(id)
    }

    /// Returns all syncs, sorted by id.
    pub fn syncs(&self) -> impl Iterator<Item = &Sync> {
        self.stored.syncs.values()
    }

    /// Changes a sync and reschedules its next run. Returns `None` if there is no sync with this id.
    fn change(&mut self, id: &SyncId, change: impl FnOnce(&mut Sync)) -> Option<&Sync> {
        let sync = self.stored.syncs.get_mut(id)?;
        if let Some(due) = sync.due() {
            self.agenda.remove(&(due, id.clone()));
        }
        change(sync);
        self.agenda.extend(sync.due().map(|due| (due, id.clone())));
        Some(sync)
    }

    /// Pauses a sync. Returns `None` if there is no sync with this id.
    pub fn disable(&mut self, id: &SyncId, now: Timestamp) -> Option<&Sync> {
        self.change(id, |sync| sync.disable(now))
    }

    /// Resumes a paused or failed sync where it stopped. Returns `None` if there is no sync with this id.
    pub fn reenable(&mut self, id: &SyncId, now: Timestamp) -> Option<&Sync> {
        self.change(id, |sync| sync.reenable(now))
    }

    /// Changes the account or the frequency of a sync. Returns `None` if there is no sync with this id.
    pub fn update(&mut self, id: &SyncId, update: Update, now: Timestamp) -> Option<&Sync> {
        self.change(id, |sync| sync.update(update, now))
    }

    /// Makes a run of a sync due now. Returns `None` if there is no sync with this id.
    pub fn run_soon(&mut self, id: &SyncId, kind: RunKind, now: Timestamp) -> Option<&Sync> {
        self.change(id, |sync| sync.run_soon(kind, now))
    }

    /// Deletes a sync and its records, and returns the sync. Returns `None` if there is no sync with this id.
    pub fn delete(&mut self, id: &SyncId) -> Option<Sync> {
        let sync = self.stored.syncs.remove(id)?;
        if let Some(due) = sync.due() {
            self.agenda.remove(&(due, id.clone()));
        }
        Some(sync)
    }

    /// Returns the time of the next run; `None` if no run is scheduled.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(moment, _)| *moment)
    }

    /// Begins a run or ends a run, whichever is due first at `now`. Returns `None` if nothing is due.
    pub fn run_due(&mut self, accounts: &mut Accounts, now: Timestamp) -> Option<Run> {
        let (_, id) = self.agenda.first().filter(|(moment, _)| *moment <= now).cloned()?;
        self.agenda.pop_first();
        let sync = self.stored.syncs.get_mut(&id)?;
        let run = sync.step(accounts, self.stored.runs_take, now);
        self.agenda.extend(sync.due().map(|due| (due, id)));
        run
    }
}
