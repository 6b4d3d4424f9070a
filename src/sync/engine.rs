use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Map;

use crate::clock::Moment;
use crate::contract::{
    CredentialId, Envelope, Event, ExternalId, ProjectId, Record, RecordChange, RecordId, RecordRef, Revision,
    SyncComplete, SyncCompleteData, SyncId, Tombstone, UserId, UserRef,
};
use crate::source::Connection;
use crate::sync::Feed;

/// Between two incremental runs (`sync.incremental`, documented).
const INCREMENTAL: Duration = Duration::from_secs(60);
/// Between two full runs (`sync.full`, documented).
const FULL: Duration = Duration::from_secs(24 * 60 * 60);
/// The one pipeline that is simulated.
const PIPELINE: &str = "files";

/// The status of a sync, as the Sync API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Status {
    /// Enabled; its first run is still to come.
    Initializing,
    /// Has run and watches for changes.
    Idle,
}

/// One sync: a user's pipeline of one integration, and its feed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sync {
    /// `syncInstanceId` of its events.
    pub id: SyncId,
    /// Whose data it is.
    pub user: UserId,
    /// Which account it reads.
    pub credential: CredentialId,
    /// Such as `googledrive`.
    pub integration: String,
    /// Such as `files`.
    pub pipeline: String,
    /// Tells syncs of the same integration and pipeline apart.
    pub configuration_name: String,
    /// The age of the contract that its events and records have.
    pub revision: Revision,
    /// Where it is in its life.
    pub status: Status,
    /// When it was enabled.
    pub created_at: Moment,
    /// When its last run ended.
    pub last_synced_at: Option<Moment>,
    /// What a receiver pulls.
    pub feed: Feed,
    next: BTreeMap<RunKind, Moment>,
    /// How much of the source's log the incremental and the full runs have seen.
    seen: usize,
    seen_by_full: usize,
    records: HashMap<ExternalId, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    id: RecordId,
    name: String,
    live: bool,
}

/// What kind of run a sync makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunKind {
    /// The first, of everything.
    Initial,
    /// Each minute, of what was created and changed.
    Incremental,
    /// Each 24 hours; the one that notices deletions.
    Full,
}

/// What a run found, and the events that follow from it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Which sync ran.
    pub sync: SyncId,
    /// Whose it is.
    pub user: UserId,
    /// How it ran.
    pub kind: RunKind,
    /// In the order in which they are sent.
    pub events: Vec<Found>,
}

/// An event, and the name of the record that it is about, which the event itself does not tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// What is sent.
    pub event: Event,
    /// For people who read a timeline.
    pub name: Option<String>,
}

/// Why a sync was not enabled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnableError {
    /// There is one already (observed: 409).
    #[error("Sync instance already exists")]
    Exists(SyncId),
    /// A pipeline that this fake does not simulate.
    #[error("pipeline must be one of: files")]
    UnknownPipeline(String),
}

/// All syncs of a project, and when each runs next.
#[derive(Clone, Debug)]
pub struct Engine {
    project: ProjectId,
    revision: Revision,
    syncs: BTreeMap<SyncId, Sync>,
    /// The order in which syncs run that are due at the same time is the order of their ids.
    agenda: BTreeSet<(Moment, SyncId)>,
}

impl Engine {
    /// No syncs yet.
    pub fn new(project: ProjectId) -> Self {
        Self { project, revision: Revision::default(), syncs: BTreeMap::new(), agenda: BTreeSet::new() }
    }

    /// Syncs that are enabled from now on have this revision of the contract.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// The revision that syncs get which are enabled now.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Enables a sync; its initial run is due at once.
    ///
    /// # Errors
    ///
    /// When it exists, or the pipeline is not simulated.
    pub fn enable(
        &mut self,
        connection: &Connection,
        pipeline: &str,
        configuration_name: &str,
        now: Moment,
    ) -> Result<&Sync, EnableError> {
        if pipeline != PIPELINE {
            return Err(EnableError::UnknownPipeline(pipeline.to_owned()));
        }
        let (user, integration) = (connection.user(), connection.integration());
        let id = SyncId::derive(&self.project, user, integration, pipeline, configuration_name);
        if self.syncs.contains_key(&id) {
            return Err(EnableError::Exists(id));
        }
        let sync = Sync {
            id: id.clone(),
            user: user.clone(),
            credential: connection.credential().clone(),
            integration: integration.to_owned(),
            pipeline: pipeline.to_owned(),
            configuration_name: configuration_name.to_owned(),
            revision: self.revision,
            status: Status::Initializing,
            created_at: now,
            last_synced_at: None,
            feed: Feed::default(),
            next: BTreeMap::from([(RunKind::Initial, now)]),
            seen: 0,
            seen_by_full: 0,
            records: HashMap::new(),
        };
        self.agenda.insert((now, id.clone()));
        Ok(self.syncs.entry(id).or_insert(sync))
    }

    /// The sync with this id.
    pub fn get(&self, id: &SyncId) -> Option<&Sync> {
        self.syncs.get(id)
    }

    /// All syncs, by id.
    pub fn syncs(&self) -> impl Iterator<Item = &Sync> {
        self.syncs.values()
    }

    /// When the next run is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.agenda.first().map(|(moment, _)| *moment)
    }

    /// Makes the next run that is due at `now`, if one is. `source` finds the account of a credential.
    pub fn run_due<'s>(
        &mut self,
        source: impl FnOnce(&CredentialId) -> Option<&'s Connection>,
        now: Moment,
    ) -> Option<Run> {
        let (_, id) = self.agenda.first().filter(|(moment, _)| *moment <= now).cloned()?;
        self.agenda.pop_first();
        let sync = self.syncs.get_mut(&id)?;
        let connection = source(&sync.credential)?;
        // A full run does what an incremental run does, and more: where both are due, it is the one that runs.
        let kind = sync.next.iter().filter(|(_, due)| **due <= now).map(|(kind, _)| *kind).max()?;
        let events = sync.run(kind, connection, now);
        let run = Run { sync: id.clone(), user: sync.user.clone(), kind, events };
        self.agenda.extend(sync.next.values().min().map(|next| (*next, id)));
        Some(run)
    }
}

impl Sync {
    fn run(&mut self, kind: RunKind, source: &Connection, now: Moment) -> Vec<Found> {
        let mut changes = Vec::new();
        let mut found = Vec::new();
        for (external, file) in source.changed_since(self.seen) {
            let Some(file) = file else { continue };
            let (known, is_new) = self.know(external, &file.name);
            let about = self.about(&known);
            let event = if is_new { Event::RecordCreated(about) } else { Event::RecordUpdated(about) };
            changes.push(Found { event, name: Some(file.name.clone()) });
            let record = Record { id: known.clone(), external_id: external.clone(), object: file };
            found.push((known, serialise(self.revision, "records/file", &record), true));
        }
        self.seen = source.mark();
        if kind == RunKind::Full {
            for (external, _) in source.changed_since(self.seen_by_full).filter(|(_, file)| file.is_none()) {
                let Some(known) = self.records.get_mut(external).filter(|known| known.live) else { continue };
                known.live = false;
                let (id, name) = (known.id.clone(), Some(known.name.clone()));
                changes.push(Found { event: Event::RecordDeleted(self.about(&id)), name });
                let tombstone = Tombstone::new(id.clone(), external.clone());
                found.push((id, serialise(self.revision, "records/tombstone", &tombstone), false));
            }
        }
        if kind != RunKind::Incremental {
            self.seen_by_full = source.mark();
        }
        // Two runs at the same millisecond would break the order of cursors.
        let seen_at = self.feed.last_seen().map_or(now, |last| now.max(last + Duration::from_millis(1)));
        self.feed.append(seen_at, found);
        self.status = Status::Idle;
        self.last_synced_at = Some(now);
        self.next.remove(&RunKind::Initial);
        self.next.insert(RunKind::Incremental, now + INCREMENTAL);
        if kind != RunKind::Incremental {
            self.next.insert(RunKind::Full, now + FULL);
        }
        if kind == RunKind::Initial { vec![Found { event: self.complete(now), name: None }] } else { changes }
    }

    /// The record of an external id, and whether it is new to the receiver.
    fn know(&mut self, external: &ExternalId, name: &str) -> (RecordId, bool) {
        let new = || Known { id: RecordId::derive(&self.id, external), name: String::new(), live: false };
        let known = self.records.entry(external.clone()).or_insert_with(new);
        name.clone_into(&mut known.name);
        (known.id.clone(), !std::mem::replace(&mut known.live, true))
    }

    /// The members that every event of this sync has.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            sync: self.integration.clone(),
            sync_instance_id: self.id.clone(),
            credential_id: Some(self.credential.clone()),
            user: UserRef { id: self.user.clone(), other: Map::new() },
        }
    }

    fn about(&self, record: &RecordId) -> RecordChange {
        RecordChange {
            envelope: self.envelope(),
            data: RecordRef { record_id: record.clone(), model: self.pipeline.clone(), other: Map::new() },
            other: Map::new(),
        }
    }

    fn complete(&self, now: Moment) -> Event {
        Event::SyncComplete(SyncComplete {
            envelope: self.envelope(),
            data: SyncCompleteData {
                model: self.pipeline.clone(),
                synced_at: now.to_string(),
                num_records: self.feed.active() as u64,
                other: Map::new(),
            },
            other: Map::new(),
        })
    }

    /// The record that stands for a file of the source, once a run has seen it.
    pub fn record_of(&self, external: &ExternalId) -> Option<&RecordId> {
        self.records.get(external).map(|known| &known.id)
    }
}

fn serialise(revision: Revision, schema: &str, record: &impl Serialize) -> Arc<str> {
    let impossible = |error| -> String { unreachable!("a record prints as JSON: {error}") };
    if revision == Revision::default() {
        return serde_json::to_string(record).unwrap_or_else(impossible).into();
    }
    let newest = serde_json::to_value(record).unwrap_or_else(|error| impossible(error).into());
    revision.write(schema, &newest).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::File;

    const START: Moment = Moment::from_millis(1_000);

    fn names(run: Option<Run>) -> Vec<String> {
        run.map(|run| run.events.iter().map(|found| found.event.name().to_owned()).collect()).unwrap_or_default()
    }

    fn setup() -> (Engine, Connection, ExternalId, ExternalId) {
        let project = ProjectId::from("p");
        let mut drive = Connection::new(&project, &UserId::from("u"), "googledrive");
        let (a, b) = (drive.create(File::named("a"), START), drive.create(File::named("b"), START));
        (Engine::new(project), drive, a, b)
    }

    #[test]
    fn each_run_tells_what_it_is_the_one_to_notice() {
        let (mut engine, mut drive, a, b) = setup();
        let id = engine.enable(&drive, "files", "default", START).unwrap().id.clone();
        assert_eq!(engine.get(&id).unwrap().status, Status::Initializing);
        assert_eq!(names(engine.run_due(|_| Some(&drive), START)), ["sync_complete"], "and no event per record");
        assert_eq!(names(engine.run_due(|_| Some(&drive), START)), [] as [&str; 0], "nothing more is due");

        drive.create(File::named("c"), START);
        drive.update(&a, |file| file.size = None, START);
        drive.delete(&b);
        let minute = START + INCREMENTAL;
        assert_eq!(engine.next_due(), Some(minute));
        assert_eq!(names(engine.run_due(|_| Some(&drive), minute)), ["record_created", "record_updated"]);
        assert_eq!(engine.get(&id).unwrap().feed.active(), 3, "the deletion is not seen yet");

        let mut told = Vec::new();
        while let Some(due) = engine.next_due().filter(|due| *due <= START + FULL) {
            told.extend(names(engine.run_due(|_| Some(&drive), due)));
        }
        assert_eq!(told, ["record_deleted"], "once in 24 hours, by the full run");
        let feed = &engine.get(&id).unwrap().feed;
        assert_eq!((feed.active(), feed.total()), (2, 3));
    }

    #[test]
    fn what_comes_and_goes_between_two_runs_is_never_told() {
        let (mut engine, mut drive, ..) = setup();
        engine.enable(&drive, "files", "default", START).unwrap();
        engine.run_due(|_| Some(&drive), START);
        let fleeting = drive.create(File::named("fleeting"), START);
        drive.delete(&fleeting);
        let mut told = Vec::new();
        while let Some(due) = engine.next_due().filter(|due| *due <= START + FULL) {
            told.extend(names(engine.run_due(|_| Some(&drive), due)));
        }
        assert_eq!(told, [] as [&str; 0]);
    }

    #[test]
    fn the_same_sync_cannot_be_enabled_twice_and_unknown_pipelines_are_refused() {
        let (mut engine, drive, ..) = setup();
        let id = engine.enable(&drive, "files", "default", START).unwrap().id.clone();
        assert_eq!(engine.enable(&drive, "files", "default", START).unwrap_err(), EnableError::Exists(id));
        assert!(engine.enable(&drive, "files", "other", START).is_ok());
        let error = engine.enable(&drive, "messages", "default", START).unwrap_err();
        assert_eq!(error, EnableError::UnknownPipeline("messages".into()));
    }
}
