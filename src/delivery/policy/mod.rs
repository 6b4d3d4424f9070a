//! Delivery policies of senders, as plain data: [`Policy`].
//!
//! A policy is made of cells. A cell that is left out is *open*: its value is not known. A policy with open cells
//! cannot run. [`Policy::or`] fills them from another policy, and reports name the filled cells.

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
pub use disable::{DisableRule, Failing, Off, Reenable, WhileOff};

use crate::clock::duration;
use crate::contract::Grade;

macro_rules! cells {
    ($($(#[doc = $doc:literal])+ $(#[serde(with = $with:literal)])? $cell:ident: $type:ty,)*) => {
        /// Delivery policy of a sender: how long it waits for a response, which responses count as success, when it
        /// retries, when it disables the webhook, and what happens to events in the meantime.
        ///
        /// In JSON, spans are text such as `3h 30m`. A cell that is left out is open: its value is not known. A policy
        /// with open cells cannot run.
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
        /// assert!(error.starts_with("policy ours leaves these settings open: connect_timeout, success, "), "{error}");
        /// assert_eq!(policy.with_fallback(&patient).rules()?.timeout, Duration::from_secs(5));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct Policy {
            /// Name of the policy, which reports show.
            pub name: String,
            /// Grade of the evidence that the sender behaves in this way.
            pub grade: Grade,
            /// Source that describes this behavior.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub source: String,
            /// Year and month in which the source was checked.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub checked: String,
            /// Remarks that the cells cannot express.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub note: String,
            /// Names of the cells that were filled from another policy, because this one left them open.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub filled: Vec<String>,
            $(
                $(#[doc = $doc])+
                #[serde(default, skip_serializing_if = "Option::is_none" $(, with = $with)?)]
                pub $cell: Option<$type>,
            )*
        }

        /// Cells of a [`Policy`], all of which are set, valid and consistent.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct Rules {
            $($(#[doc = $doc])+ pub $cell: $type,)*
        }

        impl Policy {
            /// Names of all cells.
            pub const CELLS: &[&str] = &[$(stringify!($cell),)*];

            /// Creates a policy whose cells are all open.
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

            /// Returns the names of the open cells.
            pub fn open_cells(&self) -> Vec<&'static str> {
                let cells = [$((stringify!($cell), self.$cell.is_none()),)*];
                cells.into_iter().filter(|(_, open)| *open).map(|(cell, _)| cell).collect()
            }

            /// Fills the open cells from another policy. [`Policy::filled`] names the filled cells.
            #[must_use]
            pub fn with_fallback(mut self, other: &Self) -> Self {
                $(if self.$cell.is_none() && other.$cell.is_some() {
                    self.$cell.clone_from(&other.$cell);
                    self.filled.push(stringify!($cell).to_owned());
                })*
                self
            }

            /// Returns the cells, if all of them are set, valid and consistent.
            ///
            /// # Errors
            ///
            /// When a cell is open or invalid.
            pub fn rules(&self) -> Result<Rules, PolicyError> {
                let open = || PolicyErrorKind::Open { policy: self.name.clone(), cells: self.open_cells() };
                let rules = Rules { $($cell: self.$cell.clone().ok_or_else(open)?,)* };
                match rules.problem() {
                    None => Ok(rules),
                    Some((cell, problem)) => {
                        Err(PolicyErrorKind::Cell { policy: self.name.clone(), cell, problem }.into())
                    }
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
    /// Longest time until a response is complete. A slower response is a failure. The time is virtual. The driver may
    /// let less real time pass.
    #[serde(with = "duration::option")]
    timeout: Duration,
    /// Longest time until a connection is made. A slower connection is a failure. With `none` only `timeout` counts.
    connect_timeout: Limit,
    /// Statuses that count as delivered.
    success: Success,
    /// Waits before the retries of a failed event, and the number of retries.
    backoff: Backoff,
    /// Longest span from the first attempt of an event to a retry. A later retry is not made.
    window: Limit,
    /// Largest age of an event. An older event is not sent any more.
    ttl: Limit,
    /// Random variation of the waits.
    jitter: Jitter,
    /// Number of redirects that are followed. With 0 a redirect is a failure.
    redirects: u32,
    /// Rules for classes of outcomes. The first rule for a class counts.
    on: Vec<ClassRule>,
    /// Response headers that end the retries: a failed event whose response has one of them is given up.
    stop_on: Vec<HeaderMatch>,
    /// Number of times that a request is repeated within one attempt because no connection is made.
    resend: u32,
    /// Order in which events are sent.
    order: Order,
    /// Largest number of requests under way at the same time. With 1 requests go out one after the other.
    concurrent: u32,
    /// Number of events that are sent in one request, as a JSON array.
    batch: Batch,
    /// Body that a retry sends.
    payload: Payload,
    /// URL that a retry goes to if the webhook's URL has changed in the meantime.
    address: Address,
    /// Rules that turn the webhook off after failures.
    disable: Vec<DisableRule>,
    /// What happens to events while the webhook is disabled.
    while_off: WhileOff,
    /// Way in which a disabled webhook is enabled again: only by hand, after a time, or after a successful probe.
    enable: Reenable,
    /// Whether a new URL must answer a probe with success before anything else is sent to it.
    verify: bool,
    /// Headers that are added to the attempts.
    headers: Vec<HeaderRule>,
}

/// Statuses that count as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Success {
    /// All statuses from 200 to 299.
    #[serde(rename = "any_2xx")]
    Any2xx,
    /// Status 200 only.
    #[serde(rename = "only_200")]
    Only200,
}

impl Success {
    /// Returns whether this status counts as delivered.
    pub fn takes(self, status: u16) -> bool {
        match self {
            Self::Any2xx => (200..300).contains(&status),
            Self::Only200 => status == 200,
        }
    }
}

/// Order in which events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// Each event is sent when it is due. A failing event does not delay others.
    Independent,
    /// Events are sent one after the other. A failing event blocks all later ones until it is delivered or given up.
    HeadOfLine,
    /// Of the events that are due, new events go before retries.
    NewBeforeOld,
}

/// Body that a retry sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// The same bytes as before.
    Frozen,
    /// The event, written anew with its current data.
    Rebuilt,
}

/// URL that a retry goes to if the webhook's URL has changed in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Address {
    /// URL of the first attempt.
    Frozen,
    /// Current URL of the webhook.
    Current,
}

/// Number of events that are sent in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Batch {
    /// Largest number of events in one request. With 1 each event is a body of its own, without an array.
    pub most: u32,
    /// Longest wait of the first event in a batch. A batch that is not full is sent after this wait.
    #[serde(with = "duration")]
    pub wait: Duration,
}

impl Batch {
    /// No batches: each request has one event.
    pub const NONE: Self = Self { most: 1, wait: Duration::ZERO };

    /// Creates batches of at most `most` events, which are sent after `wait` at the latest.
    pub const fn of(most: u32, wait: Duration) -> Self {
        Self { most, wait }
    }
}

/// Header of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeaderMatch {
    /// Name of the header.
    pub name: String,
    /// Value of the header.
    pub value: String,
}

impl HeaderMatch {
    /// Creates a match for a header with this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Header that is added to attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeaderRule {
    /// Name of the header.
    pub name: String,
    /// Value of the header, with placeholders. `{id}` becomes an id that is the same in all attempts of an event,
    /// `{attempt}` the number of the attempt from 1 on, `{retry}` the number of the attempt from 0 on, `{timestamp}`
    /// the time of the attempt in seconds since 1970, and `{reason}` the [`Class`] of the previous attempt.
    pub value: String,
    /// Number of the first attempt that has the header. Default 1.
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

    /// Creates a header for all attempts.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), from_attempt: 1 }
    }

    /// Returns the value with `values` in place of [`HeaderRule::PLACES`].
    pub(super) fn fill(&self, values: [&str; 5]) -> String {
        Self::PLACES.iter().zip(values).fold(self.value.clone(), |text, (place, value)| text.replace(place, value))
    }

    fn problem(&self) -> Option<String> {
        let filled = self.fill(["0"; 5]);
        if let Err(error) = HeaderName::from_bytes(self.name.as_bytes()) {
            return Some(format!("{:?} is not a valid header name ({error})", self.name));
        }
        if filled.contains(['{', '}']) {
            return Some(format!("{:?} contains a placeholder other than {}", self.value, Self::PLACES.join(", ")));
        }
        HeaderValue::from_str(&filled)
            .err()
            .map(|error| format!("{:?} is not a valid header value ({error})", self.value))
    }
}

/// Reason why a policy cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct PolicyError(#[from] PolicyErrorKind);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum PolicyErrorKind {
    #[error(
        "policy {policy} leaves these settings open: {}. Set them, or fill them from another policy, such as \
         paragon-assumed",
        cells.join(", ")
    )]
    Open { policy: String, cells: Vec<&'static str> },
    #[error("policy {policy}, {cell}: {problem}")]
    Cell { policy: String, cell: String, problem: String },
    #[error("there is no policy {name:?}; the policies are {}", Policy::PRESETS.map(|(name, _)| name).join(", "))]
    Unknown { name: String },
}

impl PolicyError {
    /// Returns the names of the open cells. The list is empty if the error has another reason.
    pub fn open_cells(&self) -> &[&'static str] {
        if let PolicyErrorKind::Open { cells, .. } = &self.0 { cells } else { &[] }
    }

    /// Returns the name of the cell that is invalid, such as `disable[0]`.
    pub fn cell(&self) -> Option<&str> {
        if let PolicyErrorKind::Cell { cell, .. } = &self.0 { Some(cell) } else { None }
    }

    /// Returns whether there is no preset of the name that was asked for.
    pub fn is_unknown(&self) -> bool {
        matches!(self.0, PolicyErrorKind::Unknown { .. })
    }
}

impl Policy {
    /// Returns the policy under another name.
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
    /// Returns the name of the first invalid cell, and its problem.
    fn problem(&self) -> Option<(String, String)> {
        fn each<T>(cell: &str, all: &[T], problem: impl Fn(&T) -> Option<String>) -> Option<(String, String)> {
            all.iter().enumerate().find_map(|(n, one)| problem(one).map(|why| (format!("{cell}[{n}]"), why)))
        }
        let of = |cell: &str, problem: Option<String>| problem.map(|why| (cell.to_owned(), why));
        let when = |wrong: bool, why: &str| wrong.then(|| why.to_owned());
        of("timeout", when(self.timeout.is_zero(), "expected a duration above 0"))
            .or_else(|| {
                let connect = self.connect_timeout.0.unwrap_or(self.timeout);
                let wrong = connect.is_zero() || connect > self.timeout;
                of("connect_timeout", when(wrong, "expected a duration above 0 and at most `timeout`"))
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

    /// Returns whether an outcome of this class delivers an event without the help of a rule.
    pub(super) fn delivers(&self, class: Class) -> bool {
        matches!(class, Class::Status(status) if self.success.takes(status))
    }

    /// Returns the first rule for a class, with its index.
    pub(super) fn on(&self, class: Class) -> Option<(usize, &ClassRule)> {
        self.on.iter().enumerate().find(|(_, rule)| rule.on.iter().any(|on| on.holds(class)))
    }
}
