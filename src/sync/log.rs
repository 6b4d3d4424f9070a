use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{RunKind, Status};
use crate::clock::Moment;
use crate::contract::api::EventLogEntry;
use crate::contract::{SyncId, scramble};

/// So many entries are kept; a sync writes two each minute.
const KEPT: usize = 1_000;

/// The event log of one sync: the newest 1,000 entries, and how many there were before them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLog {
    entries: VecDeque<Logged>,
    dropped: u64,
    runs: u64,
}

/// One entry of an [`EventLog`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Logged {
    /// When.
    pub at: Moment,
    /// The number of the run; all its entries have it.
    pub run: u64,
    /// What happened (`monitoring.log`).
    pub event: LogEvent,
    /// In what kind of run.
    pub kind: RunKind,
    /// What the sync was then.
    pub status: Status,
    /// What a run did that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<LogError>,
}

/// What is logged. The names of the first three are documented with the kind of the run before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum LogEvent {
    /// `INITIAL_SYNC_STARTED` and so on.
    Started,
    /// `INITIAL_SYNC_COMPLETED` and so on.
    Completed,
    /// `SYNC_RUN_RATE_LIMITED`
    RateLimited,
    /// `SYNC_RUN_ERROR`
    Error,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Summary {
    /// New records.
    pub created: u64,
    /// Changed records.
    pub updated: u64,
    /// Deleted records.
    pub deleted: u64,
    /// Records looked at.
    pub processed: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// What went wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LogError {
    /// For programs; the names are ours.
    pub code: String,
    /// Whether it passes by itself.
    pub recoverable: bool,
    /// What the provider answered.
    pub http_status: Option<u16>,
    /// When the run is tried again.
    pub retry_in: Option<Duration>,
}

impl EventLog {
    /// Oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Logged> {
        self.entries.iter()
    }

    /// How many entries there were before the ones that are kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Begins the next run.
    pub(super) fn next_run(&mut self) {
        self.runs += 1;
    }

    pub(super) fn write(
        &mut self,
        at: Moment,
        event: LogEvent,
        kind: RunKind,
        status: Status,
        summary: Option<Summary>,
        error: Option<LogError>,
    ) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(Logged { at, run: self.runs, event, kind, status, summary, error });
    }
}

impl Logged {
    /// As the dashboard has it; `sync` is whose log it stands in. Only the names of its top members are documented.
    pub(super) fn entry(&self, sync: &super::Sync) -> EventLogEntry {
        let kind = text(self.kind);
        let event = match self.event {
            LogEvent::Started => format!("{kind}_SYNC_STARTED"),
            LogEvent::Completed => format!("{kind}_SYNC_COMPLETED"),
            LogEvent::RateLimited => "SYNC_RUN_RATE_LIMITED".to_owned(),
            LogEvent::Error => "SYNC_RUN_ERROR".to_owned(),
        };
        let mut entry = json!({
            "syncId": sync.id, "traceId": trace(&sync.id, self.run), "userId": sync.user,
            "integration": sync.integration, "pipeline": sync.pipeline, "syncEvent": event, "syncType": kind,
            "syncStatus": self.status,
        });
        if let Some(Summary { created, updated, deleted, processed, took_ms }) = self.summary {
            entry["summary"] = json!({
                "created": created, "updated": updated, "deleted": deleted, "totalProcessed": processed,
                "totalChanges": created + updated + deleted, "durationMs": took_ms,
            });
        }
        if let Some(error) = &self.error {
            let mut members = Map::new();
            members.insert("code".to_owned(), error.code.clone().into());
            members.insert("recoverable".to_owned(), error.recoverable.into());
            members.extend(error.http_status.map(|status| ("httpStatus".to_owned(), status.into())));
            let retry = error.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            members.extend(retry.map(|wait| ("retryAfterMs".to_owned(), wait.into())));
            entry["error"] = members.into();
        }
        serde_json::from_value(entry).unwrap_or_else(|error| unreachable!("the members are listed above: {error}"))
    }
}

fn text(kind: RunKind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(text)) => text,
        other => unreachable!("kinds of runs print as text: {other:?}"),
    }
}

/// The same for all entries of a run.
fn trace(sync: &SyncId, run: u64) -> String {
    let seed = sync.as_str().bytes().fold(run, |seed, byte| scramble(seed ^ u64::from(byte)));
    format!("{seed:016x}")
}
