use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::case::Need;
use super::histories::Histories;
use super::oracle::differences;
use super::probe::{Held, Probe, ProbeError};
use super::process::{Process, ProcessError};
use super::rest::{RESTLESS, Rest};
use super::suite::Suite;
use crate::clock::{Patience, Stopwatch, eventually};
use crate::contract::{Event, EventKind, File, UserId};
use crate::delivery::{Answer, Failure, Outcome};
use crate::fake::{Call, Connection, FakeParagon, FaultId, Item, Sync, Timeline};
use crate::scenario::Scenario;

/// A probe that keeps failing is given up after this; a receiver's right answer is taken whenever it comes.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Who calls more often than that in a second is still at work.
const BUSY: u64 = 10;

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

impl Stop {
    /// What was to be so before the case can tell anything, and is not.
    fn before(self) -> Self {
        match self {
            Self::Fail(found) => Self::NotEvaluable(format!("the receiver is wrong before this case begins:\n{found}")),
            stop @ Self::NotEvaluable(_) => stop,
        }
    }
}

impl From<ProcessError> for Stop {
    fn from(error: ProcessError) -> Self {
        Self::NotEvaluable(error.to_string())
    }
}

/// One case on one receiver: fresh users with their accounts, and the means to look at the receiver.
pub(super) struct Trial<'a> {
    pub(super) paragon: &'a FakeParagon,
    pub(super) webhook: &'a Url,
    pub(super) state: Option<&'a dyn Probe>,
    pub(super) process: Option<&'a dyn Process>,
    pub(super) settle: Duration,
    pub(super) histories: &'a Histories,
    /// What everything that is made up follows from.
    pub(super) seed: u64,
    pub(super) case: &'static str,
    /// What its users are called after: the case, and the policy where there are several.
    name: String,
    pub(super) user: UserId,
    pub(super) drive: Connection,
    known: Option<Scenario>,
    mine: Mutex<Mine>,
}

/// What belongs to a case.
#[derive(Default)]
struct Mine {
    users: Vec<UserId>,
    /// Where it begins, or the part of it that is told.
    mark: usize,
    syncs: Vec<Sync>,
    /// Of what was right, that it stays so is still to be seen.
    to_stay: Vec<Sync>,
    /// The shortest history that shows the failure.
    scenario: Option<Scenario>,
}

impl<'a> Trial<'a> {
    /// `known` is a history that has failed before, or the one that is to be played.
    pub(super) fn new(
        suite: &'a Suite<'_>,
        paragon: &'a FakeParagon,
        case: &'static str,
        name: String,
        known: Option<Scenario>,
    ) -> Self {
        let user = paragon.user(UserId::for_case(&paragon.project().id, suite.seed, &name));
        Self {
            paragon,
            webhook: &suite.webhook,
            state: suite.state.as_deref(),
            process: suite.process.as_deref(),
            settle: suite.settle,
            histories: &suite.histories,
            seed: suite.seed,
            case,
            name,
            user: user.id().clone(),
            drive: user.connect("googledrive"),
            known,
            mine: Mutex::new(Mine { users: vec![user.id().clone()], mark: paragon.timeline_mark(), ..Mine::default() }),
        }
    }

    fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what this case has begun: its syncs run no more.
    pub(super) fn end(&self) {
        self.mine().syncs.iter().for_each(Sync::disable);
    }

    /// Where the case begins on the timeline, or the part of it that is told.
    pub(super) fn mark(&self) -> usize {
        self.mine().mark
    }

    /// From here on the case is about these users, and what went before is not told.
    pub(super) fn turn_to(&self, users: Vec<UserId>) {
        let mark = self.paragon.timeline_mark();
        let mut mine = self.mine();
        (mine.users, mine.mark) = (users, mark);
    }

    pub(super) fn known(&self) -> Option<Scenario> {
        self.known.clone()
    }

    pub(super) fn keep(&self, scenario: Scenario) {
        self.mine().scenario = Some(scenario);
    }

    pub(super) fn kept(&self) -> Option<Scenario> {
        self.mine().scenario.take()
    }

    /// A user of this case alone.
    pub(super) fn user_named(&self, name: &str) -> UserId {
        let id = UserId::for_case(&self.paragon.project().id, self.seed, &format!("{}/{name}", self.name));
        let mut mine = self.mine();
        if !mine.users.contains(&id) {
            mine.users.push(id.clone());
        }
        id
    }

    /// The account of another user of this case.
    pub(super) fn other_drive(&self, name: &str) -> Connection {
        self.paragon.user(self.user_named(name)).connect("googledrive")
    }

    pub(super) fn adopt(&self, syncs: &[Sync]) {
        self.mine().syncs.extend_from_slice(syncs);
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.timeline_since(self.mark())
    }

    pub(super) fn timeline_since(&self, mark: usize) -> Timeline {
        let users = self.mine().users.clone();
        self.paragon.timeline_since(mark).of_users(&users)
    }

    /// How many calls of the Sync API the receiver has made for the users of this case.
    pub(super) fn calls_since(&self, mark: usize) -> usize {
        let users = self.mine().users.clone();
        users.iter().map(|user| self.paragon.count_calls(user, mark)).sum()
    }

    /// As [`Trial::calls_since`], from the beginning.
    pub(super) fn calls(&self) -> usize {
        self.calls_since(self.mark())
    }

    /// Enables a sync of the account as it is. Nothing runs yet.
    pub(super) async fn enable(&self) -> Result<Sync, Stop> {
        self.enable_of(&self.drive, "default").await
    }

    pub(super) async fn enable_of(&self, drive: &Connection, name: &str) -> Result<Sync, Stop> {
        let sync = drive.enable_as("files", name).map_err(|error| Stop::NotEvaluable(error.to_string()))?;
        self.adopt(std::slice::from_ref(&sync));
        fresh(&self.held().await, std::slice::from_ref(&sync))?;
        Ok(sync)
    }

    /// What the receiver holds, as far as it tells.
    pub(super) async fn held(&self) -> Vec<Held> {
        match self.state {
            Some(state) => state.look().await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    pub(super) fn create(&self, name: &str) -> Item<File> {
        self.drive.create(File::named(name))
    }

    /// So many files.
    pub(super) fn fill(&self, count: usize) -> Vec<Item<File>> {
        (0..count).map(|number| self.create(&format!("{number}.pdf"))).collect()
    }

    /// An account with these files, an initial sync of it, and a receiver that holds them: where most cases start.
    pub(super) async fn synced(&self, names: &[&str]) -> Result<(Sync, Vec<Item<File>>), Stop> {
        let files = names.iter().map(|name| self.create(name)).collect();
        let sync = self.enable().await?;
        self.paragon.settle().await;
        self.given(&[&sync]).await?;
        Ok((sync, files))
    }

    /// The receiver is right so far, or the case cannot tell what comes next.
    pub(super) async fn given(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        self.right(syncs).await.map_err(Stop::before)
    }

    /// Lets everything be delivered that will be, and waits until the receiver holds what it should.
    pub(super) async fn ends_right(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        self.paragon.run_until_idle().await;
        self.right(syncs).await
    }

    /// Waits until the receiver holds what it should of these syncs, for the settle time at most. Without a state
    /// probe: until it has fetched the latest version of each record.
    pub(super) async fn right(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        let mut patience = Patience::of(self.settle);
        let mut failing: Option<Stopwatch> = None;
        let (mut second, mut calls, mut in_last_second) = (Stopwatch::start(), self.paragon.tally().calls, 0);
        loop {
            let found = self.wrong(syncs).await;
            if second.elapsed() >= Duration::from_secs(1) {
                let now = self.paragon.tally().calls;
                (second, in_last_second, calls) = (Stopwatch::start(), now.saturating_sub(calls), now);
            }
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
                    let busy = match in_last_second {
                        // A look now and then is no work.
                        0..=BUSY => String::new(),
                        calls => format!("; it still makes {calls} calls a second: it may be too slow (see --settle)"),
                    };
                    Stop::Fail(format!("{}\nstill so {waited} after the last event{busy}{refused}", found.join("\n")))
                }
            });
        }
    }

    /// As [`Trial::right`], and still so when the receiver has come to rest: for what does its harm late, such as the
    /// second copy of an event in the queue of a receiver that answered both at once.
    pub(super) async fn right_at_rest(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        self.right(syncs).await?;
        self.rest(RESTLESS).await;
        self.right(syncs).await
    }

    /// As [`Trial::right_at_rest`], for the end of a case: the later look is left to [`Trial::stayed_right`].
    pub(super) async fn stays_right(&self, syncs: &[&Sync]) -> Result<(), Stop> {
        self.right(syncs).await?;
        self.mine().to_stay.extend(syncs.iter().map(|sync| (*sync).clone()));
        Ok(())
    }

    /// Whether there is something that is to stay right.
    pub(super) fn is_to_stay_right(&self) -> bool {
        !self.mine().to_stay.is_empty()
    }

    /// The later look, when the receiver has come to rest.
    pub(super) async fn stayed_right(&self) -> Result<(), Stop> {
        let to_stay = std::mem::take(&mut self.mine().to_stay);
        if to_stay.is_empty() { Ok(()) } else { self.right(&to_stay.iter().collect::<Vec<_>>()).await }
    }

    /// Waits until the receiver has not called for a while, for so long at most.
    pub(super) async fn rest(&self, within: Duration) {
        let within = within.min(self.settle);
        let mut rest = Rest::from_now(self.calls(), within);
        let mut patience = Patience::of(within);
        while !rest.has_come(self.calls()) && patience.again().await {}
    }

    /// Watches whether the receiver comes to rest.
    pub(super) fn rest_from_now(&self) -> Rest {
        Rest::from_now(self.calls(), RESTLESS.min(self.settle))
    }

    /// How what the receiver holds differs from what it should hold.
    pub(super) async fn wrong(&self, syncs: &[&Sync]) -> Result<Vec<String>, ProbeError> {
        let held = match self.state {
            Some(state) => Some(state.look().await?),
            None => None,
        };
        Ok(syncs.iter().flat_map(|sync| wrong(sync, held.as_deref())).collect())
    }

    /// How many calls a fault has struck.
    pub(super) fn struck(&self, fault: FaultId) -> u64 {
        self.paragon.faults().iter().find(|(id, ..)| *id == fault).map_or(0, |(.., struck)| *struck)
    }

    /// Waits until a fault has struck so often. A receiver that never makes the call cannot be judged by it.
    pub(super) async fn met(&self, fault: FaultId, times: u64) -> Result<(), Stop> {
        let met = eventually(self.settle, || {
            let met = self.struck(fault) >= times;
            async move { met.then_some(()) }
        });
        met.await.ok_or_else(|| {
            let what = if times == 1 { "the call that was to fail".to_owned() } else { format!("{times} such calls") };
            Stop::NotEvaluable(format!("the receiver did not make {what} within {}", humane(self.settle)))
        })
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
        let timeline = self.timeline_since(mark);
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

    /// An event of this kind was answered 2xx since `mark`, whatever went before.
    pub(super) fn answered_in_the_end(&self, mark: usize, kind: EventKind) -> Result<(), Stop> {
        let timeline = self.timeline_since(mark);
        let of_kind = || timeline.attempts().filter(|(event, _)| *event == kind.name());
        match of_kind().last() {
            None => Err(Stop::NotEvaluable(format!("{kind} was never sent"))),
            Some((_, last)) => {
                problem(&last.outcome).map_or(Ok(()), |problem| Err(Stop::Fail(format!("{kind}: {problem}"))))
            }
        }
    }

    /// POSTs a body as it is, beside all queues; what is wrong with the answer, if it is not 2xx.
    pub(super) async fn post(&self, body: &[u8]) -> Option<String> {
        problem(&self.paragon.post_raw(self.webhook, body).await)
    }

    pub(super) fn send(&self, event: Value) -> Result<(), Stop> {
        let event = Event::from_value(event).map_err(|error| Stop::NotEvaluable(error.to_string()))?;
        self.paragon.send(&event);
        Ok(())
    }

    /// An event `sync_complete` with this count.
    pub(super) fn complete(&self, sync: &Sync, records: u64) -> Value {
        let data = json!({"model": "files", "syncedAt": self.paragon.now(), "numRecords": records});
        event(sync, "sync_complete", json!({"data": data}))
    }

    /// Sends it, and lets it be delivered.
    pub(super) async fn deliver(&self, event: Value) -> Result<(), Stop> {
        self.send(event)?;
        self.paragon.settle().await;
        Ok(())
    }

    pub(super) fn has(&self, need: Need) -> bool {
        match need {
            Need::State => self.state.is_some(),
            Need::Process => self.process.is_some(),
        }
    }

    /// The receiver's process; the case says that it needs one.
    pub(super) fn process(&self) -> Result<&'a dyn Process, Stop> {
        self.process.ok_or_else(|| Stop::NotEvaluable(Need::Process.missing().to_owned()))
    }
}

/// Before anything was sent the receiver holds nothing of these syncs.
pub(super) fn fresh(held: &[Held], syncs: &[Sync]) -> Result<(), Stop> {
    if held.iter().any(|held| syncs.iter().any(|sync| held.sync == *sync.id())) {
        return Err(Stop::NotEvaluable(
            "the receiver already holds records of this sync, from a run with the same seed: \
             empty it, or take another --seed"
                .to_owned(),
        ));
    }
    Ok(())
}

/// An event about a sync, with what it says beside the envelope.
pub(super) fn event(sync: &Sync, kind: &str, more: Value) -> Value {
    let mut event = serde_json::to_value(sync.envelope()).unwrap_or_default();
    event["event"] = json!(kind);
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event
}

/// An event about a record.
pub(super) fn about(sync: &Sync, kind: &str, record: impl Serialize) -> Value {
    event(sync, kind, json!({"data": {"recordId": record, "model": "files"}}))
}

/// Passes, in real time: for what is looked at over a span, and not until something is so.
pub(super) async fn a_while(span: Duration) {
    eventually(span, || async { None::<()> }).await;
}

/// How what is held of a sync differs from what should be; without a look at it, what was not fetched.
fn wrong(sync: &Sync, held: Option<&[Held]>) -> Vec<String> {
    let (records, unfetched) = (sync.records(), sync.unfetched());
    let Some(held) = held else {
        let named = unfetched.iter().map(|(id, _)| {
            let record = records.iter().find(|record| record["id"] == id.as_str());
            let name = record.map(|record| record["name"].to_string()).unwrap_or_default();
            format!("{name} was not fetched in its latest version (record {id})")
        });
        return named.collect();
    };
    let of_sync: Vec<&Held> = held.iter().filter(|held| held.sync == *sync.id()).collect();
    differences(&records, &of_sync, &unfetched)
}

/// What is wrong with an answer that should have been 2xx.
pub(super) fn problem(outcome: &Outcome) -> Option<String> {
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

pub(super) fn humane(span: Duration) -> String {
    if span.subsec_millis() == 0 { format!("{} s", span.as_secs()) } else { format!("{} ms", span.as_millis()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_no_success_are_told_with_what_they_say() {
        let answered = |status: u16, body: &str| {
            let mut answer = Answer::new(status);
            answer.body = body.to_owned();
            problem(&Outcome::Answered(answer))
        };
        assert_eq!((answered(200, "ok"), answered(299, "")), (None, None));
        assert_eq!(answered(300, " \n").as_deref(), Some("answered 300, expected 2xx"));
        assert_eq!(answered(500, " no\n").as_deref(), Some("answered 500 \"no\", expected 2xx"));
        assert_eq!(answered(500, &"y".repeat(900)).map(|told| told.matches('y').count()), Some(200));
        let failed = |failure| problem(&Outcome::Failed(failure)).unwrap();
        assert!(failed(Failure::TimedOut).ends_with("(see --timeout)"));
        assert!(failed(Failure::Refused).ends_with(", expected 2xx"));
    }

    #[test]
    fn spans_are_told_in_whole_seconds_or_in_milliseconds() {
        assert_eq!([1_000, 1_500, 40].map(|millis| humane(Duration::from_millis(millis))), ["1 s", "1500 ms", "40 ms"]);
    }
}
