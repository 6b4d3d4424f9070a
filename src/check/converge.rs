use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesOrdered, StreamExt as _};

use super::context::{CaseContext, DAY, MINUTE, fresh};
use super::error::{CaseError, humane};
use super::histories::{BATCHES, SIDE_BY_SIDE, Source};
use super::lane::{Lane, Turn};
use super::oracle::DifferenceKind;
use super::rest::BETWEEN_STEPS;
use super::shrink::{Shrinker, of_user};
use crate::clock::{PollTimeout, Stopwatch, eventually};
use crate::contract::{Object, UserId};
use crate::delivery::WebhookState;
use crate::fake::SyncHandle;
use crate::scenario::{Action, Fault, Scenario, Step};

/// Real time in which a receiver that works by itself may make a call, after a step whose faults affect the Sync API.
const TO_CALL: Duration = Duration::from_millis(40);

/// Shortest and longest time after which a wrong receiver counts as stuck while a history is shrunk. A receiver is
/// stuck if it makes no call and its state does not change for four times its average time to become right, but never
/// for less than `STUCK` or more than `LONGEST_STUCK`.
const STUCK: Duration = Duration::from_millis(500);
const LONGEST_STUCK: Duration = Duration::from_millis(1_500);

/// Limit of shrinking, as a multiple of the time in which histories begin.
pub(super) const SHRINKING: u32 = 6;

/// Number of shorter histories that are tried side by side.
const SHRINK_SIDE_BY_SIDE: usize = 8;

/// Plays histories with these faults until one fails or the budget is spent. If one fails, shrinks it and fails with
/// the shortest history that still fails.
pub(super) async fn converges(context: &CaseContext<'_>, faults: &[Fault]) -> Result<(), CaseError> {
    let budget = context.histories;
    let play = Play::new(context, faults.is_empty());
    if let Some(known) = context.known()
        && let Some(wrong) = play.whole(&known).await?
    {
        return Err(play.shortest(known, wrong).await);
    }
    let mut source = Source::new(context.seed, context.case, faults, &budget.pipelines, &context.run.target.without);
    let watch = Stopwatch::start();
    let mut rest = budget.cases.max(1).div_ceil(SIDE_BY_SIDE);
    // Each batch takes its own turns, so the next batches go on while the receiver finishes its work for an earlier
    // batch. A case that was disturbed before plays one batch at a time.
    let together = if context.is_again { 1 } else { BATCHES };
    let playing = async {
        let mut batches = FuturesOrdered::new();
        let mut number = 0;
        loop {
            while rest > 0 && batches.len() < together && (number == 0 || watch.elapsed() < budget.max_time) {
                let scenario = source.next();
                let play = &play;
                batches.push_back(async move { (play.once(&scenario, Until::Settled).await, scenario) });
                (rest, number) = (rest - 1, number + 1);
            }
            match batches.next().await {
                None => break None,
                Some((Ok(None), _)) => {}
                Some((Ok(Some(wrong)), scenario)) => break Some(Ok((scenario, wrong))),
                Some((Err(stop), _)) => break Some(Err(stop)),
            }
        }
    };
    let failed = context.turn.aside(playing).await;
    match failed {
        None => Ok(()),
        Some(Ok((scenario, wrong))) => Err(play.shortest(scenario, wrong).await),
        Some(Err(stop)) => Err(stop),
    }
}

/// Plays the given scenario without changes.
pub(super) async fn replays(context: &CaseContext<'_>) -> Result<(), CaseError> {
    let scenario = context
        .known()
        .ok_or_else(|| CaseError::NotEvaluable("no scenario was given, so there is nothing to replay".to_owned()))?;
    if !scenario.steps.iter().any(|step| matches!(step.action, Action::Enable { .. })) {
        return Err(CaseError::NotEvaluable(
            "the scenario enables no sync, so the receiver has no records to hold; add a step that enables a sync"
                .to_owned(),
        ));
    }
    let quiet = scenario.steps.iter().all(|step| step.during.is_empty());
    let wrong = Play::new(context, quiet).whole(&scenario).await?;
    wrong.map_or(Ok(()), |wrong| Err(CaseError::Fail(wrong.told)))
}

/// Returns the failure of a case whose presumed case has failed. The failure itself says nothing.
fn doomed() -> CaseError {
    CaseError::Fail("the case was not played to its end, because a case that it presumes has failed".to_owned())
}

/// Findings after a history that failed.
struct Wrong {
    /// Users whose data are wrong, by their names in the scenario.
    users: Vec<UserId>,
    /// Number of steps up to the failure.
    steps: usize,
    told: String,
}

/// When to give up on a receiver that is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Settled,
    Stuck,
}

/// Plays histories, each in its own lane.
struct Play<'a> {
    context: &'a CaseContext<'a>,
    /// Whether nothing goes wrong. Then the next step begins only when the receiver is at rest after the step before.
    quiet: bool,
    number: AtomicUsize,
    /// Total time in milliseconds that the receiver took to become right, and the number of times.
    took: (AtomicU64, AtomicU64),
}

impl<'a> Play<'a> {
    fn new(context: &'a CaseContext<'a>, quiet: bool) -> Self {
        Self { context, quiet, number: AtomicUsize::new(0), took: Default::default() }
    }

    async fn whole(&self, scenario: &Scenario) -> Result<Option<Wrong>, CaseError> {
        self.context.turn.aside(self.once(scenario, Until::Settled)).await
    }

    /// Plays a history in its own lane, lets everything work again for a day, and compares the receiver's state with
    /// the expected one.
    async fn once(&self, scenario: &Scenario, until: Until) -> Result<Option<Wrong>, CaseError> {
        let context = self.context;
        if context.is_doomed() {
            return Err(doomed());
        }
        let turn = Turn::with(context.run.turns.clone(), None);
        turn.take().await;
        if context.is_doomed() {
            return Err(doomed());
        }
        // Every history has the same seed, so a history that is played again goes wrong in the same way.
        let lane = Lane::open(context.run, context.case, context.paragon.seed(), turn).await;
        context.tell_of(&lane);
        let paragon = &lane.paragon;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut names: BTreeMap<UserId, UserId> = BTreeMap::new();
        for user in scenario.users() {
            names.entry(user.clone()).or_insert_with(|| context.user_named(&format!("{number}/{user}")));
        }
        let impossible = |error: crate::scenario::ScenarioError| CaseError::NotEvaluable(error.to_string());
        // Number of steps up to the first failure, and that failure. Only quiet histories are judged after each step.
        let early: Mutex<(usize, Option<CaseError>)> = Mutex::new((0, None));
        let begun = AtomicU64::new(0);
        let after = |step: &Step| {
            let calls = begun.swap(paragon.activity().calls, Ordering::Relaxed);
            let waits = step.during.iter().any(|fault| touches_api(*fault)) && !is_instant(step);
            let rests = self.quiet && !is_instant(step);
            let (lane, early) = (&lane, &early);
            Box::pin(async move {
                if waits {
                    eventually(TO_CALL, || async { (paragon.activity().calls > calls).then_some(()) }).await;
                }
                let is_over = {
                    let mut early = early.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    early.0 += usize::from(early.1.is_none());
                    early.1.is_some()
                };
                if rests && !is_over && !context.is_doomed() {
                    let found = self.comes_to_rest(lane, until).await;
                    if let Err(stop) = found {
                        early.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1.get_or_insert(stop);
                    }
                }
            }) as crate::fake::BoxFuture<'_>
        };
        let enabled = |sync: &SyncHandle| {
            let (sync, lane, early) = (sync.clone(), &lane, &early);
            Box::pin(async move {
                if let Err(stop) = lane.introduce(&sync).await {
                    early.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1.get_or_insert(stop);
                }
            }) as crate::fake::BoxFuture<'_>
        };
        let renamed = scenario.clone().with_users(|user| names[user].clone());
        let syncs = paragon.play_between(&renamed, &enabled, &after).await.map_err(impossible)?;
        for sync in &syncs {
            if paragon.tally().attempts == 0 {
                fresh(&lane.held(sync.id()).await)?;
            }
        }
        let (steps, early) = early.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ended = if let Some(stop) = early {
            Err(stop)
        } else {
            if paragon.webhook() != WebhookState::Enabled {
                paragon.enable_webhook();
            }
            paragon.play(&finale(&renamed)).await.map_err(impossible)?;
            paragon.run_until_idle().await;
            self.comes_right(&lane, &syncs, until).await
        };
        if until == Until::Settled && paragon.refusals() > 0 {
            context.note_refused(true);
        }
        let told = match ended {
            Ok(()) => return Ok(None),
            Err(CaseError::Fail(told)) => told,
            Err(stop) => return Err(stop),
        };
        let mut users = Vec::new();
        for sync in &syncs {
            let found = lane.wrong(&[sync]).await;
            if !found.map_err(|error| CaseError::NotEvaluable(error.to_string()))?.is_empty() {
                let of = sync.envelope().user.id;
                users.extend(names.iter().find(|(_, name)| **name == of).map(|(user, _)| user.clone()));
            }
        }
        Ok(Some(Wrong { users, steps, told }))
    }

    async fn comes_right(&self, lane: &Lane<'_>, syncs: &[SyncHandle], until: Until) -> Result<(), CaseError> {
        let syncs: Vec<&SyncHandle> = syncs.iter().collect();
        let watch = Stopwatch::start();
        match until {
            Until::Stuck => return lane.turn.aside(self.stuck(lane, &syncs)).await,
            Until::Settled => lane.right(&syncs).await?,
        }
        let took = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.took.0.fetch_add(took, Ordering::Relaxed);
        self.took.1.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the receiver is right and has come to rest.
    async fn comes_to_rest(&self, lane: &Lane<'_>, until: Until) -> Result<(), CaseError> {
        self.comes_right(lane, &lane.paragon.syncs(), until).await?;
        if until == Until::Stuck {
            // Shrinking skips the rest below, because the shrunk history is played once more in full.
            return Ok(());
        }
        lane.rest(BETWEEN_STEPS).await;
        Ok(())
    }

    /// Does the same as [`Lane::right`], but gives up early if neither the receiver's calls nor its state change.
    async fn stuck(&self, lane: &Lane<'_>, syncs: &[&SyncHandle]) -> Result<(), CaseError> {
        let (took, times) = (self.took.0.load(Ordering::Relaxed), self.took.1.load(Ordering::Relaxed));
        let stuck = Duration::from_millis(4 * took / times.max(1)).clamp(STUCK, LONGEST_STUCK);
        let mut patience = PollTimeout::of(lane.run.target.settle.max(stuck));
        let mut seen = None;
        let mut still = Stopwatch::start();
        loop {
            let mut found = lane.wrong(syncs).await.map_err(|error| CaseError::NotEvaluable(error.to_string()))?;
            found.retain(|(_, difference)| difference.kind != DifferenceKind::MissingFolder);
            if found.is_empty() {
                return Ok(());
            }
            let told: Vec<_> = found.into_iter().map(|(_, difference)| difference.text).collect();
            let now = Some((lane.paragon.activity().calls, told.join("\n")));
            if now != seen {
                (seen, still) = (now, Stopwatch::start());
            }
            if still.elapsed() >= stuck || !patience.again().await {
                return Err(CaseError::Fail(told.join("\n")));
            }
        }
    }

    async fn still_fails(&self, scenario: &Scenario) -> bool {
        matches!(self.once(scenario, Until::Stuck).await, Ok(Some(_)))
    }

    /// Plays a history once more, with the full time, and returns the finding if the receiver is wrong again. `proven` is
    /// the finding of an earlier play, in which the receiver was at rest.
    ///
    /// By now the receiver may be known to poll seldom. Then it is still at work when the patience is over, and only the
    /// earlier play proves that it is wrong. So the finding begins with that proof.
    async fn fails_again(&self, scenario: &Scenario, proven: &str) -> Option<String> {
        match self.whole(scenario).await {
            Ok(Some(wrong)) => Some(wrong.told),
            Err(CaseError::AtWork { doing, wrong, .. }) => Some(format!(
                "{proven}\nwhen the history below was played, the receiver was {doing}\nnot right yet:\n{wrong}"
            )),
            _ => None,
        }
    }

    /// Returns the failure with the shortest history that still fails, listed step by step.
    async fn shortest(&self, mut failing: Scenario, wrong: Wrong) -> CaseError {
        if self.context.is_doomed() {
            return doomed();
        }
        if self.context.was_refused() && !self.context.is_again {
            return CaseError::Fail(wrong.told);
        }
        let length = failing.steps.len();
        // Steps after the failure do not matter.
        failing.steps.truncate(wrong.steps.max(1));
        let budget = PollTimeout::of(SHRINKING * self.context.histories.max_time);
        let (best, tried, is_over) = self.context.turn.aside(self.shrink(&failing, &wrong.users, budget)).await;
        // While shrinking, the receiver got little time. The result is played again with the full time.
        let again = match self.fails_again(&best, &wrong.told).await {
            Some(told) => Some((best, told)),
            None => self.fails_again(&failing, &wrong.told).await.map(|told| (failing.clone(), told)),
        };
        if again.is_some() {
            // A history that fails again and again does not fail because of other cases.
            self.context.note_refused(false);
        }
        let (best, told) = again.unwrap_or_else(|| {
            (
                failing,
                format!(
                    "{}\n(the history did not fail when it was played again: whether it fails depends on chance)",
                    wrong.told
                ),
            )
        });
        let best =
            Scenario { policy: self.context.paragon.policy(), revision: self.context.paragon.revision(), ..best };
        let steps: Vec<_> = best.steps.iter().enumerate().map(|(at, step)| format!("  {}. {step}", at + 1)).collect();
        let count = best.steps.len();
        let how = if count < length {
            format!("shrunk from {length} steps to {count} by {tried} runs")
        } else {
            format!("{count} steps")
        };
        let why = if is_over {
            let budget = humane(SHRINKING * self.context.histories.max_time);
            format!("; shrinking stopped after {budget}, its limit: {SHRINKING} × --max-time")
        } else {
            String::new()
        };
        self.context.keep(best);
        let steps = steps.join("\n");
        CaseError::Fail(format!(
            "{told}\nthe receiver was wrong after this history ({how}{why}) and a day without faults:\n{steps}"
        ))
    }

    /// Returns the shortest history that still fails, the number of histories that were tried, and whether the budget
    /// ran out before shrinking was complete.
    async fn shrink(&self, failing: &Scenario, users: &[UserId], budget: PollTimeout) -> (Scenario, usize, bool) {
        let mut best = failing.clone();
        // The history of a single user is enough, if it fails alone.
        let alone: Vec<_> = users.iter().map(|user| of_user(failing, user)).collect();
        let fails = join_all(alone.iter().map(|alone| self.still_fails(alone))).await;
        if let Some(at) = fails.iter().position(|fails| *fails) {
            best = alone[at].clone();
        }
        let mut shrinker = Shrinker::new(best);
        let mut tried = alone.len();
        loop {
            let candidates = shrinker.suggest(SHRINK_SIDE_BY_SIDE);
            if candidates.is_empty() || budget.is_over() {
                return (shrinker.best().clone(), tried, !candidates.is_empty());
            }
            tried += candidates.len();
            let fails = join_all(candidates.iter().map(|candidate| self.still_fails(candidate))).await;
            shrinker.tell(&fails);
        }
    }
}

/// Returns the end of a history: a day in which everything works. If events may have been lost for good, one more event
/// for each account and pipeline follows, so that a receiver that pulls at each event catches up.
fn finale(scenario: &Scenario) -> Scenario {
    let mut steps = vec![Step::new(Action::Advance { by: DAY })];
    let lossy = |step: &Step| step.during.iter().any(|fault| loses_events(*fault));
    if scenario.steps.iter().any(lossy) {
        let accounts: BTreeSet<_> = scenario
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Enable { user, integration, pipeline, .. } => Some((user, integration, *pipeline)),
                _ => None,
            })
            .collect();
        steps.extend(accounts.into_iter().enumerate().map(|(number, (user, integration, pipeline))| {
            Step::new(Action::Create {
                user: user.clone(),
                integration: integration.clone(),
                pipeline,
                object: format!("last-{number}"),
                record: Object::named(pipeline, "the last one").to_members(),
            })
        }));
        steps.push(Step::new(Action::Advance { by: MINUTE }));
    }
    Scenario { steps, ..scenario.clone() }
}

/// Returns whether a sender may give up an event because of this fault.
fn loses_events(fault: Fault) -> bool {
    matches!(fault, Fault::ReceiverUnreachable | Fault::WebhookDisabled) || touches_api(fault)
}

fn touches_api(fault: Fault) -> bool {
    matches!(fault, Fault::ApiUnavailable | Fault::ApiFlaky)
}

fn is_instant(step: &Step) -> bool {
    step.then.is_zero() && !matches!(step.action, Action::Advance { .. })
}
