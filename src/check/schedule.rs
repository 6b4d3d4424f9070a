use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::board::Board;
use super::case::Case;
use super::cases::with_presumed;
use super::judged::Judged;
use super::result::{CaseResult, Verdict};
use super::run::Run;
use super::settings::{Settings, Starting};
use crate::clock::pass;
use crate::delivery::Policy;
use crate::fake::Timeline;
use crate::scenario::Scenario;

/// Interval at which the receiver's activity in all lanes is checked.
const LOOK_EACH: Duration = Duration::from_millis(100);

/// A case that is played again begins this much later.
const TO_END: Duration = Duration::from_secs(1);

/// Number of cases in a row without any response from the receiver, after which no further case is played.
const SILENT: usize = 3;

/// A case, and the policy under which its events are delivered.
pub(super) type Planned<'a> = (&'static Case, &'a Policy);

/// Cases that are played side by side, or one after another.
struct Part {
    /// Indices of the cases in the plan.
    queue: VecDeque<usize>,
    is_alone: bool,
    /// Whether the cases were played before and were disturbed then.
    is_again: bool,
}

impl Part {
    fn new(numbers: &[usize], is_alone: bool) -> Self {
        Self { queue: numbers.iter().copied().collect(), is_alone, is_again: false }
    }
}

/// Decides when each case of a run is played, and collects the verdicts.
pub(super) struct Schedule<'a> {
    run: &'a Run<'a>,
    settings: &'a Settings<'a>,
    planned: &'a [Planned<'a>],
    scenario: Option<&'a Scenario>,
    verdicts: Verdicts,
    /// Number of cases that have begun or were left out.
    begun: usize,
    /// Number of latest cases in a row in which the receiver gave no response.
    silent: usize,
    ticks: tokio::time::Interval,
}

impl<'a> Schedule<'a> {
    pub(super) fn of(
        run: &'a Run<'a>,
        settings: &'a Settings<'a>,
        planned: &'a [Planned<'a>],
        scenario: Option<&'a Scenario>,
    ) -> Self {
        for (case, _) in planned {
            run.board.plan(case.id, with_presumed(case.presumes));
        }
        let (verdicts, ticks) = (Verdicts::new(planned.len()), tokio::time::interval(LOOK_EACH));
        Self { run, settings, planned, scenario, verdicts, begun: 0, silent: 0, ticks }
    }

    /// Plays all cases, and returns their results in the order of the plan.
    pub(super) async fn play(mut self) -> Vec<CaseResult> {
        let numbered: Vec<usize> = (0..self.planned.len()).collect();
        let is_alone = |number: &usize| self.case(*number).is_alone();
        let parts = numbered.chunk_by(|one, next| is_alone(one) == is_alone(next));
        let mut parts: VecDeque<Part> = parts.map(|numbers| Part::new(numbers, numbers.iter().any(is_alone))).collect();
        while let Some(mut part) = parts.pop_front() {
            let disturbed = self.play_part(&mut part).await;
            if !disturbed.is_empty() {
                parts.push_front(part);
                parts.push_front(Part { queue: disturbed.into_iter().collect(), is_alone: true, is_again: true });
            }
        }
        self.verdicts.all(self.settings, &self.run.board)
    }

    fn case(&self, number: usize) -> &'static Case {
        self.planned[number].0
    }

    /// Plays the cases of a part. Returns the cases that must be played again, alone; they have no verdict yet.
    ///
    /// If the receiver ends by itself while several cases are under way, no further case begins, and these cases are
    /// returned. A case in which the receiver refused events or connections is returned too, because another case may be
    /// the cause.
    async fn play_part(&mut self, part: &mut Part) -> BTreeSet<usize> {
        let run = self.run;
        let mut playing = FuturesUnordered::new();
        // `disturbed` holds the cases that must be played again.
        let (mut under_way, mut disturbed) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let is_over = part.queue.is_empty() || (!disturbed.is_empty() && !part.is_alone);
            if playing.is_empty() && is_over {
                return if part.is_alone { BTreeSet::new() } else { disturbed };
            }
            // Until the receiver has answered an event, few cases begin: it may never answer.
            let is_known = run.watch.has_answered() || self.silent + under_way.len() < SILENT;
            let is_free = playing.is_empty() || !(part.is_alone || self.settings.fail_fast || !disturbed.is_empty());
            let may_begin = is_known && is_free;
            if let Some(number) = part.queue.front().copied()
                && let Some(result) = self.left_out(number, may_begin)
            {
                part.queue.pop_front();
                self.begun += 1;
                // The failure of a presumed case may explain why the receiver gives no response.
                let is_open = result.verdict == Verdict::NotEvaluable;
                self.end(number, result, if is_open { self.case(number).presumes } else { &[] });
                continue;
            }
            tokio::select! {
                biased;
                _ = self.ticks.tick() => {
                    run.watch.look();
                    let is_on_purpose = under_way.iter().any(|number| self.case(*number).ends_process());
                    if !is_on_purpose && run.revived().await {
                        disturbed.extend(self.open(&under_way));
                    }
                }
                Some((number, judged)) = playing.next() => {
                    let mut judged: Judged = judged;
                    let listens = run.listens().await;
                    // A case that ends the receiver's process may leave it ended. That disturbs no other case.
                    if run.revived().await && !self.case(number).ends_process() {
                        disturbed.extend(self.open(&under_way));
                    }
                    under_way.remove(&number);
                    let may_be_disturbed = (judged.is_doubtful || judged.is_cut_off) && !part.is_alone;
                    if may_be_disturbed && !run.board.is_doomed(self.case(number).id) {
                        disturbed.insert(number);
                    }
                    let is_silent = judged.is_silent && !(judged.is_cut_off && listens);
                    self.silent = if is_silent { self.silent + 1 } else { 0 };
                    if disturbed.contains(&number) {
                        if !part.is_alone {
                            continue;
                        }
                        judged.ended_receiver();
                    }
                    self.end(number, judged.result, &judged.presumes);
                }
                Ok(permit) = run.turns.clone().acquire_owned(), if !part.queue.is_empty() && may_begin => {
                    let Some(number) = part.queue.pop_front() else { continue };
                    if part.is_again {
                        // The receiver may still be about to end because of what disturbed the cases.
                        pass(TO_END).await;
                    }
                    if under_way.is_empty() && !run.listens().await && run.revived().await {
                        run.remark(["the receiver ended by itself right after a case had been judged".to_owned()]);
                    }
                    let (case, policy) = self.planned[number];
                    if !part.is_again {
                        (self.settings.on_start)(&Starting { case, before: self.begun, of: self.planned.len() });
                        self.begun += 1;
                    }
                    under_way.insert(number);
                    let judged = self.settings.judged(run, case, policy, self.scenario, permit, part.is_again);
                    playing.push(async move { (number, judged.await) });
                }
            }
        }
    }

    /// Returns those of the given cases whose presumed cases have not failed so far. The verdict of any other case is
    /// known without playing it again.
    fn open(&self, numbers: &BTreeSet<usize>) -> Vec<usize> {
        numbers.iter().copied().filter(|number| !self.run.board.is_doomed(self.case(*number).id)).collect()
    }

    /// Returns the result of a case that must not be played, with the reason. Returns `None` for a case that must be
    /// played.
    fn left_out(&self, number: usize, may_begin: bool) -> Option<CaseResult> {
        if self.settings.fail_fast && self.verdicts.has_failed() && may_begin {
            let why = "an earlier case failed, and --fail-fast is set";
            return Some(self.not_run(number, Verdict::Skipped, why));
        }
        if let Some(why) = self.run.gone() {
            return Some(self.not_run(number, Verdict::NotEvaluable, &format!("the receiver is gone: {why}")));
        }
        let why = format!("the receiver did not answer any request in the previous {SILENT} cases");
        (self.silent >= SILENT).then(|| self.not_run(number, Verdict::NotEvaluable, &why))
    }

    /// Returns the result of a case that was not played.
    fn not_run(&self, number: usize, verdict: Verdict, why: &str) -> CaseResult {
        let (case, policy) = self.planned[number];
        CaseResult {
            case,
            title: case.title_covered(self.run.target.state.is_some()),
            policy: policy.name.clone(),
            verdict,
            detail: why.to_owned(),
            known: false,
            because_of: Vec::new(),
            timeline: Timeline::default(),
            scenario: None,
            took: Duration::ZERO,
        }
    }

    /// Records the result of a case, and reports the verdicts that are now final. `presumes` are the ids of the cases
    /// that may be the cause of a failure.
    fn end(&mut self, number: usize, mut result: CaseResult, presumes: &[&'static str]) {
        result.known = self.settings.known.lists(&result);
        let causes = with_presumed(presumes);
        self.run.board.end(result.case.id, result.verdict == Verdict::Fail, &causes);
        self.verdicts.results[number] = Some((result, causes));
        self.verdicts.tell(self.settings, &self.run.board);
    }
}

/// Results of a run. They are reported in the order of the plan, however long each case takes.
struct Verdicts {
    /// Each result, with the cases that may be the cause of a failure.
    results: Vec<Option<(CaseResult, Vec<&'static str>)>>,
    told: usize,
}

impl Verdicts {
    fn new(planned: usize) -> Self {
        Self { results: (0..planned).map(|_| None).collect(), told: 0 }
    }

    fn has_failed(&self) -> bool {
        self.results.iter().flatten().any(|(result, _)| result.verdict == Verdict::Fail && !result.known)
    }

    /// Reports the verdicts that are final, in the order of the plan. A failure is final when all cases that may be its
    /// cause have ended.
    fn tell(&mut self, settings: &Settings<'_>, board: &Board) {
        while let Some(Some((result, presumed))) = self.results.get_mut(self.told) {
            if matches!(result.verdict, Verdict::Fail | Verdict::NotEvaluable) {
                if !board.have_ended(presumed) {
                    return;
                }
                put_down(result, board.causes(presumed));
            }
            (settings.on_result)(result);
            self.told += 1;
        }
    }

    /// Returns all results. All cases have ended by then.
    fn all(mut self, settings: &Settings<'_>, board: &Board) -> Vec<CaseResult> {
        self.tell(settings, board);
        self.results.into_iter().flatten().map(|(result, _)| result).collect()
    }
}

/// Attributes a failure to the causes, if there are any. The failure then counts as not evaluable, because it says
/// nothing by itself.
fn put_down(result: &mut CaseResult, causes: Vec<&'static str>) {
    if causes.is_empty() {
        return;
    }
    result.detail = format!("because of {}", causes.join(", "));
    (result.verdict, result.because_of, result.scenario) = (Verdict::NotEvaluable, causes, None);
}
