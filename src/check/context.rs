use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::error::{CaseError, problem, was_refused};
use super::histories::Histories;
use super::lane::Lane;
use super::need::Need;
use super::probe::HeldRecord;
use super::process::Process;
use crate::clock::pass;
use crate::contract::{Event, EventKind, ExternalId, File, Object, Pipeline, RecordId, UserId};
use crate::delivery::Outcome;
use crate::fake::{Connection, EventAttempt, FakeParagon, Item, PAUSES, SyncHandle, Timeline, may_accept_later};
use crate::scenario::Scenario;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One case on one receiver: a lane with fresh users and their accounts, and the means to look at the receiver.
pub(super) struct CaseContext<'a> {
    lane: Lane<'a>,
    pub(super) process: Option<&'a dyn Process>,
    pub(super) histories: &'a Histories,
    /// Seed from which all generated ids and values derive.
    pub(super) seed: u64,
    /// Prefix of the names of the case's users: the name of the run's users, the case id, and the policy if there are
    /// several.
    name: String,
    pub(super) user: UserId,
    pub(super) drive: Connection,
    known: Option<Scenario>,
    /// Whether the case was played before and was disturbed then. This time nothing else goes on.
    pub(super) is_again: bool,
    mine: Mutex<Mine>,
}

/// Mutable state of a case.
struct Mine {
    /// Lane whose timeline is reported, and its start. `None` stands for the case's own lane. It is set to the lane of
    /// the latest history.
    story: Option<(Arc<FakeParagon>, usize)>,
    /// Shortest history that shows the failure.
    scenario: Option<Scenario>,
    /// Whether the receiver refused events of a history although none of its calls failed.
    was_refused: bool,
    /// Remaining pauses before a body that the receiver could not accept is sent again.
    pauses: std::array::IntoIter<Duration, 4>,
}

impl<'a> Deref for CaseContext<'a> {
    type Target = Lane<'a>;
    fn deref(&self) -> &Lane<'a> {
        &self.lane
    }
}

impl<'a> CaseContext<'a> {
    /// Creates the context of a case. `known` is a history that failed before, or the scenario to play.
    pub(super) fn new(lane: Lane<'a>, name: String, known: Option<Scenario>, is_again: bool) -> Self {
        let target = lane.run.target;
        let name = if target.users.is_empty() { name } else { format!("{}/{name}", target.users) };
        let user = lane.paragon.user(UserId::for_case(&lane.paragon.project().id, target.seed, &name));
        Self {
            process: target.process.as_deref(),
            histories: &target.histories,
            seed: target.seed,
            name,
            user: user.id().clone(),
            drive: user.connect("googledrive"),
            known,
            is_again,
            mine: Mutex::new(Mine { story: None, scenario: None, was_refused: false, pauses: PAUSES.into_iter() }),
            lane,
        }
    }

    fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the timeline of this lane from now on, instead of the case's own.
    pub(super) fn tell_of(&self, lane: &Lane<'_>) {
        self.mine().story = Some((lane.paragon.clone(), lane.mark()));
    }

    /// Returns the timeline that reports show.
    pub(super) fn story(&self) -> Timeline {
        let story = self.mine().story.clone();
        story.map_or_else(|| self.timeline(), |(paragon, mark)| paragon.timeline().skip(mark))
    }

    /// Returns whether the receiver refused events although none of its calls failed.
    pub(super) fn was_refused(&self) -> bool {
        self.mine().was_refused || self.paragon.refusals() > 0
    }

    /// Notes whether the receiver refused events in the lane of a history although none of its calls failed.
    pub(super) fn note_refused(&self, was_refused: bool) {
        self.mine().was_refused = was_refused;
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

    /// Returns the id of a user that belongs to this case alone.
    pub(super) fn user_named(&self, name: &str) -> UserId {
        UserId::for_case(&self.paragon.project().id, self.seed, &format!("{}/{name}", self.name))
    }

    /// Returns the account of another user of this case.
    pub(super) fn other_drive(&self, name: &str) -> Connection {
        self.paragon.user(self.user_named(name)).connect("googledrive")
    }

    pub(super) fn timeline_since(&self, mark: usize) -> Timeline {
        self.paragon.timeline_since(mark)
    }

    /// Returns the number of Sync API calls that the receiver has made since `mark` for the users of this case.
    pub(super) fn calls_since(&self, mark: usize) -> usize {
        self.timeline_since(mark).calls().count()
    }

    /// Enables a sync of the case's account. The sync does not run yet.
    pub(super) async fn enable(&self) -> Result<SyncHandle, CaseError> {
        self.enable_of(&self.drive, "default").await
    }

    pub(super) async fn enable_of(&self, drive: &Connection, name: &str) -> Result<SyncHandle, CaseError> {
        let sync = drive.enable_as("files", name).map_err(|error| CaseError::NotEvaluable(error.to_string()))?;
        self.introduce(&sync).await?;
        fresh(&self.held(sync.id()).await)?;
        Ok(sync)
    }

    pub(super) fn create(&self, name: &str) -> Item<File> {
        self.drive.create(File::named(name))
    }

    /// Creates this many files.
    pub(super) fn fill(&self, count: usize) -> Vec<Item<File>> {
        (0..count).map(|number| self.create(&format!("{number}.pdf"))).collect()
    }

    /// Renames a file. The case is about this change, so it is not evaluable if the comparison with the receiver's
    /// state does not see the change.
    pub(super) fn rename(&self, file: &Item<File>, name: &str) -> Result<(), CaseError> {
        self.rename_in(&self.drive, file, name)
    }

    /// Does the same as [`CaseContext::rename`], in the account of another user of this case.
    pub(super) fn rename_in(&self, drive: &Connection, file: &Item<File>, name: &str) -> Result<(), CaseError> {
        let before = drive.object(file);
        drive.update(file, |file| file.name = name.into());
        if self.sees(&before, &drive.object(file)) {
            return Ok(());
        }
        Err(CaseError::NotEvaluable(format!(
            "the case gives a file another name, and nobody can see whether the receiver follows this change: {}",
            self.run.target.members
        )))
    }

    /// Returns whether the verdict can depend on the difference between two versions of a file: whether the comparison
    /// with the receiver's state includes a member that differs. Without a state probe the fetched versions count, and
    /// nothing is compared.
    pub(super) fn sees(&self, one: &File, other: &File) -> bool {
        let record = |file: &File| -> Value {
            let object = Object::from(file.clone());
            let (id, external_id) = (RecordId::from("id"), ExternalId::from("external"));
            serde_json::from_str(&object.record(self.paragon.revision(), &id, &external_id)).unwrap_or_default()
        };
        let is_told = || self.run.target.members.tell_apart(Pipeline::Files, &record(one), &record(other));
        self.run.looks.is_none() || is_told()
    }

    /// Returns whether the case may contain a file: whether the run leaves out no kind that the file is of.
    pub(super) fn may_contain(&self, file: &File) -> bool {
        !self.run.target.without.iter().any(|kind| kind.includes(file))
    }

    /// Creates these files and runs an initial sync. The receiver has been notified, and may still be at work.
    pub(super) async fn enabled(&self, names: &[&str]) -> Result<(SyncHandle, Vec<Item<File>>), CaseError> {
        let files = names.iter().map(|name| self.create(name)).collect();
        let sync = self.enable().await?;
        self.paragon.settle().await;
        Ok((sync, files))
    }

    /// Does the same as [`CaseContext::enabled`], and waits until the receiver holds the files. Most cases start from
    /// there.
    pub(super) async fn synced(&self, names: &[&str]) -> Result<(SyncHandle, Vec<Item<File>>), CaseError> {
        let (sync, files) = self.enabled(names).await?;
        self.given(&[&sync]).await?;
        Ok((sync, files))
    }

    /// Waits until the receiver is right. A wrong receiver makes the case not evaluable, because the precondition of
    /// the case does not hold.
    pub(super) async fn given(&self, syncs: &[&SyncHandle]) -> Result<(), CaseError> {
        self.right(syncs).await.map_err(CaseError::before)
    }

    /// Waits until the receiver holds the changes whose events it answered 2xx.
    pub(super) async fn follows(&self, sync: &SyncHandle) -> Result<(), CaseError> {
        self.right(&[sync]).await.map_err(|stop| match stop {
            CaseError::Fail(found) => CaseError::NotFollowed(found),
            stop => stop,
        })
    }

    /// Delivers all events that are still due. Then waits until the receiver holds the right records of these syncs,
    /// and fails the case if the receiver never does.
    pub(super) async fn ends_right(&self, syncs: &[&SyncHandle]) -> Result<(), CaseError> {
        self.paragon.run_until_idle().await;
        self.right(syncs).await
    }

    /// Checks that every event since `mark` was answered 2xx in time, and that each of these kinds was sent. An event
    /// that the receiver refused is sent again first, as any sender does: a receiver may refuse what it cannot accept
    /// now.
    pub(super) async fn answered(&self, mark: usize, kinds: &[EventKind]) -> Result<(), CaseError> {
        let timeline = self.timeline_since(mark);
        let outcomes = || timeline.attempts().map(|attempt| &attempt.record.outcome);
        if outcomes().any(was_refused) && !outcomes().any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            self.paragon.run_until_idle().await;
        }
        self.answered_so_far(mark, kinds)
    }

    /// As [`CaseContext::answered`], but an event that the receiver refused is not sent again first.
    pub(super) fn answered_so_far(&self, mark: usize, kinds: &[EventKind]) -> Result<(), CaseError> {
        let timeline = self.timeline_since(mark);
        let mut deliveries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for EventAttempt { event, record: attempt, .. } in timeline.attempts() {
            deliveries.entry(attempt.delivery).or_default().push((event, &attempt.outcome));
        }
        let mut found = Vec::new();
        for attempts in deliveries.values() {
            let is_final = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
            let decisive = attempts.iter().find(|(_, outcome)| is_final(outcome)).or(attempts.last());
            let Some((event, problem)) = decisive.and_then(|(event, outcome)| Some((event, problem(outcome)?))) else {
                continue;
            };
            let refused = attempts.iter().filter(|(_, outcome)| was_refused(outcome)).count();
            let times = if refused > 1 { format!(", {refused} times") } else { String::new() };
            found.push(format!("{event}: {problem}{times}"));
        }
        found.dedup();
        if !found.is_empty() {
            return Err(CaseError::Fail(found.join("\n")));
        }
        let sent = |kind: &EventKind| timeline.attempts().any(|attempt| attempt.event == kind.name());
        match kinds.iter().find(|kind| !sent(kind)) {
            Some(kind) => {
                Err(CaseError::NotEvaluable(format!("{kind} was never sent, so no response could be judged")))
            }
            None => Ok(()),
        }
    }

    /// Checks that the last attempt to deliver an event of this kind since `mark` was answered 2xx. Earlier attempts
    /// may have failed.
    pub(super) fn answered_in_the_end(&self, mark: usize, kind: EventKind) -> Result<(), CaseError> {
        let timeline = self.timeline_since(mark);
        let of_kind = || timeline.attempts().filter(|attempt| attempt.event == kind.name());
        match of_kind().last() {
            None => Err(CaseError::NotEvaluable(format!("{kind} was never sent, so no response could be judged"))),
            Some(last) => problem(&last.record.outcome)
                .map_or(Ok(()), |problem| Err(CaseError::Fail(format!("{kind}: {problem}")))),
        }
    }

    pub(super) fn webhook(&self) -> &'a Url {
        &self.run.target.webhook
    }

    /// Lets real time pass, for cases that observe a span instead of waiting for a condition. Other cases go on
    /// meanwhile.
    pub(super) async fn a_while(&self, span: Duration) {
        self.turn.aside(pass(span)).await;
    }

    /// POSTs a body unchanged and past all delivery queues. Sends the body again after a pause if the receiver answers
    /// that it cannot accept the body now (429, 502, 503 or 504).
    pub(super) async fn post_raw(&self, body: &[u8]) -> Outcome {
        loop {
            let outcome = self.paragon.post_raw(self.webhook(), body).await;
            let is_for_now = matches!(&outcome, Outcome::Answered(answer) if may_accept_later(answer.status));
            let pause = if is_for_now { self.mine().pauses.next() } else { None };
            match pause {
                Some(pause) => self.a_while(pause).await,
                None => return outcome,
            }
        }
    }

    /// Does the same as [`CaseContext::post_raw`]. Returns what is wrong with the response, or `None` if it is 2xx.
    pub(super) async fn post(&self, body: &[u8]) -> Option<String> {
        problem(&self.post_raw(body).await)
    }

    pub(super) fn send(&self, event: Value) -> Result<(), CaseError> {
        let event = Event::from_value(event).map_err(|error| CaseError::NotEvaluable(error.to_string()))?;
        self.paragon.send(&event);
        Ok(())
    }

    /// Returns a `sync_complete` event with this number of records.
    pub(super) fn complete(&self, sync: &SyncHandle, records: u64) -> Value {
        let data = json!({"model": "files", "syncedAt": self.paragon.now(), "numRecords": records});
        event(sync, "sync_complete", json!({"data": data}))
    }

    /// Sends the event, and waits until it is delivered.
    pub(super) async fn deliver(&self, event: Value) -> Result<(), CaseError> {
        self.send(event)?;
        self.paragon.settle().await;
        Ok(())
    }

    pub(super) fn has(&self, need: Need) -> bool {
        match need {
            Need::State => self.run.looks.is_some(),
            Need::Process => self.process.is_some(),
        }
    }

    /// Starts the receiver again.
    pub(super) async fn launch(&self) -> Result<(), CaseError> {
        Ok(self.run.launch(self.process()?).await?)
    }

    /// Returns the receiver's process, for cases that need one. Returns an error if there is none.
    pub(super) fn process(&self) -> Result<&'a dyn Process, CaseError> {
        self.process.ok_or_else(|| CaseError::NotEvaluable(Need::Process.missing().to_owned()))
    }
}

/// Checks that the receiver holds no record of a sync before any event of the sync was sent.
pub(super) fn fresh(held: &[HeldRecord]) -> Result<(), CaseError> {
    if held.is_empty() {
        return Ok(());
    }
    Err(CaseError::NotEvaluable(
        "the receiver already holds records of this sync, although no event of the sync was sent: if they are from an \
         earlier run with the same users, use another name for the users (--users), or remove the records"
            .to_owned(),
    ))
}

/// Returns an event about a sync: its envelope and the members of `more`.
pub(super) fn event(sync: &SyncHandle, kind: &str, more: Value) -> Value {
    let mut event = serde_json::to_value(sync.envelope()).unwrap_or_default();
    event["event"] = json!(kind);
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event
}

/// Returns an event about a record.
pub(super) fn about(sync: &SyncHandle, kind: &str, record: impl Serialize) -> Value {
    event(sync, kind, json!({"data": {"recordId": record, "model": "files"}}))
}
