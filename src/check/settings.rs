use super::case::Case;
use super::failures::Failures;
use super::known::Known;
use super::result::CaseResult;
use crate::delivery::Policy;

/// Settings of a run, beside those of the receiver.
pub(super) struct Settings<'a> {
    pub(super) fail_fast: bool,
    pub(super) policies: Vec<Policy>,
    pub(super) failures: Option<Failures>,
    pub(super) known: Known,
    pub(super) on_start: Box<dyn Fn(&Starting) + Send + Sync + 'a>,
    pub(super) on_result: Box<dyn Fn(&CaseResult) + Send + Sync + 'a>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            fail_fast: false,
            policies: Vec::new(),
            failures: None,
            known: Known::default(),
            on_start: Box::new(|_| ()),
            on_result: Box::new(|_| ()),
        }
    }
}

/// A case that is about to begin.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Starting {
    /// The case.
    pub case: &'static Case,
    /// Number of cases that began or were left out before it.
    pub before: usize,
    /// Number of planned cases.
    pub of: usize,
}
