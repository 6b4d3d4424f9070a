use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run::{Accounts, Run};
use super::{RunKind, Sync, Update};
use crate::clock::{Moment, duration};
use crate::contract::{Frequency, Pipeline, ProjectId, Revision, SyncId};
use crate::source::Account;

/// A sync that is to be enabled.
#[derive(Clone, Debug)]
pub struct Enable<'a> {
    /// What it reads.
    pub account: &'a Account,
    /// What it pulls.
    pub pipeline: Pipeline,
    /// Tells syncs of the same integration and pipeline apart.
    pub configuration_name: &'a str,
    /// What of the account is asked for.
    pub configuration: Map<String, Value>,
    /// How often it looks for changes; each minute when left out.
    pub frequency: Option<Frequency>,
}

/// Why a sync was not enabled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnableError {
    /// There is one already (observed: 409).
    #[error("Sync instance already exists")]
    Exists(SyncId),
    /// The pipeline is none of the six, or the integration does not have it.
    #[error("{0}")]
    Pipeline(String),
    /// The integration asks for something else.
    #[error("{0}")]
    Configuration(String),
}

/// All syncs of a project, and when each runs next.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Engine {
    stored: Stored,
    /// The order in which syncs run that are due at the same time is the order of their ids.
    agenda: BTreeSet<(Moment, SyncId)>,
}

/// What the agenda follows from.
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
    /// No syncs yet.
    pub fn new(project: ProjectId) -> Self {
        let revision = Revision::default();
        Stored { project, revision, runs_take: Duration::ZERO, syncs: BTreeMap::new() }.into()
    }

    /// What is wrong with an engine that was read, beside these accounts.
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

    /// Syncs that are enabled from now on have this revision of the contract.
    pub fn set_revision(&mut self, revision: Revision) {
        self.stored.revision = revision;
    }

    /// The revision that syncs get which are enabled now.
    pub fn revision(&self) -> Revision {
        self.stored.revision
    }

    /// Runs take so long from now on, during which a sync is `ACTIVE`. At first they take no time.
    pub fn set_runs_take(&mut self, span: Duration) {
        self.stored.runs_take = span;
    }

    /// Enables a sync; its initial run is due at once.
    ///
    /// # Errors
    ///
    /// When it exists.
    pub fn enable(&mut self, wanted: Enable<'_>, now: Moment) -> Result<&Sync, EnableError> {
        let (user, integration) = (wanted.account.user(), wanted.account.integration());
        let (pipeline, name) = (wanted.pipeline.name(), wanted.configuration_name);
        let id = SyncId::derive(&self.stored.project, user, integration, pipeline, name);
        if self.stored.syncs.contains_key(&id) {
            return Err(EnableError::Exists(id));
        }
        let sync = Sync::new(id.clone(), wanted, self.stored.revision, now);
        self.agenda.insert((now, id.clone()));
        Ok(self.stored.syncs.entry(id).or_insert(sync))
    }

    /// The sync with this id, which may be text.
    pub fn get<Id: Ord + ?Sized>(&self, id: &Id) -> Option<&Sync>
    where
        SyncId: Borrow<Id>,
    {
        self.stored.syncs.get(id)
    }

    /// All syncs, by id.
    pub fn syncs(&self) -> impl Iterator<Item = &Sync> {
        self.stored.syncs.values()
    }

    /// Changes a sync and plans its next run anew.
    fn change(&mut self, id: &SyncId, change: impl FnOnce(&mut Sync)) -> Option<&Sync> {
        let sync = self.stored.syncs.get_mut(id)?;
        if let Some(due) = sync.due() {
            self.agenda.remove(&(due, id.clone()));
        }
        change(sync);
        self.agenda.extend(sync.due().map(|due| (due, id.clone())));
        Some(sync)
    }

    /// Pauses a sync; `None` when there is none with this id.
    pub fn disable(&mut self, id: &SyncId, now: Moment) -> Option<&Sync> {
        self.change(id, |sync| sync.disable(now))
    }

    /// Lets a paused or failed sync go on where it stopped; `None` when there is none with this id.
    pub fn reenable(&mut self, id: &SyncId, now: Moment) -> Option<&Sync> {
        self.change(id, |sync| sync.reenable(now))
    }

    /// Gives a sync another account or another frequency; `None` when there is none with this id.
    pub fn update(&mut self, id: &SyncId, update: Update, now: Moment) -> Option<&Sync> {
        self.change(id, |sync| sync.update(update, now))
    }

    /// Makes a run of a sync due now; `None` when there is none with this id.
    pub fn run_soon(&mut self, id: &SyncId, kind: RunKind, now: Moment) -> Option<&Sync> {
        self.change(id, |sync| sync.run_soon(kind, now))
    }

    /// Deletes a sync and its records.
    pub fn delete(&mut self, id: &SyncId) -> Option<Sync> {
        let sync = self.stored.syncs.remove(id)?;
        if let Some(due) = sync.due() {
            self.agenda.remove(&(due, id.clone()));
        }
        Some(sync)
    }

    /// When the next run is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.agenda.first().map(|(moment, _)| *moment)
    }

    /// Begins or ends the next run that is due at `now`, if one is.
    pub fn run_due(&mut self, accounts: &mut Accounts, now: Moment) -> Option<Run> {
        let (_, id) = self.agenda.first().filter(|(moment, _)| *moment <= now).cloned()?;
        self.agenda.pop_first();
        let sync = self.stored.syncs.get_mut(&id)?;
        let run = sync.step(accounts, self.stored.runs_take, now);
        self.agenda.extend(sync.due().map(|due| (due, id)));
        run
    }
}
