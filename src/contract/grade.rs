use serde::{Deserialize, Serialize};

/// The certainty of a fact about Paragon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Paragon's own documentation states the fact.
    Documented,
    /// The fact was seen in public code or in recorded responses. Nobody promises it.
    Observed,
    /// Paragon says nothing, and this project chose the behavior.
    Assumed,
}

impl std::fmt::Display for Grade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
            Self::Assumed => "assumed",
        })
    }
}

/// Says where a schema or a fixture comes from, and how certain its content is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Provenance {
    /// Certainty of the content.
    pub grade: Grade,
    /// Source of the content, or the reason for the assumption.
    pub source: String,
    /// Day on which the source was last read, as `YYYY-MM-DD`.
    pub checked: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_is_printed_as_in_json() {
        for grade in [Grade::Documented, Grade::Observed, Grade::Assumed] {
            assert_eq!(serde_json::json!(grade), grade.to_string());
        }
    }
}
