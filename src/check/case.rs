use std::pin::Pin;

use serde::Serialize;

use super::stop::Stop;
use super::trial::Trial;
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

/// What a case is about: the first part of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// Answering webhooks.
    Ack,
    /// Using the Sync API.
    Pull,
    /// Each record right in the end.
    Rec,
    /// Each user's data apart.
    Iso,
    /// Outages.
    Out,
    /// Generated histories.
    Conv,
    /// Delivery policies.
    Pol,
}

/// What a case has to be able to do, beside sending events and serving the Sync API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Need {
    /// Ask the receiver what it holds.
    State,
    /// End its process and start it again.
    Process,
}

impl Need {
    /// Why the case cannot be judged without it.
    pub(super) const fn missing(self) -> &'static str {
        match self {
            Self::State => "only the receiver can tell what it holds: give it a state probe (--state-url, --state-cmd)",
            Self::Process => "the receiver's process cannot be ended from here: let it be started (--spawn)",
        }
    }
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;

/// One requirement, and how it is judged.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Stable: `rec-deleted`. The part before the dash is the family.
    pub id: &'static str,
    /// What it is about.
    pub family: Family,
    /// How much it matters.
    pub level: Level,
    /// What is required, in plain words.
    pub title: &'static str,
    /// What is claimed without a look at the receiver's state, where the title claims more than its answers and calls show.
    pub title_unseen: Option<&'static str>,
    /// What goes wrong in production otherwise.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// Without what it cannot be judged.
    pub needs: &'static [Need],
    /// The ids of the cases that it presumes: when one of them fails, a failure of this one says nothing.
    pub presumes: &'static [&'static str],
    /// The ids of the rules that a verdict rests on.
    pub rests_on: &'static [&'static str],
    pub(super) run: for<'a> fn(&'a Trial<'a>) -> Running<'a>,
}

impl Case {
    /// Whether nothing else may go on meanwhile: it ends the receiver's process, or may take the receiver down.
    pub(super) fn is_alone(&self) -> bool {
        const DANGEROUS: [&str; 6] =
            ["pull-deleted-sync", "rec-forged-sync", "iso-forged-user", "pull-hangs", "ack-slow-api", "ack-malformed"];
        self.ends_process() || DANGEROUS.contains(&self.id)
    }

    /// Whether it ends the receiver's process.
    pub(super) fn ends_process(&self) -> bool {
        self.needs.contains(&Need::Process)
    }

    /// Whether the case takes long to play. Such a case is not played if a case that it presumes has failed.
    pub(super) fn is_long(&self) -> bool {
        self.ends_process() || matches!(self.family, Family::Conv | Family::Pol)
    }

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
