//! [`Policy`]: how a sender delivers, as plain data.
//!
//! A policy is made of cells. One that is left out is *open*: nobody has said it. A policy with open cells does not
//! run; [`Policy::or`] fills them from another one, and says so in reports.

mod backoff;
mod class;
mod disable;
mod preset;

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

pub use backoff::{Backoff, Jitter, Limit};
pub use class::{Class, ClassRule, On, RetryAfter, Then};
pub use disable::{DisableRule, Enable, Failing, Off, WhileOff};

use crate::clock::duration;
use crate::contract::Grade;

macro_rules! cells {
    ($($(#[doc = $doc:literal])+ $(#[serde(with = $with:literal)])? $cell:ident: $type:ty,)*) => {
        /// How a sender delivers: how long it waits, what it takes for success, when it tries again, when it disables
        /// the webhook, and what becomes of events meanwhile.
        ///
        /// In JSON spans are text, such as `3h 30m`. A cell that is left out is open.
        ///
        /// ```
        /// use paragon_testkit::delivery::{Backoff, Policy};
        /// use std::time::Duration;
        ///
        /// let patient = Policy::paragon_assumed().named("patient").timeout(Duration::from_secs(60));
        /// assert!(patient.rules().is_ok());
        ///
        /// let policy: Policy = serde_json::from_str(r#"{"name": "ours", "grade": "assumed", "timeout": "5s"}"#)?;
        /// let error = policy.rules().unwrap_err().to_string();
        /// assert!(error.starts_with("policy ours leaves open: connect_timeout, success, "), "{error}");
        /// assert_eq!(policy.or(&patient).rules()?.timeout, Duration::from_secs(5));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct Policy {
            /// Shown in reports.
            pub name: String,
            /// How sure it is that the sender does this.
            pub grade: Grade,
            /// Where the sender says so.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub source: String,
            /// When that was looked up: year and month.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub checked: String,
            /// What the cells cannot say.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub note: String,
            /// The cells that were filled from another policy, because this one left them open.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub filled: Vec<String>,
            $(
                $(#[doc = $doc])+
                #[serde(default, skip_serializing_if = "Option::is_none" $(, with = $with)?)]
                pub $cell: Option<$type>,
            )*
        }

        /// A [`Policy`] without open cells, which holds together.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct Rules {
            $($(#[doc = $doc])+ pub $cell: $type,)*
        }

        impl Policy {
            /// The names of all cells.
            pub const CELLS: &[&str] = &[$(stringify!($cell),)*];

            /// With all cells open.
            pub fn open(name: impl Into<String>, grade: Grade) -> Self {
                let none = String::new;
                Self {
                    name: name.into(),
                    grade,
                    source: none(),
                    checked: none(),
                    note: none(),
                    filled: Vec::new(),
                    $($cell: None,)*
                }
            }

            /// The cells that are open.
            pub fn open_cells(&self) -> Vec<&'static str> {
                let cells = [$((stringify!($cell), self.$cell.is_none()),)*];
                cells.into_iter().filter(|(_, open)| *open).map(|(cell, _)| cell).collect()
            }

            /// This policy, its open cells filled from another one. [`Policy::filled`] names them.
            #[must_use]
            pub fn or(mut self, other: &Self) -> Self {
                $(if self.$cell.is_none() && other.$cell.is_some() {
                    self.$cell.clone_from(&other.$cell);
                    self.filled.push(stringify!($cell).to_owned());
                })*
                self
            }

            /// The cells, when all are there and hold together.
            ///
            /// # Errors
            ///
            /// When a cell is open, or says what cannot be.
            pub fn rules(&self) -> Result<Rules, PolicyError> {
                let open = || PolicyError::Open { policy: self.name.clone(), cells: self.open_cells() };
                let rules = Rules { $($cell: self.$cell.clone().ok_or_else(open)?,)* };
                match rules.problem() {
                    None => Ok(rules),
                    Some((cell, problem)) => Err(PolicyError::Cell { policy: self.name.clone(), cell, problem }),
                }
            }

            $(
                /// Sets the cell of this name:
                $(#[doc = $doc])+
                #[must_use]
                pub fn $cell(mut self, value: $type) -> Self {
                    self.$cell = Some(value);
                    self
                }
            )*
        }
    };
}

cells! {
    /// An answer that is not there after so long is a failure. In virtual time; really it may pass sooner: the driver
    /// decides.
    #[serde(with = "duration::option")]
    timeout: Duration,
    /// A connection that is not there after so long is a failure; `none` when only `timeout` counts.
    connect_timeout: Limit,
    /// Which statuses deliver an event.
    success: Success,
    /// When a failed event is tried again, and how often.
    backoff: Backoff,
    /// No attempt follows that would be made later than this after the first one.
    window: Limit,
    /// An event that is older than this is not sent any more.
    ttl: Limit,
    /// How the waits are varied.
    jitter: Jitter,
    /// So many redirects are followed; 0: a redirect is a failure.
    redirects: u32,
    /// What follows from some classes of outcomes; the first rule that is for one counts.
    on: Vec<ClassRule>,
    /// A failed event whose answer has one of these headers is given up.
    stop_on: Vec<HeaderMatch>,
    /// Within one attempt, so many times more when no connection comes about.
    resend: u32,
    /// In which order events are sent.
    order: Order,
    /// So many requests are under way at once at most. With 1 they come one after the other.
    concurrent: u32,
    /// How many events come in one request, as a JSON array.
    batch: Batch,
    /// What a retry sends.
    payload: Payload,
    /// Where a retry goes when the webhook's URL has changed meanwhile.
    address: Address,
    /// When failures turn the webhook off.
    disable: Vec<DisableRule>,
    /// What becomes of events while it is off.
    while_off: WhileOff,
    /// How it is enabled again, other than by hand.
    enable: Enable,
    /// Whether a new URL must answer a probe with success before anything else is sent there.
    verify: bool,
    /// Headers of each attempt.
    headers: Vec<HeaderRule>,
}

/// Which statuses deliver an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Success {
    /// From 200 to 299.
    #[serde(rename = "any_2xx")]
    Any2xx,
    /// 200 alone.
    #[serde(rename = "only_200")]
    Only200,
}

impl Success {
    /// Whether this status delivers.
    pub fn takes(self, status: u16) -> bool {
        match self {
            Self::Any2xx => (200..300).contains(&status),
            Self::Only200 => status == 200,
        }
    }
}

/// In which order events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// Each when it is due; a failing one holds up no other.
    Independent,
    /// One after the other: a failing event blocks all later ones until it is delivered or given up.
    HeadOfLine,
    /// Of those that are due new events go before retries.
    NewBeforeOld,
}

/// What a retry sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// The same bytes.
    Frozen,
    /// The event as it would be written now.
    Rebuilt,
}

/// Where a retry goes when the webhook's URL has changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Address {
    /// To where the first attempt went.
    Frozen,
    /// To where the webhook is now.
    Current,
}

/// How many events come in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Batch {
    /// At most. With 1 each event is a body of its own, and no array.
    pub most: u32,
    /// A batch that is not full is sent when its first event has waited so long.
    #[serde(with = "duration")]
    pub wait: Duration,
}

impl Batch {
    /// One event, one request.
    pub const NONE: Self = Self { most: 1, wait: Duration::ZERO };

    /// So many at most, sent after so long at the latest.
    pub const fn of(most: u32, wait: Duration) -> Self {
        Self { most, wait }
    }
}

/// A header of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeaderMatch {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl HeaderMatch {
    /// A header with this value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A header of each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeaderRule {
    /// Its name.
    pub name: String,
    /// Its value, in which `{id}` stands for what is the same in all attempts of an event, `{attempt}` for their
    /// number from 1 on, `{retry}` for that from 0 on, `{timestamp}` for the time of the attempt in seconds since
    /// 1970, and `{reason}` for the [`Class`] of the attempt before.
    pub value: String,
    /// Attempts before this one do not have it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub from_attempt: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

impl HeaderRule {
    const PLACES: [&str; 5] = ["{id}", "{attempt}", "{retry}", "{timestamp}", "{reason}"];

    /// A header of all attempts.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), from_attempt: 1 }
    }

    /// Its value, with these in place of [`HeaderRule::PLACES`].
    pub(super) fn fill(&self, values: [&str; 5]) -> String {
        Self::PLACES.iter().zip(values).fold(self.value.clone(), |text, (place, value)| text.replace(place, value))
    }

    fn problem(&self) -> Option<String> {
        let filled = self.fill(["0"; 5]);
        if let Err(error) = HeaderName::from_bytes(self.name.as_bytes()) {
            return Some(format!("{:?} is no name of a header ({error})", self.name));
        }
        if filled.contains(['{', '}']) {
            return Some(format!("{:?} holds more than {}", self.value, Self::PLACES.join(", ")));
        }
        HeaderValue::from_str(&filled).err().map(|error| format!("{:?} is no value of a header ({error})", self.value))
    }
}

/// Why a policy does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Cells are open.
    #[error(
        "policy {policy} leaves open: {}. Set them, or fill them from another policy, such as paragon-assumed",
        cells.join(", ")
    )]
    Open {
        /// Its name.
        policy: String,
        /// Which.
        cells: Vec<&'static str>,
    },
    /// A cell says what cannot be.
    #[error("policy {policy}, {cell}: {problem}")]
    Cell {
        /// Its name.
        policy: String,
        /// Which: `disable[0]`.
        cell: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no preset of this name.
    #[error("there is no policy {name:?}: there are {}", Policy::PRESETS.map(|(name, _)| name).join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

impl Policy {
    /// Under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Rules {
    /// The first cell that says what cannot be, and why.
    fn problem(&self) -> Option<(String, String)> {
        fn each<T>(cell: &str, all: &[T], problem: impl Fn(&T) -> Option<String>) -> Option<(String, String)> {
            all.iter().enumerate().find_map(|(n, one)| problem(one).map(|why| (format!("{cell}[{n}]"), why)))
        }
        let of = |cell: &str, problem: Option<String>| problem.map(|why| (cell.to_owned(), why));
        let when = |wrong: bool, why: &str| wrong.then(|| why.to_owned());
        of("timeout", when(self.timeout.is_zero(), "expected more than nothing"))
            .or_else(|| {
                let connect = self.connect_timeout.0.unwrap_or(self.timeout);
                let wrong = connect.is_zero() || connect > self.timeout;
                of("connect_timeout", when(wrong, "expected more than nothing and at most `timeout`"))
            })
            .or_else(|| of("backoff", self.backoff.problem()))
            .or_else(|| of("jitter", self.jitter.problem()))
            .or_else(|| each("on", &self.on, ClassRule::problem))
            .or_else(|| of("concurrent", when(self.concurrent == 0, "expected at least 1, got 0")))
            .or_else(|| of("batch", when(self.batch.most == 0, "expected at least 1 in `most`, got 0")))
            .or_else(|| each("disable", &self.disable, DisableRule::problem))
            .or_else(|| of("enable", self.enable.problem()))
            .or_else(|| each("headers", &self.headers, HeaderRule::problem))
    }

    /// Whether an outcome of this class delivers, as far as no rule says otherwise.
    pub(super) fn delivers(&self, class: Class) -> bool {
        matches!(class, Class::Status(status) if self.success.takes(status))
    }

    /// The first rule for a class, and where it stands.
    pub(super) fn on(&self, class: Class) -> Option<(usize, &ClassRule)> {
        self.on.iter().enumerate().find(|(_, rule)| rule.on.iter().any(|on| on.holds(class)))
    }
}
