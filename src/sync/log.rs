use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::status::{RunKind, Status};
use crate::clock::Timestamp;
use crate::contract::api::EventLogEntry;
use crate::contract::{Pipeline, SyncId, UserId, scramble};

/// Maximum number of entries. A sync writes two entries each minute.
const KEPT: usize = 1_000;

/// Event log of a sync: the newest 1,000 entries, and the number of dropped older ones.
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
    /// Time of the entry.
    pub at: Timestamp,
    /// Number of the run, shared by all its entries.
    pub run: u64,
    /// Kind of the entry (`monitoring.log`).
    pub event: LogEvent,
    /// Kind of the run.
    pub kind: RunKind,
    /// Status of the sync at that time.
    pub status: Status,
    /// Results of the run, if it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<RunSummary>,
    /// Error, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<LogError>,
}

/// Kind of a log entry. The names of the first three are documented. The names of the first two begin with the kind of
/// the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum LogEvent {
    /// `INITIAL_SYNC_STARTED`, and the same for other kinds of runs.
    Started,
    /// `INITIAL_SYNC_COMPLETED`, and the same for other kinds of runs.
    Completed,
    /// `SYNC_RUN_RATE_LIMITED`
    RateLimited,
    /// `SYNC_RUN_ERROR`
    Error,
}

/// Results of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunSummary {
    /// Number of new records.
    pub created: u64,
    /// Number of changed records.
    pub updated: u64,
    /// Number of deleted records.
    pub deleted: u64,
    /// Number of records that the run looked at.
    pub processed: u64,
    /// Duration of the run in milliseconds.
    pub took_ms: u64,
}

/// An error in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LogError {
    /// Code for programs. The codes are not Paragon's, but ours.
    pub code: String,
    /// Whether the sync recovers automatically.
    pub recoverable: bool,
    /// HTTP status of the provider's response.
    pub http_status: Option<u16>,
    /// Time until the retry of the run.
    pub retry_in: Option<Duration>,
}

impl EventLog {
    /// Returns the entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Logged> {
        self.entries.iter()
    }

    /// Returns the number of older entries that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Starts counting a new run: the next entries get its number.
    pub(super) fn next_run(&mut self) {
        self.runs += 1;
    }

    pub(super) fn write(
        &mut self,
        at: Timestamp,
        event: LogEvent,
        kind: RunKind,
        status: Status,
        summary: Option<RunSummary>,
        error: Option<LogError>,
    ) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(Logged { at, run: self.runs, event, kind, status, summary, error });
    }
}

/// Sync that an event log belongs to.
#[derive(Clone, Copy)]
pub(super) struct LogOwner<'a> {
    pub(super) sync: &'a SyncId,
    pub(super) user: &'a UserId,
    pub(super) integration: &'a str,
    pub(super) pipeline: Pipeline,
}

impl Logged {
    /// Returns the entry as the dashboard shows it. Only the names of the top-level members are documented.
    pub(super) fn entry(&self, of: LogOwner<'_>) -> EventLogEntry {
        let kind = text(self.kind);
        let event = match self.event {
            LogEvent::Started => format!("{kind}_SYNC_STARTED"),
            LogEvent::Completed => format!("{kind}_SYNC_COMPLETED"),
            LogEvent::RateLimited => "SYNC_RUN_RATE_LIMITED".to_owned(),
            LogEvent::Error => "SYNC_RUN_ERROR".to_owned(),
        };
        let mut entry = json!({
            "syncId": of.sync, "traceId": trace(of.sync, self.run), "userId": of.user,
            "integration": of.integration, "pipeline": of.pipeline, "syncEvent": event, "syncType": kind,
            "syncStatus": self.status,
        });
        if let Some(RunSummary { created, updated, deleted, processed, took_ms }) = self.summary {
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

/// Returns the trace id, which is the same for all entries of a run.
fn trace(sync: &SyncId, run: u64) -> String {
    let seed = sync.as_str().bytes().fold(run, |seed, byte| scramble(seed ^ u64::from(byte)));
    format!("{seed:016x}")
}
