use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::driver::{Driver, Replaced};
use super::endpoint::Endpoint;
use super::fault::{ApiFault, Trouble};
use super::faults::FaultId;
use super::handles::Sync;
use super::paragon::FakeParagon;
use super::shared::lock;
use super::world::World;
use crate::contract::{ConfigurationProblem, CredentialId, ExternalId, Object, SyncId, UserId, integration};
use crate::delivery::{Adversity, Mishap, Wire};
use crate::scenario::{Action, Fault, Scenario, ScenarioError, Step};
use crate::sync::EnableError;

impl FakeParagon {
    /// Plays a scenario from here on; set the webhook before. Hands back its syncs, in the order in which they were
    /// enabled. Seed, revision and policy are this fake's own: see [`Builder::scenario`](super::Builder::scenario).
    ///
    /// # Errors
    ///
    /// When a step cannot happen: none after it has.
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
    pub async fn play(&self, scenario: &Scenario) -> Result<Vec<Sync>, ScenarioError> {
        self.driver.play(scenario, &|_| Box::pin(async {})).await
    }

    /// As [`play`](Self::play), but waits after each step, before what goes wrong during it ends: so that a receiver
    /// that works on its own has the real time to meet it.
    ///
    /// # Errors
    ///
    /// As [`play`](Self::play).
    pub async fn play_with<'a>(
        &self,
        scenario: &Scenario,
        after: &(dyn Fn(&Step) -> Waiting<'a> + std::marker::Sync),
    ) -> Result<Vec<Sync>, ScenarioError> {
        self.driver.play(scenario, after).await
    }
}

/// What [`FakeParagon::play_with`] waits for after a step.
pub type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Driver {
    pub(super) async fn play<'a>(
        self: &Arc<Self>,
        scenario: &Scenario,
        after: &(dyn Fn(&Step) -> Waiting<'a> + std::marker::Sync),
    ) -> Result<Vec<Sync>, ScenarioError> {
        scenario.check()?;
        let mut play = Play { users: scenario.users().cloned().collect(), ..Play::default() };
        let mut syncs = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::Step { number: index + 1, problem };
            play.trouble(&mut lock(&self.world), &step.during);
            let enabled = play.act(&mut lock(&self.world), &step.action).map_err(wrong);
            self.tell();
            if enabled.is_err() {
                play.trouble(&mut lock(&self.world), &[]);
            }
            syncs.extend(enabled?.map(|id| Sync { world: self.world.clone(), id }));
            let by = if let Action::Advance { by } = step.action { by } else { Duration::ZERO };
            if !(by + step.then).is_zero() {
                let moved = self.advance(by + step.then).await;
                moved.map_err(|Replaced| wrong("the state was replaced meanwhile".to_owned()))?;
            }
            after(step).await;
        }
        play.trouble(&mut lock(&self.world), &[]);
        self.tell();
        Ok(syncs)
    }
}

/// A scenario that is being played.
#[derive(Default)]
struct Play {
    objects: HashMap<String, (CredentialId, ExternalId)>,
    /// Whose calls of the API go wrong.
    users: BTreeSet<UserId>,
    /// What goes wrong now, and the faults of the API that play it.
    during: BTreeMap<Fault, Vec<FaultId>>,
}

impl Play {
    /// Does it, and hands back the sync that is enabled by it.
    fn act(&mut self, world: &mut World, action: &Action) -> Result<Option<SyncId>, String> {
        match action {
            Action::Create { user, integration, pipeline, object, record } => {
                let record = Object::from_members(*pipeline, record.clone()).map_err(|error| error.to_string())?;
                let account = world.connect(user, integration, "default");
                let id = world.create(&account, record);
                self.objects.insert(object.clone(), (account, id));
            }
            Action::Update { object, set } => {
                let (account, id) = &self.objects[object];
                let mut failed = None;
                world.update(account, id, |now| match now.with(set) {
                    Ok(changed) => *now = changed,
                    Err(error) => failed = Some(error.to_string()),
                });
                failed.map_or(Ok(()), Err)?;
            }
            Action::Delete { object } => {
                let (account, id) = &self.objects[object];
                world.touch(account, "deleted", id, crate::source::Collection::delete);
            }
            Action::Enable { user, integration, pipeline, configuration_name, configuration } => {
                let account = world.connect(user, integration, "default");
                let enabled = world.enable(&account, pipeline.name(), configuration_name, configuration.clone(), None);
                return enabled.map(Some).map_err(|error| error.to_string());
            }
            Action::Advance { .. } => {}
        }
        Ok(None)
    }

    /// Exactly this goes wrong from now on.
    fn trouble(&mut self, world: &mut World, during: &[Fault]) {
        let over: Vec<Fault> = self.during.keys().copied().filter(|fault| !during.contains(fault)).collect();
        for fault in over {
            for id in self.during.remove(&fault).unwrap_or_default() {
                world.faults.remove(id);
            }
            match means(fault) {
                Means::Webhook => world.enable_webhook(),
                Means::Deliveries(what, _) => world.queue.end(what),
                Means::Api(_) => {}
            }
        }
        for fault in during {
            if self.during.contains_key(fault) {
                continue;
            }
            let faults = match means(*fault) {
                Means::Webhook => {
                    world.disable_webhook();
                    Vec::new()
                }
                Means::Deliveries(what, probability) => {
                    let adversity = Adversity::new(what);
                    world.queue.begin(probability.map_or(adversity, |of_one| adversity.probability(of_one)));
                    Vec::new()
                }
                Means::Api(faults) => {
                    let of_each =
                        self.users.iter().flat_map(|user| faults.iter().map(|fault| fault.clone().user(user.clone())));
                    of_each.map(|fault| world.faults.add(fault)).collect()
                }
            };
            self.during.insert(*fault, faults);
        }
    }
}

/// How a fault of a scenario is played.
enum Means {
    Webhook,
    /// With each delivery, or with this probability.
    Deliveries(Mishap, Option<f64>),
    Api(Vec<ApiFault>),
}

fn means(fault: Fault) -> Means {
    const HOUR: Duration = Duration::from_secs(3_600);
    let each_ninth = |what: Trouble| ApiFault::new(what).probability(1.0 / 9.0);
    match fault {
        Fault::WebhookDisabled => Means::Webhook,
        Fault::ReceiverUnreachable => Means::Deliveries(Mishap::Unreachable, None),
        Fault::EventsDoubled => Means::Deliveries(Mishap::Duplicate, None),
        Fault::EventsTogether => Means::Deliveries(Mishap::Together(3), None),
        Fault::EventsDelayed => Means::Deliveries(Mishap::Delay(HOUR), None),
        Fault::EventsReordered => Means::Deliveries(Mishap::Reorder, Some(0.5)),
        Fault::AnswersLost => Means::Deliveries(Mishap::Wire(Wire::ResetAfterBody), Some(0.5)),
        Fault::ApiUnavailable => Means::Api(vec![ApiFault::new(Trouble::status(503))]),
        Fault::ApiFlaky => {
            Means::Api([Trouble::status(502), Trouble::ResetBefore, Trouble::CutJson].map(each_ninth).to_vec())
        }
        Fault::ShortPages => Means::Api(vec![ApiFault::new(Trouble::ShortPages(3))]),
        Fault::RepeatedRecords => {
            Means::Api(vec![ApiFault::new(Trouble::RepeatedRecord).endpoint(Endpoint::PullRecords)])
        }
        Fault::UnknownMembers => Means::Api(vec![ApiFault::new(Trouble::UnknownMembers)]),
    }
}

impl World {
    /// Looks whether the steps can happen here, as far as that can be known before.
    pub(super) fn could_play(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        for (index, step) in scenario.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::Step { number: index + 1, problem };
            let Action::Enable { user, integration: name, pipeline, configuration_name, configuration } = &step.action
            else {
                continue;
            };
            let id = SyncId::derive(&self.project.id, user, name, pipeline.name(), configuration_name);
            if self.engine.get(&id).is_some() {
                return Err(wrong(EnableError::Exists(id).to_string()));
            }
            if let Ok(known) = integration(name) {
                let told = |all: Vec<ConfigurationProblem>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
                let checked = known.check(*pipeline, configuration);
                checked.map_err(|problems| wrong(told(problems).join("; ")))?;
            }
        }
        Ok(())
    }
}
