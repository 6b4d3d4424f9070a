//! Assertions about deliveries. Their failure messages show the nearest delivery and the timeline around it.

use std::fmt::Write as _;

use serde_json::Value;

use super::entry::{EntryKind, TimelineEntry};
use super::paragon::FakeParagon;
use super::timeline::Timeline;
use crate::clock::offset;
use crate::delivery::{AttemptRecord, Decision};

/// Number of timeline entries that a failure message shows on either side of the nearest delivery.
const AROUND: usize = 4;

impl FakeParagon {
    /// Asserts that an event with these members was delivered, that is, answered 2xx. Members that are not named may
    /// have any value.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use axum::{Router, routing::post};
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let webhook = format!("http://{}/webhook", listener.local_addr()?);
    /// # tokio::spawn(async { axum::serve(listener, Router::new().route("/webhook", post(|| async { "" }))).await });
    /// use paragon_testkit::FakeParagon;
    /// use serde_json::json;
    ///
    /// let paragon = FakeParagon::start().await;
    /// paragon.set_webhook(webhook.parse()?).await;
    /// let sync = paragon.user("ada").connect("googledrive").enable("files")?;
    /// paragon.settle().await;
    /// paragon.assert_delivered(&json!({"event": "sync_complete", "syncInstanceId": sync.id(), "data": {"numRecords": 0}}));
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no event with these members was delivered. The message shows the nearest delivery member by member,
    /// and the timeline around it.
    #[track_caller]
    pub fn assert_delivered(&self, members: &Value) {
        let timeline = self.timeline();
        if let Err(why) = delivered(&timeline, members) {
            panic!("{why}\nseed {}, policy {}", self.seed(), self.policy().name);
        }
    }
}

/// Event of an attempt, compared with the expected members.
struct Candidate<'a> {
    /// Index of the attempt on the timeline.
    at: usize,
    event: &'a str,
    record: &'a AttemptRecord,
    differences: Vec<String>,
}

impl Candidate<'_> {
    fn delivered(&self) -> bool {
        self.record.decision == Decision::Delivered
    }

    /// Returns the distance from the expected members; the smallest distance is the nearest candidate.
    fn distance(&self) -> (usize, bool) {
        (self.differences.len(), !self.delivered())
    }
}

fn delivered(timeline: &Timeline, members: &Value) -> Result<(), String> {
    let candidates: Vec<_> = candidates(timeline, members).collect();
    if candidates.iter().any(|candidate| candidate.delivered() && candidate.differences.is_empty()) {
        return Ok(());
    }
    let mut why = format!("no event with these members was delivered:\n  {members}\n");
    // Of equally near candidates, the last one is shown, because a test usually asks about the newest delivery.
    let nearest = candidates.iter().rev().min_by_key(|candidate| candidate.distance());
    match nearest {
        None => why.push_str("nothing was sent at all; the end of the timeline:\n"),
        Some(Candidate { event, record, differences, .. }) => {
            let AttemptRecord { delivery, number, outcome, .. } = record;
            let _ = writeln!(why, "nearest: {event}, delivery {delivery}, attempt {number} -> {outcome}");
            for difference in differences {
                let _ = writeln!(why, "  {difference}");
            }
            if differences.is_empty() {
                why.push_str("  it has all of them, but was not answered 2xx\n");
            }
            why.push_str("the timeline around it:\n");
        }
    }
    around(&mut why, timeline, nearest.map(|nearest| nearest.at));
    Err(why)
}

/// Returns a candidate for each event of each attempt. A batch contains several events.
fn candidates<'a>(timeline: &'a Timeline, members: &Value) -> impl Iterator<Item = Candidate<'a>> {
    timeline.entries().iter().enumerate().flat_map(move |(at, entry)| {
        let EntryKind::Attempt { event, record, .. } = &entry.what else { return Vec::new() };
        let events = match serde_json::from_slice(&record.body) {
            Ok(Value::Array(events)) => events,
            Ok(event) => vec![event],
            Err(_) => Vec::new(),
        };
        let candidate = |body: Value| {
            let mut differences = Vec::new();
            compare("", members, &body, &mut differences);
            Candidate { at, event, record, differences }
        };
        events.into_iter().map(candidate).collect()
    })
}

/// Adds to `differences` each member of `expected` that `got` lacks or has with another value.
fn compare(path: &str, expected: &Value, got: &Value, differences: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (name, expected) in expected {
                let path = format!("{path}/{name}");
                match got.get(name) {
                    Some(got) => compare(&path, expected, got, differences),
                    None => differences.push(format!("{path}: expected {expected}, it is not there")),
                }
            }
        }
        _ if expected == got => {}
        _ => differences.push(format!("{path}: expected {expected}, got {got}")),
    }
}

/// Appends the timeline entries around `place` to `told`, or the last entries if there is no place.
fn around(told: &mut String, timeline: &Timeline, place: Option<usize>) {
    let entries = timeline.entries();
    let middle = place.unwrap_or(entries.len());
    let shown = middle.saturating_sub(AROUND)..entries.len().min(middle + AROUND + 1);
    for (at, TimelineEntry { at: moment, what, .. }) in entries.iter().enumerate().skip(shown.start).take(shown.len()) {
        let mark = if Some(at) == place { '>' } else { ' ' };
        let _ = writeln!(told, "{mark} {:<14} {what}", offset(*moment - timeline.start()));
    }
}
