use std::time::Duration;

use url::Url;

use super::case::Case;
use super::cases::cases;
use super::probe::{Probe, StateUrl};
use super::result::{CaseResult, Judgement, Verdict};
use super::trial::{PAGE_SIZE_CAP, Stop, Trial};
use crate::clock::Stopwatch;
use crate::contract::UserId;
use crate::fake::FakeParagon;

/// Cases to run on one receiver.
#[must_use = "call `.run(&paragon).await`"]
pub struct Suite<'a> {
    webhook: Url,
    state: Option<Box<dyn Probe + 'a>>,
    settle: Duration,
    seed: u64,
    fail_fast: bool,
    select: Box<dyn Fn(&Case) -> bool + Send + Sync + 'a>,
    on_result: Box<dyn Fn(&CaseResult) + Send + Sync + 'a>,
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
            settle: Duration::from_secs(10),
            seed: 0,
            fail_fast: false,
            select: Box::new(|_| true),
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

    /// How long a receiver may take to come to rest. Only one that is wrong takes so long. Default 10 s.
    pub fn settle(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }

    /// Other users for other seeds. Default 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Skips what follows the first case that fails.
    pub fn fail_fast(self, fail_fast: bool) -> Self {
        Self { fail_fast, ..self }
    }

    /// Runs only some of the cases.
    pub fn select(mut self, select: impl Fn(&Case) -> bool + Send + Sync + 'a) -> Self {
        self.select = Box::new(select);
        self
    }

    /// Is called after each case.
    pub fn on_result(mut self, on_result: impl Fn(&CaseResult) + Send + Sync + 'a) -> Self {
        self.on_result = Box::new(on_result);
        self
    }

    /// Runs the cases one after the other. Sets the webhook of the fake, and leaves it without faults.
    pub async fn run(&self, paragon: &FakeParagon) -> Judgement {
        let mut results: Vec<CaseResult> = Vec::new();
        let pages = paragon.limit_pages(PAGE_SIZE_CAP);
        for case in cases().iter().filter(|case| (self.select)(case)) {
            let stop = self.fail_fast && results.iter().any(|result| result.verdict == Verdict::Fail);
            let result = if stop { skipped(case) } else { self.run_case(case, paragon).await };
            (self.on_result)(&result);
            results.push(result);
        }
        paragon.limit_pages(pages);
        let policy = paragon.policy().name;
        let revision = paragon.revision();
        Judgement { target: self.webhook.clone(), seed: self.seed, policy, revision, results }
    }

    async fn run_case(&self, case: &'static Case, paragon: &FakeParagon) -> CaseResult {
        let watch = Stopwatch::start();
        // What the case before left to be sent must not reach this one.
        paragon.disable_webhook();
        paragon.set_webhook(self.webhook.clone()).await;
        let user = paragon.user(UserId::for_case(&paragon.project().id, self.seed, case.id));
        let trial = Trial {
            paragon,
            webhook: &self.webhook,
            state: self.state.as_deref(),
            settle: self.settle,
            user: user.id().clone(),
            drive: user.connect("googledrive"),
            mark: paragon.timeline_mark(),
        };
        let outcome = if case.needs_state && self.state.is_none() {
            let why = "only the receiver can tell what it holds: give it a state URL (--state-url)";
            Err(Stop::NotEvaluable(why.to_owned()))
        } else {
            (case.run)(&trial).await
        };
        let (verdict, detail) = match outcome {
            Ok(()) if case.id.starts_with("ack-") => (Verdict::Pass, "judged by its answers"),
            Ok(()) if self.state.is_some() => (Verdict::Pass, "judged by its state and by what it fetched"),
            Ok(()) => (Verdict::Pass, "judged by what it fetched; what it keeps was not seen"),
            Err(Stop::Fail(ref found)) => (Verdict::Fail, found.as_str()),
            Err(Stop::NotEvaluable(ref why)) => (Verdict::NotEvaluable, why.as_str()),
        };
        paragon.duplicate_events(false);
        paragon.receiver_unreachable(false);
        paragon.fail_api(None);
        let timeline = trial.timeline().from_first().with_calls().lines();
        CaseResult { case, verdict, detail: detail.to_owned(), timeline, took: watch.elapsed() }
    }
}

fn skipped(case: &'static Case) -> CaseResult {
    let detail = "a case before it failed, and --fail-fast was asked for".to_owned();
    CaseResult { case, verdict: Verdict::Skipped, detail, timeline: Vec::new(), took: Duration::ZERO }
}
