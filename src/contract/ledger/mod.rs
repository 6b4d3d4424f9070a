//! The ledger: known behavior of Paragon, contradictions in public statements about Paragon, and open questions.

mod behavior;
mod contradiction;
mod member;
mod table;
mod unknown;

use super::grade::Grade;
pub use member::{Member, members};
pub use table::provenance_table;

/// One entry of the ledger: a behavior that verdicts rely on, a contradiction, or an unknown fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Stable id with dots, such as `webhook.retry`.
    pub id: &'static str,
    /// Kind of the entry.
    pub kind: RuleKind,
    /// Certainty of the statement. For an unknown fact: the certainty of the behavior that this project chose.
    pub grade: Grade,
    /// The statement, in our words.
    pub says: &'static str,
    /// Source of the statement, or the reason for the choice.
    pub source: &'static str,
    /// Day on which the source was last read, as `YYYY-MM-DD`.
    pub checked: &'static str,
    /// Behavior of this project. `None` for a behavior of Paragon means that the fake does exactly the same.
    pub here: Option<&'static str>,
    /// Setting that changes the behavior of this project.
    pub knob: Option<&'static str>,
}

/// The kind of a ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RuleKind {
    /// A behavior of Paragon.
    Behavior,
    /// Statements that contradict each other.
    Contradiction,
    /// A fact that no public source states.
    Unknown,
}

impl RuleKind {
    /// All kinds, in the order of the ledger.
    pub const ALL: [Self; 3] = [Self::Behavior, Self::Contradiction, Self::Unknown];
}

impl std::fmt::Display for RuleKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Behavior => "behavior",
            Self::Contradiction => "contradiction",
            Self::Unknown => "unknown",
        })
    }
}

/// Day on which all sources were last read.
const CHECKED: &str = "2026-11-24";

const WEBHOOKS: &str = "https://docs.useparagon.com/managed-sync/webhooks";
const SYNC_API: &str = "https://docs.useparagon.com/managed-sync/sync-api";
const PULL: &str = "https://docs.useparagon.com/managed-sync/api/pull-synced-records";
const STATUS: &str = "https://docs.useparagon.com/managed-sync/api/get-sync-status";
const DOWNLOAD: &str = "https://docs.useparagon.com/managed-sync/api/download-content";
const MONITORING: &str = "https://docs.useparagon.com/managed-sync/monitoring";
const PERMISSIONS: &str = "https://docs.useparagon.com/managed-sync/permissions-api";
const RECORDED: &str = "recorded answers of July 2025";

/// Returns all entries of the ledger.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    behavior::RULES.iter().chain(contradiction::RULES).chain(unknown::RULES)
}

/// Returns the entry with this id; `None` if there is no such entry.
///
/// ```
/// use paragon_testkit::contract::{Grade, rule};
/// assert_eq!(rule("webhook.retry").map(|rule| rule.grade), Some(Grade::Assumed));
/// ```
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_begin_with_their_kind() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} twice", rule.id);
            let kind = rule.id.split('.').next().unwrap();
            assert_eq!(kind == "contradiction", rule.kind == RuleKind::Contradiction, "{}", rule.id);
            assert_eq!(kind == "unknown", rule.kind == RuleKind::Unknown, "{}", rule.id);
            assert!(rule.kind == RuleKind::Behavior || rule.here.is_some(), "{}: what is done about it?", rule.id);
            assert!(!rule.says.ends_with('.') && !rule.source.is_empty(), "{}", rule.id);
        }
    }

    #[test]
    fn every_kind_has_entries_and_each_is_found_by_its_id() {
        for kind in RuleKind::ALL {
            assert!(rules().any(|rule| rule.kind == kind), "no {kind}");
        }
        for entry in rules() {
            assert_eq!(rule(entry.id), Some(entry));
        }
        assert_eq!(rule("webhook"), None, "a part of an id");
    }

    #[test]
    fn a_kind_is_printed_as_ids_begin() {
        assert_eq!(RuleKind::ALL.map(|kind| kind.to_string()), ["behavior", "contradiction", "unknown"]);
        for rule in rules().filter(|rule| rule.kind != RuleKind::Behavior) {
            assert!(rule.id.starts_with(&format!("{}.", rule.kind)), "{}", rule.id);
        }
    }
}
