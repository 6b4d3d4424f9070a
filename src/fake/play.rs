use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::driver::{Driver, Replaced};
use super::handles::{Connection, Item, Sync, User};
use super::paragon::FakeParagon;
use super::shared::lock;
use super::world::World;
use crate::contract::{ConfigurationProblem, File, Pipeline, SyncId, UserId, integration};
use crate::delivery::Mishap;
use crate::scenario::{Fault, Scenario, ScenarioError, Step};
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
    ///     {"do": "create", "user": "ada", "integration": "googledrive", "file": "draft",
    ///         "record": {"name": "draft.md", "mimeType": "text/markdown", "size": 12}},
    ///     {"do": "enable", "user": "ada", "integration": "googledrive"},
    ///     {"do": "advance", "by": "1m"}
    /// ]}"#)?;
    /// let paragon = FakeParagon::builder().scenario(&scenario).start().await?;
    /// let syncs = paragon.play(&scenario).await?;
    /// assert_eq!(syncs[0].records()[0]["name"], "draft.md");
    /// # Ok(()) }
    /// ```
    pub async fn play(&self, scenario: &Scenario) -> Result<Vec<Sync>, ScenarioError> {
        self.driver.play(scenario).await
    }
}

impl Driver {
    pub(super) async fn play(self: &Arc<Self>, scenario: &Scenario) -> Result<Vec<Sync>, ScenarioError> {
        scenario.check()?;
        let mut files: HashMap<&str, (Connection, Item<File>)> = HashMap::new();
        let mut syncs = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::Step { number: index + 1, problem };
            match step {
                Step::Create { user, integration, file, record } => {
                    let account = self.user(user).connect(integration);
                    let id = account.create((**record).clone());
                    files.insert(file, (account, id));
                }
                Step::Update { file, set } => {
                    let (account, id) = &files[file.as_str()];
                    let now =
                        account.objects::<File>().into_iter().find(|(other, _)| other == id).map(|(_, file)| file);
                    let changed =
                        with(now.as_ref(), set).map_err(|error| wrong(format!("no file any more: {error}")))?;
                    account.update(id, |file| {
                        let updated_at = file.updated_at.take();
                        *file = changed;
                        if !set.contains_key("updatedAt") {
                            file.updated_at = updated_at;
                        }
                    });
                }
                Step::Delete { file } => {
                    let (account, id) = &files[file.as_str()];
                    account.delete(id);
                }
                Step::Enable { user, integration, configuration_name } => {
                    let account = self.user(user).connect(integration);
                    syncs.push(
                        account.enable_as("files", configuration_name).map_err(|error| wrong(error.to_string()))?,
                    );
                }
                Step::Advance { by } => {
                    let moved = self.advance(*by).await;
                    moved.map_err(|Replaced| wrong("the state was replaced meanwhile".to_owned()))?;
                }
                Step::Break { fault } => self.set_fault(*fault, true),
                Step::Mend { fault } => self.set_fault(*fault, false),
            }
        }
        Ok(syncs)
    }

    fn user(&self, id: &UserId) -> User {
        User { world: self.world.clone(), id: id.clone() }
    }

    fn set_fault(&self, fault: Fault, broken: bool) {
        let mut world = lock(&self.world);
        match fault {
            Fault::ReceiverUnreachable => world.mishap(Mishap::Unreachable, broken),
            Fault::EventsDoubled => world.mishap(Mishap::Duplicate, broken),
            Fault::ApiUnavailable => world.fail_api(broken.then_some(503)),
            Fault::WebhookDisabled if broken => world.disable_webhook(),
            Fault::WebhookDisabled => world.enable_webhook(),
        }
    }
}

impl World {
    /// Looks whether the steps can happen here, as far as that can be known before.
    pub(super) fn could_play(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let mut files: HashMap<&str, File> = HashMap::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::Step { number: index + 1, problem };
            match step {
                Step::Create { file, record, .. } => drop(files.insert(file, (**record).clone())),
                Step::Update { file, set } => {
                    let changed = with(files.get(file.as_str()), set).map_err(|error| wrong(error.to_string()))?;
                    files.insert(file, changed);
                }
                Step::Enable { user, integration: name, configuration_name } => {
                    let id = SyncId::derive(&self.project.id, user, name, Pipeline::Files.name(), configuration_name);
                    if self.engine.get(&id).is_some() {
                        return Err(wrong(EnableError::Exists(id).to_string()));
                    }
                    if let Ok(known) = integration(name) {
                        let told =
                            |all: Vec<ConfigurationProblem>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
                        let checked = known.check(Pipeline::Files, &serde_json::Map::new());
                        checked.map_err(|problems| wrong(told(problems).join("; ")))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The file with some members set.
fn with(file: Option<&File>, set: &serde_json::Map<String, Value>) -> Result<File, serde_json::Error> {
    let mut json = serde_json::to_value(file)?;
    for (name, value) in set {
        json[name.as_str()] = value.clone();
    }
    serde_json::from_value(json)
}
