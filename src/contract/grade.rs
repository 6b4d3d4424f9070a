use serde::{Deserialize, Serialize};

/// How sure a fact about Paragon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Paragon's own documentation states it.
    Documented,
    /// Seen in public code or in recorded answers; nobody promises it.
    Observed,
    /// Our choice where Paragon is silent.
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

/// Where a schema or a fixture comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// How sure it is.
    pub grade: Grade,
    /// Where it was read, or why it was assumed.
    pub source: String,
    /// The day on which the source was last read, as `YYYY-MM-DD`.
    pub checked: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_is_printed_as_it_stands_in_files() {
        for grade in [Grade::Documented, Grade::Observed, Grade::Assumed] {
            assert_eq!(serde_json::json!(grade), grade.to_string());
        }
    }
}
