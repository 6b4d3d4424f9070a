//! A history of a simulated integration with its troubles, as plain data: what shrinking writes, what a person writes
//! by hand, and what is played again.
//!
//! ```
//! use paragon_testkit::scenario::{Action, Scenario};
//!
//! let scenario = Scenario::parse(r#"{
//!     "scenario": 1,
//!     "about": "A deletion is missed while the webhook is disabled.",
//!     "seed": 7,
//!     "steps": [
//!         {"do": "create", "user": "ada", "integration": "googledrive", "object": "draft",
//!             "record": {"name": "draft.md", "mimeType": "text/markdown", "size": 12}},
//!         {"do": "enable", "user": "ada", "integration": "googledrive", "then": "1m"},
//!         {"do": "delete", "object": "draft", "while": ["webhook_disabled"], "then": "24h"}
//!     ]
//! }"#)?;
//! assert!(matches!(scenario.steps[2].action, Action::Delete { .. }));
//! # Ok::<(), paragon_testkit::scenario::ScenarioError>(())
//! ```
//!
//! [`FakeParagon::play`](crate::FakeParagon::play) plays it; `schemas/scenario.json` is the schema of the file.

mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contract::{Object, Pipeline, Revision, UserId};
use crate::delivery::Policy;
pub use step::{Action, Fault, Step};

/// A history: who has what, when it changes, and what goes wrong meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of the format: 1.
    pub scenario: u32,
    /// What it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What ids follow from.
    pub seed: u64,
    /// The age of the contract; the newest when left out.
    #[serde(default)]
    pub revision: Revision,
    /// How webhooks are delivered; [`Policy::paragon_assumed`] when left out.
    #[serde(default = "Policy::paragon_assumed")]
    pub policy: Policy,
    /// What happens, in order. After the last step everything works.
    pub steps: Vec<Step>,
}

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not of the format.
    #[error("not a scenario: {0}")]
    Format(#[from] serde_json::Error),
    /// It is of a version that this crate does not know.
    #[error("`scenario`: expected version 1, got {0}")]
    Version(u32),
    /// A step that cannot happen.
    #[error("step {number}: {problem}")]
    Step {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl Scenario {
    /// A scenario of these steps, with the defaults for everything else.
    pub fn new(seed: u64, steps: Vec<Step>) -> Self {
        let (revision, policy) = (Revision::default(), Policy::paragon_assumed());
        Self { scenario: 1, about: String::new(), seed, revision, policy, steps }
    }

    /// Reads a scenario and looks whether its steps can happen.
    ///
    /// # Errors
    ///
    /// Names the line, or the step and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_json::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// As [`Scenario::parse`], and when the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let path = path.as_ref();
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ScenarioError::Read { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Looks whether the steps can happen: objects change only while they live, a sync is enabled once.
    ///
    /// # Errors
    ///
    /// Names the first step that cannot happen.
    pub fn check(&self) -> Result<(), ScenarioError> {
        if self.scenario != 1 {
            return Err(ScenarioError::Version(self.scenario));
        }
        let mut so_far = SoFar::default();
        for (index, step) in self.steps.iter().enumerate() {
            let wrong = |problem: String| ScenarioError::Step { number: index + 1, problem };
            so_far.take(&step.action).map_err(wrong)?;
        }
        Ok(())
    }

    /// The same history without the steps that cannot happen (any more): what is left when some were taken out.
    #[must_use]
    pub fn possible(mut self) -> Self {
        let mut so_far = SoFar::default();
        self.steps.retain(|step| so_far.take(&step.action).is_ok());
        self
    }

    /// Its users, some of them more than once.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Create { user, .. } | Action::Enable { user, .. } => Some(user),
            _ => None,
        })
    }

    /// The same history of other users.
    #[must_use]
    pub fn with_users(mut self, rename: impl Fn(&UserId) -> UserId) -> Self {
        for step in &mut self.steps {
            if let Action::Create { user, .. } | Action::Enable { user, .. } = &mut step.action {
                *user = rename(user);
            }
        }
        self
    }

    /// As it stands in a file: indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|error| unreachable!("a scenario is plain data: {error}")) + "\n"
    }
}

/// What there is after some steps.
#[derive(Default)]
struct SoFar {
    /// The objects that there were: their pipeline, what is known of them, whether they live.
    objects: BTreeMap<String, (Object, bool)>,
    syncs: BTreeSet<(UserId, String, Pipeline, String)>,
}

impl SoFar {
    fn take(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Create { object, .. } if self.objects.contains_key(object) => {
                Err(format!("there was an object {object:?} before"))
            }
            Action::Create { object, pipeline, record, .. } => {
                let record = Object::from_members(*pipeline, record.clone());
                let record = record.map_err(|error| format!("no record of {pipeline}: {error}"))?;
                self.objects.insert(object.clone(), (record, true));
                Ok(())
            }
            Action::Update { object, set } => {
                if set.contains_key("id") || set.contains_key("externalId") {
                    return Err("ids cannot be set".to_owned());
                }
                let (record, _) = self.living(object)?;
                *record = record
                    .with(set)
                    .map_err(|error| format!("no record of {} any more: {error}", record.pipeline()))?;
                Ok(())
            }
            Action::Delete { object } => {
                *self.living(object)?.1 = false;
                Ok(())
            }
            Action::Enable { user, integration, pipeline, configuration_name, .. } => {
                let sync = (user.clone(), integration.clone(), *pipeline, configuration_name.clone());
                let new = self.syncs.insert(sync);
                new.then_some(()).ok_or_else(|| {
                    format!("the sync {configuration_name:?} of {user}'s {integration} is enabled already")
                })
            }
            Action::Advance { .. } => Ok(()),
        }
    }

    fn living(&mut self, object: &str) -> Result<(&mut Object, &mut bool), String> {
        match self.objects.get_mut(object) {
            Some((record, alive)) if *alive => Ok((record, alive)),
            _ => Err(format!("there is no object {object:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(steps: &str) -> String {
        Scenario::parse(&format!(r#"{{"scenario":1,"seed":1,"steps":[{steps}]}}"#)).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_happen_is_named() {
        let create = r#"{"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a","mimeType":"t","size":1}}"#;
        let enable = r#"{"do":"enable","user":"u","integration":"box"}"#;
        let lines = [
            told(r#"{"do":"delete","object":"a"}"#),
            told(&format!("{create},{create}")),
            told(&format!(r#"{create},{{"do":"delete","object":"a"}},{{"do":"update","object":"a","set":{{}}}}"#)),
            told(&format!(r#"{create},{{"do":"update","object":"a","set":{{"id":1}}}}"#)),
            told(&format!("{enable},{enable}")),
            told(r#"{"do":"advance","by":"soon"}"#),
            told(r#"{"do":"advance","by":"-1h"}"#),
            told(r#"{"do":"sleep"}"#),
            told(r#"{"do":"advance","by":"1h","while":["x"]}"#),
            told(r#"{"do":"advance","by":"1h","whle":[]}"#),
            told(r#"{"do":"advance","by":"1h","then":"a while"}"#),
            told(r#"{"by":"1h"}"#),
            told("7"),
            told(r#"{"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a"}}"#),
            told(r#"{"do":"create","user":"u","integration":"box","pipeline":"songs","object":"a","record":{}}"#),
            told(&format!(r#"{create},{{"do":"update","object":"a","set":{{"name":1}}}}"#)),
            Scenario::parse(r#"{"scenario":2,"seed":1,"steps":[]}"#).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(lines.join("\n"));
        assert!(Scenario::load("nowhere.json").unwrap_err().to_string().starts_with("nowhere.json: "));
    }
}
