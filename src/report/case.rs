use serde::{Serialize, Serializer};

use crate::check::{Level, Verdict};
use crate::contract::Grade;
use crate::fake::Timeline;

/// One case of a [`Report`](super::Report).
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
    /// Whether the case is listed as a known failure.
    pub known: bool,
    /// Whether the verdict makes the run fail, see [`CaseResult::decides`](crate::check::CaseResult::decides).
    pub decides: bool,
    /// Ids of the cases that failed and that explain why this case could not be judged.
    pub because_of: Vec<&'static str>,
    /// Ids of the rules that the verdict rests on and that Paragon does not document.
    pub assumes: Vec<&'static str>,
    /// What happened in the case, in order. In JSON it is an array with an object for each event, call, change and run.
    #[serde(serialize_with = "entries")]
    pub timeline: Timeline,
    /// Path of a saved scenario that reproduces the failure.
    pub scenario: Option<String>,
    /// Command that runs this case again.
    pub reproduce: String,
    /// Real time that the case took, in seconds.
    pub seconds: f64,
}

fn entries<S: Serializer>(timeline: &Timeline, serializer: S) -> Result<S::Ok, S::Error> {
    timeline.to_json().serialize(serializer)
}
