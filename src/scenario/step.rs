use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::duration;
use crate::contract::{Pipeline, UserId};

/// A step of a scenario: one action, the faults during the step, and the time that passes after the action.
///
/// In a file, a step is one object: `{"do": "delete", "object": "draft", "while": ["events_doubled"], "then": "24h"}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// The action.
    #[serde(flatten)]
    pub action: Action,
    /// Faults during this step, including the time of the step. A fault ends after the step, unless the next step has
    /// the same fault.
    #[serde(rename = "while", skip_serializing_if = "Vec::is_empty")]
    pub during: Vec<Fault>,
    /// Time that passes after the action. Syncs run and webhooks are delivered meanwhile.
    #[serde(with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub then: Duration,
}

/// Action of a [`Step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// A user gets a new object.
    Create {
        /// Owner of the object.
        user: UserId,
        /// Integration of the account, such as `googledrive`.
        integration: String,
        /// Pipeline that pulls the object. `files` if left out.
        #[serde(default = "files", skip_serializing_if = "is_files")]
        pipeline: Pipeline,
        /// Name of the object in the scenario.
        object: String,
        /// The members of the object, without its ids. The source fills in members that are left out, such as times. A
        /// member that refers to another object has the value `{"object": NAME}`.
        record: Map<String, Value>,
    },
    /// An object changes.
    Update {
        /// Name of the object in the scenario.
        object: String,
        /// The members that change.
        set: Map<String, Value>,
    },
    /// An object is deleted.
    Delete {
        /// Name of the object in the scenario.
        object: String,
    },
    /// A sync is enabled. The sync runs when time passes.
    Enable {
        /// Owner of the synced account.
        user: UserId,
        /// Integration of the account, such as `googledrive`.
        integration: String,
        /// Pipeline of the sync. `files` if left out.
        #[serde(default = "files", skip_serializing_if = "is_files")]
        pipeline: Pipeline,
        /// Name that tells several syncs of one account apart. `default` if left out.
        #[serde(default = "default_name", skip_serializing_if = "is_default_name")]
        configuration_name: String,
        /// Configuration that the integration asks for.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        configuration: Map<String, Value>,
    },
    /// Nothing but time passes.
    Advance {
        /// Amount of time, such as `24h`.
        #[serde(with = "duration")]
        by: Duration,
    },
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Fault during a [`Step`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the name of the fault in files, such as `events_doubled`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

faults! {
    /// No webhook reaches the receiver.
    ReceiverUnreachable = "receiver_unreachable",
    /// The webhook is disabled. Events that are due meanwhile are dropped.
    WebhookDisabled = "webhook_disabled",
    /// The Sync API answers 503 to calls for the scenario's users.
    ApiUnavailable = "api_unavailable",
    /// Each event is sent twice.
    EventsDoubled = "events_doubled",
    /// Three copies of each event are sent at once.
    EventsTogether = "events_together",
    /// Each event arrives up to an hour late.
    EventsDelayed = "events_delayed",
    /// Events overtake each other.
    EventsReordered = "events_reordered",
    /// The receiver gets each event, but its response is lost, because the connection is reset.
    AnswersLost = "answers_lost",
    /// One of three calls of the Sync API for the scenario's users fails: with a 502, a reset connection, or half a
    /// response.
    ApiFlaky = "api_flaky",
    /// Pages hold at most three records.
    ShortPages = "short_pages",
    /// The last record of a page is the first of the next one too.
    RepeatedRecords = "repeated_records",
    /// Objects in responses of the Sync API have unknown members.
    UnknownMembers = "unknown_members",
}

impl Step {
    /// Creates a step without faults, after which no time passes.
    pub fn new(action: Action) -> Self {
        Self { action, during: Vec::new(), then: Duration::ZERO }
    }

    /// Sets the time that passes after the action.
    #[must_use]
    pub fn then(self, then: Duration) -> Self {
        Self { then, ..self }
    }
}

/// Describes the step in words, for a timeline: `"draft.md" is deleted, while events_doubled, then 24h`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Create { user, integration, pipeline, object, .. } => {
                write!(f, "{user} has a new {object} in {integration}")?;
                if *pipeline != Pipeline::Files {
                    write!(f, " ({pipeline})")?;
                }
            }
            Action::Update { object, set } => {
                let members: Vec<_> = set.keys().map(String::as_str).collect();
                write!(f, "{object} changes: {}", members.join(", "))?;
            }
            Action::Delete { object } => write!(f, "{object} is deleted")?,
            Action::Enable { user, integration, pipeline, configuration_name, .. } => {
                write!(f, "a sync of {user}'s {integration} is enabled: {pipeline}")?;
                if !is_default_name(configuration_name) {
                    write!(f, " ({configuration_name})")?;
                }
            }
            Action::Advance { by } => write!(f, "{} pass", duration::text(*by))?,
        }
        if !self.during.is_empty() {
            let names: Vec<_> = self.during.iter().map(|fault| fault.name()).collect();
            write!(f, ", while {}", names.join(", "))?;
        }
        if !self.then.is_zero() {
            write!(f, ", then {}", duration::text(self.then))?;
        }
        Ok(())
    }
}

/// Takes the members of the step out first, so that the remaining members can be checked strictly against those of the
/// action.
impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Of(#[serde(with = "duration")] Duration);

        let mut members = Map::deserialize(deserializer)?;
        let during = members.remove("while").map(serde_json::from_value).transpose();
        let during: Option<Vec<Fault>> = during.map_err(|error| de::Error::custom(format!("`while`: {error}")))?;
        let then = members.remove("then").map(serde_json::from_value).transpose();
        let then: Option<Of> = then.map_err(|error| de::Error::custom(format!("`then`: {error}")))?;
        let action = serde_json::from_value(Value::Object(members)).map_err(de::Error::custom)?;
        Ok(Self { action, during: during.unwrap_or_default(), then: then.map_or(Duration::ZERO, |Of(then)| then) })
    }
}

fn files() -> Pipeline {
    Pipeline::Files
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_files(pipeline: &Pipeline) -> bool {
    *pipeline == Pipeline::Files
}

fn default_name() -> String {
    "default".to_owned()
}

fn is_default_name(name: &str) -> bool {
    name == "default"
}
