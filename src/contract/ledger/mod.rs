//! What is known of Paragon's behaviour, where its documentation contradicts itself, and what it leaves open.

mod behaviour;
mod contradiction;
mod member;
mod table;
mod unknown;

use super::grade::Grade;
pub use member::{Member, members};
pub use table::provenance_table;

/// One entry of the ledger: a behaviour that verdicts rest on, a contradiction, or something that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Stable, dotted.
    pub id: &'static str,
    /// Which of the three.
    pub kind: RuleKind,
    /// How sure it is; of something unknown: how sure what this project does is.
    pub grade: Grade,
    /// What is so, in our words.
    pub says: &'static str,
    /// Where that was read, or why it was chosen.
    pub source: &'static str,
    /// The day on which the source was last read, as `YYYY-MM-DD`.
    pub checked: &'static str,
    /// What this project does about it; of a behaviour, nothing means that the fake does just that.
    pub here: Option<&'static str>,
    /// What changes that.
    pub knob: Option<&'static str>,
}

/// What kind of entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RuleKind {
    /// Something that Paragon does.
    Behaviour,
    /// Two statements that do not go together.
    Contradiction,
    /// What no public source tells.
    Unknown,
}

impl RuleKind {
    /// In the order of the ledger.
    pub const ALL: [Self; 3] = [Self::Behaviour, Self::Contradiction, Self::Unknown];
}

impl std::fmt::Display for RuleKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Behaviour => "behaviour",
            Self::Contradiction => "contradiction",
            Self::Unknown => "unknown",
        })
    }
}

/// The day on which all sources were last read.
const CHECKED: &str = "2026-11-24";

const WEBHOOKS: &str = "https://docs.useparagon.com/managed-sync/webhooks";
const SYNC_API: &str = "https://docs.useparagon.com/managed-sync/sync-api";
const PULL: &str = "https://docs.useparagon.com/managed-sync/api/pull-synced-records";
const STATUS: &str = "https://docs.useparagon.com/managed-sync/api/get-sync-status";
const DOWNLOAD: &str = "https://docs.useparagon.com/managed-sync/api/download-content";
const MONITORING: &str = "https://docs.useparagon.com/managed-sync/monitoring";
const PERMISSIONS: &str = "https://docs.useparagon.com/managed-sync/permissions-api";
const RECORDED: &str = "recorded answers of July 2025";

/// Every entry.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    behaviour::RULES.iter().chain(contradiction::RULES).chain(unknown::RULES)
}

/// The entry with this id.
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
    fn ids_are_unique_and_tell_their_kind() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} twice", rule.id);
            let kind = rule.id.split('.').next().unwrap();
            assert_eq!(kind == "contradiction", rule.kind == RuleKind::Contradiction, "{}", rule.id);
            assert_eq!(kind == "unknown", rule.kind == RuleKind::Unknown, "{}", rule.id);
            assert!(rule.kind == RuleKind::Behaviour || rule.here.is_some(), "{}: what is done about it?", rule.id);
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
        assert_eq!(RuleKind::ALL.map(|kind| kind.to_string()), ["behaviour", "contradiction", "unknown"]);
        for rule in rules().filter(|rule| rule.kind != RuleKind::Behaviour) {
            assert!(rule.id.starts_with(&format!("{}.", rule.kind)), "{}", rule.id);
        }
    }
}
