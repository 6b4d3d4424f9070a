//! Tests of the engine over the whole life of a sync.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::run::Accounts;
use super::*;
use crate::clock::Timestamp;
use crate::contract::{CredentialId, ExternalId, File, Frequency, Pipeline, ProjectId, SyncId, UserId};
use crate::source::{Account, ProviderFault, ProviderFaultKind, Synthetic};

use crate::sync::status::FULL;

const START: Timestamp = Timestamp::from_millis(1_000);
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
        let wanted = EnableRequest {
            account,
            pipeline: Pipeline::Files,
            configuration_name: "default",
            configuration,
            frequency: None,
        };
        Ok(self.engine.enable(wanted, START)?.id.clone())
    }

    /// Runs everything that is due by then. Returns the names of the events, each with the name of its record.
    fn until(&mut self, until: Timestamp) -> Vec<String> {
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
fn each_kind_of_run_reports_the_changes_that_it_notices() {
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
fn an_object_that_exists_only_between_two_runs_causes_no_event() {
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
    assert_eq!(world.enable(&Value::Null).unwrap_err().existing(), Some(&id));
    world.until(START);
    assert!(world.engine.delete(&id).is_some() && world.engine.delete(&id).is_none());
    assert_eq!(world.engine.next_due(), None);
    assert_eq!(world.enable(&Value::Null).unwrap(), id);
    assert_eq!(world.until(START), ["sync_complete"]);
}

#[test]
fn temporary_provider_faults_cause_no_event() {
    let mut world = World::new();
    world.create("a");
    let id = world.enable(&Value::Null).unwrap();
    let backoff = Duration::from_secs(90);
    let account = world.accounts.get_mut(&world.account).unwrap();
    account.inject(ProviderFault::new(ProviderFaultKind::RateLimited { backoff }).next(1));
    account.inject(ProviderFault::new(ProviderFaultKind::Network).next(1));
    account.inject(ProviderFault::new(ProviderFaultKind::AccessTokenExpired).next(1));
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
    world.accounts.get_mut(&world.account).unwrap().inject(ProviderFaultKind::CredentialRevoked);
    world.create("meanwhile");
    assert_eq!(world.until(START + FULL), ["sync_errored"], "once");
    let sync = world.sync(&id);
    assert!(sync.reason.as_ref().unwrap().contains(world.account.as_str()) && sync.due().is_none());
    world.engine.reenable(&id, START + FULL);
    assert_eq!(world.until(START + FULL), ["sync_errored"], "as long as it is revoked");
    world.accounts.get_mut(&world.account).unwrap().end_faults();
    assert_eq!(world.until(START + FULL + FULL), NOTHING, "it does not go on by itself");
    world.engine.reenable(&id, START + FULL + FULL);
    assert_eq!(world.sync(&id).status, Status::Active);
    assert_eq!(world.until(START + FULL + FULL), ["record_created meanwhile"]);
    assert_eq!((world.sync(&id).status, &world.sync(&id).reason), (Status::Idle, &None));
}

#[test]
fn a_full_run_finds_files_that_moved_with_a_folder() {
    let mut world = World::new();
    let folder = |name, parent: Option<&ExternalId>| {
        let mime_type = "application/vnd.google-apps.folder".into();
        File { mime_type, parent_folder_id: parent.cloned(), ..File::named(name) }
    };
    let put = |world: &mut World, file: File| world.files().create(file.into(), START);
    let root = put(&mut world, folder("root", None));
    let inner = put(&mut world, folder("inner", None));
    put(&mut world, File { parent_folder_id: Some(inner.clone()), ..File::named("a") });
    let id = world.enable(&serde_json::json!({"folderId": root})).unwrap();
    world.until(START);
    assert_eq!(world.sync(&id).feed.active(), 0);
    let lie_in = |world: &mut World, parent: Option<&ExternalId>| {
        let change = |object: &mut crate::contract::Object| {
            <File as crate::contract::Synced>::of(object).unwrap().parent_folder_id = parent.cloned();
        };
        assert!(world.files().update(&inner, change, START));
    };
    lie_in(&mut world, Some(&root));
    assert_eq!(world.until(START + MINUTE), ["record_created inner"], "the file in it has not changed");
    assert_eq!(world.until(START + FULL), ["record_created a"]);
    assert_eq!(world.until(START + FULL + FULL), NOTHING);
    lie_in(&mut world, None);
    let told = ["record_deleted inner", "record_deleted a"];
    assert_eq!(world.until(START + FULL + FULL + FULL), told);
}

#[test]
fn a_paused_sync_has_no_error() {
    let mut world = World::new();
    let id = world.enable(&Value::Null).unwrap();
    world
        .accounts
        .get_mut(&world.account)
        .unwrap()
        .inject(ProviderFault::new(ProviderFaultKind::CredentialRevoked).next(1));
    world.until(START);
    assert!(world.sync(&id).reason.is_some());
    let sync = world.engine.disable(&id, START).unwrap();
    assert_eq!((sync.status, &sync.reason), (Status::Disabled, &None));
}

#[test]
fn a_reenabled_sync_continues_where_it_stopped() {
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
fn a_new_frequency_applies_from_the_next_run() {
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
fn runs_can_have_a_duration() {
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
fn unreadable_records_cause_an_event_and_the_sync_continues() {
    let mut world = World::new();
    let (a, _) = (world.create("a"), world.create("b"));
    world.files().break_reading(&a, Some("Request failed with status code 404"));
    let id = world.enable(&Value::Null).unwrap();
    assert_eq!(world.until(START), ["record_errored a", "sync_complete"]);
    assert_eq!((world.sync(&id).status, world.sync(&id).feed.active()), (Status::Idle, 1));
    assert_eq!(world.until(START + FULL), ["record_errored a"], "again by the full run");
    world.files().break_reading(&a, None);
    assert_eq!(world.until(START + FULL + MINUTE), ["record_created a"]);
    world.files().hide(&a);
    assert_eq!(world.until(START + FULL + FULL), ["record_deleted a"]);
    world.files().show(&a, START);
    assert_eq!(world.until(START + FULL + FULL + MINUTE), ["record_created a"]);
}

#[test]
fn a_full_run_deletes_records_that_the_configuration_no_longer_admits() {
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

/// Something that can happen between two runs.
#[derive(Clone, Debug)]
enum Step {
    Create,
    Update(prop::sample::Index),
    Delete(prop::sample::Index),
    Hide(prop::sample::Index, bool),
    Break(prop::sample::Index, bool),
    Pause,
    GoOn,
    ProviderFault(ProviderFaultKind),
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
            Just(ProviderFaultKind::Network),
            Just(ProviderFaultKind::AccessTokenExpired),
            (1..200_u64).prop_map(|s| ProviderFaultKind::RateLimited { backoff: Duration::from_secs(s) }),
        ].prop_map(Step::ProviderFault),
        4 => prop_oneof![1..200_u64, Just(86_400)].prop_map(Step::Pass),
    ]
}

proptest! {
    /// The account is the reference. After all problems are over and a full run has taken place, the feed contains
    /// exactly the visible objects of the account, each with its latest name. A receiver that uses only the events ends
    /// up with the same records.
    #[test]
    fn feed_and_events_end_with_the_objects_of_the_account(
        synthetic in 0..4_u64, steps in prop::collection::vec(step(), 0..40), stored in any::<bool>(),
    ) {
        let mut world = World::new();
        world.files().fill(Synthetic::new(synthetic, 3));
        let mut ids: Vec<ExternalId> = (0..synthetic).map(|number| world.files().external_id(number)).collect();
        let id = world.enable(&Value::Null).unwrap();
        let mut now = START;
        let mut held = std::collections::BTreeSet::new();
        let follow = |world: &mut World, now: Timestamp, held: &mut std::collections::BTreeSet<_>| {
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
                Step::Hide(which, yes) => if let Some(id) = pick(&ids, which) {
                    if yes { world.files().hide(&id); } else { world.files().show(&id, now); }
                },
                Step::Break(which, yes) => if let Some(id) = pick(&ids, which) {
                    world.files().break_reading(&id, yes.then_some("broken"));
                },
                Step::Pause => { world.engine.disable(&id, now); }
                Step::GoOn => { world.engine.reenable(&id, now); }
                Step::ProviderFault(trouble) => {
                    world.accounts.get_mut(&world.account).unwrap().inject(ProviderFault::new(trouble).next(1));
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
        world.accounts.get_mut(&world.account).unwrap().end_faults();
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
