use std::pin::Pin;

use serde::Serialize;

use super::cases::{ack, out, pull, rec};
use super::trial::{Stop, Trial};
use crate::contract::{Grade, Rule, rule};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Follows from what Paragon documents.
    Must,
    /// Follows from what was observed or must be expected of any webhook.
    Should,
    /// Good to have; never decides a run.
    May,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::May => "may",
        })
    }
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;

/// One requirement, and how it is judged.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Stable: `rec-deleted`. The part before the dash is the family.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is required, in plain words.
    pub title: &'static str,
    /// What goes wrong in production otherwise.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// Whether it can only be judged with a state probe.
    pub needs_state: bool,
    /// The ids of the rules that a verdict rests on.
    pub rests_on: &'static [&'static str],
    pub(super) run: for<'a> fn(&'a Trial<'a>) -> Running<'a>,
}

impl Case {
    /// The rules that a verdict rests on.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.rests_on.iter().filter_map(|id| rule(id))
    }

    /// The weakest grade of what a verdict rests on.
    pub fn grade(&self) -> Grade {
        self.rules().map(|rule| rule.grade).max().unwrap_or(Grade::Documented)
    }

    /// The rules that a verdict rests on and that Paragon does not document.
    pub fn assumes(&self) -> Vec<&'static str> {
        self.rules().filter(|rule| rule.grade != Grade::Documented).map(|rule| rule.id).collect()
    }
}

/// All cases, in the order in which they run. The one that may take the receiver down is the last.
pub fn cases() -> &'static [Case] {
    const CASES: &[Case] = &[
        ack::EVERY_EVENT,
        ack::UNKNOWN_MEMBERS,
        pull::ALL_PAGES,
        rec::CREATED,
        rec::UPDATED,
        rec::DELETED,
        rec::DUPLICATE,
        out::UNREACHABLE,
        out::API_FAILING,
        ack::MALFORMED,
    ];
    CASES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_well_described_and_must_rests_on_documents_alone() {
        for (i, case) in cases().iter().enumerate() {
            assert!(cases()[..i].iter().all(|other| other.id != case.id), "{} twice", case.id);
            assert_eq!(case.rules().count(), case.rests_on.len(), "{} rests on a rule that is not there", case.id);
            assert!(!case.rests_on.is_empty() && !case.why.is_empty() && !case.fix.is_empty(), "{}", case.id);
            if case.level == Level::Must {
                assert_eq!(case.grade(), Grade::Documented, "{} must not rest on {:?}", case.id, case.assumes());
            }
        }
    }
}
