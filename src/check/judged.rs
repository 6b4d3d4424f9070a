use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::case::{Case, Family};
use super::context::CaseContext;
use super::converge::SHRINKING;
use super::error::{CaseError, humane};
use super::histories::contains;
use super::lane::{Lane, Turn};
use super::result::{CaseResult, Verdict};
use super::run::Run;
use super::settings::Settings;
use crate::clock::Stopwatch;
use crate::contract::scramble;
use crate::delivery::{Failure, Outcome, Policy, PolicyError};
use crate::scenario::Scenario;

/// Finding when the receiver's process has ended although no case ended it.
const ENDED: &str = "the receiver has ended by itself";

/// Cases that show whether a receiver follows events. A receiver that fails one of them does not follow events,
/// whatever form the request has.
const FOLLOWED: [&str; 2] = ["rec-updated", "rec-errored"];

/// Result of a case, with the facts that decide whether it is final.
pub(super) struct Judged {
    pub(super) result: CaseResult,
    /// Ids of the cases that may be the cause of a failure.
    pub(super) presumes: Vec<&'static str>,
    /// Whether the case did not pass, and none of its events got a response.
    pub(super) is_silent: bool,
    /// Whether the case did not pass, and the receiver refused events although none of its calls failed. Other cases
    /// may have caused these refusals.
    pub(super) is_doubtful: bool,
    /// Whether the case did not pass, and the receiver could not be reached for a moment. Another case may have ended the
    /// receiver, and a process manager may have started it again.
    pub(super) is_cut_off: bool,
}

impl Judged {
    /// Turns the verdict into a failure, because the receiver ended by itself while no other case was under way.
    pub(super) fn ended_receiver(&mut self) {
        self.result.detail = match self.result.verdict {
            Verdict::Fail | Verdict::NotEvaluable => format!("{ENDED}\n{}", self.result.detail),
            Verdict::Pass | Verdict::Skipped => ENDED.to_owned(),
        };
        self.result.verdict = Verdict::Fail;
    }
}

impl Settings<'_> {
    /// Plays a case with its own users, clock and timeline (a [`Lane`]), and returns the verdict.
    pub(super) async fn judged(
        &self,
        run: &Run<'_>,
        case: &'static Case,
        policy: &Policy,
        scenario: Option<&Scenario>,
        permit: OwnedSemaphorePermit,
        is_again: bool,
    ) -> Judged {
        let watch = Stopwatch::start();
        let is_state_seen = run.target.state.is_some();
        let turn = Turn::with(run.turns.clone(), Some(permit));
        let several = self.policies.len() > 1 && case.family == Family::Pol;
        let name = if several { format!("{}/{}", case.id, policy.name) } else { case.id.to_owned() };
        // A repeated case gets new users, because the receiver may still hold data of the users of the first attempt.
        let name = if is_again { format!("{name}/again") } else { name };
        let lane = Lane::open(run, case.id, seed_of(run.target.seed, &name), turn).await;
        // A given scenario is neither read from the folder of failures nor saved there.
        let failures = self.failures.as_ref().filter(|_| scenario.is_none());
        let known = failures.map_or_else(|| Ok(scenario.cloned()), |failures| failures.of(case.id));
        let (known, unreadable) = match known {
            Ok(known) => (known, None),
            Err(error) => {
                (None, Some(format!("the saved history that failed in an earlier run cannot be read: {error}")))
            }
        };
        // A saved history is kept, and not played, if it contains records that this run leaves out.
        let is_left_out =
            scenario.is_none() && known.as_ref().is_some_and(|known| contains(known, &run.target.without));
        let known = known.filter(|_| !is_left_out);
        let context = CaseContext::new(lane, name, known, is_again);
        let missing = case.needs.iter().find(|need| !context.has(**need));
        // Several policies are compared with each other. So each verdict counts by itself, and a failure is not
        // attributed to a presumed case.
        let may_be_caused = !several && missing.is_none();
        let policed = deliver_by(&context, policy).await;
        let is_hopeless = may_be_caused && (case.is_long() || is_again) && run.board.is_doomed(case.id);
        let outcome = match (policed, missing, unreadable) {
            (Err(error), ..) => Err(CaseError::NotEvaluable(error.to_string())),
            (_, Some(need), _) => Err(CaseError::NotEvaluable(need.missing().to_owned())),
            (_, None, Some(why)) => Err(CaseError::NotEvaluable(why)),
            // A presumed case has failed, so a failure of this case would say nothing.
            (_, None, None) if is_hopeless => {
                Err(CaseError::Fail("the case was not played, because a case that it presumes has failed".to_owned()))
            }
            (_, None, None) => in_time(case, &context).await,
        };
        let outcome = match outcome {
            // The case itself started the receiver again, so the receiver ended by itself after that.
            Err(CaseError::NotEvaluable(why)) if case.ends_process() && context.was_told() && context.has_ended() => {
                Err(CaseError::Fail(format!("{ENDED}\n{why}")))
            }
            outcome => outcome,
        };
        let is_silent = context.is_silent() && outcome.is_err();
        let is_doubtful = context.was_refused() && outcome.is_err();
        let is_cut_off = context.was_cut_off() && outcome.is_err();
        let mut presumes = if may_be_caused { case.presumes.to_vec() } else { Vec::new() };
        if matches!(outcome, Err(CaseError::NotFollowed(_))) {
            presumes.extend(FOLLOWED);
        }
        let mut kept = None;
        let (verdict, mut detail) = match outcome {
            Ok(()) => (Verdict::Pass, judged_by(case, is_state_seen).to_owned()),
            Err(CaseError::Fail(found) | CaseError::NotFollowed(found)) => (Verdict::Fail, found),
            Err(stop) => (Verdict::NotEvaluable, stop.told()),
        };
        if let Some(failures) = failures {
            match (verdict, context.kept()) {
                (Verdict::Fail, Some(scenario)) => match failures.keep(case.id, &scenario) {
                    Ok(file) => kept = Some(file),
                    Err(error) => detail = format!("{detail}\n(the history could not be saved to a file: {error})"),
                },
                (Verdict::Pass, _) if !is_left_out => failures.forget(case.id),
                _ => {}
            }
        }
        if context.paragon.tally().reconnected > 0 {
            run.remark([
                "the receiver closes connections without a `connection: close` header, so requests were sent again"
                    .to_owned(),
            ]);
        }
        if context.was_refused() && verdict == Verdict::Pass {
            run.remark([
                "the receiver refused events although none of its calls had failed; the events were sent again, after \
                 0.5 to 4 s of real time"
                    .to_owned(),
            ]);
        }
        let timeline = context.story().from_first().with_calls();
        let (policy, took) = (policy.name.clone(), watch.elapsed());
        let (title, because_of) = (case.title_covered(is_state_seen), Vec::new());
        let (known, scenario) = (false, kept);
        let result = CaseResult { case, title, policy, verdict, detail, known, because_of, timeline, scenario, took };
        Judged { result, presumes, is_silent, is_doubtful, is_cut_off }
    }
}

/// Sets the policy under which the events of a case are delivered.
async fn deliver_by(context: &CaseContext<'_>, policy: &Policy) -> Result<(), PolicyError> {
    if context.paragon.policy() != *policy {
        context.paragon.set_policy(policy.clone())?;
        context.paragon.set_webhook(context.run.target.webhook.clone()).await;
    }
    Ok(())
}

/// Runs a case with a time limit. The limit allows for a timeout of each delivery and for the patience of each
/// wait.
async fn in_time(case: &'static Case, context: &CaseContext<'_>) -> Result<(), CaseError> {
    let histories =
        if case.family == Family::Conv { (SHRINKING + 3) * context.histories.max_time } else { Duration::ZERO };
    let limit = 4 * context.run.target.patience + 12 * context.paragon.answers_within() + histories;
    let ended = tokio::time::timeout(limit, (case.run)(context)).await;
    ended.unwrap_or_else(|_| {
        let late = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        let unanswered = context.timeline().attempts().filter(|attempt| late(&attempt.record.outcome)).count();
        let told = format!("the case was ended after {}", humane(limit));
        Err(if unanswered > 0 {
            CaseError::Fail(format!("{unanswered} deliveries were not answered; {told}"))
        } else {
            CaseError::NotEvaluable(told)
        })
    })
}

fn judged_by(case: &Case, is_state_seen: bool) -> &'static str {
    match (case.family, is_state_seen) {
        (Family::Ack, _) => "judged by the receiver's responses",
        (_, true) => "judged by the receiver's state and by the records that it fetched",
        (_, false) => "judged by the records that the receiver fetched; the stored records were not checked",
    }
}

/// Returns the seed of a case. All generated ids and values of the case derive from it.
pub(super) fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |seed, byte| scramble(seed ^ u64::from(byte)))
}

impl CaseContext<'_> {
    /// Returns whether events were sent and none of them got a response.
    fn is_silent(&self) -> bool {
        let timeline = self.timeline();
        let mut outcomes = timeline.attempts().map(|attempt| &attempt.record.outcome).peekable();
        outcomes.peek().is_some() && outcomes.all(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Returns whether a connection for an event was refused or broke, or the latest look at the state failed.
    fn was_cut_off(&self) -> bool {
        use Failure::{Closed, Refused, Reset};
        let cut_off = |outcome: &Outcome| matches!(outcome, Outcome::Failed(Refused | Reset | Closed));
        let syncs: Vec<_> = self.paragon.syncs().iter().map(|sync| sync.id().clone()).collect();
        self.run.looks.as_ref().is_some_and(|looks| looks.is_failing(&syncs))
            || self.timeline().attempts().any(|attempt| cut_off(&attempt.record.outcome))
    }

    /// Returns whether an event of the case was sent.
    fn was_told(&self) -> bool {
        self.timeline().attempts().next().is_some()
    }

    /// Returns whether the receiver's process has ended. Cases that end the process on purpose start it again.
    fn has_ended(&self) -> bool {
        self.process.is_some_and(|process| !process.is_running())
    }
}
