use std::fmt;

use http::Method;

use super::log::Log;
use super::mermaid::diagram;
use super::told::told;
use crate::clock::{Moment, offset};
use crate::contract::{SyncId, UserId};
use crate::delivery::{Answer, AttemptRecord, Decision, DeliveryId, Outcome, Wire};
use crate::source::Trouble;
use crate::sync::RunKind;

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// When, by the virtual clock.
    pub at: Moment,
    /// Whose data it is about, if it is about one user's.
    pub user: Option<UserId>,
    /// Which sync it is about, if it is about one.
    pub sync: Option<SyncId>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// Somebody changed something in the simulated integration.
    Changed {
        /// `created`, `updated`, `deleted` and so on.
        verb: &'static str,
        /// What the object is called.
        name: String,
    },
    /// Something was put in the way of an account's runs, or everything was taken out of it.
    Trouble(Option<Trouble>),
    /// A sync ran and sent events, or met something in its way.
    Ran {
        /// How it ran.
        kind: RunKind,
        /// What it met.
        trouble: Option<Trouble>,
        /// How many events followed.
        events: usize,
    },
    /// An event was handed to the delivery.
    Queued {
        /// Its name.
        event: String,
        /// The file that it is about, if it is about one that has a name.
        about: Option<String>,
        /// Its deliveries: none when it is not sent, several when it is duplicated on purpose.
        deliveries: Vec<DeliveryId>,
        /// It is not sent, on purpose.
        lost: bool,
    },
    /// An event was sent.
    Attempt {
        /// Its name.
        event: String,
        /// The file that it is about, if it is about one that has a name.
        about: Option<String>,
        /// The attempt and its outcome.
        record: Box<AttemptRecord>,
    },
    /// An event that was still to come is not sent any more.
    Dropped {
        /// Its name.
        event: String,
        /// The file that it is about, if it is about one that has a name.
        about: Option<String>,
        /// Its delivery.
        delivery: DeliveryId,
        /// By which cell of the policy.
        rule: &'static str,
    },
    /// The webhook was set, disabled or enabled.
    Webhook(String),
    /// Everything was reset, or replaced by another state.
    State(String),
    /// Somebody called the Sync API.
    Call(Call),
}

/// How much has happened so far. Neither a reset nor a limit of the timeline takes anything of it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Calls of the Sync API.
    pub calls: u64,
    /// Runs that found or met something.
    pub runs: u64,
    /// Attempts to deliver an event.
    pub attempts: u64,
    /// Those that were answered 2xx.
    pub delivered: u64,
    /// Those that got an answer, but only after they were sent again on a fresh connection; see
    /// [`AttemptRecord::reconnected`].
    pub reconnected: u64,
}

impl Tally {
    pub(super) fn count(&mut self, what: &What) {
        match what {
            What::Call(_) => self.calls += 1,
            What::Ran { .. } => self.runs += 1,
            What::Attempt { record, .. } => {
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
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What was answered.
    pub status: u16,
    /// Why it was refused, for the developer.
    pub reason: Option<String>,
}

/// What happened in a fake, in order. Printed, it holds what is the same in each run with the same seed: no ports, no
/// real times, no API calls, whose order is the receiver's affair, and no word of
/// [requests that were sent again](AttemptRecord::reconnected); see [`Timeline::with_calls`].
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Moment,
    entries: Vec<Entry>,
    /// The number of the first entry.
    first: usize,
    dropped: usize,
    calls: bool,
}

impl Timeline {
    pub(super) fn since(mark: usize, start: Moment, log: &Log) -> Self {
        Self { dropped: log.dropped().min(log.first().saturating_sub(mark)), ..Self::of(start, log, mark) }
    }

    pub(super) fn new(start: Moment, log: &Log) -> Self {
        Self::of(start, log, 0)
    }

    fn of(start: Moment, log: &Log, mark: usize) -> Self {
        let entries = log.since(mark).map(|(_, entry)| entry.clone()).collect();
        Self { start, entries, first: log.first().max(mark), dropped: log.dropped(), calls: false }
    }

    /// Prints also what may differ between equal runs: the calls of the Sync API, and which attempts were
    /// [sent again](AttemptRecord::reconnected) on a fresh connection.
    #[must_use]
    pub fn with_calls(mut self) -> Self {
        self.calls = true;
        self
    }

    /// Only what is about this user, and what is about nobody.
    #[must_use]
    pub fn of_user(self, user: &UserId) -> Self {
        self.of_users(std::slice::from_ref(user))
    }

    /// Only what is about these users, and what is about nobody.
    #[must_use]
    pub fn of_users(mut self, users: &[UserId]) -> Self {
        self.entries.retain(|entry| entry.user.as_ref().is_none_or(|of| users.contains(of)));
        self
    }

    /// Without what was there before a [mark](super::FakeParagon::timeline_mark).
    #[must_use]
    pub fn skip(mut self, mark: usize) -> Self {
        let skipped = mark.saturating_sub(self.first).min(self.entries.len());
        self.entries.drain(..skipped);
        self.dropped = self.dropped.min(self.first.saturating_sub(mark));
        self.first += skipped;
        self
    }

    /// How many of the first entries are missing, because of [`Builder::timeline_limit`](super::Builder::timeline_limit).
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Prints times from its first entry on.
    #[must_use]
    pub fn from_first(mut self) -> Self {
        self.start = self.entries.first().map_or(self.start, |entry| entry.at);
        self
    }

    pub(super) fn start(&self) -> Moment {
        self.start
    }

    /// Everything, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The attempts to deliver an event, in order: its name and the attempt.
    pub fn attempts(&self) -> impl Iterator<Item = (&str, &AttemptRecord)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Attempt { event, record, .. } => Some((event.as_str(), &**record)),
            _ => None,
        })
    }

    /// The calls of the Sync API, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Call(call) => Some(call),
            _ => None,
        })
    }

    /// Everything, a JSON object for each entry: what the admin API answers. Nothing is left out.
    pub fn ndjson(&self) -> String {
        let entries = self.entries.iter().enumerate();
        entries.map(|(index, entry)| told(self.first + index, entry).to_string() + "\n").collect()
    }

    /// What is printed, as a [Mermaid](https://mermaid.js.org) sequence diagram.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::contract::File;
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.user("ada").connect("googledrive").create(File::named("draft.docx"));
    /// assert!(paragon.timeline().mermaid().ends_with("    Note over I: created \"draft.docx\"\n"));
    /// # }
    /// ```
    pub fn mermaid(&self) -> String {
        diagram(&self.entries, self.start, self.calls)
    }

    /// One line for each entry that is printed.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.dropped > 0 {
            lines.push(format!("{:<14} the first {} entries were dropped: the timeline has a limit", "", self.dropped));
        }
        for entry in &self.entries {
            let text = match &entry.what {
                What::Call(_) if !self.calls => continue,
                // The attempts follow; only what is not sent needs a line of its own.
                What::Queued { deliveries, .. } if !deliveries.is_empty() => continue,
                what if self.calls => what.in_real_time(),
                what => what.to_string(),
            };
            lines.push(format!("{:<14} {text}", offset(entry.at - self.start)));
        }
        lines
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What is said of an attempt that was sent again. It tells what was seen, not why: a receiver that gives up in the
/// middle of its work looks the same.
pub(super) const RECONNECTED: &str =
    "sent again on a fresh connection: the kept one was closed before any byte of an answer";

impl What {
    /// Returns what is printed, and what depends on chance beside that.
    pub(super) fn in_real_time(&self) -> String {
        match self {
            Self::Attempt { record, .. } if record.reconnected => format!("{self}, {RECONNECTED}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { verb, name } => write!(f, "source    {verb} {name:?}"),
            Self::Trouble(None) => f.write_str("source    mended"),
            Self::Trouble(Some(trouble)) => write!(f, "source    {}", InWords(*trouble)),
            Self::Ran { kind, trouble, events } => {
                let kind = match kind {
                    RunKind::Initial => "initial",
                    RunKind::Incremental => "incremental",
                    RunKind::Full => "full",
                };
                write!(f, "sync      {kind} run")?;
                if let Some(trouble) = trouble {
                    write!(f, ", {}", InWords(*trouble))?;
                }
                write!(f, ", {events} event{}", if *events == 1 { "" } else { "s" })
            }
            Self::Queued { event, about, deliveries, .. } if !deliveries.is_empty() => {
                write!(f, "webhook   {event}{}, queued", About(about))
            }
            Self::Queued { event, about, lost: true, .. } => {
                write!(f, "webhook   {event}{}, lost on purpose", About(about))
            }
            Self::Queued { event, about, .. } => {
                write!(f, "webhook   {event}{}, not sent: the webhook is not enabled", About(about))
            }
            Self::Attempt { event, about, record } => {
                write!(f, "webhook   {event}{}", About(about))?;
                if record.number > 1 {
                    write!(f, ", attempt {}", record.number)?;
                }
                write!(f, " -> {}", record.outcome)?;
                if record.wire != Wire::Clean {
                    write!(f, " ({})", wire_in_words(record.wire))?;
                }
                if let Outcome::Answered(Answer { status, body, .. }) = &record.outcome
                    && !(200..300).contains(status)
                    && !body.trim().is_empty()
                {
                    write!(f, " {:?}", body.trim().chars().take(120).collect::<String>())?;
                }
                match record.decision {
                    Decision::Delivered => Ok(()),
                    Decision::RetryAt(due) => write!(f, ", again in {}", &offset(due - record.sent)[1..]),
                    Decision::GivenUp => f.write_str(", given up"),
                    Decision::Disabled => f.write_str(", the webhook is disabled"),
                }
            }
            Self::Dropped { event, about, .. } => write!(f, "webhook   {event}{}, dropped", About(about)),
            Self::Webhook(text) => write!(f, "webhook   {text}"),
            Self::State(text) => write!(f, "state     {text}"),
            Self::Call(Call { method, path, status, reason }) => {
                write!(f, "api       {method} {} -> {status}", shorten(path))?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
            }
        }
    }
}

/// Ids and cursors by their beginning: enough to tell them apart.
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

struct InWords(Trouble);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Trouble::RateLimited { backoff } => write!(f, "rate limited for {}", &offset(backoff)[1..]),
            Trouble::Network => f.write_str("the provider is not reached"),
            Trouble::AccessTokenExpired => f.write_str("the access token has expired and is renewed"),
            Trouble::CredentialRevoked => f.write_str("the credential is revoked"),
        }
    }
}

/// A name, after a space; nothing without one.
pub(super) struct About<'a>(pub(super) &'a Option<String>);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}
