use serde::Serialize;

use crate::check::{Judgement, Level, Verdict};
use crate::contract::{Grade, Revision};

/// What every format tells, and the JSON report as it is. Its schema is shipped as `schemas/report.json`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// 1
    pub schema_version: u32,
    /// Reproduces the run.
    pub seed: u64,
    /// The webhook endpoint that was judged.
    pub target: String,
    /// The age of the contract that the receiver was judged under.
    pub revision: Revision,
    /// The ids of the cases that failed. The case that explains most of the cases that could not be judged is the first.
    pub causes: Vec<&'static str>,
    /// What is unusual about the receiver, and not wrong.
    pub remarks: Vec<String>,
    /// In the order in which they were planned.
    pub cases: Vec<ReportedCase>,
    /// How many ended how.
    pub summary: Summary,
    /// Whether the run was interrupted, so that cases may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// One case of a [`Report`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReportedCase {
    /// Stable.
    pub id: &'static str,
    /// What the verdict claims: without a look at the receiver's state, less than the case requires.
    pub title: &'static str,
    /// What goes wrong in production otherwise.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The weakest of what the verdict rests on.
    pub grade: Grade,
    /// What was found.
    pub verdict: Verdict,
    /// The policy under which events were delivered.
    pub policy: String,
    /// The findings, or what could not be observed.
    pub detail: String,
    /// The ids of the cases that failed and that explain why this one could not be judged.
    pub because_of: Vec<&'static str>,
    /// The rules that Paragon does not document and that the verdict rests on.
    pub assumes: Vec<&'static str>,
    /// What happened, in order.
    pub timeline: Vec<String>,
    /// A scenario file that shows the failure.
    pub scenario: Option<String>,
    /// The command that runs this case again.
    pub reproduce: String,
    /// How long it really took.
    pub seconds: f64,
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Did what is required.
    pub pass: usize,
    /// Did not.
    pub fail: usize,
    /// Could not be judged.
    pub not_evaluable: usize,
    /// Were not run.
    pub skipped: usize,
}

impl Report {
    /// `reproduce` tells for a case's id the command that runs it again.
    pub fn new(judgement: &Judgement, reproduce: impl Fn(&str) -> String) -> Self {
        let cases = judgement.results.iter().map(|result| ReportedCase {
            id: result.case.id,
            title: result.title,
            why: result.case.why,
            fix: result.case.fix,
            level: result.case.level,
            grade: result.case.grade(),
            verdict: result.verdict,
            policy: result.policy.clone(),
            detail: result.detail.clone(),
            because_of: result.because_of.clone(),
            assumes: result.case.assumes(),
            timeline: result.timeline.clone(),
            scenario: result.scenario.as_ref().map(|file| file.display().to_string()),
            reproduce: reproduce(result.case.id),
            seconds: result.took.as_secs_f64(),
        });
        Self {
            schema_version: 1,
            seed: judgement.seed,
            target: judgement.target.to_string(),
            revision: judgement.revision,
            causes: judgement.causes().into_iter().map(|(case, _)| case.id).collect(),
            remarks: judgement.remarks.clone(),
            cases: cases.collect(),
            summary: Summary {
                pass: judgement.count(Verdict::Pass),
                fail: judgement.count(Verdict::Fail),
                not_evaluable: judgement.count(Verdict::NotEvaluable),
                skipped: judgement.count(Verdict::Skipped),
            },
            interrupted: false,
        }
    }

    /// Marks the report as one of a run that was interrupted. Every format says so, and no format looks like a success.
    #[must_use]
    pub fn interrupted(self) -> Self {
        Self { interrupted: true, ..self }
    }

    /// Indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|error| unreachable!("a report is strings and numbers: {error}")) + "\n"
    }
}
