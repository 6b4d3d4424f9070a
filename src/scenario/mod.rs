//! Histories of a simulated integration, with faults, as plain data. Shrinking writes such a scenario, a person can
//! write one by hand, and the fake plays it.
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
//! Ids are assigned when the scenario is played. A member that refers to another object of the same account gives the
//! name of that object in the scenario: `"parentFolderId": {"object": "reports"}`. The same holds for `accountId` and
//! `parentCompanyId`.
//!
//! [`FakeParagon::play`](crate::FakeParagon::play) plays a scenario. `schemas/scenario.json` is the schema of the file.

mod reference;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contract::{Object, Pipeline, Revision, UserId};
use crate::delivery::Policy;
use reference::references;
pub(crate) use reference::resolved;
pub use step::{Action, Fault, Step};

/// A history: which objects users have, when these objects change, and what goes wrong meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// Version of the format: 1.
    pub scenario: u32,
    /// Description of what the scenario shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Seed from which ids derive.
    pub seed: u64,
    /// Revision of the contract. The newest if left out.
    #[serde(default)]
    pub revision: Revision,
    /// Delivery policy of webhooks. [`Policy::paragon_assumed`] if left out.
    #[serde(default = "Policy::paragon_assumed")]
    pub policy: Policy,
    /// Steps of the history, in order. After the last step everything works.
    pub steps: Vec<Step>,
}

/// Reason why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ScenarioError(#[from] ScenarioErrorKind);

#[derive(Debug, thiserror::Error)]
enum ScenarioErrorKind {
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("not a scenario: {0}")]
    Format(#[source] serde_json::Error),
    #[error("`scenario`: expected version 1, got {0}")]
    Version(u32),
    #[error("step {number}: {problem}")]
    Step { number: usize, problem: String },
}

impl ScenarioError {
    /// Creates the error of the step with this index, from 0.
    pub(crate) fn of_step(index: usize, problem: String) -> Self {
        ScenarioErrorKind::Step { number: index + 1, problem }.into()
    }

    /// Returns whether the file cannot be read. Only then does the message begin with the path of the file.
    pub fn is_unreadable(&self) -> bool {
        matches!(self.0, ScenarioErrorKind::Read { .. })
    }

    /// Returns the number of the step that cannot happen, from 1.
    pub fn step(&self) -> Option<usize> {
        if let ScenarioErrorKind::Step { number, .. } = self.0 { Some(number) } else { None }
    }
}

impl Scenario {
    /// Creates a scenario of these steps, with defaults for everything else.
    pub fn new(seed: u64, steps: Vec<Step>) -> Self {
        let (revision, policy) = (Revision::default(), Policy::paragon_assumed());
        Self { scenario: 1, about: String::new(), seed, revision, policy, steps }
    }

    /// Parses a scenario and checks that its steps can happen.
    ///
    /// # Errors
    ///
    /// Returns an error that names the line, or the step and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_json::from_str(text).map_err(ScenarioErrorKind::Format)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Scenario::parse`], and an error if the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let path = path.as_ref();
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ScenarioErrorKind::Read { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Checks that the steps can happen. For example, objects may change only while they exist, and a sync may be
    /// enabled only once.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first step that cannot happen, or an unknown version.
    pub fn check(&self) -> Result<(), ScenarioError> {
        if self.scenario != 1 {
            return Err(ScenarioErrorKind::Version(self.scenario).into());
        }
        let mut so_far = SoFar::default();
        for (index, step) in self.steps.iter().enumerate() {
            so_far.take(&step.action).map_err(|problem| ScenarioError::of_step(index, problem))?;
        }
        Ok(())
    }

    /// Leaves out the steps that cannot happen, for example because earlier steps were removed. Also leaves out members
    /// that refer to an object that does not exist.
    #[must_use]
    pub fn possible(mut self) -> Self {
        let mut so_far = SoFar::default();
        self.steps.retain_mut(|step| {
            so_far.let_go(&mut step.action);
            so_far.take(&step.action).is_ok()
        });
        self
    }

    /// Returns the users of the scenario. A user may occur more than once.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Create { user, .. } | Action::Enable { user, .. } => Some(user),
            _ => None,
        })
    }

    /// Returns the same history with other users.
    #[must_use]
    pub fn with_users(mut self, rename: impl Fn(&UserId) -> UserId) -> Self {
        for step in &mut self.steps {
            if let Action::Create { user, .. } | Action::Enable { user, .. } = &mut step.action {
                *user = rename(user);
            }
        }
        self
    }

    /// Returns the text of a scenario file: indented JSON, with a newline at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|error| unreachable!("a scenario is plain data: {error}")) + "\n"
    }
}

/// State after some of the steps.
#[derive(Default)]
struct SoFar {
    /// All objects that were created, also deleted ones.
    objects: BTreeMap<String, Known>,
    syncs: BTreeSet<(UserId, String, Pipeline, String)>,
}

/// State of an object.
struct Known {
    account: (UserId, String),
    /// The object. Its reference members hold the names of the other objects instead of ids.
    record: Object,
    references: BTreeMap<&'static str, String>,
    alive: bool,
}

impl SoFar {
    fn take(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Create { object, .. } if self.objects.contains_key(object) => {
                Err(format!("an earlier step already created the object {object:?}"))
            }
            Action::Create { user, integration, object, pipeline, record } => {
                let account = (user.clone(), integration.clone());
                let references = self.references(&account, record)?;
                let record = Object::from_members(*pipeline, resolved(record, |name| Some(name.into())));
                let record =
                    record.map_err(|error| format!("the record is not valid for the pipeline {pipeline}: {error}"))?;
                self.objects.insert(object.clone(), Known { account, record, references, alive: true });
                Ok(())
            }
            Action::Update { object, set } => {
                if set.contains_key("id") || set.contains_key("externalId") {
                    return Err("an update cannot set `id` or `externalId`".to_owned());
                }
                let known = self.living(object)?;
                let references = self.references(&known.account, set)?;
                let changed = known.record.with(&resolved(set, |name| Some(name.into())));
                let changed = changed.map_err(|error| {
                    format!("the changed record is not valid for the pipeline {}: {error}", known.record.pipeline())
                })?;
                if let Some(known) = self.objects.get_mut(object) {
                    known.record = changed;
                    known.references.retain(|member, _| !set.contains_key(*member));
                    known.references.extend(references);
                }
                Ok(())
            }
            Action::Delete { object } => {
                self.living(object)?;
                let refers = |known: &Known| known.alive && known.references.values().any(|target| target == object);
                if let Some((user, _)) = self.objects.iter().find(|(_, known)| refers(known)) {
                    return Err(format!(
                        "{user:?} still refers to {object:?}: first delete {user:?}, or let it refer to another object"
                    ));
                }
                if let Some(known) = self.objects.get_mut(object) {
                    known.alive = false;
                }
                Ok(())
            }
            Action::Enable { user, integration, pipeline, configuration_name, .. } => {
                let sync = (user.clone(), integration.clone(), *pipeline, configuration_name.clone());
                let new = self.syncs.insert(sync);
                new.then_some(()).ok_or_else(|| {
                    format!("an earlier step already enabled the sync {configuration_name:?} of {user}'s {integration}")
                })
            }
            Action::Advance { .. } => Ok(()),
        }
    }

    fn living(&self, object: &str) -> Result<&Known, String> {
        let known = self.objects.get(object).filter(|known| known.alive);
        known.ok_or_else(|| format!("there is no object {object:?}"))
    }

    /// Returns the references among the members of an object, as pairs of member and target. Returns an error if a
    /// target does not exist in the account.
    fn references(
        &self,
        account: &(UserId, String),
        members: &Map<String, Value>,
    ) -> Result<BTreeMap<&'static str, String>, String> {
        let all = references(members).map(|(reference, target)| match self.living(target) {
            Ok(known) if known.account == *account && (reference.fits)(&known.record) => {
                Ok((reference.member, target.to_owned()))
            }
            _ => Err(format!("{}: there is no {} {target:?} in this account", reference.member, reference.what)),
        });
        all.collect()
    }

    /// Leaves out the members that refer to an object that does not exist.
    fn let_go(&self, action: &mut Action) {
        let (account, members) = match action {
            Action::Create { user, integration, record, .. } => ((user.clone(), integration.clone()), record),
            Action::Update { object, set } => match self.living(object) {
                Ok(known) => (known.account.clone(), set),
                Err(_) => return,
            },
            _ => return,
        };
        let mut dangling = Vec::new();
        for (reference, _) in references(members) {
            let alone = members.iter().filter(|(name, _)| *name == reference.member);
            let alone = alone.map(|(name, value)| (name.clone(), value.clone())).collect();
            if self.references(&account, &alone).is_err() {
                dangling.push(reference.member);
            }
        }
        members.retain(|name, _| !dangling.contains(&name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn told(steps: &str) -> String {
        Scenario::parse(&format!(r#"{{"scenario":1,"seed":1,"steps":[{steps}]}}"#)).unwrap_err().to_string()
    }

    #[test]
    fn impossible_steps_are_named() {
        let create = r#"{"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a","mimeType":"t","size":1}}"#;
        let enable = r#"{"do":"enable","user":"u","integration":"box"}"#;
        let folder = r#"{"do":"create","user":"u","integration":"box","object":"f","record":{"name":"f","mimeType":"folder","size":null}}"#;
        let within = r#"{"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a","mimeType":"t","size":1,"parentFolderId":{"object":"f"}}}"#;
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
            told(
                r#"{"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a","mimeType":"t","size":1,"parentFolderId":{"object":"b"}}}"#,
            ),
            told(&format!("{folder},{within},{{\"do\":\"delete\",\"object\":\"f\"}}")),
            told(&format!("{folder},{}", within.replace("\"u\"", "\"v\""))),
            Scenario::parse(r#"{"scenario":2,"seed":1,"steps":[]}"#).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(lines.join("\n"));
        let error = Scenario::load("nowhere.json").unwrap_err();
        assert!(error.to_string().starts_with("nowhere.json: ") && error.source().is_some(), "{error}");
        assert!(error.is_unreadable() && error.step().is_none());
        let mut twice = Scenario::new(1, vec![serde_json::from_str(enable).unwrap()]);
        twice.steps.push(twice.steps[0].clone());
        let error = twice.check().unwrap_err();
        assert_eq!((error.is_unreadable(), error.step()), (false, Some(2)));
    }

    #[test]
    fn references_to_removed_objects_are_dropped() {
        let steps = r#"{"do":"create","user":"u","integration":"box","object":"f","record":{"name":"f","mimeType":"folder","size":null}},
            {"do":"create","user":"u","integration":"box","object":"a","record":{"name":"a","mimeType":"t","size":1,"parentFolderId":{"object":"f"}}},
            {"do":"delete","object":"a"},
            {"do":"delete","object":"f"}"#;
        let whole = Scenario::parse(&format!(r#"{{"scenario":1,"seed":1,"steps":[{steps}]}}"#)).unwrap();
        assert_eq!(whole.clone().possible(), whole);
        let without = |index: usize| {
            let mut scenario = whole.clone();
            scenario.steps.remove(index);
            let possible = scenario.possible();
            possible.check().unwrap();
            possible.steps
        };
        let [homeless, ..] = &without(0)[..] else { panic!() };
        assert!(matches!(&homeless.action, Action::Create { record, .. } if !record.contains_key("parentFolderId")));
        assert_eq!(without(2), whole.steps[..2], "a folder that is not empty stays");
    }
}
