use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Progress of the cases of a run: how many are planned, have ended, and have failed. Cases are known by their ids.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<&'static str, Counts>>);

#[derive(Clone, Debug, Default)]
struct Counts {
    planned: usize,
    ended: usize,
    failed: usize,
    /// Cases that the case presumes, directly or by way of others.
    presumed: Vec<&'static str>,
    /// Cases that may be the cause of the failure.
    causes: Vec<&'static str>,
}

impl Board {
    /// Adds a case that will be played. `presumed` are the cases that it presumes, directly or by way of others.
    pub(super) fn plan(&self, case: &'static str, presumed: Vec<&'static str>) {
        self.change(case, |counts| (counts.planned, counts.presumed) = (counts.planned + 1, presumed));
    }

    /// Notes that a case has ended. `causes` are the cases that may be the cause of a failure.
    pub(super) fn end(&self, case: &'static str, failed: bool, causes: &[&'static str]) {
        self.change(case, |counts| {
            counts.ended += 1;
            counts.failed += usize::from(failed);
            counts.causes = causes.to_vec();
        });
    }

    fn change(&self, case: &'static str, change: impl FnOnce(&mut Counts)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(case).or_default());
    }

    fn of(&self, case: &str) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(case).cloned().unwrap_or_default()
    }

    /// Returns whether a case that this case presumes has failed. A failure of this case would then say nothing.
    pub(super) fn is_doomed(&self, case: &str) -> bool {
        self.of(case).presumed.iter().any(|other| self.of(other).failed > 0)
    }

    /// Returns whether all of these cases that belong to this run have ended.
    pub(super) fn have_ended(&self, cases: &[&'static str]) -> bool {
        cases.iter().map(|other| self.of(other)).all(|counts| counts.ended >= counts.planned)
    }

    /// Returns those of the cases that have failed for a reason of their own.
    pub(super) fn causes(&self, cases: &[&'static str]) -> Vec<&'static str> {
        let failed = cases.iter().filter(|other| self.of(other).failed > 0);
        let has_cause = |other: &str| self.of(other).causes.iter().any(|cause| self.of(cause).failed > 0);
        failed.filter(|other| !has_cause(other)).copied().collect()
    }
}
