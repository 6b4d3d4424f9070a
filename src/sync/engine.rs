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

    /// The sync with this id.
    pub fn get(&self, id: &SyncId) -> Option<&Sync> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{CredentialId, ExternalId, File, UserId};
    use crate::source::{Synthetic, Trouble};
    use crate::sync::Status;
    use crate::sync::life::FULL;
    use proptest::prelude::*;

    const START: Moment = Moment::from_millis(1_000);
    const MINUTE: Duration = Duration::from_secs(60);

    /// One project with one user.
    struct World {
        engine: Engine,
        accounts: Accounts,
        account: CredentialId,
        told: Vec<String>,
    }

    impl World {
        fn new() -> Self {
            let project = ProjectId::from("p");
            let account = Account::new(&project, &UserId::from("u"), "googledrive", "default");
            let credential = account.credential().clone();
            let accounts = Accounts::from([(credential.clone(), account)]);
            Self { engine: Engine::new(project), accounts, account: credential, told: Vec::new() }
        }

        fn files(&mut self) -> &mut crate::source::Collection {
            self.accounts.get_mut(&self.account).unwrap().collection_mut(Pipeline::Files)
        }

        fn create(&mut self, name: &str) -> ExternalId {
            self.files().create(File::named(name).into(), START)
        }

        fn rename(&mut self, id: &ExternalId, name: &str) {
            assert!(self.files().update(id, |file| file.rename(name), START));
        }

        fn enable(&mut self, configuration: &Value) -> Result<SyncId, EnableError> {
            let account = &self.accounts[&self.account];
            let configuration = configuration.as_object().cloned().unwrap_or_default();
            let wanted = Enable {
                account,
                pipeline: Pipeline::Files,
                configuration_name: "default",
                configuration,
                frequency: None,
            };
            Ok(self.engine.enable(wanted, START)?.id.clone())
        }

        /// Runs what is due by then; the names of the events and of what they are about.
        fn until(&mut self, until: Moment) -> Vec<String> {
            let mut told = Vec::new();
            while let Some(due) = self.engine.next_due().filter(|due| *due <= until) {
                let run = self.engine.run_due(&mut self.accounts, due).unwrap();
                told.extend(run.events.into_iter().map(|found| match found.name {
                    Some(name) => format!("{} {name}", found.event.name()),
                    None => found.event.name().to_owned(),
                }));
            }
            self.told.extend(told.clone());
            told
        }

        fn sync(&self, id: &SyncId) -> &Sync {
            self.engine.get(id).unwrap()
        }

        fn log(&self, id: &SyncId) -> Vec<String> {
            self.sync(id).event_log().map(|(_, entry)| entry.sync_event).collect()
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn each_run_tells_what_it_is_the_one_to_notice() {
        let mut world = World::new();
        let (a, b) = (world.create("a"), world.create("b"));
        let id = world.enable(&Value::Null).unwrap();
        assert_eq!(world.sync(&id).status, Status::Initializing);
        assert_eq!(world.until(START), ["sync_complete"], "and no event per record");
        assert_eq!(world.until(START), NOTHING, "nothing more is due");

        world.create("c");
        world.rename(&a, "a2");
        world.files().delete(&b);
        assert_eq!(world.engine.next_due(), Some(START + MINUTE));
        assert_eq!(world.until(START + MINUTE), ["record_created c", "record_updated a2"]);
        assert_eq!(world.sync(&id).feed.active(), 3, "the deletion is not seen yet");
        assert_eq!(world.until(START + FULL), ["record_deleted b"], "once in 24 hours, by the full run");
        assert_eq!((world.sync(&id).feed.active(), world.sync(&id).feed.total()), (2, 3));
        assert_eq!(world.until(START + FULL + FULL), NOTHING);
    }

    #[test]
    fn what_comes_and_goes_between_two_runs_is_never_told() {
        let mut world = World::new();
        world.enable(&Value::Null).unwrap();
        world.until(START);
        let fleeting = world.create("fleeting");
        world.files().delete(&fleeting);
        assert_eq!(world.until(START + FULL), NOTHING);
    }

    #[test]
    fn the_same_sync_cannot_be_enabled_twice_and_has_its_old_id_after_it_was_deleted() {
        let mut world = World::new();
        world.create("a");
        let id = world.enable(&Value::Null).unwrap();
        assert_eq!(world.enable(&Value::Null).unwrap_err(), EnableError::Exists(id.clone()));
        world.until(START);
        assert!(world.engine.delete(&id).is_some() && world.engine.delete(&id).is_none());
        assert_eq!(world.engine.next_due(), None);
        assert_eq!(world.enable(&Value::Null).unwrap(), id);
        assert_eq!(world.until(START), ["sync_complete"]);
    }

    #[test]
    fn troubles_that_pass_are_never_told_by_webhook() {
        let mut world = World::new();
        world.create("a");
        let id = world.enable(&Value::Null).unwrap();
        let backoff = Duration::from_secs(90);
        let account = world.accounts.get_mut(&world.account).unwrap();
        account.trouble(Trouble::RateLimited { backoff }, Some(1));
        account.trouble(Trouble::Network, Some(1));
        account.trouble(Trouble::AccessTokenExpired, Some(1));
        assert_eq!(world.until(START), NOTHING);
        assert_eq!((world.sync(&id).status, world.sync(&id).backoff), (Status::RateLimited, Some(backoff)));
        assert_eq!(world.until(START + backoff), NOTHING);
        assert_eq!(world.sync(&id).status, Status::Active);
        assert_eq!(world.until(START + backoff + Duration::from_secs(30)), ["sync_complete"]);
        let sync = world.sync(&id);
        assert_eq!((sync.status, sync.backoff, sync.feed.active()), (Status::Idle, None, 1));
        let log = [
            "INITIAL_SYNC_STARTED",
            "SYNC_RUN_RATE_LIMITED",
            "INITIAL_SYNC_STARTED",
            "SYNC_RUN_ERROR",
            "INITIAL_SYNC_STARTED",
            "SYNC_RUN_ERROR",
            "INITIAL_SYNC_COMPLETED",
        ];
        assert_eq!(world.log(&id), log);
    }

    #[test]
    fn a_revoked_credential_stops_a_sync_until_it_is_enabled_again() {
        let mut world = World::new();
        let id = world.enable(&Value::Null).unwrap();
        world.until(START);
        world.accounts.get_mut(&world.account).unwrap().trouble(Trouble::CredentialRevoked, None);
        world.create("meanwhile");
        assert_eq!(world.until(START + FULL), ["sync_errored"], "once");
        let sync = world.sync(&id);
        assert!(sync.reason.as_ref().unwrap().contains(world.account.as_str()) && sync.due().is_none());
        world.engine.reenable(&id, START + FULL);
        assert_eq!(world.until(START + FULL), ["sync_errored"], "as long as it is revoked");
        world.accounts.get_mut(&world.account).unwrap().mend();
        assert_eq!(world.until(START + FULL + FULL), NOTHING, "it does not go on by itself");
        world.engine.reenable(&id, START + FULL + FULL);
        assert_eq!(world.sync(&id).status, Status::Active);
        assert_eq!(world.until(START + FULL + FULL), ["record_created meanwhile"]);
        assert_eq!((world.sync(&id).status, &world.sync(&id).reason), (Status::Idle, &None));
    }

    #[test]
    fn a_paused_sync_goes_on_where_it_stopped() {
        let mut world = World::new();
        let a = world.create("a");
        let id = world.enable(&Value::Null).unwrap();
        world.until(START);
        world.engine.disable(&id, START);
        world.create("b");
        world.files().delete(&a);
        assert_eq!(world.until(START + FULL + FULL), NOTHING);
        assert_eq!(world.engine.reenable(&id, START + FULL + FULL).unwrap().status, Status::Active);
        let told = ["record_created b", "record_deleted a"];
        assert_eq!(world.until(START + FULL + FULL), told, "the full run that it has missed comes at once");
    }

    #[test]
    fn a_frequency_holds_from_the_next_run_on() {
        let mut world = World::new();
        let id = world.enable(&Value::Null).unwrap();
        world.until(START);
        let hourly = Update { frequency: Some(Frequency::OneHour), credential: None };
        world.engine.update(&id, hourly, START);
        world.create("a");
        assert_eq!(world.until(START + MINUTE), ["record_created a"]);
        world.create("b");
        assert_eq!(world.engine.next_due(), Some(START + MINUTE + Duration::from_secs(3_600)));
    }

    #[test]
    fn another_account_replaces_every_record_and_the_first_one_brings_the_old_ids_back() {
        let mut world = World::new();
        let project = ProjectId::from("p");
        let mut work = Account::new(&project, &UserId::from("u"), "googledrive", "work");
        work.collection_mut(Pipeline::Files).create(File::named("of work").into(), START);
        let (home, other) = (world.account.clone(), work.credential().clone());
        world.accounts.insert(other.clone(), work);
        world.create("of home");
        let id = world.enable(&Value::Null).unwrap();
        world.until(START);
        let ids = |world: &World| world.sync(&id).feed.live_keys().map(|(key, _)| key).collect::<Vec<_>>();
        let before = ids(&world);
        world.engine.update(&id, Update { credential: Some(other), frequency: None }, START);
        assert_eq!(world.until(START), ["record_created of work", "record_deleted of home"]);
        assert_ne!(ids(&world), before);
        world.engine.update(&id, Update { credential: Some(home), frequency: None }, START);
        assert_eq!(world.until(START), ["record_created of home", "record_deleted of work"]);
        assert_eq!(ids(&world), before);
    }

    #[test]
    fn runs_may_take_their_time() {
        let mut world = World::new();
        world.engine.set_runs_take(Duration::from_secs(5));
        let id = world.enable(&Value::Null).unwrap();
        assert_eq!(world.until(START), NOTHING);
        assert_eq!(world.sync(&id).status, Status::Active);
        assert_eq!(world.until(START + Duration::from_secs(5)), ["sync_complete"]);
        assert_eq!(world.sync(&id).status, Status::Idle);
        world.until(START + Duration::from_secs(65));
        world.engine.disable(&id, START + Duration::from_secs(66));
        world.create("a");
        world.engine.reenable(&id, START + Duration::from_secs(70));
        assert_eq!(world.until(START + Duration::from_secs(75)), ["record_created a"]);
    }

    #[test]
    fn records_that_cannot_be_read_are_told_and_the_sync_goes_on() {
        let mut world = World::new();
        let (a, _) = (world.create("a"), world.create("b"));
        world.files().break_reading(&a, Some("Request failed with status code 404"));
        let id = world.enable(&Value::Null).unwrap();
        assert_eq!(world.until(START), ["record_errored a", "sync_complete"]);
        assert_eq!((world.sync(&id).status, world.sync(&id).feed.active()), (Status::Idle, 1));
        assert_eq!(world.until(START + FULL), ["record_errored a"], "again by the full run");
        world.files().break_reading(&a, None);
        assert_eq!(world.until(START + FULL + MINUTE), ["record_created a"]);
        world.files().hide(&a, true);
        assert_eq!(world.until(START + FULL + FULL), ["record_deleted a"]);
        world.files().hide(&a, false);
        assert_eq!(world.until(START + FULL + FULL + MINUTE), ["record_created a"]);
    }

    #[test]
    fn what_a_configuration_no_longer_admits_is_lost_at_the_full_run() {
        let mut world = World::new();
        let (a, _) = (world.create("a.pdf"), world.create("b.txt"));
        let id = world.enable(&serde_json::json!({"mimeTypes": ["application/pdf"]})).unwrap();
        world.until(START);
        assert_eq!(world.sync(&id).feed.active(), 1);
        world.files().update(
            &a,
            |object| {
                if let crate::contract::Object::File(file) = object {
                    file.mime_type = "text/plain".into();
                }
            },
            START,
        );
        assert_eq!(world.until(START + FULL), ["record_deleted a.pdf"]);
    }

    #[test]
    fn ten_million_objects_are_synced_at_once() {
        let mut world = World::new();
        world.files().fill(Synthetic::new(10_000_000, 1));
        let (gone, changed) = (world.files().external_id(5), world.files().external_id(7));
        world.files().delete(&gone);
        world.rename(&changed, "changed before");
        let id = world.enable(&Value::Null).unwrap();
        assert_eq!(world.until(START), ["sync_complete"]);
        let feed = &world.sync(&id).feed;
        assert_eq!((feed.active(), feed.total()), (9_999_999, 9_999_999));
        assert!(!feed.has_seen(5) && feed.get(7).unwrap().json.contains("changed before"));
        world.rename(&changed, "changed later");
        let last = world.files().external_id(9_999_999);
        world.files().delete(&last);
        assert_eq!(world.until(START + MINUTE), ["record_updated changed later"]);
        assert_eq!(world.until(START + FULL).len(), 1);
        assert_eq!(world.sync(&id).feed.active(), 9_999_998);
    }

    /// What may happen between two runs.
    #[derive(Clone, Debug)]
    enum Step {
        Create,
        Update(prop::sample::Index),
        Delete(prop::sample::Index),
        Hide(prop::sample::Index, bool),
        Break(prop::sample::Index, bool),
        Pause,
        GoOn,
        Trouble(Trouble),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let which = any::<prop::sample::Index>;
        prop_oneof![
            4 => Just(Step::Create),
            4 => which().prop_map(Step::Update),
            2 => which().prop_map(Step::Delete),
            1 => (which(), any::<bool>()).prop_map(|(which, yes)| Step::Hide(which, yes)),
            1 => (which(), any::<bool>()).prop_map(|(which, yes)| Step::Break(which, yes)),
            1 => Just(Step::Pause),
            1 => Just(Step::GoOn),
            1 => prop_oneof![
                Just(Trouble::Network),
                Just(Trouble::AccessTokenExpired),
                (1..200_u64).prop_map(|s| Trouble::RateLimited { backoff: Duration::from_secs(s) }),
            ].prop_map(Step::Trouble),
            4 => prop_oneof![1..200_u64, Just(86_400)].prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// The truth is the reference: after all troubles and a full run, the feed holds what the account shows, each
        /// record with its latest name, and events have told a reader of events the same.
        #[test]
        fn in_the_end_feed_and_events_tell_the_truth(
            synthetic in 0..4_u64, steps in prop::collection::vec(step(), 0..40), stored in any::<bool>(),
        ) {
            let mut world = World::new();
            world.files().fill(Synthetic::new(synthetic, 3));
            let mut ids: Vec<ExternalId> = (0..synthetic).map(|number| world.files().external_id(number)).collect();
            let id = world.enable(&Value::Null).unwrap();
            let mut now = START;
            let mut held = std::collections::BTreeSet::new();
            let follow = |world: &mut World, now: Moment, held: &mut std::collections::BTreeSet<_>| {
                while let Some(due) = world.engine.next_due().filter(|due| *due <= now) {
                    let Some(run) = world.engine.run_due(&mut world.accounts, due) else { continue };
                    for found in run.events {
                        let record = found.event.record_id().cloned();
                        match (found.event.name(), record) {
                            ("record_created", Some(id)) => assert!(held.insert(id), "created twice"),
                            ("record_updated", Some(id)) => assert!(held.contains(&id), "updated before created"),
                            ("record_deleted", Some(id)) => assert!(held.remove(&id), "deleted, never created"),
                            ("sync_complete", None) => {
                                let feed = &world.engine.get(&run.sync).unwrap().feed;
                                held.extend(feed.live_keys().map(|(key, _)| feed.id_of(key)));
                            }
                            _ => {}
                        }
                    }
                }
            };
            let pick = |ids: &[ExternalId], which: prop::sample::Index| {
                (!ids.is_empty()).then(|| ids[which.index(ids.len())].clone())
            };
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Create => ids.push(world.create(&format!("new {number}"))),
                    Step::Update(which) => if let Some(id) = pick(&ids, which) {
                        world.files().update(&id, |file| file.rename(&format!("changed {number}")), now);
                    },
                    Step::Delete(which) => if let Some(id) = pick(&ids, which) { world.files().delete(&id); },
                    Step::Hide(which, yes) => if let Some(id) = pick(&ids, which) { world.files().hide(&id, yes); },
                    Step::Break(which, yes) => if let Some(id) = pick(&ids, which) {
                        world.files().break_reading(&id, yes.then_some("broken"));
                    },
                    Step::Pause => { world.engine.disable(&id, now); }
                    Step::GoOn => { world.engine.reenable(&id, now); }
                    Step::Trouble(trouble) => {
                        world.accounts.get_mut(&world.account).unwrap().trouble(trouble, Some(1));
                    }
                    Step::Pass(seconds) => {
                        now = now + Duration::from_secs(seconds);
                        follow(&mut world, now, &mut held);
                    }
                }
            }
            if stored {
                let engine = serde_json::to_string(&world.engine).unwrap();
                world.engine = serde_json::from_str(&engine).unwrap();
                let accounts = serde_json::to_string(&world.accounts).unwrap();
                world.accounts = serde_json::from_str(&accounts).unwrap();
            }
            world.accounts.get_mut(&world.account).unwrap().mend();
            for id in &ids {
                let number = world.files().number_of(id).unwrap();
                if matches!(world.files().look(number), crate::source::Seen::Unreadable(_)) {
                    world.files().break_reading(id, None);
                }
            }
            world.engine.reenable(&id, now);
            now = now + FULL + FULL;
            follow(&mut world, now, &mut held);
            let truth: std::collections::BTreeMap<_, _> = ids.iter().filter_map(|id| {
                let number = world.accounts[&world.account].collection(Pipeline::Files)?.number_of(id)?;
                match world.accounts[&world.account].collection(Pipeline::Files)?.look(number) {
                    crate::source::Seen::Here(object) => Some((id.to_string(), object.title().to_owned())),
                    _ => None,
                }
            }).collect();
            let feed = &world.sync(&id).feed;
            let fed: std::collections::BTreeMap<_, _> = feed.live().map(|entry| {
                let record: Value = serde_json::from_str(&entry.json).unwrap();
                (record["externalId"].as_str().unwrap().to_owned(), record["name"].as_str().unwrap().to_owned())
            }).collect();
            prop_assert_eq!(&fed, &truth);
            let live: std::collections::BTreeSet<_> = feed.live_keys().map(|(key, _)| feed.id_of(key)).collect();
            prop_assert_eq!(held, live);
        }
    }
}
