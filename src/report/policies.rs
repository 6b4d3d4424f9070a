//! The outcome of cases, and the comparison of the policies under which they ran.

use super::case::ReportedCase;
use crate::check::Verdict;

/// Outcome of a whole report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    NothingJudged,
}

impl Outcome {
    pub(super) fn of<'a>(results: impl IntoIterator<Item = &'a ReportedCase>) -> Self {
        results.into_iter().fold(Self::NothingJudged, |outcome, result| match result.verdict {
            _ if result.decides => Self::Failed,
            Verdict::Pass | Verdict::Fail if outcome == Self::NothingJudged => Self::Passed,
            _ => outcome,
        })
    }
}

/// Returns the policies under which cases ran, in the order of their first case.
pub(super) fn policies(cases: &[ReportedCase]) -> Vec<&str> {
    let mut policies = Vec::new();
    for case in cases {
        if !policies.contains(&case.policy.as_str()) {
            policies.push(case.policy.as_str());
        }
    }
    policies
}

/// Returns the policies that are safe, and all policies that are compared. A policy is safe if something was judged
/// under it and no failure under it decides. A case that ran under one policy alone is ignored, because it says nothing
/// about the other policies.
pub(super) fn safe_policies(cases: &[ReportedCase]) -> (Vec<&str>, Vec<&str>) {
    let rows = Row::all(cases);
    let compared = || rows.iter().filter(|row| row.results.len() > 1).flat_map(|row| row.results.iter().copied());
    let of = |policy: &str| Outcome::of(compared().filter(|case| case.policy == policy));
    let all: Vec<_> =
        policies(cases).into_iter().filter(|policy| compared().any(|case| case.policy == *policy)).collect();
    (all.iter().copied().filter(|policy| of(policy) == Outcome::Passed).collect(), all)
}

/// One case, with its results under each policy.
pub(super) struct Row<'a> {
    pub(super) results: Vec<&'a ReportedCase>,
}

impl<'a> Row<'a> {
    /// Returns the rows in the order in which the cases first ran.
    pub(super) fn all(cases: &'a [ReportedCase]) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for case in cases {
            match rows.iter_mut().find(|row| row.case().id == case.id) {
                Some(row) => row.results.push(case),
                None => rows.push(Self { results: vec![case] }),
            }
        }
        rows
    }

    /// Returns the first result, for the members that are the same under each policy.
    pub(super) fn case(&self) -> &'a ReportedCase {
        self.results[0]
    }

    pub(super) fn with(&self, verdict: Verdict) -> impl Iterator<Item = &'a ReportedCase> {
        self.results.iter().copied().filter(move |result| result.verdict == verdict)
    }

    /// Returns under how many policies the case passed, of those under which it was judged, such as `2 of 3`. Returns
    /// `None` if it was judged under no policy.
    pub(super) fn safe_under(&self) -> Option<String> {
        let (pass, fail) = (self.with(Verdict::Pass).count(), self.with(Verdict::Fail).count());
        (pass + fail > 0).then(|| format!("{pass} of {}", pass + fail))
    }
}
