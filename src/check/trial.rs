use std::time::Duration;

use url::Url;

use super::oracle::differences;
use super::probe::{Held, Probe, ProbeError};
use crate::clock::{Patience, Stopwatch};
use crate::contract::{Event, EventKind, File, UserId};
use crate::delivery::{Answer, Failure, Outcome};
use crate::fake::{Call, Connection, FakeParagon, Item, Sync, Timeline};

/// A probe that keeps failing is given up after this; a receiver's right answer is taken whenever it comes.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// A receiver that has not called the Sync API for so long is at rest.
const QUIET: Duration = Duration::from_millis(500);

/// Pages of a fake that judges are no longer, so that few records make many pages.
pub(super) const PAGE_SIZE_CAP: usize = 10;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a case ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Fail(String),
    NotEvaluable(String),
}

/// One case on one receiver: a fresh user with an account, and the means to look at the receiver.
pub(super) struct Trial<'a> {
    pub(super) paragon: &'a FakeParagon,
    pub(super) webhook: &'a Url,
    pub(super) state: Option<&'a dyn Probe>,
    pub(super) settle: Duration,
    pub(super) user: UserId,
    pub(super) drive: Connection,
    pub(super) mark: usize,
}

impl Trial<'_> {
    pub(super) fn timeline(&self) -> Timeline {
        self.paragon.timeline().skip(self.mark).of_user(&self.user)
    }

    /// Enables a sync of the account as it is. Nothing runs yet.
    pub(super) async fn enable(&self) -> Result<Sync, Stop> {
        let sync = self.drive.enable("files").map_err(|error| Stop::NotEvaluable(error.to_string()))?;
        if let Some(state) = self.state {
            let left_over = state.look().await.is_ok_and(|held| held.iter().any(|held| held.sync == *sync.id()));
            if left_over {
                return Err(Stop::NotEvaluable(
                    "the receiver already holds records of this sync, from a run with the same seed: \
                     empty it, or take another --seed"
                        .to_owned(),
                ));
            }
        }
        Ok(sync)
    }

    /// An account with these files, an initial sync of it, and a receiver that holds them: where most cases start.
    pub(super) async fn synced(&self, names: &[&str]) -> Result<(Sync, Vec<Item<File>>), Stop> {
        let files = names.iter().map(|name| self.drive.create(File::named(*name))).collect();
        let sync = self.enable().await?;
        self.paragon.settle().await;
        self.given(&sync).await?;
        Ok((sync, files))
    }

    /// The receiver is right so far, or the case cannot tell what comes next.
    pub(super) async fn given(&self, sync: &Sync) -> Result<(), Stop> {
        self.right(sync).await.map_err(|stop| match stop {
            Stop::Fail(found) => Stop::NotEvaluable(format!("the receiver is wrong before this case begins:\n{found}")),
            stop @ Stop::NotEvaluable(_) => stop,
        })
    }

    /// Waits until the receiver holds what it should of a sync, for the settle time at most. Without a state probe:
    /// until it has fetched the latest version of each record.
    pub(super) async fn right(&self, sync: &Sync) -> Result<(), Stop> {
        let mut patience = Patience::of(self.settle);
        let mut failing: Option<Stopwatch> = None;
        loop {
            let found = self.wrong(sync).await;
            match &found {
                Ok(found) if found.is_empty() => return Ok(()),
                Ok(_) => failing = None,
                Err(error) if failing.is_some_and(|since| since.elapsed() >= PROBE_PATIENCE) => {
                    return Err(Stop::NotEvaluable(error.to_string()));
                }
                Err(_) => failing = failing.or_else(|| Some(Stopwatch::start())),
            }
            if patience.again().await {
                continue;
            }
            return Err(match found {
                Err(error) => Stop::NotEvaluable(error.to_string()),
                Ok(found) => {
                    let waited = humane(self.settle);
                    let refused = self.refused_call().map(|call| format!("\n{call}")).unwrap_or_default();
                    Stop::Fail(format!("{}\nstill so {waited} after the last event{refused}", found.join("\n")))
                }
            });
        }
    }

    /// As [`Trial::right`], and still so when the receiver has come to rest: for what does its harm late, such as the
    /// second copy of an event in the queue of a receiver that answered both at once.
    pub(super) async fn stays_right(&self, sync: &Sync) -> Result<(), Stop> {
        self.right(sync).await?;
        self.rest().await;
        self.right(sync).await
    }

    /// Waits until the receiver has been quiet for a while, for the settle time at most.
    async fn rest(&self) {
        let calls = || self.timeline().calls().count();
        let (mut seen, mut quiet) = (calls(), Stopwatch::start());
        let mut patience = Patience::of(self.settle);
        while quiet.elapsed() < QUIET && patience.again().await {
            let now = calls();
            if now != seen {
                (seen, quiet) = (now, Stopwatch::start());
            }
        }
    }

    async fn wrong(&self, sync: &Sync) -> Result<Vec<String>, ProbeError> {
        let Some(state) = self.state else {
            let (records, unfetched) = (sync.records(), sync.unfetched());
            let named = unfetched.iter().map(|(id, _)| {
                let record = records.iter().find(|record| record["id"] == id.as_str());
                let name = record.map(|record| record["name"].to_string()).unwrap_or_default();
                format!("{name} was not fetched in its latest version (record {id})")
            });
            return Ok(named.collect());
        };
        let held = state.look().await?;
        let of_sync: Vec<&Held> = held.iter().filter(|held| held.sync == *sync.id()).collect();
        Ok(differences(&sync.records(), &of_sync, &sync.unfetched()))
    }

    /// A hint at the usual reason for records that are missing: calls that were refused.
    fn refused_call(&self) -> Option<String> {
        let timeline = self.timeline();
        // That a record is not there any more is no trouble.
        let usual = |call: &&Call| call.status == 200 || (call.status == 404 && call.path.contains("/records/"));
        let call = timeline.calls().filter(|call| !usual(call)).last()?.clone();
        let why = call.reason.unwrap_or_default();
        Some(format!("the Sync API refused {} {} with {}: {why}", call.method, call.path, call.status))
    }

    /// Every attempt since `mark` was answered 2xx, and there was one for each of these events.
    pub(super) fn answered(&self, mark: usize, kinds: &[EventKind]) -> Result<(), Stop> {
        let timeline = self.paragon.timeline().skip(mark).of_user(&self.user);
        let mut found = Vec::new();
        for (event, attempt) in timeline.attempts() {
            if let Some(problem) = problem(&attempt.outcome) {
                found.push(format!("{event}: {problem}"));
            }
        }
        found.dedup();
        if !found.is_empty() {
            return Err(Stop::Fail(found.join("\n")));
        }
        let sent = |kind: &EventKind| timeline.attempts().any(|(event, _)| event == kind.name());
        match kinds.iter().find(|kind| !sent(kind)) {
            Some(kind) => Err(Stop::NotEvaluable(format!("{kind} was never sent"))),
            None => Ok(()),
        }
    }

    pub(super) fn send(&self, event: serde_json::Value) -> Result<(), Stop> {
        let event = Event::from_value(event).map_err(|error| Stop::NotEvaluable(error.to_string()))?;
        self.paragon.send(&event);
        Ok(())
    }
}

/// What is wrong with an answer that should have been 2xx.
fn problem(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Answered(Answer { status: 200..=299, .. }) => None,
        Outcome::Answered(Answer { status, body, .. }) if body.trim().is_empty() => {
            Some(format!("answered {status}, expected 2xx"))
        }
        Outcome::Answered(Answer { status, body, .. }) => {
            let start: String = body.trim().chars().take(200).collect();
            Some(format!("answered {status} {start:?}, expected 2xx"))
        }
        Outcome::Failed(failure @ (Failure::TimedOut | Failure::BodyTimedOut { .. })) => {
            Some(format!("{failure}, expected 2xx (see --timeout)"))
        }
        Outcome::Failed(failure) => Some(format!("{failure}, expected 2xx")),
    }
}

fn humane(span: Duration) -> String {
    if span.subsec_millis() == 0 { format!("{} s", span.as_secs()) } else { format!("{} ms", span.as_millis()) }
}
