use serde::{Serialize, Serializer};

use crate::check::{Judgment, Level, Verdict};
use crate::contract::{Grade, Revision};
use crate::fake::Timeline;

/// Content of a report, which all formats share. The JSON report has exactly these members. Its schema is shipped as
/// `schemas/report.json`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of the schema: 1.
    pub schema_version: u32,
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
    /// Whether the run was interrupted. Then cases may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// One case of a [`Report`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReportedCase {
    /// Stable id of the case.
    pub id: &'static str,
    /// The requirement that the verdict covers. Without a look at the receiver's state, this may be less than the case
    /// requires.
    pub title: &'static str,
    /// Damage in production if the requirement is not met.
    pub why: &'static str,
    /// Way to fix a receiver that fails.
    pub fix: &'static str,
    /// Importance of the case.
    pub level: Level,
    /// Weakest grade among the rules that the verdict rests on.
    pub grade: Grade,
    /// The verdict.
    pub verdict: Verdict,
    /// Name of the policy under which events were delivered.
    pub policy: String,
    /// The findings, or what could not be observed. For a pass, the evidence on which it was judged.
    pub detail: String,
    /// Ids of the cases that failed and that explain why this case could not be judged.
    pub because_of: Vec<&'static str>,
    /// Ids of the rules that the verdict rests on and that Paragon does not document.
    pub assumes: Vec<&'static str>,
    /// What happened in the case, in order: in JSON, the printed lines.
    #[serde(serialize_with = "printed")]
    pub timeline: Timeline,
    /// Path of a saved scenario that reproduces the failure.
    pub scenario: Option<String>,
    /// Command that runs this case again.
    pub reproduce: String,
    /// Real time that the case took, in seconds.
    pub seconds: f64,
}

/// Number of cases with each verdict.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Number of cases in which the receiver met the requirement.
    pub pass: usize,
    /// Number of cases in which the receiver did not meet the requirement.
    pub fail: usize,
    /// Number of cases that could not be judged.
    pub not_evaluable: usize,
    /// Number of cases that were not run.
    pub skipped: usize,
}

fn printed<S: Serializer>(timeline: &Timeline, serializer: S) -> Result<S::Ok, S::Error> {
    timeline.lines().serialize(serializer)
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
            because_of: result.because_of.clone(),
            assumes: result.case.assumes(),
            timeline: result.timeline.clone(),
            scenario: result.scenario.as_ref().map(|file| file.display().to_string()),
            reproduce: reproduce(result.case.id),
            seconds: result.took.as_secs_f64(),
        });
        Self {
            schema_version: 1,
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
                not_evaluable: judgment.count(Verdict::NotEvaluable),
                skipped: judgment.count(Verdict::Skipped),
            },
            interrupted: false,
        }
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
