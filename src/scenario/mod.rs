//! A history of a simulated integration with its troubles, as plain data: what shrinking writes, what a person writes
//! by hand, and what is played again.
//!
//! ```
//! use paragon_testkit::scenario::{Scenario, Step};
//!
//! let scenario = Scenario::parse(r#"{
//!     "scenario": 1,
//!     "about": "A deletion is seen by the next full sync.",
//!     "seed": 7,
//!     "steps": [
//!         {"do": "create", "user": "ada", "integration": "googledrive", "file": "draft",
//!             "record": {"name": "draft.md", "mimeType": "text/markdown", "size": 12}},
//!         {"do": "enable", "user": "ada", "integration": "googledrive"},
//!         {"do": "advance", "by": "1m"},
//!         {"do": "delete", "file": "draft"},
//!         {"do": "advance", "by": "24h"}
//!     ]
//! }"#)?;
//! assert!(matches!(scenario.steps[3], Step::Delete { .. }));
//! # Ok::<(), paragon_testkit::scenario::ScenarioError>(())
//! ```
//!
//! [`FakeParagon::play`](crate::FakeParagon::play) plays it; `schemas/scenario.json` is the schema of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::duration;
use crate::contract::{File, Revision, UserId};
use crate::delivery::Policy;

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
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// A user gets a new file.
    Create {
        /// Whose it is.
        user: UserId,
        /// Such as `googledrive`.
        integration: String,
        /// What the scenario calls it.
        file: String,
        /// What it holds.
        record: Box<File>,
    },
    /// A file changes.
    Update {
        /// What the scenario calls it.
        file: String,
        /// The members that change.
        set: Map<String, Value>,
    },
    /// A file is deleted.
    Delete {
        /// What the scenario calls it.
        file: String,
    },
    /// A sync is enabled. It runs when time passes.
    Enable {
        /// Whose it is.
        user: UserId,
        /// Such as `googledrive`.
        integration: String,
        /// Tells several syncs of one account apart.
        #[serde(default = "default_name", skip_serializing_if = "is_default_name")]
        configuration_name: String,
    },
    /// Time passes: syncs run and webhooks are delivered.
    Advance {
        /// How much, such as `24h`.
        #[serde(with = "duration")]
        by: Duration,
    },
    /// Something stops working.
    Break {
        /// What.
        fault: Fault,
    },
    /// It works again.
    Mend {
        /// What.
        fault: Fault,
    },
}

/// What can be broken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// No webhook reaches the receiver.
    ReceiverUnreachable,
    /// The webhook is disabled; what is due meanwhile is dropped.
    WebhookDisabled,
    /// The Sync API answers 503.
    ApiUnavailable,
    /// Each event is sent twice.
    EventsDoubled,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ReceiverUnreachable, Self::WebhookDisabled, Self::ApiUnavailable, Self::EventsDoubled];
}

fn default_name() -> String {
    "default".to_owned()
}

fn is_default_name(name: &str) -> bool {
    name == "default"
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

    /// Looks whether the steps can happen: files change only while they live, a sync is enabled once.
    ///
    /// # Errors
    ///
    /// Names the first step that cannot happen.
    pub fn check(&self) -> Result<(), ScenarioError> {
        if self.scenario != 1 {
            return Err(ScenarioError::Version(self.scenario));
        }
        let mut files: BTreeMap<&str, bool> = BTreeMap::new();
        let mut syncs = BTreeSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            let wrong = |problem: String| Err(ScenarioError::Step { number: index + 1, problem });
            match step {
                Step::Create { file, .. } if files.insert(file, true).is_some() => {
                    return wrong(format!("there was a file {file:?} before"));
                }
                Step::Update { file, .. } | Step::Delete { file } if files.get(file.as_str()) != Some(&true) => {
                    return wrong(format!("there is no file {file:?}"));
                }
                Step::Delete { file } => drop(files.insert(file, false)),
                Step::Update { set, .. } if set.contains_key("id") || set.contains_key("externalId") => {
                    return wrong("ids cannot be set".to_owned());
                }
                Step::Enable { user, integration, configuration_name }
                    if !syncs.insert((user, integration, configuration_name)) =>
                {
                    return wrong(format!(
                        "the sync {configuration_name:?} of {user}'s {integration} is enabled already"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// As it stands in a file: indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|error| unreachable!("a scenario is plain data: {error}")) + "\n"
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
        let create = r#"{"do":"create","user":"u","integration":"box","file":"a","record":{"name":"a","mimeType":"t","size":1}}"#;
        let enable = r#"{"do":"enable","user":"u","integration":"box"}"#;
        let lines = [
            told(r#"{"do":"delete","file":"a"}"#),
            told(&format!("{create},{create}")),
            told(&format!(r#"{create},{{"do":"delete","file":"a"}},{{"do":"update","file":"a","set":{{}}}}"#)),
            told(&format!(r#"{create},{{"do":"update","file":"a","set":{{"id":1}}}}"#)),
            told(&format!("{enable},{enable}")),
            told(r#"{"do":"advance","by":"soon"}"#),
            told(r#"{"do":"advance","by":"-1h"}"#),
            told(r#"{"do":"sleep"}"#),
            told(r#"{"do":"break","fault":"x"}"#),
            Scenario::parse(r#"{"scenario":2,"seed":1,"steps":[]}"#).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(lines.join("\n"));
        assert!(Scenario::load("nowhere.json").unwrap_err().to_string().starts_with("nowhere.json: "));
    }
}
