use std::fmt;

use http::Method;

use crate::clock::{Timestamp, offset};
use crate::contract::{SyncId, UserId};
use crate::delivery::{AttemptRecord, Decision, DeliveryId, Outcome, Wire};
use crate::source::ProviderFaultKind;
use crate::sync::RunKind;

/// Entry of the timeline: one thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimelineEntry {
    /// Time of the entry, by the virtual clock.
    pub at: Timestamp,
    /// User whose data the entry is about, if it is about the data of one user.
    pub user: Option<UserId>,
    /// Sync that the entry is about, if it is about one sync.
    pub sync: Option<SyncId>,
    /// What happened.
    pub what: EntryKind,
}

/// Kind of a timeline entry: what happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntryKind {
    /// An object in the simulated integration was changed.
    Changed {
        /// What was done to the object: `created`, `updated`, `deleted` and so on.
        verb: &'static str,
        /// Name of the object.
        name: String,
    },
    /// A trouble began to disturb an account's runs; `None` if all troubles of the account were ended.
    ProviderFault(Option<ProviderFaultKind>),
    /// A sync made a run that caused events or met a trouble.
    Ran {
        /// Kind of the run.
        kind: RunKind,
        /// Fault of the provider that the run met.
        trouble: Option<ProviderFaultKind>,
        /// Number of events that the run caused.
        events: usize,
    },
    /// An event was handed to the delivery queue.
    Queued {
        /// Name of the event.
        event: String,
        /// Name of the object that the event is about, if there is one with a name.
        about: Option<String>,
        /// Deliveries of the event: none if the event is not sent, several if it is duplicated on purpose.
        deliveries: Vec<DeliveryId>,
        /// True if the event is lost on purpose, and so not sent.
        lost: bool,
    },
    /// An attempt to deliver an event was made.
    Attempt {
        /// Name of the event.
        event: String,
        /// Name of the object that the event is about, if there is one with a name.
        about: Option<String>,
        /// The attempt and its outcome.
        record: Box<AttemptRecord>,
    },
    /// A pending event was dropped, and is not sent any more.
    Dropped {
        /// Name of the event.
        event: String,
        /// Name of the object that the event is about, if there is one with a name.
        about: Option<String>,
        /// Delivery of the event.
        delivery: DeliveryId,
        /// Cell of the policy by which the event was dropped.
        rule: &'static str,
    },
    /// The webhook was set, disabled or enabled.
    Webhook(String),
    /// The state of the fake was reset, or replaced by another state.
    State(String),
    /// The Sync API was called.
    Call(Call),
}

/// Counters of what has happened so far. Neither a reset nor a limit of the timeline lowers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Number of calls of the Sync API.
    pub calls: u64,
    /// Number of runs that caused events or met a trouble.
    pub runs: u64,
    /// Number of attempts to deliver an event, including probes of the webhook.
    pub attempts: u64,
    /// Number of attempts that were answered 2xx.
    pub delivered: u64,
    /// Number of attempts that got a response, but only after the request was sent again on a fresh connection; see
    /// [`AttemptRecord::reconnected`].
    pub reconnected: u64,
}

impl Tally {
    pub(super) fn count(&mut self, what: &EntryKind) {
        match what {
            EntryKind::Call(_) => self.calls += 1,
            EntryKind::Ran { .. } => self.runs += 1,
            EntryKind::Attempt { record, .. } => {
                self.attempts += 1;
                self.delivered += u64::from(record.decision == Decision::Delivered);
                let answered = matches!(record.outcome, Outcome::Answered(_));
                self.reconnected += u64::from(record.reconnected && answered);
            }
            _ => {}
        }
    }
}

/// A call of the Sync API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// HTTP method, such as `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Status of the response.
    pub status: u16,
    /// Reason why the call was refused, for the developer.
    pub reason: Option<String>,
    /// Part of the receiver's configuration that the refusal shows to be wrong.
    pub(crate) misconfigured: Option<Misconfigured>,
}

/// Part of the receiver's configuration that a refused call shows to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misconfigured {
    /// The path is one of the API, but with another beginning than `/api`.
    BaseUrl,
    /// The token names another project.
    Project,
    /// The token is signed with another key.
    SigningKey,
}

/// Text for an attempt that was sent again. It says what was seen, and not why: a receiver that gives up in the middle
/// of its work looks the same.
pub(super) const RECONNECTED: &str =
    "sent again on a fresh connection: the kept one was closed before any byte of an answer";

/// Parts of the printed text of a timeline entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryText {
    /// First column: `source`, `sync`, `webhook`, `api` or `state`.
    pub(crate) column: &'static str,
    /// What happened. For an attempt or a call, this is the request.
    pub(crate) text: String,
    /// Response to an attempt or a call.
    pub(crate) answer: Option<EntryAnswer>,
}

/// Response to an attempt or a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryAnswer {
    pub(crate) text: String,
    /// Whether the status is 2xx.
    pub(crate) is_good: bool,
}

impl EntryKind {
    /// Returns the printed text, and also the text that depends on chance.
    pub(super) fn in_real_time(&self) -> String {
        self.text(true).to_string()
    }

    /// Returns the parts of the printed text. With `in_real_time`, they also say what depends on chance.
    pub(crate) fn text(&self, in_real_time: bool) -> EntryText {
        let told = |column, text| EntryText { column, text, answer: None };
        match self {
            Self::Changed { verb, name } => told("source", format!("{verb} {name:?}")),
            Self::ProviderFault(None) => told("source", "mended".to_owned()),
            Self::ProviderFault(Some(fault)) => told("source", InWords(*fault).to_string()),
            Self::Ran { kind, trouble, events } => {
                let kind = match kind {
                    RunKind::Initial => "initial",
                    RunKind::Incremental => "incremental",
                    RunKind::Full => "full",
                };
                let fault = trouble.map(|fault| format!(", {}", InWords(fault))).unwrap_or_default();
                told("sync", format!("{kind} run{fault}, {events} event{}", if *events == 1 { "" } else { "s" }))
            }
            Self::Queued { event, about, deliveries, lost } => {
                let what = match (deliveries.is_empty(), lost) {
                    (false, _) => "queued",
                    (true, true) => "lost on purpose",
                    (true, false) => "not sent: the webhook is not enabled",
                };
                told("webhook", format!("{event}{}, {what}", About(about)))
            }
            Self::Attempt { event, about, record } => {
                let number = if record.number > 1 { format!(", attempt {}", record.number) } else { String::new() };
                let answer = Some(attempt_answer(record, in_real_time));
                EntryText { column: "webhook", text: format!("{event}{}{number}", About(about)), answer }
            }
            Self::Dropped { event, about, .. } => told("webhook", format!("{event}{}, dropped", About(about))),
            Self::Webhook(text) => told("webhook", text.clone()),
            Self::State(text) => told("state", text.clone()),
            Self::Call(Call { method, path, status, reason, .. }) => {
                let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                let answer = EntryAnswer { text: format!("{status}{reason}"), is_good: (200..300).contains(status) };
                EntryText { column: "api", text: format!("{method} {}", shorten(path)), answer: Some(answer) }
            }
        }
    }
}

/// Returns the outcome of an attempt, and what follows from it.
fn attempt_answer(record: &AttemptRecord, in_real_time: bool) -> EntryAnswer {
    let wire = match record.wire {
        Wire::Clean => String::new(),
        wire => format!(" ({})", wire_in_words(wire)),
    };
    let answer = if let Outcome::Answered(answer) = &record.outcome { Some(answer) } else { None };
    let is_good = answer.is_some_and(|answer| (200..300).contains(&answer.status));
    let body = answer.map_or("", |answer| answer.body.trim());
    let body = match body {
        "" => String::new(),
        _ if is_good => String::new(),
        body => format!(" {:?}", body.chars().take(120).collect::<String>()),
    };
    let next = match record.decision {
        Decision::Delivered => String::new(),
        Decision::RetryAt(due) => format!(", again in {}", &offset(due - record.sent)[1..]),
        Decision::GivenUp => ", given up".to_owned(),
        Decision::Disabled => ", the webhook is disabled".to_owned(),
    };
    let again = if in_real_time && record.reconnected { format!(", {RECONNECTED}") } else { String::new() };
    let text = format!("{}{wire}{body}{next}{again}", record.outcome);
    EntryAnswer { text, is_good }
}

impl fmt::Display for EntryText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}{}", self.column, self.text)?;
        self.answer.as_ref().map_or(Ok(()), |answer| write!(f, " -> {}", answer.text))
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(false).fmt(f)
    }
}

/// Shortens parts of a path with more than 20 characters, such as ids and cursors, to their first 8 characters. This is
/// enough to tell them apart.
pub(super) fn shorten(path: &str) -> String {
    let mut short = String::new();
    for part in path.split_inclusive(['/', '?', '&', '=']) {
        let word = part.trim_end_matches(['/', '?', '&', '=']);
        match word.char_indices().nth(20) {
            Some(_) => short.extend(word.chars().take(8).chain(['…']).chain(part[word.len()..].chars())),
            None => short.push_str(part),
        }
    }
    short
}

fn wire_in_words(wire: Wire) -> &'static str {
    match wire {
        Wire::Clean => "clean",
        Wire::Chunked => "chunked",
        Wire::Dribbled => "dribbled",
        Wire::ExpectContinue => "after 100 Continue",
        Wire::ResetAfterBody => "reset after the body",
        Wire::HangUp => "hung up after the body",
    }
}

struct InWords(ProviderFaultKind);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ProviderFaultKind::RateLimited { backoff } => write!(f, "rate limited for {}", &offset(backoff)[1..]),
            ProviderFaultKind::Network => f.write_str("the provider is not reached"),
            ProviderFaultKind::AccessTokenExpired => f.write_str("the access token has expired and is renewed"),
            ProviderFaultKind::CredentialRevoked => f.write_str("the credential is revoked"),
        }
    }
}

/// Printed form of an optional name: a space and the quoted name, or nothing.
pub(super) struct About<'a>(pub(super) &'a Option<String>);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}
