use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::case::{Case, Family, Need};
use super::cases::{REPLAY, cases};
use super::failures::Failures;
use super::histories::Histories;
use super::probe::{Probe, StateUrl};
use super::process::Process;
use super::rest::{RESTLESS, Rest};
use super::result::{CaseResult, Judgement, Verdict};
use super::trial::{PAGE_SIZE_CAP, Stop, Trial, humane};
use crate::clock::{Patience, Stopwatch};
use crate::delivery::{Outcome, Policy};
use crate::fake::FakeParagon;
use crate::scenario::Scenario;

/// After so many cases in a row in which the receiver answered nothing at all, the others are not tried.
const SILENT: usize = 3;

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
    pub(super) settle: Duration,
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
            settle: Duration::from_secs(10),
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

    /// How long a receiver may take to come to rest. Only one that is wrong takes so long. Default 10 s.
    pub fn settle(self, settle: Duration) -> Self {
        Self { settle, ..self }
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

    /// Is called with each verdict. When it depends on how the receiver comes to rest, the next case has begun by then.
    pub fn on_result(mut self, on_result: impl Fn(&CaseResult) + Send + Sync + 'a) -> Self {
        self.on_result = Box::new(on_result);
        self
    }

    /// Plays the cases one after the other, and tells the verdicts in that order. Sets the webhook of the fake, and leaves it without faults.
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
        let own = paragon.policy();
        let watch = Stopwatch::start();
        let mut results: Vec<CaseResult> = Vec::new();
        let mut open: VecDeque<Played<'_>> = VecDeque::new();
        let pages = paragon.limit_pages(PAGE_SIZE_CAP);
        let mut silent = 0;
        for (before, (case, policy)) in planned.iter().enumerate() {
            // What ends the receiver's process, or depends on all results, waits for those that are still open.
            if case.needs.contains(&Need::Process) || self.fail_fast || silent >= SILENT {
                self.conclude_all(&mut open, &mut results).await;
            }
            let failed = results.iter().any(|result| result.verdict == Verdict::Fail);
            if self.fail_fast && failed {
                let why = "a case before it failed, and --fail-fast was asked for";
                self.report(not_run(case, policy, Verdict::Skipped, why), &mut results);
            } else if silent >= SILENT {
                let why = format!("the receiver did not answer anything in the {SILENT} cases before");
                self.report(not_run(case, policy, Verdict::NotEvaluable, &why), &mut results);
            } else {
                (self.on_start)(&Starting { case, before, of: planned.len() });
                let played = self.play(case, policy, scenario, paragon).await;
                silent = if played.is_silent() { silent + 1 } else { 0 };
                open.push_back(played);
                while open.front_mut().is_some_and(Played::is_at_rest)
                    && let Some(first) = open.pop_front()
                {
                    self.conclude(first, &mut results).await;
                }
            }
        }
        self.conclude_all(&mut open, &mut results).await;
        paragon.limit_pages(pages);
        // It ran before, so that it runs.
        let _ = paragon.set_policy(own.clone());
        paragon.set_webhook(self.webhook.clone()).await;
        let revision = paragon.revision();
        Judgement {
            target: self.webhook.clone(),
            seed: self.seed,
            policy: own.name,
            revision,
            results,
            took: watch.elapsed(),
        }
    }

    /// Plays a case, as far as it can be.
    async fn play<'p>(
        &'p self,
        case: &'static Case,
        policy: &'p Policy,
        scenario: Option<&Scenario>,
        paragon: &'p FakeParagon,
    ) -> Played<'p> {
        let watch = Stopwatch::start();
        // What the case before left to be sent must not reach this one.
        paragon.disable_webhook();
        let policed = if paragon.policy() == *policy { Ok(()) } else { paragon.set_policy(policy.clone()) };
        paragon.set_webhook(self.webhook.clone()).await;
        // A scenario that was given is not one that is kept.
        let failures = self.failures.as_ref().filter(|_| scenario.is_none());
        let known = failures.map_or_else(|| Ok(scenario.cloned()), |failures| failures.of(case.id));
        let (known, unreadable) = match known {
            Ok(known) => (known, None),
            Err(error) => (None, Some(format!("the history that failed before cannot be read: {error}"))),
        };
        let several = self.policies.len() > 1 && case.family() == Family::Pol;
        let name = if several { format!("{}/{}", case.id, policy.name) } else { case.id.to_owned() };
        let trial = Trial::new(self, paragon, case.id, name, known);
        let missing = case.needs.iter().find(|need| !trial.has(**need));
        let outcome = match (policed, missing, unreadable) {
            (Err(error), ..) => Err(Stop::NotEvaluable(error.to_string())),
            (_, Some(need), _) => Err(Stop::NotEvaluable(need.missing().to_owned())),
            (_, None, Some(why)) => Err(Stop::NotEvaluable(why)),
            (_, None, None) => self.in_time(case, &trial).await,
        };
        let outcome = match outcome {
            Err(Stop::NotEvaluable(why)) if missing.is_none() && trial.has_ended() => {
                Err(Stop::Fail(format!("the receiver has ended by itself\n{why}")))
            }
            outcome => outcome,
        };
        paragon.calm();
        Played { case, policy, failures, rest: trial.rest_from_now(), trial, outcome, took: watch.elapsed() }
    }

    async fn conclude_all(&self, open: &mut VecDeque<Played<'_>>, results: &mut Vec<CaseResult>) {
        while let Some(mut first) = open.pop_front() {
            let mut patience = Patience::of(RESTLESS);
            while !first.is_at_rest() && patience.again().await {}
            self.conclude(first, results).await;
        }
    }

    /// Looks at what was to stay right, and tells the verdict.
    async fn conclude(&self, played: Played<'_>, results: &mut Vec<CaseResult>) {
        let Played { case, policy, failures, trial, outcome, took, .. } = played;
        let watch = Stopwatch::start();
        let outcome = match outcome {
            Ok(()) => trial.stayed_right().await,
            outcome => outcome,
        };
        trial.end();
        let mut kept = None;
        let (verdict, mut detail) = match outcome {
            Ok(()) => (Verdict::Pass, self.judged_by(case).to_owned()),
            Err(Stop::Fail(found)) => (Verdict::Fail, found),
            Err(Stop::NotEvaluable(why)) => (Verdict::NotEvaluable, why),
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
        let timeline = trial.timeline().from_first().with_calls().lines();
        let (policy, took) = (policy.name.clone(), took + watch.elapsed());
        self.report(CaseResult { case, policy, verdict, detail, timeline, scenario: kept, took }, results);
    }

    fn report(&self, result: CaseResult, results: &mut Vec<CaseResult>) {
        (self.on_result)(&result);
        results.push(result);
    }

    /// Runs a case, but not for ever: each of its deliveries may take its time-out.
    async fn in_time(&self, case: &'static Case, trial: &Trial<'_>) -> Result<(), Stop> {
        if let Some(process) = trial.process
            && !process.is_running()
        {
            process.launch().await?;
            process.ready().await?;
        }
        let histories = if case.family() == Family::Conv { 6 * self.histories.max_time } else { Duration::ZERO };
        let limit = 4 * self.settle + 12 * trial.paragon.answers_within() + histories;
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
}

fn not_run(case: &'static Case, policy: &Policy, verdict: Verdict, why: &str) -> CaseResult {
    CaseResult {
        case,
        policy: policy.name.clone(),
        verdict,
        detail: why.to_owned(),
        timeline: Vec::new(),
        scenario: None,
        took: Duration::ZERO,
    }
}

/// A case that was played. The receiver may still do harm, such as with the second copy of an event in its queue: it is
/// looked at once more when it has come to rest, and the next cases, of other users, go on meanwhile.
struct Played<'a> {
    case: &'static Case,
    policy: &'a Policy,
    /// Where the history that it fails with is kept.
    failures: Option<&'a Failures>,
    trial: Trial<'a>,
    outcome: Result<(), Stop>,
    took: Duration,
    rest: Rest,
}

impl Played<'_> {
    /// Whether nothing is to be waited for any more.
    fn is_at_rest(&mut self) -> bool {
        self.outcome.is_err() || !self.trial.is_to_stay_right() || self.rest.has_come(self.trial.calls())
    }

    /// Whether the receiver answered nothing, though it was asked.
    fn is_silent(&self) -> bool {
        let timeline = self.trial.timeline();
        let outcomes = || timeline.attempts().map(|(_, attempt)| &attempt.outcome);
        self.outcome.is_err()
            && outcomes().next().is_some()
            && outcomes().all(|outcome| matches!(outcome, Outcome::Failed(_)))
    }
}

impl Trial<'_> {
    /// Whether the receiver's process runs no more: the cases that end it start it again.
    fn has_ended(&self) -> bool {
        self.process.is_some_and(|process| !process.is_running())
    }
}
