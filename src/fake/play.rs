use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::driver::{BoxFuture, Driver, Replaced};
use super::endpoint::Endpoint;
use super::fault::{ApiFault, ApiFaultKind};
use super::faults::FaultId;
use super::handles::SyncHandle;
use super::paragon::FakeParagon;
use super::simulation::Simulation;
use super::state::State;
use crate::contract::{CredentialId, ExternalId, Object, SyncId, UserId};
use crate::delivery::{DeliveryFault, DeliveryFaultKind, Wire};
use crate::scenario::{Action, Fault, Scenario, ScenarioError, Step, resolved};

impl FakeParagon {
    /// Plays a scenario from the current state on; set the webhook before. Returns the syncs of the scenario, in the
    /// order in which they were enabled. The seed, the revision and the policy are this fake's own: see
    /// [`Builder::scenario`](super::Builder::scenario).
    ///
    /// # Errors
    ///
    /// Returns an error if a step cannot happen. No later step was played then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::scenario::Scenario;
    ///
    /// let scenario = Scenario::parse(r#"{"scenario": 1, "seed": 7, "steps": [
    ///     {"do": "create", "user": "ada", "integration": "googledrive", "object": "draft",
    ///         "record": {"name": "draft.md", "mimeType": "text/markdown", "size": 12}},
    ///     {"do": "enable", "user": "ada", "integration": "googledrive", "then": "1m"}
    /// ]}"#)?;
    /// let paragon = FakeParagon::builder().scenario(&scenario).start().await?;
    /// let syncs = paragon.play(&scenario).await?;
    /// assert_eq!(syncs[0].records()[0]["name"], "draft.md");
    /// # Ok(()) }
    /// ```
    pub async fn play(&self, scenario: &Scenario) -> Result<Vec<SyncHandle>, ScenarioError> {
        self.driver.play(scenario).await
    }

    /// Plays a scenario like [`play`](Self::play), and waits for `after` after each step, before the faults of the step
    /// end. This gives a receiver that works on its own the real time to meet the faults.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`play`](Self::play).
    pub async fn play_with<'a>(
        &self,
        scenario: &Scenario,
        after: &(dyn Fn(&Step) -> BoxFuture<'a> + Sync),
    ) -> Result<Vec<SyncHandle>, ScenarioError> {
        self.driver.play_between(scenario, &|_| nothing(), after).await
    }

    /// Plays a scenario like [`play_with`](Self::play_with), and also waits for `enabled` after a sync was enabled,
    /// before its first run.
    pub(crate) async fn play_between<'a>(
        &self,
        scenario: &Scenario,
        enabled: &(dyn Fn(&SyncHandle) -> BoxFuture<'a> + Sync),
        after: &(dyn Fn(&Step) -> BoxFuture<'a> + Sync),
    ) -> Result<Vec<SyncHandle>, ScenarioError> {
        self.driver.play_between(scenario, enabled, after).await
    }
}

fn nothing<'a>() -> BoxFuture<'a> {
    Box::pin(async {})
}

impl Driver {
    pub(super) async fn play(self: &Arc<Self>, scenario: &Scenario) -> Result<Vec<SyncHandle>, ScenarioError> {
        self.play_between(scenario, &|_| nothing(), &|_| nothing()).await
    }

    async fn play_between<'a>(
        self: &Arc<Self>,
        scenario: &Scenario,
        enabled: &(dyn Fn(&SyncHandle) -> BoxFuture<'a> + Sync),
        after: &(dyn Fn(&Step) -> BoxFuture<'a> + Sync),
    ) -> Result<Vec<SyncHandle>, ScenarioError> {
        scenario.check()?;
        let mut play = Play { users: scenario.users().cloned().collect(), ..Play::default() };
        let mut syncs = Vec::new();
        let generation = self.shared.lock().generation;
        for (index, step) in scenario.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::of_step(index, problem);
            let replaced = || wrong("the state was replaced meanwhile".to_owned());
            let acted = {
                let mut state = self.shared.lock();
                if state.generation != generation {
                    // There is nothing to end: the accounts of the scenario and its faults are gone.
                    return Err(replaced());
                }
                play.set_faults(&mut state, &step.during);
                let acted = play.act(&mut state.simulation, &step.action).map_err(wrong);
                if acted.is_err() {
                    play.set_faults(&mut state, &[]);
                }
                acted
            };
            self.tell();
            if let Some(id) = acted? {
                let sync = SyncHandle { shared: self.shared.clone(), id };
                enabled(&sync).await;
                syncs.push(sync);
            }
            let by = if let Action::Advance { by } = step.action { by } else { Duration::ZERO };
            if !(by + step.then).is_zero() {
                self.advance(by + step.then).await.map_err(|Replaced| replaced())?;
            }
            after(step).await;
        }
        play.set_faults(&mut self.shared.lock(), &[]);
        self.tell();
        Ok(syncs)
    }
}

/// State of a scenario that is being played.
#[derive(Default)]
struct Play {
    objects: HashMap<String, (CredentialId, ExternalId)>,
    /// Users whose calls of the API are struck by the faults.
    users: BTreeSet<UserId>,
    /// Active faults of the scenario, each with the faults of the API that implement it.
    during: BTreeMap<Fault, Vec<FaultId>>,
}

impl Play {
    /// Executes an action. Returns the sync that the action enabled, if any.
    fn act(&mut self, simulation: &mut Simulation, action: &Action) -> Result<Option<SyncId>, String> {
        match action {
            Action::Create { user, integration, pipeline, object, record } => {
                let record = resolved(record, |name| self.id_of(name));
                let record = Object::from_members(*pipeline, record).map_err(|error| error.to_string())?;
                let account = simulation.connect(user, integration, "default");
                let id = simulation.create(&account, record);
                self.objects.insert(object.clone(), (account, id));
            }
            Action::Update { object, set } => {
                let (account, id) = &self.objects[object];
                let set = resolved(set, |name| self.id_of(name));
                let mut failed = None;
                simulation.update(account, id, |now| match now.with(&set) {
                    Ok(changed) => *now = changed,
                    Err(error) => failed = Some(error.to_string()),
                });
                failed.map_or(Ok(()), Err)?;
            }
            Action::Delete { object } => {
                let (account, id) = &self.objects[object];
                simulation.change(account, "deleted", id, crate::source::Collection::delete);
            }
            Action::Enable { user, integration, pipeline, configuration_name, configuration } => {
                let account = simulation.connect(user, integration, "default");
                let enabled =
                    simulation.enable(&account, pipeline.name(), configuration_name, configuration.clone(), None);
                return enabled.map(Some).map_err(|error| error.to_string());
            }
            Action::Advance { .. } => {}
        }
        Ok(None)
    }

    /// Returns the external id of an object of the scenario.
    fn id_of(&self, object: &str) -> Option<ExternalId> {
        self.objects.get(object).map(|(_, id)| id.clone())
    }

    /// Makes exactly the faults in `during` active: ends the others, and starts those that are not active.
    fn set_faults(&mut self, state: &mut State, during: &[Fault]) {
        let over: Vec<Fault> = self.during.keys().copied().filter(|fault| !during.contains(fault)).collect();
        for fault in over {
            for id in self.during.remove(&fault).unwrap_or_default() {
                state.api.faults.remove(id);
            }
            match means(fault) {
                Means::Webhook => state.simulation.enable_webhook(),
                Means::Deliveries(what, _) => state.simulation.queue.end(what),
                Means::Api(_) => {}
            }
        }
        for fault in during {
            if self.during.contains_key(fault) {
                continue;
            }
            let faults = match means(*fault) {
                Means::Webhook => {
                    state.simulation.disable_webhook();
                    Vec::new()
                }
                Means::Deliveries(what, probability) => {
                    let fault = DeliveryFault::new(what);
                    state.simulation.queue.begin(probability.map_or(fault, |of_one| fault.probability(of_one)));
                    Vec::new()
                }
                Means::Api(faults) => {
                    let of_each =
                        self.users.iter().flat_map(|user| faults.iter().map(|fault| fault.clone().user(user.clone())));
                    of_each.map(|fault| state.api.faults.add(fault)).collect()
                }
            };
            self.during.insert(*fault, faults);
        }
    }
}

/// Implementation of a fault of a scenario.
enum Means {
    Webhook,
    /// A fault of each delivery, or each with this probability.
    Deliveries(DeliveryFaultKind, Option<f64>),
    Api(Vec<ApiFault>),
}

fn means(fault: Fault) -> Means {
    const HOUR: Duration = Duration::from_secs(3_600);
    let each_ninth = |what: ApiFaultKind| ApiFault::new(what).probability(1.0 / 9.0);
    match fault {
        Fault::WebhookDisabled => Means::Webhook,
        Fault::ReceiverUnreachable => Means::Deliveries(DeliveryFaultKind::Unreachable, None),
        Fault::EventsDoubled => Means::Deliveries(DeliveryFaultKind::Duplicate, None),
        Fault::EventsTogether => Means::Deliveries(DeliveryFaultKind::Together(3), None),
        Fault::EventsDelayed => Means::Deliveries(DeliveryFaultKind::Delay(HOUR), None),
        Fault::EventsReordered => Means::Deliveries(DeliveryFaultKind::Reorder, Some(0.5)),
        Fault::AnswersLost => Means::Deliveries(DeliveryFaultKind::Wire(Wire::ResetAfterBody), Some(0.5)),
        Fault::ApiUnavailable => Means::Api(vec![ApiFault::new(ApiFaultKind::status(503))]),
        Fault::ApiFlaky => Means::Api(
            [ApiFaultKind::status(502), ApiFaultKind::ResetBefore, ApiFaultKind::CutJson].map(each_ninth).to_vec(),
        ),
        Fault::ShortPages => Means::Api(vec![ApiFault::new(ApiFaultKind::ShortPages(3))]),
        Fault::RepeatedRecords => {
            Means::Api(vec![ApiFault::new(ApiFaultKind::RepeatedRecord).endpoint(Endpoint::PullRecords)])
        }
        Fault::UnknownMembers => Means::Api(vec![ApiFault::new(ApiFaultKind::UnknownMembers)]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::contract::{File, Pipeline};
    use crate::source::Account;
    use crate::source::content::{checked, content};
    use crate::strategies::{HistoryParams, history};

    /// Last seen version of each object.
    type Versions = BTreeMap<ExternalId, Object>;

    /// Asserts that the objects of an account after `steps` steps look like those of a real provider.
    fn look_right(account: &Account, now: i64, steps: i64, seen: &mut Versions) {
        for pipeline in Pipeline::ALL {
            let Some(collection) = account.collection(pipeline) else { continue };
            for (id, object) in collection.objects() {
                if let (Some(created), Some(updated)) = object.times() {
                    assert!(created <= updated, "created after it changed: {object:?}");
                    // Changes at the same instant get times one millisecond apart.
                    assert!(updated <= now + steps, "changed later than now: {object:?}");
                } else {
                    assert_eq!(pipeline, Pipeline::Tickets, "without times: {object:?}");
                }
                if let Some(before) = seen.insert(id.clone(), object.clone()).filter(|before| *before != object) {
                    let is_later = object.times().1 > before.times().1;
                    assert!(is_later || pipeline == Pipeline::Tickets, "not later than {before:?}: {object:?}");
                }
                match &object {
                    Object::File(file) => look_right_as_file(file, &id, account),
                    Object::Deal(deal) => {
                        let companies = account.collection(Pipeline::Companies);
                        let is_one = companies.is_some_and(|companies| companies.number_of(&deal.account_id).is_some());
                        let lives = companies.is_some_and(|companies| companies.get(&deal.account_id).is_some());
                        assert_eq!(is_one, lives, "of a company that is gone: {deal:?}");
                    }
                    _ => {}
                }
            }
        }
    }

    fn look_right_as_file(file: &File, id: &ExternalId, account: &Account) {
        let files = account.collection(Pipeline::Files).unwrap();
        if let Some(parent) = &file.parent_folder_id {
            let folder = files.get(parent);
            assert!(matches!(folder, Some(Object::File(folder)) if folder.is_folder()), "lies nowhere: {file:?}");
        }
        let open = File { hash: None, ..file.clone() };
        let of_content = checked(&open, id, account.integration()).unzip();
        assert_eq!((file.size, &file.hash), (of_content.0, &of_content.1.flatten()), "{file:?}");
        if let Some(size) = file.size {
            let served = content(&file.clone().into(), id, account.integration()).unwrap();
            assert_eq!((size, &served.media_type), (served.bytes.len() as u64, &file.mime_type), "{file:?}");
            assert_eq!(File::named(&*file.name).mime_type, file.mime_type, "{file:?}");
        }
        for url in [&file.url, &file.thumbnail_url].into_iter().flatten() {
            assert!(url.starts_with("https://") && !url.contains(' '), "{url}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn what_histories_leave_in_the_source_is_as_a_provider_has_it(
            scenario in history(HistoryParams { pipelines: Pipeline::ALL.to_vec(), rounds: 8..=30, ..HistoryParams::default() }),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let paragon = FakeParagon::builder().scenario(&scenario).start().await.unwrap();
                let seen = Mutex::new((0, Versions::new()));
                let look = |_: &Step| -> BoxFuture<'_> {
                    let (steps, versions) = &mut *seen.lock().unwrap();
                    *steps += 1;
                    let state = paragon.driver.shared.lock();
                    let now = state.simulation.now().as_millis();
                    state.simulation.accounts.iter().for_each(|account| look_right(account, now, *steps, versions));
                    Box::pin(async {})
                };
                paragon.play_with(&scenario, &look).await.unwrap();
            });
        }
    }
}
