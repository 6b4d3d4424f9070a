use std::pin::Pin;

use serde::Serialize;

use super::context::CaseContext;
use super::error::CaseError;
use super::need::Need;
use crate::contract::{Grade, Rule, rule};

/// Importance of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The requirement follows from what Paragon documents.
    Must,
    /// The requirement follows from what was observed, or from what must be expected of any webhook.
    Should,
    /// The requirement is good to have. A failure never decides a run.
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

/// Subject of a case, which is the first part of the case's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// Answers to webhooks.
    Ack,
    /// Use of the Sync API.
    Pull,
    /// Correctness of each record in the end.
    Rec,
    /// Isolation of each user's data.
    Iso,
    /// Outages.
    Out,
    /// Generated histories.
    Conv,
    /// Delivery policies.
    Pol,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), CaseError>> + Send + 'a>>;

/// One requirement, and the way in which it is judged.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Stable id, such as `rec-deleted`. The part before the dash is the family.
    pub id: &'static str,
    /// Subject of the case.
    pub family: Family,
    /// Importance of the case.
    pub level: Level,
    /// The requirement, in plain words.
    pub title: &'static str,
    /// The requirement that a verdict covers without a look at the receiver's state. `None` if the verdict covers the
    /// whole title.
    pub title_unseen: Option<&'static str>,
    /// Damage in production if the requirement is not met.
    pub why: &'static str,
    /// Way to fix a receiver that fails.
    pub fix: &'static str,
    /// Means without which the case cannot be judged.
    pub needs: &'static [Need],
    /// Ids of the cases that this case presumes. If one of them fails, a failure of this case says nothing.
    pub presumes: &'static [&'static str],
    /// Ids of the rules that a verdict rests on.
    pub rests_on: &'static [&'static str],
    pub(super) run: for<'a> fn(&'a CaseContext<'a>) -> Running<'a>,
}

impl Case {
    /// Returns whether no other case may run meanwhile, because the case ends the receiver's process or may take the
    /// receiver down.
    pub(super) fn is_alone(&self) -> bool {
        const DANGEROUS: [&str; 6] =
            ["pull-deleted-sync", "rec-forged-sync", "iso-forged-user", "pull-hangs", "ack-slow-api", "ack-malformed"];
        self.ends_process() || DANGEROUS.contains(&self.id)
    }

    /// Returns whether the case ends the receiver's process.
    pub(super) fn ends_process(&self) -> bool {
        self.needs.contains(&Need::Process)
    }

    /// Returns whether the case takes long to play. A long case is not played if a case that it presumes has failed.
    pub(super) fn is_long(&self) -> bool {
        self.ends_process() || matches!(self.family, Family::Conv | Family::Pol)
    }

    /// Returns the requirement that a verdict covers. Without a state probe, a verdict covers less than the title of some
    /// cases.
    pub(super) fn title_covered(&self, is_state_seen: bool) -> &'static str {
        self.title_unseen.filter(|_| !is_state_seen).unwrap_or(self.title)
    }

    /// Returns the rules that a verdict rests on.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.rests_on.iter().filter_map(|id| rule(id))
    }

    /// Returns the weakest grade among the rules that a verdict rests on.
    pub fn grade(&self) -> Grade {
        self.rules().map(|rule| rule.grade).max().unwrap_or(Grade::Documented)
    }

    /// Returns the ids of the rules that a verdict rests on and that Paragon does not document.
    pub fn assumes(&self) -> Vec<&'static str> {
        self.rules().filter(|rule| rule.grade != Grade::Documented).map(|rule| rule.id).collect()
    }
}
