use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{CaseError, humane, refused, was_refused};
use super::looks::key;
use super::oracle::{Difference, DifferenceKind};
use super::probe::{HeldRecord, ProbeError};
use super::rest::{Pause, RESTLESS, Rest};
use super::run::Run;
use super::waiting::{Seen, State, Waiting};
use crate::clock::{PollTimeout, Stopwatch, pass};
use crate::contract::SyncId;
use crate::fake::{Call, FakeParagon, FaultId, Proof, SyncHandle, Timeline, Unfetched};

/// Maximum page size of a fake that judges. Small pages let few records fill many pages.
pub(super) const PAGE_SIZE_CAP: usize = 10;

/// Time after which a state probe that keeps failing is given up.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Time after which a waiting case gives its turn to other cases.
const PARKED_AFTER: Duration = Duration::from_millis(50);

/// Divisor of the settle time for a case whose presumed case has failed. The cause of the failure is known, so the
/// receiver gets only this fraction of the settle time to become right.
const DOOMED: u32 = 10;

/// Maximum number of differences that a failure lists.
const TOLD: usize = 8;

/// The right to play. Few cases have it at a time, so that the load on a receiver is like that of a single application.
pub(super) struct Turn {
    turns: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turn {
    pub(super) fn with(turns: Arc<Semaphore>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { turns, permit: Mutex::new(permit) }
    }

    pub(super) async fn take(&self) {
        if self.permit().is_some() {
            return;
        }
        // `acquire_owned` cannot fail, because the semaphore is never closed.
        let permit = self.turns.clone().acquire_owned().await.ok();
        *self.permit() = permit;
    }

    /// Gives the turn to other cases until `wait` is over, and then takes it again.
    pub(super) async fn aside<T>(&self, wait: impl Future<Output = T>) -> T {
        self.give();
        let ended = wait.await;
        self.take().await;
        ended
    }

    fn give(&self) {
        self.permit().take();
    }

    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Separate fake for a case, or for one history of a case, with the means to look at the receiver. Events, calls and
/// faults of one lane do not show in another lane.
pub(super) struct Lane<'a> {
    pub(super) run: &'a Run<'a>,
    /// Id of the case.
    pub(super) case: &'static str,
    pub(super) paragon: Arc<FakeParagon>,
    pub(super) turn: Arc<Turn>,
    /// Position on the timeline at which the story of the lane begins.
    mark: usize,
}

/// Disables the syncs of the lane and clears its faults. The clock of the lane stands still, so nothing more is sent.
impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.paragon.syncs().iter().for_each(SyncHandle::disable);
        self.paragon.clear_faults();
    }
}

impl<'a> Lane<'a> {
    /// Opens a lane. All generated ids and values in the lane derive from `seed`.
    pub(super) async fn open(run: &'a Run<'a>, case: &'static str, seed: u64, turn: Turn) -> Self {
        let paragon = Arc::new(run.paragon.open_lane(seed));
        paragon.limit_pages(PAGE_SIZE_CAP);
        paragon.set_webhook(run.target.webhook.clone()).await;
        run.watch.add(paragon.clone());
        let turn = Arc::new(turn);
        // The fake outlives the lane, but the turn must be free when the lane ends. So the fake holds only a weak
        // reference.
        let held = Arc::downgrade(&turn);
        paragon.pace_refusals(Box::new(move |pause| {
            let turn = held.upgrade();
            Box::pin(async move {
                match turn {
                    Some(turn) => turn.aside(pass(pause)).await,
                    None => pass(pause).await,
                }
            })
        }));
        let mark = paragon.timeline_mark();
        Self { run, case, paragon, turn, mark }
    }

    /// Calls [`Suite::before_sync`](super::Suite::before_sync) with a sync that has just been enabled.
    pub(super) async fn introduce(&self, sync: &SyncHandle) -> Result<(), CaseError> {
        let Some(before_sync) = &self.run.target.before_sync else { return Ok(()) };
        before_sync(sync).await.map_err(CaseError::NotEvaluable)
    }

    /// Returns what the receiver's state says about a sync. Returns nothing without a state probe, or if the probe
    /// fails.
    pub(super) async fn held(&self, sync: &SyncId) -> Vec<HeldRecord> {
        let Some(looks) = &self.run.looks else { return Vec::new() };
        let told = looks.look(&[sync]).await.unwrap_or_default();
        told.get(&key(sync)).cloned().unwrap_or_default()
    }

    /// Returns the differences between what the receiver holds and what it should hold. Without a state probe, returns
    /// the records whose latest version was not fetched.
    pub(super) async fn wrong(&self, syncs: &[&SyncHandle]) -> Result<Vec<(SyncHandle, Difference)>, ProbeError> {
        let told = match &self.run.looks {
            Some(looks) => Some(looks.look(&syncs.iter().map(|sync| sync.id()).collect::<Vec<_>>()).await?),
            None => None,
        };
        let mut wrong = Vec::new();
        for sync in syncs {
            let (records, unfetched) = (sync.records(), sync.unfetched());
            let found = match &told {
                Some(told) => {
                    let held: Vec<&HeldRecord> = told.get(&key(sync.id())).into_iter().flatten().collect();
                    let compared = self.run.target.members.compare(sync.pipeline(), &records, &held, &unfetched);
                    self.run.note_compared(compared.members);
                    // Folders may arrive a moment after the files. Missing folders count as wrong until the receiver is
                    // at rest, because only then is it known that the receiver keeps no folders.
                    let is_open = !self.run.keeps_no_folders();
                    let folders = compared.folders.into_iter().filter(|_| is_open);
                    let missing = folders.map(|folder| Difference { kind: DifferenceKind::MissingFolder, ..folder });
                    self.run.remark(compared.remarks.into_iter().filter(|remark| !remark.contains("folders")));
                    compared.found.into_iter().chain(missing).collect()
                }
                None => unseen(&records, &unfetched),
            };
            wrong.extend(found.into_iter().map(|difference| ((*sync).clone(), difference)));
        }
        Ok(wrong)
    }

    /// Waits until the receiver holds the right records of these syncs. Without a state probe, waits until it has
    /// fetched the latest version of each record. A receiver that is still at work gets more time. A receiver that is
    /// wrong and at rest fails, and the failure includes the proof.
    pub(super) async fn right(&self, syncs: &[&SyncHandle]) -> Result<(), CaseError> {
        let look = || async {
            match self.wrong(syncs).await {
                Ok(found) if found.is_empty() => Look::Over(Ok(())),
                Ok(found) => Look::Wrong(digest(&found), found),
                Err(error) if self.has_no_probe(syncs) => Look::Over(Err(CaseError::NotEvaluable(error.to_string()))),
                Err(_) => Look::Nothing,
            }
        };
        let mut ended = self.wait(look).await;
        // Events that are still due may make the receiver right.
        while matches!(ended, Ended::AtRest(..)) && self.paragon.owes_events() {
            self.paragon.run_until_idle().await;
            ended = self.wait(look).await;
        }
        match ended {
            Ended::Over(ended) => ended,
            Ended::Doomed(found) => Err(CaseError::Fail(texts(&found))),
            Ended::AtRest(found, _) if found.iter().all(|(_, one)| one.kind == DifferenceKind::MissingFolder) => {
                self.run.note_no_folders();
                Ok(())
            }
            Ended::AtRest(found, how) => Err(CaseError::Fail(self.proven(&found, &how))),
            Ended::OutOfPatience(found, doing) => Err(self.at_work(&found, &doing)),
        }
    }

    /// Returns whether the state probe has failed for [`PROBE_PATIENCE`] at one of these syncs, or there is none.
    fn has_no_probe(&self, syncs: &[&SyncHandle]) -> bool {
        self.run.looks.as_ref().is_none_or(|looks| looks.has_failed_for(PROBE_PATIENCE, syncs))
    }

    /// Calls `look` repeatedly until it returns [`Look::Over`], or until the receiver is at rest or out of patience.
    /// Other cases play meanwhile.
    async fn wait<T, W, L: Future<Output = Look<T, W>>>(&self, look: impl Fn() -> L) -> Ended<T, W> {
        self.paragon.count_rounds_anew();
        let mut waiting = Waiting::new(self.run.limits(), self.paragon.activity());
        let (watch, mut pace) = (Stopwatch::start(), PollTimeout::of(Duration::MAX));
        let mut parked = false;
        let ended = loop {
            let looked = look().await;
            let at = watch.elapsed();
            match looked {
                Look::Over(value) => break Ended::Over(value),
                Look::Wrong(_, wrong) if at >= self.run.limits().settle / DOOMED && self.is_doomed() => {
                    break Ended::Doomed(wrong);
                }
                Look::Wrong(digest, wrong) => {
                    let (activity, overall) = (self.paragon.activity(), self.run.watch.overall());
                    match waiting.look(Seen { at, activity, overall }, digest) {
                        State::AtWork(_) => {}
                        State::AtRest(how) => break Ended::AtRest(wrong, how),
                        State::OutOfPatience(doing) => break Ended::OutOfPatience(wrong, doing),
                    }
                }
                Look::Nothing => {}
            }
            if !parked && at >= PARKED_AFTER {
                self.turn.give();
                parked = true;
            }
            pace.again().await;
        };
        self.turn.take().await;
        ended
    }

    /// Returns whether a case that this case presumes has failed.
    pub(super) fn is_doomed(&self) -> bool {
        self.run.board.is_doomed(self.case)
    }

    /// Does the same as [`Lane::right`], waits until the receiver is at rest, and checks once more. The second check
    /// finds late damage, such as by the second copy of an event in the queue of a receiver that answered both copies
    /// at once.
    pub(super) async fn stays_right(&self, syncs: &[&SyncHandle]) -> Result<(), CaseError> {
        self.right(syncs).await?;
        self.rest(RESTLESS).await;
        self.right(syncs).await
    }

    /// Waits until the receiver has made no call for a while, not counting repeated calls that find nothing new. Other
    /// cases go on meanwhile.
    pub(super) async fn rest(&self, pause: Pause) {
        let pause = Pause { within: pause.within.min(self.run.target.settle), ..pause };
        let mut rest = Rest::from_now(self.paragon.activity().work, pause);
        let mut patience = PollTimeout::of(pause.within);
        self.turn
            .aside(async { while !rest.has_come(self.paragon.activity().work) && patience.again().await {} })
            .await;
    }

    /// Waits until a fault has hit this many calls. If the receiver never makes the calls, the case is not evaluable.
    pub(super) async fn met(&self, fault: FaultId, times: u64) -> Result<(), CaseError> {
        let struck = || self.struck(fault);
        let what = || {
            if times == 1 {
                "the call that this case disturbs".to_owned()
            } else {
                format!("the {times} calls that this case disturbs")
            }
        };
        self.until(|| struck() >= times)
            .await
            .map_err(|doing| CaseError::NotEvaluable(format!("the receiver did not make {}: {doing}", what())))
    }

    /// Waits until `is_so` returns true. Returns an error if the receiver is at rest or out of patience before that.
    /// The error says how that is known.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) -> Result<(), String> {
        let look = || std::future::ready(if is_so() { Look::Over(()) } else { Look::Wrong(0, ()) });
        match self.wait(look).await {
            Ended::Over(()) => Ok(()),
            Ended::Doomed(()) => {
                Err("the wait was given up, because a case that this case presumes has failed".to_owned())
            }
            Ended::AtRest((), how) | Ended::OutOfPatience((), how) => Err(how),
        }
    }

    /// Returns the number of calls that a fault has hit.
    pub(super) fn struck(&self, fault: FaultId) -> u64 {
        self.paragon.api_faults().iter().find(|active| active.id == fault).map_or(0, |active| active.struck)
    }

    /// Returns the position on the timeline at which the story of the lane begins.
    pub(super) fn mark(&self) -> usize {
        self.mark
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.paragon.timeline().skip(self.mark)
    }

    /// Returns the text of a failure: the differences, and the proof of each kind. The proof is the call that returned
    /// the latest version, or the fact that no call did.
    fn proven(&self, found: &[(SyncHandle, Difference)], how: &str) -> String {
        let has_proof =
            |kind: &DifferenceKind| !matches!(kind, DifferenceKind::Copies(_) | DifferenceKind::NotAnObject);
        let with_proof = found.iter().filter(|(_, difference)| has_proof(&difference.kind));
        let proofs = with_proof.map(|(sync, difference)| self.paragon.proof(sync.id(), &difference.record));
        let (told, never): (Vec<_>, Vec<_>) = proofs.partition(|proof| matches!(proof, Proof::Told(_)));
        let mut text = texts(found);
        // If both kinds of proof occur, the text says how many there are of each.
        let of = |proofs: &[Proof]| match (told.is_empty() || never.is_empty(), proofs.len()) {
            (true, _) => String::new(),
            (false, count) => format!(" ({count} of these {})", told.len() + never.len()),
        };
        if let Some(Proof::Told(call)) = told.first() {
            let _ = write!(
                text,
                "\ntold and not kept{}: {call} brought {}",
                of(&told),
                if told.len() > 1 { "the first of these" } else { "it" }
            );
        }
        if !never.is_empty() {
            let _ = write!(
                text,
                "\nnever fetched{}: no call brought {}",
                of(&never),
                if never.len() > 1 { "them" } else { "it" }
            );
        }
        let _ = write!(text, "\nat rest: {how}");
        let timeline = self.timeline();
        let attempts = timeline.attempts().count();
        let refused = timeline.attempts().filter(|attempt| was_refused(&attempt.record.outcome)).count();
        if refused > 0 {
            let _ = write!(text, "\nthe receiver refused {refused} of {attempts} attempts to deliver an event");
        }
        match self.refused_call() {
            Some(call) => format!("{text}\n{call}"),
            None => text,
        }
    }

    fn at_work(&self, found: &[(SyncHandle, Difference)], doing: &str) -> CaseError {
        let waited = humane(self.run.limits().patience);
        let unanswered = self.paragon.activity().last == crate::fake::LastCall::Unanswered;
        let doing = format!("still at work after {waited} (--patience): {doing}");
        CaseError::AtWork { unanswered, doing, wrong: texts(found) }
    }

    /// Returns a hint at the usual cause of missing records: the last call that the Sync API refused.
    fn refused_call(&self) -> Option<String> {
        let timeline = self.timeline();
        // A 404 for a record is normal, because the record may be deleted.
        let usual = |call: &&Call| call.status == 200 || (call.status == 404 && call.path.contains("/records/"));
        timeline.calls().filter(|call| !usual(call)).last().map(refused)
    }
}

/// The result of one look at the receiver.
enum Look<T, W> {
    /// The wait is over, with this result.
    Over(T),
    /// The receiver is still wrong: a digest of the differences, and the differences.
    Wrong(u64, W),
    /// The state could not be read this time.
    Nothing,
}

/// Outcome of a wait. `T` is the awaited result, and `W` holds the differences at the last look.
enum Ended<T, W> {
    Over(T),
    /// The wait was given up, because a case that this case presumes has failed.
    Doomed(W),
    /// The receiver is at rest. The text says how that is known.
    AtRest(W, String),
    /// The receiver is still at work. The text says what it was last seen doing.
    OutOfPatience(W, String),
}

/// Returns a difference for each record whose latest version was not fetched. Serves when there is no state probe.
fn unseen(records: &[serde_json::Value], unfetched: &[Unfetched]) -> Vec<Difference> {
    let told = |Unfetched { record: id, older_fetched, .. }: &Unfetched| {
        let record = records.iter().find(|record| record["id"] == id.as_str());
        let name = record.map(|record| record["name"].to_string()).unwrap_or_default();
        let text = format!("{name} was not fetched in its latest version (record {id})");
        Difference { record: id.clone(), kind: DifferenceKind::Stub { older: *older_fetched }, text }
    };
    unfetched.iter().map(told).collect()
}

/// Returns the texts of the first differences, and the number of the others.
fn texts(found: &[(SyncHandle, Difference)]) -> String {
    let mut lines: Vec<_> = found.iter().take(TOLD).map(|(_, difference)| difference.text.clone()).collect();
    if let Some(more @ 1..) = found.len().checked_sub(TOLD) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn digest(found: &[(SyncHandle, Difference)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (_, difference) in found {
        difference.text.hash(&mut hasher);
    }
    hasher.finish()
}
