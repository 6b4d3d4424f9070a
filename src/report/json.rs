use serde::Serialize;

use super::case::ReportedCase;
use super::policies::safe_policies;
use crate::check::{Judgment, Verdict};
use crate::clock::Timestamp;
use crate::contract::Revision;

/// Content of a report, which all formats share. The JSON report has exactly these members. Its schema is shipped as
/// `schemas/report.json`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of the schema: 2.
    pub schema_version: u32,
    /// Version of this package.
    pub version: &'static str,
    /// Real time at which the run began.
    pub started: Timestamp,
    /// Real time that the run took, in seconds.
    pub seconds: f64,
    /// Seed that reproduces the run.
    pub seed: u64,
    /// The webhook endpoint that was judged.
    pub target: String,
    /// Revision of the contract under which the receiver was judged.
    pub revision: Revision,
    /// Ids of the cases that failed. The case that explains most of the cases that could not be judged comes first.
    pub causes: Vec<&'static str>,
    /// Names of the kinds of records that no case contained, such as `folders`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<&'static str>,
    /// Members of records that were compared with the receiver's state. Empty if all were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared_members: Vec<String>,
    /// Members of records that were left out of the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored_members: Vec<String>,
    /// Remarks on what is unusual about the receiver but not wrong, and on what was left out.
    pub remarks: Vec<String>,
    /// The cases, in the order of the plan.
    pub cases: Vec<ReportedCase>,
    /// Number of cases with each verdict.
    pub summary: Summary,
    /// The policies under which the receiver loses no data, if several were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<ComparedPolicies>,
    /// Whether the run was interrupted. Then cases may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// Delivery policies that were compared in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ComparedPolicies {
    /// Names of all policies that were compared.
    pub compared: Vec<String>,
    /// Names of the safe policies. Under a safe policy something was judged, and nothing that was judged makes the run
    /// fail.
    pub safe: Vec<String>,
}

/// Number of cases with each verdict.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Number of cases in which the receiver met the requirement.
    pub pass: usize,
    /// Number of cases in which the receiver did not meet the requirement.
    pub fail: usize,
    /// Number of these failures that are known.
    pub known: usize,
    /// Number of cases that could not be judged.
    pub not_evaluable: usize,
    /// Number of cases that were not run.
    pub skipped: usize,
}

impl Report {
    /// Creates a report. `reproduce` returns the command that runs the case with a given id again.
    pub fn new(judgment: &Judgment, reproduce: impl Fn(&str) -> String) -> Self {
        let cases = judgment.results.iter().map(|result| ReportedCase {
            id: result.case.id,
            title: result.title,
            why: result.case.why,
            fix: result.case.fix,
            level: result.case.level,
            grade: result.case.grade(),
            verdict: result.verdict,
            policy: result.policy.clone(),
            detail: result.detail.clone(),
            known: result.known,
            decides: result.decides(),
            because_of: result.because_of.clone(),
            assumes: result.case.assumes(),
            timeline: result.timeline.clone(),
            scenario: result.scenario.as_ref().map(|file| file.display().to_string()),
            reproduce: reproduce(result.case.id),
            seconds: result.took.as_secs_f64(),
        });
        let mut report = Self {
            schema_version: 2,
            version: env!("CARGO_PKG_VERSION"),
            started: judgment.started,
            seconds: judgment.took.as_secs_f64(),
            seed: judgment.seed,
            target: judgment.target.to_string(),
            revision: judgment.revision,
            causes: judgment.causes().into_iter().map(|cause| cause.case.id).collect(),
            without: judgment.without.iter().map(|kind| kind.name()).collect(),
            compared_members: judgment.members.compared().map(str::to_owned).collect(),
            ignored_members: judgment.members.ignored().map(str::to_owned).collect(),
            remarks: judgment.remarks.clone(),
            cases: cases.collect(),
            summary: Summary {
                pass: judgment.count(Verdict::Pass),
                fail: judgment.count(Verdict::Fail),
                known: judgment.results.iter().filter(|it| it.known && it.verdict == Verdict::Fail).count(),
                not_evaluable: judgment.count(Verdict::NotEvaluable),
                skipped: judgment.count(Verdict::Skipped),
            },
            policies: None,
            interrupted: false,
        };
        let (safe, compared) = safe_policies(&report.cases);
        let names = |policies: Vec<&str>| policies.into_iter().map(str::to_owned).collect();
        if compared.len() > 1 {
            report.policies = Some(ComparedPolicies { safe: names(safe), compared: names(compared) });
        }
        report
    }

    /// Marks the report as that of an interrupted run. Every format says so, and none looks like a success.
    #[must_use]
    pub fn interrupted(self) -> Self {
        Self { interrupted: true, ..self }
    }

    /// Returns the report as indented JSON, with a newline at the end.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_else(|error| unreachable!("a report is strings and numbers: {error}")) + "\n"
    }
}
