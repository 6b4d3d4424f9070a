use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::case::{Case, Family, Level};
use super::members::Members;
use crate::clock::Timestamp;
use crate::contract::{Revision, SpecialRecord};
use crate::fake::Timeline;

/// Verdict on a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The receiver met the requirement, and that was observed.
    Pass,
    /// The receiver did not meet the requirement.
    Fail,
    /// What is needed to judge the requirement could not be observed.
    NotEvaluable,
    /// The case was not run.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotEvaluable => "not evaluable",
            Self::Skipped => "skipped",
        })
    }
}

/// A failed case that explains others.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cause {
    /// The case that failed.
    pub case: &'static Case,
    /// Number of other cases that the failure explains.
    pub explained: usize,
}

/// Result of one case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseResult {
    /// The case.
    pub case: &'static Case,
    /// The requirement that the verdict covers. Without a look at the receiver's state, this may be less than the title
    /// of the case.
    pub title: &'static str,
    /// Name of the policy under which events were delivered.
    pub policy: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The findings, or what could not be observed. For a pass, the evidence on which it was judged.
    pub detail: String,
    /// Whether the case is listed as a known failure.
    pub known: bool,
    /// Ids of the presumed cases that failed. Fix these first.
    pub because_of: Vec<&'static str>,
    /// What happened in the case, in order.
    pub timeline: Timeline,
    /// Path of the saved scenario that reproduces the failure.
    pub scenario: Option<PathBuf>,
    /// Real time that the case took.
    pub took: Duration,
}

impl CaseResult {
    /// Returns whether the verdict makes the run fail. A failure does, unless it is known or at level `may`. The pass of a
    /// case that is listed as a known failure does too, unless it is a `conv-` case: its histories are random, so it may
    /// fail in the next run.
    pub fn decides(&self) -> bool {
        match self.verdict {
            Verdict::Fail => !self.known && self.case.level != Level::May,
            Verdict::Pass => self.known && self.case.family != Family::Conv,
            Verdict::NotEvaluable | Verdict::Skipped => false,
        }
    }
}

/// Result of a whole run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judgment {
    /// The webhook endpoint that was judged.
    pub target: Url,
    /// Seed from which all generated ids and values were derived.
    pub seed: u64,
    /// Name of the policy under which events were delivered.
    pub policy: String,
    /// Revision of the contract that events and records followed.
    pub revision: Revision,
    /// Kinds of records that no case contained.
    pub without: Vec<SpecialRecord>,
    /// Members of records that were compared with the receiver's state.
    pub members: Members,
    /// Remarks on what is unusual about the receiver but not wrong, and on what was left out.
    pub remarks: Vec<String>,
    /// Results of the cases, in the order of the plan.
    pub results: Vec<CaseResult>,
    /// Real time at which the run began.
    pub started: Timestamp,
    /// Real time that the run took.
    pub took: Duration,
}

/// Message for a case that passes although it is listed as a known failure.
pub(crate) const MENDED: &str = "the case passes now, but it is listed as a known failure: take it out of the list";

impl Judgment {
    /// Creates a judgment from results, for example from those of an interrupted run. `took` is the real time since the
    /// run began.
    pub fn of_results(
        target: Url,
        seed: u64,
        policy: impl Into<String>,
        revision: Revision,
        results: Vec<CaseResult>,
        took: Duration,
    ) -> Self {
        let (without, members, remarks) = (Vec::new(), Members::default(), Vec::new());
        let took_millis = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let started = Timestamp::from_millis(Timestamp::wall().as_millis().saturating_sub(took_millis));
        Self { target, seed, policy: policy.into(), revision, without, members, remarks, results, started, took }
    }

    /// Sets what the run left out, and adds a remark on each part.
    #[must_use]
    pub fn narrowed(mut self, without: Vec<SpecialRecord>, members: Members) -> Self {
        if !without.is_empty() {
            self.remarks.push(format!("{}: no case contained such records", left_out(&without)));
        }
        if !members.are_all() {
            self.remarks.push(members.to_string());
        }
        Self { without, members, ..self }
    }

    /// Returns the number of cases with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|result| result.verdict == verdict).count()
    }

    /// Returns the cases that failed, each with the number of other cases that it explains. The most important case
    /// comes first.
    pub fn causes(&self) -> Vec<Cause> {
        let failed = self.results.iter().filter(|result| result.verdict == Verdict::Fail);
        let mut causes: Vec<Cause> = Vec::new();
        for case in failed.map(|result| result.case) {
            if causes.iter().all(|known| known.case.id != case.id) {
                let explained = self.results.iter().filter(|result| result.because_of.contains(&case.id));
                causes.push(Cause { case, explained: explained.count() });
            }
        }
        causes.sort_by_key(|cause| (std::cmp::Reverse(cause.explained), cause.case.level));
        causes
    }

    /// Returns whether the run failed, which means that any verdict [`decides`](CaseResult::decides).
    pub fn failed(&self) -> bool {
        self.results.iter().any(CaseResult::decides)
    }

    /// Returns whether any case passed or failed.
    pub fn judged(&self) -> bool {
        self.results.iter().any(|result| matches!(result.verdict, Verdict::Pass | Verdict::Fail))
    }

    /// Asserts that something was judged and that no case failed at a level that decides.
    ///
    /// # Panics
    ///
    /// Panics with the findings of each case that failed, or, if nothing was judged, with what could not be observed.
    #[track_caller]
    pub fn assert_passed(&self) {
        let told = |verdict| {
            let results = self.results.iter().filter(move |result| result.verdict == verdict && !result.known);
            results.map(|result| format!("\n{}: {}\n{}\n", result.case.id, result.case.title, result.detail))
        };
        let mended = self.results.iter().filter(|result| result.verdict == Verdict::Pass && result.decides());
        let mended = mended.map(|result| format!("\n{}: {MENDED}\n", result.case.id));
        let failed: String = told(Verdict::Fail).chain(mended).collect();
        assert!(!self.failed(), "the receiver at {} fails, seed {}\n{failed}", self.target, self.seed);
        let blind: String = told(Verdict::NotEvaluable).collect();
        assert!(self.judged(), "no case could be judged for the receiver at {}\n{blind}", self.target);
    }
}

/// Returns that these kinds of records were left out, and by which option.
pub(super) fn left_out(without: &[SpecialRecord]) -> String {
    let names: Vec<_> = without.iter().map(|kind| kind.name()).collect();
    format!("left out by --without {}", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::cases;

    fn judgment(results: &[(Level, Verdict)]) -> Judgment {
        let result = |(level, verdict): &(Level, Verdict)| CaseResult {
            case: cases().iter().find(|case| case.level == *level).unwrap(),
            title: "what is required",
            policy: "paragon-assumed".to_owned(),
            verdict: *verdict,
            detail: "why".to_owned(),
            known: false,
            because_of: Vec::new(),
            timeline: Timeline::default(),
            scenario: None,
            took: Duration::ZERO,
        };
        Judgment {
            target: "http://127.0.0.1/".parse().unwrap(),
            seed: 7,
            policy: "paragon-assumed".to_owned(),
            revision: Revision::default(),
            without: Vec::new(),
            members: Members::default(),
            remarks: Vec::new(),
            results: results.iter().map(result).collect(),
            started: Timestamp::from_millis(0),
            took: Duration::ZERO,
        }
    }

    /// Returns the panic message of `assert_passed`, or `None` if it does not panic.
    fn told(judgment: &Judgment) -> Option<String> {
        let asserted = std::panic::catch_unwind(|| judgment.assert_passed());
        asserted.err().map(|panic| *panic.downcast::<String>().unwrap())
    }

    #[test]
    fn relevant_failures_decide_and_a_run_without_a_verdict_is_no_success() {
        use Level::{May, Must, Should};
        use Verdict::{Fail, NotEvaluable, Pass, Skipped};
        for (results, failed, judged) in [
            (&[][..], false, false),
            (&[(Must, Skipped), (Should, NotEvaluable)], false, false),
            (&[(Must, Pass), (Should, NotEvaluable)], false, true),
            (&[(Must, Pass), (May, Fail)], false, true),
            (&[(May, Fail)], false, true),
            (&[(Must, Pass), (Should, Fail)], true, true),
            (&[(Must, Fail)], true, true),
        ] {
            let judgment = judgment(results);
            assert_eq!((judgment.failed(), judgment.judged()), (failed, judged), "{results:?}");
            for verdict in [Pass, Fail, NotEvaluable, Skipped] {
                let count = results.iter().filter(|(_, other)| *other == verdict).count();
                assert_eq!(judgment.count(verdict), count, "{results:?}");
            }
            match told(&judgment) {
                None => assert!(!failed && judged, "{results:?}"),
                Some(text) if failed => assert!(text.starts_with("the receiver at http://127.0.0.1/ fails, seed 7\n")),
                Some(text) => {
                    assert!(!judged && text.starts_with("no case could be judged for the receiver"), "{text}");
                }
            }
        }
    }
}
