use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::case::Case;
use super::cases::cases;

/// Progress of the cases of a run: how many are planned, have ended, and have failed.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<&'static str, Counts>>);

#[derive(Clone, Debug, Default)]
struct Counts {
    planned: usize,
    ended: usize,
    failed: usize,
    /// The cases that may be the cause of a failure.
    presumed: Vec<&'static Case>,
}

impl Board {
    pub(super) fn plan(&self, case: &'static Case) {
        self.change(case.id, |counts| counts.planned += 1);
    }

    pub(super) fn end(&self, case: &'static Case, failed: bool, presumed: &[&'static Case]) {
        self.change(case.id, |counts| {
            counts.ended += 1;
            counts.failed += usize::from(failed);
            counts.presumed = presumed.to_vec();
        });
    }

    fn change(&self, id: &'static str, change: impl FnOnce(&mut Counts)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default());
    }

    fn of(&self, case: &Case) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(case.id).cloned().unwrap_or_default()
    }

    /// Returns whether a case that this case presumes has failed. A failure of this case would then say nothing.
    pub(super) fn is_doomed(&self, case: &Case) -> bool {
        presumed(case).iter().any(|other| self.of(other).failed > 0)
    }

    /// Returns whether all of these cases that belong to this run have ended.
    pub(super) fn knows_causes(&self, presumed: &[&'static Case]) -> bool {
        presumed.iter().map(|other| self.of(other)).all(|counts| counts.ended >= counts.planned)
    }

    /// Returns the ids of the presumed cases that have failed for a reason of their own.
    pub(super) fn causes(&self, presumed: &[&'static Case]) -> Vec<&'static str> {
        let failed = presumed.iter().filter(|other| self.of(other).failed > 0);
        let has_cause = |other: &Case| self.of(other).presumed.iter().any(|cause| self.of(cause).failed > 0);
        failed.filter(|other| !has_cause(other)).map(|other| other.id).collect()
    }
}

/// Returns all cases that a case presumes, directly or by way of others, in the order in which they run.
pub(super) fn presumed(case: &Case) -> Vec<&'static Case> {
    presumed_by(case.presumes)
}

/// Returns these cases and all cases that they presume, directly or by way of others.
pub(super) fn presumed_by(ids: &[&'static str]) -> Vec<&'static Case> {
    let find = |id: &str| cases().iter().find(|case| case.id == id);
    let mut known = BTreeSet::new();
    let mut open: Vec<&str> = ids.to_vec();
    while let Some(id) = open.pop() {
        if known.insert(id) {
            open.extend(find(id).into_iter().flat_map(|case| case.presumes));
        }
    }
    cases().iter().filter(|case| known.contains(case.id)).collect()
}
