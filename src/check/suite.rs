use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::board::Board;
use super::case::{Case, Family};
use super::cases::{REPLAY, cases};
use super::failures::Failures;
use super::histories::Histories;
use super::lane::{Lane, Turn};
use super::probe::{Probe, StateUrl};
use super::process::Process;
use super::result::{CaseResult, Judgement, Verdict};
use super::run::Run;
use super::trial::{Stop, Trial, humane};
use crate::clock::Stopwatch;
use crate::contract::scramble;
use crate::delivery::{Outcome, Policy, PolicyError};
use crate::fake::{self, FakeParagon};
use crate::scenario::Scenario;

/// How often it is looked at what the receiver does for all users.
const LOOK_EACH: Duration = Duration::from_millis(100);

/// After so many cases in a row in which the receiver answered nothing at all, the others are not tried.
const SILENT: usize = 3;

/// What [`Suite::before_sync`] was given.
type BeforeSync<'a> =
    Box<dyn Fn(&fake::Sync) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync + 'a>;

/// Cases to run on one receiver.
///
/// ```no_run
/// # async fn example(app_url: url::Url) {
/// use paragon_testkit::FakeParagon;
/// use paragon_testkit::check::{Family, Suite};
///
/// let paragon = FakeParagon::start().await;
/// let suite = Suite::for_receiver(app_url).select(|case| case.family() == Family::Rec);
/// suite.run(&paragon).await.assert_passed();
/// # }
/// ```
#[must_use = "call `.run(&paragon).await`"]
pub struct Suite<'a> {
    pub(super) webhook: Url,
    pub(super) state: Option<Box<dyn Probe + 'a>>,
    pub(super) process: Option<Box<dyn Process + 'a>>,
    pub(super) before_sync: Option<BeforeSync<'a>>,
    pub(super) settle: Duration,
    pub(super) patience: Duration,
    pub(super) seed: u64,
    fail_fast: bool,
    pub(super) histories: Histories,
    policies: Vec<Policy>,
    failures: Option<Failures>,
    select: Box<dyn Fn(&Case) -> bool + Send + Sync + 'a>,
    on_start: Box<dyn Fn(&Starting) + Send + Sync + 'a>,
    on_result: Box<dyn Fn(&CaseResult) + Send + Sync + 'a>,
}

/// A case that begins.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Starting {
    /// Which.
    pub case: &'static Case,
    /// How many went before it.
    pub before: usize,
    /// How many there are.
    pub of: usize,
}

impl std::fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("webhook", &self.webhook.as_str()).finish_non_exhaustive()
    }
}

impl<'a> Suite<'a> {
    /// All cases, on the receiver whose webhook endpoint this is.
    pub fn for_receiver(webhook: Url) -> Self {
        Self {
            webhook,
            state: None,
            process: None,
            before_sync: None,
            settle: Duration::from_secs(10),
            patience: Duration::from_secs(90),
            seed: 0,
            fail_fast: false,
            histories: Histories::default(),
            policies: Vec::new(),
            failures: None,
            select: Box::new(|_| true),
            on_start: Box::new(|_| ()),
            on_result: Box::new(|_| ()),
        }
    }

    /// Looks at the receiver's own state: a closure that answers what it holds, or any other [`Probe`].
    pub fn state(mut self, probe: impl Probe + 'a) -> Self {
        self.state = Some(Box::new(probe));
        self
    }

    /// Looks at the receiver's own state at a URL; for the format see [`StateUrl`].
    pub fn state_url(self, url: Url) -> Self {
        self.state(StateUrl::new(url))
    }

    /// Lets the cases end the receiver's process and start it again. Without it they are not evaluable.
    pub fn process(mut self, process: impl Process + 'a) -> Self {
        self.process = Some(Box::new(process));
        self
    }

    /// Is called with each sync when it has been enabled, before its first run: for a receiver that must know its users or
    /// syncs beforehand. When it fails, the case is not evaluable.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url, users: std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    /// use paragon_testkit::check::Suite;
    ///
    /// let suite = Suite::for_receiver(app_url).before_sync(|sync| {
    ///     let (users, user) = (users.clone(), sync.envelope().user.id.to_string());
    ///     async move {
    ///         users.lock().map_err(|_| "the users are lost".to_owned())?.push(user);
    ///         Ok(())
    ///     }
    /// });
    /// # }
    /// ```
    pub fn before_sync<F, T>(mut self, before_sync: F) -> Self
    where
        F: Fn(&fake::Sync) -> T + Send + Sync + 'a,
        T: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.before_sync = Some(Box::new(move |sync| Box::pin(before_sync(sync))));
        self
    }

    /// A receiver that is wrong, and has been silent for this long, is at rest. After a call that failed, and until it is
    /// known whether it looks again by itself, it has 3.5 times as long. Default 10 s.
    pub fn settle(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    /// How long a receiver is waited for that is not right yet and still at work: other cases go on meanwhile. After that
    /// the case is not evaluable. Default 90 s.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Other users, histories and choices for other seeds. Default 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Skips what follows the first case that fails.
    pub fn fail_fast(self, fail_fast: bool) -> Self {
        Self { fail_fast, ..self }
    }

    /// How many histories the `conv-` cases play, and of what.
    pub fn histories(self, histories: Histories) -> Self {
        Self { histories, ..self }
    }

    /// Runs the `pol-` cases under each of these, instead of the fake's own policy alone.
    pub fn policies(self, policies: impl IntoIterator<Item = Policy>) -> Self {
        Self { policies: policies.into_iter().collect(), ..self }
    }

    /// Keeps the shortest history that fails in this folder, as a scenario file for each case. The next time it is
    /// played first; it is removed when it passes. Default: nothing is kept.
    pub fn failures(mut self, folder: impl Into<PathBuf>) -> Self {
        self.failures = Some(Failures(folder.into()));
        self
    }

    /// Runs only some of the cases.
    pub fn select(mut self, select: impl Fn(&Case) -> bool + Send + Sync + 'a) -> Self {
        self.select = Box::new(select);
        self
    }

    /// Is called before each case.
    pub fn on_start(mut self, on_start: impl Fn(&Starting) + Send + Sync + 'a) -> Self {
        self.on_start = Box::new(on_start);
        self
    }

    /// Is called with each verdict, in the order of the cases. The next cases may have begun by then.
    pub fn on_result(mut self, on_result: impl Fn(&CaseResult) + Send + Sync + 'a) -> Self {
        self.on_result = Box::new(on_result);
        self
    }

    /// Plays the cases, each with a clock, users, faults and a timeline of its own, and tells the verdicts in the order of
    /// [`cases`]. While a case waits for the receiver, the next ones go on. Sets the webhook of the fake.
    pub async fn run(&self, paragon: &FakeParagon) -> Judgement {
        let own = paragon.policy();
        let selected: Vec<_> = cases().iter().filter(|case| (self.select)(case)).collect();
        let of_policies: Vec<_> = selected.iter().copied().filter(|case| case.family() == Family::Pol).collect();
        let mut planned: Vec<(&'static Case, &Policy)> = Vec::new();
        for case in selected {
            if case.family() != Family::Pol || self.policies.is_empty() {
                planned.push((case, &own));
            } else if of_policies.first().is_some_and(|first| first.id == case.id) {
                // All of them in the place of the first, so that each policy is taken up once.
                for policy in &self.policies {
                    planned.extend(of_policies.iter().map(|case| (*case, policy)));
                }
            }
        }
        self.judge(paragon, &planned, None).await
    }

    /// Plays one scenario on the receiver, lets everything work again for a day, and judges what it then holds.
    /// Revision and policy are the fake's own: see [`Builder::scenario`](crate::fake::Builder::scenario).
    pub async fn replay(&self, paragon: &FakeParagon, scenario: &Scenario) -> Judgement {
        let own = paragon.policy();
        self.judge(paragon, &[(&REPLAY, &own)], Some(scenario)).await
    }

    async fn judge(
        &self,
        paragon: &FakeParagon,
        planned: &[(&'static Case, &Policy)],
        scenario: Option<&Scenario>,
    ) -> Judgement {
        let watch = Stopwatch::start();
        let run = Run::new(self, paragon);
        for (case, _) in planned {
            run.board.plan(case);
        }
        let mut verdicts = Verdicts::new(planned.len());
        let (mut before, mut silent) = (0, 0);
        let mut ticks = tokio::time::interval(LOOK_EACH);
        let numbered: Vec<usize> = (0..planned.len()).collect();
        let is_alone = |number: &usize| planned[*number].0.is_alone();
        for queue in numbered.chunk_by(|one, next| is_alone(one) == is_alone(next)) {
            let is_alone = queue.first().is_some_and(is_alone);
            let mut queue = VecDeque::from(queue.to_vec());
            let mut playing = FuturesUnordered::new();
            loop {
                let is_held = (is_alone || self.fail_fast) && !playing.is_empty();
                let skipped = queue.front().and_then(|number| {
                    let (case, policy) = planned[*number];
                    let failed = self.fail_fast && verdicts.has_failed();
                    let mute = (silent >= SILENT)
                        .then(|| format!("the receiver did not answer anything in the {SILENT} cases before"));
                    let (verdict, why) = if failed && !is_held {
                        (Verdict::Skipped, "a case before it failed, and --fail-fast was asked for".to_owned())
                    } else {
                        (Verdict::NotEvaluable, mute?)
                    };
                    Some(not_run(case, policy, verdict, &why))
                });
                if let Some(result) = skipped
                    && let Some(number) = queue.pop_front()
                {
                    run.board.end(result.case, false);
                    // Why a receiver answers nothing may be known.
                    let may_be_caused = result.verdict == Verdict::NotEvaluable;
                    verdicts.put(number, result, may_be_caused);
                    before += 1;
                    verdicts.tell(self, &run.board);
                    continue;
                }
                tokio::select! {
                    biased;
                    _ = ticks.tick() => run.watch.look(),
                    Some((number, result, may_be_caused, is_silent)) = playing.next() => {
                        silent = if is_silent { silent + 1 } else { 0 };
                        verdicts.put(number, result, may_be_caused);
                        verdicts.tell(self, &run.board);
                    }
                    Ok(permit) = run.turns.clone().acquire_owned(), if !queue.is_empty() && !is_held => {
                        if let Some(number) = queue.pop_front() {
                            let (case, policy) = planned[number];
                            (self.on_start)(&Starting { case, before, of: planned.len() });
                            before += 1;
                            playing.push(self.judged(&run, number, case, policy, scenario, permit));
                        }
                    }
                    else => break,
                }
                if queue.is_empty() && playing.is_empty() {
                    break;
                }
            }
        }
        let results = verdicts.all(self, &run.board);
        paragon.set_webhook(self.webhook.clone()).await;
        Judgement {
            target: self.webhook.clone(),
            seed: self.seed,
            policy: paragon.policy().name,
            revision: paragon.revision(),
            remarks: run.remarks(),
            results,
            took: watch.elapsed(),
        }
    }

    /// Plays a case in a lane of its own. Besides the result: whether a failure may be put down to another case, and
    /// whether the receiver answered nothing although it was asked.
    async fn judged(
        &self,
        run: &Run<'_>,
        number: usize,
        case: &'static Case,
        policy: &Policy,
        scenario: Option<&Scenario>,
        permit: OwnedSemaphorePermit,
    ) -> (usize, CaseResult, bool, bool) {
        let watch = Stopwatch::start();
        let turn = Turn::with(run.turns.clone(), Some(permit));
        let several = self.policies.len() > 1 && case.family() == Family::Pol;
        let name = if several { format!("{}/{}", case.id, policy.name) } else { case.id.to_owned() };
        // Under several policies the question is which of them the receiver survives.
        let lane = Lane::open(run, case, seed_of(self.seed, &name), turn).await;
        // A scenario that was given is not one that is kept.
        let failures = self.failures.as_ref().filter(|_| scenario.is_none());
        let known = failures.map_or_else(|| Ok(scenario.cloned()), |failures| failures.of(case.id));
        let (known, unreadable) = match known {
            Ok(known) => (known, None),
            Err(error) => (None, Some(format!("the history that failed before cannot be read: {error}"))),
        };
        let trial = Trial::new(lane, name, known);
        let missing = case.needs.iter().find(|need| !trial.has(**need));
        let may_be_caused = !several && missing.is_none();
        let policed = self.deliver_by(&trial, policy).await;
        let is_hopeless = may_be_caused && case.is_long() && run.board.is_doomed(case);
        let outcome = match (policed, missing, unreadable) {
            (Err(error), ..) => Err(Stop::NotEvaluable(error.to_string())),
            (_, Some(need), _) => Err(Stop::NotEvaluable(need.missing().to_owned())),
            (_, None, Some(why)) => Err(Stop::NotEvaluable(why)),
            // A failure would say nothing.
            (_, None, None) if is_hopeless => Err(Stop::Fail("it was not played".to_owned())),
            (_, None, None) => self.in_time(case, &trial).await,
        };
        let outcome = match outcome {
            Err(stop)
                if missing.is_none()
                    && matches!(stop, Stop::NotEvaluable(_))
                    && trial.was_told()
                    && trial.has_ended() =>
            {
                run.watch.look();
                let why = stop.told();
                // Of the cases that go on side by side, the one whose event was the last.
                if run.watch.is_latest(&trial.paragon) {
                    Err(Stop::Fail(format!("the receiver has ended by itself\n{why}")))
                } else {
                    Err(Stop::NotEvaluable(format!("the receiver ended by itself during another case\n{why}")))
                }
            }
            outcome => outcome,
        };
        let is_silent = trial.is_silent() && outcome.is_err();
        let mut kept = None;
        let (verdict, mut detail) = match outcome {
            Ok(()) => (Verdict::Pass, self.judged_by(case).to_owned()),
            Err(Stop::Fail(found)) => (Verdict::Fail, found),
            Err(stop) => (Verdict::NotEvaluable, stop.told()),
        };
        if let Some(failures) = failures {
            match (verdict, trial.kept()) {
                (Verdict::Fail, Some(scenario)) => match failures.keep(case.id, &scenario) {
                    Ok(file) => kept = Some(file),
                    Err(error) => detail = format!("{detail}\n(it could not be kept as a file: {error})"),
                },
                (Verdict::Pass, _) => failures.forget(case.id),
                _ => {}
            }
        }
        run.board.end(case, verdict == Verdict::Fail);
        if trial.paragon.tally().reconnected > 0 {
            run.remark([
                "the receiver closes connections without saying `connection: close`: requests were sent again"
                    .to_owned(),
            ]);
        }
        let timeline = trial.story().from_first().with_calls().lines();
        let (policy, took) = (policy.name.clone(), watch.elapsed());
        let (title, because_of) = (self.title_of(case), Vec::new());
        let result = CaseResult { case, title, policy, verdict, detail, because_of, timeline, scenario: kept, took };
        (number, result, may_be_caused, is_silent)
    }

    /// Delivers the events of a case under this policy.
    async fn deliver_by(&self, trial: &Trial<'_>, policy: &Policy) -> Result<(), PolicyError> {
        if trial.paragon.policy() != *policy {
            trial.paragon.set_policy(policy.clone())?;
            trial.paragon.set_webhook(self.webhook.clone()).await;
        }
        Ok(())
    }

    /// Runs a case, but not for ever: each of its deliveries may take its time-out, and each wait its patience.
    async fn in_time(&self, case: &'static Case, trial: &Trial<'_>) -> Result<(), Stop> {
        if let Some(process) = trial.process
            && !process.is_running()
        {
            trial.launch().await?;
            process.ready().await?;
        }
        let histories = if case.family() == Family::Conv { 6 * self.histories.max_time } else { Duration::ZERO };
        let limit = 4 * self.patience + 12 * trial.paragon.answers_within() + histories;
        let ended = tokio::time::timeout(limit, (case.run)(trial)).await;
        ended.unwrap_or_else(|_| {
            let late = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
            let unanswered = trial.timeline().attempts().filter(|(_, attempt)| late(&attempt.outcome)).count();
            let told = format!("the case was ended after {}", humane(limit));
            Err(if unanswered > 0 {
                Stop::Fail(format!("{unanswered} deliveries were not answered; {told}"))
            } else {
                Stop::NotEvaluable(told)
            })
        })
    }

    fn judged_by(&self, case: &Case) -> &'static str {
        match (case.family(), self.state.is_some()) {
            (Family::Ack, _) => "judged by its answers",
            (_, true) => "judged by its state and by what it fetched",
            (_, false) => "judged by what it fetched; what it keeps was not seen",
        }
    }

    /// What a verdict claims: with fewer means, less.
    fn title_of(&self, case: &Case) -> &'static str {
        case.title_unseen.filter(|_| self.state.is_none()).unwrap_or(case.title)
    }
}

/// What everything that is made up for a case follows from.
fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |seed, byte| scramble(seed ^ u64::from(byte)))
}

/// The results of a run, which are told in the order of the plan, however long each takes.
struct Verdicts {
    results: Vec<Option<(CaseResult, bool)>>,
    told: usize,
}

impl Verdicts {
    fn new(planned: usize) -> Self {
        Self { results: (0..planned).map(|_| None).collect(), told: 0 }
    }

    fn put(&mut self, number: usize, result: CaseResult, may_be_caused: bool) {
        self.results[number] = Some((result, may_be_caused));
    }

    fn has_failed(&self) -> bool {
        self.results.iter().flatten().any(|(result, _)| result.verdict == Verdict::Fail)
    }

    /// Tells those that are certain: a failure is, when it is known what has become of the cases that it presumes.
    fn tell(&mut self, suite: &Suite<'_>, board: &Board) {
        while let Some(Some((result, may_be_caused))) = self.results.get_mut(self.told) {
            let is_open = *may_be_caused && matches!(result.verdict, Verdict::Fail | Verdict::NotEvaluable);
            if is_open && !board.knows_causes(result.case) {
                return;
            }
            if is_open {
                put_down(result, board.causes(result.case));
            }
            (suite.on_result)(result);
            self.told += 1;
        }
    }

    /// All of them, now that all cases have ended.
    fn all(mut self, suite: &Suite<'_>, board: &Board) -> Vec<CaseResult> {
        self.tell(suite, board);
        self.results.into_iter().flatten().map(|(result, _)| result).collect()
    }
}

/// Puts a failure down to others, if there are any: then it says nothing of its own.
fn put_down(result: &mut CaseResult, causes: Vec<&'static str>) {
    if causes.is_empty() {
        return;
    }
    result.detail = format!("because of {}", causes.join(", "));
    (result.verdict, result.because_of, result.scenario) = (Verdict::NotEvaluable, causes, None);
}

fn not_run(case: &'static Case, policy: &Policy, verdict: Verdict, why: &str) -> CaseResult {
    CaseResult {
        case,
        title: case.title,
        policy: policy.name.clone(),
        verdict,
        detail: why.to_owned(),
        because_of: Vec::new(),
        timeline: Vec::new(),
        scenario: None,
        took: Duration::ZERO,
    }
}

impl Trial<'_> {
    /// Whether the receiver answered nothing, though it was asked.
    fn is_silent(&self) -> bool {
        let timeline = self.timeline();
        let mut outcomes = timeline.attempts().map(|(_, attempt)| &attempt.outcome).peekable();
        outcomes.peek().is_some() && outcomes.all(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Whether an event of the case was sent.
    fn was_told(&self) -> bool {
        self.timeline().attempts().next().is_some()
    }

    /// Whether the receiver's process runs no more: the cases that end it start it again.
    fn has_ended(&self) -> bool {
        self.process.is_some_and(|process| !process.is_running())
    }
}
